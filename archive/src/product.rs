//! `product.txt`: what the archive is called and where it comes from.
//!
//! One `KEY=value` a line, as a shell would assign it: values may stand in single or double quotes, blank lines and
//! lines that start with `#` say nothing. What a shell would *compute* (`$`, backquotes) is refused: the file comes
//! from outside and is data.

use std::fmt::Write as _;

use crate::id::{self, ArchiveId};
use crate::solution::{SolutionManifest, manifest, requirement};
use crate::{Error, Result, Tree, layout};

/// The most bytes of an honest `product.txt`.
pub const LIMIT: u64 = 64 * 1024;

/// Product information.
///
/// ```
/// use archive::product::Product;
///
/// let product = Product::parse("NAME=MetalK8s\nVERSION=\"2.10.1-dev\"\nDEVELOPMENT_RELEASE=1\n")?;
/// assert_eq!(product.id(), "metalk8s-2.10.1-dev");
/// assert!(product.development_release);
/// assert_eq!(Product::parse(&product.render())?, product);
/// # Ok::<(), archive::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// `NAME`: the project, `MetalK8s`. Letters, digits, `.`, `_`, `-`; it names folders and URLs.
    pub name: String,
    /// `VERSION`: `2.10.1-dev`. Letters, digits, `.`, `_`, `-`, `+`, `~`.
    pub version: String,
    /// `SHORT_VERSION`: major and minor, `2.10`.
    pub short_version: Option<String>,
    /// `GIT`: the commit it was built from, as `git describe` names it.
    pub git: Option<String>,
    /// `DEVELOPMENT_RELEASE`: `1` for anything that is not a final release. Absent is `0`.
    pub development_release: bool,
    /// `BUILD_TIMESTAMP`: the source date, `2026-11-20T10:00:00Z`. See [`timestamp`].
    pub build_timestamp: Option<String>,
    /// Every other key, in the order of the file (`REQUIRE_METALK8S`, `ARCHIVE_LAYOUT_VERSION`); of a `manifest.yaml`, the
    /// annotation with the same meaning.
    pub other: Vec<(String, String)>,
}

impl Product {
    /// Parses the content of a `product.txt`.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`] with the line: no `=`, a key that does not match `[A-Z_][A-Z0-9_]*`, a key given twice, an open quote,
    /// an expansion, a control character. [`Error::Content`]: `NAME` or `VERSION` missing or unfit for a path.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() as u64 > LIMIT {
            return Err(Error::Limit {
                what: layout::PRODUCT.into(),
                limit: LIMIT,
                found: text.len() as u64,
            });
        }
        let mut product = Self::default();
        let mut seen = std::collections::BTreeSet::new();
        for (index, line) in text.lines().enumerate() {
            let wrong =
                |problem: String| Error::Syntax { file: layout::PRODUCT.into(), line: index + 1, problem };
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| wrong("expected KEY=value".into()))?;
            let mut letters = key.bytes();
            let first = letters.next().is_some_and(|letter| letter.is_ascii_uppercase() || letter == b'_');
            if !first
                || !letters
                    .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_')
            {
                return Err(wrong(format!(
                    "{key:?} is not a valid key: expected capital letters, digits and _"
                )));
            }
            if !seen.insert(key) {
                return Err(wrong(format!("{key} is given twice")));
            }
            let value = unquote(value).map_err(wrong)?;
            match key {
                "NAME" => product.name = value,
                "VERSION" => product.version = value,
                "SHORT_VERSION" => product.short_version = Some(value),
                "GIT" => product.git = Some(value),
                "BUILD_TIMESTAMP" => product.build_timestamp = Some(value),
                "DEVELOPMENT_RELEASE" => {
                    product.development_release = match value.as_str() {
                        "1" => true,
                        "0" | "" => false,
                        other => return Err(wrong(format!("DEVELOPMENT_RELEASE is 0 or 1, not {other:?}"))),
                    };
                }
                _ => product.other.push((key.to_owned(), value)),
            }
        }
        product.check()?;
        Ok(product)
    }

    /// Reads the `manifest.yaml` of a Solution: its name, its version, and the annotations that say how it was built.
    ///
    /// # Errors
    ///
    /// Those of [`SolutionManifest::parse`].
    pub fn from_manifest(text: &str) -> Result<Self> {
        Ok(SolutionManifest::parse(text)?.product())
    }

    /// Checks that name and version are fit to name a folder and a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] naming the key and its value.
    pub fn check(&self) -> Result<()> {
        id::check_part(layout::PRODUCT, "NAME", &self.name, id::NAME_SIGNS)?;
        id::check_part(layout::PRODUCT, "VERSION", &self.version, id::VERSION_SIGNS)
    }

    /// The ID, which names the mount point and is a part of URLs.
    #[must_use]
    pub fn id(&self) -> ArchiveId {
        ArchiveId::of(&self.name, &self.version)
    }

    /// [`Product::id`] as the first part of image names. Those have no capitals, `+` or `~` (OCI distribution
    /// specification, "Pulling manifests"): capitals become small, the others `_`.
    #[must_use]
    pub fn repository_prefix(&self) -> String {
        self.id().repository_prefix()
    }

    /// The content of `product.txt`, keys in the order of the original.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{key}={}", quote(value));
        };
        line("NAME", &self.name);
        line("VERSION", &self.version);
        let optional = [("SHORT_VERSION", &self.short_version), ("GIT", &self.git)];
        for (key, value) in optional {
            if let Some(value) = value {
                line(key, value);
            }
        }
        line("DEVELOPMENT_RELEASE", if self.development_release { "1" } else { "0" });
        if let Some(value) = &self.build_timestamp {
            line("BUILD_TIMESTAMP", value);
        }
        for (key, value) in &self.other {
            line(key, value);
        }
        text
    }
}

