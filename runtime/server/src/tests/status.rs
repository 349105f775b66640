//! The pages through a running server.

use std::path::Path;
use std::sync::Arc;

use super::site::{Reply, Running, archive, image, iso_of, layer, put};
use crate::{OtherNode, PackageFile, PackageFiles, ServerOptions};

const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

/// Writes one file for each package manager.
#[derive(Debug)]
struct Files;

impl PackageFiles for Files {
    fn files(&self, archive: &Path, node: &str) -> Result<Vec<PackageFile>, String> {
        if archive.ends_with("broken") {
            return Err("a name\nis <b>invalid</b>".into());
        }
        let file = |manager, release: Option<&str>| PackageFile {
            manager,
            release: release.map(str::to_owned),
            content: format!("baseurl={node}/example-1.0/redhat/8/scality-el8\n"),
        };
        Ok(vec![file("dnf", Some("8")), file("apt", None)])
    }
}

fn serving(archives: &[&Path]) -> Running {
    Running::with(ServerOptions {
        archives: archives.iter().map(|path| path.to_path_buf()).collect(),
        check_in_background: false,
        leave_out_unreadable: true,
        package_files: Arc::new(Files),
        ..ServerOptions::default()
    })
}

/// The status and text of a page as a browser gets it, with slashes that are not escaped.
fn page(server: &Running, path: &str) -> (u16, String) {
    let reply = server.send("GET", path, &[BROWSER]);
    (reply.status, slashed(&text(&reply)))
}

