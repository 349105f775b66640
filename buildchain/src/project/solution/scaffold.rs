//! A new project of a Solution, which builds at once: its images are made of its own files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, IoError, LinkPolicy};
use serde_json::Value;

use crate::project::error::Error;
use crate::project::init::text::value;
use crate::project::model::FILE_NAME;
use crate::project::names::Version;
use crate::project::template;
use crate::project::values::Values;

/// The permission bits of files and of programs.
const FILE: u32 = 0o644;
const PROGRAM: u32 = 0o755;

/// The most characters of the name: names of Kubernetes objects have more behind it, and the volume ID of the ISO has the version.
const NAME_MAX: usize = 24;

/// The files, each with its path, its template and its permission bits. The project file is the last: a folder that has it is
/// complete.
const FILES: [(&str, &str, u32); 11] = [
    ("images/{{ name }}-operator/image.yaml", include_str!("scaffold/operator.yaml.in"), FILE),
    ("images/{{ name }}-operator/operator", include_str!("scaffold/operator.sh.in"), PROGRAM),
    ("images/{{ name }}-ui/image.yaml", include_str!("scaffold/ui.yaml.in"), FILE),
    ("images/{{ name }}-ui/index.html", include_str!("scaffold/index.html.in"), FILE),
    ("operator/deploy/crds/{{ plural }}_crd.yaml", include_str!("scaffold/crd.yaml.in"), FILE),
    ("operator/deploy/role.yaml", include_str!("scaffold/role.yaml.in"), FILE),
    ("README.md", include_str!("scaffold/README.md.in"), FILE),
    (".gitignore", include_str!("scaffold/gitignore.in"), FILE),
    (".github/workflows/solution.yaml", include_str!("scaffold/github.yaml.in"), FILE),
    (".gitlab-ci.yml", include_str!("scaffold/gitlab.yaml.in"), FILE),
    (FILE_NAME, include_str!("scaffold/sealift.yaml.in"), FILE),
];

/// A new project of a Solution.
#[derive(Debug, Clone)]
pub struct Scaffold {
    /// Its files, the project file last.
    pub files: Vec<ScaffoldFile>,
}

/// A file of a new project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaffoldFile {
    /// Its path in the project.
    pub path: PathBuf,
    /// Its content.
    pub content: String,
    mode: u32,
}

/// The name of a new Solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolutionName(String);

impl SolutionName {
    /// The name `text`.
    ///
    /// # Errors
    ///
    /// A sentence: `text` cannot name objects of Kubernetes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_label = text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.ends_with('-')
            && text.len() <= NAME_MAX;
        if is_label {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "expected at most {NAME_MAX} lower-case letters, digits and `-`, with a letter first and no `-` at the end"
        ))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scaffold {
    /// The project of the Solution `name`.
    ///
    /// # Errors
    ///
    /// A template cannot be rendered, which is a fault of this program.
    pub fn new(name: &SolutionName, version: &Version) -> Result<Self, Error> {
        let text = name.as_str();
        let words: Vec<String> = text.split('-').filter(|word| !word.is_empty()).map(capitalized).collect();
        let singular = text.replace('-', "");
        let values = [
            ("name", text.to_owned()),
            ("version", value(version.as_str())),
            ("title", words.join(" ")),
            ("kind", words.concat()),
            ("plural", format!("{singular}s")),
            ("singular", singular),
            ("group", format!("{text}.example.com")),
        ];
        let values: BTreeMap<String, Value> =
            values.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
        let values = Values::new(values);
        let files = FILES.iter().map(|(path, text, mode)| {
            let rendered = |text: &str| template::render(Path::new(path), text, &values);
            Ok(ScaffoldFile { path: PathBuf::from(rendered(path)?), content: rendered(text)?, mode: *mode })
        });
        Ok(Self { files: files.collect::<Result<_, Error>>()? })
    }

    /// Writes the files that `root` does not have. No file is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if a file exists with another content; nothing is written then. [`Error::File`] if a file cannot be
    /// written.
    pub fn write(&self, root: &Path) -> Result<(), Error> {
        let failed = |error: IoError| Error::file(error.operation, &error.path, error.source);
        let mut missing = Vec::new();
        for file in &self.files {
            let path = root.join(&file.path);
            if path.symlink_metadata().is_err() {
                missing.push((path, file));
            } else if content::open_text(&path, LinkPolicy::Refuse, file.content.len() as u64)
                .is_ok_and(|text| text == file.content)
            {
                // From a command that did not end.
            } else {
                return Err(Error::Exists(path));
            }
        }
        if missing.is_empty() {
            return Err(Error::Exists(root.join(FILE_NAME)));
        }
        for (path, file) in missing {
            if let Some(folder) = path.parent() {
                content::create_folder(folder).map_err(failed)?;
            }
            let written = AtomicFile::create(&path, file.mode, Durability::Durable).map_err(failed)?;
            written
                .file()
                .write_all(file.content.as_bytes())
                .map_err(|error| Error::file("write", &path, error))?;
            written.commit_new().map_err(failed)?;
        }
        Ok(())
    }
}

/// `word` with a capital first.
fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::names::ParsedName as _;
    use crate::project::{Project, Settings, SettingsFlags};

    fn scaffold(name: &str) -> Result<Scaffold, Error> {
        Scaffold::new(&SolutionName::parse(name).unwrap(), &Version::parse("0.1.0").unwrap())
    }

    #[test]
    fn a_new_project_is_complete_and_small() {
        let root = tempfile::tempdir().unwrap();
        let scaffold = scaffold("my-app").unwrap();
        scaffold.write(root.path()).unwrap();
        let settings = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default()).unwrap();
        let project = Project::load(root.path(), settings).unwrap();
        let manifest = project.solution_manifest(None).unwrap();
        assert_eq!(manifest.display_name(), "My App");
        assert_eq!(manifest.ui.unwrap().to_string(), "my-app-ui:0.1.0");
        let project_file = scaffold.files.last().unwrap();
        assert_eq!(project_file.path, Path::new(FILE_NAME));
        assert!(project_file.content.lines().count() < 15);
        for file in &scaffold.files {
            assert!(!file.content.contains("{%") && !file.content.contains("{{ name"), "{:?}", file.path);
            assert!(file.content.ends_with('\n') && !file.content.ends_with("\n\n"), "{:?}", file.path);
        }
    }

    #[test]
    fn no_file_is_replaced_and_a_command_that_did_not_end_is_finished() {
        let root = tempfile::tempdir().unwrap();
        let scaffold = scaffold("app").unwrap();
        std::fs::write(root.path().join("README.md"), "mine\n").unwrap();
        assert!(scaffold.write(root.path()).unwrap_err().to_string().ends_with("README.md exists"));
        assert!(!root.path().join("images").exists(), "nothing is written");
        std::fs::remove_file(root.path().join("README.md")).unwrap();
        scaffold.write(root.path()).unwrap();
        assert!(scaffold.write(root.path()).unwrap_err().to_string().ends_with("sealift.yaml exists"));
        std::fs::remove_file(root.path().join(FILE_NAME)).unwrap();
        scaffold.write(root.path()).unwrap();
        assert!(root.path().join(FILE_NAME).exists());
    }

    #[test]
    fn a_name_fits_kubernetes() {
        for name in [
            "",
            "App",
            "My App",
            "-x",
            "\u{e4}pp",
            "7app",
            "a_b",
            "a.b",
            "app-",
            "a-name-that-is-much-too-long",
        ] {
            let problem = SolutionName::parse(name).unwrap_err();
            assert!(problem.starts_with("expected at most 24 lower-case letters"), "{name}");
        }
    }
}
