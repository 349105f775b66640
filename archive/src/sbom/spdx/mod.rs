//! Documents in the format SPDX 2.3, in JSON (spdx.github.io/spdx-spec/v2.3).

mod archive;
mod image;

use std::collections::BTreeMap;

use content::Digest;
use serde::{Deserialize, Serialize};

pub(super) use self::archive::package_in;
pub use self::archive::{LEFT_OUT, archive_document};
pub use self::image::image_document;
use super::component::{Component, bounded};

/// The version of the format.
pub const VERSION: &str = "SPDX-2.3";
/// The identifier of a document.
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// The algorithm of the checksums.
const SHA256: &str = "SHA256";
/// What has no value.
const NONE: &str = "NOASSERTION";
/// Bytes of a document.
pub(crate) const DOCUMENT_MAX: u64 = 256 << 20;
/// The start of the namespaces of our documents.
const NAMESPACE: &str = "https://sealift.dev/spdx/";
/// The longest readable part of an identifier.
const READABLE_MAX: usize = 60;

/// A document. The order of the fields is that in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Document {
    /// [`VERSION`].
    pub spdx_version: String,
    /// The license of the document itself.
    pub data_license: String,
    /// Its identifier.
    #[serde(rename = "SPDXID")]
    pub id: String,
    /// What it is about.
    pub name: String,
    /// A URI that no other document has.
    pub document_namespace: String,
    /// What is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When and by what it was created.
    pub creation_info: CreationInfo,
    /// Documents of others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_document_refs: Vec<ExternalDocument>,
    /// The packages, sorted by identifier.
    pub packages: Vec<Package>,
    /// What belongs to what, sorted.
    pub relationships: Vec<Relationship>,
}

/// When and by what a document was created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreationInfo {
    /// `2026-11-20T10:00:00Z`.
    pub created: String,
    /// `Tool: sealift-0.2.0`.
    pub creators: Vec<String>,
}

/// A document of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExternalDocument {
    /// Its name in this document.
    pub external_document_id: String,
    /// The checksum of its bytes.
    pub checksum: Checksum,
    /// Its namespace.
    pub spdx_document: String,
}

/// A checksum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Checksum {
    /// `SHA256`.
    pub algorithm: String,
    /// The hexadecimal digits.
    pub checksum_value: String,
}

/// A package: of an image, an image, an archive, or a file of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Package {
    /// Its identifier.
    #[serde(rename = "SPDXID")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version_info: String,
    /// Its path in the archive, if it is a file of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub package_file_name: String,
    /// `Organization: NAME`.
    pub supplier: String,
    /// Where it can be downloaded.
    pub download_location: String,
    /// Whether the document lists its files.
    pub files_analyzed: bool,
    /// The checksums of the file or manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Checksum>,
    /// What it says about its license, which need not be an expression of SPDX.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub license_comments: String,
    /// Its package URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external_refs: Vec<ExternalReference>,
    /// What it is for: `CONTAINER`, `ARCHIVE`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub primary_package_purpose: String,
}

/// A name of a package in another system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExternalReference {
    /// `PACKAGE-MANAGER`.
    pub reference_category: String,
    /// `purl`.
    pub reference_type: String,
    /// The name.
    pub reference_locator: String,
}

/// What belongs to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Relationship {
    /// The identifier of the first.
    pub spdx_element_id: String,
    /// `CONTAINS`, `DESCRIBES`.
    pub relationship_type: String,
    /// The identifier of the second.
    pub related_spdx_element: String,
}

impl Document {
    /// The bytes of the document: two spaces for each level, and an end of line.
    #[must_use]
    pub fn write(&self) -> String {
        // Text and lists of it can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a document of any version 2.
    ///
    /// # Errors
    ///
    /// It is not such a document.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let document: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !document.spdx_version.starts_with("SPDX-2.") {
            return Err(format!(
                "expected a document of SPDX 2, found the version `{}`",
                bounded(&document.spdx_version)
            ));
        }
        Ok(document)
    }

    /// The digest of the image that the document is about, if it has one.
    pub(crate) fn subject(&self) -> Option<Digest> {
        let mut relationships = self.relationships.iter();
        let described = relationships
            .find(|one| one.spdx_element_id == DOCUMENT && one.relationship_type == "DESCRIBES")?
            .related_spdx_element
            .as_str();
        let package = self.packages.iter().find(|package| package.id == described)?;
        let checksum = package.checksums.iter().find(|one| one.algorithm == SHA256)?;
        Digest::from_hex(&checksum.checksum_value).ok()
    }

    /// The packages that are neither images nor archives, as components.
    pub fn components(&self) -> impl Iterator<Item = (&Package, Component)> {
        let is_content = |package: &&Package| {
            !matches!(package.primary_package_purpose.as_str(), "CONTAINER" | "OPERATING-SYSTEM")
        };
        self.packages.iter().filter(is_content).map(|package| (package, package.component()))
    }
}

