//! Parsers, for the fuzzer to call by themselves (`fuzz/`). No other build has this module.

use std::net::IpAddr;

use serde::de::MapAccess;

use crate::algorithm::Claimed;
use crate::claims::Found;
use crate::encoding::{self, Encoding};
use crate::json::{self, Date, Members};
use crate::network::Network;
use crate::percent::{self, Decoding, Escaping};
use crate::request::Arena;
use crate::{glob, time};

/// A time of the template scheme.
pub fn timestamp(text: &[u8]) -> Option<i64> {
    time::timestamp(text)
}

/// The same in hexadecimal.
pub fn hex_timestamp(text: &[u8]) -> Option<i64> {
    time::hex_timestamp(text)
}

/// A number of seconds.
pub fn seconds(text: &[u8]) -> Option<i64> {
    time::seconds(text)
}

/// A time of sigv4.
pub fn basic_date_time(text: &[u8]) -> Option<i64> {
    time::basic_date_time(text)
}

/// The text of a time of sigv4.
pub fn to_basic_date_time(seconds: i64) -> Option<String> {
    time::to_basic_date_time(seconds)
}

/// The MAC that a token is claimed to be.
pub fn decode_token(encoding: Encoding, token: &[u8]) -> Option<Vec<u8>> {
    let mut tag = Claimed::default();
    encoding.decode(token, &mut tag).map(|()| tag.as_bytes().to_vec())
}

/// The bytes of base64url, if `room` holds them.
pub fn decode_base64url(text: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; room];
    let len = encoding::decode_base64url(text, &mut bytes)?;
    bytes.truncate(len);
    Some(bytes)
}

/// Whether a pattern matches a path.
pub fn glob(pattern: &[u8], path: &[u8]) -> bool {
    glob::matches(pattern, path)
}

/// A text without its escapes.
pub fn percent_decode<'a>(
    text: &'a [u8],
    plus_is_space: bool,
    lenient: bool,
    arena: &'a dyn Arena,
) -> Option<&'a [u8]> {
    percent::decode(text, Decoding { plus_is_space, lenient }, arena).ok()
}

/// A path or an argument as sigv4 signs it, and whether a text is one already.
pub fn percent_encode<'a>(
    text: &'a [u8],
    is_path: bool,
    arena: &'a dyn Arena,
) -> Option<(&'a [u8], bool)> {
    let escaping = if is_path { Escaping::PATH } else { Escaping::ARGUMENT };
    let escaped = escaping.escape(text.iter().map(|byte| Ok(*byte)), arena).ok()?;
    Some((escaped, escaping.is_escaped(text)))
}

/// Whether an address is in a network; `None` if the text is no network.
pub fn network_contains(text: &[u8], address: IpAddr) -> Option<bool> {
    Network::parse(text).map(|network| network.contains(Some(address)))
}

/// Whether a text is an object as the schemes read it.
pub fn is_object<'a>(text: &'a [u8], arena: &'a dyn Arena) -> bool {
    struct Nobody;

    impl<'a> Members<'a> for Nobody {
        fn take<A: MapAccess<'a>>(&mut self, _: &'a str, _: &mut A) -> Result<bool, A::Error> {
            Ok(false)
        }
    }
    json::read(text, arena, &mut Nobody).is_ok()
}

/// What the member of an object says.
pub fn member<'a>(object: &'a [u8], name: &str, arena: &'a dyn Arena) -> Option<&'a [u8]> {
    match json::find(object, arena, &|found| found == name.as_bytes()) {
        Found::One(value) => Some(json::text_of(value, arena)),
        Found::Nothing | Found::Several => None,
    }
}

/// A NumericDate.
pub fn date(text: &[u8]) -> Option<i64> {
    serde_json::from_slice::<Date>(text).ok().map(|date| date.0)
}
