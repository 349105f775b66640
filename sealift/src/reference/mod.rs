//! The pages of the reference that follow from the program itself: its commands, its checks, its documents, its exit codes.

mod checks;
mod commands;
mod exit_codes;
mod json;

use std::path::{Path, PathBuf};

use clap::Command;
use content::{AtomicFile, Durability};

use crate::failure::CommandResult;

/// The first line of each page.
const GENERATED: &str = "<!-- Generated from the program. Renew it with `SEALIFT_RENEW=1 cargo test -p sealift reference`. -->\n\n";

/// Writes the pages into `folder`.
pub(crate) fn write(folder: &Path, command_line: fn() -> Command) -> CommandResult {
    for (path, page) in pages(command_line())? {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            content::create_folder(parent)?;
        }
        AtomicFile::write(&path, page.as_bytes(), 0o644, Durability::Cache)?;
    }
    Ok(())
}

/// The pages by their paths. They depend on this program alone.
fn pages(mut command: Command) -> std::io::Result<Vec<(PathBuf, String)>> {
    command.build();
    let mut pages = vec![
        ("checks.md".into(), GENERATED.to_owned() + &checks::page()),
        ("commands.md".into(), GENERATED.to_owned() + &commands::page(&command)),
        ("exit-codes.md".into(), GENERATED.to_owned() + &exit_codes::page(&command)),
        ("json.md".into(), GENERATED.to_owned() + &json::page()),
    ];
    pages.extend(json::schemas()?);
    Ok(pages)
}

/// Calls `look` with each command that is shown and the words that call it.
fn each<'a>(command: &'a Command, name: &str, look: &mut impl FnMut(&str, &'a Command)) {
    look(name, command);
    for one in command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help") {
        each(one, &format!("{name} {}", one.get_name()), look);
    }
}

/// Text for a paragraph or a cell of a table in Markdown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' => in_code = !in_code,
            '|' => escaped.push('\\'),
            '<' if !in_code => {
                escaped.push_str("&lt;");
                continue;
            }
            '*' if !in_code => escaped.push('\\'),
            _ => {}
        }
        escaped.push(if character == '\n' { ' ' } else { character });
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command that renews the pages.
    const RENEW: &str = "SEALIFT_RENEW=1 cargo test -p sealift reference";

    #[test]
    fn the_pages_in_the_book_are_those_of_this_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
        if std::env::var_os("SEALIFT_RENEW").is_some() {
            let _ = std::fs::remove_dir_all(folder.join("schemas"));
            assert!(write(&folder, crate::command_line::command).is_ok());
        }
        let pages = pages(crate::command_line::command()).unwrap();
        let stale: Vec<_> = pages
            .iter()
            .filter(|(path, page)| std::fs::read_to_string(folder.join(path)).ok().as_ref() != Some(page))
            .map(|(path, _)| path.clone())
            .chain(
                std::fs::read_dir(folder.join("schemas"))
                    .unwrap()
                    .map(|entry| Path::new("schemas").join(entry.unwrap().file_name()))
                    .filter(|path| !pages.iter().any(|(page, _)| page == path)),
            )
            .collect();
        assert!(stale.is_empty(), "{stale:?} in docs/reference are stale; renew them with `{RENEW}`");
    }

    #[test]
    fn text_is_escaped_for_markdown() {
        assert_eq!(escaped("a|b <name>/* `<x>*`\nc"), r"a\|b &lt;name>/\* `<x>*` c");
    }
}
