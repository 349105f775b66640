//! Building a package: a definition and its files, to an RPM file.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use content::LinkPolicy;
use rpm::{BuildConfig, CompressionWithLevel, FileOptions, PackageBuilder, Timestamp};

use crate::automatic;
use crate::definition::{PackageFile, PackageFileKind, RpmDefinition};
use crate::error::{Error, Result};
use crate::expand::ExpandedDefinition;
use crate::format::PackageFormat;
use crate::openpgp::{Signer, Signing};
use crate::publish::PrivateFolder;
use crate::{relations, repository};

/// Written into every package that names no other, instead of the name of the machine that built it.
pub const BUILD_HOST: &str = "localhost";

/// The most bytes of a file that is kept in memory: RPM 4 counts them in 32 bits.
const FILE_MAX: u64 = u32::MAX as u64;

/// A package that [`build`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltPackage {
    /// The file.
    pub path: PathBuf,
    /// `name-version-release.arch`, or of a Debian package `name_version_architecture`.
    pub nevra: String,
    /// Warnings about the definition, each a sentence that says what to do.
    pub warnings: Vec<String>,
}

/// Builds the package and puts it into `out_dir` (created where it is missing) as
/// [`RpmDefinition::file_name`] says.
///
/// The format is RPM 4, by default with a gzip payload, which every RPM since EL 7 reads. Equal definitions, files and
/// dates give equal bytes: `source_date` (Unix seconds) is the time of the build and of every file, and neither
/// the build host nor the sources' modes, owners, times or hard links reach the package.
///
/// # Errors
///
/// [`Error::Definition`] where the definition does not [`check`](RpmDefinition::check) or a source is not a regular
/// file, [`Error::Rpm`] where the package that was written does not read back with the digests that it carries,
/// [`Error::FutureSourceDate`] where `source_date` is later than the clock, [`Error::Io`] and
/// [`Error::Build`] where a source cannot be read or the package cannot be written. After any error, an
/// existing package is unchanged.
pub fn build(
    definition: &RpmDefinition,
    base_dir: &Path,
    source_date: i64,
    out_dir: &Path,
) -> Result<BuiltPackage> {
    build_signed(definition, base_dir, source_date, out_dir, None)
}

/// [`build`], with a signature that has the source date.
///
/// # Errors
///
/// As [`build`], and [`Error::Signing`].
pub fn build_signed(
    definition: &RpmDefinition,
    base_dir: &Path,
    source_date: i64,
    out_dir: &Path,
    signer: Option<(&Signer, &dyn Fn() -> bool)>,
) -> Result<BuiltPackage> {
    let nevra = definition.nevra()?;
    let ExpandedDefinition { definition, mut warnings, .. } = definition.expand(base_dir)?;
    let package = assemble(&definition, base_dir, source_date)?;
    let build_error = |reason| Error::Build { package: definition.name.clone(), reason: Box::new(reason) };
    warnings.extend(definition.warnings());
    warnings.extend(automatic::machine_warnings(&definition, base_dir, &definition.arch)?);
    let mut head = Vec::new();
    package.metadata.write(&mut head).map_err(build_error)?;
    if let Some((signer, cancelled)) = signer {
        let signing = Signing { date: source_date, cancelled };
        head = repository::sign_in_memory(&head, signer, signing, &out_dir.join(format!("{nevra}.rpm")))?;
    }
    let built = BuiltPackage { path: PathBuf::from(format!("{nevra}.rpm")), nevra, warnings };
    put(out_dir, built, &[&head, &package.payload])
}

/// Writes a package that is called `built.path` into the folder `out_dir`; the path of what is returned is the file. RPMs are read
/// back with the digests that they carry.
pub(crate) fn put(out_dir: &Path, mut built: BuiltPackage, parts: &[&[u8]]) -> Result<BuiltPackage> {
    let folder = PrivateFolder::lock(out_dir)?;
    let path = out_dir.join(&built.path);
    built.path = folder.write_checked(
        &built.path.to_string_lossy(),
        |file| {
            let mut write = || parts.iter().try_for_each(|part| file.write_all(part));
            write().map_err(Error::io("write", &path))
        },
        |file, path| {
            if PackageFormat::of(&path.to_string_lossy()) == Some(PackageFormat::Rpm) {
                repository::check(file, path)?;
            }
            if replaces_other(file, path)? {
                built.warnings.push(format!(
                    "{} replaces a package with the same name but different content; \
                     increase `release:` if that one was published",
                    built.nevra
                ));
            }
            Ok(())
        },
    )?;
    Ok(built)
}

