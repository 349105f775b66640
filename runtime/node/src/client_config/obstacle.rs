//! Files on a client that make it pull from other places than the nodes.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use content::{LinkPolicy, printable, printable_path};

use super::file::{ClientConfigFile, is_marked};
use super::image_policy::{ATTACHMENTS, POLICY};
use super::original_names::{CLOSED, DEFAULT_FOLDER, K3sDistribution};

/// The maximum size of a file that is read, in bytes.
const SIZE_MAX: u64 = 1 << 20;
/// The name of containerd's file in the folder of a registry.
const HOSTS: &str = "hosts.toml";
/// The folder of the drop-ins of containers/image.
const DROP_INS: &str = "etc/containers/registries.conf.d";
/// The configuration of a user, in the home directory.
const OF_USER: &str = ".config/containers/registries.conf";
/// The policy of a user, in the home directory.
const POLICY_OF_USER: &str = ".config/containers/policy.json";

/// A file on a client that makes it pull from other places than the nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// A folder of containerd that is used instead of the one that is written.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The one that is written.
        instead_of: String,
    },
    /// A folder of containerd without a valid `hosts.toml`: containerd asks the registry itself.
    NoHosts {
        /// The file.
        path: PathBuf,
    },
    /// A user's configuration, instead of which containers/image reads nothing from `/etc`.
    OfUser {
        /// The file.
        path: PathBuf,
    },
    /// A drop-in of containers/image that replaces the configuration of a registry.
    DropIn {
        /// The file.
        path: PathBuf,
        /// The registry, or a part of it.
        prefix: String,
    },
    /// A user's policy, which containers/image reads instead of that of the system.
    PolicyOfUser {
        /// The file.
        path: PathBuf,
    },
    /// A file of `registries.d` that says something else about a registry.
    Attachments {
        /// The file.
        path: PathBuf,
        /// The registry, or a part of it.
        scope: String,
    },
    /// The setting that makes k3s or RKE2 ask nothing but the nodes is missing.
    Open {
        /// The file that should have it.
        path: PathBuf,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, instead_of } => {
                write!(
                    f,
                    "{}: containerd uses this folder instead of {}",
                    printable_path(path),
                    printable(instead_of)
                )
            }
            Self::NoHosts { path } => write!(
                f,
                "{}: no valid table [host], so containerd up to 1.6.39 and 1.7.31 asks the registry itself",
                printable_path(path)
            ),
            Self::OfUser { path } => write!(
                f,
                "{}: podman, skopeo and buildah of this user read this file and nothing in /etc/containers/registries.conf.d",
                printable_path(path)
            ),
            Self::DropIn { path, prefix } => {
                write!(f, "{}: replaces the configuration of {}", printable_path(path), printable(prefix))
            }
            Self::PolicyOfUser { path } => write!(
                f,
                "{}: podman, skopeo and buildah of this user read this policy instead of /etc/containers/policy.json",
                printable_path(path)
            ),
            Self::Attachments { path, scope } => write!(
                f,
                "{}: configures {} too, so signatures of its images may not be found",
                printable_path(path),
                printable(scope)
            ),
            Self::Open { path } => write!(
                f,
                "{}: the line `{CLOSED}` is missing, so images that no node has are requested from their own registry",
                printable_path(path)
            ),
        }
    }
}

/// What on the client whose file system is at `root` keeps it from using the written `files`, sorted. Files that cannot be read
/// count as obstacles where the client would fail, too.
#[must_use]
pub fn obstacles(root: &Path, files: &[ClientConfigFile]) -> Vec<Obstacle> {
    let mut found = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for file in files {
        let path = Path::new(&file.path);
        if path.file_name().is_some_and(|name| name == HOSTS) {
            folders.extend(path.parent().and_then(Path::parent));
        } else if path.starts_with(DROP_INS) {
            of_containers_image(root, file, &mut found);
        } else if file.path == POLICY {
            let of_users = homes(root).into_iter().map(|home| home.join(POLICY_OF_USER));
            found.extend(of_users.filter(|path| path.exists()).map(|path| Obstacle::PolicyOfUser { path }));
        } else if file.path == ATTACHMENTS {
            of_attachments(root, file, &mut found);
        }
    }
    for folder in folders {
        of_containerd(root, folder, files, &mut found);
    }
    found.into_iter().collect()
}

