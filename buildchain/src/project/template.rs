//! Templates: the values that the project gives to its definitions and files.

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};

use super::error::Error;

/// The values that templates may name.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The archive's name: `MetalK8s`.
    pub name: String,
    /// The archive's version: `2.11.0-dev`.
    pub version: String,
    /// The version's first two numbers: `2.11`.
    pub short_version: String,
    /// The name in lower case, as paths and URLs have it: `metalk8s`.
    pub slug: String,
    /// This machine's architecture as packages name it: `x86_64`.
    pub machine: String,
    /// This machine's architecture as images name it: `amd64`.
    pub architecture: String,
    /// The folder that the build writes to, relative to the project where it lies in it.
    pub build_root: String,
}

/// Renders the template `text` of the file `path`. A name that does not exist is an error, never an empty string.
///
/// # Errors
///
/// If the template is wrong or names a value that there is not, with the line.
pub(crate) fn render(path: &Path, text: &str, values: &Values) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .build()
        .map_err(|error| Error::Template { path: path.into(), message: error.to_string() })?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let Values { name, version, short_version, slug, machine, architecture, build_root } = values;
    let context =
        minijinja::context! { name, version, short_version, slug, machine, architecture, build_root };
    environment.render_named_str(&path.to_string_lossy(), text, context).map_err(|error| Error::Template {
        path: path.into(),
        message: match (error.line(), error.detail()) {
            (Some(line), Some(detail)) => format!("line {line}: {}: {detail}", error.kind()),
            (Some(line), None) => format!("line {line}: {}", error.kind()),
            _ => error.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_strict() {
        let values = Values {
            name: "N".into(),
            version: "1.2.3".into(),
            short_version: "1.2".into(),
            slug: "n".into(),
            machine: "x86_64".into(),
            architecture: "amd64".into(),
            build_root: "_build".into(),
        };
        let path = Path::new("x.in");
        assert_eq!(render(path, "v={{ version }}\n", &values).unwrap(), "v=1.2.3\n");
        let error = render(path, "a\n{{ verison }}\n", &values).unwrap_err().to_string();
        assert!(error.contains("x.in: line 2"), "{error}");
    }
}
