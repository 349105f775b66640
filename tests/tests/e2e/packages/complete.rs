//! Packages with everything that a definition can say, compared with those that rpmbuild makes of an equal spec.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use packages::RpmDefinition;
use tests::{peer, sealift};

use super::DATE;

const DEFINITION: &str = r#"
name: complete
version: "1.0"
release: "3"
epoch: 2
arch: noarch
summary: All of it
license: MIT
packager: A Packager <p@example.org>
group: System Environment/Base
vendor: Example
buildHost: builder.example.org
files:
  - {from: prog, to: /usr/bin/prog, mode: "0755", capabilities: "cap_net_bind_service=ep"}
  - {from: prog, to: /etc/complete/keep, kind: config}
  - {from: prog, to: /etc/complete/replace, kind: configReplace}
  - {from: prog, to: /etc/complete/gone, kind: configMissingok}
  - {from: share/, to: /usr/share/complete, ownDirectories: true}
  - {from: "share/**/*.conf", to: /etc/complete, kind: config, exclude: [link.conf]}
ghosts:
  - {path: /var/log/complete.log, mode: "0600", owner: adm, group: adm}
  - {path: /var/cache/complete, directory: true}
  - {path: /etc/complete/state, config: true}
requires: [plain >= 1]
scriptletRequires:
  pretrans: [for-pretrans]
  pre: ["for-pre >= 1~rc"]
  post: [for-post]
  preun: [for-preun]
  postun: [for-postun]
  posttrans: [for-posttrans]
scriptlets:
  interpreters: {pretrans: <lua>, post: /bin/bash -e, verify: /usr/bin/python3}
  pretrans: print("before")
  pre: echo pre
  post: echo post
  preun: echo preun
  postun: echo postun
  posttrans: echo posttrans
  verify: print("verify")
triggers:
  - {on: in, packages: [nginx >= 1.20], script: echo in}
  - {on: prein, packages: [nginx], script: echo prein}
  - {on: un, packages: [nginx], script: echo un, interpreter: /bin/bash}
  - {on: postun, packages: [nginx < 2], script: echo postun}
  - {on: in, packages: [socat, "apache < 3"], script: echo several}
fileTriggers:
  - {on: in, paths: [/usr/lib/one], script: echo in}
  - {on: postun, paths: [/usr/lib/two], script: print("two"), interpreter: <lua>}
  - {on: un, paths: [/usr/lib/three], script: echo un, transaction: true}
  - {on: in, paths: [/usr/lib/two, /usr/lib/four], script: echo several, priority: 7}
"#;

const SPEC: &str = r#"
Name: complete
Version: 1.0
Release: 3
Epoch: 2
BuildArch: noarch
Summary: All of it
License: MIT
Packager: A Packager <p@example.org>
Group: System Environment/Base
Vendor: Example
Requires: plain >= 1
Requires(pretrans): for-pretrans
Requires(pre): for-pre >= 1~rc
Requires(post): for-post
Requires(preun): for-preun
Requires(postun): for-postun
Requires(posttrans): for-posttrans
%description
All of it
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share %{buildroot}/etc/complete %{buildroot}/var/log %{buildroot}/var/cache/complete
for path in usr/bin/prog etc/complete/keep etc/complete/replace etc/complete/gone; do cp %{SOURCE} %{buildroot}/$path; done
cp -a %{SHARE} %{buildroot}/usr/share/complete
mkdir -p %{buildroot}/etc/complete/deep
cp %{SHARE}/deep/b.conf %{buildroot}/etc/complete/deep/
touch %{buildroot}/var/log/complete.log %{buildroot}/etc/complete/state
%files
%attr(0755,root,root) %caps(cap_net_bind_service=ep) /usr/bin/prog
%attr(0644,root,root) %config(noreplace) /etc/complete/keep
%attr(0644,root,root) %config /etc/complete/replace
%attr(0644,root,root) %config(missingok,noreplace) /etc/complete/gone
%attr(-,root,root) /usr/share/complete
%attr(0644,root,root) %config(noreplace) /etc/complete/deep/b.conf
%attr(0600,adm,adm) %ghost /var/log/complete.log
%ghost %dir %attr(0755,root,root) /var/cache/complete
%attr(0644,root,root) %ghost %config(noreplace) /etc/complete/state
%pretrans -p <lua>
print("before")
%pre
echo pre
%post -p "/bin/bash -e"
echo post
%preun
echo preun
%postun
echo postun
%posttrans
echo posttrans
%verifyscript -p /usr/bin/python3
print("verify")
%triggerin -- nginx >= 1.20
echo in
%triggerprein -- nginx
echo prein
%triggerun -p /bin/bash -- nginx
echo un
%triggerpostun -- nginx < 2
echo postun
%triggerin -- socat, apache < 3
echo several
%filetriggerin -- /usr/lib/one
echo in
%filetriggerpostun -p <lua> -- /usr/lib/two
print("two")
%transfiletriggerun -- /usr/lib/three
echo un
%filetriggerin -P 7 -- /usr/lib/two /usr/lib/four
echo several
"#;

