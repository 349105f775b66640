//! `sealift init --ci`: a release pipeline for a CI server.
//!
//! The templates are beside this file; the steps are shell scripts, which all servers share. The same project gives the same text.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use content::{IoError, Root};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

use super::super::error::Error;
use super::super::git;
use super::MODE;
use super::text::scalar;

/// The steps of a pipeline, by the names that the templates use.
const STEPS: [(&str, &str); 13] = [
    ("result", include_str!("result.sh")),
    ("hook", include_str!("hook.sh")),
    ("install", include_str!("install.sh")),
    ("check", include_str!("check.sh")),
    ("build", include_str!("build.sh")),
    ("compare", include_str!("compare.sh")),
    ("notes", include_str!("notes.sh")),
    ("test", include_str!("test.sh")),
    ("promote", include_str!("promote.sh")),
    ("collect", include_str!("collect.sh")),
    ("sign", include_str!("sign.sh")),
    ("publish", include_str!("publish.sh")),
    ("notify", include_str!("notify.sh")),
];

/// A CI server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiServer {
    /// GitHub Actions.
    Github,
    /// GitLab CI/CD.
    Gitlab,
}

impl CiServer {
    /// Where its pipeline is, relative to the repository.
    fn file(self) -> &'static str {
        match self {
            Self::Github => ".github/workflows/sealift.yml",
            Self::Gitlab => ".gitlab-ci.yml",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Github => include_str!("github.yml"),
            Self::Gitlab => include_str!("gitlab.yml"),
        }
    }
}

/// The file of a pipeline that is not written yet.
#[derive(Debug, Clone)]
pub struct PipelineDraft {
    /// The repository, or the folder of a project without one.
    top: PathBuf,
    /// The path of the file in it.
    file: &'static Path,
    /// Where it belongs: in the repository of the project, or in the folder of the project if that is in no repository.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
    /// Whether the project is in a repository.
    pub has_repository: bool,
}

impl PipelineDraft {
    /// Drafts the release pipeline of the project `name` in the folder `root`, which is absolute and need not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the path of the project in its repository has characters that mean something to shells or servers.
    pub fn new(server: CiServer, root: &Path, name: &str) -> Result<Self, Error> {
        let repository = root.ancestors().find(|folder| folder.exists()).and_then(git::find);
        let top = repository.as_deref().unwrap_or(root);
        let project = project(top, root)?;
        let text = render(server, &project, name)
            .map_err(|error| Error::Setting { name: server.file().into(), message: error.to_string() })?;
        Ok(Self {
            path: top.join(server.file()),
            text,
            has_repository: repository.is_some(),
            top: top.to_owned(),
            file: Path::new(server.file()),
        })
    }

    /// Checks that no file has the path, and that its folders are none, or folders: no link may lead the file elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the file exists, [`Error::File`] if it cannot be written.
    pub fn check(&self) -> Result<(), Error> {
        let inner = self.file.parent().into_iter().flat_map(Path::components);
        let mut folder = self.top.clone();
        for part in inner {
            folder.push(part);
            if folder.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
                return Err(Error::file("create", &folder, std::io::ErrorKind::NotADirectory.into()));
            }
        }
        if self.path.symlink_metadata().is_ok() { Err(Error::Exists(self.path.clone())) } else { Ok(()) }
    }

    /// Writes the file. No file is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if the file exists, [`Error::File`] if it cannot be written.
    pub fn write(&self) -> Result<(), Error> {
        let failed = |error: IoError| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(error.path),
            _ => Error::file(error.operation, &error.path, error.source),
        };
        content::create_folder(&self.top).map_err(failed)?;
        let root = Root::open(&self.top).map_err(failed)?;
        if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            root.create_dir_all(folder).map_err(failed)?;
        }
        let fill = |mut file: &File| {
            file.write_all(self.text.as_bytes())?;
            file.sync_all()
        };
        root.create_whole(self.file, MODE, fill).map_err(failed)
    }

    /// Removes what [`write`](Self::write) wrote, because the rest of the command failed. Folders with other files stay.
    pub fn remove(&self) {
        // The failure of the command is what counts.
        if std::fs::remove_file(&self.path).is_ok() {
            let folders = self.path.ancestors().skip(1).take_while(|folder| *folder != self.top);
            let _ = folders.map(std::fs::remove_dir).take_while(Result::is_ok).count();
        }
    }
}

