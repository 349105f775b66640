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
    /// In the order of the node configuration, but what others require comes before them.
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
    for one in bases_first(listed) {
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

/// The archives with those first that others require: nodes import them in this order.
fn bases_first(mut listed: Vec<ListedArchive>) -> Vec<ListedArchive> {
    let mut ordered = Vec::new();
    while !listed.is_empty() {
        let waits = |one: &ListedArchive| {
            let is_required = |other: &ListedArchive| {
                other.path != one.path
                    && other.product.as_ref().is_some_and(|product| {
                        one.requires.iter().any(|required| required.name.eq_ignore_ascii_case(&product.name))
                    })
            };
            listed.iter().any(is_required)
        };
        // Archives that require each other are in the order of the configuration.
        let next = listed.iter().position(|one| !waits(one)).unwrap_or(0);
        ordered.push(listed.remove(next));
    }
    ordered
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
        Ok(check_verifiable(&self.paths, &archive.path, self.unverified)?)
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
            requires: Vec::new(),
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
    fn an_archive_is_copied_after_those_that_it_requires() {
        let require = |name: &str| archive::requires::Requirement {
            name: name.into(),
            version: None,
            images: Vec::new(),
            packages: Vec::new(),
            of_platform: false,
        };
        let one = |name: &str, requires: &[&str]| ListedArchive {
            product: Some(archive::Product { name: name.into(), version: "1".into(), ..Default::default() }),
            requires: requires.iter().map(|name| require(name)).collect(),
            ..listed(Some(&format!("{name}-1")), &format!("/{name}.iso"), Some(1))
        };
        let order = |all: Vec<ListedArchive>| -> Vec<String> {
            select(all, &[]).unwrap().archives.into_iter().map(|one| one.id.to_string()).collect()
        };
        assert_eq!(
            order(vec![one("c", &["B"]), one("b", &["A", "x"]), one("a", &[])]),
            ["a-1", "b-1", "c-1"]
        );
        assert_eq!(order(vec![one("a", &["b"]), one("b", &["a"]), one("c", &[])]), ["c-1", "a-1", "b-1"]);
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
