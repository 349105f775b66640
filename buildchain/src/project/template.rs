//! Templates: files with the values of the project in them.

use std::path::Path;

use super::error::Error;
use super::read::read;
use super::values::{Values, environment};

/// Renders the template at `path`.
///
/// # Errors
///
/// If it cannot be read or is invalid.
pub(crate) fn render_file(path: &Path, values: &Values) -> Result<String, Error> {
    render(path, &read(path)?, values)
}

/// Renders the template `text` of the file `path`. A name that does not exist is an error, never an empty string.
///
/// # Errors
///
/// If the template is invalid or names a value that does not exist, with the line.
pub(crate) fn render(path: &Path, text: &str, values: &Values) -> Result<String, Error> {
    environment().render_named_str(&path.to_string_lossy(), text, values.context()).map_err(|error| {
        Error::Template {
            path: path.into(),
            message: match (error.line(), error.detail()) {
                (Some(line), Some(detail)) => format!("line {line}: {}: {detail}", error.kind()),
                (Some(line), None) => format!("line {line}: {}", error.kind()),
                _ => error.to_string(),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_strict() {
        let values = Values::new([("version".to_owned(), "1.2.3".into())].into());
        let path = Path::new("x.in");
        assert_eq!(render(path, "v={{ version }}\n", &values).unwrap(), "v=1.2.3\n");
        let error = render(path, "a\n{{ verison }}\n", &values).unwrap_err().to_string();
        assert!(error.contains("x.in: line 2"), "{error}");
    }
}
