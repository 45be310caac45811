//! Requests counted by key and verdict.

use std::cell::Cell;
use std::fmt;
use std::iter;
use std::sync::atomic::AtomicU64;

use crate::hints::Hints;
use crate::order::{ORDER, Order};
use crate::table::{self, LINKS, STATE, Table};
use crate::words::{add, bytes_as_words, exchange, load, raise, store};
use crate::{MAX_KEY_LEN, VERDICTS, sip};

/// The zone's clock when the entry was last counted into under the lock. It orders entries that
/// were last seen in the same second.
const STAMP: usize = 3;
/// The last configuration that pinned the entry; 0 if none did.
const PINNED: usize = 4;
/// The key's [`name`].
const NAME: usize = 5;
const FIRST_SEEN: usize = 6;
const LAST_SEEN: usize = 7;
const BYTES: usize = 8;
const REQUESTS: usize = 9;
const KEY: usize = REQUESTS + VERDICTS;
/// What of the requests and bytes was taken as growth before.
const SENT_REQUESTS: usize = KEY + MAX_KEY_LEN / 8;
const SENT_BYTES: usize = SENT_REQUESTS + VERDICTS;
const ENTRY: usize = SENT_BYTES + 1;

const _: () = assert!(LINKS < ORDER && ORDER < STAMP);

type Entry<'z> = table::Entry<'z, ENTRY>;

/// An entry that counts without the lock and without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinnedEntry {
    index: u32,
    tag: u64,
}

/// What was counted for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests by verdict.
    pub requests: [u64; VERDICTS],
    /// Bytes sent.
    pub bytes: u64,
    /// When the first of them was counted, in unix seconds; 0 if none was.
    pub first_seen: i64,
    /// When the last of them was counted, in unix seconds; 0 if none was.
    pub last_seen: i64,
}

/// All entries of a part are in use, and none may be given to another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl std::error::Error for Full {}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the zone is full")
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Meter<'z> {
    pub(crate) table: Table<'z, ENTRY>,
    order: Order<'z, ENTRY>,
    /// Counts entries as they are made and counted into; an entry's state is its value when the
    /// entry was made.
    clock: &'z AtomicU64,
    /// The number of the configuration that pins, from 1 on.
    configuration: &'z AtomicU64,
    evictions: &'z AtomicU64,
    /// Bytes, then requests by verdict.
    left: &'z [AtomicU64],
    seed: u64,
}

/// The zone's words that a meter uses.
pub(crate) struct MeterHead<'z> {
    pub(crate) clock: &'z AtomicU64,
    pub(crate) configuration: &'z AtomicU64,
    pub(crate) evictions: &'z AtomicU64,
    pub(crate) left: &'z [AtomicU64],
    pub(crate) seed: u64,
}

impl<'z> Meter<'z> {
    /// `None` if there are too few words.
    pub(crate) fn over(words: &'z [AtomicU64], head: MeterHead<'z>) -> Option<Self> {
        let (ends, words) = words.split_last()?;
        let (table, _) = Table::over(words, 0)?;
        Some(Meter::new(ends, table, head))
    }

    /// A meter without entries.
    pub(crate) fn none(word: &'z AtomicU64, head: MeterHead<'z>) -> Self {
        Meter::new(word, Table::none(word), head)
    }

    fn new(ends: &'z AtomicU64, table: Table<'z, ENTRY>, head: MeterHead<'z>) -> Self {
        let MeterHead { clock, configuration, evictions, left, seed } = head;
        let order = Order::new(ends, table);
        Meter { table, order, clock, configuration, evictions, left, seed }
    }

    /// Counts a request, unless the entry was given to another key.
    pub(crate) fn count_pinned(
        &self,
        pinned: PinnedEntry,
        verdict: usize,
        bytes: u64,
        now: i64,
    ) -> bool {
        match self.table.entry(pinned.index) {
            Some(entry) if load(&entry[STATE]) == pinned.tag => {
                tally(entry, verdict, bytes, now);
                true
            }
            _ => false,
        }
    }

