//! Same inputs, same bytes: one project with every kind of task, built in many circumstances that are no inputs.
//!
//! A further circumstance is one line of [`CIRCUMSTANCES`]. Programs that cargo builds are left out: each circumstance would
//! compile them again; the archive of this repository holds one, and two clones of it are compared elsewhere.

mod circumstances;
mod clock;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use content::Digest;
use packages::debian::{self, DebIndexOptions, Suite};
use packages::openpgp::Signer;
use packages::repository::IndexOptions;
use tests::daemon::{Daemon, free_port};
use tests::file_server::{FileServer, Reply};
use tests::user::{self, is_root};
use tests::{peer, registry, sealift};

use circumstances::{CIRCUMSTANCES, Circumstance, set};

/// The SHA-256 of every file that a build leaves for others, by its path in the build root; of a link, its target.
type Built = BTreeMap<String, String>;

/// Where the project comes from: a repository, the registry that it pulls from, and what a first build made of it.
struct Origin {
    folder: tempfile::TempDir,
    registry: Daemon,
    /// The server of upstream packages.
    packages: FileServer,
    /// Whether one of its images is built from a `Containerfile`, by buildah, and one of its packages from a spec file, by rpmbuild:
    /// only root can do that everywhere.
    contained: bool,
    /// The command that builds it.
    command: &'static [&'static str],
}

/// 2023-11-14, the date of the upstream packages and of their metadata: after that of the key.
const DATE: i64 = 1_700_000_000;

/// The command that builds a project, and the one that builds a Solution.
const RUN: &[&str] = &["run"];
const SOLUTION: &[&str] = &["solution", "build"];

/// A build of the project in certain circumstances.
struct Build {
    /// What stands before `git clone`, such as a shell that sets a umask.
    clone_prefix: Vec<String>,
    clone_options: Vec<String>,
    /// The program, and what stands before it.
    program: PathBuf,
    prefix: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// The folder that holds the checkout.
    place: PathBuf,
    /// The name of the checkout.
    name: String,
    cache: PathBuf,
    build_root: String,
    /// A line that the report must have, such as `<- MKISOFS`.
    expect: &'static str,
    /// What is mounted for it.
    _disks: Vec<Box<dyn std::any::Any>>,
    /// Done with the checkout before the build.
    arrange: fn(&Path),
}

impl Origin {
    /// The repository, with a lock; `None` (said) where a peer is missing.
    fn new() -> Option<Self> {
        Self::of(false, RUN)
    }

