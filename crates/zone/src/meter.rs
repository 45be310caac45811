//! Requests counted by key and verdict.

use std::cell::Cell;
use std::fmt;
use std::iter;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use crate::hints::Hints;
use crate::order::{ORDER, Order};
use crate::table::{self, LINKS, STATE, Table};
use crate::words::{add, bytes_as_words, exchange, halves, load, raise, store, store_halves};
use crate::{MAX_KEY_LEN, VERDICTS, sip};

/// The zone's clock when the entry was last counted into under the lock. It orders entries that
/// were last seen in the same second.
const STAMP: usize = 3;
/// The last configuration that pinned the entry, 0 if none did, in the low half. In the high half the
/// one that was running then, if that had pinned it too.
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
    /// The number of the configuration that pins, from 1 on, in the low half. In the high half that of
    /// the one that was running when it began to, 0 if none was.
    configurations: &'z AtomicU64,
    evictions: &'z AtomicU64,
    /// Bytes, then requests by verdict.
    left: &'z [AtomicU64],
    seed: u64,
}

/// The zone's words that a meter uses.
pub(crate) struct MeterHead<'z> {
    pub(crate) clock: &'z AtomicU64,
    pub(crate) configurations: &'z AtomicU64,
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
        let MeterHead { clock, configurations, evictions, left, seed } = head;
        let order = Order::new(ends, table);
        Meter { table, order, clock, configurations, evictions, left, seed }
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

    /// Finds or makes the entry of a key, and keeps it for this configuration.
    pub(crate) fn pin(&self, key: &[u8]) -> Result<PinnedEntry, Full> {
        let key = counted(key);
        let name = name(self.seed, key);
        let (pinning, running) = halves(self.configurations);
        let (index, entry) = match self.find(key, name) {
            Some((index, entry)) => {
                if !self.is_pinned(entry) {
                    self.order.remove(entry);
                }
                let (last, before) = halves(&entry[PINNED]);
                // Should this configuration come to nothing, the entry is still the other's.
                let kept = if last == running || before == running { running } else { 0 };
                store_halves(&entry[PINNED], pinning, kept);
                (index, entry)
            }
            None => self.insert(key, name, pinning).ok_or(Full)?,
        };
        Ok(PinnedEntry { index, tag: load(&entry[STATE]) })
    }

    /// Begins the pins of another configuration, and returns its number.
    pub(crate) fn begin_pins(&self, running: Option<u32>) -> u32 {
        let before = halves(self.configurations);
        // The entries of all others may have been given away.
        let running = running.filter(|number| [before.0, before.1].contains(number)).unwrap_or(0);
        let now = (before.0.wrapping_add(1).max(1), running);
        store_halves(self.configurations, now.0, now.1);
        self.order.insert(
            |entry| pin_lasts(entry, before) && !self.is_pinned(entry),
            |entry| (load(&entry[LAST_SEEN]), load(&entry[STAMP])),
        );
        now.0
    }

    /// Visits the keys, without the lock. An entry that is given to another key meanwhile is left out.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&[u8], &Counters)) {
        for (_, entry) in self.table.iter() {
            let tag = load(&entry[STATE]);
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
            let key = key_of(entry, &mut key);
            // No state comes twice, and it is the first word that changes when an entry is given away: what
            // was read between two reads of the same state is all of one key.
            if tag != 0 && load(&entry[STATE]) == tag {
                visit(key, &counters);
            }
        }
    }

    /// Visits what was counted since the last visit, for each key that has any, among the entries at
    /// these places.
    pub(crate) fn take_growth(
        &self,
        places: Range<usize>,
        mut visit: impl FnMut(&[u8], &Counters),
    ) {
        for entry in self.table.range(places) {
            let growth = take_entry(entry);
            if growth != Counters::default() {
                let mut key = [0; MAX_KEY_LEN];
                visit(key_of(entry, &mut key), &growth);
            }
        }
    }

    /// What evicted keys had left since this was last called.
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

    /// Keeps the growth of an entry that was not taken, for when its key is gone.
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

    /// Whether a configuration may count into the entry without the lock, or it is that of the
    /// empty key.
    fn is_pinned(&self, entry: Entry<'z>) -> bool {
        pin_lasts(entry, halves(self.configurations))
    }

    fn find(&self, key: &[u8], name: u64) -> Option<(u32, Entry<'z>)> {
        let is_same = |entry: Entry<'_>| load(&entry[NAME]) == name && has_key(entry, key);
        self.table.chain(hash(name)).find(|(_, entry)| is_same(entry))
    }

    /// Makes an entry, in place of the one that was seen least recently if none is free.
    fn insert(&self, key: &[u8], name: u64, pinned: u32) -> Option<(u32, Entry<'z>)> {
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
        store_halves(&entry[PINNED], pinned, 0);
        store(&entry[NAME], name);
        self.table.publish(index, entry, hash(name), tag);
        if !self.is_pinned(entry) {
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

/// Whether an entry stays, of the configuration that pins and the one that runs: if one of them has
/// pinned it, or if it is that of the empty key, whose counters are shown in one sum with the totals,
/// which may not fall.
fn pin_lasts(entry: Entry<'_>, (pinning, running): (u32, u32)) -> bool {
    let (last, before) = halves(&entry[PINNED]);
    let lasts = |number| number != 0 && (number == pinning || number == running);
    lasts(last) || lasts(before) || key_len(load(&entry[NAME])) == 0
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

/// The growth of a counter since it was last taken.
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
mod tests;
