//! The imported versions of a Solution, and what their archives have for a cluster.

use std::path::{Path, PathBuf};

use archive::image::ArchiveImage;
use archive::product::{self, ArchiveKind};
use archive::solution::{ImageTag, OperatorConfig, SolutionManifest};
use archive::tree::EntryKind;
use archive::{Tree, image, layout};
use serde_json::Value;

use super::error::Error;
use super::names::DnsLabel;
use super::objects::RBAC;
use crate::archives::{self, NodeLayout};

/// The roles of an operator.
const ROLES: &str = "operator/deploy/role.yaml";
/// The folder of the definitions of custom resources.
const CRDS: &str = "operator/deploy/crds";
/// The most bytes of the roles, and of one file of definitions.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// The most files of definitions.
const FILES_MAX: usize = 500;

/// An imported version of a Solution.
#[derive(Clone, Debug)]
pub struct ImportedSolution {
    /// Its archive.
    pub archive: PathBuf,
    /// Its manifest.
    pub manifest: SolutionManifest,
}

/// The imported versions of the Solution `name`, the oldest first. Archives that cannot be read are left out.
///
/// # Errors
///
/// [`Error::Node`] if a configuration of the node cannot be read.
pub fn imported(layout: &NodeLayout, name: &str) -> Result<Vec<ImportedSolution>, Error> {
    let mut found: Vec<ImportedSolution> = Vec::new();
    for archive in archives::configured(layout)? {
        let Ok(Some(manifest)) = manifest_of(&archive, name) else { continue };
        found.push(ImportedSolution { archive, manifest });
    }
    archive::version::sort(&mut found, |one| &one.manifest.version);
    Ok(found)
}

/// The imported version `version` of a Solution.
///
/// # Errors
///
/// [`Error::Node`] with [`archives::Error::NoSolution`] if it is not imported.
pub fn version<'a>(
    imported: &'a [ImportedSolution],
    name: &str,
    version: &str,
) -> Result<&'a ImportedSolution, Error> {
    imported.iter().find(|one| one.manifest.version == version).ok_or_else(|| {
        let available = imported.iter().map(|one| one.manifest.version.clone()).collect();
        archives::Error::NoSolution { name: name.to_owned(), version: version.to_owned(), available }.into()
    })
}

/// The `OperatorConfig` for all imported versions of a Solution; their images are at `registry`, a host and perhaps a path.
///
/// # Errors
///
/// [`Error::OperatorConfig`], [`Error::Archive`].
pub fn operator_config(imported: &[ImportedSolution], registry: &str) -> Result<OperatorConfig, Error> {
    let mut config = OperatorConfig::default();
    for one in imported {
        config.add(&one.manifest.version, &one.endpoint(registry), one.manifest.images.clone())?;
    }
    Ok(config)
}

impl ImportedSolution {
    /// Its name, which is a part of the names of its objects.
    ///
    /// # Errors
    ///
    /// [`Error::Name`]
    pub fn name(&self) -> Result<DnsLabel, Error> {
        DnsLabel::of_solution(&self.manifest.name).map_err(|source| Error::Name { what: "Solution", source })
    }

    /// Where the registry serves its images.
    fn endpoint(&self, registry: &str) -> String {
        format!("{registry}/{}", self.manifest.repository_prefix())
    }

    /// The operator's image: without one in the manifest, NAME-operator:VERSION.
    fn operator(&self) -> ImageTag {
        let SolutionManifest { name, version, operator, .. } = &self.manifest;
        let default = || ImageTag { name: format!("{name}-operator"), tag: version.clone() };
        operator.clone().unwrap_or_else(default)
    }

    /// The reference of the operator's image.
    #[must_use]
    pub fn operator_image(&self, registry: &str) -> String {
        format!("{}/{}", self.endpoint(registry), self.operator())
    }

    /// Whether the operator's image says which program to run.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`]
    pub fn operator_has_entrypoint(&self) -> Result<bool, Error> {
        let (tree, operator) = (self.tree()?, self.operator());
        let mut config = None;
        let mut visit = |image: ArchiveImage| {
            if (image.name.as_str(), image.tag.as_str()) == (&operator.name, &operator.tag) {
                let digest = image.stored().find_map(|stored| stored.manifest.config);
                config = digest.and_then(|digest| image.blobs.get(&digest).cloned());
            }
        };
        image::each(&tree, layout::IMAGES, &mut visit).map_err(|source| self.unreadable(source))?;
        let Some(config) = config else { return Ok(false) };
        let text = tree.read(&config.path, FILE_MAX).map_err(|source| self.unreadable(source))?;
        let config: Value = serde_json::from_slice(&text).unwrap_or_default();
        Ok(config["config"]["Entrypoint"].as_array().is_some_and(|words| !words.is_empty()))
    }

    /// The reference of the UI's image, if the Solution has a UI.
    #[must_use]
    pub fn ui_image(&self, registry: &str) -> Option<String> {
        let image = self.manifest.ui.as_ref()?;
        Some(format!("{}/{image}", self.endpoint(registry)))
    }

