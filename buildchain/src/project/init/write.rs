//! The text of a project file.

use std::fmt::Write as _;

use super::DraftVersion;
use super::files::{FilesKind, FilesLine, FilesPlan};
use super::images::{BuildLine, ImagesPlan, ListLine, PullLine};
use super::packages::PackagesPlan;
use super::text::{comment, list, path, scalar, value};

/// Writes the project file.
pub(super) fn project(
    name: &str,
    version: &DraftVersion,
    files: &FilesPlan,
    packages: &PackagesPlan,
    images: &ImagesPlan,
) -> String {
    let version = match version {
        DraftVersion::Fixed(text) => format!("version: {}", scalar(text)),
        DraftVersion::Tag(default) => format!(
            "# The version is the tag of the commit. A commit without one has the default.\n  versionFrom: {{git: tag, default: {}}}",
            scalar(default)
        ),
    };
    let mut text = format!(
        "# What goes into the archive. `sealift schema` prints all keys, `sealift list` the tasks.\n\
         apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: {}\n  {version}\nspec:\n",
        scalar(name),
    );
    write_images(&mut text, images);
    write_packages(&mut text, packages);
    write_files(&mut text, files);
    let is_empty = images.build.is_empty()
        && images.pull.is_empty()
        && images.lists.is_empty()
        && packages.lines.is_empty()
        && files.lines.is_empty();
    if is_empty {
        if images.maybe.is_empty() {
            text.push_str("  images:\n    pull: []    # [docker.io/library/nginx:1.27-alpine]\n");
        }
        text.push_str("  packages: []  # [{name: base, release: '9', rpms: ['rpms/*.rpm']}]\n");
        text.push_str("  files: []     # [{from: salt, to: salt}]\n");
    }
    text
}

/// Writes a line. Writing to a string cannot fail.
fn line(text: &mut String, content: &str) {
    let _ = writeln!(text, "{content}");
}

fn write_images(text: &mut String, images: &ImagesPlan) {
    let notes = images.not_built.len() + images.maybe.len() + images.computed.len();
    let has_entries = !(images.build.is_empty() && images.pull.is_empty() && images.lists.is_empty());
    if !has_entries && notes == 0 {
        return;
    }
    if !has_entries && images.maybe.is_empty() {
        comments(text, "  ", images);
        return;
    }
    line(text, "  images:");
    if !images.build.is_empty() {
        line(text, "    build:");
        for image in &images.build {
            line(text, &format!("      - {}", build(image)));
        }
    }
    let has_plain = images.pull.iter().any(|image| image.platform.is_none());
    if has_plain || images.lists.iter().any(|list| list.platform.is_none()) {
        let entry = if has_plain { "source: REFERENCE" } else { "file: LIST" };
        line(
            text,
            &format!(
                "    # All platforms are pulled. To keep one, write {{{entry}, platforms: [linux/amd64]}}."
            ),
        );
    }
    if !images.lists.is_empty() {
        line(text, "    lists:");
        for list in &images.lists {
            line(text, &format!("      - {}", image_list(list)));
        }
    }
    if !images.pull.is_empty() {
        line(text, "    pull:");
        for image in &images.pull {
            line(text, &format!("      - {}  # {}", pull(image), comment(&image.comment)));
        }
    } else if !images.maybe.is_empty() {
        line(text, "    pull: []");
    }
    if !images.maybe.is_empty() {
        line(text, "    # These may be images. Add those that are to `pull`:");
        for image in &images.maybe {
            line(text, &format!("    # - {}  # {}", pull(image), comment(&image.comment)));
        }
    }
    comments(text, "    ", images);
}

