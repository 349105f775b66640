//! Programs built from the project's own sources: `binaries`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use content::LinkPolicy;
use graph::{Discover, Task, TaskAction, TaskInput, TaskOutput, Title};

use super::{Error, TaskBuilder, TaskHandle, place_file};
use crate::project::{self, Project};

/// No compilation takes this long, unless it hangs.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
/// The most bytes of a `Cargo.toml`.
const MANIFEST_MAX: u64 = 1 << 20;

/// The tasks of programs.
pub(super) struct BinaryTasks {
    /// Those that put programs into the archive.
    pub(super) shipped: Vec<TaskHandle>,
}

pub(super) fn add(builder: &mut TaskBuilder<'_>) -> Result<BinaryTasks, Error> {
    let project = Arc::clone(builder.project);
    if !project.binaries.is_empty() {
        // Cargo follows links: it would compile what lies outside, or write there.
        for folder in members(&project.root)?.iter().map(PathBuf::as_path).chain([Path::new("target")]) {
            project.territory.resolve(folder).map_err(project::Error::from)?;
        }
    }
    let (mut built_by, mut shipped_by) = (Vec::new(), Vec::new());
    for binary in &project.binaries {
        let name = binary.package.as_str();
        let built = project.settings.build_root.join("bin").join(name);
        let cargo = builder.check_for("cargo");
        built_by.push(builder.push(Task {
            name: format!("_build_binary:{name}"),
            alias: format!("binaries:{name}"),
            doc: format!("Build the program {name}, statically linked."),
            title: Title::new("CARGO BUILD", builder.shown(&built)),
            inputs: sources(&project.root, &project.settings.cargo_profile)?,
            discover: compiler(&project.root),
            outputs: vec![TaskOutput::File(built.clone())],
            after: vec![cargo],
            action: Some(build(&project, name, built.clone())),
            pool: Some(super::CARGO.into()),
            timeout: Some(COMPILE_TIMEOUT),
            ..Task::default()
        }));
        if let Some((to, origin)) = &binary.shipped {
            let shipped = project.tree().join(to);
            let task = Task {
                name: format!("_iso_add_binary:{name}"),
                alias: format!("populate_iso:{name}"),
                doc: format!("Put the program {name} into the archive."),
                title: Title::new("COPY", builder.shown(&shipped)),
                inputs: vec![TaskInput::file(&built)],
                outputs: vec![TaskOutput::File(shipped.clone())],
                action: Some(Box::new(move |context| {
                    place_file::link(&built, &shipped)?;
                    context.record(&shipped, context.digest(&built)?)?;
                    Ok(())
                })),
                ..Task::default()
            };
            shipped_by.push(builder.push_for(origin.clone(), format!("the program {name}"), task));
        }
    }
    builder.group("binaries", "Build the programs.", built_by);
    Ok(BinaryTasks { shipped: shipped_by })
}

fn build(project: &Arc<Project>, name: &str, built: PathBuf) -> TaskAction {
    let project = Arc::clone(project);
    let name = name.to_owned();
    Box::new(move |context| {
        let profile = &project.settings.cargo_profile;
        let places = cargo_static::BuildFolders::ask(&project.root, &project.settings.cargo_home)?;
        context.run(cargo_static::command(&places, &name, profile).arg("--quiet"))?;
        place_file::copy(&cargo_static::binary(&project.root, &name, profile), &built)?;
        Ok(())
    })
}

/// The compiler, where no file of the project says which.
fn compiler(root: &Path) -> Option<Discover> {
    let pinned = ["rust-toolchain.toml", "rust-toolchain"].iter().any(|name| root.join(name).is_file());
    (!pinned).then(|| -> Discover {
        Box::new(|root| {
            let output = Command::new("rustc").arg("-vV").current_dir(root).output()?;
            Ok(vec![TaskInput::value("compiler", String::from_utf8_lossy(&output.stdout))])
        })
    })
}

/// What cargo compiles into programs: the sources and manifests of every member of the workspace, and what pins the rest.
fn sources(root: &Path, profile: &str) -> Result<Vec<TaskInput>, Error> {
    let mut inputs = pins(root);
    inputs.push(TaskInput::value("cargo flags", format!("static, {profile}")));
    for member in members(root)? {
        inputs.push(TaskInput::glob(member.join("src"), "**"));
        inputs.extend(there(&member, &["Cargo.toml", "build.rs"]));
    }
    Ok(inputs)
}

/// What cargo compiles for any target: programs, tests, examples and benchmarks. Nothing if `root` is no cargo project.
pub(super) fn all_sources(root: &Path) -> Result<Vec<TaskInput>, Error> {
    let mut inputs = pins(root);
    if inputs.is_empty() {
        return Ok(inputs);
    }
    for member in members(root)? {
        let folders = ["src", "tests", "examples", "benches"].map(|folder| member.join(folder));
        inputs.extend(
            folders
                .into_iter()
                .filter(|folder| folder.is_dir())
                .map(|folder| TaskInput::glob(folder, "**/*.rs")),
        );
        inputs.extend(there(&member, &["Cargo.toml", "build.rs"]));
    }
    Ok(inputs)
}

/// The files that hold for the whole workspace.
pub(super) const PINS: [&str; 4] = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"];

fn pins(root: &Path) -> Vec<TaskInput> {
    there(root, &PINS)
}

/// Those of the files `names` in `folder` that exist.
fn there(folder: &Path, names: &[&str]) -> Vec<TaskInput> {
    names.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).map(TaskInput::file).collect()
}

/// The folders of the packages of the workspace at `root`.
fn members(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let manifest = root.join("Cargo.toml");
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Read { path, source }
    };
    let text = content::open_text(&manifest, LinkPolicy::Follow, MANIFEST_MAX)
        .map_err(|error| unreadable(&manifest)(error.source))?;
    let wrong = |message: String| Error::Definition { path: manifest.clone(), message };
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let members = table.get("workspace").and_then(|workspace| workspace.get("members"));
    let mut folders = Vec::new();
    if table.contains_key("package") {
        folders.push(root.to_path_buf());
    }
    for member in members.and_then(|members| members.as_array()).into_iter().flatten() {
        let member = member
            .as_str()
            .ok_or_else(|| wrong("`workspace.members` contains something that is not a string".into()))?;
        let (parent, all) = member.strip_suffix("/*").map_or((member, false), |parent| (parent, true));
        if parent.contains(['*', '?', '[']) {
            return Err(wrong(format!(
                "the pattern `{member}` in `workspace.members`: expected a folder or `folder/*`"
            )));
        }
        let folder = root.join(parent);
        if all {
            let entries = std::fs::read_dir(&folder).map_err(unreadable(&folder))?;
            let packages =
                entries.flatten().map(|entry| entry.path()).filter(|path| path.join("Cargo.toml").is_file());
            folders.extend(packages);
        } else {
            folders.push(folder);
        }
    }
    folders.sort();
    folders.dedup();
    Ok(folders)
}
