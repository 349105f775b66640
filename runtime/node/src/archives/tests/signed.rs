//! The policy of a node: rows 48 and 80 to 87 of the attack table.

use std::os::unix::fs::PermissionsExt;

use archive::attestation::{bundle_path, describe};
use archive::verify::{Verification, VerifyOptions};
use trust::{Bundle, Signer};

use super::following::Following;
use super::*;

const SECRET: &[u8] = include_bytes!("../../../../../trust/src/tests/data/ed.pk8.pem");
const PUBLIC: &[u8] = include_bytes!("../../../../../trust/src/tests/data/ed.pub");
const OTHER: &[u8] = include_bytes!("../../../../../trust/src/tests/data/p256.pub");
const KEY_ID: &str = "SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs";

fn sign(archive: &Path) {
    sign_without(archive, &[]);
}

impl Node {
    /// Writes the policy of the node, and the keys that it may name.
    fn obey(&self, policy: &str) {
        for (name, content) in
            [("vendor.pub", PUBLIC), ("other.pub", OTHER), ("trust.yaml", policy.as_bytes())]
        {
            let path = self.root.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        }
    }

    /// The archive ID, or why an archive is not imported.
    fn try_to_import(&self, archive: &Path, options: &ImportOptions) -> String {
        match import(&self.paths, archive, options, &Fake::default(), &()) {
            Ok(done) => done.id,
            Err(error) => error.to_string().replace(&format!("{}/", self.root.path().display()), ""),
        }
    }
}

const SIGNED: &str = "require: checksum\narchives:\n  metalk8s: {require: signature, keys: [vendor.pub]}\n";

#[test]
fn an_archive_that_must_be_signed_is_imported_only_with_its_signature() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let solution = node.archive("storage.iso", SOLUTION);
    node.obey(SIGNED);
    let options = [
        ImportOptions::default(),
        ImportOptions { dry_run: true, ..ImportOptions::default() },
        // As the commands do that have verified it before.
        ImportOptions { verify: false, ..ImportOptions::default() },
    ];
    let before = node.state(&Fake::default());
    for options in &options {
        let missing = "the policy of this node refuses the archive: metalk8s.iso is not signed: \
                       metalk8s.iso.sigstore.json is missing";
        assert_eq!(node.try_to_import(&platform, options), missing);
    }
    assert_eq!(node.state(&Fake::default()), before, "nothing has changed");
    // Row 85.
    let unverified = ImportOptions { unverified: true, ..ImportOptions::default() };
    let refused = "metalk8s.iso must be signed, as trust.yaml says, and cannot be accepted unverified";
    assert_eq!(node.try_to_import(&platform, &unverified), refused);
    let mounting = MountOptions { at: None, verify: false, mounting: MountChoice::Auto, dry_run: true };
    let mounted = mount(&node.paths, &platform, &mounting, &Fake::default(), &());
    assert!(matches!(mounted, Err(Error::MustBeSigned { .. })), "{mounted:?}");
    assert!(matches!(check_verifiable(&node.paths, &platform, true), Err(Error::MustBeSigned { .. })));
    assert!(matches!(check_verifiable(&node.paths, &platform, false), Err(Error::Signature(_))));
    assert!(matches!(verify_archive(&node.paths, &platform, false, &()), Err(Error::Signature(_))));

    sign(&platform);
    for options in options.iter().rev() {
        assert_eq!(node.try_to_import(&platform, options), "metalk8s-2.10.0");
    }
    check_verifiable(&node.paths, &platform, false).unwrap();
    verify_archive(&node.paths, &platform, false, &()).unwrap();
    assert_eq!(node.try_to_import(&platform, &unverified), refused);
    // Archives without a rule need no signature.
    assert_eq!(node.try_to_import(&solution, &ImportOptions::default()), "storage-1.0.0");
}

