//! Templates: files with the values of the project in them.

mod at;
pub(super) mod overlooked;

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind};
use serde_json::Value;

#[cfg(fuzzing)]
pub use self::at::fuzz as fuzz_at;
use super::error::Error;
use super::read::read;
pub(crate) use super::values::RESULT_MAX;
use super::values::{Bounded, STEPS_MAX, TOO_LARGE, Values, environment};

/// How templates are written.
#[derive(Debug, Clone, Default)]
pub(crate) enum TemplateSyntax {
    /// Jinja, with its own delimiters or others.
    #[default]
    Jinja,
    /// Jinja with other delimiters.
    Delimited(SyntaxConfig),
    /// `@@NAME` and `@@{NAME}`.
    At,
}

impl TemplateSyntax {
    /// Renders the template `text` of the file `path`. A name that does not exist is an error, never an empty string.
    ///
    /// # Errors
    ///
    /// If the template is invalid or names a value that does not exist, with line and column; if it takes too many steps or
    /// its result is too large.
    pub(crate) fn render(&self, path: &Path, text: &str, values: &Values) -> Result<String, Error> {
        match self {
            Self::At => at::render(text, values, RESULT_MAX)
                .map_err(|(offset, message)| Error::at_offset(path, text, offset, message)),
            Self::Jinja | Self::Delimited(_) => self.render_jinja(path, text, values),
        }
    }

    fn render_jinja(&self, path: &Path, text: &str, values: &Values) -> Result<String, Error> {
        let mut environment = self.environment();
        environment.set_debug(true);
        let mut result = Bounded::default();
        let name = path.to_string_lossy();
        let template = environment.template_from_named_str(&name, text);
        let rendered = template.and_then(|template| {
            template.render_captured_to(values.context(), &mut result).map(drop).map_err(|error| {
                let is_unknown = error.kind() == ErrorKind::UndefinedError;
                let unknown = is_unknown.then(|| values.unknown_in(template.undeclared_variables(true)));
                match unknown.flatten() {
                    Some(message) => {
                        minijinja::Error::new(ErrorKind::UndefinedError, message).with_source(error)
                    }
                    None => error,
                }
            })
        });
        match rendered {
            Ok(()) => Ok(String::from_utf8_lossy(&result.bytes).into_owned()),
            Err(_) if result.is_full => Err(Error::at_offset(path, text, 0, TOO_LARGE)),
            Err(error) => Err(jinja_error(path, text, &error)),
        }
    }

    /// The values that the template `text` uses, by name; a value of a table by its path, `versions.salt`. Empty if the template
    /// is invalid.
    pub(crate) fn used(&self, text: &str, values: &Values) -> BTreeMap<String, Value> {
        if matches!(self, Self::At) {
            return used(values, at::names(text));
        }
        let environment = self.environment();
        let template = environment.template_from_str(text);
        let Ok(template) = template else { return BTreeMap::new() };
        let overlooked = match self {
            Self::Delimited(_) => overlooked::in_code(text),
            _ => overlooked::in_blocks(text),
        };
        let mut found = used(values, template.undeclared_variables(true));
        found.extend(used(values, overlooked));
        found
    }

    fn environment(&self) -> Environment<'static> {
        let mut environment = environment();
        if let Self::Delimited(syntax) = self {
            environment.set_syntax(syntax.clone());
        }
        // It prints all values, also those that the template does not name.
        environment.remove_global("debug");
        environment
    }
}

/// The values behind `names`, such as `version` and `versions.salt`.
pub(super) fn used(
    values: &Values,
    names: impl IntoIterator<Item = impl AsRef<str>>,
) -> BTreeMap<String, Value> {
    let mut used = BTreeMap::new();
    for name in names {
        let mut parts = name.as_ref().split('.');
        let mut path = parts.next().unwrap_or_default().to_owned();
        let Some(mut value) = values.get(&path) else { continue };
        for part in parts {
            // What is not in the table may be a method of it.
            let Some(next) = value.as_object().and_then(|table| table.get(part)) else { break };
            path = format!("{path}.{part}");
            value = next;
        }
        used.insert(path, value.clone());
    }
    used
}

/// Reads the template at `path`.
///
/// # Errors
///
/// If it cannot be read or is not text.
pub(crate) fn read_template(path: &Path) -> Result<String, Error> {
    match read(path) {
        Ok(text) => match text.find('\0') {
            None => Ok(text),
            Some(place) => Err(Error::at_offset(path, &text, place, format!("is not text: {NO_TEXT}"))),
        },
        Err(Error::Invalid { path, line, column, message, snippet }) => {
            Err(Error::Invalid { path, line, column, message: format!("{message}: {NO_TEXT}"), snippet })
        }
        Err(error) => Err(error),
    }
}

/// What to do about a file that is no text.
const NO_TEXT: &str = "if it is no template, change `suffix` or `patterns` of `templates`";

/// Renders the definition `text` of the file `path`: a template with the delimiters of Jinja.
///
/// # Errors
///
/// As for [`TemplateSyntax::render`].
pub(crate) fn render(path: &Path, text: &str, values: &Values) -> Result<String, Error> {
    TemplateSyntax::Jinja.render(path, text, values)
}

