//! The same small repositories as dnf 4.14 solved them.

use serde_json::Value;

use super::*;

/// Where our answer differs from dnf's, or the case needs what is said in words there: the case, and the reason.
const DIFFERENT: [(&str, &str); 0] = [];

#[test]
fn dnf_gives_the_same_answers() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("dnf.json")).unwrap();
    assert_eq!(cases.len(), 110);
    let mut wrong = Vec::new();
    for case in &cases {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let list = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
        };
        let id = text("id");
        let repositories: Vec<(&str, Vec<String>)> = case["repositories"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, lines)| (name.as_str(), sorted(list(lines))))
            .collect();
        let mut pool = pool(&order(&id, repositories));
        for (index, repository) in pool.repositories.iter_mut().enumerate() {
            settings(&id, index, repository);
        }
        let mut options = Options::new("x86_64");
        let mut requests: Vec<Request> = list(&case["requests"]).into_iter().map(Request::new).collect();
        for option in list(&case["options"]) {
            match option.split_once('=').unwrap() {
                ("best", _) => options.best = true,
                ("install_weak_deps", _) => options.weak_dependencies = false,
                ("excludepkgs", pattern) => options.exclude.push(pattern.to_owned()),
                ("strict", _) => requests.iter_mut().for_each(|one| one.optional = true),
                // A request for each architecture.
                ("multilib_policy", _) => requests = vec![Request::new("B.x86_64"), Request::new("B.i686")],
                other => panic!("{other:?}"),
            }
        }
        if text("title").contains("skip-broken") {
            requests.iter_mut().for_each(|one| one.optional = true);
        }
        let solved = solve(&pool, &requests, &options);
        let found = match &solved {
            // The answers of dnf have no epoch.
            Ok(closure) => names(&pool, &closure.packages).join(" ").replace("B-1:1-1", "B-1-1"),
            Err(_) => "error".to_owned(),
        };
        let expected = match &case["dnf"] {
            Value::String(error) => error.clone(),
            packages => {
                let mut packages = list(packages);
                packages.sort();
                packages.join(" ")
            }
        };
        if (found != expected) != DIFFERENT.iter().any(|(known, _)| *known == id) {
            let detail = solved.err().map(|error| error.to_string()).unwrap_or_default();
            wrong.push(format!("{id} {}: dnf {expected}, we {found} {detail}", text("title")));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// Packages in the order of their files, as createrepo_c indexes them.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    let file = |line: &String| line.split(' ').next().unwrap_or_default().to_owned() + ".noarch";
    lines.sort_by_key(file);
    lines
}

/// dnf takes the repository with the lower `cost` where packages are the same; here the order of the repositories says which
/// one that is.
fn order<'a>(id: &str, mut repositories: Vec<(&'a str, Vec<String>)>) -> Vec<(&'a str, Vec<String>)> {
    if matches!(id, "53" | "53d") {
        repositories.reverse();
    }
    repositories
}

/// What the title of a case says about its repositories.
fn settings(id: &str, index: usize, repository: &mut Repository) {
    match (id, index) {
        ("52" | "52b" | "52c" | "52d" | "67" | "68", 0) => repository.priority = 10,
        ("54b", _) => repository.include = vec!["A".to_owned(), "B-1*".to_owned()],
        _ => {}
    }
}
