//! Repositories on the nodes, groups, modules, reasons and messages.

use super::*;
use crate::metadata::{Group, Groups, Member, MemberKind, ModuleDefaults, ModuleStream, Modules};

#[test]
fn packages_on_the_nodes_are_preferred_and_not_part_of_the_answer() {
    let mut pool = pool(&[
        ("epel", lines(&["A-1-1 R:libc;R:helper", "libc-3-1", "helper-1-1", "tool-1-1 R:libc >= 3"])),
        ("base", lines(&["bash-1-1", "libc-2-1 R:bash"])),
    ]);
    pool.repositories[1].on_nodes = true;
    let closure = solve(&pool, &[Request::new("A")], &Options::new("x86_64")).unwrap();
    assert_eq!(names(&pool, &closure.packages), ["A-1-1", "helper-1-1"]);
    assert_eq!(names(&pool, &closure.on_nodes), ["bash-1-1", "libc-2-1"]);
    assert_eq!(answer(&pool, &["tool"], &Options::new("x86_64")), "libc-3-1 tool-1-1");
}

#[test]
fn a_request_can_be_restricted_to_a_repository() {
    let pool =
        pool(&[("one", lines(&["A-2-1"])), ("two", lines(&["A-1-1 R:B"])), ("three", lines(&["B-1-1"]))]);
    let ids: Vec<RepositoryId> = pool.repositories().map(|(id, _)| id).collect();
    let of = |repository: RepositoryId| {
        let request = Request { repository: Some(repository), ..Request::new("A") };
        match solve(&pool, &[request], &Options::new("x86_64")) {
            Ok(closure) => names(&pool, &closure.packages).join(" "),
            Err(problem) => problem.to_string(),
        }
    };
    assert_eq!(of(ids[0]), "A-2-1");
    assert_eq!(of(ids[1]), "A-1-1 B-1-1");
    assert_eq!(of(ids[2]), "no repository has `A`: `three` is asked for it, and only one and two have it");
}

#[test]
fn a_group_brings_its_mandatory_default_and_matching_conditional_packages() {
    let mut pool = pool(&[("r", lines(&["a-1-1", "b-1-1 R:x", "c-1-1", "d-1-1", "e-1-1", "x-1-1"]))]);
    let member = |name: &str, kind, condition: Option<&str>| Member {
        name: name.to_owned(),
        kind,
        condition: condition.map(str::to_owned),
    };
    let members = vec![
        member("a", MemberKind::Mandatory, None),
        member("b", MemberKind::Default, None),
        member("c", MemberKind::Optional, None),
        member("d", MemberKind::Conditional, Some("x")),
        member("e", MemberKind::Conditional, Some("gone")),
        member("gone", MemberKind::Mandatory, None),
    ];
    let mut groups = Groups::default();
    groups.groups.insert("g".to_owned(), Group { name: "G".to_owned(), members });
    groups.environments.insert("env".to_owned(), vec!["g".to_owned()]);
    pool.repositories[0].groups = groups;
    let options = Options::new("x86_64");
    assert_eq!(answer(&pool, &["@g"], &options), "a-1-1 b-1-1 d-1-1 x-1-1");
    assert_eq!(answer(&pool, &["@env"], &options), "a-1-1 b-1-1 d-1-1 x-1-1");
    assert_eq!(answer(&pool, &["@no"], &options), "no repository has `@no`");
}

fn stream(stream: &str, artifacts: &[&str]) -> ModuleStream {
    ModuleStream {
        module: "node".to_owned(),
        stream: stream.to_owned(),
        profiles: [("common".to_owned(), vec!["node".to_owned(), "npm".to_owned()])].into(),
        artifacts: artifacts.iter().map(|one| (*one).to_owned()).collect(),
        ..ModuleStream::default()
    }
}

/// A repository with a module, and one without.
fn modular(default: Option<&str>) -> Pool {
    let mut pool = pool(&[
        ("appstream", lines(&["node-10-1", "node-12-1", "npm-6-1 R:node = 10", "A-1-1 R:node"])),
        ("base", lines(&["node-14-1", "extra-1-1 R:node >= 14"])),
    ]);
    let mut modules = Modules {
        streams: vec![
            stream("10", &["node-0:10-1.noarch", "npm-0:6-1.noarch"]),
            stream("12", &["node-0:12-1.noarch"]),
        ],
        ..Modules::default()
    };
    let profiles = [("10".to_owned(), vec!["common".to_owned()])].into();
    let defaults = ModuleDefaults { stream: default.map(str::to_owned), profiles };
    modules.defaults.insert("node".to_owned(), defaults);
    pool.repositories[0].modules = modules;
    pool
}

