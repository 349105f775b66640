//! What `import`, `mount`, `unmount` and `delete` share: the machine, and the report of their steps.

use std::path::Path;

use node::archives::{LinuxMachine, NodeChange};

use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::node::ArchiveChange;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;

/// This machine, which mounts through FUSE with this program.
pub(crate) fn machine() -> std::io::Result<LinuxMachine> {
    Ok(LinuxMachine {
        program: std::env::current_exe()?,
        running: output::running,
        ..LinuxMachine::default()
    })
}

pub(crate) fn verifying(archive: &Path) -> Bar {
    Bar::bytes("verifying", std::fs::metadata(archive).map_or(0, |metadata| metadata.len()))
}

pub(super) fn report(done: &[NodeChange], dry_run: bool, output: ReportOutput) -> CommandResult {
    for note in done.iter().flat_map(|one| &one.notes) {
        output::warn(note);
    }
    Ok(output.report(|| done.iter().map(ArchiveChange::from).collect::<List<_>>(), || told(done, dry_run))?)
}

fn told(done: &[NodeChange], dry_run: bool) -> String {
    let mut text = String::new();
    for one in done {
        if one.steps.is_empty() {
            text.push_str(&format!("{}: nothing to do\n", one.id));
        }
        for step in &one.steps {
            text.push_str(&format!("{}: {}{step}\n", one.id, if dry_run { "would " } else { "" }));
        }
        if let Some(reason) = &one.not_mounted {
            text.push_str(&format!("{}: not mounted: {reason}; it is served anyway\n", one.id));
        }
    }
    text
}
