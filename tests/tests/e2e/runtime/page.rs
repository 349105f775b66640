//! The status page before a browser, and what it tells people to type before the clients.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use node::client_config::StatusPackageFiles;
use serde_json::Value;
use server::{OtherNode, ServerOptions};
use tests::browser::{Browser, ChromeDriver, axe};
use tests::dnf::System;
use tests::{http, peer, sealift};

use super::curl::certificate;
use super::service::Service;
use super::site::{Running, Site};

/// A server with the site's archive, one with damage and a long name, one with many images, and a missing one.
fn server(site: &Site) -> Running {
    let folder = site.scratch.path();
    let damaged = folder.join("damaged");
    let layer = site.folder("curl", "7");
    copy(&layer, &damaged.join("images/curl/7"));
    copy(
        &layer,
        &damaged
            .join("images/some.registry/a-long/path/of-names/component-with-a-long-name/v1.2.3-preview.4"),
    );
    let name = "a-solution-with-a-name-as-long-as-a-name-of-an-archive-may-be";
    fs::write(
        damaged.join("product.txt"),
        format!("NAME={name}\nVERSION=12.345.6789-preview.20261120+build.99\n"),
    )
    .unwrap();
    fs::create_dir(damaged.join("documentation")).unwrap();
    let page = "<!DOCTYPE html><html lang=en><title>Book</title><h1>Book</h1>";
    fs::write(damaged.join("documentation/index.html"), page).unwrap();
    archive::sums::write(&damaged, &archive::sums::digest_file).unwrap();
    fs::write(damaged.join("documentation/index.html"), page.replace("Book", "Cook")).unwrap();
    let many = folder.join("many");
    for number in 0..150 {
        copy(&layer, &many.join(format!("images/team/app/{number:03}")));
    }
    fs::write(many.join("product.txt"), "NAME=Many\nVERSION=1\n").unwrap();
    let server = Running::start(ServerOptions {
        archives: vec![site.iso.clone(), damaged, many, folder.join("missing.iso")],
        leave_out_unreadable: true,
        check_in_background: false,
        package_files: Arc::new(StatusPackageFiles),
        ..ServerOptions::default()
    });
    // The check of the file that is requested finds the damage.
    let path = format!(
        "/archives/{}/documentation/index.html",
        "a-solution-with-a-name-as-long-as-a-name-of-an-archive-may-be-12.345.6789-preview.20261120+build.99"
    );
    let cut = http::ask(server.address.port(), "GET", &path, "");
    assert!(cut.body.len() < page.len());
    let node = |url: &str, answer| OtherNode { url: url.into(), answer };
    server.handle.set_other_nodes(vec![
        node("http://192.0.2.1:8080", Some(Ok([("other-1".to_owned(), None)].into()))),
        node("http://192.0.2.2:8080", Some(Err("cannot connect".into()))),
        node("http://192.0.2.3:8080", None),
    ]);
    server
}

