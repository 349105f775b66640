//! Entries of the project's files: parsed, checked against the files that they name, and made part of the model.

use std::path::{Path, PathBuf};

use minijinja::value::ValueKind;

use super::field::Field;
use super::file::{Binary, ForEach, LoopList, LoopValues, RegistryEntry};
use super::model::{Program, RegistryAccess};
use super::names::{InnerPath, ParsedName, Text, VariableName};
use super::schema_check::Document;
use super::tasks::Produced;
use super::values::Values;
use super::{Error, Mistakes, Origin, Outside, Territory};

/// The most rounds of a loop.
const ROUNDS_MAX: usize = 10_000;

/// The entries of one file. Each mistake is noted; an entry without its names is left out.
pub(super) struct CheckedEntries<'a> {
    pub(super) file: &'a Path,
    pub(super) root: &'a Path,
    pub(super) build_root: &'a Path,
    pub(super) territory: &'a Territory,
    /// What tasks will write.
    pub(super) produced: &'a Produced,
    pub(super) values: &'a Values,
    pub(super) mistakes: &'a mut Mistakes,
}

impl CheckedEntries<'_> {
    /// What a name means.
    pub(super) fn name<T: ParsedName>(&mut self, field: &Field<T>) -> Option<T> {
        if self.values.hides(field.written()) {
            return None;
        }
        self.mistakes.note(field.value(self.file, self.values))
    }

    /// The text of a name, with its expressions replaced.
    pub(super) fn text<T>(&mut self, field: &Field<T>) -> Option<String> {
        if self.values.hides(field.written()) {
            return None;
        }
        self.mistakes.note(field.text(self.file, self.values))
    }

    /// What those of `fields` mean that are valid.
    pub(super) fn names<T: ParsedName>(&mut self, fields: &[Field<T>]) -> Vec<T> {
        fields.iter().filter_map(|field| self.name(field)).collect()
    }

    /// A path that stays in the project, through links too.
    pub(super) fn path(&mut self, field: &Field<InnerPath>) -> Option<PathBuf> {
        let path = self.name(field)?.as_path().to_owned();
        let resolved = self.territory.resolve(&path);
        let wrong = |outside: Outside| Error::at(self.file, field.place(), outside.to_string());
        self.mistakes.note(resolved.map_err(wrong)).map(|_| path)
    }

    /// A path of the project that has to exist.
    pub(super) fn existing(&mut self, field: &Field<InnerPath>) -> Option<PathBuf> {
        let path = self.path(field)?;
        let place = self.root.join(&path);
        if place.symlink_metadata().is_ok() || self.produced.concerns(&place) {
            return Some(path);
        }
        let text = self.text(field)?;
        self.wrong(field, format!("`{text}` does not exist"));
        None
    }

    /// Whether an entry with this condition counts.
    pub(super) fn holds(&mut self, when: Option<&Field<Text>>) -> bool {
        let Some(when) = when else { return true };
        if self.values.hides(when.written()) {
            return false;
        }
        let value = self.values.evaluate(when.written());
        let value = value.map_err(|message| Error::at(self.file, when.place(), message));
        self.mistakes.note(value).is_some_and(|value| value.is_true())
    }

    /// The values in each round of a loop; those of the entry itself, if it has none.
    pub(super) fn rounds(&mut self, for_each: &ForEach) -> Vec<Values> {
        let mut rounds = vec![self.values.clone()];
        for (name, list) in for_each {
            let place = list.place;
            if let Err(message) = self.new_name(name) {
                self.mistakes.note::<()>(Err(Error::at(self.file, place, message)));
                return Vec::new();
            }
            let mut longer = Vec::new();
            for round in &rounds {
                let mut entries = CheckedEntries { values: round, mistakes: self.mistakes, ..*self };
                let values = entries.loop_values(list);
                if longer.len() + values.len() > ROUNDS_MAX {
                    self.mistakes.note::<()>(Err(Error::at(self.file, place, too_many_rounds())));
                    return Vec::new();
                }
                longer.extend(values.into_iter().map(|value| round.with([(name.clone(), value)])));
            }
            rounds = longer;
        }
        rounds
    }

    /// Checks that `name` can name a variable, and has no value yet.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub(super) fn new_name(&self, name: &str) -> Result<(), String> {
        VariableName::parse(name)?;
        if self.values.get(name).is_some() {
            return Err(format!("`{name}` has a value already: choose another name"));
        }
        Ok(())
    }

    fn loop_values(&mut self, list: &LoopValues) -> Vec<serde_json::Value> {
        let expression = match &list.list {
            LoopList::Texts(list) => {
                return list.iter().filter_map(|text| self.text(text)).map(serde_json::Value::from).collect();
            }
            LoopList::Expression(expression) => expression,
        };
        if self.values.is_unknown() {
            return Vec::new();
        }
        let values = self.values.evaluate(expression).and_then(|value| items(expression, &value));
        let values = values.map_err(|message| Error::at(self.file, list.place, message));
        self.mistakes.note(values).unwrap_or_default()
    }

    pub(super) fn wrong<T>(&mut self, field: &Field<T>, message: String) {
        self.mistakes.note::<()>(Err(Error::at(self.file, field.place(), message)));
    }

    /// A program: its name and where it goes.
    pub(super) fn program(&mut self, binary: &Binary) -> Option<Program> {
        let package = self.name(&binary.cargo);
        let shipped = binary
            .to
            .as_ref()
            .map(|to| Some((self.name(to)?.as_path().to_owned(), Origin::new(self.file, to.place()))));
        Some(Program { package: package?, shipped: shipped.flatten() })
    }

    /// How a registry is reached: its host, its mirrors, and the files of its certificates.
    pub(super) fn registry(&mut self, registry: &RegistryEntry) -> Option<RegistryAccess> {
        let (host, mirrors) = (self.name(&registry.host), self.names(&registry.mirrors));
        let certificate_authorities =
            registry.certificate_authorities.iter().filter_map(|file| self.certificate(file)).collect();
        let client_certificate = match &registry.client_certificate {
            Some(pair) => {
                let (certificate, key) = (self.certificate(&pair.certificate), self.certificate(&pair.key));
                certificate.zip(key)
            }
            None => None,
        };
        Some(RegistryAccess {
            host: host?,
            mirrors,
            plain_http: registry.plain_http,
            certificate_authorities,
            client_certificate,
        })
    }

    /// A PEM file, absolute or relative to the project, that has to exist.
    fn certificate(&mut self, field: &Field<Text>) -> Option<PathBuf> {
        let text = self.text(field)?;
        let path = Path::new(&text);
        let message = if path.is_absolute() {
            path.metadata().err().map(|error| format!("cannot open `{text}`: {error}"))
        } else if self.mistakes.note(self.territory.resolve(path).map_err(Error::from)).is_some()
            && self.root.join(path).metadata().is_err()
        {
            Some(format!("`{text}` does not exist"))
        } else {
            None
        };
        match message {
            Some(message) => {
                self.wrong(field, message);
                None
            }
            None => Some(self.root.join(path)),
        }
    }
}

