use std::path::{Path, PathBuf};

use super::kind::{NEW_ARCHIVES, NEW_SOLUTIONS};
use super::*;

const BOOTSTRAP: &str = "\
# The bootstrap node of site A.
apiVersion: metalk8s.scality.com/v1alpha3
kind: BootstrapConfiguration
networks:
  controlPlane:
    cidr: 10.200.1.0/28   # the admins' network
    ingress: {ip: 10.200.1.5}
  workloadPlane:
    cidr:
      - 10.200.1.0/28
      - fd00::/64
    mtu: 1500
  pods: 10.233.0.0/16
proxies:
  no_proxy: [localhost, 10.10.0.0/16]
ca:
  minion: bootstrap
archives:
  # Keep the old one until everybody has moved.
  - /archives/metalk8s-2.9.0.iso
  - \"/archives/metalk8s 2.10.0.iso\"   # current
kubernetes:
  apiServer:
    featureGates:
      SomeFeature: True
";

fn bootstrap(text: &str) -> Result<NodeConfiguration, Error> {
    NodeConfiguration::parse(Path::new("bootstrap.yaml"), ConfigurationKind::Bootstrap, text.to_owned())
}

#[test]
fn lists_change_and_all_else_stays() {
    let mut configuration = bootstrap(BOOTSTRAP).unwrap();
    configuration.add("/new.iso".as_ref()).unwrap();
    let mut expected = BOOTSTRAP.replace("   # current\n", "   # current\n  - /new.iso\n");
    assert_eq!(configuration.text(), expected);
    configuration.add("/new.iso".as_ref()).unwrap();
    assert_eq!(configuration.text(), expected, "listed already");
    configuration.remove("/archives/metalk8s-2.9.0.iso".as_ref()).unwrap();
    expected = expected.replace("  - /archives/metalk8s-2.9.0.iso\n", "");
    assert_eq!(configuration.text(), expected);
    configuration.remove("/none.iso".as_ref()).unwrap();
    assert_eq!(configuration.text(), expected);
    assert_eq!(configuration.archives(), [Path::new("/archives/metalk8s 2.10.0.iso"), Path::new("/new.iso")]);
}

#[test]
fn every_way_to_write_a_list() {
    let head = "kind: SolutionsConfiguration\napiVersion: metalk8s.scality.com/v1alpha1\n";
    // The list as it is, with one more archive, and without that archive again.
    let cases = [
        ("archives: []\n", Some("archives:\n  - /x\n"), "archives: []\n"),
        ("archives:\n", Some("archives:\n  - /x\n"), "archives: []\n"),
        (
            "archives: null # none yet\n",
            Some("archives:  # none yet\n  - /x\n"),
            "archives: []  # none yet\n",
        ),
        ("", Some("archives:\n  - /x\n"), "archives: []\n"),
        ("archives:\n- /a\n", Some("archives:\n- /a\n- /x\n"), "archives:\n- /a\n"),
        (
            "archives:\n-   '/a'\n\n# end\n",
            Some("archives:\n-   '/a'\n-   /x\n\n# end\n"),
            "archives:\n-   '/a'\n\n# end\n",
        ),
        ("archives:\n  - /a", Some("archives:\n  - /a\n  - /x\n"), "archives:\n  - /a\n"),
        ("solutions:\n  - /a\n", Some("solutions:\n  - /a\n  - /x\n"), "solutions:\n  - /a\n"),
        (
            "active:\n  archives: \"1\"\n",
            Some("active:\n  archives: \"1\"\narchives:\n  - /x\n"),
            "active:\n  archives: \"1\"\narchives: []\n",
        ),
        ("archives: [/a, /b]\n", Some("archives: [/a, /b, /x]\n"), "archives: [/a, /b]\n"),
        (
            "archives: ['/a b', \"/c]\"]  # [both]\n",
            Some("archives: [\"/a b\", \"/c]\", /x]  # [both]\n"),
            "archives: [\"/a b\", \"/c]\"]  # [both]\n",
        ),
        ("archives: [/a,\n  /b]\n", None, ""),
        ("archives: [/a, '/b #]']\n", None, ""),
        ("archives:\n  - >-\n    /a\n", None, ""),
        ("{}\n", None, ""),
    ];
    for (list, with, without) in cases {
        let text = format!("{head}{list}");
        let parsed =
            NodeConfiguration::parse(Path::new("s.yaml"), ConfigurationKind::Solutions, text.clone());
        let Ok(mut configuration) = parsed else {
            assert_eq!(with, None, "{list:?}: {parsed:?}");
            continue;
        };
        match (configuration.add("/x".as_ref()), with) {
            (Ok(()), Some(with)) => assert_eq!(configuration.text(), format!("{head}{with}"), "{list:?}"),
            (Err(Error::Layout { line: 3, .. }), None) => {
                assert_eq!(configuration.text(), text, "untouched");
                continue;
            }
            (result, _) => panic!("{list:?}: {result:?}: {}", configuration.text()),
        }
        configuration.remove("/x".as_ref()).unwrap();
        assert_eq!(configuration.text(), format!("{head}{without}"), "{list:?}");
    }
}

