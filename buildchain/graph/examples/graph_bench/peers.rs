//! The same work by doit, ninja and this graph: medians of five rounds, compared with budgets.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A program that does the work.
struct Peer {
    name: &'static str,
    command: Vec<String>,
}

/// Work that all programs do.
struct Work {
    name: &'static str,
    peers: Vec<Peer>,
    /// What is removed before each round; empty for a round with nothing to do.
    fresh: Vec<&'static str>,
    /// The largest allowed ratio to the time of ninja.
    budget: f64,
}

/// Prepares the work below `folder`, does it, and prints the times. The folder should be on the disk to measure.
pub(crate) fn compare(folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder)?;
    let copies = folder.join("copies");
    files(&copies.join("in"), 10_000)?;
    write_copies(&copies, 10_000)?;
    let few = folder.join("few");
    files(&few.join("in"), 1_000)?;
    write_copies(&few, 1_000)?;
    let one = folder.join("one");
    files(&one.join("in"), 10_000)?;
    write_one(&one, 10_000)?;
    let works = [
        (
            &copies,
            Work {
                name: "10,000 tasks, nothing to do",
                peers: peers("copy", &copies, 10_000)?,
                fresh: vec![],
                budget: 2.0,
            },
        ),
        (
            &one,
            Work {
                name: "10,000 files into one task, nothing to do",
                peers: peers("one", &one, 10_000)?,
                fresh: vec![],
                budget: 2.0,
            },
        ),
        (
            &few,
            Work {
                name: "1,000 × cp, 2 jobs",
                peers: peers("copy", &few, 1_000)?,
                fresh: vec![
                    "_build",
                    "out",
                    ".ninja_log",
                    ".ninja_deps",
                    ".doit.db.db",
                    ".doit.db",
                    ".doit.db.dat",
                    ".doit.db.dir",
                ],
                budget: 1.1,
            },
        ),
    ];
    for (place, work) in works {
        measure(place, &work)?;
    }
    big(&folder.join("big"))
}

fn peers(shape: &'static str, folder: &Path, count: usize) -> Result<Vec<Peer>> {
    let me = std::env::current_exe()?.display().to_string();
    let mut peers = vec![Peer {
        name: "graph",
        command: vec![me, shape.into(), folder.display().to_string(), count.to_string(), "2".into()],
    }];
    for (name, command) in [("ninja", vec!["ninja", "-j2", "--quiet"]), ("doit", vec!["doit", "-n2"])] {
        let there = Command::new(name).arg("--version").stdout(Stdio::null()).status().is_ok();
        if there {
            peers.push(Peer { name, command: command.into_iter().map(str::to_owned).collect() });
        }
    }
    Ok(peers)
}

fn measure(folder: &Path, work: &Work) -> Result<()> {
    let mut times = vec![Vec::new(); work.peers.len()];
    for round in 0..=ROUNDS {
        for (peer, times) in work.peers.iter().zip(&mut times) {
            for path in &work.fresh {
                let path = folder.join(path);
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
            let time = time(folder, peer)?;
            // The first round fills the page cache and, where nothing is to be done, does all there is to do.
            if round > 0 {
                times.push(time);
            }
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    let mut line = format!("{:<44}", work.name);
    for (peer, median) in work.peers.iter().zip(&medians) {
        write!(line, " {} {:>8.1} ms", peer.name, median.as_secs_f64() * 1e3)?;
    }
    if let [graph, ninja, ..] = medians.as_slice() {
        let ratio = graph.as_secs_f64() / ninja.as_secs_f64();
        let verdict = if ratio <= work.budget { "within" } else { "OVER" };
        write!(line, "  {ratio:.2} × ninja, {verdict} the budget of {}", work.budget)?;
    }
    super::say(&line);
    Ok(())
}

fn time(folder: &Path, peer: &Peer) -> Result<Duration> {
    let (program, arguments) = peer.command.split_first().ok_or("no command")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let time = start.elapsed();
    if status.success() { Ok(time) } else { Err(format!("{} ended with {status}", peer.name).into()) }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Four gigabytes into one task: read, unchanged, touched, unchanged again.
fn big(folder: &Path) -> Result<()> {
    let input = folder.join("in");
    fs::create_dir_all(&input)?;
    let paths: Vec<PathBuf> = (0..40).map(|index| input.join(index.to_string())).collect();
    for path in &paths {
        File::create(path)?.set_len(100 << 20)?;
    }
    let _ = fs::remove_dir_all(folder.join("_build"));
    let peer = peers("one", folder, paths.len())?.into_iter().next().ok_or("no graph")?;
    let mut line = format!("{:<44}", "4 GB into one task");
    for (name, touched) in [("read", false), ("unchanged", false), ("touched", true), ("unchanged", false)] {
        for path in paths.iter().filter(|_| touched) {
            File::options().write(true).open(path)?.set_modified(std::time::SystemTime::now())?;
        }
        // Files as young as the clock are not remembered.
        std::thread::sleep(Duration::from_millis(50));
        write!(line, " {name} {:>8.1} ms", time(folder, &peer)?.as_secs_f64() * 1e3)?;
    }
    super::say(&line);
    fs::remove_dir_all(&input)?;
    Ok(())
}

fn files(folder: &Path, count: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    for index in 0..count {
        fs::write(folder.join(index.to_string()), format!("{index}\n"))?;
    }
    Ok(())
}

fn write_copies(folder: &Path, count: usize) -> Result<()> {
    let mut ninja = "rule cp\n  command = cp $in $out\n".to_owned();
    for index in 0..count {
        writeln!(ninja, "build out/{index}: cp in/{index}")?;
    }
    fs::write(folder.join("build.ninja"), ninja)?;
    fs::write(
        folder.join("dodo.py"),
        format!(
            "import os\nos.makedirs('out', exist_ok=True)\ndef task_cp():\n    for i in range({count}):\n        \
             yield {{'name': str(i), 'file_dep': [f'in/{{i}}'], 'targets': [f'out/{{i}}'], 'actions': [['cp', f'in/{{i}}', f'out/{{i}}']]}}\n"
        ),
    )?;
    Ok(())
}

fn write_one(folder: &Path, count: usize) -> Result<()> {
    let inputs: Vec<String> = (0..count).map(|index| format!("in/{index}")).collect();
    fs::write(
        folder.join("build.ninja"),
        format!("rule touch\n  command = touch $out\nbuild out: touch {}\n", inputs.join(" ")),
    )?;
    fs::write(
        folder.join("dodo.py"),
        format!(
            "def task_one():\n    return {{'file_dep': [f'in/{{i}}' for i in range({count})], 'targets': ['out'], 'actions': ['touch out']}}\n"
        ),
    )?;
    Ok(())
}
