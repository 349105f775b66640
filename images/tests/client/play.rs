//! Registries with manners of their own, as far as they differ from the specification. Each is what its clients report of it.

use crate::registry::{Asked, Instead, Registry};

/// A registry that somebody runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Takes one piece, and says of the second that uploads in pieces are not supported.
    ArtifactRegistry,
    /// Takes pieces only if they are large, and says so with a number of its own.
    Ecr,
    /// Answers PATCH with 405.
    NoPatch,
    /// Keeps no piece, and says so in `Range`.
    KeepsNothing,
    /// Fails with 500 on the second piece, always.
    FailsInside,
    /// Says nothing in `Range`, and sends absolute locations.
    GitLab,
    /// Wants a length of at least a piece (`OCI-Chunk-Min-Length`).
    Harbor,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::ArtifactRegistry,
        Self::Ecr,
        Self::NoPatch,
        Self::KeepsNothing,
        Self::FailsInside,
        Self::GitLab,
        Self::Harbor,
    ];

    /// Whether it takes blobs in pieces.
    pub(crate) fn takes_pieces(self) -> bool {
        matches!(self, Self::GitLab | Self::Harbor)
    }

    pub(crate) fn start(self) -> Registry {
        Registry::start(move |asked| self.instead(asked))
    }

    fn instead(self, asked: &Asked) -> Option<Instead> {
        let range = asked.headers.get("content-range").map(String::as_str);
        let first = range.is_some_and(|range| range.starts_with("0-"));
        let refused = |status: u16, code: &str| {
            let body = format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#);
            Some(Instead::Answer(status, vec![], body.into_bytes()))
        };
        match (self, asked.method.as_str()) {
            (Self::ArtifactRegistry, "PATCH") if !first => refused(416, "BLOB_UPLOAD_INVALID"),
            (Self::Ecr, "PATCH") => refused(400, "LAYER_PART_TOO_SMALL"),
            (Self::NoPatch, "PATCH") => refused(405, "UNSUPPORTED"),
            (Self::KeepsNothing, "PATCH") => {
                let headers = vec![("Location", asked.path.clone()), ("Range", "0-999999".into())];
                Some(Instead::Answer(202, headers, vec![]))
            }
            (Self::FailsInside, "PATCH") if !first => refused(500, "UNKNOWN"),
            (Self::Harbor, "POST") if asked.path.ends_with("/uploads/") => None,
            _ => None,
        }
    }
}
