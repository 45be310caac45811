//! How a MAC is written in a link.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64_simd::{Base64, Out};

use crate::algorithm::{Claimed, MAX_TAG_LEN, Tag};

/// The encoding of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648, section 5.
    Base64Url,
    /// RFC 4648, section 8, in either case.
    Hex,
    /// RFC 4648, section 4.
    Base64,
}

impl Encoding {
    /// All encodings.
    pub const ALL: &[Encoding] = &[Encoding::Base64Url, Encoding::Hex, Encoding::Base64];

    /// Longest encoded token, in bytes.
    pub const MAX_LEN: usize = 2 * MAX_TAG_LEN;

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Base64Url => "base64url",
            Encoding::Hex => "hex",
            Encoding::Base64 => "base64",
        }
    }

    /// Finds an encoding by its name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.name().as_bytes() == name)
    }

    /// Writes a token into `text`: base64 with padding, base64url without.
    pub fn encode<'t>(self, tag: &Tag, text: &'t mut [u8; Encoding::MAX_LEN]) -> &'t [u8] {
        let bytes = tag.as_bytes();
        // The buffer holds the longest tag in the longest encoding.
        let len = match self {
            Encoding::Base64Url => URL_SAFE_NO_PAD.encode_slice(bytes, text).unwrap_or(0),
            Encoding::Base64 => {
                base64::engine::general_purpose::STANDARD.encode_slice(bytes, text).unwrap_or(0)
            }
            Encoding::Hex => {
                let len = 2 * bytes.len();
                text.get_mut(..len)
                    .and_then(|text| hex::encode_to_slice(bytes, text).ok())
                    .map_or(0, |()| len)
            }
        };
        text.get(..len).unwrap_or_default()
    }

    /// Reads a token strictly, so that a MAC has few spellings.
    ///
    /// The padding of base64 and base64url is right or absent, unused bits are zero, and `+`,
    /// `/` and `=` may be percent-encoded once. `None` for anything else, and for a token longer
    /// than any MAC's.
    #[inline]
    pub(crate) fn decode(self, token: &[u8], tag: &mut Claimed) -> Option<()> {
        // A `%` is no digit of any encoding.
        self.decode_plain(token, tag).or_else(|| self.decode_escaped(token, tag))
    }

    #[inline]
    fn decode_plain(self, token: &[u8], tag: &mut Claimed) -> Option<()> {
        tag.fill(|bytes| match self {
            Encoding::Base64Url => decode_base64(base64_simd::URL_SAFE_NO_PAD, token, bytes),
            Encoding::Base64 => decode_base64(base64_simd::STANDARD_NO_PAD, token, bytes),
            Encoding::Hex => {
                let len = token.len() / 2;
                hex::decode_to_slice(token, bytes.get_mut(..len)?).ok().map(|()| len)
            }
        })
    }

    #[cold]
    fn decode_escaped(self, token: &[u8], tag: &mut Claimed) -> Option<()> {
        memchr::memchr(b'%', token)?;
        let mut unescaped = [0; Encoding::MAX_LEN];
        self.decode_plain(unescape(token, &mut unescaped)?, tag)
    }
}

fn decode_base64(base64: Base64, token: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let digits = match token {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] => {
            if !token.len().is_multiple_of(4) {
                return None;
            }
            digits
        }
        digits => digits,
    };
    decode_digits(base64, digits, bytes)
}

/// Decodes base64url without padding (RFC 7515, section 2), strictly; the number of bytes. `None`
/// also for more bytes than there is room for.
pub(crate) fn decode_base64url(digits: &[u8], bytes: &mut [u8]) -> Option<usize> {
    decode_digits(base64_simd::URL_SAFE_NO_PAD, digits, bytes)
}

#[inline]
fn decode_digits(base64: Base64, digits: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let bytes = bytes.get_mut(..decoded_len(digits.len()))?;
    base64.decode(digits, Out::from_slice(bytes)).ok().map(|bytes| bytes.len())
}

/// The bytes that so many digits of base64 are, without padding: four digits are three bytes, and a
/// rest of two or three digits is one or two.
#[inline]
pub(crate) fn decoded_len(digits: usize) -> usize {
    digits / 4 * 3 + (digits % 4).saturating_sub(1)
}

