//! Building a `Containerfile` with the engine at hand: buildah, podman or docker.
//!
//! The engine downloads no image: those that the file names come from the store, where they were pulled to by digest, and stand
//! in for their names. buildah and podman work in a storage of their own that is gone afterwards. What comes out is taken
//! over as the engine exports it, manifest and layers byte for byte.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use content::{Digest, LinkPolicy};
use serde_json::json;

use super::base;
use super::containerfile::BaseReference;
use super::context::BuildContext;
use crate::error::{Error, Result, io as failed};
use crate::source::{EngineStorage, LocalImage, LocalLayout, import};
use crate::tree::copy_file;
use crate::{Platform, Store, dir_layout};

/// What is looked for where no engine is named, in this order.
const KNOWN: [&str; 3] = ["buildah", "podman", "docker"];
/// The most bytes of the identifier that an engine writes into a file.
const ID_MAX: u64 = 1024;
/// What the image is called inside the engine.
const NAME: &str = "image";

/// A container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    program: PathBuf,
    kind: Kind,
    version: String,
}

/// Whose options an engine understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// buildah and podman, which share them.
    Buildah,
    Docker,
}

/// What an engine should build.
#[derive(Debug, Clone)]
pub struct EngineBuild {
    /// The file of instructions.
    pub containerfile: PathBuf,
    /// What it copies from.
    pub context: BuildContext,
    /// Values of its `ARG`s.
    pub arguments: BTreeMap<String, String>,
    /// The stage to build, if not the last.
    pub target: Option<String>,
    /// What to build for, if not this machine.
    pub platform: Option<Platform>,
    /// The images that it names, with their digests. All of their content is in the store.
    pub bases: Vec<(BaseReference, Digest)>,
    /// The time of the image and its files, in seconds since 1970.
    pub source_date: i64,
}

impl Engine {
    /// The engine `program`, or the first of those known that is installed.
    ///
    /// # Errors
    ///
    /// [`Error::NoEngine`] if no engine is found, or `program` is not one.
    pub fn find(program: Option<&Path>) -> Result<Self> {
        let candidates =
            program.map_or_else(|| KNOWN.map(PathBuf::from).to_vec(), |program| vec![program.into()]);
        Self::first(&candidates, None)?.ok_or_else(|| Error::NoEngine { looked_for: listed(&candidates) })
    }

    /// The engine that has the images of `storage`: `program`, if it is one of them, or else the first that is installed.
    ///
    /// # Errors
    ///
    /// [`Error::NoStorage`] if none is installed, [`Error::Io`] if one cannot be run.
    pub fn of_storage(storage: EngineStorage, program: Option<&Path>) -> Result<Self> {
        let (kind, known) = match storage {
            EngineStorage::Docker => (Kind::Docker, &["docker"][..]),
            EngineStorage::Containers => (Kind::Buildah, &["podman", "buildah"][..]),
        };
        let candidates: Vec<PathBuf> =
            program.map(Path::to_owned).into_iter().chain(known.iter().map(PathBuf::from)).collect();
        Self::first(&candidates, Some(kind))?
            .ok_or_else(|| Error::NoStorage { storage, looked_for: listed(&candidates) })
    }

    /// The engine that runs containers in a storage of their own: `program`, if it is buildah or podman, or else the first of them that
    /// is installed.
    ///
    /// # Errors
    ///
    /// [`Error::NoContainers`] if none is installed, [`Error::Io`] if one cannot be run.
    pub fn of_containers(program: Option<&Path>) -> Result<Self> {
        let known = ["buildah", "podman"].map(PathBuf::from);
        let candidates: Vec<PathBuf> = program.map(Path::to_owned).into_iter().chain(known).collect();
        Self::first(&candidates, Some(Kind::Buildah))?
            .ok_or_else(|| Error::NoContainers { looked_for: listed(&candidates) })
    }

    /// The first of `candidates` that is an engine, of the kind `wanted` if one is.
    fn first(candidates: &[PathBuf], wanted: Option<Kind>) -> Result<Option<Self>> {
        for program in candidates {
            let output = match Command::new(program).arg("--version").stdin(Stdio::null()).output() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(failed("run", program))?,
            };
            // By its own output: podman may be installed under docker's name.
            let said = String::from_utf8_lossy(&output.stdout);
            let kind = match said.split_whitespace().next().map(str::to_ascii_lowercase).as_deref() {
                Some("buildah" | "podman") => Kind::Buildah,
                Some("docker") => Kind::Docker,
                _ => continue,
            };
            if wanted.is_none_or(|wanted| wanted == kind) {
                let version = said.trim().to_owned();
                return Ok(Some(Self { program: program.clone(), kind, version }));
            }
        }
        Ok(None)
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its name and reported version: another engine may build another image.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// buildah or podman with a storage in `folder`, which no other build and no user sees.
    pub(super) fn private(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(folder.join("storage")).arg("--runroot").arg(folder.join("run"));
        command
    }

