//! Uses and bytes counted against a limit, each until its expiry.

use std::fmt;
use std::sync::atomic::AtomicU64;

use crate::sip;
use crate::table::{self, LINKS, STATE, Table};
use crate::words::{halves, load, store, store_halves};

const VALUE: usize = 2;
/// The last second in which the value counts.
const EXPIRES_AT: usize = 3;
const ID: usize = 4;
const ENTRY: usize = ID + 4;

/// Words of the heap for each entry.
const HEAP: usize = 1;

type Entry<'z> = table::Entry<'z, ENTRY>;

/// What a limit is counted for: a digest.
pub type Id = [u64; 4];

/// What a limit counts. The same [`Id`] under two kinds is two entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// Uses of a link.
    Token = 1,
    /// A link and a client whose further requests are not counted.
    Window,
    /// Uses or bytes of a key or subject, in a period.
    Quota,
}

/// Why nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The limit is reached, or nothing could be counted because the expiry has passed.
    Exhausted,
    /// All entries are in use and live.
    Full,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Exhausted => "the limit is reached",
            Refused::Full => "the zone is full of live entries",
        })
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Limits<'z> {
    pub(crate) table: Table<'z, ENTRY>,
    /// A binary heap of the entries in use, the earliest expiry first. The high half of an entry's
    /// links is its place.
    heap: &'z [AtomicU64],
    seed: u64,
}

impl<'z> Limits<'z> {
    /// `None` if there are too few words.
    pub(crate) fn over(words: &'z [AtomicU64], seed: u64) -> Option<Self> {
        let (table, heap) = Table::over(words, HEAP)?;
        Some(Limits { table, heap, seed })
    }

    /// A part without entries.
    pub(crate) fn none(word: &'z AtomicU64) -> Self {
        Limits { table: Table::none(word), heap: &[], seed: 0 }
    }

    pub(crate) fn live(&self, kind: LimitKind, id: &Id, now: i64) -> Option<(u64, i64)> {
        let (_, entry) = self.find(kind, id)?;
        is_live(entry, now).then(|| (load(&entry[VALUE]), expires_at(entry)))
    }

    pub(crate) fn add(
        &self,
        kind: LimitKind,
        id: &Id,
        amount: u64,
        limit: u64,
        until: i64,
        now: i64,
    ) -> Result<u64, Refused> {
        let found = self.find(kind, id);
        if let Some((_, entry)) = found
            && is_live(entry, now)
        {
            let value = load(&entry[VALUE]);
            if value >= limit {
                return Err(Refused::Exhausted);
            }
            if kind == LimitKind::Token && until > expires_at(entry) {
                self.set_expiry(entry, until);
            }
            let value = value.saturating_add(amount);
            store(&entry[VALUE], value);
            return Ok(value);
        }
        if limit == 0 || until < now {
            return Err(Refused::Exhausted);
        }
        match found {
            Some((_, entry)) => {
                // Dead until its expiry changes.
                store(&entry[VALUE], amount);
                self.set_expiry(entry, until);
            }
            None => self.insert(kind, id, amount, until, now).ok_or(Refused::Full)?,
        }
        Ok(amount)
    }

    /// Makes all that connects entries again.
    pub(crate) fn rebuild(&self) {
        self.table.rebuild(|entry| self.hash(entry));
        for (place, (index, entry)) in (0..).zip(self.table.iter()) {
            self.put(place, index, entry);
        }
        for place in (0..self.len() / 2).rev() {
            self.sink(place);
        }
    }

    fn find(&self, kind: LimitKind, id: &Id) -> Option<(u32, Entry<'z>)> {
        self.table.chain(self.hash_of(*id)).find(|(_, entry)| {
            load(&entry[STATE]) == kind as u64
                && entry.iter().skip(ID).zip(id).all(|(word, part)| load(word) == *part)
        })
    }

