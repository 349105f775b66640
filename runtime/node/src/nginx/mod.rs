//! The configuration of nginx, for sites that use it instead of our own server.
//!
//! [`configuration`] generates a whole `nginx.conf` for mounted archives: their registries side by side under their names,
//! their images under original names, their packages and files with listings, TLS. [`install`] replaces the current one only after nginx itself has accepted
//! the new one, and reloads a running nginx.
//!
//! An archive with `registry/` gets our configuration, even if it contains another one. An older archive contains only
//! `registry-config.inc.j2` or `registry-config.inc`: its directives are checked against an allow-list and rewritten; see
//! [`Error::Include`] for what is refused.

mod include;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use archive::tree::EntryKind;
use archive::{Product, Tree, layout, product};
use content::{IoError, LinkPolicy};
use images::nginx::RegistryDoor;
use minijinja::context;

/// The configuration cannot be generated or installed. The previous one is still in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The archive is not mounted, and nginx can only serve files.
    #[error("{} is not a folder: nginx serves only mounted archives", content::printable_path(.0))]
    NotMounted(PathBuf),
    /// The archive has no product information.
    #[error("{}: neither product.txt nor manifest.yaml found", content::printable_path(.0))]
    Nameless(PathBuf),
    /// A folder of the archive is a symbolic link, which could lead out of it.
    #[error("{} is a symbolic link; expected a folder", content::printable_path(.0))]
    Link(PathBuf),
    /// Two archives have the same ID.
    #[error("archive {0} is listed twice")]
    Twice(String),
    /// A value contains characters with a meaning for nginx.
    #[error("{what} `{found}` cannot be written in the configuration of nginx")]
    Value {
        /// What it is.
        what: &'static str,
        /// The value.
        found: String,
    },
    /// The archive's own configuration is not limited to serving its images.
    #[error("{}: {problem}", content::printable_path(path))]
    Include {
        /// The file.
        path: PathBuf,
        /// The line and the problem.
        problem: String,
    },
    /// The archive's name or path cannot be used in the registry configuration.
    #[error(transparent)]
    Registry(#[from] images::Error),
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The configuration is installed, but the running nginx still uses the previous one.
    #[error("{} is installed, but {program} failed: {message}", content::printable_path(file))]
    NotReloaded {
        /// The configuration.
        file: PathBuf,
        /// The command.
        program: String,
        /// Its message.
        message: String,
    },
    /// nginx does not accept the configuration.
    #[error("{program} refuses the configuration: {message}")]
    Refused {
        /// The command.
        program: String,
        /// Its message.
        message: String,
    },
}

/// The addresses and files of nginx.
#[derive(Debug, Clone)]
pub struct NginxOptions {
    /// Addresses as nginx writes them: `8080`, `10.0.0.1:8080`, `[::]:8080`.
    pub listen: Vec<String>,
    /// Addresses at which the server is a registry itself: the host, such as `docker.io`, and the address.
    pub registry_listen: Vec<(String, String)>,
    /// PEM files of the certificate with its chain, and of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The file of the process id.
    pub pid: PathBuf,
    /// The log of errors.
    pub error_log: PathBuf,
}

impl Default for NginxOptions {
    fn default() -> Self {
        Self {
            listen: vec!["8080".into()],
            registry_listen: Vec::new(),
            tls: None,
            pid: "/run/nginx.pid".into(),
            error_log: "/var/log/nginx/error.log".into(),
        }
    }
}

/// The root of the server, an empty folder.
const EMPTY: &str = "/var/empty";

/// A whole `nginx.conf`.
#[derive(Debug)]
pub struct GeneratedConfiguration {
    /// The configuration.
    pub text: String,
    /// The archives that nginx cannot serve and that were left out, each with the reason.
    pub left_out: Vec<(PathBuf, Error)>,
}

