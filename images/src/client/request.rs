//! Requests to registries: credentials, tokens, redirections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use super::answer::error_message;
use super::backoff::retry_after;
use super::challenge::Challenge;
use super::clients::Clients;
use super::endpoint::AccountRule;
use super::origin::{REDIRECTS, Route, is_redirection};
use super::token::{Asker, Authorization, Authorizer};
use super::transport::{Payload, send};
use super::{Events, RegistryEndpoint, RegistryFault, RegistryOptions, shown};

/// The HTTP clients, credentials and tokens of a session.
pub(super) struct RegistryClient {
    clients: Clients,
    authorizer: Authorizer,
    authorizations: Mutex<HashMap<Realm, Latest>>,
}

/// The `Authorization` that was got last. The lock is held while a token is fetched, so that requests side by side need one.
type Latest = Arc<tokio::sync::Mutex<Option<Arc<Authorization>>>>;

/// What an `Authorization` is for.
#[derive(PartialEq, Eq, Hash)]
struct Realm {
    origin: String,
    repository: String,
    pushes: bool,
}

impl RegistryClient {
    /// Reads the certificates and credentials that `options` name.
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, RegistryFault> {
        let authorizer = Authorizer::new(options)?;
        Ok(Self { clients: Clients::new(options)?, authorizer, authorizations: Mutex::default() })
    }

    /// Sends a request and returns a successful response, having met challenges and, where nothing is sent along, followed
    /// redirections.
    pub(super) async fn request(
        &self,
        asked: &RegistryRequest<'_>,
        events: &Events,
    ) -> Result<Response, RegistryFault> {
        let (response, route, carried) = self.authorized(asked, events).await?;
        success(asked, &route, response, carried.as_deref()).await
    }

    /// Sends a request, meets challenges and follows redirections; the response, its way and what it carried.
    async fn authorized(
        &self,
        asked: &RegistryRequest<'_>,
        events: &Events,
    ) -> Result<(Response, Route, Option<Arc<Authorization>>), RegistryFault> {
        let known = self.authorization(asked);
        let mut carried = known.lock().await.clone();
        let header = carried.as_ref().map(|authorization| &authorization.header);
        let (mut response, mut route) = self.follow(asked, header).await?;
        // The first request, one that needs more rights, or a token that has expired.
        let (mut shared, mut own) = (false, false);
        while response.status() == StatusCode::UNAUTHORIZED && route.at_origin() && !own {
            let challenge = challenge(asked, &response)?;
            let mut latest = known.lock().await;
            let other = latest.as_ref().filter(|other| {
                !shared && carried.as_ref().is_none_or(|carried| !Arc::ptr_eq(carried, other))
            });
            let authorization = match other {
                // Another request got it meanwhile.
                Some(other) => {
                    shared = true;
                    Arc::clone(other)
                }
                None => {
                    own = true;
                    let asker = asked.asker(events);
                    let authorization = self.authorizer.authorize(&self.clients, &asker, challenge).await?;
                    Arc::clone(latest.insert(Arc::new(authorization)))
                }
            };
            drop(latest);
            (response, route) = self.follow(asked, Some(&authorization.header)).await?;
            carried = Some(authorization);
        }
        Ok((response, route, carried))
    }

    /// Gets a file: follows redirections, and returns a successful response. Only a server that has an account gets
    /// credentials.
    pub(super) async fn file(
        &self,
        asked: &RegistryRequest<'_>,
        events: &Events,
    ) -> Result<Response, RegistryFault> {
        let at_server = |fault| RegistryFault::FileServer(Box::new(fault));
        let host = asked.endpoint.host();
        let response = match asked.endpoint.account {
            AccountRule::Given => {
                let (response, route, carried) =
                    self.authorized(asked, events).await.map_err(|fault| match fault {
                        RegistryFault::Unauthorized(_) => at_server(fault),
                        fault => fault,
                    })?;
                match carried {
                    Some(carried) if !response.status().is_success() && route.at_origin() => {
                        return success(asked, &route, response, Some(&carried)).await.map_err(at_server);
                    }
                    _ => response,
                }
            }
            AccountRule::NeedsTls | AccountRule::Kept => self.follow(asked, None).await?.0,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED && asked.endpoint.account == AccountRule::NeedsTls {
            let text = format!("{host} asks for credentials, which are not sent without TLS");
            return Err(at_server(RegistryFault::Unauthorized(text.into())));
        }
        let retry_after = retry_after(response.headers());
        let message = error_message(response, asked.stall).await;
        let fault = RegistryFault::Status { status: status.as_u16(), message, retry_after };
        Err(at_server(fault))
    }

    /// The `Authorization` for a request, if there is one, and the lock of those who get one.
    fn authorization(&self, asked: &RegistryRequest<'_>) -> Latest {
        let realm = Realm {
            origin: asked.endpoint.base.origin().ascii_serialization(),
            repository: asked.endpoint.repository.clone(),
            pushes: asked.pushes,
        };
        let mut known = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(realm).or_default())
    }

