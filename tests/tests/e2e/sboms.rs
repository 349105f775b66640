//! SBOMs of a build, against the tools whose databases they are read from, and the validators of SPDX and of the minimum elements of
//! the NTIA.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::{peer, registry, sealift};

/// Validates each document that is named, as SPDX and for the minimum elements.
const VALIDATE: &str = r#"
import sys
from ntia_conformance_checker import SbomChecker
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

for path in sys.argv[1:]:
    messages = validate_full_spdx_document(parse_file(path))
    assert not messages, (path, [message.validation_message for message in messages])
    checker = SbomChecker(path, compliance="ntia")
    assert checker.compliant, (path, checker.parsing_error)
"#;

/// The Python of the peers.
fn python() -> Option<PathBuf> {
    let python = peer::find("check-jsonschema")?.with_file_name("python3");
    let imports = "import spdx_tools, ntia_conformance_checker";
    let has_them =
        Command::new(&python).args(["-c", imports]).output().is_ok_and(|output| output.status.success());
    if !has_them {
        peer::skip("Python's validators of SPDX are not installed; `cargo xtask test` installs them");
    }
    has_them.then_some(python)
}

const OS_RELEASE: &str = "ID=rocky\nVERSION_ID=9.4\nNAME='Rocky Linux'\n";
const STATUS: &str = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\n\
    Maintainer: Debian OpenSSL Team <openssl@example.org>\nVersion: 3.0.11-1~deb12u2\nDescription: SSL\n\n\
    Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\n\
    Maintainer: A <a@example.org>\nVersion: 1:2\nDescription: gone\n\n\
    Package: base\nStatus: install ok installed\nArchitecture: all\n\
    Maintainer: A <a@example.org>\nVersion: 1:2+b1\nDescription: base\n";

