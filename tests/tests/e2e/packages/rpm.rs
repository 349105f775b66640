//! What rpm reads in a package of Sealift, and what libarchive unpacks from it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tests::peer;

use super::{DATE, build_own, own_binary, project};

/// A package with something of every kind that a definition can name.
const EVERYTHING: &str = r#"
name: every+thing
version: 1.2.3-rc.1
release: 4.el8
arch: x86_64
summary: Everything – a bit of all
license: MIT AND Apache-2.0
url: https://example.org/?a=1&b=2
vendor: Example
description: |
  First line.

    Second, indented & <tagged>.
files:
  - {from: tool, to: /usr/bin/tool, mode: "4755", owner: tool, group: tools}
  - {from: conf, to: /etc/tool.conf, kind: config, mode: "0640"}
  - {from: doc, to: "/usr/share/doc/tool/Read Me – först.txt", kind: doc}
  - {from: license, to: /usr/share/licenses/tool/COPYING, kind: license}
  - {from: empty, to: /usr/share/tool/empty}
directories:
  - {path: /var/lib/tool, mode: "0700", owner: tool, group: tools}
symlinks:
  - {path: /usr/bin/t, target: tool}
provides: ["virtual(thing) = 1:2.0-1"]
requires: ["nginx >= 1.20", /bin/bash, "(firewalld or nftables)"]
conflicts: ["apache < 2.4"]
obsoletes: ["oldthing <= 1.0"]
scriptlets:
  pre: echo before
  post: |
    echo after
    exit 0
  preun: echo going
  postun: echo gone
changelog:
  - {date: 2026-11-20, author: "A Nother <a@example.org>", version: 1.2.3~rc.1-4, text: "- Second\n- change"}
  - {date: 2026-11-19, author: "A Nother <a@example.org>", version: 1.2.2-1, text: "- First"}
"#;

#[test]
fn rpm_reads_everything_that_a_definition_says() {
    let (Some(rpm), Some(bsdtar)) = (peer::find("rpm"), peer::find("bsdtar")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let base = scratch.path().join("base");
    fs::create_dir(&base).unwrap();
    let contents: [(&str, Vec<u8>); 5] = [
        ("tool", own_binary("tool")),
        ("conf", b"a = 1\n".to_vec()),
        ("doc", b"Read me.\n".to_vec()),
        ("license", b"Do as you like.\n".to_vec()),
        ("empty", Vec::new()),
    ];
    for (name, content) in &contents {
        fs::write(base.join(name), content).unwrap();
    }
    let definition = serde_saphyr::from_str(EVERYTHING).unwrap();
    let built = packages::build(&definition, &base, DATE, scratch.path()).unwrap();
    let query = |arguments: &[&str]| {
        let mut command = Command::new(&rpm);
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").arg("-qp").args(arguments).arg(&built.path);
        String::from_utf8(peer::run(&mut command).stdout).unwrap()
    };

    let checked = peer::run(Command::new(&rpm).arg("-Kv").arg(&built.path)).stdout;
    let checked = String::from_utf8(checked).unwrap();
    assert_eq!(checked.matches("digest: OK").count(), 3, "the header twice and the payload:\n{checked}");

    let fields = "%{NEVRA}|%{SUMMARY}|%{LICENSE}|%{URL}|%{VENDOR}|%{BUILDTIME}|%{BUILDHOST}|%{PAYLOADCOMPRESSOR}|%{EPOCH}";
    assert_eq!(
        query(&["--queryformat", fields]),
        "every+thing-1.2.3~rc.1-4.el8.x86_64|Everything – a bit of all|MIT AND Apache-2.0|\
         https://example.org/?a=1&b=2|Example|1700000000|localhost|gzip|(none)"
    );
    assert_eq!(query(&["--queryformat", "%{NEVRA}.rpm"]), definition.file_name().unwrap());
    assert_eq!(query(&["--queryformat", "%{DESCRIPTION}"]), "First line.\n\n  Second, indented & <tagged>.");
    assert_eq!(
        query(&[
            "--queryformat",
            "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILESIZES} %{FILEMTIMES} %{FILELINKTOS} %{FILEFLAGS:fflags}\n]"
        ]),
        "/etc/tool.conf -rw-r----- root:root 6 1700000000  cn\n\
         /usr/bin/t lrwxrwxrwx root:root 4 1700000000 tool \n\
         /usr/bin/tool -rwsr-xr-x tool:tools 200004 1700000000  \n\
         /usr/share/doc/tool/Read Me – först.txt -rw-r--r-- root:root 9 1700000000  d\n\
         /usr/share/licenses/tool/COPYING -rw-r--r-- root:root 16 1700000000  l\n\
         /usr/share/tool/empty -rw-r--r-- root:root 0 1700000000  \n\
         /var/lib/tool drwx------ tool:tools 0 1700000000  \n"
    );
    assert_eq!(
        query(&["--scripts"]),
        "preinstall scriptlet (using /bin/sh):\necho before\n\
         postinstall scriptlet (using /bin/sh):\necho after\nexit 0\n\n\
         preuninstall scriptlet (using /bin/sh):\necho going\n\
         postuninstall scriptlet (using /bin/sh):\necho gone\n"
    );
    assert_eq!(
        query(&["--changelog"]),
        "* Fri Nov 20 2026 A Nother <a@example.org> - 1.2.3~rc.1-4\n- Second\n- change\n\n\
         * Thu Nov 19 2026 A Nother <a@example.org> - 1.2.2-1\n- First\n\n"
    );
    let requires = query(&["--requires"]);
    let required: Vec<&str> = requires.lines().filter(|line| !line.starts_with("rpmlib(")).collect();
    assert_eq!(
        required,
        [
            "(firewalld or nftables)",
            "/bin/bash",
            "/bin/sh",
            "/bin/sh",
            "/bin/sh",
            "/bin/sh",
            "config(every+thing) = 1.2.3~rc.1-4.el8",
            "nginx >= 1.20"
        ]
    );
    assert_eq!(
        query(&["--provides"]),
        "config(every+thing) = 1.2.3~rc.1-4.el8\nevery+thing = 1.2.3~rc.1-4.el8\n\
         every+thing(x86-64) = 1.2.3~rc.1-4.el8\nvirtual(thing) = 1:2.0-1\n"
    );
    assert_eq!(query(&["--conflicts"]), "apache < 2.4\n");
    assert_eq!(query(&["--obsoletes"]), "oldthing <= 1.0\n");

    // libarchive unpacks every byte, mode and link.
    let unpacked = scratch.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let mut command = Command::new(bsdtar);
    command
        .env("LC_ALL", "C.UTF-8")
        .args(["--no-same-owner", "-xpf"])
        .arg(&built.path)
        .arg("-C")
        .arg(&unpacked);
    peer::run(&mut command);
    for ((name, content), (file, _)) in
        contents.iter().zip(definition.files.iter().map(|file| (file.to.as_str(), file.mode().bits())))
    {
        assert_eq!(fs::read(unpacked.join(&file[1..])).unwrap(), *content, "{name}");
    }
    assert_eq!(fs::read_link(unpacked.join("usr/bin/t")).unwrap().to_str(), Some("tool"));
    let mode = |path: &str| fs::metadata(unpacked.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("etc/tool.conf"), mode("var/lib/tool"), mode("usr/bin/tool")), (0o640, 0o700, 0o755));
}

