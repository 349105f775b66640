//! Checks of single entries of the project file, each mistake with its place.

use std::path::Path;

use serde_saphyr::Spanned;

use super::file::{Binary, Files, Registry};
use super::{Error, Mistakes, Territory, inner_path, shape, slug};

/// Programs: their names and where they go.
pub(super) fn binary(path: &Path, binary: &Binary, mistakes: &mut Mistakes) {
    mistakes.note(slug(path, &binary.cargo, "a cargo package"));
    if let Some(to) = &binary.to {
        mistakes.note(inner_path(path, to));
    }
}

/// Files for the archive: the source exists, and every pattern can be read.
pub(super) fn files(path: &Path, files: &Files, root: &Path, territory: &Territory, mistakes: &mut Mistakes) {
    mistakes.note(existing(path, &files.from, root, territory));
    mistakes.note(inner_path(path, &files.to));
    for pattern in &files.exclude {
        let wrong = |error: iso::Error| Error::at(path, pattern.referenced, error.to_string());
        mistakes.note(iso::Exclude::new(std::slice::from_ref(&pattern.value)).map(drop).map_err(wrong));
    }
}

/// A path of the project that has to exist.
pub(super) fn existing(
    path: &Path,
    name: &Spanned<String>,
    root: &Path,
    territory: &Territory,
) -> Result<(), Error> {
    let inner = territory.inner_path(path, name)?;
    if root.join(inner).symlink_metadata().is_ok() {
        return Ok(());
    }
    Err(Error::at(path, name.referenced, format!("`{}` does not exist", name.value)))
}

/// How a registry is reached: its host, its mirrors, and the files of its certificates.
pub(super) fn registry(
    path: &Path,
    registry: &Registry,
    root: &Path,
    territory: &Territory,
    mistakes: &mut Mistakes,
) {
    let host = &registry.host;
    if host.value.contains('/') || format!("{}/name:tag", host.value).parse::<images::Reference>().is_err() {
        let message =
            format!("`{}` is not a registry: expected a host, such as `registry.example:5000`", host.value);
        mistakes.note::<()>(Err(Error::at(path, host.referenced, message)));
    }
    for mirror in &registry.mirrors {
        let rest = ["http://", "https://"].iter().find_map(|scheme| mirror.value.strip_prefix(scheme));
        // A mistaken address is not shown: it may hold a password.
        let wrong = match rest {
            Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
                Some("a mirror's address takes no user name or password")
            }
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') => None,
            _ => Some("expected a mirror's address, such as `https://mirror.example/path`"),
        };
        if let Some(message) = wrong {
            mistakes.note::<()>(Err(Error::at(path, mirror.referenced, message)));
        }
    }
    let client = registry.client_certificate.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
    for file in registry.certificate_authorities.iter().chain(client) {
        if Path::new(&file.value).is_absolute() {
            if let Err(error) = Path::new(&file.value).metadata() {
                let message = format!("cannot open `{}`: {error}", file.value);
                mistakes.note::<()>(Err(Error::at(path, file.referenced, message)));
            }
        } else if mistakes.note(territory.resolve(Path::new(&file.value)).map_err(Error::from)).is_some()
            && root.join(&file.value).metadata().is_err()
        {
            let message = format!("`{}` does not exist", file.value);
            mistakes.note::<()>(Err(Error::at(path, file.referenced, message)));
        }
    }
}

/// The sources that the definition `text` at `path` names under `files`: those that no task makes have to exist.
pub(super) fn sources(path: &Path, text: &str, root: &Path, build_root: &Path) -> Result<(), Error> {
    let mut mistakes = Mistakes::default();
    for (name, place) in shape::texts(text, ["files", "from"]) {
        let source = root.join(&name);
        if source.starts_with(build_root) || source.symlink_metadata().is_ok() {
            continue;
        }
        let beside = path.parent().map(|folder| folder.join(&name)).filter(|path| path.exists());
        let beside = beside.as_deref().and_then(|path| path.strip_prefix(root).ok());
        let hint = match beside {
            Some(beside) => {
                format!("paths start from the project's folder: write `{}`", content::printable_path(beside))
            }
            None => "paths start from the project's folder".to_owned(),
        };
        mistakes.note::<()>(Err(Error::at(path, place, format!("`{name}` does not exist; {hint}"))));
    }
    mistakes.end(())
}
