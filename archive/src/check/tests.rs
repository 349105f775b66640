//! Solutions with one fault each.

use std::fs;
use std::path::Path;

use content::Digest;

use super::*;
use crate::fixture::{LAYER, image, put};
use crate::sums;

const MANIFEST: &str = "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/display-name: Example Application
  labels: {}
  name: example
spec:
  images:
    - base-server:1.0.0
    - example-operator:1.0.0
    - example-ui:1.0.0
    - extra:1.0.0
  operator:
    image:
      name: example-operator
      tag: 1.0.0
  ui:
    image:
      name: example-ui
      tag: 1.0.0
  version: 1.0.0
";
const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: examples.example.com
spec:
  group: example.com
  names: {kind: Example, plural: examples}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                replicas: {type: integer}
";
const ROLES: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: example-operator
rules:
  - apiGroups: ['']
    resources: [pods]
    verbs: ['*']
";
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: example}
spec:
  template:
    spec:
      containers:
        - name: server
          image: registry.invalid/example-1.0.0/base-server:1.0.0
          imagePullPolicy: IfNotPresent
          env:
            - {name: UI_IMAGE, value: 'example-ui:1.0.0'}
";
const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
const ARM: &[u8] = br#"{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
const CRD_FILE: &str = "operator/deploy/crds/example_crd.yaml";
/// An image that no file names.
const EXTRA: &str = "images/extra/1.0.0";
const DISPLAY_NAME: &str = "    solutions.metalk8s.scality.com/display-name: Example Application\n";

/// A Solution without faults.
fn good() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "manifest.yaml", MANIFEST.as_bytes());
    put(root, CRD_FILE, CRD.as_bytes());
    put(root, ROLE, ROLES.as_bytes());
    put(root, "operator/deploy/example.yaml", DEPLOYMENT.as_bytes());
    put(root, "salt/example.sls", b"tools:\n  pkg.installed:\n    - name: tools\n");
    put(root, "packages/redhat/9/example-base-el9/tools-1.0-1.noarch.rpm", b"package");
    put(root, "packages/redhat/9/example-base-el9/repodata/repomd.xml", b"<repomd/>");
    put(root, "registry-config.inc.j2", b"# nothing\n");
    for name in ["base-server", "example-operator", "example-ui", "extra"] {
        image(root, name, "1.0.0", CONFIG, LAYER);
    }
    sums::write(root, &sums::digest_file).unwrap();
    folder
}

fn found(root: &Path, options: &CheckOptions) -> Vec<String> {
    let report = Checking::open(root, options).unwrap().run(&());
    report.findings.iter().map(|one| format!("{} {}: {}", one.code(), one.place, one.problem)).collect()
}

/// Replaces text in a file.
fn edit(root: &Path, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(root.join(path)).unwrap();
    assert!(text.contains(from), "{path}: {from}");
    fs::write(root.join(path), text.replacen(from, to, 1)).unwrap();
}

/// Replaces text in the manifest.
fn manifest(root: &Path, from: &str, to: &str) {
    edit(root, "manifest.yaml", from, to);
}

/// Adds an image to the archive and to `spec.images`.
fn add_image(root: &Path, name: &str, tag: &str) {
    image(root, name, tag, CONFIG, LAYER);
    manifest(root, "  images:\n", &format!("  images:\n    - {name}:{tag}\n"));
}

#[test]
fn a_good_solution_has_no_finding() {
    let folder = good();
    assert_eq!(found(folder.path(), &CheckOptions::default()), [""; 0]);
    let report = Checking::open(folder.path(), &CheckOptions::default()).unwrap();
    assert!(report.bytes() > 0);
    let report = report.without_content();
    assert!(report.ok() && report.findings.is_empty() && report.omitted == 0);
}

