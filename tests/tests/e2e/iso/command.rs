//! `sealift iso` on the command line: what each option of `create` changes, and the errors.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use iso::{IsoEntry, IsoImage};
use tests::sealift;

/// Creates an ISO of the folder `tree` with these further options.
fn create(folder: &Path, image: &str, options: &[&str]) -> IsoImage {
    let common = ["iso", "create", "tree", "--volume-id", "Example 1", "--file", image];
    let (code, out, err) = sealift::run(folder, &[&common, options].concat());
    assert_eq!(code, 0, "{options:?}: {out}{err}");
    assert!(out.ends_with(&format!("  {image}\n")), "{out}");
    IsoImage::open(&folder.join(image)).unwrap()
}

fn entry(image: &IsoImage, path: &str) -> IsoEntry {
    image.find(path).unwrap().unwrap_or_else(|| panic!("no {path}"))
}

/// A folder with the tree `tree` in it: `large`, `folder/again` and a link.
fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    fs::create_dir_all(tree.join("folder")).unwrap();
    for (seed, name) in ["large", "folder/again"].into_iter().enumerate() {
        fs::write(tree.join(name), super::tree::content(seed, 10_000)).unwrap();
    }
    symlink("large", tree.join("link")).unwrap();
    scratch
}

#[test]
fn owners_are_0_or_those_asked_for_or_the_folders_own() {
    let scratch = scratch();
    let (folder, file) = (scratch.path(), scratch.path().join("tree/large"));
    // Only root may change owners; other users have files that are not root's.
    let _ = chown(&file, Some(1_234), Some(5_678));
    let metadata = fs::metadata(&file).unwrap();
    let owner = |options: &[&str]| {
        let large = entry(&create(folder, "a.iso", options), "large");
        (large.uid, large.gid)
    };
    assert_eq!(owner(&[]), (0, 0));
    assert_eq!(owner(&["--uid", "7", "--gid", "8"]), (7, 8));
    assert_eq!(owner(&["--keep-owners"]), (metadata.uid(), metadata.gid()));
    let both =
        ["iso", "create", "tree", "--volume-id", "x", "--file", "b.iso", "--keep-owners", "--uid", "7"];
    let (code, _, err) = sealift::run(folder, &both);
    assert!(code == 3 && err.contains("cannot be used with"), "{code}: {err}");
}

