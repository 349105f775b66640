//! The URLs of archives in registries: `oci://HOST/REPOSITORY[:TAG|@DIGEST]`.

use images::Reference;

/// Reads the URL of an archive in a registry.
pub(crate) fn location(text: &str) -> Result<Reference, String> {
    let expected = "expected oci://HOST[:PORT]/REPOSITORY:TAG";
    let rest = text.strip_prefix("oci://").ok_or(expected)?;
    // A name without a dot or port would be taken for a repository of Docker Hub.
    let (host, _) = rest.split_once('/').ok_or(expected)?;
    if !(host.contains(['.', ':']) || host == "localhost") {
        return Err(format!("{expected}, with a dot or a port in HOST"));
    }
    rest.parse().map_err(|error: images::reference::ReferenceError| error.to_string())
}

/// The reference without a tag, or with one: where an archive is to go.
pub(crate) fn target(text: &str) -> Result<Reference, String> {
    match location(text)? {
        reference if reference.digest().is_some() => {
            Err("the archive has a digest of its own: expected a tag, or none".into())
        }
        reference => Ok(reference),
    }
}

/// The reference with a tag or digest: where an archive is.
pub(crate) fn source(text: &str) -> Result<Reference, String> {
    match location(text)? {
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
    }
}