#[test]
fn the_reason_for_a_refusal_is_that_of_the_rule() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    sign(&platform);
    let rule = |rule: &str| format!("require: checksum\narchives:\n  MetalK8s: {{{rule}}}\n");
    for (policy, reason) in [
        (rule("require: signature, keys: [vendor.pub]"), "metalk8s-2.10.0"),
        (
            rule("require: signature, keys: [other.pub]"),
            "the policy of this node refuses the archive: metalk8s.iso.sigstore.json: it was signed by the key \
             SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs, which is not trusted; \
             the trusted key is SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo",
        ),
        (
            rule("require: signature, keys: [vendor.pub]") + "revoked: ['" + KEY_ID + "']\n",
            "the policy of this node refuses the archive: metalk8s.iso.sigstore.json: it was signed by the key \
             SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs, which the policy revokes",
        ),
        (
            rule("minimumVersion: 2.11.0"),
            "the policy of this node refuses the archive: metalk8s.iso: version 2.10.0 is older than 2.11.0, the oldest that the policy accepts",
        ),
        (rule("minimumVersion: 2.9.0"), "metalk8s-2.10.0"),
        (
            "require: signature\n".to_owned(),
            "trust.yaml: the policy requires signatures, but has neither `keys` nor `identities`",
        ),
    ] {
        node.obey(&policy);
        assert_eq!(node.try_to_import(&platform, &ImportOptions::default()), reason, "{policy}");
    }
    // Bytes outside files, with an implanted MD5 that fits.
    node.obey(SIGNED);
    let mut bytes = std::fs::read(&platform).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&platform, bytes).unwrap();
    iso::md5::implant(&platform, true, &()).unwrap();
    let found = node.try_to_import(&platform, &ImportOptions::default());
    assert!(found.contains("the ISO is not the signed one, but its SHA256SUMS is"), "{found}");
    node.obey(&rule("require: signature, keys: [vendor.pub], covers: contents"));
    assert_eq!(node.try_to_import(&platform, &ImportOptions::default()), "metalk8s-2.10.0");
}

/// Rows 86 and 87: the policy counts for archives that were imported before it.
#[test]
fn a_server_stops_to_serve_what_the_policy_no_longer_accepts() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &Fake::default()).unwrap();
    let server = Following::start(&node, true);
    Following::until("it is served", || server.serves_now("metalk8s-2.10.0"));
    node.obey(SIGNED);
    Following::until("it is not signed", || !server.serves_now("metalk8s-2.10.0"));
    let refused = served(&node.paths).unwrap().refused;
    assert!(matches!(&refused[..], [(path, Error::Signature(_))] if *path == platform), "{refused:?}");
    sign(&platform);
    Following::until("it is signed", || server.serves_now("metalk8s-2.10.0"));
    node.obey(&format!("{SIGNED}revoked: ['{KEY_ID}']\n"));
    Following::until("its key is revoked", || !server.serves_now("metalk8s-2.10.0"));
    node.obey(SIGNED);
    Following::until("its key counts again", || server.serves_now("metalk8s-2.10.0"));
    // Another bundle, and another key in the same file.
    std::fs::write(bundle_path(&platform), "{}").unwrap();
    Following::until("its bundle is another one", || !server.serves_now("metalk8s-2.10.0"));
    sign(&platform);
    Following::until("its bundle is back", || server.serves_now("metalk8s-2.10.0"));
    let key = node.root.path().join("vendor.pub");
    std::fs::write(&key, OTHER).unwrap();
    Following::until("the key is another one", || !server.serves_now("metalk8s-2.10.0"));
    std::fs::write(&key, PUBLIC).unwrap();
    Following::until("the key is back", || server.serves_now("metalk8s-2.10.0"));
    // A policy that says nothing keeps what is served.
    node.obey("require: signature\n");
    Following::until("the policy is reported", || server.has_refused("neither `keys` nor `identities`"));
    assert!(server.serves_now("metalk8s-2.10.0"));
}

