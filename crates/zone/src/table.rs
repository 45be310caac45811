//! A hash table of entries of `E` words, with chains of indices.

use std::iter;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use crate::words::{NIL, halves, load, store, store_halves};

/// The word that makes an entry valid; 0 in a free one.
pub(crate) const STATE: usize = 0;

/// The next entry of the bucket's chain, or of the free list, in the low half. The high half
/// belongs to the table's owner.
pub(crate) const LINKS: usize = 1;

/// Fewest entries that a table is made for.
const MIN_ENTRIES: usize = 8;

/// Words of a table that are not of its entries or buckets.
const FIXED: usize = 2;

pub(crate) type Entry<'z, const E: usize> = &'z [AtomicU64; E];

#[derive(Clone, Copy)]
pub(crate) struct Table<'z, const E: usize> {
    free: &'z AtomicU64,
    used: &'z AtomicU64,
    buckets: &'z [AtomicU64],
    entries: &'z [[AtomicU64; E]],
}

impl<'z, const E: usize> Table<'z, E> {
    /// Lays a table over `words`, and returns the words that it leaves: at least `extra` for each
    /// entry. `None` if that makes too few entries.
    pub(crate) fn over(words: &'z [AtomicU64], extra: usize) -> Option<(Self, &'z [AtomicU64])> {
        let (words, [free, used]) = words.split_last_chunk::<FIXED>()?;
        let guess = words.len() / (E + extra + 1);
        let buckets = 1 << guess.checked_ilog2()?;
        let capacity = ((words.len() - buckets) / (E + extra)).min(NIL as usize);
        if capacity < MIN_ENTRIES {
            return None;
        }
        let (entries, words) = words.split_at_checked(capacity * E)?;
        let (buckets, rest) = words.split_at_checked(buckets)?;
        Some((Table { free, used, buckets, entries: entries.as_chunks().0 }, rest))
    }

    /// A table that has no entries and gets none.
    pub(crate) fn none(word: &'z AtomicU64) -> Self {
        Table { free: word, used: word, buckets: &[], entries: &[] }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn used(&self) -> u64 {
        if self.entries.is_empty() { 0 } else { load(self.used) }
    }

    pub(crate) fn entry(&self, index: u32) -> Option<Entry<'z, E>> {
        self.entries.get(index as usize)
    }

    /// All entries in use, in no order.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u32, Entry<'z, E>)> {
        (0..).zip(self.entries).filter(|(_, entry)| load(&entry[STATE]) != 0)
    }

    /// The entries in use at some places.
    pub(crate) fn range(self, places: Range<usize>) -> impl Iterator<Item = Entry<'z, E>> {
        let end = places.end.min(self.entries.len());
        let entries = self.entries.get(places.start.min(end)..end).unwrap_or_default();
        entries.iter().filter(|entry| load(&entry[STATE]) != 0)
    }

    /// The entries in use whose hash may be `hash`.
    pub(crate) fn chain(self, hash: u64) -> impl Iterator<Item = (u32, Entry<'z, E>)> {
        let mut next = self.bucket(hash).map_or(NIL, |bucket| halves(bucket).0);
        // No chain is longer than this; without the lock, one might have no end.
        let mut left = self.entries.len();
        iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let index = next;
            let entry = self.entry(index)?;
            next = halves(&entry[LINKS]).0;
            Some((index, entry))
        })
    }

    /// Takes an entry off the free list, for [`Table::publish`].
    pub(crate) fn claim(&self) -> Option<(u32, Entry<'z, E>)> {
        let (index, _) = halves(self.free);
        let entry = self.entry(index)?;
        store_halves(self.free, halves(&entry[LINKS]).0, 0);
        Some((index, entry))
    }

    /// Makes a claimed and filled entry valid.
    pub(crate) fn publish(&self, index: u32, entry: Entry<'z, E>, hash: u64, state: u64) {
        store(&entry[STATE], state);
        self.link(index, entry, hash);
        store(self.used, load(self.used) + 1);
    }

    /// Makes an entry free.
    pub(crate) fn retire(&self, index: u32, entry: Entry<'z, E>, hash: u64) {
        store(&entry[STATE], 0);
        let (after, _) = halves(&entry[LINKS]);
        let words = self.bucket(hash).into_iter();
        let words = words.chain(self.chain(hash).map(|(_, entry)| &entry[LINKS]));
        for word in words {
            let (next, high) = halves(word);
            if next == index {
                store_halves(word, after, high);
                break;
            }
        }
        self.free(index, entry);
        store(self.used, load(self.used).saturating_sub(1));
    }

    /// Makes chains and free list again. `hash` is told an entry in use.
    pub(crate) fn rebuild(&self, hash: impl Fn(Entry<'z, E>) -> u64) {
        if self.entries.is_empty() {
            return;
        }
        for bucket in self.buckets {
            store_halves(bucket, NIL, 0);
        }
        store_halves(self.free, NIL, 0);
        let mut used = 0;
        for (index, entry) in (0..).zip(self.entries) {
            if load(&entry[STATE]) == 0 {
                self.free(index, entry);
            } else {
                self.link(index, entry, hash(entry));
                used += 1;
            }
        }
        store(self.used, used);
    }

    fn bucket(&self, hash: u64) -> Option<&'z AtomicU64> {
        self.buckets.get(hash as usize & self.buckets.len().wrapping_sub(1))
    }

    fn link(&self, index: u32, entry: Entry<'z, E>, hash: u64) {
        if let Some(bucket) = self.bucket(hash) {
            store_halves(&entry[LINKS], halves(bucket).0, halves(&entry[LINKS]).1);
            store_halves(bucket, index, 0);
        }
    }

    fn free(&self, index: u32, entry: Entry<'z, E>) {
        store_halves(&entry[LINKS], halves(self.free).0, 0);
        store_halves(self.free, index, 0);
    }
}

#[cfg(test)]
impl<const E: usize> Table<'_, E> {
    /// Every entry is in the chain of its hash or in the free list, once.
    pub(crate) fn check(&self, hash: impl Fn(Entry<'_, E>) -> u64) {
        let mut seen = vec![0; self.capacity()];
        for at in 0..self.buckets.len() {
            for (index, entry) in self.chain(at as u64) {
                assert_ne!(load(&entry[STATE]), 0, "free entry {index} in a chain");
                assert_eq!(hash(entry) as usize % self.buckets.len(), at, "entry {index}");
                seen[index as usize] += 1;
            }
        }
        assert_eq!(seen.iter().sum::<u64>(), self.used());
        let mut next = if self.capacity() > 0 { halves(self.free).0 } else { NIL };
        while let Some(entry) = self.entry(next) {
            assert_eq!(load(&entry[STATE]), 0, "entry {next} in use is in the free list");
            seen[next as usize] += 1;
            assert!(seen[next as usize] < 2, "free list has no end");
            next = halves(&entry[LINKS]).0;
        }
        assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
    }
}
