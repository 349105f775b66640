//! Spec files, right and wrong.

use std::collections::BTreeMap;

use super::*;

fn read(text: &str, macros: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
    let macros: BTreeMap<String, String> =
        macros.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    match SpecFile::read(text, &macros) {
        Ok(spec) => Ok(spec
            .sources
            .iter()
            .map(|source| {
                let url = source.url.as_deref().unwrap_or("beside");
                let folder = if source.folder.is_empty() { "" } else { "/" };
                format!("{} {} {url} {}{folder}{}", source.line, source.tag, source.folder, source.name)
            })
            .collect()),
        Err(faults) => Err(faults.iter().map(ToString::to_string).collect()),
    }
}

const CONTAINERD: &str = "\
%global goipath github.com/containerd/containerd
%{!?commit: %global commit 1c4457e}
%define shortcommit %{commit}-%{?extra}
%global lazy %{lua: print(rpm.expand('%{x}'))
}
Name:           containerd
Version:        1.6.36
Release:        1%{?dist}
URL:            https://%{goipath}
%{?systemd_requires}
Source0:        %{url}/archive/v%{version}/%{name}-%{version}.tar.gz
Source1 :       containerd.service
SOURCE2:        https://h.example/%{shortcommit}.zip#/%{name}-docs.zip
Patch0:         0001-Revert.patch
BuildRequires:  go >= 1.20
%if 0
Source7:        https://gone.example/a
%endif
%ifarch x86_64
Source8:        x86.conf
%else
Source8:        other.conf
%endif

%description
Source9: nothing

%package devel
Summary: A
Source10: devel.conf
%sourcelist
# a comment
https://h.example/%20/list.txt
%files
/usr/bin/containerd
%changelog
* Thu Nov 26 2026 A <a@example.org> - 1.6.36-1
- One
* Wed Nov 25 2026 A <a@example.org>
- Zero
";

#[test]
fn sources_are_found_with_the_macros_of_the_file() {
    let expected = [
        "11 Source0 https://github.com/containerd/containerd/archive/v1.6.36/containerd-1.6.36.tar.gz containerd-1.6.36.tar.gz",
        "12 Source1 beside containerd.service",
        "13 SOURCE2 https://h.example/1c4457e-.zip containerd-docs.zip",
        "14 Patch0 beside 0001-Revert.patch",
        "20 Source8 beside x86.conf",
        "22 Source8 beside other.conf",
        "30 Source10 beside devel.conf",
        "33 Source https://h.example/%20/list.txt list.txt",
    ];
    assert_eq!(read(CONTAINERD, &[]).unwrap(), expected);
    let given = read(CONTAINERD, &[("commit", "abc"), ("extra", "d")]).unwrap();
    assert_eq!(given[2], "13 SOURCE2 https://h.example/abc-d.zip containerd-docs.zip");
    let spec = SpecFile::read(CONTAINERD, &BTreeMap::new()).unwrap();
    assert_eq!(spec.date, Some(1_795_694_400));
    let with_time =
        SpecFile::read("%changelog\n* Thu Nov 26 23:59:59 UTC 2026 A\n", &BTreeMap::new()).unwrap();
    assert_eq!(with_time.date, spec.date);
}