#[test]
fn a_server_whose_policy_disappears_reports_it_and_serves_what_it_served() {
    let node = Node::new();
    let (platform, solution) =
        (node.archive("metalk8s.iso", PLATFORM), node.archive("storage.iso", SOLUTION));
    for archive in [&platform, &solution] {
        node.import(archive, &Fake::default()).unwrap();
    }
    node.obey(SIGNED);
    let server = Following::start(&node, true);
    Following::until("it is not signed", || !server.serves_now("metalk8s-2.10.0"));
    std::fs::remove_file(&node.paths.trust).unwrap();
    let gone = format!("{} is missing; it existed before", node.paths.trust.display());
    Following::until("the policy is reported", || server.has_refused(&gone));
    assert!(server.serves_now("storage-1.0.0") && !server.serves_now("metalk8s-2.10.0"));
    // It takes effect again when it is back.
    node.obey("require: checksum\n");
    Following::until("it is accepted", || server.serves_now("metalk8s-2.10.0"));
}

#[test]
fn a_policy_that_the_user_names_must_exist() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let paths = NodeLayout { trust_must_exist: true, ..node.paths.clone() };
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    for error in
        [import(&paths, &platform, &dry, &Fake::default(), &()).unwrap_err(), served(&paths).unwrap_err()]
    {
        assert!(error.to_string().contains("trust.yaml: it cannot be read: No such file"), "{error}");
    }
    node.obey("require: checksum\n");
    import(&paths, &platform, &dry, &Fake::default(), &()).unwrap();
}

/// Signs an archive with a statement without the subjects of these names.
fn sign_without(archive: &Path, names: &[&str]) {
    let options = VerifyOptions { iso_digest: true, ..VerifyOptions::default() };
    let work = Verification::open(archive, &options).unwrap();
    let mut statement = describe(work, &()).unwrap().0.statement;
    statement.subjects.retain(|subject| !names.contains(&subject.name.as_str()));
    statement.iso = statement.iso.filter(|iso| !names.contains(&iso.as_str()));
    let signer = Signer::with_key(SECRET).unwrap();
    let bundle = Bundle::sign(&statement.render().unwrap(), &signer, &|| false).unwrap();
    std::fs::write(bundle_path(archive), bundle).unwrap();
}

#[test]
fn a_statement_that_does_not_cover_the_archive_is_refused_before_content_is_read() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &Fake::default()).unwrap();
    node.obey(SIGNED);
    let refused = |covers: &str, reason: &str| {
        let text = format!("{}, covers: {covers}}}\n", SIGNED.trim_end().trim_end_matches('}'));
        node.obey(&text);
        for dry_run in [true, false] {
            let options = ImportOptions { dry_run, ..ImportOptions::default() };
            let found = node.try_to_import(&platform, &options);
            assert!(found.ends_with(reason), "{found}");
        }
        let copied = check_verifiable(&node.paths, &platform, false).unwrap_err().to_string();
        assert!(copied.ends_with(reason), "{copied}");
    };
    let serves = || served(&node.paths).unwrap().archives.contains(&platform);
    sign_without(&platform, &["metalk8s.iso"]);
    refused("iso", "metalk8s.iso: the statement has no digest of an ISO");
    assert!(!serves());
    sign_without(&platform, &["SHA256SUMS"]);
    refused("contents", "metalk8s.iso: the statement has no digest of SHA256SUMS");
    assert!(!serves());
    // The import compares the digest of the ISO. A server cannot: it needs the list of files.
    node.obey(SIGNED);
    assert_eq!(node.try_to_import(&platform, &ImportOptions::default()), "metalk8s-2.10.0");
    assert!(!serves());
    sign(&platform);
    assert!(serves());
}

