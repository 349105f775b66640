//! The names of users and groups: a system user such as `sealift` has another number on another node.

use std::path::Path;

use content::LinkPolicy;

/// The most bytes of `/etc/passwd` or `/etc/group`.
const FILE_MAX: u64 = 16 << 20;

/// The users or the groups of this machine.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(String, u32)>);

impl Names {
    /// Reads `/etc/passwd` or `/etc/group`: a line for each, the name first, the number third (passwd(5), group(5)). A file that
    /// cannot be read has none.
    pub(super) fn read(path: &str) -> Self {
        let text = content::open_text(Path::new(path), LinkPolicy::Follow, FILE_MAX).unwrap_or_default();
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
        };
        Self(text.lines().filter_map(entry).collect())
    }

    /// The name of a number.
    pub(super) fn name(&self, number: u32) -> Option<String> {
        self.0.iter().find(|(_, other)| *other == number).map(|(name, _)| name.clone())
    }

    /// The number of a name.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_file() {
        let names = Names::parse("root:x:0:0:root:/root:/bin/sh\n\nbroken\nsealift:x:997:\n:x:5:\n");
        assert_eq!((names.name(997).as_deref(), names.number("sealift")), (Some("sealift"), Some(997)));
        assert_eq!((names.name(5), names.number("broken")), (None, None));
    }
}
