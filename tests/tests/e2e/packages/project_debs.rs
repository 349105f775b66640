//! Debian packages of a project: built, downloaded and locked, signed, and installed by apt.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tests::apt::Apt;
use tests::file_server::{FileServer, Reply};
use tests::mounts::Disk;
use tests::signing_key::SigningKey;
use tests::user::is_root;
use tests::{peer, sealift};

use crate::project::Project;
use crate::runtime::site::Running;

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\nspec:\n";
const HELLO: &str = "{name: hello, version: '{{ version }}', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
     changelog: [{date: 2026-01-02, author: 'A <a@site.invalid>', version: 1.2.3-1, text: '- First.'}],\n\
     requires: [bash], deb: {depends: [data (>= 1)]}, overrides: {deb-bookworm: {summary: Says hello to Debian}},\n\
     files: [{from: hello.sh, to: /usr/bin/hello, mode: '0755'}]}\n";
const TREE: &str = "_build/root/packages/debian/bookworm/example-tools";

/// The files of a server, by path.
type Served = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// An upstream repository that other tools wrote: packages by dpkg-deb, metadata by apt-ftparchive, signed by gpg.
struct Upstream {
    scratch: tempfile::TempDir,
    key: SigningKey,
    served: Served,
    server: FileServer,
}

impl Upstream {
    fn new() -> Option<Self> {
        for program in ["apt-ftparchive", "dpkg-deb"] {
            peer::find(program)?;
        }
        let scratch = tempfile::tempdir().unwrap();
        let key = SigningKey::new(scratch.path(), "rsa2048")?;
        let served = Served::default();
        let server = FileServer::start({
            let served = Arc::clone(&served);
            move |path| {
                served.lock().unwrap().get(path).map_or(Reply::Status(404), |file| Reply::File(file.clone()))
            }
        });
        let upstream = Self { scratch, key, served, server };
        upstream.package("data", "1.9-1", "all");
        upstream.package("data", "1.10-1", "all");
        upstream.package("tool", "2.0~rc1-1", "amd64");
        upstream.package("tool", "2.0-1", "amd64");
        upstream.package("tool", "2.0-1", "arm64");
        upstream.package("other", "1", "all");
        upstream.publish(&[]);
        Some(upstream)
    }

    fn folder(&self) -> PathBuf {
        self.scratch.path().join("debian")
    }

    fn package(&self, name: &str, version: &str, architecture: &str) {
        let root = self.scratch.path().join("package");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        fs::create_dir_all(root.join("usr/share").join(name)).unwrap();
        fs::write(root.join("usr/share").join(name).join("version"), version).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: A <a@site.invalid>\nDescription: A test\n"
        );
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        let pool = self.folder().join("pool/main").join(name);
        fs::create_dir_all(&pool).unwrap();
        let file = pool.join(format!("{name}_{version}_{architecture}.deb"));
        peer::run(
            Command::new("dpkg-deb").args(["--root-owner-group", "-Znone", "--build"]).arg(&root).arg(file),
        );
    }

    fn archive(&self, arguments: &[&str]) -> Vec<u8> {
        peer::run(Command::new("apt-ftparchive").args(arguments).current_dir(self.folder())).stdout
    }

    /// Writes and signs the metadata of the suite `stable`, with these settings of `Release`, and serves all files.
    fn publish(&self, settings: &[&str]) {
        self.write_lists(|_| true);
        self.release(settings);
    }

    /// Writes the lists of packages; those for an architecture have the packages of `all` that `listed` takes.
    fn write_lists(&self, listed: fn(&str) -> bool) {
        let dists = self.folder().join("dists/stable");
        let _ = fs::remove_dir_all(&dists);
        for architecture in ["amd64", "arm64"] {
            let folder = dists.join(format!("main/binary-{architecture}"));
            fs::create_dir_all(&folder).unwrap();
            let list =
                String::from_utf8(self.archive(&["--arch", architecture, "packages", "pool"])).unwrap();
            let stanzas = list.split_inclusive("\n\n");
            let list: String = stanzas
                .filter(|stanza| !stanza.contains("\nArchitecture: all\n") || listed(stanza))
                .collect();
            fs::write(folder.join("Packages"), list).unwrap();
            peer::run(Command::new("gzip").args(["-9nk", "Packages"]).current_dir(&folder));
        }
    }

    fn release(&self, settings: &[&str]) {
        let dists = self.folder().join("dists/stable");
        let fields = ["Suite=stable", "Codename=bookworm", "Components=main", "Architectures=amd64 arm64"];
        let fields: Vec<String> =
            fields.iter().chain(settings).map(|field| format!("APT::FTPArchive::Release::{field}")).collect();
        let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["-o", field]).collect();
        arguments.extend(["release", "dists/stable"]);
        let release = self.archive(&arguments);
        fs::write(dists.join("Release"), release).unwrap();
        self.sign(&self.key);
        self.serve();
    }

    fn sign(&self, key: &SigningKey) {
        let dists = self.folder().join("dists/stable");
        for file in ["InRelease", "Release.gpg"] {
            let _ = fs::remove_file(dists.join(file));
        }
        let _ = key.gpg(&dists, &["--clearsign", "--output", "InRelease", "Release"]);
        let _ = key.gpg(&dists, &["--armor", "--detach-sign", "--output", "Release.gpg", "Release"]);
    }

    fn serve(&self) {
        let mut served = self.served.lock().unwrap();
        served.clear();
        let mut folders = vec![self.folder()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.scratch.path()).unwrap();
                served.insert(format!("/{}", name.display()), fs::read(&path).unwrap());
            }
        }
    }

    fn source(&self) -> String {
        format!("{{url: \"{}\", suite: stable, keys: [keys/debian.asc]}}", self.server.url("/debian"))
    }

    /// A project with a package of its own, one that is downloaded from the repository, and one by its URL.
    fn project(&self, more: &str) -> Project {
        let project = Project::new();
        project.write("packages/hello/package.yaml", HELLO);
        project.write("keys/debian.asc", std::str::from_utf8(&self.key.public()).unwrap());
        let (source, file) =
            (self.source(), self.server.url("/debian/pool/main/tool/tool_2.0~rc1-1_amd64.deb"));
        project.write(
            "sealift.yaml",
            &format!(
                "{HEAD}  packages:\n    \
                 - {{name: base, release: \"8\", build: [packages/hello]}}\n    \
                 - name: tools\n      family: debian\n      release: bookworm\n      build: [packages/hello]\n      \
                 source: {source}\n      download: [data, \"{file}\"]\n{more}"
            ),
        );
        project
    }
}

