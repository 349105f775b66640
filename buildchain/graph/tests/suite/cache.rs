//! The result cache: outputs with the same key are restored intact, or built again.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use content::Digest;
use graph::{
    Evicted, RemoteCache, RemoteError, ResultCache, RunOptions, Task, TaskInput, TaskOutput, TaskVerdict,
};

use crate::scratch::{Project, Ran};

/// One task that produces a file, and a folder with files of all kinds.
fn tree(project: &Project, runs: &Arc<AtomicUsize>) -> Vec<Task> {
    let runs = runs.clone();
    project.write("keep", "");
    vec![Task {
        name: "tree".into(),
        inputs: vec![TaskInput::file("in")],
        outputs: vec![TaskOutput::File("_build/file".into()), TaskOutput::Folder("_build/tree".into())],
        action: Some(Box::new(move |context| {
            runs.fetch_add(1, Ordering::SeqCst);
            let text = fs::read_to_string(context.path("in"))?;
            fs::write(context.path("_build/file"), &text)?;
            let tree = context.path("_build/tree");
            fs::create_dir_all(tree.join("sub/empty"))?;
            fs::write(tree.join("sub/script"), format!("script {text}"))?;
            fs::set_permissions(tree.join("sub/script"), fs::Permissions::from_mode(0o755))?;
            fs::write(tree.join("sub/same"), format!("script {text}"))?;
            symlink("sub/script", tree.join("link"))?;
            fs::set_permissions(tree.join("sub"), fs::Permissions::from_mode(0o700))?;
            Ok(())
        })),
        ..Task::default()
    }]
}

fn cached(project: &Project, cache: &Path) -> RunOptions {
    assert!(!cache.starts_with(project.root()));
    RunOptions { cache: Some(ResultCache::new(cache.to_owned(), None)), ..RunOptions::default() }
}

/// Every path below `_build` with kind, mode, target and content.
fn dump(project: &Project) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![PathBuf::from("_build")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(project.root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            let whole = project.root().join(&path);
            let metadata = whole.symlink_metadata().unwrap();
            let (path, mode) = (path.display().to_string(), metadata.mode());
            if path.starts_with("_build/.state") {
                continue;
            }
            let content = if metadata.is_dir() {
                folders.push(path.clone().into());
                String::new()
            } else if metadata.is_symlink() {
                fs::read_link(&whole).unwrap().display().to_string()
            } else {
                project.read(&path)
            };
            lines.push(format!("{path} {mode:o} {content}"));
        }
    }
    lines.sort();
    lines
}

#[test]
fn a_cached_result_is_restored() {
    let (one, other, cache) = (Project::new(), Project::new(), tempfile::tempdir().unwrap());
    let runs = Arc::new(AtomicUsize::new(0));
    let build = |project: &Project, text: &str| -> Ran {
        project.write("in", text);
        project.run_with(tree(project, &runs), &["tree"], cached(project, cache.path()))
    };
    assert_eq!(build(&one, "1").verdict("tree"), TaskVerdict::Succeeded);
    let whole = dump(&one);
    assert_eq!(build(&one, "2").verdict("tree"), TaskVerdict::Succeeded);
    // The old input again, and in another project: neither runs.
    assert_eq!(build(&one, "1").verdict("tree"), TaskVerdict::Restored);
    assert_eq!(build(&other, "1").verdict("tree"), TaskVerdict::Restored);
    assert_eq!((dump(&one), dump(&other)), (whole.clone(), whole.clone()));
    assert_eq!(build(&other, "1").verdict("tree"), TaskVerdict::UpToDate);
    // Removed outputs are restored too.
    fs::remove_file(other.path("_build/file")).unwrap();
    fs::remove_dir_all(other.path("_build/tree")).unwrap();
    assert_eq!(build(&other, "1").verdict("tree"), TaskVerdict::Restored);
    assert_eq!(dump(&other), whole);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_damaged_blob_is_not_restored() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("written through", |blob| fs::write(blob, "evil").unwrap()),
        ("cut off", |blob| fs::write(blob, "").unwrap()),
        ("removed", |blob| fs::remove_file(blob).unwrap()),
        ("chmod", |blob| fs::set_permissions(blob, fs::Permissions::from_mode(0o600)).unwrap()),
        ("replaced", |blob| {
            fs::remove_file(blob).unwrap();
            fs::create_dir(blob).unwrap();
        }),
    ];
    for (damage, apply) in damages {
        let (one, cache) = (Project::new(), tempfile::tempdir().unwrap());
        let runs = Arc::new(AtomicUsize::new(0));
        one.write("in", "1");
        one.run_with(tree(&one, &runs), &["tree"], cached(&one, cache.path()));
        let whole = dump(&one);
        for folder in fs::read_dir(cache.path().join("blobs")).unwrap() {
            for blob in fs::read_dir(folder.unwrap().path()).unwrap() {
                apply(&blob.unwrap().path());
            }
        }
        let other = Project::new();
        other.write("in", "1");
        let ran = other.run_with(tree(&other, &runs), &["tree"], cached(&other, cache.path()));
        assert_eq!(ran.verdict("tree"), TaskVerdict::Succeeded, "{damage}");
        assert_eq!(dump(&other), whole, "{damage}");
    }
}

