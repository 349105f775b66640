//! The licenses, duplicates and sources of all dependencies are those that `deny.toml` allows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use tests::{peer, sealift};

/// A dependency: name, version, license, source.
type Package = (String, String, String, String);

/// What `deny.toml` says.
fn policy() -> toml::Table {
    std::fs::read_to_string(sealift::repository().join("deny.toml")).unwrap().parse().unwrap()
}

/// The dependencies of all crates of the workspace, their tests included, on the platform that `deny.toml` names.
fn packages(policy: &toml::Table) -> Vec<Package> {
    let target = policy["graph"]["targets"][0].as_str().unwrap();
    let manifest = sealift::repository().join("Cargo.toml");
    let arguments =
        ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", target];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = peer::run(Command::new(cargo).args(arguments).arg("--manifest-path").arg(manifest));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let used: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| used.contains(package["id"].as_str().unwrap()) && !package["source"].is_null())
        .map(|package| {
            (
                text(&package["name"]),
                text(&package["version"]),
                text(&package["license"]),
                text(&package["source"]),
            )
        })
        .collect()
}

#[test]
fn licenses_are_allowed_and_every_allowance_is_used() {
    let policy = policy();
    let allowed: BTreeSet<&str> =
        policy["licenses"]["allow"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let mut chosen = BTreeSet::new();
    for (name, version, license, _) in packages(&policy) {
        match satisfied(&license, &allowed) {
            Some(licenses) => chosen.extend(licenses),
            None => panic!("{name} {version} has the license `{license}`, which deny.toml does not allow"),
        }
    }
    let idle: Vec<_> = allowed.iter().filter(|one| !chosen.contains(**one)).collect();
    assert!(idle.is_empty(), "deny.toml allows {idle:?}, which nothing needs");
}

#[test]
fn crates_that_exist_twice_have_a_reason_each() {
    let policy = policy();
    let mut skipped = BTreeSet::new();
    for skip in policy["bans"]["skip"].as_array().unwrap() {
        assert!(skip["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{skip:?} has no reason");
        skipped.insert(skip["crate"].as_str().unwrap().to_owned());
    }
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _, _) in packages(&policy) {
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        let mut left: Vec<String> = versions.into_iter().map(|version| format!("{name}@{version}")).collect();
        left.retain(|version| !skipped.remove(version));
        assert!(
            left.len() == 1,
            "{name} is here twice: {left:?}; use one version, or add it to deny.toml with a reason"
        );
    }
    assert!(skipped.is_empty(), "deny.toml skips {skipped:?}, which are not there twice");
}

#[test]
fn every_dependency_is_from_the_registry() {
    for (name, version, _, source) in packages(&policy()) {
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(source, registry, "{name} {version}");
    }
}

#[test]
fn expressions_of_licenses_are_read_as_spdx_has_them() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for (expression, expected) in [
        ("MIT", Some(vec!["MIT"])),
        ("GPL-3.0", None),
        ("GPL-3.0 OR MIT", Some(vec!["MIT"])),
        ("GPL-3.0/MIT", Some(vec!["MIT"])),
        ("MIT AND ISC", Some(vec!["ISC", "MIT"])),
        ("MIT AND GPL-3.0", None),
        ("(GPL-3.0 OR MIT) AND ISC", Some(vec!["ISC", "MIT"])),
        ("GPL-3.0 AND ISC OR MIT", Some(vec!["MIT"])),
        ("MIT WITH X-exception", None),
        ("MIT WITH X-exception OR ISC", Some(vec!["ISC"])),
        ("", None),
        ("MIT ISC", None),
        ("(MIT", None),
    ] {
        let found = satisfied(expression, &allowed).map(|found| found.into_iter().collect::<Vec<_>>());
        assert_eq!(found, expected.map(|all| all.into_iter().map(str::to_owned).collect()), "{expression}");
    }
}

/// The licenses of `allowed` that together satisfy an SPDX expression, or `None` if they do not.
fn satisfied(expression: &str, allowed: &BTreeSet<&str>) -> Option<BTreeSet<String>> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (found, rest) = any_of(&words, allowed)?;
    found.filter(|_| rest.is_empty())
}

/// The rest of an expression, and what satisfies the part before it. `None` if it is not an expression.
type Read<'w> = Option<(Option<BTreeSet<String>>, &'w [&'w str])>;

fn any_of<'w>(words: &'w [&'w str], allowed: &BTreeSet<&str>) -> Read<'w> {
    let (mut found, mut rest) = all_of(words, allowed)?;
    while let Some(("OR", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        let (other, after) = all_of(after, allowed)?;
        found = found.or(other);
        rest = after;
    }
    Some((found, rest))
}

fn all_of<'w>(words: &'w [&'w str], allowed: &BTreeSet<&str>) -> Read<'w> {
    let (mut found, mut rest) = single(words, allowed)?;
    while let Some(("AND", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        let (other, after) = single(after, allowed)?;
        found = found.zip(other).map(|(one, other)| one.union(&other).cloned().collect());
        rest = after;
    }
    Some((found, rest))
}

fn single<'w>(words: &'w [&'w str], allowed: &BTreeSet<&str>) -> Read<'w> {
    let (word, rest) = words.split_first()?;
    if *word == "(" {
        let (found, rest) = any_of(rest, allowed)?;
        let (close, rest) = rest.split_first()?;
        return (*close == ")").then_some((found, rest));
    }
    if matches!(*word, ")" | "AND" | "OR" | "WITH") {
        return None;
    }
    if let [exception, _, rest @ ..] = rest
        && *exception == "WITH"
    {
        return Some((None, rest));
    }
    Some((allowed.contains(word).then(|| BTreeSet::from([(*word).to_owned()])), rest))
}

#[test]
fn architecture_md_has_a_reason_for_every_dependency_and_names_no_other() {
    let root = sealift::repository();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--locked", "--offline", "--format-version", "1", "--no-deps"];
    let output =
        peer::run(Command::new(cargo).args(arguments).arg("--manifest-path").arg(root.join("Cargo.toml")));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let own: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let dependencies = packages.iter().flat_map(|package| package["dependencies"].as_array().unwrap());
    let used: BTreeSet<&str> = dependencies
        .map(|dependency| dependency["name"].as_str().unwrap())
        .filter(|name| !own.contains(name))
        .collect();
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| crate | used for | why this one |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let named: BTreeSet<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split(','))
        // What is in brackets is about the crate before them.
        .map(|name| name.split('(').next().unwrap().trim())
        .collect();
    let missing: Vec<_> = used.difference(&named).collect();
    let idle: Vec<_> = named.difference(&used).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md has no reason for {missing:?}");
    assert!(idle.is_empty(), "ARCHITECTURE.md names {idle:?}, which nothing depends on");
}
