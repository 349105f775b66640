//! A registry on the loopback address that takes uploads, remembers what it was asked, and can be told to misbehave.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use content::Digest;

use crate::wire::{self, Answer, Body, Server};

/// A request as it came, its body read.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path without its query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Headers by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What a registry does in place of what it should.
pub(crate) enum Instead {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Keeps so many bytes of the body and breaks the connection.
    Cut(usize),
}

/// What the registry has.
#[derive(Default)]
pub(crate) struct State {
    /// By repository and digest: the size.
    pub(crate) blobs: BTreeMap<(String, Digest), usize>,
    /// By repository and tag or digest: media type and bytes.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    sessions: BTreeMap<String, Vec<u8>>,
    /// How many sessions there ever were: no two have the same name.
    begun: usize,
    asked: Vec<Asked>,
    /// Whether it keeps lists of referrers.
    pub(crate) referrers: bool,
    /// Whether it does not report the range of an upload that it has, and gives the next location as a whole URL.
    pub(crate) terse: bool,
    /// The smallest piece of an upload that it takes.
    pub(crate) piece_min: Option<usize>,
}

type Hook = dyn Fn(&Asked) -> Option<Instead> + Send + Sync;

pub(crate) struct Registry {
    pub(crate) host: String,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Registry {
    /// One that does what it should.
    pub(crate) fn honest() -> Self {
        Self::start(|_| None)
    }

    /// `hook` sees each request first.
    pub(crate) fn start(hook: impl Fn(&Asked) -> Option<Instead> + Send + Sync + 'static) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let server = Server::start(move |asked| shared.lock().unwrap().converse(asked, &hook));
        Self { host: server.host(), state }
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

impl State {
    fn converse(&mut self, asked: &wire::Asked, hook: &Hook) -> Answer {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let mut asked = Asked {
            method: asked.method.clone(),
            path: path.into(),
            query: query.replace("%3A", ":").replace("%2F", "/"),
            headers: asked.headers.clone(),
            body: asked.body.clone(),
        };
        let instead = hook(&asked);
        if let Some(Instead::Cut(kept)) = instead {
            asked.body.truncate(kept);
        }
        self.asked.push(asked.clone());
        let (status, headers, body) = match instead {
            Some(Instead::Answer(status, headers, body)) => (status, headers, body),
            Some(Instead::Cut(_)) => {
                self.append(&asked);
                return Answer::empty(500).body(Body::Hangup);
            }
            None => self.answer(&asked),
        };
        let headers: Vec<_> =
            headers.into_iter().filter_map(|header| self.mannered(&asked, header)).collect();
        let minimum = self.piece_min.filter(|_| asked.method == "POST");
        let minimum = minimum.map(|minimum| ("OCI-Chunk-Min-Length", minimum.to_string()));
        let headers = headers.into_iter().chain(minimum);
        let answer = Answer { bytes: body, ..Answer::empty(status) };
        headers.fold(answer, |answer, (name, value)| answer.with(name, value))
    }

    /// A header in the manner of this registry.
    fn mannered(
        &self,
        asked: &Asked,
        (name, value): (&'static str, String),
    ) -> Option<(&'static str, String)> {
        match name {
            "Range" if self.terse => None,
            "Location" if self.terse && value.starts_with('/') => {
                Some((name, format!("http://{}{value}", asked.headers["host"])))
            }
            _ => Some((name, value)),
        }
    }

    fn append(&mut self, asked: &Asked) -> usize {
        let session = self.sessions.entry(asked.path.clone()).or_default();
        session.extend(&asked.body);
        session.len()
    }

    fn answer(&mut self, asked: &Asked) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let rest = asked.path.strip_prefix("/v2/").unwrap();
        let (name, kind, reference) = ["/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/"]
            .iter()
            .find_map(|kind| {
                rest.split_once(kind).map(|(name, rest)| (name.to_owned(), *kind, rest.to_owned()))
            })
            .unwrap();
        let query = |key: &str| {
            asked
                .query
                .split('&')
                .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
                .map(str::to_owned)
        };
        let unknown = (404, Vec::new(), br#"{"errors":[{"code":"UNKNOWN","message":"not here"}]}"#.to_vec());
        match (asked.method.as_str(), kind) {
            ("HEAD", "/blobs/") => match self.blobs.get(&(name, reference.parse().unwrap())) {
                Some(size) => (200, vec![], vec![0; *size]),
                None => unknown,
            },
            ("POST", _) => {
                let mounted =
                    query("mount").zip(query("from")).map(|(digest, from)| (from, digest.parse().unwrap()));
                if let Some((from, digest)) = mounted
                    && let Some(size) = self.blobs.get(&(from, digest)).copied()
                {
                    self.blobs.insert((name, digest), size);
                    return (201, vec![], vec![]);
                }
                let location = format!("/v2/{name}/blobs/uploads/{}", self.begun);
                self.begun += 1;
                self.sessions.insert(location.clone(), Vec::new());
                (202, vec![("Location", location + "?state=1")], vec![])
            }
            ("PATCH" | "GET", "/blobs/uploads/") => {
                let start: usize = asked
                    .headers
                    .get("content-range")
                    .map_or(0, |range| range.split_once('-').unwrap().0.parse().unwrap());
                let there = self.sessions[&asked.path].len();
                if asked.method == "PATCH" && start != there {
                    return (416, vec![("Range", format!("0-{}", there.max(1) - 1))], vec![]);
                }
                let len = self.append(asked);
                let range = ("Range", format!("0-{}", len.max(1) - 1));
                (
                    if asked.method == "GET" { 204 } else { 202 },
                    vec![("Location", asked.path.clone()), range],
                    vec![],
                )
            }
            ("PUT", "/blobs/uploads/") => {
                self.append(asked);
                let bytes = self.sessions.remove(&asked.path).unwrap();
                let found = Digest::of(&bytes);
                if query("digest") != Some(found.to_string()) {
                    return (
                        400,
                        vec![],
                        br#"{"errors":[{"code":"DIGEST_INVALID","message":"not it"}]}"#.to_vec(),
                    );
                }
                self.blobs.insert((name, found), bytes.len());
                (201, vec![("Docker-Content-Digest", found.to_string())], vec![])
            }
            ("PUT", "/manifests/") => {
                let digest = Digest::of(&asked.body).to_string();
                let manifest: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
                let named = |key: &str| manifest[key].as_array().cloned().unwrap_or_default();
                let blobs = named("layers").into_iter().chain(manifest.get("config").cloned());
                let there = blobs.into_iter().all(|blob| {
                    self.blobs
                        .contains_key(&(name.clone(), blob["digest"].as_str().unwrap().parse().unwrap()))
                }) && named("manifests").iter().all(|child| {
                    self.manifests.contains_key(&(name.clone(), child["digest"].as_str().unwrap().into()))
                });
                if !there {
                    let error = br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"what it names is not here"}]}"#;
                    return (404, vec![], error.to_vec());
                }
                for reference in [reference, digest.clone()] {
                    let content = (asked.headers["content-type"].clone(), asked.body.clone());
                    self.manifests.insert((name.clone(), reference), content);
                }
                (201, vec![("Docker-Content-Digest", digest)], vec![])
            }
            ("HEAD" | "GET", "/manifests/") => match self.manifests.get(&(name, reference)) {
                Some((media_type, bytes)) => {
                    let digest = ("Docker-Content-Digest", Digest::of(bytes).to_string());
                    (200, vec![("Content-Type", media_type.clone()), digest], bytes.clone())
                }
                None => unknown,
            },
            ("GET", "/referrers/") if self.referrers => (200, vec![], br#"{"manifests":[]}"#.to_vec()),
            _ => unknown,
        }
    }
}