fn succeeds(project: &Project, arguments: &[&str]) -> String {
    let (code, out, err) = project.sealift(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    format!("{out}{err}")
}

/// The stanza of a package in the list of the repository at `tree`.
fn listed(tree: &Path, name: &str) -> String {
    let list = tree.join("dists/bookworm/main/binary-amd64/Packages.gz");
    let text = String::from_utf8(peer::run(Command::new("zcat").arg(list)).stdout).unwrap();
    let stanza = text.split("\n\n").find(|stanza| stanza.starts_with(&format!("Package: {name}\n")));
    stanza.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
}

#[test]
fn apt_installs_built_and_downloaded_debian_packages_from_the_archive_of_a_project() {
    let (Some(upstream), Some(apt)) = (Upstream::new(), peer::find("apt-get")) else { return };
    let more = "  signing: {publicKey: keys/public.asc}\n";
    let (one, other) = (upstream.project(more), upstream.project(more));
    let Some(key) = SigningKey::new(&one.path(""), "ed25519") else { return };
    let secret = String::from_utf8(key.gpg(&one.path(""), &["--armor", "--export-secret-keys"])).unwrap();
    for project in [&one, &other] {
        project.write("keys/public.asc", std::str::from_utf8(&key.public()).unwrap());
        project.write("secret.asc", &secret);
    }
    let refused = one.sealift(&["run", "packaging"]).2;
    assert!(
        refused.contains("sealift.yaml:")
            && refused.contains("the package set of tools for release bookworm"),
        "{refused}"
    );
    let said = succeeds(&one, &["lock"]);
    for line in [
        "data:all (tools, release bookworm) is new: data_1.10-1_all",
        "tool:amd64 (tools, release bookworm) is new: tool_2.0~rc1-1_amd64",
    ] {
        assert!(said.lines().any(|found| found == line), "{said}");
    }
    assert_eq!(succeeds(&one, &["lock"]), "nothing moved\n");
    assert_eq!(succeeds(&one, &["update"]), "nothing moved\n");
    other.write("sealift.lock", &fs::read_to_string(one.path("sealift.lock")).unwrap());

    // Builds ask for the packages alone, and the second one for nothing.
    drop(upstream.server.asked());
    let build = |project: &Project| {
        let mut command = project.command();
        let output = command.args(["run"]).env("SEALIFT_SIGNING_KEY", "secret.asc").output().unwrap();
        let (code, out, err) = sealift::told(&output);
        assert_eq!(code, 0, "{out}{err}");
        format!("{out}{err}")
    };
    build(&one);
    let asked: Vec<String> = upstream.server.asked().into_iter().map(|one| one.path).collect();
    assert_eq!(asked, ["/debian/pool/main/data/data_1.10-1_all.deb"]);
    upstream.served.lock().unwrap().retain(|path, _| path.ends_with(".deb"));
    build(&other);
    assert!(one.iso().2 == other.iso().2, "two builds differ");
    assert!(!build(&one).contains("\n.  "), "nothing changed");
    let tree = one.path(TREE);
    let placed = fs::read(tree.join("pool/main/d/data/data_1.10-1_all.deb")).unwrap();
    assert!(placed == fs::read(upstream.folder().join("pool/main/data/data_1.10-1_all.deb")).unwrap());
    let hello = listed(&tree, "hello");
    for field in [
        "Filename: pool/main/h/hello/hello_1.2.3-1_all.deb",
        "Depends: data (>= 1)",
        "Description: Says hello to Debian",
    ] {
        assert!(hello.lines().any(|line| line == field), "{hello}");
    }
    let why = succeeds(&one, &["package", "why", "data"]);
    assert_eq!(why, "bookworm tools data_1.10-1_all\n  requested as data\n");
    let tasks = succeeds(&one, &["list", "--all", "--private"]);
    for task in [
        "_build_debian_bookworm_repositories:tools/build_deb/hello",
        "_download_debian_bookworm_packages:tools",
    ] {
        assert!(tasks.contains(task), "{tasks}");
    }
    one.write("hello.sh", "#!/bin/sh\necho hello again\n");
    let (_, said, _) = one.sealift(&["explain", "_build_debian_bookworm_repositories:tools/build_deb/hello"]);
    assert!(said.contains("hello.sh"), "{said}");
    succeeds(&one, &["archive", "verify", "_build/example.iso"]);
    let inspected = succeeds(&one, &["archive", "inspect", "_build/example.iso"]);
    assert!(inspected.contains("debian/bookworm/example-tools"), "{inspected}");

    // A node serves the archive, and a client without any package installs from it.
    drop(upstream);
    let server = Running::serving(&[&one.path("_build/example.iso")]);
    let root = one.path("client");
    let node = format!("http://{}", server.address);
    succeeds(&one, &["repository", "apt-config", "_build/example.iso", "--node", &node, "--root", "client"]);
    let sources = root.join("etc/apt/sources.list.d/sealift.sources");
    let written = fs::read_to_string(&sources).unwrap();
    assert!(
        written.contains("Suites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/"),
        "{written}"
    );
    fs::write(&sources, written.replace("/etc/apt/", &format!("{}/etc/apt/", root.display()))).unwrap();
    let client = Apt::new(apt, &root);
    peer::run(&mut client.command(&["update", "--error-on=any"]));
    let mut install = client.command(&["install", "--yes", "hello", "tool"]);
    if is_root() {
        for folder in ["system/var/lib/dpkg/info", "system/var/lib/dpkg/updates"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("system/var/lib/dpkg/status"), "").unwrap();
        install.args(["-o", &format!("DPkg::Options::=--root={}", root.join("system").display())]);
        peer::run(&mut install);
        let read = |path: &str| fs::read_to_string(root.join("system").join(path)).unwrap();
        assert_eq!(read("usr/bin/hello"), "#!/bin/sh\necho hello\n");
        assert_eq!(read("usr/share/data/version"), "1.10-1");
        assert_eq!(read("usr/share/tool/version"), "2.0~rc1-1");
    } else {
        peer::run(install.arg("--download-only"));
    }
}

#[test]
fn a_repository_of_debs_that_is_not_as_it_was_signed_locks_nothing() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    let edit = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        upstream.serve();
        change(upstream.served.lock().unwrap().get_mut(&format!("/debian/dists/stable/{path}")).unwrap());
    };
    let remove =
        |path: &str| drop(upstream.served.lock().unwrap().remove(&format!("/debian/dists/stable/{path}")));
    let refused = |part: &str| {
        let (code, out, err) = project.sealift(&["lock"]);
        assert!(code == 2 && err.contains(part), "{part}: {code} {out}{err}");
        let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
        assert!(!lock.contains("data_1.10"), "{lock}");
    };
    let other_date = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap().replace("Suite: stable", "Suite: stale");
        *bytes = text.into_bytes();
    };
    edit("InRelease", &other_date);
    refused("InRelease: it was altered after the key ");
    edit("Release", &other_date);
    remove("InRelease");
    refused("Release: it was altered after the key ");
    remove("Release.gpg");
    refused("Release: it has no signature");
    edit("main/binary-amd64/Packages.gz", &|bytes| bytes[20] ^= 1);
    refused("main/binary-amd64/Packages.gz of tools");
    upstream.serve();
    remove("main/binary-amd64/Packages.gz");
    remove("main/binary-amd64/Packages");
    refused("main/binary-amd64/Packages.gz does not exist; main/binary-amd64/Packages does not exist");
    upstream.publish(&["ValidTime=1", "Date=Thu, 01 Jan 1970 00:00:00 UTC"]);
    let release = fs::read_to_string(upstream.folder().join("dists/stable/Release")).unwrap();
    let release: String = release
        .lines()
        .filter(|line| !line.starts_with("Valid-Until"))
        .fold(String::new(), |all, line| all + line + "\n");
    fs::write(
        upstream.folder().join("dists/stable/Release"),
        format!("Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC\n{release}"),
    )
    .unwrap();
    upstream.sign(&upstream.key);
    upstream.serve();
    refused("expired at 2026-01-02T00:00:00Z by the clock of this machine: the server has old metadata");
    upstream.publish(&["SHA256=false"]);
    refused("the field `SHA256` with the checksums of files: MD5 and SHA-1 do not count");
    let Some(other) = SigningKey::new(upstream.scratch.path(), "ed25519") else { return };
    upstream.publish(&[]);
    upstream.sign(&other);
    upstream.serve();
    refused("which is not among the keys of the repository");

    // Requests that the repository cannot meet.
    upstream.publish(&[]);
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    for (request, said) in [
        ("dat", "repository tools of release bookworm: it has no package `dat`"),
        ("data=1.8-1", "it has no package `data=1.8-1` for amd64; it has data_1.10-1_all, data_1.9-1_all"),
        (
            "data:riscv64",
            "it has no list of the component `main` for riscv64; it has the components main for amd64, arm64",
        ),
    ] {
        project
            .write("sealift.yaml", &text.replace("download: [data,", &format!("download: [\"{request}\",")));
        refused(said);
    }
    // `Release` with a signature of its own counts as well.
    upstream.serve();
    remove("InRelease");
    project.write(
        "sealift.yaml",
        &text.replace("download: [data,", "download: [\"data=1.9-1\", \"tool:arm64\","),
    );
    let said = succeeds(&project, &["lock"]);
    assert!(said.contains("data_1.9-1_all") && said.contains("tool_2.0-1_arm64"), "{said}");
}

