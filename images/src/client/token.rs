//! Authorization: credentials for a challenge, exchanged for a bearer token where the registry has a token server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{self, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::account::Account;
use super::answer::{DOCUMENT_MAX, error_message, read_body};
use super::backoff::retry_after;
use super::challenge::Challenge;
use super::clients::Clients;
use super::credentials::Credentials;
use super::origin::{self, REDIRECTS, Route, is_redirection};
use super::secret::Secret;
use super::transport::send;
use super::{Events, RegistryEndpoint, RegistryFault, RegistryOptions, TransferEvent, shown};

/// The result of the search for credentials, and of their use.
pub(super) struct Authorization {
    /// The value of the header.
    pub(super) header: HeaderValue,
    /// Whose it is; it matters if the registry is not content with it.
    pub(super) account: Account,
    /// Whether the header holds a secret of the user: a user name and password, or a token.
    pub(super) is_secret: bool,
}

impl Authorization {
    /// The registry refused the request with 401 or 403, with `message`.
    pub(super) fn refused(&self, status: StatusCode, message: &str) -> RegistryFault {
        if self.is_secret && status == StatusCode::UNAUTHORIZED {
            self.account.refused(self.account.host(), message)
        } else {
            self.account.denied(message)
        }
    }
}

/// The origin of a request that is challenged.
pub(super) struct Asker<'a> {
    pub(super) endpoint: &'a RegistryEndpoint,
    /// What the request needs, as token servers write it.
    pub(super) scope: String,
    /// Whether the request is part of a push, which needs `scope` beside what the challenge says.
    pub(super) pushes: bool,
    pub(super) stall: Duration,
    pub(super) events: &'a Events,
}

/// The credentials of a session, and what they are exchanged for.
pub(super) struct Authorizer {
    credentials: Arc<[Credentials]>,
    /// Where credentials were looked for.
    places: Arc<[PathBuf]>,
}

impl Authorizer {
    /// Reads the files of credentials.
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, RegistryFault> {
        // Users need not have a file of credentials where such files usually are.
        let places = options.auth_places.iter().filter(|place| place.is_file());
        let files = options.auth_files.iter().chain(places);
        let credentials: Vec<_> = files.map(|file| Credentials::read(file)).collect::<Result<_, _>>()?;
        Ok(Self {
            credentials: credentials.into(),
            places: options.auth_files.iter().chain(&options.auth_places).cloned().collect(),
        })
    }

    /// Meets a challenge of the registry itself.
    pub(super) async fn authorize(
        &self,
        clients: &Clients,
        asker: &Asker<'_>,
        challenge: Challenge,
    ) -> Result<Authorization, RegistryFault> {
        let Asker { endpoint, stall, .. } = *asker;
        let (credentials, host, repository) =
            (Arc::clone(&self.credentials), endpoint.host(), endpoint.repository.clone());
        // Off the network threads: a helper may ask its user.
        let search = tokio::task::spawn_blocking(move || {
            Credentials::find_in(&credentials, &host, &repository, stall)
        });
        let search = search.await.map_err(|error| RegistryFault::Broken(error.to_string()))?;
        let account = Account::new(endpoint, &search, &self.places);
        let (header, is_secret) = match (challenge, search.found.map(|found| found.secret)) {
            (_, Some(Secret::Bearer(token))) => (secret_header(format!("Bearer {token}"))?, true),
            (Challenge::Basic, Some(Secret::Basic { user, password })) => (basic(&user, &password)?, true),
            (Challenge::Basic, _) => return Err(account.asks()),
            (Challenge::Bearer { realm, .. }, _) if realm.is_empty() => {
                return Err(RegistryFault::unsupported_challenge(&endpoint.host()));
            }
            (Challenge::Bearer { realm, service, scope: named }, secret) => {
                if secret.is_none() {
                    asker.warn(account.problems());
                }
                let realm = origin::realm(&endpoint.base, &realm)?;
                let scope = match named {
                    Some(named) if asker.pushes => union(&asker.scope, &named),
                    named => named.unwrap_or_else(|| asker.scope.clone()),
                };
                let token = asker.token(clients, &realm, service, &scope, secret).await;
                (token.map_err(|fault| at_token_server(&realm, fault, &account))?, false)
            }
        };
        Ok(Authorization { header, account, is_secret })
    }
}