/// A fault, and its findings, with code and place. The first one begins with the text; of others, after ` + `, there is the code.
type Fault = (fn(&Path), &'static str);

const EXAMPLE: &str = "operator/deploy/example.yaml";

const FAULTS: &[Fault] = &[
    (
        |root| manifest(root, "kind: Solution", "kind: [Solution"),
        "manifest-invalid manifest.yaml:3: not valid YAML: ",
    ),
    (
        |root| manifest(root, "kind: Solution", "kind: Platform"),
        "manifest-invalid manifest.yaml:2: kind is `Platform`, expected Solution",
    ),
    (
        |root| manifest(root, "v1alpha1", "v2"),
        "manifest-invalid manifest.yaml:1: apiVersion is `solutions.metalk8s.scality.com/v2`",
    ),
    (
        |root| manifest(root, "  version: 1.0.0\n", ""),
        "manifest-invalid manifest.yaml:9: spec.version is missing",
    ),
    (
        |root| manifest(root, "  name: example\n", ""),
        "manifest-invalid manifest.yaml:4: metadata.name is missing",
    ),
    (
        |root| manifest(root, "    - extra:1.0.0\n", "    - extra:1.0.0\n    - [x, 1]\n"),
        "manifest-invalid manifest.yaml:14: spec.images must list texts",
    ),
    (
        |root| manifest(root, "    - extra:1.0.0\n", "    - extra:1.0.0\n    - other\n"),
        "manifest-invalid manifest.yaml:14: spec.images: `other` is not an image",
    ),
    (
        |root| put(root, "manifest.yaml", b"kind: Solution\n---\nkind: Solution\n"),
        "manifest-invalid manifest.yaml: it has 2 documents, expected one",
    ),
    (
        |root| manifest(root, "name: example\n", "name: Example\n"),
        "manifest-name manifest.yaml:7: metadata.name `Example` is not a DNS label",
    ),
    (
        |root| manifest(root, "  version: 1.0.0\n", "  version: 1.0.0_1\n"),
        "manifest-version manifest.yaml:22: spec.version `1.0.0_1` does not follow",
    ),
    (
        |root| manifest(root, "spec:\n", "specs: {}\nspec:\n"),
        "manifest-key manifest.yaml:8: unknown key `specs`; did you mean `spec`?",
    ),
    (
        |root| manifest(root, DISPLAY_NAME, "    example.com/team: us\n"),
        "manifest-display-name manifest.yaml:5: the annotation solutions",
    ),
    (
        |root| manifest(root, "    - extra:1.0.0\n", "    - extra:1.0.0\n    - extra:1.0.0\n"),
        "manifest-duplicate-image manifest.yaml:14: spec.images lists extra:1.0.0 twice",
    ),
    (
        |root| {
            manifest(
                root,
                DISPLAY_NAME,
                &format!("{DISPLAY_NAME}    solutions.metalk8s.scality.com/require-metalk8s: newest\n"),
            )
        },
        "requirement-invalid manifest.yaml:6: solutions.metalk8s.scality.com/require-metalk8s: `newest`",
    ),
    (|root| put(root, "requires.json", b"{}"), "requirement-invalid requires.json: "),
    (
        |root| put(root, "requires.json", crate::requires::render(&[required()]).as_bytes()),
        "requirement-unchecked requires.json: it requires Base",
    ),
    (
        |root| fs::remove_file(root.join("SHA256SUMS")).unwrap(),
        "unverifiable the archive: it has neither SHA256SUMS nor an implanted MD5",
    ),
    (
        |root| manifest(root, "    - extra:1.0.0\n", "    - extra:1.0.0\n    - other:1\n"),
        "image-missing manifest.yaml:14: spec.images lists other:1, which the archive does not have",
    ),
    (
        |root| {
            manifest(root, "    - extra:1.0.0\n", "    - extra:1.0.0\n    - other:1\n");
            put(root, "images/other/1/version", b"Directory Transport Version: 1.1\n");
        },
        "image-missing manifest.yaml:14: spec.images lists other:1, but images/other/1 has no manifest.json",
    ),
    (
        |root| manifest(root, "      name: example-operator\n", "      name: other\n"),
        "operator-image-missing manifest.yaml:16: the archive does not have the image of the operator, other:1.0.0 + operator-image-unlisted",
    ),
    (
        |root| manifest(root, "      name: example-ui\n", "      name: other\n"),
        "ui-image-missing manifest.yaml:20: the archive does not have the image of the user interface, other:1.0.0 + operator-image-unlisted",
    ),
    (
        |root| manifest(root, "    - example-operator:1.0.0\n", ""),
        "operator-image-unlisted manifest.yaml:15: spec.images does not list the image of the operator, example-operator:1.0.0",
    ),
    (
        |root| manifest(root, "    - extra:1.0.0\n", ""),
        "image-unlisted images/extra/1.0.0: spec.images does not list extra:1.0.0",
    ),
    (
        |root| fs::remove_file(root.join(format!("{EXTRA}/{}", Digest::of(LAYER).hex()))).unwrap(),
        "image-incomplete images/extra/1.0.0: incomplete: blob sha256:",
    ),
    (
        |root| put(root, &format!("{EXTRA}/manifest.json"), b"{"),
        "image-incomplete images/extra/1.0.0: incomplete: not a manifest",
    ),
    (
        |root| put(root, &format!("{EXTRA}/{}", Digest::of(LAYER).hex()), &LAYER.to_ascii_uppercase()),
        "image-damaged images/extra/1.0.0/",
    ),
    (
        |root| {
            edit(
                root,
                &format!("{EXTRA}/manifest.json"),
                "oci.image.layer.v1.tar\"",
                "oci.image.layer.nondistributable.v1.tar\"",
            )
        },
        "image-foreign-layer images/extra/1.0.0: extra:1.0.0 has a foreign layer",
    ),
    (
        |root| _ = image(root, "extra", "1.0.0", ARM, LAYER),
        "image-platform images/extra/1.0.0: extra:1.0.0 is for linux/arm64, and not for linux/amd64",
    ),
    (
        |root| add_image(root, "tool", "latest"),
        "image-latest images/tool/latest: the tag of tool is `latest`",
    ),
    (
        |root| edit(root, EXAMPLE, "example-1.0.0/base-server:1.0.0", "example-1.0.0/base-server:1.0.1"),
        "reference-missing operator/deploy/example.yaml:9: it names `registry.invalid/example-1.0.0/base-server:1.0.1`",
    ),
    (
        |root| edit(root, EXAMPLE, "'example-ui:1.0.0'", "'example-ui:1.0.1'"),
        "reference-missing operator/deploy/example.yaml:12: it names `example-ui:1.0.1`",
    ),
    (
        |root| put(root, "salt/pod.sls", b"{% set a = 1 %}\nimage: other:2\n"),
        "reference-missing salt/pod.sls:2: it names `other:2`",
    ),
    (
        |root| put(root, "chart/values.yaml", b"image: {repository: quay.io/team/app, tag: 1}\n"),
        "reference-missing chart/values.yaml:1: it names `quay.io/team/app:1`",
    ),
    (
        |root| {
            edit(
                root,
                CRD_FILE,
                "replicas: {type: integer}",
                "replicas: {type: integer, description: quay.io/team/app:1}",
            )
        },
        "mention-missing operator/deploy/crds/example_crd.yaml:20: it mentions `quay.io/team/app:1`",
    ),
    (
        |root| {
            add_image(root, "tool", "latest");
            edit(root, EXAMPLE, "'example-ui:1.0.0'", "docker.io/tool")
        },
        "reference-untagged operator/deploy/example.yaml:12: `tool` has no version + image-latest",
    ),
    (
        |root| edit(root, EXAMPLE, "'example-ui:1.0.0'", "'$(UI)'"),
        "reference-computed operator/deploy/example.yaml:12: it computes the image `$(UI)`",
    ),
    (
        |root| put(root, "salt/bytes.sls", b"image: \xff\n"),
        "reference-unread salt/bytes.sls: it was not read: not UTF-8 text",
    ),
    (
        |root| edit(root, "salt/example.sls", "name: tools", "name: other"),
        "package-missing salt/example.sls:3: it installs `other`",
    ),
    (
        |root| edit(root, EXAMPLE, "IfNotPresent", "Always"),
        "pull-policy-always operator/deploy/example.yaml:10: a container",
    ),
    (
        |root| fs::remove_file(root.join(CRD_FILE)).unwrap(),
        "crd-missing operator/deploy/crds: it has no CustomResourceDefinition",
    ),
    (
        |root| put(root, "operator/deploy/crds/example_cr.yaml", b"kind: Example\n"),
        "crd-other-object operator/deploy/crds/example_cr.yaml:1: it has Example",
    ),
    (
        |root| fs::rename(root.join(CRD_FILE), root.join("operator/deploy/crds/example.yaml")).unwrap(),
        "crd-file-name operator/deploy/crds/example.yaml: its name does not end in",
    ),
    (
        |root| edit(root, CRD_FILE, "kind: CustomResourceDefinition", "kind: Example"),
        "crd-kind operator/deploy/crds/example_crd.yaml:1: it has Example",
    ),
    (
        |root| edit(root, CRD_FILE, "scope: Namespaced", "scope: Everywhere"),
        "crd-invalid operator/deploy/crds/example_crd.yaml:8: spec.scope is `Everywhere`",
    ),
    (|root| edit(root, CRD_FILE, "spec:", "spec: ["), "crd-invalid operator/deploy/crds/example_crd.yaml:"),
    (
        |root| edit(root, CRD_FILE, "io/v1\n", "io/v1beta1\n"),
        "crd-version operator/deploy/crds/example_crd.yaml:1: its apiVersion is",
    ),
    (
        |root| edit(root, CRD_FILE, "{type: integer}", "{minimum: 1}"),
        "crd-schema operator/deploy/crds/example_crd.yaml:20: version v1: .spec.replicas: `type` is missing",
    ),
    (
        |root| fs::remove_file(root.join(ROLE)).unwrap(),
        "role-missing operator/deploy/role.yaml: it is missing",
    ),
    (
        |root| edit(root, ROLE, "kind: Role", "kind: Deployment"),
        "role-kind operator/deploy/role.yaml:1: it has Deployment",
    ),
    (
        |root| edit(root, ROLE, "    verbs: ['*']\n", ""),
        "role-invalid operator/deploy/role.yaml:6: a rule has no verbs",
    ),
    (
        |root| manifest(root, "  version: 1.0.0\n", "  version: 1.0.0-\n"),
        "operator-config manifest.yaml: `example-1.0.0-` cannot be the first part of names of images + manifest-version",
    ),
    (
        |root| fs::remove_file(root.join("registry-config.inc.j2")).unwrap(),
        "registry-config-missing the archive: it has neither",
    ),
];

/// An archive that the Solution requires.
fn required() -> Requirement {
    Requirement {
        name: "Base".into(),
        version: Some(">=1.0".parse().unwrap()),
        images: Vec::new(),
        packages: Vec::new(),
        of_platform: false,
    }
}

#[test]
fn each_fault_is_found_with_its_code_and_place() {
    let mut codes = BTreeSet::new();
    for (spoil, expected) in FAULTS {
        let folder = good();
        let root = folder.path();
        spoil(root);
        if root.join("SHA256SUMS").exists() {
            sums::write(root, &sums::digest_file).unwrap();
        }
        let found = found(root, &CheckOptions::default());
        let mut expected = expected.split(" + ");
        let first = expected.next().unwrap();
        assert!(found.iter().any(|finding| finding.starts_with(first)), "{first}: {found:#?}");
        let code = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        let mut all: Vec<String> = std::iter::once(code(first)).chain(expected.map(code)).collect();
        let mut there: Vec<String> = found.iter().map(|finding| code(finding)).collect();
        all.sort();
        there.sort();
        assert_eq!(there, all, "{first}: {found:#?}");
        codes.extend(all);
    }
    assert!(FAULTS.len() >= 40, "{}", FAULTS.len());
    // The others need an ISO, another archive or repository, or a server.
    let others = [
        "damaged",
        "layout-version",
        "product-invalid",
        "registry-config",
        "requirement-unmet",
        "file-mode",
        "package-unresolved",
    ];
    let untested: Vec<&str> = CHECKS
        .iter()
        .map(|name| name.check().code)
        .filter(|code| !(codes.contains(*code) || others.contains(code) || code.starts_with("iso-")))
        .collect();
    assert_eq!(untested, [""; 0]);
}

#[test]
fn damage_of_a_file_is_found_by_its_checksum() {
    let folder = good();
    put(folder.path(), "salt/more.sls", b"{}\n");
    edit(folder.path(), "salt/example.sls", "tools", "tool-s");
    edit(folder.path(), "salt/example.sls", "name: tools", "name:  tools");
    let found = found(folder.path(), &CheckOptions::default());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("damaged salt/example.sls: damaged: expected SHA-256"), "{found:#?}");
    assert_eq!(found[1], "damaged salt/more.sls: not listed in SHA256SUMS");
    let report = Checking::open(folder.path(), &CheckOptions::default()).unwrap().without_content();
    assert_eq!(report.findings.len(), 1, "only names are compared without content");
}

