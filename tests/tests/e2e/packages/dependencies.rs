//! The grammar of dependencies, compared with rpmbuild: what it accepts is accepted with the same meaning, the rest is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use packages::{Dependency, Relation};
use tests::peer;

/// Texts after `Requires:` and similar tags.
const TEXTS: &[&str] = &[
    // Names.
    "a",
    "A9_x-y.z+w",
    "_a",
    "9a",
    "/bin/sh",
    "/",
    "//a",
    "a/b",
    "a@b",
    "a#b",
    "a!b",
    "a:b",
    "a;b",
    "a~b",
    "a^b",
    "a&b",
    "a|b",
    "a'b",
    "a\"b",
    "a\\b",
    "a$b",
    "a*b",
    "a?b",
    "[a]",
    "a[b]",
    "{a}",
    "a{b}",
    "a..b",
    "-a",
    ".a",
    "+a",
    "~a",
    "@a",
    ":a",
    "*",
    "#a",
    "'a'",
    "\"a\"",
    "$a",
    "&",
    "|",
    "ünï",
    "é = 1",
    "a\u{a0}b",
    "日本語 >= 2",
    "font(:lang=en)",
    "pkgconfig(x) >= 1.0",
    "libc.so.6(GLIBC_2.34)(64bit)",
    "perl(A::B)",
    "a(b",
    "a)b",
    "a)",
    "a (b)",
    "config(a) = 1-1",
    "user(x)",
    "rpmlib(x)",
    "rpmlib(FileDigests) <= 4.6.0-1",
    "rpmlib",
    "rpmlib()",
    "Rpmlib(x)",
    "bundled(a) = 1",
    "a=",
    "a>=1",
    "a<1",
    "a==1",
    "(a>=1)",
    "a>=1 b",
    // Comparisons.
    "a = 1",
    "a == 1",
    "a < 1",
    "a <= 1",
    "a =< 1",
    "a > 1",
    "a >= 1",
    "a => 1",
    "a != 1",
    "a <> 1",
    "a >> 1",
    "a << 1",
    "a === 1",
    "a =! 1",
    "a ~ 1",
    "a eq 1",
    "a >=1",
    "a >= ",
    "a >=",
    "=",
    "= 1",
    ">= 1",
    "a = = 1",
    "a = >= 1",
    "a = 1 = 2",
    "a = b",
    "a 1",
    "a = 1 2",
    "a\t=\t1",
    "a  =  1",
    " a = 1 ",
    "a,=,1",
    "a = ,1",
    // Versions.
    "a = 1-2",
    "a = 1-2-3",
    "a = 1:2",
    "a = 1:2-3",
    "a = 1:2:3",
    "a = :1",
    "a = :",
    "a = 1:",
    "a = -1",
    "a = 1-",
    "a = -",
    "a = x:1",
    "a = 1x:1",
    "a = -1:1",
    "a = 1-1:1",
    "a = 1.0:1",
    "a = 99999999999999999999:1",
    "a = 0:1",
    "a = 1..2",
    "a = ..",
    "a = .",
    "a = 1.",
    "a = .1",
    "a = 1~rc1",
    "a = 1^git1",
    "a = ~",
    "a = ^",
    "a = 1+2",
    "a = 1_2",
    "a = 1/2",
    "a = 1@2",
    "a = 1#2",
    "a = 1*",
    "a = (1)",
    "a = 1)",
    "a = 1(",
    "a = é",
    "a = 1é",
    "a = 1;",
    "a = 1'",
    "a = \"1\"",
    "a = 1=2",
    "a = >1",
    "a = {1}",
    "a = 1}",
    "a = $1",
    "a = 1!",
    "a = [1]",
    "a = 1&2",
    "/bin/sh = 1",
    "/a >= 1",
    "a/b = 1",
    "é/b = 1",
    // Macros that are not defined.
    "a%{nowhere}",
    "%{nowhere}",
    "a %{nowhere}",
    "a = %{nowhere}",
    "a = 1%{nowhere}",
    "a = 1%",
    "a%",
    "%",
    "a = 1.%{nowhere}.2",
    "(a = %{nowhere} or b)",
    "(a%{nowhere} or b)",
    // Several on one line.
    "a b",
    "a,b",
    "a, b",
    "a ,b",
    ",a",
    "a,",
    ",",
    ", ,",
    "a,,b",
    "a b c >= 1 d",
    "a = 1, b",
    "a = 1,b",
    "a,b = 1,c",
    "a and b",
    "a or b",
    "a if b",
    "a a",
    "a = 1 a = 1",
    "a /bin/sh",
    "a, -b",
    "a, b = 1-2-3",
    "a = 1 ,, b",
    "x y)",
    "/a,/b",
    "a ()",
    "a (b or c)",
    "a (b or c) d",
    "(a or b),(c or d)",
    "(a or b) (c or d)",
    "(a or b)c",
    "(a or b)c = 1",
    "(a or b) = 1",
    "(a or b))",
    "(a)(b)",
    // Rich dependencies.
    "()",
    "( )",
    "(,)",
    "(",
    ")",
    "((",
    "())",
    "(a",
    "(a ",
    "(a or",
    "(a or ",
    "(a or)",
    "(a or ,)",
    "(or b)",
    "(or)",
    "(a)",
    "((a))",
    "(((a)))",
    "((a)",
    "(a))",
    "( a )",
    "(a b)",
    "(a, b)",
    "(a (b))",
    "((a) b)",
    "(a,or,b)",
    "(a or b)",
    "(a OR b)",
    "(a nor b)",
    "(a xor b)",
    "(a || b)",
    "(a and b)",
    "(a if b)",
    "(a unless b)",
    "(a else b)",
    "(a with b)",
    "(a without b)",
    "(a orb)",
    "(aor b)",
    "(a or(b))",
    "(a or (b))",
    "((a)or b)",
    "((a) or b)",
    "(a or b or c)",
    "(a and b and c)",
    "(a with b with c)",
    "(a without b without c)",
    "(a if b if c)",
    "(a unless b unless c)",
    "(a else b else c)",
    "(a or b and c)",
    "(a and b or c)",
    "(a or b if c)",
    "(a if b or c)",
    "(a with b without c)",
    "(a without b with c)",
    "(a if b else c)",
    "(a unless b else c)",
    "(a if b else c else d)",
    "(a if b else c if d)",
    "(a if b else c or d)",
    "(a or b else c)",
    "(a and b else c)",
    "(a with b else c)",
    "(a unless b else c unless d)",
    "(a else b if c)",
    "(a if b unless c)",
    "(a if b else)",
    "(a if else b)",
    "(a or (b and c))",
    "(a and (b or c))",
    "((a and b) or c)",
    "(a or (b if c))",
    "(a and (b if c))",
    "((a if b) or c)",
    "((a if b) and c)",
    "(a or (b unless c))",
    "(a and (b unless c))",
    "((a unless b) or c)",
    "((a unless b) and c)",
    "(a if (b or c))",
    "(a if (b and c))",
    "((a or b) if c)",
    "((a and b) if c)",
    "(a if (b if c))",
    "((a if b) if c)",
    "(a unless (b unless c))",
    "((a unless b) unless c)",
    "((a unless b) if c)",
    "((a if b) unless c)",
    "(a if (b unless c))",
    "(a unless (b if c))",
    "(a unless (b or c))",
    "(a unless (b and c))",
    "((a or b) unless c)",
    "((a and b) unless c)",
    "(a if b else (c if d))",
    "(a if b else (c unless d))",
    "(a if b else (c or d))",
    "((a if b) else c)",
    "((a unless b) else c)",
    "(((a if b)) or c)",
    "((a) if b)",
    "(((a unless b) or c) and d)",
    "(((a if b) and c) or d)",
    "((a if b) if (c unless d))",
    "(a or ((b if c) and d))",
    "(a with (b or c))",
    "(a with (b and c))",
    "(a with (b if c))",
    "(a with (b unless c))",
    "(a with (b with c))",
    "(a with (b without c))",
    "(a without (b or c))",
    "(a without (b and c))",
    "((a or b) with c)",
    "((a and b) with c)",
    "((a or b) without (c or d))",
    "((a if b) with c)",
    "((a else b) with c)",
    "(a with (b else c))",
    "(a or (b with c))",
    "(a and (b with c))",
    "((a with b) if (c without d))",
    "((a with (b or c)) and d)",
    "(a with ((b or c) or d))",
    "(a with ((b and c) or d))",
    "(a with (b))",
    "((a with b))",
    "((a unless b))",
    "((a if b))",
    "(a >= 1)",
    "(a >= 1 or b < 2)",
    "(a = 1-2-3 or b)",
    "(a = x:1)",
    "(a >= or b)",
    "(a >=)",
    "(a >= )",
    "(a => 1)",
    "(a == 1 or b =< 2)",
    "(a = 1)",
    "(a =1)",
    "(a = 1,or b)",
    "(= 1)",
    "(a or = 1)",
    "(-a or b)",
    "(a or -b)",
    "(a or .b)",
    "(/bin/sh = 1)",
    "(/bin/sh or /bin/bash)",
    "(a = 1..2 or b)",
    "(a = 1/2 or b)",
    "(foo(x) or b)",
    "(foo(x y) or b)",
    "(foo(x)(64bit) >= 1 if bar(y))",
    "(foo(x)) or b)",
    "(foo(x or b)",
    "(a = 1(x) or b)",
    "(a = (1) or b)",
    "(libc.so.6(GLIBC_2.34)(64bit) or musl)",
    "(ünï or b)",
    "(a = é or b)",
    "(a\tor\tb)",
    "( a or b )",
    "(a or b ) c",
    "(a = 1~rc1 or b)",
    "(a = 1^x or b)",
    "(rpmlib(x) or b)",
    "(a or b",
    "(a or (b)",
    "(a or b) or c",
    "(a or b) and",
    "(a and b), c >= 1, (d or e)",
    "(a or a)",
    "(a  or   b)",
];