    /// Makes an entry, in place of the one with the earliest expiry if none is free and that one
    /// is dead.
    fn insert(&self, kind: LimitKind, id: &Id, value: u64, until: i64, now: i64) -> Option<()> {
        let (index, entry) = self.table.claim().or_else(|| {
            let (index, entry) = self.at(0).filter(|(_, entry)| !is_live(entry, now))?;
            self.table.retire(index, entry, self.hash(entry));
            // The table has one entry less, and the heap loses its first.
            if let Some((last, entry)) = self.at(self.len()) {
                self.put(0, last, entry);
                self.sink(0);
            }
            self.table.claim()
        })?;
        store(&entry[VALUE], value);
        store(&entry[EXPIRES_AT], until.cast_unsigned());
        for (word, part) in entry.iter().skip(ID).zip(id) {
            store(word, *part);
        }
        let place = self.len();
        self.table.publish(index, entry, self.hash(entry), kind as u64);
        self.put(place, index, entry);
        self.rise(place);
        Some(())
    }

    fn set_expiry(&self, entry: Entry<'z>, until: i64) {
        store(&entry[EXPIRES_AT], until.cast_unsigned());
        let (_, place) = halves(&entry[LINKS]);
        self.sink(self.rise(place));
    }

    fn hash(&self, entry: Entry<'z>) -> u64 {
        let [.., a, b, c, d] = entry;
        self.hash_of([a, b, c, d].map(load))
    }

    /// Whoever has a key chooses among ids, and must not be able to find many in one chain.
    fn hash_of(&self, id: Id) -> u64 {
        sip::hash([self.seed, !self.seed], id.map(u64::to_le_bytes).as_flattened())
    }

    fn len(&self) -> u32 {
        self.table.used() as u32
    }

    /// The entry at a place of the heap.
    fn at(&self, place: u32) -> Option<(u32, Entry<'z>)> {
        let (index, _) = halves(self.heap.get(place as usize)?);
        Some((index, self.table.entry(index)?))
    }

    fn put(&self, place: u32, index: u32, entry: Entry<'z>) {
        if let Some(word) = self.heap.get(place as usize) {
            store_halves(word, index, 0);
            store_halves(&entry[LINKS], halves(&entry[LINKS]).0, place);
        }
    }

    /// Moves the entry at a place up, past those that expire later. Returns its new place.
    fn rise(&self, mut place: u32) -> u32 {
        let Some((index, entry)) = self.at(place) else { return place };
        let from = place;
        while let Some(above) = place.checked_sub(1).map(|place| place / 2)
            && let Some((other, later)) = self.at(above)
            && expires_at(entry) < expires_at(later)
        {
            self.put(place, other, later);
            place = above;
        }
        if place != from {
            self.put(place, index, entry);
        }
        place
    }

    /// Moves the entry at a place down, past those that expire earlier.
    fn sink(&self, mut place: u32) {
        let Some((index, entry)) = self.at(place) else { return };
        let (from, len) = (place, self.len());
        let expires = expires_at(entry);
        while let Some(left) = place.checked_mul(2).map(|twice| twice + 1).filter(|at| *at < len)
            && let Some(mut below) = self.at(left)
        {
            let mut to = left;
            if let Some(right) = self.at(left + 1).filter(|_| left + 1 < len)
                && expires_at(right.1) < expires_at(below.1)
            {
                (below, to) = (right, left + 1);
            }
            if expires_at(below.1) >= expires {
                break;
            }
            self.put(place, below.0, below.1);
            place = to;
        }
        if place != from {
            self.put(place, index, entry);
        }
    }
}

fn expires_at(entry: Entry<'_>) -> i64 {
    load(&entry[EXPIRES_AT]).cast_signed()
}

fn is_live(entry: Entry<'_>, now: i64) -> bool {
    expires_at(entry) >= now
}