#[test]
fn base_archives_have_what_the_solution_names() {
    let (base, folder) = (good(), good());
    let root = folder.path();
    fs::remove_file(base.path().join("manifest.yaml")).unwrap();
    put(base.path(), "product.txt", b"NAME=Base\nVERSION=0.9.0\n");
    image(base.path(), "pause", "3.9", CONFIG, LAYER);
    put(base.path(), "packages/redhat/9/base-el9/other-1.0-1.noarch.rpm", b"package");
    edit(root, EXAMPLE, "'example-ui:1.0.0'", "registry.k8s.io/pause:3.9");
    edit(root, "salt/example.sls", "name: tools", "name: other");
    sums::write(root, &sums::digest_file).unwrap();
    let without = found(root, &CheckOptions::default());
    assert_eq!(without.len(), 2, "{without:#?}");
    let with_base = || {
        let mut bases = CheckBases::default();
        let product = Product::parse("NAME=Base\nVERSION=0.9.0\n").unwrap();
        bases.add(Base { path: base.path().to_path_buf(), product }).unwrap();
        CheckOptions { bases, ..CheckOptions::default() }
    };
    assert_eq!(found(root, &with_base()), [""; 0]);
    put(root, "requires.json", requires::render(&[required()]).as_bytes());
    sums::write(root, &sums::digest_file).unwrap();
    let expected = "requirement-unmet requires.json: Base >=1.0 is missing; available versions: 0.9.0";
    assert_eq!(found(root, &with_base()), [expected]);
    assert_eq!(found(root, &CheckOptions { ignore_requires: true, ..with_base() }), [""; 0]);
}

