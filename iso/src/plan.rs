//! The plan of an image: where every byte will lie, before any content is read.

use std::fmt;
use std::path::Path;

use crate::format::SECTOR;
use crate::format::descriptor::VOLUME_ID_LEN;
use crate::layout::Layout;
use crate::listing::Part;
use crate::tree::Tree;
use crate::writer::{self, Sums};
use crate::{Error, Options, Progress, Result, listing, sharing};

/// Every record, extent and size of an image, before any content is read.
///
/// The image is a pure function of the plan and the contents. Printed, a plan is a table of what lies where.
#[derive(Debug)]
pub struct Plan {
    tree: Tree,
    layout: Layout,
}

impl Plan {
    /// Plans the image of the tree below `root`, whose own name does not matter.
    ///
    /// # Errors
    ///
    /// Everything that the image could not hold is refused here, by its path; see [`Error::Limit`],
    /// [`Error::VolumeId`], [`Error::Pattern`] and [`Error::SpecialFile`]. [`Error::Io`] if the tree cannot be read.
    pub fn from_dir(root: &Path, options: &Options) -> Result<Self> {
        check_volume_id(&options.volume_id)?;
        let mut tree = Tree::scan(root, options)?;
        sharing::find_twins(&mut tree, &options.sharing)?;
        let layout = Layout::new(&mut tree, root, &options.volume_id, options.source_date)?;
        Ok(Self { tree, layout })
    }

    /// The size of the image in bytes, a multiple of 2048.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.layout.sectors) * SECTOR
    }

    /// The patterns of [`Options::exclude`] that match nothing in the tree.
    #[must_use]
    pub fn unused_patterns(&self) -> &[String] {
        &self.tree.unused
    }

    /// Hands out what lies where: first everything in the image, by sector, then the names without a place of their own.
    ///
    /// # Errors
    ///
    /// The first error of `visit`, which ends it.
    pub fn each_part<E>(&self, visit: impl FnMut(Part) -> Result<(), E>) -> Result<(), E> {
        listing::each(&self.tree, &self.layout, visit)
    }

    /// Writes the image to `output`. The file appears under its name whole, on disk and with its sum implanted, or not
    /// at all; what stood there before is replaced at that moment. A block device is written in place.
    ///
    /// Each source file is read once, while its bytes are written and the MD5 is taken. The SHA-256 of the image can
    /// only begin when the MD5 is known, since that stands near the start; it is taken in a second pass over what was
    /// just written, from the page cache.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if a source file is no longer what was planned, [`Error::Limit`] if a device is too small,
    /// [`Error::Io`] for the rest.
    pub fn write_file(&self, output: &Path, progress: &dyn Progress) -> Result<Sums> {
        writer::write(&self.tree, &self.layout, output, progress)
    }
}

/// A table of what lies where, for people; its form may change.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listing::print(&self.tree, &self.layout, f)
    }
}

