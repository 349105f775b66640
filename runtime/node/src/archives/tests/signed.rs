//! The policy of a node: rows 48 and 80 to 87 of the attack table.

use std::os::unix::fs::PermissionsExt;

use archive::attestation::{bundle_path, describe};
use trust::{Bundle, Signer};

use super::following::Following;
use super::*;

const SECRET: &[u8] = include_bytes!("../../../../../trust/src/tests/data/ed.pk8.pem");
const PUBLIC: &[u8] = include_bytes!("../../../../../trust/src/tests/data/ed.pub");
const OTHER: &[u8] = include_bytes!("../../../../../trust/src/tests/data/p256.pub");
const KEY_ID: &str = "SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs";

fn sign(archive: &Path) {
    let described = describe(&Tree::open(archive).unwrap(), &()).unwrap();
    let signer = Signer::with_key(SECRET).unwrap();
    let bundle = Bundle::sign(&described.statement.render().unwrap(), &signer, &|| false).unwrap();
    std::fs::write(bundle_path(archive), bundle).unwrap();
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
             SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs, which is not trusted here; \
             trusted is SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo",
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
        ("require: signature\n".to_owned(), "trust.yaml: the policy requires signatures, but has no `keys`"),
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
    // A policy that says nothing keeps what is served.
    node.obey("require: signature\n");
    Following::until("the policy is reported", || server.has_refused("has no `keys`"));
    assert!(server.serves_now("metalk8s-2.10.0"));
}
