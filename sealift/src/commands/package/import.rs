//! `sealift package import`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use buildchain::locking::import_packages;
use buildchain::project::{
    LockFile, ModuleStream, PackageRequest, ParsedName, Release, RepositoryName, RepositoryUrl,
    RpmArchitecture,
};
use clap::Args;
use content::{LinkPolicy, printable, printable_path};
use images::RegistrySession;
use packages::exchange::{
    EXCHANGE_MAX, ExchangeFile, InputPackage, ListedRepository, PackageInput, PackageList,
    without_architecture,
};
use packages::source::Variables;

use super::export;
use crate::commands::project::lock::{Printed, package_line};
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::lock::LockedTag;
use crate::output::documents::packages::PackageExport;
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
        Failure::usage(format!("{}:{fault}", printable_path(&arguments.file)))
            .remedy("name a file `rpms.lock.yaml`, `packages.manifest.yaml` or `rpms.in.yaml`")
    })?;
    match read {
        ExchangeFile::List(list) => import(arguments, &list),
        ExchangeFile::Input(input) => print(arguments, &input),
    }
}

fn import(arguments: &Arguments, list: &PackageList) -> CommandResult {
    let project = arguments.selector.load()?;
    let release = export::release(&project, arguments.release.as_deref())?;
    if list.sources > 0 {
        output::note(&format!("{} not imported", output::count(list.sources, "source package")));
    }
    let mut lock = LockFile::read(&project.root).map_err(remedies::project::project)?;
    let registries = RegistrySession::new(buildchain::tasks::registry_options(&project));
    let changes =
        import_packages(&project, release, (&arguments.file, list), &mut lock, &registries, &Printed::new())
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
    let release = Release::parse(release).map_err(|reason| {
        Failure::usage(reason).remedy("name the release as the project does: `--release 9`")
    })?;
    let Entries { content, warnings } = Entries::new(&release, input);
    for warning in warnings {
        output::warn(&format!("{}: {}", printable_path(&arguments.file), printable(&warning)));
    }
    let document = || PackageExport { release: release.to_string(), content: content.clone() };
    Ok(arguments.output.report(document, || content.clone())?)
}

/// The entries of a project for an input. They load: what the project cannot have is left out.
struct Entries {
    content: String,
    /// What was left out or changed.
    warnings: Vec<String>,
}

impl Entries {
    fn new(release: &Release, input: &PackageInput) -> Self {
        let left_out = input.left_out.iter().map(|key| format!("`{key}` is left out"));
        let mut entries = Self { content: String::new(), warnings: left_out.collect() };
        let architectures = entries.valid::<RpmArchitecture>(input.architectures.iter().cloned());
        let requests = entries.everywhere(&input.packages, &architectures);
        let requests = entries.valid::<PackageRequest>(requests);
        let modules = entries.everywhere(&input.modules, &architectures);
        let modules = entries.valid::<ModuleStream>(modules);
        let list = |names: &[String]| serde_json::Value::from(names).to_string();
        entries.add(format!("spec:\n  distributions:\n    - release: {}", quoted(release.as_str())));
        if !architectures.is_empty() {
            entries.add(format!("      architectures: {}", list(&architectures)));
        }
        entries.add(format!("      weakDependencies: {}", input.weak_dependencies));
        if !modules.is_empty() {
            entries.add(format!("      modules: {}", list(&modules)));
        }
        entries.add(format!("      download: {}", list(&requests)));
        let mut known = BTreeSet::new();
        for repository in &input.repositories {
            entries.repository(release, repository, &mut known);
        }
        if known.is_empty() {
            entries.add("  packages: []".to_owned());
        }
        entries
    }

    fn add(&mut self, line: String) {
        self.content.push_str(&line);
        self.content.push('\n');
    }

    /// The texts that a project can have.
    fn valid<T: ParsedName>(&mut self, texts: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut kept: Vec<String> = Vec::new();
        for text in texts {
            match T::parse(&text) {
                Ok(_) if kept.contains(&text) => {}
                Ok(_) => kept.push(text),
                Err(reason) => self.warnings.push(format!("`{text}` is left out: {reason}")),
            }
        }
        kept
    }

    /// The names of what is for all architectures.
    fn everywhere(&mut self, packages: &[InputPackage], architectures: &[String]) -> Vec<String> {
        let (kept, others): (Vec<&InputPackage>, Vec<_>) = packages
            .iter()
            .partition(|one| architectures.iter().all(|architecture| one.is_for(architecture)));
        self.warnings.extend(
            others.iter().map(|one| format!("`{}` is left out: it is not for all architectures", one.name)),
        );
        kept.into_iter().map(|one| one.name.clone()).collect()
    }

