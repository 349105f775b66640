//! The status as it was last collected, and the pages that were rendered from it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::collect;
use super::model::{FileSystem, NodeStatus, OtherNode};
use super::packages::PackageFiles;
use super::render::RenderedPage;
use super::space;
use crate::inventory::Inventory;
use crate::state::ServerState;

/// How long a collected status is used. However many requests arrive, it is collected at most once in this time.
const AGE_MAX: Duration = Duration::from_secs(2);
/// How long a status waits for file systems to respond. A disk that hangs must not block the page.
const SPACE_TIME: Duration = Duration::from_millis(500);
/// The maximum number of rendered pages that are kept.
const PAGES_MAX: usize = 64;

/// What the status needs beside the served archives, and the last one.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    /// The folders of the node's state.
    folders: Vec<PathBuf>,
    pub(super) package_files: Arc<dyn PackageFiles>,
    nodes: Mutex<Vec<OtherNode>>,
    space: Arc<Space>,
    current: Mutex<Option<Arc<Snapshot>>>,
    /// Held while the status is collected.
    collecting: tokio::sync::Mutex<()>,
}

/// The file systems as they last responded.
#[derive(Debug, Default)]
struct Space {
    found: Mutex<Vec<FileSystem>>,
    /// Whether a thread waits for them.
    asked: AtomicBool,
}

/// A page of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PageKey {
    Text,
    Top,
    Json,
    /// An archive by its index, and the page of its images.
    Archive(usize, usize),
}

/// A status, with the pages rendered from it so far.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) inventory: Arc<Inventory>,
    pub(super) status: NodeStatus,
    collected: Mutex<Instant>,
    pages: Mutex<HashMap<PageKey, Arc<RenderedPage>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatusBoard {
    pub(crate) fn new(folders: Vec<PathBuf>, package_files: Arc<dyn PackageFiles>) -> Self {
        Self {
            folders,
            package_files,
            nodes: Mutex::default(),
            space: Arc::default(),
            current: Mutex::default(),
            collecting: tokio::sync::Mutex::default(),
        }
    }

    /// Sets what other nodes responded.
    pub(crate) fn set_nodes(&self, nodes: Vec<OtherNode>) {
        let mut known = lock(&self.nodes);
        if *known != nodes {
            *known = nodes;
            drop(known);
            *lock(&self.current) = None;
        }
    }

    /// The status of what is served now. While another request collects it, an older one of the same archives is returned.
    pub(super) async fn snapshot(&self, state: &ServerState) -> Arc<Snapshot> {
        let inventory = state.inventory();
        let known = lock(&self.current).clone().filter(|known| Arc::ptr_eq(&known.inventory, &inventory));
        if let Some(known) = &known
            && lock(&known.collected).elapsed() < AGE_MAX
        {
            return Arc::clone(known);
        }
        let _collecting = match (self.collecting.try_lock(), known) {
            (Ok(collecting), _) => collecting,
            (Err(_), Some(known)) => return known,
            (Err(_), None) => self.collecting.lock().await,
        };
        let known = lock(&self.current).clone().filter(|known| Arc::ptr_eq(&known.inventory, &inventory));
        if let Some(known) = &known
            && lock(&known.collected).elapsed() < AGE_MAX
        {
            return Arc::clone(known);
        }
        let file_systems = self.file_systems(&inventory).await;
        let nodes = lock(&self.nodes).clone();
        let status = collect::status(&inventory, state.is_checking(), file_systems, &nodes);
        match known {
            Some(known) if known.status == status => {
                *lock(&known.collected) = Instant::now();
                known
            }
            _ => {
                let collected = Mutex::new(Instant::now());
                let snapshot = Arc::new(Snapshot { inventory, status, collected, pages: Mutex::default() });
                *lock(&self.current) = Some(Arc::clone(&snapshot));
                snapshot
            }
        }
    }

    /// The file systems, as they respond within [`SPACE_TIME`], else as they did before.
    async fn file_systems(&self, inventory: &Inventory) -> Vec<FileSystem> {
        if !self.space.asked.swap(true, Ordering::AcqRel) {
            let (archives, folders) = (inventory.paths.clone(), self.folders.clone());
            let space = Arc::clone(&self.space);
            let asked = tokio::task::spawn_blocking(move || {
                let found = space::file_systems(&archives, &folders);
                *lock(&space.found) = found;
                space.asked.store(false, Ordering::Release);
            });
            // The thread continues after that time.
            let _ = tokio::time::timeout(SPACE_TIME, asked).await;
        }
        lock(&self.space.found).clone()
    }
}

impl Snapshot {
    /// A page that was rendered before.
    pub(super) fn page(&self, key: PageKey) -> Option<Arc<RenderedPage>> {
        lock(&self.pages).get(&key).cloned()
    }

    /// Keeps a rendered page for the next request.
    pub(super) fn keep(&self, key: PageKey, page: &Arc<RenderedPage>) {
        let mut pages = lock(&self.pages);
        if pages.len() >= PAGES_MAX {
            pages.clear();
        }
        pages.insert(key, Arc::clone(page));
    }

    /// The index of the archive with this name in paths.
    pub(super) fn archive(&self, name: &str) -> Option<usize> {
        (0..self.status.archives.len()).find(|index| self.archive_name(*index).as_deref() == Some(name))
    }

    /// The name of an archive in paths: its ID, else its position.
    pub(super) fn archive_name(&self, index: usize) -> Option<String> {
        let archive = self.status.archives.get(index)?;
        // An ID does not begin with an underscore.
        Some(archive.id.as_ref().map_or_else(|| format!("_{}", index + 1), ToString::to_string))
    }
}
