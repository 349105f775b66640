//! The nginx configuration of the registry tree. Its size does not depend on the number of images.
//!
//! An archive carries it as `registry-config.inc.j2` with two placeholders, to be included *inside* a `server`
//! block. Several archives may be included side by side, each under a repository of its own:
//!
//! - `repository`, such as `metalk8s-2.11.0`: an image is pulled as `<host>/<repository>/<name>:<tag>`;
//! - `registry_root`: the archive's `images` folder, such as `/srv/scality/metalk8s-2.11.0/images/`, or an nginx
//!   variable that holds it. The registry tree is the folder `registry` beside `images`.
//!
//! Of the parameters of `tags/list` only `last` is supported; `n` is ignored and the list is whole.
//!
//! `/v2/` itself, by which clients recognize a registry, belongs to the server and not to an archive, and nginx allows its
//! location once. A server whose configuration lacks it includes [`common`] once, and [`originals`] beside it.

use std::net::IpAddr;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::original_names::{canonical_host, host_part};
use crate::reference::check_repository;

/// The configuration of an archive, with the placeholders `{{ repository }}` and `{{ registry_root }}`.
#[must_use]
pub fn template() -> &'static str {
    include_str!("nginx/registry-config.inc.j2")
}

/// An address at which a server is a registry itself, such as Docker Hub for engines that can only mirror that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryDoor {
    /// The registry, as a part of a path: see [`crate::original_names::host_part`].
    host: String,
    /// The address as nginx prints it; empty for all addresses.
    address: String,
    port: u16,
}

impl RegistryDoor {
    /// The registry `host` at `address`, as nginx's `listen` has it: `8201`, `*:8201`, `10.0.0.1:8201`, `[::1]:8201`. `None` if
    /// one of them is not what it should be.
    #[must_use]
    pub fn new(host: &str, address: &str) -> Option<Self> {
        let host = canonical_host(host)?;
        host_part(&host)?;
        let (address, port) = address.rsplit_once(':').unwrap_or(("*", address));
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let address = if address == "*" {
            String::new()
        } else {
            let bare = address.strip_prefix('[').and_then(|bare| bare.strip_suffix(']')).unwrap_or(address);
            let address: IpAddr = bare.parse().ok()?;
            if address.is_unspecified() { String::new() } else { address.to_string() }
        };
        Some(Self { host, address, port })
    }
}

/// The configuration that a server needs once: `/v2/`, and errors for everything that no archive serves.
#[must_use]
pub fn common() -> &'static str {
    include_str!("nginx/registry-common.inc")
}

/// The configuration of the images of all archives under the names that they were published under, beside [`common`]. It is
/// empty without registries.
///
/// `registries` are the absolute paths of the folders `registry` with original names, of the newest archive first; for each
/// there are a few lines. In a repository that several archives have, a tag is that of the first of them, and every digest is
/// served.
///
/// # Errors
///
/// [`Error::Definition`] for a path with characters that have a meaning for nginx.
pub fn originals(registries: &[String], doors: &[RegistryDoor]) -> Result<String> {
    if registries.is_empty() {
        return Ok(String::new());
    }
    for registry in registries {
        check_path(registry, "registry")?;
    }
    // The last that has it counts.
    let registries: Vec<String> = registries.iter().rev().cloned().collect();
    let doors = minijinja::Value::from(minijinja::value::Serde(doors.to_vec()));
    fill(include_str!("nginx/registry-originals.inc.j2"), minijinja::context! { registries, doors })
}

/// The placeholder of the repository in the [`template`].
pub const REPOSITORY: &str = "{{ repository }}";
/// The placeholder of the registry root in the [`template`].
pub const REGISTRY_ROOT: &str = "{{ registry_root }}";

/// The template with its placeholders filled in. A placeholder given as the value remains: archives ship the template, and
/// the node that mounts one fills it in.
///
/// # Errors
///
/// [`Error::Definition`] for an invalid repository, or a root that is not an absolute path of characters without a meaning
/// for nginx.
pub fn render(repository: &str, registry_root: &str) -> Result<String> {
    if repository != REPOSITORY {
        check_repository(repository).map_err(|reason| Error::Definition {
            field: format!("repository `{}`", repository.escape_debug()),
            reason: reason.to_string(),
        })?;
    }
    check_path(registry_root, "registry root")?;
    fill(template(), minijinja::context! { repository, registry_root })
}