/// What rpm says about a package, a line for each query.
const QUERIES: &[&str] = &[
    "%{NEVRA} %{EPOCH} %{GROUP} %{PACKAGER} %{VENDOR} %{BUILDHOST}\n",
    "[%{FILENAMES} %{FILELINKTOS} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILECAPS}\n]",
    "[%{REQUIRENEVRS} %{REQUIREFLAGS:deptype}\n]",
    "[%{PROVIDENEVRS}\n]",
    "%{PRETRANS} %{PRETRANSPROG} %{PREIN} %{PREINPROG} %{POSTIN} [%{POSTINPROG} ] %{PREUN} %{PREUNPROG}\n",
    "%{POSTUN} %{POSTUNPROG} %{POSTTRANS} %{POSTTRANSPROG} %{VERIFYSCRIPT} %{VERIFYSCRIPTPROG}\n",
    "[%{TRIGGERTYPE} %{TRIGGERCONDS}\n]",
    "[%{TRIGGERNAME} %{TRIGGERVERSION} %{TRIGGERFLAGS:depflags} %{TRIGGERINDEX}\n]",
    "[%{TRIGGERSCRIPTS} %{TRIGGERSCRIPTPROG}\n]",
    "[%{FILETRIGGERTYPE} %{FILETRIGGERCONDS} %{FILETRIGGERPRIORITIES}\n]",
    "[%{FILETRIGGERNAME} %{FILETRIGGERFLAGS} %{FILETRIGGERINDEX}\n]",
    "[%{FILETRIGGERSCRIPTS} %{FILETRIGGERSCRIPTPROG}\n]",
    "[%{TRANSFILETRIGGERTYPE} %{TRANSFILETRIGGERCONDS} %{TRANSFILETRIGGERSCRIPTS}\n]",
];

