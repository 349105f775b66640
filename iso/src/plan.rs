//! The plan of an image: where every byte will lie, before any content is read.

use std::fmt;
use std::io::Write;
use std::path::Path;

use crate::format::SECTOR;
use crate::format::descriptor::VOLUME_ID_LEN;
use crate::layout::IsoLayout;
use crate::listing::PlannedPart;
use crate::tree::SourceTree;
use crate::writer::{self, WrittenIso};
use crate::{ByteProgress, Error, IsoOptions, KnownDigest, Result, listing, sharing};

/// Every record, extent and size of an image, before any content is read.
///
/// The image is a pure function of the plan and the contents. Printed, a plan is a table of what lies where.
#[derive(Debug)]
pub struct PlannedIso {
    tree: SourceTree,
    layout: IsoLayout,
}

impl PlannedIso {
    /// Plans the image of the tree below `root`, whose own name does not matter.
    ///
    /// Files of equal content lie in the image once, whether they are hard links or copies. Files of equal
    /// size are read to find them.
    ///
    /// # Errors
    ///
    /// Everything that the image could not hold is refused here, by its path; see [`Error::Limit`],
    /// [`Error::VolumeId`], [`Error::Pattern`] and [`Error::SpecialFile`]. [`Error::Io`] if the tree cannot be read.
    pub fn from_dir(root: &Path, options: &IsoOptions) -> Result<Self> {
        Self::from_known_dir(root, options, &|_| None)
    }

    /// As [`from_dir`](Self::from_dir); files whose SHA-256 `known` returns are not read to be compared. The plan is the same.
    ///
    /// # Errors
    ///
    /// Those of [`from_dir`](Self::from_dir).
    pub fn from_known_dir(root: &Path, options: &IsoOptions, known: &KnownDigest<'_>) -> Result<Self> {
        check_volume_id(&options.volume_id)?;
        let mut tree = SourceTree::scan(root, options)?;
        sharing::share(&mut tree, known)?;
        let layout = IsoLayout::new(&mut tree, root, &options.volume_id, options.source_date)?;
        Ok(Self { tree, layout })
    }

    /// The size of the image in bytes, a multiple of 2048.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.layout.sectors) * SECTOR
    }

    /// The patterns of [`IsoOptions::exclude`] that match nothing in the tree.
    #[must_use]
    pub fn unused_patterns(&self) -> &[String] {
        &self.tree.unused
    }

    /// Lists the parts of the image: first everything in the image, by sector, then the names without a place of their own.
    ///
    /// # Errors
    ///
    /// The first error of `visit`, which ends it.
    pub fn each_part<E>(&self, visit: impl FnMut(PlannedPart) -> Result<(), E>) -> Result<(), E> {
        listing::each(&self.tree, &self.layout, visit)
    }

    /// Writes the image to `output`. The file appears under its name whole, on disk and with its sum implanted, or not
    /// at all; what stood there before is replaced at that moment. A symbolic link stays, and the file behind it is
    /// replaced. A block device is written in place. To a named pipe or a character device, which cannot seek, the image is
    /// written as by [`write_to`](Self::write_to).
    ///
    /// Each source file is read once, while its bytes are written and the MD5 is taken. The SHA-256 of the image can
    /// only begin when the MD5 is known, since that stands near the start; it is taken in a second pass over what was
    /// just written, from the page cache.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if a source file is no longer what was planned, [`Error::Limit`] if a device is too small,
    /// [`Error::Cancelled`] if `progress` says so, [`Error::Io`] for the rest.
    pub fn write_file(&self, output: &Path, progress: &dyn ByteProgress) -> Result<WrittenIso> {
        writer::write(&self.tree, &self.layout, output, progress)
    }

    /// Writes the image to `out`, from its start to its end. Each source file is read twice: the implanted MD5 stands near
    /// the start and depends on everything behind it. Errors name the output by `name`.
    ///
    /// # Errors
    ///
    /// Those of [`write_file`](Self::write_file). What was written before an error is not an image.
    pub fn write_to(
        &self,
        out: &mut (dyn Write + Send),
        name: &Path,
        progress: &dyn ByteProgress,
    ) -> Result<WrittenIso> {
        writer::stream(&self.tree, &self.layout, out, name, progress)
    }
}

