use super::*;
use std::fs;

/// A folder and the files of a first run in it, whose clock stands in the folder.
fn first(folder: &Path) -> Files {
    next(folder, HashMap::new())
}

fn next(folder: &Path, known: HashMap<Inode, Known>) -> Files {
    let clock = File::options().write(true).create(true).truncate(false).open(folder.join("clock")).unwrap();
    Files::new(folder, Some(clock), known, 2).unwrap()
}

/// The files of the run after `files`.
fn after(folder: &Path, files: Files) -> Files {
    // What was fresh in the last run is not in this one.
    thread::sleep(Duration::from_millis(20));
    next(folder, files.into_known())
}

fn reads(files: &Files) -> usize {
    files.reads.swap(0, Ordering::Relaxed)
}

fn settled(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_file_is_read_once_however_many_ask() {
    let folder = tempfile::tempdir().unwrap();
    settled(&folder.path().join("a"), "x");
    let files = first(folder.path());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(b"x")));
        }
    });
    assert_eq!(reads(&files), 1);
    let files = after(folder.path(), files);
    files.digest(Path::new("a")).unwrap();
    assert_eq!(reads(&files), 0);
}

#[test]
fn what_was_touched_is_read_once_more_and_then_remembered() {
    let folder = tempfile::tempdir().unwrap();
    settled(&folder.path().join("a"), "x");
    let files = first(folder.path());
    files.digest(Path::new("a")).unwrap();
    settled(&folder.path().join("a"), "x");
    let mut files = after(folder.path(), files);
    for expected in [1, 0] {
        files.digest(Path::new("a")).unwrap();
        assert_eq!(reads(&files), expected);
        files = after(folder.path(), files);
    }
}

#[test]
fn hard_links_share_one_memory_and_making_one_costs_no_reading() {
    let folder = tempfile::tempdir().unwrap();
    settled(&folder.path().join("a"), "x");
    let files = first(folder.path());
    files.digest(Path::new("a")).unwrap();
    for name in ["b", "c"] {
        files.link(Path::new("a"), Path::new(name)).unwrap();
    }
    assert!(files.link(Path::new("a"), Path::new("c")).is_err(), "something is there");
    for name in ["a", "b", "c"] {
        assert_eq!(files.digest(Path::new(name)).unwrap(), Digest::of(b"x"));
    }
    assert_eq!(reads(&files), 1);
}

/// Builds set modification times, and file systems use inodes again: neither tells two contents apart.
#[test]
fn another_content_of_the_same_size_and_time_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (path, time) = (folder.path().join("a"), std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let write = |text: &str, anew: bool| {
        if anew {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, text).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        thread::sleep(Duration::from_millis(20));
    };
    write("1.0", false);
    fs::hard_link(&path, folder.path().join("b")).unwrap();
    let mut files = first(folder.path());
    for (text, anew) in [("1.0", false), ("1.1", false), ("1.2", true), ("1.3", true)] {
        write(text, anew);
        assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(text.as_bytes()));
        files = after(folder.path(), files);
    }
}

#[test]
fn what_is_as_young_as_the_clock_is_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    let files = first(folder.path());
    let identity = files.regular(Path::new("a")).unwrap();
    let known = Known { identity, digest: Digest::of(b"x") };
    assert!(!files.remember(known, identity.changed));
    assert_eq!(files.remembered(&identity), Some(Digest::of(b"x")), "it serves this run");
    assert!(files.take_learnt().is_empty());
    assert!(files.into_known().is_empty());
    let files = first(folder.path());
    assert!(files.remember(known, identity.changed + 1));
    assert_eq!(files.take_learnt().len(), 1);
}

#[test]
fn what_was_taught_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    fs::write(folder.path().join("b"), "x").unwrap();
    let files = first(folder.path());
    files.teach(Path::new("a"), Digest::of(b"x")).unwrap();
    files.teach(Path::new("b"), Digest::of(b"x")).unwrap();
    fs::write(folder.path().join("b"), "edited").unwrap();
    files.settle();
    let files = after(folder.path(), files);
    assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(b"x"));
    assert_eq!(reads(&files), 0);
    assert_eq!(files.digest(Path::new("b")).unwrap(), Digest::of(b"edited"));
    assert!(files.teach(folder.path(), Digest::of(b"")).is_err());
}

#[test]
fn a_reading_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    // Sparse, and far more than can be read meanwhile.
    for name in ["a", "b", "c"] {
        File::create(folder.path().join(name)).unwrap().set_len(64 << 30).unwrap();
    }
    let (files, stop) = (first(folder.path()), AtomicBool::new(false));
    let paths = ["a", "b", "c"].map(Path::new);
    let looks = thread::scope(|scope| {
        let looking = scope.spawn(|| files.look_all(&paths, true, &stop));
        while files.reads.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        looking.join().unwrap()
    });
    assert!(looks.iter().all(|look| matches!(look, Err(LookError::Stopped { .. }))), "{looks:?}");
}

#[test]
fn nobody_vouches_for_what_was_written_to_since_it_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let files = first(folder.path());
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), "x").unwrap();
        assert_eq!(files.digest(Path::new(name)).unwrap(), Digest::of(b"x"));
    }
    fs::write(folder.path().join("b"), "edited").unwrap();
    for name in ["a", "b"] {
        files.vouch(Path::new(name), Digest::of(b"x")).unwrap();
    }
    files.settle();
    let files = after(folder.path(), files);
    assert_eq!(files.digest(Path::new("a")).unwrap(), Digest::of(b"x"));
    assert_eq!(reads(&files), 0);
    assert_eq!(files.digest(Path::new("b")).unwrap(), Digest::of(b"edited"));
}
