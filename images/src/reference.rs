//! Image references as Docker and containers/image parse them.
//!
//! ```text
//! reference  = name [":" tag] ["@" digest]
//! name       = [domain "/"] path            domain: has a "." or ":", or is "localhost"
//! path       = component {"/" component}
//! component  = [a-z0-9]+ (("." | "_" | "__" | "-"+) [a-z0-9]+)*
//! tag        = [A-Za-z0-9_][A-Za-z0-9._-]{0,127}
//! ```

use std::fmt;
use std::str::FromStr;

use content::Digest;

use crate::redact::redacted;

/// The registry meant when a reference names none.
pub const DOCKER_HUB: &str = "docker.io";
/// The most characters of a name (domain and path) that clients agree on.
const NAME_MAX: usize = 255;
/// The most characters of a tag.
const TAG_MAX: usize = 128;

/// Where an image is: registry, repository, and a tag, a digest, or both.
///
/// ```
/// let short: images::Reference = "alpine:3.20".parse()?;
/// assert_eq!(short.to_string(), "docker.io/library/alpine:3.20");
/// # Ok::<(), images::reference::ReferenceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Text that is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an image reference: {reason}")]
pub struct ReferenceError {
    /// The text, cut to 300 characters.
    pub found: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why text cannot be a repository or a tag: what follows "it" or "the repository" in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Text that is too long.
    #[error("has {found} characters; the maximum is {limit}")]
    TooLong {
        /// The number of characters.
        found: usize,
        /// The most that there may be.
        limit: usize,
    },
    /// A repository of other characters, or with separators where none may be.
    #[error("must be lower-case letters and digits, joined by `.`, `_`, `__`, `-` or `/`")]
    Repository,
    /// A tag of other characters, or an empty one.
    #[error("must be letters, digits, `.`, `_` and `-`, the first a letter, a digit or `_`")]
    Tag,
}

impl Reference {
    /// `host[:port]` of the registry; [`DOCKER_HUB`] where the text named none.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository inside the registry, such as `library/alpine`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where the text gave neither tag nor digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// The tag that the text gave, without the default.
    #[must_use]
    pub fn given_tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The registry and the repository, without tag and digest: `docker.io/library/alpine`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The digest, if the reference pins one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The reference with another tag and no digest: a sibling in the same repository.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] where `tag` is not one.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        let mut sibling = self.clone();
        check_tag(tag).map_err(|reason| error(tag, format!("the tag {reason}")))?;
        sibling.tag = Some(tag.into());
        sibling.digest = None;
        Ok(sibling)
    }

    /// The reference to another manifest of the same repository, by its digest and without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

/// Whether `text` can be a tag (OCI distribution specification, "Pulling manifests").
#[must_use]
pub fn is_tag(text: &str) -> bool {
    check_tag(text).is_ok()
}

/// As [`is_tag`], with the reason.
///
/// # Errors
///
/// `text` cannot be a tag.
pub fn check_tag(text: &str) -> Result<(), NameError> {
    check_length(text, TAG_MAX)?;
    let mut bytes = text.bytes();
    let fits = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if fits { Ok(()) } else { Err(NameError::Tag) }
}

/// Whether `text` can be a repository: components joined by `/`.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    check_repository(text).is_ok()
}

/// As [`is_repository`], with the reason.
///
/// # Errors
///
/// `text` cannot be a repository.
pub fn check_repository(text: &str) -> Result<(), NameError> {
    check_length(text, NAME_MAX)?;
    if text.split('/').all(is_component) { Ok(()) } else { Err(NameError::Repository) }
}

fn check_length(text: &str, limit: usize) -> Result<(), NameError> {
    match text.chars().count() {
        found if found > limit => Err(NameError::TooLong { found, limit }),
        _ => Ok(()),
    }
}

/// `[a-z0-9]+` runs joined by one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let run = rest.iter().take_while(|byte| alphanumeric(byte)).count();
        if run == 0 {
            return false;
        }
        rest = rest.get(run..).unwrap_or_default();
        let separators = rest.iter().take_while(|byte| !alphanumeric(byte)).count();
        let (separator, after) = rest.split_at_checked(separators).unwrap_or_default();
        match separator {
            [] => return true,
            b"." | b"_" | b"__" => {}
            dashes if dashes.iter().all(|byte| *byte == b'-') => {}
            _ => return false,
        }
        rest = after;
    }
}

/// `host`, `host:port` or `[IPv6]:port`; labels of letters, digits and inner dashes.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_ok =
        port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let host_ok = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        }),
    };
    port_ok && host_ok
}

fn error(found: &str, reason: impl Into<String>) -> ReferenceError {
    ReferenceError { found: found.chars().take(300).collect(), reason: reason.into() }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((_, host)) if host.contains('/') => {
                return Err(error(
                    &redacted(text),
                    "user names and passwords belong in a credentials file (--auth-file, REGISTRY_AUTH_FILE)",
                ));
            }
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| {
                    error(text, "the digest must be `sha256:` and 64 lower-case hexadecimal digits")
                })?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it belongs to a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            check_tag(tag).map_err(|reason| error(text, format!("the tag {reason}")))?;
        }
        let (registry, path) = match name.split_once('/') {
            Some((domain, path))
                if domain.contains(['.', ':'])
                    || domain == "localhost"
                    || domain.bytes().any(|byte| byte.is_ascii_uppercase()) =>
            {
                (domain, path)
            }
            _ => (DOCKER_HUB, name),
        };
        if !is_domain(registry) {
            return Err(error(text, "the registry is not a host name with an optional port"));
        }
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let repository = if registry == DOCKER_HUB && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.into()
        };
        check_length(&format!("{registry}/{repository}"), NAME_MAX)
            .map_err(|reason| error(text, format!("the name {reason}")))?;
        check_repository(&repository).map_err(|reason| error(text, format!("the repository {reason}")))?;
        Ok(Self { registry: registry.into(), repository, tag: tag.map(Into::into), digest })
    }
}

