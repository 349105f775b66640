//! What an archive was built from.

use std::collections::BTreeMap;

use crate::{
    BuildParameters, Fault, InternalParameters, Material, PROVENANCE_MAX, Provenance, Statement, Subject,
};

fn sample() -> Provenance {
    let parameters = BuildParameters {
        project: "platform".into(),
        profiles: vec!["full".into()],
        variables: BTreeMap::from([("channel".into(), "stable".into())]),
        environment: vec!["TOKEN".into()],
        settings: BTreeMap::from([("SOURCE_DATE_EPOCH".into(), "1767225600".into())]),
    };
    let internal = InternalParameters {
        name: "Site".into(),
        version: "1.0".into(),
        architecture: "x86_64".into(),
        source_date: 1_767_225_600,
    };
    let image = Material::content(None, Some("docker://quay.io/app:1"), content::Digest::of(b"manifest"));
    let materials = vec![image.clone(), Material::commit(&"a".repeat(40), true), image];
    Provenance::new(parameters, internal, materials, "0.2.0")
}

#[test]
fn a_written_provenance_reads_back_the_same() {
    let provenance = sample();
    let text = provenance.render().unwrap();
    assert_eq!(Provenance::parse(text.as_bytes()).unwrap(), provenance);
    assert_eq!(provenance.commit(), Some(("a".repeat(40).as_str(), true)));
    assert_eq!(provenance.builder_version(), Some("0.2.0"));
    assert_eq!(provenance.build_definition.resolved_dependencies.len(), 2, "the image is named once");
    let subjects = [Subject { name: "site.iso".into(), digest: content::Digest::of(b"iso") }];
    let statement = Statement::parse(provenance.statement(&subjects).unwrap().as_bytes()).unwrap();
    assert_eq!(statement.subjects, subjects);
    let predicate = serde_json::to_vec(&statement.predicate).unwrap();
    assert_eq!(Provenance::parse(&predicate).unwrap(), provenance);
}

#[test]
fn what_is_not_the_provenance_of_an_archive_is_refused_with_its_reason() {
    let text = sample().render().unwrap();
    let cases = [
        (
            text.replace("/build/archive/v1", "/build/other/v1"),
            "the provenance is about a build of the type ",
        ),
        (
            text.replacen("\"profiles\"", "\"profile\"", 1),
            "it is not the provenance of an archive: unknown field",
        ),
        (
            text.replacen("\"sourceDate\": 1767225600", "\"sourceDate\": true", 1),
            "it is not the provenance of an archive: ",
        ),
        (
            text.replacen("\"name\"", "\"name\": \"x\", \"name\"", 1),
            "the provenance has the key `name` twice",
        ),
        (format!("{text}{{}}"), "the provenance has data after its end"),
        (format!("\u{feff}{text}"), "the provenance begins with a byte order mark"),
        (String::new(), "the provenance is not JSON: "),
        (" ".repeat(PROVENANCE_MAX + 1), "the provenance has more than 16 MiB"),
    ];
    for (text, reason) in cases {
        let fault = Provenance::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(fault.starts_with(reason), "{fault}");
    }
    let nothing = sample().statement(&[]);
    assert!(matches!(nothing, Err(Fault::NoSubject)), "{nothing:?}");
}
