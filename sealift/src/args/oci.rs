//! Places in registries: of archives, `oci://HOST/REPOSITORY[:TAG|@DIGEST]`, and of images, `HOST[/PATH]`.

use content::printable;
use images::Reference;

use crate::failure::Failure;

/// Reads the URL of an archive in a registry, which has the form `expected`.
fn location(text: &str, expected: &str) -> Result<Reference, String> {
    let expected = format!("expected {expected}");
    let rest = text.strip_prefix("oci://").ok_or(&expected)?;
    let (host, _) = rest.split_once('/').ok_or(&expected)?;
    if !is_host(host) {
        return Err(format!("{expected}, with a dot or a port in HOST"));
    }
    rest.parse().map_err(|error: images::reference::ReferenceError| error.to_string())
}

/// Whether a name is that of a host. One without a dot or port would be taken for a repository of Docker Hub.
fn is_host(name: &str) -> bool {
    name.contains(['.', ':']) || name == "localhost"
}

/// Checks a registry with or without a path, which images are to be pushed to. Unlike the check of an argument, it repeats no
/// credentials that are in it.
pub(crate) fn check_registry(text: &str) -> Result<(), Failure> {
    let reference = format!("{}/name:tag", text.trim_end_matches('/')).parse::<Reference>();
    let host = text.split('/').next().unwrap_or_default();
    let is_registry = is_host(host) && format!("{host}/name:tag").parse::<Reference>().is_ok();
    if !is_registry && !text.contains('@') {
        return Err(Failure::usage(format!(
            "`{}` is not a registry: expected a host with a dot or a port, and a path: `registry.example:5000/mirror`",
            printable(text)
        )));
    }
    reference.map(drop).map_err(Failure::usage_by)
}

/// The reference without a tag, or with one: where an archive is to go.
pub(crate) fn target(text: &str) -> Result<Reference, String> {
    match location(text, "oci://HOST[:PORT]/REPOSITORY[:TAG]")? {
        reference if reference.digest().is_some() => {
            Err("the archive has a digest of its own: expected a tag, or none".into())
        }
        reference => Ok(reference),
    }
}

/// The reference with a tag or digest: where an archive is.
pub(crate) fn source(text: &str) -> Result<Reference, String> {
    match location(text, "oci://HOST[:PORT]/REPOSITORY:TAG")? {
        reference if reference.digest().is_none() && reference.given_tag().is_none() => {
            Err("expected a tag or digest: oci://HOST/REPOSITORY:TAG".into())
        }
        reference => Ok(reference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_a_host_with_or_without_a_path() {
        for (text, expected) in [
            ("registry.example", ""),
            ("registry.example/", ""),
            ("registry.example:5000/team/mirror", ""),
            ("localhost/mirror", ""),
            ("registry", "is not a registry"),
            ("mirror/team", "is not a registry"),
            ("oci://registry.example/a", "is not a registry"),
            ("", "is not a registry"),
            ("registry.example/A", "lower-case"),
            ("registry.example/../a", "repository"),
            ("user:hunter2@registry.example/a", "credentials file"),
        ] {
            let found =
                check_registry(text).err().and_then(|failure| Some(failure.report()?.error.to_string()));
            let found = found.unwrap_or_default();
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{text}: {found}");
            assert!(!found.contains("hunter2"), "{found}");
        }
    }

    #[test]
    fn the_url_of_an_archive_names_a_registry_and_a_repository() {
        let digest = format!("oci://r.example/a@sha256:{}", "0".repeat(64));
        for (text, is_target, is_source) in [
            ("oci://r.example/a", true, false),
            ("oci://r.example:5000/team/a:1.0", true, true),
            ("oci://localhost/a:1.0", true, true),
            (&digest, false, true),
            ("r.example/a:1.0", false, false),
            ("oci://a:1.0", false, false),
            ("oci://team/a:1.0", false, false),
            ("oci://r.example/A:1.0", false, false),
            ("oci://r.example/../a:1.0", false, false),
            ("https://r.example/a:1.0", false, false),
        ] {
            assert_eq!((target(text).is_ok(), source(text).is_ok()), (is_target, is_source), "{text}");
        }
        let expected = "expected oci://HOST[:PORT]/REPOSITORY";
        assert_eq!(target("r.example/a").unwrap_err(), format!("{expected}[:TAG]"));
        assert_eq!(source("r.example/a").unwrap_err(), format!("{expected}:TAG"));
    }
}
