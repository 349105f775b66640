//! Requests as they come over the wire, for the registries that the tests play.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

/// Values by lower-case name.
pub(crate) type Headers = BTreeMap<String, String>;

/// Method, target and headers of the next request, or `None` where the client has hung up.
pub(crate) fn head(reader: &mut impl BufRead) -> io::Result<Option<(String, String, Headers)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    Ok(Some((method, target, headers)))
}
