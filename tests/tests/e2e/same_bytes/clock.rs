//! The clock of the machine, which only a machine of its own can have set.

use std::collections::BTreeMap;
use std::fs;

use tests::qemu::Machine;
use tests::sealift;

/// A project that needs neither a network nor git: with no commit to date it, whoever reads the clock would show.
const PROJECT: [(&str, &str); 7] = [
    (
        "sealift.yaml",
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\nspec:\n  \
         images: {build: [images/hello]}\n  packages:\n    - {name: base, release: '8', build: [packages/hello]}\n    \
         - {name: base, family: debian, release: bookworm, build: [packages/hello]}\n  \
         documentation: [README.md]\n  files: [{from: salt, to: salt}, {from: scripts, to: .}]\n",
    ),
    ("README.md", "# Example\n"),
    (
        "images/hello/image.yaml",
        "files: [{from: hello.sh, to: /hello, mode: '0755'}]\nentrypoint: [/hello]\n",
    ),
    (
        "packages/hello/package.yaml",
        "{name: hello, version: '1', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
         packager: 'A <a@site.invalid>', files: [{from: hello.sh, to: /usr/bin/hello, mode: '0755'}]}\n",
    ),
    ("hello.sh", "#!/bin/sh\necho hello\n"),
    ("salt/top.sls", "base: {}\n"),
    ("scripts/hello.sh.in", "#!/bin/sh\necho {{ name }} {{ version }}\n"),
];

/// The seconds of RPM end on 7 February 2106. Builds under each clock, the files new each time, and lists the sums of all that was made.
const UNDER_EACH_CLOCK: &str = r#"
for clock in '1985-01-01 00:00:00' '2026-07-01 12:34:56' '2106-01-01 00:00:00'; do
    date -s "$clock" >/dev/null
    rm -rf /tmp/project /tmp/cache
    cp -r /project /tmp/project
    cd /tmp/project
    SEALIFT_CACHE=/tmp/cache sealift run --quiet
    echo "clock $(date +%Y)"
    cd _build
    find . -type f ! -path './.sealift/*' ! -path './home/*' | sort | xargs sha256sum
    cd /
done
"#;

#[test]
fn the_clock_of_the_machine_reaches_no_artifact() {
    let Some(machine) = Machine::find() else { return };
    let here = tempfile::tempdir().unwrap();
    let mut machine = machine.program("bin/sealift", sealift::binary());
    for (name, text) in PROJECT {
        let path = here.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        machine = machine.file(&format!("project/{name}"), &path);
    }
    let said = machine.run(UNDER_EACH_CLOCK);
    let mut built: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut clock = String::new();
    for line in said.lines() {
        if let Some(year) = line.strip_prefix("clock ") {
            clock = year.to_owned();
        } else if let Some((sum, name)) = line.split_once("  ./") {
            built.entry(clock.clone()).or_default().insert(name.to_owned(), format!("sha256:{sum}"));
        }
    }
    assert_eq!(built.keys().collect::<Vec<_>>(), ["1985", "2026", "2106"], "{said}");
    // The same as under the clock of this machine.
    let mut command = sealift::command(here.path());
    let command = command.arg("run").env("SEALIFT_CACHE", here.path().join("cache"));
    let (code, out, err) = sealift::told(&command.output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let expected = super::built(&here.path().join("_build"));
    assert!(expected.contains_key("example.iso") && expected.len() > 20, "{expected:?}");
    for (clock, built) in built {
        let links_left_out = expected.iter().filter(|(_, sum)| !sum.starts_with("->"));
        let expected: BTreeMap<String, String> =
            links_left_out.map(|(name, sum)| (name.clone(), sum.clone())).collect();
        assert_eq!(super::differences(&expected, &built), Vec::<String>::new(), "{clock}");
    }
}
