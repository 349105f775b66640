//! `cargo xtask bench iso`: writing images.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use ::iso::IsoImage;

use crate::measure::{Side, alone, amount, compare, memory};

/// As much as the distinct layers of thirteen platform images.
const LAYERS: u64 = 607 << 20;
const LAYER_FILES: u64 = 40;
const SMALL_FILES: u64 = 100_000;

pub(crate) fn run(scratch: &Path) -> io::Result<()> {
    let layers = scratch.join("layers");
    make_layers(&layers)?;
    let small = scratch.join("small");
    make_small(&small)?;
    let ours = scratch.join("ours.iso");
    let peer = scratch.join("peer.iso");

    let create = |tree: &Path| {
        let mut command = Command::new(tests::sealift::binary());
        command.args(["iso", "create", "--volume-id", "Bench 1"]).arg(tree).arg("--file").arg(&ours);
        command
    };
    let genisoimage = |tree: &Path| {
        let mut command = Command::new("genisoimage");
        command
            .args(["-quiet", "-r", "-J", "-joliet-long", "-l", "-iso-level", "3", "-V", "Bench 1", "-o"])
            .arg(&peer)
            .arg(tree);
        command
    };
    let on = |program: &str, arguments: &[&str], file: &Path| {
        let mut command = Command::new(program);
        command.args(arguments).arg(file);
        command
    };
    let gone = |file: &Path| match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let clear_ours = || gone(&ours);
    let clear_peer = || gone(&peer);

    compare(
        "607 MB in 40 files: ISO, implanted MD5 and SHA-256",
        &Side { name: "sealift iso create", prepare: &clear_ours, commands: &|| vec![create(&layers)] },
        &Side {
            name: "genisoimage, implantisomd5, sha256sum",
            prepare: &clear_peer,
            commands: &|| {
                vec![
                    genisoimage(&layers),
                    on("implantisomd5", &["--force"], &peer),
                    on("sha256sum", &[], &peer),
                ]
            },
        },
        0.45,
    )?;
    compare(
        "the same against the MD5 alone",
        &Side { name: "sealift iso create", prepare: &clear_ours, commands: &|| vec![create(&layers)] },
        &Side {
            name: "openssl md5",
            prepare: &|| Ok(()),
            commands: &|| vec![on("openssl", &["md5"], &peer)],
        },
        1.15,
    )?;
    // The MD5 stands in sector 16, so the SHA-256 of the finished file can only begin when the MD5 is known: no program can
    // do better than one after the other.
    compare(
        "the same against both sums, one after the other",
        &Side { name: "sealift iso create", prepare: &clear_ours, commands: &|| vec![create(&layers)] },
        &Side {
            name: "openssl md5, openssl sha256",
            prepare: &|| Ok(()),
            commands: &|| vec![on("openssl", &["md5"], &peer), on("openssl", &["sha256"], &peer)],
        },
        1.0,
    )?;
    compare(
        "checking the implanted MD5",
        &Side {
            name: "sealift iso check",
            prepare: &|| Ok(()),
            commands: &|| {
                let mut command = Command::new(tests::sealift::binary());
                command.args(["iso", "check"]).arg(&ours);
                vec![command]
            },
        },
        &Side {
            name: "openssl md5",
            prepare: &|| Ok(()),
            commands: &|| vec![on("openssl", &["md5"], &ours)],
        },
        1.1,
    )?;
    compare_mount(scratch, &layers, &ours)?;
    compare(
        "100,000 small files",
        &Side { name: "sealift iso create", prepare: &clear_ours, commands: &|| vec![create(&small)] },
        &Side { name: "genisoimage", prepare: &clear_peer, commands: &|| vec![genisoimage(&small)] },
        0.5,
    )?;

    let huge = scratch.join("huge");
    make_huge(&huge)?;
    memory("20 GiB in four files", &mut create(&huge), 64.0)?;
    let sealift = |arguments: &[&str]| {
        let mut command = Command::new(tests::sealift::binary());
        command.arg("iso").args(arguments).current_dir(scratch);
        vec![command]
    };
    for (name, arguments) in [
        ("sealift iso ls", ["ls", "ours.iso", "folder"].as_slice()),
        ("sealift iso cat", &["cat", "ours.iso", "folder/small"]),
    ] {
        alone(
            "one file in an image of 20 GiB",
            &Side { name, prepare: &|| Ok(()), commands: &|| sealift(arguments) },
            20.0,
        )?;
    }
    clear_ours()?;

    for (name, per_folder) in [("in a thousand folders", 1_000), ("in one folder", 1_000_000)] {
        let million = scratch.join("million").join(per_folder.to_string());
        make_million(&million, per_folder)?;
        memory(&format!("a million files {name}"), &mut create(&million), 200.0)?;
        clear_ours()?;
    }
    Ok(())
}

/// Four readers at once of what is mounted, beside the same of the folder that it was made of: both are in the page cache.
fn compare_mount(scratch: &Path, layers: &Path, image: &Path) -> io::Result<()> {
    let at = scratch.join("mounted");
    fs::create_dir_all(&at)?;
    let mount = IsoImage::open(image).and_then(|image| image.mount(&at, false)).map_err(io::Error::other)?;
    let readers = |folder: &Path| {
        let mut command = Command::new("sh");
        command
            .args(["-euc", "for n in 1 2 3 4; do cat */*/*/* >/dev/null & done; wait"])
            .current_dir(folder);
        vec![command]
    };
    compare(
        "four readers of 607 MB at once",
        &Side { name: "sealift iso mount", prepare: &|| Ok(()), commands: &|| readers(&at) },
        &Side { name: "the folder itself", prepare: &|| Ok(()), commands: &|| readers(layers) },
        1.2,
    )?;
    mount.unmount().map_err(io::Error::other)
}

/// Sparse files of 20 GiB together, and a small one.
fn make_huge(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("folder"))?;
    for number in 0..4 {
        fs::File::create(folder.join(number.to_string()))?.set_len(amount(5 << 30))?;
    }
    fs::write(folder.join("folder/small"), "small")
}

/// A million files of one byte, so many in each folder.
fn make_million(folder: &Path, per_folder: u64) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let unfinished = folder.with_extension("unfinished");
    for number in 0..amount(1_000_000) {
        let inner = unfinished.join(format!("folder-{:03}", number / per_folder));
        if number % per_folder == 0 {
            fs::create_dir_all(&inner)?;
        }
        fs::write(inner.join(format!("file-{number:06}.yaml")), [b'x'])?;
    }
    fs::rename(unfinished, folder)
}

/// Bytes that do not compress, as layers do not.
fn make_layers(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let unfinished = folder.with_extension("unfinished");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..LAYER_FILES {
        let image = unfinished.join(format!("images/image-{}/1", number % 13));
        fs::create_dir_all(&image)?;
        let mut file = io::BufWriter::new(fs::File::create(image.join(format!("{number:064x}")))?);
        for _ in 0..amount(LAYERS) / LAYER_FILES / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.write_all(&state.to_le_bytes())?;
        }
        file.flush()?;
    }
    fs::rename(unfinished, folder)
}

fn make_small(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let unfinished = folder.with_extension("unfinished");
    for number in 0..amount(SMALL_FILES) {
        let inner = unfinished.join(format!("folder-{:04}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&inner)?;
        }
        fs::write(
            inner.join(format!("file-{number:06}.yaml")),
            format!("number: {number}\n").repeat(usize::try_from(number % 40).unwrap_or_default()),
        )?;
    }
    fs::rename(unfinished, folder)
}