    /// Builds the image into the store: the digest of its manifest. `run` runs a command to its end.
    ///
    /// # Errors
    ///
    /// What `run` gives, and as an `E`: [`Error::Layout`] and [`Error::DigestMismatch`] for an export that is not what it
    /// should be, [`Error::Io`].
    pub fn build<E: From<Error>>(
        &self,
        recipe: &EngineBuild,
        store: &Store,
        run: &mut dyn FnMut(&mut Command) -> Result<(), E>,
    ) -> Result<Digest, E> {
        let scratch = store.scratch()?;
        let work = Work { engine: self, recipe, folder: scratch.path(), store };
        work.stage()?;
        let built = match self.kind {
            Kind::Buildah => work.buildah(run),
            Kind::Docker => work.docker(run),
        }?;
        Ok(import(&built, &[], store)?)
    }
}

fn listed(programs: &[PathBuf]) -> String {
    programs.iter().map(|program| program.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// One build, in a folder of its own.
struct Work<'a> {
    engine: &'a Engine,
    recipe: &'a EngineBuild,
    folder: &'a Path,
    store: &'a Store,
}

impl Work<'_> {
    /// Lays out what the engine reads.
    fn stage(&self) -> Result<()> {
        let context = self.folder.join("context");
        fs::create_dir(&context).map_err(failed("create", &context))?;
        self.recipe.context.stage(&context)?;
        let from = &self.recipe.containerfile;
        copy_file(from, &self.folder.join("Containerfile")).map(drop)
    }

    /// buildah or podman, which find images in skopeo's `dir:` layout.
    fn buildah<E: From<Error>>(
        &self,
        run: &mut dyn FnMut(&mut Command) -> Result<(), E>,
    ) -> Result<LocalImage, E> {
        let mut build = self.private();
        build.args(["build", "--pull=never", "--no-cache", "--layers=false"]);
        build.arg("--timestamp").arg(self.recipe.source_date.to_string());
        build.arg("--iidfile").arg(self.folder.join("id"));
        for (position, (base, digest)) in self.recipe.bases.iter().enumerate() {
            let folder = self.folder.join(format!("base-{position}"));
            let manifest = self.base(digest)?;
            dir_layout::write(self.store, &manifest, &[], &folder)?;
            named(&mut build, base, "docker-image://dir:", folder.as_os_str());
        }
        self.common(&mut build);
        run(&mut build)?;
        let id_file = self.folder.join("id");
        let id = content::open_text(&id_file, LinkPolicy::Refuse, ID_MAX).map_err(Error::from)?;
        let out = self.folder.join("out");
        let mut to = OsString::from("oci:");
        to.push(&out);
        to.push(format!(":{NAME}"));
        run(self.private().args(["push", "--quiet", id.trim()]).arg(to))?;
        // An engine without root cannot see to it that all of its storage can be removed by anybody but itself.
        run(self.private().args(["rmi", "--all", "--force"]))?;
        Ok(LocalImage { layout: LocalLayout::Oci, path: out, name: Some(NAME.into()) })
    }

    fn private(&self) -> Command {
        self.engine.private(self.folder)
    }

    /// docker with BuildKit, which finds images in OCI layouts.
    fn docker<E: From<Error>>(
        &self,
        run: &mut dyn FnMut(&mut Command) -> Result<(), E>,
    ) -> Result<LocalImage, E> {
        let out = self.folder.join("out.tar");
        let mut output = OsString::from("type=oci,rewrite-timestamp=true,dest=");
        output.push(&out);
        let mut build = Command::new(&self.engine.program);
        // The layers of an older build could be those of an older base, or hide that a build depends on when it runs.
        build
            .args(["buildx", "build", "--no-cache", "--provenance=false", "--sbom=false", "--output"])
            .arg(output);
        build.env("SOURCE_DATE_EPOCH", self.recipe.source_date.to_string());
        for (position, (base, digest)) in self.recipe.bases.iter().enumerate() {
            let folder = self.folder.join(format!("base-{position}"));
            let manifest = self.base(digest)?;
            self.oci_layout(&manifest, &folder)?;
            let mut place = folder.into_os_string();
            place.push(format!("@{manifest}"));
            named(&mut build, base, "oci-layout://", &place);
        }
        self.common(&mut build);
        run(&mut build)?;
        Ok(LocalImage { layout: LocalLayout::OciArchive, path: out, name: None })
    }

    /// What all engines spell alike.
    fn common(&self, build: &mut Command) {
        if let Some(platform) = &self.recipe.platform {
            build.arg("--platform").arg(platform.to_string());
        }
        if let Some(target) = &self.recipe.target {
            build.arg("--target").arg(target);
        }
        for (name, value) in &self.recipe.arguments {
            build.arg("--build-arg").arg(format!("{name}={value}"));
        }
        build.arg("--file").arg(self.folder.join("Containerfile")).arg(self.folder.join("context"));
    }

    /// The manifest of a base for the platform.
    fn base(&self, digest: &Digest) -> Result<Digest> {
        let platform = self.recipe.platform.clone().unwrap_or_else(Platform::host);
        base::manifest_for(digest, &platform, self.store).map(|(digest, _)| digest)
    }

    /// An OCI layout of one image from the store.
    fn oci_layout(&self, digest: &Digest, folder: &Path) -> Result<()> {
        let blobs = folder.join("blobs/sha256");
        content::create_folder(&blobs)?;
        let manifest = base::read(digest, self.store)?;
        let bytes = self.store.size(digest)?.unwrap_or_default();
        let content = manifest.blobs().map(|blob| blob.digest).chain([*digest]);
        for digest in content.collect::<std::collections::BTreeSet<_>>() {
            self.store.give(&digest, &blobs.join(digest.hex()))?;
        }
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{ "mediaType": manifest.kind.media_type(), "digest": digest, "size": bytes }],
        });
        crate::tree::write(&folder.join("index.json"), index.to_string().as_bytes())?;
        crate::tree::write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
    }
}