#[cfg(test)]
impl Limits<'_> {
    /// The heap has every entry in use, and none above an earlier one.
    pub(crate) fn check(&self) {
        self.table.check(|entry| self.hash(entry));
        for (index, entry) in self.table.iter() {
            let (_, place) = halves(&entry[LINKS]);
            assert!(place < self.len());
            assert_eq!(self.at(place).unwrap().0, index);
            if place > 0 {
                let (_, above) = self.at((place - 1) / 2).unwrap();
                assert!(expires_at(above) <= expires_at(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LimitKind::{Quota, Token, Window};
    use super::*;
    use crate::tests::{id, limited, words};
    use crate::{Locked, Parts, Zone};

    #[test]
    fn uses_are_granted_up_to_the_limit() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        for uses in 1..=3 {
            assert_eq!(zone.add(Token, &id(1), 1, 3, 100, 50), Ok(uses));
            assert_eq!(zone.value(Token, &id(1), 50), Some(uses));
        }
        assert_eq!(zone.add(Token, &id(1), 1, 3, 100, 50), Err(Refused::Exhausted));
        assert_eq!(zone.value(Token, &id(1), 50), Some(3));
        assert_eq!(zone.add(Token, &id(2), 1, 3, 100, 50), Ok(1));
    }

    #[test]
    fn ids_that_share_a_word_are_told_apart() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        for id in [[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 4, 4], [1, 3, 3, 4], [2, 2, 3, 4]] {
            for kind in [Token, Window, Quota] {
                assert_eq!(zone.add(kind, &id, 1, 1, 100, 50), Ok(1));
                assert_eq!(zone.add(kind, &id, 1, 1, 100, 50), Err(Refused::Exhausted));
            }
        }
    }

    #[test]
    fn ids_that_are_chosen_alike_share_no_chain() {
        let words = words(8192);
        let zone = limited(&words);
        let alike = |n| [1, 2, 3, n];
        for n in 0..zone.limit_capacity() {
            Locked::new(&zone).add(Token, &alike(n), 1, 1, 100, 50).unwrap();
        }
        let chain = |n| zone.limits.table.chain(zone.limits.hash_of(alike(n))).count();
        assert!((0..zone.limit_capacity()).map(chain).max() < Some(12));
    }

    #[test]
    fn an_entry_lives_through_the_second_of_its_expiry() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        assert_eq!(zone.add(Quota, &id(1), 5, 5, 100, 50), Ok(5));
        assert_eq!(zone.expires(Quota, &id(1), 100), Some(100));
        assert_eq!(zone.add(Quota, &id(1), 1, 5, 200, 100), Err(Refused::Exhausted));
        assert_eq!(zone.value(Quota, &id(1), 101), None);
        assert_eq!(zone.expires(Quota, &id(1), 101), None);
        assert_eq!(zone.add(Quota, &id(1), 2, 5, 201, 101), Ok(2));
        assert_eq!(zone.expires(Quota, &id(1), 101), Some(201));
        zone.zone().limits.check();
        assert_eq!(zone.zone().limit_entries(), 1);
    }

    #[test]
    fn only_a_token_takes_the_later_expiry() {
        for (kind, later) in [(Token, 300), (Window, 100), (Quota, 100)] {
            let words = words(1024);
            let zone = limited(&words);
            let mut zone = Locked::new(&zone);
            for (expires_at, stays) in [(100, 100), (60, 100), (300, later)] {
                zone.add(kind, &id(1), 1, 9, expires_at, 50).unwrap();
                assert_eq!(zone.expires(kind, &id(1), 50), Some(stays), "{kind:?}");
            }
        }
    }

    #[test]
    fn an_expiry_that_has_passed_grants_nothing() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        assert_eq!(zone.add(Token, &id(1), 1, 1, 49, 50), Err(Refused::Exhausted));
        assert_eq!(zone.add(Token, &id(1), 1, 0, 60, 50), Err(Refused::Exhausted));
        assert_eq!(zone.zone().limit_entries(), 0);
    }

    #[test]
    fn values_do_not_wrap() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        assert_eq!(zone.add(Quota, &id(1), u64::MAX - 1, u64::MAX, 100, 50), Ok(u64::MAX - 1));
        assert_eq!(zone.add(Quota, &id(1), 7, u64::MAX, 100, 50), Ok(u64::MAX));
        assert_eq!(zone.add(Quota, &id(1), 7, u64::MAX, 100, 50), Err(Refused::Exhausted));
        assert_eq!(zone.value(Quota, &id(1), 50), Some(u64::MAX));
    }

    #[test]
    fn what_is_added_later_may_pass_the_limit() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        // As bytes are: first room is made sure of, then what was sent is added.
        assert_eq!(zone.add(Quota, &id(1), 0, 10, 100, 50), Ok(0));
        assert_eq!(zone.add(Quota, &id(1), 9, u64::MAX, 100, 50), Ok(9));
        assert_eq!(zone.add(Quota, &id(1), 0, 10, 100, 50), Ok(9));
        assert_eq!(zone.add(Quota, &id(1), 9, u64::MAX, 100, 50), Ok(18));
        assert_eq!(zone.add(Quota, &id(1), 0, 10, 100, 50), Err(Refused::Exhausted));
    }

    #[test]
    fn a_zone_full_of_live_entries_refuses_new_ones_only() {
        let words = words(1024);
        let zone = limited(&words);
        let capacity = zone.limit_capacity();
        let mut locked = Locked::new(&zone);
        for n in 0..capacity {
            assert_eq!(locked.add(Token, &id(n), 1, 2, 100, 50), Ok(1));
        }
        assert_eq!(locked.add(Token, &id(capacity), 1, 2, 200, 100), Err(Refused::Full));
        assert_eq!(locked.add(Token, &id(3), 1, 2, 100, 100), Ok(2));
        assert_eq!(locked.add(Token, &id(capacity), 1, 2, 200, 101), Ok(1));
        assert_eq!(zone.limit_entries(), capacity);
    }

    #[test]
    fn room_is_made_by_the_earliest_expiry() {
        let words = words(1024);
        let zone = limited(&words);
        let capacity = zone.limit_capacity();
        let mut locked = Locked::new(&zone);
        // Expiries in no order; those of the first half are moved behind the others.
        let expiry = |n: u64| 100 + (n * 37 % capacity) as i64;
        for n in 0..capacity {
            locked.add(Token, &id(n), 1, 9, expiry(n), 50).unwrap();
        }
        for n in 0..capacity / 2 {
            locked.add(Token, &id(n), 1, 9, 10_000 - expiry(n), 50).unwrap();
        }
        zone.limits.check();
        let mut rest: Vec<_> = (capacity / 2..capacity).collect();
        rest.sort_by_key(|n| expiry(*n));
        for (dead, n) in rest.iter().enumerate() {
            // Seen by a clock that is behind, so that what was not removed still counts.
            assert_eq!(locked.value(Token, &id(*n), 50), Some(1));
            assert_eq!(locked.add(Token, &id(1000 + n), 1, 9, 20_000, 5000), Ok(1));
            assert_eq!(locked.value(Token, &id(*n), 50), None);
            assert!(rest[dead + 1..].iter().all(|n| locked.value(Token, &id(*n), 50).is_some()));
        }
        assert_eq!(locked.add(Token, &id(5000), 1, 9, 20_000, 5000), Err(Refused::Full));
        assert_eq!(locked.value(Token, &id(0), 50), Some(2));
        zone.limits.check();
    }

    #[test]
    fn a_zone_without_limits_grants_nothing() {
        let words = words(1024);
        let zone = Zone::create(&words, Parts { meter: true, limit: false }, 1).unwrap();
        let mut locked = Locked::new(&zone);
        assert_eq!(locked.add(Token, &id(1), 1, 1, 100, 50), Err(Refused::Full));
        assert_eq!((zone.limit_entries(), zone.limit_capacity()), (0, 0));
    }
}
