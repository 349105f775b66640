//! Credentials as users have them, in files and in helpers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

use super::secret::{DOCUMENT_MAX, Secret, syntax_error};
use super::{RegistryFault, helper};
use crate::store::read_limited;

/// Docker Hub goes by several names; credentials are kept under the first.
const DOCKER_HUB_KEYS: [&str; 4] =
    ["index.docker.io", "docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// Docker's `config.json` or podman's `auth.json`: credentials by registry or by a path inside one.
///
/// An entry that is wrong is an error where it is needed: it says nothing of other hosts.
pub(super) struct Credentials {
    /// Where they are from; empty in tests.
    file: PathBuf,
    secrets: BTreeMap<String, Result<Secret, String>>,
    helpers: BTreeMap<String, Result<String, String>>,
    default_helper: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    auths: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default, alias = "identityToken")]
    identitytoken: String,
    #[serde(default, alias = "registryToken")]
    registrytoken: String,
}

impl Entry {
    fn secret(self) -> Result<Option<Secret>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Secret::Identity(self.identitytoken)));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Some(Secret::Bearer(self.registrytoken)));
        }
        if self.auth.is_empty() {
            let given = !self.username.is_empty();
            return Ok(given.then_some(Secret::Basic { user: self.username, password: self.password }));
        }
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(self.auth.trim())
            .map_err(|_| "`auth` is not base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "`auth` is not text")?;
        let (user, password) = text.split_once(':').ok_or("`auth` is not `user:password`")?;
        Ok(Some(Secret::Basic { user: user.into(), password: password.trim_end_matches('\0').into() }))
    }
}

impl Credentials {
    /// Reads `file`.
    pub(super) fn read(file: &Path) -> Result<Self, RegistryFault> {
        let bytes = read_limited(file, DOCUMENT_MAX)?;
        let wrong = |reason: String| RegistryFault::Configuration(format!("{}: {reason}", file.display()));
        Ok(Self { file: file.to_owned(), ..Self::parse(&bytes).map_err(wrong)? })
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        const NO_FORM: &str = "it does not have the expected form";
        let config: Config = serde_json::from_slice(bytes).map_err(|error| syntax_error(&error))?;
        let mut secrets = BTreeMap::new();
        for (key, entry) in config.auths.unwrap_or_default() {
            // The parser's own words could quote a secret.
            let entry = match entry {
                Value::Null => Ok(Entry::default()),
                // A struct would be read from a list as well.
                Value::Object(_) => Entry::deserialize(entry).map_err(|_| NO_FORM),
                _ => Err(NO_FORM),
            };
            let secret = entry.and_then(Entry::secret);
            let place = content::printable(&key).to_string();
            if let Some(secret) = secret.map_err(|reason| format!("auths.{place}: {reason}")).transpose() {
                secrets.insert(normalize(&key), secret);
            }
        }
        let mut helpers = BTreeMap::new();
        for (key, helper) in config.cred_helpers.unwrap_or_default() {
            let place = content::printable(&key).to_string();
            let helper = String::deserialize(helper).map_err(|_| format!("credHelpers.{place}: {NO_FORM}"));
            helpers.insert(normalize(&key), helper);
        }
        let default_helper = config.creds_store.filter(|name| !name.is_empty());
        Ok(Self { file: PathBuf::new(), secrets, helpers, default_helper })
    }

    /// Looks for the secret for a repository in several files: the first that has one counts.
    pub(super) fn find_in(files: &[Self], host: &str, repository: &str, patience: Duration) -> Search {
        let mut problems = Vec::new();
        for file in files {
            match file.find(host, repository, patience) {
                Ok(None) => {}
                Ok(found) => return Search { found, problems },
                Err(problem) => problems.push(problem),
            }
        }
        Search { found: None, problems }
    }

    /// The secret for a repository: the longest matching path wins, then the host; a helper named for the host goes
    /// before what the file says, the default helper after it. A helper has `patience` to answer.
    fn find(&self, host: &str, repository: &str, patience: Duration) -> Result<Option<FoundSecret>, String> {
        let hub = DOCKER_HUB_KEYS.contains(&host);
        let host = if hub { "docker.io" } else { host };
        let server = if hub { "https://index.docker.io/v1/" } else { host };
        let from = |origin| move |secret| FoundSecret { secret, origin, file: self.file.clone() };
        let ask = |name: &String| {
            let origin = format!("credential helper `{}`", name.escape_debug());
            match helper::ask(name, server, patience) {
                Ok(secret) => Ok(secret.map(from(format!("the {origin}")))),
                Err(reason) => Err(format!("{origin}: {reason}")),
            }
        };
        let file = self.file.display().to_string();
        let wrong = |reason: &String| match file.as_str() {
            "" => reason.clone(),
            file => format!("{file}: {reason}"),
        };
        if let Some(name) = self.helpers.get(host) {
            return ask(name.as_ref().map_err(wrong)?);
        }
        let mut key = format!("{host}/{repository}");
        loop {
            if let Some(secret) = self.secrets.get(&key) {
                let secret = secret.clone().map_err(|reason| wrong(&reason))?;
                return Ok(Some(from(file)(secret)));
            }
            match key.rfind('/') {
                Some(cut) => key.truncate(cut),
                None => break,
            }
        }
        self.default_helper.as_ref().map_or(Ok(None), ask)
    }
}