    /// Counts a request. Says whether there is an entry for it.
    pub(crate) fn count(
        &self,
        hints: &Hints,
        key: &[u8],
        verdict: usize,
        bytes: u64,
        now: i64,
    ) -> bool {
        let key = counted(key);
        let hint = hints.of(key);
        let hinted = hint.and_then(|hint| self.hinted(hint.get(), key));
        let Some((index, entry)) = hinted.or_else(|| self.find_or_insert(key, hint)) else {
            return false;
        };
        if !self.is_pinned(entry) {
            store(&entry[STAMP], self.tick());
            self.order.renew(index, entry);
        }
        tally(entry, verdict, bytes, now);
        true
    }

    /// The entry of a key, if it is the one at `index`.
    #[inline]
    fn hinted(&self, index: u32, key: &[u8]) -> Option<(u32, Entry<'z>)> {
        let entry = self.table.entry(index)?;
        let is_same = load(&entry[STATE]) != 0
            && key_len(load(&entry[NAME])) == key.len()
            && has_key(entry, key);
        is_same.then_some((index, entry))
    }

    #[cold]
    fn find_or_insert(&self, key: &[u8], hint: Option<&Cell<u32>>) -> Option<(u32, Entry<'z>)> {
        let name = name(self.seed, key);
        let (index, entry) = self.find(key, name).or_else(|| self.insert(key, name, 0))?;
        if let Some(hint) = hint {
            hint.set(index);
        }
        Some((index, entry))
    }

    /// Finds or makes the entry of a key, and keeps it for this configuration and the next.
    pub(crate) fn pin(&self, key: &[u8]) -> Result<PinnedEntry, Full> {
        let key = counted(key);
        let name = name(self.seed, key);
        let configuration = load(self.configuration);
        let (index, entry) = match self.find(key, name) {
            Some((index, entry)) => {
                if !self.is_pinned(entry) {
                    self.order.remove(entry);
                }
                store(&entry[PINNED], configuration);
                (index, entry)
            }
            None => self.insert(key, name, configuration).ok_or(Full)?,
        };
        Ok(PinnedEntry { index, tag: load(&entry[STATE]) })
    }

