//! The project model: `sealift.yaml`, the lock file and the settings, read, checked and resolved.

mod book;
mod debian;
mod entries;
mod error;
mod field;
pub mod file;
mod files;
mod found;
pub(crate) mod git;
mod image;
mod image_folders;
mod init;
mod lists;
mod load;
mod lock;
mod model;
mod names;
mod package;
mod paths;
mod pull;
mod read;
mod release;
mod repository;
mod schema_check;
mod settings;
mod signing;
mod solution;
mod sources;
mod tasks;
pub(crate) mod template;
mod upstream;
mod values;
mod variables;

pub use book::{Book, Chapter, MarkdownDocument, SummaryItem};
pub(crate) use book::{LinkTarget, target};
pub use debian::{
    DebDownloads, DebFile, DebRepositoryDefinition, DebRequest, DebSource, LockedDeb, LockedDebSet,
    LockedDebs,
};
pub use error::{Error, MISTAKES_SHOWN, Origin, Outside};
pub(crate) use error::{Mistakes, bounded};
pub use file::SignatureRule;
pub use file::schema;
pub(crate) use files::Templates;
pub use files::{
    DataFile, FilesDefinition, FilesSource, LocalFiles, ProducedFiles, SelectedFile, SelectedFiles,
    UnusedPattern,
};
pub use found::{AddedImages, FOUND_CATALOGUE};
pub use git::{Checkout, RemoteError, RemoteGit};
pub use image::{BaseImage, BuildMethod, Containerfile, ImageDefinition};
pub use init::{CiServer, InitCounts, InitOptions, PipelineDraft, ProjectDraft};
#[cfg(fuzzing)]
pub(crate) use lists::fuzz as fuzz_lists;
pub use lock::{FILE_NAME as LOCK_FILE_NAME, LockFile, LockedReferrers};
pub use model::{FILE_NAME, Program, Project, RegistryAccess};
pub(crate) use names::pool_place as deb_place;
pub use names::{
    ArchiveName, CargoPackage, CertifiedSigner, CommitHash, DebArchitecture, DebName, Delimiter, FileMode,
    FileName, FileUrl, GitLocation, GitRef, HostBuilder, ImageName, ImageOfArchive, ImageRepository,
    InnerPath, KeyId, LockedPath, MacroName, Mirror, ModuleStream, Nevra, PackageRequest, ParsedName,
    PathPattern, Pattern, PoolName, ProjectPath, RegistryHost, Release, RepositoryName, RepositoryUrl,
    RpmArchitecture, SourceName, Subject, SuiteName, Tag, TagPattern, TagRange, TaskName, TemplateSuffix,
    Text, TimeSpan, VariableName, Version,
};
pub use package::read_package;
pub use paths::Territory;
pub use pull::{PullDefinition, PullSource, SelectedTags, TagSelection};
pub(crate) use read::read as read_text;
pub use release::{ReleaseDefinition, ReleaseVersion};
pub(crate) use repository::MACROS_SET;
pub use repository::{
    PackageDefinition, RepositoryDefinition, RpmFile, SpecBuilder, SpecDownload, SpecNeeds, SpecPackage,
};
pub use settings::{
    ChosenProfile, OutputCache, Settings, SettingsFlags, auth_files, auth_places, certificate_folders,
    mirrors, program_variable, size as parse_size,
};
pub use signing::SigningDefinition;
pub use solution::{
    DraftError, Scaffold, ScaffoldFile, SolutionDefinition, SolutionDraft, SolutionLayout, SolutionName,
};
pub use sources::{
    FileForm, LockedDownload, LockedSources, RemoteFile, RemoteRepository, SourceContent, SourceDefinition,
};
pub use tasks::{DiscoveredInputs, OwnInput, OwnOutput, OwnTask, Produced, TaskCommand, Tool};
pub use upstream::{
    DistributionDefinition, LockedOrigin, LockedPackage, LockedPackages, LockedRepository, LockedSet,
    LockedWhy, Upstream, UpstreamLocation, UpstreamPart,
};
pub use values::Values;
pub(crate) use variables::value_of;

#[cfg(test)]
mod tests;
