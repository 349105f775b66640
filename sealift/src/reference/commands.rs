//! The page of all commands.

use clap::{Arg, ArgAction, Command};

use super::{each, escaped};

/// The heading of the options that name the files of a node.
const NODE_PATHS: &str = "Node paths";

/// All commands with their arguments, options and examples.
pub(super) fn page(command: &Command) -> String {
    let mut page = String::from(
        "# Commands\n\n\
         Every command prints its help with `--help`; `sealift man --into DIR` writes man pages.\n\n",
    );
    let mut node_paths = Vec::new();
    each(command, "sealift", &mut |name, command| section(&mut page, name, command, &mut node_paths));
    page.push_str("## Node paths\n\nThe files and folders of a node. The defaults are right on a node.\n\n");
    table(&mut page, "Option", &node_paths);
    page.trim_end().to_owned() + "\n"
}

/// The section of one command. The options of [`NODE_PATHS`] go into `node_paths`: many commands have them.
fn section(page: &mut String, name: &str, command: &Command, node_paths: &mut Vec<(String, String)>) {
    page.push_str(&format!("## {name}\n\n"));
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        page.push_str(&format!("{}.\n\n", escaped(paragraph.trim_end_matches('.'))));
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    page.push_str(&format!("```text\n{usage}\n```\n\n"));
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        let word = if aliases.len() == 1 { "Alias" } else { "Aliases" };
        page.push_str(&format!("{word}: {}\n\n", aliases.join(", ")));
    }
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|one| !one.is_hide_set() && one.get_name() != "help")
        .map(|one| (format!("`{}`", one.get_name()), about_of(one)))
        .collect();
    table(page, "Command", &subcommands);
    let shown: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !is_about_the_program(arg))
        // The options of all commands are listed once.
        .filter(|arg| name == "sealift" || !arg.is_global_set())
        .collect();
    let row = |arg: &&Arg| (call(arg), meaning(arg));
    let positionals: Vec<_> = shown.iter().filter(|arg| arg.is_positional()).map(row).collect();
    table(page, "Argument", &positionals);
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in shown.iter().filter(|arg| !arg.is_positional()) {
        let heading = arg.get_help_heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let options: Vec<_> = shown
            .iter()
            .filter(|arg| !arg.is_positional() && arg.get_help_heading() == heading)
            .map(row)
            .collect();
        if heading == Some(NODE_PATHS) {
            page.push_str("Further options: [node paths](#node-paths).\n\n");
            *node_paths = options;
            continue;
        }
        table(page, heading.unwrap_or("Option"), &options);
    }
    if let Some(after) = command.get_after_help() {
        page.push_str(&format!("```text\n{}\n```\n\n", after.to_string().trim_end()));
    }
}

fn about_of(command: &Command) -> String {
    escaped(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

fn table(page: &mut String, head: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    page.push_str(&format!("| {head} | |\n| --- | --- |\n"));
    for (name, meaning) in rows {
        page.push_str(&format!("| {name} | {meaning} |\n"));
    }
    page.push('\n');
}

/// The ways to write an argument: `-o`, `--output <FORM>`.
fn call(arg: &Arg) -> String {
    let values: Vec<String> = match arg.get_value_names() {
        Some(names) if arg.is_positional() || !matches!(arg.get_action(), ArgAction::SetTrue) => {
            names.iter().map(|name| format!("<{name}>")).collect()
        }
        _ => Vec::new(),
    };
    let values = values.join(" ");
    if arg.is_positional() {
        return format!("`{values}`");
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let shorts = arg.get_visible_short_aliases().unwrap_or_default();
    let longs = arg.get_visible_aliases().unwrap_or_default();
    let mut calls: Vec<String> =
        short.into_iter().chain(shorts.iter().map(|one| format!("-{one}"))).collect();
    calls.extend(long.into_iter().chain(longs.iter().map(|one| format!("--{one}"))));
    if let (Some(last), false) = (calls.last_mut(), values.is_empty()) {
        last.push(' ');
        last.push_str(&values);
    }
    calls.iter().map(|call| format!("`{call}`")).collect::<Vec<_>>().join(", ")
}

/// What an argument means: its help, its values, its default, its variable.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut meaning = escaped(&help);
    let sentence = |meaning: &mut String, text: String| {
        if !meaning.ends_with(['.', ']']) {
            meaning.push('.');
        }
        meaning.push(' ');
        meaning.push_str(&text);
    };
    let takes_value = arg.get_action().takes_values();
    if takes_value && !arg.is_hide_possible_values_set() {
        let values = arg.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}` ({})", value.get_name(), escaped(&help.to_string())),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        if !values.is_empty() {
            sentence(&mut meaning, format!("Values: {}.", values.join(", ")));
        }
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|value| !value.is_empty())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if takes_value && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        sentence(&mut meaning, format!("Default: {}.", defaults.join(", ")));
    }
    if let Some(variable) = arg.get_env() {
        sentence(&mut meaning, format!("Environment: `{}`.", variable.to_string_lossy()));
    }
    meaning
}

/// Whether an option prints the help or the version of the program: every command has it.
fn is_about_the_program(arg: &clap::Arg) -> bool {
    use clap::ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(arg.get_action(), Help | HelpLong | HelpShort | Version)
}
