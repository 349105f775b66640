//! Programs that sign: GnuPG, and commands of the user.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use content::FilterFault;

use super::fault::SigningFault;
use super::signer::{SignatureKind, Signing};
use super::{KEYS_MAX, SIGNATURE_MAX};

/// How long a program may take, since a user may type a passphrase or touch a card.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What gpg says if it has no terminal on which to ask for a passphrase.
const NO_TERMINAL: [&str; 3] = ["Inappropriate ioctl for device", "No pinentry", "No such device or address"];

/// GnuPG.
#[derive(Debug)]
pub(super) struct Gpg {
    pub(super) program: PathBuf,
    pub(super) home: Option<PathBuf>,
    /// What names the key: a fingerprint, an ID or a part of the user ID.
    pub(super) key: String,
}

impl Gpg {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--batch", "--no-tty", "--no-auto-check-trustdb"]).env("LC_ALL", "C");
        if let Some(home) = &self.home {
            command.arg("--homedir").arg(home);
        }
        command
    }

    pub(super) fn public_key(&self) -> Result<Vec<u8>, SigningFault> {
        let mut command = self.command();
        command.args([
            "--armor",
            "--no-emit-version",
            "--export-options",
            "export-minimal",
            "--export",
            "--",
        ]);
        command.arg(&self.key);
        let key = run(&mut command, b"", KEYS_MAX, &|| false)?;
        if key.is_empty() {
            let reason = format!("it has no secret key `{}`", content::printable(&self.key));
            return Err(SigningFault::Program { program: "gpg".to_owned(), reason });
        }
        Ok(key)
    }

    pub(super) fn sign(
        &self,
        data: &[u8],
        kind: SignatureKind,
        signing: Signing<'_>,
    ) -> Result<Vec<u8>, SigningFault> {
        let mut command = self.command();
        // The algorithm is fixed, since the default differs between versions. This one fits keys of any size.
        command.args(["--no-armor", "--digest-algo", "SHA512", "--faked-system-time"]);
        command.arg(format!("{}!", signing.date)).arg("--local-user").arg(&self.key);
        if kind == SignatureKind::Text {
            command.arg("--textmode");
        }
        command.args(["--output", "-", "--detach-sign"]);
        run(&mut command, data, SIGNATURE_MAX, signing.cancelled).map_err(|fault| match fault {
            SigningFault::Program { reason, .. } if NO_TERMINAL.iter().any(|said| reason.contains(said)) => {
                SigningFault::NoTerminal(self.key.clone())
            }
            fault => fault,
        })
    }
}

/// A command of the user.
#[derive(Debug)]
pub(super) struct SigningCommand {
    /// The program and its arguments.
    pub(super) words: Vec<OsString>,
    pub(super) folder: Option<PathBuf>,
}

impl SigningCommand {
    pub(super) fn sign(
        &self,
        data: &[u8],
        kind: SignatureKind,
        signing: Signing<'_>,
    ) -> Result<Vec<u8>, SigningFault> {
        let Some((program, arguments)) = self.words.split_first() else {
            let reason = "the command is empty".to_owned();
            return Err(SigningFault::Program { program: String::new(), reason });
        };
        let mut command = Command::new(program);
        command.args(arguments).env("SEALIFT_SIGNING_DATE", signing.date.to_string());
        command.env(
            "SEALIFT_SIGNING_KIND",
            match kind {
                SignatureKind::Binary => "binary",
                SignatureKind::Text => "text",
            },
        );
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        run(&mut command, data, SIGNATURE_MAX, signing.cancelled)
    }
}

/// What a program writes to standard output.
fn run(
    command: &mut Command,
    input: &[u8],
    most: u64,
    cancelled: &dyn Fn() -> bool,
) -> Result<Vec<u8>, SigningFault> {
    content::filter(command, input, most, TIMEOUT, cancelled).map_err(|fault| match fault {
        FilterFault::Cancelled => SigningFault::Cancelled,
        fault => {
            let program = command.get_program().to_string_lossy().into_owned();
            SigningFault::Program { program, reason: fault.to_string() }
        }
    })
}