impl Asker<'_> {
    /// Warns that the registry is asked without credentials.
    fn warn(&self, problems: &[String]) {
        for problem in problems {
            // Nobody listens any more when the command was cancelled.
            let _ = self
                .events
                .send(TransferEvent::Warn { text: format!("{problem}; continuing without credentials") });
        }
    }

    /// Fetches a token (distribution specification of tokens: GET, or POST with a refresh token).
    async fn token(
        &self,
        clients: &Clients,
        realm: &Url,
        service: Option<String>,
        scope: &str,
        secret: Option<Secret>,
    ) -> Result<HeaderValue, RegistryFault> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let mut fields: Vec<_> = service.map(|service| ("service", service)).into_iter().collect();
        let mut url = realm.clone();
        let (mut form, mut password) = (None, None);
        if let Some(Secret::Identity(token)) = secret {
            fields.extend([
                ("scope", scope.to_owned()),
                ("grant_type", "refresh_token".to_owned()),
                ("refresh_token", token),
                ("client_id", "sealift".to_owned()),
            ]);
            let mut encoded =
                Url::parse("form:").map_err(|error| RegistryFault::Unauthorized(error.to_string().into()))?;
            encoded.query_pairs_mut().extend_pairs(&fields);
            form = Some(encoded.query().unwrap_or_default().to_owned());
        } else {
            // A mount needs two repositories: in a query each scope is a field of its own.
            fields
                .extend(scope.split(' ').filter(|one| !one.is_empty()).map(|one| ("scope", one.to_owned())));
            url.query_pairs_mut().extend_pairs(&fields);
            if let Some(Secret::Basic { user, password: secret }) = secret {
                password = Some(basic(&user, &secret)?);
            }
        }
        let response = self.ask_token_server(clients, Route::new(realm, url), form, password).await?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = retry_after(response.headers());
            let message = error_message(response, self.stall).await;
            return Err(RegistryFault::Status { status: status.as_u16(), message, retry_after });
        }
        let body = read_body(response, DOCUMENT_MAX, self.stall).await?;
        let none = || RegistryFault::Unauthorized("no token in the response".into());
        // The parser's words could quote the token; they are not passed on.
        let answer: Token = serde_json::from_slice(&body).map_err(|_| none())?;
        let mut tokens = [answer.token, answer.access_token].into_iter().flatten();
        let token = tokens.find(|token| !token.is_empty()).ok_or_else(none)?;
        secret_header(format!("Bearer {token}"))
    }

    /// Asks a token server, with redirections. A password goes to its own origin alone, and a refresh token as well: what
    /// is asked for with one is not asked for elsewhere.
    async fn ask_token_server(
        &self,
        clients: &Clients,
        mut route: Route,
        mut form: Option<String>,
        password: Option<HeaderValue>,
    ) -> Result<Response, RegistryFault> {
        for _ in 0..=REDIRECTS {
            let client = clients.towards(self.endpoint, route.url())?;
            let mut request = match &form {
                Some(form) => client
                    .post(route.url().clone())
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.clone()),
                None => client.get(route.url().clone()),
            };
            if let Some(password) = password.as_ref().filter(|_| route.at_origin()) {
                request = request.header(header::AUTHORIZATION, password.clone());
            }
            let response = send(self.endpoint, route.url(), request, None, self.stall).await?;
            if !is_redirection(&response) {
                return Ok(response);
            }
            route.redirect(&response)?;
            if form.is_some() && !route.at_origin() {
                let host = super::endpoint::authority(route.url());
                return Err(RegistryFault::Redirect(format!(
                    "to {host}, which must not see the identity token"
                )));
            }
            if response.status() == StatusCode::SEE_OTHER {
                form = None;
            }
        }
        Err(RegistryFault::Redirect(format!("more than {REDIRECTS} in a row")))
    }
}

/// Says that it is the token server that fails, and not the registry.
fn at_token_server(realm: &Url, fault: RegistryFault, account: &Account) -> RegistryFault {
    let server = format!("token server {}", shown(realm));
    match fault {
        RegistryFault::Unauthorized(reason) => {
            RegistryFault::Unauthorized(account.with_problems(format!("{server}: {reason}")).into())
        }
        RegistryFault::Status { status, message, .. }
            if matches!(status, 400..=499) && !matches!(status, 408 | 429) =>
        {
            let text = format!("{status} {message}");
            match status {
                401 | 403 => account.refused(&server, text.trim_end()),
                _ => RegistryFault::Unauthorized(
                    account.with_problems(format!("{server}: {}", text.trim_end())).into(),
                ),
            }
        }
        RegistryFault::Configuration(_) => fault,
        fault => RegistryFault::TokenServer { url: shown(realm), fault: Box::new(fault) },
    }
}

/// The rights of both scopes.
fn union(one: &str, other: &str) -> String {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for part in one.split(' ').chain(other.split(' ')).filter(|part| !part.is_empty()) {
        // A name may have the port of a host in it.
        let (resource, actions) = part.rsplit_once(':').unwrap_or((part, ""));
        let actions = actions.split(',').filter(|action| !action.is_empty());
        match all.iter_mut().find(|(known, _)| *known == resource) {
            Some((_, known)) => {
                let new: Vec<&str> = actions.filter(|action| !known.contains(action)).collect();
                known.extend(new);
            }
            None => all.push((resource, actions.collect())),
        }
    }
    let parts: Vec<String> =
        all.iter().map(|(resource, actions)| format!("{resource}:{}", actions.join(","))).collect();
    parts.join(" ")
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, RegistryFault> {
    use base64::Engine as _;
    secret_header(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    ))
}

/// A header value that no log shows.
fn secret_header(text: String) -> Result<HeaderValue, RegistryFault> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| RegistryFault::Unauthorized("a credential cannot be sent in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_asks_for_all_that_it_needs_and_all_that_the_registry_names() {
        for (own, named, expected) in [
            ("repository:a:pull,push", "repository:a:pull", "repository:a:pull,push"),
            ("repository:a:pull,push", "", "repository:a:pull,push"),
            (
                "repository:a:pull,push",
                "repository:x/a:pull,delete",
                "repository:a:pull,push repository:x/a:pull,delete",
            ),
            (
                "repository:a:pull,push repository:b:pull",
                "repository:b:pull,push  repository:a:*",
                "repository:a:pull,push,* repository:b:pull,push",
            ),
            ("repository:h:5000/a:pull", "repository:h:5000/a:push", "repository:h:5000/a:pull,push"),
        ] {
            assert_eq!(union(own, named), expected);
        }
    }

    #[test]
    fn no_secret_is_shown() {
        assert!(!format!("{:?}", basic("user", "pass").unwrap()).contains("dXNlcjpwYXNz"));
    }
}
