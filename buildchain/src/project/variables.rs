//! Where the values of a project come from: its variables, and the name and version of the archive. Each is resolved when
//! another one needs it, so that their order does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use images::Platform;
use images::build::Created;
use serde_json::Value;
use serde_saphyr::Location;

use super::error::{Error, Mistakes};
use super::field::Field;
use super::file::{GitValue, ProjectMetadata, VariableEntry, VariableSource, VersionFact, VersionSource};
use super::git::{Commit, GitRepository};
use super::names::{InnerPath, ParsedName, VariableName, Version};
use super::paths::Territory;
use super::read::read;
use super::settings::Settings;
use super::template::overlooked;
use super::values::{Values, has_expression, unknown_name};

/// The names that every project has. Variables cannot redefine them.
pub(super) const FIXED: [&str; 7] =
    ["architecture", "build_root", "machine", "name", "short_version", "slug", "version"];

/// The most nested values of a variable.
const DEPTH_MAX: usize = 32;

/// The most variables that need each other in a row.
const CHAIN_MAX: usize = 100;

/// A variable of the project, with its file and its place.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) file: PathBuf,
    pub(super) place: Location,
    pub(super) entry: VariableEntry,
}

/// What variables are made from.
pub(super) struct VariableContext<'a> {
    pub(super) root: &'a Path,
    pub(super) project_file: &'a Path,
    pub(super) settings: &'a Settings,
    pub(super) territory: &'a Territory,
    pub(super) metadata: &'a ProjectMetadata,
    pub(super) repository: Option<&'a GitRepository>,
    pub(super) commit: Option<&'a Commit>,
}

/// The values of a project, and where they come from.
pub(super) struct ResolvedVariables {
    pub(super) values: Values,
    /// The files that they are read from.
    pub(super) files: Vec<PathBuf>,
    /// The environment variables that they come from.
    pub(super) environment: BTreeSet<String>,
}

/// The values of a project. Mistakes are noted; with any, the values are unknown.
pub(super) fn resolve(
    context: &VariableContext<'_>,
    variables: &BTreeMap<String, Variable>,
    mistakes: &mut Mistakes,
) -> ResolvedVariables {
    let is_without = mistakes.is_empty();
    for (name, variable) in variables {
        if let Err(message) = VariableName::parse(name) {
            mistakes.note::<()>(Err(Error::at(&variable.file, variable.place, message)));
        } else if FIXED.contains(&name.as_str()) {
            let message = format!("`{name}` is fixed: choose another name for the variable");
            mistakes.note::<()>(Err(Error::at(&variable.file, variable.place, message)));
        }
    }
    for (name, _) in &context.settings.variables {
        if !variables.contains_key(name) {
            let message = if FIXED.contains(&name.as_str()) {
                format!("`{name}` is fixed: only variables of the project can be set")
            } else {
                unknown_name(name, variables.keys().map(String::as_str))
            };
            mistakes.note::<()>(Err(Error::Setting { name: "--set".into(), message }));
        }
    }
    let mut resolver = Resolver {
        context,
        variables,
        states: BTreeMap::new(),
        path: Vec::new(),
        mistakes,
        files: Vec::new(),
        environment: BTreeSet::new(),
    };
    for name in variables.keys().map(String::as_str).chain(FIXED) {
        resolver.need(name);
    }
    let values = resolver.states.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let (files, environment) = (resolver.files, resolver.environment);
    let values = if is_without && mistakes.is_empty() {
        Values::new(values)
    } else {
        Values::unknown(variables.keys().map(String::as_str).chain(FIXED).map(str::to_owned))
    };
    ResolvedVariables { values, files, environment }
}

struct Resolver<'a> {
    context: &'a VariableContext<'a>,
    variables: &'a BTreeMap<String, Variable>,
    /// `None` for those with mistakes.
    states: BTreeMap<String, Option<Value>>,
    /// The names that are being resolved, each for the one before it.
    path: Vec<String>,
    mistakes: &'a mut Mistakes,
    files: Vec<PathBuf>,
    environment: BTreeSet<String>,
}

