//! `sealift package import`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use buildchain::locking::import_packages;
use buildchain::project::LockFile;
use clap::Args;
use content::{LinkPolicy, printable_path};
use images::RegistrySession;
use packages::exchange::{EXCHANGE_MAX, ExchangeFile, InputPackage, PackageInput, PackageList};

use super::export::release;
use crate::commands::project::lock::{Printed, package_line};
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::packages::PackageExport;
use crate::output::documents::project::LockedTag;
use crate::output::{self, ReportOutput};
use crate::remedies;
use crate::session::Selector;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// `rpms.lock.yaml`, `packages.manifest.yaml` or `rpms.in.yaml`
    file: PathBuf,
    /// The release of the distribution [default: the only one with upstream packages]
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Fetch and check the packages, and print what would change, without writing sealift.lock
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let text = content::open_text(&arguments.file, LinkPolicy::Follow, EXCHANGE_MAX)?;
    let read = ExchangeFile::read(&text).map_err(|fault| {
        Failure::usage(format!("{}: {fault}", printable_path(&arguments.file)))
            .remedy("name a file `rpms.lock.yaml`, `packages.manifest.yaml` or `rpms.in.yaml`")
    })?;
    match read {
        ExchangeFile::List(list) => import(arguments, &list),
        ExchangeFile::Input(input) => print(arguments, &input),
    }
}

fn import(arguments: &Arguments, list: &PackageList) -> CommandResult {
    let project = arguments.selector.load()?;
    let release = release(&project, arguments.release.as_deref())?;
    if list.sources > 0 {
        output::note(&format!("{} not imported", output::count(list.sources, "source package")));
    }
    let mut lock = LockFile::read(&project.root).map_err(remedies::project::project)?;
    let registries = RegistrySession::new(buildchain::tasks::registry_options(&project));
    let name =
        arguments.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let changes = import_packages(&project, release, (&name, list), &mut lock, &registries, &Printed::new())
        .map_err(remedies::images::lock)?;
    if !arguments.dry_run {
        lock.write(&project.root).map_err(remedies::project::project)?;
    }
    let moved = || changes.iter().filter(|one| one.moved());
    let text = || match moved().map(package_line).collect::<String>() {
        nothing if nothing.is_empty() => "nothing moved\n".to_owned(),
        text => text,
    };
    Ok(arguments.output.report(|| changes.iter().map(LockedTag::from).collect::<List<_>>(), text)?)
}

/// Prints the entries of a project for an input.
fn print(arguments: &Arguments, input: &PackageInput) -> CommandResult {
    let release = arguments.release.as_deref().ok_or_else(|| {
        Failure::usage("rpms.in.yaml does not say which release of the distribution it is for")
            .remedy("name it: `--release 9`")
    })?;
    for key in &input.left_out {
        output::warn(&format!(
            "{}: `{}` is not taken",
            printable_path(&arguments.file),
            content::printable(key)
        ));
    }
    let content = entries(&arguments.file, release, input);
    let document = || PackageExport { release: release.to_owned(), content: content.clone() };
    Ok(arguments.output.report(document, || content.clone())?)
}

fn entries(file: &Path, release: &str, input: &PackageInput) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let list = |names: Vec<&str>| serde_json::Value::from(names).to_string();
    let everywhere = |one: &&InputPackage| {
        let architectures = &input.architectures;
        let is_for_all = architectures.iter().all(|architecture| one.is_for(architecture));
        if !is_for_all {
            let (file, name) = (printable_path(file), content::printable(&one.name));
            output::warn(&format!("{file}: `{name}` is not for all architectures, and is not taken"));
        }
        is_for_all
    };
    let names = |packages: &'_ [InputPackage]| -> Vec<String> {
        packages.iter().filter(everywhere).map(|one| one.name.clone()).collect()
    };
    let (requests, modules) = (names(&input.packages), names(&input.modules));
    let plain = |names: &'_ [String]| list(names.iter().map(String::as_str).collect());
    let mut text = format!("spec:\n  distributions:\n    - release: {}\n", quoted(release));
    // Writing to a string cannot fail.
    if !input.architectures.is_empty() {
        let _ = writeln!(text, "      architectures: {}", plain(&input.architectures));
    }
    let _ = writeln!(text, "      weakDependencies: {}", input.weak_dependencies);
    if !modules.is_empty() {
        let _ = writeln!(text, "      modules: {}", plain(&modules));
    }
    let _ = writeln!(text, "      download: {}\n  packages:", plain(&requests));
    for repository in &input.repositories {
        let _ = writeln!(text, "    - name: {}\n      release: {}", quoted(&repository.id), quoted(release));
        text.push_str("      source:\n");
        let places = [
            ("url", &repository.url),
            ("metalink", &repository.metalink),
            ("mirrorlist", &repository.mirrorlist),
        ];
        if let Some((key, Some(url))) = places.into_iter().find(|(_, place)| place.is_some()) {
            let _ = writeln!(text, "        {key}: {}", quoted(url));
        }
        let key = format!("keys/RPM-GPG-KEY-{}", repository.id);
        let _ = writeln!(text, "        keys: {}", list(vec![&key]));
    }
    text
}
