//! Which files are templates, and how they are written.

use minijinja::syntax::SyntaxConfig;
use serde_saphyr::Location;

use crate::project::entries::CheckedEntries;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{SyntaxName, TemplateSettings};
use crate::project::names::{Delimiter, ParsedName as _, Pattern};
use crate::project::template::TemplateSyntax;

/// The delimiters of one kind: the opening and the closing one.
type Pair = (String, String);

/// Which files are templates, and how they are written.
#[derive(Debug, Clone)]
pub(crate) struct Templates {
    name: SyntaxName,
    variable: Pair,
    block: Pair,
    comment: Pair,
    /// The ending of their names, which they lose.
    pub(super) suffix: Option<String>,
    /// Patterns of further templates, and whether the entry itself has them.
    pub(super) patterns: Vec<(Pattern, Origin)>,
    pub(super) has_own_patterns: bool,
    /// What the names above mean.
    pub(crate) syntax: TemplateSyntax,
}

impl Default for Templates {
    fn default() -> Self {
        let pair = |open: &str, close: &str| (open.to_owned(), close.to_owned());
        Self {
            name: SyntaxName::Jinja,
            variable: pair("{{", "}}"),
            block: pair("{%", "%}"),
            comment: pair("{#", "#}"),
            suffix: Some(".in".into()),
            patterns: Vec::new(),
            has_own_patterns: false,
            syntax: TemplateSyntax::Jinja,
        }
    }
}

/// How the templates are written, for the key of a task.
impl std::fmt::Display for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name == SyntaxName::At {
            return f.write_str("at");
        }
        f.write_str("jinja")?;
        [&self.variable, &self.block, &self.comment]
            .into_iter()
            .try_for_each(|(open, close)| write!(f, " {open} {close}"))
    }
}

impl Templates {
    fn new_syntax(&self) -> Result<TemplateSyntax, String> {
        if self.name == SyntaxName::At {
            return Ok(TemplateSyntax::At);
        }
        let Self { variable, block, comment, .. } = self;
        let same = [(variable, block), (variable, comment), (block, comment)]
            .into_iter()
            .find(|(one, other)| one.0 == other.0);
        if let Some(((open, _), _)) = same {
            return Err(format!("`{open}` opens two kinds: write all of `variable`, `block` and `comment`"));
        }
        let own = |pair: &Pair| (pair.0.clone(), pair.1.clone());
        let ((v1, v2), (b1, b2), (c1, c2)) = (own(variable), own(block), own(comment));
        let mut builder = SyntaxConfig::builder();
        builder.variable_delimiters(v1, v2).block_delimiters(b1, b2).comment_delimiters(c1, c2);
        let syntax = builder.keep_trailing_newline(true).build();
        syntax.map(TemplateSyntax::Delimited).map_err(|error| error.to_string())
    }
}

impl CheckedEntries<'_> {
    /// What `settings` say, with the keys of `base` that they do not have.
    pub(in crate::project) fn templates(
        &mut self,
        settings: &TemplateSettings,
        base: &Templates,
    ) -> Templates {
        let mut templates = Templates { has_own_patterns: false, ..base.clone() };
        let TemplateSettings { syntax, delimiters, suffix, patterns } = settings;
        if let Some(name) = syntax {
            templates.name = *name;
        }
        if let Some(suffix) = suffix.as_ref().and_then(|suffix| self.name(suffix)) {
            templates.suffix = Some(suffix.as_str().to_owned()).filter(|suffix| suffix != "none");
        }
        if let Some(patterns) = patterns {
            templates.patterns = self.patterns(patterns);
            templates.has_own_patterns = true;
        }
        if let Some(delimiters) = delimiters {
            let variable = self.pair(delimiters.variable.as_ref(), &mut templates.variable);
            let block = self.pair(delimiters.block.as_ref(), &mut templates.block);
            let comment = self.pair(delimiters.comment.as_ref(), &mut templates.comment);
            if let Some(place) = variable.or(block).or(comment) {
                let built = match syntax {
                    Some(SyntaxName::At) => Err("`syntax: at` has no other delimiters".to_owned()),
                    _ => templates.new_syntax().map(drop),
                };
                self.mistakes.note(built.map_err(|message| Error::at(self.file, place, message)));
            }
        }
        if (syntax.is_some() || delimiters.is_some())
            && let Ok(syntax) = templates.new_syntax()
        {
            templates.syntax = syntax;
        }
        templates
    }

    /// Replaces `pair` by the delimiters that are `given`. Gives back their place.
    fn pair(&mut self, given: Option<&[Field<Delimiter>; 2]>, pair: &mut Pair) -> Option<Location> {
        let [open, close] = given?;
        let place = open.place();
        // Not rendered: `{{` begins no expression here.
        let mut read = |field: &Field<Delimiter>| {
            let delimiter = Delimiter::parse(field.written());
            let delimiter = delimiter.map_err(|message| Error::at(self.file, field.place(), message));
            self.mistakes.note(delimiter)
        };
        let (open, close) = (read(open), read(close));
        *pair = (open?.as_str().to_owned(), close?.as_str().to_owned());
        Some(place)
    }

    /// The patterns that can be read, with their places.
    pub(super) fn patterns(&mut self, patterns: &[Field<Pattern>]) -> Vec<(Pattern, Origin)> {
        let mut read = Vec::new();
        for pattern in patterns {
            let origin = Origin::new(self.file, pattern.place());
            read.extend(self.name(pattern).map(|pattern| (pattern, origin)));
        }
        read
    }
}
