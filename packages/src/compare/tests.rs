use super::*;
use crate::{RpmDefinition, debian};

fn release() -> Replacements {
    Replacements::new(vec![("1.0.0-rc1".into(), "1.0.0".into()), ("1.0.0~rc1".into(), "1.0.0".into())])
}

#[test]
fn texts_are_replaced_from_left_to_right_and_the_longest_first() {
    let pairs = [("1.0", "2"), ("1.0-rc1", "1.0"), ("", "x"), ("a", "a")];
    let replaced = Replacements::new(pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec());
    for (text, expected) in
        [("v1.0-rc1, 1.0", "v1.0, 2"), ("", ""), ("1.0-rc", "2-rc"), ("a1.", "a1."), ("1.01.0", "22")]
    {
        assert_eq!(replaced.text(text), expected, "{text}");
    }
}

#[test]
fn each_text_is_replaced_or_kept() {
    for (former, new, expected) in [
        ("1.0.0-rc1 1.0.0~rc1", "1.0.0 1.0.0", true),
        ("1.0.0-rc1 1.0.0~rc1", "1.0.0-rc1 1.0.0", true),
        ("1.0.0-rc1 1.0.0~rc1", "1.0.0 1.0.0~rc1", true),
        ("1.0.0-rc1 1.0.0~rc1", "1.0.0 1.0.0-rc1", false),
        ("1.0.0-rc1, 1.0.0", "1.0.0, 1.0.0", true),
        ("1.0.0-rc10", "1.0.0-rc10", true),
        ("1.0.0", "1.0.0-rc1", false),
        ("1.0.0-rc1", "1.0.0-rc1 ", false),
        ("1.0.0-rc1 ", "1.0.0", false),
        ("1.0.0-rc1-rc1", "1.0.0-rc1", true),
        ("a", "b", false),
        ("", "", true),
    ] {
        assert_eq!(release().explain(former.as_bytes(), new.as_bytes()), expected, "{former} | {new}");
    }
}

/// Path, content and mode.
type Member<'a> = (&'a str, &'a str, u32);

fn tarred(members: &[Member<'_>]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, content, mode) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(1);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn tars_are_compared_member_by_member() {
    let long = format!("{}/1.0.0-rc1", "d".repeat(120));
    let former = tarred(&[("app-1.0.0-rc1/version", "1.0.0-rc1\n", 0o644), (&long, "x", 0o755)]);
    let renamed = long.replace("-rc1", "");
    let cases: [(&[Member<'_>], Option<&str>); 7] = [
        (&[("app-1.0.0/version", "1.0.0\n", 0o644), (&long, "x", 0o755)], None),
        (&[("app-1.0.0/version", "1.0.0\n", 0o644), (&renamed, "x", 0o755)], None),
        (
            &[("app-1.0.0/version", "1.0.0 \n", 0o644), (&renamed, "x", 0o755)],
            Some("app-1.0.0/version differs"),
        ),
        (
            &[("app-1.0.0/version", "1.0.0\n", 0o755), (&renamed, "x", 0o755)],
            Some("app-1.0.0/version differs"),
        ),
        (
            &[("app-1.0.1/version", "1.0.0\n", 0o644), (&renamed, "x", 0o755)],
            Some("app-1.0.1/version differs"),
        ),
        (&[("app-1.0.0/version", "1.0.0\n", 0o644)], Some("only one has dddd")),
        (
            &[("app-1.0.0/version", "1.0.0\n", 0o644), (&renamed, "x", 0o755), ("more", "", 0o644)],
            Some("only one has more"),
        ),
    ];
    for (members, expected) in cases {
        let found = tar(&former[..], &tarred(members)[..], &release()).unwrap();
        let fits = match expected {
            None => found.is_none(),
            Some(start) => found.as_deref().is_some_and(|found| found.starts_with(start)),
        };
        assert!(fits, "{expected:?}: {found:?}");
    }
}

/// The packages of a definition: an RPM and a Debian package.
fn packages(version: &str, script: &str, summary: &str) -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app"), script).unwrap();
    let text = format!(
        "{{name: app, version: '{version}', release: '1', arch: noarch, summary: '{summary}', license: MIT,\n\
         packager: 'A <a@site.invalid>', provides: ['app-api = {version}'],\n\
         files: [{{from: app, to: /usr/bin/app, mode: '0755'}}]}}\n"
    );
    let definition: RpmDefinition = serde_saphyr::from_str(&text).unwrap();
    let target = folder.path().join("rpm");
    let rpm = crate::build(&definition, folder.path(), 1_700_000_000, &target).unwrap();
    let deb = debian::build(&definition, folder.path(), 1_700_000_000, &folder.path().join("deb")).unwrap();
    [std::fs::read(rpm.path).unwrap(), std::fs::read(deb.path).unwrap()]
}

type Compare = fn(&[u8], &[u8]) -> io::Result<Option<String>>;

#[test]
fn packages_are_compared_by_what_is_in_them() {
    let former = packages("1.0.0~rc1", "echo 1.0.0-rc1\n", "An app");
    let compare: [Compare; 2] =
        [|one, other| rpm(one, other, &release()), |one, other| deb(one, other, &release())];
    for (version, script, summary, expected) in [
        ("1.0.0", "echo 1.0.0\n", "An app", [None, None]),
        (
            "1.0.0",
            "echo 1.0.0; evil\n",
            "An app",
            [Some("/usr/bin/app differs"), Some("./usr/bin/app differs")],
        ),
        (
            "1.0.0",
            "echo 1.0.0\n",
            "Another app",
            [Some("the tag SUMMARY of its header differs"), Some("./control differs")],
        ),
        (
            "1.0.1",
            "echo 1.0.0\n",
            "An app",
            [Some("the tag VERSION of its header differs"), Some("./control differs")],
        ),
    ] {
        let new = packages(version, script, summary);
        for ((compare, expected), (one, other)) in compare.iter().zip(expected).zip(former.iter().zip(&new)) {
            let found = compare(one, other).unwrap();
            assert!(
                found.as_deref().map(|found| found.trim_start_matches('.'))
                    == expected.map(|found| found.trim_start_matches('.')),
                "{version} {summary}: {found:?}, expected {expected:?}"
            );
        }
    }
    // The version of the candidate can stay.
    let [one, other] =
        ["1.0.0~rc1", "1.0.0"].map(|version| packages(version, "1.0.0-rc1\n", "After 1.0.0~rc1"));
    for (compare, (one, other)) in compare.iter().zip(one.iter().zip(&other)) {
        assert_eq!(compare(one, other).unwrap(), None);
    }
    for (compare, package) in compare.iter().zip(&former) {
        assert!(compare(package, &package[..package.len() / 2]).is_err());
        assert!(compare(b"", package).is_err());
    }
}