impl Resolver<'_> {
    /// Resolves `name` and all that it needs. Gives back whether it has a value; mistakes are noted.
    fn need(&mut self, name: &str) -> bool {
        if let Some(state) = self.states.get(name) {
            return state.is_some();
        }
        if let Some(start) = self.path.iter().position(|other| other == name) {
            let mut cycle: Vec<&str> = self.path.iter().skip(start).map(String::as_str).collect();
            cycle.push(name);
            let message = format!("the variables need each other: {}", cycle.join(" → "));
            let (file, place) = self.place(name);
            self.mistakes.note::<()>(Err(Error::at(&file, place, message)));
            return false;
        }
        if self.path.len() == CHAIN_MAX {
            let message = format!("more than {CHAIN_MAX} variables need each other in a row");
            let (file, place) = self.place(name);
            self.mistakes.note::<()>(Err(Error::at(&file, place, message)));
            // Once is enough.
            self.states.insert(name.to_owned(), None);
            return false;
        }
        self.path.push(name.to_owned());
        let value = self.compute(name);
        self.path.pop();
        let value = self.mistakes.note(value).flatten();
        let has_value = value.is_some();
        self.states.insert(name.to_owned(), value);
        has_value
    }

    fn place(&self, name: &str) -> (PathBuf, Location) {
        match self.variables.get(name) {
            Some(variable) => (variable.file.clone(), variable.place),
            None => {
                let metadata = self.context.metadata;
                let place = metadata.version.as_ref().filter(|_| name != "name" && name != "slug");
                let place = place.map_or_else(|| metadata.name.place(), Field::place);
                (self.context.project_file.to_owned(), place)
            }
        }
    }

    /// The value of `name`; `None` if what it needs has a mistake that was noted.
    fn compute(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let context = self.context;
        let set = context.settings.variables.iter().rev().find(|(set, _)| set == name);
        if let Some((_, text)) = set {
            return Ok(Some(Value::from(text.as_str())));
        }
        if let Some(variable) = self.variables.get(name) {
            return match &variable.entry {
                VariableEntry::Text(text) => self.text(&variable.file, text),
                VariableEntry::Source(source) => self.source(variable, source),
                // The reader of the file has made it a text.
                VariableEntry::Scalar => Ok(None),
            };
        }
        let file = context.project_file;
        let metadata = context.metadata;
        let text = match name {
            "name" => match &context.settings.project_name {
                Some(name) => name.to_string(),
                None => {
                    let Some(text) = self.text(file, &metadata.name)? else { return Ok(None) };
                    parsed(file, &metadata.name, &text)?.to_string()
                }
            },
            "slug" | "short_version" => {
                let of = if name == "slug" { "name" } else { "version" };
                if !self.need(of) {
                    return Ok(None);
                }
                let text = self.states.get(of).and_then(Option::as_ref).and_then(Value::as_str);
                let text = text.unwrap_or_default();
                match name {
                    "slug" => text.to_ascii_lowercase(),
                    _ => text.split(['.', '-', '+', '~']).take(2).collect::<Vec<_>>().join("."),
                }
            }
            "version" => return self.version(),
            "machine" => std::env::consts::ARCH.to_owned(),
            "architecture" => Platform::host().architecture,
            _ => {
                let build_root = &context.settings.build_root;
                build_root.strip_prefix(context.root).unwrap_or(build_root).to_string_lossy().into_owned()
            }
        };
        Ok(Some(Value::from(text)))
    }

    fn version(&mut self) -> Result<Option<Value>, Error> {
        let context = self.context;
        let (file, metadata) = (context.project_file, context.metadata);
        match (&metadata.version, &metadata.version_from) {
            (Some(version), None) => {
                let Some(text) = self.text(file, version)? else { return Ok(None) };
                let version = parsed(file, version, &text)?;
                Ok(Some(Value::from(version.as_str())))
            }
            (None, Some(source)) => self.version_from(source),
            (Some(version), Some(_)) => {
                let message = "both `version` and `versionFrom`: write the version in one place only";
                Err(Error::at(file, version.place(), message))
            }
            (None, None) => {
                let message = "no version: `metadata` needs `version` or `versionFrom`";
                Err(Error::at(file, metadata.name.place(), message))
            }
        }
    }

    fn version_from(&mut self, source: &VersionSource) -> Result<Option<Value>, Error> {
        let file = self.context.project_file;
        let VersionSource { file: from, key, git, default } = source;
        let name = self.context.metadata.name.place();
        let wrong = |place: Location, message: &str| Err(Error::at(file, place, message.to_owned()));
        match (from, git) {
            (Some(from), None) => {
                if let Some(default) = default {
                    return wrong(default.place(), "`default` needs `git`");
                }
                let Some(value) = self.file(file, from, key.as_ref())? else { return Ok(None) };
                let Value::String(text) = value else {
                    let key = key.as_ref().map_or("", |key| key.written());
                    let message = format!("{}: `{key}` is not a string", from.written());
                    return Err(Error::at(file, from.place(), message));
                };
                let version = Version::parse(&text);
                version
                    .map(|version| Some(Value::from(version.as_str())))
                    .map_err(|message| Error::at(file, from.place(), message))
            }
            (None, Some(VersionFact::Tag)) => {
                if let Some(key) = key {
                    return wrong(key.place(), "`key` needs `file`");
                }
                let tags = match (self.context.repository, self.context.commit) {
                    (Some(repository), Some(_)) => repository.release_tags()?,
                    _ => Vec::new(),
                };
                match (tags.first(), default) {
                    (Some(tag), _) => Ok(Some(Value::from(tag.version()))),
                    (None, Some(default)) => {
                        let Some(text) = self.text(file, default)? else { return Ok(None) };
                        let version = parsed(file, default, &text)?;
                        Ok(Some(Value::from(version.as_str())))
                    }
                    (None, None) => wrong(
                        name,
                        "the commit has no tag such as `1.2.0` or `v1.2.0-rc0`; create one (git tag -a), or write the version of \
                         other commits as `versionFrom.default`",
                    ),
                }
            }
            (Some(from), Some(_)) => {
                wrong(from.place(), "both `file` and `git`: the version has one place only")
            }
            (None, None) => wrong(name, "`versionFrom` needs `file` or `git`"),
        }
    }

    /// The text of `field`, once all that it names is resolved.
    fn text<T>(&mut self, file: &Path, field: &Field<T>) -> Result<Option<Value>, Error> {
        Ok(self.rendered(file, field.place(), field.written())?.map(Value::from))
    }

    fn rendered(&mut self, file: &Path, place: Location, text: &str) -> Result<Option<String>, Error> {
        if !has_expression(text) {
            return Ok(Some(text.to_owned()));
        }
        let environment = super::values::environment();
        let named = environment.template_from_str(text).map(|template| template.undeclared_variables(false));
        let mut named: BTreeSet<String> = named.into_iter().flatten().collect();
        named.extend(overlooked::in_blocks(text).into_iter().map(str::to_owned));
        let mut is_complete = true;
        for name in &named {
            if self.variables.contains_key(name) || FIXED.contains(&name.as_str()) {
                is_complete &= self.need(name);
            }
        }
        if !is_complete {
            return Ok(None);
        }
        // Not all values: one may be a table of megabytes.
        let known = named.into_iter().filter_map(|name| {
            let value = self.states.get(&name)?.clone()?;
            Some((name, value))
        });
        let mut known: BTreeMap<String, Value> = known.collect();
        let rendered = Values::new(known.clone()).render(text);
        rendered.map(Some).map_err(|reason| {
            // The list of known names has those that are not resolved yet, too.
            for name in self.variables.keys().map(String::as_str).chain(FIXED) {
                known.entry(name.to_owned()).or_default();
            }
            let reason = Values::new(known).render(text).err().unwrap_or(reason);
            Error::at(file, place, reason)
        })
    }

    fn source(&mut self, variable: &Variable, source: &VariableSource) -> Result<Option<Value>, Error> {
        let file = variable.file.as_path();
        let wrong = |message: String| Error::at(file, variable.place, message);
        let VariableSource { value, file: from, text_of, key, git, env, default } = source;
        let given = [value.is_some(), from.is_some(), text_of.is_some(), git.is_some(), env.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err(wrong("expected one of `value`, `file`, `textOf`, `git` and `env`".into()));
        }
        if key.is_some() && from.is_none() {
            return Err(wrong("`key` needs `file`".into()));
        }
        if default.is_some() && git.is_none() && env.is_none() {
            return Err(wrong("`default` needs `env` or `git`".into()));
        }
        let found = match (value, from, git, env) {
            (Some(value), ..) => return self.tree(file, variable.place, value, 0),
            (_, Some(from), ..) => return self.file(file, from, key.as_ref()),
            _ if text_of.is_some() => {
                let Some(from) = text_of else { return Ok(None) };
                return Ok(self.read(file, from)?.map(|(_, text)| Value::from(text)));
            }
            (_, _, Some(git), _) => self.git(*git).map_err(|error| match error {
                GitMissing::Repository(error) => error,
                GitMissing::None(reason) => wrong(reason),
            }),
            (_, _, _, Some(env)) => {
                let Some(name) = self.rendered(file, env.place(), env.written())? else { return Ok(None) };
                match self.context.settings.values.get(&name) {
                    Some(text) => {
                        let value = Value::from(text.as_str());
                        self.environment.insert(name);
                        Ok(value)
                    }
                    None => {
                        Err(wrong(format!("{name} is not set in the environment, and there is no `default`")))
                    }
                }
            }
            _ => return Ok(None),
        };
        match (found, default) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(Error::Invalid { .. }), Some(default)) => self.text(file, default),
            (Err(error), _) => Err(error),
        }
    }

    /// A written value, with the expressions in all its texts replaced.
    fn tree(
        &mut self,
        file: &Path,
        place: Location,
        value: &Value,
        depth: usize,
    ) -> Result<Option<Value>, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::at(file, place, format!("more than {DEPTH_MAX} nested values")));
        }
        Ok(match value {
            Value::String(text) => self.rendered(file, place, text)?.map(Value::from),
            Value::Array(items) => {
                let mut list = Vec::new();
                for item in items {
                    let Some(item) = self.tree(file, place, item, depth + 1)? else { return Ok(None) };
                    list.push(item);
                }
                Some(Value::Array(list))
            }
            Value::Object(entries) => {
                let mut map = serde_json::Map::new();
                for (key, item) in entries {
                    let Some(item) = self.tree(file, place, item, depth + 1)? else { return Ok(None) };
                    map.insert(key.clone(), item);
                }
                Some(Value::Object(map))
            }
            other => Some(other.clone()),
        })
    }

    /// The text of a file of the project, with its path.
    fn read(&mut self, file: &Path, from: &Field<InnerPath>) -> Result<Option<(PathBuf, String)>, Error> {
        let context = self.context;
        let place = from.place();
        let Some(name) = self.rendered(file, place, from.written())? else { return Ok(None) };
        let inner = InnerPath::parse(&name).map_err(|message| Error::at(file, place, message))?;
        let inner = inner.as_path();
        context.territory.resolve(inner).map_err(|outside| Error::at(file, place, outside.to_string()))?;
        let path = context.root.join(inner);
        let text = read(&path).map_err(|error| error.unreadable_at(file, place, context.root))?;
        self.files.push(path.clone());
        Ok(Some((path, text)))
    }

    /// The value of `key` in a file of the project.
    fn file<T>(
        &mut self,
        file: &Path,
        from: &Field<InnerPath>,
        key: Option<&Field<T>>,
    ) -> Result<Option<Value>, Error> {
        let Some((path, text)) = self.read(file, from)? else { return Ok(None) };
        let key = match key {
            Some(key) => {
                let Some(key) = self.rendered(file, key.place(), key.written())? else { return Ok(None) };
                Some(key)
            }
            None => None,
        };
        let value = value_of(&path, &text, key.as_deref());
        let name = content::printable_path(path.strip_prefix(self.context.root).unwrap_or(&path)).to_string();
        value.map(Some).map_err(|message| Error::at(file, from.place(), format!("{name}: {message}")))
    }

    fn git(&self, what: GitValue) -> Result<Value, GitMissing> {
        let context = self.context;
        let (Some(repository), Some(commit)) = (context.repository, context.commit) else {
            return Err(GitMissing::None("the project is in no git repository with a commit".into()));
        };
        Ok(match what {
            GitValue::Commit => Value::from(commit.hash.as_str()),
            GitValue::Describe => Value::from(repository.describe()?),
            GitValue::Tag => match repository.tag()? {
                Some(tag) => Value::from(tag),
                None => {
                    return Err(GitMissing::None("the commit has no tag, and there is no `default`".into()));
                }
            },
            GitValue::Date => serde_json::to_value(Created::from(commit.date)).unwrap_or_default(),
            GitValue::Dirty => {
                let changes = repository.changes()?;
                Value::from(!changes.modified.is_empty() || !changes.deleted.is_empty())
            }
        })
    }
}

