//! `sealift man`: the man pages.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use content::{AtomicFile, Durability};

use crate::failure::CommandResult;

/// Writes a page for each command into `folder`.
pub(crate) fn write(folder: &Path, command_line: fn() -> Command) -> CommandResult {
    content::create_folder(folder)?;
    for (name, page) in pages(command_line)? {
        AtomicFile::write(&folder.join(name), &page, 0o644, Durability::Durable)?;
    }
    Ok(())
}

/// The pages by their names, `sealift-archive-verify.1`. They depend on nothing but this program.
fn pages(command_line: fn() -> Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command_line().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    let version = concat!("sealift ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(version).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        add(one, pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command that renews the pages of the package.
    const RENEW: &str = "SEALIFT_RENEW=1 cargo test -p sealift man";

    #[test]
    fn the_pages_in_the_package_are_those_of_this_program() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/sealift");
        let folder = package.join("man");
        if std::env::var_os("SEALIFT_RENEW").is_some() {
            let _ = std::fs::remove_dir_all(&folder);
            assert!(write(&folder, crate::command_line::command).is_ok());
        }
        let mut pages = pages(crate::command_line::command).unwrap();
        pages.sort();
        let stale: Vec<_> = pages
            .iter()
            .filter(|(name, page)| std::fs::read(folder.join(name)).ok().as_ref() != Some(page))
            .map(|(name, _)| name)
            .collect();
        assert!(stale.is_empty(), "{stale:?} in packages/sealift/man are stale; renew them with `{RENEW}`");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), pages.len(), "renew them with `{RENEW}`");

        // The package has them all, in this order.
        let definition = std::fs::read_to_string(package.join("package.yaml")).unwrap();
        let (_, list) = definition.split_once("for page in \"").unwrap();
        let (list, _) = list.split_once('"').unwrap();
        let listed: Vec<_> =
            list.replace('#', "").split_whitespace().map(|name| format!("{name}.1")).collect();
        let names: Vec<_> = pages.into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, names, "the pages in packages/sealift/package.yaml");
    }

    #[test]
    fn every_command_that_is_shown_has_a_page_and_two_writings_are_equal() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("new/man1"), folder.path().join("two"));
        assert!(
            write(&one, crate::command_line::command).is_ok()
                && write(&two, crate::command_line::command).is_ok()
        );
        let read = |path: &Path| {
            let mut files: Vec<_> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap())
                .map(|entry| {
                    (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
                })
                .collect();
            files.sort();
            files
        };
        let pages = read(&one);
        assert_eq!(pages, read(&two));
        for name in ["sealift.1", "sealift-run.1", "sealift-archive.1", "sealift-archive-verify.1"] {
            assert!(pages.iter().any(|(page, _)| page == name), "{name}");
        }
        for (name, page) in &pages {
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        }
        assert!(!pages.iter().any(|(name, _)| name.contains("receive") || name.contains("complete.")));
    }
}