#[test]
fn what_a_repository_of_debs_changes_is_reported_by_update_and_refused_by_a_build() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    succeeds(&project, &["lock"]);
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();

    // Metadata of another day with the same packages change nothing.
    upstream.publish(&[]);
    assert_eq!(succeeds(&project, &["update"]), "nothing moved\n");
    assert_eq!(fs::read_to_string(project.path("sealift.lock")).unwrap(), lock);

    // The same name with other content.
    let file = "/debian/pool/main/data/data_1.10-1_all.deb";
    upstream.served.lock().unwrap().get_mut(file).unwrap().push(b'\n');
    let (code, out, err) = project.sealift(&["run", "packaging"]);
    for part in ["data_1.10-1_all: the repository has another file under this name", "sealift update"] {
        assert!(code == 1 && format!("{out}{err}").contains(part), "{out}{err}");
    }
    upstream.package("data", "1.11-1", "all");
    upstream.publish(&[]);
    let (code, _, said) = project.sealift(&["lock", "--check"]);
    assert!(code == 1 && said.contains("data:all of tools for release bookworm"), "{said}");
    let said = succeeds(&project, &["update"]);
    assert!(said.contains("data:all (tools, release bookworm) data_1.10-1_all -> data_1.11-1_all"), "{said}");
    succeeds(&project, &["run", "packaging"]);
    let pool = project.path(TREE).join("pool/main/d/data");
    let names: Vec<_> = fs::read_dir(pool).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["data_1.11-1_all.deb"]);

    // A flat repository in a folder of this machine, without signatures, and packages that exist.
    let flat = project.path("flat");
    fs::create_dir(&flat).unwrap();
    let from = upstream.folder().join("pool/main");
    fs::copy(from.join("data/data_1.9-1_all.deb"), flat.join("data_1.9-1_all.deb")).unwrap();
    succeeds(&project, &["package", "index", "flat"]);
    project.write("debs/.keep", "");
    fs::copy(from.join("other/other_1_all.deb"), project.path("debs/other_1_all.deb")).unwrap();
    project.write(
        "sealift.yaml",
        &format!(
            "{HEAD}  packages:\n    - name: tools\n      family: debian\n      release: bookworm\n      debs: ['debs/*.deb']\n      \
             source: {{url: 'file://{}', signatures: none}}\n      download: [data]\n",
            flat.display()
        ),
    );
    let said = succeeds(&project, &["update"]);
    assert!(said.contains("data_1.11-1_all -> data_1.9-1_all"), "{said}");
    succeeds(&project, &["run", "packaging"]);
    let tree = project.path(TREE);
    assert!(
        listed(&tree, "data").contains("\nVersion: 1.9-1\n")
            && listed(&tree, "other").contains("Version: 1\n")
    );
    assert!(!tree.join("dists/bookworm/InRelease").exists());
}

