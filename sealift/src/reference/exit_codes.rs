//! The page of exit codes.

use clap::Command;

use super::{each, escaped};

/// The exit codes of all commands, and those that say more about one.
pub(super) fn page(command: &Command) -> String {
    let mut page = String::from(
        "# Exit codes\n\n\
         | code | meaning |\n| --- | --- |\n\
         | 0 | Success. |\n\
         | 1 | The command completed with a negative result: a task failed, a check found damage, or two things differ. |\n\
         | 2 | The command ended with an error. |\n\
         | 3 | The command line, the project or a configuration is invalid. Nothing was changed. |\n\
         | 128 + n | Signal n ended the command: 130 for Ctrl-C. |\n\n\
         For some commands, the codes have a more specific meaning:\n\n\
         | command | meaning |\n| --- | --- |\n",
    );
    each(command, "sealift", &mut |name, command| {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let line = after.lines().find_map(|line| line.strip_prefix("Exit codes: "));
        if let Some(line) = line.filter(|_| name != "sealift") {
            page.push_str(&format!("| `{name}` | {} |\n", escaped(line)));
        }
    });
    page
}