    fn of(contained: bool, command: &'static [&'static str]) -> Option<Self> {
        for peer in
            ["git", "skopeo", "tar"].iter().chain(if contained { &["buildah", "rpmbuild"][..] } else { &[] })
        {
            peer::find(peer)?;
        }
        let (folder, port) = (user::open_folder(), free_port());
        let registry = registry::start(folder.path(), port)?;
        let upstream = folder.path().join("upstream");
        let packages = FileServer::start(move |path| {
            fs::read(upstream.join(path.trim_start_matches('/'))).map_or(Reply::Status(404), Reply::File)
        });
        let origin = Self { folder, registry, packages, contained, command };
        fs::create_dir(origin.path("origin")).unwrap();
        origin.fill_registry();
        origin.fill_upstream();
        // One for all users, at one path.
        fs::copy(sealift::binary(), origin.path("sealift")).unwrap();
        origin.write_project();
        let lock =
            Command::new(origin.path("sealift")).arg("lock").current_dir(origin.path("origin")).output();
        let (code, out, err) = sealift::told(&lock.unwrap());
        assert_eq!(code, 0, "{out}{err}");
        origin.git(&["init", "-q", "-b", "main"]);
        origin.git(&["add", "."]);
        origin.commit("first", "2026-11-01T12:00:00Z");
        origin.git(&["tag", "1.2.2"]);
        origin.write("not-read.txt", "second\n", 0o644);
        origin.commit("second", "2026-11-02T12:00:00Z");
        Some(origin)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path("origin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path("origin")).args(["-c", "user.name=A", "-c", "user.email=a@example.com"]);
        peer::run(git.args(words));
    }

    fn commit(&self, message: &str, date: &str) {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.path("origin")).args(["-c", "user.name=A", "-c", "user.email=a@example.com"]);
        git.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date);
        peer::run(git.args(["commit", "-q", "-a", "-m", message]));
    }

    /// The name of the repository in the registry that holds results.
    fn remote_cache(&self) -> String {
        format!("127.0.0.1:{}/team/cache", self.registry.port)
    }

    fn fill_registry(&self) {
        let layout = registry::Layout::new(self.path("layout"));
        fs::write(self.path("motd"), "hello\n").unwrap();
        let pack = |name: &str| {
            fs::write(self.path("motd"), name).unwrap();
            let folder = self.folder.path();
            peer::run(Command::new("tar").args(["-czf", "-", "-C"]).arg(folder).arg("motd")).stdout
        };
        let (one, two) = (pack("one"), pack("two"));
        let image = layout.image("amd64", &[&one, &two]);
        let index = layout.index(&[image.clone(), layout.image("arm64", &[&one])]);
        let signed = layout.image("amd64", &[&two]);
        layout.name(&[("image", &image), ("index", &index), ("signed", &signed)]);
        for (name, all) in [("image", &[][..]), ("index", &["--all"]), ("signed", &[])] {
            let from = format!("oci:{}:{name}", layout.folder.display());
            registry::skopeo_copy(all, &from, &format!("docker://127.0.0.1:{}/{name}:1", self.registry.port));
        }
        registry::attach(
            &self.path("attached"),
            self.registry.port,
            "signed",
            &signed,
            &["signature", "sbom"],
        );
    }

    /// Upstream repositories, and the key that signs them and the project.
    fn fill_upstream(&self) {
        let secret =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/src/openpgp/tests/data/ed.secret.asc");
        let secret = fs::read(secret).unwrap();
        fs::write(self.path("secret.asc"), &secret).unwrap();
        fs::set_permissions(self.path("secret.asc"), fs::Permissions::from_mode(0o644)).unwrap();
        let signer = Arc::new(Signer::with_key(&secret, None, None).unwrap());
        self.write("keys/public.asc", std::str::from_utf8(signer.public_key()).unwrap(), 0o644);
        let definition = "{name: data, version: '1', release: '1', arch: noarch, summary: Data, license: MIT, \
                          packager: 'A <a@site.invalid>', deb: {depends: []}}";
        let definition = serde_saphyr::from_str(definition).unwrap();
        let (rpms, debs) = (self.path("upstream/rpms"), self.path("upstream/debs"));
        let signing = Some((signer.as_ref(), &(|| false) as &dyn Fn() -> bool));
        packages::build_signed(&definition, Path::new("/"), DATE, &rpms, signing).unwrap();
        let options =
            IndexOptions { revision: DATE, signer: Some(Arc::clone(&signer)), ..IndexOptions::default() };
        packages::repository::index_with(&rpms, &options).unwrap();
        debian::build(&definition, Path::new("/"), DATE, &debs.join("pool")).unwrap();
        let suite = Some(Suite { architectures: vec!["amd64".to_owned()], ..Suite::new("stable") });
        let options =
            DebIndexOptions { suite, date: Some(DATE), signer: Some(signer), ..DebIndexOptions::default() };
        debian::index(&debs, &options).unwrap();
    }

    fn write_project(&self) {
        let port = self.registry.port;
        let (rpms, debs) = (self.packages.url("/rpms"), self.packages.url("/debs"));
        let (contained, spec) = if self.contained {
            let spec = "    - {name: spec, release: '8', build: [packages/greeter.spec], builder: host}\n";
            (", images/contained", spec)
        } else {
            ("", "")
        };
        let (kind, solution) = if self.command == SOLUTION {
            ("Solution", "  solution: {operator: scratch, ui: team/based, requireMetalk8s: '>=2.7'}\n")
        } else {
            ("Platform", "")
        };
        self.write("operator/deploy/role.yaml", "kind: Role\n", 0o644);
        self.write("operator/deploy/crds/example.yaml.in", "kind: CustomResourceDefinition\n", 0o644);
        self.write(
            "images/contained/Containerfile",
            "FROM registry.invalid/image:1\nCOPY . /context\n",
            0o644,
        );
        self.write("images/contained/script", "#!/bin/sh\n", 0o755);
        self.write("images/contained/folder/file", "file\n", 0o644);
        std::os::unix::fs::symlink("folder/file", self.path("origin/images/contained/link")).unwrap();
        self.write(
            "sealift.yaml",
            &format!(
                "apiVersion: sealift.dev/v1alpha1\n\
                 kind: {kind}\n\
                 metadata: {{name: Example, version: 1.2.3}}\n\
                 spec:\n  \
                   registries:\n    \
                     - {{host: registry.invalid, mirrors: ['http://127.0.0.1:{port}']}}\n    \
                     - {{host: '127.0.0.1:{port}', plainHttp: true}}\n  \
                   images:\n    \
                     build: [images/scratch, {{folder: images/based, name: team/based, tags: [latest]}}{contained}]\n    \
                     pull:\n      \
                       - {{name: image, source: registry.invalid/image, tag: '1', tar: true}}\n      \
                       - {{name: index, source: registry.invalid/index, tag: '1'}}\n      \
                       - {{name: nested/signed, source: '127.0.0.1:{port}/signed', tag: '1', referrers: true}}\n  \
                   packages:\n    \
                     - {{name: base, release: '8', build: [packages/hello]}}\n    \
                     - {{name: upstream, release: '8', download: [data], \
                         source: {{url: '{rpms}', keys: [keys/public.asc], signatures: all}}}}\n    \
                     - {{name: base, family: debian, release: bookworm, build: [packages/hello], download: [data], \
                         source: {{url: '{debs}', suite: stable, keys: [keys/public.asc]}}}}\n\
                 {spec}  \
                   signing: {{publicKey: keys/public.asc}}\n  \
                   evidence: {{provenance: true, sbom: true}}\n  \
                 requires: [{{name: Platform, version: '>=2.7 <2.8', images: ['nginx:1.25'], packages: [containerd]}}]\n  \
                   documentation: [README.md]\n  \
                   files:\n    \
                     - {{from: salt, to: salt}}\n    \
                     - {{from: scripts, to: .}}\n{solution}"
            ),
            0o644,
        );
        self.write("README.md", "# Example\n\nSee [the salt](salt/top.sls).\n", 0o644);
        let files = "files: [{from: hello.sh, to: /hello, mode: '0755'}]\nentrypoint: [/hello]\n";
        self.write("images/scratch/image.yaml", files, 0o644);
        self.write("images/based/image.yaml", &format!("base: registry.invalid/image:1\n{files}"), 0o644);
        self.write(
            "packages/hello/package.yaml",
            "{name: hello, version: '{{ version }}', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
             packager: 'A <a@site.invalid>', files: [{from: hello.sh, to: /usr/bin/hello, mode: '0755'}]}\n",
            0o644,
        );
        self.write(
            "packages/greeter.spec",
            "Name: greeter\nVersion: 1\nRelease: 1\nSummary: Greets\nLicense: MIT\nSource0: hello.sh\nBuildArch: noarch\n\
             %description\nGreets.\n%build\ndate > date\n%install\ninstall -D %{SOURCE0} %{buildroot}/usr/bin/greeter\n\
             %files\n/usr/bin/greeter\n%changelog\n* Thu Nov 26 2026 A <a@site.invalid> - 1-1\n- One\n",
            0o644,
        );
        self.write("packages/hello.sh", "#!/bin/sh\necho hello\n", 0o755);
        self.write("hello.sh", "#!/bin/sh\necho hello\n", 0o755);
        self.write("not-read.txt", "first\n", 0o644);
        // Of equal content, and of more than a sector; made by copying, rendering and linking.
        let twin = "twin\n".repeat(1000);
        for name in ["salt/twin", "salt/a/twin", "salt/b/twin.in", "scripts/twin", "scripts/twin2.in"] {
            self.write(name, &twin, 0o644);
        }
        self.write("scripts/run.sh", &twin, 0o755);
        self.write("salt/top.sls", "base: {}\n", 0o644);
        self.write("salt/empty", "", 0o644);
        self.write("scripts/empty", "", 0o644);
        self.write("scripts/hello.sh.in", "#!/bin/sh\necho {{ name }} {{ version }}\n", 0o755);
        std::os::unix::fs::symlink("twin", self.path("origin/salt/link")).unwrap();
    }

    /// A build in a place of its own, with a cache that is cold.
    fn build(&self, number: &str) -> Build {
        let place = self.path(number);
        fs::create_dir_all(&place).unwrap();
        Build {
            clone_prefix: Vec::new(),
            clone_options: Vec::new(),
            program: self.path("sealift"),
            prefix: Vec::new(),
            arguments: Vec::new(),
            environment: self.environment(),
            cache: place.join("cache"),
            place,
            name: "checkout".into(),
            build_root: "_build".into(),
            expect: ".  MKISOFS",
            _disks: Vec::new(),
            arrange: |_| (),
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let key = self.path("secret.asc").display().to_string();
        let mut environment = vec![("SEALIFT_CACHE_SIZE", "1G".to_owned()), ("SEALIFT_SIGNING_KEY", key)];
        if self.contained {
            // Whatever may be mounted here: nothing is run in the image.
            let engine =
                [("DOCKER_BIN", "buildah"), ("STORAGE_DRIVER", "vfs"), ("BUILDAH_ISOLATION", "chroot")];
            environment.extend(engine.map(|(name, value)| (name, value.to_owned())));
        }
        environment
    }

    /// Clones and builds; exit code and all that was said, and the files.
    fn run(&self, build: &Build) -> (i32, String, Built) {
        let checkout = build.place.join(&build.name);
        let after = |prefix: &[String], program: &Path| match prefix {
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            [] => Command::new(program),
        };
        let mut clone = after(&build.clone_prefix, Path::new("git"));
        clone.args(["clone", "-q"]).args(&build.clone_options);
        peer::run(clone.arg(format!("file://{}", self.path("origin").display())).arg(&checkout));
        (build.arrange)(&checkout);
        let mut command = after(&build.prefix, &build.program);
        command.args(self.command).args(&build.arguments).current_dir(&checkout);
        for (name, value) in sealift::command(&checkout).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("SEALIFT_CACHE", &build.cache);
        command.envs(build.environment.iter().map(|(name, value)| (name, value)));
        let (code, out, err) = sealift::told(&command.output().unwrap());
        (code, out + &err, built(&checkout.join(&build.build_root)))
    }
}

