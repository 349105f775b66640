//! The files that make one project: the project file and those that it includes, with the profiles that are chosen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_saphyr::{Location, Spanned};

use crate::project::error::{Error, Mistakes};
use crate::project::field::Field;
use crate::project::file::{Content, ProjectSpec, ReplacedList, VariableEntry};
use crate::project::model::FILE_NAME;
use crate::project::names::Text;
use crate::project::paths::{Territory, clean};
use crate::project::read::{parse, read};
use crate::project::settings::ChosenProfile;
use crate::project::values::has_expression;
use crate::project::variables::Variable;

/// The most files that include each other in a row.
const INCLUDES_MAX: usize = 64;

/// What one file adds, itself or by one of its profiles.
pub(super) struct Part {
    /// The file.
    pub(super) file: PathBuf,
    pub(super) content: Content,
    /// The variables that it defines.
    pub(super) variables: Vec<(String, Variable)>,
}

impl Part {
    fn new(file: PathBuf, text: &str, mut content: Content) -> Self {
        let variables = std::mem::take(&mut content.variables).into_iter().map(|(name, entry)| {
            let place = entry.referenced;
            let entry = match entry.value {
                // The text as it is written: `1.10` is not `1.1`.
                VariableEntry::Scalar => VariableEntry::Text(Field::new(Spanned {
                    value: plain_scalar(text, place),
                    referenced: place,
                    defined: entry.defined,
                })),
                VariableEntry::Text(field) => VariableEntry::Text(Field::new(Spanned {
                    value: field.written().to_owned(),
                    referenced: place,
                    defined: entry.defined,
                })),
                source @ VariableEntry::Source(_) => source,
            };
            (name, Variable { file: file.clone(), place, entry })
        });
        Self { variables: variables.collect(), file, content }
    }
}

/// The plain scalar, a number or a truth value, at `place` of `text`.
fn plain_scalar(text: &str, place: Location) -> String {
    let index = |number: u64| usize::try_from(number).unwrap_or(0).saturating_sub(1);
    let line = text.lines().nth(index(place.line())).unwrap_or_default();
    let ends = |c: &char| !c.is_whitespace() && !matches!(c, ',' | ']' | '}');
    line.chars().skip(index(place.column())).take_while(ends).collect()
}

/// The files of a project.
pub(super) struct ProjectParts {
    /// What they and the chosen profiles add, in the order in which it counts.
    pub(super) parts: Vec<Part>,
    /// The files.
    pub(super) files: Vec<PathBuf>,
    /// The names of all profiles.
    pub(super) profiles: Vec<String>,
}

/// The files of a project while they are read.
pub(super) struct PartReader<'a> {
    root: &'a Path,
    territory: &'a Territory,
    mistakes: &'a mut Mistakes,
    /// The files that are being read, each named by the one before it.
    path: Vec<PathBuf>,
    known: BTreeSet<PathBuf>,
    parts: Vec<Part>,
    profiles: BTreeMap<String, Vec<(Vec<ReplacedList>, Part)>>,
}

impl<'a> PartReader<'a> {
    pub(super) fn new(root: &'a Path, territory: &'a Territory, mistakes: &'a mut Mistakes) -> Self {
        let (path, known) = (Vec::new(), BTreeSet::new());
        Self { root, territory, mistakes, path, known, parts: Vec::new(), profiles: BTreeMap::new() }
    }

    /// Reads the project whose file has `spec`. What a file includes comes before it, the chosen profiles come last.
    ///
    /// # Errors
    ///
    /// If a chosen profile does not exist. Mistakes of files are noted.
    pub(super) fn read(
        mut self,
        spec: ProjectSpec,
        text: &str,
        choice: &ChosenProfile,
    ) -> Result<ProjectParts, Error> {
        self.add(self.root.join(FILE_NAME), text, Box::new(spec));
        let profiles = self.profiles.keys().cloned().collect();
        let chosen: Vec<String> = match choice {
            ChosenProfile::Default => Vec::new(),
            ChosenProfile::Named(names) => names.clone(),
        };
        for name in chosen {
            let Some(additions) = self.profiles.remove(&name) else { return Err(self.no_profile(name)) };
            for (replaced, part) in additions {
                for list in replaced {
                    self.parts.iter_mut().for_each(|part| part.content.clear(list));
                }
                self.parts.push(part);
            }
        }
        Ok(ProjectParts { parts: self.parts, files: self.known.into_iter().collect(), profiles })
    }

