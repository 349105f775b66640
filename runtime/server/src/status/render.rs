//! Rendering pages from templates.

use std::sync::LazyLock;

use bytes::Bytes;
use content::Digest;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value, context};

use super::board::Snapshot;
use super::images;
use super::packages::PackageFile;
use crate::http::uri;

/// Stands for the address of the server in rendered pages: each client gets the one that it used.
pub(super) const ADDRESS: &str = "this-server.invalid";
/// The style sheet of the pages. Its URL changes with its content, so that browsers can keep it.
pub const STYLE: &str = include_str!("style.css");
/// The icon of the pages.
pub(super) const ICON: &str = include_str!("icon.svg");
/// The maximum length of a text from outside, in characters.
const TEXT_MAX: usize = 300;

/// The maximum number of registries in a command.
const HOSTS_MAX: usize = 20;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|name| match name.ends_with(".txt") {
        true => AutoEscape::None,
        false => AutoEscape::Html,
    });
    environment.add_filter("shown", |text: &str| shown(text));
    environment.add_filter("path", |path: &str| uri::encode_path(path));
    // A word of a shell's command.
    environment.add_filter("word", |text: &str| match shlex::try_quote(text) {
        Ok(word) => shown(&word),
        Err(_) => "ARCHIVE".to_owned(),
    });
    environment.add_filter("bytes", content::size);
    environment.add_filter("number", number);
    environment.add_filter("count", |count: u64, word: &str| {
        format!("{} {word}{}", number(count), if count == 1 { "" } else { "s" })
    });
    for (name, text) in [
        ("base.html", include_str!("base.html")),
        ("parts.html", include_str!("parts.html")),
        ("status.html", include_str!("status.html")),
        ("archive.html", include_str!("archive.html")),
        ("status.txt", include_str!("status.txt")),
    ] {
        // A template that does not parse is reported where it is rendered.
        let _ = environment.add_template(name, text);
    }
    environment
});

/// A rendered page, in which [`ADDRESS`] stands for the address of the server.
#[derive(Debug)]
pub(super) struct RenderedPage {
    text: String,
    digest: Digest,
    /// Whether the address is put in.
    addressed: bool,
}

impl RenderedPage {
    pub(super) fn new(text: String) -> Self {
        Self { digest: Digest::of(text.as_bytes()), text, addressed: true }
    }

    /// A page that is the same for all addresses.
    pub(super) fn fixed(text: String) -> Self {
        Self { addressed: false, ..Self::new(text) }
    }

    /// The page for a client that used this address.
    pub(super) fn body(&self, address: &str) -> Bytes {
        if self.addressed { self.text.replace(ADDRESS, address).into() } else { self.text.clone().into() }
    }

    /// The strong entity tag of that page.
    pub(super) fn etag(&self, address: &str) -> String {
        let digits = self.digest.hex().to_string();
        format!("\"{}-{address}\"", digits.get(..32).unwrap_or_default())
    }
}

/// The URL of the style sheet.
pub(super) static STYLE_URL: LazyLock<String> = LazyLock::new(|| versioned("style.css", STYLE));
static ICON_URL: LazyLock<String> = LazyLock::new(|| versioned("icon.svg", ICON));

fn versioned(name: &str, content: &str) -> String {
    let digits = Digest::of(content.as_bytes()).hex().to_string();
    format!("{}{name}?{}", super::FOLDER, digits.get(..8).unwrap_or_default())
}

/// The top page, or the same as text.
pub(super) fn top(snapshot: &Snapshot, tls: bool, template: &str) -> Result<String, Error> {
    let archives: Vec<Value> =
        (0..snapshot.status.archives.len()).map(|index| archive(snapshot, index)).collect();
    let status = Value::from(Serde(&snapshot.status));
    render(template, context! { status, archives, scheme => scheme(tls) })
}

/// The page of an archive with one page of its images; the first one has everything else of the archive, too.
pub(super) fn archive_page(
    snapshot: &Snapshot,
    index: usize,
    number: usize,
    tls: bool,
    packages: &Result<Vec<PackageFile>, String>,
) -> Result<String, Error> {
    let (Some(served), Some(status)) =
        (snapshot.inventory.archives.get(index), snapshot.status.archives.get(index))
    else {
        return render("archive.html", context! {});
    };
    let folder = folder(snapshot, index);
    let images = images::rows(&snapshot.inventory, served, status.prefix.as_deref(), tls, number);
    let pages: Vec<Value> = images::page_names(served)
        .into_iter()
        .enumerate()
        .map(|(page, first)| {
            let href = if page == 0 { folder.clone() } else { format!("{folder}images/{}/", page + 1) };
            context! { href => format!("{href}#images"), first, current => page == number }
        })
        .collect();
    let (files, packages_problem) = match packages {
        Ok(files) => (files.as_slice(), None),
        Err(problem) => (&[][..], Some(problem)),
    };
    let name = snapshot.archive_name(index).unwrap_or_default();
    let packages: Vec<Value> = files
        .iter()
        .map(|file| {
            let href = format!("{folder}packages/{}", uri::encode(&file.name()));
            let PackageFile { manager, release, content } = file;
            context! { manager => *manager, release, content, href, place => file.place(&name) }
        })
        .collect();
    // crio-config refuses IPv6 addresses.
    let hosts = served.original.hosts().filter(|host| !host.starts_with('[')).take(HOSTS_MAX);
    let original_hosts: Vec<String> = hosts.map(str::to_owned).collect();
    let from = number * images::PAGE + 1;
    render(
        "archive.html",
        context! {
            archive => archive(snapshot, index),
            scheme => scheme(tls),
            first => number == 0,
            from,
            to => from + images.len().saturating_sub(1),
            original_hosts,
            images,
            pages,
            packages,
            packages_problem,
        },
    )
}

/// The folder of the pages of an archive.
pub(super) fn folder(snapshot: &Snapshot, index: usize) -> String {
    let name = snapshot.archive_name(index).unwrap_or_default();
    format!("{}{}/", super::FOLDER, uri::encode(&name))
}

fn archive(snapshot: &Snapshot, index: usize) -> Value {
    let status =
        snapshot.status.archives.get(index).map(|status| Value::from(Serde(status))).unwrap_or_default();
    let href = folder(snapshot, index);
    context! { href, ..status }
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

fn render(template: &str, values: Value) -> Result<String, Error> {
    let (style, icon) = (STYLE_URL.as_str(), ICON_URL.as_str());
    TEMPLATES.get_template(template)?.render(context! { address => ADDRESS, style, icon, ..values })
}

/// A text from outside, without control characters and not longer than [`TEXT_MAX`].
fn shown(text: &str) -> String {
    content::printable_start(text, TEXT_MAX)
}

/// A number with spaces between thousands.
fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + 4);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            // A space that does not end a line.
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (count, expected) in [(7, "7"), (1000, "1\u{a0}000"), (12_345_678, "12\u{a0}345\u{a0}678")] {
            assert_eq!(number(count), expected);
        }
    }

    #[test]
    fn texts_from_outside_are_bounded_and_have_no_control_characters() {
        assert_eq!(shown("a\u{1b}[2Jb"), r"a\u{1b}[2Jb");
        assert_eq!(shown(&"x".repeat(400)).chars().count(), TEXT_MAX + 1);
    }
}
