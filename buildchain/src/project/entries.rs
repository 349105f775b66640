//! Entries of the project's files: parsed, checked against the files that they name, and made part of the model.

use std::path::{Path, PathBuf};

use super::field::Field;
use super::file::{Binary, FilesEntry, RegistryEntry};
use super::model::{CopiedFiles, Program, RegistryAccess};
use super::names::{InnerPath, ParsedName};
use super::{Error, Mistakes, Origin, Territory, schema_check};

/// The entries of one file. Each mistake is noted; an entry without its names is left out.
pub(super) struct CheckedEntries<'a> {
    pub(super) file: &'a Path,
    pub(super) root: &'a Path,
    pub(super) territory: &'a Territory,
    pub(super) mistakes: &'a mut Mistakes,
}

impl CheckedEntries<'_> {
    /// What a name means.
    pub(super) fn name<T: ParsedName + Clone>(&mut self, field: &Field<T>) -> Option<T> {
        self.mistakes.note(field.value(self.file)).cloned()
    }

    /// What those of `fields` mean that are valid.
    pub(super) fn names<T: ParsedName + Clone>(&mut self, fields: &[Field<T>]) -> Vec<T> {
        fields.iter().filter_map(|field| self.name(field)).collect()
    }

    /// A path that stays in the project, through links too.
    pub(super) fn path(&mut self, field: &Field<InnerPath>) -> Option<PathBuf> {
        self.mistakes.note(self.territory.inner_path(self.file, field))
    }

    /// A path of the project that has to exist.
    pub(super) fn existing(&mut self, field: &Field<InnerPath>) -> Option<PathBuf> {
        let path = self.path(field)?;
        if self.root.join(&path).symlink_metadata().is_ok() {
            return Some(path);
        }
        let message = format!("`{}` does not exist", field.text());
        self.wrong(field, message);
        None
    }

    fn wrong<T: ParsedName>(&mut self, field: &Field<T>, message: String) {
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

    /// Files for the archive: the source exists, and every pattern can be read.
    pub(super) fn files(&mut self, files: &FilesEntry) -> Option<CopiedFiles> {
        let (from, to) = (self.existing(&files.from), self.name(&files.to));
        let mut exclude = Vec::new();
        for pattern in &files.exclude {
            let origin = Origin::new(self.file, pattern.place());
            exclude.extend(self.name(pattern).map(|pattern| (pattern, origin)));
        }
        let to = to?.as_path().to_owned();
        Some(CopiedFiles {
            origin: Origin::new(self.file, files.to.place()),
            from: from?,
            is_folder: files.to.text().ends_with('/') || to.as_os_str().is_empty(),
            to,
            exclude,
        })
    }

    /// How a registry is reached: its host, its mirrors, and the files of its certificates.
    pub(super) fn registry(&mut self, registry: &RegistryEntry) -> Option<RegistryAccess> {
        let (host, mirrors) = (self.name(&registry.host), self.names(&registry.mirrors));
        let client = registry.client_certificate.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        for file in registry.certificate_authorities.iter().chain(client) {
            let path = Path::new(&file.value);
            let message = if path.is_absolute() {
                path.metadata().err().map(|error| format!("cannot open `{}`: {error}", file.value))
            } else if self.mistakes.note(self.territory.resolve(path).map_err(Error::from)).is_some()
                && self.root.join(path).metadata().is_err()
            {
                Some(format!("`{}` does not exist", file.value))
            } else {
                None
            };
            if let Some(message) = message {
                self.mistakes.note::<()>(Err(Error::at(self.file, file.referenced, message)));
            }
        }
        let below = |file: &serde_saphyr::Spanned<String>| self.root.join(&file.value);
        Some(RegistryAccess {
            host: host?,
            mirrors,
            plain_http: registry.plain_http,
            certificate_authorities: registry.certificate_authorities.iter().map(below).collect(),
            client_certificate: registry
                .client_certificate
                .as_ref()
                .map(|pair| (below(&pair.certificate), below(&pair.key))),
        })
    }
}

/// Checks that the sources that the definition `text` at `path` names under `files` exist, except those that tasks produce.
pub(super) fn sources(path: &Path, text: &str, root: &Path, build_root: &Path) -> Result<(), Error> {
    let mut mistakes = Mistakes::default();
    for (name, place) in schema_check::texts(text, ["files", "from"]) {
        let source = root.join(&name);
        if source.starts_with(build_root) || source.symlink_metadata().is_ok() {
            continue;
        }
        let beside = path.parent().map(|folder| folder.join(&name)).filter(|path| path.exists());
        let beside = beside.as_deref().and_then(|path| path.strip_prefix(root).ok());
        let hint = match beside {
            Some(beside) => {
                format!(
                    "paths are relative to the project's folder: write `{}`",
                    content::printable_path(beside)
                )
            }
            None => "paths are relative to the project's folder".to_owned(),
        };
        mistakes.note::<()>(Err(Error::at(path, place, format!("`{name}` does not exist; {hint}"))));
    }
    mistakes.end(())
}
