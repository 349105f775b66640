//! `sealift archive diff`.

mod page;

use std::fmt::Write as _;
use std::path::PathBuf;

use archive::diff::{
    Comparing, Comparison, FileDifference, FileState, ImageDifference, ImagePackageDifference,
    PackageDifference, Sameness, TaggedDigest,
};
use archive::inspect::Inspection;
use clap::{Args, ValueEnum};
use content::{printable, printable_path};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::archive_diff::ArchiveDiffDocument;
use crate::output::{self, ReportForm, size};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The first archive: an ISO, a mount point or a folder
    former: PathBuf,
    /// The second archive
    new: PathBuf,
    /// Write the report in this form
    #[arg(id = "output", long, short = 'o', value_enum, default_value_t, value_name = "FORM")]
    form: DiffForm,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DiffForm {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// Markdown, for release notes
    Markdown,
    /// One HTML page
    Html,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let comparing = Comparing::open(&arguments.former, &arguments.new)?;
    let found = {
        let bar = Bar::bytes("comparing", comparing.bytes());
        comparing.run(&bar)?
    };
    match arguments.form {
        DiffForm::Text => output::print(&text(&found))?,
        DiffForm::Json => output::write(&ArchiveDiffDocument::from(&found), ReportForm::Json)?,
        DiffForm::Yaml => output::write(&ArchiveDiffDocument::from(&found), ReportForm::Yaml)?,
        DiffForm::Markdown => output::print(&page::markdown(&found))?,
        DiffForm::Html => output::print(&page::html(&found)?)?,
    }
    match found.sameness {
        Sameness::Identical | Sameness::SameFiles => Ok(()),
        Sameness::Different => Err(Failure::Failed(None)),
    }
}

pub(super) fn text(found: &Comparison) -> String {
    match found.sameness {
        Sameness::Identical => return "the archives are equal\n".to_owned(),
        Sameness::SameFiles => return format!("{SAME_FILES}\n"),
        Sameness::Different => {}
    }
    let images: Vec<String> = found.contents.images.iter().map(image).collect();
    let packages: Vec<String> = found.contents.packages.iter().map(package).collect();
    let files: Vec<String> = found.files.iter().map(file).collect();
    let mut text = String::new();
    let in_images: Vec<String> = found.image_packages.iter().map(image_package).collect();
    text += &list("image", &images);
    // Without SBOMs, it is not known whether there are some.
    if !in_images.is_empty() {
        text += &list("image package", &in_images);
    }
    text += &list("package", &packages);
    text += &list("other file", &files);
    let [former, new] = names(found);
    for (name, bytes) in [(former, found.former_bytes), (new, found.new_bytes)] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "only in {name}: {} of content", size(bytes));
    }
    text
}

const SAME_FILES: &str = "the files are equal; the ISOs differ elsewhere: in dates, the volume ID, the order of the files, or outside of \
                          files";

/// The names and versions of the archives, or their paths if these are equal.
fn names(found: &Comparison) -> [String; 2] {
    let path = |archive: &Inspection| printable_path(&archive.archive).to_string();
    let name = |archive: &Inspection| match &archive.product {
        Some(product) => format!("{} {}", printable(&product.name), printable(&product.version)),
        None => path(archive),
    };
    let archives = [&found.former, &found.new];
    let [former, new] = archives.map(name);
    if former == new { archives.map(path) } else { [former, new] }
}

/// How many images, packages or files differ, and the first of them.
pub(crate) fn list(noun: &str, lines: &[String]) -> String {
    let mut text = match lines.len() {
        0 => format!("no {noun} differs\n"),
        1 => format!("1 {noun} differs:\n"),
        count => format!("{count} {noun}s differ:\n"),
    };
    for line in output::bounded(lines, &format!("{noun}s; -o json lists all")) {
        text += &format!("  {line}\n");
    }
    text
}

/// An image that differs, on a line.
pub(crate) fn image(one: &ImageDifference) -> String {
    let listed = |list: &[TaggedDigest]| (!list.is_empty()).then(|| tags(list));
    change(&one.name, listed(&one.former), listed(&one.new))
}

