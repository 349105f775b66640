//! Images that need signatures: what cosign wrote, in a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use content::Digest;
use images::original_names::{OriginalNames, Place};
use images::signatures::{SignatureRequirement, SignatureRule, SignatureRules};
use serde_json::Value;
use tests::daemon::{self, Daemon, free_port};
use tests::registry::{Layout, skopeo_copy};
use tests::{peer, registry, sealift};
use trust::PublicKey;

/// The image that cosign signed, and the repository that it signed it in.
const IMAGE: &str = "6b11842236d7a07471de8ced2ca86c733c8ea80e4ff46c488d7d728014b6d729";
const IDENTITY: &str = "localhost:5999/demo/c2";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What cosign wrote.
fn data(name: &str) -> PathBuf {
    sealift::repository().join("images/src/signatures/data").join(name)
}

/// A registry, and a project that pulls images from it.
struct Site {
    folder: tempfile::TempDir,
    registry: Daemon,
}

impl Site {
    /// `None` if a peer is missing.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry::start(folder.path(), free_port())?;
        peer::find("skopeo")?;
        for key in ["cosign.pub", "other.pub"] {
            fs::copy(data(key), folder.path().join(key)).unwrap();
        }
        Some(Self { folder, registry })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.registry.port)
    }

    /// Pushes a manifest of a layout.
    fn push(&self, layout: &Path, name: &str, to: &str) {
        let from = format!("oci:{}:{name}", layout.display());
        skopeo_copy(&["--all", "--preserve-digests"], &from, &format!("docker://{}/{to}", self.host()));
    }

    fn push_image(&self, repository: &str) {
        self.push(&data("image"), "t", &format!("{repository}:1"));
    }

    /// Pushes the signature that cosign wrote: under its tag, or as a referrer. The digest of its manifest.
    fn push_signature(&self, repository: &str, is_referrer: bool) -> Digest {
        let layout = Layout::new(self.path("signature"));
        let bytes = |name: &str| fs::read(data(name)).unwrap();
        let (name, blobs) = match is_referrer {
            false => (
                "cosign-sig-tag",
                [bytes("cosign-sig-tag.config.json"), bytes("cosign-sig-tag.payload.json")],
            ),
            true => ("cosign3-referrer", [b"{}".to_vec(), bytes("cosign3-referrer.bundle.sigstore.json")]),
        };
        blobs.iter().for_each(|blob| drop(layout.blob("", blob)));
        let manifest = bytes(&format!("{name}.manifest.json"));
        let signature = layout.blob(MANIFEST, &manifest);
        let (named, suffix) =
            if is_referrer { (layout.index(&[signature]), "") } else { (signature, ".sig") };
        layout.name(&[("it", &named)]);
        self.push(&layout.folder, "it", &format!("{repository}:sha256-{IMAGE}{suffix}"));
        fs::remove_dir_all(&layout.folder).unwrap();
        Digest::of(&manifest)
    }

    /// Writes a project that pulls an image, with a rule for it.
    fn write(&self, repository: &str, rule: &str) {
        let host = self.host();
        let text = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\n\
             spec:\n  registries: [{{host: '{host}', plainHttp: true}}]\n  images:\n    pull: ['{host}/{repository}:1']\n    \
             signatures:\n      - {{repository: '{host}/*', {rule}}}\n"
        );
        fs::write(self.path("sealift.yaml"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = sealift::command(self.folder.path());
        command.env("SEALIFT_CACHE", self.path("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
        command
    }

    /// Runs a command that must exit with `code`; what it prints.
    fn run(&self, code: i32, words: &[&str]) -> String {
        let mut command = self.command();
        let (found, out, err) = sealift::told(&command.args(words).output().unwrap());
        assert_eq!(found, code, "{words:?}: {out}{err}");
        format!("{out}{err}")
    }

    fn lock_file(&self) -> Option<String> {
        fs::read_to_string(self.path("sealift.lock")).ok()
    }
}

#[test]
fn an_image_is_locked_and_carried_with_the_signature_that_its_rule_requires() {
    let Some(site) = Site::new() else { return };
    let host = site.host();
    let rule = |key: &str| format!("keys: [{key}], identity: 'localhost:5999/*'");
    site.push_image("demo/c2");
    site.write("demo/c2", &rule("cosign.pub"));
    let said = site.run(1, &["lock"]);
    assert!(said.contains("has no good signature: the registry has no signature of it"), "{said}");
    assert!(said.contains("spec.images.signatures"), "{said}");
    assert_eq!(site.lock_file(), None);

    let signature = site.push_signature("demo/c2", false);
    let said = site.run(0, &["lock"]);
    assert!(said.contains(&format!("{host}/demo/c2:1 (signature) is new: {signature}")), "{said}");
    let lock = site.lock_file().unwrap();
    let (_, locked) = lock.split_once("signatures:\n").unwrap();
    assert_eq!(
        locked,
        format!(
            "  \"{host}/demo/c2:1\":\n    image: sha256:{IMAGE}\n    key: SHA256:qZHego6yPRpAQdNP9/gDZdeLR0omrMQ7SgQP2KZiytU\n    \
             form: tag\n    manifest: {signature}\n    identity: \"{IDENTITY}\"\n"
        )
    );
    assert_eq!(site.run(0, &["lock"]), "nothing moved\n");
    site.run(0, &["lock", "--check"]);
    site.run(0, &["run", "images"]);
    let carried = site.path(&format!("_build/root/images/c2/sha256-{IMAGE}.sig/manifest.json"));
    assert_eq!(Digest::of(&fs::read(carried).unwrap()), signature);
    let served = site.path(&format!("_build/root/registry/v2/c2/manifests/sha256-{IMAGE}.sig"));
    assert!(served.exists(), "the signature is not served");

    // Another key: what the lock file has does not count, and stays.
    site.write("demo/c2", &rule("other.pub"));
    let said = site.run(3, &["run", "images"]);
    assert!(
        said.contains(&format!("a signature of {host}/demo/c2:1 by a key of its rule is not locked")),
        "{said}"
    );
    assert!(said.contains("run `sealift lock`"), "{said}");
    for words in [&["lock"][..], &["update"], &["lock", "--check"]] {
        let said = site.run(1, words);
        assert!(said.contains("it was signed by another key, or changed; the trusted key is"), "{said}");
        assert_eq!(site.lock_file().as_ref(), Some(&lock));
    }
    // A signature in another repository.
    site.write("demo/c2", "keys: [cosign.pub]");
    site.run(3, &["run", "images"]);
    let said = site.run(1, &["lock"]);
    assert!(said.contains(&format!("of the repository {IDENTITY}: expected {host}/demo/c2")), "{said}");
    // Without a rule, neither the signature is locked nor the list of referrers.
    site.write("demo/c2", "require: none");
    let said = site.run(0, &["lock"]);
    assert!(said.contains(&format!("(signature) is gone: {signature}")), "{said}");
    assert!(!site.lock_file().unwrap().contains(&signature.to_string()));

    // What cosign 3 writes names no repository.
    let key = site.path("cosign.pub");
    let pull = |code, from: &str| {
        let image = format!("{host}/{from}:1");
        let words = ["image", "pull", &image, "--into", "pulled", "--plain-http", &host, "--key"];
        site.run(code, &[&words[..], &[key.to_str().unwrap()]].concat())
    };
    let said = pull(1, "demo/c2");
    assert!(said.contains("expected 127.0.0.1") && said.contains("name the key"), "{said}");
    assert!(!site.path("pulled/c2").exists());
    site.push_image("other/c3");
    let referrer = site.push_signature("other/c3", true);
    pull(0, "other/c3");
    assert!(site.path("pulled/c3/1/manifest.json").exists());
    site.write("other/c3", "keys: [other.pub, cosign.pub]");
    let said = site.run(0, &["lock"]);
    assert!(said.contains(&format!("(signature) is new: {referrer}")), "{said}");
    assert!(site.lock_file().unwrap().contains("    form: referrer\n"));
    site.run(0, &["run", "images"]);
    let carried = site.path(&format!("_build/root/images/c3/sha256-{IMAGE}/manifest.json"));
    assert!(fs::read_to_string(carried).unwrap().contains(&referrer.to_string()));
}

/// What Debian's skopeo before version 1.13 says instead of looking at a signature.
const LEFT_OUT: &str = "sigstore disabled";

/// Pulls an image as a client with the configuration below `root` does. Nothing, if its skopeo cannot look at signatures.
fn pull(root: &Path, drop_in: &str, image: &str) -> Option<Result<(), String>> {
    let etc = root.join("etc/containers");
    let into = root.join("pulled");
    let output = Command::new(peer::find("skopeo")?)
        .arg("--policy")
        .arg(etc.join("policy.json"))
        .arg("--registries.d")
        .arg(etc.join("registries.d"))
        .arg("--registries-conf")
        .arg(etc.join("registries.conf.d").join(drop_in))
        .args(["copy", "-q", &format!("docker://{image}"), &format!("dir:{}", into.display())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    drop(fs::remove_dir_all(&into));
    match output.status.success() {
        true => Some(Ok(())),
        false if said.contains(LEFT_OUT) => None,
        false => Some(Err(said)),
    }
}

#[test]
fn clients_require_the_signatures_of_the_images_in_an_archive() {
    let Some(site) = Site::new() else { return };
    let host = site.host();
    site.push_image("demo/c2");
    site.push_signature("demo/c2", false);
    site.push_image("other/c4");
    let text = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\n\
         spec:\n  registries: [{{host: '{host}', plainHttp: true}}]\n  images:\n    \
         pull: ['{host}/demo/c2:1', '{host}/other/c4:1']\n    signatures:\n      \
         - {{repository: '{host}/demo/*', keys: [cosign.pub], identity: 'localhost:5999/demo/*'}}\n"
    );
    fs::write(site.path("sealift.yaml"), text).unwrap();
    site.run(0, &["lock"]);
    site.run(0, &["run"]);
    let iso = site.path("_build/example.iso");
    let port = free_port();
    let mut server = site.command();
    server.args(["registry", "serve", "--no-tls", "--listen", &format!("127.0.0.1:{port}")]).arg(&iso);
    let _server = daemon::start(&mut server, port, &site.path("serve.log"));

    let node = format!("http://127.0.0.1:{port}");
    let configure = |code, root: &str, more: &[&str]| {
        let iso = iso.to_str().unwrap();
        let words = ["registry", "crio-config", "--policy", "--node", &node, "--root", root, iso];
        site.run(code, &[&words[..], more].concat())
    };
    // A policy that refuses everything stays as it is.
    let strict = site.path("strict/etc/containers/policy.json");
    fs::create_dir_all(strict.parent().unwrap()).unwrap();
    fs::write(&strict, r#"{"default": [{"type": "reject"}]}"#).unwrap();
    let said = configure(1, "strict", &["--original-names"]);
    assert!(
        said.contains(&format!("has another requirement for {host}/demo/c2: [{{\"type\":\"reject\"}}]")),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&strict).unwrap(), r#"{"default": [{"type": "reject"}]}"#);
    let said = site.run(3, &["registry", "crio-config", "--policy", "--node", &node]);
    assert!(said.contains("--policy needs archives"), "{said}");

    let said = configure(0, "original", &["--original-names"]);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert_eq!(configure(0, "original", &["--original-names"]), "");
    configure(0, "served", &[]);
    let original = "50-sealift-original-names.conf";
    let (served, platform) =
        ("50-metalk8s-registry-from-config.invalid.conf", "metalk8s-registry-from-config.invalid");
    let cases = [
        ("original", original, format!("{host}/demo/c2:1")),
        ("served", served, format!("{platform}/example-1.0.0/c2:1")),
    ];
    for (root, drop_in, image) in &cases {
        // Debian 12's skopeo reads the policy, but looks at no signature.
        let Some(pulled) = pull(&site.path(root), drop_in, image) else { continue };
        assert_eq!(pulled, Ok(()), "{image}");
        let policy = site.path(root).join("etc/containers/policy.json");
        let text = fs::read_to_string(&policy).unwrap();
        let [good, other] = ["cosign.pub", "other.pub"].map(|key| {
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, fs::read(data(key)).unwrap())
        });
        assert!(text.contains(&good), "{text}");
        fs::write(&policy, text.replace(&good, &other)).unwrap();
        let refused = pull(&site.path(root), drop_in, image).unwrap().unwrap_err();
        assert!(refused.contains("ignature"), "{refused}");
    }
    // Images without a rule are pulled as before.
    for (root, drop_in, image) in [
        ("original", original, format!("{host}/other/c4:1")),
        ("served", served, format!("{platform}/example-1.0.0/c4:1")),
    ] {
        assert_eq!(pull(&site.path(root), drop_in, &image), Some(Ok(())), "{image}");
    }
}

/// An archive with an image that cosign signed as `IDENTITY`, which comes from `original`, and the rules for it.
fn signed_archive(root: &Path, original: &str) {
    let put = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let bytes = |name: &str| fs::read(data(name)).unwrap();
    let payload = bytes("cosign-sig-tag.payload.json");
    put("product.txt", b"NAME=Example\nVERSION=1.0.0\n");
    put("images/c2/1/manifest.json", &bytes(&format!("image/blobs/sha256/{IMAGE}")));
    put(&format!("images/c2/sha256-{IMAGE}.sig/manifest.json"), &bytes("cosign-sig-tag.manifest.json"));
    put(&format!("images/c2/sha256-{IMAGE}.sig/{}", Digest::of(&payload).hex()), &payload);
    let mut names = OriginalNames::default();
    let place = Place { name: "c2".into(), tag: "1".into() };
    names.insert(&place, &format!("{original}:1").parse().unwrap());
    put("images/original-names.json", &names.write());
    let keys = ["cosign.pub", "other.pub"].map(|key| PublicKey::read(&bytes(key)).unwrap());
    let (pattern, identity) = (original.parse().unwrap(), Some(IDENTITY.parse().unwrap()));
    let rule = SignatureRule::new(pattern, SignatureRequirement::Signature, keys.to_vec().into(), identity);
    let mut rules = SignatureRules::default();
    rules.add(rule.unwrap()).unwrap();
    put("attestations/image-policy.json", rules.render().as_bytes());
}

/// The head of a list of archives.
const ARCHIVES: &str = "apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\n";
/// A policy that accepts no archive without a signature.
const TRUST: &str = "require: signature\nkeys: [cosign.pub]\n";

/// The schemas are those of the definitions of the objects.
#[test]
fn admission_controllers_get_policies_that_their_schemas_accept() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    signed_archive(&tree, "docker.io/library/c2");
    let run = |code, words: &[&str]| {
        let words = [&["registry", "admission-policy"], words].concat();
        let (found, out, err) = sealift::run(folder.path(), &words);
        assert_eq!(found, code, "{words:?}\n{out}{err}");
        out + &err
    };
    for controller in ["kyverno", "policy-controller"] {
        for (names, covered) in [
            (&[][..], "metalk8s-registry-from-config.invalid/example-1.0.0/c2:*"),
            (&["--host", "registry.example:8443"], "registry.example:8443/example-1.0.0/c2@*"),
            (&["--original-names"], "docker.io/library/c2:*"),
        ] {
            let words = [&["--for", controller, "tree"], names].concat();
            let text = run(0, &words);
            assert!(text.starts_with("# Generated by `sealift registry admission-policy`.\n---\n"), "{text}");
            let documents: Vec<Value> =
                text.split("\n---\n").skip(1).map(|text| serde_saphyr::from_str(text).unwrap()).collect();
            let report: Value =
                serde_json::from_str(&run(0, &[&words[..], &["-o", "json"]].concat())).unwrap();
            assert_eq!((&report["kind"], &report["objects"]), (&"AdmissionPolicy".into(), &documents.into()));
            assert!(text.contains(covered), "{text}");
            let Some(check) = peer::find("check-jsonschema") else { continue };
            let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/project_pull");
            for object in report["objects"].as_array().unwrap() {
                let file = folder.path().join("object.json");
                fs::write(&file, object.to_string()).unwrap();
                let schema = here.join(format!("{controller}.schema.json"));
                peer::run(Command::new(&check).arg("--schemafile").arg(schema).arg(file));
            }
        }
    }
    let text = run(3, &["--for", "kyverno"]);
    assert!(text.contains("--configured"), "{text}");
    for host in ["", "http://reg"] {
        let text = run(3, &["--for", "kyverno", "tree", "--host", host]);
        assert!(text.contains("expected the name of a registry"), "{text}");
    }
    // The policy of the node is for its archives.
    let file = |name: &str| folder.path().join(name);
    fs::write(file("trust.yaml"), TRUST).unwrap();
    fs::copy(data("cosign.pub"), file("cosign.pub")).unwrap();
    for name in ["trust.yaml", "cosign.pub"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(file(name), mode).unwrap();
    }
    let archives = format!("{ARCHIVES}archives: ['{}']\n", tree.display());
    fs::write(file("archives.yaml"), archives).unwrap();
    let named = ["--trust-config", "trust.yaml", "tree"];
    let text = run(3, &[&["--for", "kyverno"], &named[..]].concat());
    assert!(text.contains("cannot be used with"), "{text}");
    let digest = format!("sha256:{IMAGE}");
    let verify = ["registry", "verify-pull", "--name", "quay.io/a:1", "--digest", &digest];
    let crio = ["registry", "crio-config", "--policy", "--node", "http://10.0.0.1"];
    for command in [&verify[..], &crio] {
        let (code, _, err) = sealift::run(folder.path(), &[command, &named].concat());
        assert!(code == 3 && err.contains("cannot be used with"), "{command:?}: {err}");
    }
    let configured = ["--for", "kyverno", "--configured", "--archives-config", "archives.yaml"];
    assert!(run(0, &configured).contains("example-1.0.0/c2:*"));
    let text = run(1, &[&configured[..], &["--trust-config", "trust.yaml"]].concat());
    assert!(text.contains("left out: ") && text.contains("refuses all its archives"), "{text}");
    fs::remove_file(tree.join("attestations/image-policy.json")).unwrap();
    let text = run(3, &["--for", "kyverno", "tree"]);
    assert!(text.contains("the archives have no image that needs a signature"), "{text}");
}

/// The script is called as containerd calls it.
#[test]
fn containerd_asks_sealift_before_it_pulls_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    signed_archive(&path("tree"), "quay.io/vendor/c2");
    let node = ["--node", "http://10.0.0.1:8080"];
    let configure_with = |expected, more: &[&str]| {
        let words =
            [&["registry", "containerd-config", "--policy", "--root", "root"], &node[..], more].concat();
        let (code, out, err) = sealift::run(folder.path(), &words);
        assert_eq!(code, expected, "{out}{err}");
        out + &err
    };
    let configure = |more: &[&str]| configure_with(0, more);
    let script = path("root/opt/containerd/image-verifier/bin/sealift");
    assert!(configure(&[]).contains(script.strip_prefix(folder.path()).unwrap().to_str().unwrap()));
    assert!(configure(&["--original-names", "--host", "quay.io"]).contains("quay.io/hosts.toml"));
    assert_eq!(configure(&[]), "");

    let text = configure_with(3, &["tree"]);
    assert!(text.contains("--policy uses the archives of this node, and no others"), "{text}");
    assert!(text.contains("help: leave the archives out"), "{text}");

    // The script has the paths of the node.
    let archives = format!("{ARCHIVES}archives: [{}]\n", path("tree").display());
    fs::write(path("the archives.yaml"), archives).unwrap();
    configure(&["--configured", "--archives-config", "the archives.yaml"]);
    fs::create_dir(path("bin")).unwrap();
    let program = format!("#!/bin/sh\nexec {} \"$@\"\n", sealift::binary().display());
    fs::write(path("bin/sealift"), program).unwrap();
    peer::run(Command::new("chmod").arg("+x").arg(path("bin/sealift")));
    let ask = |name: &str, digest: &str| {
        let path = std::env::join_paths([path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
        let output = Command::new(&script)
            .args(["-name", name, "-digest", digest])
            .args(["-stdin-media-type", "application/vnd.oci.descriptor.v1+json"])
            .env("PATH", path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        sealift::told(&output)
    };
    let (image, other) = (format!("sha256:{IMAGE}"), Digest::of(b"another").to_string());
    for (name, digest, code, reason) in [
        ("quay.io/vendor/c2:1", &image, 0, "c2:1 in "),
        ("metalk8s-registry-from-config.invalid/example-1.0.0/c2:1", &image, 0, "c2:1 in "),
        ("10.0.0.1:8080/c2:1", &image, 0, "c2:1 in "),
        ("quay.io/vendor/c2:1", &other, 1, "the rule `quay.io/vendor/c2` of "),
        ("docker.io/library/nginx:1", &other, 0, "no rule of the archives covers the name"),
    ] {
        let (found, out, err) = ask(name, digest);
        assert!(found == code && out.starts_with(reason), "{name}: {found} {out}{err}");
    }
    fs::remove_dir_all(path("tree")).unwrap();
    let (code, out, err) = ask("docker.io/library/nginx:1", &other);
    assert!(code != 0 && err.contains("tree"), "{code} {out}{err}");
    // Without archives, no rule is known.
    fs::write(path("the archives.yaml"), format!("{ARCHIVES}archives: []\n")).unwrap();
    let (code, out, err) = ask("docker.io/library/nginx:1", &other);
    assert!(code == 1 && out.contains("this node has no archives"), "{code} {out}{err}");
    fs::remove_file(path("the archives.yaml")).unwrap();
    let (code, out, err) = ask("docker.io/library/nginx:1", &other);
    assert!(code == 3 && err.contains("the archives.yaml does not exist"), "{code} {out}{err}");
}