/// Whether a k3s or RKE2 server whose file system is at `root` would ask registries themselves, and the file that decides.
#[must_use]
pub fn k3s_obstacle(root: &Path, distribution: K3sDistribution) -> Option<Obstacle> {
    let folder = root.join(distribution.folder());
    let main = folder.join("config.yaml");
    let drop_ins = entries(&folder.join("config.yaml.d"));
    let drop_ins = drop_ins.into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    // The last file that has the setting decides.
    let mut closed = std::iter::once(main.clone()).chain(drop_ins).filter_map(|path| {
        let settings: serde_json::Value = serde_saphyr::from_str(&text(&path)?).ok()?;
        let setting = settings.get(CLOSED.split_once(':')?.0)?;
        Some(setting.as_bool().unwrap_or_else(|| setting.as_str() == Some("true")))
    });
    if closed.next_back() == Some(true) { None } else { Some(Obstacle::Open { path: main }) }
}

fn of_containerd(root: &Path, folder: &Path, files: &[ClientConfigFile], found: &mut BTreeSet<Obstacle>) {
    let written: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| Path::new(&file.path).strip_prefix(folder).ok()?.parent()?.to_str())
        .collect();
    for path in entries(&root.join(folder)).into_iter().filter(|path| path.is_dir()) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let hosts = path.join(HOSTS);
        let text = text(&hosts);
        if written.contains(name) || text.as_deref().is_some_and(is_marked) {
            continue;
        }
        // containerd looks for `host_5000_` first, then `host:5000`, then `_default`.
        let with_colon = name.strip_suffix('_').and_then(|name| name.rsplit_once('_'));
        let with_colon = with_colon.map(|(host, port)| format!("{host}:{port}"));
        if let Some(host) = with_colon.filter(|host| written.contains(host.as_str())) {
            found.insert(Obstacle::Folder { path: path.clone(), instead_of: host });
        } else if written.contains(DEFAULT_FOLDER) {
            found.insert(Obstacle::Folder { path: path.clone(), instead_of: DEFAULT_FOLDER.into() });
        }
        let has_hosts = text.and_then(|text| text.parse::<toml::Table>().ok());
        if !has_hosts.is_some_and(|table| table.get("host").is_some_and(toml::Value::is_table)) {
            found.insert(Obstacle::NoHosts { path: hosts });
        }
    }
}

fn of_containers_image(root: &Path, file: &ClientConfigFile, found: &mut BTreeSet<Obstacle>) {
    for home in homes(root) {
        let path = home.join(OF_USER);
        if path.exists() {
            found.insert(Obstacle::OfUser { path });
        }
    }
    let ours = root.join(&file.path);
    let hosts = prefixes(&file.content);
    let main = root.join("etc/containers/registries.conf");
    let drop_ins = entries(&root.join(DROP_INS));
    let drop_ins = drop_ins.into_iter().filter(|path| path.extension().is_some_and(|end| end == "conf"));
    for path in std::iter::once(main).chain(drop_ins).filter(|path| *path != ours) {
        let Some(text) = text(&path).filter(|text| !is_marked(text)) else { continue };
        for prefix in prefixes(&text) {
            // The longest prefix wins in any file; of equal ones that in the last drop-in.
            let is_later = path.parent() == ours.parent() && path > ours;
            let wins = |host: &String| match prefix.strip_prefix(host.as_str()) {
                Some("") => is_later,
                Some(rest) => rest.starts_with(['/', ':', '@']),
                None => false,
            };
            if hosts.iter().any(wins) {
                found.insert(Obstacle::DropIn { path: path.clone(), prefix });
            }
        }
    }
}