fn too_many_rounds() -> String {
    format!("the loop has more than {ROUNDS_MAX} rounds")
}

/// The items of the list `value`, which is that of `expression`.
fn items(expression: &str, value: &minijinja::Value) -> Result<Vec<serde_json::Value>, String> {
    let no_list = || format!("`{expression}` is not a list");
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(no_list());
    }
    let mut found = Vec::new();
    for item in value.try_iter().map_err(|_| no_list())? {
        // A list such as `[1] * 10**8` is small until somebody writes it out.
        if found.len() == ROUNDS_MAX {
            return Err(too_many_rounds());
        }
        found.push(serde_json::to_value(&item).map_err(|_| no_list())?);
    }
    Ok(found)
}

/// Checks that the sources that the definition `text` at `path` names under `files` exist, except those that tasks produce.
/// `located` gives the file or folder of a source.
pub(super) fn sources(
    path: &Path,
    text: &str,
    root: &Path,
    located: fn(&str) -> PathBuf,
    produced: impl Fn(&Path) -> bool,
) -> Result<(), Error> {
    let mut mistakes = Mistakes::default();
    let document = Document::read(path, text)?;
    let own = document.texts(["files", "from"]);
    let of_releases = document.texts(["overrides", "*", "files", "from"]);
    for (name, place) in own.into_iter().chain(of_releases) {
        let source = root.join(located(name));
        if produced(&source) || source.symlink_metadata().is_ok() {
            continue;
        }
        let folder = path.parent().filter(|folder| folder.join(located(name)).exists());
        let folder = folder.and_then(|folder| folder.strip_prefix(root).ok());
        let beside = folder.map(|folder| format!("{}/{name}", folder.display()));
        let hint = match beside {
            Some(beside) => {
                format!("paths are relative to the project's folder: write `{}`", content::printable(&beside))
            }
            None => "paths are relative to the project's folder".to_owned(),
        };
        mistakes.note::<()>(Err(Error::at(path, place, format!("`{name}` does not exist; {hint}"))));
    }
    mistakes.end(())
}
