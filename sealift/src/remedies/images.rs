//! Help for errors about images: registries, the content store, the lock file.

use buildchain::locking;
use graph::quoted;
use images::pull::{self, Login};
use images::push;

use super::helped;
use crate::failure::Failure;

/// The help for credentials that are missing or refused.
fn login(login: &Login) -> String {
    let host = &login.host;
    let entry = format!(r#"{{"auths": {{"{host}": {{"auth": "BASE64"}}}}}}"#);
    match &login.file {
        Some(file) => {
            let path = file.to_string_lossy();
            let (file, host) = (quoted(&path), quoted(host));
            let tls = if login.plain_http { "--tls-verify=false " } else { "" };
            format!(
                "log in with `skopeo login {tls}--authfile {file} {host}`, or write {entry} to this file, with USER:PASSWORD in base64"
            )
        }
        None => {
            format!("write {entry}, with USER:PASSWORD in base64, to a file, and name it with --auth-file")
        }
    }
}

fn login_of(error: &pull::Error) -> Option<String> {
    error.failures.iter().find_map(|failure| failure.fault.login()).map(login)
}

/// An image that cannot be pulled.
pub(crate) fn pull(error: pull::Error) -> Failure {
    let help = login_of(&error);
    helped(Failure::from(error), help)
}

/// A tag that cannot be looked up.
pub(crate) fn lock(error: locking::Error) -> Failure {
    let help = match &error {
        locking::Error::Resolve { source, .. } => login_of(source),
        _ => None,
    };
    helped(Failure::from(error), help)
}

/// Images that cannot be pushed.
pub(crate) fn push(error: push::Error) -> Failure {
    use push::RegistryFault;

    let help = match &*error.fault {
        RegistryFault::Sparse { .. } => {
            "build the archive with all platforms of this image, or with a single one".to_owned()
        }
        RegistryFault::Damaged(_) => "list every finding: `sealift archive verify`".to_owned(),
        RegistryFault::Unauthorized(_) => match error.fault.login() {
            Some(missing) => format!("{}; use an account that is allowed to push", login(missing)),
            None => "use an account that is allowed to push".to_owned(),
        },
        RegistryFault::Unreachable(_) => "check the name, the port and the network".to_owned(),
        fault if fault.is_transient() => {
            "re-run the command to resume; blobs that the registry has are not sent again".to_owned()
        }
        _ => return error.into(),
    };
    Failure::from(error).remedy(help)
}

/// A content store that cannot be used.
pub(crate) fn store(error: images::Error) -> Failure {
    let help = if error.is_unusable_place() {
        Some("name a folder that you can write to with --store DIR or SEALIFT_CACHE")
    } else if matches!(error, images::Error::StoreInUse { .. }) {
        Some("wait until the pull or build is done, then re-run the command")
    } else {
        None
    };
    helped(Failure::from(error), help)
}

/// Images that cannot be indexed.
pub(crate) fn index(error: images::Error) -> Failure {
    let damaged = matches!(error, images::Error::DigestMismatch { .. } | images::Error::SizeMismatch { .. });
    let help = damaged.then_some("list all damaged files: `sealift image check`");
    helped(Failure::from(error), help)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_help_for_missing_credentials_can_be_typed() {
        let host = "r.example:5000".to_owned();
        let with = |file: Option<&str>, plain_http| {
            login(&Login { host: host.clone(), file: file.map(PathBuf::from), plain_http })
        };
        for (file, plain_http, expected) in [
            ("/a/auth.json", false, "`skopeo login --authfile /a/auth.json r.example:5000`"),
            (
                "a b's.json",
                true,
                r#"`skopeo login --tls-verify=false --authfile "a b's.json" r.example:5000`"#,
            ),
            ("a\n.json", false, r"`skopeo login --authfile $'a\x0a.json' r.example:5000`"),
        ] {
            let found = with(Some(file), plain_http);
            assert!(found.starts_with(&format!("log in with {expected}, or ")), "{found}");
        }
        assert!(with(None, false).ends_with("name it with --auth-file"));
    }

    #[test]
    fn another_store_is_suggested_only_where_that_helps() {
        for (kind, helps) in [
            (ErrorKind::PermissionDenied, true),
            (ErrorKind::ReadOnlyFilesystem, true),
            (ErrorKind::StorageFull, false),
        ] {
            let path = PathBuf::from("store/lock");
            let failure = store(content::IoError::at("open", &path)(kind.into()).into());
            assert_eq!(failure.report().unwrap().remedy.is_some(), helps, "{kind}");
        }
    }
}
