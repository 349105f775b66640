//! What the end-to-end tests share: peers (the real tools that judge what we write) and scratch folders.
pub mod peer;
pub mod sealift;
