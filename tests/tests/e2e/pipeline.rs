//! `sealift init --ci`: the pipelines are valid for their servers, and their steps work when a shell runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::daemon::free_port;
use tests::{peer, registry, sealift};

/// What the first script of a job on GitHub says about the steps after it.
const RUNNER_FILES: [&str; 2] = ["env", "path"];

/// The URL of a run.
const RUN: &str = "https://ci.example/1";

/// What a hook of the repository writes about itself, to the file that a variable names.
const HOOK: &str = "#!/bin/sh
echo \"$(basename \"$0\"): tag=$TAG project=$PROJECT iso=${ISO:-} skip=${SKIP_INTEGRATION:-} status=${STATUS:-} job=${JOB:-} \\
run=${RUN_URL:-}\" >> \"$HOOKS\"
[ \"${FAIL:-}\" != \"$(basename \"$0\")\" ]
";

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
            let is_wanted = succeeds || step["if"] == "always()";
            let Some(script) = step["run"].as_str().filter(|_| is_wanted) else { continue };
            let mut variables = literal(&[&pipeline["env"], &job["env"]]);
            let status = if succeeds { "success" } else { "failure" };
            variables.push(("STATUS".to_owned(), status.to_owned()));
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
            succeeds &= success;
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
        let (success, log) = self.shell(&lines.join("\n"), &variables);
        let left = fs::read_dir(self.0.path()).unwrap().flatten();
        let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp.")).count();
        assert_eq!(left, 0, "the folder of the job is removed: {log}");
        let status = if success { "success" } else { "failed" };
        for (name, value) in [("CI_JOB_STATUS", status), ("CI_JOB_NAME", job), ("CI_PIPELINE_URL", RUN)] {
            variables.push((name.to_owned(), value.to_owned()));
        }
        let after = pipeline["default"]["after_script"][0].as_str().unwrap();
        let (notified, more) = self.shell(after, &variables);
        assert!(notified, "{more}");
        (success, log + &more)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("clone/_pipeline").join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path("clone/_pipeline").join(name).exists()
    }
}