#[test]
fn a_damaged_record_is_not_used() {
    let (one, cache) = (Project::new(), tempfile::tempdir().unwrap());
    let runs = Arc::new(AtomicUsize::new(0));
    one.write("in", "1");
    one.run_with(tree(&one, &runs), &["tree"], cached(&one, cache.path()));
    let results: Vec<_> =
        fs::read_dir(cache.path().join("tasks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let whole = fs::read(&results[0]).unwrap();
    for byte in (0..whole.len()).step_by(19) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 0x20;
        fs::write(&results[0], &damaged).unwrap();
        let other = Project::new();
        other.write("in", "1");
        let ran = other.run_with(tree(&other, &runs), &["tree"], cached(&other, cache.path()));
        assert_eq!(ran.verdict("tree"), TaskVerdict::Succeeded, "byte {byte}");
    }
}

#[test]
fn an_eviction_keeps_the_most_recently_used_results() {
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    let build = |text: &str| {
        project.write("in", text);
        let tasks = vec![project.join("a", &["in"], "_build/a")];
        project.run_with(tasks, &["a"], cached(&project, cache.path())).verdict("a")
    };
    let long = |letter: &str| letter.repeat(999);
    for letter in ["x", "y", "z", "x"] {
        build(&long(letter));
    }
    // Two results of a thousand bytes fit, each with a record of less than four hundred.
    let evicted = ResultCache::new(cache.path().into(), None).evict(2800).unwrap();
    assert_eq!((evicted.results, evicted.files), (1, 1));
    assert!((1001..1400).contains(&evicted.bytes), "{evicted:?}");
    assert_eq!(build(&long("z")), TaskVerdict::Restored);
    assert_eq!(build(&long("x")), TaskVerdict::Restored);
    assert_eq!(build(&long("y")), TaskVerdict::Succeeded);
    let evicted = ResultCache::new(cache.path().into(), None).evict(0).unwrap();
    assert_eq!((evicted.results, evicted.files), (3, 3));
    assert_eq!(ResultCache::new(cache.path().join("none"), None).evict(0).unwrap(), Default::default());
}

#[test]
fn the_limit_holds_after_every_run() {
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    for letter in ["x", "y", "z"] {
        project.write("in", &letter.repeat(999));
        let limited = ResultCache::new(cache.path().into(), Some(2000));
        let options = RunOptions { cache: Some(limited), ..RunOptions::default() };
        project.run_with(vec![project.join("a", &["in"], "_build/a")], &["a"], options);
        let results = fs::read_dir(cache.path().join("tasks")).unwrap().count();
        assert_eq!(results, 1);
    }
}

/// An output shares its content with the cache; an action that writes in place must not write into the cache.
#[test]
fn an_action_that_writes_in_place_leaves_the_cache_alone() {
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    for (text, verdict) in
        [("1", TaskVerdict::Succeeded), ("2", TaskVerdict::Succeeded), ("1", TaskVerdict::Restored)]
    {
        project.write("in", text);
        let tasks = vec![project.join("a", &["in"], "_build/a")];
        assert_eq!(project.run_with(tasks, &["a"], cached(&project, cache.path())).verdict("a"), verdict);
        assert_eq!(project.read("_build/a"), format!("{text}a"));
    }
}

/// The next eviction removes unfinished files of killed runs, but not while another process adds files.
#[test]
fn an_eviction_removes_unfinished_files_of_killed_runs() {
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    project.write("in", "1");
    let build = || {
        project.run_with(vec![project.join("a", &["in"], "_build/a")], &["a"], cached(&project, cache.path()))
    };
    build();
    let unfinished = cache.path().join(".new-killed/blob");
    fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
    fs::write(&unfinished, "half").unwrap();
    let lock = fs::File::open(cache.path().join("lock")).unwrap();
    lock.lock_shared().unwrap();
    let evict = || ResultCache::new(cache.path().into(), None).evict(1_000_000).unwrap();
    assert_eq!(evict(), Evicted::default());
    assert!(unfinished.exists());
    lock.unlock().unwrap();
    evict();
    assert!(!unfinished.exists());
    assert_eq!(ResultCache::new(cache.path().into(), None).usage().unwrap().results, 1);
}

/// A record, and the contents that it names.
type Stored = (Vec<u8>, HashMap<Digest, Vec<u8>>);

/// A remote cache in memory, which can be made to fail.
#[derive(Default)]
pub(crate) struct InMemory {
    stored: Mutex<HashMap<Digest, Stored>>,
    unavailable: AtomicBool,
    damages: AtomicBool,
    pub(crate) calls: AtomicUsize,
}

impl InMemory {
    fn call(&self) -> Result<(), RemoteError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.unavailable.load(Ordering::SeqCst) {
            Err(RemoteError::Unavailable("no route to host".into()))
        } else {
            Ok(())
        }
    }
}

