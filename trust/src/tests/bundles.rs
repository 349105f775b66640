//! The form of bundles.

use super::*;
use crate::{ArchiveStatement, Bundle, Fault, SignedBy, Signer, Subject};

fn parsed(bundle: &str) -> Result<Bundle, Fault> {
    Bundle::parse(bundle.as_bytes())
}

fn outcome(bytes: &[u8]) -> String {
    let keys = [public(P256_PUBLIC), public(ED25519_PUBLIC), public(&data("cosign.pub"))];
    match Bundle::parse(bytes)
        .and_then(|bundle| bundle.verify(&Vec::from(keys).into()).map(|signed| signed.statement))
    {
        Ok(_) => "good".into(),
        Err(fault) => fault.to_string(),
    }
}

/// Bundles for which the verdict of cosign 3.1.3 is known, and two that it wrote.
#[test]
fn what_cosign_accepts_is_accepted_unless_readers_could_disagree() {
    let names = |name: &str| format!("bundles/{name}.json");
    for name in [
        "ok",
        "ed25519",
        "no-keyid",
        "malleated-S",
        "old-mediatype-0.3",
        "pred-omitted",
        "trailing-newline",
        "unpadded-b64",
        "urlsafe-b64",
        "k.p256.none",
        "cosign3-referrer.bundle.sigstore",
    ] {
        assert_eq!(outcome(&data(&names(name))), "good", "{name}");
    }
    // cosign refuses all but those in the second list.
    for (name, reason) in [
        ("bom", "the bundle begins with a byte order mark"),
        ("both-contents", "the bundle has both a `messageSignature` and a `dsseEnvelope`"),
        ("dup-key-mediatype", "the bundle has the key `mediaType` twice in one object"),
        ("dup-key-payload", "the bundle has the key `payload` twice in one object"),
        ("dup-key-statement", "the statement has the key `subject` twice in one object"),
        ("dup-key-statement-rev", "the statement has the key `subject` twice in one object"),
        ("empty-sig", "the signature is empty"),
        ("extra-statement-field", "the statement has the unknown field `zzz`"),
        (
            "keyid-mismatch-hint",
            "the bundle names two keys: SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo in its hint, other in its signature",
        ),
        (
            "mediatype-0.4",
            "the media type of the bundle is `application/vnd.dev.sigstore.bundle.v0.4+json`: \
             expected application/vnd.dev.sigstore.bundle.v0.3+json",
        ),
        (
            "mediatype-json",
            "the media type of the bundle is `application/json`: expected application/vnd.dev.sigstore.bundle.v0.3+json",
        ),
        ("no-material", "`verificationMaterial` has no field `publicKey`"),
        ("no-sigs", "the envelope has 0 signatures: expected one"),
        ("two-sigs", "the envelope has 2 signatures: expected one"),
        ("no-subject", "the statement has no subject"),
        ("sha1-only", "the subject `a` has no SHA-256"),
        ("sig-trailing-byte", "the signature is not an ECDSA signature in DER"),
        ("z-longform", "the signature is not an ECDSA signature in DER"),
        ("z-negr", "the signature is not an ECDSA signature in DER"),
        ("z-r0s0", "the ECDSA signature is zero"),
        ("snake-case", "the bundle has no field `mediaType`"),
        ("trailing-data", "the bundle has data after its end"),
        (
            "type-intoto.spdx",
            "the envelope has `application/vnd.in-toto.spdx+json`: expected application/vnd.in-toto+json",
        ),
        ("unknown-env-field", "`dsseEnvelope` has the unknown field `extra`"),
        ("unknown-top-field", "the bundle has the unknown field `extra`"),
        ("wrong-type-signed", "the envelope has `text/plain`: expected application/vnd.in-toto+json"),
    ]
    .into_iter()
    .chain([
        (
            "bad-_type",
            "the type of the statement is `https://evil/Statement`: expected https://in-toto.io/Statement/v1",
        ),
        (
            "v0.1-statement",
            "the type of the statement is `https://in-toto.io/Statement/v0.1`: expected https://in-toto.io/Statement/v1",
        ),
        ("no-hint", "`publicKey` has no field `hint`"),
        ("raw-rs-sig", "the ECDSA signature is not in DER: it has only the two numbers"),
        ("tlog-null", "`tlogEntries`: expected a list"),
        ("upper-hex", "the subject `a` has a SHA-256 in upper case"),
        ("cosign3-blob.sigstore", "the bundle signs a file, not a statement about an archive"),
    ]) {
        assert_eq!(outcome(&data(&names(name))), reason, "{name}");
    }
}

