//! Packages with everything that a definition can say, compared with those that rpmbuild makes of an equal spec.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::peer;

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
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc/complete %{buildroot}/var/log %{buildroot}/var/cache/complete
for path in usr/bin/prog etc/complete/keep etc/complete/replace etc/complete/gone; do cp %{SOURCE} %{buildroot}/$path; done
touch %{buildroot}/var/log/complete.log %{buildroot}/etc/complete/state
%files
%attr(0755,root,root) %caps(cap_net_bind_service=ep) /usr/bin/prog
%attr(0644,root,root) %config(noreplace) /etc/complete/keep
%attr(0644,root,root) %config /etc/complete/replace
%attr(0644,root,root) %config(missingok,noreplace) /etc/complete/gone
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
    "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILECAPS}\n]",
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

fn rpmbuild(scratch: &Path) -> Option<PathBuf> {
    let rpmbuild = peer::find("rpmbuild")?;
    let top = scratch.join("rpmbuild");
    fs::create_dir_all(top.join("SOURCES")).unwrap();
    let spec = SPEC.replace("%{SOURCE}", scratch.join("prog").to_str().unwrap());
    fs::write(top.join("complete.spec"), spec).unwrap();
    let mut command = Command::new(rpmbuild);
    command.env("LC_ALL", "C.UTF-8").env("SOURCE_DATE_EPOCH", DATE.to_string());
    command.args(["-bb", "--nodeps", "--quiet", "--define"]).arg(format!("_topdir {}", top.display()));
    command.args(["--define", "_buildhost builder.example.org", "--define", "__os_install_post %{nil}"]);
    peer::run(command.arg(top.join("complete.spec")));
    Some(top.join("RPMS/noarch/complete-1.0-3.noarch.rpm"))
}

#[test]
fn rpmbuild_makes_the_same_of_an_equal_spec() {
    let Some(rpm) = peer::find("rpm") else { return };
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("prog"), "text\n").unwrap();
    let Some(theirs) = rpmbuild(scratch.path()) else { return };
    let definition = serde_saphyr::from_str(DEFINITION).unwrap();
    let ours = packages::build(&definition, scratch.path(), DATE, scratch.path()).unwrap().path;
    for query in QUERIES {
        let [ours, theirs] = [&ours, &theirs].map(|package| {
            let mut command = Command::new(&rpm);
            command.env("LC_ALL", "C.UTF-8").args(["-qp", "--queryformat", query]);
            let said = String::from_utf8(peer::run(command.arg(package)).stdout).unwrap();
            // How rpm itself stores a package differs with its version.
            let mut lines: Vec<_> =
                said.lines().filter(|line| !line.starts_with("rpmlib(")).map(str::to_owned).collect();
            lines.sort();
            lines
        });
        assert_eq!(ours, theirs, "{query}");
    }
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
