//! Collecting the status from what is served and what was checked.

use std::collections::{BTreeMap, HashMap};

use archive::{Product, layout};

use super::model::{
    Agreement, ArchiveStatus, ArchiveVerdict, Checks, ContentFinding, ContentProblem, NodeAgreement,
    NodeHealth, NodeStatus, NotServed, OtherNode,
};
use super::space::absolute;
use crate::inventory::Inventory;
use crate::inventory::archive::{ItemIndex, ServedArchive};
use crate::inventory::contents::ServedContent;
use crate::inventory::verdict::CheckState;

/// The maximum number of findings, of archives that are not served and of differences between nodes.
pub(super) const LISTED_MAX: usize = 100;
/// The maximum number of images that a finding names.
const NEEDED_BY_MAX: usize = 10;
/// The maximum length of a reason, in characters: it may quote what an archive has.
const REASON_MAX: usize = 500;
/// The date in an archive of a project without git.
const NO_DATE: &str = "1980-01-01T00:00:00Z";

/// The status of a server.
pub(super) fn status(
    inventory: &Inventory,
    checking: bool,
    file_systems: Vec<super::model::FileSystem>,
    nodes: &[OtherNode],
) -> NodeStatus {
    let archives: Vec<ArchiveStatus> =
        inventory.archives.iter().map(|archive| of_archive(archive, checking)).collect();
    let left_out = inventory.left_out.iter().take(LISTED_MAX);
    let not_served: Vec<NotServed> = left_out
        .map(|(path, problem)| NotServed { path: absolute(path), problem: shortened(problem) })
        .collect();
    let is_whole = |archive: &ArchiveStatus| archive.findings.is_empty() && archive.not_served.is_empty();
    let health = if archives.is_empty() {
        NodeHealth::Empty
    } else if not_served.is_empty() && archives.iter().all(is_whole) {
        NodeHealth::Ready
    } else {
        NodeHealth::Degraded
    };
    let nodes = nodes.iter().map(|node| agreement(&archives, node)).collect();
    NodeStatus { health, archives, not_served, file_systems, nodes }
}

fn of_archive(archive: &ServedArchive, checking: bool) -> ArchiveStatus {
    let product = archive.product.as_ref();
    let mut checks = Checks::default();
    let mut defects = Vec::new();
    for item in archive.items() {
        checks.total += 1;
        let problem = match archive.checked(item).map(|checked| checked.state()) {
            Some(CheckState::Good) => {
                checks.intact += 1;
                continue;
            }
            Some(CheckState::Bad) => {
                checks.damaged += 1;
                ContentProblem::Damaged
            }
            Some(CheckState::Unreadable) => {
                checks.unreadable += 1;
                ContentProblem::Unreadable
            }
            Some(CheckState::Unchecked) | None => continue,
        };
        if defects.len() < LISTED_MAX {
            defects.push((item, problem));
        }
    }
    let defect_count = checks.damaged + checks.unreadable;
    let facts = &archive.facts;
    let verdict = if defect_count > 0 || !archive.problems.is_empty() {
        ArchiveVerdict::Damaged
    } else if product.is_some() && !facts.checksums && facts.implanted_md5.is_none() {
        ArchiveVerdict::Unverifiable
    } else if checks.intact == checks.total {
        ArchiveVerdict::Intact
    } else if checking {
        ArchiveVerdict::Checking
    } else {
        ArchiveVerdict::Partial
    };
    let not_served: Vec<String> =
        archive.problems.iter().take(LISTED_MAX).map(|problem| shortened(problem)).collect();
    let left_out = defect_count - defects.len() + archive.problems.len() - not_served.len();
    ArchiveStatus {
        id: product.map(Product::id),
        name: product.map(|product| product.name.clone()),
        version: product.map(|product| product.version.clone()),
        built: product
            .and_then(|product| product.build_timestamp.as_deref())
            .filter(|built| *built != NO_DATE)
            .map(shortened),
        prefix: product.map(Product::repository_prefix),
        path: absolute(&archive.path),
        contents: facts.contents,
        implanted_md5: facts.implanted_md5.clone(),
        checksums: facts.checksums,
        verdict,
        checks,
        images: archive.repositories.values().map(|repository| repository.tags.len()).sum(),
        packages: facts.packages,
        documentation: product
            .filter(|_| facts.documentation)
            .map(|product| format!("/archives/{}/{}/index.html", product.id(), layout::DOCUMENTATION)),
        findings: findings(archive, &defects),
        not_served,
        left_out,
    }
}

