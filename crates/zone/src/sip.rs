//! SipHash-1-3 of short keys (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
//!
//! The standard library's may change with its version, and a zone outlives a module.

use crate::words::bytes_as_words;

/// The hash of some bytes.
#[inline]
pub(crate) fn hash(keys: [u64; 2], bytes: &[u8]) -> u64 {
    let [k0, k1] = keys;
    let (whole, last) = bytes_as_words(bytes);
    let mut state = State(
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    );
    for word in whole {
        state.absorb(u64::from_le_bytes(*word));
    }
    state.absorb(last | (bytes.len() as u64) << 56);
    state.2 ^= 0xff;
    for _ in 0..3 {
        state.round();
    }
    state.0 ^ state.1 ^ state.2 ^ state.3
}

struct State(u64, u64, u64, u64);

impl State {
    fn absorb(&mut self, word: u64) {
        self.3 ^= word;
        self.round();
        self.0 ^= word;
    }

    fn round(&mut self) {
        let State(mut a, mut b, mut c, mut d) = *self;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        *self = State(a, b, c, d);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    #[test]
    fn the_hash_is_that_of_the_standard_library() {
        let key: Vec<u8> = (0..128).map(|n: u8| n.wrapping_mul(73)).collect();
        for len in 0..=key.len() {
            let mut reference = DefaultHasher::new();
            reference.write(&key[..len]);
            let hash = super::hash([0, 0], &key[..len]);
            assert_eq!(hash, reference.finish(), "{len} bytes");
        }
    }

    #[test]
    fn both_keys_matter() {
        let hash = |keys| super::hash(keys, b"acme");
        assert!(hash([0, 0]) != hash([1, 0]) && hash([0, 0]) != hash([0, 1]));
    }
}
