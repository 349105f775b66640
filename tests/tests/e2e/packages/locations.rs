//! Where upstream repositories are: lists of mirrors, `.repo` files, servers that ask for credentials.

use std::fs;
use std::sync::Arc;

use tests::file_server::{FileServer, Reply};

use super::upstream::{HEAD, TREE, Upstream, fails, succeeds};
use crate::project::Project;

/// A project with the repository `epel`, whose `source` is this.
fn project(upstream: &Upstream, source: &str, more: &str) -> Project {
    let project = Project::new();
    project.write("keys/epel", std::str::from_utf8(&upstream.key.public()).unwrap());
    let base = upstream.server.url("/base");
    project.write(
        "sealift.yaml",
        &format!(
            "{HEAD}  packages:\n    \
             - {{name: base, release: \"8\", source: {{url: \"{base}\", keys: [keys/epel], onNodes: true}}}}\n    \
             - {{name: epel, release: \"8\", download: [app], source: {{{source}, keys: [keys/epel]}}}}\n{more}"
        ),
    );
    project
}

/// The names of the packages in the archive.
fn built(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path(TREE).join("noarch")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const BUILT: [&str; 2] = ["app-1.0-1.el8.noarch.rpm", "library-2.0-1.el8.noarch.rpm"];

/// A metalink of version 3 or 4 with this checksum of `repomd.xml`, whose first mirror lacks all files.
fn metalink(version: u8, upstream: &Upstream, sha256: &str) -> String {
    let urls = ["/gone", "/epel"].map(|base| upstream.server.url(&format!("{base}/repodata/repomd.xml")));
    match version {
        3 => format!(
            "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><files><file name=\"repomd.xml\">\
             <verification><hash type=\"sha256\">{sha256}</hash></verification><resources>\
             <url protocol=\"rsync\" preference=\"100\">rsync://m/8</url>\
             <url protocol=\"http\" preference=\"99\">{}</url><url protocol=\"http\" preference=\"98\">{}</url>\
             </resources></file></files></metalink>",
            urls[0], urls[1]
        ),
        _ => format!(
            "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"repomd.xml\"><hash type=\"sha-256\">{sha256}\
             </hash><url priority=\"1\">{}</url><url priority=\"2\">{}</url></file></metalink>",
            urls[0], urls[1]
        ),
    }
}

#[test]
fn a_repository_is_locked_and_built_through_a_metalink_a_list_of_mirrors_and_a_repo_file() {
    let Some(upstream) = Upstream::new() else { return };
    let repomd = fs::read(upstream.folder("epel").join("repodata/repomd.xml")).unwrap();
    let sha256 = content::Digest::of(&repomd).hex().to_owned();
    let serve = |path: &str, text: String| {
        upstream.served.lock().unwrap().insert(path.to_owned(), text.into_bytes());
    };
    serve("/metalink?repo=epel-8&arch=x86_64", metalink(3, &upstream, &sha256));
    serve("/8/repomd.xml.meta4", metalink(4, &upstream, &sha256));
    serve("/wrong", metalink(3, &upstream, &"0".repeat(64)));
    let mirrors =
        format!("# mirrors\n{}\n{}\n", upstream.server.url("/gone/"), upstream.server.url("/epel/"));
    serve("/mirrors/8", mirrors);
    let at = |path: &str| upstream.server.url(path);
    let repo_file = |location: &str| {
        format!("[other]\nenabled=0\n\n[epel-8]\nname=EPEL\n{location}\ngpgcheck=1\nrepo_gpgcheck=1\n")
    };
    let in_file = "repoFile: epel.repo, id: epel-8".to_owned();
    for (source, file, has_mirrors) in [
        (
            format!("metalink: \"{}\"", at("/metalink?repo=epel-$releasever&arch=$basearch")),
            String::new(),
            true,
        ),
        (format!("metalink: \"{}\"", at("/$releasever/repomd.xml.meta4")), String::new(), true),
        (format!("mirrorlist: \"{}\"", at("/mirrors/$releasever")), String::new(), true),
        (in_file.clone(), format!("baseurl={}\n {}", at("/gone"), at("/epel")), false),
        (in_file.clone(), format!("metalink={}", at("/metalink?repo=epel-$releasever&arch=$basearch")), true),
        (in_file, format!("mirrorlist={}", at("/mirrors/8")), true),
    ] {
        let project = project(&upstream, &source, "");
        project.write("epel.repo", &repo_file(&file));
        succeeds(&project, &["lock"]);
        let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
        assert_eq!(lock.contains("mirrors:"), has_mirrors, "{source} {file}: {lock}");
        succeeds(&project, &["lock", "--check"]);
        drop(upstream.server.asked());
        succeeds(&project, &["run", "packaging"]);
        assert_eq!(built(&project), BUILT, "{source} {file}");
        let asked = upstream.server.asked();
        assert!(asked.iter().all(|one| one.path.ends_with(".rpm")), "{source} {file}: {asked:?}");
    }
    let project = project(&upstream, &format!("metalink: \"{}\"", at("/wrong")), "");
    let said = fails(&project, &["lock"], 2);
    assert!(said.contains("is not the file that the metalink names"), "{said}");
}

#[test]
fn credentials_go_to_the_repository_and_not_where_it_leads() {
    let Some(upstream) = Upstream::new() else { return };
    let storage = FileServer::start({
        let served = Arc::clone(&upstream.served);
        move |path| {
            served
                .lock()
                .unwrap()
                .get(path)
                .map_or(Reply::Challenge("Basic"), |file| Reply::File(file.clone()))
        }
    });
    let storage_at = storage.url("");
    let site = FileServer::start_asked({
        let (served, storage) = (Arc::clone(&upstream.served), storage_at.clone());
        move |asked| match served.lock().unwrap().get(&asked.path) {
            // base64 of `u:p`.
            _ if asked.credentials != "Basic dTpw" => Reply::Challenge("Basic realm=\"packages\""),
            _ if asked.path == "/mirrors" => Reply::File(format!("{storage}/epel\n").into_bytes()),
            Some(_) if asked.path.ends_with(".rpm") => Reply::Redirect(format!("{storage}{}", asked.path)),
            Some(file) => Reply::File(file.clone()),
            None => Reply::Status(404),
        }
    });
    let plain = format!("  registries:\n    - {{host: \"127.0.0.1:{}\", plainHttp: true}}\n", site.port);
    for (source, is_list) in [
        (format!("url: \"{}\"", site.url("/epel")), false),
        (format!("mirrorlist: \"{}\"", site.url("/mirrors")), true),
    ] {
        let project = project(&upstream, &source, &plain);
        let auth = project.path("auth.json");
        let login = |port: u16| format!(r#""127.0.0.1:{port}": {{"username": "u", "password": "p"}}"#);
        project.write(
            "auth.json",
            &format!(r#"{{"auths": {{{}, {}}}}}"#, login(site.port), login(storage.port)),
        );
        let refused = fails(&project, &["lock"], 2);
        assert!(
            refused.contains("no credentials for") && refused.contains("REGISTRY_AUTH_FILE"),
            "{refused}"
        );
        let run = |arguments: &[&str]| {
            let output = project.command().args(arguments).env("REGISTRY_AUTH_FILE", &auth).output().unwrap();
            assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
        };
        drop((site.asked(), storage.asked()));
        run(&["lock"]);
        run(&["run", "packaging"]);
        assert_eq!(built(&project), BUILT);
        let (asked, led) = (site.asked(), storage.asked());
        assert!(asked.iter().any(|one| one.credentials == "Basic dTpw"), "{asked:?}");
        assert!(!led.is_empty() && led.iter().all(|one| one.credentials.is_empty()), "{led:?}");
        assert_eq!(led.iter().any(|one| one.path.ends_with("repomd.xml")), is_list, "{led:?}");
    }
    // Without TLS, only if the project says so.
    let project = project(&upstream, &format!("url: \"{}\"", site.url("/epel")), "");
    let refused = fails(&project, &["lock"], 2);
    assert!(refused.contains("are not sent without TLS") && refused.contains("plainHttp: true"), "{refused}");
}
