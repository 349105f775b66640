//! How each peer reads an ISO. Every function returns `None` if its peer is not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::peer;

use super::tree::{Item, Snapshot, snapshot};

/// A peer that takes longer hangs: some do on ISOs that they do not understand.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether `checkisomd5` passes the image.
pub(super) fn checkisomd5(image: &Path) -> Option<bool> {
    let mut child = Command::new(peer::find("checkisomd5")?)
        .arg(image)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.success());
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("checkisomd5 {} does not end", image.display());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Implants with `implantisomd5`.
pub(super) fn implantisomd5(image: &Path) -> Option<()> {
    peer::run(timeout(&peer::find("implantisomd5")?).arg("--force").arg(image));
    Some(())
}

/// A command that is killed if it hangs.
fn timeout(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(program).env("LC_ALL", "C.UTF-8");
    command
}

/// The tree that `bsdtar` extracts.
pub(super) fn bsdtar(image: &Path, into: &Path) -> Option<Snapshot> {
    let bsdtar = peer::find("bsdtar")?;
    fs::create_dir(into).unwrap();
    peer::run(timeout(&bsdtar).arg("-xpf").arg(image).arg("-C").arg(into));
    Some(snapshot(into))
}

/// The tree that `xorriso` extracts; it also reads every block and reports faults.
pub(super) fn xorriso(image: &Path, into: &Path) -> Option<Snapshot> {
    let xorriso = peer::find("xorriso")?;
    fs::create_dir(into).unwrap();
    let output = peer::run(
        timeout(&xorriso)
            .args(["-report_about", "WARNING", "-abort_on", "WARNING", "-osirrox", "on", "-indev"])
            .arg(image)
            .args(["-check_media", "--", "-extract", "/"])
            .arg(into),
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !said.contains("WARNING") && !said.contains("FAILURE") && !said.contains("SORRY"),
        "xorriso: {said}"
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut regions = said.lines().filter(|line| line.starts_with("Media region")).peekable();
    assert!(regions.peek().is_some() && regions.all(|region| region.ends_with("+ good")), "xorriso: {said}");
    Some(snapshot(into))
}

/// The tree that `7z` extracts: the Joliet view.
pub(super) fn seven_zip(image: &Path, into: &Path) -> Option<Snapshot> {
    let seven_zip = peer::find("7z")?;
    fs::create_dir(into).unwrap();
    let mut out = std::ffi::OsString::from("-o");
    out.push(into);
    peer::run(timeout(&seven_zip).args(["x", "-bd", "-y"]).arg(out).arg(image));
    Some(snapshot(into))
}

/// The tree as pycdlib, the strictest parser, sees it through Rock Ridge. It reads no names that are not UTF-8.
pub(super) fn pycdlib(image: &Path) -> Option<Snapshot> {
    const SCRIPT: &str = r"
import hashlib, io, stat, sys
try:
    import pycdlib
except ImportError:
    sys.exit(99)
iso = pycdlib.PyCdlib()
iso.open(sys.argv[1])
for folder, folders, files in iso.walk(rr_path='/'):
    for name in folders + files:
        path = folder.rstrip('/') + '/' + name
        record = iso.get_record(rr_path=path)
        mode = record.rock_ridge.get_file_mode()
        if record.rock_ridge.is_symlink():
            fields = ['link', record.rock_ridge.symlink_path().decode()]
        elif record.is_dir():
            fields = ['folder', oct(stat.S_IMODE(mode))]
        else:
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, rr_path=path)
            content = content.getvalue()
            fields = ['file', oct(stat.S_IMODE(mode)), str(len(content)), hashlib.sha256(content).hexdigest()]
        sys.stdout.write('\0'.join([path[1:]] + fields) + '\n')
";
    // That of the distribution, not one of another installation of Python.
    let python = PathBuf::from("/usr/bin/python3");
    let output = timeout(&python).args(["-c", SCRIPT]).arg(image).stdin(Stdio::null()).output().unwrap();
    if output.status.code() == Some(99) || !python.is_file() {
        return peer::find("pycdlib (the package python3-pycdlib)").map(|_| Snapshot::new());
    }
    assert!(output.status.success(), "pycdlib: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mode = |octal: &str| u32::from_str_radix(octal.trim_start_matches("0o"), 8).unwrap();
    let item = |line: &str| {
        let fields: Vec<&str> = line.split('\0').collect();
        let path = PathBuf::from(fields[0]);
        let item = match fields[1..] {
            ["link", target] => Item::Link { target: target.into() },
            ["folder", octal] => Item::Folder { mode: mode(octal) },
            ["file", octal, size, sha256] => Item::File {
                mode: mode(octal),
                size: size.parse().unwrap(),
                sha256: sha256.to_owned(),
                first_name: path.clone(),
            },
            _ => panic!("{line:?}"),
        };
        (path, item)
    };
    Some(text.lines().map(item).collect())
}

/// Fails if `isovfy` finds anything wrong.
pub(super) fn isovfy(image: &Path) -> Option<()> {
    let output = peer::run(timeout(&peer::find("isovfy")?).arg(image));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("No errors found") && !said.contains("BAD"), "isovfy: {said}");
    Some(())
}