/// Whether there is a file at the path, with other bytes than the new one has.
fn replaces_other(mut new: &fs::File, path: &Path) -> Result<bool> {
    let Ok(mut old) = content::open(path, LinkPolicy::Follow) else { return Ok(false) };
    let read = Error::io("read", path);
    let mut differ = || -> io::Result<bool> {
        if old.metadata()?.len() != new.metadata()?.len() {
            return Ok(true);
        }
        new.rewind()?;
        let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            let count = new.read(&mut one)?;
            let (Some(one), Some(other)) = (one.get(..count), other.get_mut(..count)) else {
                return Ok(true);
            };
            if one.is_empty() {
                return Ok(false);
            }
            match old.read_exact(other) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                done => done?,
            }
            if one != other {
                return Ok(true);
            }
        }
    };
    differ().map_err(read)
}

/// The bytes of the package that [`build`] makes, and what it is called, the path being its file name: for callers who write them
/// to a place of another kind, such as a pipe. They have been read back with the digests that they carry.
///
/// # Errors
///
/// As [`build`], but for what concerns the folder.
pub fn build_in_memory(
    definition: &RpmDefinition,
    base_dir: &Path,
    source_date: i64,
) -> Result<(Vec<u8>, BuiltPackage)> {
    let nevra = definition.nevra()?;
    let ExpandedDefinition { definition, mut warnings, .. } = definition.expand(base_dir)?;
    warnings.extend(definition.warnings());
    warnings.extend(automatic::machine_warnings(&definition, base_dir, &definition.arch)?);
    let package = assemble(&definition, base_dir, source_date)?;
    let mut bytes = Vec::new();
    package
        .write(&mut bytes)
        .map_err(|reason| Error::Build { package: definition.name.clone(), reason: Box::new(reason) })?;
    let path = PathBuf::from(format!("{nevra}.rpm"));
    repository::check(bytes.as_slice(), &path)?;
    Ok((bytes, BuiltPackage { path, nevra, warnings }))
}

/// A source date as RPM stores it.
pub(crate) fn timestamp(definition: &RpmDefinition, source_date: i64) -> Result<Timestamp> {
    u32::try_from(source_date).map(Timestamp).map_err(|_| Error::Definition {
        package: definition.name.clone(),
        field: "the source date".to_owned(),
        expected: "Unix seconds that fit 32 bits without a sign, as RPM stores them",
        found: source_date.to_string(),
    })
}

/// A package that has what the definition says about it, and no files.
pub(crate) fn described(
    definition: &RpmDefinition,
    compression: CompressionWithLevel,
    date: Timestamp,
) -> PackageBuilder {
    let RpmDefinition { name, license, arch, summary, .. } = definition;
    let mut builder = PackageBuilder::new(name, &definition.rpm_version(), license, arch, summary);
    builder
        .using_config(BuildConfig::v4().compression(compression).source_date(date))
        .release(&definition.release)
        .build_host(definition.build_host.as_deref().unwrap_or(BUILD_HOST));
    if let Some(epoch) = definition.epoch {
        builder.epoch(epoch);
    }
    if let Some(packager) = &definition.packager {
        builder.packager(packager);
    }
    if let Some(group) = &definition.group {
        builder.group(group);
    }
    if let Some(description) = &definition.description {
        builder.description(description.trim_end());
    }
    if let Some(url) = &definition.url {
        builder.url(url);
    }
    if let Some(vendor) = &definition.vendor {
        builder.vendor(vendor);
    }
    for change in &definition.changelog {
        // `check` has parsed the date before.
        let time = change.time().map_or(date, Timestamp);
        builder.add_changelog_entry(
            format!("{} - {}", change.author, change.version),
            change.text.trim_end(),
            time,
        );
    }
    builder
}

/// Checks the date of a package that was built: the crate takes the earlier one of the source date and the clock.
pub(crate) fn check_date(definition: &RpmDefinition, package: &rpm::Package, date: Timestamp) -> Result<()> {
    let build_error = |reason| Error::Build { package: definition.name.clone(), reason: Box::new(reason) };
    if package.metadata.get_build_time().map_err(build_error)? == u64::from(date.0) {
        return Ok(());
    }
    Err(Error::FutureSourceDate { package: definition.name.clone(), source_date: date.0.into() })
}

