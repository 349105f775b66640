//! The files of a package in the order of their paths, with the folders above them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use content::LinkPolicy;

use super::control::Identity;
use super::{documents, mistake};
use crate::definition::{PackageFile, PackageFileKind, RpmDefinition};
use crate::error::{Error, Result};

/// Bytes of the text of a license that becomes part of the copyright.
const MAX_LICENSE: u64 = 1 << 20;

/// What lies at a path.
pub(super) enum Content<'a> {
    Folder,
    /// A file of the project.
    Source(&'a Path, File, u64),
    Text(Vec<u8>),
    Link(&'a str),
}

pub(super) struct Node<'a> {
    pub(super) content: Content<'a>,
    pub(super) mode: u16,
    pub(super) owner: &'a str,
    pub(super) group: &'a str,
    pub(super) is_config: bool,
}

impl Node<'_> {
    fn folder() -> Self {
        Self { content: Content::Folder, mode: 0o755, owner: "root", group: "root", is_config: false }
    }

    /// The KiB that it takes, as dpkg-gencontrol counts them.
    pub(super) fn installed_size(&self) -> u64 {
        match &self.content {
            Content::Folder | Content::Link(_) => 1,
            Content::Source(_, _, size) => size.div_ceil(1024),
            Content::Text(text) => (text.len() as u64).div_ceil(1024),
        }
    }
}

/// The paths without `/` at the start.
pub(super) type Nodes<'a> = BTreeMap<String, Node<'a>>;

/// Everything that is installed. `sources` has the path of the source of each file.
pub(super) fn nodes<'a>(
    definition: &'a RpmDefinition,
    identity: &Identity,
    sources: &'a [std::path::PathBuf],
    source_date: i64,
) -> Result<Nodes<'a>> {
    let mut nodes = Nodes::new();
    let mut license = None;
    for (number, (file, source)) in definition.files.iter().zip(sources).enumerate() {
        let node = source_node(definition, number, file, source)?;
        if file.kind == PackageFileKind::License && license.is_none() {
            let text = content::open_read(source, LinkPolicy::Follow, MAX_LICENSE)?;
            license = Some(String::from_utf8_lossy(&text).into_owned());
        }
        nodes.insert(below_root(&file.to), node);
    }
    for directory in &definition.directories {
        let (mode, owner, group) =
            (directory.mode.bits(), directory.owner.as_str(), directory.group.as_str());
        nodes.insert(below_root(&directory.path), Node { mode, owner, group, ..Node::folder() });
    }
    for link in &definition.symlinks {
        let content = Content::Link(&link.target);
        nodes.insert(below_root(&link.path), Node { content, mode: 0o777, ..Node::folder() });
    }
    let documents = format!("usr/share/doc/{}", identity.deb.name);
    let mut add = |name: &str, text: Vec<u8>| {
        let node = || Node { content: Content::Text(text), mode: 0o644, ..Node::folder() };
        nodes.entry(format!("{documents}/{name}")).or_insert_with(node);
    };
    add("changelog.Debian.gz", documents::changelog(definition, identity, source_date)?);
    add(
        "copyright",
        documents::copyright(definition, identity, source_date, license.as_deref()).into_bytes(),
    );
    let paths: Vec<String> = nodes.keys().cloned().collect();
    for path in paths {
        for (end, _) in path.match_indices('/') {
            let folder = path.get(..end).unwrap_or_default();
            if !nodes.contains_key(folder) {
                nodes.insert(folder.to_owned(), Node::folder());
            }
        }
    }
    Ok(nodes)
}

fn source_node<'a>(
    definition: &RpmDefinition,
    number: usize,
    file: &'a PackageFile,
    source: &'a Path,
) -> Result<Node<'a>> {
    let opened = match content::open(source, LinkPolicy::Follow) {
        Ok(opened) => opened,
        Err(error) if source.is_dir() => {
            drop(error);
            let field = format!("files[{number}].from");
            let mistake = mistake(&field, "a regular file", &source.display().to_string());
            return Err(mistake.in_package(&definition.name));
        }
        Err(error) => return Err(error.into()),
    };
    let size = opened.metadata().map_err(Error::io("read", source))?.len();
    let is_config = matches!(
        file.kind,
        PackageFileKind::Config | PackageFileKind::ConfigReplace | PackageFileKind::ConfigMissingok
    );
    Ok(Node {
        content: Content::Source(source, opened, size),
        mode: file.mode().bits(),
        owner: &file.owner,
        group: &file.group,
        is_config,
    })
}

fn below_root(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}
