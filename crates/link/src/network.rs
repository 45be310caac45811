//! Client addresses in credentials.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// An address, or a network in CIDR notation, in whose text IPv4-mapped IPv6 addresses (RFC 4291,
/// section 2.5.5.2) stand for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

impl Network {
    /// Reads the text; `None` if it is neither.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let network = match text.split_once('/') {
            None => IpNet::from(text.parse::<IpAddr>().ok()?),
            // One spelling only: `parse` alone would take `+8` and `08`.
            Some((address, prefix)) => {
                let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit())
                    && (prefix == "0" || !prefix.starts_with('0'));
                let prefix = prefix.parse().ok().filter(|_| is_number)?;
                IpNet::new(address.parse().ok()?, prefix).ok()?
            }
        };
        if let IpNet::V6(v6) = network
            && let Some(v4) = v6.addr().to_ipv4_mapped()
            && let Some(prefix) = v6.prefix_len().checked_sub(96)
        {
            return Ipv4Net::new(v4, prefix).ok().map(|v4| Network(v4.into()));
        }
        Some(Network(network))
    }

    /// Whether a client is in the network.
    pub(crate) fn contains(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.contains(&address.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network = Network::parse(network.as_bytes()).unwrap();
        network.contains(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_is_itself_in_every_spelling() {
        assert!(contains("203.0.113.7", "203.0.113.7"));
        assert!(contains("203.0.113.7", "::ffff:203.0.113.7"));
        assert!(contains("::ffff:203.0.113.7", "203.0.113.7"));
        assert!(contains("2001:DB8::1", "2001:db8:0:0:0:0:0:1"));
        assert!(!contains("203.0.113.7", "203.0.113.8"));
        assert!(!contains("::1", "0.0.0.1"));
    }

    #[test]
    fn a_network_holds_its_addresses() {
        assert!(contains("203.0.113.0/24", "203.0.113.255"));
        assert!(contains("203.0.113.9/24", "203.0.113.1"));
        assert!(!contains("203.0.113.0/24", "203.0.114.0"));
        assert!(contains("::ffff:203.0.113.0/120", "203.0.113.5"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::"));
        assert!(contains("0.0.0.0/0", "192.0.2.1"));
        assert!(!contains("::/0", "192.0.2.1"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    }

    #[test]
    fn anything_else_is_no_address() {
        for text in [
            "",
            "203.0.113",
            "203.0.113.07",
            "203.0.113.7/33",
            "203.0.113.7/08",
            "203.0.113.07/24",
            "::ffff:203.0.113.07/120",
            "203.0.113.7/",
            "/24",
            "203.0.113.7/+8",
            " 203.0.113.7",
            "a",
            "::/129",
        ] {
            assert_eq!(Network::parse(text.as_bytes()), None, "{text}");
        }
        assert!(!Network::parse(b"0.0.0.0/0").unwrap().contains(None));
    }
}
