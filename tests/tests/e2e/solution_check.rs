//! `sealift solution check`: archives that other tools made, and the forms of the report.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::registry::{Layout, skopeo_copy};
use tests::{peer, sealift};

const ROLES: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: my-solution-operator}
rules:
  - {apiGroups: [''], resources: [pods], verbs: ['*']}
";
const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servers.example.com}
spec:
  group: example.com
  names: {kind: Server, plural: servers}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}
";
/// The options of the guidelines.
const MKISOFS: [&str; 13] = [
    "-R",
    "-J",
    "-joliet-long",
    "-l",
    "-V",
    "my-solution 1.0.0",
    "-gid",
    "0",
    "-uid",
    "0",
    "-iso-level",
    "3",
    "-quiet",
];

/// The folder of a Solution, made as the guidelines say: skopeo, hardlink, a manifest and a registry configuration by hand.
struct Vendor {
    folder: tempfile::TempDir,
}

impl Vendor {
    /// `None` if a peer is missing.
    fn new() -> Option<Self> {
        for name in ["skopeo", "hardlink", "mkisofs"] {
            peer::find(name)?;
        }
        let vendor = Self { folder: tempfile::tempdir().unwrap() };
        let layout = Layout::new(vendor.path("layout"));
        let layer = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        layout.name(&[("image", &layout.image("amd64", &[&layer]))]);
        let from = format!("oci:{}:image", layout.folder.display());
        for name in ["base-server", "my-solution-operator", "my-solution-ui"] {
            let to = vendor.path(&format!("root/images/{name}/1.0.0"));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            skopeo_copy(&["--format", "v2s2", "--dest-compress"], &from, &format!("dir:{}", to.display()));
        }
        peer::run(Command::new("hardlink").arg("-c").arg(vendor.path("root/images")));
        vendor.put("operator/deploy/crds/server_crd.yaml", CRD);
        vendor.put("operator/deploy/role.yaml", ROLES);
        vendor.put(
            "registry-config.inc.j2",
            &registry_config(&["base-server", "my-solution-operator", "my-solution-ui"]),
        );
        let heredoc = "cat > root/manifest.yaml <<EOF
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/display-name: My Solution
    solutions.metalk8s.scality.com/build-timestamp: $(date -u +%Y-%m-%dT%H:%M:%SZ)
  labels: {}
  name: my-solution
spec:
  images:
    - base-server:1.0.0
    - my-solution-operator:1.0.0
    - my-solution-ui:1.0.0
  operator:
    image:
      name: my-solution-operator
      tag: 1.0.0
  version: 1.0.0
EOF";
        peer::run(Command::new("sh").args(["-c", heredoc]).current_dir(vendor.folder.path()));
        Some(vendor)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.path("root").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes the ISO with these options of mkisofs, and checks it: exit code and codes of the findings.
    fn check_iso(&self, options: &[&str]) -> (i32, Vec<String>) {
        let iso = self.path("my-solution.iso");
        let _ = fs::remove_file(&iso);
        let mkisofs = peer::find("mkisofs").unwrap();
        peer::run(Command::new(mkisofs).args(options).arg("-o").arg(&iso).arg(self.path("root")));
        self.check("my-solution.iso")
    }

    fn check(&self, archive: &str) -> (i32, Vec<String>) {
        let (code, out, err) =
            sealift::run(self.folder.path(), &["solution", "check", archive, "-o", "json"]);
        let document: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        assert_eq!(document["ok"], Value::Bool(code == 0), "{out}");
        let findings = document["findings"].as_array().unwrap();
        (code, findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect())
    }
}

/// The configuration that `static-container-registry.py` writes for these images.
fn registry_config(images: &[&str]) -> String {
    let mut text = "location = /v2/ {\n    return 200 'ok';\n}\n".to_owned();
    for image in images {
        text += &format!(
            "location = \"/v2/{{{{ repository }}}}/{image}/manifests/1.0.0\" {{\n    alias {{{{ registry_root }}}}/{image}/1.0.0/;\n    \
             types {{ }}\n    default_type \"application/vnd.docker.distribution.manifest.v2+json\";\n    \
             try_files manifest.json =404;\n}}\n"
        );
    }
    text
}

#[test]
fn the_archive_of_the_guidelines_has_at_most_warnings() {
    let Some(vendor) = Vendor::new() else { return };
    assert_eq!(vendor.check_iso(&MKISOFS), (0, vec!["unverifiable".to_owned()]));
    // As a vendor checks it before the ISO is made.
    assert_eq!(vendor.check("root"), (0, vec!["unverifiable".to_owned()]));
}

#[test]
fn the_archive_of_2019_has_at_most_warnings() {
    let Some(vendor) = Vendor::new() else { return };
    fs::remove_file(vendor.path("root/manifest.yaml")).unwrap();
    let product = "NAME=Example\nVERSION=1.0.0-dev\nREQUIRE_METALK8S=\">=2.0\"\nARCHIVE_LAYOUT_VERSION=1\n\
                   GIT=1.0-3-gabcdef\nBUILD_TIMESTAMP=2019-06-01T10:00:00Z\n";
    vendor.put("product.txt", product);
    let deployment = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: example}}\nspec:\n  template:\n    spec:\n      \
             containers:\n        - {{name: a, image: 'registry.invalid/example-1.0.0-dev/{image}:1.0.0'}}\n"
        )
    };
    vendor.put("operator/deploy/operator.yaml", &deployment("my-solution-operator"));
    vendor.put(
        "operator/deploy/service_account.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n",
    );
    vendor.put("ui/deployment.yaml", &deployment("my-solution-ui"));
    let options = MKISOFS.map(|option| if option.starts_with("my-") { "Example 1.0.0-dev" } else { option });
    assert_eq!(vendor.check_iso(&options), (0, vec!["unverifiable".to_owned()]));
    vendor.put("ui/deployment.yaml", &deployment("other-ui"));
    assert_eq!(vendor.check_iso(&options).1, ["reference-missing", "unverifiable"]);
    vendor.put("product.txt", &product.replace("LAYOUT_VERSION=1", "LAYOUT_VERSION=2"));
    assert!(vendor.check_iso(&options).1.contains(&"layout-version".to_owned()));
}