impl RemoteCache for InMemory {
    fn record(&self, key: Digest) -> Result<Option<Vec<u8>>, RemoteError> {
        self.call()?;
        Ok(self.stored.lock().unwrap().get(&key).map(|(record, _)| record.clone()))
    }

    fn contents(&self, key: Digest, wanted: &[Digest], folder: &Path) -> Result<(), RemoteError> {
        self.call()?;
        let stored = self.stored.lock().unwrap();
        for digest in wanted {
            let mut content = stored[&key].1[digest].clone();
            if self.damages.load(Ordering::SeqCst) {
                content.push(b'!');
            }
            fs::write(folder.join(digest.hex()), content).unwrap();
        }
        Ok(())
    }

    fn store(&self, key: Digest, record: &[u8], contents: &[(Digest, PathBuf)]) -> Result<(), RemoteError> {
        self.call()?;
        let contents = contents.iter().map(|(digest, path)| (*digest, fs::read(path).unwrap())).collect();
        self.stored.lock().unwrap().insert(key, (record.to_vec(), contents));
        Ok(())
    }
}

#[test]
fn a_result_of_another_machine_is_restored() {
    let remote = Arc::new(InMemory::default());
    let runs = Arc::new(AtomicUsize::new(0));
    // Each machine has a project and a cache of its own.
    let machine = |writes: bool| {
        let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
        project.write("in", "1");
        let local = ResultCache::new(cache.path().into(), None).with_remote(remote.clone(), writes);
        let options = RunOptions { cache: Some(local), ..RunOptions::default() };
        let ran = project.run_with(tree(&project, &runs), &["tree"], options);
        let whole = dump(&project);
        (ran, whole, cache, project)
    };
    // A cheap task does not use the remote cache, and a machine that only reads sends nothing.
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    project.write("in", "1");
    let mut cheap = tree(&project, &Arc::default());
    cheap[0].cheap = true;
    let local = ResultCache::new(cache.path().into(), None).with_remote(remote.clone(), true);
    project.run_with(cheap, &["tree"], RunOptions { cache: Some(local), ..RunOptions::default() });
    assert_eq!(remote.calls.load(Ordering::SeqCst), 0);
    assert_eq!(machine(false).0.verdict("tree"), TaskVerdict::Succeeded);
    assert!(remote.stored.lock().unwrap().is_empty());
    let (ran, whole, ..) = machine(true);
    assert_eq!(ran.verdict("tree"), TaskVerdict::Succeeded);
    let (ran, restored, cache, project) = machine(false);
    assert_eq!((ran.verdict("tree"), restored), (TaskVerdict::Restored, whole.clone()));
    // Now the local cache has it, and the remote one is not used.
    let calls = remote.calls.load(Ordering::SeqCst);
    fs::remove_dir_all(project.path("_build")).unwrap();
    let local = ResultCache::new(cache.path().into(), None).with_remote(remote.clone(), false);
    let options = RunOptions { cache: Some(local), ..RunOptions::default() };
    assert_eq!(
        project.run_with(tree(&project, &runs), &["tree"], options).verdict("tree"),
        TaskVerdict::Restored
    );
    assert_eq!(remote.calls.load(Ordering::SeqCst), calls);

    // Content with another digest is refused with a warning, and the task runs.
    remote.damages.store(true, Ordering::SeqCst);
    let (ran, built, ..) = machine(false);
    assert_eq!((ran.verdict("tree"), built), (TaskVerdict::Succeeded, whole.clone()));
    assert!(
        ran.reports["tree"].err.contains("corrupt: content with the digest"),
        "{:?}",
        ran.reports["tree"]
    );
    for (record, _) in remote.stored.lock().unwrap().values_mut() {
        let middle = record.len() / 2;
        record[middle] ^= 1;
    }
    let (ran, ..) = machine(false);
    assert!(ran.reports["tree"].err.contains("is malformed"), "{:?}", ran.reports["tree"]);
    assert_eq!(ran.verdict("tree"), TaskVerdict::Succeeded);
}

