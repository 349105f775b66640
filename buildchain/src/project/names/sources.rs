//! Names of sources outside the project.

use std::fmt;

use super::{Check, ParsedName, SLUG, slug, text_name};

text_name! {
    /// The name of a source: `helm`.
    SourceName, "source-name", SLUG, |text| slug(text, "a source")
}

text_name! {
    /// The URL of a file. No message repeats an invalid one: it may have a password.
    FileUrl, "file-url", Some("^https?://[A-Za-z0-9.:\\[\\]-]+/[!$%&()*+,./0-9:;=?@A-Z_a-z~-]*$"), |text| {
        let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else {
            return Err("expected the URL of a file, such as `https://host.example/tool-1.2.tar.gz`".into());
        };
        if host.contains('@') {
            return Err("the URL of a file takes no user name or password".into());
        }
        let of_host = |c: char| c.is_ascii_alphanumeric() || ".:[]-".contains(c);
        if host.is_empty() || !host.chars().all(of_host) {
            return Err("the URL has an invalid host".into());
        }
        let of_path = |c: char| c.is_ascii_alphanumeric() || "!$%&()*+,./:;=?@_~-".contains(c);
        match path.chars().find(|c| !of_path(*c)) {
            None => Ok(()),
            Some(c) => Err(format!("a URL cannot have {c:?}: write it as `%` and two digits")),
        }
    }
}

text_name! {
    /// The name of a file that was fetched.
    FileName, "file-name", Some("^[A-Za-z0-9_][A-Za-z0-9._+~-]*$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
        let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.starts_with(first) && text.chars().all(legal) {
            return Ok(());
        }
        Err(format!("`{text}` cannot name a file here: expected letters, digits and `._+~-`"))
    }
}

text_name! {
    /// A git repository: a URL or a path. No message repeats an invalid one: it may have a password.
    GitLocation, "git-location", None, |text| {
        let expected = "expected a URL with https, http, ssh or file, or a path";
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(format!("no git repository has this name: {expected}"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            // `host:path` is for ssh, `ext::command` runs a command.
            return match text.split('/').next().unwrap_or_default().contains(':') {
                true => Err(format!("{expected}; for ssh: `ssh://git@host.example/path`")),
                false => Ok(()),
            };
        };
        let user = rest.split('/').next().unwrap_or_default().rsplit_once('@').map(|(user, _)| user);
        match (scheme, user) {
            ("https" | "http" | "file", None) => Ok(()),
            ("ssh", user) if !user.is_some_and(|user| user.contains(':')) => Ok(()),
            ("https" | "http" | "file" | "ssh", _) => {
                Err("the URL of a git repository takes no password, and a user name only with ssh".into())
            }
            _ => Err(expected.into()),
        }
    }
}

text_name! {
    /// A tag or branch of a git repository: `v1.2`, `refs/heads/main`.
    GitRef, "git-ref", Some("^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._/+@-".contains(c);
        let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.starts_with(first) && text.chars().all(legal) {
            return Ok(());
        }
        Err(format!("`{text}` is not a tag or branch: expected letters, digits and `._/+@-`"))
    }
}

text_name! {
    /// The hash of a commit.
    CommitHash, "commit", Some("^[0-9a-f]{40}$"), |text| {
        if text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(());
        }
        Err(format!("`{text}` is not a commit: expected 40 digits of 0-9 and a-f"))
    }
}
