//! Tasks of a project's own.

mod inputs;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tests::peer;

use crate::project::{Project, untimed};

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\n";

/// A project with nothing but `spec`, in YAML.
fn project(spec: &str) -> Project {
    let project = Project::new();
    project.write("sealift.yaml", &format!("{HEAD}spec:\n{spec}"));
    project
}

/// The names of the tasks of the project that ran.
fn ran(project: &Project, tasks: &[&str]) -> Vec<String> {
    let (code, out, err) = project.sealift(&[&["run", "-n", "2"], tasks].concat());
    assert_eq!(code, 0, "{out}{err}");
    let line = |line: &str| Some(untimed(line).strip_prefix(".  RUN ")?.trim().to_owned());
    let mut ran: Vec<String> = out.lines().filter_map(line).collect();
    ran.sort();
    ran
}

fn fails(project: &Project, arguments: &[&str], code: i32, message: &str) -> String {
    let (found, out, err) = project.sealift(arguments);
    let text = format!("{out}{err}");
    assert!(found == code && text.contains(message), "{code} {message}\n{found} {text}");
    text
}

/// Outputs in the tree, in the build root and below the archive; files, folders, globs, values, tasks as inputs.
const WHOLE: &str = r#"
  variables: {chart: dex}
  pools: {slow: 1}
  images: {build: [images/app]}
  packages: [{name: base, release: "8", build: [packages/app]}]
  files:
    - {from: "{{ build_root }}/charts", to: salt/charts, exclude: ["*.tmp"]}
    - {from: gen/list.txt, to: list.txt}
    - {from: "{{ build_root }}/app", to: bin/app}
  tasks:
    codegen:dex:
      doc: Render the chart.
      run: [/bin/sh, charts/render.sh, "{{ chart }}", "{{ build_root }}/charts"]
      inputs: [charts/render.sh, "charts/**/*.yaml", {value: "{{ version }}", name: version}]
      outputs: ["{{ build_root }}/charts/"]
      pool: slow
      timeout: 1m
    codegen:list:
      script: ls charts > gen/list.txt
      inputs: [{folder: charts, exclude: ["*.tmp"]}]
      outputs: [gen/list.txt]
    app:
      script: |
        cat gen/list.txt "$GREETING" > _build/app
        chmod 700 _build/app
      environment: {GREETING: greeting}
      inputs: [greeting, {task: "codegen:list"}]
      outputs: ["{{ build_root }}/app"]
    inside:
      script: mkdir -m 700 _build/root/own/sub; umask 077; echo x > _build/root/own/sub/x
      inputs: [greeting]
      outputs: ["{{ build_root }}/root/own/"]
"#;

fn whole() -> Project {
    let project = project(WHOLE);
    project.write(
        "charts/render.sh",
        "set -eu\necho \"chart: $1\" > \"$2/$1.sls\"\necho no > \"$2/x.tmp\"\nln -s \"$1.sls\" \"$2/link.sls\"\n",
    );
    project.write("charts/dex/values.yaml", "a: 1\n");
    project.write("greeting", "hello\n");
    project.write(
        "images/app/image.yaml",
        "files: [{from: _build/app, to: /app, mode: '0755'}]\nentrypoint: [/app]\n",
    );
    project.write(
        "packages/app/package.yaml",
        "{name: app, version: '1', release: '1', arch: noarch, summary: s, license: MIT,\n\
         files: [{from: _build/app, to: /usr/bin/app, mode: '0755'}]}\n",
    );
    project
}

