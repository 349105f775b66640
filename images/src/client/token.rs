//! Meeting the challenges of registries.

use std::sync::Arc;

use reqwest::header::{self, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::answer::{error_message, read_body, retry_after};
use super::auth::{Challenge, Credentials, Secret};
use super::origin::{self, REDIRECTS, Route, is_redirection};
use super::{Client, DOCUMENT_MAX, Endpoint, Event, Fault, shown};

/// What came of looking for credentials and using them.
pub(super) struct Authorization {
    /// The value of the header.
    pub(super) header: HeaderValue,
    /// What kept credentials from being read; it matters if the registry is not content without.
    pub(super) problems: Vec<String>,
}

impl Client {
    /// Meets a challenge of the registry itself. `scope` is what the request needs, for a challenge that does not say.
    pub(super) async fn authorize(
        &self,
        endpoint: &Endpoint,
        challenge: Challenge,
        scope: String,
    ) -> Result<Authorization, Fault> {
        let host = endpoint.host();
        let (credentials, asked, repository) =
            (Arc::clone(&self.credentials), host.clone(), endpoint.repository.clone());
        let patience = self.stall;
        // Off the network threads: a helper may ask its user.
        let found = tokio::task::spawn_blocking(move || {
            Credentials::find_in(&credentials, &asked, &repository, patience)
        });
        let (secret, problems) = found.await.map_err(|error| Fault::Broken(error.to_string()))?;
        let header = match (challenge, secret) {
            (Challenge::Basic, Some(Secret::Basic { user, password })) => basic(&user, &password)?,
            (Challenge::Basic, _) => {
                let text = format!("{host} asks for a user name and a password");
                return Err(Fault::Unauthorized(with_problems(text, &problems)));
            }
            (Challenge::Bearer { realm, service, scope: named }, secret) => {
                if secret.is_none() {
                    self.warn(&problems);
                }
                let realm = origin::realm(&endpoint.base, &realm)?;
                let scope = named.unwrap_or(scope);
                let token = self.token(endpoint, &realm, service, &scope, secret).await;
                token.map_err(|fault| at_token_server(&realm, fault, &problems))?
            }
        };
        Ok(Authorization { header, problems })
    }

    /// Says, once for each, why the registry is asked without credentials.
    fn warn(&self, problems: &[String]) {
        let mut warned = self.warned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for problem in problems {
            if warned.insert(problem.clone()) {
                // Nobody listens any more when the command was broken off.
                let _ = self
                    .events
                    .send(Event::Warn { text: format!("{problem}; going on without credentials") });
            }
        }
    }

    /// Fetches a token (distribution specification of tokens: GET, or POST with a refresh token).
    async fn token(
        &self,
        endpoint: &Endpoint,
        realm: &Url,
        service: Option<String>,
        scope: &str,
        secret: Option<Secret>,
    ) -> Result<HeaderValue, Fault> {
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
            let mut encoded = Url::parse("form:").map_err(|error| Fault::Unauthorized(error.to_string()))?;
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
        let response = self.ask_token_server(endpoint, Route::new(realm, url), form, password).await?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = retry_after(response.headers());
            let message = error_message(response, self.stall).await;
            return Err(Fault::Status { status: status.as_u16(), message, retry_after });
        }
        if !status.is_success() {
            let message = error_message(response, self.stall).await;
            return Err(Fault::Unauthorized(format!("{status} {message}").trim_end().to_owned()));
        }
        let body = read_body(response, DOCUMENT_MAX, self.stall).await?;
        let none = || Fault::Unauthorized("no token in the answer".into());
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
        endpoint: &Endpoint,
        mut route: Route,
        mut form: Option<String>,
        password: Option<HeaderValue>,
    ) -> Result<Response, Fault> {
        for _ in 0..=REDIRECTS {
            let client = self.clients.towards(endpoint, route.url())?;
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
            let response = self.send(endpoint, route.url(), request, None).await?;
            if !is_redirection(&response) {
                return Ok(response);
            }
            route.redirect(&response)?;
            if form.is_some() && !route.at_origin() {
                let host = super::endpoint::authority(route.url());
                return Err(Fault::Redirect(format!("to {host}, which must not see the identity token")));
            }
            if response.status() == StatusCode::SEE_OTHER {
                form = None;
            }
        }
        Err(Fault::Redirect(format!("more than {REDIRECTS} in a row")))
    }
}

/// Says that it is the token server that fails, and not the registry.
fn at_token_server(realm: &Url, fault: Fault, problems: &[String]) -> Fault {
    match fault {
        Fault::Unauthorized(reason) => {
            let text = format!("token server {}: {reason}", shown(realm));
            Fault::Unauthorized(with_problems(text, problems))
        }
        Fault::Configuration(_) => fault,
        fault => Fault::TokenServer { url: shown(realm), fault: Box::new(fault) },
    }
}

/// Adds why there were no credentials to what failed without them.
pub(super) fn with_problems(text: String, problems: &[String]) -> String {
    match problems {
        [] => text,
        problems => format!("{text} ({})", problems.join("; ")),
    }
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Fault> {
    use base64::Engine as _;
    secret_header(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    ))
}

/// A header value that no log shows.
fn secret_header(text: String) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Fault::Unauthorized("a credential cannot be sent in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        assert!(!format!("{:?}", basic("user", "pass").unwrap()).contains("dXNlcjpwYXNz"));
    }
}