/// The name in `field`, whose text without expressions is `text`.
fn parsed<T: ParsedName>(file: &Path, field: &Field<T>, text: &Value) -> Result<T, Error> {
    T::parse(text.as_str().unwrap_or_default()).map_err(|message| Error::at(file, field.place(), message))
}

/// Why git has no value.
enum GitMissing {
    Repository(Error),
    /// A sentence; a default helps.
    None(String),
}

impl From<Error> for GitMissing {
    fn from(error: Error) -> Self {
        Self::Repository(error)
    }
}

/// The value of `key` in `text`, the content of the file at `path`: TOML, JSON or YAML by its ending, else lines `KEY=value`. The
/// key `a.b` is `b` in the table `a`. Without a key: the whole of a structured file, the first line of any other.
///
/// # Errors
///
/// A sentence that says what is wrong.
pub(crate) fn value_of(path: &Path, text: &str, key: Option<&str>) -> Result<Value, String> {
    let whole: Value = match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => toml::from_str(text).map_err(|error| error.message().to_owned())?,
        Some("json") => serde_json::from_str(text).map_err(|error| error.to_string())?,
        Some("yaml" | "yml") => {
            serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())?
        }
        _ => {
            let Some(key) = key else {
                return Ok(Value::from(text.lines().next().unwrap_or_default().trim()));
            };
            let pairs = super::settings::pairs(text)
                .map_err(|line| format!("line {line}: {}", super::settings::PAIR))?;
            let known = || pairs.keys().map(String::as_str);
            return pairs.get(key).map(|text| Value::from(text.as_str())).ok_or_else(|| no_key(key, known()));
        }
    };
    let Some(key) = key else { return Ok(whole) };
    let mut value = &whole;
    for part in key.split('.') {
        let next = match value {
            Value::Object(map) => map.get(part),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        value = match next {
            Some(next) => next,
            None => {
                let known = value.as_object().into_iter().flat_map(|map| map.keys()).map(String::as_str);
                return Err(no_key(key, known));
            }
        };
    }
    // Numbers and truth values stand for their text, as they do in a project file.
    Ok(value.clone())
}

fn no_key<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let near = content::nearest(last, known).map(|near| format!("; did you mean `{near}`?"));
    format!("no key `{key}`{}", near.unwrap_or_default())
}