#[test]
fn an_active_stream_hides_other_packages_of_its_names() {
    let options = Options::new("x86_64");
    let twelve = Options { modules: vec!["node:12".to_owned()], ..options.clone() };
    for (default, wanted, options, expected) in [
        (Some("10"), "A", &options, "A-1-1 node-10-1"),
        (Some("10"), "A", &twelve, "A-1-1 node-12-1"),
        (None, "A", &options, "A-1-1 node-14-1"),
        (Some("10"), "node", &options, "node-10-1"),
        (Some("10"), "@node", &options, "node-10-1 npm-6-1"),
        (Some("10"), "@node:12/common", &options, "node-12-1"),
        (
            Some("10"),
            "node-12",
            &options,
            "no repository has `node-12`: node-12-1.noarch does not count, it belongs to the module node:12, which is not active",
        ),
        (None, "@node", &options, "no repository has `@node`: the module node has no default stream"),
    ] {
        assert_eq!(answer(&modular(default), &[wanted], options), expected, "{default:?} {wanted}");
    }
    let problem = answer(&modular(Some("10")), &["extra"], &options);
    assert!(
        problem.contains("extra-1-1.noarch requires `node >= 14`, which no package provides"),
        "{problem}"
    );
    let mut hotfix = modular(Some("10"));
    hotfix.repositories[1].module_hotfixes = true;
    assert_eq!(answer(&hotfix, &["A"], &options), "A-1-1 node-14-1");
}

#[test]
fn every_package_has_a_reason_that_leads_to_a_request() {
    let pool = pool(&[(
        "r",
        lines(&["A-1-1 R:B;Rec:W", "B-1-1 R:cap", "C-1-1 P:cap", "W-1-1", "S-1-1 Sup:B", "X-1-1"]),
    )]);
    let closure = solve(&pool, &[Request::new("X"), Request::new("A")], &Options::new("x86_64")).unwrap();
    let name = |id: PackageId| pool.text(pool.package(id).unwrap().name);
    let reason = |one: &Chosen| match one.why {
        Why::Requested(request) => format!("{} request {request}", name(one.package)),
        Why::Required { by, what } => {
            format!("{} required by {}: {}", name(one.package), name(by), pool.expression_text(what))
        }
        Why::Recommended { by, what } => {
            format!("{} recommended by {}: {}", name(one.package), name(by), pool.expression_text(what))
        }
        Why::Supplements(what) => format!("{} supplements {}", name(one.package), pool.expression_text(what)),
        other => format!("{} {other:?}", name(one.package)),
    };
    let reasons: Vec<String> = closure.packages.iter().map(reason).collect();
    assert_eq!(
        reasons,
        [
            "A request 1",
            "B required by A: B",
            "C required by B: cap",
            "S supplements B",
            "W recommended by A: W",
            "X request 0"
        ]
    );
}

#[test]
fn a_problem_says_in_words_what_contradicts_what() {
    let options = Options::new("x86_64");
    for (packages, requests, expected) in [
        (
            &["A-1-1 R:gone"][..],
            &["A"][..],
            "`A` is requested, which is A-1-1.noarch; A-1-1.noarch requires `gone`, which no package provides",
        ),
        (&["A-1-1"], &["B", "C"], "no repository has `B`; no repository has `C`"),
        (
            &["X-1-1 C:Y", "Y-1-1"],
            &["X", "Y"],
            "`X` is requested, which is X-1-1.noarch; `Y` is requested, which is Y-1-1.noarch; X-1-1.noarch conflicts with `Y`, \
             which Y-1-1.noarch provides",
        ),
        (
            &["B-1-1", "B-2-1"],
            &["B-1", "B-2"],
            "`B-1` is requested, which is B-1-1.noarch; `B-2` is requested, which is B-2-1.noarch; only one of B-1-1.noarch and \
             B-2-1.noarch can be installed",
        ),
        (
            &["A-1-1.aarch64"],
            &["A"],
            "no repository has `A`: A-1-1.aarch64 does not count, it does not run on this architecture",
        ),
    ] {
        assert_eq!(answer(&pool(&[("r", lines(packages))]), requests, &options), expected);
    }
    let excluded = Options { exclude: vec!["B*".to_owned()], ..options };
    let problem = answer(&pool(&[("r", lines(&["A-1-1 R:B", "B-1-1"]))]), &["A"], &excluded);
    assert!(problem.contains("which no package provides (B-1-1.noarch would: it is excluded)"), "{problem}");
}

#[test]
fn optional_requests_are_left_out_where_they_cannot_be_met() {
    let pool = pool(&[("r", lines(&["A-1-1 R:gone", "B-1-1", "C-1-1 C:B"]))]);
    let optional = |text: &str| Request { optional: true, ..Request::new(text) };
    let requests = [optional("A"), Request::new("B"), optional("none"), optional("C")];
    let closure = solve(&pool, &requests, &Options::new("x86_64")).unwrap();
    assert_eq!(names(&pool, &closure.packages), ["B-1-1"]);
    assert_eq!(closure.left_out, [0, 2, 3]);
}

#[test]
fn alternatives_that_exclude_each_other_end_in_time() {
    // Each of eight packages needs one of seven places, and a place has room for one: a pigeonhole problem.
    let mut all: Vec<String> = Vec::new();
    for pigeon in 0..8 {
        let places: Vec<String> = (0..7).map(|hole| format!("p{pigeon}h{hole}")).collect();
        all.push(format!("pigeon{pigeon}-1-1 R:({})", places.join(" or ")));
        for hole in 0..7 {
            let others: Vec<String> =
                (0..8).filter(|other| *other != pigeon).map(|other| format!("C:p{other}h{hole}")).collect();
            all.push(format!("p{pigeon}h{hole}-1-1 {}", others.join(";")));
        }
    }
    let pool = pool(&[("r", all)]);
    assert!(solve(&pool, &[Request::new("pigeon*")], &Options::new("x86_64")).is_err());
}
