//! Packages and repositories, checked with rpm, createrepo_c, dnf and systemd.

mod architectures;
mod automatic;
mod beside;
mod check;
mod complete;
mod debian;
mod debian_build;
mod dependencies;
mod dnf;
mod exchange;
mod existing;
mod killed;
mod lint;
mod locations;
mod metadata;
mod project_debs;
mod rpm;
mod signed;
mod signing;
mod spec;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};

use packages::RpmDefinition;

/// 2023-11-14, the date of everything that these tests build.
pub(super) const DATE: i64 = 1_700_000_000;

/// The root of the project.
fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned()
}

/// The definition of the project's own package, at this version.
fn own_definition(version: &str) -> RpmDefinition {
    let text = fs::read_to_string(project().join("packages/sealift/package.yaml")).unwrap();
    let values = minijinja::context! { version, machine => "x86_64", build_root => "_build" };
    let text = minijinja::Environment::new().render_str(&text, values).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Builds the project's own package with other bytes in place of the program.
pub(super) fn build_own(version: &str, scratch: &Path, out: &Path) -> PathBuf {
    build_own_of(version, &own_binary(version), scratch, out)
}

/// Builds the project's own package with the program `binary`.
pub(super) fn build_own_of(version: &str, binary: &[u8], scratch: &Path, out: &Path) -> PathBuf {
    let base = scratch.join(format!("base-{version}"));
    fs::create_dir_all(base.join("_build/bin")).unwrap();
    fs::create_dir_all(base.join("packages/sealift")).unwrap();
    fs::write(base.join("_build/bin/sealift"), binary).unwrap();
    fs::copy(project().join("LICENSE"), base.join("LICENSE")).unwrap();
    for file in [
        "sealift-registry.service",
        "sealift-registry.socket",
        "sealift-registry.firewalld.xml",
        "sealift.sysusers",
        "sealift.sysconfig",
    ] {
        let path = Path::new("packages/sealift").join(file);
        fs::copy(project().join(&path), base.join(&path)).unwrap();
    }
    for page in fs::read_dir(project().join("packages/sealift/man")).unwrap() {
        let page = page.unwrap();
        fs::create_dir_all(base.join("packages/sealift/man")).unwrap();
        fs::copy(page.path(), base.join("packages/sealift/man").join(page.file_name())).unwrap();
    }
    fs::create_dir_all(base.join("sealift/src/completion")).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let path = format!("sealift/src/completion/sealift.{shell}");
        fs::copy(project().join(&path), base.join(&path)).unwrap();
    }
    packages::build(&own_definition(version), &base, DATE, out).unwrap().path
}

pub(super) fn own_binary(version: &str) -> Vec<u8> {
    let noise = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8);
    version.bytes().chain(noise).collect()
}

/// The address of a repository on this machine's disk.
fn url(repository: &Path) -> String {
    format!("file://{}", repository.display())
}
