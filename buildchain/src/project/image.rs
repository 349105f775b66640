//! Images to build.

use std::collections::BTreeMap;
use std::path::PathBuf;

use content::Digest;
use images::build::{Created, containerfile};
use images::{Platform, Reference};

use super::error::Origin;
use super::names::{ImageName, Tag};

/// An image to build, and the file that defines it.
#[derive(Debug)]
pub struct ImageDefinition {
    /// The entry that asks for it.
    pub origin: Origin,
    /// The name it is saved and served under.
    pub name: ImageName,
    /// Its tags: its own or the version of the project, then further ones.
    pub tags: Vec<Tag>,
    /// Its `image.yaml` or `Containerfile`, relative to the project.
    pub path: PathBuf,
    /// How it is built.
    pub method: BuildMethod,
    /// The images that it is built on.
    pub bases: Vec<BaseImage>,
}

/// How an image is built.
#[derive(Debug, Clone)]
pub enum BuildMethod {
    /// From an `image.yaml`, by ourselves.
    Declaration(Box<images::build::DefinedImage>),
    /// From a `Containerfile`, by an engine.
    Containerfile(Containerfile),
}

/// A `Containerfile` and how it is built.
#[derive(Debug, Clone)]
pub struct Containerfile {
    /// What to copy from, relative to the project.
    pub context: PathBuf,
    /// Values for `ARG` instructions.
    pub arguments: BTreeMap<String, String>,
    /// The stage to build, if not the last.
    pub target: Option<String>,
    /// What to build for, if not this machine.
    pub platform: Option<Platform>,
    /// The creation time, if one is declared.
    pub created: Option<Created>,
    /// The images it names, in the order of [`ImageDefinition::bases`].
    pub names: Vec<containerfile::BaseReference>,
}

/// An image that others are built on.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// Where it comes from.
    pub reference: Reference,
    /// The digest: the reference's own, else that of the lock file, else none.
    pub digest: Option<Digest>,
}
