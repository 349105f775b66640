//! Signatures of images.

use serde_json::Value;

use super::*;
use crate::{
    Bundle, Fault, IMAGE_PREDICATE, Identity, PayloadCertificate, SIMPLE_SIGNING_MAX, SignedBy, Signers,
    SimpleSigning, TrustedRoot,
};

const IMAGE: &str = "sha256:6b11842236d7a07471de8ced2ca86c733c8ea80e4ff46c488d7d728014b6d729";
/// What cosign 3.1.3 wrote in its old form.
const PAYLOAD: &str = "images/cosign-sig-tag.payload.json";
const SIGNATURE: &str =
    "MEYCIQDVl9VfAjBU3pi2ZjNNw5QLZEIHBFbrzWB2ud9vfmBFUAIhAJmZ45Q9pBtWAUWGhrYEQaB0IoNCDrvGlpkuZqzW0+jw";

fn payload(change: (&str, &str)) -> String {
    let payload = String::from_utf8(data(PAYLOAD)).unwrap();
    assert!(change.0.is_empty() || payload.contains(change.0), "{}", change.0);
    if change.0.is_empty() { payload } else { payload.replacen(change.0, change.1, 1) }
}

fn signature(payload: &[u8]) -> String {
    base64::encode(&SecretKey::read(P256).unwrap().sign(payload))
}

#[test]
fn what_cosign_signed_counts_for_its_key_alone() {
    let cosign = public(&data("cosign.pub"));
    let (payload, others) = (data(PAYLOAD), [public(OTHER_PUBLIC), public(P256_PUBLIC), cosign.clone()]);
    let verify =
        |payload: &[u8], keys: &[PublicKey]| SimpleSigning::verify(payload, SIGNATURE, &keys.to_vec().into());
    let (signed, by) = verify(&payload, &others).unwrap();
    assert_eq!(
        (signed.digest.to_string().as_str(), signed.reference.as_str()),
        (IMAGE, "localhost:5999/demo/c2")
    );
    assert_eq!(by, SignedBy::of_key(&cosign));
    let refused = verify(&payload, &others[..2]).unwrap_err().to_string();
    let ids = (others[0].id(), others[1].id());
    let expected =
        format!("it was signed by another key, or changed; the trusted keys are {}, {}", ids.0, ids.1);
    assert_eq!(refused, expected);
    let nobody = verify(&payload, &[]);
    assert!(matches!(nobody, Err(Fault::NoKeySigned { trusted }) if trusted.is_empty()));
    let mut changed = payload.clone();
    for position in (0..changed.len()).step_by(9) {
        changed[position] ^= 1;
        assert!(verify(&changed, &others[2..]).is_err(), "{position}");
        changed[position] ^= 1;
    }
}