#[test]
fn permissions_are_for_reading_or_the_folders_own() {
    let scratch = scratch();
    let folder = scratch.path();
    for (name, mode) in [("large", 0o640), ("folder/again", 0o4_711), ("folder", 0o750)] {
        fs::set_permissions(folder.join("tree").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let modes = |options: &[&str]| {
        let image = create(folder, "a.iso", options);
        ["large", "folder/again", "folder"].map(|name| entry(&image, name).mode & 0o7_777)
    };
    assert_eq!(modes(&[]), [0o444, 0o555, 0o555]);
    assert_eq!(modes(&["--keep-modes"]), [0o640, 0o4_711, 0o750]);
}

#[test]
fn times_are_the_source_date_or_the_folders_own_where_they_are_earlier() {
    let scratch = scratch();
    let folder = scratch.path();
    for (name, time) in [("large", 1_000), ("folder/again", 3_000)] {
        let file = fs::File::options().write(true).open(folder.join("tree").join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(time)).unwrap();
    }
    let times = |image: &IsoImage| ["large", "folder/again", "link"].map(|name| entry(image, name).mtime);
    let image = create(folder, "a.iso", &[]);
    assert_eq!((times(&image), image.volume().created), ([0; 3], Some(0)));
    let image = create(folder, "b.iso", &["--source-date", "2000"]);
    assert_eq!((times(&image), image.volume().created), ([2_000; 3], Some(2_000)));
    assert_eq!(
        times(&create(folder, "c.iso", &["--source-date", "2000", "--keep-times"])),
        [1_000, 2_000, 2_000]
    );

    let mut command = sealift::command(folder);
    command.args(["iso", "create", "tree", "--volume-id", "Example 1", "--file", "d.iso"]);
    let (code, ..) = sealift::told(&command.env("SOURCE_DATE_EPOCH", "2000").output().unwrap());
    assert_eq!(code, 0);
    assert!(fs::read(folder.join("b.iso")).unwrap() == fs::read(folder.join("d.iso")).unwrap());
}

#[test]
fn equal_contents_lie_once() {
    let scratch = scratch();
    fs::copy(scratch.path().join("tree/large"), scratch.path().join("tree/folder/copy")).unwrap();
    let image = create(scratch.path(), "a.iso", &[]);
    let [one, other] = ["large", "folder/copy"].map(|name| entry(&image, name).extents);
    assert_eq!(one, other);
}

#[test]
fn standard_output_gets_the_image_and_standard_error_its_sum() {
    let scratch = scratch();
    let folder = scratch.path();
    create(folder, "a.iso", &[]);
    for name in ["-", "/dev/stdout"] {
        let out = fs::File::create(folder.join("piped.iso")).unwrap();
        let mut command = sealift::command(folder);
        command.args(["iso", "create", "tree", "--volume-id", "Example 1", "--file", name]);
        let output = command.stdout(out).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.ends_with(&format!("  {name}\n")), "{said}");
        let (piped, written) = (fs::read(folder.join("piped.iso")), fs::read(folder.join("a.iso")));
        assert!(piped.unwrap() == written.unwrap(), "{name}");
    }
}

/// An ISO whose file `large` is beyond its end.
fn with_a_fault(folder: &Path) {
    create(folder, "a.iso", &[]);
    let mut image = fs::read(folder.join("a.iso")).unwrap();
    let identifier = image.windows(8).position(|window| window == b"LARGE.;1").unwrap();
    image[identifier - 31..identifier - 27].copy_from_slice(&9_999_u32.to_le_bytes());
    fs::write(folder.join("fault.iso"), image).unwrap();
}

#[test]
fn one_entry_that_cannot_be_read_leaves_the_others() {
    let scratch = scratch();
    let folder = scratch.path();
    fs::write(folder.join("tree/other"), "sound").unwrap();
    with_a_fault(folder);
    let fault = "large: damaged at byte";
    let (code, out, err) = sealift::run(folder, &["iso", "ls", "--recursive", "fault.iso"]);
    assert!(code == 1 && out.contains(" large\n") && out.contains(" folder/again\n"), "{code} {out}");
    assert!(err.contains(fault), "{err}");
    let (code, out, _) = sealift::run(folder, &["iso", "cat", "fault.iso", "other"]);
    assert_eq!((code, out.as_str()), (0, "sound"));
    let (code, _, err) = sealift::run(folder, &["iso", "cat", "fault.iso", "large"]);
    assert!(code == 2 && err.contains("damaged at byte"), "{code} {err}");
    let (code, _, err) = sealift::run(folder, &["iso", "extract", "fault.iso", "--into", "out"]);
    assert!(code == 1 && err.contains("skipped large: damaged at byte"), "{code} {err}");
    assert_eq!(fs::read(folder.join("out/other")).unwrap(), b"sound");
    assert!(!folder.join("out/large").exists());
    let (code, out, _) = sealift::run(folder, &["iso", "diff", "a.iso", "fault.iso"]);
    assert!(code == 1 && out.starts_with("unreadable large: damaged at byte"), "{out}");
    assert_eq!(out.lines().count(), 1, "{out}");
    let (code, _, err) = sealift::run(folder, &["iso", "check", "fault.iso"]);
    assert!(code == 1 && err.contains("large: a record's content ends at byte"), "{code} {err}");
}

#[test]
fn an_image_cut_in_half_is_summed_up() {
    let scratch = scratch();
    let folder = scratch.path();
    for number in 0..60 {
        fs::write(folder.join(format!("tree/file{number:02}")), vec![number; 20_000]).unwrap();
    }
    create(folder, "a.iso", &[]);
    let bytes = fs::read(folder.join("a.iso")).unwrap();
    fs::write(folder.join("half.iso"), &bytes[..bytes.len() / 2]).unwrap();
    let warnings = |err: &str| err.lines().filter(|line| line.starts_with("warning: ")).count();
    for (command, noun) in [("check", "findings"), ("ls", "entries that cannot be read")] {
        let (code, _, err) = sealift::run(folder, &["iso", command, "half.iso"]);
        assert_eq!((code, warnings(&err)), (1, 21), "{command}: {err}");
        let last = err.lines().rfind(|line| line.starts_with("warning: ")).unwrap();
        assert!(last.starts_with("warning: and ") && last.ends_with(&format!(" more {noun}")), "{err}");
    }
    let (code, out, _) = sealift::run(folder, &["iso", "check", "half.iso", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == 1 && report["disagreements"].as_array().unwrap().len() > 21, "{out}");
}

#[test]
fn an_image_is_extracted_into_an_empty_folder_and_no_other() {
    let scratch = scratch();
    let folder = scratch.path();
    create(folder, "a.iso", &[]);
    fs::create_dir(folder.join("empty")).unwrap();
    let (code, _, err) = sealift::run(folder, &["iso", "extract", "a.iso", "--into", "empty"]);
    assert_eq!(code, 0, "{err}");
    assert!(folder.join("empty/folder/again").exists());
    let (code, _, err) = sealift::run(folder, &["iso", "extract", "a.iso", "--into", "empty"]);
    assert!(code == 2 && err.contains("cannot extract into empty: "), "{code} {err}");
}

#[test]
fn special_bits_are_shown_and_kept_only_where_asked() {
    let scratch = scratch();
    let folder = scratch.path();
    for (name, mode) in [("large", 0o4_755), ("folder", 0o1_755), ("folder/again", 0o2_644)] {
        fs::set_permissions(folder.join("tree").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    create(folder, "a.iso", &["--keep-modes"]);
    let (_, out, _) = sealift::run(folder, &["iso", "ls", "--recursive", "a.iso"]);
    for shown in ["-rwsr-xr-x", "drwxr-xr-t", "-rw-r-Sr--"] {
        assert!(out.contains(shown), "{out}");
    }
    let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o7_777;
    let (code, _, err) = sealift::run(folder, &["iso", "extract", "a.iso", "--into", "plain"]);
    assert!(code == 0 && err.contains("sticky bit of folder and 2 more"), "{code} {err}");
    assert_eq!(
        ["large", "folder", "folder/again"].map(|name| mode(&format!("plain/{name}"))),
        [0o755, 0o755, 0o644]
    );
    let (code, ..) = sealift::run(folder, &["iso", "extract", "a.iso", "--into", "all", "-p"]);
    assert_eq!(code, 0);
    assert_eq!(
        ["large", "folder", "folder/again"].map(|name| mode(&format!("all/{name}"))),
        [0o4_755, 0o1_755, 0o2_644]
    );
}

#[test]
fn damage_is_found_with_its_place() {
    let scratch = scratch();
    let folder = scratch.path();
    create(folder, "a.iso", &[]);
    let sound = fs::read(folder.join("a.iso")).unwrap();
    let cut = sound.len() - 2_048;
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = sound.clone();
        change(&mut image);
        fs::write(folder.join("b.iso"), image).unwrap();
        let (code, out, err) = sealift::run(folder, &["iso", "check", "b.iso"]);
        assert_eq!(code, 1, "{out}{err}");
        err
    };
    let said = damaged(&|image| image.truncate(cut));
    assert!(
        said.contains(&format!("is truncated at byte {cut}: the last 2048 of {} bytes", sound.len())),
        "{said}"
    );
    // The key of the MD5, a digit of a fragment sum, and a folder.
    let said = damaged(&|image| image[33_651] = b'X');
    assert!(said.contains("byte 33651 to byte 34163, which contain the MD5"), "{said}");
    let fragments = sound.windows(16).position(|window| window == b"FRAGMENT SUMS = ").unwrap();
    let said = damaged(&|image| image[fragments + 16] ^= 1);
    assert!(said.contains("which contain the MD5; everything else is intact"), "{said}");
    let said = damaged(&|image| image[19 * 2_048] ^= 1);
    assert!(said.contains("the first difference lies between byte 0 and byte"), "{said}");
}

#[test]
fn contents_lie_in_the_order_asked_for() {
    let scratch = scratch();
    let places = |options: &[&str]| {
        let image = create(scratch.path(), "a.iso", options);
        ["large", "folder/again"].map(|name| entry(&image, name).extents[0].offset)
    };
    let [large, again] = places(&[]);
    assert!(large < again);
    let [large, again] = places(&["--sort", "folder/*=1", "--sort", "**=-1"]);
    assert!(again < large);
}

#[test]
fn what_is_excluded_is_not_there() {
    let scratch = scratch();
    let image = create(scratch.path(), "a.iso", &["--exclude", "folder", "--exclude", "l*k"]);
    let names: Vec<String> = image.walk().unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["large"]);
    let create = ["iso", "create", "tree", "--file", "b.iso", "--volume-id", "x"];
    let (code, _, err) = sealift::run(scratch.path(), &[&create[..], &["--exclude", "./folder"]].concat());
    assert!(code == 0 && err.contains("--exclude `./folder` matches nothing in tree"), "{code}: {err}");
}

#[test]
fn a_dry_run_writes_nothing() {
    let scratch = scratch();
    let folder = scratch.path();
    for form in ["text", "json"] {
        let create =
            ["iso", "create", "tree", "--volume-id", "Example 1", "--file", "a.iso", "--dry-run", "-o", form];
        let (code, out, err) = sealift::run(folder, &create);
        assert!(code == 0 && out.contains("/folder/again"), "{form}: {out}{err}");
        assert_eq!(form == "json", serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
    }
    assert_eq!(tests::folder::names(folder), ["tree"]);
}

/// A command, its exit code, its message and its help.
type Refusal<'a> = (&'a [&'a str], i32, &'a str, &'a str);

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let scratch = scratch();
    let folder = scratch.path();
    create(folder, "sound.iso", &[]);
    let mut damaged = fs::read(folder.join("sound.iso")).unwrap();
    damaged[500_000] ^= 1;
    fs::write(folder.join("damaged.iso"), &damaged).unwrap();
    damaged[33_651..33_651 + 512].fill(b' ');
    fs::write(folder.join("bare.iso"), damaged).unwrap();
    fs::create_dir_all(folder.join("special")).unwrap();
    drop(UnixListener::bind(folder.join("special/socket")).unwrap());
    fs::create_dir_all(folder.join("long")).unwrap();
    fs::write(folder.join("long").join("n".repeat(254)), "").unwrap();

    let id = "123456789012345678901234567890123";
    let create = |tree| ["iso", "create", tree, "--file", "a.iso", "--volume-id", "x"];
    let (special, long, missing) = (create("special"), create("long"), create("missing"));
    let pattern = [create("tree").as_slice(), &["--exclude", "[b-a]"]].concat();
    let weight = [create("tree").as_slice(), &["--sort", "x"]].concat();
    let refusals: [Refusal<'_>; 12] = [
        (&special, 2, "special/socket: a socket cannot be archived", "help: leave it out with --exclude"),
        (&long, 2, "254 bytes in a name; the maximum is 253", "rename it, or leave it out with --exclude"),
        (&missing, 2, "cannot read missing: ", ""),
        (&pattern, 3, "pattern `[b-a]`: ", ""),
        (&weight, 3, "expected PATTERN=WEIGHT", ""),
        (&["iso", "create", "tree", "--file", "a.iso", "--volume-id", id], 3, "longer than 32 bytes", ""),
        (&["iso", "create", "tree", "--volume-id", "x"], 3, "--file <FILE>", ""),
        (
            &["iso", "check", "damaged.iso"],
            1,
            "damaged.iso is damaged",
            "help: copy the ISO again from its source",
        ),
        (
            &["iso", "check", "bare.iso"],
            1,
            "has no implanted MD5",
            "help: implant one: `sealift iso implant`",
        ),
        (
            &["iso", "implant", "sound.iso"],
            2,
            "the application-use field of the primary volume descriptor is not blank",
            "help: overwrite it with --force",
        ),
        (
            &["iso", "cat", "sound.iso", "nothing"],
            1,
            "no `nothing` in the ISO",
            "help: list the files in it: `sealift iso ls --recursive`",
        ),
        (&["iso", "info", "tree/large"], 2, "tree/large: not an ISO 9660 image", ""),
    ];
    for (arguments, expected, problem, remedy) in refusals {
        let (code, out, err) = sealift::run(folder, arguments);
        assert!(
            code == expected && err.contains(problem) && err.contains(remedy),
            "{arguments:?}: {code} {out}{err}"
        );
    }
    assert!(!folder.join("a.iso").exists());

    for arguments in
        [["iso", "implant", "bare.iso"].as_slice(), &["iso", "implant", "--force", "damaged.iso"]]
    {
        assert_eq!(sealift::run(folder, arguments).0, 0, "{arguments:?}");
        let image = arguments.last().unwrap();
        assert_eq!(sealift::run(folder, &["iso", "check", image]).0, 0, "{image}");
    }
}