/// The whole configuration for the archives mounted at `roots`. One that is not mounted, cannot be read, or has a path or a
/// name that cannot be written in the configuration, is left out as long as others remain. One whose own configuration is
/// not limited to serving its images is an error.
///
/// # Errors
///
/// [`Error`], but for [`Error::Refused`] and [`Error::NotReloaded`].
pub fn configuration(roots: &[PathBuf], options: &NginxOptions) -> Result<GeneratedConfiguration, Error> {
    let mut ids: Vec<String> = Vec::new();
    let mut sections = String::new();
    let mut left_out = Vec::new();
    let mut registries = Vec::new();
    for (number, root) in roots.iter().enumerate() {
        let ArchiveSection { product, text: section, registry } = match section(root, number) {
            Ok(section) => section,
            Err(
                error @ (Error::NotMounted(_)
                | Error::Nameless(_)
                | Error::Archive(_)
                | Error::Value { .. }
                | Error::Registry(_)),
            ) => {
                left_out.push((root.clone(), error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let id = product.id().to_string();
        if ids.contains(&id) {
            return Err(Error::Twice(id));
        }
        registries.extend(registry.map(|registry| (product, registry)));
        sections.push_str(&format!("\n        # {id}, at {}\n{}", root.display(), indented(&section)));
        ids.push(id);
    }
    if ids.is_empty() && !left_out.is_empty() {
        return Err(left_out.swap_remove(0).1);
    }
    archive::version::newest_first(&mut registries, |(product, _)| Some(product));
    let registries: Vec<String> = registries.into_iter().map(|(_, registry)| registry).collect();
    let mut doors = Vec::new();
    for (host, address) in &options.registry_listen {
        let invalid = || Error::Value {
            what: "the registry and address",
            found: format!("{host}={address}").escape_debug().to_string(),
        };
        doors.push(RegistryDoor::new(host, address).ok_or_else(invalid)?);
    }
    let common = format!("{}{}", images::nginx::common(), images::nginx::originals(&registries, &doors)?);
    let mut listen = String::new();
    for address in options.listen.iter().chain(options.registry_listen.iter().map(|(_, address)| address)) {
        if !is_listen_address(address) {
            return Err(Error::Value { what: "the address", found: address.escape_debug().to_string() });
        }
        let tls = if options.tls.is_some() { " ssl" } else { "" };
        listen.push_str(&format!("        listen {address}{tls};\n"));
    }
    if let Some((certificate, key)) = &options.tls {
        listen.push_str(&format!(
            "        ssl_certificate {};\n        ssl_certificate_key {};\n        ssl_protocols TLSv1.2 TLSv1.3;\n",
            path(certificate)?,
            path(key)?
        ));
    }
    let mut text = format!(
        "# Generated by `sealift registry nginx-config` from {}.\n# Changes are overwritten: run it again instead.\n",
        if ids.is_empty() { "no archives".into() } else { ids.join(" ") }
    );
    let values = context! {
        pid => path(&options.pid)?,
        error_log => path(&options.error_log)?,
        listen => listen.trim_end(),
        empty => EMPTY,
        ids => ids.join("\\n"),
    };
    text.push_str(&images::nginx::fill(include_str!("nginx.conf"), values)?);
    text.push_str(&sections);
    text.push_str(&format!("\n{}    }}\n}}\n", indented(&common)));
    Ok(GeneratedConfiguration { text, left_out })
}

/// What the configuration has of one archive.
struct ArchiveSection {
    product: Product,
    /// Its locations.
    text: String,
    /// Its folder `registry`, if that has original names.
    registry: Option<String>,
}

fn section(root: &Path, number: usize) -> Result<ArchiveSection, Error> {
    let tree = Tree::open(root)?;
    if !matches!(tree, Tree::Folder(_)) {
        return Err(Error::NotMounted(root.to_owned()));
    }
    let product = product::of(&tree)?.ok_or_else(|| Error::Nameless(root.to_owned()))?;
    let (id, repository) = (product.id().to_string(), product.repository_prefix());
    let project = product.name.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '-');
    for (what, value) in [("the archive ID", &id), ("the name", &project)] {
        if value.is_empty() || !value.chars().all(plain) {
            return Err(Error::Value { what, found: value.escape_debug().to_string() });
        }
    }
    let absolute = std::path::absolute(root).map_err(IoError::at("find", root))?;
    path(&absolute)?;
    let absolute = absolute.to_string_lossy().trim_end_matches('/').to_owned();
    // nginx does not follow links below these.
    for name in [layout::IMAGES, layout::REGISTRY, layout::REGISTRY_HOSTS] {
        if tree.entry(name)?.is_some_and(|entry| matches!(entry.kind, EntryKind::Symlink(_))) {
            return Err(Error::Link(root.join(name)));
        }
    }
    let images = format!("{absolute}/{}", layout::IMAGES);
    let values = context! { id => id.as_str(), project, root => absolute.as_str() };
    let mut text = images::nginx::fill(include_str!("server-archive.inc"), values)?;
    if tree.entry(layout::REGISTRY)?.is_some() {
        text.push_str(&images::nginx::render(&repository, &images)?);
        let has_hosts = tree.entry(layout::REGISTRY_HOSTS)?.is_some();
        let registry = has_hosts.then(|| format!("{absolute}/{}", layout::REGISTRY));
        return Ok(ArchiveSection { product, text, registry });
    }
    let place = include::ArchiveLocation { repository: &repository, images: &images, number };
    if let Some((name, translated)) = translated(&tree, place)? {
        text.push_str(&translated.map_err(|problem| Error::Include { path: root.join(name), problem })?);
    }
    Ok(ArchiveSection { product, text, registry: None })
}

/// The name of a registry configuration, and the configuration translated, or the line and the problem.
type Translated = (&'static str, Result<String, String>);

/// The registry configuration in an archive, translated.
fn translated(
    tree: &Tree,
    place: include::ArchiveLocation<'_>,
) -> Result<Option<Translated>, archive::Error> {
    for name in [layout::REGISTRY_CONFIG, archive::check::REGISTRY_CONFIG_RENDERED] {
        if tree.entry(name)?.is_some() {
            let theirs = String::from_utf8_lossy(&tree.read(name, include::SIZE_MAX)?).into_owned();
            return Ok(Some((name, include::translate(&theirs, place))));
        }
    }
    Ok(None)
}

/// Checks the registry configuration of an archive whose images have the prefix `repository`: it must be limited to serving the
/// images. Returns its file, and the line and the problem in words. An archive with `registry/` gets our own configuration.
///
/// # Errors
///
/// The archive cannot be read.
pub(crate) fn include_problem(
    tree: &Tree,
    repository: &str,
) -> Result<Option<(&'static str, String)>, archive::Error> {
    if tree.entry(layout::REGISTRY)?.is_some() {
        return Ok(None);
    }
    let place = include::ArchiveLocation { repository, images: "/srv/archive/images", number: 0 };
    Ok(translated(tree, place)?.and_then(|(name, translated)| Some((name, translated.err()?))))
}

/// A path as a word of the configuration.
fn path(path: &Path) -> Result<String, Error> {
    let text = path.to_string_lossy();
    // The lossy text of a path that is not UTF-8 is another path.
    let is_text = path.to_str().is_some();
    let plain = |c: char| {
        !c.is_control() && !c.is_whitespace() && !matches!(c, '"' | '\'' | '$' | '\\' | ';' | '{' | '}' | '#')
    };
    if is_text && text.starts_with('/') && text.chars().all(plain) {
        return Ok(text.into_owned());
    }
    Err(Error::Value { what: "the path", found: text.escape_debug().to_string() })
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("        {line}\n") })
        .collect()
}

/// What [`install`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstalledConfiguration {
    /// Whether the file had another content before, or none.
    pub replaced: bool,
    /// Whether nginx runs, and was reloaded.
    pub reloaded: bool,
}

/// Replaces the configuration in `file`, once `program` (nginx) has accepted the new one, and reloads the nginx whose process
/// ID is in `pid`. Reloads even if `file` has this content already: the process that wrote it may have been killed before.
/// `running` is called with each command before it runs.
///
/// # Errors
///
/// [`Error::NotReloaded`] with the new file installed; [`Error::Refused`], [`Error::Io`] with the file unchanged.
pub fn install(
    text: &str,
    file: &Path,
    program: &Path,
    pid: &Path,
    running: fn(&Command),
) -> Result<InstalledConfiguration, Error> {
    let read = |path: &Path| content::open_read(path, LinkPolicy::Follow, include::SIZE_MAX);
    let replaced = match read(file) {
        Ok(found) => found != text.as_bytes(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge) => true,
        Err(error) => return Err(error.into()),
    };
    if replaced {
        replace(text, file, program, running)?;
    }
    let alive = read(pid).ok().and_then(|bytes| String::from_utf8_lossy(&bytes).trim().parse::<u32>().ok());
    let reloaded = alive.is_some_and(|id| Path::new(&format!("/proc/{id}")).exists());
    if reloaded && let Some(message) = run(program, &["-s", "reload"], file, running)? {
        let program = format!("{} -s reload", program.display());
        return Err(Error::NotReloaded { file: file.to_owned(), program, message });
    }
    Ok(InstalledConfiguration { replaced, reloaded })
}

fn replace(content: &str, file: &Path, program: &Path, running: fn(&Command)) -> Result<(), Error> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    content::create_folder(folder)?;
    // In the same folder, so that relative paths have the same meaning.
    let mut trial = tempfile::Builder::new()
        .prefix(".sealift.")
        .suffix(".conf")
        .tempfile_in(folder)
        .map_err(IoError::at("create a file in", folder))?;
    std::io::Write::write_all(&mut trial, content.as_bytes()).map_err(IoError::at("write", trial.path()))?;
    if let Some(message) = run(program, &["-t", "-q"], trial.path(), running)? {
        return Err(Error::Refused { program: format!("{} -t -q", program.display()), message });
    }
    Ok(crate::file::replace(file, content.as_bytes()).map_err(IoError::at("write", file))?)
}

