//! Packages from spec files: with the rpmbuild of this machine, and in a container that has one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::daemon::{Daemon, free_port};
use tests::file_server::{FileServer, Reply};
use tests::registry::{self, Layout};
use tests::{peer, sealift};

use crate::project::Project;

const SPEC: &str = r#"
Name:           hello
Version:        1.0
Release:        1%{?dist}
Summary:        Says hello
License:        MIT
URL:            http://127.0.0.1:PORT
Source0:        %{url}/%{name}-%{hello_commit}.tar.gz
Source1:        hello.sh
BuildArch:      noarch

%description
Says hello to everybody.

%package        doc
Summary:        What hello says

%description    doc
What hello says to everybody.

%package        debug
Summary:        How hello says it

%description    debug
How hello says it to everybody.

%prep
%setup -q -n hello

%build
BUILD

%install
install -D -m 0755 %{SOURCE1} %{buildroot}/usr/bin/hello
install -D -m 0644 README %{buildroot}/usr/share/doc/hello/README
install -D -m 0644 README %{buildroot}/usr/share/hello/debug

%files
/usr/bin/hello

%files doc
/usr/share/doc/hello/README

%files debug
/usr/share/hello/debug

%changelog
* Thu Nov 26 2026 A <a@example.org> - 1.0-1
- One
"#;

/// What the release of the project is.
const RELEASE: &str = "packages/redhat/8/example-base-el8";

/// The files of a server, by path.
type Served = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Projects with a spec file, and the server of its source.
struct Sources {
    served: Served,
    server: FileServer,
}

impl Sources {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("hello")).unwrap();
        fs::write(folder.path().join("hello/README"), "hello\n").unwrap();
        let mut tar = Command::new("tar");
        let tar = peer::run(tar.current_dir(folder.path()).args(["-cz", "hello"])).stdout;
        let served: Served = Arc::new(Mutex::new([("/hello-abc.tar.gz".to_owned(), tar)].into()));
        let server = FileServer::start({
            let served = Arc::clone(&served);
            move |path| {
                served.lock().unwrap().get(path).map_or(Reply::Status(404), |file| Reply::File(file.clone()))
            }
        });
        Self { served, server }
    }

    /// The spec file with these commands in `%build`.
    fn spec(&self, build: &str) -> String {
        SPEC.replace("PORT", &self.server.port.to_string()).replace("BUILD", build)
    }

    /// A project whose entry of the repository also has `more`.
    fn project(&self, more: &str) -> Project {
        let project = Project::new();
        project.write(
            "sealift.yaml",
            &format!(
                "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.2.3}}\nspec:\n  packages:\n    \
                 - name: base\n      release: '8'\n      build: [packages/redhat/8/hello.spec]\n      macros: {{hello_commit: abc}}\n      \
                 exclude: ['*-debug-*']\n{more}"
            ),
        );
        project.write("packages/redhat/8/hello.spec", &self.spec("pwd"));
        project.write("packages/redhat/8/hello.sh", "#!/bin/sh\necho hello\n");
        project
    }
}

/// Runs `sealift` without a date from outside.
fn run(project: &Project, arguments: &[&str]) -> (i32, String) {
    let output = project.command().env_remove("SOURCE_DATE_EPOCH").args(arguments).output().unwrap();
    let (code, out, err) = sealift::told(&output);
    (code, out + &err)
}

