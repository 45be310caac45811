//! HMAC with SHA-256 (RFC 2104) for messages in pieces: the algorithm that links have unless somebody
//! says otherwise.
//!
//! It is here because the crate `hmac` copies and wipes so much that this takes longer than to hash a
//! message of one block. The compression function is that of the crate `sha2`.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a block.
const BLOCK_LEN: usize = 64;

/// The state of SHA-256 before the first block (FIPS 180-4, section 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The block of the outer hash before the inner hash is put into its first half: the padding of a
/// message of one block, the pad, and a hash.
const OUTER_PADDING: [u8; BLOCK_LEN] = {
    let mut block = [0; BLOCK_LEN];
    block[32] = 0x80;
    [block[62], block[63]] = ((BLOCK_LEN as u16 + 32) * 8).to_be_bytes();
    block
};

/// The states of the two hashes once they have taken in their pads.
#[derive(Clone)]
pub(crate) struct HmacSha256 {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl HmacSha256 {
    /// Keys the algorithm with a secret of any length.
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; BLOCK_LEN]);
        let hashed = Zeroizing::new(match secret.len() > BLOCK_LEN {
            true => <[u8; 32]>::from(Sha256::digest(secret)),
            false => [0; 32],
        });
        let secret = if secret.len() > BLOCK_LEN { hashed.as_slice() } else { secret };
        key.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
        let padded = |pad: u8| {
            let block = Zeroizing::new(key.map(|byte| byte ^ pad));
            let mut state = INITIAL;
            compress256(&mut state, core::slice::from_ref(&*block));
            state
        };
        HmacSha256 { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The MAC of a message, in words.
    #[inline]
    fn mac<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> [u32; 8] {
        let mut inner = Hash { state: self.inner, block: [0; BLOCK_LEN], len: 0, blocks: 1 };
        message.for_each(|piece| inner.update(piece));
        inner.finish();
        self.outer_mac(inner.state)
    }

    /// The MAC of a message whose inner hash is known.
    #[inline]
    fn outer_mac(&self, inner: [u32; 8]) -> [u32; 8] {
        let mut block = OUTER_PADDING;
        for (to, from) in block.chunks_exact_mut(4).zip(inner) {
            to.copy_from_slice(&from.to_be_bytes());
        }
        let mut outer = self.outer;
        compress256(&mut outer, core::slice::from_ref(&block));
        outer
    }

    /// The MAC of a message.
    pub(crate) fn sign<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> [u8; 32] {
        let mut tag = [0; 32];
        for (to, from) in tag.chunks_exact_mut(4).zip(self.mac(message)) {
            to.copy_from_slice(&from.to_be_bytes());
        }
        tag
    }

    /// Compares the MAC of a message with an expected one, in constant time.
    pub(crate) fn verify<'p>(
        &self,
        message: impl Iterator<Item = &'p [u8]>,
        expected: &[u8],
    ) -> bool {
        is_equal(&self.mac(message), expected)
    }

    /// The same of a message that was padded before.
    #[inline]
    pub(crate) fn verify_padded(&self, message: &PaddedMessage, expected: &[u8]) -> bool {
        let mut inner = self.inner;
        compress256(&mut inner, message.blocks());
        is_equal(&self.outer_mac(inner), expected)
    }
}

/// Compares a MAC with an expected one, in constant time: the differences of all words are gathered,
/// and looked at once. (subtle's comparison of slices has a barrier for each byte.)
#[inline]
fn is_equal(mac: &[u32; 8], expected: &[u8]) -> bool {
    let Ok(expected) = <[u8; 32]>::try_from(expected) else { return false };
    let words = expected.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    let difference = mac.iter().zip(words).fold(0, |all, (word, other)| all | (word ^ other));
    difference.ct_eq(&0).into()
}

impl Drop for HmacSha256 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// A message of at most two blocks, put together and padded as the inner hash takes it.
///
/// A processor cannot load as a whole what was stored in small pieces until all stores are done, so
/// that a message costs less if it is put together some time before its MAC is made.
pub(crate) struct PaddedMessage {
    bytes: [u8; 2 * BLOCK_LEN],
    /// Length of the message.
    len: usize,
}

impl Default for PaddedMessage {
    fn default() -> Self {
        PaddedMessage { bytes: [0; 2 * BLOCK_LEN], len: 0 }
    }
}

impl PaddedMessage {
    /// Puts a message together, in place, since a copy would have to wait for it; `None` if it is
    /// longer.
    #[inline]
    pub(crate) fn fill<'p>(&mut self, message: impl Iterator<Item = &'p [u8]>) -> Option<&Self> {
        for piece in message {
            let end = self.len + piece.len();
            copy(self.bytes.get_mut(self.len..end)?, piece);
            self.len = end;
        }
        // FIPS 180-4, section 5.1.1. The block of the key counts.
        let bits = (BLOCK_LEN + self.len) as u64 * 8;
        let end = self.padded_len();
        *self.bytes.get_mut(self.len)? = 0x80;
        *self.bytes.get_mut(..end)?.last_chunk_mut()? = bits.to_be_bytes();
        Some(self)
    }

    /// The message.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Length of the blocks: there is room for a byte and the length in bits.
    fn padded_len(&self) -> usize {
        (self.len + 9).next_multiple_of(BLOCK_LEN)
    }

    fn blocks(&self) -> &[[u8; BLOCK_LEN]] {
        let blocks = self.bytes.as_chunks().0;
        blocks.get(..self.padded_len() / BLOCK_LEN).unwrap_or_default()
    }
}