/// A table of what lies where, for people; its form may change.
impl fmt::Display for PlannedIso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listing::print(&self.tree, &self.layout, f)
    }
}

fn check_volume_id(id: &str) -> Result<()> {
    let problem = if id.len() > VOLUME_ID_LEN {
        "longer than 32 bytes"
    } else if id.chars().any(char::is_control) {
        "control characters are not allowed"
    } else {
        return Ok(());
    };
    Err(Error::VolumeId { found: id.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::IsoImage;

    /// A tree of files with these contents.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
            fs::write(root.path().join(name), content).unwrap();
        }
        root
    }

    /// The sectors of the files in the image of a tree, by name.
    fn sectors(root: &Path, options: &IsoOptions) -> BTreeMap<String, u64> {
        let output = tempfile::tempdir().unwrap();
        let image = output.path().join("a.iso");
        PlannedIso::from_dir(root, options).unwrap().write_file(&image, &()).unwrap();
        let files = IsoImage::open(&image).unwrap().walk().unwrap();
        files.into_iter().map(|(path, entry)| (path, entry.extents[0].offset / SECTOR)).collect()
    }

    #[test]
    fn equal_contents_share_an_extent() {
        let large = |byte: u8| String::from_utf8(vec![byte; 20_000]).unwrap();
        let (x, y) = (large(b'x'), large(b'y'));
        let root =
            tree(&[("a", &x), ("b", &x), ("c", &y), ("d", ""), ("e", ""), ("f", "same"), ("g", "same")]);
        let options = IsoOptions::default();
        let shared = sectors(root.path(), &options);
        assert!(shared["a"] == shared["b"] && shared["a"] != shared["c"], "{shared:?}");
        assert_eq!(shared["f"], shared["g"]);
        let printed = PlannedIso::from_dir(root.path(), &options).unwrap().to_string();
        assert!(printed.contains(&format!("shared  /b = sector {}", shared["a"])), "{printed}");
    }

    #[test]
    fn known_digests_spare_reading_and_change_nothing() {
        let x = "x".repeat(20_000);
        let root = tree(&[("a", &x), ("b", &x), ("c", &"y".repeat(20_000))]);
        let unknown = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap().to_string();
        let known = |path: &Path| Some(content::Digest::from_bytes([fs::read(path).unwrap()[0]; 32]));
        let plan = PlannedIso::from_known_dir(root.path(), &IsoOptions::default(), &known).unwrap();
        assert_eq!(plan.to_string(), unknown);
        // Nothing else is read: a lie is believed.
        let lie = PlannedIso::from_known_dir(root.path(), &IsoOptions::default(), &|_| {
            Some(content::Digest::of(b""))
        })
        .unwrap();
        assert_eq!(lie.to_string().matches("shared").count(), 2);
    }

    /// Makes `to` a file of the same content as `from`.
    type Twin = fn(&Path, &Path);

    #[test]
    fn hard_links_copies_and_reflinks_give_the_same_image() {
        let (small, large) = ("small".repeat(10), "large".repeat(20_000));
        let images: Vec<Vec<u8>> = [
            (|from, to| fs::hard_link(from, to).unwrap()) as Twin,
            |from, to| assert!(fs::copy(from, to).unwrap() > 0),
            |from, to| fs::write(to, fs::read(from).unwrap()).unwrap(),
        ]
        .into_iter()
        .enumerate()
        .map(|(number, twin)| {
            let root = tree(&[("z/large", &large), ("small", &small), ("m/other", &large.replace('l', "L"))]);
            let pairs = [("z/large", "a"), ("z/large", "z/zz"), ("small", "small2"), ("m/other", "n")];
            let mut pairs = pairs.to_vec();
            // The folder lists its entries in another order.
            if number == 2 {
                pairs.reverse();
            }
            for (from, to) in pairs {
                twin(&root.path().join(from), &root.path().join(to));
            }
            let output = tempfile::tempdir().unwrap();
            let image = output.path().join("a.iso");
            PlannedIso::from_dir(root.path(), &IsoOptions::default())
                .unwrap()
                .write_file(&image, &())
                .unwrap();
            let opened = IsoImage::open(&image).unwrap();
            let links = |path: &str| opened.find(path).unwrap().unwrap().links;
            assert_eq!(["a", "z/large", "z/zz", "n", "small"].map(links), [3, 3, 3, 2, 2]);
            assert!(fs::metadata(&image).unwrap().len() < 351 * SECTOR + 2 * 102_400, "stored once");
            fs::read(&image).unwrap()
        })
        .collect();
        assert!(images[0] == images[1], "hard links differ from copies");
        assert!(images[0] == images[2], "the order of the folder's entries matters");
    }

    #[test]
    fn equal_contents_with_different_permissions_share_an_extent_and_are_no_hard_links() {
        use std::os::unix::fs::PermissionsExt as _;
        let x = "x".repeat(20_000);
        let root = tree(&[("a", &x), ("b", &x), ("c", &x)]);
        fs::set_permissions(root.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
        let output = tempfile::tempdir().unwrap();
        let image = output.path().join("a.iso");
        PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap().write_file(&image, &()).unwrap();
        let image = IsoImage::open(&image).unwrap();
        let entry = |path: &str| image.find(path).unwrap().unwrap();
        assert_eq!(["a", "b", "c"].map(|path| entry(path).links), [1, 2, 2]);
        assert_eq!(entry("a").extents, entry("b").extents);
        let out = output.path().join("out");
        image.extract(&out, crate::ExtractedModes::Permissions, &()).unwrap();
        let mode = |path: &str| fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(["a", "b", "c"].map(mode), [0o555, 0o444, 0o444]);
    }

    #[test]
    fn what_is_excluded_is_not_there() {
        let root = tree(&[("keep", "1"), ("drop.tmp", "2"), ("d/.git/x", "3"), ("d/y.tmp", "4")]);
        let exclude = ["/*.tmp", ".git/", "missing"].map(str::to_owned).to_vec();
        let options = IsoOptions { exclude, ..IsoOptions::default() };
        let found = sectors(root.path(), &options);
        assert!(found.keys().eq(["d", "d/y.tmp", "keep"]), "{found:?}");
        assert_eq!(PlannedIso::from_dir(root.path(), &options).unwrap().unused_patterns(), ["missing"]);
    }

    #[test]
    fn heavier_files_come_first() {
        let root = tree(&[("a", "1"), ("b", "2"), ("z/first", "3"), ("z/last", "4")]);
        let sort = vec![("z/first".to_owned(), 10), ("a".to_owned(), -1)];
        let found = sectors(root.path(), &IsoOptions { sort, ..IsoOptions::default() });
        assert!(
            found["z/first"] < found["b"] && found["b"] < found["z/last"] && found["z/last"] < found["a"]
        );
    }

    /// Blocks can be shared where both ends of them are: see `reflink`.
    #[test]
    fn large_contents_begin_at_blocks() {
        let large = "x".repeat(65_536);
        let root = tree(&[("a", "1"), ("b", &large), ("c", "2"), ("d", &large[1..])]);
        let found = sectors(root.path(), &IsoOptions::default());
        assert_eq!(
            (found["b"] % 2, found["c"], found["d"]),
            (0, found["b"] + 32, found["c"] + 1),
            "{found:?}"
        );
        let odd = tree(&[("b", &large), ("a", "1"), ("a2", "2")]);
        let found = sectors(odd.path(), &IsoOptions::default());
        assert_eq!(found["b"] % 2, 0, "{found:?}");
    }

    #[test]
    fn limits_are_refused_by_name_before_anything_is_written() {
        let refused = |prepare: &dyn Fn(&Path)| {
            let root = tempfile::tempdir().unwrap();
            prepare(root.path());
            let error = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", root.path().display()), "")
        };
        let name = "n".repeat(254);
        assert_eq!(
            refused(&|root| fs::write(root.join(&name), "").unwrap()),
            format!("{name}: 254 bytes in a name; the maximum is 253")
        );
        assert_eq!(
            refused(&|root| symlink("t".repeat(1_024), root.join("link")).unwrap()),
            "link: 1024 bytes in a link's target; the maximum is 1023"
        );
        assert_eq!(
            refused(&|root| drop(UnixListener::bind(root.join("s")).unwrap())),
            "s: a socket cannot be archived, only files, folders and symbolic links"
        );
        assert_eq!(
            refused(&|root| {
                let size = 0xFFFF_F800 * 100 + 1;
                fs::File::create(root.join("huge")).unwrap().set_len(size).unwrap();
            }),
            "huge: 429496524801 bytes in a file; the maximum is 429496524800"
        );
        for (id, problem) in [("x".repeat(33), "longer than 32 bytes"), ("a\nb".to_owned(), "control")] {
            let error =
                PlannedIso::from_dir(Path::new("/"), &IsoOptions { volume_id: id, ..IsoOptions::default() });
            assert!(error.unwrap_err().to_string().contains(problem));
        }
    }

    #[test]
    fn an_image_of_more_sectors_than_numbers_is_refused() {
        let root = tempfile::tempdir().unwrap();
        // Sparse files of the largest size, as many as pass 8 TiB.
        for number in 0..21_u64 {
            let file = fs::File::create(root.path().join(number.to_string())).unwrap();
            // Those of equal size would be read to be compared.
            file.set_len((0xFFFF_F800 - number * 2_048) * 100).unwrap();
        }
        let error = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap_err().to_string();
        assert!(error.contains("sectors of 2048 bytes in one image; the maximum is 4294967295"), "{error}");
    }

    #[test]
    fn a_file_that_changes_after_the_plan_is_an_error_and_leaves_nothing() {
        for (size, found) in [(3, "found 3 bytes"), (9, "found 9 bytes")] {
            let root = tree(&[("file", "12345")]);
            let output = tempfile::tempdir().unwrap();
            let plan = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap();
            fs::write(root.path().join("file"), vec![b'x'; size]).unwrap();
            let error = plan.write_file(&output.path().join("a.iso"), &()).unwrap_err().to_string();
            assert!(error.contains("planned 5 bytes") && error.contains(found), "{error}");
            assert_eq!(fs::read_dir(output.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_file_that_became_a_link_or_a_pipe_is_refused_at_once() {
        let root = tree(&[("file", "12345"), ("other", "54321")]);
        let output = tempfile::tempdir().unwrap();
        let plan = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap();
        let file = root.path().join("file");
        let refused = |reason: &str| {
            let error = plan.write_file(&output.path().join("a.iso"), &()).unwrap_err().to_string();
            assert!(error.starts_with("cannot open ") && error.contains(reason), "{error}");
            fs::remove_file(&file).unwrap();
        };
        fs::remove_file(&file).unwrap();
        symlink("other", &file).unwrap();
        refused("a symbolic link");
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        refused("a named pipe");
    }

    #[test]
    fn progress_adds_up_to_the_size() {
        struct Count(std::sync::atomic::AtomicU64);
        impl ByteProgress for Count {
            fn advance(&self, bytes: u64) {
                self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let root = tree(&[("file", &"x".repeat(1_000_000))]);
        let output = tempfile::tempdir().unwrap();
        let plan = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap();
        let count = Count(0.into());
        plan.write_file(&output.path().join("a.iso"), &count).unwrap();
        assert_eq!(count.0.into_inner(), plan.bytes());
    }

    /// A tree and what its image is.
    fn tree_and_image() -> (tempfile::TempDir, PlannedIso, Vec<u8>) {
        let root = tree(&[("large", &"x".repeat(300_000)), ("small", "1")]);
        let plan = PlannedIso::from_dir(root.path(), &IsoOptions::default()).unwrap();
        let output = tempfile::tempdir().unwrap();
        let image = output.path().join("a.iso");
        plan.write_file(&image, &()).unwrap();
        let bytes = fs::read(&image).unwrap();
        (root, plan, bytes)
    }

    #[test]
    fn a_stream_gets_the_same_bytes() {
        let (_root, plan, expected) = tree_and_image();
        let mut out = Vec::new();
        let sums = plan.write_to(&mut out, Path::new("-"), &()).unwrap();
        assert!(out == expected, "the stream differs from the file");
        assert_eq!(sums.sha256, content::Digest::of(&expected));
        let check = crate::md5::check_source(&out, Path::new("-"), &()).unwrap();
        assert_eq!(check, crate::md5::Md5Check::Intact { md5: sums.md5 });
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let (_root, plan, expected) = tree_and_image();
        let output = tempfile::tempdir().unwrap();
        let (folder, link) = (output.path().join("disk"), output.path().join("latest.iso"));
        fs::create_dir(&folder).unwrap();
        for there in [false, true] {
            if there {
                fs::write(folder.join("real.iso"), "what was there").unwrap();
            }
            let _ = fs::remove_file(&link);
            symlink("disk/real.iso", &link).unwrap();
            plan.write_file(&link, &()).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(fs::read(folder.join("real.iso")).unwrap() == expected);
            fs::remove_file(folder.join("real.iso")).unwrap();
        }
    }

    #[test]
    fn a_named_pipe_and_a_character_device_are_written_to() {
        use std::os::unix::fs::FileTypeExt as _;
        let (_root, plan, expected) = tree_and_image();
        let output = tempfile::tempdir().unwrap();
        let pipe = output.path().join("pipe");
        content::Root::open(output.path()).unwrap().create_pipe(Path::new("pipe"), 0o600).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read(&pipe).unwrap());
            plan.write_file(&pipe, &()).unwrap();
            assert!(reader.join().unwrap() == expected);
        });
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        plan.write_file(Path::new("/dev/null"), &()).unwrap();
        let error = plan.write_file(Path::new("/dev/full"), &()).unwrap_err().to_string();
        assert_eq!(error, "cannot write /dev/full: No space left on device (os error 28)");
    }

    #[test]
    fn the_longest_names_of_files_are_possible() {
        let (_root, plan, expected) = tree_and_image();
        let output = tempfile::tempdir().unwrap();
        for length in [246, 247, 255] {
            let image = output.path().join("n".repeat(length));
            plan.write_file(&image, &()).unwrap();
            assert!(fs::read(&image).unwrap() == expected);
        }
        assert_eq!(fs::read_dir(output.path()).unwrap().count(), 3, "nothing else is left");
    }

    #[test]
    fn what_is_cancelled_leaves_nothing() {
        struct Stop;
        impl ByteProgress for Stop {
            fn advance(&self, _: u64) {}
            fn cancelled(&self) -> bool {
                true
            }
        }
        let (_root, plan, _) = tree_and_image();
        let output = tempfile::tempdir().unwrap();
        let image = output.path().join("a.iso");
        fs::write(&image, "what was there").unwrap();
        assert!(matches!(plan.write_file(&image, &Stop), Err(Error::Cancelled)));
        assert_eq!(fs::read(&image).unwrap(), b"what was there");
        assert_eq!(fs::read_dir(output.path()).unwrap().count(), 1, "nothing else is left");
        assert!(matches!(plan.write_to(&mut Vec::new(), Path::new("-"), &Stop), Err(Error::Cancelled)));
    }
}