fn assemble(definition: &RpmDefinition, base_dir: &Path, source_date: i64) -> Result<rpm::Package> {
    let date = timestamp(definition, source_date)?;
    let build_error = |reason| Error::Build { package: definition.name.clone(), reason: Box::new(reason) };
    let mut builder = described(definition, definition.compression.of_crate(), date);
    definition.scriptlets.add_to(&mut builder);

    let mut inodes = HashSet::new();
    let mut automatic = BTreeMap::new();
    for (i, file) in definition.files.iter().enumerate() {
        add_file(&mut builder, definition, i, file, base_dir, date, &mut inodes)?;
        if definition.auto_requires || definition.auto_provides {
            let mut found = automatic::find(file, &base_dir.join(file.source().path()))?;
            if !definition.auto_requires {
                found.requires.clear();
            }
            if !definition.auto_provides {
                found.provides.clear();
            }
            automatic.insert(file.to.clone(), found);
        }
    }
    for directory in &definition.directories {
        let options = FileOptions::dir(&directory.path)
            .permissions(directory.mode.bits())
            .user(&directory.owner)
            .group(&directory.group)
            .modified_at(date);
        builder.with_dir_entry(options).map_err(build_error)?;
    }
    for symlink in &definition.symlinks {
        let options = FileOptions::symlink(&symlink.path, &symlink.target).modified_at(date);
        builder.with_symlink(options).map_err(build_error)?;
    }
    for ghost in &definition.ghosts {
        let options = if ghost.directory { FileOptions::ghost_dir } else { FileOptions::ghost }(&ghost.path);
        let options =
            options.permissions(ghost.mode().bits()).user(&ghost.owner).group(&ghost.group).modified_at(date);
        let options = if ghost.config { options.config().noreplace() } else { options };
        builder.with_ghost(options).map_err(build_error)?;
    }

    let package = builder.build().map_err(build_error)?;
    check_date(definition, &package, date)?;
    let package = definition.compression.pack(package).map_err(build_error)?;
    relations::complete(package, definition, &automatic).map_err(build_error)
}

