//! Uses and bytes counted against a limit, each until its expiry.

use std::fmt;
use std::sync::atomic::AtomicU64;

use crate::sip;
use crate::table::{self, LINKS, STATE, Table};
use crate::words::{halves, load, store, store_halves};

const VALUE: usize = 2;
/// The last second in which the value counts; of a link, its own expiry.
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
    /// The limit is reached, or nothing could be counted because the expiry, for a link with the
    /// leeway, has passed.
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
    /// A binary heap of the entries in use, by the end of their use. The high half
    /// of an entry's links is its place in it.
    heap: &'z [AtomicU64],
    /// Seconds for which links may be good after their expiry.
    leeway: &'z AtomicU64,
    seed: u64,
}

impl<'z> Limits<'z> {
    /// `None` if there are too few words.
    pub(crate) fn over(words: &'z [AtomicU64], leeway: &'z AtomicU64, seed: u64) -> Option<Self> {
        let (table, heap) = Table::over(words, HEAP)?;
        Some(Limits { table, heap, leeway, seed })
    }

    /// A part without entries.
    pub(crate) fn none(word: &'z AtomicU64) -> Self {
        Limits { table: Table::none(word), heap: &[], leeway: word, seed: 0 }
    }

    /// The value of an entry that counts, and its expiry.
    pub(crate) fn counting(&self, kind: LimitKind, id: &Id, now: i64) -> Option<(u64, i64)> {
        let (_, entry) = self.find(kind, id)?;
        counts(kind, entry, now).then(|| (load(&entry[VALUE]), expires_at(entry)))
    }