/// What a build leaves for others; nothing if it left nothing.
fn built(build_root: &Path) -> Built {
    let mut found = Built::new();
    let mut open = vec![build_root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(build_root).unwrap().display().to_string();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if name == ".sealift" || name == "home" || name == "logs" {
                // What the build remembers and prints, and what stands in for a home.
            } else if metadata.is_dir() {
                open.push(path);
            } else if metadata.is_symlink() {
                found.insert(name, format!("-> {}", fs::read_link(path).unwrap().display()));
            } else {
                found.insert(name, Digest::of(&fs::read(path).unwrap()).to_string());
            }
        }
    }
    found
}

/// The paths at which two builds differ.
fn differences(one: &Built, other: &Built) -> Vec<String> {
    let all: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ = |path: &&&String| one.get(**path) != other.get(**path);
    all.iter().filter(differ).map(|path| (*path).clone()).collect()
}

/// The first build, which fills the local cache `reference.cache` and the remote one.
fn reference(origin: &Origin) -> Built {
    let mut build = origin.build("reference");
    build.cache = origin.path("reference.cache");
    build.environment.push(("SEALIFT_REMOTE_CACHE", origin.remote_cache()));
    build.environment.push(("SEALIFT_REMOTE_CACHE_MODE", "read-write".into()));
    let (code, said, built) = origin.run(&build);
    assert!(code == 0 && !said.contains("the remote cache"), "{code}: {said}");
    for output in [
        "example.iso",
        "SHA256SUM",
        "root/images/image/1/manifest.json",
        "root/images/image-1.tar",
        "root/images/team/based/1.2.3/manifest.json",
        "root/images/team/based/latest/manifest.json",
        "root/images/nested/signed/1/manifest.json",
        "root/packages/redhat/8/example-base-el8/noarch/hello-1.2.3-1.noarch.rpm",
        "root/packages/redhat/8/example-base-el8/repodata/repomd.xml.asc",
        "root/packages/redhat/8/example-upstream-el8/noarch/data-1-1.noarch.rpm",
        "root/packages/debian/bookworm/example-base/pool/main/h/hello/hello_1.2.3-1_all.deb",
        "root/packages/debian/bookworm/example-base/pool/main/d/data/data_1-1_all.deb",
        "root/packages/debian/bookworm/example-base/dists/bookworm/InRelease",
        "root/documentation/index.html",
        "root/salt/b/twin",
        "root/hello.sh",
    ] {
        assert!(built.contains_key(output), "{output}: {:?}", built.keys());
    }
    let lists = built.keys().filter(|name| name.starts_with("root/registry/v2/nested/signed/referrers/"));
    assert_eq!(lists.count(), 1, "{:?}", built.keys());
    for output in [
        "root/images/contained/1.2.3/manifest.json",
        "root/packages/redhat/8/example-spec-el8/greeter/greeter-1-1.noarch.rpm",
        "packages/redhat/8/greeter/srpm/greeter-1-1.src.rpm",
    ] {
        assert_eq!(built.contains_key(output), origin.contained, "{output}: {:?}", built.keys());
    }
    built
}