    /// The objects of `operator/deploy/role.yaml`: at least their `kind` and `metadata.name` are texts.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] for other kinds than `Role` and `ClusterRole`, or an object without a name; [`Error::Archive`].
    pub fn roles(&self) -> Result<Vec<Value>, Error> {
        let tree = self.tree()?;
        if self.read_entry(&tree, ROLES)?.is_none() {
            return Ok(Vec::new());
        }
        let roles = self.objects(&tree, ROLES)?;
        for role in &roles {
            let wrong = |problem: String| self.wrong(ROLES, problem);
            let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
            let group = role["apiVersion"].as_str().and_then(|version| version.split_once('/'));
            let is_role = matches!(role["kind"].as_str(), Some("Role" | "ClusterRole"));
            if !is_role || group.is_none_or(|(group, _)| group != RBAC) {
                let (kind, version) = (text(&role["kind"]), text(&role["apiVersion"]));
                let found = format!("{kind} of {version}");
                return Err(wrong(format!(
                    "expected the kinds Role and ClusterRole of {RBAC}/v1, found {found}"
                )));
            }
            let name = role["metadata"]["name"].as_str().unwrap_or_default();
            // The rule of Kubernetes for names that are a part of a path.
            if matches!(name, "" | "." | "..")
                || name.contains(['/', '%'])
                || name.chars().any(char::is_control)
            {
                return Err(wrong(format!("`{name}` is not the name of a role")));
            }
        }
        Ok(roles)
    }

    /// The `CustomResourceDefinition`s in `operator/deploy/crds`: at least their `metadata.name` and the names in
    /// `spec.versions` are texts. Objects of other kinds, such as samples, are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Content`], [`Error::Archive`].
    pub fn crds(&self) -> Result<Vec<Value>, Error> {
        let tree = self.tree()?;
        if self.read_entry(&tree, CRDS)?.is_none() {
            return Ok(Vec::new());
        }
        let mut names: Vec<String> = tree
            .read_dir(CRDS)
            .map_err(|source| self.unreadable(source))?
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .map(|entry| entry.name)
            .filter(|name| [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)))
            .collect();
        if names.len() > FILES_MAX {
            return Err(self.wrong(CRDS, format!("more than {FILES_MAX} files")));
        }
        names.sort();
        let mut crds = Vec::new();
        for name in names {
            let file = format!("{CRDS}/{name}");
            for object in self.objects(&tree, &file)? {
                if object["kind"] != "CustomResourceDefinition" {
                    continue;
                }
                if object["metadata"]["name"].as_str().is_none_or(str::is_empty) {
                    return Err(self.wrong(&file, "a CustomResourceDefinition has no name".into()));
                }
                crds.push(object);
            }
        }
        Ok(crds)
    }

    fn tree(&self) -> Result<Tree, Error> {
        Tree::open(&self.archive).map_err(|source| self.unreadable(source))
    }

    fn read_entry(&self, tree: &Tree, path: &str) -> Result<Option<()>, Error> {
        Ok(tree.entry(path).map_err(|source| self.unreadable(source))?.map(drop))
    }

    /// The objects of a YAML file, those of lists too. Empty documents are left out.
    fn objects(&self, tree: &Tree, file: &str) -> Result<Vec<Value>, Error> {
        let bytes = tree.read(file, FILE_MAX).map_err(|source| self.unreadable(source))?;
        let text = String::from_utf8(bytes).map_err(|_| self.wrong(file, "it is not UTF-8".into()))?;
        parse_objects(&text).map_err(|problem| self.wrong(file, problem))
    }

    fn wrong(&self, file: &str, problem: String) -> Error {
        Error::Content { archive: self.archive.clone(), file: file.to_owned(), problem }
    }

    fn unreadable(&self, source: archive::Error) -> Error {
        Error::Archive { archive: self.archive.clone(), source }
    }
}

/// The objects of the documents of a YAML text.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse_objects(text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| error.without_snippet().to_string())?;
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .map(
            |document| if document.is_object() { Ok(document) } else { Err("expected an object".to_owned()) },
        )
        .collect()
}