/// The defects with the names of their files, and the images that need them.
fn findings(archive: &ServedArchive, defects: &[(ItemIndex, ContentProblem)]) -> Vec<ContentFinding> {
    if defects.is_empty() {
        return Vec::new();
    }
    let mut needed_by: HashMap<u32, (String, Vec<String>)> = HashMap::new();
    let damaged_contents = defects.iter().filter_map(|(item, _)| match item {
        ItemIndex::Content(index) => Some((*index, <(String, Vec<String>)>::default())),
        ItemIndex::File(_) => None,
    });
    needed_by.extend(damaged_contents);
    if !needed_by.is_empty() {
        for (name, repository) in &archive.repositories {
            for (tag, top) in &repository.tags {
                let Some(manifest) = archive.at(*top) else { continue };
                for index in manifest.needs.iter().chain([top]) {
                    let Some((path, images)) = needed_by.get_mut(index) else { continue };
                    if path.is_empty() {
                        *path = content_path(archive, name, tag, *index, *top);
                    }
                    if images.len() < NEEDED_BY_MAX {
                        images.push(format!("{name}:{tag}"));
                    }
                }
            }
        }
    }
    defects
        .iter()
        .map(|(item, problem)| {
            let found = match item {
                ItemIndex::Content(index) => needed_by.get(index).filter(|(path, _)| !path.is_empty()),
                ItemIndex::File(_) => None,
            };
            let (path, images) = found.cloned().unwrap_or_else(|| (archive.name(*item), Vec::new()));
            ContentFinding { path, problem: *problem, images }
        })
        .collect()
}

/// The file of a content that an image needs, in the folder of that image.
fn content_path(archive: &ServedArchive, name: &str, tag: &str, index: u32, top: u32) -> String {
    let folder = match archive.facts.plain {
        true => format!("{name}/{tag}"),
        false => layout::image_folder(name, tag),
    };
    let hex = |content: &ServedContent| content.digest().hex().to_string();
    match archive.at(index) {
        _ if index == top => format!("{folder}/{}", layout::IMAGE_MANIFEST),
        Some(content) if content.kind.is_some() => {
            format!("{folder}/{}.{}", hex(content), layout::IMAGE_MANIFEST)
        }
        Some(content) => format!("{folder}/{}", hex(content)),
        None => folder,
    }
}

/// Compares the archives of another node with those of this one.
fn agreement(own: &[ArchiveStatus], node: &OtherNode) -> NodeAgreement {
    let (agreement, details) = match &node.answer {
        None => (Agreement::Waiting, Vec::new()),
        Some(Err(problem)) => (Agreement::Unknown, vec![shortened(problem)]),
        Some(Ok(theirs)) => {
            let differences = differences(own, theirs);
            let agreement = if differences.is_empty() { Agreement::Same } else { Agreement::Different };
            (agreement, differences)
        }
    };
    NodeAgreement { node: node.url.clone(), agreement, details }
}

fn differences(own: &[ArchiveStatus], theirs: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let ours: BTreeMap<&str, Option<String>> = own
        .iter()
        .filter_map(|archive| {
            Some((archive.id.as_ref()?.as_str(), archive.contents.map(|digest| digest.to_string())))
        })
        .collect();
    let mut found = Vec::new();
    for (id, contents) in &ours {
        match theirs.get(*id) {
            None => found.push(format!("it does not serve {id}")),
            Some(other) if other != contents => found.push(format!("its {id} has other content")),
            Some(_) => {}
        }
    }
    for id in theirs.keys().filter(|id| !ours.contains_key(id.as_str())) {
        found.push(format!("it also serves {}", shortened(id)));
    }
    found.truncate(LISTED_MAX);
    found
}

/// A text that may quote what an archive or a node says, without control characters and not longer than [`REASON_MAX`].
fn shortened(text: &str) -> String {
    let start: String = text.chars().take(REASON_MAX).collect();
    content::printable(&start).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> ArchiveStatus {
        ArchiveStatus {
            id: None,
            name: None,
            version: None,
            built: None,
            prefix: None,
            path: "a.iso".into(),
            contents: None,
            implanted_md5: None,
            checksums: true,
            verdict: ArchiveVerdict::Intact,
            checks: Checks::default(),
            images: 0,
            packages: false,
            documentation: None,
            findings: Vec::new(),
            not_served: Vec::new(),
            left_out: 0,
        }
    }

    fn held(archives: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
        archives.iter().map(|(id, digest)| ((*id).to_owned(), Some((*digest).to_owned()))).collect()
    }

    #[test]
    fn nodes_agree_if_they_serve_the_same_archives_with_the_same_digests() {
        let own = |id: &str, version: &str, text: &[u8]| ArchiveStatus {
            id: Some(Product { name: id.into(), version: version.into(), ..Product::default() }.id()),
            contents: Some(content::Digest::of(text)),
            ..empty()
        };
        let ours = [own("a", "1", b"a"), own("b", "2", b"b")];
        let (a, b) = (content::Digest::of(b"a").to_string(), content::Digest::of(b"b").to_string());
        let node = |answer| OtherNode { url: "http://two".into(), answer };
        let cases = [
            (None, Agreement::Waiting, &[][..]),
            (Some(Err("it does not\nrespond".into())), Agreement::Unknown, &[r"it does not\nrespond"][..]),
            (Some(Ok(held(&[("a-1", &a), ("b-2", &b)]))), Agreement::Same, &[]),
            (
                Some(Ok(held(&[("a-1", &b), ("c-3", &b)]))),
                Agreement::Different,
                &["its a-1 has other content", "it does not serve b-2", "it also serves c-3"],
            ),
        ];
        for (answer, expected, details) in cases {
            let found = agreement(&ours, &node(answer));
            assert_eq!(
                (found.agreement, found.details),
                (expected, details.iter().map(ToString::to_string).collect())
            );
        }
    }
}