fn check_volume_id(id: &str) -> Result<()> {
    let problem = if id.len() > VOLUME_ID_LEN {
        "longer than 32 bytes"
    } else if id.chars().any(char::is_control) {
        "control characters are not possible"
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
    use std::sync::Arc;

    use super::*;
    use crate::{Image, Sharing};

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
    fn sectors(root: &Path, options: &Options) -> BTreeMap<String, u64> {
        let output = tempfile::tempdir().unwrap();
        let image = output.path().join("a.iso");
        Plan::from_dir(root, options).unwrap().write_file(&image, &()).unwrap();
        let files = Image::open(&image).unwrap().walk().unwrap();
        files.into_iter().map(|(path, entry)| (path, entry.extents[0].offset / SECTOR)).collect()
    }

    #[test]
    fn equal_contents_share_an_extent_where_that_is_asked_for() {
        let root = tree(&[("a", "same"), ("b", "same"), ("c", "othe"), ("d", ""), ("e", "")]);
        let apart = sectors(root.path(), &Options::default());
        assert!(apart["a"] != apart["b"]);
        let options = Options { sharing: Sharing::Content, ..Options::default() };
        let shared = sectors(root.path(), &options);
        assert!(shared["a"] == shared["b"] && shared["a"] != shared["c"], "{shared:?}");
        let known = |path: &Path| path.ends_with("c").then_some([7; 32]);
        let options = Options { sharing: Sharing::Known(Arc::new(known)), ..Options::default() };
        assert_eq!(sectors(root.path(), &options), apart, "one known digest is shared with nobody");
        let known = |path: &Path| (!path.ends_with("c")).then_some([7; 32]);
        let options = Options { sharing: Sharing::Known(Arc::new(known)), ..Options::default() };
        assert_eq!(sectors(root.path(), &options), shared);
        let printed = Plan::from_dir(root.path(), &options).unwrap().to_string();
        assert!(printed.contains(&format!("shared  /b = sector {}", shared["a"])), "{printed}");
    }

    #[test]
    fn what_is_excluded_is_not_there() {
        let root = tree(&[("keep", "1"), ("drop.tmp", "2"), ("d/.git/x", "3"), ("d/y.tmp", "4")]);
        let exclude = ["/*.tmp", ".git/", "missing"].map(str::to_owned).to_vec();
        let options = Options { exclude, ..Options::default() };
        let found = sectors(root.path(), &options);
        assert!(found.keys().eq(["d", "d/y.tmp", "keep"]), "{found:?}");
        assert_eq!(Plan::from_dir(root.path(), &options).unwrap().unused_patterns(), ["missing"]);
    }

    #[test]
    fn heavier_files_come_first() {
        let root = tree(&[("a", "1"), ("b", "2"), ("z/first", "3"), ("z/last", "4")]);
        let sort = vec![("z/first".to_owned(), 10), ("a".to_owned(), -1)];
        let found = sectors(root.path(), &Options { sort, ..Options::default() });
        assert!(
            found["z/first"] < found["b"] && found["b"] < found["z/last"] && found["z/last"] < found["a"]
        );
    }

    /// Blocks can be shared where both ends of them are: see `reflink`.
    #[test]
    fn large_contents_begin_at_blocks() {
        let large = "x".repeat(65_536);
        let root = tree(&[("a", "1"), ("b", &large), ("c", "2"), ("d", &large[1..])]);
        let found = sectors(root.path(), &Options::default());
        assert_eq!(
            (found["b"] % 2, found["c"], found["d"]),
            (0, found["b"] + 32, found["c"] + 1),
            "{found:?}"
        );
        let odd = tree(&[("b", &large), ("a", "1"), ("a2", "2")]);
        let found = sectors(odd.path(), &Options::default());
        assert_eq!(found["b"] % 2, 0, "{found:?}");
    }

    #[test]
    fn limits_are_refused_by_name_before_anything_is_written() {
        let refused = |prepare: &dyn Fn(&Path)| {
            let root = tempfile::tempdir().unwrap();
            prepare(root.path());
            let error = Plan::from_dir(root.path(), &Options::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", root.path().display()), "")
        };
        let name = "n".repeat(254);
        assert_eq!(
            refused(&|root| fs::write(root.join(&name), "").unwrap()),
            format!("{name}: bytes in a name: at most 253 possible, found 254")
        );
        assert_eq!(
            refused(&|root| symlink("t".repeat(1_024), root.join("link")).unwrap()),
            "link: bytes in a link's target: at most 1023 possible, found 1024"
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
            "huge: bytes in a file: at most 429496524800 possible, found 429496524801"
        );
        for (id, problem) in [("x".repeat(33), "longer than 32 bytes"), ("a\nb".to_owned(), "control")] {
            let error = Plan::from_dir(Path::new("/"), &Options { volume_id: id, ..Options::default() });
            assert!(error.unwrap_err().to_string().contains(problem));
        }
    }

    #[test]
    fn an_image_of_more_sectors_than_numbers_is_refused() {
        let root = tempfile::tempdir().unwrap();
        // Sparse files of the largest size, as many as pass 8 TiB.
        for number in 0..21 {
            let file = fs::File::create(root.path().join(number.to_string())).unwrap();
            file.set_len(0xFFFF_F800 * 100).unwrap();
        }
        let error = Plan::from_dir(root.path(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains("sectors of 2048 bytes in one image: at most 4294967295 possible"), "{error}");
    }

    #[test]
    fn a_file_that_changes_after_the_plan_is_an_error_and_leaves_nothing() {
        for (size, found) in [(3, "found 3 bytes"), (9, "found 9 bytes")] {
            let root = tree(&[("file", "12345")]);
            let output = tempfile::tempdir().unwrap();
            let plan = Plan::from_dir(root.path(), &Options::default()).unwrap();
            fs::write(root.path().join("file"), vec![b'x'; size]).unwrap();
            let error = plan.write_file(&output.path().join("a.iso"), &()).unwrap_err().to_string();
            assert!(error.contains("planned 5 bytes") && error.contains(found), "{error}");
            assert_eq!(fs::read_dir(output.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_file_that_became_a_link_is_not_followed() {
        let root = tree(&[("file", "12345"), ("other", "54321")]);
        let output = tempfile::tempdir().unwrap();
        let plan = Plan::from_dir(root.path(), &Options::default()).unwrap();
        fs::remove_file(root.path().join("file")).unwrap();
        symlink("other", root.path().join("file")).unwrap();
        let error = plan.write_file(&output.path().join("a.iso"), &()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read "), "{error}");
    }

    #[test]
    fn progress_adds_up_to_the_size() {
        struct Count(std::sync::atomic::AtomicU64);
        impl Progress for Count {
            fn advance(&self, bytes: u64) {
                self.0.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let root = tree(&[("file", &"x".repeat(1_000_000))]);
        let output = tempfile::tempdir().unwrap();
        let plan = Plan::from_dir(root.path(), &Options::default()).unwrap();
        let count = Count(0.into());
        plan.write_file(&output.path().join("a.iso"), &count).unwrap();
        assert_eq!(count.0.into_inner(), plan.bytes());
    }
}
