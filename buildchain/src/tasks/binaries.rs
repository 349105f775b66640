//! Programs built from the project's own sources: `binaries`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Error, Place, place_file};
use crate::graph::{Action, Input, Output, Task, Title};
use crate::project::Project;

pub(super) fn add(place: &mut Place<'_>) -> Result<(), Error> {
    let project = Arc::clone(place.project);
    for binary in &project.binaries {
        let name = &binary.cargo.value;
        let built = project.settings.build_root.join("bin").join(name);
        place.push(Task {
            name: format!("_build_binary:{name}"),
            doc: format!("Build the program {name}, statically linked."),
            title: Title::new("CARGO BUILD", place.shown(&built)),
            inputs: sources(&project.root)?,
            outputs: vec![Output::File(built.clone())],
            action: Some(build(&project, name, built.clone())),
            ..Task::default()
        });
        if let Some(to) = &binary.to {
            let shipped = project.tree().join(&to.value);
            place.push(Task {
                name: format!("_iso_add_binary:{name}"),
                doc: format!("Put the program {name} into the archive."),
                title: Title::new("COPY", place.shown(&shipped)),
                inputs: vec![Input::file(&built)],
                outputs: vec![Output::File(shipped.clone())],
                action: Some(Box::new(move |context| {
                    place_file::link(&built, &shipped)?;
                    context.known(&shipped, context.digest(&built)?)?;
                    Ok(())
                })),
                ..Task::default()
            });
        }
    }
    place.group("binaries", "Build the programs.", &["_build_binary:"]);
    Ok(())
}

fn build(project: &Arc<Project>, name: &str, built: PathBuf) -> Action {
    let project = Arc::clone(project);
    let name = name.to_owned();
    Box::new(move |context| {
        let places = cargo_static::Places::ask(&project.root, &project.settings.cargo_home)?;
        context.run(cargo_static::command(&places, &name).arg("--quiet"))?;
        place_file::copy(&cargo_static::binary(&project.root, &name), &built)?;
        Ok(())
    })
}

/// What cargo compiles: the sources and manifests of every member of the workspace, and what pins the rest.
fn sources(root: &Path) -> Result<Vec<Input>, Error> {
    let manifest = root.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest)
        .map_err(|source| Error::Read { path: manifest.clone(), source })?;
    let wrong = |message: String| Error::Definition { path: manifest.clone(), message };
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let members = table.get("workspace").and_then(|workspace| workspace.get("members"));
    let mut inputs = vec![
        Input::value("cargo flags", "static, release"),
        Input::file(&manifest),
        Input::file(root.join("Cargo.lock")),
    ];
    inputs.extend(
        [".cargo/config.toml", "rust-toolchain.toml"]
            .map(|name| root.join(name))
            .iter()
            .filter(|path| path.exists())
            .map(Input::file),
    );
    let mut folders = Vec::new();
    if table.contains_key("package") {
        folders.push(root.to_path_buf());
    }
    for member in members.and_then(|members| members.as_array()).into_iter().flatten() {
        let member = member
            .as_str()
            .ok_or_else(|| wrong("`workspace.members` holds something that is no string".into()))?;
        if member.contains(['*', '?', '[']) {
            return Err(wrong(format!("the pattern `{member}` in `workspace.members`: name each member")));
        }
        folders.push(root.join(member));
    }
    for folder in folders {
        inputs.push(Input::glob(folder.join("src"), "**"));
        if folder != root {
            inputs.push(Input::file(folder.join("Cargo.toml")));
        }
        let script = folder.join("build.rs");
        if script.exists() {
            inputs.push(Input::file(script));
        }
    }
    Ok(inputs)
}