#[test]
fn rpm_sorts_versions_as_they_follow_each_other() {
    let Some(rpm) = peer::find("rpm") else { return };
    let versions =
        ["2.10.9", "2.11.0-alpha1", "2.11.0-dev", "2.11.0-rc.1", "2.11.0-rc.2", "2.11.0", "2.11.1"];
    for (older, newer) in versions.iter().zip(&versions[1..]) {
        let known = |version: &str| {
            let mut definition = super::own_definition("1");
            version.clone_into(&mut definition.version);
            definition.rpm_version()
        };
        let compare = format!("%{{lua:print(rpm.vercmp('{}', '{}'))}}", known(older), known(newer));
        let answer = peer::run(Command::new(&rpm).args(["--eval", &compare])).stdout;
        assert_eq!(answer.trim_ascii(), b"-1", "{older} before {newer}");
    }
}

#[test]
fn the_projects_own_package_needs_nothing_and_brings_its_service() {
    let Some(rpm) = peer::find("rpm") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let package = build_own("2.11.0-dev", scratch.path(), &scratch.path().join("out"));
    let query = |option: &str| {
        let output = peer::run(Command::new(&rpm).args(["-qp", option]).arg(&package));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut pages: Vec<String> = fs::read_dir(project().join("packages/sealift/man"))
        .unwrap()
        .map(|page| format!("/usr/share/man/man1/{}", page.unwrap().file_name().display()))
        .collect();
    pages.sort();
    assert!(pages.contains(&"/usr/share/man/man1/sealift-archive-verify.1".to_owned()), "{pages:?}");
    let files = query("-l");
    let (man, others): (Vec<&str>, Vec<&str>) = files.lines().partition(|file| file.contains("/man/"));
    assert_eq!(man, pages);
    assert_eq!(
        others.join("\n"),
        "/etc/sysconfig/sealift\n/usr/bin/sealift\n/usr/lib/firewalld/services/sealift-registry.xml\n\
         /usr/lib/systemd/system/sealift-registry.service\n\
         /usr/lib/systemd/system/sealift-registry.socket\n/usr/lib/sysusers.d/sealift.conf\n\
         /usr/share/bash-completion/completions/sealift\n/usr/share/fish/vendor_completions.d/sealift.fish\n\
         /usr/share/licenses/sealift\n/usr/share/licenses/sealift/LICENSE\n/usr/share/zsh/site-functions/_sealift"
    );
    assert_eq!(query("--scripts").matches("scriptlet (using <lua>):\n").count(), 3);
    let requires = query("--requires");
    assert!(requires.lines().any(|line| line == "rpmlib(BuiltinLuaScripts) <= 4.2.2-1"), "{requires}");
    let foreign: Vec<&str> = requires
        .lines()
        .filter(|line| !line.starts_with("rpmlib(") && !line.starts_with("config(sealift)"))
        .collect();
    assert_eq!(foreign, [""; 0]);
    assert!(query("--provides").contains("user(sealift)"), "the account comes with the package");
}

#[test]
fn systemd_accepts_the_service() {
    let Some(analyze) = peer::find("systemd-analyze") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let paths = ["sealift-registry.service", "sealift-registry.socket"].map(|name| {
        let unit = fs::read_to_string(project().join("packages/sealift").join(name)).unwrap();
        // The program is not installed here; everything else is checked unchanged.
        let path = scratch.path().join(name);
        fs::write(&path, unit.replace("/usr/bin/sealift", "/bin/true")).unwrap();
        path
    });
    let output = peer::run(Command::new(analyze).args(["verify", "--man=no"]).args(&paths));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("sealift-registry"), "{said}");
}