/// Decodes `%2B`, `%2F` and `%3D`, which HTTP clients make of `+`, `/` and `=` in a query string.
/// `None` if the result does not fit into `buffer`.
fn unescape<'t>(token: &[u8], buffer: &'t mut [u8]) -> Option<&'t [u8]> {
    let mut rest = token;
    let mut len = 0;
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match rest {
            [b'%', b'2', b'B' | b'b', tail @ ..] => (b'+', tail),
            [b'%', b'2', b'F' | b'f', tail @ ..] => (b'/', tail),
            [b'%', b'3', b'D' | b'd', tail @ ..] => (b'=', tail),
            _ => (*first, tail),
        };
        *buffer.get_mut(len)? = byte;
        len += 1;
        rest = tail;
    }
    buffer.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_bytes(encoding: Encoding, token: &[u8]) -> Option<Vec<u8>> {
        let mut tag = Claimed::default();
        encoding.decode(token, &mut tag).map(|()| tag.as_bytes().to_vec())
    }

    fn decode(encoding: Encoding, token: &str) -> Option<Vec<u8>> {
        decode_bytes(encoding, token.as_bytes())
    }

    #[test]
    fn padding_is_right_or_absent() {
        for (text, accepted) in [
            ("_-8", true),
            ("_-8=", true),
            ("_-8==", false),
            ("_-8===", false),
            ("_w", true),
            ("_w==", true),
            ("_w=", false),
            ("_w=a", false),
            ("=", false),
            ("====", false),
            ("_-88", true),
            ("_-88=", false),
            ("_-88====", false),
        ] {
            assert_eq!(decode(Encoding::Base64Url, text).is_some(), accepted, "{text}");
            let standard = text.replace('_', "/").replace('-', "+");
            assert_eq!(decode(Encoding::Base64, &standard).is_some(), accepted, "{standard}");
        }
    }

    #[test]
    fn trailing_bits_must_be_zero() {
        assert_eq!(decode(Encoding::Base64Url, "_w"), Some(vec![0xff]));
        for text in ["_x", "_y", "_z", "_-9", "_--"] {
            assert_eq!(decode(Encoding::Base64Url, text), None, "{text}");
        }
    }

    #[test]
    fn alphabets_are_not_mixed() {
        assert_eq!(decode(Encoding::Base64Url, "/+88"), None);
        assert_eq!(decode(Encoding::Base64, "_-88"), None);
        assert_eq!(decode(Encoding::Base64Url, "ab c"), None);
        assert_eq!(decode(Encoding::Base64Url, "ab\u{e4}"), None);
        assert_eq!(decode(Encoding::Hex, "0g"), None);
        assert_eq!(decode(Encoding::Hex, "0"), None);
    }

    #[test]
    fn hex_is_read_in_either_case() {
        assert_eq!(decode(Encoding::Hex, "aBCd"), Some(vec![0xab, 0xcd]));
    }

    /// The bytes of a text of base64, as the crate `base64` reads it.
    fn expected(encoding: Encoding, text: &[u8]) -> Option<Vec<u8>> {
        use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

        let engine = if encoding == Encoding::Base64 { STANDARD_NO_PAD } else { URL_SAFE_NO_PAD };
        engine.decode(text).ok()
    }

    #[test]
    fn every_byte_in_every_place_is_read_as_the_crate_base64_does() {
        for encoding in [Encoding::Base64, Encoding::Base64Url] {
            for len in [2, 3, 22, 27, 38, 43, 64, 86] {
                for at in [0, 1, len / 2, len - 3.min(len), len - 2, len - 1] {
                    for byte in (0..=255).filter(|byte| !matches!(byte, b'%' | b'=')) {
                        let mut text = vec![b'A'; len];
                        text[at] = byte;
                        let read = decode_bytes(encoding, &text);
                        assert_eq!(read, expected(encoding, &text), "{}", text.escape_ascii());
                    }
                }
            }
            for len in 0..=87 {
                let text = vec![b'A'; len];
                let read = decode_bytes(encoding, &text);
                let expected = expected(encoding, &text).filter(|bytes| bytes.len() <= 64);
                assert_eq!(read, expected, "{len}");
            }
        }
    }

    #[test]
    fn percent_escapes_are_decoded_once() {
        assert_eq!(decode(Encoding::Base64, "%2F%2b88"), decode(Encoding::Base64, "/+88"));
        assert_eq!(decode(Encoding::Base64Url, "_w%3d%3D"), Some(vec![0xff]));
        for text in ["%252F%2b88", "%2", "%", "%41%41", "%2G88", "_w%3d"] {
            assert_eq!(decode(Encoding::Base64, text), None, "{text}");
        }
    }

    #[test]
    fn a_token_longer_than_any_mac_is_not_decoded() {
        let longest = "a".repeat(2 * MAX_TAG_LEN);
        assert!(decode(Encoding::Hex, &longest).is_some());
        assert_eq!(decode(Encoding::Hex, &(longest.clone() + "aa")), None);
        assert_eq!(decode(Encoding::Base64Url, &longest), None);
        assert_eq!(decode(Encoding::Hex, &"a".repeat(1 << 20)), None);
        assert_eq!(decode(Encoding::Base64, &"%2F".repeat(1 << 20)), None);
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for len in [16, 20, 28, 32, 48, 64] {
            let bytes: Vec<u8> = (0..len).map(|n: u8| n.wrapping_mul(73)).collect();
            for &encoding in Encoding::ALL {
                let mut text = [0; Encoding::MAX_LEN];
                let text = encoding.encode(&Tag::new(&bytes), &mut text);
                assert!(!text.is_empty());
                assert_eq!(decode_bytes(encoding, text), Some(bytes.clone()));
            }
        }
    }
}
