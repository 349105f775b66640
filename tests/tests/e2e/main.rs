//! End-to-end tests: one binary, one module per room.
#![cfg(test)]

mod images;
mod packages;
mod salt;
mod scripts;
