//! Files of servers that ask for credentials.

use images::pull::{DOWNLOAD_MAX, Download, download};

use super::*;
use crate::server::{Answer, Asked};

/// base64 of `u:p`.
const BASIC: &str = r#"{"auth":"dTpw"}"#;
const TOKEN: &str = r#"{"registrytoken":"t"}"#;

/// A server of packages that asks for credentials, and redirects packages to a storage host, which asks for some as well.
struct Site {
    packages: Server,
    storage: Server,
    auth: tempfile::NamedTempFile,
}

impl Site {
    /// `login` is for the packages below `path`, and for all of the storage host.
    fn new(challenge: &'static str, login: &str, path: &str, redirects: bool) -> Self {
        let storage = Server::start(|asked: &Asked| match asked.path.as_str() {
            "/open" => Answer::new(200, "application/octet-stream", b"package"),
            _ => Answer::challenge([r#"Basic realm="storage""#]),
        });
        let elsewhere = format!("http://{}/open", storage.host());
        let packages = Server::start(move |asked: &Asked| match asked.path.as_str() {
            _ if asked.secrets().is_empty() => Answer::challenge([challenge]),
            "/el8/refused" => Answer::empty(403),
            "/el8/missing" => Answer::empty(404),
            _ if redirects => Answer::redirect(302, &elsewhere),
            _ => Answer::new(200, "application/octet-stream", b"package"),
        });
        let auth = tempfile::NamedTempFile::new().unwrap();
        let text =
            format!(r#"{{"auths":{{"{}{path}":{login},"{}":{BASIC}}}}}"#, packages.host(), storage.host());
        std::fs::write(auth.path(), text).unwrap();
        Self { packages, storage, auth }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.packages.host())
    }

    fn fetch(&self, url: &str, accounts: &[String], plain_http: &[&Server]) -> Result<Digest, String> {
        let (_folder, store) = store();
        let options =
            RegistryOptions { auth_files: vec![self.auth.path().to_owned()], ..options(plain_http) };
        let wanted = Download {
            name: "a-1-1.noarch".into(),
            urls: vec![url.to_owned()],
            digest: None,
            limit: DOWNLOAD_MAX,
            accounts: accounts.to_vec(),
        };
        let found = download(&wanted, &store, &RegistrySession::new(options), &());
        found.map_err(|error| error.to_string())
    }
}

#[test]
fn a_server_that_the_caller_names_gets_the_credentials_that_it_asks_for_and_no_other_does() {
    let package = Ok(Digest::of(b"package"));
    let basic = r#"Basic realm="packages""#;
    for (challenge, login, expected) in [
        (basic, BASIC, "Basic dTpw"),
        (r#"Bearer realm="packages""#, TOKEN, "Bearer t"),
        ("Bearer", TOKEN, "Bearer t"),
        (basic, TOKEN, "Bearer t"),
    ] {
        for redirects in [false, true] {
            let site = Site::new(challenge, login, "", redirects);
            let plain = [&site.packages, &site.storage];
            let found = site.fetch(&site.url("/el8/a.rpm"), &[site.url("/el8")], &plain);
            assert_eq!(found, package, "{challenge}");
            assert_eq!(site.packages.secrets(), [expected]);
            assert_eq!((site.storage.asked().len(), redirects), (usize::from(redirects), redirects));
            assert_eq!(site.storage.secrets(), Vec::<String>::new());
        }
    }
    // Credentials for a path count for the repositories below it alone.
    for (path, expected) in [("/el8", true), ("/el9", false), ("/el", false)] {
        let site = Site::new(basic, BASIC, path, false);
        let found = site.fetch(&site.url("/el8/a.rpm"), &[site.url("/el8")], &[&site.packages]);
        assert_eq!(found.is_ok(), expected, "{found:?}");
    }
}

#[test]
fn each_path_of_a_server_gets_its_own_credentials() {
    // The user names are the paths: `el8:p`, `el9:p`, `el9/extra:p`.
    let own = [("el8", "ZWw4OnA="), ("el9", "ZWw5OnA="), ("el9/extra", "ZWw5L2V4dHJhOnA=")];
    for (url, accounts, expected) in [
        // The account that covers the file counts, whatever the order.
        ("/el9/a.rpm", &["/el8", "/el9"][..], Some("ZWw5OnA=")),
        ("/el8/a.rpm", &["/el9", "/el8/"], Some("ZWw4OnA=")),
        // The longest one of several.
        ("/el9/extra/a.rpm", &["/el9", "/el9/extra", "/el8"], Some("ZWw5L2V4dHJhOnA=")),
        // Without such an account, the folder of the file counts: a metalink names a mirror on its own host.
        ("/el9/extra/a.rpm", &["/metalink?repo=el8"], Some("ZWw5L2V4dHJhOnA=")),
        ("/el90/a.rpm", &["/el9"], None),
        ("/other/a.rpm", &["/el8"], None),
    ] {
        let server = Server::start(move |asked: &Asked| match asked.secrets().is_empty() {
            true => Answer::challenge([r#"Basic realm="packages""#]),
            false => Answer::new(200, "application/octet-stream", b"package"),
        });
        let auth = tempfile::NamedTempFile::new().unwrap();
        let entries = own.map(|(path, login)| format!(r#""{}/{path}":{{"auth":"{login}"}}"#, server.host()));
        std::fs::write(auth.path(), format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))).unwrap();
        let (_folder, store) = store();
        let options = RegistryOptions { auth_files: vec![auth.path().to_owned()], ..options(&[&server]) };
        let at_server = |path: &str| format!("http://{}{path}", server.host());
        let wanted = Download {
            name: "a-1-1.noarch".into(),
            urls: vec![at_server(url)],
            digest: None,
            limit: DOWNLOAD_MAX,
            accounts: accounts.iter().map(|path| at_server(path)).collect(),
        };
        let found = download(&wanted, &store, &RegistrySession::new(options), &());
        assert_eq!(found.is_ok(), expected.is_some(), "{url}: {found:?}");
        let sent: Vec<String> = expected.map(|login| format!("Basic {login}")).into_iter().collect();
        assert_eq!(server.secrets(), sent, "{url}");
    }
}

#[test]
fn credentials_stay_here_without_tls_and_with_hosts_that_the_project_does_not_name() {
    let site = Site::new(r#"Basic realm="packages""#, BASIC, "", true);
    let (packages, storage) = (site.packages.host(), site.storage.host());
    let (own, asks) = (site.url("/el8"), format!("http://{storage}/asks"));
    let plain = [&site.packages, &site.storage];
    let here = site.url("/el8/a.rpm");
    for (url, accounts, plain, expected) in [
        // Plain HTTP that the project does not allow.
        (&here, &[own.clone()][..], &[][..], "which are not sent without TLS"),
        // No account, and that of another host, as a mirror list could name it.
        (&here, &[], &plain[..], "the server returned 401"),
        (&asks, &[own.clone()][..], &plain[..], "the server returned 401"),
        // The same host with TLS is another origin.
        (&here, &[own.replace("http:", "https:")][..], &plain[..], "the server returned 401"),
    ] {
        let error = site.fetch(url, accounts, plain).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!([site.packages.secrets(), site.storage.secrets()], [Vec::<String>::new(), Vec::new()]);
    let refused = site.fetch(&site.url("/el8/refused"), std::slice::from_ref(&own), &plain).unwrap_err();
    let file = site.auth.path().display();
    let expected = format!("{packages} refuses access with the credentials from {file}");
    assert!(refused.contains(&expected), "{refused}");
    let missing = site.fetch(&site.url("/el8/missing"), &[own], &plain).unwrap_err();
    assert!(missing.contains("the server returned 404"), "{missing}");
}