/// The result of the search for a secret.
#[derive(Default)]
pub(super) struct Search {
    pub(super) found: Option<FoundSecret>,
    /// What kept others from being read.
    pub(super) problems: Vec<String>,
}

/// A secret, and where it is from.
#[derive(Clone)]
pub(super) struct FoundSecret {
    pub(super) secret: Secret,
    /// The file or the helper, in words.
    pub(super) origin: String,
    /// The file that holds it or names the helper.
    pub(super) file: PathBuf,
}

/// `https://index.docker.io/v1/` → `docker.io`, `quay.io:443` → `quay.io`; `quay.io/team` stays.
fn normalize(key: &str) -> String {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest).trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    // Hosts are compared without regard to case.
    let host = host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    let host = if DOCKER_HUB_KEYS.contains(&&*host) { "docker.io".into() } else { host };
    match path {
        Some(path) => format!("{host}/{path}"),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str, password: &str) -> Option<Secret> {
        Some(Secret::Basic { user: user.into(), password: password.into() })
    }

    #[test]
    fn credentials_are_found_by_host_path_and_alias() {
        // dXNlcjpwYTpzcw== is `user:pa:ss`.
        let credentials = Credentials::parse(
            br#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"dXNlcjpwYTpzcw=="},
                "quay.io":{"username":"q","password":"1"},
                "quay.io/team/private":{"username":"t","password":"2"},
                "ghcr.io":{"identitytoken":"refresh"},
                "packages.example/el8":{"registrytoken":"bearer"},
                "Harbor.example:443":{"username":"h","password":"3"},
                "localhost:5000":{},
                "null.example":null
            },"HttpHeaders":{}}"#,
        )
        .unwrap();
        let find = |host, repository| {
            credentials.find(host, repository, Duration::ZERO).unwrap().map(|found| found.secret)
        };
        assert!(find("harbor.example", "x") == basic("h", "3"));
        assert!(find("registry-1.docker.io", "library/alpine") == basic("user", "pa:ss"));
        assert!(find("docker.io", "a/b") == basic("user", "pa:ss"));
        assert!(find("quay.io", "team/other") == basic("q", "1"));
        assert!(find("quay.io", "team/private/x") == basic("t", "2"));
        assert!(find("quay.io", "team/privately") == basic("q", "1"));
        assert!(find("ghcr.io", "x") == Some(Secret::Identity("refresh".into())));
        assert!(find("packages.example", "el8/repodata") == Some(Secret::Bearer("bearer".into())));
        assert!(find("packages.example", "el9").is_none());
        assert!(find("localhost:5000", "x").is_none());
        assert!(find("evil.quay.io", "x").is_none());
    }

    #[test]
    fn a_bad_configuration_is_said_without_its_secrets() {
        for (text, expected) in [
            ("{", "ends too early"),
            ("secret", "line 1, column 1: it is not JSON"),
            (r#"{"auths":["secret"]}"#, "does not have the expected form"),
            (r#"{"credsStore":["secret"]}"#, "does not have the expected form"),
        ] {
            let error = Credentials::parse(text.as_bytes()).err().unwrap();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_wrong_entry_is_said_where_it_is_needed_and_nowhere_else() {
        for (entry, expected) in [
            (r#""auths":{"a":"secret"}"#, "auths.a: it does not have the expected form"),
            (r#""auths":{"a":["secret"]}"#, "auths.a: it does not have the expected form"),
            (r#""auths":{"a":{"password":["secret"]}}"#, "auths.a: it does not have the expected form"),
            (r#""auths":{"a":{"auth":"!!secret!!"}}"#, "auths.a: `auth` is not base64"),
            (r#""auths":{"a":{"auth":"c2VjcmV0"}}"#, "auths.a: `auth` is not `user:password`"),
            (r#""credHelpers":{"a":["secret"]}"#, "credHelpers.a: it does not have the expected form"),
        ] {
            let text = format!("{{{entry}}}");
            let credentials = Credentials::parse(text.as_bytes()).unwrap();
            assert!(credentials.find("b", "x", Duration::ZERO).is_ok_and(|found| found.is_none()), "{text}");
            let error = credentials.find("a", "x", Duration::ZERO).err().unwrap();
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_helper_that_cannot_be_named_is_said_where_it_is_needed() {
        let file = br#"{"credHelpers":{"quay.io":"../x\n"},"credsStore":"a b","auths":{"ghcr.io":{"username":"u"}}}"#;
        let credentials = Credentials::parse(file).unwrap();
        for (host, expected) in
            [("quay.io", r"credential helper `../x\n`: not the name"), ("r.example", "`a b`: not the name")]
        {
            let error = credentials.find(host, "x", Duration::ZERO).err().unwrap();
            assert!(error.contains(expected), "{host}: {error}");
        }
        assert!(credentials.find("ghcr.io", "x", Duration::ZERO).is_ok_and(|secret| secret.is_some()));
    }
}