    fn no_profile(&self, name: String) -> Error {
        let known: Vec<String> = self.profiles.keys().map(|name| format!("`{name}`")).collect();
        let known = if known.is_empty() {
            "the project has no profiles".to_owned()
        } else {
            format!("the project has {}", known.join(", "))
        };
        Error::Profile { name, known }
    }

    /// Adds a file and what it includes. The parsed file is on the heap: 64 files can be in this function at once.
    fn add(&mut self, file: PathBuf, text: &str, spec: Box<ProjectSpec>) {
        self.known.insert(file.clone());
        self.path.push(file.clone());
        for field in &spec.include {
            if let Some((included, text, part)) = self.read_included(&file, field) {
                self.add(included, &text, part);
            }
        }
        self.path.pop();
        self.add_content(file, text, spec);
    }

    /// Reads a file that `file` includes; `None` if it is known, or wrong.
    #[inline(never)]
    fn read_included(
        &mut self,
        file: &Path,
        field: &Field<Text>,
    ) -> Option<(PathBuf, String, Box<ProjectSpec>)> {
        let included = self.included(file, field.written());
        let included = included.map_err(|message| Error::at(file, field.place(), message));
        let included = self.mistakes.note(included)?;
        // What two files include counts once.
        if self.known.contains(&included) {
            return None;
        }
        let read = read(&included).map_err(|error| error.unreadable_at(file, field.place(), self.root));
        let part = read.and_then(|text| Ok((Box::new(parse::<ProjectSpec>(&included, &text)?), text)));
        match self.mistakes.note(part) {
            Some((part, text)) => Some((included, text, part)),
            None => {
                self.known.insert(included);
                None
            }
        }
    }

    /// Adds what a file has itself.
    #[inline(never)]
    fn add_content(&mut self, file: PathBuf, text: &str, mut spec: Box<ProjectSpec>) {
        for (name, mut profile) in std::mem::take(&mut spec.profiles) {
            let replaced = std::mem::take(&mut profile.replace);
            let part = Part::new(file.clone(), text, profile.into_content());
            self.profiles.entry(name).or_default().push((replaced, part));
        }
        self.parts.push(Part::new(file, text, spec.take_content()));
    }

    /// The file that `file` includes as `text`.
    fn included(&self, file: &Path, text: &str) -> Result<PathBuf, String> {
        if has_expression(text) {
            return Err("variables are not known here: write the path without them".into());
        }
        let folder = file.parent().unwrap_or(self.root);
        let included = clean(&folder.join(text));
        let inner = included.strip_prefix(self.root).ok().filter(|inner| !inner.as_os_str().is_empty());
        let inner = inner.ok_or_else(|| format!("`{text}` is not a file of the project"))?;
        self.territory.resolve(inner).map_err(|outside| outside.to_string())?;
        if let Some(start) = self.path.iter().position(|path| *path == included) {
            let shown = |path: &Path| {
                content::printable_path(path.strip_prefix(self.root).unwrap_or(path)).to_string()
            };
            let mut cycle: Vec<String> = self.path.iter().skip(start).map(|path| shown(path)).collect();
            cycle.push(shown(&included));
            return Err(format!("the files include each other: {}", cycle.join(" → ")));
        }
        if self.path.len() > INCLUDES_MAX {
            return Err(format!("more than {INCLUDES_MAX} files include each other in a row"));
        }
        Ok(included)
    }
}
