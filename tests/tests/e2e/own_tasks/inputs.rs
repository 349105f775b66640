//! Inputs that tasks learn: from a dependency file of a compiler, or a list that they write.

use super::*;

/// A compiler that names the headers which it has read.
const COMPILE: &str = r#"
  tasks:
    compile:
      run: [gcc, -MD, -MF, "{{ build_root }}/main.d", -c, main.c, -o, "{{ build_root }}/main.o"]
      inputs: [main.c]
      outputs: ["{{ build_root }}/main.o"]
      depfile: "{{ build_root }}/main.d"
      tools: [{name: gcc, version: [gcc, -dumpversion]}]
"#;

/// Without its dependency file, a clone does not know which headers count. The cache does.
#[test]
fn a_fresh_clone_restores_what_a_compiler_produced() {
    let project = project(COMPILE);
    project.write("main.c", "#include \"a.h\"\nint main(void) { return A; }\n");
    let mut objects = Vec::new();
    for (header, mark) in
        [("1", ".  RUN"), ("2", ".  RUN"), ("1", "<- RUN"), ("2", "<- RUN"), ("3", ".  RUN")]
    {
        project.write("a.h", &format!("#define A {header}\n"));
        let _ = fs::remove_dir_all(project.path("_build"));
        let mut command = project.command();
        let command = command.args(["run", "compile"]).env("SEALIFT_CACHE_SIZE", "1G");
        let out = String::from_utf8(peer::run(command).stdout).unwrap();
        assert!(out.lines().any(|line| untimed(line).starts_with(mark)), "{header} {mark}: {out}");
        objects.push(fs::read(project.path("_build/main.o")).unwrap());
    }
    assert!(objects[0] == objects[2] && objects[1] == objects[3] && objects[0] != objects[1]);
}

#[test]
fn a_dependency_file_of_gcc_names_inputs() {
    let project = project(COMPILE);
    project.write("main.c", "#include \"a.h\"\nint main(void) { return A; }\n");
    project.write("a.h", "#define A 1\n");
    assert_eq!(ran(&project, &["compile"]), ["compile"]);
    assert_eq!(ran(&project, &["compile"]), [""; 0]);
    project.write("a.h", "#include \"b.h\"\n#define A B\n");
    project.write("b.h", "#define B 2\n");
    assert_eq!(ran(&project, &["compile"]), ["compile"]);
    project.write("b.h", "#define B 3\n");
    assert_eq!(ran(&project, &["compile"]), ["compile"]);
    // A header that nothing includes any longer is no input.
    project.write("a.h", "#define A 1\n");
    assert_eq!(ran(&project, &["compile"]), ["compile"]);
    fs::remove_file(project.path("b.h")).unwrap();
    assert_eq!(ran(&project, &["compile"]), [""; 0]);
    // A header that is gone makes the compiler fail, not the look for inputs.
    fs::remove_file(project.path("a.h")).unwrap();
    fails(&project, &["run", "compile"], 1, "a.h");
}

/// Files that only a list names are part of the build: if one differs from the commit, the product information says so, from
/// the first build on.
#[test]
fn files_that_a_list_names_are_compared_with_the_commit() {
    let project = project(
        r#"
  tasks:
    join:
      script: |
        echo part-1 > _build/list; echo part-2 >> _build/list
        cat part-1 part-2 > _build/root/joined
      outputs: ["{{ build_root }}/root/joined", "{{ build_root }}/list"]
      inputsFrom: "{{ build_root }}/list"
    # It needs the product information, so that cannot wait for it.
    describe:
      script: cat _build/root/product.txt part-3 > _build/described; echo part-3 > _build/described.list
      inputs: ["{{ build_root }}/root/product.txt"]
      outputs: ["{{ build_root }}/described", "{{ build_root }}/described.list"]
      inputsFrom: "{{ build_root }}/described.list"
"#,
    );
    for part in ["part-1", "part-2", "part-3"] {
        project.write(part, part);
    }
    project.commit();
    let is_dirty = || {
        let (code, out, err) = project.sealift(&["run", "describe", "populate_iso"]);
        assert_eq!(code, 0, "{out}{err}");
        let product = fs::read_to_string(project.path("_build/root/product.txt")).unwrap();
        product.lines().find(|line| line.starts_with("GIT=")).unwrap().ends_with("-dirty")
    };
    assert!(!is_dirty());
    project.write("part-2", "edited");
    assert!(is_dirty());
    // The first build of a clone knows it too.
    fs::remove_dir_all(project.path("_build")).unwrap();
    assert!(is_dirty());
    project.write("part-2", "part-2");
    assert!(!is_dirty());
}

/// The first run must not accept what all later ones refuse, and a corrected command must run.
#[test]
fn a_dependency_file_cannot_name_what_a_later_task_writes() {
    let spec = r#"
  tasks:
    early:
      script: "echo 'early: _build/late hello.sh' > _build/early.d"
      depfile: "{{ build_root }}/early.d"
    late:
      script: "echo late > _build/late"
      inputs: ["{{ build_root }}/early.d"]
      outputs: ["{{ build_root }}/late"]
"#;
    let project = project(spec);
    for _ in 0..2 {
        fails(&project, &["run", "late"], 2, "it discovered _build/late, which `late` produces");
    }
    project
        .write("sealift.yaml", &format!("{HEAD}spec:\n{}", spec.replace("_build/late hello.sh", "hello.sh")));
    assert_eq!(ran(&project, &["late"]), ["early", "late"]);
    // A list that is damaged is written again.
    project.write("_build/early.d", "early: hello.sh /dev/null\n");
    assert_eq!(ran(&project, &["late"]), ["early"]);
}

#[test]
fn a_list_that_a_program_writes_names_inputs() {
    let project = project(
        r#"
  tasks:
    join:
      script: |
        echo part-1 > _build/list; echo part-2 >> _build/list
        cat part-1 part-2 > _build/joined
      outputs: ["{{ build_root }}/joined", "{{ build_root }}/list"]
      inputsFrom: "{{ build_root }}/list"
"#,
    );
    project.write("part-1", "1");
    project.write("part-2", "2");
    assert_eq!(ran(&project, &["join"]), ["join"]);
    assert_eq!(ran(&project, &["join"]), [""; 0]);
    project.write("part-2", "3");
    assert_eq!(ran(&project, &["join"]), ["join"]);
    assert_eq!(fs::read_to_string(project.path("_build/joined")).unwrap(), "13");
}
