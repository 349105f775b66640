//! A cargo build that is statically linked and the same to the byte in any folder.
//!
//! `cargo xtask` builds `sealift` this way to run it, and the build of a project packs the very same file:
//! both ask here, so they share one compilation.
//!
//! ```
//! use std::path::Path;
//!
//! let places = cargo_static::BuildFolders {
//!     root: Path::new("/src/project").into(),
//!     cargo_home: Path::new("/home/me/.cargo").into(),
//!     sysroot: Path::new("/toolchain").into(),
//! };
//! let flags = cargo_static::rustflags(&places);
//! assert!(flags.contains(&"--remap-path-prefix=/src/project=/project".to_owned()));
//! ```
//!
//! Only the GNU target of the machine is used: it is what every Rust installation on Linux has, and the C library's
//! static archive comes with the C compiler that Rust's linker needs anyway.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of this machine that would otherwise be written into the binary (in panic messages and debug data).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFolders {
    /// The root of the workspace that is built.
    pub root: PathBuf,
    /// Cargo's own folder (`CARGO_HOME`), where the sources of dependencies lie.
    pub cargo_home: PathBuf,
    /// The folder of the toolchain (`rustc --print sysroot`), where the sources of the standard library may lie.
    pub sysroot: PathBuf,
}

impl BuildFolders {
    /// Asks `rustc`, run in `root` so that its toolchain file counts, for the sysroot.
    ///
    /// # Errors
    ///
    /// If `rustc` cannot be run or fails.
    pub fn ask(root: &Path, cargo_home: &Path) -> io::Result<Self> {
        let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("rustc --print sysroot: {}", output.status)));
        }
        let sysroot = String::from_utf8_lossy(&output.stdout).trim_end().into();
        Ok(Self { root: root.into(), cargo_home: cargo_home.into(), sysroot })
    }
}

/// The flags for `rustc`: static linking, and neutral names in place of this machine's folders.
#[must_use]
pub fn rustflags(places: &BuildFolders) -> Vec<String> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    vec![
        "-Ctarget-feature=+crt-static".into(),
        remap(&places.root, "/project"),
        remap(&places.cargo_home, "/cargo"),
        remap(&places.sysroot, "/rust"),
    ]
}

/// The target triple of this machine's architecture.
#[must_use]
pub fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The profile in which programs are compiled if nobody names another one.
pub const RELEASE: &str = "release";

/// The command that builds the binary `package` in `profile` of cargo from the locked dependencies. Its result is at
/// [`binary`].
#[must_use]
pub fn command(places: &BuildFolders, package: &str, profile: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .args([
            "build",
            "--locked",
            "--profile",
            profile,
            "--package",
            package,
            "--bin",
            package,
            "--target",
            &target(),
        ])
        .arg("--target-dir")
        .arg(places.root.join("target"))
        .current_dir(&places.root)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(places).join("\u{1f}"))
        .env_remove("RUSTFLAGS")
        // What an incremental compilation leaves depends on those before it.
        .env("CARGO_INCREMENTAL", "0");
    // The manifest alone says how a profile compiles.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CARGO_PROFILE_"))
    {
        command.env_remove(name);
    }
    command
}

/// Where [`command`] leaves the binary `package`.
#[must_use]
pub fn binary(root: &Path, package: &str, profile: &str) -> PathBuf {
    // Cargo's own name for the folder of the profile `dev`.
    let folder = if profile == "dev" { "debug" } else { profile };
    root.join("target").join(target()).join(folder).join(package)
}
