//! The MAC algorithms, all of them HMAC (RFC 2104), and MAC state keyed once.

use core::fmt;

use sha2::Digest;
use zeroize::Zeroize;

use crate::hmac_sha256::{HmacSha256, PaddedMessage};
use crate::keyed_hash::{HmacOfBlake2, HmacOfBlocks, HmacOfSponge};

/// Longest MAC, in bytes.
pub const MAX_TAG_LEN: usize = 64;

macro_rules! algorithms {
    ($($variant:ident $name:literal $len:literal $mac:ty;)*) => {
        /// A MAC algorithm: HMAC with one of these hashes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Algorithm {
            $(#[doc = concat!("HMAC with `", $name, "`, a MAC of ", $len, " bytes.")] $variant,)*
        }

        impl Algorithm {
            /// All algorithms.
            pub const ALL: &[Algorithm] = &[$(Algorithm::$variant),*];

            /// The name used in configurations, which is OpenSSL's.
            pub const fn name(self) -> &'static str {
                match self { $(Algorithm::$variant => $name,)* }
            }

            /// Length of a MAC, in bytes.
            pub const fn tag_len(self) -> usize {
                match self { $(Algorithm::$variant => $len,)* }
            }
        }

        #[derive(Clone)]
        enum State { $($variant($mac),)* }

        impl KeyedMac {
            /// Keys the algorithm with a secret of any length.
            pub(crate) fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
                KeyedMac(match algorithm {
                    $(Algorithm::$variant => State::$variant(Keyed::keyed(secret)),)*
                })
            }

            pub(crate) fn algorithm(&self) -> Algorithm {
                match self.0 { $(State::$variant(_) => Algorithm::$variant,)* }
            }

            /// The MAC of a message given in pieces.
            pub(crate) fn sign<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag {
                match &self.0 {
                    $(State::$variant(mac) => mac.tag(message),)*
                }
            }

            /// Compares the MAC of a message given in pieces with an expected one, in constant time.
            #[inline]
            pub(crate) fn verify<'p>(
                &self,
                message: impl Iterator<Item = &'p [u8]>,
                expected: &[u8],
            ) -> bool {
                match &self.0 {
                    // By itself, so that what most links have does not save the registers that the
                    // others need.
                    State::Sha256(mac) => mac.is_tag(message, expected),
                    _ => self.verify_other(message, expected),
                }
            }

            /// The same of a message that was put together before.
            #[inline]
            pub(crate) fn verify_padded(&self, message: &PaddedMessage, expected: &[u8]) -> bool {
                match &self.0 {
                    State::Sha256(mac) => mac.verify_padded(message, expected),
                    _ => self.verify_other([message.as_bytes()].into_iter(), expected),
                }
            }

            #[inline(never)]
            fn verify_other<'p>(
                &self,
                message: impl Iterator<Item = &'p [u8]>,
                expected: &[u8],
            ) -> bool {
                match &self.0 {
                    $(State::$variant(mac) => mac.is_tag(message, expected),)*
                }
            }
        }
    };
}

algorithms! {
    Md5 "md5" 16 HmacOfBlocks<md5::Md5>;
    Sha1 "sha1" 20 HmacOfBlocks<sha1::Sha1>;
    Sha224 "sha224" 28 HmacOfBlocks<sha2::Sha224>;
    Sha256 "sha256" 32 HmacSha256;
    Sha384 "sha384" 48 HmacOfBlocks<sha2::Sha384>;
    Sha512 "sha512" 64 HmacOfBlocks<sha2::Sha512>;
    Sha512_224 "sha512-224" 28 HmacOfBlocks<sha2::Sha512_224>;
    Sha512_256 "sha512-256" 32 HmacOfBlocks<sha2::Sha512_256>;
    Sha3_224 "sha3-224" 28 HmacOfSponge<sha3::Sha3_224>;
    Sha3_256 "sha3-256" 32 HmacOfSponge<sha3::Sha3_256>;
    Sha3_384 "sha3-384" 48 HmacOfSponge<sha3::Sha3_384>;
    Sha3_512 "sha3-512" 64 HmacOfSponge<sha3::Sha3_512>;
    Blake2b512 "blake2b512" 64 HmacOfBlake2<blake2::Blake2b512>;
    Blake2s256 "blake2s256" 32 HmacOfBlake2<blake2::Blake2s256>;
    Sm3 "sm3" 32 HmacOfBlocks<sm3::Sm3>;
    Rmd160 "rmd160" 20 HmacOfBlocks<ripemd::Ripemd160>;
}

impl Algorithm {
    /// Finds an algorithm by its name, which ignores case as OpenSSL's names do.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| a.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// MAC state that has taken in its key: cloned per message, so that the key's two compressions
/// are paid once.
#[derive(Clone)]
pub(crate) struct KeyedMac(State);

impl fmt::Debug for KeyedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedMac({}, redacted)", self.algorithm().name())
    }
}