/// A folder of files, with a script, a link and an empty folder.
fn share(scratch: &Path) {
    let share = scratch.join("share");
    fs::create_dir_all(share.join("deep/empty")).unwrap();
    for (name, mode) in [(".hidden", 0o644), ("run", 0o755), ("deep/b.conf", 0o644)] {
        fs::write(share.join(name), name).unwrap();
        fs::set_permissions(share.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("deep/b.conf", share.join("link.conf")).unwrap();
}

/// Builds in the folder `top` of rpmbuild what `arguments` say; the folder `RPMS` in it.
fn rpmbuild(top: &Path, arguments: &[&str], input: &Path) -> Option<PathBuf> {
    let rpmbuild = peer::find("rpmbuild")?;
    let mut command = Command::new(rpmbuild);
    command.env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", DATE.to_string());
    command
        .args(arguments)
        .args(["--nodeps", "--quiet", "--define"])
        .arg(format!("_topdir {}", top.display()));
    for define in [
        "_buildhost builder.example.org",
        "use_source_date_epoch_as_buildtime 1",
        "clamp_mtime_to_source_date_epoch 1",
    ] {
        command.args(["--define", define]);
    }
    peer::run(command.arg(input));
    Some(top.join("RPMS"))
}

/// A folder with the files of the definition, and the package that is built of it.
fn complete(more: &str) -> (tempfile::TempDir, RpmDefinition, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("prog"), "text\n").unwrap();
    share(scratch.path());
    let definition = serde_saphyr::from_str(&format!("{DEFINITION}{more}")).unwrap();
    let package = packages::build(&definition, scratch.path(), DATE, scratch.path()).unwrap().path;
    (scratch, definition, package)
}

#[test]
fn rpmbuild_makes_the_same_of_an_equal_spec() {
    let (scratch, _, ours) = complete("");
    let top = scratch.path().join("rpmbuild");
    fs::create_dir_all(top.join("SOURCES")).unwrap();
    let spec = SPEC.replace("%{SOURCE}", scratch.path().join("prog").to_str().unwrap());
    let spec = spec.replace("%{SHARE}", scratch.path().join("share").to_str().unwrap());
    fs::write(top.join("complete.spec"), spec).unwrap();
    let arguments = ["-bb", "--define", "__os_install_post %{nil}"];
    let Some(built) = rpmbuild(&top, &arguments, &top.join("complete.spec")) else { return };
    assert_equal_packages(&ours, &built.join("noarch/complete-1.0-3.noarch.rpm"));
}

#[test]
fn rpmbuild_makes_the_same_of_the_source_package() {
    let more = "symlinks: [{path: /usr/bin/link, target: prog}]\n\
                directories: [{path: '/var/lib/with blank', mode: '0750', owner: adm}]\n\
                compression: xz\nautoRequires: false\nurl: 'https://example.org/100%25'\n\
                description: |\n  All of it:\n  100 %{version} of %name.\n\
                changelog:\n  - {date: 2026-01-02, author: 'A <a@example.org>', version: '2:1.0-3', text: \"- 100 %{release}\"}\n  \
                - {date: 2025-12-31, author: B, version: '1', text: \"- Line.\\n- Another.\"}\n";
    let (scratch, definition, ours) = complete(more);
    let build = |into: &str| {
        let into = scratch.path().join(into);
        packages::source_package::build(&definition, scratch.path(), DATE, &into).unwrap().path
    };
    let (source, again) = (build("source"), build("again"));
    assert_eq!(source.file_name().unwrap(), "complete-1.0-3.src.rpm");
    assert!(fs::read(&source).unwrap() == fs::read(again).unwrap(), "equal inputs, equal bytes");
    let top = scratch.path().join("rpmbuild");
    let Some(built) = rpmbuild(&top, &["--rebuild"], &source) else { return };
    assert_equal_packages(&ours, &built.join("noarch/complete-1.0-3.noarch.rpm"));

    // The package itself is as rpmbuild writes it of the same spec and sources.
    let Some(rpm) = peer::find("rpm") else { return };
    let unpacked = scratch.path().join("unpacked");
    let mut install = Command::new(&rpm);
    install.args(["-i", "--nosignature", "--define"]).arg(format!("_topdir {}", unpacked.display()));
    peer::run(install.arg(&source));
    let spec = unpacked.join("SPECS/complete.spec");
    if rpmbuild(&unpacked, &["-bs"], &spec).is_none() {
        return;
    }
    let theirs = unpacked.join("SRPMS/complete-1.0-3.src.rpm");
    for query in [
        "%{NEVRA} %{SOURCEPACKAGE} %{GROUP} %{VENDOR} %{URL} %{BUILDHOST} %{BUILDTIME} %{SOURCERPM}\n%{DESCRIPTION}\n",
        "[%{FILENAMES} %{FILEMODES:perms} %{FILEFLAGS:fflags} %{FILEUSERNAME} %{FILEDIGESTS} %{FILEMTIMES}\n]",
        "[%{REQUIRENEVRS}\n]",
        "[%{CHANGELOGTIME} %{CHANGELOGNAME} %{CHANGELOGTEXT}\n]",
        "[%{SOURCE}\n]",
    ] {
        let [ours, theirs] = [&source, &theirs].map(|package| queried(&rpm, package, query));
        assert_eq!(ours, theirs, "{query}");
    }
    // The names of its files have no `./` before them.
    let required = peer::run(Command::new(&rpm).args(["-qp", "--requires"]).arg(&source)).stdout;
    assert!(!String::from_utf8(required).unwrap().contains("PayloadFilesHavePrefix"));
    let checked = peer::run(Command::new(&rpm).args(["-Kv", "--nosignature"]).arg(&source)).stdout;
    let checked = String::from_utf8(checked).unwrap();
    assert!(checked.lines().skip(1).all(|line| line.ends_with("digest: OK")), "{checked}");
}

#[test]
fn what_a_spec_cannot_say_is_no_source_package() {
    let (scratch, definition, _) = complete("");
    let file = |to: &str| packages::PackageFile { to: to.into(), ..definition.files[0].clone() };
    let post = |text: &str| {
        let mut changed = definition.clone();
        changed.scriptlets.post = Some(text.into());
        changed
    };
    for (changed, message) in [
        (RpmDefinition { files: vec![file("/opt/a*")], ..definition.clone() }, "found `/opt/a*`"),
        (post("true\n %files\n"), "scriptlets.post: expected no line that starts with `%`"),
    ] {
        let error = packages::source_package::build(&changed, scratch.path(), DATE, scratch.path());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// What rpm says, a line for each item, without what differs with the version of rpm.
fn queried(rpm: &Path, package: &Path, query: &str) -> Vec<String> {
    let mut command = Command::new(rpm);
    command.env("LC_ALL", "C.UTF-8").args(["-qp", "--queryformat", query]);
    let said = String::from_utf8(peer::run(command.arg(package)).stdout).unwrap();
    let mut lines: Vec<_> =
        said.lines().filter(|line| !line.starts_with("rpmlib(")).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Compares all that rpm says about two packages.
fn assert_equal_packages(ours: &Path, theirs: &Path) {
    let Some(rpm) = peer::find("rpm") else { return };
    for query in QUERIES {
        let [ours, theirs] = [ours, theirs].map(|package| queried(&rpm, package, query));
        assert_eq!(ours, theirs, "{query}");
    }
    // The size of a folder is that of the file system of the builder.
    let without_size = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields.as_slice() {
            [path, _, _, rest @ ..] if fields.get(4).is_some_and(|mode| mode.starts_with("04")) => {
                format!("{path} {}", rest.join(" "))
            }
            _ => line.to_owned(),
        }
    };
    for option in ["--scripts", "--triggers", "--filetriggers", "--list", "--dump", "--info"] {
        let [ours, theirs] = [ours, theirs].map(|package| {
            let mut command = Command::new(&rpm);
            command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").args(["-qp", option]).arg(package);
            let said = String::from_utf8(peer::run(&mut command).stdout).unwrap();
            let mut lines: Vec<_> = said.lines().map(without_size).collect();
            lines.retain(|line| !line.starts_with("Source RPM") && !line.starts_with("Size"));
            lines
        });
        assert_eq!(ours, theirs, "{option}");
    }
}

#[test]
fn a_new_file_in_a_folder_is_in_the_next_package() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().canonicalize().unwrap();
    share(&root);
    fs::write(
        root.join("package.yaml"),
        "{name: a, version: '1', release: '1', arch: noarch, summary: A, license: MIT, files: [{from: share/, to: /opt/a}, \
         {from: _build/made/, to: /opt/made}]}\n",
    )
    .unwrap();
    fs::write(
        root.join("sealift.yaml"),
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\nspec:\n  packages: \
         [{name: r, release: '8', build: [.]}]\n  tasks:\n    make: {script: 'mkdir -p _build/made; cp list _build/made/', \
         inputs: [list], outputs: [_build/made/]}\n",
    )
    .unwrap();
    fs::write(root.join("list"), "1").unwrap();
    let package = root.join("_build/root/packages/redhat/8/example-r-el8/noarch/a-1-1.noarch.rpm");
    let run = || {
        let output = sealift::command(&root).args(["run", "packaging"]).output().unwrap();
        let (code, out, err) = sealift::told(&output);
        assert_eq!(code, 0, "{out}{err}");
        fs::read(&package).unwrap()
    };
    let first = run();
    assert!(first == run(), "the same package");
    fs::write(root.join("share/deep/new"), "new").unwrap();
    let with_new = run();
    assert!(with_new != first, "a new file");
    fs::write(root.join("list"), "2").unwrap();
    let with_list = run();
    assert!(with_list != with_new, "what a task writes");
    if let Some(rpm) = peer::find("rpm") {
        let listed = peer::run(Command::new(&rpm).args(["-qlp"]).arg(&package)).stdout;
        let expected = ["a/.hidden", "a/deep/b.conf", "a/deep/new", "a/link.conf", "a/run", "made/list"]
            .map(|path| format!("/opt/{path}"));
        assert_eq!(String::from_utf8(listed).unwrap().lines().collect::<Vec<_>>(), expected);
    }
    fs::remove_file(root.join("share/deep/new")).unwrap();
    fs::write(root.join("list"), "1").unwrap();
    assert!(first == run(), "as before");
}

#[test]
fn rpm_unpacks_every_compression() {
    let (Some(rpm), Some(bsdtar)) = (peer::find("rpm"), peer::find("bsdtar")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let content: String =
        (0..50_000_u32).map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761))).collect();
    fs::write(scratch.path().join("file"), &content).unwrap();
    let mut sizes = Vec::new();
    for (compression, said) in
        [("none", "(none) "), ("gzip:1", "gzip 1"), ("zstd", "zstd 1"), ("gzip", "gzip 6"), ("xz", "xz 6")]
    {
        let text = format!(
            "{{name: a, version: '1', release: '1', arch: noarch, summary: A, license: MIT, compression: '{compression}', \
             files: [{{from: file, to: /opt/file}}]}}"
        );
        let definition = serde_saphyr::from_str(&text).unwrap();
        let package = packages::build(&definition, scratch.path(), DATE, scratch.path()).unwrap().path;
        let checked = peer::run(Command::new(&rpm).args(["-Kv", "--nosignature"]).arg(&package)).stdout;
        let checked = String::from_utf8(checked).unwrap();
        // Which digests rpm reports differs with its version.
        assert!(checked.lines().skip(1).all(|line| line.ends_with("digest: OK")), "{compression}: {checked}");
        assert!(checked.contains("Payload SHA256 digest: OK"), "{compression}: {checked}");
        let query = ["-qp", "--queryformat", "%{PAYLOADCOMPRESSOR} %{PAYLOADFLAGS}"];
        let found = peer::run(Command::new(&rpm).args(query).arg(&package)).stdout;
        assert_eq!(String::from_utf8(found).unwrap(), said);
        let root = scratch.path().join(format!("root-{}", sizes.len()));
        // rpm itself reads the payload: bsdtar would guess how it is compressed.
        let mut install = Command::new(&rpm);
        install.args(["--nodeps", "--nosignature", "--noscripts", "-i", "--root"]).arg(&root).arg(&package);
        fs::create_dir(&root).unwrap();
        if rustix::process::geteuid().is_root() {
            peer::run(&mut install);
            assert_eq!(fs::read_to_string(root.join("opt/file")).unwrap(), content);
        }
        let unpacked = peer::run(Command::new(&bsdtar).arg("-xOf").arg(&package).arg("./opt/file")).stdout;
        assert!(unpacked == content.as_bytes(), "{compression}");
        sizes.push(fs::metadata(&package).unwrap().len());
    }
    assert!(sizes.is_sorted_by(|one, next| one > next), "{sizes:?}");
}