/// Metadata of a repository with these packages, each with what it requires.
fn metadata(root: &Path, folder: &str, packages: &[(&str, &str)]) {
    let package = |((name, requires), number): (&(&str, &str), usize)| {
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch><version ver=\"1\" rel=\"1\"/><checksum \
             type=\"md5\">{number:032}</checksum><location href=\"{name}.rpm\"/><format><requires><entry \
             name=\"{requires}\"/></requires></format></package>"
        )
    };
    let packages: String = packages.iter().zip(0..).map(package).collect();
    put(
        root,
        &format!("{folder}repodata/primary.xml"),
        format!("<metadata>{packages}</metadata>").as_bytes(),
    );
    let repomd = "<repomd><data type=\"primary\"><location href=\"repodata/primary.xml\"/></data></repomd>";
    put(root, &format!("{folder}repodata/repomd.xml"), repomd.as_bytes());
}

#[test]
fn packages_must_be_installable_where_a_repository_of_the_distribution_is_named() {
    let (folder, distribution) = (good(), tempfile::tempdir().unwrap());
    let root = folder.path();
    metadata(root, "packages/redhat/9/example-el9/", &[("one", "glibc"), ("two", "gone")]);
    metadata(root, "packages/redhat/9/example-base-el9/", &[("tools", "one")]);
    sums::write(root, &sums::digest_file).unwrap();
    metadata(distribution.path(), "", &[("glibc", "glibc"), ("unrelated", "nowhere")]);
    let unresolved = |options: &CheckOptions| {
        let mut found = found(root, options);
        found.retain(|one| one.starts_with("package-unresolved"));
        found
    };
    assert_eq!(unresolved(&CheckOptions::default()), [""; 0]);
    let mut bases = CheckBases::default();
    bases.add_repository(distribution.path().to_owned());
    assert_eq!(
        unresolved(&CheckOptions { bases, ..CheckOptions::default() }),
        [
            "package-unresolved packages/redhat/9/example-el9: two-1-1.noarch: two-1-1.noarch requires `gone`, which no package \
          provides"
        ]
    );
}