/// The output of `isoinfo` with these arguments.
pub(super) fn isoinfo(image: &Path, arguments: &[&str]) -> Option<String> {
    let output = peer::run(timeout(&peer::find("isoinfo")?).arg("-i").arg(image).args(arguments));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The ISO of a tree by each peer that writes ISOs: the name of the peer and the path.
pub(super) fn images(tree: &Path, into: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut out = Vec::new();
    if let Some(genisoimage) = peer::find("genisoimage") {
        let image = into.join("genisoimage.iso");
        let options = ["-quiet", "-r", "-J", "-joliet-long", "-l", "-iso-level", "3", "-o"];
        peer::run(timeout(&genisoimage).args(options).arg(&image).arg(tree));
        out.push(("genisoimage", image));
    }
    if let Some(xorriso) = peer::find("xorriso") {
        let image = into.join("xorriso.iso");
        let options =
            ["-as", "mkisofs", "-quiet", "-r", "-J", "-joliet-long", "-iso-level", "3", "--hardlinks", "-o"];
        peer::run(timeout(&xorriso).args(options).arg(&image).arg(tree));
        out.push(("xorriso", image));
    }
    if let Some(bsdtar) = peer::find("bsdtar") {
        let image = into.join("bsdtar.iso");
        peer::run(
            timeout(&bsdtar).args(["--format", "iso9660", "-cf"]).arg(&image).arg("-C").arg(tree).arg("."),
        );
        out.push(("bsdtar", image));
    }
    out
}

/// ISOs of a tree by the peers with usual options: the options and the path.
pub(super) fn usual_images(tree: &Path, into: &Path) -> Vec<(String, PathBuf)> {
    let mkisofs: [&[&str]; 12] = [
        &["-R"],
        &["-r", "-J"],
        &["-r", "-J", "-joliet-long"],
        &["-r", "-J", "-joliet-long", "-l", "-iso-level", "3"],
        &["-R", "-J", "-joliet-long", "-full-iso9660-filenames", "-allow-lowercase", "-allow-multidot"],
        &["-r", "-J", "-joliet-long", "-max-iso9660-filenames", "-relaxed-filenames", "-L"],
        &["-r", "-J", "-joliet-long", "-U"],
        &["-r", "-J", "-joliet-long", "-D", "-N", "-d"],
        &["-r", "-J", "-joliet-long", "-iso-level", "4"],
        &["-R", "-J", "-joliet-long", "-no-pad", "-volid", "MetalK8s 2.11.0", "-gid", "0", "-uid", "0"],
        &["-J", "-joliet-long"],
        &["-l"],
    ];
    let only_genisoimage: [&[&str]; 3] = [
        &["-T", "-r", "-J", "-joliet-long"],
        &["-hide-rr-moved", "-r", "-J", "-joliet-long"],
        &["-udf", "-R", "-J"],
    ];
    let only_xorriso: [&[&str]; 2] = [
        &["--hardlinks", "-R", "-J", "-joliet-long"],
        &["-rr_reloc_dir", "rr_moved", "-R", "-J", "-joliet-long"],
    ];
    let mut out = Vec::new();
    for (peer, more) in [("genisoimage", &only_genisoimage[..]), ("xorriso", &only_xorriso)] {
        let Some(program) = peer::find(peer) else { continue };
        for options in mkisofs.iter().chain(more) {
            let image = into.join(format!("{peer}-{}.iso", out.len()));
            let mut command = timeout(&program);
            if peer == "xorriso" {
                command.args(["-as", "mkisofs"]);
            }
            peer::run(command.arg("-quiet").args(*options).arg("-o").arg(&image).arg(tree));
            out.push((format!("{peer} {}", options.join(" ")), image));
        }
    }
    if let Some(bsdtar) = peer::find("bsdtar") {
        for options in ["iso9660:joliet", "iso9660:joliet=long", "iso9660:!joliet"] {
            let image = into.join(format!("bsdtar-{}.iso", out.len()));
            let mut command = timeout(&bsdtar);
            command.args(["--format", "iso9660", "--options", options, "-cf"]);
            peer::run(command.arg(&image).arg("-C").arg(tree).arg("."));
            out.push((format!("bsdtar {options}"), image));
        }
    }
    out
}