/// The path of the project `root` relative to its repository `top`.
fn project(top: &Path, root: &Path) -> Result<String, Error> {
    let inner = root.strip_prefix(top).unwrap_or(Path::new("")).to_str();
    let is_safe = |character: char| character.is_ascii_alphanumeric() || "._/@:+- ".contains(character);
    match inner {
        Some("") => Ok(".".to_owned()),
        Some(inner) if inner.chars().all(is_safe) => Ok(inner.to_owned()),
        _ => Err(Error::Setting {
            name: "the path of the project in the repository".into(),
            message: "a pipeline accepts letters, digits, blanks and . _ / @ : + - in it".into(),
        }),
    }
}

fn render(server: CiServer, project: &str, name: &str) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // Pipelines have the usual delimiters for their own expressions.
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("<<", ">>")
        .block_delimiters("<%", "%>")
        .comment_delimiters("<#", "#>")
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    for (step, script) in STEPS {
        environment.add_function(step, move |columns: usize| indented(script, columns));
    }
    environment.render_str(server.template(), context! { project => scalar(project), suite => scalar(name) })
}

/// A script in a block of YAML. The template has the indentation of its first line.
fn indented(script: &str, columns: usize) -> String {
    let indentation = " ".repeat(columns.min(80));
    let mut text = String::new();
    for (index, line) in script.lines().enumerate() {
        if index > 0 {
            text.push('\n');
            if !line.is_empty() {
                text.push_str(&indentation);
            }
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_its_pipeline() {
        for (server, name) in [(CiServer::Github, "github"), (CiServer::Gitlab, "gitlab")] {
            let folder = tempfile::tempdir().unwrap();
            let draft = PipelineDraft::new(server, folder.path(), "web").unwrap();
            assert!(!draft.has_repository);
            assert_eq!(draft.path, folder.path().join(server.file()));
            insta::assert_snapshot!(name, draft.text);
        }
    }

    #[test]
    fn the_file_is_at_the_top_of_the_repository_and_names_the_project() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".git/refs")).unwrap();
        let draft =
            PipelineDraft::new(CiServer::Gitlab, &folder.path().join("charts/no web"), "yes").unwrap();
        assert!(draft.has_repository);
        assert_eq!(draft.path, folder.path().join(".gitlab-ci.yml"));
        assert!(draft.text.contains("  PROJECT: 'charts/no web'\n  TEST_SUITE: 'yes'\n"), "{}", draft.text);
        for inner in ["a$(id)", "${{ secrets.KEY }}", "a\nb", "ü"] {
            let draft = PipelineDraft::new(CiServer::Github, &folder.path().join(inner), "web");
            assert!(matches!(draft, Err(Error::Setting { .. })), "{inner}: {draft:?}");
        }
    }

    #[test]
    fn no_link_leads_the_file_elsewhere_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        let top = folder.path().join("project");
        std::fs::create_dir_all(elsewhere.join("workflows")).unwrap();
        std::fs::create_dir(&top).unwrap();
        let draft = PipelineDraft::new(CiServer::Github, &top, "web").unwrap();
        for (link, target) in [(".github", "../elsewhere"), (".github/workflows", "../../elsewhere")] {
            std::fs::create_dir_all(top.join(link).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, top.join(link)).unwrap();
            for result in [draft.check(), draft.write()] {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(link), "{error}");
            }
            std::fs::remove_file(top.join(link)).unwrap();
        }
        assert_eq!(std::fs::read_dir(elsewhere.join("workflows")).unwrap().count(), 0);
        std::fs::remove_dir(top.join(".github")).unwrap();
        draft.write().unwrap();
        draft.remove();
        assert_eq!(std::fs::read_dir(&top).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_exists_stays() {
        let folder = tempfile::tempdir().unwrap();
        let draft = PipelineDraft::new(CiServer::Gitlab, folder.path(), "web").unwrap();
        draft.check().unwrap();
        draft.write().unwrap();
        assert_eq!(std::fs::read_to_string(&draft.path).unwrap(), draft.text);
        std::fs::write(&draft.path, "mine").unwrap();
        for result in [draft.check(), draft.write()] {
            assert!(matches!(result, Err(Error::Exists(path)) if path == draft.path));
        }
        assert_eq!(std::fs::read_to_string(&draft.path).unwrap(), "mine");
    }
}
