//! The bootstrap node: serve, import and mount archives.
