//! Registries that deviate from the specification, as their clients report it.

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
    /// Takes pieces, says nothing of what it has, and sends absolute locations.
    GitLab,
    /// Takes pieces of 2000 bytes or more (`OCI-Chunk-Min-Length`).
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

    /// How many pieces it takes a blob of 4500 bytes in, 1000 being the smallest; `None` where it takes it whole only.
    pub(crate) fn pieces(self) -> Option<usize> {
        match self {
            Self::GitLab => Some(5),
            Self::Harbor => Some(3),
            _ => None,
        }
    }

    pub(crate) fn start(self) -> Registry {
        let registry = Registry::start(move |asked| self.instead(asked));
        let mut state = registry.state.lock().unwrap();
        state.terse = self == Self::GitLab;
        state.piece_min = (self == Self::Harbor).then_some(2000);
        drop(state);
        registry
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
            _ => None,
        }
    }
}
