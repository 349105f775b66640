//! The groups of commands in the help.

use std::fmt::Write as _;

use clap::Command;

/// Each group: its title and its commands, in the order of the help. A command that is not hidden is in exactly one.
pub(crate) const GROUPS: [(&str, &[&str]); 3] = [
    (
        "Build",
        &[
            "init",
            "run",
            "list",
            "info",
            "explain",
            "graph",
            "watch",
            "lint",
            "clean",
            "forget",
            "ignore",
            "reset-dep",
            "lock",
            "update",
            "release",
            "cache",
            "schema",
        ],
    ),
    ("Node", &["archive", "node", "registry", "repository", "solution"]),
    ("Tools", &["iso", "image", "package", "completion", "man", "version", "help"]),
];

/// What `help` does; clap adds that command after the others.
const HELP: &str = "Print the help of a command";

/// Groups the commands in the help of `command`.
pub(crate) fn grouped(command: Command) -> Command {
    let styles = command.get_styles();
    let (heading, literal) = (*styles.get_header(), *styles.get_literal());
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or_default();
    let mut groups = String::new();
    for (title, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(groups, "{heading}{title}:{heading:#}");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or_else(|| HELP.to_owned(), ToString::to_string);
            let _ = writeln!(groups, "  {literal}{name:<width$}{literal:#}  {about}");
        }
        groups.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_command_is_in_exactly_one_group() {
        let mut command = crate::command_line::command();
        command.build();
        let mut counts: BTreeMap<&str, usize> = command
            .get_subcommands()
            .filter(|one| !one.is_hide_set())
            .map(|one| (one.get_name(), 0))
            .collect();
        for name in GROUPS.iter().flat_map(|(_, names)| *names) {
            *counts.get_mut(name).unwrap_or_else(|| panic!("the help shows no command {name}")) += 1;
        }
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    }
}
