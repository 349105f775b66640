//! `cargo xtask bench packages`: metadata of packages, reading metadata, and closures, beside createrepo_c and dnf.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ::packages::closure::{Options, Request, solve};
use ::packages::metadata::{Pool, Repository, unpacked};
use serde_json::json;

use crate::measure::{Side, amount, compare, limit};

/// 2023-11-14.
const DATE: i64 = 1_700_000_000;
/// How many requests a closure has.
const REQUESTS: usize = 25;

pub(crate) fn run(scratch: &Path) -> io::Result<()> {
    for peer in ["createrepo_c", "dnf", "zstd"] {
        if tests::peer::find(peer).is_none() {
            return Err(io::Error::other(format!("needs {peer}: apt-get install createrepo-c dnf zstd")));
        }
    }
    index(&scratch.join("index"))?;
    closure(&scratch.join("closure"))
}

/// Metadata of a folder of packages.
fn index(folder: &Path) -> io::Result<()> {
    let count = amount(300);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("file"), vec![7; 64 << 10])?;
    for number in 0..count {
        let files: Vec<_> =
            (0..30).map(|file| json!({"from": "file", "to": format!("/opt/p{number}/file{file}")})).collect();
        let definition = json!({
            "name": format!("p{number}"), "version": format!("1.{number}"), "release": "1", "arch": "noarch",
            "summary": "Package", "license": "MIT", "requires": ["/bin/sh", "p1 >= 1"], "files": files,
        });
        let definition = serde_json::from_value(definition).map_err(io::Error::other)?;
        ::packages::build(&definition, folder, DATE, &folder.join("rpms")).map_err(io::Error::other)?;
    }
    let rpms = folder.join("rpms");
    let ours = Side {
        name: "sealift package index",
        prepare: &|| Ok(()),
        commands: &|| {
            let mut command = Command::new(tests::sealift::binary());
            command.args(["package", "index"]).arg(&rpms);
            vec![command]
        },
    };
    let peer = Side {
        name: "createrepo_c --no-database",
        prepare: &|| Ok(()),
        commands: &|| {
            let mut command = Command::new("createrepo_c");
            command.args(["--quiet", "--no-database"]).arg(&rpms);
            vec![command]
        },
    };
    compare(&format!("metadata of {count} RPMs"), &ours, &peer, 0.6)
}

/// Reading a large repository, and the closure of requests over it.
fn closure(folder: &Path) -> io::Result<()> {
    let count = amount(50_000);
    let repodata = folder.join("repodata");
    fs::create_dir_all(&repodata)?;
    synthesize(&repodata.join("primary.xml"), count)?;
    let packed = repodata.join("primary.xml.zst");
    tests::peer::run(Command::new("zstd").args(["-q", "-f", "--rm"]).arg(repodata.join("primary.xml")));
    let (digest, size) =
        content::hash_file(&packed, content::LinkPolicy::Follow).map_err(io::Error::other)?;
    fs::write(
        repodata.join("repomd.xml"),
        format!(
            "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision><data type=\"primary\"><checksum \
             type=\"sha256\">{digest}</checksum><location href=\"repodata/primary.xml.zst\"/><timestamp>1</timestamp>\
             <size>{size}</size></data></repomd>",
            digest = digest.hex()
        ),
    )?;

    // The kernel forgets the peak of what came before.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = resident("VmRSS:")?;
    let start = Instant::now();
    let mut pool = Pool::new();
    let repository = pool.add_repository(Repository::new("r"));
    let file = unpacked(BufReader::new(File::open(&packed)?), u64::MAX)?;
    pool.read_primary(repository, file, &packed).map_err(io::Error::other)?;
    let read = start.elapsed();
    limit(
        &format!("reading primary.xml.zst of {count} packages, milliseconds"),
        read.as_secs_f64() * 1e3,
        700.0,
    );
    limit("reading it: resident memory, MiB", resident("VmHWM:")? - before, 96.0);

    let step = usize::try_from(count).unwrap_or(usize::MAX) / REQUESTS;
    let requests: Vec<String> = (1..=REQUESTS).map(|number| format!("p{:05}", number * step - 1)).collect();
    let start = Instant::now();
    let wanted: Vec<Request> = requests.iter().map(Request::new).collect();
    let closure = solve(&pool, &wanted, &Options::new("x86_64")).map_err(io::Error::other)?;
    let ours = start.elapsed();

    let url = format!("file://{}", folder.display());
    let system =
        tests::dnf::System::new(folder, &url).ok_or_else(|| io::Error::other("dnf is not installed"))?;
    let mut arguments = vec!["repoquery", "--requires", "--resolve", "--recursive"];
    arguments.extend(requests.iter().map(String::as_str));
    // The first run fills the cache and does not count.
    tests::peer::run(&mut system.command(&arguments));
    let start = Instant::now();
    tests::peer::run(&mut system.command(&arguments));
    let theirs = start.elapsed();
    let work = format!(
        "closure of {REQUESTS} requests, {} packages, as a share of dnf repoquery",
        closure.packages.len()
    );
    limit(&work, ours.as_secs_f64() / theirs.as_secs_f64() * 100.0, 10.0);
    Ok(())
}

