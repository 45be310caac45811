//! HMAC (RFC 2104) without the crate `hmac`: kept are the states of the two hashes after their pads, and
//! no pad, from which the secret could be read.
//!
//! For most hashes the crate keeps these states too, but beside a buffer that it does not clear, in
//! which a pad may be left. For SHA-3 and BLAKE2 it keeps the pads themselves.

use sha2::digest::block_api::{
    Block, BlockSizeUser, Buffer, CoreProxy, FixedOutputCore, UpdateCore,
};
use sha2::digest::{Digest, Output};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::algorithm::{Keyed, Tag};

/// HMAC with a hash that takes blocks, without its buffer.
#[derive(Clone)]
pub(crate) struct HmacOfBlocks<D: CoreProxy> {
    inner: D::Core,
    outer: D::Core,
}

/// HMAC with BLAKE2, which compresses its last block in another way than those before: the state after
/// a pad is good only for messages that are not empty.
#[derive(Clone)]
pub(crate) struct HmacOfBlake2<D: CoreProxy<Core: Clone>> {
    states: HmacOfBlocks<D>,
    /// The MAC of the empty message.
    of_nothing: Tag,
}

/// HMAC with a hash that has no buffer: the sponge of SHA-3.
#[derive(Clone)]
pub(crate) struct HmacOfSponge<D> {
    inner: D,
    outer: D,
}

impl<D> Keyed for HmacOfBlocks<D>
where
    D: CoreProxy + Digest,
    D::Core: FixedOutputCore + Default + Clone,
{
    fn keyed(secret: &[u8]) -> Self {
        let [inner, outer] = padded::<D, D::Core, _>(secret, |block| {
            let mut core = D::Core::default();
            core.update_blocks(core::slice::from_ref(block));
            core
        });
        HmacOfBlocks { inner, outer }
    }

    fn tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag {
        wiped(&mut self.mac(message), Tag::new)
    }

    fn is_tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>, expected: &[u8]) -> bool {
        wiped(&mut self.mac(message), |mac| is_equal(mac, expected))
    }
}

impl<D> HmacOfBlocks<D>
where
    D: CoreProxy,
    D::Core: FixedOutputCore + Clone,
{
    #[inline]
    fn mac<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Output<D::Core> {
        let mut inner = self.inner.clone();
        let mut buffer = Buffer::<D::Core>::default();
        message.for_each(|piece| buffer.digest_blocks(piece, |blocks| inner.update_blocks(blocks)));
        let mut hash = Output::<D::Core>::default();
        inner.finalize_fixed_core(&mut buffer, &mut hash);
        self.outer_mac(&hash, &mut buffer)
    }

    /// The MAC of a message whose inner hash is known; the buffer may have been used.
    #[inline]
    fn outer_mac(&self, hash: &[u8], buffer: &mut Buffer<D::Core>) -> Output<D::Core> {
        buffer.reset();
        let mut outer = self.outer.clone();
        buffer.digest_blocks(hash, |blocks| outer.update_blocks(blocks));
        let mut mac = Output::<D::Core>::default();
        outer.finalize_fixed_core(buffer, &mut mac);
        mac
    }
}

impl<D> Keyed for HmacOfBlake2<D>
where
    D: CoreProxy + Digest,
    D::Core: FixedOutputCore + Default + Clone,
{
    fn keyed(secret: &[u8]) -> Self {
        let states = HmacOfBlocks::<D>::keyed(secret);
        let [of_nothing, _] = padded::<D, D::Core, _>(secret, |block| {
            let mac = |hash: &[u8]| states.outer_mac(hash, &mut Buffer::<D::Core>::default());
            wiped(&mut mac(&D::digest(block)), Tag::new)
        });
        HmacOfBlake2 { states, of_nothing }
    }

    fn tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag {
        let mut len = 0;
        let tag = self.states.tag(message.inspect(|piece| len += piece.len()));
        if len > 0 { tag } else { self.of_nothing.clone() }
    }

    fn is_tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>, expected: &[u8]) -> bool {
        is_equal(self.tag(message).as_bytes(), expected)
    }
}

impl<D: Digest + BlockSizeUser + Clone> Keyed for HmacOfSponge<D> {
    fn keyed(secret: &[u8]) -> Self {
        let [inner, outer] = padded::<D, D, _>(secret, |block| D::new_with_prefix(block));
        HmacOfSponge { inner, outer }
    }

