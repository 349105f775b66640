//! Parsing a node configuration, and finding all of its problems.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Error as YamlError, Location, Spanned, UserMessageFormatter};

use super::error::ConfigurationProblem;
use super::kind::ConfigurationKind;
use super::networks::{self, Networks};

/// The content of a file. Unknown keys are ignored in files that MetalK8s also reads.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) archives: Vec<PathBuf>,
    /// The number of them under `archives`; the others are under `products`.
    pub(super) own: usize,
    pub(super) active: BTreeMap<String, String>,
    pub(super) accepts_unverified: bool,
    pub(super) site: Site,
}

/// What a `BootstrapConfiguration` says about the site.
#[derive(Clone, Debug, Default)]
pub(super) struct Site {
    /// The networks of the control plane.
    pub(super) control_plane: Vec<String>,
    /// The address at which the control plane is reached.
    pub(super) ingress: Option<String>,
    /// The name of the bootstrap node: `ca.minion`.
    pub(super) minion: Option<String>,
}

// Each key is parsed by itself: a wrong type in one must not hide the problems of the others.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    api_version: Option<Spanned<String>>,
}

#[derive(Deserialize)]
struct Name {
    kind: Option<Spanned<String>>,
}

#[derive(Deserialize)]
struct Archives {
    /// The design of 2019 called it `solutions`.
    #[serde(default, alias = "solutions")]
    archives: Option<Option<Vec<Spanned<String>>>>,
}

/// The first `BootstrapConfiguration` had this instead of `archives`.
#[derive(Deserialize)]
struct Products {
    products: Option<Metalk8s>,
}

#[derive(Deserialize)]
struct Metalk8s {
    #[serde(default)]
    metalk8s: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
struct Active {
    active: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    accept_unverified: Option<bool>,
}

/// The keys of an `ArchivesConfiguration`.
const KEYS: [&str; 4] = ["apiVersion", "kind", "archives", "acceptUnverified"];

/// The top-level keys of a file, with any values.
struct Keys(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;

        impl<'de> Visitor<'de> for Top {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }

        deserializer.deserialize_map(Top)
    }
}

#[derive(Deserialize)]
struct Planes {
    networks: Option<Networks>,
}

#[derive(Deserialize)]
struct Authority {
    ca: Option<Minion>,
}

#[derive(Deserialize)]
struct Minion {
    minion: Option<String>,
}