fn add_file(
    builder: &mut PackageBuilder,
    definition: &RpmDefinition,
    index: usize,
    file: &PackageFile,
    base_dir: &Path,
    date: Timestamp,
    inodes: &mut HashSet<(u64, u64)>,
) -> Result<()> {
    let build_error = |reason| Error::Build { package: definition.name.clone(), reason: Box::new(reason) };
    let source = base_dir.join(file.source().path());
    let metadata = fs::metadata(&source).map_err(Error::io("read", &source))?;
    if !metadata.is_file() {
        return Err(Error::Definition {
            package: definition.name.clone(),
            field: format!("files[{index}].from"),
            expected: "a regular file, or a folder with `/` at its end",
            found: source.display().to_string(),
        });
    }
    let options = FileOptions::new(&file.to)
        .permissions(file.mode().bits())
        .user(&file.owner)
        .group(&file.group)
        .modified_at(date);
    let options = match file.kind {
        PackageFileKind::File => options,
        PackageFileKind::Config => options.config().noreplace(),
        PackageFileKind::ConfigReplace => options.config(),
        PackageFileKind::ConfigMissingok => options.config().noreplace().missingok(),
        PackageFileKind::Doc => options.doc(),
        PackageFileKind::License => options.license(),
    };
    let options = match &file.capabilities {
        Some(capabilities) => options.caps(capabilities).map_err(build_error)?,
        None => options,
    };
    // The crate would make hard links of sources that are hard links of each other, which is an accident of the
    // builder's disk and no property of the package: such a second one is given by its content.
    if inodes.insert((metadata.dev(), metadata.ino())) {
        builder.with_file(&source, options).map_err(build_error)?;
    } else {
        let content = content::open_read(&source, LinkPolicy::Follow, FILE_MAX)?;
        builder.with_file_contents(content, options).map_err(build_error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    use super::*;

    const DATE: i64 = 1_700_000_000;

    fn definition() -> RpmDefinition {
        let text = "
            name: tool
            version: 1.2.3
            release: '1'
            arch: x86_64
            summary: A tool
            license: MIT
            description: |
              What it does.
            files:
              - {from: tool, to: /usr/bin/tool, mode: '0755'}
              - {from: conf, to: /etc/tool.conf, kind: config, owner: tool, group: adm}
              - {from: copy, to: /usr/share/doc/tool/conf, kind: doc}
            directories: [{path: /var/lib/tool, mode: '0750', owner: tool}]
            symlinks: [{path: /usr/bin/t, target: tool}]
            requires: ['nginx >= 1.20']
            scriptlets: {post: 'echo installed'}
            changelog: [{date: 2026-01-02, author: 'A <a@example.org>', version: 1.2.3-1, text: '- First.'}]
        ";
        serde_saphyr::from_str(text).unwrap()
    }

    fn sources(base: &Path) {
        fs::create_dir_all(base).unwrap();
        fs::write(base.join("tool"), vec![7; 100_000]).unwrap();
        fs::write(base.join("conf"), "a = 1\n").unwrap();
        fs::write(base.join("copy"), "a = 1\n").unwrap();
    }

    #[test]
    fn equal_inputs_give_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        sources(&one);
        sources(&two);
        // What must not matter: the sources' times, modes and hard links.
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        fs::File::options().write(true).open(two.join("tool")).unwrap().set_modified(old).unwrap();
        fs::set_permissions(two.join("tool"), Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(two.join("copy")).unwrap();
        fs::hard_link(two.join("conf"), two.join("copy")).unwrap();

        let first = build(&definition(), &one, DATE, &one.join("out")).unwrap();
        let second = build(&definition(), &two, DATE, &two.join("out")).unwrap();
        assert_eq!(first.nevra, "tool-1.2.3-1.x86_64");
        assert_eq!(first.path, one.join("out").join(definition().file_name().unwrap()));
        assert_eq!(fs::read(&first.path).unwrap(), fs::read(&second.path).unwrap());

        let later = build(&definition(), &one, DATE + 1, &one.join("out")).unwrap();
        assert_ne!(fs::read(&later.path).unwrap(), fs::read(&second.path).unwrap());
    }

    #[test]
    fn nothing_but_the_package_is_left() {
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        let out = folder.path().join("out");
        let name = definition().file_name().unwrap();
        build(&definition(), folder.path(), DATE, &out).unwrap();
        let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name.as_str()]);
    }

    #[test]
    fn other_content_under_the_same_name_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        let out = folder.path().join("out");
        let warnings =
            |definition: &RpmDefinition| build(definition, folder.path(), DATE, &out).unwrap().warnings;
        assert_eq!(warnings(&definition()), [""; 0]);
        assert_eq!(warnings(&definition()), [""; 0], "the same bytes");
        fs::write(folder.path().join("conf"), "a = 2\n").unwrap();
        let changed = warnings(&definition());
        assert!(changed.len() == 1 && changed[0].contains("tool-1.2.3-1.x86_64"), "{changed:?}");
        assert!(changed[0].contains("increase `release:`"), "{changed:?}");
        fs::write(folder.path().join("conf"), "a = 3\n").unwrap();
        let raised = RpmDefinition { release: "2".to_owned(), ..definition() };
        assert_eq!(warnings(&raised), [""; 0]);
    }

    #[test]
    fn a_first_line_that_names_no_dependency_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        fs::write(folder.path().join("tool"), "#!/opt/a,-b\n").unwrap();
        let error = build(&definition(), folder.path(), DATE, folder.path()).unwrap_err().to_string();
        assert!(error.contains("/tool: ") && error.contains("`-b` does not start"), "{error}");
    }

    #[test]
    fn a_failure_names_its_cause_and_leaves_the_old_package() {
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        let out = folder.path().join("out");
        let good = build(&definition(), folder.path(), DATE, &out).unwrap();
        let before = fs::read(&good.path).unwrap();

        fs::remove_file(folder.path().join("conf")).unwrap();
        let missing = build(&definition(), folder.path(), DATE, &out).unwrap_err().to_string();
        assert!(missing.contains("cannot read") && missing.contains("/conf"), "{missing}");
        fs::create_dir(folder.path().join("conf")).unwrap();
        let no_file = build(&definition(), folder.path(), DATE, &out).unwrap_err().to_string();
        assert!(no_file.contains("files[1].from: expected a regular file"), "{no_file}");
        fs::remove_dir(folder.path().join("conf")).unwrap();
        sources(folder.path());

        for (date, message) in [
            (-1, "fit 32 bits"),
            (1 << 32, "fit 32 bits"),
            (4_000_000_000, "later than this machine's clock"),
        ] {
            let error = build(&definition(), folder.path(), date, &out).unwrap_err().to_string();
            assert!(error.contains(message), "{date}: {error}");
        }
        assert_eq!(fs::read(&good.path).unwrap(), before);
    }
}