/// What an archive is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// The platform itself.
    Platform,
    /// A Solution that runs on it.
    Solution,
}

/// What an archive says about itself, and what it is for; `None` where it says nothing.
///
/// A `manifest.yaml` of kind `Solution` comes first, whatever else is in the archive: it is what the platform reads. Then
/// `product.txt`: it describes a Solution of the older layout if it says which platform it needs (`REQUIRE_METALK8S`,
/// `ARCHIVE_LAYOUT_VERSION`), else a platform.
///
/// # Errors
///
/// Those of [`Product::parse`] and [`Product::from_manifest`]; what reading the archive gives.
pub fn describe(tree: &Tree) -> Result<Option<(Product, ArchiveKind)>> {
    if let Some(manifest) = solution_manifest(tree)? {
        return Ok(Some((manifest.product(), ArchiveKind::Solution)));
    }
    let text = text_of(tree, layout::PRODUCT, LIMIT)?;
    let Some(product) = text.as_deref().map(Product::parse).transpose()? else { return Ok(None) };
    let needs_platform = |(key, _): &(String, String)| {
        matches!(key.as_str(), requirement::PRODUCT_KEY | requirement::LAYOUT_KEY)
    };
    let kind =
        if product.other.iter().any(needs_platform) { ArchiveKind::Solution } else { ArchiveKind::Platform };
    Ok(Some((product, kind)))
}

/// The manifest of a Solution; `None` if the archive has no `manifest.yaml`, or besides a `product.txt` one of another kind.
///
/// # Errors
///
/// Those of [`SolutionManifest::parse`]; what reading the archive gives.
pub fn solution_manifest(tree: &Tree) -> Result<Option<SolutionManifest>> {
    let Some(text) = text_of(tree, layout::MANIFEST, manifest::LIMIT)? else { return Ok(None) };
    let is_solution =
        || serde_saphyr::from_str::<Head>(&text).is_ok_and(|head| head.kind.as_deref() == Some("Solution"));
    if tree.entry(layout::PRODUCT)?.is_some() && !is_solution() {
        return Ok(None);
    }
    SolutionManifest::parse(&text).map(Some)
}

