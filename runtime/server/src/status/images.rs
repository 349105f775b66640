//! The images of an archive, with the commands that pull them.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::{Value, context};

use super::render::ADDRESS;
use super::space::absolute;
use crate::inventory::Inventory;
use crate::inventory::archive::ServedArchive;
use crate::inventory::contents::ServedContent;
use crate::inventory::original::OriginalTag;

/// The number of images on a page.
pub(super) const PAGE: usize = 100;

/// The maximum number of original names of an image on a page.
const NAMES_MAX: usize = 5;

/// The images of page `number`, counted from 0, with the prefix of their archive.
pub(super) fn rows(
    inventory: &Inventory,
    archive: &Arc<ServedArchive>,
    prefix: Option<&str>,
    tls: bool,
    number: usize,
) -> Vec<Value> {
    let tags = archive
        .repositories
        .iter()
        .flat_map(|(name, repository)| repository.tags.iter().map(move |(tag, index)| (name, tag, *index)));
    let mut original: HashMap<u32, Vec<OriginalTag<'_>>> = HashMap::new();
    for (tag, index) in archive.original.tags() {
        original.entry(index).or_default().push(tag);
    }
    tags.skip(number.saturating_mul(PAGE))
        .take(PAGE)
        .map(|(name, tag, index)| {
            let top = archive.at(index);
            let needed = top.iter().flat_map(|top| top.needs.iter()).filter_map(|index| archive.at(*index));
            let all = needed.chain(top);
            let (size, damaged) = all.fold((0u64, false), |(size, damaged), content| {
                (size.saturating_add(content.size), damaged || content.checked.is_damaged())
            });
            let prefix = prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default();
            let reference = format!("{ADDRESS}/{prefix}{name}:{tag}");
            let digest = top.map(ServedContent::digest);
            let commands: Vec<Value> = commands(&reference, name, tag, tls)
                .into_iter()
                .map(|(client, line)| context! { client, line })
                .collect();
            let names = original.get(&index).into_iter().flatten().take(NAMES_MAX);
            let originals: Vec<Value> = names
                .map(|name| match inventory.deciding(*name) {
                    Some((other, found)) if Some(found) != digest => hidden_name(*name, other),
                    _ => original_name(*name),
                })
                .collect();
            let digest = digest.map(|digest| digest.to_string());
            context! { name => &**name, tag => &**tag, size, damaged, digest, commands, originals }
        })
        .collect()
}

/// An original name, with the commands that pull it on clients that are configured for that.
fn original_name(name: OriginalTag<'_>) -> Value {
    let (reference, tag) = (name.to_string(), name.tag);
    let file = name.repository.rsplit('/').next().unwrap_or(name.repository);
    let commands = [
        ("containerd", format!("ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d {reference}")),
        ("crictl", format!("crictl pull {reference}")),
        ("podman", format!("podman pull {reference}")),
        ("skopeo", format!("skopeo copy docker://{reference} docker-archive:{file}-{tag}.tar:{reference}")),
    ];
    let commands: Vec<Value> = commands.into_iter().map(|(client, line)| context! { client, line }).collect();
    context! { reference, commands }
}

/// An original name under which clients get the image of another archive.
fn hidden_name(name: OriginalTag<'_>, by: &ServedArchive) -> Value {
    let by = by.product.as_ref().map_or_else(|| absolute(&by.path), |product| product.id().to_string());
    context! { reference => name.to_string(), hidden_by => by, commands => Vec::<Value>::new() }
}

/// The first image of every page.
pub(super) fn page_names(archive: &ServedArchive) -> Vec<String> {
    let tags = archive
        .repositories
        .iter()
        .flat_map(|(name, repository)| repository.tags.iter().map(move |(tag, _)| (name, tag)));
    tags.step_by(PAGE).map(|(name, tag)| format!("{name}:{tag}")).collect()
}

/// The commands that pull an image. Names and tags of served images have only characters that a shell does not interpret.
fn commands(reference: &str, name: &str, tag: &str, tls: bool) -> [(&'static str, String); 5] {
    let option = |option: &str| if tls { String::new() } else { format!("{option} ") };
    let file = format!("{}-{tag}.tar", name.replace('/', "-"));
    [
        ("containerd", format!("ctr -n k8s.io images pull {}{reference}", option("--plain-http"))),
        ("crictl", format!("crictl pull {reference}")),
        ("podman", format!("podman pull {}{reference}", option("--tls-verify=false"))),
        ("docker", format!("docker pull {reference}")),
        (
            "skopeo",
            format!(
                "skopeo copy {}docker://{reference} docker-archive:{file}:{name}:{tag}",
                option("--src-tls-verify=false")
            ),
        ),
    ]
}