impl Package {
    /// The package URL.
    #[must_use]
    pub fn purl(&self) -> Option<&str> {
        let mut references = self.external_refs.iter();
        references.find(|one| one.reference_type == "purl").map(|one| one.reference_locator.as_str())
    }

    fn component(&self) -> Component {
        let mut component = Component::of_purl(self.purl(), &self.name, &self.version_info);
        let supplier =
            ["Organization: ", "Person: "].iter().find_map(|kind| self.supplier.strip_prefix(kind));
        component.supplier = bounded(supplier.unwrap_or_default());
        component.license = bounded(self.license_comments.strip_prefix(LICENSE).unwrap_or_default());
        component
    }
}

/// The start of what a package says about its license.
const LICENSE: &str = "Declared by the package: ";

/// A document that is put together.
struct Draft {
    document: Document,
    packages: BTreeMap<String, Package>,
}

impl Draft {
    /// A document about `name`. `created` is in Unix seconds.
    fn new(name: &str, created: i64, creator: &str) -> Self {
        let created = crate::product::timestamp(created).unwrap_or_else(|| "1970-01-01T00:00:00Z".into());
        let document = Document {
            spdx_version: VERSION.into(),
            data_license: "CC0-1.0".into(),
            id: DOCUMENT.into(),
            name: bounded(name),
            creation_info: CreationInfo {
                created,
                creators: vec![
                    format!("Organization: {}", actor(creator)),
                    format!("Tool: sealift-{}", env!("CARGO_PKG_VERSION")),
                ],
            },
            ..Document::default()
        };
        Self { document, packages: BTreeMap::new() }
    }

    /// Adds a package; one with the same identifier stays.
    fn add(&mut self, package: Package) -> String {
        let id = package.id.clone();
        self.packages.entry(id.clone()).or_insert(package);
        id
    }

    fn relate(&mut self, one: &str, kind: &str, other: &str) {
        self.document.relationships.push(Relationship {
            spdx_element_id: one.to_owned(),
            relationship_type: kind.to_owned(),
            related_spdx_element: other.to_owned(),
        });
    }

    /// The document, with a namespace that follows from its content.
    fn finish(self) -> Document {
        let Self { mut document, packages } = self;
        document.packages = packages.into_values().collect();
        document.relationships.sort();
        document.relationships.dedup();
        let digest = Digest::of(document.write().as_bytes());
        document.document_namespace = format!("{NAMESPACE}{}-{}", readable(&document.name), digest.hex());
        document
    }
}

/// A package of an image or of an archive. `fallback` supplies it if it does not say who does.
fn package_of(component: &Component, fallback: &str) -> Package {
    use super::Ecosystem;

    let purl = component.purl();
    let usual = match component.ecosystem {
        Ecosystem::Pypi => "PyPI",
        Ecosystem::Npm => "npm",
        _ => fallback,
    };
    let supplier = if component.supplier.is_empty() { usual } else { &component.supplier };
    let license = match component.license.as_str() {
        "" => String::new(),
        license => format!("{LICENSE}{license}"),
    };
    let id = format!(
        "SPDXRef-Package-{}-{}-{}",
        component.ecosystem.name(),
        readable(&component.name),
        start(&Digest::of(purl.as_bytes()))
    );
    Package {
        id,
        name: component.name.clone(),
        version_info: component.version.clone(),
        supplier: organization(supplier),
        download_location: NONE.into(),
        license_comments: license,
        external_refs: vec![purl_reference(purl)],
        ..Package::default()
    }
}

fn purl_reference(purl: String) -> ExternalReference {
    ExternalReference {
        reference_category: "PACKAGE-MANAGER".into(),
        reference_type: "purl".into(),
        reference_locator: purl,
    }
}

fn sha256(digest: &Digest) -> Checksum {
    Checksum { algorithm: SHA256.into(), checksum_value: digest.hex() }
}

/// The start of a digest in an identifier.
fn start(digest: &Digest) -> String {
    digest.hex().chars().take(16).collect()
}

/// The characters of a name that identifiers may have.
fn readable(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    name.chars().map(allowed).take(READABLE_MAX).collect()
}

/// `Name <mail>` as `Organization: Name (mail)`. Whether it is a person is not known.
fn organization(supplier: &str) -> String {
    let (name, mail) = match supplier.split_once('<') {
        Some((name, rest)) => (name, rest.split('>').next().unwrap_or_default()),
        None => (supplier, ""),
    };
    let (name, mail) = (actor(name), actor(mail));
    match (name.as_str(), mail.as_str()) {
        ("", "") => NONE.into(),
        (name, "") => format!("Organization: {name}"),
        ("", mail) => format!("Organization: {mail}"),
        (name, mail) => format!("Organization: {name} ({mail})"),
    }
}

/// A name in a field of actors, where parentheses have a meaning.
fn actor(name: &str) -> String {
    bounded(&name.replace(['(', ')'], " ")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
