//! `sealift archive verify --file`: single files, through the signed checksums.

use archive::Tree;
use archive::attestation::SignedStatement;
use content::printable;
use trust::Policy;

use super::Arguments;
use crate::failure::{CommandResult, Failure};
use crate::output::documents;
use crate::output::documents::signatures::{ArchiveFileVerification, SignerDocument, VerifiedFile};
use crate::remedies::trust::unproven;

/// Verifies the files of one archive.
pub(super) fn run(arguments: &Arguments, policy: Option<&Policy>) -> CommandResult {
    let ([path], Some(policy)) = (arguments.archives.as_slice(), policy) else {
        let failure = Failure::usage("--file verifies files of one archive by its signature");
        return Err(failure
            .remedy("name one archive, and who signed it: --key FILE, --identity SUBJECT, or --trust FILE"));
    };
    let tree = Tree::open(path)?;
    let signed =
        SignedStatement::check(&tree, arguments.trust.bundle.as_deref(), policy).map_err(|error| {
            let help = unproven(&error);
            let failure = Failure::failed(error);
            match help {
                Some(help) => failure.remedy(help),
                None => failure,
            }
        })?;
    let mut files = Vec::new();
    for (file, verified) in arguments.files.iter().zip(signed.verify_files(&tree, &arguments.files)) {
        files.push(VerifiedFile {
            path: file.clone(),
            ok: verified.is_ok(),
            digest: verified.as_ref().ok().map(ToString::to_string),
            reason: verified.err().map(|error| error.to_string()),
        });
    }
    let is_ok = files.iter().all(|file| file.ok);
    let text = || {
        let line = |file: &VerifiedFile| match &file.reason {
            None => format!("{}: signed by {}\n", printable(&file.path), signed.by),
            Some(reason) => format!("{}\n", printable(reason)),
        };
        files.iter().map(line).collect()
    };
    let document = || ArchiveFileVerification {
        archive: documents::text(path),
        ok: is_ok,
        by: SignerDocument::from(&signed.by),
        files: files.clone(),
    };
    arguments.output.report(document, text)?;
    if is_ok { Ok(()) } else { Err(Failure::Failed(None)) }
}
