//! Types of other rooms whose texts stand in the files of a project.

use std::fmt;
use std::str::FromStr;

use archive::requires::{RequiredImage, VersionRange};
use content::Digest;
use images::build::{Created, LayerMode};
use images::source::EngineImage;
use images::{Platform, Reference};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;

use super::ParsedName;

impl ParsedName for VersionRange {
    const FORMAT: &'static str = "version-range";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        from_str(text)
    }
}

impl ParsedName for RequiredImage {
    const FORMAT: &'static str = "required-image";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        from_str(text)
    }
}

impl ParsedName for Digest {
    const FORMAT: &'static str = "digest";
    const PATTERN: Option<&'static str> = Some("^sha256:[a-f0-9]{64}$");

    fn parse(text: &str) -> Result<Self, String> {
        from_str(text)
    }
}

impl ParsedName for Platform {
    const FORMAT: &'static str = "platform";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?$");

    fn parse(text: &str) -> Result<Self, String> {
        from_str(text)
    }
}

impl ParsedName for Reference {
    const FORMAT: &'static str = "image-reference";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        from_str(text)
    }
}

impl ParsedName for EngineImage {
    const FORMAT: &'static str = "engine-image";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        from_str(text)
    }
}

impl ParsedName for Created {
    const FORMAT: &'static str = "date-time";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        deserialize(text)
    }
}

impl ParsedName for LayerMode {
    const FORMAT: &'static str = "file-mode";
    const PATTERN: Option<&'static str> = Some("^0?[0-7]{3,4}$");

    fn parse(text: &str) -> Result<Self, String> {
        deserialize(text)
    }
}

/// Parses a text by its deserializer.
fn deserialize<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
    let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(text).map_err(|error| error.to_string())
}

fn from_str<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
