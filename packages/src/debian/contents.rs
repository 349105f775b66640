//! `Contents-ARCHITECTURE`: which package has a file, for `apt-file`.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};

/// Bytes of a line of existing contents.
const MAX_LINE: u64 = 1 << 20;
/// The column at which packages start, as in the archives of Debian.
const COLUMN: usize = 55;

/// Writes each path once, with the packages that have it: `section/name`, sorted.
pub(super) fn write_contents(mut lines: Vec<(&str, &str)>, to: &mut dyn Write) -> io::Result<()> {
    lines.sort_unstable();
    lines.dedup();
    let mut last: Option<&str> = None;
    for (path, package) in lines {
        if last == Some(path) {
            write!(to, ",{package}")?;
        } else {
            let end = if last.is_some() { "\n" } else { "" };
            write!(to, "{end}{path:<COLUMN$} {package}")?;
        }
        last = Some(path);
    }
    if last.is_some() { writeln!(to) } else { Ok(()) }
}

/// What a line says about a package: `section/name`, or the name alone.
pub(super) fn qualified(name: &str, section: Option<&str>) -> String {
    match section.filter(|section| section.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')) {
        None | Some("") => name.to_owned(),
        Some(section) => format!("{section}/{name}"),
    }
}

/// The paths of each package in existing contents. More than `max` bytes of them are an error.
pub(super) fn read_contents(input: &mut dyn BufRead, max: usize) -> io::Result<HashMap<String, Vec<String>>> {
    let (mut found, mut bytes): (HashMap<String, Vec<String>>, _) = (HashMap::new(), 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        if Read::take(&mut *input, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(found);
        }
        let text = String::from_utf8_lossy(&line);
        let Some((path, packages)) = text.trim_end_matches('\n').rsplit_once(' ') else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without a package"));
        };
        let path = path.trim_end_matches(' ');
        for package in packages.split(',') {
            bytes += path.len() + size_of::<String>();
            if bytes > max {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            match found.get_mut(package) {
                Some(paths) => paths.push(path.to_owned()),
                None => drop(found.insert(package.to_owned(), vec![path.to_owned()])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_read_as_they_were_written() {
        let lines =
            vec![("usr/b c", "utils/x"), ("etc/a", "y"), ("usr/b c", "utils/a"), ("usr/b c", "utils/a")];
        let mut written = Vec::new();
        write_contents(lines, &mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with(" utils/a,utils/x\n") && text.starts_with("etc/a   "), "{text}");
        let read = read_contents(&mut text.as_bytes(), 1000).unwrap();
        assert_eq!(read["utils/x"], ["usr/b c"]);
        assert_eq!(read["y"], ["etc/a"]);
        assert!(read_contents(&mut text.as_bytes(), 20).is_err());
        assert!(read_contents(&mut "a\n".as_bytes(), 20).is_err());
    }
}
