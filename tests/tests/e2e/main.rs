//! End-to-end tests: one binary, one module per room.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![cfg(test)]

mod accepted;
mod archive;
mod archive_report;
mod blocks;
mod build;
mod certificates;
mod cli;
mod completion;
mod examples;
mod graph;
mod guideline;
mod images;
mod init;
mod iso;
mod life_cycle;
mod line;
mod lint;
mod output;
mod outside;
mod own_tasks;
mod packages;
mod pipeline;
mod port;
mod port_solution;
mod project;
mod project_build;
mod project_files;
mod project_pull;
mod promotion;
mod publishing;
mod push;
mod reports;
mod reproduce;
mod requires;
mod runtime;
mod salt;
mod same_bytes;
mod sboms;
mod scripts;
mod signed_archives;
mod solution_build;
mod solution_check;
mod sources;
