//! Random repositories solved by us and by dnf.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use packages::closure::{Options, Request, solve};
use packages::metadata::{Pool, Repository};
use serde_json::{Value, json};

#[allow(unreachable_pub, reason = "it is a module of the end-to-end tests")]
#[path = "../../tests/src/peer.rs"]
mod peer;
#[path = "../src/closure/tests/stand_in.rs"]
mod stand_in;

/// Repositories, each with ten requests.
const REPOSITORIES: usize = 40;

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn name(&mut self) -> String {
        format!("p{:02}", self.below(24))
    }

    fn capability(&mut self) -> String {
        let name = if self.chance(40) { format!("cap{}", self.below(8)) } else { self.name() };
        match self.below(8) {
            0 => format!("{name} >= {}", self.below(4)),
            1 => format!("{name} < {}", 1 + self.below(4)),
            2 => format!("{name} = {}", self.below(4)),
            _ => name,
        }
    }

    fn required(&mut self) -> String {
        let (a, b, c) = (self.capability(), self.capability(), self.capability());
        match self.below(20) {
            0 => format!("({a} or {b})"),
            1 => format!("({a} or {b} or {c})"),
            2 => format!("({a} if {b})"),
            3 => format!("({a} if {b} else {c})"),
            4 => format!("({a} and {b})"),
            5 => format!("({a} with {b})"),
            6 => format!("({a} without {b})"),
            7 => format!("/usr/bin/x{}", self.below(6)),
            8 => format!("/opt/x{}", self.below(6)),
            _ => a,
        }
    }

    fn package(&mut self, name: &str, version: usize) -> String {
        let arch = ["noarch", "noarch", "x86_64", "x86_64", "i686"][self.below(5)];
        let mut all = Vec::new();
        for _ in 0..self.below(3) {
            all.push(format!("R:{}", self.required()));
        }
        for _ in 0..self.below(3) {
            let name = format!("cap{}", self.below(8));
            let version = self.below(5);
            all.push(if self.chance(50) { format!("P:{name}") } else { format!("P:{name} = {version}") });
        }
        for (key, percent) in [("C", 12), ("O", 6), ("Rec", 20), ("Sug", 12), ("Sup", 10), ("Enh", 8)] {
            if self.chance(percent) {
                let one = self.capability();
                let (other, third) = (self.capability(), self.capability());
                all.push(match (key, self.below(6)) {
                    ("C", 0) => format!("C:({one} unless {other})"),
                    ("C", 1) => format!("C:({one} and {other})"),
                    ("Rec", 0) => format!("Rec:({one} if {other})"),
                    ("Rec", 1) => format!("Rec:({one} or {other})"),
                    ("Rec", 2) => format!("Rec:({one} if {other} else {third})"),
                    ("Sug", 0) => format!("Sug:({one} if {other})"),
                    ("Sup", 0) => format!("Sup:({one} and {other})"),
                    ("Enh", 0) => format!("Enh:({one} or {other})"),
                    ("O", _) => format!("O:{} < {}", self.name(), 1 + self.below(4)),
                    _ => format!("{key}:{one}"),
                });
            }
        }
        if self.chance(15) {
            all.push(format!("F:/usr/bin/x{}", self.below(6)));
        }
        if self.chance(15) {
            all.push(format!("F:/opt/x{}", self.below(6)));
        }
        format!("{name}-{version}-1.{arch} {}", all.join(";"))
    }

    fn repository(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for number in 0..24 {
            for version in 0..1 + self.below(3) {
                lines.push(self.package(&format!("p{number:02}"), version + 1));
                if self.chance(10) {
                    lines.push(self.package(&format!("p{number:02}"), version + 1));
                }
            }
        }
        let file = |line: &String| line.split(' ').next().unwrap().to_owned();
        lines.sort_by_key(file);
        lines.dedup_by_key(|line| file(line));
        lines
    }
}

/// Writes the metadata of a repository.
fn write(folder: &Path, lines: &[String]) {
    let repodata = folder.join("repodata");
    fs::create_dir_all(&repodata).unwrap();
    let primary = stand_in::primary(lines);
    let mut listed = String::new();
    for (kind, text) in [("primary", &primary), ("filelists", &stand_in::filelists(lines))] {
        let sum = content::Digest::of(text.as_bytes()).hex();
        fs::write(repodata.join(format!("{kind}.xml")), text).unwrap();
        listed += &format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum><open-checksum type=\"sha256\">{sum}\
             </open-checksum><location href=\"repodata/{kind}.xml\"/><timestamp>1</timestamp><size>{size}</size>\
             <open-size>{size}</open-size></data>",
            size = text.len()
        );
    }
    let repomd = format!(
        "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision>{listed}</repomd>"
    );
    fs::write(repodata.join("repomd.xml"), repomd).unwrap();
}

#[test]
fn dnf_gives_the_same_answers_in_random_repositories() {
    if peer::find("dnf").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut cases: Vec<Value> = Vec::new();
    for number in 0..REPOSITORIES {
        let lines = dice.repository();
        write(&dir.path().join(number.to_string()), &lines);
        for _ in 0..10 {
            let count = 1 + dice.below(4);
            let requests: Vec<String> = (0..count).map(|_| dice.name()).collect();
            cases.push(json!({
                "repository": number.to_string(),
                "requests": requests,
                "weak": dice.chance(50),
                "best": dice.chance(25),
            }));
        }
    }
    let file = dir.path().join("cases.json");
    fs::write(&file, json!(cases).to_string()).unwrap();
    fs::create_dir_all(dir.path().join("dnf/logdir")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/solve_with_dnf.py");
    let output = peer::run(Command::new("/usr/bin/python3").arg(script).arg(dir.path()).arg(&file));
    let answers: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), cases.len());

    let mut wrong = Vec::new();
    let mut errors = 0;
    let mut known: Option<(String, Pool)> = None;
    for (case, expected) in cases.iter().zip(&answers) {
        let repository = case["repository"].as_str().unwrap();
        if known.as_ref().is_none_or(|(name, _)| name != repository) {
            known = Some((repository.to_owned(), read(&dir.path().join(repository))));
        }
        let Some((_, pool)) = &known else { unreachable!("it was just read") };
        let requests =
            case["requests"].as_array().unwrap().iter().map(|one| Request::new(one.as_str().unwrap()));
        let options = Options {
            weak_dependencies: case["weak"].as_bool().unwrap(),
            best: case["best"].as_bool().unwrap(),
            ..Options::new("x86_64")
        };
        let solved = solve(pool, &requests.collect::<Vec<_>>(), &options);
        let found = match &solved {
            Ok(closure) => {
                let name = |one: &packages::closure::Chosen| pool.nevra(pool.package(one.package).unwrap());
                let mut names: Vec<String> = closure.packages.iter().map(name).collect();
                names.sort();
                names
            }
            Err(_) => vec!["error".to_owned()],
        };
        errors += usize::from(expected == &["error"]);
        if found != *expected {
            let problem = solved.err().map(|problem| problem.to_string()).unwrap_or_default();
            wrong.push(format!("{case}\n  dnf {}\n  we  {} {problem}", expected.join(" "), found.join(" ")));
        }
    }
    assert!(
        errors > cases.len() / 20 && errors < cases.len() / 2,
        "{errors} of {} have no answer",
        cases.len()
    );
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn read(folder: &Path) -> Pool {
    let mut pool = Pool::new();
    let id = pool.add_repository(Repository::new("r"));
    let found = pool.read_repository(id, folder).unwrap();
    let wanted = pool.wanted_paths([]);
    pool.read_wanted_paths(id, folder, &found, &wanted).unwrap();
    pool
}
