use std::fs;

use content::Digest;
use trust::{BuildParameters, InternalParameters, Material};

use super::*;

fn put(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// An image of one configuration and one layer.
fn image(root: &Path, folder: &str, layer: &[u8]) {
    let config = br#"{"architecture":"amd64","os":"linux"}"#;
    let descriptor = |kind: &str, bytes: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({"mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)],
    });
    put(root, &format!("{folder}/manifest.json"), manifest.to_string());
    for blob in [&config[..], layer] {
        put(root, &format!("{folder}/{}", Digest::of(blob).hex()), blob);
    }
}

/// A repository of RPMs with their licences.
fn repository(root: &Path, folder: &str, packages: &[(&str, &str)]) {
    let mut primary = "<metadata>".to_owned();
    for (name, licence) in packages {
        let file = format!("{name}-1.0-1.noarch.rpm");
        put(root, &format!("{folder}/{file}"), "package");
        primary += &format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch><version epoch=\"0\" ver=\"1.0\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><location href=\"{file}\"/>\
             <format><rpm:license>{licence}</rpm:license></format></package>",
            Digest::of(name.as_bytes()).hex()
        );
    }
    primary += "</metadata>";
    let digest = Digest::of(primary.as_bytes()).hex();
    put(root, &format!("{folder}/repodata/primary.xml"), primary);
    let repomd = format!(
        "<repomd><data type=\"primary\"><checksum type=\"sha256\">{digest}</checksum>\
         <location href=\"repodata/primary.xml\"/></data></repomd>"
    );
    put(root, &format!("{folder}/repodata/repomd.xml"), repomd);
}

/// An archive with a bit of everything.
fn sample() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(
        root,
        "product.txt",
        "NAME=Site\nVERSION=1.0\nGIT=v1.0-3-g1234567\nBUILD_TIMESTAMP=2026-11-20T10:00:00Z\n",
    );
    put(root, "salt/top.sls", "{}\n");
    image(root, "images/team/app/1.0", b"layer");
    image(root, "images/team/app/1.1", b"layer");
    let names = r#"{"schemaVersion": 1, "images": {"team/app:1.0": ["quay.io/team/app:1.0"]}}"#;
    put(root, layout::ORIGINAL_NAMES, names);
    repository(
        root,
        "packages/redhat/8/site-a-el8",
        &[("one", "MIT"), ("two", "GPL-2.0-or-later"), ("three", "MIT")],
    );
    put(root, "packages/debian/12/site-b/four_2.0-1_amd64.deb", "package");
    let requirement =
        r#"[{"name": "MetalK8s", "version": ">=2.7", "images": ["nginx:1.25"], "packages": ["salt"]}]"#;
    let requires = format!(
        r#"{{"apiVersion": "sealift.dev/v1alpha1", "kind": "ArchiveRequirements", "requires": {requirement}}}"#
    );
    put(root, layout::REQUIRES, requires);
    put(root, "attestations/images/team/app/1.0.spdx.json", "{}");
    let parameters = BuildParameters {
        profiles: vec!["full".into()],
        variables: BTreeMap::from([("channel".into(), "stable".into())]),
        environment: vec!["TOKEN".into()],
        ..BuildParameters::default()
    };
    let internal = InternalParameters { architecture: "x86_64".into(), ..InternalParameters::default() };
    let materials = vec![
        Material::commit("0123456789abcdef0123456789abcdef01234567", false),
        Material::content(None, Some("docker://quay.io/team/app"), Digest::of(b"app")),
    ];
    let provenance = Provenance::new(parameters, internal, materials, "0.2.0").render().unwrap();
    put(root, layout::PROVENANCE, provenance);
    archive::sums::write(root, &archive::sums::digest_file).unwrap();
    folder
}

/// The report about the archive at `path`, and its page without the style sheet.
fn report(path: &Path) -> (Report, String) {
    let report = Report::of(Tree::open(path).unwrap(), None, None).unwrap();
    let html = page::page(path, &report).html().unwrap();
    let html = html
        .replace(server::STYLE, "")
        .replace(&path.display().to_string().replace('/', "&#x2f;"), "ARCHIVE");
    (report, html.replace(env!("CARGO_PKG_VERSION"), "VERSION"))
}

#[test]
fn the_page_has_all_that_an_approver_asks_for() {
    let folder = sample();
    let (report, html) = report(folder.path());
    assert_eq!(report.contents.problems, [""; 0]);
    assert_eq!(report.refusal(folder.path()), None);
    insta::assert_snapshot!("archive_report.html", html);
}

#[test]
fn the_digest_of_an_iso_is_that_of_its_bytes() {
    let folder = sample();
    let iso = folder.path().join("site.iso");
    let options = iso::IsoOptions { volume_id: "Site 1.0".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(folder.path(), &options).unwrap().write_file(&iso, &()).unwrap();
    let bytes = fs::read(&iso).unwrap();
    let (_, html) = report(&iso);
    assert!(html.contains(&format!("<code>{}</code>", Digest::of(&bytes).hex())), "{html}");
    assert!(html.contains(&format!("({} bytes)", bytes.len())), "{html}");
}

#[test]
fn names_of_an_archive_do_not_act_in_the_page() {
    let folder = sample();
    let odd = "<script>alert(1)<\u{202e}";
    repository(
        folder.path(),
        "packages/redhat/8/<img onerror=x>",
        &[("one", "&lt;script>alert(2)&lt;/script>")],
    );
    put(folder.path(), &format!("{odd}/file"), "file");
    put(folder.path(), &format!("packages/redhat/8/site-a-el8/{odd}-1-1.noarch.rpm"), "package");
    image(folder.path(), &format!("images/{odd}/1"), b"layer");
    let (report, html) = report(folder.path());
    assert!(!report.verified.findings.is_empty());
    for part in ["<script", "<img", "\u{202e}"] {
        assert!(!html.contains(part), "{part}: {html}");
    }
    assert!(html.contains("&lt;script&gt;alert(2)"), "{html}");
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_listed() {
    let folder = sample();
    put(folder.path(), "salt/top.sls", "changed");
    put(folder.path(), layout::PROVENANCE, "{");
    put(folder.path(), "product.txt", "NAME\n");
    put(folder.path(), "packages/redhat/8/site-a-el8/repodata/primary.xml", "<metadata/>");
    let (report, html) = report(folder.path());
    let path = folder.path();
    assert_eq!(report.refusal(path), Some(format!("{} is not intact: 5 findings", path.display())));
    let problems = &report.contents.problems;
    let starts = ["product.txt", "attestations/provenance.json", "packages/redhat/8/site-a-el8"];
    assert_eq!(problems.len(), starts.len(), "{problems:?}");
    for (problem, part) in problems.iter().zip(starts) {
        assert!(problem.contains(part), "{problem}");
    }
    for part in
        ["The archive is not intact: 5 findings.", "salt&#x2f;top.sls: damaged", "team&#x2f;app", "three"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn an_archive_without_checksums_is_refused() {
    let folder = sample();
    fs::remove_file(folder.path().join("SHA256SUMS")).unwrap();
    let (report, html) = report(folder.path());
    assert!(report.refusal(folder.path()).is_some_and(|reason| reason.contains("is unverifiable")));
    assert!(html.contains(">Unverifiable</span>"), "{html}");
}