/// Copies a text to as much room. Most pieces are separators, numbers and paths, for which a call
/// takes longer than the copy.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        1 => to.copy_from_slice(from),
        4..=8 => copy_ends::<4>(to, from),
        9..=16 => copy_ends::<8>(to, from),
        17..=32 => copy_ends::<16>(to, from),
        33..=64 => copy_ends::<32>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies a text of `N` to `2 * N` bytes by its ends.
#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = *from;
    }
}

/// A hash that is being made.
struct Hash {
    state: [u32; 8],
    block: [u8; BLOCK_LEN],
    /// Bytes in the block.
    len: usize,
    /// Blocks before it.
    blocks: u64,
}

impl Hash {
    #[inline]
    fn update(&mut self, piece: &[u8]) {
        // A message of one block is all that most links have.
        let end = self.len + piece.len();
        match self.block.get_mut(self.len..end) {
            Some(room) if end < BLOCK_LEN => {
                copy(room, piece);
                self.len = end;
            }
            _ => self.update_blocks(piece),
        }
    }

    #[inline(never)]
    fn update_blocks(&mut self, mut piece: &[u8]) {
        loop {
            let room = self.block.get_mut(self.len..).unwrap_or_default();
            match piece.split_at_checked(room.len()) {
                Some((now, later)) => {
                    room.copy_from_slice(now);
                    self.compress();
                    piece = later;
                }
                None => {
                    if let Some(room) = room.get_mut(..piece.len()) {
                        room.copy_from_slice(piece);
                    }
                    self.len += piece.len();
                    return;
                }
            }
        }
    }

    fn compress(&mut self) {
        compress256(&mut self.state, core::slice::from_ref(&self.block));
        self.block = [0; BLOCK_LEN];
        self.len = 0;
        self.blocks += 1;
    }

    /// Pads the message (FIPS 180-4, section 5.1.1); the rest of the block is zero.
    #[inline]
    fn finish(&mut self) {
        let bits = (self.blocks * BLOCK_LEN as u64 + self.len as u64) * 8;
        if let Some(byte) = self.block.get_mut(self.len) {
            *byte = 0x80;
        }
        if self.len >= BLOCK_LEN - 8 {
            self.compress();
        }
        if let Some(length) = self.block.last_chunk_mut::<8>() {
            *length = bits.to_be_bytes();
        }
        compress256(&mut self.state, core::slice::from_ref(&self.block));
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    #[test]
    fn macs_are_those_of_the_crate_hmac() {
        let bytes: Vec<u8> = (0..=255).cycle().take(400).collect();
        for key_len in [0, 1, 16, 32, 63, 64, 65, 128, 300] {
            let secret = &bytes[..key_len];
            let ours = HmacSha256::new(secret);
            for len in 0..300 {
                let message = &bytes[..len];
                let mut theirs = Hmac::<Sha256>::new_from_slice(secret).unwrap();
                theirs.update(message);
                let expected = <[u8; 32]>::from(theirs.finalize().into_bytes());
                let (start, end) = message.split_at(len / 3);
                for pieces in [&[message][..], &[start, end], &[b"", start, b"", end, b""]] {
                    assert_eq!(ours.sign(pieces.iter().copied()), expected, "{key_len} {len}");
                }
                assert!(ours.verify([message].into_iter(), &expected));
                let mut padded = PaddedMessage::default();
                let padded = padded.fill([start, b"", end].into_iter());
                assert_eq!(padded.is_some(), len <= 119, "{len}");
                if let Some(padded) = padded {
                    assert_eq!(padded.as_bytes(), message);
                    assert!(ours.verify_padded(padded, &expected), "{key_len} {len}");
                }
            }
        }
    }

    #[test]
    fn any_other_bit_is_another_mac() {
        let ours = HmacSha256::new(b"k");
        let message = [b"m".as_slice()];
        let tag = ours.sign(message.into_iter());
        let mut padded = PaddedMessage::default();
        let padded = padded.fill(message.into_iter()).unwrap();
        for bit in 0..256 {
            let mut wrong = tag;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!ours.verify(message.into_iter(), &wrong), "{bit}");
            assert!(!ours.verify_padded(padded, &wrong), "{bit}");
        }
        assert!(!ours.verify_padded(padded, &tag[..31]));
        assert!(!ours.verify(message.into_iter(), &tag[..31]));
        assert!(!ours.verify(message.into_iter(), &[tag.as_slice(), &[0]].concat()));
        assert!(!ours.verify(message.into_iter(), &[]));
    }
}
