//! The manifests of an image: the root and, where it is an index, the manifests below it, within bounds.
//!
//! [`Closure`] reads nothing itself: it says which manifest comes next, and takes its bytes. So one walk serves the network,
//! the store, folders and archives alike, and the same bounds hold everywhere:
//!
//! - every manifest is read once, those of an index before those of the indexes in it;
//! - all manifests together are at most [`MANIFESTS_MAX`] bytes;
//! - indexes are nested at most [`DEPTH_MAX`] deep.

use std::collections::{HashSet, VecDeque};

use content::Digest;

use crate::manifest::{
    DEPTH_MAX, Descriptor, MANIFEST_MAX, MANIFESTS_MAX, Manifest, ManifestError, MissingPlatform, Platform,
    PlatformSelection,
};

/// The walk over the manifests of an image.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    waiting: VecDeque<ManifestNode>,
    /// All that wait or were read.
    seen: HashSet<Digest>,
    bytes: u64,
    unconfirmed: Unconfirmed,
}

/// A manifest to read.
#[derive(Debug)]
pub(crate) struct ManifestNode {
    /// Its digest. Whoever reads it checks this.
    pub(crate) digest: Digest,
    /// What the index says that lists it; `None` for a root.
    pub(crate) descriptor: Option<Descriptor>,
    depth: usize,
}

impl ManifestNode {
    /// Whether it is where the walk began.
    pub(crate) fn is_root(&self) -> bool {
        self.descriptor.is_none()
    }
}

/// Platforms that no index says the image is for: its configurations decide.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    pub(crate) platforms: Vec<Platform>,
    /// The configurations that may name them.
    pub(crate) configs: Vec<Descriptor>,
}

/// Why a walk ends early.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The bytes are not a manifest.
    Manifest(ManifestError),
    /// The index has nothing for a platform that is wanted.
    Platform(Box<MissingPlatform>),
    /// Indexes are nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// All manifests together are larger than [`MANIFESTS_MAX`].
    TooLarge,
}

impl Closure {
    /// A walk from `root`.
    pub(crate) fn of(root: Digest) -> Self {
        let mut closure = Self::default();
        closure.enter(root);
        closure
    }

    /// Continues the walk with another root, unless its manifest was read already.
    pub(crate) fn enter(&mut self, root: Digest) {
        if self.seen.insert(root) {
            self.waiting.push_back(ManifestNode { digest: root, descriptor: None, depth: 0 });
        }
    }

    /// The manifest to read now; `None` once all were read. One that does not exist is left out by asking for the next.
    pub(crate) fn next(&mut self) -> Option<ManifestNode> {
        self.waiting.pop_front()
    }

    /// Takes the bytes of a manifest. Of the index that is the root the manifests for `platforms` are kept, all where it is
    /// empty; of other indexes all.
    pub(crate) fn read(
        &mut self,
        node: &ManifestNode,
        bytes: &[u8],
        platforms: &[Platform],
    ) -> Result<Manifest, Refusal> {
        self.bytes += bytes.len() as u64;
        if self.bytes > MANIFESTS_MAX {
            return Err(Refusal::TooLarge);
        }
        let manifest = Manifest::parse(bytes).map_err(Refusal::Manifest)?;
        let wanted = if node.is_root() { platforms } else { &[] };
        let PlatformSelection { kept, unconfirmed } = manifest.select(wanted).map_err(Refusal::Platform)?;
        if !kept.is_empty() && node.depth == DEPTH_MAX {
            return Err(Refusal::TooDeep);
        }
        self.unconfirmed.platforms.extend(unconfirmed);
        if !self.unconfirmed.platforms.is_empty() {
            let config = manifest.config.iter().filter(|config| config.size <= MANIFEST_MAX);
            self.unconfirmed.configs.extend(config.cloned());
        }
        for child in kept {
            if self.seen.insert(child.digest) {
                let (digest, depth) = (child.digest, node.depth + 1);
                self.waiting.push_back(ManifestNode { digest, descriptor: Some(child.clone()), depth });
            }
        }
        Ok(manifest)
    }

    /// The bytes of all manifests that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The platforms that configurations must confirm, which are then no longer wanted.
    pub(crate) fn take_unconfirmed(&mut self) -> Unconfirmed {
        std::mem::take(&mut self.unconfirmed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Manifests by digest.
    #[derive(Default)]
    struct Library(HashMap<Digest, Vec<u8>>);

    impl Library {
        fn put(&mut self, text: String) -> Digest {
            let digest = Digest::of(text.as_bytes());
            self.0.insert(digest, text.into_bytes());
            digest
        }

        fn image(&mut self, name: &str) -> Digest {
            let config = Digest::of(name.as_bytes());
            self.put(format!(
                r#"{{"config":{{"mediaType":"c","digest":"{config}","size":1}},"layers":[],"annotations":{{"n":"{name}"}}}}"#
            ))
        }

        fn index(&mut self, listed: &[Digest]) -> Digest {
            let entry = |digest: &Digest| format!(r#"{{"mediaType":"m","digest":"{digest}","size":1}}"#);
            let listed: Vec<String> = listed.iter().map(entry).collect();
            self.put(format!(r#"{{"manifests":[{}]}}"#, listed.join(",")))
        }

        /// All that is read, in order.
        fn walk(&self, root: Digest) -> Result<Vec<Digest>, Refusal> {
            let (mut closure, mut read) = (Closure::of(root), Vec::new());
            while let Some(node) = closure.next() {
                let Some(bytes) = self.0.get(&node.digest) else { continue };
                closure.read(&node, bytes, &[])?;
                read.push(node.digest);
            }
            Ok(read)
        }
    }

    #[test]
    fn every_manifest_is_read_once_and_what_is_missing_is_left_out() {
        let mut library = Library::default();
        let (one, two) = (library.image("one"), library.image("two"));
        let inner = library.index(&[two, one]);
        let root = library.index(&[one, inner, one, Digest::of(b"left out")]);
        assert_eq!(library.walk(root).unwrap(), [root, one, inner, two]);
    }

    #[test]
    fn the_depth_and_the_bytes_are_bounded() {
        let mut library = Library::default();
        let image = library.image("deep");
        let inner = library.index(&[image]);
        let index = library.index(&[inner]);
        assert_eq!(library.walk(index).unwrap().len(), 3);
        let deeper = library.index(&[index]);
        assert!(matches!(library.walk(deeper), Err(Refusal::TooDeep)));

        let large =
            |number| " ".repeat(3 << 20) + &format!(r#"{{"manifests":[],"mediaType":"","n":{number}}}"#);
        let listed: Vec<Digest> = (0..3).map(|number| library.put(large(number))).collect();
        let root = library.index(&listed);
        assert!(matches!(library.walk(root), Err(Refusal::TooLarge)));
    }
}
