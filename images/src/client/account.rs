//! What is known of a user's credentials for a registry, to say why it refuses a request.

use std::path::PathBuf;
use std::sync::Arc;

use super::credentials::Search;
use super::fault::{Denial, Login};
use super::secret::Secret;
use super::{RegistryEndpoint, RegistryFault};

/// The credentials that were found for a registry, without their content, or that none were.
#[derive(Clone)]
pub(super) struct Account {
    host: String,
    used: Option<Used>,
    /// What kept credentials from being read.
    problems: Vec<String>,
    /// The files that may hold credentials.
    places: Arc<[PathBuf]>,
    login: Login,
}

#[derive(Clone)]
struct Used {
    /// What they are.
    kind: &'static str,
    /// The file or helper that they are from.
    origin: String,
}

impl Account {
    /// What `search` found for `endpoint` in files of `places`; the last of these is where to put credentials.
    pub(super) fn new(endpoint: &RegistryEndpoint, search: &Search, places: &Arc<[PathBuf]>) -> Self {
        let host = endpoint.registry.clone().unwrap_or_else(|| endpoint.host());
        let used = search.found.as_ref().map(|found| Used {
            kind: match found.secret {
                Secret::Basic { .. } => "user name or password",
                Secret::Identity(_) => "identity token",
                Secret::Bearer(_) => "token",
            },
            origin: found.origin.clone(),
        });
        let file = search.found.as_ref().map(|found| found.file.clone()).or_else(|| places.last().cloned());
        let login = Login { host: host.clone(), file, plain_http: endpoint.base.scheme() == "http" };
        let problems = search.problems.clone();
        Self { host, used, problems, places: Arc::clone(places), login }
    }

    /// The registry.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What kept credentials from being read.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The registry asks for a user name and a password, and there are none.
    pub(super) fn asks(&self) -> RegistryFault {
        let host = &self.host;
        self.denial(match &self.used {
            Some(Used { kind, origin }) => {
                format!("{host} asks for a user name and a password, and {origin} has only an {kind}")
            }
            None => format!("{host} asks for a user name and a password; {}", self.none_found()),
        })
    }

    /// `by`, a registry or token server, does not take the credentials, and says `message`.
    pub(super) fn refused(&self, by: &str, message: &str) -> RegistryFault {
        self.denial(match &self.used {
            Some(Used { kind, origin }) => said(format!("{by} refuses the {kind} from {origin}"), message),
            None => format!("{}; {}", said(by.to_owned(), message), self.none_found()),
        })
    }

    /// The registry knows who asks, and does not allow the request.
    pub(super) fn denied(&self, message: &str) -> RegistryFault {
        let host = &self.host;
        self.denial(match &self.used {
            Some(Used { origin, .. }) => {
                said(format!("{host} refuses access with the credentials from {origin}"), message)
            }
            None => {
                let text = said(format!("{host} refuses access without credentials"), message);
                format!("{text}; {}", self.none_found())
            }
        })
    }

    fn none_found(&self) -> String {
        let host = &self.host;
        let places: Vec<String> = self.places.iter().map(|place| place.display().to_string()).collect();
        match places.as_slice() {
            [] => format!("no credentials file for {host} is known"),
            places => format!("no credentials for {host} were found in {}", places.join(", ")),
        }
    }

    fn denial(&self, text: String) -> RegistryFault {
        RegistryFault::Unauthorized(Denial::login(self.with_problems(text), self.login.clone()))
    }

    /// Adds why there were no credentials, or others, to what failed.
    pub(super) fn with_problems(&self, text: String) -> String {
        match self.problems.as_slice() {
            [] => text,
            problems => format!("{text} ({})", problems.join("; ")),
        }
    }
}

fn said(text: String, message: &str) -> String {
    if message.is_empty() { text } else { format!("{text}: {message}") }
}
