//! The networks of a BootstrapConfiguration, in the forms of both of its versions.

use std::net::IpAddr;

use serde::{Deserialize, de};
use serde_saphyr::{Location, Spanned};

/// The networks of the planes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Networks {
    control_plane: Option<Spanned<Network>>,
    workload_plane: Option<Spanned<Network>>,
    pods: Option<Spanned<Network>>,
    services: Option<Spanned<Network>>,
}

/// The address at which the control plane is reached, a virtual one perhaps.
#[derive(Deserialize)]
struct Ingress {
    ip: Option<String>,
}

/// The networks of a plane, each with its position if it has its own: a text or a list of texts (v1alpha2), or either of
/// these under the key `cidr` (v1alpha3).
#[derive(Default)]
struct Network {
    listed: Vec<(Option<Location>, String)>,
    ingress: Option<String>,
}

impl Networks {
    /// Every network with its key and position.
    pub(super) fn listed(&self) -> Vec<(&'static str, Location, &str)> {
        let planes = [
            ("networks.controlPlane", &self.control_plane),
            ("networks.workloadPlane", &self.workload_plane),
            ("networks.pods", &self.pods),
            ("networks.services", &self.services),
        ];
        let planes = planes.into_iter().filter_map(|(key, plane)| Some((key, plane.as_ref()?)));
        planes
            .flat_map(|(key, plane)| {
                plane
                    .value
                    .listed
                    .iter()
                    .map(move |(place, text)| (key, place.unwrap_or(plane.referenced), text.as_str()))
            })
            .collect()
    }

    /// The networks of the control plane, and its ingress if it has one.
    pub(super) fn control_plane(self) -> (Vec<String>, Option<String>) {
        let plane = self.control_plane.map(|plane| plane.value).unwrap_or_default();
        (plane.listed.into_iter().map(|(_, text)| text).collect(), plane.ingress)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NetworkVisitor)
    }
}

/// Not an untagged enum: those lose the positions of their values.
struct NetworkVisitor;

impl<'de> de::Visitor<'de> for NetworkVisitor {
    type Value = Network;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a network, a list of networks, or a mapping with the key cidr")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Network, E> {
        Ok(Network { listed: vec![(None, text.to_owned())], ingress: None })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Network, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element::<Spanned<String>>()? {
            found.push((Some(item.referenced), item.value));
        }
        Ok(Network { listed: found, ingress: None })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut fields: A) -> Result<Network, A::Error> {
        let mut found = Network::default();
        while let Some(key) = fields.next_key::<String>()? {
            if key == "cidr" {
                let cidr = fields.next_value::<Spanned<Network>>()?;
                let place =
                    |(place, text): (Option<Location>, String)| (place.or(Some(cidr.referenced)), text);
                found.listed = cidr.value.listed.into_iter().map(place).collect();
            } else if key == "ingress" {
                found.ingress = fields.next_value::<Option<Ingress>>()?.and_then(|ingress| ingress.ip);
            } else {
                fields.next_value::<de::IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Checks a network in CIDR notation (RFC 4632, section 3.1).
pub(super) fn check(text: &str) -> Result<(), String> {
    let wrong = || format!("expected a network such as 10.0.0.0/16, found {text:?}");
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let most = match address.parse::<IpAddr>().map_err(|_| wrong())? {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    match length.parse::<u8>() {
        Ok(length) if length <= most => Ok(()),
        _ => Err(wrong()),
    }
}

/// Whether an address is in a network in CIDR notation. A text that is no network contains nothing.
#[must_use]
pub fn contains(network: &str, address: IpAddr) -> bool {
    let Some((base, length)) = network.split_once('/').filter(|_| check(network).is_ok()) else {
        return false;
    };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let differing = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros(),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits() ^ address.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= length
}
