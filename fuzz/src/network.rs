//! Addresses and networks, compared bit by bit.

use std::net::IpAddr;

/// Whether an address is in a network; `None` if the text is no network.
pub fn contains(text: &[u8], address: IpAddr) -> Option<bool> {
    let text = str::from_utf8(text).ok()?;
    let (base, len) = match text.split_once('/') {
        None => (text.parse().ok()?, None),
        Some((base, len)) => {
            let is_number = !len.is_empty()
                && len.bytes().all(|byte| byte.is_ascii_digit())
                && (len == "0" || !len.starts_with('0'));
            (base.parse::<IpAddr>().ok()?, Some(len.parse::<u32>().ok().filter(|_| is_number)?))
        }
    };
    let (bits, width) = bits(base);
    let mut len = len.unwrap_or(width);
    if len > width {
        return None;
    }
    // An IPv4 address as IPv6 has it is one of IPv4.
    let mut network = (bits, width);
    if let IpAddr::V6(v6) = base
        && let Some(v4) = v6.to_ipv4_mapped()
        && len >= 96
    {
        network = self::bits(IpAddr::V4(v4));
        len -= 96;
    }
    let address = self::bits(address.to_canonical());
    let shift = network.1 - len;
    let same =
        network.0.checked_shr(shift).unwrap_or(0) == address.0.checked_shr(shift).unwrap_or(0);
    Some(network.1 == address.1 && same)
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}