#[test]
fn same_inputs_give_same_bytes_in_all_circumstances() {
    let Some(origin) = Origin::new() else { return };
    hold(&origin, &CIRCUMSTANCES.each_ref());
}

/// Another user has no buildah and rpmbuild that work everywhere; and what only the disk of the build is like is no matter to an image.
#[test]
fn an_image_of_a_containerfile_and_a_package_of_a_spec_file_have_the_same_bytes_in_all_circumstances() {
    if !is_root() {
        peer::skip("buildah needs root here");
        return;
    }
    let Some(origin) = Origin::of(true, RUN) else { return };
    hold(
        &origin,
        &chosen(&[
            "once more",
            "a remote cache",
            "no cache",
            "another umask",
            "a clone under another umask",
            "another folder",
            "another build root",
            "a folder with set-group-ID",
            "another time zone and language",
            "other times of files",
            "XFS",
        ]),
    );
}

#[test]
fn a_solution_has_the_same_bytes_in_all_circumstances() {
    let Some(origin) = Origin::of(false, SOLUTION) else { return };
    hold(
        &origin,
        &chosen(&[
            "once more",
            "a warm cache",
            "a remote cache",
            "no cache",
            "one job",
            "another umask",
            "a clone under another umask",
            "another folder",
            "another build root",
            "a shallow clone",
            "another time zone and language",
            "no home",
            "other times of files",
            "a file that nothing reads",
            "ext4",
        ]),
    );
}

