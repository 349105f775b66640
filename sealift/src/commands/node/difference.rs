//! What an upgrade or downgrade would change, in words.

use std::fmt::Write as _;

use archive::diff::{ImageDifference, PackageDifference, TaggedDigest};
use content::{printable, printable_path};
use node::change_version::PlannedChange;

use crate::output;

/// A report of what would change.
pub(super) fn told(planned: &PlannedChange) -> String {
    if planned.is_done() {
        return format!("the node runs {}; nothing to do\n", planned.to.id);
    }
    let mut text = format!("would {} from {} to {}\n", planned.direction, planned.from.id, planned.to.id);
    // Writing to a string cannot fail.
    if let Some(interrupted) = &planned.resumed {
        let _ = writeln!(text, "would finish {interrupted}");
    }
    for file in &planned.files {
        let _ = writeln!(text, "would change {}", printable_path(file));
    }
    for hook in planned.hooks.iter().flat_map(|found| &found.hooks) {
        let _ = writeln!(text, "would run {}", printable_path(&hook.path));
    }
    let images: Vec<String> = planned.diff.images.iter().map(image).collect();
    let packages: Vec<String> = planned.diff.packages.iter().map(package).collect();
    for (noun, lines) in [("image", images), ("package", packages)] {
        let _ = match lines.len() {
            0 => writeln!(text, "no {noun} differs"),
            1 => writeln!(text, "1 {noun} differs:"),
            count => writeln!(text, "{count} {noun}s differ:"),
        };
        for line in output::bounded(&lines, &format!("{noun}s; -o json lists all")) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

fn image(one: &ImageDifference) -> String {
    let tagged = |one: &TaggedDigest| {
        // Like git, the start of a digest is enough for people.
        let digest = one.digest.as_deref().and_then(|digest| digest.get(..19)).unwrap_or("unreadable");
        format!("{} ({digest})", one.tag)
    };
    let list = |tags: &[TaggedDigest]| tags.iter().map(tagged).collect::<Vec<_>>().join(", ");
    change(&one.name, &list(&one.former), &list(&one.new))
}

fn package(one: &PackageDifference) -> String {
    let arch = if one.arch.is_empty() { String::new() } else { format!(".{}", one.arch) };
    let name = format!("{}/{}{arch}", one.repository, one.name);
    change(&name, &one.former.join(", "), &one.new.join(", "))
}

fn change(name: &str, former: &str, new: &str) -> String {
    let name = printable(name);
    match (former.is_empty(), new.is_empty()) {
        (true, _) => format!("{name}: new, {}", printable(new)),
        (_, true) => format!("{name}: gone, {}", printable(former)),
        _ => format!("{name}: {} -> {}", printable(former), printable(new)),
    }
}
