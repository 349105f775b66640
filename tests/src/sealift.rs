//! The program under test, and the archive of this repository that it builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The statically linked `sealift`: the one that `cargo xtask test` built (`SEALIFT_BINARY`), else built now.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("SEALIFT_BINARY") {
            return path.into();
        }
        let cargo_home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
            .unwrap_or_else(|| panic!("neither CARGO_HOME nor HOME is set"));
        let places = cargo_static::BuildFolders::ask(repository(), &cargo_home)
            .unwrap_or_else(|error| panic!("rustc --print sysroot: {error}"));
        crate::peer::run(&mut cargo_static::command(&places, "sealift", cargo_static::RELEASE));
        cargo_static::binary(repository(), "sealift", cargo_static::RELEASE)
    })
}

/// A command that runs `sealift` in `folder`, without the settings of the user who runs the tests.
#[must_use]
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(folder).stdin(Stdio::null());
    // Outputs are built, not restored from an earlier test.
    command.env("SEALIFT_CACHE_SIZE", "0");
    for setting in [
        "PROJECT_NAME",
        "BUILD_ROOT",
        "SOURCE_DATE_EPOCH",
        "SEALIFT_PROFILE",
        "REGISTRY_MIRRORS",
        "REGISTRY_AUTH_FILE",
        "SEALIFT_REMOTE_CACHE",
        "SEALIFT_REMOTE_CACHE_MODE",
        "SEALIFT_SIGN",
        "SEALIFT_SIGNING_KEY",
        "SEALIFT_SIGNING_PASSPHRASE",
        "SEALIFT_KEY_PASSWORD",
        "CARGO_TARGET_DIR",
    ] {
        command.env_remove(setting);
    }
    command
}

/// The options that keep a command for nodes in `folder`, independent of the machine that runs the tests.
#[must_use]
pub fn places(folder: &Path) -> Vec<String> {
    let places = [
        ("--bootstrap-config", "bootstrap.yaml"),
        ("--solutions-config", "solutions.yaml"),
        ("--archives-config", "archives.yaml"),
        ("--mounts", "mounts"),
        ("--units", "units"),
        ("--fstab", "fstab"),
        ("--lock-file", "lock"),
    ];
    places
        .into_iter()
        .flat_map(|(option, name)| [option.to_owned(), folder.join(name).display().to_string()])
        .collect()
}

/// Runs `sealift` in `folder`; returns its exit code, standard output and standard error.
///
/// # Panics
///
/// If it cannot be started or is killed by a signal.
#[must_use]
pub fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = command(folder).args(arguments).output().unwrap_or_else(|error| panic!("sealift: {error}"));
    told(&output)
}

/// Exit code, standard output and standard error of a finished process.
///
/// # Panics
///
/// If a signal ended it.
#[must_use]
pub fn told(output: &Output) -> (i32, String, String) {
    let code = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (code, text(&output.stdout), text(&output.stderr))
}

/// This repository's own archive, built once for all tests.
#[derive(Debug)]
pub struct Archive {
    /// The build root.
    pub build_root: PathBuf,
    /// The ISO.
    pub iso: PathBuf,
    /// The tree that the ISO was made of.
    pub tree: PathBuf,
}

/// Builds the repository's own archive into a folder below `target/`, as `cargo xtask iso` does into `_build`.
///
/// # Panics
///
/// If the build fails.
pub fn archive() -> &'static Archive {
    static ARCHIVE: OnceLock<Archive> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let build_root = repository().join("target/e2e/archive");
        let mut command = command(repository());
        command.arg("run").arg("--build-root").arg(&build_root).arg("iso");
        crate::peer::run(&mut command);
        Archive { iso: build_root.join("metalk8s.iso"), tree: build_root.join("root"), build_root }
    })
}