    fn tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Tag {
        wiped(&mut self.mac(message), Tag::new)
    }

    fn is_tag<'p>(&self, message: impl Iterator<Item = &'p [u8]>, expected: &[u8]) -> bool {
        wiped(&mut self.mac(message), |mac| is_equal(mac, expected))
    }
}

impl<D: Digest + Clone> HmacOfSponge<D> {
    fn mac<'p>(&self, message: impl Iterator<Item = &'p [u8]>) -> Output<D> {
        let (mut inner, mut outer) = (self.inner.clone(), self.outer.clone());
        message.for_each(|piece| inner.update(piece));
        outer.update(inner.finalize());
        outer.finalize()
    }
}

/// Compares a MAC with an expected one, in constant time: the differences of all bytes are gathered,
/// and looked at once. (subtle's comparison of slices has a barrier for each byte.)
#[inline]
fn is_equal(mac: &[u8], expected: &[u8]) -> bool {
    let difference = mac.iter().zip(expected).fold(0, |all, (byte, other)| all | (byte ^ other));
    mac.len() == expected.len() && difference.ct_eq(&0).into()
}

/// What `take_in` makes of the key with the inner and with the outer pad (RFC 2104, section 2), which
/// are wiped then. `D` is the hash of a key that is longer than a block of `B`.
fn padded<D: Digest, B: BlockSizeUser, S>(
    secret: &[u8],
    mut take_in: impl FnMut(&Block<B>) -> S,
) -> [S; 2] {
    let mut block = Block::<B>::default();
    if secret.len() > block.len() {
        wiped(&mut D::digest(secret), |hash| copy(hash, &mut block));
    } else {
        copy(secret, &mut block);
    }
    let made = [0x36, 0x36 ^ 0x5c].map(|pad| {
        block.iter_mut().for_each(|byte| *byte ^= pad);
        take_in(&block)
    });
    block.as_mut_slice().zeroize();
    made
}

fn copy(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// What `look` makes of bytes that are wiped then: a right MAC is as good as a link. The inner hash is
/// not, without the outer pad.
fn wiped<T>(bytes: &mut [u8], look: impl FnOnce(&[u8]) -> T) -> T {
    let seen = look(bytes);
    bytes.zeroize();
    seen
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac, SimpleHmac};

    use super::*;

    fn are_those_of<M: KeyInit + Mac, K: Keyed>() {
        let bytes: Vec<u8> = (0..=255).cycle().take(400).collect();
        let key_lens =
            [0, 1, 16, 32, 63, 64, 65, 71, 72, 73, 103, 104, 127, 128, 129, 136, 145, 300];
        for key_len in key_lens {
            let secret = &bytes[..key_len];
            let ours = K::keyed(secret);
            for len in 0..300 {
                let message = &bytes[..len];
                let mut theirs = <M as KeyInit>::new_from_slice(secret).unwrap();
                theirs.update(message);
                let expected = theirs.finalize().into_bytes();
                let (start, end) = message.split_at(len / 3);
                for pieces in [&[message][..], &[start, end], &[b"", start, b"", end, b""]] {
                    let tag = ours.tag(pieces.iter().copied());
                    assert_eq!(tag.as_bytes(), &*expected, "{key_len} {len}");
                }
                assert!(ours.is_tag([start, end].into_iter(), &expected));
                assert!(!ours.is_tag([start, end].into_iter(), &expected[1..]));
            }
        }
    }

    #[test]
    fn macs_are_those_of_the_crate_hmac() {
        are_those_of::<Hmac<md5::Md5>, HmacOfBlocks<md5::Md5>>();
        are_those_of::<Hmac<sha2::Sha384>, HmacOfBlocks<sha2::Sha384>>();
        are_those_of::<Hmac<sha2::Sha512>, HmacOfBlocks<sha2::Sha512>>();
        are_those_of::<SimpleHmac<sha3::Sha3_224>, HmacOfSponge<sha3::Sha3_224>>();
        are_those_of::<SimpleHmac<sha3::Sha3_512>, HmacOfSponge<sha3::Sha3_512>>();
        are_those_of::<SimpleHmac<blake2::Blake2b512>, HmacOfBlake2<blake2::Blake2b512>>();
        are_those_of::<SimpleHmac<blake2::Blake2s256>, HmacOfBlake2<blake2::Blake2s256>>();
    }
}