fn slashed(text: &str) -> String {
    text.replace("&#x2f;", "/")
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

/// The text of a page without what depends on the machine: paths, free space, digests.
fn stable(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "/srv").replace("test", "node:8080");
    let mut lines: Vec<String> = Vec::new();
    let mut in_space = false;
    for line in text.lines() {
        in_space = (in_space || line.contains("id=\"space\"")) && !line.contains("</section>");
        let line = line.split_once(".css?").or(line.split_once(".svg?")).map_or(line, |(before, _)| before);
        if !in_space && !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

#[test]
fn the_page_of_a_server_and_of_an_archive() {
    let (folder, _) = archive("Example");
    put(folder.path(), "documentation/index.html", b"<h1>Example</h1>");
    archive::sums::write(folder.path(), &archive::sums::digest_file).unwrap();
    let server = serving(&[folder.path()]);
    let (status, top) = page(&server, "/");
    assert_eq!(status, 200);
    insta::assert_snapshot!("top", stable(&top, folder.path()));
    let (status, archive) = page(&server, "/_status/example-1.0/");
    assert_eq!(status, 200);
    insta::assert_snapshot!("archive", stable(&archive, folder.path()));
}

#[test]
fn clients_that_do_not_accept_html_get_text() {
    let (folder, _) = archive("Example");
    let server = serving(&[folder.path()]);
    for accept in ["*/*", "text/plain", "application/json", "text/html;q=0"] {
        let reply = server.send("GET", "/", &[("Accept", accept)]);
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8", "{accept}");
        let text = text(&reply);
        assert!(text.starts_with("Archives on test: ready\n\nexample-1.0: unverifiable, "), "{text}");
        assert!(text.contains("\n  page           http://test/_status/example-1.0/\n"), "{text}");
        assert!(!text.contains('<'), "{text}");
    }
    let html = server.send("GET", "/", &[BROWSER]);
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(html.header("vary"), "accept, host");
}

#[test]
fn pages_have_a_policy_and_an_entity_tag() {
    let (folder, _) = archive("Example");
    let server = serving(&[folder.path()]);
    for path in [
        "/",
        "/_status/example-1.0/",
        "/status.json",
        "/_status/style.css",
        "/_status/example-1.0/packages/apt.sources",
    ] {
        let reply = server.send("GET", path, &[BROWSER]);
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            reply.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"),
            "{path}"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let tag = reply.header("etag").to_owned();
        let again = server.send("GET", path, &[BROWSER, ("If-None-Match", &tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let head = server.send("HEAD", path, &[BROWSER]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), reply.body.len().to_string(), "{path}");
    }
    let post = server.send("POST", "/", &[]);
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn a_page_is_rendered_once_for_each_status() {
    let (folder, _) = archive("Example");
    let server = serving(&[folder.path()]);
    let tag = |path: &str| server.send("GET", path, &[BROWSER]).header("etag").to_owned();
    let before = tag("/");
    assert_eq!(tag("/"), before);
    server.handle.set_other_nodes(vec![OtherNode { url: "http://two:80".into(), answer: None }]);
    let after = tag("/");
    assert_ne!(after, before, "another node is shown at once");
    server.handle.reload(&[]).unwrap();
    assert!(page(&server, "/").1.contains("No archive is served"));
}

#[test]
fn commands_and_links_have_the_address_that_the_client_used() {
    let (folder, _) = archive("Example");
    let server = serving(&[folder.path()]);
    let ask = |host: &str| {
        let request = format!(
            "GET /_status/example-1.0/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/html\r\n\r\n"
        );
        slashed(&text(&server.raw(request.as_bytes())))
    };
    for host in ["10.0.0.1:8080", "[fd00::1]:80", "node-1.example"] {
        let page = ask(host);
        assert!(page.contains(&format!("docker pull {host}/example-1.0/app:1")), "{page}");
        assert!(page.contains(&format!("curl -fo /etc/yum.repos.d/example-1.0.repo http://{host}/_status/example-1.0/packages/dnf-8.repo")), "{page}");
        // Older versions of containerd do not read the name of a table with brackets.
        assert!(page.contains(&format!("[host]\n\"http://{host}\".capabilities")), "{page}");
        assert!(!page.contains("this-server.invalid"));
    }
    // A host that is none of ours to print.
    for host in ["a'b", "a!b", "a;b", "a$b"] {
        let page = ask(host);
        assert!(page.contains("localhost") && !page.contains(host), "{page}");
    }
}

#[test]
fn files_for_package_managers_can_be_fetched() {
    let (folder, _) = archive("Example");
    let server = serving(&[folder.path()]);
    for name in ["dnf-8.repo", "apt.sources"] {
        let reply = server.get(&format!("/_status/example-1.0/packages/{name}"));
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert_eq!(text(&reply), "baseurl=http://test/example-1.0/redhat/8/scality-el8\n");
    }
    for path in
        ["packages/", "packages/dnf.repo", "packages/../x", "images/1/", "images/2/", "images/x/", "x"]
    {
        assert_eq!(server.get(&format!("/_status/example-1.0/{path}")).status, 404, "{path}");
    }
    let moved = server.get("/_status/example-1.0");
    assert_eq!((moved.status, moved.header("location")), (301, "/_status/example-1.0/"));
}

#[test]
fn damage_is_shown_with_the_file_and_the_images_that_need_it() {
    let (folder, app) = archive("Example");
    let path = format!("images/app/1/{}", app.layer.hex());
    put(folder.path(), &path, &layer(300_001, 9));
    for server in [serving(&[folder.path()]), serving(&[&iso_of(folder.path())])] {
        let cut = server.get(&format!("/v2/app/blobs/{}", app.layer)).body.len();
        assert!(cut < 300_001, "{cut}");
        let (_, top) = page(&server, "/");
        assert!(top.contains("Degraded") && top.contains("Damaged"), "{top}");
        assert!(top.contains(&path), "{top}");
        let json = server.get("/status.json").json();
        let finding = &json["archives"][0]["findings"][0];
        assert_eq!(finding["path"], path.as_str());
        assert_eq!(finding["problem"], "damaged");
        assert_eq!(finding["images"], serde_json::json!(["app:1"]));
        assert_eq!(json["health"], "degraded");
        let text = text(&server.get("/"));
        assert!(text.contains(&format!("\n  damaged: {path}, of app:1\n")), "{text}");
    }
}

#[test]
fn an_archive_of_a_project_without_git_has_no_date() {
    let folder = tempfile::tempdir().unwrap();
    for (built, expected) in [("1980-01-01T00:00:00Z", false), ("2026-11-20T10:00:00Z", true)] {
        let text = format!("NAME=x\nVERSION=1\nBUILD_TIMESTAMP={built}\n");
        put(folder.path(), "product.txt", text.as_bytes());
        let (_, html) = page(&serving(&[folder.path()]), "/_status/x-1/");
        assert_eq!(html.contains("Date of the commit"), expected, "{html}");
    }
}

#[test]
fn what_an_archive_says_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("<img src=x>'\"&\u{202e}");
    put(&root, "product.txt", b"NAME=x\nVERSION=1\nBUILD_TIMESTAMP='<script>alert(1)</script>'\n");
    put(&root, "images/a<b>/1/manifest.json", b"<script>");
    put(&root, "images/app/{{ 7*7 }}/manifest.json", b"{}");
    image(&root, "app", "1", b"x");
    put(&root, "broken", b"");
    let missing = folder.path().join("<i>missing</i>");
    let server = serving(&[&root, &missing]);
    for path in ["/", "/_status/x-1/"] {
        let (status, html) = page(&server, path);
        assert_eq!(status, 200);
        for hostile in ["<script", "<img", "<b>", "<i>", "\u{202e}"] {
            assert!(!html.contains(hostile), "{hostile} in {html}");
        }
        assert!(html.contains("&lt;"), "{html}");
    }
    let text = text(&server.get("/"));
    assert!(!text.contains('\u{202e}') && text.contains("not served"), "{text}");
}

#[test]
fn many_images_have_several_pages() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "product.txt", b"NAME=Big\nVERSION=1\n");
    for number in 0..250 {
        image(root, "app", &format!("{number:03}"), b"the same");
    }
    let server = serving(&[root]);
    let images = |path: &str| {
        let (status, page) = page(&server, path);
        assert!(page.len() < 300_000, "{} bytes", page.len());
        (status, page.matches("<dt>docker</dt>").count())
    };
    assert_eq!(images("/_status/big-1/"), (200, 100));
    assert_eq!(images("/_status/big-1/images/2/"), (200, 100));
    assert_eq!(images("/_status/big-1/images/3/"), (200, 50));
    for path in ["images/4/", "images/03/", "images/+3/", "images/3", "images/99999999999999999999/"] {
        assert_eq!(images(&format!("/_status/big-1/{path}")), (404, 0), "{path}");
    }
    let (_, first) = page(&server, "/_status/big-1/");
    assert!(
        first.contains("href=\"/_status/big-1/images/3/#images\"") && first.contains("aria-current"),
        "{first}"
    );
    let (_, top) = page(&server, "/");
    assert!(top.contains("250 images") && top.len() < 10_000, "{top}");
}

#[test]
fn images_have_the_commands_for_their_original_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "product.txt", b"NAME=Example\nVERSION=1.0\n");
    image(root, "nginx", "1.25", b"nginx");
    image(root, "built", "1", b"built");
    image(root, "app", "1", b"app");
    let mut names = images::original_names::OriginalNames::default();
    names.insert(&"app:1".parse().unwrap(), &"quay.io/team/app:1".parse().unwrap());
    names.insert(&"nginx:1.25".parse().unwrap(), &"nginx:1.25".parse().unwrap());
    put(root, "images/original-names.json", &names.write());
    let server = serving(&[root]);
    let (_, html) = page(&server, "/_status/example-1.0/");
    assert_eq!(html.matches("<dt>Original name</dt>").count(), 2, "{html}");
    for line in [
        "crictl pull docker.io/library/nginx:1.25",
        "podman pull docker.io/library/nginx:1.25",
        "skopeo copy docker://docker.io/library/nginx:1.25 docker-archive:nginx-1.25.tar:docker.io/library/nginx:1.25",
        "sealift registry containerd-config --original-names --node http://test --root /",
        "sealift registry crio-config --original-names --host docker.io --host quay.io --node http://test --root /",
    ] {
        assert!(html.contains(&format!(">{line}<")), "{line} in {html}");
    }
}

