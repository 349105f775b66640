//! Invariant: a configuration of an older archive is refused, or the rewritten one contains only directives that serving the
//! archive's images needs, in words that cannot end before their quotes, and rewriting it again changes nothing.
//!
//! To run it, in `runtime/node/`: `cargo +nightly fuzz run includes`. The module is included from the crate's sources, whose
//! interface is a mounted archive.
#![no_main]

#[path = "../../src/nginx/include.rs"]
#[expect(dead_code, reason = "the size of a file is the caller's business")]
mod include;

use include::{ArchiveLocation, translate};
use libfuzzer_sys::fuzz_target;

const PLACE: ArchiveLocation<'static> = ArchiveLocation { repository: "a-1.0", images: "/srv/a/images", number: 7 };

fuzz_target!(|text: &str| {
    let Ok(written) = translate(text, PLACE) else { return };
    assert_eq!(translate(&written, PLACE).as_ref(), Ok(&written));
    for line in written.lines() {
        let (bare, words) = unquoted(line);
        assert!(is_expected(bare.trim(), &words), "{line}");
    }
});

/// A line with `_` in the place of each word in quotes, and those words, as nginx reads them.
fn unquoted(line: &str) -> (String, Vec<String>) {
    let (mut bare, mut words) = (String::new(), Vec::new());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '"' {
            bare.push(character);
            continue;
        }
        let mut word = String::new();
        loop {
            match characters.next().expect("a quote is closed on its line") {
                '"' => break,
                '\\' => word.extend(characters.next()),
                character => word.push(character),
            }
        }
        bare.push('_');
        words.push(word);
    }
    (bare, words)
}

/// Whether a line is one that serving images takes.
fn is_expected(bare: &str, words: &[String]) -> bool {
    let named = |name: &str| {
        name.strip_prefix("@archive_7_").is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    // Of variables there are only parts of what a pattern matched.
    let inside = |path: &String| {
        path.split('/').all(|part| part != "..")
            && path.split('$').skip(1).all(|after| after.starts_with(|c: char| c.is_ascii_digit()))
    };
    let constant = |word: &String| !word.contains('$');
    match (bare, words) {
        ("}" | "internal;" | "types { }", []) => true,
        ("disable_symlinks on _;", [from]) => from == "from=/srv/a/images",
        ("location = _ {" | "location ^~ _ {", [uri]) => uri.starts_with("/v2/a-1.0/"),
        ("location ~ _ {", [pattern]) => {
            let bare = pattern.replace(r"\|", "");
            bare.starts_with(r"^/v2/a-1\.0/") && bare.ends_with('$') && !bare.contains('|')
        }
        ("alias _;" | "root _;", [path]) => {
            let below = path.strip_prefix("/srv/a/images");
            inside(path) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        ("default_type _;" | "return 200 _;" | "return 404 _;", [word]) => constant(word),
        (
            "add_header Docker-Distribution-Api-Version _ always;" | "add_header Docker-Content-Digest _ always;",
            [word],
        ) => constant(word),
        (line, []) if line.starts_with("location ") => {
            line.strip_prefix("location ").and_then(|line| line.strip_suffix(" {")).is_some_and(named)
        }
        (line, []) if line.starts_with("error_page 404 ") => {
            line.strip_prefix("error_page 404 ").and_then(|line| line.strip_suffix(';')).is_some_and(named)
        }
        (line, candidates) => {
            line == format!("try_files{} =404;", " _".repeat(candidates.len())) && candidates.iter().all(inside)
        }
    }
}
