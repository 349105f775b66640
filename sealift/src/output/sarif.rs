//! SARIF 2.1.0 (OASIS): findings as code hosts and editors show them.

use std::path::Path;

use archive::check::{CHECKS, Finding};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::json;

/// Where the schema of the format is.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The base of the paths in an archive.
const BASE: &str = "ARCHIVE";

/// The findings of a check of the archive at `path`, as one document.
pub(crate) fn report(path: &Path, findings: &[Finding]) -> anyhow::Result<String> {
    let rules: Vec<Value> = CHECKS
        .iter()
        .map(|name| {
            let check = name.check();
            json!({
                "id": check.code,
                "shortDescription": {"text": check.title},
                "help": {"text": check.remedy},
                "defaultConfiguration": {"level": check.severity.word()},
                "properties": {"tags": [check.group.heading()]},
            })
        })
        .collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "sealift", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "originalUriBaseIds": {
                BASE: {"description": {"text": format!("The root of the archive {}", path.display())}},
            },
            "results": findings.iter().map(|finding| result(path, finding)).collect::<Vec<_>>(),
        }],
    });
    Ok(json(&document)?)
}

fn result(archive: &Path, finding: &Finding) -> Value {
    let place = &finding.place;
    let mut location = if place.path.is_empty() {
        json!({"artifactLocation": {"uri": uri(&archive.to_string_lossy())}})
    } else {
        json!({"artifactLocation": {"uri": uri(&place.path), "uriBaseId": BASE}})
    };
    if let (Some(line), Some(location)) = (place.line, location.as_object_mut()) {
        location.insert("region".into(), json!({"startLine": line}));
    }
    json!({
        "ruleId": finding.code(),
        "ruleIndex": CHECKS.iter().position(|name| *name == finding.name),
        "level": finding.severity().word(),
        "message": {"text": finding.problem},
        "locations": [{"physicalLocation": location}],
    })
}

/// What a path in a URI has as it is (RFC 3986, "unreserved"), and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path as a relative reference of a URI.
fn uri(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

#[cfg(test)]
mod tests {
    use archive::check::{CheckName, Place};

    use super::*;

    #[test]
    fn a_finding_has_its_rule_level_and_place() {
        let findings = [
            Finding::new(CheckName::RoleKind, Place::line("operator/deploy/role.yaml", 3), "it has Pod"),
            Finding::new(CheckName::IsoVolumeId, Place::default(), "the volume ID is `x`"),
            Finding::new(CheckName::ReferenceMissing, Place::file("a b/\u{e9}:c.yaml"), "x"),
        ];
        let text = report(Path::new("some archive.iso"), &findings).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let run = &document["runs"][0];
        for (at, (level, place)) in [
            ("error", json!({"artifactLocation": {"uri": "operator/deploy/role.yaml", "uriBaseId": "ARCHIVE"}, "region": {"startLine": 3}})),
            ("warning", json!({"artifactLocation": {"uri": "some%20archive.iso"}})),
            ("error", json!({"artifactLocation": {"uri": "a%20b/%C3%A9%3Ac.yaml", "uriBaseId": "ARCHIVE"}})),
        ]
        .into_iter()
        .enumerate()
        {
            let result = &run["results"][at];
            assert_eq!((&result["level"], &result["locations"][0]["physicalLocation"]), (&json!(level), &place));
            let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
        }
    }
}
