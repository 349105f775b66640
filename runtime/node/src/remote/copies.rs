//! Copying archives of this node to others.

use std::path::{Path, PathBuf};

use archive::ArchiveId;

use super::error::Error;
use super::name::NodeName;
use super::shell::{RemoteArchive, RemoteShell};
use crate::archives::{ListedArchive, NodeLayout, check_verifiable};
use crate::copy::{Recipe, SentArchive};

/// An archive that can be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copyable {
    /// Its ID.
    pub id: ArchiveId,
    /// The ISO file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// A digest of its content.
    pub contents: Option<String>,
}

/// The archives to copy.
#[derive(Debug, Default)]
pub struct CopySelection {
    /// In the order of the node configuration.
    pub archives: Vec<Copyable>,
    /// Selected archives that are not readable ISO files.
    pub skipped: Vec<PathBuf>,
}

/// Selects those of the archives `listed` that `wanted` names, by ID or path; all of them if `wanted` is empty.
///
/// # Errors
///
/// [`Error::Unknown`].
pub fn select(listed: Vec<ListedArchive>, wanted: &[String]) -> Result<CopySelection, Error> {
    let matches = |one: &ListedArchive, text: &String| {
        one.id.as_ref().is_some_and(|id| id == text.as_str()) || one.path == Path::new(text)
    };
    if let Some(text) = wanted.iter().find(|text| !listed.iter().any(|one| matches(one, text))) {
        return Err(Error::Unknown(text.clone()));
    }
    let mut selection = CopySelection::default();
    for one in listed {
        if !(wanted.is_empty() || wanted.iter().any(|text| matches(&one, text))) {
            continue;
        }
        match (one.id, one.bytes) {
            (Some(id), Some(bytes)) => {
                selection.archives.push(Copyable { id, path: one.path, bytes, contents: one.contents });
            }
            _ => selection.skipped.push(one.path),
        }
    }
    Ok(selection)
}

/// Copies archives to other nodes.
#[derive(Clone, Debug)]
pub struct Copies {
    /// The paths of this node.
    pub paths: NodeLayout,
    /// How the other nodes are reached.
    pub shell: RemoteShell,
    /// The folder on the other nodes; `None` for the same folder as here.
    pub into: Option<PathBuf>,
    /// Whether unverifiable archives are copied, too.
    pub unverified: bool,
}

/// What a copy of one archive to one node would do.
#[derive(Debug)]
pub struct CopyPlan {
    /// The node.
    pub node: NodeName,
    /// The archive.
    pub archive: Copyable,
    /// Whether the node has it already.
    pub present: bool,
    /// The folder on the node.
    pub into: PathBuf,
    /// Why it would not be copied.
    pub error: Option<Error>,
}

impl Copies {
    /// The recipe of an archive, for which the ISO file is read once. An archive that other nodes would not import is
    /// refused here, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`]; [`Error::Copy`] if it cannot be read.
    pub fn recipe(&self, archive: &Copyable, progress: &dyn iso::ByteProgress) -> Result<Recipe, Error> {
        self.check(archive)?;
        Ok(Recipe::of(&archive.path, progress)?)
    }

    /// Copies an archive, whose recipe is `recipe`, to a node.
    ///
    /// # Errors
    ///
    /// Those of [`RemoteShell::copy`].
    pub fn copy(
        &self,
        node: &NodeName,
        archive: &Copyable,
        recipe: &Recipe,
        progress: &dyn iso::ByteProgress,
    ) -> Result<SentArchive, Error> {
        self.shell.copy(node, (recipe, &archive.path), self.folder(archive), self.unverified, progress)
    }

    /// What copying archives to nodes would do. The nodes only list their archives.
    #[must_use]
    pub fn plan(&self, archives: &[Copyable], nodes: &[NodeName]) -> Vec<CopyPlan> {
        let mut plans = Vec::new();
        for node in nodes {
            let theirs = self.shell.list(node);
            for archive in archives {
                let (present, error) = match &theirs {
                    Ok(theirs) => match self.compare(archive, theirs) {
                        Ok(present) => (present, None),
                        Err(error) => (false, Some(error)),
                    },
                    Err(error) => (false, Some(Error::Unreachable(error.to_string()))),
                };
                let into = self.folder(archive).to_path_buf();
                plans.push(CopyPlan { node: node.clone(), archive: archive.clone(), present, into, error });
            }
        }
        plans
    }

    /// Whether a node has an archive already; an error if it cannot be copied there.
    fn compare(&self, archive: &Copyable, theirs: &[RemoteArchive]) -> Result<bool, Error> {
        match theirs.iter().find(|one| one.id.as_deref() == Some(archive.id.as_str())) {
            Some(one) if one.contents == archive.contents => Ok(true),
            Some(one) => Err(Error::Different(one.path.clone())),
            None => self.check(archive).map(|()| false),
        }
    }

    fn check(&self, archive: &Copyable) -> Result<(), Error> {
        if self.unverified { Ok(()) } else { Ok(check_verifiable(&self.paths, &archive.path)?) }
    }

    /// The folder on the other nodes.
    fn folder<'a>(&'a self, archive: &'a Copyable) -> &'a Path {
        self.into.as_deref().or(archive.path.parent()).unwrap_or(Path::new("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archives::ListedArchiveKind;

    fn listed(id: Option<&str>, path: &str, bytes: Option<u64>) -> ListedArchive {
        ListedArchive {
            path: path.into(),
            kind: ListedArchiveKind::Platform,
            product: None,
            id: id.map(|id| id.parse().unwrap()),
            missing: false,
            bytes,
            images: None,
            contents: None,
            mounted: None,
            mounted_by: None,
            mount_broken: false,
            active: false,
            problem: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn archives_are_selected_by_id_or_path() {
        let all = || {
            vec![
                listed(Some("a-1"), "/a.iso", Some(1)),
                listed(Some("b-1"), "/b", None),
                listed(None, "/c.iso", Some(3)),
            ]
        };
        let ids = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
            let CopySelection { archives, skipped } = select(all(), &wanted).unwrap();
            let ids: Vec<String> = archives.into_iter().map(|one| one.id.into()).collect();
            (ids, skipped)
        };
        let (folder, broken) = (PathBuf::from("/b"), PathBuf::from("/c.iso"));
        assert_eq!(ids(&[]), (vec!["a-1".to_owned()], vec![folder.clone(), broken]));
        assert_eq!(ids(&["a-1"]), (vec!["a-1".to_owned()], vec![]));
        assert_eq!(ids(&["/a.iso", "b-1"]), (vec!["a-1".to_owned()], vec![folder]));
        assert!(matches!(select(all(), &["d-1".to_owned()]), Err(Error::Unknown(id)) if id == "d-1"));
    }
}