fn tags(tags: &[TaggedDigest]) -> String {
    let tagged = |one: &TaggedDigest| {
        // Like git, the start of a digest is enough for people.
        let digest = one.digest.as_deref().and_then(|digest| digest.get(..19)).unwrap_or("unreadable");
        format!("{} ({digest})", one.tag)
    };
    tags.iter().map(tagged).collect::<Vec<_>>().join(", ")
}

/// A package that differs, on a line.
pub(crate) fn package(one: &PackageDifference) -> String {
    let arch = if one.arch.is_empty() { String::new() } else { format!(".{}", one.arch) };
    let name = format!("{}/{}{arch}", one.repository, one.name);
    let listed = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    change(&name, listed(&one.former), listed(&one.new))
}

/// A package in an image that differs, on a line.
fn image_package(one: &ImagePackageDifference) -> String {
    let name = format!("{}: {} ({})", one.image, one.name, one.ecosystem.name());
    let listed = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    change(&name, listed(&one.former), listed(&one.new))
}

fn file(one: &FileDifference) -> String {
    change(&one.path, one.former.as_ref().map(described), one.new.as_ref().map(described))
}

/// A file, as much as people need to see what changed.
fn described(state: &FileState) -> String {
    if let Some(target) = &state.target {
        return format!("a link to {target}");
    }
    let digest = state.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let digest = digest.get(..19).map(|digest| format!(" ({digest})")).unwrap_or_default();
    format!("{}{digest}{}", size(state.size), if state.executable { ", executable" } else { "" })
}

fn change(name: &str, former: Option<String>, new: Option<String>) -> String {
    let name = printable(name);
    let after = |word: &str, value: &str| match value {
        // The name of the file does not have the version.
        "" => format!("{name}: {word}"),
        value => format!("{name}: {word}, {}", printable(value)),
    };
    match (former, new) {
        (Some(former), Some(new)) => format!("{name}: {} -> {}", printable(&former), printable(&new)),
        (Some(former), None) => after("gone", &former),
        (None, new) => after("new", &new.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn tree(root: &Path, version: &str, files: &[(&str, &str)]) {
        let product = format!("NAME=Site\nVERSION={version}\n");
        for (path, text) in [&[("product.txt", product.as_str())], files].concat() {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn compared(files: [&[(&str, &str)]; 2]) -> Comparison {
        let folder = tempfile::tempdir().unwrap();
        let [former, new] = ["former", "new"].map(|name| folder.path().join(name));
        tree(&former, "1.0", files[0]);
        tree(&new, "1.1", files[1]);
        Comparing::open(&former, &new).unwrap().run(&()).unwrap()
    }

    #[test]
    fn packages_and_files_are_reported_in_each_form() {
        let package = |version: &str| format!("packages/redhat/8/site-a-el8/a_b-{version}-1.noarch.rpm");
        let odd = "odd|<b>`*\u{1b}";
        let sbom = |version: &str| {
            let package = format!(r#"{{"name": "openssl", "versionInfo": "{version}"}}"#);
            format!(r#"{{"spdxVersion": "SPDX-2.3", "packages": [{package}]}}"#)
        };
        let (former, new) = (sbom("1.9"), sbom("1.10"));
        let found = compared([
            &[
                (&package("1"), "1"),
                ("gone", "gone"),
                ("images/app/1/manifest.json", "{}"),
                ("attestations/images/app/1.spdx.json", &former),
            ],
            &[
                (&package("2"), "2"),
                (odd, "odd"),
                ("images/app/2/manifest.json", "{}"),
                ("attestations/images/app/2.spdx.json", &new),
            ],
        ]);
        insta::assert_snapshot!("archive_diff.txt", text(&found));
        insta::assert_snapshot!("archive_diff.md", page::markdown(&found));
        let html = page::html(&found).unwrap().replace(server::STYLE, "");
        insta::assert_snapshot!("archive_diff.html", html);
    }

    #[test]
    fn equal_archives_are_called_equal() {
        let folder = tempfile::tempdir().unwrap();
        tree(folder.path(), "1.0", &[("a", "a")]);
        let found = Comparing::open(folder.path(), folder.path()).unwrap().run(&()).unwrap();
        assert_eq!(text(&found), "the archives are equal\n");
        let path = folder.path().display();
        // Their names and versions are equal, too.
        assert_eq!(page::markdown(&found), format!("# {path} to {path}\n\nThe archives are equal.\n"));
    }
}
