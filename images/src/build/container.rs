//! Running a command in a container of an image from the store, without a network: with buildah or podman.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use content::Digest;

use super::base;
use super::engine::Engine;
use crate::error::Error;
use crate::{Platform, Store, dir_layout};

/// The name of the container, in a storage of its own.
const NAME: &str = "builder";
/// How long the engine may take to remove a container.
const REMOVAL: Duration = Duration::from_secs(60);
/// The most bytes that it prints then.
const PRINTED_MAX: u64 = 1 << 20;

/// A command in a container.
#[derive(Debug, Clone)]
pub struct ContainerRun {
    /// The image: a manifest, or an index whose manifest for this machine is used. All of its content is in the store.
    pub image: Digest,
    /// The folder of this machine that the command can write to.
    pub folder: PathBuf,
    /// Where the folder is in the container. It is also the working directory.
    pub mounted_at: &'static str,
    /// The environment, beside that of the image.
    pub environment: Vec<(&'static str, OsString)>,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// What a command of an engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStep {
    /// It unpacks the image.
    Unpack,
    /// It runs the command in the container.
    Run,
}

impl Engine {
    /// Runs a command in a container as root, in a storage of its own that is gone afterwards. Nothing is pulled, and the container has
    /// no network. `run` runs a command of the engine to its end. When it returns an error, the container is stopped and removed.
    ///
    /// # Errors
    ///
    /// What `run` returns, and as an `E`: [`Error::NotInStore`] if the image is not in the store, [`Error::Io`].
    pub fn run_in_container<E: From<Error>>(
        &self,
        container: &ContainerRun,
        store: &Store,
        run: &mut dyn FnMut(ContainerStep, &mut Command) -> Result<(), E>,
    ) -> Result<(), E> {
        let scratch = store.scratch()?;
        let (manifest, _) = base::manifest_for(&container.image, &Platform::host(), store)?;
        let image = scratch.path().join("image");
        dir_layout::write(store, &manifest, &[], &image)?;
        let mut place = OsString::from("dir:");
        place.push(&image);
        let is_podman = self.version().to_ascii_lowercase().starts_with("podman");
        let private = || self.private(scratch.path());
        let mut unpack = private();
        let mut start = private();
        start.arg("run");
        if is_podman {
            unpack.args(["pull", "--quiet"]).arg(&place);
            start.args(["--rm", "--pull=never", "--log-driver=none", "--entrypoint="]);
        } else {
            unpack.args(["from", "--pull-never", "--name", NAME]).arg(&place);
        }
        start.args(["--network=none", "--hostname=localhost", "--user=0:0"]);
        start.args([if is_podman { "--workdir" } else { "--workingdir" }, container.mounted_at]);
        start.arg("--volume").arg(volume(&container.folder, container.mounted_at));
        for (name, value) in &container.environment {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            start.arg("--env").arg(variable);
        }
        if is_podman {
            // The ID of an image is the digest of its configuration.
            start.args(base::read(&manifest, store)?.config.map(|config| config.digest.hex()));
        } else {
            start.args([NAME, "--"]);
        }
        start.args(&container.command);
        let ran = run(ContainerStep::Unpack, &mut unpack).and_then(|()| run(ContainerStep::Run, &mut start));
        // Without root, only the engine itself can remove all of its storage. This must also happen
        // when the run was stopped. What remains is removed with the folder.
        let removal: &[&str] = if is_podman { &["rm", "--all", "--force"] } else { &["rm", "--all"] };
        for words in [removal, &["rmi", "--all", "--force"]] {
            let _ = content::probe(private().args(words), REMOVAL, PRINTED_MAX);
        }
        ran
    }
}

/// The option that mounts `folder` at `place`, for this container alone where SELinux separates containers.
fn volume(folder: &Path, place: &str) -> OsString {
    let mut volume = folder.as_os_str().to_owned();
    volume.push(OsStr::new(":"));
    volume.push(place);
    volume.push(":Z");
    volume
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::engine::tests::{fake, image};
    use super::*;
    use crate::manifest::MediaKind;

    /// What an engine of this name was called with, a line for each word, and the result.
    fn ran(name: &str, body: &str) -> (String, Result<(), Error>, Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let container = ContainerRun {
            image: image(&store, MediaKind::OciManifest),
            folder: "/work folder".into(),
            mounted_at: "/build",
            environment: vec![("TZ", "UTC".into())],
            command: ["rpmbuild", "-bs", "a b"].map(OsString::from).to_vec(),
        };
        let engine = fake(folder.path(), name, body);
        let result = engine.run_in_container(&container, &store, &mut |_, command| {
            let status = command.status().unwrap();
            let failed = std::io::Error::other(status.to_string());
            if status.success() { Ok(()) } else { Err(crate::error::io("run", Path::new("engine"))(failed)) }
        });
        let said = fs::read_to_string(folder.path().join("said")).unwrap();
        (said, result, store, folder)
    }

    #[test]
    fn podman_and_buildah_run_the_command_without_a_network_and_pull_nothing() {
        for (name, unpack, start) in [
            (
                "buildah",
                "from\n--pull-never\n--name\nbuilder\ndir:/",
                "run\n--network=none\n--hostname=localhost\n--user=0:0\n--workingdir\n/build\n--volume\n/work folder:/build:Z\n\
                 --env\nTZ=UTC\nbuilder\n--\nrpmbuild\n-bs\na b\n",
            ),
            (
                "podman",
                "pull\n--quiet\ndir:/",
                "run\n--rm\n--pull=never\n--log-driver=none\n--entrypoint=\n--network=none\n--hostname=localhost\n--user=0:0\n\
                 --workdir\n/build\n--volume\n/work folder:/build:Z\n--env\nTZ=UTC\nCONFIG\nrpmbuild\n-bs\na b\n",
            ),
        ] {
            let (said, result, store, _folder) = ran(name, "");
            result.unwrap();
            // The ID of the image is the digest of its configuration.
            let config = said.lines().find(|line| line.len() == 64).unwrap_or_default();
            assert!(said.contains(unpack) && said.contains(&start.replace("CONFIG", config)), "{said}");
            assert!(said.contains("rm\n--all\n") && said.ends_with("rmi\n--all\n--force\n"), "{said}");
            assert_eq!(fs::read_dir(store.root().join("new")).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_container_is_removed_after_a_command_that_fails() {
        let (said, result, store, _folder) = ran("podman", "case $* in *rpmbuild*) exit 3 ;; esac");
        assert!(result.is_err() && said.ends_with("rmi\n--all\n--force\n"), "{said}");
        assert_eq!(fs::read_dir(store.root().join("new")).unwrap().count(), 0);
    }
}