/// Other files of `registries.d` with the scopes of ours, or parts of them: two files with one scope are an error, and the longest
/// scope counts alone.
fn of_attachments(root: &Path, file: &ClientConfigFile, found: &mut BTreeSet<Obstacle>) {
    let ours = root.join(&file.path);
    let scopes = |text: &str| -> Vec<String> {
        let read: Option<serde_json::Value> = serde_saphyr::from_str(text).ok();
        let docker = read.as_ref().and_then(|read| read.get("docker")?.as_object());
        docker.map(|docker| docker.keys().cloned().collect()).unwrap_or_default()
    };
    let written = scopes(&file.content);
    let folder = ours.parent().unwrap_or(root);
    let others = entries(folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    for path in others.filter(|path| *path != ours) {
        for scope in scopes(&text(&path).unwrap_or_default()) {
            let is_part = |ours: &String| {
                scope.strip_prefix(ours.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if written.iter().any(is_part) {
                found.insert(Obstacle::Attachments { path: path.clone(), scope });
            }
        }
    }
}

/// The registries that a `registries.conf` configures.
fn prefixes(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let registries = table.get("registry").and_then(toml::Value::as_array);
    let prefix = |registry: &toml::Value| {
        let prefix = registry.get("prefix").or_else(|| registry.get("location"))?;
        prefix.as_str().map(str::to_owned)
    };
    registries.into_iter().flatten().filter_map(prefix).collect()
}

/// The home directories of the users of a system, below its root.
fn homes(root: &Path) -> BTreeSet<PathBuf> {
    let users = text(&root.join("etc/passwd")).unwrap_or_default();
    let listed =
        users.lines().filter_map(|user| user.split(':').nth(5)?.strip_prefix('/')).map(PathBuf::from);
    let listed =
        listed.filter(|home| home.components().all(|part| matches!(part, std::path::Component::Normal(_))));
    let mut homes: BTreeSet<PathBuf> = listed.map(|home| root.join(home)).collect();
    homes.extend(entries(&root.join("home")));
    homes.insert(root.join("root"));
    homes
}

/// The entries of a folder, sorted by name; those of a folder that does not exist are none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    paths
}

fn text(path: &Path) -> Option<String> {
    content::open_text(path, LinkPolicy::Follow, SIZE_MAX).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_config::{
        CONFIG_PATH, NodeAddress, OriginalNames, containerd_original_names, crio_original_names, write,
    };

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The obstacles below `root`, without the path of it.
    fn found(root: &Path, files: &[ClientConfigFile]) -> Vec<String> {
        write(root, files, false).unwrap();
        let prefix = format!("{}/", root.display());
        obstacles(root, files).iter().map(|one| one.to_string().replace(&prefix, "")).collect()
    }

    #[test]
    fn folders_that_containerd_prefers_and_files_that_it_discards_are_found() {
        let nodes: Vec<NodeAddress> = vec!["http://node1".parse().unwrap()];
        let names = |hosts| OriginalNames { nodes: &nodes, hosts, fallback: false, authority: None };
        let root = tempfile::tempdir().unwrap();
        let all = containerd_original_names(&names(&[]), CONFIG_PATH).unwrap();
        assert_eq!(found(root.path(), &all), [""; 0]);
        let base = "etc/containerd/certs.d";
        put(root.path(), &format!("{base}/site.example/hosts.toml"), "[host.\"https://site.example\"]\n");
        put(root.path(), &format!("{base}/old.example/hosts.toml"), "server = \"https://old.example\"\n");
        put(root.path(), &format!("{base}/bad.example/hosts.toml"), "[host\n");
        put(root.path(), &format!("{base}/r.example_5000_/hosts.toml"), "[host]\n");
        put(root.path(), &format!("{base}/note.txt"), "");
        std::fs::create_dir_all(root.path().join(base).join("quay.io")).unwrap();
        let platform = crate::client_config::containerd("platform.invalid", &nodes, None).unwrap();
        write(root.path(), &[platform], false).unwrap();
        let folder = |name: &str, other: &str| {
            format!("{base}/{name}: containerd uses this folder instead of {other}")
        };
        let none = |name: &str| {
            format!(
                "{base}/{name}/hosts.toml: no valid table [host], so containerd up to 1.6.39 and 1.7.31 asks the registry itself"
            )
        };
        assert_eq!(
            found(root.path(), &all),
            [
                folder("bad.example", "_default"),
                folder("old.example", "_default"),
                folder("quay.io", "_default"),
                folder("r.example_5000_", "_default"),
                folder("site.example", "_default"),
                none("bad.example"),
                none("old.example"),
                none("quay.io"),
            ]
        );
        let hosts = ["quay.io", "r.example:5000"].map(str::to_owned);
        let some = containerd_original_names(&names(&hosts), CONFIG_PATH).unwrap();
        assert_eq!(
            found(root.path(), &some),
            [folder("r.example_5000_", "r.example:5000"), none("bad.example"), none("old.example")]
        );
    }

    #[test]
    fn configurations_of_users_and_longer_prefixes_are_found() {
        let nodes: Vec<NodeAddress> = vec!["http://node1".parse().unwrap()];
        let hosts = ["docker.io", "quay.io"].map(str::to_owned);
        let names = OriginalNames { nodes: &nodes, hosts: &hosts, fallback: false, authority: None };
        let file = [crio_original_names(&names).unwrap()];
        let root = tempfile::tempdir().unwrap();
        assert_eq!(found(root.path(), &file), [""; 0]);
        put(
            root.path(),
            "etc/passwd",
            "a:x:1:1::/home/a:/bin/sh\nb:x:2:2::/var/lib/b:/bin/sh\nc:x:3:3::/../c:\n",
        );
        for home in ["root", "home/a", "home/ldap", "var/lib/b", "c"] {
            put(root.path(), &format!("{home}/.config/containers/registries.conf"), "");
        }
        let registry =
            |prefix: &str| format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"x.example\"\n");
        put(
            root.path(),
            "etc/containers/registries.conf",
            &(registry("quay.io") + &registry("docker.io/library")),
        );
        put(root.path(), "etc/containers/registries.conf.d/10-a.conf", &registry("quay.io"));
        put(
            root.path(),
            "etc/containers/registries.conf.d/90-b.conf",
            "[[registry]]\nlocation = \"quay.io\"\n",
        );
        put(root.path(), "etc/containers/registries.conf.d/90-c.conf", &registry("quay.io.example"));
        let found = found(root.path(), &file);
        let paths: Vec<&str> =
            found.iter().filter_map(|line| line.split_once(": ").map(|(path, _)| path)).collect();
        assert_eq!(
            paths,
            [
                "home/a/.config/containers/registries.conf",
                "home/ldap/.config/containers/registries.conf",
                "root/.config/containers/registries.conf",
                "var/lib/b/.config/containers/registries.conf",
                "etc/containers/registries.conf",
                "etc/containers/registries.conf.d/90-b.conf",
            ],
            "{found:?}"
        );
        assert!(found[4].ends_with("replaces the configuration of docker.io/library"), "{found:?}");
    }

    #[test]
    fn k3s_must_be_closed_by_the_last_file_that_has_the_setting() {
        let root = tempfile::tempdir().unwrap();
        let open = || k3s_obstacle(root.path(), K3sDistribution::K3s).is_some();
        assert!(open());
        put(root.path(), "etc/rancher/k3s/config.yaml", "token: x\n");
        assert!(open());
        put(root.path(), "etc/rancher/k3s/config.yaml", &format!("token: x\n{CLOSED}\n"));
        assert!(!open());
        assert!(k3s_obstacle(root.path(), K3sDistribution::Rke2).is_some());
        put(
            root.path(),
            "etc/rancher/k3s/config.yaml.d/9.yaml",
            "disable-default-registry-endpoint: false\n",
        );
        assert!(open());
        put(root.path(), "etc/rancher/k3s/config.yaml.d/9.yaml.off", CLOSED);
        assert!(open());
        put(
            root.path(),
            "etc/rancher/k3s/config.yaml.d/99.yaml",
            "disable-default-registry-endpoint: \"true\"\n",
        );
        assert!(!open());
    }
}
