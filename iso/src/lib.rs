//! ISO 9660 images: plan, write, read, check and mount.