    /// Begins the pins of another configuration.
    pub(crate) fn begin_pins(&self) {
        store(self.configuration, load(self.configuration) + 1);
        self.rebuild_order();
    }

    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8], &Counters)) {
        for (_, entry) in self.table.iter() {
            let mut requests = [0; VERDICTS];
            for (count, word) in requests.iter_mut().zip(entry.iter().skip(REQUESTS)) {
                *count = load(word);
            }
            let counters = Counters {
                requests,
                bytes: load(&entry[BYTES]),
                first_seen: load(&entry[FIRST_SEEN]).cast_signed(),
                last_seen: load(&entry[LAST_SEEN]).cast_signed(),
            };
            let mut key = [0; MAX_KEY_LEN];
            visit(key_of(entry, &mut key), &counters);
        }
    }

    /// Visits what was counted since it was visited here before, for each key that has any.
    pub(crate) fn take_growth(&self, mut visit: impl FnMut(&[u8], &Counters)) {
        for (_, entry) in self.table.iter() {
            let growth = take_entry(entry);
            if growth != Counters::default() {
                let mut key = [0; MAX_KEY_LEN];
                visit(key_of(entry, &mut key), &growth);
            }
        }
    }

    /// What evicted keys had that was not taken, nor here before.
    pub(crate) fn take_left(&self) -> Counters {
        let mut growth = Counters::default();
        let counts = iter::once(&mut growth.bytes).chain(&mut growth.requests);
        for (count, left) in counts.zip(self.left) {
            *count = load(left);
            if *count > 0 {
                store(left, 0);
            }
        }
        growth
    }

    /// Keeps what of an entry was not taken, beyond its key.
    fn leave(&self, entry: Entry<'z>) {
        let growth = take_entry(entry);
        for (count, left) in iter::once(growth.bytes).chain(growth.requests).zip(self.left) {
            if count > 0 {
                add(left, count);
            }
        }
    }

    /// Makes all that connects entries again.
    pub(crate) fn rebuild(&self) {
        self.table.rebuild(|entry| hash(load(&entry[NAME])));
        self.rebuild_order();
    }

    fn rebuild_order(&self) {
        if self.table.capacity() > 0 {
            self.order.rebuild(
                |entry| !self.is_pinned(entry),
                |entry| (load(&entry[LAST_SEEN]), load(&entry[STAMP])),
            );
        }
    }

    /// Whether a running configuration may count into the entry without the lock.
    fn is_pinned(&self, entry: Entry<'z>) -> bool {
        let pinned = load(&entry[PINNED]);
        pinned != 0 && pinned + 1 >= load(self.configuration)
    }

    fn find(&self, key: &[u8], name: u64) -> Option<(u32, Entry<'z>)> {
        let is_same = |entry: Entry<'_>| load(&entry[NAME]) == name && has_key(entry, key);
        self.table.chain(hash(name)).find(|(_, entry)| is_same(entry))
    }

    /// Makes an entry, in place of the one that was seen least recently if none is free.
    fn insert(&self, key: &[u8], name: u64, pinned: u64) -> Option<(u32, Entry<'z>)> {
        let (index, entry) = self.table.claim().or_else(|| {
            let (index, entry) = self.order.oldest()?;
            self.order.remove(entry);
            self.table.retire(index, entry, hash(load(&entry[NAME])));
            self.leave(entry);
            add(self.evictions, 1);
            self.table.claim()
        })?;
        let tag = self.tick();
        for counter in entry.iter().skip(FIRST_SEEN).take(KEY - FIRST_SEEN) {
            store(counter, 0);
        }
        for counter in entry.iter().skip(SENT_REQUESTS) {
            store(counter, 0);
        }
        let (whole, last) = bytes_as_words(key);
        let words = whole.iter().map(|word| u64::from_le_bytes(*word)).chain([last]);
        for (at, word) in entry.iter().skip(KEY).take(MAX_KEY_LEN / 8).zip(words) {
            store(at, word);
        }
        store(&entry[STAMP], tag);
        store(&entry[PINNED], pinned);
        store(&entry[NAME], name);
        self.table.publish(index, entry, hash(name), tag);
        if pinned == 0 {
            self.order.push(index, entry);
        }
        Some((index, entry))
    }

    fn tick(&self) -> u64 {
        let time = load(self.clock) + 1;
        store(self.clock, time);
        time
    }
}

/// The bytes of a key that count.
fn counted(key: &[u8]) -> &[u8] {
    key.get(..MAX_KEY_LEN).unwrap_or(key)
}

/// A key's hash, with its length in the lowest byte.
fn name(seed: u64, key: &[u8]) -> u64 {
    let hash = sip::hash([seed, !seed], key);
    hash & !0xff | key.len() as u64
}

fn hash(name: u64) -> u64 {
    name >> 8
}

fn key_len(name: u64) -> usize {
    name as usize & 0xff
}

/// Whether an entry has a key of the same length.
#[inline]
fn has_key(entry: Entry<'_>, key: &[u8]) -> bool {
    let (whole, last) = bytes_as_words(key);
    let words = entry.iter().skip(KEY);
    let rest = entry.get(KEY + whole.len()).filter(|_| !key.len().is_multiple_of(8));
    words.zip(whole).all(|(at, word)| load(at) == u64::from_le_bytes(*word))
        && rest.is_none_or(|at| load(at) == last)
}

fn key_of<'k>(entry: Entry<'_>, key: &'k mut [u8; MAX_KEY_LEN]) -> &'k [u8] {
    for (bytes, word) in key.as_chunks_mut().0.iter_mut().zip(entry.iter().skip(KEY)) {
        *bytes = load(word).to_le_bytes();
    }
    key.get(..key_len(load(&entry[NAME]))).unwrap_or_default()
}