/// The variables of the file. Those with an expression are empty, as if nothing was set on the server.
fn literal(groups: &[&Value]) -> Vec<(String, String)> {
    let all = groups.iter().filter_map(|group| group.as_object()).flatten();
    let value = |value: &Value| Some(value.as_str()?.to_owned()).filter(|text| !text.contains("${{"));
    all.map(|(name, text)| (name.clone(), value(text).unwrap_or_default())).collect()
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
    let tag = [("TAG", "v0.2.0-rc0")];
    let (success, log) = server.github("check", &tag);
    assert!(success && log.contains("v0.2.0-rc0 can be released as 0.2.0-rc0"), "{log}");
    assert!(log.contains("the repository has no ci/hooks/pre-release"), "{log}");
    let (success, log) = server.github("build", &tag);
    assert!(success, "{log}");
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
    assert!(server.has("release/my-web-0.2.0-rc0.iso.sigstore.json"), "{log}");
    assert_eq!(server.read("status/release"), "success\n");
    // GitLab has the key in a file. This one is encrypted.
    fs::remove_file(server.path("clone/_pipeline/release/my-web-0.2.0-rc0.iso.sigstore.json")).unwrap();
    let encrypted = server.path("key.pk8");
    let mut command = Command::new("openssl");
    command.args(["pkcs8", "-topk8", "-passout", "pass:two words", "-in"]).arg(&key);
    peer::run(command.arg("-out").arg(&encrypted));
    let variables =
        [("SEALIFT_RELEASE_KEY", encrypted.to_str().unwrap()), ("SEALIFT_KEY_PASSWORD", "two words")];
    let (success, log) = server.gitlab("release", &variables);
    assert!(success && server.has("published/my-web-0.2.0-rc0.iso.sigstore.json"), "{log}");
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

/// The server with hooks in its repository, which are a part of the candidate `v0.2.0-rc1`.
fn with_hooks() -> Server {
    let server = Server::new();
    let folder = server.path("origin/ci/hooks");
    fs::create_dir_all(&folder).unwrap();
    for name in ["pre-release", "test", "release", "notify"] {
        fs::write(folder.join(name), HOOK).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    server.git("origin", &["add", "."]);
    server.git("origin", &["commit", "-qm", "Add hooks"]);
    server.git("origin", &["tag", "-am", "third", "v0.2.0-rc1"]);
    server
}

#[test]
fn a_candidate_is_tested_promoted_signed_and_published_with_the_hooks_of_the_repository() {
    if ["curl", "openssl", "docker-registry"].iter().any(|name| peer::find(name).is_none()) {
        return;
    }
    let server = with_hooks();
    let registry = registry::start(server.0.path(), free_port()).unwrap();
    let host = format!("127.0.0.1:{}", registry.port);
    // The registry of the test has no TLS.
    for file in [".github/workflows/sealift.yml", ".gitlab-ci.yml"] {
        let path = server.path("origin").join(file);
        let text = fs::read_to_string(&path).unwrap();
        let plain = format!("archive publish --plain-http {host} \"$iso\"");
        let other = text.replace("archive publish \"$iso\"", &plain);
        assert_ne!(text, other);
        fs::write(path, other).unwrap();
    }
    let (key, hooks) = (server.path("key.pem"), server.path("hooks"));
    peer::run(Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key));
    let secret = fs::read_to_string(&key).unwrap();
    let publish = |ci: &str| format!("oci://{host}/{ci}/web");
    for (ci, run) in
        [("github", Server::github as fn(&Server, &str, &[(&str, &str)]) -> _), ("gitlab", Server::gitlab)]
    {
        server.check_out();
        fs::write(&hooks, "").unwrap();
        let key = if ci == "github" { secret.as_str() } else { key.to_str().unwrap() };
        let publish = publish(ci);
        let variables = [
            ("TAG", "v0.2.0-rc1"),
            ("CI_COMMIT_TAG", "v0.2.0-rc1"),
            ("HOOKS", hooks.to_str().unwrap()),
            ("SEALIFT_RELEASE_KEY", key),
            ("SEALIFT_PUBLISH", &publish),
            ("RUN_URL", RUN),
            ("JOB", "(of GitHub)"),
        ];
        let mut log = String::new();
        for job in ["check", "build", "test", "promote", "release"] {
            let (success, text): (bool, String) = run(&server, job, &variables);
            assert!(success, "{ci} {job}: {text}");
            assert_eq!(server.read(&format!("status/{job}")), "success\n");
            log += &text;
        }
        assert!(log.contains("0.2.0 differs from 0.2.0-rc1 only in its version"), "{log}");
        for version in ["0.2.0-rc1", "0.2.0"] {
            let line = format!("{publish}:{version}  sha256:");
            assert!(log.contains(&line), "{line}: {log}");
        }
        let folder = if ci == "github" { "release" } else { "published" };
        assert_eq!(server.read(&format!("{folder}/SHA256SUMS")).lines().count(), 2);
        assert!(server.has(&format!("{folder}/my-web-0.2.0.iso.sigstore.json")), "{log}");
        assert!(!server.has("promoted"));
        let told = fs::read_to_string(&hooks).unwrap();
        let common = "tag=v0.2.0-rc1 project=charts/my web";
        for line in [
            format!("pre-release: {common} iso= "),
            format!("test: {common} iso=_pipeline/release/my-web-0.2.0-rc1.iso skip= "),
            format!("release: {common} iso"),
            format!("notify: {common} iso= skip= status=success job="),
        ] {
            assert!(told.contains(&line), "{line}: {told}");
        }
        assert_eq!(told.matches(&format!("run={RUN}\n")).count(), 8, "{told}");
    }
    // The tag of the release builds what was promoted.
    server.git("origin", &["tag", "-am", "the release", "v0.2.0"]);
    server.check_out();
    let publish = publish("github");
    let variables = [
        ("TAG", "v0.2.0"),
        ("HOOKS", hooks.to_str().unwrap()),
        ("SEALIFT_RELEASE_KEY", &secret),
        ("SEALIFT_PUBLISH", &publish),
    ];
    let mut log = String::new();
    for job in ["check", "build", "test", "release"] {
        let (success, text) = server.github(job, &variables);
        assert!(success, "{job}: {text}");
        log = text;
    }
    assert!(log.contains("/github/web:0.2.0  sha256:") && log.contains("  already present\n"), "{log}");
}

#[test]
fn a_hook_that_fails_fails_its_job_except_for_notify() {
    if peer::find("curl").is_none() {
        return;
    }
    let server = with_hooks();
    server.check_out();
    let hooks = server.path("hooks");
    let with = |fails: &'static str| {
        let labels = ("CI_MERGE_REQUEST_LABELS", "doc,ci-skip-integration");
        [
            ("HOOKS", server.path("hooks").display().to_string()),
            ("FAIL", fails.to_owned()),
            (labels.0, labels.1.to_owned()),
        ]
    };
    let run = |job: &str, fails| {
        let variables = with(fails);
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.gitlab(job, &variables)
    };
    let (success, log) = run("build", "notify");
    assert!(success && log.contains("warning: ci/hooks/notify failed"), "{log}");
    let (success, log) = run("test", "test");
    assert!(!success, "{log}");
    assert_eq!(server.read("status/test"), "failed\n");
    let told = fs::read_to_string(&hooks).unwrap();
    assert!(told.contains("iso=_pipeline/release/my-web.iso skip=yes"), "{told}");
    assert!(told.ends_with("status=failed job=test run=https://ci.example/1\n"), "{told}");
    let hook = server.path("clone/ci/hooks/test");
    fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();
    let (success, log) = run("test", "");
    assert!(!success && log.contains("error: ci/hooks/test is not executable"), "{log}");
}

