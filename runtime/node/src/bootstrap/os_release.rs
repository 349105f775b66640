//! The release of the operating system: os-release(5) and `/etc/redhat-release`.

/// The operating system of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, such as `rhel`.
    pub id: String,
    /// `ID_LIKE`: the systems that it is built like.
    pub like: Vec<String>,
    /// The version, such as `8.10`.
    pub version: String,
    /// `PRETTY_NAME`, for people.
    pub name: String,
}

impl OsRelease {
    /// Parses `/etc/os-release`. Unknown lines and lines without a value are ignored, as the format says.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            let value = unquoted(value);
            match key {
                "ID" => found.id = value,
                "ID_LIKE" => found.like = value.split_whitespace().map(str::to_owned).collect(),
                "VERSION_ID" => found.version = value,
                "PRETTY_NAME" => found.name = value,
                _ => {}
            }
        }
        found
    }

    /// Completes the version from `/etc/redhat-release`: `VERSION_ID` of CentOS has no minor version.
    #[must_use]
    pub fn with_redhat_release(mut self, text: &str) -> Self {
        let full = text.split_once("release ").map(|(_, rest)| rest);
        let full = full.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        if !self.version.contains('.') && full.split('.').next() == Some(&self.version) {
            full.clone_into(&mut self.version);
        }
        self
    }

    /// Whether it is Red Hat Enterprise Linux or built like it.
    #[must_use]
    pub fn is_red_hat(&self) -> bool {
        std::iter::once(&self.id).chain(&self.like).any(|id| matches!(id.as_str(), "rhel" | "centos"))
    }

    /// The release that repositories have in their paths: `8` of `8.10`.
    #[must_use]
    pub fn release(&self) -> &str {
        self.version.split('.').next().unwrap_or_default()
    }

    /// Major and minor version, if both are numbers.
    #[must_use]
    pub fn numbers(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

impl std::fmt::Display for OsRelease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = if self.name.is_empty() { &self.id } else { &self.name };
        f.write_str(if shown.is_empty() { "an unknown system" } else { shown })
    }
}

/// A value without quotes and the backslashes in them.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let mut inner = value;
    for quote in ['"', '\''] {
        inner = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)).unwrap_or(inner);
    }
    let mut text = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_recognised_by_their_files() {
        let rocky = "NAME=\"Rocky Linux\"\nVERSION_ID=\"8.10\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"Rocky Linux 8.10\"\n";
        let centos = "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\n";
        let debian = "ID=debian\nVERSION_ID='12'\n# a comment\n\nPRETTY_NAME=\"a \\\"b\\\"\"";
        for (text, redhat, is_red_hat, release, numbers, shown) in [
            (rocky, "Rocky Linux release 8.10 (Green)", true, "8", Some((8, 10)), "Rocky Linux 8.10"),
            (centos, "CentOS Linux release 7.9.2009 (Core)", true, "7", Some((7, 9)), "centos"),
            (centos, "", true, "7", None, "centos"),
            (centos, "CentOS release 8.1", true, "7", None, "centos"),
            (debian, "", false, "12", None, "a \"b\""),
            ("", "", false, "", None, "an unknown system"),
        ] {
            let found = OsRelease::parse(text).with_redhat_release(redhat);
            let known = (found.is_red_hat(), found.release(), found.numbers());
            assert_eq!(known, (is_red_hat, release, numbers), "{found:?}");
            assert_eq!(found.to_string(), shown);
        }
    }
}
