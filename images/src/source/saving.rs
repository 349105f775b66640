//! Images in the storage of a container engine, which are refused with the command that saves them to an archive.
//!
//! They are not read directly: an engine keeps no manifest of what it pulled that others could check, its layers get another digest
//! each time they are packed, and a second machine does not have them.

use crate::Reference;
use crate::redact::redacted;
use crate::reference::ReferenceError;

/// The other transports of containers/image; without this they would be read as names of images.
const OTHER_TRANSPORTS: [&str; 3] = ["ostree:", "sif:", "tarball:"];

/// Why `text` is refused, if it names an image of a transport that is not read.
pub(super) fn refused(text: &str) -> Option<ReferenceError> {
    let error = |reason: String| {
        let found = redacted(text).chars().take(300).collect();
        Some(ReferenceError { found, reason })
    };
    if let Some(image) = text.strip_prefix("docker-daemon:") {
        return error(save("docker save -o", "docker-archive", image));
    }
    if let Some(image) = text.strip_prefix("containers-storage:") {
        // `[DRIVER@FOLDER]NAME`: podman itself finds the storage that it uses.
        let image =
            image.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(image, |(_, name)| name);
        return error(save("podman save --format oci-archive -o", "oci-archive", image));
    }
    let other = OTHER_TRANSPORTS.iter().find(|other| text.starts_with(**other))?;
    error(format!(
        "images of the kind `{other}` are not read: save the image to an archive that is, with `skopeo copy {other}… oci-archive:FILE`"
    ))
}

/// The command that saves `image` to an archive, and how the archive is named.
fn save(command: &str, layout: &str, image: &str) -> String {
    // The characters of a reference mean nothing to a shell.
    let (image, file) = match image.parse::<Reference>() {
        Ok(reference) => {
            let name = reference.repository().rsplit('/').next().unwrap_or_default();
            match reference.tag() {
                // Without a tag, `docker save` takes all of them.
                Some(tag) if reference.given_tag().is_none() => {
                    (format!("{image}:{tag}"), format!("{name}-{tag}.tar"))
                }
                Some(tag) => (image.to_owned(), format!("{name}-{tag}.tar")),
                None => (image.to_owned(), format!("{name}.tar")),
            }
        }
        Err(_) => ("NAME:TAG".to_owned(), "FILE.tar".to_owned()),
    };
    format!(
        "images in the storage of a container engine are not read: save it with `{command} {file} {image}`, and write `{layout}:{file}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_saves_the_image_is_printed_in_full() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("docker-daemon:app:1.2".to_owned(), "`docker save -o app-1.2.tar app:1.2`, and write `docker-archive:app-1.2.tar`".to_owned()),
            (
                "docker-daemon:quay.io/team/app".to_owned(),
                "`docker save -o app-latest.tar quay.io/team/app:latest`, and write `docker-archive:app-latest.tar`".to_owned(),
            ),
            (
                format!("docker-daemon:app@{digest}"),
                format!("`docker save -o app.tar app@{digest}`, and write `docker-archive:app.tar`"),
            ),
            (
                "containers-storage:localhost/app:1".to_owned(),
                "`podman save --format oci-archive -o app-1.tar localhost/app:1`, and write `oci-archive:app-1.tar`".to_owned(),
            ),
            (
                "containers-storage:[overlay@/var/lib/containers/storage]app:1".to_owned(),
                "`podman save --format oci-archive -o app-1.tar app:1`, and write".to_owned(),
            ),
            ("docker-daemon:$(reboot)".to_owned(), "`docker save -o FILE.tar NAME:TAG`, and write `docker-archive:FILE.tar`".to_owned()),
            ("sif:app.sif".to_owned(), "`skopeo copy sif:… oci-archive:FILE`".to_owned()),
        ] {
            let error = refused(&text).unwrap().to_string();
            assert!(error.contains(&expected), "{text}: {error}");
        }
        assert_eq!(refused("docker-daemon/app:1"), None);
    }
}
