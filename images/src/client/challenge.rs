//! The challenges of registries: which credentials they ask for.

/// One challenge of a `WWW-Authenticate` header (RFC 9110, section 11.6.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token from `realm`; without one, a token that the user has.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The first challenge in the headers that we can meet, a token before a password.
    pub(super) fn find<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let found = headers.into_iter().filter_map(Self::parse);
        found.min_by_key(Self::order)
    }

    /// As [`find`](Self::find), in one header.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (mut basic, mut bare) = (None, None);
        for (scheme, parameters) in challenges(header) {
            let find = |name: &str| {
                let mut values = parameters.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
                values.next().map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = find("realm") {
                    return Some(Self::Bearer { realm, service: find("service"), scope: find("scope") });
                }
                bare = Some(Self::Bearer { realm: String::new(), service: None, scope: None });
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic.or(bare)
    }

    /// How soon it is met, if a server has several.
    fn order(&self) -> u8 {
        match self {
            Self::Bearer { realm, .. } if realm.is_empty() => 2,
            Self::Bearer { .. } => 0,
            Self::Basic => 1,
        }
    }
}

/// Splits `Scheme key="value", key=value, Scheme …`.
fn challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    const SPACE: [char; 2] = [' ', '\t'];
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let separator = |c: char| SPACE.contains(&c) || c == ',';
    let mut rest = header.trim_start_matches(separator);
    while !rest.is_empty() {
        let end = rest.find(|c| separator(c) || c == '=').unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        // Space around the equals sign is bad, and allowed.
        if let Some(value) = after.trim_start_matches(SPACE).strip_prefix('=') {
            let value = value.trim_start_matches(SPACE);
            let (value, after) = match value.strip_prefix('"') {
                Some(quoted) => unquote(quoted),
                None => {
                    let end = value.find(separator).unwrap_or(value.len());
                    let (value, after) = value.split_at_checked(end).unwrap_or((value, ""));
                    (value.into(), after)
                }
            };
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word.into(), value));
            }
            rest = after;
        } else {
            if !word.is_empty() {
                found.push((word.into(), Vec::new()));
            }
            rest = after;
        }
        rest = rest.trim_start_matches(separator);
    }
    found
}

/// The text up to the closing quote with its escapes resolved, and what follows the quote.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(Into::into),
                scope: scope.map(Into::into),
            })
        };
        for (header, expected) in [
            (r#"Basic realm="r""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull""#,
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull"),
                ),
            ),
            (r#"Basic realm="x", Bearer realm=https://t/,error="a\"b""#, bearer("https://t/", None, None)),
            (
                r#"Bearer scope="repository:a:pull,push" , realm="u""#,
                bearer("u", None, Some("repository:a:pull,push")),
            ),
            (
                "BEARER\tRealm = \"https://t/\" , SERVICE = s,Scope=\"\"",
                bearer("https://t/", Some("s"), None),
            ),
            (
                r#"Negotiate, NTLM TlRMTVNTUAAC==, Basic realm="r", bearer realm="https://t/""#,
                bearer("https://t/", None, None),
            ),
            (r#"Bearer realm="", Basic realm="r""#, Some(Challenge::Basic)),
            (r#"Digest realm="r", qop="auth,auth-int""#, None),
            ("Bearer service=x", bearer("", None, None)),
            ("Bearer", bearer("", None, None)),
            ("Negotiate", None),
            (r#"Bearer realm="unterminated"#, bearer("unterminated", None, None)),
            ("", None),
            ("=,=,\"", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }
}