#[test]
fn errors_name_file_line_and_key() {
    let cases = [
        (
            "v1alpha3",
            "v1alpha9",
            "bootstrap.yaml:2:13: apiVersion: expected metalk8s.scality.com/v1alpha2 or metalk8s.scality.com/v1alpha3, found metalk8s.scality.com/v1alpha9",
        ),
        (
            "BootstrapConfiguration",
            "Other",
            "bootstrap.yaml:3:7: kind: expected BootstrapConfiguration, found Other",
        ),
        (
            "cidr: 10.200.1.0/28 ",
            "cidr: 10.200.1.0/33 ",
            "bootstrap.yaml:6:11: networks.controlPlane: expected a network such as 10.0.0.0/16, found \"10.200.1.0/33\"",
        ),
        (
            "- fd00::/64",
            "- fd00::/129",
            "bootstrap.yaml:11:9: networks.workloadPlane: expected a network such as 10.0.0.0/16, found \"fd00::/129\"",
        ),
        ("  minion: bootstrap", "  other: 1", "bootstrap.yaml:3:7: ca.minion: it is missing"),
        (
            "- /archives/metalk8s-2.9.0.iso",
            "- metalk8s.iso",
            "bootstrap.yaml:20:5: archives: expected an absolute path, found \"metalk8s.iso\"",
        ),
        (
            "metalk8s-2.9.0.iso",
            "metalk8s 2.10.0.iso",
            "bootstrap.yaml:21:5: archives: /archives/metalk8s 2.10.0.iso is listed twice",
        ),
    ];
    for (from, to, expected) in cases {
        let error = bootstrap(&BOOTSTRAP.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn what_is_no_yaml_or_of_another_type_is_named_by_file_line_and_key_too() {
    let cases = [
        ("  - \"/archives/metalk8s 2.10.0.iso\"", "  - [1]", "bootstrap.yaml:21:", ": archives: "),
        ("    mtu: 1500", "    mtu: [1500", "bootstrap.yaml:1", ": networks."),
        ("  minion: bootstrap", "  minion: [a]", "bootstrap.yaml:17:11: ca.minion: expected text", ""),
        ("    cidr: 10.200.1.0/28 ", "    cidr: true ", "bootstrap.yaml:6:", ": networks.controlPlane"),
        ("kind: BootstrapConfiguration\n", "", "bootstrap.yaml:", ": kind: "),
    ];
    for (from, to, place, key) in cases {
        let error = bootstrap(&BOOTSTRAP.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(place) && error.contains(key), "{to:?}: {error}");
    }
    let text = format!("{NEW_SOLUTIONS}active:\n  storage:\n    - 1\n");
    let error = NodeConfiguration::parse(Path::new("solutions.yaml"), ConfigurationKind::Solutions, text)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("solutions.yaml:6:")
            && error.to_string().contains(": active.storage: "),
        "{error}"
    );
}

#[test]
fn both_versions_of_the_bootstrap_configuration() {
    let old = "apiVersion: metalk8s.scality.com/v1alpha2\nkind: BootstrapConfiguration\nnetworks:\n  controlPlane: 10.0.0.0/8\n  \
               workloadPlane: [10.1.0.0/16, 10.2.0.0/16]\nca:\n  minion: b\napiServer:\n  host: 10.0.0.1\narchives:\n  - /a.iso\n";
    assert_eq!(bootstrap(old).unwrap().archives(), [Path::new("/a.iso")]);
    assert_eq!(bootstrap(BOOTSTRAP).unwrap().archives().len(), 2);
}

#[test]
fn a_file_is_written_whole_and_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("solutions.yaml");
    let mut configuration = NodeConfiguration::read(&path, ConfigurationKind::Solutions).unwrap();
    configuration.add("/a.iso".as_ref()).unwrap();
    configuration.write().unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let link = folder.path().join("link.yaml");
    std::os::unix::fs::symlink("solutions.yaml", &link).unwrap();
    let mut configuration = NodeConfiguration::read(&link, ConfigurationKind::Solutions).unwrap();
    configuration.add("/b.iso".as_ref()).unwrap();
    configuration.write().unwrap();
    assert_eq!(NodeConfiguration::read(&path, ConfigurationKind::Solutions).unwrap().archives().len(), 2);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing temporary is left");
    assert!(matches!(
        NodeConfiguration::read(&folder.path().join("none"), ConfigurationKind::Bootstrap),
        Err(Error::Io(_))
    ));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(128))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,100}|(archives:|kind: |apiVersion: |  - /a|#x|\\[\\]|\n){0,12}") {
        let mut read = match NodeConfiguration::parse(Path::new("x"), ConfigurationKind::Solutions, text) {
            Ok(read) => read,
            Err(_) => return Ok(()),
        };
        let before = read.archives().len();
        if read.add("/new.iso".as_ref()).is_ok() {
            proptest::prop_assert_eq!(read.archives().len(), before + 1);
        }
    }

    #[test]
    fn any_path_can_be_listed(name in "\\PC{1,20}") {
        let mut configuration = NodeConfiguration::parse(Path::new("x"), ConfigurationKind::Solutions, NEW_SOLUTIONS.into()).unwrap();
        let path = PathBuf::from(format!("/{name}"));
        configuration.add(&path).unwrap();
        proptest::prop_assert_eq!(configuration.archives(), std::slice::from_ref(&path));
    }
}