/// Substitutes a folder for a base, under every name that the engine may look for: as it is written, with its variables
/// replaced, and in full.
fn named(build: &mut Command, base: &BaseReference, scheme: &str, place: &std::ffi::OsStr) {
    let mut names = vec![base.written.clone(), base.expanded.clone(), base.reference.to_string()];
    names.dedup();
    for name in names.iter().filter(|name| !name.contains('=')) {
        let mut value = OsString::from(format!("{name}={scheme}"));
        value.push(place);
        build.arg("--build-context").arg(value);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::manifest::MediaKind as ManifestKind;

    /// A program that writes its arguments, a line each, and says that it is `name`.
    pub(in super::super) fn fake(folder: &Path, name: &str, body: &str) -> Engine {
        let program = folder.join("engine");
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{name} version 1.0'; exit; fi\nprintf '%s\\n' \"$@\" >>'{}'\n{body}\n",
            folder.join("said").display()
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Engine::find(Some(&program)).unwrap()
    }

    /// An image in the store.
    pub(in super::super) fn image(store: &Store, kind: ManifestKind) -> Digest {
        let config = json!({ "os": "linux", "architecture": crate::Platform::host().architecture });
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind.media_type(), "layers": [],
            "config": { "mediaType": "c", "digest": store.put(config.as_bytes()).unwrap(), "size": config.len() },
        });
        store.put(manifest.to_string().as_bytes()).unwrap()
    }

    fn recipe(folder: &Path, base: Digest) -> EngineBuild {
        let context = folder.join("source");
        fs::create_dir(&context).unwrap();
        fs::write(context.join("Containerfile"), "ARG V\nFROM alpine:$V").unwrap();
        let base_image = BaseReference {
            written: "alpine:$V".into(),
            expanded: "alpine:3".into(),
            reference: "alpine:3".parse().unwrap(),
        };
        EngineBuild {
            containerfile: context.join("Containerfile"),
            context: BuildContext { folder: context, without: Vec::new() },
            arguments: [("V".to_owned(), "3".to_owned())].into(),
            target: Some("last".into()),
            platform: None,
            bases: vec![(base_image, base)],
            source_date: 7,
        }
    }

    fn run(command: &mut Command) -> Result<(), Error> {
        let status = command.status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
        Ok(())
    }

    #[test]
    fn docker_is_given_the_bases_and_its_export_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let base = image(&store, ManifestKind::DockerManifest);
        // What "docker" builds is what it was given.
        let body = r#"
            for word in "$@"; do case $word in
                *dest=*) out=${word##*dest=};;
                docker.io/*=oci-layout://*) base=${word##*oci-layout://}; base=${base%@*};;
            esac; done
            test "$SOURCE_DATE_EPOCH" = 7 && tar -C "$base" -cf "$out" ."#;
        let docker = fake(folder.path(), "Docker", body);
        assert_eq!(docker.kind, Kind::Docker);
        let built = docker.build(&recipe(folder.path(), base), &store, &mut run).unwrap();
        assert_eq!(built, base);
        let said = fs::read_to_string(folder.path().join("said")).unwrap();
        let place = |name: &str| said.contains(&format!("--build-context\n{name}=oci-layout:///"));
        assert!(place("alpine:$V") && place("alpine:3") && place("docker.io/library/alpine:3"), "{said}");
        assert!(said.contains(&format!("base-0@{base}\n")) && said.contains("--build-arg\nV=3\n"), "{said}");
        assert!(said.contains("--target\nlast\n"), "{said}");
        assert_eq!(fs::read_dir(store.root().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn podman_is_known_by_any_name_and_no_engine_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(fake(folder.path(), "podman", "").kind, Kind::Buildah);
        let absent = folder.path().join("absent");
        let error = Engine::find(Some(&absent)).unwrap_err().to_string();
        assert!(error.contains("absent") && error.contains("DOCKER_BIN"), "{error}");
        assert!(matches!(Engine::find(Some(Path::new("true"))), Err(Error::NoEngine { .. })));
    }
}
