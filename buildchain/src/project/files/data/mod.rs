//! Files whose content the project file has as values.

#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use archive::yaml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use content::Digest;
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};

use crate::project::entries::CheckedEntries;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{DataFormat, DataShape, DataTree, FilesEntry};
use crate::project::names::{InnerPath, Text};
use crate::project::read::{FILE_MAX, read};
use crate::project::template::{RESULT_MAX, TemplateSyntax, used};
use crate::project::values::environment;
use crate::project::variables::value_of;

/// The most nested values, those of embedded files included.
pub(super) const DEPTH_MAX: usize = 64;

/// The blanks that indent a level of JSON.
const INDENT: u8 = 2;
/// The most blanks.
const INDENT_MAX: u8 = 8;

/// A file whose content the project file has as values.
#[derive(Debug)]
pub struct DataFile {
    origin: Origin,
    data: DataValue,
    format: DataFormat,
    indent: u8,
    final_newline: bool,
    header: String,
    used: BTreeMap<String, Value>,
}

/// A value whose texts are rendered.
#[derive(Debug)]
enum DataValue {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<DataValue>),
    Map(Vec<(String, DataValue)>),
    /// A value of a variable.
    Whole(Value),
    Embedded(EmbeddedFile),
}

/// A file of the project that is part of the data.
#[derive(Debug)]
struct EmbeddedFile {
    origin: Origin,
    form: EmbeddedForm,
    /// What the project calls it.
    name: PathBuf,
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EmbeddedForm {
    Text,
    Base64,
    Base64Lines,
    Data,
}

/// The keys that stand for a file, or the value of an expression.
const EMBED: [(&str, Option<EmbeddedForm>); 5] = [
    ("textOf", Some(EmbeddedForm::Text)),
    ("base64Of", Some(EmbeddedForm::Base64)),
    ("base64LinesOf", Some(EmbeddedForm::Base64Lines)),
    ("dataOf", Some(EmbeddedForm::Data)),
    ("valueOf", None),
];

impl DataFile {
    /// The values that its texts use, by name.
    pub(crate) fn used(&self) -> &BTreeMap<String, Value> {
        &self.used
    }

    /// The files that are part of it: what the project calls each, and where it is.
    pub(crate) fn files(&self) -> Vec<(&Path, &Path)> {
        fn collect<'a>(value: &'a DataValue, files: &mut Vec<(&'a Path, &'a Path)>) {
            match value {
                DataValue::List(items) => items.iter().for_each(|item| collect(item, files)),
                DataValue::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, files)),
                DataValue::Embedded(file) => files.push((&file.name, &file.path)),
                _ => {}
            }
        }
        let mut files = Vec::new();
        collect(&self.data, &mut files);
        files
    }

    /// The digest of all that the content depends on, without that of the files that are part of it.
    pub(crate) fn digest(&self) -> Digest {
        fn put(value: &DataValue, text: &mut String) {
            let json = |value: &Value| value.to_string();
            match value {
                DataValue::Null => text.push_str("null"),
                DataValue::Boolean(value) => *text += &value.to_string(),
                DataValue::Number(number) => *text += &number.to_string(),
                DataValue::Text(value) => *text += &json(&Value::from(value.as_str())),
                DataValue::Whole(value) => *text += &json(value),
                DataValue::List(items) => {
                    text.push('[');
                    for item in items {
                        put(item, text);
                        text.push(',');
                    }
                    text.push(']');
                }
                DataValue::Map(entries) => {
                    text.push('{');
                    for (key, value) in entries {
                        *text += &json(&Value::from(key.as_str()));
                        text.push(':');
                        put(value, text);
                        text.push(',');
                    }
                    text.push('}');
                }
                DataValue::Embedded(file) => {
                    *text += &format!("{:?}({})", file.form, json(&file.name.to_string_lossy().into()));
                }
            }
        }
        let (indent, header) = (self.indent, Value::from(self.header.as_str()));
        let mut text = format!("{:?} {indent} {} {header}\n", self.format, self.final_newline);
        put(&self.data, &mut text);
        Digest::of(text.as_bytes())
    }

    /// The content of the file.
    ///
    /// # Errors
    ///
    /// If a file that is part of it cannot be read, if the format cannot express a value, or if the file is too large.
    pub(crate) fn content(&self) -> Result<String, Error> {
        let mut size = self.header.len();
        let value = whole(&self.data, &mut size)?;
        let wrong = |message: String| Error::of(&self.origin, message);
        let mut text = self.header.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text += &match self.format {
            DataFormat::Json => write::json(&value, self.indent),
            DataFormat::Yaml => yaml::document(&value),
            DataFormat::YamlDocuments => yaml::documents(&value),
            DataFormat::Toml => write::toml(&value),
            DataFormat::Env => write::env(&value),
        }
        .map_err(wrong)?;
        if !self.final_newline && text.ends_with('\n') {
            if matches!(self.format, DataFormat::Yaml | DataFormat::YamlDocuments)
                && ends_with_newline(&value)
            {
                let message =
                    "the last text ends with a line end, which YAML cannot have without `finalNewline`";
                return Err(wrong(message.into()));
            }
            text.pop();
        }
        if text.len() > RESULT_MAX {
            return Err(wrong(TOO_LARGE.into()));
        }
        Ok(text)
    }
}