#[test]
fn a_remote_cache_that_cannot_be_reached_is_reported_once_and_the_run_continues() {
    let remote = Arc::new(InMemory::default());
    remote.unavailable.store(true, Ordering::SeqCst);
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    project.write("in", "1");
    let tasks = vec![
        project.join("a", &["in"], "_build/a"),
        project.join("b", &["_build/a"], "_build/b"),
        project.join("c", &["_build/b"], "_build/c"),
    ];
    let local = ResultCache::new(cache.path().into(), None).with_remote(remote.clone(), true);
    let ran = project.run_with(tasks, &["c"], RunOptions { cache: Some(local), ..RunOptions::default() });
    assert_eq!((ran.outcome.exit(), remote.calls.load(Ordering::SeqCst)), (0, 1));
    let warned: Vec<_> = ran.reports.values().filter(|report| !report.err.is_empty()).collect();
    assert_eq!(warned.len(), 1);
    assert_eq!(
        warned[0].err,
        "cannot restore the outputs from the cache: cannot use the remote cache; the run continues without it: no route \
         to host\n"
    );
}

#[test]
fn machines_with_different_paths_and_umasks_share_results() {
    let (one, other, cache) = (Project::new(), Project::new(), tempfile::tempdir().unwrap());
    let build = |project: &Project, tool: &str, mode: u32, text: &str| -> Ran {
        let elsewhere = cache.path().join(tool);
        fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
        fs::write(&elsewhere, text).unwrap();
        project.write("in", "x");
        project.write("folder/script", "x");
        for (path, mode) in [
            (elsewhere.clone(), mode),
            (project.path("in"), mode & 0o666),
            (project.path("folder"), mode),
            (project.path("folder/script"), mode),
        ] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut task = project.join("task", &["in"], "_build/out");
        let more = [
            TaskInput::named("tool", elsewhere),
            TaskInput::folder("folder"),
            TaskInput::glob("folder", "*"),
        ];
        task.inputs.extend(more);
        project.run_with(vec![task], &["task"], cached(project, &cache.path().join("cache")))
    };
    assert_eq!(build(&one, "usr/bin/tool", 0o755, "1").verdict("task"), TaskVerdict::Succeeded);
    assert_eq!(build(&other, "opt/tool-1", 0o700, "1").verdict("task"), TaskVerdict::Restored);
    // The content of the program is an input. The reason has its name, not its path.
    let ran = build(&other, "opt/tool-1", 0o775, "2");
    assert_eq!(ran.verdict("task"), TaskVerdict::Succeeded);
    let [reason] = ran.reports["task"].reasons.as_slice() else { panic!("{:?}", ran.reports["task"]) };
    assert!(reason.to_string().starts_with("input named file tool changed: sha256:"), "{reason}");
    assert_eq!(build(&other, "opt/tool-1", 0o664, "2").verdict("task"), TaskVerdict::Succeeded);
}
