//! Images in the storage of a container engine: the engine saves the image to an archive, which is read like any other.
//!
//! An engine keeps no manifest that another machine could check, and packs layers as it likes. What stays the same is the
//! configuration, which has the digests of the uncompressed layers; its digest is the image's ID.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::str::FromStr;

use content::Digest;

use super::{SavedImage, SourceFiles, docker};
use crate::build::engine::Engine;
use crate::error::{Error, Result, io};
use crate::redact::redacted;
use crate::reference::ReferenceError;
use crate::{Platform, Reference, Store};

/// The transports of containers/image that are not read; without this they would be read as names of images.
const OTHER_TRANSPORTS: [&str; 3] = ["ostree:", "sif:", "tarball:"];
/// The most bytes of an error of an engine that are repeated.
const REASON_MAX: usize = 2000;

/// The storage of a container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineStorage {
    /// `docker-daemon:`, that of Docker.
    Docker,
    /// `containers-storage:`, that of podman and buildah.
    Containers,
}

impl EngineStorage {
    const ALL: [Self; 2] = [Self::Docker, Self::Containers];

    fn prefix(self) -> &'static str {
        match self {
            Self::Docker => "docker-daemon:",
            Self::Containers => "containers-storage:",
        }
    }

    /// The programs that have its images, for people.
    #[must_use]
    pub fn programs(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containers => "podman or buildah",
        }
    }
}

impl fmt::Display for EngineStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())
    }
}

/// An image in the storage of a container engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngineImage {
    storage: EngineStorage,
    /// The name as it is written, without a tag: what it is short for depends on the engine.
    name: String,
    reference: Reference,
}

impl EngineImage {
    /// The image that `text` names, if it names one of an engine, or why it is refused.
    pub(super) fn recognise(text: &str) -> Option<Result<Self, ReferenceError>> {
        let refused = |reason: String| {
            let found = redacted(text).chars().take(300).collect();
            Some(Err(ReferenceError { found, reason }))
        };
        if let Some(other) = OTHER_TRANSPORTS.iter().find(|other| text.starts_with(**other)) {
            return refused(format!(
                "images of the kind `{other}` are not read: save the image to an archive that is, with `skopeo copy {other}… oci-archive:FILE`"
            ));
        }
        let storage = EngineStorage::ALL.into_iter().find(|storage| text.starts_with(storage.prefix()))?;
        let name = text.get(storage.prefix().len()..).unwrap_or_default();
        if name.starts_with('[') {
            return refused(format!("the engine itself finds its storage: expected `{storage}NAME:TAG`"));
        }
        let reference = match name.parse::<Reference>() {
            Ok(reference) => reference,
            Err(error) => return refused(format!("expected `{storage}NAME:TAG`: {}", error.reason)),
        };
        if reference.digest().is_some() {
            return refused(format!(
                "an engine has no digest of an image that a registry would know: expected `{storage}NAME:TAG`"
            ));
        }
        let tag = reference.given_tag().map_or(0, |tag| tag.len() + 1);
        let name = name.get(..name.len() - tag).unwrap_or_default().to_owned();
        Some(Ok(Self { storage, name, reference }))
    }

    /// Whose image it is.
    #[must_use]
    pub fn storage(&self) -> EngineStorage {
        self.storage
    }

    /// Its name and tag, as a registry would have them.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The image of the same name with the tag `tag`.
    ///
    /// # Errors
    ///
    /// If `tag` cannot be one.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        Ok(Self { reference: self.reference.with_tag(tag)?, ..self.clone() })
    }

    /// What the engine calls it: the name with its tag.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.name, self.reference.tag().unwrap_or("latest"))
    }

    /// Asks `engine` for the ID of the image, without saving it; [`EngineImage::id_in`] reads the answer.
    #[must_use]
    pub fn asking(&self, engine: &Engine) -> Command {
        let mut command = Command::new(engine.program());
        command.args(["images", "--quiet", "--no-trunc"]).arg(self.name());
        command
    }

    /// The ID in what an engine wrote, if it names one image.
    #[must_use]
    pub fn id_in(output: &[u8]) -> Option<Digest> {
        let text = str::from_utf8(output).ok()?;
        let mut ids = text.split_whitespace().map(|id| id.parse::<Digest>().ok());
        let first = ids.next()??;
        ids.all(|id| id == Some(first)).then_some(first)
    }

    /// Takes the image out of `engine` into the store. `run` runs a command to its end.
    ///
    /// The engine writes an archive into a folder that is removed afterwards. The result is made from the configuration and the
    /// uncompressed layers, each checked against the configuration: the same bytes for the same ID, whatever the engine.
    ///
    /// # Errors
    ///
    /// What `run` gives, and as an `E`: [`Error::Layout`] and [`Error::DigestMismatch`] for an archive that is not what it
    /// should be, [`Error::NoPlatform`] if the image is for none of `platforms`, [`Error::Io`].
    pub fn save<E: From<Error>>(
        &self,
        engine: &Engine,
        platforms: &[Platform],
        store: &Store,
        run: &mut dyn FnMut(&mut Command) -> Result<(), E>,
    ) -> Result<SavedImage, E> {
        let scratch = store.scratch()?;
        let file = scratch.path().join("image.tar");
        let mut command = Command::new(engine.program());
        match self.storage {
            EngineStorage::Docker => command.args(["save", "--output"]).arg(&file).arg(self.name()),
            EngineStorage::Containers => {
                let mut to = OsString::from("docker-archive:");
                to.push(&file);
                command.args(["push", "--quiet"]).arg(self.name()).arg(to)
            }
        };
        run(&mut command)?;
        Ok(docker::import(&SourceFiles::archive(&file)?, None, platforms, store)?)
    }

    /// Finds the engine, which is `program` if it is one for this image, and takes the image out of it into the store. Nothing can
    /// stop it.
    ///
    /// # Errors
    ///
    /// [`Error::NoStorage`] if there is no engine, [`Error::NotSaved`] if it lacks the image, and those of
    /// [`EngineImage::save`].
    pub fn save_now(
        &self,
        program: Option<&Path>,
        platforms: &[Platform],
        store: &Store,
    ) -> Result<SavedImage> {
        let engine = Engine::of_storage(self.storage, program)?;
        self.save(&engine, platforms, store, &mut |command| {
            let output = command.stdin(Stdio::null()).output().map_err(io("run", engine.program()))?;
            let reason = || reason(&output);
            let failed = || Error::NotSaved {
                image: Box::new(self.clone()),
                program: engine.program().into(),
                reason: reason(),
            };
            if output.status.success() { Ok(()) } else { Err(failed()) }
        })
    }
}

