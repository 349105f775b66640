//! Templates: the values that the project gives to its definitions and files.

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior};

use super::error::Error;

/// The values that templates may name.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Values {
    /// The archive's name: `MetalK8s`.
    pub name: String,
    /// The archive's version: `2.11.0-dev`.
    pub version: String,
    /// The version's first two numbers: `2.11`.
    pub short_version: String,
    /// The name in lower case, as paths and URLs have it: `metalk8s`.
    pub slug: String,
}

/// Renders the template `text` of the file `path`. A name that does not exist is an error, never an empty string.
///
/// # Errors
///
/// If the template is wrong or names a value that there is not, with the line.
pub(crate) fn render(path: &Path, text: &str, values: &Values) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.render_named_str(&path.to_string_lossy(), text, values).map_err(|error| Error::Template {
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
        let values = Values { name: "N".into(), version: "1.2.3".into(), short_version: "1.2".into(), slug: "n".into() };
        let path = Path::new("x.in");
        assert_eq!(render(path, "v={{ version }}\n", &values).unwrap(), "v=1.2.3\n");
        let error = render(path, "a\n{{ verison }}\n", &values).unwrap_err().to_string();
        assert!(error.contains("x.in: line 2"), "{error}");
    }
}