/// Rows 1 to 19 of the attack table that the bundles above do not have.
#[test]
fn a_bundle_that_readers_could_understand_differently_is_refused() {
    let keys = [public(P256_PUBLIC), public(ED25519_PUBLIC), public(&data("cosign.pub"))];
    let ids = keys.map(|key| key.id().to_owned()).join(", ");
    let certificate =
        format!("it was signed with a certificate, and only keys are trusted; the trusted keys are {ids}");
    let certificate = certificate.as_str();
    let good = Forged::default().bundle();
    assert_eq!(outcome(good.as_bytes()), "good");
    let material = |text: &str| {
        let start = good.find("\"publicKey\"").unwrap();
        let end = good.find("},\"dsseEnvelope\"").unwrap();
        format!("{}{text}{}", &good[..start], &good[end..])
    };
    let payload = |text: &str| {
        let start = good.find("\"payload\":\"").unwrap() + 11;
        let end = start + good[start..].find('"').unwrap();
        format!("{}{text}{}", &good[..start], &good[end..])
    };
    let known = good[good.find("\"payload\":\"").unwrap() + 11..].split('"').next().unwrap();
    let entries = |count: usize| {
        let list = vec!["{}"; count].join(",");
        good.replace("\"tlogEntries\":[]", &format!("\"tlogEntries\":[{list}]"))
    };
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let hint = "\"publicKey\":{\"hint\":\"x\"}";
    for (bundle, reason) in [
        ("garbage".to_owned(), "the bundle is not JSON: expected value at line 1 column 1"),
        (String::new(), "the bundle is not JSON: EOF while parsing a value at line 1 column 0"),
        ("[]".into(), "the bundle: expected an object"),
        (good.replacen("mediaType", "media_type", 1), "the bundle has no field `mediaType`"),
        (
            good.replacen("tlogEntries", "tlog_entries", 1),
            "`verificationMaterial` has the unknown field `tlog_entries`",
        ),
        (
            good.replacen("\"sig\":", "\"sig\":\"AAAA\",\"sig\":", 1),
            "the bundle has the key `sig` twice in one object",
        ),
        (
            good.replacen("\"sig\":", "\"s\\u0069g\":\"AAAA\",\"sig\":", 1),
            "the bundle has the key `sig` twice in one object",
        ),
        (
            good.replace(".bundle.v0.3+json", ".bundle+json;version=0.4"),
            "the media type of the bundle is `application/vnd.dev.sigstore.bundle+json;version=0.4`: \
             expected application/vnd.dev.sigstore.bundle.v0.3+json",
        ),
        (
            material("\"x509CertificateChain\":{\"certificates\":[]}")
                .replace(".bundle.v0.3+json", ".bundle+json;version=0.2"),
            certificate,
        ),
        (material("\"certificate\":{\"rawBytes\":\"AAAA\"}"), certificate),
        (
            material(&format!("{hint},\"certificate\":{{\"rawBytes\":\"AAAA\"}}")),
            "the bundle has both a public key and a certificate",
        ),
        (material("\"tlogEntries\":[]"), "`verificationMaterial` has no field `publicKey`"),
        (
            good.replace("verificationMaterial", "verification"),
            "the bundle has no field `verificationMaterial`",
        ),
        (good.replace("dsseEnvelope", "dsse"), "the bundle has the unknown field `dsse`"),
        (
            format!("{}}}", &good[..good.find(",\"dsseEnvelope\"").unwrap()]),
            "the bundle has neither a `messageSignature` nor a `dsseEnvelope`",
        ),
        (payload(&known.replacen('e', "e\\n", 1)), "`payload` is not base64: it has whitespace"),
        (payload(&known.replacen('e', " ", 1)), "`payload` is not base64: it has whitespace"),
        (payload("+/-_"), "`payload` is not base64: it mixes the standard and the URL-safe alphabet"),
        (payload("AB=="), "`payload` is not base64: it has bits after the last byte"),
        (payload("A!AA"), "`payload` is not base64: it has a character that is not base64"),
        (payload("AAAAA"), "`payload` is not base64: its length or padding is wrong"),
        (payload(&"A".repeat(64 << 20)), "the bundle has more than 1 MiB"),
        (nested(10_000), "the bundle has more than 64 levels"),
        (nested(65), "the bundle has more than 64 levels"),
        (nested(64), "the bundle: expected an object"),
        (format!("{{\"a\":{}", "{\"a\":".repeat(10_000)), "the bundle has more than 64 levels"),
        (entries(1_000_000), "the bundle has more than 1 MiB"),
        (entries(100_000), "the bundle has 100000 entries of transparency logs: expected at most 32"),
        (entries(33), "the bundle has 33 entries of transparency logs: expected at most 32"),
        (entries(32), "good"),
    ] {
        assert_eq!(outcome(bundle.as_bytes()), reason, "{}", bundle.chars().take(300).collect::<String>());
    }
}