/// What a program said of its failure.
fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(REASON_MAX).collect();
    if said.is_empty() {
        format!("it {}", content::exit(output.status))
    } else {
        content::printable(&said).to_string()
    }
}

impl FromStr for EngineImage {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let refused = || ReferenceError {
            found: redacted(text).chars().take(300).collect(),
            reason: "expected `docker-daemon:NAME:TAG` or `containers-storage:NAME:TAG`".into(),
        };
        Self::recognise(text).unwrap_or_else(|| Err(refused()))
    }
}

impl fmt::Display for EngineImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.storage, self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;
    use crate::ImageLocation;
    use crate::manifest::{MANIFEST_MAX, Manifest};

    #[test]
    fn images_of_engines_are_named_as_containers_image_names_them() {
        for (text, expected) in [
            ("docker-daemon:my_image:1.0.0", "docker-daemon:my_image:1.0.0"),
            ("docker-daemon:quay.io/team/app", "docker-daemon:quay.io/team/app:latest"),
            ("containers-storage:localhost/app:1", "containers-storage:localhost/app:1"),
            ("containers-storage:localhost:5000/app", "containers-storage:localhost:5000/app:latest"),
        ] {
            let ImageLocation::Engine(image) = text.parse().unwrap() else { panic!("{text}") };
            assert_eq!(image.to_string(), expected);
            assert_eq!(image.with_tag("2").unwrap().to_string().rsplit_once(':').unwrap().1, "2");
        }
        let digest = format!("docker-daemon:app@sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("docker-daemon:", "expected `docker-daemon:NAME:TAG`"),
            ("docker-daemon:--help", "expected `docker-daemon:NAME:TAG`"),
            ("docker-daemon:$(reboot)", "expected `docker-daemon:NAME:TAG`"),
            (&*digest, "expected `docker-daemon:NAME:TAG`"),
            (
                "containers-storage:[overlay@/var/lib/containers/storage]app:1",
                "expected `containers-storage:NAME:TAG`",
            ),
            ("sif:app.sif", "`skopeo copy sif:… oci-archive:FILE`"),
        ] {
            let error = text.parse::<ImageLocation>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!("app:1".parse::<EngineImage>().is_err());
        assert!(matches!("docker-daemon/app:1".parse(), Ok(ImageLocation::Registry(_))));
    }

    #[test]
    fn an_engine_names_one_id_or_none() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        for (said, expected) in [
            (format!("{one}\n"), Some(one)),
            (format!("{one}\n{one}\n"), Some(one)),
            (format!("{one}\n{other}\n"), None),
            (String::new(), None),
            ("c252acf7d7f9\n".to_owned(), None),
        ] {
            assert_eq!(EngineImage::id_in(said.as_bytes()), expected, "{said}");
        }
    }

    /// A store, and a program in a folder of its own that copies `saved.tar` to where it should save an image.
    struct Scratch {
        folder: tempfile::TempDir,
        store: Store,
    }

    impl Scratch {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("store")).unwrap();
            Self { folder, store }
        }

        fn engine(&self, name: &str) -> std::path::PathBuf {
            let (program, here) = (self.folder.path().join(name), self.folder.path().display());
            let text = format!(
                "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{name} version 1.0'; exit; fi\n\
                 echo \"$@\" >>'{here}/said'\nfor word; do last=$word; done\n\
                 case $1 in save) last=$3;; esac\ncp '{here}/saved.tar' \"${{last#docker-archive:}}\"\n"
            );
            fs::write(&program, text).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            program
        }

        /// Writes an archive of one image, whose configuration has the digest of `layer`; `stored` is what is in its place.
        fn archive(&self, layer: &[u8], stored: &[u8], more: &[(&str, &[u8])]) -> Digest {
            let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "diff_ids": [Digest::of(layer)] } });
            let config = config.to_string();
            let saved =
                json!([{ "Config": "c.json", "RepoTags": ["other:9"], "Layers": ["l.tar"] }]).to_string();
            let mut tar = tar::Builder::new(fs::File::create(self.folder.path().join("saved.tar")).unwrap());
            let files =
                [("c.json", config.as_bytes()), ("l.tar", stored), ("manifest.json", saved.as_bytes())];
            for (name, bytes) in files.iter().chain(more) {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, *bytes).unwrap();
            }
            tar.finish().unwrap();
            Digest::of(config.as_bytes())
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn an_image_is_the_same_bytes_whichever_engine_packs_it_and_however() {
        let layer = b"a layer";
        let mut digests = Vec::new();
        for (engine, image, command, stored, more) in [
            ("docker", "docker-daemon:app:1", "save --output ", layer.to_vec(), None),
            ("Docker", "docker-daemon:app", "save --output ", gzip(layer), Some("index.json")),
            (
                "buildah",
                "containers-storage:localhost/app:1",
                "push --quiet localhost/app:1 docker-archive:/",
                layer.to_vec(),
                None,
            ),
            (
                "podman",
                "containers-storage:app:1",
                "push --quiet app:1 docker-archive:/",
                layer.to_vec(),
                None,
            ),
        ] {
            let scratch = Scratch::new();
            // What else newer versions write does not count.
            let more: Vec<(&str, &[u8])> = more.into_iter().map(|name| (name, &b"{}"[..])).collect();
            let id = scratch.archive(layer, &stored, &more);
            let image: EngineImage = image.parse().unwrap();
            assert_eq!(super::super::stored(&id, &[], &scratch.store).unwrap(), None);
            let saved = image.save_now(Some(&scratch.engine(engine)), &[], &scratch.store).unwrap();
            assert_eq!(saved.id, id);
            let said = fs::read_to_string(scratch.folder.path().join("said")).unwrap();
            assert!(said.starts_with(command) && said.contains(&image.name()), "{said}");
            let manifest = scratch.store.read(&saved.digest, MANIFEST_MAX).unwrap();
            let layers: Vec<Digest> =
                Manifest::parse(&manifest).unwrap().layers.iter().map(|layer| layer.digest).collect();
            assert_eq!(layers, [Digest::of(layer)]);
            digests.push(saved.digest);

            // The store alone is enough from now on, unless a layer is damaged.
            fs::remove_file(scratch.store.blob_path(&saved.digest)).unwrap();
            assert_eq!(super::super::stored(&id, &[], &scratch.store).unwrap(), Some(saved));
            assert!(scratch.store.has(&saved.digest, manifest.len() as u64).unwrap());
            let blob = scratch.store.blob_path(&Digest::of(layer));
            fs::remove_file(&blob).unwrap();
            fs::write(&blob, "x layer").unwrap();
            assert_eq!(super::super::stored(&id, &[], &scratch.store).unwrap(), None);
            assert_eq!(fs::read_dir(scratch.store.root().join("new")).unwrap().count(), 0);
        }
        digests.dedup();
        assert_eq!(digests.len(), 1);
    }

    #[test]
    fn what_an_engine_cannot_give_is_said() {
        let scratch = Scratch::new();
        let image: EngineImage = "docker-daemon:app:1".parse().unwrap();
        let docker = scratch.engine("docker");
        let error = image.save_now(Some(&docker), &[], &scratch.store).unwrap_err().to_string();
        assert!(error.contains("docker-daemon:app:1: ") && error.contains("saved.tar"), "{error}");
        scratch.archive(b"layer", b"other", &[]);
        assert!(matches!(
            image.save_now(Some(&docker), &[], &scratch.store),
            Err(Error::DigestMismatch { .. })
        ));
        scratch.archive(b"layer", b"\x1f\x8b cut off", &[]);
        assert!(image.save_now(Some(&docker), &[], &scratch.store).is_err());
        scratch.archive(b"layer", b"layer", &[]);
        let arm = ["linux/arm64".parse().unwrap()];
        assert!(matches!(image.save_now(Some(&docker), &arm, &scratch.store), Err(Error::NoPlatform { .. })));
        let text = Digest::of(b"layer");
        assert!(matches!(super::super::stored(&text, &[], &scratch.store), Err(Error::Layout { .. })));

        // The program that builds may be another engine: it is passed over.
        let buildah = Engine::of_storage(EngineStorage::Containers, Some(&docker));
        assert!(buildah.is_err() || buildah.unwrap().program() != docker);
        let error = Error::NoStorage { storage: EngineStorage::Docker, looked_for: "a".into() }.to_string();
        assert!(error.contains("looked for a; install docker, or name it with DOCKER_BIN"), "{error}");
    }
}