/// The manifest of the Solution `name` in an archive; `None` for another archive. The manifest of a Solution in the layout of
/// 2019, which has none, is made of its name and version. Without a list of images it has those of the archive.
fn manifest_of(archive: &Path, name: &str) -> archive::Result<Option<SolutionManifest>> {
    let tree = Tree::open(archive)?;
    let manifest = match product::solution_manifest(&tree)? {
        Some(manifest) => Some(manifest),
        None => product::describe(&tree)?.and_then(|(product, kind)| {
            let (name, version) = (product.name, product.version);
            (kind == ArchiveKind::Solution).then(|| SolutionManifest { name, version, ..Default::default() })
        }),
    };
    let Some(mut manifest) = manifest.filter(|manifest| manifest.name == name) else { return Ok(None) };
    if manifest.images.is_empty() {
        image::each(&tree, layout::IMAGES, &mut |image| {
            manifest.images.extend(ImageTag::new(&image.name, &image.tag));
        })?;
    }
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata: {name: example}\n\
                            spec: {version: 1.0.0}\n";

    /// A node whose only archive is a folder with these files.
    fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, NodeLayout) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join("archive").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let place = |name: &str| folder.path().join(name);
        let layout = NodeLayout {
            bootstrap: place("bootstrap.yaml"),
            solutions: place("solutions.yaml"),
            archives: place("archives.yaml"),
            ..NodeLayout::default()
        };
        let text = format!(
            "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives:\n- {}\n",
            place("archive").display()
        );
        std::fs::write(&layout.solutions, text).unwrap();
        (folder, layout)
    }

    fn only(layout: &NodeLayout) -> ImportedSolution {
        imported(layout, "example").unwrap().pop().unwrap()
    }

    #[test]
    fn roles_are_read_or_refused_with_the_reason() {
        let role = |kind: &str, name: &str| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nrules: []\n"
            )
        };
        let two = format!("---\n{}---\n# nothing\n---\n{}", role("Role", "a"), role("ClusterRole", "b"));
        for (text, expected) in [
            (two.as_str(), "2"),
            ("", "0"),
            (&role("Secret", "a"), "found Secret of rbac.authorization.k8s.io/v1"),
            ("kind: Role\n", "found Role of nothing"),
            ("apiVersion: v1\nkind: Role\nmetadata: {name: a}\n", "found Role of v1"),
            (&role("Role", "a/b"), "`a/b` is not the name of a role"),
            (&role("Role", "''"), "`` is not the name of a role"),
            ("- a\n", "expected an object"),
            ("a: [\n", "role.yaml: "),
        ] {
            let (_folder, layout) = node(&[("manifest.yaml", MANIFEST), (ROLES, text)]);
            let found = match only(&layout).roles() {
                Ok(roles) => roles.len().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(found.contains(expected), "{text}: {found}");
        }
        let (_folder, layout) = node(&[("manifest.yaml", MANIFEST)]);
        assert!(only(&layout).roles().unwrap().is_empty() && only(&layout).crds().unwrap().is_empty());
    }

    #[test]
    fn definitions_are_those_of_all_files_without_samples() {
        let crd = |name: &str| {
            format!(
                "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {name}}}\n"
            )
        };
        let (_folder, layout) = node(&[
            ("manifest.yaml", MANIFEST),
            ("operator/deploy/crds/b_crd.yaml", &crd("b.example.com")),
            ("operator/deploy/crds/a.yml", &format!("{}---\n{}", crd("a.example.com"), crd("c.example.com"))),
            (
                "operator/deploy/crds/sample_cr.yaml",
                "apiVersion: example.com/v1\nkind: B\nmetadata: {name: x}\n",
            ),
            ("operator/deploy/crds/README", "no YAML: ["),
        ]);
        let crds = only(&layout).crds().unwrap();
        let names: Vec<&str> = crds.iter().map(|crd| crd["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a.example.com", "c.example.com", "b.example.com"]);
    }

    #[test]
    fn a_solution_of_2019_is_named_by_its_product_information() {
        let product = "NAME=example\nVERSION=1.0.0\nARCHIVE_LAYOUT_VERSION=1\n";
        let (_folder, layout) =
            node(&[("product.txt", product), ("images/example-operator/1.0.0/manifest.json", "{}")]);
        let solution = only(&layout);
        assert_eq!(solution.operator_image("r"), "r/example-1.0.0/example-operator:1.0.0");
        assert_eq!((solution.ui_image("r"), solution.operator_has_entrypoint().unwrap()), (None, false));
        let config = operator_config(&[solution], "r").unwrap().render();
        assert!(config.ends_with("      images:\n        - example-operator:1.0.0\n"), "{config}");
        assert!(imported(&layout, "other").unwrap().is_empty());
    }

    #[test]
    fn the_entry_point_is_that_of_the_image_configuration() {
        let digest = |text: &str| content::Digest::of(text.as_bytes());
        for (config, expected) in [
            (r#"{"config": {"Entrypoint": ["/operator"]}}"#, true),
            (r#"{"config": {"Entrypoint": []}}"#, false),
            (r#"{"config": {"Cmd": ["/operator"]}}"#, false),
            ("no JSON", false),
        ] {
            let manifest = format!(
                r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {{"mediaType":
                "application/vnd.oci.image.config.v1+json", "digest": "{}", "size": {}}}, "layers": []}}"#,
                digest(config),
                config.len()
            );
            let folder = "images/example-operator/1.0.0";
            let blob = format!("{folder}/{}", digest(config).hex());
            let (_folder, layout) = node(&[
                ("manifest.yaml", MANIFEST),
                (&format!("{folder}/manifest.json"), &manifest),
                (&blob, config),
            ]);
            assert_eq!(only(&layout).operator_has_entrypoint().unwrap(), expected, "{config}");
        }
    }
}
