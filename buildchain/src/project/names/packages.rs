//! Names of upstream package repositories and of their packages.

use std::fmt;

use super::{Check, ParsedName, text_name};

text_name! {
    /// The URL of a package repository, a metalink or a list of mirrors, with variables such as `$basearch`. No message repeats an
    /// invalid one: it may have a password.
    RepositoryUrl, "repository-url", Some("^(https?://[A-Za-z0-9.:\\[\\]-]+|file://)/[!-~]*$"), |text| {
        let expected = "expected the URL of a repository, such as `https://host.example/epel/8/$basearch/`";
        let rest = ["http://", "https://", "file://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else { return Err(expected.into()) };
        if host.contains('@') {
            return Err("the URL of a repository takes no user name or password".into());
        }
        if host.is_empty() != text.starts_with("file://")
            || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".:[]-".contains(c))
        {
            return Err(expected.into());
        }
        match path.chars().find(|c| !c.is_ascii_graphic()) {
            None => Ok(()),
            Some(c) => Err(format!("a URL cannot have {c:?}: write it as `%` and two digits")),
        }
    }
}

text_name! {
    /// This machine, as the builder of spec files.
    HostBuilder, "host-builder", Some("^host$"), |text| {
        if text == "host" { Ok(()) } else { Err(format!("`{text}` is not a builder: expected `host` or `{{image: REFERENCE}}`")) }
    }
}

text_name! {
    /// The name of a macro of rpm.
    MacroName, "macro-name", Some("^[A-Za-z_][A-Za-z0-9_]{2,99}$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        if text.starts_with(is_first) && text.chars().all(legal) && (3..=100).contains(&text.len()) {
            return Ok(());
        }
        Err(format!("`{text}` cannot name a macro: expected 3 to 100 letters, digits and `_`, no digit first"))
    }
}

text_name! {
    /// What must be installed, as after `dnf install`.
    PackageRequest, "package-request", Some("^[A-Za-z0-9_/@*?\\[(][ -~]{0,499}$"), |text| {
        let first = |c: char| c.is_ascii_alphanumeric() || "_/@*?[(".contains(c);
        let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if text.starts_with(first) && is_printable && text.len() <= 500 {
            return Ok(());
        }
        Err("expected a package such as `socat`, `kubelet-1.29.8`, `/usr/bin/host` or `@GROUP`".into())
    }
}

text_name! {
    /// A stream of a module: `nodejs:18`.
    ModuleStream, "module-stream", Some("^[A-Za-z0-9][A-Za-z0-9._+-]*:[A-Za-z0-9._+-]+$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let is_stream = text.split_once(':').is_some_and(|(name, stream)| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(legal)
                && !stream.is_empty()
                && stream.chars().all(legal)
        });
        if is_stream { Ok(()) } else { Err(format!("`{text}` is not a stream: expected `MODULE:STREAM`")) }
    }
}

text_name! {
    /// The architecture of packages: `x86_64`.
    RpmArchitecture, "rpm-architecture", Some("^[a-z0-9_]{1,64}$"), |text| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
            return Ok(());
        }
        Err(format!("`{text}` is not an architecture: expected one such as `x86_64`"))
    }
}

text_name! {
    /// A package as `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    Nevra, "nevra", Some("^[A-Za-z0-9_][A-Za-z0-9._+~^-]*-([0-9]+:)?[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+\\.[A-Za-z0-9_]+$"), |text| {
        let legal = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+~^".contains(c));
        let parts = text.rsplit_once('.').and_then(|(rest, arch)| {
            let (rest, release) = rest.rsplit_once('-')?;
            let (name, version) = rest.rsplit_once('-')?;
            Some((name, version, release, arch))
        });
        let is_package = parts.is_some_and(|(name, version, release, arch)| {
            let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
            let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            starts
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+~^-".contains(c))
                && !epoch.is_empty()
                && epoch.bytes().all(|byte| byte.is_ascii_digit())
                && legal(version)
                && legal(release)
                && !arch.is_empty()
                && arch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        if is_package { Ok(()) } else { Err(format!("`{text}` is not a package: expected `NAME-VERSION-RELEASE.ARCH`")) }
    }
}

impl Nevra {
    /// The architecture, which is its folder in a repository.
    #[must_use]
    pub fn arch(&self) -> &str {
        self.as_str().rsplit_once('.').map_or("", |(_, arch)| arch)
    }

    /// The name, with the architecture: `socat.x86_64`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.as_str().rsplitn(3, '-').nth(2).unwrap_or_default();
        format!("{name}.{}", self.arch())
    }

    /// The version: `[EPOCH:]VERSION-RELEASE`.
    #[must_use]
    pub fn evr(&self) -> &str {
        let text = self.as_str().rsplit_once('.').map_or("", |(rest, _)| rest);
        let start = text.rmatch_indices('-').nth(1).map_or(0, |(at, _)| at + 1);
        text.get(start..).unwrap_or_default()
    }

    /// The name of the file: without the epoch.
    #[must_use]
    pub fn file_name(&self) -> String {
        let text = self.as_str();
        let mut parts = text.rsplitn(3, '-');
        let (release, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = parts.next().unwrap_or_default();
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        format!("{name}-{version}-{release}.rpm")
    }
}

text_name! {
    /// Where a package is: a path from the URL of its repository, or a URL.
    LockedPath, "locked-path", None, |text| {
        let path = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let path = path.unwrap_or(text);
        let is_path = !path.is_empty()
            && !path.starts_with('/')
            && path.len() <= 4096
            && !path.contains("://")
            && path.chars().all(|c| !c.is_control() && c != '\\')
            && path.split('/').all(|part| part != "..");
        if is_path { Ok(()) } else { Err("expected the path of a package in its repository".into()) }
    }
}

impl LockedPath {
    /// Whether it is a URL of its own, and no path in a repository.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.as_str().contains("://")
    }
}