    /// Sets for how long links may be good after their expiry.
    pub(crate) fn set_leeway(&self, leeway: i64) {
        let leeway = leeway.cast_unsigned();
        if !self.heap.is_empty() && load(self.leeway) != leeway {
            store(self.leeway, leeway);
            self.rebuild_heap();
        }
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
            && counts(kind, entry, now)
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
        // A link that may have had an entry which has made room must not begin anew.
        if limit == 0 || self.end(kind, until) < now {
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
        self.rebuild_heap();
    }

    fn rebuild_heap(&self) {
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

    /// Makes an entry, in place of the one that is first of no use if none is free and that one
    /// is of no use any more.
    fn insert(&self, kind: LimitKind, id: &Id, value: u64, until: i64, now: i64) -> Option<()> {
        let (index, entry) = self.table.claim().or_else(|| {
            let (index, entry) = self.at(0).filter(|(_, entry)| self.end_of(entry) < now)?;
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

    /// The last second in which an entry with this expiry is of use.
    fn end(&self, kind: LimitKind, expires_at: i64) -> i64 {
        match kind {
            LimitKind::Token => expires_at.saturating_add(load(self.leeway).cast_signed()),
            LimitKind::Window | LimitKind::Quota => expires_at,
        }
    }

    fn end_of(&self, entry: Entry<'z>) -> i64 {
        let is_link = load(&entry[STATE]) == LimitKind::Token as u64;
        let kind = if is_link { LimitKind::Token } else { LimitKind::Quota };
        self.end(kind, expires_at(entry))
    }

    /// Moves the entry at a place up, past those that end later. Returns its new place.
    fn rise(&self, mut place: u32) -> u32 {
        let Some((index, entry)) = self.at(place) else { return place };
        let from = place;
        while let Some(above) = place.checked_sub(1).map(|place| place / 2)
            && let Some((other, later)) = self.at(above)
            && self.end_of(entry) < self.end_of(later)
        {
            self.put(place, other, later);
            place = above;
        }
        if place != from {
            self.put(place, index, entry);
        }
        place
    }

    /// Moves the entry at a place down, past those that end earlier.
    fn sink(&self, mut place: u32) {
        let Some((index, entry)) = self.at(place) else { return };
        let (from, len) = (place, self.len());
        let end = self.end_of(entry);
        while let Some(left) = place.checked_mul(2).map(|twice| twice + 1).filter(|at| *at < len)
            && let Some(mut below) = self.at(left)
        {
            let mut to = left;
            if let Some(right) = self.at(left + 1).filter(|_| left + 1 < len)
                && self.end_of(right.1) < self.end_of(below.1)
            {
                (below, to) = (right, left + 1);
            }
            if self.end_of(below.1) >= end {
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

/// Whether an entry's value counts. That of a link always does: whether a link is still good is
/// judged by a leeway that may have grown since its uses were spent.
fn counts(kind: LimitKind, entry: Entry<'_>, now: i64) -> bool {
    kind == LimitKind::Token || expires_at(entry) >= now
}

#[cfg(test)]
impl Limits<'_> {
    /// The heap has every entry in use, and none above one that ends earlier.
    pub(crate) fn check(&self) {
        self.table.check(|entry| self.hash(entry));
        for (index, entry) in self.table.iter() {
            let (_, place) = halves(&entry[LINKS]);
            assert!(place < self.len());
            assert_eq!(self.at(place).unwrap().0, index);
            if place > 0 {
                let (_, above) = self.at((place - 1) / 2).unwrap();
                assert!(self.end_of(above) <= self.end_of(entry));
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
    fn a_link_that_has_an_entry_never_begins_anew() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        assert_eq!(zone.add(Token, &id(1), 1, 2, 100, 50), Ok(1));
        // Later, by a leeway of which the zone was not told.
        assert_eq!(zone.value(Token, &id(1), 500), Some(1));
        assert_eq!(zone.expires(Token, &id(1), 500), Some(100));
        assert_eq!(zone.add(Token, &id(1), 1, 2, 100, 500), Ok(2));
        assert_eq!(zone.add(Token, &id(1), 1, 2, 100, 500), Err(Refused::Exhausted));
        assert_eq!(zone.add(Token, &id(1), 1, 2, 900, 500), Err(Refused::Exhausted));
    }

    #[test]
    fn a_link_may_be_new_until_the_end_of_the_leeway() {
        let words = words(1024);
        let zone = limited(&words);
        let mut zone = Locked::new(&zone);
        zone.set_leeway(60);
        assert_eq!(zone.add(Token, &id(1), 1, 1, 100, 160), Ok(1));
        assert_eq!(zone.add(Token, &id(2), 1, 1, 100, 161), Err(Refused::Exhausted));
        assert_eq!(zone.add(Token, &id(3), 1, 1, i64::MAX, 161), Ok(1));
        for kind in [Window, Quota] {
            assert_eq!(zone.add(kind, &id(2), 1, 1, 100, 101), Err(Refused::Exhausted));
        }
    }

    #[test]
    fn links_make_room_after_the_leeway_and_others_at_their_expiry() {
        let words = words(1024);
        let zone = limited(&words);
        let capacity = zone.limit_capacity();
        let mut locked = Locked::new(&zone);
        let kind = |n| if n % 3 == 0 { Quota } else { Token };
        let expires_at = |n| 100 + (n * 37 % capacity) as i64;
        for n in 0..capacity {
            locked.add(kind(n), &id(n), 1, 1, expires_at(n), 50).unwrap();
        }
        // It grows, shrinks and grows again under the entries.
        for leeway in [20, 0, 30] {
            locked.set_leeway(leeway);
            zone.limits.check();
        }
        let end = |n| expires_at(n) + if kind(n) == Token { 30 } else { 0 };
        let mut left: Vec<_> = (0..capacity).collect();
        left.sort_by_key(|n| end(*n));
        let mut new = 1000;
        for now in 100..100 + capacity as i64 + 31 {
            while left.first().is_some_and(|n| end(*n) < now) {
                new += 1;
                assert_eq!(locked.add(Token, &id(new), 1, 1, 10_000, now), Ok(1));
                let gone = left.remove(0);
                assert_eq!(locked.value(kind(gone), &id(gone), 50), None);
                // What has made room is not good again.
                let again = locked.add(kind(gone), &id(gone), 1, 1, expires_at(gone), now);
                assert_eq!(again, Err(Refused::Exhausted));
            }
            assert_eq!(locked.add(Token, &id(5000), 1, 1, 10_000, now), Err(Refused::Full));
            assert!(left.iter().all(|n| locked.value(kind(*n), &id(*n), 50).is_some()));
        }
        assert!(left.is_empty());
        zone.limits.check();
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
        locked.set_leeway(60);
        assert_eq!((zone.limit_entries(), zone.limit_capacity()), (0, 0));
    }
}
