//! Where links between the documents of a project lead.

use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Where the URL of a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LinkTarget {
    /// To the page itself, or a place in it.
    Here,
    /// To another host.
    Network,
    /// To a path of the project, and the fragment with its `#`, if there is one.
    Local(PathBuf, String),
    /// To a path that is not in the project.
    Outside,
}

/// Where `url` leads on the page of the document `page`. A path that starts with `/` is relative to the project, as on the
/// hosts of Git repositories.
pub(crate) fn target(url: &str, page: &Path) -> LinkTarget {
    let scheme = url.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    if scheme || url.starts_with("//") {
        return LinkTarget::Network;
    }
    let (before, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let path = before.split('?').next().unwrap_or_default();
    if path.is_empty() {
        return LinkTarget::Here;
    }
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let mut whole = match path.strip_prefix('/') {
        Some(_) => PathBuf::new(),
        None => page.parent().unwrap_or(Path::new("")).to_path_buf(),
    };
    for part in Path::new(path.trim_start_matches('/')).components() {
        match part {
            Component::Normal(name) => whole.push(name),
            Component::ParentDir if whole.pop() => {}
            Component::CurDir => {}
            _ => return LinkTarget::Outside,
        }
    }
    LinkTarget::Local(whole, fragment.to_owned())
}
