//! Meeting the challenges of registries.

use std::sync::Arc;

use reqwest::header::{self, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::auth::{Challenge, Credentials, Secret};
use super::{Client, DOCUMENT_MAX, Endpoint, Fault, error_message, read_body, retry_after, shown};

impl Client {
    /// Meets a challenge: the value of `Authorization`.
    pub(super) async fn authorize(
        &self,
        endpoint: &Endpoint,
        challenge: Challenge,
    ) -> Result<HeaderValue, Fault> {
        let host = endpoint.host();
        let (credentials, asked, repository) =
            (Arc::clone(&self.credentials), host.clone(), endpoint.repository.clone());
        let patience = self.stall;
        // Off the network threads: a helper may ask its user.
        let found = tokio::task::spawn_blocking(move || {
            Credentials::find_in(&credentials, &asked, &repository, patience)
        });
        let secret = found.await.map_err(|error| Fault::Broken(error.to_string()))??;
        match (challenge, secret) {
            (Challenge::Basic, Some(Secret::Basic { user, password })) => basic(&user, &password),
            (Challenge::Basic, _) => {
                Err(Fault::Unauthorized(format!("{host} asks for a user name and a password")))
            }
            (Challenge::Bearer { realm, service, scope }, secret) => {
                let realm: Url = realm
                    .parse()
                    .map_err(|_| Fault::Unauthorized("the challenge names no usable token server".into()))?;
                if realm.scheme() != "https" && (realm.scheme(), endpoint.base.scheme()) != ("http", "http") {
                    let text = format!("{host} sends to a token server without TLS, {}", shown(&realm));
                    return Err(Fault::Unauthorized(text));
                }
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", endpoint.repository));
                self.token(realm, service, scope, secret).await
            }
        }
    }

    /// Fetches a token (distribution specification of tokens: GET, or POST with a refresh token).
    async fn token(
        &self,
        mut realm: Url,
        service: Option<String>,
        scope: String,
        secret: Option<Secret>,
    ) -> Result<HeaderValue, Fault> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let refused =
            |reason: String| Fault::Unauthorized(format!("token server {}: {reason}", shown(&realm)));
        let mut fields: Vec<_> = service.map(|service| ("service", service)).into_iter().collect();
        let request = if let Some(Secret::Identity(token)) = secret {
            fields.extend([
                ("scope", scope),
                ("grant_type", "refresh_token".to_owned()),
                ("refresh_token", token),
                ("client_id", "sealift".to_owned()),
            ]);
            let mut form = Url::parse("form:").map_err(|error| refused(error.to_string()))?;
            form.query_pairs_mut().extend_pairs(&fields);
            self.towards(&realm)
                .post(realm.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or_default().to_owned())
        } else {
            // A mount needs two repositories: in a query each scope is a field of its own.
            fields.extend(scope.split(' ').map(|one| ("scope", one.to_owned())));
            let mut url = realm.clone();
            url.query_pairs_mut().extend_pairs(&fields);
            let request = self.towards(&realm).get(url);
            match secret {
                Some(Secret::Basic { user, password }) => {
                    request.header(header::AUTHORIZATION, basic(&user, &password)?)
                }
                _ => request,
            }
        };
        let response = self.send(request, None).await?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = retry_after(response.headers());
            return Err(Fault::Status {
                status: status.as_u16(),
                message: "token server".into(),
                retry_after,
            });
        }
        if !status.is_success() {
            let message = error_message(response, self.stall).await;
            return Err(refused(format!("{status} {message}")));
        }
        let body = read_body(response, DOCUMENT_MAX, self.stall).await?;
        // The parser's words could quote the token; they are not passed on.
        let answer: Token =
            serde_json::from_slice(&body).map_err(|_| refused("no token in the answer".into()))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        realm.set_query(None);
        let token = token
            .ok_or_else(|| Fault::Unauthorized(format!("token server {realm}: no token in the answer")))?;
        secret_header(format!("Bearer {token}"))
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