/// What is wrong with a template, with its place.
fn jinja_error(path: &Path, text: &str, error: &minijinja::Error) -> Error {
    let mut place = error;
    while let Some(inner) = std::error::Error::source(place).and_then(|inner| inner.downcast_ref()) {
        place = inner;
    }
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, Some(detail)) => detail.to_owned(),
        (ErrorKind::OutOfFuel, _) => format!("it takes more than {STEPS_MAX} steps: does a loop never end?"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let line = place.line().map_or(0, |line| line.saturating_sub(1));
    let line_start = text.split_inclusive('\n').take(line).map(str::len).sum();
    Error::at_offset(path, text, place.range().map_or(line_start, |range| range.start), message)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;

    fn values() -> Values {
        let table = json!({"version": "1.2.3", "versions": {"salt": "3002", "lists": [1, 2]}, "on": true});
        Values::new(serde_json::from_value(table).unwrap())
    }

    fn delimited(block: [&str; 2], variable: [&str; 2], comment: [&str; 2]) -> TemplateSyntax {
        let own = |pair: [&str; 2]| pair.map(str::to_owned);
        let ([b1, b2], [v1, v2], [c1, c2]) = (own(block), own(variable), own(comment));
        let mut builder = SyntaxConfig::builder();
        builder.block_delimiters(b1, b2).variable_delimiters(v1, v2).comment_delimiters(c1, c2);
        TemplateSyntax::Delimited(builder.keep_trailing_newline(true).build().unwrap())
    }

    #[test]
    fn templates_are_strict_and_their_errors_have_a_place() {
        let own = delimited(["<%", "%>"], ["<<", ">>"], ["<#", "#>"]);
        let (jinja, at) = (TemplateSyntax::Jinja, TemplateSyntax::At);
        let path = Path::new("x.in");
        for (syntax, text, expected) in [
            (&jinja, "v={{ version }}\n", "v=1.2.3\n"),
            (&jinja, "{% for x in versions.lists %}{{ x }}{% endfor %}{{ on }}", "12True"),
            (&own, "<< version >>{{ x }}{% y %}<# c #><% if on %>{#<% endif %>", "1.2.3{{ x }}{% y %}{#"),
            (&at, "@@version @@{version}0 {{ x }} $x @@@@ @@on", "1.2.3 1.2.30 {{ x }} $x @@ True"),
        ] {
            assert_eq!(syntax.render(path, text, &values()).unwrap(), expected);
        }
        for (syntax, text, expected) in [
            (
                &jinja,
                "a\n é {{ verison }}\n",
                "x.in:2:7: unknown name `verison`, did you mean `version`?; known are `on`, `version`, `versions`",
            ),
            (
                &jinja,
                "{{ versions.slat }}",
                "x.in:1:4: unknown name `versions.slat`, did you mean `salt`?; known are `salt`, `lists`",
            ),
            (&jinja, "\n{{ version", "x.in:2:4: syntax error: "),
            (&jinja, "{{ range(2) }}\n{{ 1 + none }}", "x.in:2:4: invalid operation: "),
            (&jinja, "{% include 'y' %}", "x.in:1:4: template not found: "),
            (&own, "<< version >>\n<< verison >>", "x.in:2:4: unknown name `verison`"),
            (
                &at,
                "é\n  @@verison",
                "x.in:2:3: unknown name `verison`, did you mean `version`?; known are `on`, `version`, `versions`",
            ),
            (
                &at,
                "a @@ b",
                "x.in:1:3: invalid placeholder: expected `@@NAME` or `@@{NAME}`; `@@@@` stands for `@@`",
            ),
            (&at, "@@{versions}", "x.in:1:1: `versions` is a table"),
        ] {
            let error = syntax.render(path, text, &values()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_template_uses_what_it_names() {
        let own = delimited(["<%", "%>"], ["<<", ">>"], ["<#", "#>"]);
        for (syntax, text, expected) in [
            (TemplateSyntax::Jinja, "{{ version }}{{ range(2) }}", &["version"][..]),
            (TemplateSyntax::Jinja, "{{ versions.salt }}{% raw %}{{ on }}{% endraw %}", &["versions.salt"]),
            (TemplateSyntax::Jinja, "{% for k in versions.items() %}{{ k }}{% endfor %}", &["versions"]),
            (TemplateSyntax::Jinja, "{% set v = versions %}{{ v.salt }}", &["versions"]),
            (TemplateSyntax::Jinja, "{{ versions[version] }}", &["version", "versions"]),
            (TemplateSyntax::Jinja, "{{ version[1:] }} on: x", &["version"]),
            (TemplateSyntax::Jinja, "{% set version = version ~ 'on' %}{{ version }}", &["version"]),
            (own.clone(), "<< version[1:] >>", &["version"]),
            (
                TemplateSyntax::Jinja,
                "{{ versions.lists[0] if versions.none is defined }}",
                &["versions", "versions.lists"],
            ),
            (TemplateSyntax::Jinja, "{{", &[]),
            (own, "<< on >>{{ version }}", &["on"]),
            (TemplateSyntax::At, "@@on @@{version} @@@@versions @@gone", &["on", "version"]),
        ] {
            let used: Vec<String> = syntax.used(text, &values()).into_keys().collect();
            assert_eq!(used, expected, "{text}");
        }
    }

    #[test]
    fn a_template_that_never_ends_or_grows_without_bound_is_refused() {
        let start = Instant::now();
        for (text, expected) in [
            (
                "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                "it takes more than 10000000 steps: does a loop never end?",
            ),
            ("{{ 'x' * 10**9 }}", "invalid operation: repeated string is too large"),
            ("{% for a in range(100) %}{{ 'x' * 10**7 }}{% endfor %}", "the result has more than 64 MiB"),
            ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "invalid operation: "),
        ] {
            let error = render(Path::new("x"), text, &values()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let long = Values::new([("v".to_owned(), "x".repeat(1 << 20).into())].into());
        let error = TemplateSyntax::At.render(Path::new("x"), &"@@v".repeat(65), &long).unwrap_err();
        assert_eq!(error.to_string(), "x:1:193: the result has more than 64 MiB");
        println!("{:?}", start.elapsed());
    }
}