fn succeeds(project: &Project, arguments: &[&str]) -> String {
    let (code, text) = run(project, arguments);
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

fn fails(project: &Project, arguments: &[&str], expected: i32) -> String {
    let (code, text) = run(project, arguments);
    assert_eq!(code, expected, "{arguments:?}: {text}");
    text
}

/// The packages that were built, by name: two packages, and the source package.
fn built(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let folders = [format!("_build/root/{RELEASE}/hello"), "_build/packages/redhat/8/hello/srpm".to_owned()];
    let files = folders.iter().flat_map(|folder| fs::read_dir(project.path(folder)).unwrap());
    files.map(|file| file.unwrap().path()).map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn query(project: &Project, package: &str, format: &str) -> String {
    let mut rpm = Command::new("rpm");
    rpm.args(["-qp", "--qf", format]).arg(project.path(package));
    String::from_utf8(peer::run(&mut rpm).stdout).unwrap()
}

const HOST: &str = "      builder: host\n";

/// The command words of the tasks that ran, sorted.
fn ran(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(".  "));
    let mut words: Vec<String> =
        lines.map(|line| line.split("_build/").next().unwrap().trim().to_owned()).collect();
    words.sort();
    words
}

#[test]
fn a_spec_file_is_locked_and_becomes_equal_packages_in_two_folders() {
    if ["rpmbuild", "rpm", "rpmlint"].into_iter().any(|name| peer::find(name).is_none()) {
        return;
    }
    let sources = Sources::new();
    let lint = "      rpmlintrc: packages/rpmlintrc\n";
    let filters = "addFilter('no-(group|packager|documentation|manual-page|dependency-on)')\naddFilter('no-signature')\naddFilter('invalid-license')\n";
    let project = || {
        let project = sources.project(&format!("{HOST}{lint}"));
        project.write("packages/rpmlintrc", filters);
        project
    };
    let (one, other) = (project(), project());
    let text = fails(&one, &["run", "packaging"], 3);
    assert!(text.contains("sealift.yaml:8:15: http://127.0.0.1"), "{text}");
    assert!(text.contains("hello-abc.tar.gz is not locked") && text.contains("run `sealift lock`"), "{text}");
    fails(&one, &["lock", "--check"], 1);
    let text = succeeds(&one, &["lock"]);
    assert!(text.contains("/hello-abc.tar.gz is new: sha256:"), "{text}");
    succeeds(&one, &["lock", "--check"]);
    fs::copy(one.path("sealift.lock"), other.path("sealift.lock")).unwrap();
    let _ = sources.server.asked();
    succeeds(&one, &["run", "packaging"]);
    assert_eq!(sources.server.asked(), [], "the lock brought the source into the store");
    succeeds(&other, &["run", "packaging"]);
    assert!(built(&one) == built(&other), "not the same bytes");
    let names: Vec<String> = built(&one).into_keys().collect();
    assert_eq!(names, ["hello-1.0-1.noarch.rpm", "hello-1.0-1.src.rpm", "hello-doc-1.0-1.noarch.rpm"]);
    let package = format!("_build/root/{RELEASE}/hello/hello-1.0-1.noarch.rpm");
    let noon = 1_795_694_400;
    assert_eq!(
        query(
            &one,
            &package,
            "%{nevra} %{buildhost} %{buildtime} [%{filenames}:%{filemtimes}:%{fileusername} ]%{sourcerpm}"
        ),
        format!("hello-1.0-1.noarch localhost {noon} /usr/bin/hello:{noon}:root hello-1.0-1.src.rpm")
    );
    let primary = project_index(&one);
    assert!(primary.contains("hello/hello-1.0-1.noarch.rpm") && !primary.contains("-debug-"), "{primary}");
    let report = fs::read_to_string(one.path("_build/packages/redhat/8/hello/rpmlint.txt")).unwrap();
    assert!(report.contains("3 packages") && report.contains("0 errors"), "{report}");
    // The original has these names.
    let listed = succeeds(&one, &["list", "--all", "--private"]);
    for step in ["get_source", "srpm", "rpm", "lint"] {
        assert!(listed.contains(&format!("_build_redhat_8_packages:hello/{step}")), "{listed}");
    }

    assert_eq!(ran(&succeeds(&one, &["run", "packaging"])), Vec::<String>::new());
    one.write("packages/redhat/8/hello.sh", "#!/bin/sh\necho hello again\n");
    let text = succeeds(&one, &["explain", "_build_redhat_8_packages:hello/get_source"]);
    assert!(text.contains("packages/redhat/8/hello.sh"), "{text}");
    let text = succeeds(&one, &["run", "packaging"]);
    assert_eq!(ran(&text), ["BUILD RPM", "BUILD RPM REPO", "BUILD SRPM", "GET_SRC", "RPMLINT"], "{text}");
    // What rpmlint refuses ends the run.
    one.write("packages/rpmlintrc", &filters.replace("no-signature", "no-such-check"));
    let text = fails(&one, &["run", "packaging"], 1);
    assert!(
        text.contains("error: `rpmlint` exited with code ") && text.contains("hello.noarch: E: no-signature"),
        "{text}"
    );
    assert_eq!(ran(&text), Vec::<String>::new());
}

/// The list of packages of the repository.
fn project_index(project: &Project) -> String {
    let primary = project.path(&format!("_build/root/{RELEASE}/repodata/primary.xml.gz"));
    String::from_utf8(peer::run(Command::new("gzip").arg("-dc").arg(primary)).stdout).unwrap()
}

#[test]
fn nothing_of_a_spec_file_is_run_to_read_it_and_no_source_leads_out() {
    let sources = Sources::new();
    let project = sources.project(HOST);
    let trace = project.path("trace");
    for (line, expected) in [
        (format!("Source5: a-%(touch {}).tgz", trace.display()), "Source5: it runs a command"),
        ("Source5: %{lua:os.execute('touch trace')}".to_owned(), "Source5: only rpmbuild knows"),
        ("Source5: ../../../../etc/passwd".to_owned(), "Source5: `../../../../etc` leads out of the project"),
        ("Source5: absent.conf".to_owned(), "Source5: packages/redhat/8/absent.conf does not exist"),
        ("Source5: outside.conf".to_owned(), "Source5: `packages/redhat/8/outside.conf` leads to /etc/"),
        ("Source5: ftp://127.0.0.1/a.tgz".to_owned(), "Source5: expected the URL of a file"),
        ("Source5: https://h/%{forgeurl}.tgz".to_owned(), "give it under `macros`"),
        (
            "Source5: https://other.invalid/hello-abc.tar.gz".to_owned(),
            "`hello-abc.tar.gz` also comes from http://127",
        ),
    ] {
        if line.contains("outside") {
            let link = project.path("packages/redhat/8/outside.conf");
            std::os::unix::fs::symlink("/etc/hostname", link).unwrap();
        }
        let spec = sources.spec("pwd").replace("BuildArch:", &format!("{line}\nBuildArch:"));
        project.write("packages/redhat/8/hello.spec", &spec);
        for command in [&["lock"][..], &["run", "packaging"]] {
            let text = fails(&project, command, 3);
            assert!(text.contains("hello.spec:10:1: ") && text.contains(expected), "{line}: {text}");
        }
        assert!(!trace.exists(), "{line} was run");
    }
    let project = sources.project("");
    let text = fails(&project, &["list"], 3);
    assert!(text.contains("sealift.yaml:8:15: a spec file needs a `builder`"), "{text}");
    let project = sources.project(HOST);
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &text.replace("hello_commit: abc", "_topdir: /elsewhere"));
    let text = fails(&project, &["list"], 3);
    assert!(text.contains("Sealift sets the macro `_topdir`: leave it out"), "{text}");
    let project = sources.project("      builder: hots\n");
    assert!(
        fails(&project, &["list"], 3)
            .contains("`hots` is not a builder: expected `host` or `{image: REFERENCE}`")
    );
}