/// A Solution of 2019: no `manifest.yaml`.
fn older() -> tempfile::TempDir {
    let folder = good();
    fs::remove_file(folder.path().join("manifest.yaml")).unwrap();
    let product = "NAME=Example\nVERSION=1.0.0-dev\nREQUIRE_METALK8S=\">=2.0\"\nARCHIVE_LAYOUT_VERSION=1\n";
    put(folder.path(), "product.txt", product.as_bytes());
    sums::write(folder.path(), &sums::digest_file).unwrap();
    folder
}

#[test]
fn the_layout_of_2019_is_checked_too() {
    assert_eq!(found(older().path(), &CheckOptions::default()), [""; 0]);
    for (from, to, expected) in [
        (
            "LAYOUT_VERSION=1",
            "LAYOUT_VERSION=7",
            "layout-version product.txt:4: ARCHIVE_LAYOUT_VERSION is `7`, expected 1",
        ),
        ("\">=2.0\"", "newest", "requirement-invalid product.txt:3: REQUIRE_METALK8S: `newest`"),
        ("NAME=Example", "NAME=$(x)", "product-invalid product.txt:1: '$' would be computed by a shell"),
        ("NAME=Example", "NAME=a/b", "product-invalid product.txt: NAME is \"a/b\""),
        ("VERSION=1.0.0-dev", "VERSION=one", "manifest-version product.txt:2: VERSION `one`"),
    ] {
        let folder = older();
        edit(folder.path(), "product.txt", from, to);
        sums::write(folder.path(), &sums::digest_file).unwrap();
        let found = found(folder.path(), &CheckOptions::default());
        assert!(matches!(&found[..], [one] if one.starts_with(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn what_is_not_a_solution_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        || Checking::open(folder.path(), &CheckOptions::default()).map(drop).unwrap_err().to_string();
    assert!(
        refused().ends_with("is not a Solution: it has neither manifest.yaml nor product.txt"),
        "{}",
        refused()
    );
    put(folder.path(), "product.txt", b"NAME=MetalK8s\nVERSION=2.11.0\n");
    assert!(
        refused().contains("is not a Solution: it is the archive of a platform: product.txt has"),
        "{}",
        refused()
    );
}

#[test]
fn hostile_files_become_findings() {
    let folder = good();
    let root = folder.path();
    let bomb: String = (1..30).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".into(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    put(root, CRD_FILE, bomb.as_bytes());
    put(root, ROLE, "[".repeat(200_000).as_bytes());
    put(root, EXAMPLE, format!("{{a: {}", "{a: ".repeat(100_000)).as_bytes());
    put(root, &format!("salt/{}.sls", "n".repeat(240)), b"image: \x1b[31mx:1\n");
    sums::write(root, &sums::digest_file).unwrap();
    let found = found(root, &CheckOptions::default());
    let codes: Vec<&str> = found.iter().map(|one| one.split(' ').next().unwrap()).collect();
    assert!(codes.contains(&"crd-invalid") && codes.contains(&"role-invalid"), "{found:#?}");
    assert!(found.iter().all(|one| one.len() < 1200), "{found:#?}");
    for path in [CRD_FILE, ROLE, EXAMPLE] {
        fs::remove_file(root.join(path)).unwrap();
    }
    put(root, "manifest.yaml", bomb.as_bytes());
    assert!(
        Checking::open(root, &CheckOptions::default())
            .unwrap()
            .run(&())
            .findings
            .iter()
            .any(|one| one.code() == "manifest-invalid")
    );
}
