//! What signs packages and repositories of a project.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use content::{AtomicFile, Durability, LinkPolicy};
use graph::{ActionError, Task, TaskInput, TaskOutput, Title};
use packages::openpgp::{KEYS_MAX, KeySource, Keys, Signer};

use super::TaskBuilder;
use crate::project::Project;

/// Nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The project does not say where the secret key is, and neither does the environment.
    #[error("cannot sign: the secret key is missing")]
    NoSecretKey,
    /// The key cannot be used.
    #[error("cannot sign: {0}")]
    Key(#[source] packages::Error),
    /// Another task reports the reason.
    #[error("cannot sign, for the same reason as another task")]
    Reported,
}

/// What signs, opened when the first task needs it.
#[derive(Clone)]
pub(super) struct ProjectSigner(Arc<Inner>);

struct Inner {
    name: PathBuf,
    public_key: PathBuf,
    secret_key: Option<KeySource>,
    /// Where signatures by programs are kept.
    kept: PathBuf,
    /// The signer, or the reason why nothing can be signed, until a task has reported it.
    opened: OnceLock<Result<Arc<Signer>, Mutex<Option<SigningError>>>>,
}

impl ProjectSigner {
    /// What signs for `project`, if anything does.
    pub(super) fn of(project: &Project) -> Option<Self> {
        let signing = project.signing.as_ref().filter(|_| project.settings.signs)?;
        Some(Self(Arc::new(Inner {
            name: signing.name.clone(),
            public_key: signing.public_key.clone(),
            secret_key: signing.secret_key.clone(),
            kept: project.settings.cache.join("signatures"),
            opened: OnceLock::new(),
        })))
    }

    /// What the result of a task that signs depends on. Where the secret key is does not count: each signature fits the public key.
    pub(super) fn input(&self, builder: &TaskBuilder<'_>) -> TaskInput {
        builder.input(&self.0.public_key, &self.0.name)
    }

    pub(super) fn open(&self) -> Result<Arc<Signer>, SigningError> {
        let open = || {
            let source = self.0.secret_key.as_ref().ok_or(SigningError::NoSecretKey)?;
            let signer = Signer::open(source, Some(&self.0.public_key)).map_err(SigningError::Key)?;
            Ok(Arc::new(signer.remembering(self.0.kept.clone())))
        };
        match self.0.opened.get_or_init(|| open().map_err(|error| Mutex::new(Some(error)))) {
            Ok(signer) => Ok(Arc::clone(signer)),
            Err(reason) => {
                let reason = reason.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(reason.unwrap_or(SigningError::Reported))
            }
        }
    }

    /// The task that puts the public key into a repository.
    pub(super) fn key_task(&self, builder: &TaskBuilder<'_>, family: &str, folder: &Path) -> Task {
        let target = folder.join(format!("RPM-GPG-KEY-{}", builder.project.values.slug));
        let (source, output) = (self.0.public_key.clone(), target.clone());
        Task {
            name: format!("{family}/add_key"),
            doc: "Add the public key of the project.".into(),
            title: Title::new("ADD KEY", builder.shown(&target)),
            inputs: [builder.made_here(), vec![self.input(builder)]].concat(),
            outputs: vec![TaskOutput::File(target)],
            action: Some(Box::new(move |_| {
                let bytes = content::open_read(&source, LinkPolicy::Follow, KEYS_MAX)?;
                let fault =
                    |fault| ActionError::failed(format!("{}: {fault}", content::printable_path(&source)));
                Ok(AtomicFile::write(
                    &output,
                    &Keys::armoured(&bytes).map_err(fault)?,
                    0o644,
                    Durability::Cache,
                )?)
            })),
            cheap: true,
            ..Task::default()
        }
    }
}
