//! Operating systems and processor architectures, as containerd compares them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::manifest::null_is_default;

/// An operating system and processor architecture: `linux/amd64`, `linux/arm/v7`.
///
/// Parsed from text, other names of an architecture become Go's: `x86_64` is `amd64`, `aarch64` is `arm64`. One that comes
/// from a manifest is kept as it is written there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// Operating system, as Go names it.
    pub os: String,
    /// Architecture, as Go names it.
    pub architecture: String,
    /// Variant of the architecture.
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on the processor that this program was compiled for.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None }.named()
    }

    /// The same with Go's names, as containerd maps them (`platforms/database.go`); a variant that is the default one stays.
    fn named(&self) -> Self {
        let lower = |text: &str| text.to_ascii_lowercase();
        let os = match lower(&self.os) {
            os if os == "macos" => "darwin".into(),
            os => os,
        };
        let given = self.variant.as_deref().map(lower).filter(|variant| !variant.is_empty());
        let architecture = lower(&self.architecture);
        let (architecture, variant) = match (architecture.as_str(), given.as_deref()) {
            ("i386", _) => ("386", None),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", Some("8" | "v8.0")) => ("arm64", Some("v8")),
            ("aarch64" | "arm64", Some("9" | "9.0" | "v9.0")) => ("arm64", Some("v9")),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("arm", Some("5")) => ("arm", Some("v5")),
            ("arm", Some("6")) => ("arm", Some("v6")),
            ("arm", Some("7")) => ("arm", Some("v7")),
            ("arm", Some("8")) => ("arm", Some("v8")),
            (architecture, variant) => (architecture, variant),
        };
        Self { os, architecture: architecture.into(), variant: variant.map(Into::into) }
    }

    /// Whether `offered` runs where `self` is asked for: the same, or an older variant of the architecture. Without a
    /// variant any is good.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        self.distance(offered).is_some()
    }

    /// How far `offered` is from what `self` asks for; the nearest is best. `None` where it does not run there.
    pub(crate) fn distance(&self, offered: &Self) -> Option<u8> {
        let any = self.variant.is_none();
        let (wanted, offered) = (self.named(), offered.named());
        if (&wanted.os, &wanted.architecture) != (&offered.os, &offered.architecture) {
            return None;
        }
        if wanted.variant == offered.variant || any {
            return Some(0);
        }
        wanted.level()?.checked_sub(offered.level()?)
    }

    /// The number of the variant, or of the default one, where a processor runs what is for all lower ones.
    fn level(&self) -> Option<u8> {
        let default = match self.architecture.as_str() {
            "amd64" => "v1",
            "arm" => "v7",
            "arm64" => "v8",
            _ => return None,
        };
        self.variant.as_deref().unwrap_or(default).strip_prefix('v')?.parse().ok()
    }

    /// Whether it can be written as text and read again.
    pub(crate) fn is_named(&self) -> bool {
        let mut parts = [&self.os, &self.architecture].into_iter().chain(&self.variant);
        parts.all(|part| is_part(part))
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Text that is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: expected `os/architecture` or `os/architecture/variant`")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, variant @ ..]
                if variant.len() <= 1 && parts.iter().all(|part| is_part(part)) =>
            {
                let (os, architecture) = ((*os).into(), (*architecture).into());
                let variant = variant.first().map(|variant| (*variant).into());
                Ok(Self { os, architecture, variant }.named())
            }
            _ => Err(PlatformError(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// In a manifest a platform is an object; `os.version` and features are not looked at.
#[derive(Serialize, Deserialize)]
struct Object {
    #[serde(default, deserialize_with = "null_is_default")]
    architecture: String,
    #[serde(default, deserialize_with = "null_is_default")]
    os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { os, architecture, variant } = self.clone();
        Object { architecture, os, variant }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object { architecture, os, variant } = Object::deserialize(deserializer)?;
        Ok(Self { os, architecture, variant: variant.filter(|variant| !variant.is_empty()) })
    }
}

/// A platform that an image was asked for and is not for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPlatform {
    /// The platform.
    pub platform: Platform,
    /// The platforms that the image is for.
    pub offered: Vec<Platform>,
}

/// The most platforms that an error lists.
const SHOWN_MAX: usize = 20;

impl std::error::Error for MissingPlatform {}

impl fmt::Display for MissingPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no image for the platform {}", self.platform)?;
        let mut offered: Vec<String> = self.offered.iter().map(ToString::to_string).collect();
        offered.sort();
        offered.dedup();
        if offered.is_empty() {
            return f.write_str("; the image names none");
        }
        let more = offered.len().saturating_sub(SHOWN_MAX);
        offered.truncate(SHOWN_MAX);
        write!(f, "; the image is for {}", content::printable(&offered.join(", ")))?;
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}

