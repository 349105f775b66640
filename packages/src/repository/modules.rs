//! Descriptions of modules: YAML documents that are put together from several files.

use std::collections::HashSet;

use super::header::HeaderFault;

/// What every document says of itself.
#[derive(serde::Deserialize)]
struct Document {
    document: String,
    #[serde(rename = "version")]
    _version: serde::de::IgnoredAny,
    #[serde(rename = "data")]
    _data: serde::de::IgnoredAny,
}

/// The documents of `text`, each with a line end, as they stand but for comments before the first one.
///
/// A line that begins with `---` starts a document wherever it stands (YAML 1.2, 9.1.2), so no parser is needed to find them.
pub(crate) fn documents(text: &str) -> Result<Vec<String>, HeaderFault> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        let marks = |mark: &str| {
            line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        if marks("---") {
            // What stands behind the marker belongs to the document.
            documents.push(
                line.get(3..)
                    .map(|rest| format!("{rest}\n"))
                    .filter(|rest| !rest.trim().is_empty())
                    .unwrap_or_default(),
            );
        } else if marks("...") {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '%']);
    documents.retain(|document| document.lines().any(is_content));
    for (place, document) in documents.iter().enumerate() {
        let read: Result<Document, _> = serde_saphyr::from_str(document);
        let what = format!("document {}", place + 1);
        match read {
            Ok(read) if read.document.starts_with("modulemd") => {}
            Ok(read) => return Err(HeaderFault::new(what, "a document of modulemd", read.document)),
            Err(error) => {
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                return Err(HeaderFault::new(what, "the keys document, version and data", first));
            }
        }
    }
    Ok(documents)
}

/// One stream of all documents, each once.
pub(super) fn join(documents: &[String]) -> String {
    let mut seen = HashSet::new();
    let once = documents.iter().filter(|document| seen.insert(document.as_str()));
    once.map(|document| format!("---\n{document}")).collect::<String>() + "...\n"
}