/// Writes what cannot be an entry.
fn comments(text: &mut String, indent: &str, images: &ImagesPlan) {
    let groups = [
        (
            "Only what renders these places, or the registry, knows their images; add them to `pull`:",
            &images.computed,
        ),
        ("These are not built:", &images.not_built),
    ];
    for (title, notes) in groups.into_iter().filter(|(_, notes)| !notes.is_empty()) {
        line(text, &format!("{indent}# {title}"));
        for note in notes {
            line(text, &format!("{indent}#   {}", comment(note)));
        }
    }
    if images.more > 0 {
        line(text, &format!("{indent}# And {} more: `sealift image find` lists them.", images.more));
    }
}

fn build(image: &BuildLine) -> String {
    let folder = path(&image.folder).unwrap_or_default();
    let mut keys = vec![format!("folder: {folder}")];
    if image.is_renamed {
        keys.push(format!("name: {}", value(&image.name)));
    }
    if image.has_root_context {
        keys.push("settings: {context: .}".to_owned());
    }
    if keys.len() == 1 { folder } else { format!("{{{}}}", keys.join(", ")) }
}

fn pull(image: &PullLine) -> String {
    let mut keys: Vec<String> = image.name.iter().map(|name| format!("name: {}", scalar(name))).collect();
    keys.push(format!("source: {}", scalar(&image.source)));
    keys.extend(image.platform.map(|platform| format!("platforms: [{platform}]")));
    if keys.len() == 1 { scalar(&image.source) } else { format!("{{{}}}", keys.join(", ")) }
}

fn image_list(list: &ListLine) -> String {
    let file = path(&list.file).unwrap_or_default();
    let mut keys = vec![format!("file: {file}")];
    keys.extend(list.is_scoped.then(|| "scoped: true".to_owned()));
    keys.extend(list.platform.map(|platform| format!("platforms: [{platform}]")));
    if keys.len() == 1 { file } else { format!("{{{}}}", keys.join(", ")) }
}

fn write_packages(text: &mut String, packages: &PackagesPlan) {
    if packages.lines.is_empty() {
        return;
    }
    line(text, "  packages:");
    for repository in &packages.lines {
        if repository.is_guess {
            line(
                text,
                "    # The names of the packages do not say their release of EL: change it if it is another one.",
            );
        }
        let values =
            |patterns: &[String]| list(&patterns.iter().map(|pattern| value(pattern)).collect::<Vec<_>>());
        let mut keys = vec![
            "name: base".to_owned(),
            format!("release: {}", scalar(&repository.release)),
            format!("rpms: {}", values(&repository.rpms)),
        ];
        if !repository.exclude.is_empty() {
            keys.push(format!("exclude: {}", values(&repository.exclude)));
        }
        line(text, &format!("    - {{{}}}", keys.join(", ")));
    }
}

fn write_files(text: &mut String, files: &FilesPlan) {
    if files.lines.is_empty() {
        return;
    }
    line(text, "  files:");
    let mut last = None;
    for entry in &files.lines {
        if last != Some(entry.kind) {
            let title = match entry.kind {
                FilesKind::Charts => "Helm charts.",
                FilesKind::Manifests => "Manifests.",
                FilesKind::Salt => "Salt states.",
                FilesKind::Pillar => "The Salt pillar.",
            };
            line(text, &format!("    # {title}"));
            last = Some(entry.kind);
        }
        write_entry(text, entry);
    }
}

fn write_entry(text: &mut String, entry: &FilesLine) {
    let Some(from) = path(&entry.from) else { return };
    let mut keys = vec![format!("from: {from}"), format!("to: {}", value(&entry.to))];
    for (key, patterns) in [("only", &entry.only), ("exclude", &entry.exclude)] {
        if !patterns.is_empty() {
            let patterns: Vec<String> = patterns.iter().map(|pattern| value(pattern)).collect();
            keys.push(format!("{key}: {}", list(&patterns)));
        }
    }
    let mut remark = String::new();
    if let Some(template) = &entry.template {
        // A file that ends in `.in` would be rendered, and most have another syntax.
        keys.push("templates: {suffix: none}".to_owned());
        remark = format!("  # so that {} is not rendered", content::printable_path(template));
    }
    line(text, &format!("    - {{{}}}{remark}", keys.join(", ")));
}