#[test]
fn a_suite_is_read_in_each_layout_that_servers_have() {
    let Some(upstream) = Upstream::new() else { return };
    let lists = upstream.folder().join("dists/stable/main");
    let locks = |source: &str| {
        let project = upstream.project("");
        let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
        project.write("sealift.yaml", &text.replace(&upstream.source(), source));
        let said = succeeds(&project, &["lock"]);
        assert!(
            said.contains("data:all (tools, release bookworm) is new: data_1.10-1_all"),
            "{source}: {said}"
        );
    };

    // Packages for all machines have a list of their own.
    upstream.write_lists(|_| false);
    fs::create_dir(lists.join("binary-all")).unwrap();
    let all = upstream.archive(&["--arch", "all", "packages", "pool"]);
    fs::write(lists.join("binary-all/Packages"), all).unwrap();
    upstream.release(&["Architectures=all amd64 arm64"]);
    locks(&upstream.source());

    // The lists are there by their digests alone.
    upstream.publish(&["Acquire-By-Hash=yes"]);
    let mut served = upstream.served.lock().unwrap();
    for (path, bytes) in served.clone() {
        if let Some((folder, name)) = path.rsplit_once('/').filter(|(_, name)| name.starts_with("Packages")) {
            let digest = content::Digest::of(&bytes);
            served.insert(format!("{folder}/by-hash/SHA256/{}", digest.hex()), bytes);
            served.remove(&format!("{folder}/{name}"));
        }
    }
    drop(served);
    locks(&upstream.source());

    // The first server has nothing.
    upstream.publish(&[]);
    let (empty, mirror) = (upstream.server.url("/empty"), upstream.server.url("/debian"));
    locks(&format!("{{url: \"{empty}\", mirrors: [\"{mirror}\"], suite: stable, keys: [keys/debian.asc]}}"));

    // A folder of this machine, whose name a URL has to encode.
    let folder = upstream.scratch.path().join("50% of it");
    std::os::unix::fs::symlink(upstream.folder(), &folder).unwrap();
    let url = format!("file://{}", folder.display()).replace('%', "%25").replace(' ', "%20");
    locks(&format!("{{url: \"{url}\", suite: stable, keys: [keys/debian.asc]}}"));
}