#[test]
fn a_signed_payload_of_another_form_is_refused() {
    let key = vec![public(P256_PUBLIC)].into();
    let kind = r#""type":"cosign container image signature""#;
    let upper = IMAGE.to_uppercase().replace("SHA256", "sha256");
    for (change, expected) in [
        (("", ""), "good"),
        // Nobody checks who may claim what.
        ((r#""optional":null"#, r#""optional":{"repository":"quay.io/vendor/app","trusted":true}"#), "good"),
        ((r#","optional":null"#, ""), "good"),
        ((kind, r#""type":"atomic container signature""#), "the payload is a `atomic container signature`"),
        ((kind, r#""kind":"x""#), "`critical` has no field `type`"),
        ((IMAGE, &upper), "the payload has the digest `sha256:6B118422"),
        ((IMAGE, "md5:00"), "the payload has the digest `md5:00`"),
        ((IMAGE, "sha256:00"), "the payload has the digest `sha256:00`"),
        ((r#""optional":null"#, r#""optional":null,"more":1"#), "the payload has the unknown field `more`"),
        ((r#"{"critical""#, r#"{"critical":{},"critical""#), "the payload has the key `critical` twice"),
        (
            (r#""docker-manifest-digest""#, r#""docker-manifest-digest":"x","docker-manifest-digest""#),
            "the payload has the key `docker-manifest-digest` twice",
        ),
        (
            (r#""docker-reference":"localhost:5999/demo/c2""#, ""),
            "`identity` has no field `docker-reference`",
        ),
        (("localhost:5999/demo/c2\"", "a\",\"x\":1"), "`identity` has the unknown field `x`"),
        ((r#""optional":null}"#, r#""optional":null}}"#), "the payload has data after its end"),
        (("{\"critical", "\u{feff}{\"critical"), "the payload begins with a byte order mark"),
    ] {
        let payload = payload(change);
        let found = match SimpleSigning::verify(payload.as_bytes(), &signature(payload.as_bytes()), &key) {
            Ok(_) => "good".to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert!(found.starts_with(expected), "{change:?}: {found}");
    }
    for (signature, expected) in [
        ("", "the signature is empty"),
        ("a b", "`signature` is not base64: it has whitespace"),
        ("AAAA", "the signature is not an ECDSA signature in DER"),
    ] {
        let found = SimpleSigning::verify(payload(("", "")).as_bytes(), signature, &key).unwrap_err();
        assert_eq!(found.to_string(), expected);
    }
    let large = vec![b' '; SIMPLE_SIGNING_MAX + 1];
    let found = SimpleSigning::verify(&large, &signature(&large), &key).unwrap_err();
    assert_eq!(found.to_string(), "the payload has more than 64 KiB");
}

/// A signature of 2023 with a certificate of sigstore's public instance, in the form of cosign 1.13; published as test data of
/// containers/image (Apache-2.0).
#[test]
fn a_payload_that_was_signed_with_a_certificate_counts_for_its_identity_alone() {
    let vector: Value = serde_json::from_slice(&data("images/cosign-sig-tag.keyless.json")).unwrap();
    let field = |name: &str| vector[name].as_str().unwrap().to_owned();
    let [payload, signature, certificate, log_entry] =
        ["payload", "signature", "certificate", "bundle"].map(field);
    let root = TrustedRoot::parse(include_bytes!("../keyless/tests/conformance/roots/public.json")).unwrap();
    let signers = |subject: &str| Signers {
        identities: vec![Identity::new(&root, subject, "https://github.com/login/oauth").unwrap()],
        ..Signers::default()
    };
    let verify = |payload: &str,
                  signature: &str,
                  (certificate, log_entry): (&str, Option<&str>),
                  subject: &str| {
        let certificate = PayloadCertificate { certificate, log_entry };
        let found =
            SimpleSigning::verify_certified(payload.as_bytes(), signature, &certificate, &signers(subject));
        found
            .map(|(signed, by)| (signed.digest.to_string(), by.to_string()))
            .map_err(|fault| fault.to_string())
    };
    let (subject, good) = ("mitr@redhat.com", (certificate.as_str(), Some(log_entry.as_str())));
    let (digest, by) = verify(&payload, &signature, good, subject).unwrap();
    assert_eq!(by, "mitr@redhat.com (https://github.com/login/oauth)");
    assert_eq!(
        digest,
        "sha256:0489474da8ea22426ece86ace6c1c0026ab2fd3cdfbbd62b7e946502 66c37d9a".replace(' ', "")
    );
    let later = log_entry.replace("1674247893", "1674251493");
    let other_log = log_entry.replace("c0d23d6a", "c0d23d6b");
    let other_image = payload.replace("0489474d", "0489474e");
    let twice = certificate.repeat(2);
    for (payload, (certificate, log_entry), subject, reason) in [
        (&payload, good, "other@redhat.com", "who is not trusted; expected other@redhat.com"),
        (&other_image, good, subject, "the signature with a certificate does not count: "),
        (&payload, (good.0, None), subject, "it has no entry of a transparency log"),
        (&payload, (good.0, Some(later.as_str())), subject, "SET verification failed"),
        (&payload, (good.0, Some(other_log.as_str())), subject, "invalid inclusion promise"),
        (&payload, (twice.as_str(), good.1), subject, "several certificates"),
        (&payload, ("", good.1), subject, "no line `-----BEGIN"),
        (&payload, (good.0, Some("{}")), subject, "has no field `SignedEntryTimestamp`"),
    ] {
        let found = verify(payload, &signature, (certificate, log_entry), subject).unwrap_err();
        assert!(found.contains(reason), "{reason}: {found}");
    }
    let other = signature.replacen("MEQC", "MEQD", 1);
    assert!(verify(&payload, &other, good, subject).is_err());
}

#[test]
fn a_bundle_signs_an_image_if_its_statement_says_so() {
    let bundle = data("bundles/cosign3-referrer.bundle.sigstore.json");
    let cosign = public(&data("cosign.pub"));
    let (images, by) = Bundle::parse(&bundle).unwrap().verify_image(&vec![cosign.clone()].into()).unwrap();
    assert_eq!((images[0].to_string().as_str(), images.len()), (IMAGE, 1));
    assert_eq!(by, SignedBy::of_key(&cosign));
    let of_archive = Bundle::parse(Forged::default().bundle().as_bytes()).unwrap();
    let found = of_archive.verify_image(&vec![public(P256_PUBLIC)].into()).unwrap_err().to_string();
    let expected = format!(
        "the statement is a `https://sealift.dev/attestation/archive/v1`, not the signature of an image ({IMAGE_PREDICATE})"
    );
    assert_eq!(found, expected);
}