#[test]
fn a_source_that_has_changed_is_refused_and_a_failing_build_keeps_its_log() {
    if peer::find("rpmbuild").is_none() {
        return;
    }
    let sources = Sources::new();
    let project = sources.project(HOST);
    succeeds(&project, &["lock"]);
    fs::remove_dir_all(project.path(".cache")).unwrap();
    let right = sources.served.lock().unwrap().insert("/hello-abc.tar.gz".into(), b"another".to_vec());
    let text = fails(&project, &["run", "packaging"], 1);
    assert!(text.contains("the file has changed") && text.contains("run `sealift update`"), "{text}");
    sources.served.lock().unwrap().insert("/hello-abc.tar.gz".into(), right.unwrap());

    // There is no network, and the user's own macros do not count.
    let port = sources.server.port;
    let build = format!(
        "seq 1000\nif bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'; then echo reached; fi\necho home $HOME\nexit 7"
    );
    project.write("packages/redhat/8/hello.spec", &sources.spec(&build));
    let _ = sources.server.asked();
    let text = fails(&project, &["run", "packaging"], 1);
    let asked: Vec<String> = sources.server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked, ["/hello-abc.tar.gz"]);
    assert!(text.contains("XX BUILD RPM") && text.contains("its output is in "), "{text}");
    assert!(text.contains("\n1000\n") && !text.contains("\n900\n"), "{text}");
    assert!(text.contains("home /mnt/home") && !text.contains("\nreached"), "{text}");
    let log = fs::read_to_string(project.path("_build/logs/redhat-8-hello-rpm.log")).unwrap();
    assert!(log.contains("\n1\n2\n3\n") && log.contains("home /mnt/home"), "{log}");
    assert_eq!(fs::read_dir(project.path(".cache/new")).unwrap().count(), 0);
}

