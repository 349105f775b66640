//! Two sources for one place in the archive.

use super::*;

#[test]
fn two_sources_for_one_place_are_named_once_for_each_two_entries_with_their_lines() {
    let place = TestProject::new(
        "files:\n    - {from: a, to: .}\n    - {from: b, to: x}\n    - {from: c.in, to: x/c.in}",
    );
    for number in 0..30 {
        place.write(&format!("a/x/{number}"), "");
        place.write(&format!("b/{number}"), "");
    }
    place.write("b/c", "");
    place.write("c.in", "");
    let error = place.plan().map(|_| ()).unwrap_err();
    let lines: Vec<&str> =
        error.lines().filter_map(|line| line.split_once("sealift.yaml")).map(|(_, rest)| rest).collect();
    let expected = [
        ":7:21: two sources for `x/0`: a/x/0 (line 6) and b/0, and 29 more places",
        ":8:24: two sources for `x/c`: b/c (line 7) and c.in",
    ];
    assert_eq!(lines, expected, "{error}");
}

#[test]
fn what_clashes_with_the_output_of_another_task_is_named_with_the_entry_that_asks_for_it() {
    let spec = format!(
        "images:\n    pull:\n      - {{name: app, source: registry.invalid/app, tag: '1', digest: 'sha256:{}'}}\n    \
         build: [images/own]\n  packages: [{{name: r, release: '8', build: [packages/p]}}]\n  \
         documentation: [README.md]\n  files:\n    - {{from: files, to: .}}",
        "a".repeat(64)
    );
    let place = TestProject::new(&spec);
    place.write("README.md", "");
    place.write("images/own/image.yaml", "entrypoint: [/x]\n");
    place.write(
        "packages/p/package.yaml",
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, description: d, license: l}\n",
    );
    let rpm = "packages/redhat/8/example-r-el8/noarch/p-1-1.noarch.rpm";
    for name in
        ["images/own/1.0.0/x", rpm, "documentation/index.html", "registry/x", "product.txt", "SHA256SUMS"]
    {
        place.write(&format!("files/{name}"), "");
    }
    for number in 0..30 {
        place.write(&format!("files/images/app/1/{number}"), "");
    }
    let refused = || {
        let (project, plan) = place.plan_in(None).unwrap();
        graph(&project, plan.tasks, &plan.origins).map(drop).unwrap_err().to_string()
    };
    let error = refused();
    let lines: Vec<&str> =
        error.lines().map(|line| line.split_once("sealift.yaml").map_or(line, |(_, rest)| rest)).collect();
    let expected = [
        ":12:25: two sources for `SHA256SUMS`: the task `_iso_checksums` and files/SHA256SUMS",
        ":12:25: two sources for `product.txt`: the task `_iso_add_tree:product.txt` and files/product.txt",
        ":12:25: two sources for `registry/x`: the task `_registry_index` and files/registry/x",
        ":12:25: two sources for `images/app/1/0`: the image app:1 (line 7) and files/images/app/1/0, and 29 more places",
        ":12:25: two sources for `images/own/1.0.0/x`: the image own (line 8) and files/images/own/1.0.0/x",
        &format!(":12:25: two sources for `{rpm}`: the package p (line 9) and files/{rpm}"),
        ":12:25: two sources for `documentation/index.html`: README.md (line 10) and files/documentation/index.html",
    ];
    let sorted = |lines: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&lines), sorted(&expected), "{error}");

    // Named twice, and more than anybody reads.
    let entries: Vec<String> =
        (0..30).map(|number| format!("{{from: f, to: images/app/1/{number}}}")).collect();
    let files = format!("{{from: files, to: .}}\n    - {}", entries.join("\n    - "));
    place.write("sealift.yaml", &format!("{HEAD}  {}\n", spec.replace("{from: files, to: .}", &files)));
    place.write("f", "");
    fs::remove_dir_all(place.root().join("files/images/app")).unwrap();
    let error = refused();
    assert_eq!(error.lines().count(), 21, "{error}");
    assert!(error.ends_with("\nand 16 more"), "{error}");
    place.write("sealift.yaml", &format!("{HEAD}  documentation: [README.md, README.md]\n"));
    let error = refused();
    let expected = ":5:30: two sources for `documentation/index.html`: README.md (line 5) and README.md";
    assert!(error.lines().count() == 1 && error.ends_with(expected), "{error}");
}
