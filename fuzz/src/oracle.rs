//! MACs and encodings, by OpenSSL and the crate `data-encoding`.

use data_encoding::Encoding as Encoder;
use data_encoding::{
    BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE,
};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use secure_link::Encoding;

/// The HMAC of a message with a hash of OpenSSL's.
pub fn mac(hash: &str, secret: &[u8], message: &[u8]) -> Vec<u8> {
    if hash == "sha256" {
        return hmac_sha256(secret, message);
    }
    let hash = MessageDigest::from_name(hash).expect("a hash of OpenSSL's");
    let key = PKey::hmac(secret).expect("a key of HMAC");
    let mut signer = Signer::new(hash, &key).expect("a signer");
    signer.sign_oneshot_to_vec(message).expect("a MAC")
}

/// By RFC 2104: OpenSSL takes longer to look its HMAC up than to make it.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = if secret.len() > 64 { sha256(secret).to_vec() } else { secret.to_vec() };
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let inner = sha256(&[&pad(0x36), message].concat());
    sha256(&[&pad(0x5c)[..], &inner].concat()).to_vec()
}

pub fn sha256_hex(text: &[u8]) -> String {
    HEXLOWER.encode(&sha256(text))
}

/// The usual spelling of a token.
pub fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Base64Url => BASE64URL_NOPAD.encode(bytes),
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Hex => HEXLOWER.encode(bytes),
    }
}

/// The bytes of a token in any spelling that is allowed: padded or not, hexadecimal digits in either case, `+`, `/`
/// and `=` percent-encoded once. At most 64 bytes.
pub fn decode(encoding: Encoding, token: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut rest = token;
    while let Some(first) = rest.first() {
        let escaped = rest.get(..3).map(<[u8]>::to_ascii_uppercase);
        let byte = match escaped.as_deref() {
            Some(b"%2B") => Some(b'+'),
            Some(b"%2F") => Some(b'/'),
            Some(b"%3D") => Some(b'='),
            _ => None,
        };
        plain.push(byte.unwrap_or(*first));
        rest = &rest[if byte.is_some() { 3 } else { 1 }..];
    }
    let (padded, bare) = match encoding {
        Encoding::Base64Url => (BASE64URL, BASE64URL_NOPAD),
        Encoding::Base64 => (BASE64, BASE64_NOPAD),
        Encoding::Hex => (HEXLOWER_PERMISSIVE, HEXLOWER_PERMISSIVE),
    };
    padded_or_bare(&padded, &bare, &plain).filter(|bytes| bytes.len() <= 64)
}

/// The bytes of a text in an encoding whose padding may be left out. (data-encoding reads one padded text after
/// another.)
pub fn padded_or_bare(padded: &Encoder, bare: &Encoder, text: &[u8]) -> Option<Vec<u8>> {
    let inside = text.iter().rev().skip_while(|byte| **byte == b'=').any(|byte| *byte == b'=');
    bare.decode(text).or_else(|_| padded.decode(text)).ok().filter(|_| !inside)
}

/// The first 32 bytes of a MAC, filled up with zeros: the identity of a link.
pub fn identity(tag: &[u8]) -> [u64; 4] {
    let mut padded = tag.to_vec();
    padded.resize(32, 0);
    [0, 8, 16, 24].map(|at| u64::from_be_bytes(padded[at..at + 8].try_into().expect("eight bytes")))
}

/// A text without its escapes; `None` if one is none.
pub fn percent_decode(text: &[u8], plus_is_space: bool, lenient: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits =
            text.get(at + 1..at + 3).and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits).ok());
        match (text[at], digits) {
            (b'%', Some(byte)) => {
                decoded.extend(byte);
                at += 2;
            }
            (b'%', None) if !lenient => return None,
            (b'+', _) if plus_is_space => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    Some(decoded)
}

/// A text in which all but letters, digits and `literals` is percent-encoded.
pub fn percent_encode(text: &[u8], literals: &str, upper: bool) -> String {
    let mut encoded = String::new();
    for &byte in text {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || literals.contains(letter) {
            encoded.push(letter);
        } else if upper {
            encoded += &format!("%{byte:02X}");
        } else {
            encoded += &format!("%{byte:02x}");
        }
    }
    encoded
}

/// Whether a pattern matches a path, by asking for all pairs of their beginnings.
pub fn glob(pattern: &[u8], path: &[u8]) -> bool {
    if !pattern.starts_with(b"/") && !pattern.starts_with(b"*") {
        return false;
    }
    let mut row: Vec<bool> = (0..=path.len()).map(|len| len == 0).collect();
    for &byte in pattern {
        let before = row.clone();
        row[0] = before[0] && byte == b'*';
        for (at, &found) in path.iter().enumerate() {
            row[at + 1] = match byte {
                b'*' => before[at + 1] || row[at],
                b'?' => before[at],
                _ => before[at] && byte == found,
            };
        }
    }
    row[path.len()]
}