#[test]
fn an_archive_without_checksums_is_accepted_by_its_signature_or_by_the_policy() {
    let node = Node::new();
    let tree = node.root.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("product.txt"), PLATFORM).unwrap();
    let iso = node.root.path().join("bare.iso");
    let options = iso::IsoOptions { volume_id: "B".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&iso, &()).unwrap();
    // Without the implanted MD5: its field has blanks.
    let mut bytes = std::fs::read(&iso).unwrap();
    bytes[32768 + 883..][..512].fill(b' ');
    std::fs::write(&iso, bytes).unwrap();
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let unverifiable = "bare.iso is unverifiable: it has neither SHA256SUMS nor an implanted MD5";
    for options in [&dry, &ImportOptions::default()] {
        node.obey("require: checksum\n");
        assert_eq!(node.try_to_import(&iso, options), unverifiable);
        node.obey("require: none\n");
        assert_eq!(node.try_to_import(&iso, options), "metalk8s-2.10.0");
        delete(&node.paths, "metalk8s-2.10.0", &DELETE, &Fake::default()).ok();
        node.obey(SIGNED);
        sign(&iso);
        assert_eq!(node.try_to_import(&iso, options), "metalk8s-2.10.0");
        delete(&node.paths, "metalk8s-2.10.0", &DELETE, &Fake::default()).ok();
        // Its files are not proven: neither the node that counts them nor a server of them accepts it.
        let contents = SIGNED.replace("require: signature", "require: signature, covers: contents");
        let refused = "the policy of this node refuses the archive: bare.iso: the statement has no digest of SHA256SUMS";
        node.obey(&contents);
        assert_eq!(node.try_to_import(&iso, options), refused);
        let checked = check_verifiable(&node.paths, &iso, false).unwrap_err().to_string();
        assert_eq!(checked.replace(&format!("{}/", node.root.path().display()), ""), refused);
        node.obey(SIGNED);
        let served = crate::archives::signed::accepted(&node.paths, vec![iso.clone()], true).unwrap();
        assert!(
            served.archives.is_empty() && served.refused[0].1.to_string().contains("SHA256SUMS"),
            "{served:?}"
        );
        std::fs::remove_file(bundle_path(&iso)).unwrap();
    }
}

#[test]
fn an_archive_is_verified_again_if_the_policy_has_changed_since() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    sign(&platform);
    // Bytes outside files, with an implanted MD5 that fits: only the digest of the ISO shows them.
    let mut bytes = std::fs::read(&platform).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&platform, bytes).unwrap();
    iso::md5::implant(&platform, true, &()).unwrap();
    node.obey("require: checksum\n");
    let verified = verify_archive(&node.paths, &platform, false, &()).unwrap();
    let options = ImportOptions::default();
    node.obey(SIGNED);
    let refused = import_verified(&node.paths, &verified, &options, &Fake::default()).unwrap_err();
    assert!(refused.to_string().contains("the ISO is not the signed one"), "{refused}");
    node.obey("require: checksum\n");
    import_verified(&node.paths, &verified, &options, &Fake::default()).unwrap();
}

#[test]
fn a_version_that_the_policy_refuses_is_not_activated() {
    let node = Node::new();
    let solution = node.archive("storage.iso", SOLUTION);
    node.import(&node.archive("metalk8s.iso", PLATFORM), &Fake::default()).unwrap();
    node.import(&solution, &Fake::default()).unwrap();
    let options = ActivationOptions { dry_run: true, ..ActivationOptions::default() };
    let activated = |version: Option<&str>| match activate(&node.paths, "Storage", version, &options) {
        Ok(done) => format!("{:?}", done.version),
        Err(error) => error.to_string(),
    };
    node.obey("require: signature\nkeys: [vendor.pub]\n");
    for version in ["1.0.0", LATEST] {
        let found = activated(Some(version));
        assert!(found.contains("storage.iso is not signed"), "{found}");
    }
    assert_eq!(activated(None), "None", "it can be deactivated");
    sign(&solution);
    assert_eq!(activated(Some("1.0.0")), "Some(\"1.0.0\")");
}

#[test]
fn a_bundle_from_another_node_is_checked_by_the_policy() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let digest = content::hash_file(&platform, content::LinkPolicy::Refuse).unwrap().0;
    sign(&platform);
    let bundle = bundle_path(&platform);
    let check = |digest| match check_bundle(&node.paths, &platform, &bundle, digest) {
        Ok(counts) => counts.to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(check(digest), "false");
    node.obey(SIGNED);
    assert_eq!(check(digest), "true");
    let other = check(content::Digest::of(b"other"));
    assert!(other.contains("the ISO is not the signed one"), "{other}");
    std::fs::write(&bundle, "{}").unwrap();
    let bad = check(digest);
    assert!(bad.contains("has no field `mediaType`"), "{bad}");
}
