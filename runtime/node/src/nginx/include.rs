//! The registry configuration in an archive of an older release, checked and rewritten.
//!
//! Such a file becomes part of a server's configuration, so none of its bytes is copied: it is parsed into directives, each is
//! checked against a short allow-list of what serving static images needs, and written again with every word in quotes. A
//! directive that is not on the list is refused.

use std::fmt::Write as _;

/// The maximum size of a file in bytes: more than any generator has written. Older ones have a location for each image.
pub(super) const SIZE_MAX: u64 = 16 << 20;
/// A `location` and the `types` in it.
const DEPTH_MAX: usize = 2;

/// A directive: its words, and the content of its braces.
#[derive(Debug, PartialEq, Eq)]
struct Directive {
    line: usize,
    words: Vec<String>,
    block: Option<Vec<Directive>>,
}

/// The archive, in the terms of its configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArchiveLocation<'a> {
    /// The first part of its images' names.
    pub(super) repository: &'a str,
    /// Its folder of images, absolute, without a slash at its end.
    pub(super) images: &'a str,
    /// The number that distinguishes its named locations from those of other archives.
    pub(super) number: usize,
}

/// The file with its placeholders filled in, checked and rewritten.
///
/// # Errors
///
/// The line and the problem.
pub(super) fn translate(text: &str, place: ArchiveLocation<'_>) -> Result<String, String> {
    let filled = fill(text, place);
    let mut tokens = tokens(&filled)?.into_iter();
    let directives = parse(&mut tokens, 0)?;
    let mut out = String::new();
    for directive in &directives {
        location(directive, place, &mut out)
            .map_err(|problem| format!("line {}: {problem}", directive.line))?;
    }
    Ok(out)
}

/// `{{ repository }}`, `{{repository}}` and the like for `registry_root`.
fn fill(text: &str, place: ArchiveLocation<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let filled = after.split_once("}}").and_then(|(name, after)| match name.trim() {
            "repository" => Some((place.repository, after)),
            "registry_root" => Some((place.images, after)),
            _ => None,
        });
        out.push_str(before);
        rest = match filled {
            Some((value, after)) => {
                out.push_str(value);
                after
            }
            None => {
                out.push_str("{{");
                after
            }
        };
    }
    out + rest
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Semicolon,
    Open,
    Close,
}