/// What is wrong with a file of more than [`RESULT_MAX`] bytes.
const TOO_LARGE: &str = "the file has more than 64 MiB";

/// `value` with the files in it. `size` grows by that of their content.
fn whole(value: &DataValue, size: &mut usize) -> Result<Value, Error> {
    Ok(match value {
        DataValue::Null => Value::Null,
        DataValue::Boolean(value) => Value::Bool(*value),
        DataValue::Number(number) => Value::Number(number.clone()),
        DataValue::Text(text) => Value::from(text.as_str()),
        DataValue::Whole(value) => value.clone(),
        DataValue::List(items) => {
            Value::Array(items.iter().map(|item| whole(item, size)).collect::<Result<_, _>>()?)
        }
        DataValue::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok((key.clone(), whole(value, size)?)));
            Value::Object(entries.collect::<Result<_, Error>>()?)
        }
        DataValue::Embedded(file) => {
            let value = file.value()?;
            *size = size.saturating_add(value.as_str().map_or(0, str::len));
            if *size > RESULT_MAX {
                return Err(Error::of(&file.origin, TOO_LARGE));
            }
            value
        }
    })
}

impl EmbeddedFile {
    fn value(&self) -> Result<Value, Error> {
        let wrong = |message: String| {
            Error::of(&self.origin, format!("{}: {message}", content::printable_path(&self.name)))
        };
        if matches!(self.form, EmbeddedForm::Base64 | EmbeddedForm::Base64Lines) {
            let bytes = content::open_read(&self.path, content::LinkPolicy::Follow, FILE_MAX);
            let bytes = bytes.map_err(|error| Error::file(error.operation, &self.path, error.source))?;
            let text = STANDARD.encode(bytes);
            return Ok(Value::from(if self.form == EmbeddedForm::Base64 { text } else { in_lines(&text) }));
        }
        let text = read(&self.path).map_err(|error| match error {
            Error::Invalid { message, line, .. } => {
                wrong(format!("line {line} is {message}; `base64Of` takes any file"))
            }
            error => error,
        })?;
        if self.form == EmbeddedForm::Text {
            return Ok(Value::from(text));
        }
        let value = value_of(&self.path, &text, None).map_err(wrong)?;
        if depth(&value, DEPTH_MAX) { Ok(value) } else { Err(wrong(too_deep())) }
    }
}

/// Whether the last text in `value` ends with a line end.
fn ends_with_newline(value: &Value) -> bool {
    match value {
        Value::String(text) => text.ends_with('\n'),
        Value::Array(items) => items.last().is_some_and(ends_with_newline),
        Value::Object(entries) => entries.values().next_back().is_some_and(ends_with_newline),
        _ => false,
    }
}

/// The characters of a line of base64 in MIME, which `base64` and others write.
const BASE64_LINE: usize = 76;

/// Base64 in lines, each with its end.
fn in_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + text.len() / BASE64_LINE + 1);
    let mut rest = text;
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(BASE64_LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = next;
    }
    lines
}

/// Whether `value` has at most `most` nested values.
fn depth(value: &Value, most: usize) -> bool {
    let Some(inner) = most.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| depth(item, inner)),
        Value::Object(entries) => entries.values().all(|item| depth(item, inner)),
        _ => true,
    }
}

fn too_deep() -> String {
    format!("more than {DEPTH_MAX} nested values")
}

