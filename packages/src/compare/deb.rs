//! Debian packages: `control.tar` and `data.tar` in an `ar` archive.

use std::io::{self, BufRead, BufReader, Read as _};

use super::tar::tar_without;
use super::{Replacements, broken};
use crate::debian::Ar;

/// The file of `control.tar` that follows from the others.
const SUMS: &str = "md5sums";

/// What differs between two Debian packages apart from the replacements; at most the first difference.
///
/// # Errors
///
/// One of the two cannot be read.
pub fn deb(
    former: impl BufRead + Send,
    new: impl BufRead + Send,
    replaced: &Replacements,
) -> io::Result<Option<String>> {
    let (mut one, mut other) = (Ar::new(former).map_err(broken)?, Ar::new(new).map_err(broken)?);
    loop {
        let names = (one.next().map_err(broken)?, other.next().map_err(broken)?);
        let name = match names {
            (None, None) => return Ok(None),
            (Some((name, _)), Some((same, _))) if name == same => name,
            (former, new) => {
                let (name, _) = new.or(former).unwrap_or_default();
                return Ok(Some(format!("only one has the member {}", content::printable(&name))));
            }
        };
        let is_control = name.starts_with("control.tar");
        let difference = if is_control || name.starts_with("data.tar") {
            let derived = |path: &str| is_control && path.trim_start_matches("./") == SUMS;
            tar_without(BufReader::new(&mut one), BufReader::new(&mut other), replaced, &derived)?
        } else {
            let equal = replaced.equal(&mut one.by_ref(), &mut other.by_ref())?;
            (!equal).then(|| super::differs(&name))
        };
        if difference.is_some() {
            return Ok(difference);
        }
    }
}
