//! What signs packages and repositories: right and wrong entries.

use packages::openpgp::{KeySource, Passphrase};

use super::*;

/// Loads a project with `signing`, in an environment; what signs, or the error without the path of the file.
fn signing(signing: &str, environment: &[(&str, &str)]) -> Result<Option<SigningDefinition>, String> {
    let root = tempfile::tempdir().unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/src/openpgp/tests/data");
    std::fs::copy(keys.join("ed.asc"), root.path().join("key.asc")).unwrap();
    std::fs::write(root.path().join("no-key"), "").unwrap();
    let text = format!(
        "{HEAD}spec:\n  signing: {{{signing}}}\n  profiles: {{other: {{signing: {{publicKey: key.asc, gpg: b}}}}}}\n"
    );
    std::fs::write(root.path().join(FILE_NAME), text).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::gather(root.path(), &environment.collect(), &SettingsFlags::default()).unwrap();
    let project = Project::load(root.path(), settings).map_err(|error| error.to_string())?;
    Ok(project.signing.map(|mut one| {
        let relative = |path: &Path| path.strip_prefix(root.path()).unwrap_or(path).to_owned();
        one.public_key = relative(&one.public_key);
        match &mut one.secret_key {
            Some(KeySource::File { path, passphrase }) => {
                *path = relative(path);
                if let Some(Passphrase::File(file)) = passphrase {
                    *file = relative(file);
                }
            }
            Some(KeySource::Command { folder: Some(folder), .. }) => *folder = relative(folder),
            _ => {}
        }
        one
    }))
}

#[test]
fn the_secret_key_is_where_the_project_or_the_environment_says() {
    let file = |path: &str, passphrase: Option<Passphrase>| KeySource::File { path: path.into(), passphrase };
    let text = |text: &str| Some(Passphrase::Text(text.to_owned()));
    for (entry, environment, expected) in [
        ("", &[][..], None),
        (", secretKey: a.sec", &[], Some(file("a.sec", None))),
        (", secretKey: /run/a", &[("SEALIFT_SIGNING_PASSPHRASE", "x")], Some(file("/run/a", text("x")))),
        (", secretKey: a, passphraseFile: b", &[], Some(file("a", Some(Passphrase::File("b".into()))))),
        (", secretKey: a, passphraseVariable: P", &[("P", "y")], Some(file("a", text("y")))),
        (", secretKey: a, passphraseVariable: P", &[], Some(file("a", None))),
        (", secretKey: '{{ name }}.sec'", &[], Some(file("Example.sec", None))),
        (", gpg: me", &[], Some(KeySource::Gpg { program: "gpg".into(), key: "me".into() })),
        (
            ", gpg: me",
            &[("SEALIFT_SIGNING_KEY", "k"), ("SEALIFT_SIGNING_PASSPHRASE", "z")],
            Some(file("k", text("z"))),
        ),
        (
            ", command: [/bin/sh, -c, x]",
            &[],
            Some(KeySource::Command {
                words: ["/bin/sh", "-c", "x"].map(Into::into).to_vec(),
                folder: Some("".into()),
            }),
        ),
    ] {
        let found = signing(&format!("publicKey: key.asc{entry}"), environment).unwrap().unwrap();
        assert_eq!((found.public_key.to_str(), found.secret_key), (Some("key.asc"), expected), "{entry}");
    }
    let profile = signing("publicKey: key.asc, gpg: a", &[("SEALIFT_PROFILE", "other")]).unwrap().unwrap();
    assert!(matches!(profile.secret_key, Some(KeySource::Gpg { key, .. }) if key == "b"));
}

#[test]
fn a_wrong_entry_is_named_with_its_place() {
    for (entry, said) in [
        ("gpg: a", "missing key `publicKey`"),
        ("publicKey: missing", "5:24: `missing` does not exist"),
        ("publicKey: no-key", "5:24: `no-key`: it has no OpenPGP public key"),
        ("publicKey: ../key", "leads out"),
        ("publicKey: key.asc, gpg: a, secretKey: b", "5:24: several ways to sign"),
        ("publicKey: key.asc, gpg: a, passphraseFile: b", "a passphrase without `secretKey`"),
        (
            "publicKey: key.asc, secretKey: a, passphraseFile: b, passphraseVariable: c",
            "expected one of `passphraseFile` and `passphraseVariable`",
        ),
        (
            "publicKey: key.asc, command: [no-such-program]",
            "`no-such-program` is not a program on the search path",
        ),
        ("publicKey: key.asc, passphrase: secret", "unknown key `passphrase`"),
    ] {
        let error = signing(entry, &[]).unwrap_err();
        assert!(error.contains(said), "{entry}: {error}");
    }
}