#[test]
fn a_source_that_only_rpmbuild_knows_is_named_and_nothing_is_run() {
    for (text, expected) in [
        (
            "Source: a-%(touch /tmp/x; date).tgz\n",
            "line 1: Source: it runs a command, `%(…)`: write its result",
        ),
        ("%global c %(git rev-parse HEAD)\nSource: %{c}.tgz\n", "line 2: Source: it runs a command"),
        ("Source: %{lua:os.execute('x')}\n", "line 1: Source: only rpmbuild knows `%{lua:os.execute('x')}`"),
        (
            "Source: %{lua:print(string.lower(rpm.expand('%{name}-%{version}.tar.gz')))}\n",
            "line 1: Source: only rpmbuild knows `%{lua:…}`",
        ),
        ("Source: %[1+1].tgz\n", "line 1: Source: it has an expression"),
        (
            "Source: %{forgesource}\n",
            "line 1: Source: the file does not define `%{forgesource}`: give it under",
        ),
        ("Source: a-%forgeurl.tgz\n", "line 1: Source: the file does not define `%{forgeurl}`"),
        ("Source: a%{?dist}.tgz\n", "line 1: Source: `%{?dist}` depends on the builder"),
        ("%define f() a\nSource: %{f x}.tgz\n", "line 2: Source: only rpmbuild knows `%{f x}`"),
        ("%define f() a\nSource: %{f}\n", "line 2: Source: `%f` has parameters"),
        (
            "%define aaa %{bbb}\n%define bbb %{aaa}\nSource: %{aaa}\n",
            "line 3: Source: macros lead to others too deep",
        ),
        ("Source: %{aaa\n", "line 1: Source: a `%{` has no `}`"),
        (
            "%if 0%{?rhel} >= 8\n%global v 1\n%else\n%global v 2\n%endif\nSource: %{v}.tgz\n",
            "line 6: Source: `%{v}` has different values in conditions",
        ),
        ("Source: x/../.hidden/y\n", "line 1: Source: `x/../.hidden/y` is not the path of a file"),
        ("Source: a//b\n", "line 1: Source: `a//b` is not the path"),
        ("Source: /etc/passwd\n", "line 1: Source: `/etc/passwd` is not the path"),
        ("Source: ..\n", "line 1: Source: `..` is not the path"),
        ("Source:\n", "line 1: Source: `` is not the path"),
        (
            "Source: https://h/x/..\n",
            "line 1: Source: the URL `https://h/x/..` does not end in a usable file name",
        ),
        ("Source: https://h/?f=x\n", "line 1: Source: the URL `https://h/?f=x` does not end"),
        ("Patch3: a b\n", "line 1: Patch3: `a b` is not the path"),
    ] {
        let found = read(text, &[]).unwrap_err();
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{text}: {found:?}");
    }
}

#[test]
fn a_file_may_lie_in_another_folder() {
    for path in ["files/x.conf", "../../common/tool/x.py", "../x"] {
        assert_eq!(read(&format!("Source1: {path}\n"), &[]).unwrap(), [format!("1 Source1 beside {path}")]);
    }
}

#[test]
fn conditions_are_evaluated_where_their_macros_are_given() {
    let text =
        "%if 0%{?rhel} >= 8 && !0%{?fedora}\n%global v 1\n%else\n%global v 2\n%endif\nSource: %{v}.tgz\n";
    for (macros, expected) in [
        (&[("rhel", "8"), ("fedora", "0")][..], "6 Source beside 1.tgz"),
        (&[("rhel", "7"), ("fedora", "0")], "6 Source beside 2.tgz"),
        (&[("rhel", "9"), ("fedora", "40")], "6 Source beside 2.tgz"),
    ] {
        assert_eq!(read(text, macros).unwrap(), [expected], "{macros:?}");
    }
    for (condition, counts) in [
        ("1", true),
        ("0", false),
        ("!1", false),
        ("1 == 2 || 3 > 2", true),
        ("\"a\" == \"a\"", true),
        ("\"a\" != \"a\"", false),
        // Unknown: it may count.
        ("%{with tests}", true),
        ("(1 == 2)", true),
        ("0%{?el8}", true),
        ("\"a\" == b", true),
    ] {
        let text = format!("%if {condition}\nSource: a\n%endif\nSource: b\n");
        assert_eq!(read(&text, &[]).unwrap().len(), 1 + usize::from(counts), "{condition}");
    }
    // After an unknown branch, one that is true may count, and none after it.
    let text = "%if %{x}\nSource: a\n%elif 0\nSource: b\n%elif 1\nSource: c\n%else\nSource: d\n%endif\n%endif\n%else\n";
    assert_eq!(read(text, &[]).unwrap(), ["2 Source beside a", "6 Source beside c"]);
}

