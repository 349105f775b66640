//! The packages that a bootstrap node gets from its archive.

use std::collections::BTreeSet;

use archive::Tree;
use archive::tree::EntryKind;

/// The file of an archive that lists the packages of its bootstrap node, one name in a line.
pub const FILE: &str = "packages/bootstrap.txt";
/// The maximum size of [`FILE`], in bytes.
const SIZE_MAX: u64 = 64 << 10;
/// The packages of an archive without [`FILE`], if it contains them: those that the installer of MetalK8s installs.
pub const DEFAULT: [&str; 15] = [
    "sealift",
    "salt-minion",
    "container-selinux",
    "runc",
    "containerd",
    "cri-tools",
    "ebtables",
    "socat",
    "kubernetes-cni",
    "calico-cni-plugin",
    "kubelet",
    "kubectl",
    "python3",
    "iptables",
    "ethtool",
];

/// Parses the list of an archive: names of packages, one in a line; `#` begins a comment.
///
/// ```
/// let list = node::bootstrap::parse_packages(b"# of the platform\nsealift\nsalt-minion  # 3002\n")?;
/// assert_eq!(list, ["sealift", "salt-minion"]);
/// assert!(node::bootstrap::parse_packages(b"--nogpgcheck\n").is_err());
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
///
/// The first line that is not the name of a package, or twice in the list.
pub fn parse(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "the list is not UTF-8".to_owned())?;
    let mut found: Vec<String> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let name = line.split('#').next().unwrap_or_default().trim();
        if name.is_empty() {
            continue;
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || !name.bytes().all(allowed) {
            return Err(format!(
                "line {number}: `{}` is not the name of a package",
                content::printable(name)
            ));
        }
        if found.iter().any(|known| known == name) {
            return Err(format!("line {number}: {name} is listed twice"));
        }
        found.push(name.to_owned());
    }
    Ok(found)
}

/// The packages that an archive has for a release of the distribution, by name.
pub(super) fn available(tree: &Tree, release: &str) -> archive::Result<BTreeSet<String>> {
    let entries = tree.walk_below(&format!("{}/redhat/{release}", archive::layout::PACKAGES))?;
    let files = entries.iter().filter(|(_, entry)| entry.kind == EntryKind::File);
    Ok(files.filter_map(|(path, _)| name_of(path)).collect())
}

/// `…/salt-minion-3002.9-1.el8.noarch.rpm` → `salt-minion`.
fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?.strip_suffix(".rpm")?;
    let (rest, _release) = file.rsplit_once('-')?;
    rest.rsplit_once('-').map(|(name, _)| name.to_owned())
}

/// The packages to install from an archive: those of its list, or those of [`DEFAULT`] that it has.
pub(super) fn wanted(
    tree: &Tree,
    available: &BTreeSet<String>,
) -> archive::Result<Result<Vec<String>, String>> {
    if tree.entry(FILE)?.is_some() {
        return Ok(parse(&tree.read(FILE, SIZE_MAX)?));
    }
    let present = DEFAULT.iter().filter(|name| available.contains(**name));
    Ok(Ok(present.map(|name| (*name).to_owned()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_names_and_nothing_else() {
        for (text, expected) in [
            ("", Ok(&[][..])),
            ("sealift\n\n# all\n libstdc++ # x\r\n", Ok(&["sealift", "libstdc++"])),
            ("-y\n", Err("line 1: `-y` is not the name of a package")),
            ("a\nb c\n", Err("line 2: `b c` is not the name of a package")),
            ("http://x/a.rpm\n", Err("line 1: `http://x/a.rpm` is not the name of a package")),
            ("a\na\n", Err("line 2: a is listed twice")),
        ] {
            let found = parse(text.as_bytes());
            let found = found.as_ref().map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(found.as_deref().map_err(|error| error.as_str()), expected, "{text:?}");
        }
    }

    #[test]
    fn an_archive_without_a_list_gives_what_it_has_of_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write("product.txt", "NAME=Site\nVERSION=1.0\n");
        write("packages/redhat/8/site-a-el8/x86_64/containerd-1.6.1-1.el8.x86_64.rpm", "");
        write("packages/redhat/8/site-a-el8/noarch/salt-minion-3002.9-1.el8.noarch.rpm", "");
        write("packages/redhat/8/site-a-el8/x86_64/other-1-1.x86_64.rpm", "");
        write("packages/redhat/7/site-a-el7/runc-1-1.x86_64.rpm", "");
        let tree = Tree::open(folder.path()).unwrap();
        let names = available(&tree, "8").unwrap();
        assert_eq!(
            names.iter().map(String::as_str).collect::<Vec<_>>(),
            ["containerd", "other", "salt-minion"]
        );
        assert_eq!(wanted(&tree, &names).unwrap(), Ok(vec!["salt-minion".into(), "containerd".into()]));
        write(FILE, "other\n");
        assert_eq!(wanted(&tree, &names).unwrap(), Ok(vec!["other".into()]));
    }
}
