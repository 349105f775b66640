//! End-to-end tests: one binary, one module per room.
#![cfg(test)]

mod images;
mod iso;
mod packages;
mod salt;
mod scripts;
