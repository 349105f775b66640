//! Signatures of images.

use super::*;
use crate::{Bundle, Fault, IMAGE_PREDICATE, SIMPLE_SIGNING_MAX, SimpleSigning};

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
    let (signed, key) = SimpleSigning::verify(&payload, SIGNATURE, &others).unwrap();
    assert_eq!(
        (signed.digest.to_string().as_str(), signed.reference.as_str()),
        (IMAGE, "localhost:5999/demo/c2")
    );
    assert_eq!(*key, cosign);
    let refused = SimpleSigning::verify(&payload, SIGNATURE, &others[..2]).unwrap_err().to_string();
    let ids = (others[0].id(), others[1].id());
    let expected =
        format!("it was signed by another key, or changed; the trusted keys are {}, {}", ids.0, ids.1);
    assert_eq!(refused, expected);
    assert!(matches!(
        SimpleSigning::verify(&payload, SIGNATURE, []),
        Err(Fault::NoKeySigned { trusted }) if trusted.is_empty()
    ));
    let mut changed = payload.clone();
    for position in (0..changed.len()).step_by(9) {
        changed[position] ^= 1;
        assert!(SimpleSigning::verify(&changed, SIGNATURE, [&cosign]).is_err(), "{position}");
        changed[position] ^= 1;
    }
}

#[test]
fn a_signed_payload_of_another_form_is_refused() {
    let key = public(P256_PUBLIC);
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
        let found = match SimpleSigning::verify(payload.as_bytes(), &signature(payload.as_bytes()), [&key]) {
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
        let found = SimpleSigning::verify(payload(("", "")).as_bytes(), signature, [&key]).unwrap_err();
        assert_eq!(found.to_string(), expected);
    }
    let large = vec![b' '; SIMPLE_SIGNING_MAX + 1];
    let found = SimpleSigning::verify(&large, &signature(&large), [&key]).unwrap_err();
    assert_eq!(found.to_string(), "the payload has more than 64 KiB");
}

#[test]
fn a_bundle_signs_an_image_if_its_statement_says_so() {
    let bundle = data("bundles/cosign3-referrer.bundle.sigstore.json");
    let cosign = public(&data("cosign.pub"));
    let (images, key) =
        Bundle::parse(&bundle).unwrap().verify_image([&cosign]).map(|(i, k)| (i, k.clone())).unwrap();
    assert_eq!((images[0].to_string().as_str(), images.len()), (IMAGE, 1));
    assert_eq!(key, cosign);
    let of_archive = Bundle::parse(Forged::default().bundle().as_bytes()).unwrap();
    let found = of_archive.verify_image([&public(P256_PUBLIC)]).unwrap_err().to_string();
    let expected = format!(
        "the statement is a `https://sealift.dev/attestation/archive/v1`, not the signature of an image ({IMAGE_PREDICATE})"
    );
    assert_eq!(found, expected);
}