/// What rpm reads after the tag of the relation in one package for each text; `None` if it refuses the spec file.
fn rpm(rpmspec: &Path, folder: &Path, relation: Relation, texts: &[&str]) -> Option<Vec<Vec<String>>> {
    let tag = relation.key();
    let spec = folder.join("a.spec");
    let mut lines = "Name: t\nVersion: 1\nRelease: 1\nSummary: A\nLicense: MIT\nBuildArch: noarch\n\
                     %description\nx\n"
        .to_owned();
    for (i, text) in texts.iter().enumerate() {
        lines += &format!(
            "%package -n p{i}\nSummary: A\n{tag}: {text}\n%description -n p{i}\nx\n%files -n p{i}\n"
        );
    }
    fs::write(&spec, lines).unwrap();
    let nevrs = tag.to_uppercase();
    let format = format!("[%{{=NAME}} %{{{}NEVRS}}\n]", nevrs.trim_end_matches('S'));
    let output = Command::new(rpmspec)
        .env("LC_ALL", "C.UTF-8")
        .args(["-q", "--qf", &format])
        .arg(&spec)
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let read = String::from_utf8(output.stdout).unwrap();
    let of_package = |i: usize| {
        let name = format!("p{i}");
        let mine = read.lines().filter_map(|line| line.split_once(' ')).filter(|(of, _)| *of == name);
        let own = format!("{name} = 1-1");
        let mut all: Vec<String> = mine
            .map(|(_, one)| one.to_owned())
            .filter(|one| relation != Relation::Provides || *one != own)
            .collect();
        all.sort();
        all
    };
    Some((0..texts.len()).map(of_package).collect())
}

