//! Taking times: two commands in turn, the medians and their ratio.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often each side runs; the median counts.
const RUNS: usize = 5;

/// Whether this run only shows that every bench comes to its end.
static SMALL: AtomicBool = AtomicBool::new(false);

/// From now on each side runs once, on a fiftieth of the data. The figures mean nothing then.
pub(crate) fn make_small() {
    SMALL.store(true, Ordering::Relaxed);
}

pub(crate) fn is_small() -> bool {
    SMALL.load(Ordering::Relaxed)
}

/// The number of bytes or files, reduced for a small run.
pub(crate) fn amount(full: u64) -> u64 {
    if is_small() { full / 50 } else { full }
}

fn verdict(met: bool) -> &'static str {
    match met {
        _ if is_small() => "not judged",
        true => "met",
        false => "MISSED",
    }
}

fn runs() -> usize {
    if is_small() { 1 } else { RUNS }
}

/// One side of a comparison: prepares (not timed), then runs the commands one after another.
pub(crate) struct Side<'a> {
    pub(crate) name: &'a str,
    pub(crate) prepare: &'a dyn Fn() -> io::Result<()>,
    pub(crate) commands: &'a dyn Fn() -> Vec<Command>,
}

/// Prints the medians of both sides and the ratio, beside the budget for it.
#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
pub(crate) fn compare(work: &str, ours: &Side<'_>, peer: &Side<'_>, budget: f64) -> io::Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    // The first round warms the caches and does not count.
    for round in 0..=runs() {
        for (side, times) in [ours, peer].iter().zip(&mut times) {
            (side.prepare)()?;
            let time = time(&mut (side.commands)())?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    let [ours_time, peer_time] = times.map(median);
    let ratio = ours_time.as_secs_f64() / peer_time.as_secs_f64();
    println!(
        "{work}\n  {:<52} {:>8.3} s\n  {:<52} {:>8.3} s\n  ratio {ratio:.2}, budget {budget:.2}: {}",
        ours.name,
        ours_time.as_secs_f64(),
        peer.name,
        peer_time.as_secs_f64(),
        verdict(ratio <= budget)
    );
    Ok(())
}

/// One side of a comparison of rates: its name, and what takes the rate once.
pub(crate) type Rate<'a> = (&'a str, &'a dyn Fn() -> io::Result<f64>);

/// Prints the medians of two rates and the ratio, beside the least that is allowed.
#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
pub(crate) fn rates(work: &str, ours: Rate<'_>, peer: Rate<'_>, budget: f64) -> io::Result<()> {
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..=runs() {
        for ((_, take), figures) in [ours, peer].iter().zip(&mut figures) {
            let figure = take()?;
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    let [our_figure, peer_figure] = figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    });
    let ratio = our_figure / peer_figure;
    println!(
        "{work}\n  {:<52} {our_figure:>10.0}\n  {:<52} {peer_figure:>10.0}\n  ratio {ratio:.2}, at least {budget:.2}: {}",
        ours.0,
        peer.0,
        verdict(ratio >= budget)
    );
    Ok(())
}

/// Prints a figure beside the most that is allowed.
#[expect(clippy::print_stdout, reason = "a bench reports on standard output")]
pub(crate) fn limit(what: &str, figure: f64, budget: f64) {
    let verdict = verdict(figure <= budget);
    println!("{what}\n  {figure:.1}, budget {budget:.1}: {verdict}");
}

/// Prints the median time of one side in milliseconds, beside the most that is allowed.
pub(crate) fn alone(work: &str, ours: &Side<'_>, budget: f64) -> io::Result<()> {
    let mut times = Vec::new();
    for round in 0..=runs() {
        (ours.prepare)()?;
        let time = time(&mut (ours.commands)())?;
        if round > 0 {
            times.push(time);
        }
    }
    limit(&format!("{work}: {}, milliseconds", ours.name), median(times).as_secs_f64() * 1e3, budget);
    Ok(())
}

/// Prints how much resident memory a command takes at most in MiB, beside the most that is allowed.
pub(crate) fn memory(work: &str, command: &mut Command, budget: f64) -> io::Result<()> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    // The system keeps the maximum; the last look at it before the end is at most a moment old.
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0.0_f64;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        most = most.max(found.unwrap_or_default() / 1024.0);
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if !ended.success() {
        return Err(io::Error::other(format!("{command:?}: {ended}")));
    }
    limit(&format!("{work}: resident memory, MiB"), most, budget);
    Ok(())
}

fn time(commands: &mut [Command]) -> io::Result<Duration> {
    let start = Instant::now();
    for command in commands {
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{command:?}: {status}")));
        }
    }
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
