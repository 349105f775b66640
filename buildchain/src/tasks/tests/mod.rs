//! What a project's files become, and which of them are refused before anything is written.

mod clashes;
mod contents;
mod files;
mod keys;
mod lock;
mod names;
mod original_names;
mod paths;
mod rpms;
mod settings;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::project::{FilesSource, Settings, SettingsFlags};

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\nspec:\n";

/// A folder with a project in it, and a host's files beside it.
struct TestProject {
    folder: tempfile::TempDir,
}

impl TestProject {
    /// A project whose `spec` has this text.
    fn new(spec: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("sealift.yaml", &format!("{HEAD}  {spec}\n"));
        fs::create_dir(place.folder.path().join("host")).unwrap();
        fs::write(place.folder.path().join("host/secret"), "secret\n").unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("project")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, target: &str, name: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn plan_in(&self, build_root: Option<PathBuf>) -> Result<(Arc<Project>, TaskPlan), String> {
        let flags = SettingsFlags { build_root, ..SettingsFlags::default() };
        let settings = Settings::gather(&self.root(), &BTreeMap::new(), &flags).map_err(|e| e.to_string())?;
        let project = Arc::new(Project::load(&self.root(), settings).map_err(|e| e.to_string())?);
        let registries = RegistrySession::new(registry_options(&project));
        let plan = tasks(&project, Path::new("/proc/self/exe"), &registries).map_err(|e| e.to_string())?;
        Ok((project, plan))
    }

    fn plan(&self) -> Result<TaskPlan, String> {
        self.plan_in(None).map(|(_, plan)| plan)
    }

    /// The files of the project that end up in the archive's tree.
    fn deployed(&self) -> Vec<String> {
        let (project, plan) = self.plan_in(None).unwrap();
        let outputs = plan.tasks.iter().flat_map(|task| &task.outputs);
        let mut paths: Vec<String> = outputs
            .filter_map(|output| output.path().strip_prefix(project.tree()).ok())
            .map(|path| path.to_str().unwrap().to_owned())
            .filter(|path| !["product.txt", "SHA256SUMS", "LINKS.mtree"].contains(&path.as_str()))
            .collect();
        paths.sort();
        paths
    }
}
