//! The list of the tags of a repository.

use std::collections::BTreeSet;

use reqwest::Url;
use reqwest::header::{self, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::fetch::Fetcher;
use super::{Error, RegistryFault};
use crate::Reference;
use crate::client::{Encoding, RegistryEndpoint, decoded, media_type, next_page, read_body};
use crate::json;
use crate::manifest::{MANIFEST_MAX, null_is_default};
use crate::tags::checked;

/// The most pages of a list. Registries choose how long a page is; Quay, GitHub and GitLab take 100 tags, so this reaches 50,000
/// tags there. The largest public repositories have some ten thousand.
const PAGES_MAX: usize = 500;
/// The most tags of a repository.
const TAGS_MAX: usize = 200_000;

/// A page of the list (distribution specification, "Listing Tags").
#[derive(Deserialize)]
struct Page {
    #[serde(default, deserialize_with = "null_is_default")]
    tags: Vec<String>,
}

/// The pages of a list that were read.
#[derive(Default)]
struct TagList {
    tags: BTreeSet<String>,
    next_pages: BTreeSet<Url>,
}

impl TagList {
    /// Takes a page; returns the next one to ask for.
    fn add(&mut self, tags: Vec<String>, next: Option<Url>) -> Result<Option<Url>, RegistryFault> {
        self.tags.extend(tags);
        if self.tags.len() > TAGS_MAX {
            return Err(RegistryFault::TooMany { limit: TAGS_MAX });
        }
        let Some(next) = next else { return Ok(None) };
        if !self.next_pages.insert(next.clone()) {
            return Err(RegistryFault::Circular);
        }
        if self.next_pages.len() >= PAGES_MAX {
            return Err(RegistryFault::Paged { limit: PAGES_MAX });
        }
        Ok(Some(next))
    }
}

impl Fetcher {
    /// The tags of the repository of `reference`, sorted by their bytes, each once.
    pub(super) async fn tags(&self, image: &str, reference: &Reference) -> Result<BTreeSet<String>, Error> {
        let content = "the list of tags";
        let endpoints = RegistryEndpoint::all(reference, self.options())
            .map_err(|fault| Error::new(image, content, "", fault))?;
        let mut failures = Vec::new();
        for (position, endpoint) in endpoints.iter().enumerate() {
            let mut attempts = self.attempts(endpoint, position + 1 == endpoints.len());
            let url = endpoint.url("tags", "list");
            while attempts.next() {
                match self.all_tags(endpoint, url.clone()).await {
                    Ok(tags) => return Ok(tags),
                    Err(fault) => attempts.failed(&url, fault).await,
                }
            }
            if attempts.into_failures(&url, &mut failures) {
                break;
            }
        }
        Err(Error { image: image.into(), content: content.into(), failures })
    }

    async fn all_tags(
        &self,
        endpoint: &RegistryEndpoint,
        first: Url,
    ) -> Result<BTreeSet<String>, RegistryFault> {
        let mut list = TagList::default();
        let mut url = first;
        loop {
            let (tags, next) = self.tags_page(endpoint, url).await?;
            match list.add(tags, next)? {
                Some(next) => url = next,
                None => return Ok(list.tags),
            }
        }
    }

    async fn tags_page(
        &self,
        endpoint: &RegistryEndpoint,
        url: Url,
    ) -> Result<(Vec<String>, Option<Url>), RegistryFault> {
        let _permit = self.options().limits.host(endpoint.host()).await;
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
        let response = self.get(endpoint, url.clone(), &headers).await?;
        let next = next_page(&url, response.headers())?;
        let announced = media_type(response.headers());
        let encoding = Encoding::of(response.headers());
        let bytes = read_body(response, MANIFEST_MAX, self.options().stall).await?;
        let bytes = decoded(bytes, &encoding, MANIFEST_MAX)?;
        let wrong = |found: String| RegistryFault::ContentType { expected: "a list of tags".into(), found };
        let page: Page = json::parse(&bytes, &json::TAGS).map_err(|error| {
            encoding.fault().unwrap_or_else(|| wrong(announced.unwrap_or_else(|| error.to_string())))
        })?;
        Ok((checked(page.tags).map_err(wrong)?, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `pages` pages of a list, each with `each` tags of its own.
    fn read(pages: usize, each: usize) -> Result<usize, RegistryFault> {
        let mut list = TagList::default();
        for page in 1..=pages {
            let tags = (0..each).map(|tag| format!("{page}.{tag}")).collect();
            let next = (page < pages)
                .then(|| format!("http://r.example/v2/a/tags/list?last={page}").parse().unwrap());
            assert_eq!(list.add(tags, next.clone())?, next);
        }
        Ok(list.tags.len())
    }

    #[test]
    fn long_lists_are_read_and_endless_ones_are_not() {
        assert_eq!(read(1, 0).unwrap(), 0);
        assert_eq!(read(PAGES_MAX, 100).unwrap(), 50_000);
        assert!(matches!(read(PAGES_MAX + 1, 1), Err(RegistryFault::Paged { limit: PAGES_MAX })));
        assert_eq!(read(2, TAGS_MAX / 2).unwrap(), TAGS_MAX);
        assert!(matches!(read(3, TAGS_MAX / 2), Err(RegistryFault::TooMany { limit: TAGS_MAX })));
    }
}
