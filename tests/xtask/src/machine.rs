//! The parts of the virtual machine of the tests: Debian's kernel, its modules and a busybox.
//!
//! The packages are unpacked below `target/` and not installed: an installed kernel would change how this machine boots.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::peers::{find, run, say};

/// Depends on the kernel that is current, by a name that changes with every version.
const KERNEL: &str = "linux-image-cloud-amd64";
const BUSYBOX: &str = "busybox-static";

/// Unpacks the packages into `folder`, unless that exists. `command` starts a program where `apt-get` may write its lists.
pub(crate) fn unpack(folder: &Path, command: &dyn Fn(&str) -> Command) -> Result<(), String> {
    if folder.is_dir() {
        return Ok(());
    }
    if find("apt-get").is_none() || find("dpkg-deb").is_none() {
        return Err(format!(
            "the tests boot a virtual machine; unpack Debian's packages {BUSYBOX} and {KERNEL} (the one that it \
             depends on) into {}",
            folder.display()
        ));
    }
    let unfinished = folder.with_extension("partial");
    let error = |error: std::io::Error| format!("cannot make {}: {error}", unfinished.display());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(error)?;
    }
    fs::create_dir_all(&unfinished).map_err(error)?;
    // The lists of what there is to download may be missing or too old.
    let update = || run(command("apt-get").args(["-qq", "-o", "DPkg::Lock::Timeout=300", "update"]));
    download(&unfinished, command).or_else(|_| update().and_then(|()| download(&unfinished, command)))?;
    for entry in fs::read_dir(&unfinished).map_err(error)? {
        let package = entry.map_err(error)?.path();
        run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&unfinished))?;
        fs::remove_file(&package).map_err(error)?;
    }
    fs::rename(&unfinished, folder).map_err(error)
}

/// The package of the current kernel.
fn kernel(command: &dyn Fn(&str) -> Command) -> Option<String> {
    let output = command("apt-cache").args(["depends", KERNEL]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let package = text.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))?;
    Some(format!("linux-image-{package}"))
}

fn download(into: &Path, command: &dyn Fn(&str) -> Command) -> Result<(), String> {
    let kernel = kernel(command).ok_or_else(|| format!("apt knows no package {KERNEL}"))?;
    say(&format!("apt-get download {BUSYBOX} {kernel}   (unpacked into {})", into.display()));
    run(command("apt-get")
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download", BUSYBOX, &kernel])
        .current_dir(into))
}
