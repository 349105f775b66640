//! What an upgrade or downgrade would change, in words.

use std::fmt::Write as _;

use content::printable_path;
use node::change_version::PlannedChange;

use crate::commands::archive::diff::{image, list, package};

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
        text += &list(noun, &lines);
    }
    text
}