#[test]
fn dependencies_are_those_that_rpm_reads() {
    let Some(rpmspec) = peer::find("rpmspec") else { return };
    let folder = tempfile::tempdir().unwrap();
    let ask = |relation, texts: &[&str]| rpm(&rpmspec, folder.path(), relation, texts);
    let mut differences = Vec::new();
    for relation in Relation::ALL {
        let texts = TEXTS.iter().copied().filter(|text| match relation {
            Relation::Requires => true,
            Relation::Provides | Relation::Obsoletes => !text.starts_with('(') || text.contains(" or b)"),
            // The same parser as for `requires`, but for what may stand in which context.
            _ => text.starts_with('(') && (text.contains("if") || text.contains("unless")),
        });
        let (taken, refused): (Vec<&str>, Vec<&str>) =
            texts.partition(|text| Dependency::list(relation, text).is_ok());
        // All that we take are in one spec file, since rpm takes them, too; where it does not, each is asked for.
        let expected: Vec<Option<Vec<String>>> = match ask(relation, &taken) {
            Some(all) => all.into_iter().map(Some).collect(),
            None => taken.iter().map(|text| ask(relation, &[*text]).and_then(|mut all| all.pop())).collect(),
        };
        for (text, expected) in taken.iter().zip(expected) {
            let mut found: Vec<String> =
                Dependency::list(relation, text).unwrap().iter().map(ToString::to_string).collect();
            found.sort();
            found.dedup();
            if expected.as_ref() != Some(&found) {
                differences.push(format!("{relation:?}: {text}\n  rpm: {expected:?}\n  we:  {found:?}"));
            }
        }
        for text in refused {
            if let Some(expected) = ask(relation, &[text]) {
                let error = Dependency::list(relation, text).unwrap_err();
                differences.push(format!("{relation:?}: {text}\n  rpm: {expected:?}\n  we:  {error}"));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Builds the package `t` with this line in its definition and in its spec file, by us and by rpmbuild.
fn both(rpmbuild: &Path, folder: &Path, line: &str) -> [PathBuf; 2] {
    let (tag, text) = line.split_once(": ").unwrap();
    let (version, dependency) = match tag {
        "Version" => (text, String::new()),
        _ => ("1", format!("{}: ['{text}']", tag.to_lowercase())),
    };
    let definition = format!(
        "name: t\nversion: '{version}'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\n{dependency}\n"
    );
    let ours =
        packages::build(&serde_saphyr::from_str(&definition).unwrap(), folder, super::DATE, folder).unwrap();
    let top = folder.join("top");
    let spec = folder.join("t.spec");
    let line = if tag == "Version" { "" } else { line };
    fs::write(
        &spec,
        format!(
            "Name: t\nVersion: {version}\nRelease: 1\nSummary: A\nLicense: MIT\nBuildArch: noarch\n{line}\n\
             %description\nx\n%files\n"
        ),
    )
    .unwrap();
    let mut command = Command::new(rpmbuild);
    command.args(["-bb", "--define", &format!("_topdir {}", top.display())]);
    command.args(["--define", "_binary_payload w6.gzdio"]).arg(&spec);
    peer::run(&mut command);
    [ours.path, top.join(format!("RPMS/noarch/t-{version}-1.noarch.rpm"))]
}

#[test]
fn packages_require_of_rpm_what_their_dependencies_need() {
    let (Some(rpmbuild), Some(rpm)) = (peer::find("rpmbuild"), peer::find("rpm")) else { return };
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "Version: 1~rc1",
        "Version: 1^git1",
        "Version: 1~rc1^git1",
        "Requires: a >= 1~rc1",
        "Conflicts: a < 1^git1",
        "Obsoletes: a < 1~rc1",
        "Suggests: a = 1~rc1",
        "Provides: a = 1~rc1",
        "Requires: (a or b)",
        "Supplements: (a and b)",
        "Recommends: (a if b = 1~2 else (c with d < 3^4))",
        "Requires: (a~1 or b^2)",
        "Requires: a~1",
        "Provides: t = 1-1",
        "Provides: t = 1-1, t = 2",
        "Requires: a a, a = 1 a == 1",
        "Requires: rpmlib(FileDigests) <= 4.6.0-1",
        "Enhances: b (a or b) a",
    ] {
        let read = both(&rpmbuild, folder.path(), line).map(|package| dependencies(&rpm, &package));
        assert_eq!(read[0], read[1], "{line}");
    }
}

/// All dependencies of a package, with their flags.
pub(super) fn dependencies(rpm: &Path, package: &Path) -> String {
    let kinds =
        ["PROVIDE", "REQUIRE", "CONFLICT", "OBSOLETE", "RECOMMEND", "SUGGEST", "SUPPLEMENT", "ENHANCE"];
    let format: String = kinds
        .iter()
        .map(|kind| format!("[{kind} %{{{kind}NAME}} %{{{kind}FLAGS:hex}} %{{{kind}VERSION}}\\n]"))
        .collect();
    let mut command = Command::new(rpm);
    let output = peer::run(command.env("LC_ALL", "C.UTF-8").args(["-qp", "--qf", &format]).arg(package));
    String::from_utf8(output.stdout).unwrap()
}