/// Links the files of an image in skopeo's `dir:` layout into another folder.
fn copy(image: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(image).unwrap().map(|entry| entry.unwrap()) {
        fs::hard_link(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The status pages of a server: those that links on the first page lead to.
fn pages(browser: &Browser<'_>, base: &str) -> BTreeSet<String> {
    let mut pages = BTreeSet::from([format!("{base}/")]);
    browser.open(&format!("{base}/"));
    pages.extend(links(browser).into_iter().filter(|link| link.starts_with(&format!("{base}/_status/"))));
    pages
}

/// The links of the open page, without fragments.
fn links(browser: &Browser<'_>) -> BTreeSet<String> {
    let found = browser.run("return Array.from(document.links, link => link.href.split('#')[0])");
    found.as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_pages_are_accessible_at_all_widths_in_light_and_dark_and_load_nothing_from_elsewhere() {
    let (Some(driver), Some(axe)) = (ChromeDriver::start(), axe()) else { return };
    let site = Site::new();
    let server = server(&site);
    let empty = Running::serving(&[]);
    let browser = driver.browser(true);
    let base = format!("http://{}", server.address);
    let mut pages = pages(&browser, &base);
    assert_eq!(pages.len(), 4, "{pages:?}");
    pages.insert(format!("http://{}/", empty.address));
    for page in &pages {
        browser.open(page);
        let loaded = browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)");
        let loaded: Vec<&str> = loaded.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let origin = page.split("/_status/").next().unwrap().trim_end_matches('/');
        assert!(loaded.iter().any(|url| url.contains("style.css")), "{page}: {loaded:?}");
        assert!(loaded.iter().all(|url| url.starts_with(origin)), "{page}: {loaded:?}");
        // Of a long list, the first images stand for all.
        browser.run(
            "document.querySelectorAll('details').forEach((one, index) => one.open = index < 6); return 0",
        );
        browser.check_accessibility(&axe, page);
    }
    assert_eq!(browser.console(), serde_json::json!([]));
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let Some(driver) = ChromeDriver::start() else { return };
    let site = Site::new();
    let server = server(&site);
    let browser = driver.browser(true);
    let base = format!("http://{}", server.address);
    let (mut open, mut seen) = (pages(&browser, &base), BTreeSet::new());
    while let Some(page) = open.pop_first() {
        if !seen.insert(page.clone()) {
            continue;
        }
        let path = page.strip_prefix(&base).unwrap_or_else(|| panic!("{page} is elsewhere"));
        let answer = http::ask(server.address.port(), "GET", path, "Accept: text/html\r\n");
        // The documentation of one archive is damaged.
        let expected = if path.ends_with("%2Bbuild.99/documentation/index.html") { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path}");
        if path == "/" || path.starts_with("/_status/") {
            browser.open(&page);
            // Other nodes are not there.
            open.extend(links(&browser).into_iter().filter(|link| !link.contains("//192.0.2.")));
        }
    }
    assert!(seen.contains(&format!("{base}/_status/many-1/images/2/")), "{seen:?}");
    assert!(seen.len() >= 15, "{seen:?}");
}

#[test]
fn commands_are_copied_with_one_click_without_javascript() {
    let Some(driver) = ChromeDriver::start() else { return };
    let site = Site::new();
    let server = server(&site);
    let browser = driver.browser(false);
    browser.open(&format!("http://{}/_status/example-1.0/", server.address));
    browser.click("ul.images summary");
    browser.click("ul.images code.command");
    let selected = browser.run("return getSelection().toString()");
    let expected = format!("ctr -n k8s.io images pull --plain-http {}/example-1.0/curl:7", server.address);
    assert_eq!(selected, expected.as_str());
}

#[test]
fn what_the_page_says_to_type_works() {
    let site = Site::new();
    let system = System::new(site.scratch.path(), "http://127.0.0.1:1");
    let (Some(skopeo), Some(system)) = (peer::find("skopeo"), system) else { return };
    let server = server(&site);
    let get = |path: &str| {
        let answer = http::ask(server.address.port(), "GET", path, "Accept: text/html\r\n");
        String::from_utf8(answer.body).unwrap()
    };
    // The page names the address by which it was asked for, `x`.
    let page = get("/_status/example-1.0/")
        .replace("&#x2f;", "/")
        .replace("&#x27;", "'")
        .replace("//x/", &format!("//{}/", server.address));
    let commands: Vec<&str> =
        page.split("<code class=\"command\">").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    let command = commands
        .iter()
        .find(|command| command.starts_with("skopeo") && command.ends_with(":curl:7"))
        .unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    peer::run(Command::new(skopeo).current_dir(site.scratch.path()).arg("--insecure-policy").args(words));
    assert!(site.scratch.path().join("curl-7.tar").is_file());

    let file =
        get("/_status/example-1.0/packages/dnf-8.repo").replace("//x/", &format!("//{}/", server.address));
    assert!(page.contains(&file), "{page}");
    fs::write(system.root.join("repos/test.repo"), file).unwrap();
    assert!(system.run(&["repoquery", "greeting"]).contains("greeting-0:1.0-1.noarch"));
}

#[test]
fn nodes_compare_what_they_serve() {
    let site = Site::new();
    let folder = site.scratch.path();
    if certificate(folder, "server").is_none() {
        return;
    }
    let other: PathBuf = folder.join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("product.txt"), "NAME=Other\nVERSION=1\n").unwrap();
    let start = |words: &[&str]| Service::start(sealift::command(folder), words);
    let iso = site.iso.to_str().unwrap();
    let same = start(&[iso, "--tls-certificate", "server.pem", "--tls-key", "server.key"]);
    let different = start(&["other"]);
    let nodes = [
        format!("https://{}", same.address),
        format!("http://{}", different.address),
        "http://127.0.0.1:1".into(),
    ];
    let words: Vec<&str> = nodes.iter().flat_map(|node| ["--node", node]).collect();
    let server = start(&[&[iso, "--ca", "server-ca.pem"], &words[..]].concat());
    let began = Instant::now();
    let status = loop {
        let answer = http::ask(server.address.port(), "GET", "/status.json", "");
        let status: Value = serde_json::from_slice(&answer.body).unwrap();
        if status["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.iter().all(|node| node["agreement"] != "waiting") && !nodes.is_empty())
        {
            break status;
        }
        assert!(began.elapsed() < Duration::from_secs(300), "{status}");
    };
    let found: Vec<&str> =
        status["nodes"].as_array().unwrap().iter().map(|node| node["agreement"].as_str().unwrap()).collect();
    assert_eq!(found, ["same", "different", "unknown"], "{status}");
    assert_eq!(
        status["nodes"][1]["details"],
        serde_json::json!(["it does not serve example-1.0", "it also serves other-1"])
    );

    if peer::find("check-jsonschema").is_some() {
        fs::write(folder.join("status.json"), status.to_string()).unwrap();
        let schema = sealift::repository().join("docs/reference/schemas/NodeStatus.json");
        let mut check = Command::new("check-jsonschema");
        peer::run(check.arg("--schemafile").arg(schema).arg(folder.join("status.json")));
    }
}