/// What was counted since it was taken before.
pub(crate) fn take(count: &AtomicU64, sent: &AtomicU64) -> u64 {
    let count = load(count);
    let growth = count.wrapping_sub(load(sent));
    if growth > 0 {
        store(sent, count);
    }
    growth
}

/// The same for all counters of an entry.
fn take_entry(entry: Entry<'_>) -> Counters {
    let mut growth = Counters::default();
    let sent = entry.iter().skip(SENT_REQUESTS);
    for ((growth, count), sent) in
        growth.requests.iter_mut().zip(entry.iter().skip(REQUESTS)).zip(sent)
    {
        *growth = take(count, sent);
    }
    growth.bytes = take(&entry[BYTES], &entry[SENT_BYTES]);
    growth
}

fn tally(entry: Entry<'_>, verdict: usize, bytes: u64, now: i64) {
    if let Some(requests) = entry.get(REQUESTS + verdict) {
        add(requests, 1);
    }
    if bytes > 0 {
        add(&entry[BYTES], bytes);
    }
    let now = now.max(1).cast_unsigned();
    exchange(&entry[FIRST_SEEN], 0, now);
    raise(&entry[LAST_SEEN], now);
}

#[cfg(test)]
impl Meter<'_> {
    /// The order has what is not pinned, and, if nobody's clock went back, by when it was seen.
    pub(crate) fn check(&self) {
        self.table.check(|entry| hash(load(&entry[NAME])));
        if self.table.capacity() == 0 {
            return;
        }
        let listed = self.order.check();
        assert!(listed.iter().all(|(_, entry)| load(&entry[STATE]) != 0 && !self.is_pinned(entry)));
        let unpinned = self.table.iter().filter(|(_, entry)| !self.is_pinned(entry)).count();
        assert_eq!(listed.len(), unpinned);
    }

    /// After a repair, the order is that of the entries themselves.
    pub(crate) fn check_sorted(&self) {
        let seen = |entry: Entry<'_>| (load(&entry[LAST_SEEN]), load(&entry[STAMP]));
        assert!(self.order.check().is_sorted_by_key(|(_, entry)| seen(entry)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{keys, metered, words};
    use crate::{Locked, Zone};

    /// As many keys as the zone has room for.
    fn fill(zone: Zone<'_>) -> Vec<String> {
        let keys: Vec<_> = (0..zone.meter_capacity()).map(|n| format!("key {n}")).collect();
        for (now, key) in (1..).zip(&keys) {
            Locked::new(&zone).count(&Hints::default(), key.as_bytes(), 0, 1, now);
        }
        keys
    }

    #[test]
    fn growth_is_taken_once() {
        let words = words(2048);
        let zone = metered(&words);
        let acme = Locked::new(&zone).pin(b"acme").unwrap();
        let take = || {
            let mut taken = Vec::new();
            Locked::new(&zone).take_growth(|key, growth| {
                taken.push((key.map(<[u8]>::to_vec), growth.requests[0], growth.bytes));
            });
            taken
        };
        assert_eq!(take(), []);
        zone.count(acme, 0, 100, 1000);
        zone.count(acme, 0, 11, 1003);
        zone.count_total(0);
        assert_eq!(take(), [(None, 1, 0), (Some(b"acme".to_vec()), 2, 111)]);
        assert_eq!(take(), []);
        zone.count(acme, 0, 1, 1004);
        assert_eq!(take(), [(Some(b"acme".to_vec()), 1, 1)]);
        assert_eq!(keys(zone)[b"acme".as_slice()].bytes, 112);
    }

    #[test]
    fn growth_outlives_its_key() {
        let words = words(1024);
        let zone = metered(&words);
        let all = fill(zone);
        let take = || {
            let mut taken = Counters::default();
            let mut without_key = Counters::default();
            Locked::new(&zone).take_growth(|key, growth| {
                let of = if key.is_some() { &mut taken } else { &mut without_key };
                of.bytes += growth.bytes;
                of.requests.iter_mut().zip(growth.requests).for_each(|(sum, count)| *sum += count);
            });
            [taken, without_key].map(|of| (of.requests[0], of.requests[3], of.bytes))
        };
        let capacity = zone.meter_capacity();
        assert_eq!(take(), [(capacity, 0, capacity), (0, 0, 0)]);
        // Two have grown since, and are evicted with all others, and the first new one.
        Locked::new(&zone).count(&Hints::default(), all[0].as_bytes(), 3, 70, 5000);
        Locked::new(&zone).count(&Hints::default(), all[1].as_bytes(), 0, 0, 5000);
        for n in 0..capacity + 1 {
            Locked::new(&zone).count(&Hints::default(), format!("new {n}").as_bytes(), 0, 1, 6000);
        }
        zone.count_total(3);
        assert_eq!(take(), [(capacity, 0, capacity), (2, 2, 71)]);
        assert_eq!(take(), [(0, 0, 0), (0, 0, 0)]);
    }

    #[test]
    fn what_is_counted_is_read_again() {
        let words = words(2048);
        let zone = metered(&words);
        let acme = Locked::new(&zone).pin(b"acme").unwrap();
        zone.count(acme, 0, 100, 1000);
        zone.count(acme, 6, 0, 1005);
        zone.count(acme, 0, 11, 1003);
        Locked::new(&zone).count(&Hints::default(), b"acme", 10, 1, 1004);
        Locked::new(&zone).count(&Hints::default(), b"globex", 8, 7, 1001);
        let mut requests = [0; VERDICTS];
        (requests[0], requests[6], requests[10]) = (2, 1, 1);
        let acme = Counters { requests, bytes: 112, first_seen: 1000, last_seen: 1005 };
        let mut requests = [0; VERDICTS];
        requests[8] = 1;
        let globex = Counters { requests, bytes: 7, first_seen: 1001, last_seen: 1001 };
        let found = keys(zone);
        assert_eq!(found[b"acme".as_slice()], acme);
        assert_eq!(found[b"globex".as_slice()], globex);
        assert_eq!((found.len(), zone.meter_entries(), zone.evictions()), (2, 2, 0));
        assert_eq!(zone.totals(), [0; VERDICTS]);
    }

    #[test]
    fn a_pinned_key_that_was_never_seen_says_so() {
        let words = words(2048);
        let zone = metered(&words);
        Locked::new(&zone).pin(b"acme").unwrap();
        assert_eq!(keys(zone)[b"acme".as_slice()], Counters::default());
    }

    #[test]
    fn an_unknown_verdict_is_not_counted() {
        let words = words(2048);
        let zone = metered(&words);
        let acme = Locked::new(&zone).pin(b"acme").unwrap();
        zone.count(acme, VERDICTS, 100, 1000);
        zone.count_total(VERDICTS);
        Locked::new(&zone).count(&Hints::default(), b"globex", VERDICTS, 100, 1000);
        assert_eq!(keys(zone)[b"acme".as_slice()], Counters::default());
        assert_eq!((zone.totals(), zone.meter_entries()), ([0; VERDICTS], 1));
    }

    #[test]
    fn keys_are_told_apart_by_their_first_128_bytes() {
        let words = words(4096);
        let zone = metered(&words);
        let long = vec![b'x'; MAX_KEY_LEN + 1];
        for key in [&b""[..], b"\0", b"\0\0", b"12345678", b"123456789", &long[..127]] {
            Locked::new(&zone).count(&Hints::default(), key, 0, 0, 1);
            assert_eq!(keys(zone)[key].requests[0], 1);
        }
        Locked::new(&zone).count(&Hints::default(), &long, 0, 0, 1);
        Locked::new(&zone).count(&Hints::default(), &[&long[..], b"y"].concat(), 0, 0, 1);
        let pinned = Locked::new(&zone).pin(&long[..MAX_KEY_LEN]).unwrap();
        zone.count(pinned, 0, 0, 1);
        assert_eq!(keys(zone)[&long[..MAX_KEY_LEN]].requests[0], 3);
        assert_eq!(keys(zone).len(), 7);
    }

    #[test]
    fn keys_that_share_a_hint_are_told_apart() {
        let words = words(1024);
        let zone = metered(&words);
        let hints = Hints::default();
        let count = |key: &[u8]| Locked::new(&zone).count(&hints, key, 0, 1, 1);
        // They begin, or begin and end, alike; and one is the other and a zero.
        let same_ends = [&b"begin...12345678.......end"[..], b"begin...abcdefgh.......end"];
        let same_words = [&b"12345678"[..], b"12345678\0"];
        for sharing in [same_ends, same_words] {
            assert!(
                sharing.map(|key| hints.of(key).map(Cell::as_ptr)).windows(2).all(|w| w[0] == w[1])
            );
            for _ in 0..3 {
                sharing.iter().for_each(|key| count(key));
            }
            assert!(sharing.iter().all(|key| keys(zone)[*key].requests[0] == 3));
        }
        assert_eq!(zone.meter_entries(), 4);
        for n in 0..zone.meter_capacity() {
            count(format!("another {n}").as_bytes());
        }
        same_ends.iter().for_each(|key| count(key));
        assert!(same_ends.iter().all(|key| keys(zone)[*key].requests[0] == 1));
        zone.meter.check();
    }

    #[test]
    fn the_least_recently_seen_key_is_evicted() {
        let words = words(1024);
        let zone = metered(&words);
        let all = fill(zone);
        // All in one second: what counts is the order of the requests.
        let (spared, rest) = all.split_at(3);
        for key in spared {
            Locked::new(&zone).count(&Hints::default(), key.as_bytes(), 0, 1, 1);
        }
        for (evicted, key) in rest.iter().enumerate() {
            assert!(keys(zone).contains_key(key.as_bytes()), "{key} was evicted early");
            Locked::new(&zone).count(
                &Hints::default(),
                format!("new {evicted}").as_bytes(),
                0,
                1,
                1,
            );
            assert!(!keys(zone).contains_key(key.as_bytes()), "{key} outlived others");
            assert_eq!(zone.evictions(), evicted as u64 + 1);
        }
        assert!(spared.iter().all(|key| keys(zone).contains_key(key.as_bytes())));
        assert_eq!(zone.meter_entries(), zone.meter_capacity());
    }

    #[test]
    fn an_evicted_key_begins_anew() {
        let words = words(1024);
        let zone = metered(&words);
        let all = fill(zone);
        Locked::new(&zone).count(&Hints::default(), b"new", 3, 5, 900);
        Locked::new(&zone).count(&Hints::default(), all[0].as_bytes(), 4, 6, 901);
        let found = keys(zone)[all[0].as_bytes()];
        let mut requests = [0; VERDICTS];
        requests[4] = 1;
        assert_eq!(found, Counters { requests, bytes: 6, first_seen: 901, last_seen: 901 });
    }

    #[test]
    fn pinned_keys_are_never_evicted_and_fill_the_zone() {
        let words = words(1024);
        let zone = metered(&words);
        let acme = Locked::new(&zone).pin(b"acme").unwrap();
        zone.count(acme, 0, 1, 1);
        for n in 0..1000 {
            Locked::new(&zone).count(&Hints::default(), format!("{n}").as_bytes(), 0, 1, 2 + n);
        }
        assert_eq!(zone.evictions(), 1000 - (zone.meter_capacity() - 1));
        assert_eq!(keys(zone)[b"acme".as_slice()].requests[0], 1);

        for n in 1..zone.meter_capacity() {
            Locked::new(&zone).pin(format!("pin {n}").as_bytes()).unwrap();
        }
        assert_eq!(Locked::new(&zone).pin(b"one more"), Err(Full));
        assert_eq!(Locked::new(&zone).pin(b"acme"), Ok(acme));
        let evictions = zone.evictions();
        Locked::new(&zone).count(&Hints::default(), b"one more", 5, 1, 2000);
        assert_eq!((zone.evictions(), zone.totals()[5]), (evictions + 1, 1));
        Locked::new(&zone).count(&Hints::default(), b"acme", 0, 1, 2000);
        assert_eq!((zone.evictions(), zone.totals()[0]), (evictions + 1, 0));
        assert_eq!(keys(zone)[b"acme".as_slice()].requests[0], 2);
    }

    #[test]
    fn a_key_that_was_counted_keeps_its_counters_when_pinned() {
        let words = words(1024);
        let zone = metered(&words);
        let all = fill(zone);
        let pinned = Locked::new(&zone).pin(all[0].as_bytes()).unwrap();
        for n in 0..1000 {
            Locked::new(&zone).count(&Hints::default(), format!("{n}").as_bytes(), 0, 1, 2 + n);
        }
        zone.count(pinned, 0, 1, 2);
        assert_eq!(keys(zone)[all[0].as_bytes()].requests[0], 2);
        zone.meter.check();
    }

    #[test]
    fn a_pin_lasts_for_its_configuration_and_the_next() {
        let words = words(1024);
        let zone = metered(&words);
        let pin = |keys: &[&str]| {
            let mut locked = Locked::new(&zone);
            locked.begin_pins();
            keys.iter().map(|key| locked.pin(key.as_bytes()).unwrap()).collect::<Vec<_>>()
        };
        let flood = |from: u64| {
            for n in from..from + 100 {
                Locked::new(&zone).count(
                    &Hints::default(),
                    format!("{n}").as_bytes(),
                    0,
                    1,
                    2 + n as i64,
                );
            }
        };
        let first = pin(&["kept", "dropped"]);
        let second = pin(&["kept"]);
        assert_eq!(first[0], second[0]);
        flood(0);
        // The workers of the first configuration still count.
        zone.count(first[1], 0, 1, 102);
        assert_eq!(keys(zone)[b"dropped".as_slice()].requests[0], 1);

        let third = pin(&["kept"]);
        zone.count(first[1], 0, 1, 103);
        assert_eq!(keys(zone)[b"dropped".as_slice()].requests[0], 2);
        flood(101);
        assert!(!keys(zone).contains_key(b"dropped".as_slice()));
        zone.count(first[1], 7, 1, 300);
        assert_eq!(zone.totals()[7], 1);
        assert_eq!(third[0], first[0]);
        assert!(keys(zone).contains_key(b"kept".as_slice()));
    }

    #[test]
    fn keys_no_longer_pinned_are_evicted_by_when_they_were_seen() {
        let words = words(1024);
        let zone = metered(&words);
        let old = Locked::new(&zone).pin(b"old").unwrap();
        let new = Locked::new(&zone).pin(b"new").unwrap();
        zone.count(new, 0, 0, 50);
        zone.count(old, 0, 0, 2);
        for n in 2..zone.meter_capacity() {
            Locked::new(&zone).count(&Hints::default(), format!("{n}").as_bytes(), 0, 1, 10);
        }
        Locked::new(&zone).begin_pins();
        Locked::new(&zone).begin_pins();
        Locked::new(&zone).count(&Hints::default(), b"a", 0, 0, 60);
        assert!(!keys(zone).contains_key(b"old".as_slice()));
        for n in 2..zone.meter_capacity() {
            Locked::new(&zone).count(&Hints::default(), format!("again {n}").as_bytes(), 0, 1, 60);
        }
        assert!(keys(zone).contains_key(b"new".as_slice()));
        Locked::new(&zone).count(&Hints::default(), b"b", 0, 0, 61);
        assert!(!keys(zone).contains_key(b"new".as_slice()));
    }

    #[test]
    fn a_zone_without_a_meter_counts_into_the_totals() {
        let words = words(1024);
        let zone = Zone::create(&words, crate::Parts { meter: false, limit: true }, 1).unwrap();
        assert_eq!(Locked::new(&zone).pin(b"acme"), Err(Full));
        Locked::new(&zone).begin_pins();
        Locked::new(&zone).count(&Hints::default(), b"acme", 2, 0, 1);
        assert_eq!((zone.totals()[2], zone.meter_entries(), keys(zone).len()), (1, 0, 0));
    }
}
