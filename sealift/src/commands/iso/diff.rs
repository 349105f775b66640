//! `sealift iso diff`.

use std::path::Path;

use content::printable;

use crate::failure::{CommandResult, Failure};
use crate::output::ReportOutput;
use crate::output::document::List;
use crate::output::documents::iso::IsoDifference;
use crate::progress::Bar;

pub(super) fn run(before: &Path, after: &Path, output: ReportOutput) -> CommandResult {
    let (old, new) = (::iso::IsoImage::open(before)?, ::iso::IsoImage::open(after)?);
    let differences = {
        let bar = Bar::bytes("comparing", old.size() + new.size());
        ::iso::diff(&old, &new, &bar)?
    };
    let text = || {
        let mut text = String::new();
        for one in &differences {
            let path = printable(&one.path);
            let fault = one.before.iter().chain(&one.after).find_map(|state| state.fault.as_ref());
            text.push_str(&match (&one.before, &one.after, fault) {
                (Some(_), Some(_), Some(fault)) => {
                    format!("unreadable {path}: {}\n", printable(&fault.to_string()))
                }
                (None, Some(after), _) => format!("added    {path}  {} bytes\n", after.size),
                (Some(before), None, _) => format!("removed  {path}  {} bytes\n", before.size),
                (Some(before), Some(after), None) => {
                    format!("changed  {path}  {} -> {} bytes\n", before.size, after.size)
                }
                (None, None, _) => String::new(),
            });
        }
        text
    };
    output.report(|| differences.iter().map(IsoDifference::from).collect::<List<_>>(), text)?;
    if differences.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}