#[test]
fn a_project_whose_downloads_were_never_locked_or_have_changed_is_listed_and_named() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let downloads = text.replacen("      build: [packages/hello]\n", "", 1);
    assert!(downloads.len() < text.len());
    project.write("sealift.yaml", &downloads);
    let listed = succeeds(&project, &["list", "--all", "--private"]);
    assert!(listed.contains("_download_debian_bookworm_packages:tools"), "{listed}");
    let (code, _, said) = project.sealift(&["run", "packaging"]);
    assert!(code == 3 && said.contains("is not locked") && said.contains("sealift lock"), "{code}: {said}");
    succeeds(&project, &["lock"]);
    // A mirror has the same packages, but the lock file is for the first server.
    let url = format!("file://{}", upstream.folder().display());
    project.write(
        "sealift.yaml",
        &downloads.replacen(
            &format!("url: \"{}\"", upstream.server.url("/debian")),
            &format!("url: \"{url}\""),
            1,
        ),
    );
    let (code, out, said) = project.sealift(&["lock", "--check"]);
    let expected = "the packages of tools for release bookworm are locked for other requests or sources than those of the project";
    assert!(code == 1 && said.contains(expected), "{code}: {out}{said}");
    let said = succeeds(&project, &["lock"]);
    assert_eq!(said, "the packages of tools for release bookworm are the same for the changed project\n");
    succeeds(&project, &["lock", "--check"]);

    // The build root is on another file system than the store.
    let root = tempfile::tempdir().unwrap();
    if let Some(_disk) = Disk::mount(root.path(), "size=64m") {
        let build_root = root.path().join("build").display().to_string();
        let said = succeeds(&project, &["run", "--build-root", &build_root, "packaging"]);
        assert!(
            root.path()
                .join(
                    "build/root/packages/debian/bookworm/example-tools/pool/main/d/data/data_1.10-1_all.deb"
                )
                .exists(),
            "{said}"
        );
    }
}