    /// Adds an entry for a repository. `known` has the names of those before it.
    fn repository(&mut self, release: &Release, repository: &ListedRepository, known: &mut BTreeSet<String>) {
        let id = &repository.id;
        let named = without_architecture(&id.replace("$releasever", release.as_str()), "");
        let name: String = named
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' })
            .collect();
        let name = name.trim_start_matches(['.', '-', '_']);
        let places = [
            ("url", &repository.url),
            ("metalink", &repository.metalink),
            ("mirrorlist", &repository.mirrorlist),
        ];
        let place = places.into_iter().find_map(|(key, place)| Some((key, place.as_ref()?)));
        let checked = RepositoryName::parse(name).and_then(|_| {
            let (key, url) = place.ok_or("expected `baseurl`, `metalink` or `mirrorlist`")?;
            RepositoryUrl::parse(url)?;
            let expanded = Variables::new(release.as_str(), "x86_64").expand(url);
            expanded.map_err(|unknown| format!("`${unknown}` has no value"))?;
            if known.contains(name) {
                Err(format!("another repository has the name `{name}`"))
            } else {
                Ok((key, url))
            }
        });
        let (key, url) = match checked {
            Ok(place) => place,
            Err(reason) => {
                self.warnings.push(format!("the repository `{id}` is left out: {reason}"));
                return;
            }
        };
        if name != id {
            self.warnings
                .push(format!("the repository `{id}` has the name `{name}`: it is for all architectures"));
        }
        if known.is_empty() {
            self.add("  packages:".to_owned());
        }
        known.insert(name.to_owned());
        self.add(format!("    - name: {}\n      release: {}", quoted(name), quoted(release.as_str())));
        self.add(format!("      source:\n        {key}: {}", quoted(url)));
        self.add(format!("        keys: [{}]", quoted(&format!("keys/RPM-GPG-KEY-{name}"))));
    }
}

/// A YAML scalar: a JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use buildchain::project::{Project, Settings, SettingsFlags};

    use super::*;

    #[test]
    fn the_entries_of_any_input_load() {
        let release = Release::parse("9").unwrap();
        for (input, expected) in [
            ("contentOrigin: {repos: []}\npackages: []\n", &[][..]),
            (
                "contentOrigin: {repos: [{repoid: ubi-$releasever-$basearch-rpms, baseurl: 'https://h.example/$basearch/'}]}\n\
                 packages: [gcc, gcc, '', '-x', {name: a, arches: {only: s390x}}]\nmoduleEnable: [nodejs, 'ruby:3']\n\
                 arches: [x86_64, 'X Y']\n",
                &[
                    "`X Y` is left out: ",
                    "`a` is left out: it is not for all architectures",
                    "`` is left out: ",
                    "`-x` is left out: ",
                    "`nodejs` is left out: ",
                    "the repository `ubi-$releasever-$basearch-rpms` has the name `ubi-9-rpms`",
                ],
            ),
            (
                "contentOrigin:\n  repos: [{repoid: empty}, {repoid: url, baseurl: x}, {repoid: two, metalink: 'https://h/m?a=$unknown'},\n\
                 {repoid: same, mirrorlist: 'https://h/m'}, {repoid: same, mirrorlist: 'https://h/n'}, {repoid: $basearch, baseurl: 'https://h/'}]\n\
                 x: y\n",
                &[
                    "`x` is left out",
                    "the repository `empty` is left out: expected `baseurl`",
                    "the repository `url` is left out: expected the URL of a repository",
                    "the repository `two` is left out: `$unknown` has no value",
                    "the repository `same` is left out: another repository has the name `same`",
                    "the repository `$basearch` is left out: ",
                ],
            ),
        ] {
            let ExchangeFile::Input(input) = ExchangeFile::read(input).unwrap() else { panic!("a list") };
            let Entries { content, warnings } = Entries::new(&release, &input);
            for (warning, expected) in warnings.iter().zip(expected) {
                assert!(warning.starts_with(expected), "{expected}: {warning}");
            }
            assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("keys")).unwrap();
            for name in ["ubi-9-rpms", "same"] {
                std::fs::write(folder.path().join(format!("keys/RPM-GPG-KEY-{name}")), "").unwrap();
            }
            let head = "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\n";
            std::fs::write(folder.path().join("sealift.yaml"), format!("{head}{content}")).unwrap();
            let settings = Settings::gather(
                folder.path(),
                &std::collections::BTreeMap::new(),
                &SettingsFlags::default(),
            );
            Project::load(folder.path(), settings.unwrap())
                .unwrap_or_else(|error| panic!("{error}: {content}"));
        }
    }
}