impl CheckedEntries<'_> {
    /// The file whose content is `data`.
    pub(super) fn data_file(
        &mut self,
        data: &DataTree,
        files: &FilesEntry,
        to_text: &str,
    ) -> Option<DataFile> {
        self.belong_to_from(files);
        if to_text.ends_with('/') || Path::new(to_text).file_name().is_none() {
            self.wrong(&files.to, "expected the path of a file, not of a folder".into());
        }
        let format = files.format.or_else(|| format_of(Path::new(to_text)));
        if format.is_none() && !to_text.is_empty() {
            let message = "its ending says no format: write `format` with `json`, `yaml`, `yamlDocuments`, `toml` or `env`";
            self.wrong(&files.to, message.into());
        }
        let indent = files.indent.unwrap_or(INDENT);
        if indent > INDENT_MAX {
            self.wrong(&files.to, format!("`indent` is {indent}; the maximum is {INDENT_MAX}"));
        }
        let is_list = matches!(data.shape, DataShape::List(_));
        if format == Some(DataFormat::YamlDocuments) && !is_list {
            self.wrong(&files.to, "`yamlDocuments` needs a list as `data`: each item is a document".into());
        }
        let mut used = BTreeMap::new();
        let header = match &files.header {
            Some(header) => {
                used.extend(TemplateSyntax::Jinja.used(header.written(), self.values));
                self.text(header)
            }
            None => Some(String::new()),
        };
        let data = self.value(data, 1, &mut used);
        Some(DataFile {
            origin: Origin::new(self.file, files.to.place()),
            data: data?,
            format: format?,
            indent,
            final_newline: files.final_newline.unwrap_or(true),
            header: header?,
            used,
        })
    }

    /// What a value means. `None` if it has mistakes, which are noted.
    fn value(
        &mut self,
        tree: &DataTree,
        depth: usize,
        used: &mut BTreeMap<String, Value>,
    ) -> Option<DataValue> {
        if depth > DEPTH_MAX {
            self.mistakes.note::<()>(Err(Error::at(self.file, tree.place, too_deep())));
            return None;
        }
        Some(match &tree.shape {
            DataShape::Null => DataValue::Null,
            DataShape::Boolean(value) => DataValue::Boolean(*value),
            DataShape::Number(number) => DataValue::Number(number.clone()),
            DataShape::Text(text) => DataValue::Text(self.rendered(&field(text, tree.place), used)?),
            DataShape::List(items) => {
                let values: Vec<Option<DataValue>> =
                    items.iter().map(|item| self.value(item, depth + 1, used)).collect();
                DataValue::List(values.into_iter().collect::<Option<_>>()?)
            }
            DataShape::Map(entries) => {
                if let [(key, value)] = entries.as_slice()
                    && let Some((_, form)) = EMBED.iter().find(|(name, _)| *name == key.written())
                {
                    return self.embedded(key.written(), *form, value, depth, used);
                }
                let mut map: Vec<(String, DataValue)> = Vec::new();
                let mut is_whole = true;
                for (key, value) in entries {
                    let (name, value) = (self.rendered(key, used), self.value(value, depth + 1, used));
                    let (Some(name), Some(value)) = (name, value) else {
                        is_whole = false;
                        continue;
                    };
                    if map.iter().any(|(other, _)| *other == name) {
                        self.wrong(key, format!("duplicate key `{name}`"));
                        is_whole = false;
                    }
                    map.push((name, value));
                }
                return is_whole.then_some(DataValue::Map(map));
            }
        })
    }

    fn rendered(&mut self, text: &Field<Text>, used: &mut BTreeMap<String, Value>) -> Option<String> {
        used.extend(TemplateSyntax::Jinja.used(text.written(), self.values));
        self.text(text)
    }

    /// What stands for a file, or for the value of an expression.
    fn embedded(
        &mut self,
        key: &str,
        form: Option<EmbeddedForm>,
        value: &DataTree,
        depth_here: usize,
        names: &mut BTreeMap<String, Value>,
    ) -> Option<DataValue> {
        let DataShape::Text(text) = &value.shape else {
            let message = format!("expected the text of `{key}`");
            self.mistakes.note::<()>(Err(Error::at(self.file, value.place, message)));
            return None;
        };
        let Some(form) = form else {
            if self.values.is_unknown() {
                return None;
            }
            let environment = environment();
            let expression = environment.compile_expression(text);
            let named = expression.map(|expression| expression.undeclared_variables(true));
            names.extend(used(self.values, named.unwrap_or_default()));
            let found = self.values.evaluate(text).and_then(|value| {
                let value = serde_json::to_value(&value).map_err(|error| error.to_string())?;
                let most = DEPTH_MAX.saturating_sub(depth_here - 1);
                if depth(&value, most) { Ok(value) } else { Err(too_deep()) }
            });
            let found = found.map_err(|message| Error::at(self.file, value.place, message));
            return self.mistakes.note(found).map(DataValue::Whole);
        };
        let path_field: Field<InnerPath> = field(text, value.place);
        names.extend(TemplateSyntax::Jinja.used(text, self.values));
        let name = self.path(&path_field)?;
        let path = self.territory.resolve(&name).ok()?;
        if form == EmbeddedForm::Data && !matches!(ending(&name), Some("json" | "yaml" | "yml" | "toml")) {
            let message = "expected a file of JSON, YAML or TOML: `.json`, `.yaml`, `.yml` or `.toml`";
            self.wrong(&path_field, message.into());
            return None;
        }
        // What lies in the build root may be the result of a task.
        if !path.starts_with(self.build_root) && !path.is_file() {
            let problem = if path.exists() { "is not a file" } else { "does not exist" };
            self.wrong(&path_field, format!("`{}` {problem}", name.display()));
            return None;
        }
        let origin = Origin::new(self.file, value.place);
        Some(DataValue::Embedded(EmbeddedFile { origin, form, name, path }))
    }
}

/// A text of the data as a name.
fn field<T>(text: &str, place: Location) -> Field<T> {
    Field::new(Spanned { value: text.to_owned(), referenced: place, defined: place })
}

fn ending(path: &Path) -> Option<&str> {
    path.extension().and_then(|ending| ending.to_str())
}

/// The format that the ending of a name says.
fn format_of(path: &Path) -> Option<DataFormat> {
    match ending(path) {
        Some("json") => Some(DataFormat::Json),
        Some("yaml" | "yml" | "sls") => Some(DataFormat::Yaml),
        Some("toml") => Some(DataFormat::Toml),
        Some("env") => Some(DataFormat::Env),
        _ => (path.file_name()? == ".env").then_some(DataFormat::Env),
    }
}
