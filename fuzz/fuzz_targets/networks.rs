//! Addresses and networks of credentials, against their bits.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use secure_link::internals;
use secure_link_fuzz::{Input, network};

fuzz_target!(|data: &[u8]| {
    let Some(mut input) = Input::new(data, 2) else { return };
    let (near, bit) = (input.flag(), u32::from(input.byte()));
    let (text, address) = (input.text(), input.rest());
    let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<IpAddr>().ok();
    // An address of the network itself, or one that differs from it by a bit.
    let base = number(text.split(|byte| *byte == b'/').next().unwrap_or_default());
    let address = match (base, near) {
        (Some(IpAddr::V4(base)), true) => IpAddr::V4((base.to_bits() ^ 1 << (bit % 32)).into()),
        (Some(IpAddr::V6(base)), true) => IpAddr::V6((base.to_bits() ^ 1 << (bit % 128)).into()),
        _ => match number(address) {
            Some(address) => address,
            None => return,
        },
    };
    let found = internals::network_contains(text, address);
    assert_eq!(found, network::contains(text, address), "{} {address}", text.escape_ascii());
    let shown = address.to_string();
    assert_eq!(internals::network_contains(shown.as_bytes(), address), Some(true), "{shown}");
});