impl Document {
    /// Parses `text`; or returns all of its problems, in the order of its lines.
    pub(super) fn read(kind: ConfigurationKind, text: &str) -> Result<Self, Vec<ConfigurationProblem>> {
        let mut reader = Reader { text, problems: Vec::new() };
        let name = reader.part::<Name>();
        // Missing keys are reported at this line.
        let place = name.as_ref().and_then(|name| name.kind.as_ref()).map(|kind| kind.referenced);
        if let Some(name) = name {
            reader.expect("kind", name.kind, &[kind.name()]);
        }
        if let Some(version) = reader.part::<Version>() {
            reader.expect("apiVersion", version.api_version, kind.versions());
        }
        let site =
            if kind == ConfigurationKind::Bootstrap { reader.bootstrap(place) } else { Site::default() };
        let listed = reader.part::<Archives>().and_then(|part| part.archives).flatten().unwrap_or_default();
        let mut archives = Vec::new();
        reader.archives("archives", listed, &mut archives);
        let own = archives.len();
        if kind == ConfigurationKind::Bootstrap {
            let listed = reader.part::<Products>().and_then(|part| part.products?.metalk8s);
            reader.archives("products.metalk8s", listed.unwrap_or_default(), &mut archives);
        }
        let active = reader.part::<Active>().and_then(|part| part.active).unwrap_or_default();
        let policy = if kind == ConfigurationKind::Archives {
            reader.only_known();
            reader.policy()
        } else {
            None
        };
        let accepts_unverified = policy.and_then(|policy| policy.accept_unverified).unwrap_or_default();
        let mut problems = reader.problems;
        if problems.is_empty() {
            return Ok(Self { archives, own, active, accepts_unverified, site });
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(problems)
    }
}

/// A message of the parser in the words of people who write YAML.
fn in_plain_words(message: &str) -> String {
    let words = [
        ("sequence start", "a list"),
        ("mapping start", "keys with values"),
        ("string scalar", "text"),
        ("tabs disallowed within this context (block indentation)", "a tab: YAML is indented with spaces"),
    ];
    words.iter().fold(message.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<ConfigurationProblem>,
}

impl Reader<'_> {
    /// Some keys of the file; `None` if they cannot be parsed, which is recorded.
    fn part<T: DeserializeOwned>(&mut self) -> Option<T> {
        // A file of comments is null to YAML; people mean a mapping without keys.
        let empty = self
            .text
            .lines()
            .all(|line| matches!(line.split('#').next().map(str::trim), None | Some("" | "---")));
        let error = match serde_saphyr::from_str(if empty { "{}" } else { self.text }) {
            Ok(part) => return Some(part),
            Err(error) => error,
        };
        let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
        let key = match error.without_snippet() {
            YamlError::SerdeMissingField { field, .. } => (*field).to_owned(),
            _ => key_at(self.text, line),
        };
        let message = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        let message = message.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(&message);
        let problem = in_plain_words(message);
        // Invalid YAML fails for each part.
        if !self.problems.iter().any(|known| (known.line, known.column) == (line, column)) {
            self.problems.push(ConfigurationProblem { line, column, key, problem });
        }
        None
    }

    fn policy(&mut self) -> Option<Policy> {
        let before = self.problems.len();
        let policy = self.part::<Policy>();
        // Invalid YAML is recorded already, so this is a wrong type of the only key.
        for problem in self.problems.iter_mut().skip(before) {
            "expected true or false".clone_into(&mut problem.problem);
        }
        policy
    }

    /// Records keys that an `ArchivesConfiguration` does not have.
    fn only_known(&mut self) {
        for key in self.part::<Keys>().map(|keys| keys.0).unwrap_or_default() {
            // As `Archives` has it.
            if KEYS.contains(&key.value.as_str()) || key.value == "solutions" {
                continue;
            }
            let near = content::nearest(&key.value, KEYS).map(|near| format!("; did you mean `{near}`?"));
            let problem =
                format!("unknown key `{}`{}", content::printable(&key.value), near.unwrap_or_default());
            self.wrong(Some(key.referenced), "", problem);
        }
    }

    fn wrong(&mut self, place: Option<Location>, key: &str, problem: impl Into<String>) {
        let (line, column) = place.map_or((1, 1), |place| (place.line(), place.column()));
        self.problems.push(ConfigurationProblem {
            line,
            column,
            key: key.to_owned(),
            problem: problem.into(),
        });
    }

    fn missing(&mut self, place: Option<Location>, key: &str) {
        self.wrong(place, key, "it is missing");
    }

    /// Records a value that is missing or not among those expected.
    fn expect(&mut self, key: &str, found: Option<Spanned<String>>, expected: &[&str]) {
        match found {
            Some(found) if expected.contains(&found.value.as_str()) => {}
            Some(found) => {
                let problem = format!("expected {}, found {}", expected.join(" or "), found.value);
                self.wrong(Some(found.referenced), key, problem);
            }
            None => self.wrong(None, key, format!("it is missing, expected {}", expected.join(" or "))),
        }
    }

    /// Checks the other keys of a `BootstrapConfiguration`.
    fn bootstrap(&mut self, place: Option<Location>) -> Site {
        let mut site = Site::default();
        if let Some(part) = self.part::<Authority>() {
            site.minion = part.ca.and_then(|ca| ca.minion);
            if site.minion.is_none() {
                self.missing(place, "ca.minion");
            }
        }
        let Some(part) = self.part::<Planes>() else { return site };
        let listed = part.networks.as_ref().map(Networks::listed).unwrap_or_default();
        for (key, place, network) in &listed {
            if let Err(found) = networks::check(network) {
                self.wrong(Some(*place), key, found);
            }
        }
        for key in ["networks.controlPlane", "networks.workloadPlane"] {
            if !listed.iter().any(|(found, ..)| *found == key) {
                self.missing(place, key);
            }
        }
        drop(listed);
        if let Some(networks) = part.networks {
            (site.control_plane, site.ingress) = networks.control_plane();
        }
        site
    }

    /// Adds the archives that are `listed` under `key` to those that are `known`.
    fn archives(&mut self, key: &str, listed: Vec<Spanned<String>>, known: &mut Vec<PathBuf>) {
        let mut seen: BTreeSet<PathBuf> = known.iter().cloned().collect();
        for archive in listed {
            let found = PathBuf::from(&archive.value);
            if !found.is_absolute() {
                let problem = format!("expected an absolute path, found {:?}", archive.value);
                self.wrong(Some(archive.referenced), key, problem);
            } else if !seen.insert(found.clone()) {
                self.wrong(Some(archive.referenced), key, format!("{} is listed twice", archive.value));
            } else {
                known.push(found);
            }
        }
    }
}

/// The key at or above a line, counted from 1, such as `networks.controlPlane`. Only the indentation is used: the text may be
/// invalid.
fn key_at(text: &str, line: u64) -> String {
    let mut keys = Vec::new();
    let mut indentation = usize::MAX;
    for line in
        text.lines().take(usize::try_from(line).unwrap_or(usize::MAX)).collect::<Vec<_>>().into_iter().rev()
    {
        let content = line.trim_start();
        let key = content.split_once(':').map_or("", |(key, _)| key);
        let named =
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if named && line.len() - content.len() < indentation {
            indentation = line.len() - content.len();
            keys.push(key);
        }
    }
    keys.reverse();
    keys.join(".")
}