#[test]
fn the_form_of_an_iso_is_checked_as_the_guidelines_have_it() {
    let Some(vendor) = Vendor::new() else { return };
    // -gid and -uid turn Rock Ridge on.
    let plain = ["-J", "-joliet-long", "-l", "-V", "my-solution 1.0.0", "-iso-level", "3", "-quiet"];
    let with = |from: &str, to: &'static str| MKISOFS.map(|one| if one == from { to } else { one });
    for (options, expected, code) in [
        (plain.to_vec(), "iso-rock-ridge", 1),
        (
            MKISOFS.into_iter().filter(|one| !one.starts_with("-J") && *one != "-joliet-long").collect(),
            "iso-joliet",
            0,
        ),
        (with("my-solution 1.0.0", "CDROM").to_vec(), "iso-volume-id", 0),
        (with("my-solution 1.0.0", "My Solution 1.0.0").to_vec(), "unverifiable", 0),
        (with("3", "4").to_vec(), "iso-level", 0),
        (with("3", "4").to_vec(), "iso-name-length", 0),
    ] {
        let (found, codes) = vendor.check_iso(&options);
        assert!(found == code && codes.iter().any(|code| code == expected), "{options:?}: {found} {codes:?}");
        let other = codes.iter().filter(|code| !code.starts_with("iso-") && *code != "unverifiable");
        assert_eq!(other.count(), 0, "{options:?}: {codes:?}");
    }
    // Without either, there is no manifest.yaml but a MANIFEST.YAML.
    let iso = vendor.path("plain.iso");
    let mkisofs = peer::find("mkisofs").unwrap();
    peer::run(Command::new(mkisofs).arg("-quiet").arg("-o").arg(&iso).arg(vendor.path("root")));
    let (code, _, err) = sealift::run(vendor.folder.path(), &["solution", "check", "plain.iso"]);
    assert!(code == 2 && err.contains("the ISO has only plain names"), "{err}");
    let role = vendor.path("root/operator/deploy/role.yaml");
    fs::set_permissions(&role, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(vendor.check_iso(&MKISOFS), (0, vec!["unverifiable".to_owned(), "file-mode".to_owned()]));
    fs::set_permissions(&role, fs::Permissions::from_mode(0o644)).unwrap();
    vendor.put("registry-config.inc.j2", "location / {\n    root /etc;\n}\n");
    assert_eq!(
        vendor.check_iso(&MKISOFS),
        (1, vec!["registry-config".to_owned(), "unverifiable".to_owned()])
    );
}

#[test]
fn each_form_of_the_report_has_every_finding() {
    let Some(vendor) = Vendor::new() else { return };
    vendor.put("operator/deploy/role.yaml", "kind: Deployment\n");
    let run = |form: &str| sealift::run(vendor.folder.path(), &["solution", "check", "root", "-o", form]);
    let (code, text, err) = run("text");
    assert_eq!(code, 1, "{text}{err}");
    let expected = "operator/deploy/role.yaml:1: error: it has Deployment, expected only Role and ClusterRole [role-kind]\n  \
                    help: move the other objects to another file\nthe archive: warning: it has neither SHA256SUMS nor an \
                    implanted MD5 [unverifiable]\n";
    assert!(
        text.starts_with(expected) && text.ends_with("\nroot: 1 error, 1 warning in 16 files\n"),
        "{text}"
    );

    let (code, sarif, _) = run("sarif");
    let document: Value = serde_json::from_str(&sarif).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap();
    assert_eq!((code, results.len()), (1, 2), "{sarif}");
    assert_eq!((&results[0]["ruleId"], &results[0]["level"]), (&"role-kind".into(), &"error".into()));

    let (code, junit, _) = run("junit");
    fs::write(vendor.path("junit.xml"), &junit).unwrap();
    assert!(
        code == 1 && junit.contains("<failure type=\"error\" message=\"operator/deploy/role.yaml:1: "),
        "{junit}"
    );
    if peer::find("xmllint").is_some() {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/junit-10.xsd");
        let report = vendor.path("junit.xml");
        peer::run(Command::new("xmllint").args(["--noout", "--schema"]).args([&schema, &report]));
    }

    let said = |arguments: &[&str]| {
        sealift::run(vendor.folder.path(), &[&["solution", "check"], arguments].concat())
    };
    let (code, _, err) = said(&["layout"]);
    assert!(
        code == 2 && err.contains("layout is not a Solution: it has neither manifest.yaml nor product.txt"),
        "{err}"
    );
    let (code, _, err) = said(&["root", "--base", "layout"]);
    assert!(code == 3 && err.contains("layout has no name"), "{err}");
}