#[test]
fn what_is_written_has_the_form_that_all_tools_read() {
    for (secret, is_p256) in [(P256, true), (ED25519, false)] {
        let signer = Signer::with_key(secret).unwrap();
        let bundle = Bundle::sign(&statement(), &signer, &|| false).unwrap();
        assert_eq!(bundle, Bundle::sign(&statement(), &signer, &|| false).unwrap(), "equal bytes each time");
        let forged = Forged { secret_key: secret, ..Forged::default() }.bundle();
        assert_eq!(bundle, format!("{forged}\n"));
        let keys = [public(OTHER_PUBLIC), public(if is_p256 { P256_PUBLIC } else { ED25519_PUBLIC })];
        let read = parsed(&bundle).unwrap();
        let signed = read.verify(&keys.to_vec().into()).unwrap();
        assert_eq!(signed.by, SignedBy::of_key(&keys[1]));
        assert_eq!(read.key_id(), Some(keys[1].id()));
    }
}

#[test]
fn a_statement_that_nobody_reads_is_not_signed() {
    let signer = Signer::with_key(P256).unwrap();
    let subject = |index: usize| Subject {
        name: format!("file-{index}"),
        digest: content::Digest::of(&index.to_be_bytes()),
    };
    let of = |count: usize| ArchiveStatement {
        name: "demo".into(),
        version: "1.0".into(),
        iso: None,
        subjects: (0..count).map(subject).collect(),
    };
    let text = of(1024).render().unwrap();
    let bundle = Bundle::sign(&text, &signer, &|| false).unwrap();
    let read = parsed(&bundle).unwrap().verify(&vec![public(P256_PUBLIC)].into()).unwrap().statement;
    assert_eq!(ArchiveStatement::parse(read).unwrap(), of(1024));
    assert_eq!(
        of(1025).render().unwrap_err().to_string(),
        "the statement has 1025 subjects: expected at most 1024"
    );
    assert_eq!(of(0).render().unwrap_err().to_string(), "the statement has no subject");
    assert!(Bundle::sign("{}", &signer, &|| false).is_err());
    let name = |name: &str| ArchiveStatement { name: name.into(), ..of(1) }.render().unwrap_err().to_string();
    assert_eq!(name("a/b"), "the archive name `a/b` in the statement has a character that is not allowed");
    assert_eq!(of(8).digest_of("file-7"), Some(subject(7).digest));
}