    /// A request with redirections; credentials stay with the origin (scheme, host and port) they are for.
    async fn follow(
        &self,
        asked: &RegistryRequest<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<(Response, Route), RegistryFault> {
        let mut route = Route::new(&asked.endpoint.base, asked.url.clone());
        for _ in 0..=REDIRECTS {
            let client = self.clients.towards(asked.endpoint, route.url())?;
            let mut request =
                client.request(asked.method.clone(), route.url().clone()).headers(asked.headers.clone());
            if let Some(value) = authorization.filter(|_| route.at_origin()) {
                request = request.header(header::AUTHORIZATION, value.clone());
            }
            if let Some(payload) = asked.payload {
                request = request.body(payload.body()?);
            }
            let response = send(asked.endpoint, route.url(), request, asked.payload, asked.stall).await?;
            if !is_redirection(&response) {
                return Ok((response, route));
            }
            if !matches!(asked.method, Method::GET | Method::HEAD) {
                return Err(RegistryFault::Redirect(format!(
                    "a {} request follows no redirection",
                    asked.method
                )));
            }
            route.redirect(&response)?;
        }
        Err(RegistryFault::Redirect(format!("more than {REDIRECTS} in a row")))
    }
}

/// The challenge of a response that can be met.
fn challenge(asked: &RegistryRequest<'_>, response: &Response) -> Result<Challenge, RegistryFault> {
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    Challenge::find(challenges.iter().filter_map(|value| value.to_str().ok()))
        .ok_or_else(|| RegistryFault::unsupported_challenge(&asked.endpoint.host()))
}

/// The response, if it is a success. `authorization` is what the request carried.
async fn success(
    asked: &RegistryRequest<'_>,
    route: &Route,
    response: Response,
    authorization: Option<&Authorization>,
) -> Result<Response, RegistryFault> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers());
    let mut message = error_message(response, asked.stall).await;
    if !route.at_origin() {
        let place = shown(route.url());
        let place = content::printable(&place);
        message = if message.is_empty() { place.to_string() } else { format!("{place}: {message}") };
    }
    match (status, authorization.filter(|_| route.at_origin())) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(authorization)) => {
            Err(authorization.refused(status, &message))
        }
        (StatusCode::UNAUTHORIZED, None) => Err(RegistryFault::Unauthorized(
            format!(
                "a host that the registry redirects to asks for credentials, which only the registry may ask for: {message}"
            )
            .into(),
        )),
        (StatusCode::FORBIDDEN, None) => {
            let text = if message.is_empty() { "the registry returned 403".into() } else { message };
            Err(RegistryFault::Unauthorized(text.into()))
        }
        _ => Err(RegistryFault::Status { status: status.as_u16(), message, retry_after }),
    }
}

/// One request to a registry.
pub(super) struct RegistryRequest<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) payload: Option<&'a dyn Payload>,
    /// Who may see the credentials.
    pub(super) endpoint: &'a RegistryEndpoint,
    pub(super) pushes: bool,
    pub(super) stall: Duration,
}

impl RegistryRequest<'_> {
    fn asker<'b>(&'b self, events: &'b Events) -> Asker<'b> {
        let (endpoint, pushes, stall) = (self.endpoint, self.pushes, self.stall);
        Asker { endpoint, scope: self.scope(), pushes, stall, events }
    }

    /// The rights that it needs, as token servers write them.
    fn scope(&self) -> String {
        let reads = matches!(self.method, Method::GET | Method::HEAD) && !self.pushes;
        let rights = if reads { "pull" } else { "pull,push" };
        let mut scope = format!("repository:{}:{rights}", self.endpoint.repository);
        // A blob is mounted from another repository.
        if let Some((_, from)) = self.url.query_pairs().find(|(name, _)| name == "from") {
            scope = format!("{scope} repository:{from}:pull");
        }
        scope
    }
}
