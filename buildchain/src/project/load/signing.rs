//! Reading `spec.signing`.

use std::path::Path;

use content::LinkPolicy;
use packages::openpgp::{KEYS_MAX, KeySource, Keys, Passphrase};

use super::Loader;
use super::parts::Part;
use crate::project::error::Error;
use crate::project::field::Field;
use crate::project::file::SigningEntry;
use crate::project::names::Text;
use crate::project::signing::{PASSPHRASE, SECRET_KEY, SigningDefinition};

impl Loader {
    /// Reads `signing`. The last part that has it is used.
    pub(super) fn signing(&mut self, parts: &[Part]) {
        let Some((path, entry)) =
            parts.iter().rev().find_map(|part| Some((part.file.as_path(), part.content.signing.as_ref()?)))
        else {
            return;
        };
        let secret_key = self.secret_key(path, entry);
        let Some(name) = self.entries(path).existing(&entry.public_key) else { return };
        let public_key = self.project.root.join(&name);
        // One that a task produces is not there yet.
        if let Ok(bytes) = content::open_read(&public_key, LinkPolicy::Follow, KEYS_MAX)
            && let Err(fault) = Keys::read(&bytes)
        {
            let message = format!("`{}`: {fault}", content::printable_path(&name));
            self.wrong(path, &entry.public_key, message);
        }
        self.project.sources.push(public_key.clone());
        self.project.signing = Some(SigningDefinition { name, public_key, secret_key });
    }

    fn secret_key(&mut self, path: &Path, entry: &SigningEntry) -> Option<KeySource> {
        let ways = [entry.secret_key.is_some(), entry.gpg.is_some(), !entry.command.is_empty()];
        if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
            let message = "several ways to sign: expected one of `secretKey`, `gpg` and `command`";
            self.wrong(path, &entry.public_key, message);
        }
        let passphrases = [&entry.passphrase_file, &entry.passphrase_variable];
        let mut passphrases = passphrases.into_iter().flatten();
        if let Some(first) = passphrases.next().filter(|_| entry.secret_key.is_none()) {
            self.wrong(path, first, "a passphrase without `secretKey`");
        } else if let Some(second) = passphrases.next() {
            self.wrong(path, second, "expected one of `passphraseFile` and `passphraseVariable`");
        }
        let root = self.project.root.clone();
        let value = |loader: &Self, name: &str| {
            loader.project.settings.values.get(name).filter(|value| !value.is_empty()).cloned()
        };
        let default = value(self, PASSPHRASE).map(Passphrase::Text);
        if let Some(file) = value(self, SECRET_KEY) {
            return Some(KeySource::File { path: root.join(file), passphrase: default });
        }
        let mut text = |field: &Field<Text>| self.entries(path).text(field);
        if let Some(file) = &entry.secret_key {
            let file = text(file)?;
            let passphrase = match (&entry.passphrase_file, &entry.passphrase_variable) {
                (Some(file), _) => Some(Passphrase::File(root.join(text(file)?))),
                (None, Some(field)) => {
                    let name = text(field)?;
                    // Without a value, the error names the key.
                    value(self, &name).map(Passphrase::Text)
                }
                (None, None) => default,
            };
            return Some(KeySource::File { path: root.join(file), passphrase });
        }
        if let Some(key) = &entry.gpg {
            let key = text(key)?;
            let program = self.project.settings.program("gpg").unwrap_or_else(|| "gpg".into());
            return Some(KeySource::Gpg { program, key });
        }
        let words = entry.command.iter().map(text).collect::<Option<Vec<String>>>()?;
        let (program, arguments) = words.split_first()?;
        let found = self.project.settings.program(program);
        let Some(program) = found.map(|found| root.join(found)) else {
            let message = format!("`{}` is not a program on the search path", content::printable(program));
            if let Some(field) = entry.command.first() {
                self.mistakes.note::<()>(Err(Error::at(path, field.place(), message)));
            }
            return None;
        };
        let words = std::iter::once(program.into()).chain(arguments.iter().map(Into::into)).collect();
        Some(KeySource::Command { words, folder: Some(root) })
    }
}