impl fmt::Display for Reference {
    /// The full form: registry, repository, tag (with `latest` spelled out) and digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn full_forms() {
        let cases = [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("calico/node", "docker.io/calico/node:latest"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/library/alpine:1", "docker.io/library/alpine:1"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("127.0.0.1:5000/a/b/c:v1.0_x", "127.0.0.1:5000/a/b/c:v1.0_x"),
            ("[::1]:5000/a:1", "[::1]:5000/a:1"),
            ("quay.io/a__b/c--d.e", "quay.io/a__b/c--d.e:latest"),
            ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ];
        for (text, full) in cases {
            assert_eq!(text.parse::<Reference>().map(|r| r.to_string()).as_deref(), Ok(full), "{text}");
        }
    }

    #[test]
    fn a_digest_replaces_the_default_tag_and_goes_with_a_named_one() {
        let pinned: Reference = format!("alpine@{DIGEST}").parse().unwrap();
        assert_eq!((pinned.tag(), pinned.to_string()), (None, format!("docker.io/library/alpine@{DIGEST}")));
        let both: Reference = format!("localhost:5000/alpine:3@{DIGEST}").parse().unwrap();
        assert_eq!(both.tag(), Some("3"));
        assert_eq!(both.to_string(), format!("localhost:5000/alpine:3@{DIGEST}"));
    }

    #[test]
    fn refused() {
        let long = format!("quay.io/{}", "a".repeat(250));
        for text in [
            "",
            ":",
            "@",
            "/",
            "a/",
            "/a",
            "a//b",
            "Alpine",
            "a/B",
            "a:",
            "a:.x",
            "a:x y",
            "a@sha256:00",
            "a_-b",
            "a___b",
            "a..b",
            "-a",
            "a-",
            "a\n",
            "a:b\n",
            "host:99999/a",
            "host:x/a",
            "a.b:/c d",
            "../a",
            "a/../b",
            "-x.y/a",
            "a.b/c:t@md5:00",
            "a:\"",
            "a:$x",
            "[::1/a",
            "ex..com/a",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
        assert!(format!("a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
        assert!(format!("a:{}", "t".repeat(129)).parse::<Reference>().is_err());
    }

    #[test]
    fn a_name_or_tag_that_is_too_long_is_refused_for_its_length() {
        let long = |count: usize| "a".repeat(count);
        for (text, expected) in [
            (format!("quay.io/{}", long(247)), None),
            (format!("quay.io/{}", long(248)), Some("the name has 256 characters; the maximum is 255")),
            (format!("quay.io/{}:1", long(400)), Some("the name has 408 characters; the maximum is 255")),
            (long(300), Some("the name has 318 characters; the maximum is 255")),
            (format!("a:{}", long(128)), None),
            (format!("a:{}", long(129)), Some("the tag has 129 characters; the maximum is 128")),
        ] {
            let found = text.parse::<Reference>().map_err(|error| error.reason).err();
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(check_repository(&long(256)), Err(NameError::TooLong { found: 256, limit: 255 }));
        // As many bytes in fewer characters.
        assert_eq!(check_repository(&"é".repeat(200)), Err(NameError::Repository));
    }

    #[test]
    fn a_password_in_a_reference_is_refused_and_not_repeated() {
        for text in [
            "me:hunter2@r.example/a:1",
            "me:hunter2@r.example:5000/a/b",
            "me:hun@ter2/@r.example/a",
            "hunter2@r/a",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.to_string().contains("credentials file"), "{text}: {error}");
            assert!(!format!("{error:?}").contains("ter2"), "{text}: {error:?}");
        }
        for text in ["a@sha256:00", "r.example/a:1@sha256:x"] {
            assert!(text.parse::<Reference>().unwrap_err().reason.contains("the digest must be"), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn display_parses_back(
            registry in "([a-z][a-z0-9]{0,5}\\.[a-z]{2,3}|localhost)(:[1-9][0-9]{0,3})?",
            path in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}){0,2}",
            tag in proptest::option::of("[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"),
            pinned: bool,
        ) {
            let mut text = format!("{registry}/{path}");
            if let Some(tag) = &tag { text += &format!(":{tag}"); }
            if pinned { text += &format!("@{DIGEST}"); }
            let parsed: Reference = text.parse().unwrap();
            prop_assert_eq!(parsed.registry(), &registry);
            prop_assert_eq!(parsed.repository(), &path);
            prop_assert_eq!(parsed.to_string().parse::<Reference>().unwrap().to_string(), parsed.to_string());
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,40}|[a-z:/@.\\[\\]_-]{0,30}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert!(is_repository(reference.repository()));
                prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap().to_string(), &reference.to_string());
            }
        }
    }
}
