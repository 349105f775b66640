//! The values that the files of a project can name: the fixed ones and the variables of the project.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Serde};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

/// How many names an error lists.
const NAMES_SHOWN: usize = 30;

/// The most steps that a template can take: the loops of one that has more never end.
pub(super) const STEPS_MAX: u64 = 10_000_000;

/// The most bytes that a template can become.
pub(crate) const RESULT_MAX: usize = 64 << 20;

/// What is wrong with a result of more than [`RESULT_MAX`] bytes.
pub(super) const TOO_LARGE: &str = "the result has more than 64 MiB";

/// The values that project files and templates can name.
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
    /// The values of the project by name, these included. Rounds of loops share them: a project can have thousands.
    shared: Arc<BTreeMap<String, Value>>,
    /// The same, as templates take them.
    shared_context: minijinja::Value,
    /// The values of loops and of the entry that is being read, which replace the shared ones.
    own: BTreeMap<String, Value>,
    /// All values, as templates take them.
    context: minijinja::Value,
    /// Whether texts are taken as they are: they come from a file that was rendered as a whole.
    verbatim: bool,
    /// Whether the values are not known, because the project file has mistakes. All names have empty texts then.
    unknown: bool,
}

impl Values {
    /// The values by name. Those that the fields of [`Values`] repeat must be texts.
    pub(super) fn new(all: BTreeMap<String, Value>) -> Self {
        let text = |name: &str| all.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let context = minijinja::Value::from(Serde(&all));
        Self {
            name: text("name"),
            version: text("version"),
            short_version: text("short_version"),
            slug: text("slug"),
            shared_context: context.clone(),
            context,
            shared: Arc::new(all),
            own: BTreeMap::new(),
            verbatim: false,
            unknown: false,
        }
    }

    /// No values, for texts that are taken as they are.
    pub(super) fn verbatim() -> Self {
        Self { verbatim: true, ..Self::default() }
    }

    /// Values that are not known because of mistakes, which are reported where they are: empty texts of these names.
    pub(super) fn unknown(names: impl IntoIterator<Item = String>) -> Self {
        Self { unknown: true, ..Self::new(names.into_iter().map(|name| (name, Value::from(""))).collect()) }
    }

    /// The value of `name`, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.own.get(name).or_else(|| self.shared.get(name))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let names: BTreeSet<&str> = self.shared.keys().chain(self.own.keys()).map(String::as_str).collect();
        names.into_iter().collect::<Vec<_>>().into_iter()
    }

    /// Whether `text` has an expression whose value is not known because of other mistakes.
    pub(super) fn hides(&self, text: &str) -> bool {
        self.unknown && has_expression(text)
    }

    /// Whether the values are not known because of mistakes.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// These values and `more`, which replace those of the same name.
    pub(super) fn with(&self, more: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut values = self.clone();
        values.own.extend(more);
        if !values.own.is_empty() {
            let own = values.own.iter().map(|(name, value)| (name.clone(), Serde(value).into())).collect();
            let shared = values.shared_context.clone();
            values.context = minijinja::Value::from_object(Scope { shared, own });
        }
        values
    }

    /// All of them, as templates take them.
    pub(crate) fn context(&self) -> minijinja::Value {
        self.context.clone()
    }

    /// `text` with its `{{ expressions }}` replaced.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong. For an unknown name it has the known ones.
    pub(super) fn render(&self, text: &str) -> Result<String, String> {
        if self.verbatim || !has_expression(text) {
            return Ok(text.to_owned());
        }
        let environment = environment();
        let template = environment.template_from_str(text).map_err(|error| detail(&error))?;
        let mut result = Bounded::default();
        match template.render_captured_to(self.context(), &mut result) {
            Ok(_) => Ok(String::from_utf8_lossy(&result.bytes).into_owned()),
            Err(_) if result.is_full => Err(TOO_LARGE.to_owned()),
            Err(error) => {
                let unknown = self.unknown_in(template.undeclared_variables(true));
                Err(unknown.unwrap_or_else(|| detail(&error)))
            }
        }
    }

    /// The value of the expression `text`.
    ///
    /// # Errors
    ///
    /// As for [`Values::render`].
    pub(super) fn evaluate(&self, text: &str) -> Result<minijinja::Value, String> {
        let environment = environment();
        let expression = environment.compile_expression(text).map_err(|error| detail(&error))?;
        let wrong =
            |message: String| self.unknown_in(expression.undeclared_variables(true)).unwrap_or(message);
        match expression.eval(self.context()) {
            Ok(value) if value.is_undefined() => Err(wrong(format!("`{text}` is not defined"))),
            Ok(value) => Ok(value),
            Err(error) => Err(wrong(detail(&error))),
        }
    }

    /// What is wrong with the first of the `named` that does not exist, if there is one.
    pub(super) fn unknown_in(&self, named: impl IntoIterator<Item = String>) -> Option<String> {
        // Functions count as names, too.
        let environment = environment();
        let is_function = |name: &String| environment.globals().any(|(global, _)| global == name);
        let mut named: Vec<String> = named.into_iter().filter(|name| !is_function(name)).collect();
        named.sort_unstable();
        named.iter().find_map(|name| {
            let mut parts = name.split('.');
            let first = parts.next().unwrap_or_default();
            let Some(mut value) = self.get(first) else { return Some(unknown_name(first, self.names())) };
            for part in parts {
                let Value::Object(map) = value else { return None };
                let Some(next) = map.get(part) else {
                    return Some(unknown_name(name, map.keys().map(String::as_str)));
                };
                value = next;
            }
            None
        })
    }
}

/// The values of a project with those of a loop or an entry before them.
#[derive(Debug)]
struct Scope {
    shared: minijinja::Value,
    own: BTreeMap<String, minijinja::Value>,
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        let name = key.as_str()?;
        let shared = || self.shared.get_attr(name).ok().filter(|value| !value.is_undefined());
        self.own.get(name).cloned().or_else(shared)
    }
}

/// The message for a name that is not one of the `known`.
pub(super) fn unknown_name<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let near = content::nearest(last, known.clone())
        .map(|near| format!(", did you mean `{near}`?"))
        .unwrap_or_default();
    let mut listed: Vec<String> = known.clone().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    let more = known.count().saturating_sub(NAMES_SHOWN);
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    let known = if listed.is_empty() {
        "no name is known here".to_owned()
    } else {
        format!("known are {}", listed.join(", "))
    };
    format!("unknown name `{name}`{near}; {known}")
}

/// Whether a text has an expression or a block of a template.
pub(super) fn has_expression(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// How templates are rendered: a name that does not exist is an error, and nothing is escaped.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Only custom delimiters can be invalid.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(STEPS_MAX));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment
}

/// The result of a template while it grows.
#[derive(Default)]
pub(super) struct Bounded {
    pub(super) bytes: Vec<u8>,
    /// Whether it would have more than [`RESULT_MAX`] bytes.
    pub(super) is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > RESULT_MAX {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wrong with a template of one line.
fn detail(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}