#[test]
fn the_active_version_changes_on_its_own_line() {
    let read = |active: &str| {
        let text = format!(
            "apiVersion: metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives: []\n{active}"
        );
        NodeConfiguration::parse(Path::new("solutions.yaml"), ConfigurationKind::Solutions, text).unwrap()
    };
    for (before, version, after) in [
        ("", Some("1.0"), Some("active:\n  a: \"1.0\"\n")),
        ("active:\n", Some("1.0"), Some("active:\n  a: \"1.0\"\n")),
        ("active: null # yet\n", Some("1"), Some("active:  # yet\n  a: \"1\"\n")),
        ("active:\n    b: 2.0.0\n# end\n", Some("1"), Some("active:\n    b: 2.0.0\n    a: \"1\"\n# end\n")),
        (
            "active:\n  a: 1.0.0  # the first\n  b: 2.0.0\n",
            Some("latest"),
            Some("active:\n  a: \"latest\"  # the first\n  b: 2.0.0\n"),
        ),
        ("active:\n  a: 1.0.0\n  b: 2.0.0\n", None, Some("active:\n  b: 2.0.0\n")),
        ("active:  # some\n  a: 1.0.0\n", None, Some("active: {}  # some\n")),
        ("active: {a: 1.0.0, b: 2.0.0}  # c\n", Some("2"), Some("active: {b: \"2.0.0\", a: \"2\"}  # c\n")),
        ("active: {a: 1.0.0}\n", None, Some("active: {}\n")),
        ("active:\n  b: 1.0.0\n", None, Some("active:\n  b: 1.0.0\n")),
        ("active:\n  a:\n    1.0.0\n", Some("2"), None),
        ("\"active\": {a: 1.0.0}\n", Some("2"), None),
    ] {
        let mut configuration = read(before);
        let changed = configuration.set_active("a", version);
        match after {
            Some(after) => {
                assert!(changed.is_ok(), "{before}: {changed:?}");
                assert_eq!(configuration.text(), read(after).text(), "{before}");
                assert_eq!(configuration.active().get("a").map(String::as_str), version);
            }
            None => {
                assert!(matches!(changed, Err(Error::Layout { key: "active", .. })), "{before}: {changed:?}")
            }
        }
    }
}

#[test]
fn all_problems_of_a_file_are_reported_at_once() {
    let cases = [
        (
            "",
            &[
                "1:1: kind: it is missing",
                "1:1: apiVersion: it is missing",
                "ca.minion",
                "controlPlane",
                "workloadPlane",
            ][..],
        ),
        ("# nothing\n---\n", &["kind: it is missing", "apiVersion: it is missing"]),
        (
            "kind: Other\napiVersion: v1\nnetworks:\n  controlPlane: 10.0.0.0/33\n  workloadPlane: x\narchives: [a, /b, /b]\n",
            &[
                "1:7: kind: expected BootstrapConfiguration, found Other",
                "2:13: apiVersion: expected",
                "ca.minion: it is missing",
                "4:17: networks.controlPlane: expected a network",
                "5:18: networks.workloadPlane: expected a network",
                "6:12: archives: expected an absolute path, found \"a\"",
                "6:19: archives: /b is listed twice",
            ],
        ),
        // A wrong type hides no other problem.
        (
            "kind: [a]\napiVersion: {}\nnetworks: 5\nca: []\narchives: {a: b}\nactive: [a]\n",
            &[
                "1:7: kind: expected text",
                "2:13: apiVersion: expected text",
                "3:11: networks: expected keys with values",
                "4:5: ca: expected keys with values",
                "5:11: archives: expected a list",
                "6:9: active: ",
            ],
        ),
    ];
    for (text, expected) in cases {
        let error = bootstrap(text).unwrap_err();
        let Error::Invalid { kind: ConfigurationKind::Bootstrap, problems, .. } = &error else {
            panic!("{error:?}")
        };
        let said = error.to_string();
        for expected in expected {
            assert!(said.contains(expected), "{text:?}: {expected}\n{said}");
        }
        assert!(said.lines().all(|line| line.starts_with("bootstrap.yaml:")), "{said}");
        assert!(problems.is_sorted_by_key(|problem| problem.line), "{said}");
    }
    let broken = bootstrap("kind: [\narchives: }\n").unwrap_err().to_string();
    assert_eq!(broken.lines().count(), 1, "what is no YAML is said once: {broken}");
    let many = bootstrap(&format!("archives: [{}]\n", "a, ".repeat(100))).unwrap_err().to_string();
    assert!(many.lines().count() <= 21 && many.ends_with("more problems"), "{many}");
}

