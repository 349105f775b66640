//! A layer over the system: packages are installed into a folder of the project, and only the commands started here
//! see them.
//!
//! In a mount namespace of its own an overlay takes the place of `/etc`, `/opt`, `/usr` and `/var`. What `apt-get` and the
//! tests write there goes into the folder; the system below keeps every file, package and service that it has.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peers::find;

/// Mounts the overlays below `$1`, then becomes the rest of its arguments. File systems that are mounted below one of the
/// folders (a container's `/etc/resolv.conf`) keep their places.
const ENTER: &str = r#"
layer=$1
shift
for top in etc opt usr var; do
    [ -d "/$top" ] || continue
    mkdir -p "$layer/$top" "$layer/.work/$top" "$layer/.kept"
    below=$(awk -v top="/$top/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo)
    kept=0
    for place in $below; do
        kept=$((kept + 1))
        if [ -d "$place" ]; then mkdir -p "$layer/.kept/$top.$kept"; else : >"$layer/.kept/$top.$kept"; fi
        mount --bind "$place" "$layer/.kept/$top.$kept"
    done
    mount -t overlay sealift-peers -o "lowerdir=/$top,upperdir=$layer/$top,workdir=$layer/.work/$top" "/$top"
    kept=0
    for place in $below; do
        kept=$((kept + 1))
        mount --bind "$layer/.kept/$top.$kept" "$place"
    done
done
exec "$@"
"#;

/// The file that says which state of the system the layer lies on.
const BASE: &str = "base";

/// A layer that commands can be started in.
pub(crate) struct Layer {
    folder: PathBuf,
    /// An overlay's folder can be in one place at a time.
    _lock: File,
}

impl Layer {
    /// The layer in `folder`, empty if it is new or lies on another state of the system. `None` where this user or this
    /// system cannot have one. Waits while another process has it.
    pub(crate) fn open(folder: &Path) -> io::Result<Option<Self>> {
        if !is_root() || find("unshare").is_none() {
            return Ok(None);
        }
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        let layer = Self { folder: folder.to_path_buf(), _lock: lock };
        let base = base();
        if fs::read_to_string(folder.join(BASE)).ok().as_deref() != Some(&base) {
            layer.empty()?;
            fs::write(folder.join(BASE), base)?;
        }
        let mut probe = layer.command("true");
        let works = probe.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
        Ok(works.then_some(layer))
    }

    /// A command that runs `program` in the layer.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-eu", "-c", ENTER, "enter"]);
        command.arg(&self.folder).arg(program);
        // Nobody here may start, stop or reload a service of the system.
        command.env("SYSTEMD_OFFLINE", "1");
        command
    }

    fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// What tells one state of the system's packages from another.
fn base() -> String {
    let status = fs::metadata("/var/lib/dpkg/status").and_then(|found| Ok((found.len(), found.modified()?)));
    format!("{status:?}\n")
}

pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