/// The conditions of jobs name labels as a whole.
#[test]
fn labels_of_a_merge_request_skip_jobs() {
    let server = Server::new();
    let pipeline = server.pipeline(".gitlab-ci.yml");
    let skips = |rules: &Value, labels: &str| {
        let rule = rules.as_array().unwrap().iter().find(|rule| rule["when"] == "never");
        let Some(rule) = rule.and_then(|rule| rule["if"].as_str()) else { return false };
        let pattern = rule.strip_prefix("$CI_MERGE_REQUEST_LABELS =~ /").unwrap().strip_suffix('/').unwrap();
        let script = format!("printf '%s\\n' '{labels}' | grep -qE '{pattern}'");
        Command::new("sh").args(["-c", &script]).status().unwrap().success()
    };
    for (labels, expected) in [
        ("ci-skip", [true, false, false]),
        ("doc,ci-skip-build", [false, true, true]),
        ("ci-skip-test,doc", [false, false, true]),
        ("ci-skip-integration", [false; 3]),
        ("not-ci-skip,ci-skipped", [false; 3]),
    ] {
        let rules = [&pipeline["workflow"]["rules"], &pipeline["build"]["rules"], &pipeline["test"]["rules"]];
        for (rules, expected) in rules.into_iter().zip(expected) {
            assert_eq!(skips(rules, labels), expected, "{labels}");
        }
    }
    let workflow = server.pipeline(".github/workflows/sealift.yml");
    for (job, label) in [("check", "ci-skip"), ("build", "ci-skip-build"), ("test", "ci-skip-test")] {
        let condition = workflow["jobs"][job]["if"].as_str().unwrap();
        let part = format!("!contains(github.event.pull_request.labels.*.name, '{label}')");
        assert!(condition.contains(&part), "{condition}");
    }
}

#[test]
fn a_result_is_xml_whatever_the_names_are() {
    if peer::find("xmllint").is_none() {
        return;
    }
    let server = Server::new();
    server.check_out();
    let (success, _) = server.gitlab("build", &[("TEST_SUITE", "a\"<b>&'c"), ("SEALIFT_URL", "")]);
    assert!(!success);
    let report = server.path("clone/_pipeline/junit/build.xml");
    let name =
        peer::run(Command::new("xmllint").args(["--xpath", "string(/testsuite/@name)"]).arg(report)).stdout;
    assert_eq!(String::from_utf8(name).unwrap().trim_end(), "a\"<b>&'c");
}

/// As `cargo xtask test` does with the scripts of a project.
#[test]
fn the_scripts_have_no_finding_of_shellcheck() {
    if peer::find("shellcheck").is_none() {
        return;
    }
    let server = Server::new();
    let pipeline = server.pipeline(".gitlab-ci.yml");
    for job in ["check", "build", "test", "promote", "release"] {
        let lines = pipeline[job]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        let script = server.path("script.sh");
        fs::write(&script, lines.collect::<Vec<_>>().join("\n")).unwrap();
        peer::run(Command::new("shellcheck").args(["--shell", "bash"]).arg(&script));
    }
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
    for (sum, message) in [
        ("0".repeat(64), "did NOT match"),
        (String::new(), "SEALIFT_SHA256 is not set: add the variable on the server"),
    ] {
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
    let (success, log) = server.gitlab("check", &[("CI_COMMIT_TAG", "v0.3.0")]);
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
    // No link leads the pipeline out of the repository, and nothing of a new project is left then.
    fs::remove_dir_all(server.path("origin/.github")).unwrap();
    std::os::unix::fs::symlink(server.0.path(), server.path("origin/.github")).unwrap();
    let (code, _, err) = init(&["--ci", "github", "new"]);
    assert!(
        code == 3 && err.contains("origin/.github: not a directory") && !project.join("new").exists(),
        "{code}: {err}"
    );
    fs::remove_file(server.path("origin/.github")).unwrap();
    let before = fs::read(project.join("sealift.yaml")).unwrap();
    let (code, out, err) = init(&["--ci", "github", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["kind"], "InitializedPipeline");
    assert_eq!(document["pipeline"]["text"], Value::from(written));
    assert_eq!(fs::read(project.join("sealift.yaml")).unwrap(), before);
}