/// A keyed algorithm.
pub(crate) trait Keyed {
    fn keyed(secret: &[u8]) -> Self;
    fn tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag;
    fn is_tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>, expected: &[u8]) -> bool;
}

impl Keyed for HmacSha256 {
    fn keyed(secret: &[u8]) -> Self {
        HmacSha256::new(secret)
    }

    fn tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag {
        Tag::new(&self.sign(message))
    }

    fn is_tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>, expected: &[u8]) -> bool {
        self.verify(message, expected)
    }
}

/// A MAC.
#[derive(Clone)]
pub struct Tag {
    bytes: [u8; MAX_TAG_LEN],
    len: usize,
}

impl Tag {
    /// Takes at most [`MAX_TAG_LEN`] bytes.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut tag = Tag { bytes: [0; MAX_TAG_LEN], len: 0 };
        for (to, from) in tag.bytes.iter_mut().zip(bytes) {
            *to = *from;
            tag.len += 1;
        }
        tag
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Tag {
    /// A right MAC that no client sent is as good as a link.
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// What a client claims to be a MAC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    bytes: [u8; MAX_TAG_LEN],
    len: usize,
}

impl Default for Claimed {
    fn default() -> Self {
        Claimed { bytes: [0; MAX_TAG_LEN], len: 0 }
    }
}

impl Claimed {
    /// Lets `decode` write at most [`MAX_TAG_LEN`] bytes, and tell how many; `None` if it fails.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        decode: impl FnOnce(&mut [u8; MAX_TAG_LEN]) -> Option<usize>,
    ) -> Option<()> {
        self.len = decode(&mut self.bytes).filter(|&len| len <= MAX_TAG_LEN)?;
        Some(())
    }

    /// The bytes.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The first 32 bytes as words, the missing ones 0.
    #[inline]
    pub(crate) fn words(&self) -> [u64; 4] {
        match self.as_bytes().first_chunk() {
            Some(bytes) => words(bytes),
            None => words_of(self.as_bytes()),
        }
    }
}

/// A SHA-256 digest of a text in pieces, as words: to tell things apart, not to authenticate them.
pub fn digest<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> [u64; 4] {
    let mut hash = sha2::Sha256::new();
    pieces.for_each(|piece| hash.update(piece));
    words_of(&hash.finalize())
}

fn words_of(bytes: &[u8]) -> [u64; 4] {
    let mut padded = [0; 32];
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    words(&padded)
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_lengths_are_those_of_the_hashes() {
        for &algorithm in Algorithm::ALL {
            let tag = KeyedMac::new(algorithm, b"k").sign([b"m".as_slice()].into_iter());
            assert_eq!(tag.as_bytes().len(), algorithm.tag_len(), "{}", algorithm.name());
            assert!(algorithm.tag_len() <= MAX_TAG_LEN);
        }
    }

    /// Made with `openssl mac -digest NAME -macopt key:... HMAC` (OpenSSL 3, legacy provider for
    /// rmd160) over `/files/report.pdf|1700000000|3600`.
    #[test]
    fn macs_are_those_of_openssl() {
        let vectors = include!("../tests/openssl-vectors.in");
        let secret = b"0123456789abcdef0123456789abcdef";
        let message = [b"/files/report.pdf".as_slice(), b"|1700000000|", b"3600"];
        for (name, expected) in vectors {
            let algorithm = Algorithm::from_name(name.as_bytes()).unwrap();
            let keyed = KeyedMac::new(algorithm, secret);
            let expected = hex_bytes(expected);
            assert_eq!(keyed.sign(message.into_iter()).as_bytes(), expected, "{name}");
            assert!(keyed.verify(message.into_iter(), &expected), "{name}");
            for at in 0..expected.len() {
                let mut wrong = expected.clone();
                wrong[at] ^= 1;
                assert!(!keyed.verify(message.into_iter(), &wrong), "{name} byte {at}");
            }
            assert!(!keyed.verify(message.into_iter(), &expected[1..]), "{name} shortened");
        }
        assert_eq!(vectors.len(), Algorithm::ALL.len());
    }

    fn hex_bytes(text: &str) -> Vec<u8> {
        let mut bytes = vec![0; text.len() / 2];
        hex::decode_to_slice(text, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn names_ignore_case_and_unknown_names_have_no_algorithm() {
        assert_eq!(Algorithm::from_name(b"SHA512-256"), Some(Algorithm::Sha512_256));
        assert_eq!(Algorithm::from_name(b"sha-256"), None);
        assert_eq!(Algorithm::from_name(b""), None);
    }

    #[test]
    fn debug_output_has_no_key() {
        let keyed = KeyedMac::new(Algorithm::Sha256, b"secret");
        assert_eq!(format!("{keyed:?}"), "KeyedMac(sha256, redacted)");
    }
}