/// The text of a file; `None` if the archive does not have it.
fn text_of(tree: &Tree, file: &'static str, limit: u64) -> Result<Option<String>> {
    if tree.entry(file)?.is_none() {
        return Ok(None);
    }
    let text = String::from_utf8(tree.read(file, limit)?);
    text.map(Some).map_err(|_| Error::Content { file: file.into(), problem: "it is not UTF-8".into() })
}

/// The product information of an archive, as [`describe`] finds it.
///
/// # Errors
///
/// Those of [`describe`].
pub fn of(tree: &Tree) -> Result<Option<Product>> {
    Ok(describe(tree)?.map(|(product, _)| product))
}

/// A source date (Unix seconds) as `BUILD_TIMESTAMP` has it: `2026-11-20T10:00:00Z`.
///
/// `None` outside the years -9999 to 9999.
#[must_use]
pub fn timestamp(source_date: i64) -> Option<String> {
    jiff::Timestamp::from_second(source_date).ok().map(|date| date.to_string())
}

/// A time in RFC 3339, in the form of [`timestamp`]; `None` for another text.
#[must_use]
pub fn time(text: &str) -> Option<String> {
    timestamp(text.parse::<jiff::Timestamp>().ok()?.as_second())
}

/// The marks of the `manifest.yaml` of a Solution.
#[derive(serde::Deserialize)]
struct Head {
    kind: Option<String>,
}

/// The value of a shell word that expands nothing.
fn unquote(word: &str) -> Result<String, String> {
    let mut value = String::new();
    let mut letters = word.trim_end().chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (_, control) if control.is_control() => return Err(format!("control character {control:?}")),
            (Some(open), close) if open == close => quote = None,
            (Some('\''), any) => value.push(any),
            (_, '$' | '`') => {
                return Err(format!("{letter:?} would be computed by a shell: expected a plain value"));
            }
            (_, '\\') => match letters.next() {
                Some(escaped) if !escaped.is_control() => value.push(escaped),
                _ => return Err("nothing after the backslash".into()),
            },
            (None, '"' | '\'') => quote = Some(letter),
            (None, ' ' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => {
                return Err(format!("{letter:?} outside quotes"));
            }
            (_, any) => value.push(any),
        }
    }
    match quote {
        Some(open) => Err(format!("the quote {open} is not closed")),
        None => Ok(value),
    }
}