/// The circumstances with these names.
fn chosen(names: &[&str]) -> Vec<&'static Circumstance> {
    let chosen: Vec<&Circumstance> = CIRCUMSTANCES.iter().filter(|(name, _)| names.contains(name)).collect();
    assert_eq!(chosen.len(), names.len());
    chosen
}

/// Builds once, and then in each of the circumstances: the bytes are the same.
fn hold(origin: &Origin, circumstances: &[&Circumstance]) {
    let expected = reference(origin);
    let mut wrong = Vec::new();
    for (number, (name, change)) in circumstances.iter().enumerate() {
        let mut build = origin.build(&format!("{number}"));
        if !change(origin, &mut build) {
            peer::skip(&format!("{name} cannot be had here"));
            continue;
        }
        let (code, said, built) = origin.run(&build);
        if code != 0 || !said.contains(build.expect) {
            wrong.push(format!("{name}: exit code {code}, expected `{}`:\n{said}", build.expect));
        } else if built != expected {
            wrong.push(format!("{name}: {:?} differ", differences(&expected, &built)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Machines have the program, the checkout and the home in other places, and other umasks: none is in a key.
#[test]
fn a_second_machine_restores_all_from_a_remote_cache() {
    let Some(origin) = Origin::new() else { return };
    let expected = reference(&origin);
    let mut build = origin.build("second/machine");
    build.name = "its own/checkout".into();
    build.clone_prefix = ["sh", "-c", "umask 077; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    build.program = origin.path("second/bin/sealift-1");
    fs::create_dir(origin.path("second/bin")).unwrap();
    fs::copy(sealift::binary(), &build.program).unwrap();
    fs::set_permissions(&build.program, fs::Permissions::from_mode(0o700)).unwrap();
    set(&mut build, "SEALIFT_REMOTE_CACHE", &origin.remote_cache());
    set(&mut build, "HOME", origin.path("second/home").to_str().unwrap());
    build.expect = "<- MKISOFS";
    let (code, said, built) = origin.run(&build);
    assert_eq!(code, 0, "{said}");
    assert_eq!(differences(&expected, &built), Vec::<String>::new(), "{said}");
    // What is quicker made than asked for is made, and the index of the registry, which is brought up to date in place.
    let cheap = ["ADD KEY", "COPY", "LINK", "RENDER", "DOC COPY", "DOC CSS", "REGISTRY"];
    let made: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix(".  "))
        .filter(|title| !cheap.iter().any(|word| title.starts_with(word)))
        .collect();
    assert_eq!(made, [""; 0], "{said}");
}

/// Git does not trust a checkout of another user. The build stops, or makes the same bytes: never others.
#[test]
fn a_checkout_of_another_owner_gives_the_same_bytes_or_an_error() {
    if !is_root() {
        peer::skip("only root can give files away");
        return;
    }
    let Some(origin) = Origin::new() else { return };
    let expected = reference(&origin);
    let mut build = origin.build("other");
    build.arrange = |checkout| {
        peer::run(Command::new("chown").args(["-R", "65534:65534"]).arg(checkout));
    };
    let (code, said, built) = origin.run(&build);
    if code == 0 {
        assert_eq!(differences(&expected, &built), Vec::<String>::new(), "{said}");
    } else {
        assert!(said.contains("safe.directory"), "{code}: {said}");
        assert!(!built.contains_key("example.iso"), "{built:?}");
    }
}

/// Of the archive, product.txt and the provenance name the commit, so the SBOM of the archive, the checksums and the ISO differ, and
/// nothing else does.
#[test]
fn a_commit_that_touches_no_artifact_changes_no_artifact() {
    let Some(origin) = Origin::new() else { return };
    let before = reference(&origin);
    origin.write("not-read.txt", "third\n", 0o644);
    origin.commit("third", "2026-11-20T08:00:00Z");
    let build = origin.build("later");
    let (code, said, after) = origin.run(&build);
    assert_eq!(code, 0, "{said}");
    let provenance = "root/attestations/provenance.json";
    let sbom = "root/attestations/archive.spdx.json";
    let expected = ["SHA256SUM", "example.iso", "root/SHA256SUMS", sbom, provenance, "root/product.txt"];
    assert_eq!(differences(&before, &after), expected);
}
