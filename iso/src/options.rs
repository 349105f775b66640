//! What the caller decides about an image.

/// The options of an image. With the defaults the image is a pure function of the names, contents,
/// executable bits and links of the tree: no clock, no owner and no time stamp of the machine reaches it.
///
/// ```
/// let options = iso::IsoOptions {
///     volume_id: "MetalK8s 2.11.0".to_owned(),
///     source_date: 1_700_000_000,
///     ..iso::IsoOptions::default()
/// };
/// # assert!(options.exclude.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct IsoOptions {
    /// The volume's name, at most 32 bytes. Joliet shows its first 16 characters.
    pub volume_id: String,
    /// The date of the volume and, by default, of everything in it: seconds since 1970-01-01T00:00:00Z.
    pub source_date: i64,
    /// Which modification times the records carry.
    pub times: Times,
    /// Which permissions the records carry.
    pub permissions: Permissions,
    /// Which owner and group the records carry.
    pub owner: Owner,
    /// What to leave out: patterns with the meaning of lines of a `.gitignore` in the root; see
    /// [`Exclude`](crate::Exclude).
    pub exclude: Vec<String>,
    /// Patterns over the path relative to the root (`*` and `?` stop at `/`, `**` does not) with weights: contents of heavier files lie nearer the start of the image. The first
    /// pattern that matches decides, the default weight is 0, equal weights keep the order of the tree.
    pub sort: Vec<(String, i32)>,
}

/// Which modification times the records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// [`IsoOptions::source_date`] everywhere.
    #[default]
    SourceDate,
    /// The source's own, but none later than [`IsoOptions::source_date`].
    Clamped,
}

/// Which permissions the records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Readable by all, executable by all where anybody could execute, writable by nobody: 0444 or 0555.
    #[default]
    ReadOnly,
    /// The source's own.
    Source,
}

/// Which owner and group the records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This user and group. The default is 0 and 0.
    Fixed {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
    /// The source's own.
    Source,
}

impl Default for Owner {
    fn default() -> Self {
        Self::Fixed { uid: 0, gid: 0 }
    }
}