/// Checks an absolute path, or one that begins with [`REGISTRY_ROOT`].
fn check_path(path: &str, what: &str) -> Result<()> {
    // What nginx gives a meaning inside quotes: quotes, `$`, `\` and control characters. Semicolons and braces are
    // harmless there, but a path that needs them is a mistake or an attack.
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\'' | '$' | '\\' | ';' | '{' | '}' | '#');
    let rest = path.strip_prefix(REGISTRY_ROOT).unwrap_or(path);
    let starts = rest.starts_with('/') || (rest.is_empty() && !path.is_empty());
    if starts && rest.chars().all(plain) {
        return Ok(());
    }
    Err(Error::Definition {
        field: format!("{what} `{}`", path.escape_debug()),
        reason: "must be an absolute path without quotes, `$`, `\\`, `;`, `#`, braces and control characters"
            .into(),
    })
}

/// Fills in a template of nginx configuration. Values are written as they are: the caller has checked them.
///
/// # Errors
///
/// [`Error::Definition`] if the template uses a value that is not given.
pub fn fill(template: &str, values: minijinja::Value) -> Result<String> {
    let failed = |error: minijinja::Error| Error::Definition {
        field: "template of nginx".into(),
        reason: error.to_string(),
    };
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().map_err(failed)?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(template, values).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_may_stay_for_the_node_to_fill_in() {
        assert_eq!(render(REPOSITORY, REGISTRY_ROOT).unwrap(), template());
        let half = render(REPOSITORY, "/srv/images/").unwrap();
        assert!(half.contains(REPOSITORY) && !half.contains(REGISTRY_ROOT));
        assert!(render("{{ other }}", REGISTRY_ROOT).is_err() && render("a", "{{ repository }}").is_err());
    }

    #[test]
    fn original_names_have_a_constant_number_of_lines_for_each_archive() {
        let registries: Vec<String> = (0..4).map(|number| format!("/srv/a{number}/registry")).collect();
        let lines = |count: usize| originals(&registries[..count], &[]).unwrap().lines().count();
        assert_eq!(originals(&[], &[]).unwrap(), "");
        assert_eq!(lines(2) - lines(1), lines(4) - lines(3));
        assert!(lines(2) - lines(1) <= 8);
        // The first one is the last to be tried.
        let text = originals(&registries[..2], &[]).unwrap();
        assert!(text.find("/srv/a0/registry/blobs") > text.find("/srv/a1/registry/blobs"));
        assert!(originals(&["/x$y".into()], &[]).is_err() && originals(&["x".into()], &[]).is_err());
    }

    #[test]
    fn a_door_is_a_host_and_an_address() {
        for (host, address, expected) in [
            ("docker.io", "8201", Some(("docker.io", "", 8201))),
            ("index.docker.io", "*:8201", Some(("docker.io", "", 8201))),
            ("docker.io", "0.0.0.0:8201", Some(("docker.io", "", 8201))),
            ("docker.io", "[::]:8201", Some(("docker.io", "", 8201))),
            ("Quay.io:5000", "10.0.0.1:80", Some(("quay.io:5000", "10.0.0.1", 80))),
            ("quay.io", "[0::1]:80", Some(("quay.io", "::1", 80))),
            ("quay.io", "", None),
            ("quay.io", "0", None),
            ("quay.io", "x:80", None),
            ("quay.io", "80;", None),
            ("", "80", None),
            ("a b", "80", None),
            ("quay.io\"", "80", None),
        ] {
            let found = RegistryDoor::new(host, address);
            let found = found.as_ref().map(|door| (&*door.host, &*door.address, door.port));
            assert_eq!(found, expected, "{host}={address}");
        }
    }

    #[test]
    fn the_template_has_exactly_the_two_placeholders() {
        let mut rest = template();
        while let Some((_, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap();
            assert!(matches!(name, " repository " | " registry_root "), "{name}");
            rest = after;
        }
        assert!(!template().contains("{%") && !template().contains("{#"));
        let rendered = render("metalk8s-2.11.0", "/srv/scality/metalk8s-2.11.0/images/").unwrap();
        assert!(
            !rendered.contains("{{")
                && rendered.contains("\"/srv/scality/metalk8s-2.11.0/images//../registry/")
        );
    }

    #[test]
    fn what_could_mean_more_is_refused() {
        for repository in [
            "",
            "A",
            "a b",
            "a\"",
            "a;",
            "a{",
            "a}",
            "a$b",
            "a\\E.*",
            "a\n",
            "../a",
            "/a",
            "a/",
            "a//b",
            "{{ registry_root }}",
            "a' { return 200; } location = '/x",
        ] {
            assert!(render(repository, "/x").is_err(), "{repository:?}");
        }
        for root in [
            "",
            "x",
            "./x",
            "/x\"",
            "/x'",
            "/x$y",
            "/x\\",
            "/x\n",
            "/x;",
            "/x{",
            "/x}",
            "/x#",
            "/{{ repository }}",
        ] {
            assert!(render("a", root).is_err(), "{root:?}");
        }
        assert!(render("a/b", "/srv/with space, comma (and) é/images").is_ok());
    }
}
