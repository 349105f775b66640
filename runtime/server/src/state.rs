//! What all connections share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::config::{ServerLimits, ServerOptions};
use crate::error::Error;
use crate::http::body::Buffers;
use crate::integrity::Checker;
use crate::inventory::Inventory;
use crate::observe::log::{ServerEvent, ServerLog};
use crate::observe::metrics::Metrics;
use crate::status::StatusBoard;
use crate::tls::{self, TlsFiles};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) inventory: RwLock<Arc<Inventory>>,
    /// Held during a reload, from reading the list of archives until they are served.
    pub(crate) reloading: Mutex<()>,
    pub(crate) checker: Arc<Checker>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: ServerLimits,
    pub(crate) log: Arc<dyn ServerLog>,
    tls: Option<TlsFiles>,
    tls_config: RwLock<Option<Arc<rustls::ServerConfig>>>,
    check_in_background: bool,
    leave_out_unreadable: bool,
    background: Mutex<Option<tokio::task::AbortHandle>>,
    /// The runtime of the server, once it runs.
    pub(crate) executor: OnceLock<tokio::runtime::Handle>,
    pub(crate) draining: AtomicBool,
    pub(crate) status: StatusBoard,
}

impl ServerState {
    /// Reads the certificates and opens the archives.
    pub(crate) fn new(config: ServerOptions) -> Result<Self, Error> {
        let tls_config = config.tls.as_ref().map(tls::load).transpose()?;
        let inventory =
            Inventory::open(&config.archives, &Inventory::default(), config.leave_out_unreadable)?;
        Ok(Self {
            inventory: RwLock::new(Arc::new(inventory)),
            reloading: Mutex::default(),
            checker: Arc::new(Checker::new(Arc::clone(&config.log))),
            buffers: Arc::default(),
            metrics: Metrics::default(),
            limits: config.limits,
            log: config.log,
            tls: config.tls,
            tls_config: RwLock::new(tls_config),
            check_in_background: config.check_in_background,
            leave_out_unreadable: config.leave_out_unreadable,
            background: Mutex::default(),
            executor: OnceLock::new(),
            draining: AtomicBool::new(false),
            status: StatusBoard::new(config.state_folders, config.package_files),
        })
    }

    /// The archives that are served now.
    pub(crate) fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether clients connect with TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the check of all content is running.
    pub(crate) fn is_checking(&self) -> bool {
        let background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        background.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// The certificates in use; `None` for plain HTTP.
    pub(crate) fn tls_config(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls_config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads certificates and archives, and serves them in place of the previous ones.
    pub(crate) fn replace(&self, archives: &[PathBuf]) -> Result<(), Error> {
        let tls_config = self.tls.as_ref().map(tls::load).transpose()?;
        let inventory = Arc::new(Inventory::open(archives, &self.inventory(), self.leave_out_unreadable)?);
        *self.tls_config.write().unwrap_or_else(PoisonError::into_inner) = tls_config;
        *self.inventory.write().unwrap_or_else(PoisonError::into_inner) = inventory;
        self.metrics.reloads.fetch_add(1, Ordering::Relaxed);
        self.announce();
        self.check_all();
        Ok(())
    }

    /// Logs what is served, and what is not.
    pub(crate) fn announce(&self) {
        for (archive, problem) in &self.inventory().left_out {
            self.log.event(&ServerEvent::NotServed { archive: archive.clone(), problem: problem.clone() });
        }
        for archive in &self.inventory().archives {
            let id = archive.product.as_ref().map(archive::Product::id);
            let repositories = archive.repositories.len();
            self.log.event(&ServerEvent::Serving { archive: archive.path.clone(), id, repositories });
            for problem in &archive.problems {
                self.log.event(&ServerEvent::NotServed {
                    archive: archive.path.clone(),
                    problem: problem.clone(),
                });
            }
        }
    }

    /// Starts a check of all content, and ends the previous one.
    pub(crate) fn check_all(&self) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = background.take() {
            running.abort();
        }
        if let (true, Some(executor)) = (self.check_in_background, self.executor.get()) {
            let task = executor.spawn(Arc::clone(&self.checker).check_all(self.inventory()));
            *background = Some(task.abort_handle());
        }
    }
}
