//! The order in which entries were seen: a list with two ends, of indices.

use std::cmp::Reverse;
use std::mem;
use std::sync::atomic::AtomicU64;

use crate::table::{Entry, Table};
use crate::words::{NIL, halves, store_halves};

/// The word of an entry that names its older (low half) and its newer neighbour.
pub(crate) const ORDER: usize = 2;

#[derive(Clone, Copy)]
pub(crate) struct Order<'z, const E: usize> {
    /// The oldest and the newest entry.
    ends: &'z AtomicU64,
    table: Table<'z, E>,
}

impl<'z, const E: usize> Order<'z, E> {
    pub(crate) fn new(ends: &'z AtomicU64, table: Table<'z, E>) -> Self {
        Order { ends, table }
    }

    pub(crate) fn oldest(&self) -> Option<(u32, Entry<'z, E>)> {
        let (oldest, _) = halves(self.ends);
        Some((oldest, self.table.entry(oldest)?))
    }

    /// Moves an entry of the list to the newest end.
    pub(crate) fn renew(&self, index: u32, entry: Entry<'z, E>) {
        if halves(self.ends).1 != index {
            self.remove(entry);
            self.push(index, entry);
        }
    }

    /// Adds an entry at the newest end.
    pub(crate) fn push(&self, index: u32, entry: Entry<'z, E>) {
        self.insert_after(halves(self.ends).1, index, entry);
    }

    pub(crate) fn remove(&self, entry: Entry<'z, E>) {
        let (older, newer) = halves(&entry[ORDER]);
        self.set_newer(older, newer);
        self.set_older(newer, older);
    }

    /// Makes the list again: of the entries in use that `listed` accepts, by rising `key`.
    pub(crate) fn rebuild<K: PartialOrd>(
        &self,
        listed: impl Fn(Entry<'z, E>) -> bool,
        key: impl Fn(Entry<'z, E>) -> K,
    ) {
        store_halves(self.ends, NIL, NIL);
        self.insert(listed, key);
    }

    /// Adds the entries in use that `added` accepts, and that are not in the list, where their `key`
    /// belongs.
    ///
    /// It looks at every entry once, and then at those of the list that are newer than the oldest of the
    /// added ones; at none if all of these are older than the list.
    pub(crate) fn insert<K: PartialOrd>(
        &self,
        added: impl Fn(Entry<'z, E>) -> bool,
        key: impl Fn(Entry<'z, E>) -> K,
    ) {
        let mut index = self.sort(added, &|entry| Reverse(key(entry)));
        let (_, mut older) = halves(self.ends);
        while let Some(entry) = self.table.entry(index) {
            let (_, next) = halves(&entry[ORDER]);
            if self.oldest().is_some_and(|(_, oldest)| key(oldest) > key(entry)) {
                older = NIL;
            }
            while let Some(other) = self.table.entry(older)
                && key(other) > key(entry)
            {
                older = halves(&other[ORDER]).0;
            }
            self.insert_after(older, index, entry);
            (older, index) = (index, next);
        }
    }

    /// Adds an entry beside one of the list, or at the oldest end.
    fn insert_after(&self, older: u32, index: u32, entry: Entry<'z, E>) {
        let newer = match self.table.entry(older) {
            Some(older) => halves(&older[ORDER]).1,
            None => halves(self.ends).0,
        };
        store_halves(&entry[ORDER], older, newer);
        self.set_newer(older, index);
        self.set_older(newer, index);
    }

    /// Sorts the entries in use that `wanted` accepts by rising `key`. Returns the first of a list that
    /// is linked to the newer only.
    fn sort<K: PartialOrd>(
        &self,
        wanted: impl Fn(Entry<'z, E>) -> bool,
        key: &impl Fn(Entry<'z, E>) -> K,
    ) -> u32 {
        // Merge sort: `sorted[n]` is empty or a list of 2^n entries.
        let mut sorted = [NIL; 32];
        for (index, entry) in self.table.iter().filter(|(_, entry)| wanted(entry)) {
            store_halves(&entry[ORDER], NIL, NIL);
            let mut list = index;
            for slot in &mut sorted {
                let other = mem::replace(slot, NIL);
                if other == NIL {
                    *slot = list;
                    break;
                }
                list = self.merge(other, list, key);
            }
        }
        sorted.into_iter().fold(NIL, |list, other| self.merge(other, list, key))
    }

    /// Merges two lists that are linked to the newer only, the first of two equals from `a`.
    fn merge<K: PartialOrd>(
        &self,
        mut a: u32,
        mut b: u32,
        key: &impl Fn(Entry<'z, E>) -> K,
    ) -> u32 {
        let mut first = NIL;
        let mut last: Option<Entry<'z, E>> = None;
        loop {
            let (from, entry) = match (self.table.entry(a), self.table.entry(b)) {
                (Some(left), Some(right)) if key(right) < key(left) => (&mut b, right),
                (Some(left), _) => (&mut a, left),
                (None, Some(right)) => (&mut b, right),
                (None, None) => return first,
            };
            match last {
                Some(last) => store_halves(&last[ORDER], NIL, *from),
                None => first = *from,
            }
            last = Some(entry);
            *from = halves(&entry[ORDER]).1;
        }
    }

    /// Names the newer neighbour of an entry, or the oldest entry of all.
    fn set_newer(&self, index: u32, newer: u32) {
        match self.table.entry(index) {
            Some(entry) => store_halves(&entry[ORDER], halves(&entry[ORDER]).0, newer),
            None => store_halves(self.ends, newer, halves(self.ends).1),
        }
    }

    /// Names the older neighbour of an entry, or the newest entry of all.
    fn set_older(&self, index: u32, older: u32) {
        match self.table.entry(index) {
            Some(entry) => store_halves(&entry[ORDER], older, halves(&entry[ORDER]).1),
            None => store_halves(self.ends, halves(self.ends).0, older),
        }
    }
}

#[cfg(test)]
impl<'z, const E: usize> Order<'z, E> {
    /// The list is the same both ways; returns it from the oldest.
    pub(crate) fn check(&self) -> Vec<(u32, Entry<'z, E>)> {
        let mut list: Vec<(u32, Entry<'z, E>)> = Vec::new();
        let (mut at, newest) = halves(self.ends);
        let mut before = NIL;
        while let Some(entry) = self.table.entry(at) {
            let (older, newer) = halves(&entry[ORDER]);
            assert_eq!(older, before);
            list.push((at, entry));
            assert!(list.len() <= self.table.capacity(), "the list has no end");
            before = at;
            at = newer;
        }
        assert_eq!(newest, before);
        list
    }
}
