//! The names of nodes.

use std::fmt;
use std::str::FromStr;

/// The name of this node in comparisons.
pub const HERE: &str = "here";

/// The name of another node, as the remote shell knows it: `HOST` or `USER@HOST`. Never an option of the remote shell, and
/// never [`HERE`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName(String);

/// The text is not the name of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST or USER@HOST")]
pub struct InvalidNodeName;

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        if text.is_empty() || text.starts_with('-') || text.contains(char::is_whitespace) || text == HERE {
            return Err(InvalidNodeName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl NodeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_never_an_option() {
        for bad in ["", "-oProxyCommand=reboot", "a b", HERE] {
            assert_eq!(bad.parse::<NodeName>(), Err(InvalidNodeName), "{bad:?}");
        }
        assert_eq!("root@node-2".parse::<NodeName>().unwrap().as_str(), "root@node-2");
    }
}
