//! Writing `Packages`, `Contents` and `Release`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::contents::write_contents;
use super::entry::Spool;
use super::index::Listed;
use super::options::{DebIndexOptions, Suite};
use super::place::{Place, link};
use super::release::{ListedFile, release};
use crate::error::{Error, Result};
use crate::metadata::ChecksumKind;
use crate::openpgp::Signing;
use crate::publish::PrivateFolder;
use crate::repository::{MetadataCompression, Packer};

/// The architecture of packages for all machines.
const ALL: &str = "all";

/// Writes all metadata into the staging folder; their paths, those that clients read first last.
pub(super) fn write_metadata(
    options: &DebIndexOptions,
    date: i64,
    place: &Place<'_>,
    spool: &Spool,
    listed: &[Listed],
) -> Result<Vec<String>> {
    let mut architectures: BTreeSet<&str> =
        listed.iter().map(|one| one.identity.architecture.as_str()).collect();
    let mut writer = Writer { staging: place.staging(), options, spool, files: Vec::new() };
    match &options.suite {
        None => {
            let packages: Vec<&Listed> = listed.iter().collect();
            writer.packages("", &packages, MetadataCompression::Plain)?;
            if options.compression != MetadataCompression::Plain {
                writer.packages("", &packages, options.compression)?;
            }
        }
        Some(suite) => {
            architectures.extend(suite.architectures.iter().map(String::as_str));
            if architectures.len() > 1 {
                // Packages for all machines are listed for each.
                architectures.remove(ALL);
            }
            if architectures.is_empty() {
                architectures.insert(ALL);
            }
            writer.suite(suite, &architectures, listed)?;
        }
    }
    let architectures: Vec<String> = architectures.into_iter().map(str::to_owned).collect();
    let Writer { mut files, .. } = writer;
    let text = release(options, date, &architectures, &mut files)?;
    let folder = PrivateFolder::lock_existing(place.staging())?;
    let mut names: Vec<String> = files.into_iter().map(|file| file.path).collect();
    names.retain(|name| place.staging().join(name).exists());
    let mut write = |name: &str, bytes: &[u8]| {
        names.push(name.to_owned());
        folder.write(name, |file| {
            file.write_all(bytes).map_err(Error::io("write", &place.staging().join(name)))
        })
    };
    write("Release", &text)?;
    if let Some(signer) = &options.signer {
        let path = place.metadata().join("Release");
        let failed = |fault| Error::Signing { path: path.clone(), fault };
        let text = String::from_utf8_lossy(&text);
        let signing = Signing::at(date);
        write("Release.gpg", &signer.detached_armoured(text.as_bytes(), signing).map_err(failed)?)?;
        write("InRelease", &signer.cleartext(&text, signing).map_err(failed)?)?;
        place.write_key(signer.public_key())?;
    }
    Ok(names)
}

struct Writer<'a> {
    staging: &'a Path,
    options: &'a DebIndexOptions,
    spool: &'a Spool,
    files: Vec<ListedFile>,
}

impl Writer<'_> {
    fn suite(&mut self, suite: &Suite, architectures: &BTreeSet<&str>, listed: &[Listed]) -> Result<()> {
        for (number, component) in suite.components.iter().enumerate() {
            for architecture in architectures {
                let is_wanted = |one: &&Listed| {
                    let its = one.identity.architecture.as_str();
                    one.component == number && (its == *architecture || its == ALL)
                };
                let packages: Vec<&Listed> = listed.iter().filter(is_wanted).collect();
                let folder = format!("{component}/binary-{architecture}/");
                self.packages(&folder, &packages, self.options.compression)?;
                if suite.contents {
                    let lines = packages
                        .iter()
                        .flat_map(|one| one.paths.iter().map(|path| (path.as_str(), one.qualified.as_str())));
                    let lines = lines.collect();
                    let name = format!("{component}/Contents-{architecture}");
                    let compression = self.options.compression;
                    self.file(&name, compression, |packer| write_contents(lines, packer))?;
                }
            }
        }
        Ok(())
    }

    /// Writes `Packages` into a folder.
    fn packages(
        &mut self,
        folder: &str,
        packages: &[&Listed],
        compression: MetadataCompression,
    ) -> Result<()> {
        let spool = self.spool;
        self.file(&format!("{folder}Packages"), compression, |packer| {
            for (number, one) in packages.iter().enumerate() {
                if number > 0 {
                    packer.write_all(b"\n")?;
                }
                packer.write_all(&spool.read(&one.stanza)?)?;
            }
            Ok(())
        })
    }

    /// Writes a file and notes it, also under the name that it has without compression.
    fn file(
        &mut self,
        name: &str,
        compression: MetadataCompression,
        content: impl FnOnce(&mut Packer) -> std::io::Result<()>,
    ) -> Result<()> {
        let packed_name = format!("{name}{}", compression.suffix());
        let path = self.staging.join(&packed_name);
        let parent = path.parent().unwrap_or(self.staging).to_owned();
        content::create_folder(&parent)?;
        let mut packer = Packer::create(&path, compression, ChecksumKind::Sha256)?;
        let packed =
            content(&mut packer).and_then(|()| packer.finish()).map_err(Error::io("write", &path))?;
        if self.options.suite.is_some() {
            // Clients that have an older `Release` ask for these names.
            let digest = parent.join("by-hash/SHA256").join(&packed.checksum.hex);
            link(&path, &digest)?;
        }
        let listed = |path: &str, size, digest: &str| ListedFile {
            path: path.to_owned(),
            size,
            digest: digest.to_owned(),
        };
        if compression != MetadataCompression::Plain && !self.files.iter().any(|file| file.path == name) {
            self.files.push(listed(name, packed.open_size, &packed.open_checksum.hex));
        }
        self.files.push(listed(&packed_name, packed.size, &packed.checksum.hex));
        Ok(())
    }
}
