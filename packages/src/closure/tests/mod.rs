//! Tests of closures.

use std::path::Path;

use super::*;
use crate::metadata::Repository;

mod answers;
mod check;
mod dnf;
mod metalk8s;
mod stand_in;

/// The names of packages, as the tables write them: without an architecture that every machine has.
fn names(pool: &Pool, chosen: &[Chosen]) -> Vec<String> {
    let name = |one: &Chosen| {
        let nevra = pool.nevra(pool.package(one.package).unwrap());
        nevra.strip_suffix(".noarch").map_or_else(|| nevra.replace(".x86_64", ".x64"), str::to_owned)
    };
    let mut all: Vec<String> = chosen.iter().map(name).collect();
    all.sort();
    all
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The answer to `requests`, or why none exists.
fn answer(pool: &Pool, requests: &[&str], options: &Options) -> String {
    let requests: Vec<Request> = requests.iter().map(|one| Request::new(*one)).collect();
    match solve(pool, &requests, options) {
        Ok(closure) => names(pool, &closure.packages).join(" "),
        Err(problem) => problem.to_string(),
    }
}

/// A pool of repositories, each with a line for each package; see [`stand_in::primary`].
fn pool(repositories: &[(&str, Vec<String>)]) -> Pool {
    let mut pool = Pool::new();
    for (name, lines) in repositories {
        let id = pool.add_repository(Repository::new(*name));
        let primary = stand_in::primary(lines);
        pool.read_primary(id, primary.as_bytes(), Path::new("primary.xml")).unwrap();
    }
    let wanted = pool.wanted_paths(["/opt/d/f"]);
    let ids: Vec<RepositoryId> = pool.repositories().map(|(id, _)| id).collect();
    for (id, (_, lines)) in ids.into_iter().zip(repositories) {
        let filelists = stand_in::filelists(lines);
        pool.read_filelists(id, &wanted, filelists.as_bytes(), Path::new("filelists.xml")).unwrap();
    }
    pool
}