#[test]
fn a_bomb_of_macros_ends_with_a_reason() {
    let mut text = String::from("%global m0 xxxxxxxxxx\n");
    for number in 1..40 {
        let before = number - 1;
        text += &format!("%define m{number} %{{m{before}}}%{{m{before}}}%{{m{before}}}\n");
    }
    text += "Source: %{m39}\n";
    assert_eq!(read(&text, &[]).unwrap_err().len(), 1);
    let empty = text.replace("xxxxxxxxxx", "").replace("m39}", "m30}");
    assert_eq!(read(&empty, &[]).unwrap_err().len(), 1);
    let many = "Source: a\n".repeat(3000);
    assert_eq!(read(&many, &[]).unwrap_err(), ["line 1001: more than 1000 sources"]);
    let open = format!("%{{lua:\n{}Source: a\n", "x\n".repeat(2000));
    assert_eq!(read(&open, &[]).unwrap().len(), 1);
}

#[test]
fn requirements_of_all_packages_are_found_without_those_that_the_file_provides() {
    let text = "\
Name: tool
Version: 1.2
Release: 3%{?dist}
Requires: a >= 2, b
Requires(pre,post): shadow-utils
requires : /bin/sh
Requires: %{name}-libs%{?_isa} = %{version}-%{release}, also
BuildRequires: gcc
Provides: cap = %{version}, tool(x)
Provides: old-tool = %{version}-%{release}
Requires: cap old-tool (c if %{name})
%package libs
Summary: Libraries
Requires: glibc-%{x}
%package -n python3-%{name}
Requires: python%{python3_version}dist(six)
Requires: %{name} = %{version}-%{release}
%if 0%{?rhel} >= 8
Requires: new
%else
Requires: older
%endif
%package %{lua:x}
Requires: somewhere
%description
Requires: nothing
";
    let spec = SpecFile::read(text, &BTreeMap::new()).unwrap();
    let names: Vec<&str> = spec.packages.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["tool", "tool-libs", "python3-tool"]);
    assert_eq!(spec.packages[1].file_name, "tool-libs-1.2-0.noarch.rpm");
    let requires: Vec<String> = spec
        .requires
        .iter()
        .map(|one| format!("{} {:?} {}", one.line, one.package, one.dependency))
        .collect();
    assert_eq!(
        requires,
        [
            "4 Some(0) a >= 2",
            "4 Some(0) b",
            "5 Some(0) shadow-utils",
            "6 Some(0) /bin/sh",
            "7 Some(0) also",
            "11 Some(0) (c if tool)",
            "19 Some(2) new",
            "21 Some(2) older",
            "24 None somewhere",
        ]
    );
    assert_eq!(spec.provides, ["cap", "tool(x)", "old-tool"]);
    let unknown: Vec<String> = spec.unknown.iter().map(ToString::to_string).collect();
    assert_eq!(unknown.len(), 2, "{unknown:?}");
    assert!(
        unknown[0].starts_with("line 14: the file does not define `%{x}`: give it under `macros`"),
        "{unknown:?}"
    );
    assert!(unknown[1].starts_with("line 16: the file does not define `%{python3_version}`"), "{unknown:?}");
    let given = BTreeMap::from(
        [("x", "2"), ("python3_version", "3.6"), ("rhel", "9"), ("dist", ".el9")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let spec = SpecFile::read(text, &given).unwrap();
    assert_eq!(spec.packages[1].file_name, "tool-libs-1.2-3.el9.noarch.rpm");
    let requires: Vec<String> = spec.requires.iter().map(|one| one.dependency.to_string()).collect();
    assert_eq!(requires[6..], ["glibc-2", "python3.6dist(six)", "new", "somewhere"]);
    assert_eq!(spec.unknown, []);
}

#[test]
fn the_number_of_requirements_is_bounded() {
    let many = "Requires: a\n%package b\n".repeat(20_000);
    let spec = SpecFile::read(&format!("Name: x\n{many}"), &BTreeMap::new()).unwrap();
    assert_eq!((spec.requires.len(), spec.packages.len()), (10_000, 10_001));
}