/// Makes the root of a small system with rpmbuild from the files of this machine, and prints it as a tar.gz.
const SYSTEM: &str = r#"
set -eu
cd "$1"
mkdir -p etc tmp var/tmp var/lib/rpm proc dev sys root usr/bin usr/lib usr/lib64
ln -s usr/bin bin
ln -s usr/lib lib
ln -s usr/lib64 lib64
chmod 1777 tmp var/tmp
echo root:x:0:0:root:/root:/bin/sh >etc/passwd
echo root:x:0: >etc/group
programs="rpmbuild rpm bash sh awk cat chmod cp env file find grep gzip id install ls mkdir mv rm sed seq sleep tar touch uname xargs"
for program in $programs; do
    found=$(command -v "$program") || continue
    cp -L "$found" "usr/bin/$program"
done
for file in usr/bin/* /usr/lib/rpm/elfdeps /usr/lib/rpm/rpmdeps; do ldd "$file" 2>/dev/null || :; done |
    grep -o '/[^ )]*' | sort -u | while read -r library; do
    folder=$(dirname "$library")
    case $folder in /lib*) folder=/usr$folder ;; esac
    mkdir -p ".$folder"
    cp -L "$library" ".$folder/"
done
cp -a /usr/lib/rpm usr/lib/
tar -cz .
"#;

/// A registry with an image that has rpmbuild.
struct Builders {
    _folder: tempfile::TempDir,
    _registry: Daemon,
    port: u16,
}

impl Builders {
    fn new() -> Option<Self> {
        for name in ["buildah", "skopeo", "rpmbuild", "rpm"] {
            peer::find(name)?;
        }
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let registry = registry::start(folder.path(), port)?;
        let system = folder.path().join("system");
        fs::create_dir(&system).unwrap();
        let layer = peer::run(Command::new("sh").args(["-c", SYSTEM, "system"]).arg(&system)).stdout;
        let layout = Layout::new(folder.path().join("layout"));
        let image = layout.image(images::Platform::host().architecture.as_str(), &[&layer]);
        layout.name(&[("8", &image)]);
        let from = format!("oci:{}:8", layout.folder.display());
        registry::skopeo_copy(&[], &from, &format!("docker://127.0.0.1:{port}/builder:8"));
        Some(Self { _folder: folder, _registry: registry, port })
    }

    /// The keys of a project that builds with the image.
    fn keys(&self) -> String {
        format!(
            "      builder: {{image: 'registry.invalid/builder:8'}}\n  \
             registries: [{{host: registry.invalid, mirrors: ['http://127.0.0.1:{}']}}]\n",
            self.port
        )
    }
}

#[test]
fn a_container_of_the_locked_image_builds_without_a_network_and_is_stopped_with_the_run() {
    let Some(builders) = Builders::new() else { return };
    let sources = Sources::new();
    let project = || {
        let project = sources.project(&builders.keys());
        // Only the container runs what the spec file runs.
        let spec = sources.spec("pwd\nid -u\ncat /proc/net/dev\n! test -e OUTSIDE\ntest %{made} = made");
        let spec = spec.replace("OUTSIDE", project.path("sealift.yaml").to_str().unwrap());
        let trace = project.path("trace");
        let run = format!("%global made %(mkdir -p {0} && touch {0}/x && echo made)\n", trace.display());
        project.write("packages/redhat/8/hello.spec", &(run + &spec));
        (project, trace)
    };
    let ((one, trace), (other, _)) = (project(), project());
    let text = fails(&one, &["run", "packaging"], 3);
    assert!(text.contains("registry.invalid/builder:8 is not locked"), "{text}");
    let text = succeeds(&one, &["lock"]);
    assert!(text.contains("registry.invalid/builder:8"), "{text}");
    assert_eq!(ran_in(&one, &["run", "packaging"]).len(), 4);
    assert!(!trace.exists(), "the spec file ran on this machine");
    let log = fs::read_to_string(one.path("_build/logs/redhat-8-hello-rpm.log")).unwrap();
    assert!(
        log.contains("+ pwd\n/build/BUILD/hello\n+ id -u\n0\n")
            && log.contains(" lo:")
            && !log.contains("eth0"),
        "{log}"
    );
    assert_eq!(fs::read_dir(one.path(".cache/new")).unwrap().count(), 0, "the container is removed");
    // In another folder, with another store.
    fs::copy(one.path("sealift.lock"), other.path("sealift.lock")).unwrap();
    let spec = fs::read(one.path("packages/redhat/8/hello.spec")).unwrap();
    fs::write(other.path("packages/redhat/8/hello.spec"), spec).unwrap();
    ran_in(&other, &["run", "packaging"]);
    assert!(built(&one) == built(&other), "not the same bytes");
    assert_eq!(built(&one).len(), 3);

    // After an interruption, nothing keeps running.
    let mark = format!("wait-{}", std::process::id());
    one.write(
        "packages/redhat/8/hello.spec",
        &sources.spec(&format!("cp /usr/bin/sleep {mark}\n./{mark} 600")),
    );
    let mut command = with_buildah(&one);
    command.args(["run", "packaging"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !is_running(&mark) {
        assert!(run.try_wait().unwrap().is_none(), "the build ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    peer::run(Command::new("kill").args(["-INT", &run.id().to_string()]));
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(!is_running(&mark), "the container still runs");
    assert_eq!(fs::read_dir(one.path(".cache/new")).unwrap().count(), 0);
}

/// Prepares `sealift` with a storage of buildah that needs no right to mount. Debian's crun refuses kernels with control groups of
/// both versions; runc takes them.
fn with_buildah(project: &Project) -> Command {
    let mut command = project.command();
    command.env("STORAGE_DRIVER", "vfs");
    if let Some(runc) = peer::find("runc") {
        command.env("BUILDAH_RUNTIME", runc);
    }
    command
}

/// Runs `sealift` with buildah.
fn ran_in(project: &Project, arguments: &[&str]) -> Vec<String> {
    let mut command = with_buildah(project);
    command.env_remove("SOURCE_DATE_EPOCH").args(arguments);
    let (code, out, err) = sealift::told(&command.output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    ran(&out)
}

/// Whether a process has this name.
fn is_running(name: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let starts =
        |file: PathBuf| fs::read(file).is_ok_and(|line| line.starts_with(format!("./{name}").as_bytes()));
    processes.into_iter().any(starts)
}