/// Sees that every platform of `wanted` is one that `offered` has. An image whose configuration names no architecture, such
/// as a chart, is for all.
///
/// # Errors
///
/// The first platform that is not.
pub(crate) fn confirm(wanted: &[Platform], offered: Vec<Platform>) -> Result<(), Box<MissingPlatform>> {
    if offered.is_empty() {
        return Ok(());
    }
    match wanted.iter().find(|wanted| !offered.iter().any(|offered| wanted.accepts(offered))) {
        Some(missing) => Err(Box::new(MissingPlatform { platform: missing.clone(), offered })),
        None => Ok(()),
    }
}

/// The platform that an image configuration names, if it names one.
///
/// # Errors
///
/// A configuration that clients read differently.
pub(crate) fn of_config(bytes: &[u8]) -> serde_json::Result<Option<Platform>> {
    match crate::json::check(bytes, &crate::json::CONFIG) {
        Err(error) if error.is_data() => return Err(error),
        // What is not JSON is not an image's configuration.
        _ => {}
    }
    let Ok(mut platform) = serde_json::from_slice::<Platform>(bytes) else { return Ok(None) };
    if platform.os.is_empty() {
        platform.os = "linux".into();
    }
    Ok(Some(platform).filter(|platform| !platform.architecture.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Platform {
        let mut parts = text.split('/').map(ToOwned::to_owned);
        Platform { os: parts.next().unwrap(), architecture: parts.next().unwrap(), variant: parts.next() }
    }

    #[test]
    fn other_names_are_containerds() {
        for (text, expected) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/x86-64", "linux/amd64"),
            ("Linux/AMD64/v1", "linux/amd64/v1"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/arm64/8", "linux/arm64/v8"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/arm", "linux/arm"),
            ("linux/i386", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
            ("linux/s390x", "linux/s390x"),
        ] {
            let parsed: Platform = text.parse().unwrap();
            assert_eq!(parsed.to_string(), expected);
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
        assert!(Platform::host().is_named());
    }

    #[test]
    fn what_runs_there_is_accepted_and_the_nearest_is_best() {
        for (wanted, offered, distance) in [
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64/v8", "linux/arm64", Some(0)),
            ("linux/amd64/v1", "linux/amd64", Some(0)),
            ("linux/arm64", "linux/aarch64", Some(0)),
            ("linux/amd64", "linux/x86_64", Some(0)),
            ("linux/arm/v7", "linux/arm/v7", Some(0)),
            ("linux/arm/v7", "linux/arm/v6", Some(1)),
            ("linux/arm/v7", "linux/arm/v5", Some(2)),
            ("linux/arm/v7", "linux/arm", Some(0)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/arm", "linux/arm/v6", Some(0)),
            ("linux/amd64/v3", "linux/amd64", Some(2)),
            ("linux/amd64/v2", "linux/amd64/v3", None),
            ("linux/arm64/v8", "linux/arm64/v9", None),
            ("linux/arm64", "linux/arm/v7", None),
            ("linux/amd64", "linux/386", None),
            ("linux/amd64", "windows/amd64", None),
            ("linux/ppc64le", "linux/ppc64le/power9", Some(0)),
            ("linux/ppc64le/power8", "linux/ppc64le/power9", None),
        ] {
            assert_eq!(
                wanted.parse::<Platform>().unwrap().distance(&raw(offered)),
                distance,
                "{wanted} {offered}"
            );
        }
    }

    #[test]
    fn the_platform_of_a_configuration_is_read_and_none_is_made_up() {
        for (text, expected) in [
            (r#"{"architecture":"amd64","os":"linux"}"#, Some("linux/amd64")),
            (r#"{"architecture":"arm","os":"linux","variant":"v7"}"#, Some("linux/arm/v7")),
            (r#"{"architecture":"arm64","os":null,"variant":null}"#, Some("linux/arm64")),
            (r#"{"os":"linux"}"#, None),
            ("{}", None),
            ("not JSON", None),
        ] {
            let found = of_config(text.as_bytes()).unwrap().map(|found| found.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert!(of_config(br#"{"architecture":"amd64","Architecture":"arm64"}"#).is_err());
    }

    #[test]
    fn an_error_names_what_there_is() {
        let missing =
            |offered: Vec<Platform>| MissingPlatform { platform: raw("linux/s390x"), offered }.to_string();
        assert_eq!(missing(Vec::new()), "no image for the platform linux/s390x; the image names none");
        assert_eq!(
            missing(vec![raw("linux/arm64"), raw("linux/amd64"), raw("linux/arm64")]),
            "no image for the platform linux/s390x; the image is for linux/amd64, linux/arm64"
        );
        let many = (0..30).map(|number| raw(&format!("linux/a{number}\n"))).collect();
        let text = missing(many);
        assert!(text.ends_with(" and 10 more") && !text.contains('\n'), "{text}");
    }
}
