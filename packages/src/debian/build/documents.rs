//! The documents that a Debian package has: its changelog and its copyright.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::{Compression, GzBuilder};

use super::control::{Identity, of_rpm};
use super::mistake;
use crate::definition::RpmDefinition;
use crate::error::Result;

/// Licenses whose texts every Debian system has in `/usr/share/common-licenses/`: SPDX identifiers and file names.
const COMMON: [(&str, &str); 20] = [
    ("Apache-2.0", "Apache-2.0"),
    ("Artistic-1.0-Perl", "Artistic"),
    ("CC0-1.0", "CC0-1.0"),
    ("GFDL-1.2-only", "GFDL-1.2"),
    ("GFDL-1.2-or-later", "GFDL-1.2"),
    ("GFDL-1.3-only", "GFDL-1.3"),
    ("GFDL-1.3-or-later", "GFDL-1.3"),
    ("GPL-1.0-only", "GPL-1"),
    ("GPL-1.0-or-later", "GPL-1"),
    ("GPL-2.0-only", "GPL-2"),
    ("GPL-2.0-or-later", "GPL-2"),
    ("GPL-3.0-only", "GPL-3"),
    ("GPL-3.0-or-later", "GPL-3"),
    ("LGPL-2.0-only", "LGPL-2"),
    ("LGPL-2.0-or-later", "LGPL-2"),
    ("LGPL-2.1-only", "LGPL-2.1"),
    ("LGPL-2.1-or-later", "LGPL-2.1"),
    ("LGPL-3.0-only", "LGPL-3"),
    ("LGPL-3.0-or-later", "LGPL-3"),
    ("MPL-2.0", "MPL-2.0"),
];

/// The changelog, compressed as the policy demands.
pub(super) fn changelog(
    definition: &RpmDefinition,
    identity: &Identity,
    source_date: i64,
) -> Result<Vec<u8>> {
    let name = &identity.deb.name;
    let mut text = String::new();
    let mut entry = |version: &str, changes: &str, author: &str, seconds: i64| -> Result<()> {
        let time = jiff::Timestamp::from_second(seconds);
        let expected = "seconds since 1970";
        let time = time.map_err(|_| {
            mistake("the source date", expected, &seconds.to_string()).in_package(&definition.name)
        })?;
        let date = time.strftime("%a, %d %b %Y %H:%M:%S +0000");
        // Writing to a String cannot fail.
        let _ = write!(text, "{name} ({version}) unstable; urgency=medium\n\n");
        for line in changes.trim_end().lines() {
            let _ = match line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
                Some(change) => writeln!(text, "  * {}", change.trim_end()),
                None if line.trim().is_empty() => writeln!(text),
                None => writeln!(text, "    {}", line.trim()),
            };
        }
        let _ = write!(text, "\n -- {author}  {date}\n\n");
        Ok(())
    };
    for change in &definition.changelog {
        let (version, release) = change.version.rsplit_once('-').unwrap_or((&change.version, ""));
        let version = of_rpm(&version.replacen('-', "~", 1).replace('-', "."));
        let version = if release.is_empty() { version } else { format!("{version}-{}", of_rpm(release)) };
        let seconds = change.time().map_or(source_date, i64::from);
        entry(&version, &change.text, &change.author, seconds)?;
    }
    if definition.changelog.is_empty() {
        entry(&identity.deb.version, "- New version.", &identity.maintainer, source_date)?;
    }
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(format!("{}\n", text.trim_end()).as_bytes());
    Ok(encoder.finish().unwrap_or_default())
}

/// The copyright in the machine-readable form. `license` is the text of the license that the package brings.
pub(super) fn copyright(
    definition: &RpmDefinition,
    identity: &Identity,
    source_date: i64,
    license: Option<&str>,
) -> String {
    let year = jiff::Timestamp::from_second(source_date)
        .map_or(1970, |time| time.to_zoned(jiff::tz::TimeZone::UTC).year());
    let holder = definition.vendor.as_ref().unwrap_or(&identity.maintainer);
    let mut text =
        String::from("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n");
    let _ = writeln!(text, "Upstream-Name: {}", definition.name);
    if let Some(url) = &definition.url {
        let _ = writeln!(text, "Source: {url}");
    }
    let name = spelled(&definition.license);
    let _ = write!(text, "\nFiles: *\nCopyright: {year} {holder}\nLicense: {name}\n");
    let words = definition.license.split(|c: char| c.is_whitespace() || "()".contains(c));
    let common: Vec<&str> = words
        .filter_map(|word| COMMON.iter().find(|(known, _)| *known == word))
        .map(|(_, file)| *file)
        .collect();
    if common.is_empty() {
        for line in
            license.unwrap_or("The package does not bring the text of this license.").trim_end().lines()
        {
            let line = line.trim_end();
            let _ = if line.is_empty() { writeln!(text, " .") } else { writeln!(text, " {line}") };
        }
    } else {
        text.push_str(" On Debian systems, the text of the license is in\n");
        for file in common {
            let _ = writeln!(text, " /usr/share/common-licenses/{file}");
        }
    }
    text
}

/// An SPDX expression as DEP 5 writes it.
fn spelled(license: &str) -> String {
    license.replace(" AND ", " and ").replace(" OR ", " or ").replace(" WITH ", " with ")
}
