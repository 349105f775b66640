//! The addresses of a node.

use std::net::IpAddr;

/// An address of a network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface, such as `eth0`.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
}

/// Parses the output of `ip -o addr show`: a line for each address, `2: eth0    inet 10.0.0.1/24 brd …`. Loopback addresses
/// are left out.
pub(super) fn parse(text: &str) -> Vec<InterfaceAddress> {
    let of = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let interface = words.next()?.to_owned();
        if !matches!(words.next()?, "inet" | "inet6") {
            return None;
        }
        let address: IpAddr = words.next()?.split('/').next()?.parse().ok()?;
        (!address.is_loopback()).then_some(InterfaceAddress { interface, address })
    };
    text.lines().filter_map(of).collect()
}

/// The address of the node in the first of the networks in which it has one: as `salt/salt/metalk8s/map.jinja` chooses it.
pub(super) fn in_networks<'a>(
    addresses: &'a [InterfaceAddress],
    networks: &[String],
) -> Option<&'a InterfaceAddress> {
    let within = |network: &String| {
        addresses.iter().find(|one| crate::site_config::network_contains(network, one.address))
    };
    networks.iter().find_map(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0    inet 10.0.2.15/24 metric 1024 brd 10.0.2.255 scope global dynamic eth0\\       valid_lft 86396sec
2: eth0    inet6 fd00::15/64 scope link \\       valid_lft forever preferred_lft forever
3: tun0    inet 10.8.0.6 peer 10.8.0.5/32 scope global tun0
nothing
";

    #[test]
    fn the_address_is_that_in_the_first_network_with_one() {
        let addresses = parse(SHOWN);
        assert_eq!(addresses.len(), 3);
        for (networks, expected) in [
            (&["10.0.2.0/24"][..], Some(("eth0", "10.0.2.15"))),
            (&["192.168.0.0/16", "10.8.0.0/16", "10.0.0.0/8"], Some(("tun0", "10.8.0.6"))),
            (&["fd00::/8"], Some(("eth0", "fd00::15"))),
            (&["10.0.3.0/24"], None),
            (&["nonsense"], None),
            (&["0.0.0.0/0"], Some(("eth0", "10.0.2.15"))),
        ] {
            let networks: Vec<String> = networks.iter().map(|one| (*one).to_owned()).collect();
            let found = in_networks(&addresses, &networks);
            let expected = expected.map(|(interface, address)| InterfaceAddress {
                interface: interface.into(),
                address: address.parse().unwrap(),
            });
            assert_eq!(found, expected.as_ref(), "{networks:?}");
        }
    }
}
