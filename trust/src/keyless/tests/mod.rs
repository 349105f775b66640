//! The conformance suite of sigstore for verifiers (<https://github.com/sigstore/sigstore-conformance>, Apache-2.0), and whose
//! certificates count.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use content::Digest;

use super::*;
use crate::{Bundle, Signers};

const WORKFLOW: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/keyless/tests/conformance")
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(folder().join(path)).unwrap()
}

fn root(name: &str) -> Result<TrustedRoot, Fault> {
    TrustedRoot::parse(&read(&format!("roots/{name}.json")))
}

fn bundle(name: &str) -> Vec<u8> {
    read(&format!("bundles/{name}.json"))
}

#[test]
fn the_cases_of_the_conformance_suite_have_the_right_verdicts_and_reasons() {
    let mut verdicts = String::new();
    let cases = String::from_utf8(read("cases.tsv")).unwrap();
    for case in cases.lines() {
        let [name, root_name, artifact] = case.split('\t').collect::<Vec<_>>()[..] else { panic!("{case}") };
        let artifact = Digest::of(&read(&format!("artifacts/{artifact}")));
        let verdict = root(root_name).and_then(|root| root.certified(&bundle(name), artifact));
        assert_eq!(verdict.is_err(), name.ends_with("_fail"), "{name}: {verdict:?}");
        match verdict {
            Ok(certified) => writeln!(verdicts, "{name}: {} ({})", certified.subject, certified.issuer),
            Err(fault) => writeln!(verdicts, "{name}: {fault}"),
        }
        .unwrap();
    }
    insta::assert_snapshot!(verdicts);
}

fn signers(root_name: &str, subject: &str, issuer: &str) -> Signers {
    let identity = Identity::new(&root(root_name).unwrap(), subject, issuer).unwrap();
    Signers { keys: Vec::new(), identities: vec![identity] }
}

#[test]
fn only_the_named_identity_counts() {
    let statement = Bundle::parse(&bundle("happy-path-intoto-in-dsse-v3")).unwrap();
    let start = WORKFLOW.strip_suffix("refs/heads/main").unwrap();
    for (subject, issuer, accepted) in [
        (WORKFLOW.to_owned(), GITHUB, true),
        (format!("{start}*"), GITHUB, true),
        (format!("{start}refs/*/main"), GITHUB, true),
        (format!("{start}refs/tags/*"), GITHUB, false),
        // A part of the text is another subject.
        (start.to_owned(), GITHUB, false),
        (WORKFLOW.replacen("https://", "https://other.example/", 1), GITHUB, false),
        (WORKFLOW.to_uppercase().replacen("HTTPS", "https", 1), GITHUB, false),
        (WORKFLOW.to_owned(), "https://token.actions.githubusercontent.com/", false),
        (WORKFLOW.to_owned(), "https://accounts.google.com", false),
    ] {
        let verdict = statement.verify(&signers("public", &subject, issuer));
        match verdict {
            Ok(signed) => {
                assert!(accepted, "{subject}");
                assert_eq!(signed.by.to_string(), format!("{WORKFLOW} ({GITHUB})"));
                assert_eq!(signed.by.id(), format!("{subject} ({issuer})"));
            }
            Err(Fault::OtherIdentity { found, .. }) => {
                assert!(!accepted, "{subject}");
                assert_eq!(found, format!("{WORKFLOW} ({GITHUB})"));
            }
            Err(other) => panic!("{subject}: {other}"),
        }
    }
    let certified = |subject: &str| Certified { subject: subject.into(), issuer: GITHUB.into() };
    let any = Identity::new(&root("public").unwrap(), "*@example.com", GITHUB).unwrap();
    assert!(any.matches(&certified("release@example.com")));
    for other in
        ["https://github.com/evil/x@refs/heads/x@example.com", "a@evil.com@example.com", "a@b.example.com"]
    {
        assert!(!any.matches(&certified(other)), "{other}");
    }
    // A certificate counts only by the root that names its authority.
    let other = statement.verify(&signers("root-01", WORKFLOW, GITHUB));
    assert!(matches!(other, Err(Fault::NotCertified(_))), "{other:?}");
    let nobody = statement.verify(&Signers::default());
    assert!(matches!(nobody, Err(Fault::Certificate(_))), "{nobody:?}");
}