#[test]
fn what_tasks_write_goes_into_the_archive_images_and_packages() {
    let project = whole();
    assert_eq!(ran(&project, &[]), ["app", "codegen:dex", "codegen:list", "inside"]);
    let root = project.path("_build/root");
    assert_eq!(fs::read_to_string(root.join("salt/charts/dex.sls")).unwrap(), "chart: dex\n");
    assert_eq!(fs::read_link(root.join("salt/charts/link.sls")).unwrap().to_str(), Some("dex.sls"));
    assert!(!root.join("salt/charts/x.tmp").exists());
    assert_eq!(fs::read_to_string(root.join("list.txt")).unwrap(), "dex\nrender.sh\n");
    assert_eq!(fs::read_to_string(root.join("bin/app")).unwrap(), "dex\nrender.sh\nhello\n");
    // No umask shows.
    for (path, mode) in [("own", 0o755), ("own/sub", 0o755), ("own/sub/x", 0o644), ("bin/app", 0o755)] {
        assert_eq!(fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    assert!(root.join("images/app/1.2.3/manifest.json").exists());
    let (code, _, err) = project.sealift(&["archive", "verify", "_build/example.iso"]);
    assert_eq!(code, 0, "{err}");

    assert_eq!(ran(&project, &[]), [""; 0]);
    project.write("charts/dex/values.yaml", "a: 2\n");
    assert_eq!(ran(&project, &[]), ["codegen:dex", "codegen:list"]);
    let (_, out, _) = project.sealift(&["explain", "app"]);
    assert!(out.contains("up to date"), "{out}");
    project.write("greeting", "hi\n");
    let (_, out, _) = project.sealift(&["explain", "app"]);
    assert!(out.contains("greeting"), "{out}");
}

#[test]
fn tasks_are_listed_selected_cleaned_and_restored_like_built_in_ones() {
    let project = whole();
    let ran = || {
        let mut command = project.command();
        let command = command.args(["run", "-n", "2", "app", "codegen"]).env("SEALIFT_CACHE_SIZE", "1G");
        let out = String::from_utf8(peer::run(command).stdout).unwrap();
        let line = |line: &str| Some(untimed(line).strip_prefix(".  RUN ")?.trim().to_owned());
        let mut ran: Vec<String> = out.lines().filter_map(line).collect();
        ran.sort();
        ran
    };
    assert_eq!(ran(), ["app", "codegen:dex", "codegen:list"]);
    let (code, out, err) = project.sealift(&["list", "--all"]);
    assert!(code == 0 && out.contains("Render the chart."), "{out}{err}");
    let (_, out, _) = project.sealift(&["info", "codegen:dex"]);
    for part in ["charts/render.sh", "_build/charts"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_, out, _) = project.sealift(&["graph"]);
    assert!(out.contains("codegen:dex"), "{out}");

    let (code, _, err) = project.sealift(&["clean"]);
    assert_eq!(code, 0, "{err}");
    // Files of the tree stay.
    assert!(!project.path("_build/charts").exists() && project.path("gen/list.txt").exists());
    // From the cache, except for what lies in the tree.
    assert_eq!(ran(), ["codegen:list"]);
    assert_eq!(fs::read_to_string(project.path("_build/charts/dex.sls")).unwrap(), "chart: dex\n");
}

#[test]
fn the_environment_is_what_the_task_declares() {
    let project = project(
        r#"
  tasks:
    environment:
      script: env | sort > _build/env
      environment: {OWN: "{{ version }}"}
      pass: [PASSED]
      inputs: [hello.sh]
      outputs: ["{{ build_root }}/env"]
    home:
      script: ls -A "$HOME" > _build/home.txt; test -d "$TMPDIR"; touch "$HOME/left"
      inputs: [hello.sh]
      outputs: ["{{ build_root }}/home.txt"]
      always: true
"#,
    );
    let run = |passed: &str| {
        let mut command = project.command();
        command.env("PASSED", passed).env("OTHER", "no").args(["run", "environment"]);
        let text = peer::run(&mut command);
        assert!(!String::from_utf8_lossy(&text.stdout).contains(passed));
        String::from_utf8_lossy(&text.stdout).contains("RUN ")
    };
    assert!(run("secret-1"));
    let text = fs::read_to_string(project.path("_build/env")).unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.retain(|name| !matches!(*name, "PWD" | "SHLVL" | "_" | "OLDPWD"));
    assert_eq!(names, ["HOME", "LC_ALL", "OWN", "PASSED", "PATH", "TMPDIR", "TZ"], "{text}");
    assert!(text.contains("OWN=1.2.3\n") && text.contains("PASSED=secret-1\n"), "{text}");
    assert!(run("secret-2"), "a passed value is part of the key");
    let (_, out, _) = project.sealift(&["explain", "environment"]);
    assert!(out.contains("environment PASSED") && !out.contains("secret"), "{out}");
    // The home is empty each time.
    for _ in 0..2 {
        assert_eq!(ran(&project, &["home"]), ["home"]);
        assert_eq!(fs::read_to_string(project.path("_build/home.txt")).unwrap(), "tmp\n");
    }
}

/// `tar` records the modes of files, and the archive holds what it wrote.
#[test]
fn the_umask_of_the_user_shows_in_no_result() {
    let pack = r#"
  files: [{from: "{{ build_root }}/a.tar", to: a.tar}]
  tasks:
    pack:
      script: |
        mkdir "$TMPDIR/new"; echo x > "$TMPDIR/new/x"
        tar --mtime=@0 --owner=0 --group=0 -cf _build/a.tar -C "$TMPDIR" new
      outputs: ["{{ build_root }}/a.tar"]
"#;
    let built = ["022", "077", "002"].map(|umask| {
        let project = project(pack);
        let mut command = Command::new("sh");
        let sealift = project.command();
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
        command.arg(sealift.get_program()).args(sealift.get_args()).arg("run");
        command.envs(sealift.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(sealift.get_current_dir().unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(project.path("_build/root/a.tar")).unwrap()
    });
    assert!(built[0] == built[1] && built[0] == built[2]);
}

#[test]
fn a_new_version_of_a_tool_runs_its_tasks_again() {
    let project = project(
        r#"
  tasks:
    build: {run: [/bin/sh, tool.sh], inputs: [hello.sh], outputs: ["{{ build_root }}/out"], tools: [{name: tool, version: [/bin/sh, version.sh]}]}
"#,
    );
    project.write("tool.sh", "touch _build/out\n");
    project.write("version.sh", "echo tool 1.0\n");
    assert_eq!(ran(&project, &["build"]), ["build"]);
    assert_eq!(ran(&project, &["build"]), [""; 0]);
    project.write("version.sh", "echo tool 1.1\n");
    let (_, out, _) = project.sealift(&["explain", "build"]);
    assert!(out.contains("tool tool") && out.contains("1.1"), "{out}");
    assert_eq!(ran(&project, &["build"]), ["build"]);
    project.write("version.sh", "exit 7\n");
    fails(
        &project,
        &["run", "build"],
        2,
        "the version of the tool `tool`: `/bin/sh version.sh` exited with code",
    );
}

#[test]
fn a_task_without_the_network_sees_none() {
    let project = project(
        r#"
  tasks:
    cut: {script: "cat /proc/net/dev > _build/dev; id -u > _build/id", network: false, inputs: [hello.sh], outputs: ["{{ build_root }}/dev", "{{ build_root }}/id"]}
    open: {script: "cat /proc/net/dev > _build/open", inputs: [hello.sh], outputs: ["{{ build_root }}/open"]}
"#,
    );
    let (code, out, err) = project.sealift(&["run", "cut", "open"]);
    assert_eq!(code, 0, "{out}{err}");
    let devices = |path: &str| {
        let text = fs::read_to_string(project.path(path)).unwrap();
        text.lines().skip(2).map(|line| line.split(':').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
    };
    let allowed = Command::new("unshare").args(["--user", "--net", "true"]).status();
    if allowed.is_ok_and(|status| status.success()) {
        assert_eq!(devices("_build/dev"), ["lo"]);
    } else {
        assert!(format!("{out}{err}").contains("the network is not cut off"), "{out}{err}");
    }
    assert!(devices("_build/open").contains(&"lo".to_owned()));
}

#[test]
fn a_failed_command_is_retried_as_often_as_the_task_says() {
    let project = project(
        r#"
  tasks:
    flaky: {script: "echo x >> count; test $(wc -l < count) -ge 3", retries: 2, inputs: [hello.sh]}
    slow: {script: "sleep 60", timeout: 1s, inputs: [hello.sh]}
"#,
    );
    assert_eq!(ran(&project, &["flaky"]), ["flaky"]);
    assert_eq!(fs::read_to_string(project.path("count")).unwrap().lines().count(), 3);
    fails(&project, &["run", "slow"], 2, "took longer than 1s");
}

#[test]
fn groups_have_members_of_the_project() {
    let project = project(
        r#"
  tasks:
    "gen:{{ chart }}":
      forEach: {chart: [dex, loki]}
      script: "echo {{ chart }} > _build/{{ chart }}"
      inputs: [hello.sh]
      outputs: ["{{ build_root }}/{{ chart }}"]
    lint:own: {run: ["true"], inputs: [hello.sh]}
    both: {doc: Run both., after: [gen, "lint:own"]}
"#,
    );
    assert_eq!(ran(&project, &["gen"]), ["gen:dex", "gen:loki"]);
    let (_, out, _) = project.sealift(&["info", "lint"]);
    assert!(out.contains("lint:own"), "{out}");
    assert_eq!(ran(&project, &["both"]), ["lint:own"]);
}

/// Mistakes of one task, each with its place and what is wrong.
#[test]
fn wrong_tasks_are_refused_before_anything_runs() {
    for (task, message) in [
        ("iso: {run: [x]}", "`iso` is the name of a task of Sealift"),
        ("lint:yaml: {run: [x]}", "`lint:yaml` is the name of a task of Sealift"),
        ("images:x: {run: [x]}", "is the name of a task of Sealift"),
        ("_x: {run: [x]}", "`_x` cannot name a task"),
        ("a: {outputs: [x]}", "has nothing to do: expected `run` or `script`"),
        ("a: {run: [x], script: y}", "both `run` and `script`"),
        ("a: {run: [x], shell: [sh]}", "`shell` without `script`"),
        (
            "a: {run: [x], inputs: [nowhere]}",
            "needs nowhere, which does not exist and which no task produces",
        ),
        ("a: {run: [x], inputs: [hello.sh], outputs: [hello.sh]}", "tasks depend on each other: a -> a"),
        ("a: {run: [x], inputs: [{task: b}]}", "no task `b`"),
        ("a: {run: [x], inputs: [{task: isoo}]}", "did you mean `iso`?"),
        (
            "a: {run: [x], inputs: [{folder: salt, task: iso}]}",
            "an input is `folder` with `exclude`, or `task`",
        ),
        ("a: {run: [x], after: [lintt]}", "depends on the task `lintt`, which does not exist; did you mean"),
        ("a: {run: [x], pool: big}", "runs in the pool `big`, which does not exist"),
        ("a: {run: [x], timeout: 10 minutes}", "is not a span of time: expected `90s`, `10m` or `2h`"),
        ("a: {run: [x], outputs: [../x]}", "leads out of the project"),
        ("a: {run: [x], outputs: [/etc/passwd]}", "leads out of the project"),
        ("a: {run: [x], outputs: [./]}", "cannot write all of the project"),
        ("a: {run: [x], outputs: [_build/.sealift/state]}", "that is the state of the build"),
        ("a: {run: [x], outputs: [o]}\n    b: {run: [x], outputs: [o]}", "two sources for `o`"),
        ("a: {run: [x], inputs: [{task: iso}], outputs: [_build/root/x]}", "tasks depend on each other"),
        ("a: {runn: [x]}", "did you mean `run`?"),
        ("a: {run: [x], retries: 5000000000}", "expected a whole number from 0 to 4294967295"),
        ("a: {run: [x], forEach: {v: [y, z]}}", "each round of `forEach` names its task `a`"),
        ("a: {run: [x]}\n  pools: {slow: 0}", "sealift.yaml:7:17: the pool `slow` needs at least 1 slot"),
        ("a: {run: [x]}\n  pools: {network: 1}", "sealift.yaml:7:20: the pool `network` exists"),
    ] {
        let project = project(&format!("  tasks:\n    {task}\n"));
        fails(&project, &["list"], 3, message);
        fails(&project, &["list"], 3, if message.contains("each other") { "" } else { "sealift.yaml:" });
    }
}

#[test]
fn a_task_that_misbehaves_is_one_clear_error() {
    let project = project(
        r#"
  tasks:
    missing: {script: "true", inputs: [hello.sh], outputs: ["{{ build_root }}/never"]}
    file: {script: "rmdir _build/folder; touch _build/folder", inputs: [hello.sh], outputs: ["{{ build_root }}/folder/"]}
    fifo: {script: "mkfifo _build/pipes/x", inputs: [hello.sh], outputs: ["{{ build_root }}/pipes/"]}
    binary: {script: "head -c 300000 /dev/zero; printf '\\033[31m\\377\\n'", inputs: [hello.sh]}
    program: {run: [no-such-program], inputs: [hello.sh]}
    path: {run: [./no-such-program], inputs: [hello.sh]}
    folder: {run: ["true"], directory: no-such-folder}
    code: {script: "echo reason >&2; exit 3", inputs: [hello.sh]}
    link: {script: "ln -s /etc/passwd _build/link", inputs: [hello.sh], outputs: ["{{ build_root }}/link"]}
    around: {script: "rmdir _build/around; ln -s /etc _build/around", inputs: [hello.sh], outputs: ["{{ build_root }}/around/passwd"]}
"#,
    );
    fails(&project, &["run", "missing"], 2, "the task did not produce its output _build/never");
    fails(&project, &["run", "file"], 1, "_build/folder/ is a file: the task declares a folder");
    fails(&project, &["run", "fifo"], 1, "is neither a file, a folder nor a symbolic link");
    fails(&project, &["run", "program"], 2, "cannot run `no-such-program`");
    fails(&project, &["run", "path"], 2, "check the path `./no-such-program`");
    fails(&project, &["run", "folder"], 1, "`directory` is no-such-folder, which is not a folder");
    fails(&project, &["run", "link"], 1, "`_build/link` leads to /etc/passwd, outside the project");
    let text = fails(&project, &["run", "code"], 1, "`/bin/sh` exited with code 3");
    assert!(text.contains("reason"), "{text}");
    let output = project.command().args(["run", "-v", "2", "binary"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    fails(
        &project,
        &["run", "around"],
        1,
        "`_build/around/passwd` leads to /etc/passwd, outside the project",
    );
}

#[test]
fn a_daemon_ends_with_its_task() {
    let project = project(
        r#"
  tasks:
    daemon: {script: "sleep 300 > /dev/null 2>&1 & echo $! > _build/pid", inputs: [hello.sh], outputs: ["{{ build_root }}/pid"]}
"#,
    );
    assert_eq!(ran(&project, &["daemon"]), ["daemon"]);
    let pid = fs::read_to_string(project.path("_build/pid")).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

#[test]
fn a_file_that_no_task_declares_is_not_shipped() {
    let project = project(
        r#"
  tasks:
    stray:
      script: echo 1 > _build/root/declared; echo 2 > _build/root/stray
      inputs: [hello.sh]
      outputs: ["{{ build_root }}/root/declared"]
"#,
    );
    fails(&project, &["run"], 1, "_build/root/stray: no task declares this file as an output");
    project.write(
        "sealift.yaml",
        &fs::read_to_string(project.path("sealift.yaml")).unwrap().replace("echo 2 >", "echo 2 #"),
    );
    assert_eq!(ran(&project, &[]), ["stray"]);
    assert!(!project.path("_build/root/stray").exists());
}

#[test]
fn only_outputs_of_tasks_are_copied_from_the_build_root() {
    for (from, message) in [
        (
            "{{ build_root }}/o",
            "no task writes the folder `_build/o` as a whole: expected an output of a task, such as `_build/o/1`",
        ),
        ("{{ build_root }}", "no task writes the folder `_build` as a whole: expected an output of a task"),
    ] {
        let project = project(&format!(
            "  files: [{{from: '{from}', to: o}}]\n  tasks: {{a: {{run: [x], outputs: ['{{{{ build_root }}}}/o/1']}}}}\n"
        ));
        fails(&project, &["list"], 3, message);
        fails(&project, &["list"], 3, "sealift.yaml:5:18: ");
    }
}

/// The context of an image is below the build root, and the commit is compared before the task that writes it ran.
#[test]
fn a_context_that_a_task_writes_does_not_concern_the_commit() {
    let project = project(
        r#"
  images: {build: [{folder: images/ui, settings: {context: "{{ build_root }}/ui"}}]}
  tasks:
    ui: {script: "echo x > _build/ui/index.html", inputs: [hello.sh], outputs: ["{{ build_root }}/ui/"]}
"#,
    );
    project.write("images/ui/Dockerfile", "FROM scratch\nCOPY index.html /\n");
    for arguments in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ] {
        peer::run(Command::new("git").args(arguments).current_dir(project.path("")));
    }
    let (code, out, err) = project.sealift(&["run", "populate_iso:product.txt"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(fs::read_to_string(project.path("_build/root/product.txt")).unwrap().contains("GIT="));
}

/// The file that was made from a source with an old name neither stays in the folder nor gets into the archive.
#[test]
fn an_output_folder_in_the_project_is_that_of_a_fresh_clone_with_the_files_of_its_user() {
    let spec = "  files: [{from: gen, to: gen}]\n  tasks:\n    copy:\n      script: cp src/* gen/\n      \
                inputs: [src/]\n      outputs: [gen/]\n";
    let listed = |project: &Project, folder: &str| -> Vec<(String, String)> {
        let entries = fs::read_dir(project.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        found.sort();
        found
    };
    let project = project(spec);
    project.write("src/old", "1\n");
    project.write("gen/README", "by hand\n");
    assert_eq!(ran(&project, &[]), ["copy"]);
    fs::rename(project.path("src/old"), project.path("src/new")).unwrap();
    assert_eq!(ran(&project, &[]), ["copy"]);
    assert_eq!(ran(&project, &[]), [""; 0]);
    let expected =
        [("README", "by hand\n"), ("new", "1\n")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(listed(&project, "gen"), expected);
    assert_eq!(listed(&project, "_build/root/gen"), expected);
    project.write("gen/new", "edited\n");
    let (code, out, _) = project.sealift(&["clean", "copy"]);
    assert_eq!((code, out.as_str()), (0, "copy - keeping file 'gen/new', which was edited\n"));
    assert_eq!(ran(&project, &["copy"]), ["copy"]);
    // Now it is a file of the user.
    let (code, out, _) = project.sealift(&["clean", "copy"]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(project.path("gen/new").exists() && project.path("gen/README").exists());
}
