//! Every access to a shared word.
//!
//! A store is never reordered before an earlier one: what a killed process leaves is a prefix of
//! what it meant to store.

use std::sync::atomic::{AtomicU64, Ordering};

/// No entry, where an index is expected.
pub(crate) const NIL: u32 = u32::MAX;

pub(crate) fn load(word: &AtomicU64) -> u64 {
    word.load(Ordering::Acquire)
}

/// Stores under the lock, or in memory that is not shared yet.
pub(crate) fn store(word: &AtomicU64, value: u64) {
    #[cfg(test)]
    crate::tests::killing::before_store();
    word.store(value, Ordering::Release);
}

pub(crate) fn add(word: &AtomicU64, amount: u64) {
    #[cfg(test)]
    crate::tests::killing::before_store();
    word.fetch_add(amount, Ordering::Release);
}

/// Stores `value` if it is greater.
pub(crate) fn raise(word: &AtomicU64, value: u64) {
    if word.load(Ordering::Relaxed) < value {
        #[cfg(test)]
        crate::tests::killing::before_store();
        word.fetch_max(value, Ordering::Release);
    }
}

/// Stores `value` if the word is still `expected`. Says whether it was.
pub(crate) fn exchange(word: &AtomicU64, expected: u64, value: u64) -> bool {
    if word.load(Ordering::Relaxed) != expected {
        return false;
    }
    #[cfg(test)]
    crate::tests::killing::before_store();
    word.compare_exchange(expected, value, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// The two indices that share a word.
pub(crate) fn halves(word: &AtomicU64) -> (u32, u32) {
    let value = load(word);
    (value as u32, (value >> 32) as u32)
}

pub(crate) fn store_halves(word: &AtomicU64, low: u32, high: u32) {
    store(word, u64::from(low) | u64::from(high) << 32);
}

/// Bytes as words, in little-endian order: the whole words, and the rest padded with zeros.
#[inline]
pub(crate) fn bytes_as_words(key: &[u8]) -> (&[[u8; 8]], u64) {
    let (whole, rest) = key.as_chunks();
    let last = match (rest, key.last_chunk()) {
        ([], _) => 0,
        // The end of the key with what precedes it, which is shifted out.
        (rest, Some(end)) => u64::from_le_bytes(*end) >> (64 - 8 * rest.len()),
        (rest, None) => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (whole, last)
}