#[test]
fn no_changed_byte_of_a_statement_or_signature_counts() {
    let bytes = bundle("happy-path-intoto-in-dsse-v3");
    let text = String::from_utf8(bytes.clone()).unwrap();
    let trusted = signers("public", WORKFLOW, GITHUB);
    for field in [r#""payload":"#, r#""sig":"#, r#""rawBytes":"#, r#""canonicalizedBody":"#] {
        let at = text.find(field).unwrap() + field.len();
        let at = at + text[at..].find('"').unwrap() + 21;
        let mut changed = bytes.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let verdict = Bundle::parse(&changed).and_then(|bundle| bundle.verify(&trusted));
        assert!(verdict.is_err(), "{field}");
    }
}

#[test]
fn two_certificates_are_not_one() {
    let mut bundle: serde_json::Value =
        serde_json::from_slice(&bundle("happy-path-intoto-in-dsse-v3")).unwrap();
    let material = &mut bundle["verificationMaterial"];
    material["x509CertificateChain"] = serde_json::json!({"certificates": [material["certificate"]]});
    let refused = Bundle::parse(bundle.to_string().as_bytes()).unwrap_err();
    assert!(matches!(refused, Fault::TwoCertificates), "{refused}");
}

#[test]
fn an_identity_names_its_owner_without_a_star() {
    let root = root("public").unwrap();
    for (subject, issuer, reason) in [
        ("release@example.com", "https://accounts.example.com", None),
        ("*@example.com", "https://accounts.example.com", None),
        ("https://github.com/example/app/.github/workflows/a.yml@*", GITHUB, None),
        ("spiffe://example.com/ns/*/release", GITHUB, None),
        ("https://github.com/example/*", GITHUB, None),
        ("https://github.com/*", GITHUB, Some("could choose")),
        ("https://github.com/example*", GITHUB, Some("could choose")),
        ("https:///a/*", GITHUB, Some("could choose")),
        ("https://github.com//*", GITHUB, Some("could choose")),
        ("a@b*@example.com", GITHUB, Some("could choose")),
        ("release@*.com", GITHUB, Some("could choose")),
        ("release@*", GITHUB, Some("could choose")),
        ("*", GITHUB, Some("could choose")),
        ("https://*/example", GITHUB, Some("could choose")),
        ("https://github.com*", GITHUB, Some("could choose")),
        ("https*://github.com/a", GITHUB, Some("could choose")),
        ("", GITHUB, Some("is empty")),
        ("a b@example.com", GITHUB, Some("a blank")),
        ("a@example.com", "https://*.example.com", Some("only a subject")),
        ("a@example.com", "accounts.example.com", Some("URL of an issuer")),
    ] {
        let found = Identity::new(&root, subject, issuer).err().map(|fault| fault.to_string());
        match reason {
            None => assert_eq!(found, None, "{subject}"),
            Some(reason) => assert!(found.as_ref().is_some_and(|text| text.contains(reason)), "{found:?}"),
        }
    }
}

#[test]
fn what_is_no_trusted_root_is_refused() {
    let public = String::from_utf8(read("roots/public.json")).unwrap();
    let twice = public.replacen('{', r#"{"tlogs":[],"#, 1);
    let no_authority =
        r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[]}"#;
    for (text, reason) in [
        ("{}", "not a trusted root"),
        ("no JSON", "is not JSON"),
        (&twice, "`tlogs` twice"),
        (no_authority, "no certificate authority"),
    ] {
        let found = TrustedRoot::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(found.contains(reason), "{text}: {found}");
    }
}
