//! The log of a change of the node: each line with its time, in a file and on standard error.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use content::{IoError, Stream};
use jiff::Timestamp;
use node::hooks::{Hook, HookProgress};

use crate::output;

/// A log of this size in bytes is renamed to `NAME.1` before more is written.
const ROTATED_AT: u64 = 16 << 20;

/// The log of a command.
#[derive(Debug)]
pub(crate) struct StepLog {
    file: Mutex<File>,
    path: PathBuf,
}

impl StepLog {
    /// Opens the log at `path`, which only root can read: hooks may print secrets. Its folder is created.
    pub(crate) fn open(path: &Path) -> Result<Self, IoError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            content::create_folder(folder)?;
        }
        Ok(Self { file: Mutex::new(opened(path)?), path: path.to_path_buf() })
    }

    /// Records what the command does, and notes it on standard error.
    pub(crate) fn note(&self, text: &str) {
        output::note(text);
        self.record(text);
    }

    /// Records a line only in the file. A log that cannot be written does not stop the command.
    pub(crate) fn record(&self, text: &str) {
        let now = Timestamp::now();
        let line = format!("{now:.3} {}\n", content::printable_lines(text).to_string().replace('\n', "\n  "));
        // A panic elsewhere leaves the file as it is.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // The hooks of one command can print more than a log should have.
        if file.stream_position().is_ok_and(|size| size >= ROTATED_AT)
            && let Ok(new) = opened(&self.path)
        {
            *file = new;
        }
        if let Err(error) = file.write_all(line.as_bytes()) {
            output::detail(&format!("cannot write {}: {error}", self.path.display()));
        }
    }
}

/// Opens the log at its end. One that is too large is renamed first.
fn opened(path: &Path) -> Result<File, IoError> {
    let mut file = content::open_or_create(path, 0o600)?;
    if file.metadata().map_err(IoError::at("examine", path))?.len() >= ROTATED_AT {
        let mut older = path.as_os_str().to_owned();
        older.push(".1");
        std::fs::rename(path, older).map_err(IoError::at("rename", path))?;
        file = content::open_or_create(path, 0o600)?;
    }
    file.seek(SeekFrom::End(0)).map_err(IoError::at("open", path))?;
    Ok(file)
}

impl HookProgress for StepLog {
    fn started(&self, hook: &Hook) {
        self.note(&format!("running the hook {}", content::printable_path(&hook.path)));
    }

    fn line(&self, hook: &Hook, _: Stream, line: &str) {
        let name = hook.path.file_name().unwrap_or_default().to_string_lossy();
        self.record(&format!("{name}: {line}"));
        if !output::is_quiet() {
            // Nobody is left to notify if standard error is gone.
            let _ = writeln!(
                anstream::stderr(),
                "{}: {}",
                content::printable(&name),
                content::printable_lines(line)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_log_grows_until_it_is_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/upgrade.log");
        StepLog::open(&path).unwrap().record("one");
        StepLog::open(&path).unwrap().record("two\nlines");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let after = |line: &str| line.split_once("Z ").map(|(_, text)| text.to_owned());
        assert_eq!(after(lines[0]).as_deref(), Some("one"), "{text}");
        assert_eq!((after(lines[1]).as_deref(), lines[2]), (Some("two"), "  lines"), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        File::options().write(true).open(&path).unwrap().set_len(ROTATED_AT).unwrap();
        let log = StepLog::open(&path).unwrap();
        log.record("three");
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("Z three\n"));
        let older = folder.path().join("log/upgrade.log.1");
        assert_eq!(std::fs::metadata(&older).unwrap().len(), ROTATED_AT);
        // Also while a command runs.
        let long = "x".repeat(1 << 20);
        (0..20).for_each(|_| log.record(&long));
        let sizes = [&path, &older].map(|path| std::fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|size| *size < ROTATED_AT + (2 << 20)), "{sizes:?}");
        assert!(std::fs::read_to_string(&older).unwrap().contains("Z three\n"));
    }
}
