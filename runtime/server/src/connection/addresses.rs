//! The number of connections of each client, so that none can use up all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The clients with open connections, and their number.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// A connection; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct CountedConnection {
    addresses: Arc<Addresses>,
    client: IpAddr,
}

impl Addresses {
    /// Counts a connection from `address`, unless its client has `most` already.
    pub(crate) fn count(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<CountedConnection> {
        let client = client(address);
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(CountedConnection { addresses: Arc::clone(self), client })
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut clients = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// The client of an address: for IPv6 a whole /64, in which a machine may have any number of addresses (RFC 4291,
/// section 2.5.4).
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_count() {
        let addresses = Arc::<Addresses>::default();
        let count = |address: &str| addresses.count(address.parse().unwrap(), 2);
        let first = count("10.0.0.1").unwrap();
        let _second = count("::ffff:10.0.0.1").unwrap();
        assert!(count("10.0.0.1").is_none());
        assert!(count("10.0.0.2").is_some());
        drop(first);
        let third = count("10.0.0.1");
        assert!(third.is_some());
        let held: Vec<_> =
            ["fd00::1", "fd00::2"].into_iter().map(|address| count(address).unwrap()).collect();
        assert!(count("fd00::3").is_none());
        assert!(count("fd00:0:0:1::1").is_some());
        drop(held);
        assert_eq!(addresses.0.lock().unwrap().len(), 1, "a client without connections takes no memory");
    }
}
