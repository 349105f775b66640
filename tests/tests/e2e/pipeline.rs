//! `sealift init --ci`: the pipelines are valid for their servers, and their steps work when a shell runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::{peer, sealift};

/// What the first script of a job on GitHub says about the steps after it.
const RUNNER_FILES: [&str; 2] = ["env", "path"];

/// A repository with a chart in `charts/my web`, its release 0.1.0, and both pipelines; and a server that has a clone of it.
struct Server(tempfile::TempDir);

impl Server {
    fn new() -> Self {
        let server = Self(tempfile::tempdir().unwrap());
        let project = server.path("origin/charts/my web");
        fs::create_dir_all(project.join("templates")).unwrap();
        fs::write(project.join("Chart.yaml"), "apiVersion: v2\nname: web\nversion: 1.0.0\n").unwrap();
        fs::write(project.join("templates/a.yaml"), "a: 1\n").unwrap();
        server.git("origin", &["init", "-q", "-b", "main"]);
        server.git("origin", &["add", "."]);
        server.git("origin", &["commit", "-qm", "a chart"]);
        server.git("origin", &["tag", "-am", "first", "v0.1.0"]);
        for ci in ["github", "gitlab"] {
            peer::run(server.sealift(&project).args(["init", "--ci", ci]));
        }
        server.git("origin", &["add", "."]);
        server.git("origin", &["commit", "-qm", "Build it"]);
        server.git("origin", &["tag", "-am", "second", "v0.2.0-rc0"]);
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn git(&self, folder: &str, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(self.path(folder)).args(["-c", "user.name=A", "-c", "user.email=a@example.org"]);
        peer::run(command.args(arguments));
    }

    fn sealift(&self, folder: &Path) -> Command {
        let mut command = sealift::command(folder);
        command.env("HELM_BIN", "/nonexistent/helm").env("SEALIFT_CACHE", self.path("cache"));
        command
    }

    /// A clone, as a server makes it: the commit is checked out, and not a branch.
    fn check_out(&self) {
        fs::remove_dir_all(self.path("clone")).unwrap_or_default();
        self.git(".", &["clone", "-q", "origin", "clone"]);
        self.git("clone", &["checkout", "-q", "--detach"]);
    }

    fn pipeline(&self, file: &str) -> Value {
        let text = fs::read_to_string(self.path("origin").join(file)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    /// Runs a script in the clone as servers do. The result is whether it succeeded, and what it wrote.
    fn shell(&self, script: &str, variables: &[(String, String)]) -> (bool, String) {
        let mut command = Command::new("bash");
        // The settings of sealift in tests, without those that the pipeline makes itself.
        for (name, value) in self.sealift(Path::new(".")).get_envs() {
            match value {
                Some(value) if name != "SEALIFT_CACHE_SIZE" => command.env(name, value),
                _ => command.env_remove(name),
            };
        }
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
            .current_dir(self.path("clone"))
            .env("TMPDIR", self.0.path())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn variables(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let binary = sealift::binary();
        let sum = peer::run(Command::new("sha256sum").arg(binary)).stdout;
        let sum = String::from_utf8(sum).unwrap();
        let own = [
            ("SEALIFT_URL", format!("file://{}", binary.display())),
            ("SEALIFT_SHA256", sum.split(' ').next().unwrap().to_owned()),
        ];
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        own.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(more).collect()
    }

    /// Runs the steps of a job as GitHub's runner does; `given` are the values of expressions.
    fn github(&self, job: &str, given: &[(&str, &str)]) -> (bool, String) {
        let pipeline = self.pipeline(".github/workflows/sealift.yml");
        let job = &pipeline["jobs"][job];
        fs::create_dir_all(self.path("runner")).unwrap();
        let (mut log, mut succeeds) = (String::new(), true);
        for name in RUNNER_FILES {
            fs::write(self.path("runner").join(name), "").unwrap();
        }
        for step in job["steps"].as_array().unwrap() {
            let Some(script) = step["run"].as_str().filter(|_| succeeds) else { continue };
            let mut variables = literal(&[&pipeline["env"], &job["env"]]);
            variables.extend(self.variables(given));
            let place = |name: &str| self.path("runner").join(name).display().to_string();
            for (name, file) in [("RUNNER_TEMP", "temp"), ("GITHUB_ENV", "env"), ("GITHUB_PATH", "path")] {
                variables.push((name.to_owned(), place(file)));
            }
            let [env, path] = RUNNER_FILES.map(|name| fs::read_to_string(place(name)).unwrap());
            variables.extend(
                env.lines()
                    .filter_map(|line| line.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            let path: Vec<&str> = path.lines().collect();
            let search = format!("{}:{}", path.join(":"), std::env::var("PATH").unwrap());
            variables.push(("PATH".to_owned(), search.trim_start_matches(':').to_owned()));
            let (success, text) = self.shell(script, &variables);
            log.push_str(&format!("== {}\n{text}", step["name"]));
            succeeds = success;
        }
        fs::remove_dir_all(self.path("runner")).unwrap();
        (succeeds, log)
    }

    /// Runs the script of a job as GitLab's runner does.
    fn gitlab(&self, job: &str, given: &[(&str, &str)]) -> (bool, String) {
        let pipeline = self.pipeline(".gitlab-ci.yml");
        let mut variables = literal(&[&pipeline["variables"], &pipeline[job]["variables"]]);
        variables.extend(self.variables(given));
        let lines = pipeline[job]["script"].as_array().unwrap().iter();
        let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
        self.shell(&lines.join("\n"), &variables)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("clone/_pipeline").join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path("clone/_pipeline").join(name).exists()
    }
}

/// The variables that have a value in the file.
fn literal(groups: &[&Value]) -> Vec<(String, String)> {
    let all = groups.iter().filter_map(|group| group.as_object()).flatten();
    all.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_pipelines_are_valid_for_their_servers() {
    if peer::find("check-jsonschema").is_none() {
        return;
    }
    let server = Server::new();
    for (schema, file) in
        [("vendor.github-workflows", ".github/workflows/sealift.yml"), ("vendor.gitlab-ci", ".gitlab-ci.yml")]
    {
        let mut command = Command::new("check-jsonschema");
        peer::run(command.args(["--builtin-schema", schema]).arg(server.path("origin").join(file)));
    }
}

#[test]
fn a_tag_is_built_twice_compared_verified_and_signed() {
    if ["curl", "openssl", "xmllint"].iter().any(|name| peer::find(name).is_none()) {
        return;
    }
    let server = Server::new();
    server.check_out();
    let (success, log) = server.github("build", &[("TAG", "v0.2.0-rc0")]);
    assert!(success && log.contains("v0.2.0-rc0 can be released as 0.2.0-rc0"), "{log}");
    assert_eq!(server.read("release/notes.md"), "## 0.2.0-rc0\n\n- Build it\n");
    assert_eq!(server.read("status/build"), "success\n");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/junit-10.xsd");
    for name in ["build", "tasks"] {
        let report = server.path("clone/_pipeline/junit").join(name).with_extension("xml");
        peer::run(Command::new("xmllint").args(["--noout", "--schema"]).args([&schema, &report]));
    }
    let report = server.read("junit/build.xml");
    for part in
        ["<testsuite name=\"my-web\"", "classname=\"release pipeline\"", "name=\"step\" value=\"build\""]
    {
        assert!(report.contains(part), "{part}: {report}");
    }
    let key = server.path("key.pem");
    peer::run(Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key));
    let secret = fs::read_to_string(&key).unwrap();
    let (success, log) = server.github("release", &[("SEALIFT_RELEASE_KEY", &secret)]);
    assert!(success && log.contains("each byte of the ISO is the signed one"), "{log}");
    assert!(server.has("release/my-web.iso.sigstore.json"), "{log}");
    assert_eq!(server.read("status/release"), "success\n");
    // GitLab has the key in a file.
    fs::remove_file(server.path("clone/_pipeline/release/my-web.iso.sigstore.json")).unwrap();
    let (success, log) = server.gitlab("release", &[("SEALIFT_RELEASE_KEY", key.to_str().unwrap())]);
    assert!(success && server.has("published/my-web.iso.sigstore.json"), "{log}");
    // A failed job publishes nothing, and a key in a wrong place is not printed.
    let again = || {
        fs::rename(server.path("clone/_pipeline/published"), server.path("clone/_pipeline/release")).unwrap();
    };
    again();
    for (variables, reason) in [
        (&[][..], "SEALIFT_RELEASE_KEY is not set; to publish without a signature"),
        (&[("SEALIFT_RELEASE_KEY", secret.as_str())], "SEALIFT_RELEASE_KEY is not the name of a file"),
    ] {
        let (success, log) = server.gitlab("release", variables);
        assert!(!success && log.contains(reason) && !log.contains("PRIVATE KEY"), "{log}");
        assert!(!server.has("published"), "{log}");
        assert_eq!(server.read("status/release"), "failed\n");
    }
    let (success, log) = server.gitlab("release", &[("SEALIFT_UNSIGNED", "yes")]);
    assert!(success && log.contains("the archive is not signed"), "{log}");
}

#[test]
fn a_commit_without_a_tag_is_built_and_a_failure_leaves_a_failed_result() {
    if peer::find("curl").is_none() {
        return;
    }
    let server = Server::new();
    server.check_out();
    let (success, log) = server.gitlab("build", &[]);
    assert!(success && server.has("release/my-web.iso") && !server.has("release/notes.md"), "{log}");
    assert_eq!(server.read("status/build"), "success\n");
    // Another program, and no program.
    for (sum, message) in [("0".repeat(64), "did NOT match"), (String::new(), "SEALIFT_SHA256")] {
        server.check_out();
        for run in [Server::github, Server::gitlab] {
            let (success, log) = run(&server, "build", &[("SEALIFT_SHA256", &sum)]);
            assert!(!success && log.contains(message), "{log}");
            assert_eq!(server.read("status/build"), "failed\n");
            assert!(server.read("junit/build.xml").contains("failures=\"1\""));
        }
    }
    // A tag that cannot be released: it is of another commit.
    server.git("clone", &["tag", "-am", "third", "v0.3.0", "HEAD~1"]);
    let (success, log) = server.gitlab("build", &[("CI_COMMIT_TAG", "v0.3.0")]);
    assert!(!success && log.contains("v0.3.0 cannot be released"), "{log}");
    // Two builds that differ: the second one has another file.
    let script = fs::read_to_string(server.path("origin/.gitlab-ci.yml")).unwrap();
    let other = script.replacen(
        "SEALIFT_CACHE_SIZE=0 sealift run --release",
        "sed -i s/1/2/ \"$WORK/second/source/$PROJECT/templates/a.yaml\"\nSEALIFT_CACHE_SIZE=0 sealift run",
        1,
    );
    let other = other.replace("\nSEALIFT_CACHE_SIZE", "\n      SEALIFT_CACHE_SIZE");
    assert_ne!(script, other);
    fs::write(server.path("origin/.gitlab-ci.yml"), other).unwrap();
    server.check_out();
    let (success, log) = server.gitlab("build", &[]);
    assert!(!success && log.contains("charts/my-web/templates/a.yaml"), "{log}");
    assert_eq!(server.read("status/build"), "failed\n");
}

#[test]
fn a_project_that_exists_gets_only_the_pipeline_and_no_file_is_replaced() {
    let server = Server::new();
    let project = server.path("origin/charts/my web");
    let workflow = server.path("origin/.github/workflows/sealift.yml");
    let written = fs::read_to_string(&workflow).unwrap();
    let init = |arguments: &[&str]| {
        sealift::told(&server.sealift(&project).arg("init").args(arguments).output().unwrap())
    };
    assert_eq!(init(&["--ci", "github", "--dry-run"]), (0, written.clone(), String::new()));
    let (code, _, err) = init(&["--ci", "github"]);
    assert!(code == 3 && err.contains("sealift.yml exists") && err.contains("--dry-run"), "{code}: {err}");
    assert_eq!(fs::read_to_string(&workflow).unwrap(), written);
    let (code, _, err) = init(&["--ci", "github", "--name", "web"]);
    assert!(code == 3 && err.contains("--name"), "{code}: {err}");
    // A folder without a project gets nothing if the pipeline cannot be written.
    let (code, _, err) = init(&["--ci", "github", "new"]);
    assert!(code == 3 && !project.join("new").exists(), "{code}: {err}");
    fs::remove_file(&workflow).unwrap();
    let before = fs::read(project.join("sealift.yaml")).unwrap();
    let (code, out, err) = init(&["--ci", "github", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["kind"], "InitializedPipeline");
    assert_eq!(document["pipeline"]["text"], Value::from(written));
    assert_eq!(fs::read(project.join("sealift.yaml")).unwrap(), before);
}