/// Words as nginx reads them: bare or in quotes, with `\` before a quote or itself.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let token = match character {
            '\n' => {
                line += 1;
                continue;
            }
            c if c.is_whitespace() => continue,
            '#' => {
                while characters.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            ';' => Token::Semicolon,
            '{' => Token::Open,
            '}' => Token::Close,
            quote @ ('"' | '\'') => {
                let mut word = String::new();
                let begun = line;
                loop {
                    match characters.next() {
                        None => return Err(format!("line {begun}: a quote is not closed")),
                        Some(c) if c == quote => break,
                        Some('\\') if characters.peek().is_some_and(|c| matches!(c, '"' | '\'' | '\\')) => {
                            word.extend(characters.next());
                        }
                        Some(c) => {
                            line += usize::from(c == '\n');
                            word.push(c);
                        }
                    }
                }
                if characters
                    .peek()
                    .is_some_and(|c| !c.is_whitespace() && !matches!(c, ';' | '{' | '}' | ')'))
                {
                    return Err(format!("line {line}: a word continues after its quote"));
                }
                Token::Word(word)
            }
            first => {
                let mut word = String::from(first);
                let ends = |c: &char| c.is_whitespace() || matches!(c, ';' | '{' | '}' | '"' | '\'');
                while let Some(next) = characters.next_if(|c| !ends(c)) {
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        found.push((line, token));
    }
    Ok(found)
}

fn parse(tokens: &mut std::vec::IntoIter<(usize, Token)>, depth: usize) -> Result<Vec<Directive>, String> {
    let mut directives = Vec::new();
    let mut words = Vec::new();
    while let Some((line, token)) = tokens.next() {
        let block = match token {
            Token::Word(word) => {
                words.push(word);
                continue;
            }
            Token::Semicolon => None,
            Token::Open if depth == DEPTH_MAX => {
                return Err(format!("line {line}: blocks are nested too deep"));
            }
            Token::Open => Some(parse(tokens, depth + 1)?),
            Token::Close if depth > 0 && words.is_empty() => return Ok(directives),
            Token::Close => return Err(format!("line {line}: an unexpected `}}`")),
        };
        if words.is_empty() {
            return Err(format!("line {line}: a directive without a name"));
        }
        directives.push(Directive { line, words: std::mem::take(&mut words), block });
    }
    if depth > 0 || !words.is_empty() {
        return Err("the file ends inside a directive".into());
    }
    Ok(directives)
}

/// Writes one location; those for the whole registry belong to the server and are left out.
fn location(directive: &Directive, place: ArchiveLocation<'_>, out: &mut String) -> Result<(), String> {
    let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
    let block = directive.block.as_deref().unwrap_or_default();
    let head = match (words.as_slice(), &directive.block) {
        (["location", "=", "/v2" | "/v2/"], Some(_)) => return Ok(()),
        (["location", name], Some(_)) if name.starts_with('@') => format!("location {}", named(name, place)?),
        (["location", how @ ("=" | "^~"), uri], Some(_)) => {
            let below = format!("/v2/{}/", place.repository);
            if !uri.starts_with(&below) {
                return Err(format!("`{}` is not below {below}", uri.escape_debug()));
            }
            format!("location {how} {}", quote(uri)?)
        }
        (["location", "~", uri], Some(_)) => format!("location ~ {}", quote(&pattern(uri, place)?)?),
        _ => return Err(format!("`{}` is not expected here", shown(&words))),
    };
    let _ = writeln!(out, "{head} {{");
    // In any case: no link leads out of the images.
    let _ = writeln!(out, "    disable_symlinks on {};", quote(&format!("from={}", place.images))?);
    for inner in block {
        inside(inner, place, out)?;
    }
    out.push_str("}\n");
    Ok(())
}

/// The groups that generators write.
const GROUPS: [&str; 6] = ["(.*)", "(.+)", "([^/]*)", "([^/]+)", "([a-f0-9]{64})", "([0-9a-f]{64})"];

/// A pattern that matches only addresses of the archive: literal characters, [`GROUPS`], and anchors, which are added where
/// they are missing. Any other syntax could match, or shorten, what comes before it.
fn pattern(uri: &str, place: ArchiveLocation<'_>) -> Result<String, String> {
    let refused = |why: String| format!("`{}` {why}", uri.escape_debug().take(200).collect::<String>());
    let mut rest = uri.strip_prefix('^').unwrap_or(uri);
    // As PCRE reads it, from the first to the last character; a group ends the literal start.
    let (mut out, mut start, mut literal, mut grouped) = (String::from("^"), String::new(), false, false);
    while let Some(next) = rest.chars().next() {
        if rest == "$" && !literal {
            break;
        }
        if let Some(after) = rest.strip_prefix(if literal { "\\E" } else { "\\Q" }) {
            (rest, literal) = (after, !literal);
            continue;
        }
        let group = GROUPS.iter().find(|group| !literal && rest.starts_with(**group));
        if let Some(group) = group {
            out.push_str(group);
            rest = rest.strip_prefix(group).unwrap_or_default();
            grouped = true;
            continue;
        }
        let character = match rest.strip_prefix('\\').and_then(|after| after.chars().next()) {
            Some(escaped) if !literal && escaped.is_ascii_punctuation() => escaped,
            _ if literal && next.is_ascii_graphic() => next,
            // A dot that is not escaped also matches itself, which is what generators meant.
            _ if next.is_ascii_alphanumeric() || matches!(next, '/' | '_' | '-' | ':' | '.') => next,
            _ => return Err(refused(format!("has `{}`, which is not expected there", next.escape_debug()))),
        };
        let escape = usize::from(!literal && next == '\\');
        rest = rest.get(escape + character.len_utf8()..).unwrap_or_default();
        if !grouped {
            start.push(character);
        }
        if !character.is_ascii_alphanumeric() && !matches!(character, '/' | '_' | '-' | ':') {
            out.push('\\');
        }
        out.push(character);
    }
    let below = format!("/v2/{}/", place.repository);
    if !start.starts_with(&below) {
        return Err(refused(format!("is not below {below}")));
    }
    Ok(out + "$")
}

/// Writes a directive of a location.
fn inside(directive: &Directive, place: ArchiveLocation<'_>, out: &mut String) -> Result<(), String> {
    let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
    let text = match (words.as_slice(), directive.block.as_deref()) {
        // It is written anyway.
        (["disable_symlinks", "on", from], None) if from.strip_prefix("from=") == Some(place.images) => {
            return Ok(());
        }
        (["internal"], None) => "internal;".to_owned(),
        // Empty: the default type applies to any extension.
        (["types"], Some([])) => "types { }".to_owned(),
        (["default_type", kind], None) if is_media_type(kind) => format!("default_type {};", quote(kind)?),
        (["return", "404", body], None) => format!("return 404 {};", constant(body)?),
        (["return", "200", body], None) => format!("return 200 {};", constant(body)?),
        ([name @ ("alias" | "root"), path], None) => format!("{name} {};", quote(below(path, place)?)?),
        (["try_files", candidates @ .., "=404"], None) => {
            let mut line = "try_files".to_owned();
            for candidate in candidates {
                let _ = write!(line, " {}", quote(relative(candidate)?)?);
            }
            line + " =404;"
        }
        (["error_page", "404", target], None) if target.starts_with('@') => {
            format!("error_page 404 {};", named(target, place)?)
        }
        (["add_header", name, value, always @ ..], None)
            if matches!(*name, "Docker-Distribution-Api-Version" | "Docker-Content-Digest")
                && matches!(always, [] | ["always"]) =>
        {
            format!("add_header {name} {} always;", constant(value)?)
        }
        _ => return Err(format!("`{}` is not allowed", shown(&words))),
    };
    let _ = writeln!(out, "    {text}");
    Ok(())
}

/// A named location, distinguished from those of other archives.
fn named(name: &str, place: ArchiveLocation<'_>) -> Result<String, String> {
    let ours = format!("archive_{}_", place.number);
    let bare = name.trim_start_matches('@');
    let bare = bare.strip_prefix(&ours).unwrap_or(bare);
    if !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(format!("@{ours}{bare}"));
    }
    Err(format!("`{}` is not a valid name of a location", name.escape_debug()))
}