/// A project with an image that has databases of all kinds, and the tree of that image.
struct Site {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let site = Self { folder, root };
        site.write("etc/os-release", OS_RELEASE);
        site.write("var/lib/dpkg/status", STATUS);
        let python = "usr/lib/python3.11/site-packages";
        site.write(
            &format!("{python}/PyYAML-6.0.1.dist-info/METADATA"),
            "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0.1\n\n",
        );
        site.write("app/node_modules/@s/a/package.json", r#"{"name": "@s/a", "version": "1.2.3"}"#);
        for (name, version) in [("tool", "1.9"), ("openssl", "3.0.7")] {
            let definition: packages::RpmDefinition = serde_json::from_value(serde_json::json!({
                "name": name, "version": version, "release": "1.el9", "arch": "noarch", "summary": name, "license": "MIT",
                "vendor": "Example Linux",
            }))
            .unwrap();
            packages::build(&definition, &site.root, 0, &site.path("project/rpms")).unwrap();
        }
        let database = site.root.join("var/lib/rpm");
        peer::run(
            site.rpm(&database).args(["-i", "--justdb", "--nodeps", "--force-debian"]).args(site.rpms()),
        );
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn rpms(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("project/rpms")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn rpm(&self, database: &Path) -> Command {
        let mut rpm = Command::new("rpm");
        rpm.arg("--dbpath").arg(database);
        rpm
    }

    /// Makes the image. Its second layer removes what the first has.
    fn pack(&self) {
        let layout = registry::Layout::new(self.path("project/layout"));
        let layer = |folder: &Path| {
            peer::run(Command::new("tar").args(["-czf", "-", "-C"]).arg(folder).arg(".")).stdout
        };
        let upper = self.path("upper");
        fs::create_dir_all(upper.join("opt")).unwrap();
        fs::write(upper.join("opt/.wh.old"), "").unwrap();
        self.write("opt/old/old-1.dist-info/METADATA", "Name: old\nVersion: 1\n");
        let image = layout.image("amd64", &[&layer(&self.root), &layer(&upper)]);
        layout.name(&[("image", &image)]);
    }

    /// Builds the archive at version `version` of the project.
    fn build(&self, version: &str) -> (i32, String) {
        let project = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Site, version: {version}}}\nspec:\n  \
             evidence: {{sbom: true}}\n  packages: [{{name: base, release: '9', rpms: [rpms/*.rpm]}}]\n  \
             images: {{pull: [{{name: team/app, tag: '1', source: 'oci:layout:image'}}]}}\n"
        );
        fs::write(self.path("project/sealift.yaml"), project).unwrap();
        let (code, out, err) = sealift::run(&self.path("project"), &["run"]);
        (code, format!("{out}{err}"))
    }

    fn document(&self, path: &str) -> Value {
        let path = self.path("project/_build/root/attestations").join(path);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }
}

/// The package URLs of a document that start with `pkg:KIND/`, without their qualifiers.
fn purls(document: &Value, kind: &str) -> BTreeSet<String> {
    let start = format!("pkg:{kind}/");
    let packages = document["packages"].as_array().unwrap().iter();
    let locators = packages.filter_map(|one| one["externalRefs"][0]["referenceLocator"].as_str());
    let locators = locators.filter(|locator| locator.starts_with(&start));
    locators.map(|locator| locator.split('?').next().unwrap().to_owned()).collect()
}

fn lines(output: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(output).lines().map(str::to_owned).collect()
}

#[test]
fn sboms_have_what_package_managers_list_and_are_valid() {
    let peers = ["rpm", "dpkg-query", "tar"].map(peer::find);
    let (Some(python), true) = (python(), peers.iter().all(Option::is_some)) else { return };
    let site = Site::new();
    site.pack();
    let (code, text) = site.build("1.0.0");
    assert_eq!(code, 0, "{text}");
    let image = site.document("images/team/app/1.spdx.json");

    let format = "pkg:rpm/rocky/%{NAME}@%{VERSION}-%{RELEASE}\\n";
    let listed = peer::run(site.rpm(&site.root.join("var/lib/rpm")).args(["-qa", "--qf", format]));
    assert_eq!(purls(&image, "rpm"), lines(&listed.stdout));
    let format = "${db:Status-Status} pkg:deb/rocky/${Package}@${Version}\\n";
    let listed = peer::run(
        Command::new("dpkg-query")
            .arg("--admindir")
            .arg(site.root.join("var/lib/dpkg"))
            .args(["-W", "-f", format]),
    );
    let listed = lines(&listed.stdout);
    let listed =
        listed.iter().filter_map(|line| line.strip_prefix("installed ")).map(|purl| purl.replace('+', "%2B"));
    assert_eq!(purls(&image, "deb"), listed.collect());
    let site_packages = site.root.join("usr/lib/python3.11/site-packages");
    let pip = Command::new(&python)
        .args(["-m", "pip", "list", "--format", "freeze", "--path"])
        .arg(site_packages)
        .output();
    let listed = lines(&pip.unwrap().stdout);
    let listed = listed.iter().map(|line| format!("pkg:pypi/{}", line.to_lowercase().replace("==", "@")));
    assert_eq!(purls(&image, "pypi"), listed.collect());
    assert_eq!(purls(&image, "npm"), BTreeSet::from(["pkg:npm/%40s/a@1.2.3".to_owned()]));

    let archive = site.document("archive.spdx.json");
    let rpms: BTreeSet<&str> = archive["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["packageFileName"].as_str())
        .collect();
    assert!(rpms.contains("./packages/redhat/9/site-base-el9/noarch/tool-1.9-1.el9.noarch.rpm"), "{rpms:?}");
    let attestations = site.path("project/_build/root/attestations");
    let documents = ["archive.spdx.json", "images/team/app/1.spdx.json"].map(|name| attestations.join(name));
    peer::run(Command::new(&python).args(["-c", VALIDATE]).args(documents));

    // Another version of the archive has the same image, whose document is not written again.
    let (code, text) = site.build("1.0.1");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("-- SBOM IMG       team/app:1"), "{text}");
    assert_eq!(site.document("images/team/app/1.spdx.json"), image);
    assert_eq!(site.document("archive.spdx.json")["packages"][0]["versionInfo"], "1.0.1");
    let folder = site.path("project");
    let (code, out, err) = sealift::run(&folder, &["archive", "verify", "_build/site.iso"]);
    assert_eq!(code, 0, "{out}{err}");

    // Straight from the ISO, by its SBOMs; and from the images of one that has none.
    let expected = "image team/app:1: openssl 3.0.7-1.el9 (rpm, noarch)\n\
                    image team/app:1: libssl3 3.0.11-1~deb12u2 (deb, amd64, from openssl)\n\
                    repository redhat/9/site-base-el9: openssl 3.0.7-1.el9 (rpm, noarch)\n\
                    3 packages for `openssl < 3.0.15`\n";
    let query = ["--packages", "openssl < 3.0.15"];
    let (code, out, err) =
        sealift::run(&folder, &[&["archive", "inspect", "_build/site.iso"][..], &query].concat());
    assert_eq!((code, out.as_str()), (0, expected), "{err}");
    fs::remove_dir_all(&attestations).unwrap();
    let (_, read, _) = sealift::run(&folder, &[&["archive", "inspect", "_build/root"][..], &query].concat());
    assert_eq!(read, expected);
}
