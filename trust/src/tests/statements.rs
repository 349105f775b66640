//! The form of statements.

use super::*;
use crate::{ArchiveStatement, Statement};

fn outcome(text: &[u8]) -> String {
    match Statement::parse(text).and_then(ArchiveStatement::parse) {
        Ok(_) => "good".into(),
        Err(fault) => fault.to_string(),
    }
}

/// Rows 38 to 49 of the attack table: the signature is good, and what is signed is refused. Rows 44 and 48 are tested with archives.
#[test]
fn a_statement_that_readers_could_understand_differently_is_refused() {
    let good = statement();
    assert_eq!(outcome(good.as_bytes()), "good");
    let digest = |text: &str| good.replace(&format!("\"sha256\":\"{DIGITS}\""), text);
    let name = |name: &str| good.replace("\"name\":\"demo\"", &format!("\"name\":\"{name}\""));
    let subject = |name: &str| good.replace("\"name\":\"demo-1.0.iso\"", &format!("\"name\":\"{name}\""));
    let one = format!(r#"{{"name":"demo-1.0.iso","digest":{{"sha256":"{DIGITS}"}}}}"#);
    let upper = DIGITS.to_uppercase();
    let many = |count: usize| {
        let list: Vec<String> = (0..count).map(|index| one.replace("demo", &index.to_string())).collect();
        good.replace(&one, &list.join(","))
    };
    for (text, reason) in [
        // 39
        (
            good.replace("Statement/v1", "Statement/v0.1"),
            "the type of the statement is `https://in-toto.io/Statement/v0.1`: expected https://in-toto.io/Statement/v1",
        ),
        // 40
        (
            good.replacen("\"subject\":", "\"subject\":[],\"subject\":", 1),
            "the statement has the key `subject` twice in one object",
        ),
        (
            good.replacen("\"name\":\"demo\"", "\"name\":\"demo\",\"name\":\"other\"", 1),
            "the statement has the key `name` twice in one object",
        ),
        // 41
        (good.replace(&one, ""), "the statement has no subject"),
        // 42
        (digest("\"sha1\":\"00\""), "the subject `demo-1.0.iso` has no SHA-256"),
        (digest(""), "the subject `demo-1.0.iso` has no SHA-256"),
        (
            digest(&format!("\"SHA256\":\"{DIGITS}\"")),
            "the subject `demo-1.0.iso` has the digest `SHA256`: expected `sha256` in lower case",
        ),
        (
            digest(&format!("\"sha256\":\"{upper}\"")),
            "the subject `demo-1.0.iso` has a SHA-256 in upper case",
        ),
        (
            digest(&format!("\"sha256\":\"{}\"", &DIGITS[1..])),
            "the subject `demo-1.0.iso` has a SHA-256 that does not have 64 digits",
        ),
        (
            digest(&format!("\"sha256\":\"{}\"", DIGITS.replacen('2', "g", 1))),
            "the subject `demo-1.0.iso` has a SHA-256 with letters that are not hexadecimal digits",
        ),
        (digest("\"sha256\":1"), "the subject `demo-1.0.iso` has a digest that is not text"),
        // 43
        (many(1024), "good"),
        (many(1025), "the statement has 1025 subjects: expected at most 1024"),
        (
            good.replace(&one, &format!("{one},{one}")),
            "the statement has two subjects with the name `demo-1.0.iso`",
        ),
        // 45
        (
            good.replace("https://sealift.dev/attestation/archive/v1", "https://slsa.dev/provenance/v1"),
            "the statement is a `https://slsa.dev/provenance/v1`, not about an archive \
             (https://sealift.dev/attestation/archive/v1)",
        ),
        // 46
        (name("dеmo"), "the archive name `dеmo` in the statement has a character that is not allowed"),
        (
            name("demo\\u0000"),
            "the archive name `demo\\0` in the statement has a character that is not allowed",
        ),
        (
            name("\\u202eomed"),
            "the archive name `\\u{202e}omed` in the statement has a character that is not allowed",
        ),
        (name(""), "the archive name `` in the statement is empty"),
        (name(".demo"), "the archive name `.demo` in the statement does not start with a letter or digit"),
        (subject("a\\u202eb"), "the subject `a\\u{202e}b` in the statement has a control character"),
        // 47
        (name("../demo"), "the archive name `../demo` in the statement has a character that is not allowed"),
        (
            subject("../demo.iso"),
            "the subject `../demo.iso` in the statement is not a relative path without `.` and `..`",
        ),
        (
            subject("/demo.iso"),
            "the subject `/demo.iso` in the statement is not a relative path without `.` and `..`",
        ),
        // 49
        (
            good.replace("\"version\":\"1.0\"", "\"version\":\"1.0\",\"n\":1e999"),
            "the statement is not JSON: number out of range",
        ),
        (name("\\ud800"), "the statement is not JSON: unexpected end of hex escape"),
        (good.replace("\"name\":\"demo\",", ""), "`predicate` has no field `name`"),
        (good.replace("\"version\":\"1.0\"", "\"version\":1"), "`version`: expected text"),
        (
            good.replace("\"version\":\"1.0\"", "\"version\":\"1.0\",\"iso\":\"other.iso\""),
            "the ISO `other.iso` in the statement is not a subject",
        ),
        (good.replace("\"version\":\"1.0\"", "\"version\":\"1.0\",\"iso\":\"demo-1.0.iso\""), "good"),
        (good.replace("predicateType", "predicatetype"), "the statement has no field `predicateType`"),
    ] {
        let found = outcome(text.as_bytes());
        let without_place = found.rsplit_once(" at line ").map_or(found.as_str(), |(start, _)| start);
        assert_eq!(without_place, reason);
    }
    let mut invalid = good.into_bytes();
    let position = invalid.windows(4).position(|part| part == b"demo").unwrap();
    invalid[position] = 0xff;
    assert!(
        outcome(&invalid).starts_with("the statement is not JSON: invalid unicode code point"),
        "{}",
        outcome(&invalid)
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _ = Statement::parse(&bytes);
        let _ = crate::Bundle::parse(&bytes);
    }
}
