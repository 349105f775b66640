//! `.repo` files of dnf and yum.

use super::{SourceFault, URLS_MAX, is_url};

/// Sections of one file.
const SECTIONS_MAX: usize = 1000;

/// A `.repo` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepoFile {
    /// Its sections, in their order, without `[main]`.
    pub sections: Vec<RepoSection>,
}

/// A repository of a `.repo` file: the keys that say where it is and which of its packages count. URLs have their variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoSection {
    /// The name of the section.
    pub id: String,
    /// `baseurl`.
    pub urls: Vec<String>,
    /// `metalink`.
    pub metalink: Option<String>,
    /// `mirrorlist`.
    pub mirrorlist: Option<String>,
    /// `gpgkey`.
    pub keys: Vec<String>,
    /// `gpgcheck`; `None` if the file does not say.
    pub checks_packages: Option<bool>,
    /// `repo_gpgcheck`; `None` if the file does not say.
    pub checks_metadata: Option<bool>,
    /// `priority`.
    pub priority: Option<i32>,
    /// `excludepkgs` or `exclude`.
    pub exclude: Vec<String>,
    /// `includepkgs`.
    pub include: Vec<String>,
    /// `module_hotfixes`.
    pub module_hotfixes: bool,
}

impl RepoFile {
    /// Reads a `.repo` file.
    ///
    /// # Errors
    ///
    /// A line that is not `[ID]`, `key=value`, a comment or the continuation of a value; a value of the wrong kind; a second
    /// section of one name.
    pub fn read(text: &str) -> Result<Self, SourceFault> {
        let mut file = Self::default();
        let mut is_main = true;
        // The key and value that the next line may continue.
        let mut open: Option<(String, String, usize)> = None;
        for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line)) {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with([' ', '\t'])
                && let Some((_, value, _)) = &mut open
            {
                value.push('\n');
                value.push_str(trimmed);
                continue;
            }
            file.close(&mut open, is_main)?;
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                is_main = name == "main";
                if !is_main {
                    file.begin(name, number)?;
                }
                continue;
            }
            let Some((key, value)) = trimmed.split_once('=') else {
                return Err(SourceFault::new(number, "expected `[id]` or `key=value`"));
            };
            if file.sections.is_empty() && !is_main {
                return Err(SourceFault::new(number, "expected a section `[id]` first"));
            }
            open = Some((key.trim().to_ascii_lowercase(), value.trim().to_owned(), number));
        }
        file.close(&mut open, is_main)?;
        Ok(file)
    }

    /// The section of this name.
    #[must_use]
    pub fn section(&self, id: &str) -> Option<&RepoSection> {
        self.sections.iter().find(|section| section.id == id)
    }

    fn begin(&mut self, id: &str, line: usize) -> Result<(), SourceFault> {
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(SourceFault::new(line, "a section needs a name"));
        }
        if self.section(id).is_some() {
            return Err(SourceFault::new(line, format!("a second section `{}`", content::printable(id))));
        }
        if self.sections.len() == SECTIONS_MAX {
            return Err(SourceFault::new(line, format!("more than {SECTIONS_MAX} sections")));
        }
        self.sections.push(RepoSection {
            id: id.to_owned(),
            urls: Vec::new(),
            metalink: None,
            mirrorlist: None,
            keys: Vec::new(),
            checks_packages: None,
            checks_metadata: None,
            priority: None,
            exclude: Vec::new(),
            include: Vec::new(),
            module_hotfixes: false,
        });
        Ok(())
    }

    fn close(
        &mut self,
        open: &mut Option<(String, String, usize)>,
        is_main: bool,
    ) -> Result<(), SourceFault> {
        let Some((key, value, line)) = open.take() else { return Ok(()) };
        let Some(section) = self.sections.last_mut().filter(|_| !is_main) else { return Ok(()) };
        match key.as_str() {
            "baseurl" => section.urls = urls(&value, line)?,
            "gpgkey" => section.keys = urls(&value, line)?,
            "metalink" => section.metalink = url(&value, line)?,
            "mirrorlist" => section.mirrorlist = url(&value, line)?,
            "gpgcheck" => section.checks_packages = Some(boolean(&value, line)?),
            "repo_gpgcheck" => section.checks_metadata = Some(boolean(&value, line)?),
            "module_hotfixes" => section.module_hotfixes = boolean(&value, line)?,
            "priority" => {
                let wrong = || SourceFault::new(line, "expected a number as the priority");
                section.priority = Some(value.parse().map_err(|_| wrong())?);
            }
            "excludepkgs" | "exclude" => section.exclude.extend(words(&value).map(str::to_owned)),
            "includepkgs" => section.include.extend(words(&value).map(str::to_owned)),
            _ => {}
        }
        Ok(())
    }
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty())
}

fn urls(value: &str, line: usize) -> Result<Vec<String>, SourceFault> {
    let urls: Vec<String> = words(value).map(str::to_owned).collect();
    if urls.len() > URLS_MAX || !urls.iter().all(|url| is_url(url)) {
        return Err(SourceFault::new(line, "expected URLs"));
    }
    Ok(urls)
}

fn url(value: &str, line: usize) -> Result<Option<String>, SourceFault> {
    let mut urls = urls(value, line)?;
    if urls.len() > 1 {
        return Err(SourceFault::new(line, "expected one URL"));
    }
    Ok(urls.pop())
}

fn boolean(value: &str, line: usize) -> Result<bool, SourceFault> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(SourceFault::new(line, "expected 1 or 0")),
    }
}