/// The value as a shell word; plain where it needs no quotes. Control characters become spaces: a line is a line.
fn quote(value: &str) -> String {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+~:/@,%".contains(&byte)) {
        return value;
    }
    let mut quoted = String::from("\"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let cases = [
            ("plain", Ok("plain")),
            ("\">=2.0\"", Ok(">=2.0")),
            ("'a \"b\" $c'", Ok("a \"b\" $c")),
            ("\"a\\\"b\\$\"", Ok("a\"b$")),
            ("a\"b c\"'d'", Ok("ab cd")),
            ("", Ok("")),
            ("\"\"", Ok("")),
            ("trailing  ", Ok("trailing")),
            ("\"open", Err(())),
            ("$(date)", Err(())),
            ("`id`", Err(())),
            ("a b", Err(())),
            ("a;b", Err(())),
            ("a\\", Err(())),
            ("a\u{7}b", Err(())),
        ];
        for (word, expected) in cases {
            assert_eq!(unquote(word).map_err(|_| ()), expected.map(str::to_owned), "{word:?}");
        }
    }

    #[test]
    fn refused_with_the_reason() {
        let cases = [
            ("NAME=a\nVERSION", "product.txt, line 2: expected KEY=value"),
            ("NAME=a\nNAME=b", "product.txt, line 2: NAME is given twice"),
            (
                "name=a",
                "product.txt, line 1: \"name\" is not a valid key: expected capital letters, digits and _",
            ),
            ("VERSION=1", "product.txt: NAME is missing"),
            ("NAME=a\nVERSION=../1", "product.txt: VERSION is \"../1\": expected a letter or digit first"),
            (
                "NAME=a/b\nVERSION=1",
                "product.txt: NAME is \"a/b\": '/' is not allowed in the name of a folder",
            ),
            (
                "NAME=a\nVERSION=1\nDEVELOPMENT_RELEASE=yes",
                "product.txt, line 3: DEVELOPMENT_RELEASE is 0 or 1, not \"yes\"",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Product::parse(text).expect_err(text).to_string(), expected);
        }
        let long = "#".repeat(70_000);
        assert!(matches!(Product::parse(&long), Err(Error::Limit { found: 70_000, .. })));
    }

    #[test]
    fn rendered_in_the_original_order() {
        let product = Product {
            name: "MetalK8s".into(),
            version: "2.10.0-dev+a".into(),
            short_version: Some("2.10".into()),
            git: Some("2.9-10-gabcdef".into()),
            development_release: true,
            build_timestamp: timestamp(1_700_000_000),
            other: vec![("REQUIRE_METALK8S".into(), ">=2.0".into())],
        };
        assert_eq!(
            product.render(),
            "NAME=MetalK8s\nVERSION=2.10.0-dev+a\nSHORT_VERSION=2.10\nGIT=2.9-10-gabcdef\nDEVELOPMENT_RELEASE=1\n\
             BUILD_TIMESTAMP=2023-11-14T22:13:20Z\nREQUIRE_METALK8S=\">=2.0\"\n"
        );
        assert_eq!(product.repository_prefix(), "metalk8s-2.10.0-dev_a");
        assert_eq!(timestamp(i64::MAX), None);
        for (text, expected) in [
            ("2026-11-20T10:00:00Z", Some("2026-11-20T10:00:00Z")),
            ("2026-11-20T12:00:00.5+02:00", Some("2026-11-20T10:00:00Z")),
            ("2026-11-20T10:00:00", None),
            ("yesterday", None),
        ] {
            assert_eq!(time(text).as_deref(), expected, "{text}");
        }
    }

    const MANIFEST: &str = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\n\
        metadata:\n  name: example-solution\nspec:\n  version: 1.0.0\n";

    #[test]
    fn a_solution_is_one_whatever_else_describes_it() {
        use crate::fixture::put;
        let platform = "NAME=Platform\nVERSION=2.10.0\n";
        let older = "NAME=Older\nVERSION=1.0.0\nARCHIVE_LAYOUT_VERSION=1\n";
        let other = "kind: Deployment\n";
        for (product, manifest, expected) in [
            (Some(platform), None, Some(("platform-2.10.0", ArchiveKind::Platform))),
            (Some(older), None, Some(("older-1.0.0", ArchiveKind::Solution))),
            (None, Some(MANIFEST), Some(("example-solution-1.0.0", ArchiveKind::Solution))),
            (Some(platform), Some(MANIFEST), Some(("example-solution-1.0.0", ArchiveKind::Solution))),
            (Some(older), Some(MANIFEST), Some(("example-solution-1.0.0", ArchiveKind::Solution))),
            (Some(platform), Some(other), Some(("platform-2.10.0", ArchiveKind::Platform))),
            (None, None, None),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            product.into_iter().for_each(|text| put(folder.path(), layout::PRODUCT, text.as_bytes()));
            manifest.into_iter().for_each(|text| put(folder.path(), layout::MANIFEST, text.as_bytes()));
            let found = describe(&Tree::open(folder.path()).expect("opened")).expect("read");
            let found = found.map(|(product, kind)| (product.id(), kind));
            assert_eq!(
                found,
                expected.map(|(id, kind)| (id.parse().unwrap(), kind)),
                "{product:?} {manifest:?}"
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), layout::MANIFEST, other.as_bytes());
        assert!(describe(&Tree::open(folder.path()).expect("opened")).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(256))]

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,200}|([A-Z_]{1,4}=[\"'\\\\$ a-z]{0,8}\n){0,6}") {
            if let Ok(product) = Product::parse(&text) {
                proptest::prop_assert!(!product.id().as_str().contains(['/', '\0']));
                proptest::prop_assert_eq!(Product::parse(&product.render()).ok(), Some(product));
            }
        }

        #[test]
        fn any_value_survives(value in "\\PC{0,40}") {
            proptest::prop_assert_eq!(unquote(&quote(&value)), Ok(value));
        }
    }
}