#[test]
fn the_products_of_the_first_bootstrap_configuration_are_archives() {
    let old = "apiVersion: metalk8s.scality.com/v1alpha2\nkind: BootstrapConfiguration\nnetworks:\n  controlPlane: 10.0.0.0/8\n  \
               workloadPlane: 10.1.0.0/16\nca:\n  minion: b\nproducts:\n  metalk8s:\n    - /old.iso\n";
    let mut read = bootstrap(old).unwrap();
    assert_eq!(read.archives(), [Path::new("/old.iso")]);
    for name in ["/a.iso", "/b.iso"] {
        read.add(name.as_ref()).unwrap();
    }
    assert_eq!(read.archives(), ["/a.iso", "/b.iso", "/old.iso"].map(Path::new));
    assert_eq!(read.text(), format!("{old}archives:\n  - /a.iso\n  - /b.iso\n"));
    read.remove("/a.iso".as_ref()).unwrap();
    assert_eq!(read.archives(), ["/b.iso", "/old.iso"].map(Path::new));
    let refused = read.remove("/old.iso".as_ref());
    assert!(matches!(refused, Err(Error::Layout { line: 8, key: "products", .. })), "{refused:?}");
    let wrong = bootstrap(&old.replace("/old.iso", "old.iso")).unwrap_err().to_string();
    assert!(wrong.contains("10:7: products.metalk8s: expected an absolute path"), "{wrong}");
}

#[test]
fn a_key_that_the_file_of_archives_does_not_have_is_an_error() {
    let read = |more: &str| {
        let text = format!("{NEW_ARCHIVES}{more}");
        NodeConfiguration::parse(Path::new("archives.yaml"), ConfigurationKind::Archives, text)
            .map(|read| read.accepts_unverified())
    };
    let cases = [
        ("acceptUnverifed: true\n", "5:1: unknown key `acceptUnverifed`; did you mean `acceptUnverified`?"),
        ("acceptunverified: true\n", "5:1: unknown key `acceptunverified`; did you mean `acceptUnverified`?"),
        ("# a\nachives: [/a]\n", "6:1: unknown key `achives`; did you mean `archives`?"),
        ("trusted: {a: [b]}\n", "5:1: unknown key `trusted`"),
        ("\"a\\e[0m\": 1\n", "5:1: unknown key `a\\u{1b}[0m`"),
        ("acceptUnverified: []\n", "5:19: acceptUnverified: expected true or false"),
        ("acceptUnverified: {a: b}\n", "5:19: acceptUnverified: expected true or false"),
        ("acceptUnverified: maybe\n", "5:19: acceptUnverified: expected true or false"),
        ("acceptUnverified: 1\n", "5:19: acceptUnverified: expected true or false"),
        (
            "acceptUnverified: maybe\nkid: 1\n",
            "5:19: acceptUnverified: expected true or false\narchives.yaml:6:1: unknown key `kid`; did you mean `kind`?",
        ),
    ];
    for (more, expected) in cases {
        let said = read(more).unwrap_err().to_string();
        assert_eq!(said, format!("archives.yaml:{expected}"), "{more}");
    }
    assert!(!read("").unwrap() && !read("acceptUnverified: false\n").unwrap());
    assert!(read("acceptUnverified: true\n").unwrap());
    // MetalK8s also reads the other files.
    let theirs = format!("{NEW_SOLUTIONS}acceptUnverifed: true\n");
    assert!(NodeConfiguration::parse(Path::new("s.yaml"), ConfigurationKind::Solutions, theirs).is_ok());
}
