//! The check of an entry of `spec.sources`.

use super::{FileForm, RemoteFile, RemoteRepository, SourceContent, SourceDefinition};
use crate::project::entries::CheckedEntries;
use crate::project::error::Origin;
use crate::project::field::Field;
use crate::project::file::SourceEntry;
use crate::project::names::{FileName, FileUrl, GitLocation, ParsedName as _};

impl CheckedEntries<'_> {
    /// A source outside the project: it has one location, and no key of another kind of source. What the lock file has of it is
    /// added later.
    pub(in crate::project) fn source(&mut self, entry: &SourceEntry) -> Option<SourceDefinition> {
        let name = self.name(&entry.name);
        let of_file = [
            (!entry.mirrors.is_empty(), "mirrors"),
            (entry.digest.is_some(), "digest"),
            (entry.filename.is_some(), "filename"),
            (entry.mode.is_some(), "mode"),
            (entry.unpack.is_some(), "unpack"),
        ];
        let of_git = [
            (entry.commit.is_some(), "commit"),
            (entry.reference.is_some(), "ref"),
            (entry.folder.is_some(), "folder"),
        ];
        let content = match (&entry.url, &entry.git) {
            (Some(url), None) => {
                self.of_other_kind(url, "git", &of_git);
                self.remote_file(url, entry).map(SourceContent::File)
            }
            (None, Some(git)) => {
                self.of_other_kind(git, "url", &of_file);
                self.remote_repository(git, entry).map(SourceContent::Git)
            }
            (given, _) => {
                let given = if given.is_some() { "both `url` and `git`" } else { "neither `url` nor `git`" };
                self.wrong(&entry.name, format!("{given}: expected one of them"));
                None
            }
        };
        let origin = Origin::new(self.file, entry.name.place());
        Some(SourceDefinition { origin, name: name?, content: content? })
    }

    /// Notes the keys of an entry that belong to another kind of source.
    fn of_other_kind<T>(&mut self, location: &Field<T>, other: &str, keys: &[(bool, &str)]) {
        for (_, key) in keys.iter().filter(|(is_given, _)| *is_given) {
            self.wrong(location, format!("`{key}` belongs to `{other}`, which this entry does not have"));
        }
    }

    fn remote_file(&mut self, field: &Field<FileUrl>, entry: &SourceEntry) -> Option<RemoteFile> {
        let url = self.name(field);
        let mirrors = self.names(&entry.mirrors);
        let digest = entry.digest.as_ref().map(|digest| self.name(digest));
        let mode = entry.mode.as_ref().map(|mode| self.name(mode));
        let filename = entry.filename.as_ref().map(|name| self.name(name));
        let form = match &entry.unpack {
            Some(unpack) => {
                if let Some(name) = &entry.filename {
                    self.wrong(name, "`filename` is not possible for an archive that is unpacked".into());
                }
                if let Some(mode) = &entry.mode {
                    self.wrong(mode, "`mode` is not possible for an archive that is unpacked".into());
                }
                let strip = usize::try_from(unpack.strip).unwrap_or(usize::MAX);
                let (only, exclude) = (self.names(&unpack.only), self.names(&unpack.exclude));
                FileForm::Archive { strip, only, exclude }
            }
            None => {
                let name = match filename {
                    Some(name) => name?,
                    None => self.last_part(field, url.as_ref()?)?,
                };
                let mode = mode.map_or(Some(0o644), |mode| Some(mode?.bits()))?;
                FileForm::Plain { name: name.as_str().to_owned(), mode }
            }
        };
        let (digest, is_pinned) = match digest {
            Some(digest) => (Some(digest?), true),
            None => (None, false),
        };
        Some(RemoteFile { url: url?, mirrors, digest, is_pinned, form })
    }

    /// The name of the file at `url`.
    fn last_part(&mut self, field: &Field<FileUrl>, url: &FileUrl) -> Option<FileName> {
        let path = url.as_str().split(['?', '#']).next().unwrap_or_default();
        let name = FileName::parse(path.rsplit('/').next().unwrap_or_default());
        if name.is_err() {
            self.wrong(field, "the URL does not end in a usable file name: add `filename`".into());
        }
        name.ok()
    }

    fn remote_repository(
        &mut self,
        field: &Field<GitLocation>,
        entry: &SourceEntry,
    ) -> Option<RemoteRepository> {
        let location = self.name(field);
        let folder = entry.folder.as_ref().map(|folder| self.name(folder));
        let reference = entry.reference.as_ref().map(|reference| self.name(reference));
        let commit = entry.commit.as_ref().map(|commit| self.name(commit));
        let (reference, commit) = match (reference, commit) {
            (None, Some(commit)) => (None, Some(commit?)),
            (Some(reference), None) => (Some(reference?), None),
            (given, _) => {
                let given =
                    if given.is_some() { "both `commit` and `ref`" } else { "neither `commit` nor `ref`" };
                self.wrong(field, format!("{given}: expected one of them"));
                return None;
            }
        };
        let folder =
            folder.map_or_else(|| Some(Default::default()), |folder| Some(folder?.as_path().to_owned()));
        Some(RemoteRepository { location: location?, reference, commit, folder: folder? })
    }
}
