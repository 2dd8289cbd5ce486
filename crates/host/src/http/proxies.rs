//! Who is behind a proxy: the address that a trusted proxy says a request came from, so that limits are each client's own.
//!
//! Only what proxies that were named add to `X-Forwarded-For` is believed: the header is read from its end, and the first address that is no
//! such proxy's is the client. What stands before it the client may have written itself.

use super::limits::Peer;
use axum::http::HeaderMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Addresses that begin with the same bits: `192.0.2.0/24`, `2001:db8::/32`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no IP address, and no network such as 192.0.2.0/24")]
pub struct NotANetwork(String);

impl Network {
    /// Whether the address is one of the network's. IPv4 addresses in IPv6 form are IPv4 addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                u128::from(own.to_bits() ^ other.to_bits()) << 96
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => own.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= u32::from(self.bits)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let unfit = || NotANetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| unfit())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(unfit)?,
        };
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The peer whose request it is that came over a connection from `connected`: that one, or whom it passes on, where it is one of `proxies`.
pub fn client(proxies: &[Network], connected: Peer, headers: &HeaderMap) -> Peer {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = connected;
    if !is_proxy(connected.0.ip()) {
        return client;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or("").rsplit(','));
    for entry in entries {
        let Some(address) = address(entry.trim()) else {
            // Whatever comes before it cannot be told from what a client has made up.
            break;
        };
        client = Peer(address);
        if !is_proxy(address.ip()) {
            break;
        }
    }
    client
}

/// An entry of the header: an address, with a port or without.
fn address(entry: &str) -> Option<SocketAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(entry);
    let address = bare.parse().map(|address| SocketAddr::new(address, 0));
    address.or_else(|_| entry.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn networks_are_read_and_contain_what_they_say() {
        let contains = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.7"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.1", "192.0.2.1"));
        assert!(!contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        for unfit in [
            "",
            "192.0.2.0/33",
            "::/129",
            "host",
            "192.0.2.0/",
            "1.2.3.4/-1",
        ] {
            assert!(unfit.parse::<Network>().is_err(), "{unfit}");
        }
        let network: Network = "2001:db8::1".parse().unwrap();
        assert_eq!(network.to_string(), "2001:db8::1/128");
    }

    #[test]
    fn what_trusted_proxies_say_is_believed_and_nothing_else() {
        let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|network| network.parse().unwrap());
        let client = |connected: &str, lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
            }
            let connected = Peer(connected.parse().unwrap());
            client(&proxies, connected, &headers).0.ip().to_string()
        };
        let proxy = "127.0.0.1:9";
        assert_eq!(client(proxy, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(proxy, &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(proxy, &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(proxy, &["[2001:db8::1]"]), "2001:db8::1");
        // Who is not trusted says nothing about others, wherever it stands.
        assert_eq!(client("192.0.2.1:9", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(
            client(proxy, &["198.51.100.1, 203.0.113.9, 10.1.2.3"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(
                proxy,
                &["198.51.100.1", "203.0.113.9", "10.1.2.3 , 10.0.0.1"]
            ),
            "203.0.113.9"
        );
        // Where nothing can be read, it is the last that could.
        assert_eq!(client(proxy, &[]), "127.0.0.1");
        assert_eq!(client(proxy, &["203.0.113.9, unknown"]), "127.0.0.1");
        assert_eq!(client(proxy, &["203.0.113.9, _x, 10.0.0.1"]), "10.0.0.1");
        assert_eq!(client(proxy, &["10.0.0.1, 10.0.0.2"]), "10.0.0.1");
    }
}
