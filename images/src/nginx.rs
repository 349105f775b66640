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
//! location once. A server whose configuration lacks it includes [`common`] once.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::error::{Error, Result};
use crate::reference::check_repository;

/// The configuration of an archive, with the placeholders `{{ repository }}` and `{{ registry_root }}`.
#[must_use]
pub fn template() -> &'static str {
    include_str!("nginx/registry-config.inc.j2")
}

/// The configuration that a server needs once: `/v2/`, and errors for everything that no archive serves.
#[must_use]
pub fn common() -> &'static str {
    include_str!("nginx/registry-common.inc")
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
    // What nginx gives a meaning inside quotes: quotes, `$`, `\` and control characters. Semicolons and braces are
    // harmless there, but a path that needs them is a mistake or an attack.
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\'' | '$' | '\\' | ';' | '{' | '}' | '#');
    let is_path = registry_root.starts_with('/') && registry_root.chars().all(plain);
    if registry_root != REGISTRY_ROOT && !is_path {
        return Err(Error::Definition {
            field: format!("registry root `{}`", registry_root.escape_debug()),
            reason:
                "must be an absolute path without quotes, `$`, `\\`, `;`, `#`, braces and control characters"
                    .into(),
        });
    }
    fill(template(), minijinja::context! { repository, registry_root })
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