#[test]
fn an_original_name_that_means_the_image_of_another_archive_has_no_commands() {
    let version = |version: &str, content: &str| {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "product.txt", format!("NAME=Example\nVERSION={version}\n").as_bytes());
        image(folder.path(), "nginx", "1", content.as_bytes());
        image(folder.path(), "same", "1", b"same");
        let mut names = images::original_names::OriginalNames::default();
        for name in ["nginx:1", "same:1"] {
            names.insert(&name.parse().unwrap(), &name.parse().unwrap());
        }
        put(folder.path(), "images/original-names.json", &names.write());
        folder
    };
    let (old, new) = (version("1.9", "old"), version("1.10", "new"));
    let server = serving(&[old.path(), new.path()]);
    for (archive, hidden) in [("example-1.9", true), ("example-1.10", false)] {
        let (_, html) = page(&server, &format!("/_status/{archive}/"));
        let name = "<code>docker.io/library/nginx:1</code>, hidden by example-1.10</dd>";
        assert_eq!(html.contains(name), hidden, "{html}");
        assert_eq!(html.contains("podman pull docker.io/library/nginx:1<"), !hidden, "{html}");
        assert!(html.contains("podman pull docker.io/library/same:1<"), "{html}");
    }
}

#[test]
fn the_text_has_its_parts_apart() {
    let nodes = || {
        let answer = Some(Err("no route".to_owned()));
        vec![OtherNode { url: "http://two:80".into(), answer }]
    };
    let end = "\n\nImages:       http://test/v2/_catalog\n";
    let server = serving(&[]);
    server.handle.set_other_nodes(nodes());
    let empty = text(&server.get("/"));
    let start =
        "Archives on test: empty\n\nNo archive is served. Import one with `sealift archive import FILE`,\n";
    let nodes_part = "\n\nOther nodes:\n  http://two:80: unknown\n    no route";
    assert!(empty.starts_with(start) && empty.contains(&format!("{nodes_part}{end}")), "{empty}");
    let (folder, _) = archive("Example");
    let server = serving(&[folder.path(), Path::new("/missing.iso")]);
    let served = text(&server.get("/"));
    assert!(served.contains("/_status/example-1.0/\n\n/missing.iso: not served: cannot "), "{served}");
    assert!(served.contains("\n\nFree space:\n  ") && served.contains(end), "{served}");
    assert!(!served.contains("\n\n\n") && !empty.contains("\n\n\n"), "{served}{empty}");
}

#[test]
fn folders_of_images_have_a_page_by_their_position() {
    let (folder, _) = archive("Example");
    let images = folder.path().join("images");
    let server = serving(&[&images]);
    let (status, html) = page(&server, "/_status/_1/");
    assert_eq!(status, 200);
    assert!(html.contains("docker pull test/app:1"), "{html}");
    assert_eq!(page(&server, "/_status/_2/").0, 404);
}