/// A path in the archive's folder of images.
fn below<'a>(path: &'a str, place: ArchiveLocation<'_>) -> Result<&'a str, String> {
    let rest = path.strip_prefix(place.images).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match rest {
        Some(rest) => relative(rest).map(|_| path),
        None => Err(format!("`{}` is not in {}", path.escape_debug(), place.images)),
    }
}

/// A path without `..`, whose only variables are groups of the pattern of its location.
fn relative(path: &str) -> Result<&str, String> {
    let refused = || format!("`{}` is not a path inside the images", path.escape_debug());
    if path.split('/').any(|part| part == "..") {
        return Err(refused());
    }
    let mut rest = path;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after.strip_prefix(|c: char| c.is_ascii_digit()).ok_or_else(refused)?;
    }
    Ok(path)
}

/// A text without variables.
fn constant(text: &str) -> Result<String, String> {
    if text.contains('$') {
        return Err(format!("`{}` contains a variable", text.escape_debug().take(100).collect::<String>()));
    }
    quote(text)
}

fn is_media_type(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'+' | b'-'))
}

/// A word in quotes for nginx.
fn quote(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("`{}` contains a control character", text.escape_debug()));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn shown(words: &[&str]) -> String {
    words.join(" ").escape_debug().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: ArchiveLocation<'static> =
        ArchiveLocation { repository: "a-1.0", images: "/srv/a/images", number: 7 };

    /// As the older generator writes it.
    const OLDER: &str = r#"
location = /v2/ {
    return 200 'ok';
}

location @404_tag {
    internal;
    types { } default_type "application/json";
    return 404 '{"errors": [{"code": "TAG_INVALID"}]}';
}

location ~ "/v2/{{ repository }}/(.*)/manifests/(.*)" {
    # A comment; with { all sorts } in it.
    alias {{ registry_root }}/;
    types { } default_type "application/vnd.docker.distribution.manifest.v2+json";
    try_files $1/$2/manifest.json =404;
    error_page 404 @404_tag;
}

location = /v2/{{repository}}/pause/tags/list {
    types { } default_type "application/json";
    return 200 '{"name": "pause", "tags": ["3.1"]}';
}

location ~ "/v2/{{ repository }}/pause/blobs/sha256:([a-f0-9]{64})" {
    alias {{ registry_root }}/pause/;
    try_files 3.1/$1 =404;
}
"#;

    #[test]
    fn what_the_older_generator_wrote_passes() {
        let translated = translate(OLDER, PLACE).unwrap();
        for expected in [
            "location @archive_7_404_tag {",
            "error_page 404 @archive_7_404_tag;",
            r#"location ~ "^/v2/a-1\\.0/(.*)/manifests/(.*)$" {"#,
            r#"location ~ "^/v2/a-1\\.0/pause/blobs/sha256:([a-f0-9]{64})$" {"#,
            "    disable_symlinks on \"from=/srv/a/images\";",
            "    alias \"/srv/a/images/pause/\";",
            "    try_files \"3.1/$1\" =404;",
            "    return 200 \"{\\\"name\\\": \\\"pause\\\", \\\"tags\\\": [\\\"3.1\\\"]}\";",
        ] {
            assert!(translated.contains(expected), "{expected}\n{translated}");
        }
        assert!(!translated.contains("location = \"/v2/\""), "{translated}");
        assert_eq!(translate(&translated, PLACE), Ok(translated));
    }

    #[test]
    fn values_that_could_inject_are_refused() {
        let inside = |text: &str| format!("location = /v2/{{{{ repository }}}}/x {{ {text} }}");
        let matching = |pattern: &str| format!("location ~ \"{pattern}\" {{ return 200 'x'; }}");
        for text in [
            "server { listen 1; }".to_owned(),
            "location / { alias /; }".to_owned(),
            "location /v2/a-1.0/ { alias /srv/a/images/; }".to_owned(),
            "location = /v2/other-1.0/x { return 200 'x'; }".to_owned(),
            r#"location ~ "/v2/a-1.0/x|/" { alias /srv/a/images/; }"#.to_owned(),
            matching("/v2/a-1.0/{0}.*/manifests/(.*)"),
            matching("/v2/a-1.0/?.*/manifests/(.*)"),
            matching("/v2/a-1.0/*.*/manifests/(.*)"),
            matching("/v2/a-1.0/+x"),
            matching("/v2/a-1.0.*/manifests/(.*)"),
            matching("/v2/a-1.0(.*)/manifests/(.*)"),
            matching("/v2/a-1.0/(.*)?/x"),
            matching("/v2/a-1.0/(x|/v2/)"),
            matching("/v2/a-1.0/(?i)x"),
            matching("/v2/a-1.0/(?<=.)x"),
            matching("(?:/v2/a-1.0/)?x"),
            matching("^?/v2/a-1.0/x"),
            matching("/v2/a-1.0/\\\\K.*"),
            matching("/v2/a-1.0/\\\\d+"),
            matching("/v2/a-1.0/[^x]*"),
            matching("/v2/a-1.0/x$|/"),
            matching("\\\\Q/v2/a-1.0/\\\\E{0}.*"),
            matching("\\\\Q/v2/a-1.0\\\\E?/x"),
            matching("/v2/other-1.0/(.*)"),
            matching(".*/v2/a-1.0/(.*)"),
            "include /etc/passwd;".to_owned(),
            "location = /v2/a-1.0/x { return 200 'x'; } }".to_owned(),
            "location = /v2/a-1.0/x { return 200 'x';".to_owned(),
            "location = /v2/a-1.0/x { return 200 'x".to_owned(),
            "location @x; ".to_owned(),
            "location '@x y' { internal; }".to_owned(),
            "{{ other }}".to_owned(),
            inside("proxy_pass http://elsewhere;"),
            inside("disable_symlinks off;"),
            inside("disable_symlinks on from=/;"),
            inside("alias /etc/;"),
            inside("alias /srv/a/images/../../etc/;"),
            inside("alias /srv/a/imagesque/;"),
            inside("alias /srv/a/images/$arg_path;"),
            inside("try_files $uri =404;"),
            inside("try_files ../x =404;"),
            inside("try_files x /v2/;"),
            inside("return 301 http://elsewhere/;"),
            inside("return 200 $http_cookie;"),
            inside("add_header Set-Cookie x;"),
            inside("add_header Docker-Content-Digest $host;"),
            inside("types { text/html manifest; }"),
            inside("if ($x) { return 200 'x'; }"),
            inside("default_type \"text/html; charset=x\";"),
            inside("return 200 'x'y;"),
            inside("location = /v2/a-1.0/y { }"),
        ] {
            let refused = translate(&text, PLACE);
            assert!(refused.is_err(), "{text}\n{refused:?}");
        }
    }

    #[test]
    fn patterns_match_addresses_of_the_archive_alone() {
        let cases = [
            ("/v2/a-1.0/(.*)/manifests/(.*)", r"^/v2/a-1\.0/(.*)/manifests/(.*)$"),
            (r"^/v2/a-1\.0/x/(.+)$", r"^/v2/a-1\.0/x/(.+)$"),
            (r"^/v2/\Qa-1.0\E/x/([^/]+)", r"^/v2/a-1\.0/x/([^/]+)$"),
            (r"/v2/a-1.0/\Qodd(.*)\E/y", r"^/v2/a-1\.0/odd\(\.\*\)/y$"),
            (r"/v2/a-1.0/cost\$", r"^/v2/a-1\.0/cost\$$"),
            (r"/v2/a-1.0/\Qcost$", r"^/v2/a-1\.0/cost\$$"),
            (r"/v2/a-1.0/back\\$", r"^/v2/a-1\.0/back\\$"),
        ];
        for (theirs, ours) in cases {
            assert_eq!(pattern(theirs, PLACE).as_deref(), Ok(ours), "{theirs}");
            assert_eq!(pattern(ours, PLACE).as_deref(), Ok(ours), "again");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_passes_passes_again_unchanged(text in "[a-z0-9@/{}; \"'$\\\\.=~\n]{0,80}") {
            let text = format!("location = /v2/a-1.0/x {{ return 200 \"{text}\"; }} {text}");
            if let Ok(once) = translate(&text, PLACE) {
                prop_assert_eq!(translate(&once, PLACE), Ok(once));
            }
        }
    }
}