/// A figure of this process, in MiB.
fn resident(name: &str) -> io::Result<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let found = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    found.map(|kib| kib / 1024.0).ok_or_else(|| io::Error::other(format!("no {name} in /proc/self/status")))
}

/// Writes a `primary.xml` of packages that require some of those before them, the first ones most of all.
fn synthesize(path: &Path, count: u64) -> io::Result<()> {
    let mut xml = BufWriter::new(File::create(path)?);
    write!(
        xml,
        "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" \
         packages=\"{count}\">"
    )?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    for number in 0..count {
        let id = content::Digest::of(number.to_string().as_bytes()).hex();
        write!(
            xml,
            "<package type=\"rpm\"><name>p{number:05}</name><arch>x86_64</arch><version epoch=\"0\" ver=\"1.{minor}\" \
             rel=\"1.el8\"/><checksum type=\"sha256\" pkgid=\"YES\">{id}</checksum><summary>The package number \
             {number}</summary><description>{text}</description><packager>Somebody</packager><url>https://example.com/{number}\
             </url><time file=\"1\" build=\"1\"/><size package=\"1\" installed=\"2\" archive=\"3\"/><location \
             href=\"p/p{number:05}.rpm\"/><format><rpm:license>MIT</rpm:license><rpm:vendor>V</rpm:vendor><rpm:group>G\
             </rpm:group><rpm:buildhost>b</rpm:buildhost><rpm:sourcerpm>p{number}.src.rpm</rpm:sourcerpm><rpm:header-range \
             start=\"1\" end=\"2\"/><rpm:provides><rpm:entry name=\"p{number:05}\" flags=\"EQ\" epoch=\"0\" ver=\"1.{minor}\" \
             rel=\"1.el8\"/><rpm:entry name=\"libp{number}.so.1()(64bit)\"/></rpm:provides><rpm:requires>",
            minor = number % 40,
            text = "What it does is said here in some more words. ".repeat(8),
        )?;
        for _ in 0..if number == 0 { 0 } else { 1 + (next() * 7.0) as u64 } {
            let other = (next().powi(6) * number as f64) as u64;
            match other % 3 {
                0 => write!(xml, "<rpm:entry name=\"libp{other}.so.1()(64bit)\"/>")?,
                1 => write!(xml, "<rpm:entry name=\"p{other:05}\" flags=\"GE\" epoch=\"0\" ver=\"1.0\"/>")?,
                _ => write!(xml, "<rpm:entry name=\"/usr/bin/p{other}\"/>")?,
            }
        }
        write!(
            xml,
            "</rpm:requires><file>/usr/bin/p{number}</file><file>/etc/p{number}/p.conf</file></format></package>"
        )?;
    }
    write!(xml, "</metadata>")?;
    xml.flush()
}