/// Runs nginx; returns its message if it failed.
fn run(
    program: &Path,
    arguments: &[&str],
    config: &Path,
    running: fn(&Command),
) -> Result<Option<String>, Error> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg("-c")
        .arg(std::path::absolute(config).unwrap_or_else(|_| config.to_owned()))
        .stdin(Stdio::null());
    running(&command);
    let output = command.output().map_err(IoError::at("run", program))?;
    let message = || String::from_utf8_lossy(&output.stderr).trim().chars().take(2000).collect();
    Ok((!output.status.success()).then(message))
}

/// Whether nginx takes this as an address to listen on: `8080`, `10.0.0.1:8080`, `[::]:8080`, `*:8080`, or an IP address alone.
fn is_listen_address(text: &str) -> bool {
    let is_port = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let is_bare = || match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => text.parse::<Ipv4Addr>().is_ok(),
    };
    is_port(text)
        || text.strip_prefix("*:").is_some_and(is_port)
        || text.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0)
        || is_bare()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn addresses_are_those_of_nginx() {
        for (text, expected) in [
            ("8080", true),
            ("10.0.0.1:8080", true),
            ("[::]:8080", true),
            ("*:8080", true),
            ("10.0.0.1", true),
            ("[fd00::1]", true),
            ("", false),
            ("0", false),
            ("99999", false),
            ("10.0.0.1:99999", false),
            ("10.0.0:80", false),
            ("+80", false),
            ("fd00::1", false),
            ("80;", false),
        ] {
            assert_eq!(is_listen_address(text), expected, "{text}");
        }
    }

    #[test]
    fn an_archive_that_is_not_mounted_is_left_out_as_long_as_others_remain() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("mounted")).unwrap();
        std::fs::create_dir(path("nameless")).unwrap();
        std::fs::write(path("mounted/product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
        let image = path("site.iso");
        let options = iso::IsoOptions { volume_id: "Site 2.0".into(), ..iso::IsoOptions::default() };
        iso::PlannedIso::from_dir(&path("mounted"), &options).unwrap().write_file(&image, &()).unwrap();
        let roots = ["site.iso", "mounted", "nameless", "missing"].map(path);
        let generated = configuration(&roots, &NginxOptions::default()).unwrap();
        let left_out: Vec<&PathBuf> = generated.left_out.iter().map(|(path, _)| path).collect();
        assert_eq!(left_out, [&roots[0], &roots[2], &roots[3]]);
        assert!(matches!(generated.left_out[0].1, Error::NotMounted(_)), "{:?}", generated.left_out);
        let first = generated.text.lines().next().unwrap();
        assert_eq!(first, "# Generated by `sealift registry nginx-config` from site-1.0.");
        // Without any archive nothing is generated: nginx would stop serving everything.
        assert!(matches!(configuration(&[image], &NginxOptions::default()), Err(Error::NotMounted(_))));
        assert!(configuration(&[], &NginxOptions::default()).unwrap().left_out.is_empty());
    }

    #[test]
    fn an_archive_at_a_path_that_nginx_cannot_hold_is_left_out_as_long_as_others_remain() {
        use std::os::unix::ffi::OsStringExt as _;
        let folder = tempfile::tempdir().unwrap();
        let archive = |file: &std::ffi::OsStr, id: usize| {
            let root = folder.path().join(file);
            std::fs::create_dir(&root).unwrap();
            let name = if id == 0 { "Site".to_owned() } else { format!("Absent{id}") };
            std::fs::write(root.join("product.txt"), format!("NAME={name}\nVERSION=1.0\n")).unwrap();
            root
        };
        let good = archive("good".as_ref(), 0);
        let names = ["a\nb", "a\"b", "a'b", "a;b", "a$b", "a b", "a{b", "a}b", "a#b", "a\\b", "a\x1bb"];
        let bytes = names.map(|name| name.as_bytes().to_vec()).into_iter().chain([b"a\xffb".to_vec()]);
        let mut roots: Vec<PathBuf> = bytes
            .enumerate()
            .map(|(position, name)| archive(&std::ffi::OsString::from_vec(name), position + 1))
            .collect();
        let alone = configuration(&roots[..1], &NginxOptions::default());
        assert!(matches!(alone, Err(Error::Value { .. })), "{alone:?}");
        let expected = configuration(std::slice::from_ref(&good), &NginxOptions::default()).unwrap().text;
        let bad = roots.clone();
        roots.insert(3, good);
        let generated = configuration(&roots, &NginxOptions::default()).unwrap();
        let left_out: Vec<PathBuf> = generated.left_out.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(left_out, bad);
        assert!(generated.left_out.iter().all(|(_, error)| matches!(error, Error::Value { .. })));
        assert!(generated.left_out.iter().all(|(_, error)| error.to_string().lines().count() == 1));
        assert_eq!(generated.text, expected, "nothing of them is in it");
        // An invalid option of the whole server is an error.
        let options = NginxOptions { pid: "/run/a;b".into(), ..NginxOptions::default() };
        assert!(matches!(configuration(&roots, &options), Err(Error::Value { .. })));
    }

    #[test]
    fn nginx_is_reloaded_again_after_a_failed_reload() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        // Accepts every configuration, and reloads unless the file `stubborn` exists.
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *reload*) echo told >>{0}/told; test ! -e {0}/stubborn || {{ echo no >&2; exit 1; }};; esac\n",
            folder.path().display()
        );
        std::fs::write(path("nginx"), script).unwrap();
        std::fs::set_permissions(path("nginx"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(path("pid"), std::process::id().to_string()).unwrap();
        let install =
            |content: &str| install(content, &path("nginx.conf"), &path("nginx"), &path("pid"), |_| {});
        let told = || std::fs::read_to_string(path("told")).unwrap_or_default().lines().count();

        std::fs::write(path("stubborn"), "").unwrap();
        let refused = install("one");
        assert!(
            matches!(&refused, Err(Error::NotReloaded { message, .. }) if message == "no"),
            "{refused:?}"
        );
        assert_eq!(std::fs::read_to_string(path("nginx.conf")).unwrap(), "one");
        std::fs::remove_file(path("stubborn")).unwrap();
        assert_eq!(install("one").unwrap(), InstalledConfiguration { replaced: false, reloaded: true });
        assert_eq!(install("two").unwrap(), InstalledConfiguration { replaced: true, reloaded: true });
        assert_eq!(told(), 3);
        std::fs::remove_file(path("pid")).unwrap();
        assert_eq!(install("two").unwrap(), InstalledConfiguration { replaced: false, reloaded: false });
        assert_eq!(told(), 3);
    }
}
