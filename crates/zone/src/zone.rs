//! The words of a zone, and what is done with them without the lock.

use std::fmt;
use std::sync::atomic::AtomicU64;

use crate::VERDICTS;
use crate::limit::Limits;
use crate::meter::{Counters, Meter, MeterHead, PinnedEntry, take};
use crate::words::{add, exchange, load, store};

/// "slhzone" and the version of the layout, which changes with the meaning of any word.
const LAYOUT: u64 = u64::from_le_bytes(*b"slhzone\x04");

const MAGIC: usize = 0;
const LENGTH: usize = 1;
const PARTS: usize = 2;
const SEED: usize = 3;
/// 1 while the lock's holder changes the zone, and after it was killed.
const DIRTY: usize = 4;
const CLOCK: usize = 5;
const CONFIGURATIONS: usize = 6;
const EVICTIONS: usize = 7;
const REPORTED: usize = 8;
const TOTALS: usize = 9;
/// What of the totals was taken as growth before.
const SENT_TOTALS: usize = TOTALS + VERDICTS;
/// The growth of entries that were given to other keys before it was taken: bytes, then requests by
/// verdict.
const LEFT: usize = SENT_TOTALS + VERDICTS;
/// Seconds for which links may be good after their expiry.
const LEEWAY: usize = LEFT + 1 + VERDICTS;
const HEAD: usize = 48;

const _: () = assert!(LEEWAY + 1 < HEAD);

/// Seconds between two reports of a full zone.
const REPORT_INTERVAL: u64 = 60;

/// What a zone is used for. If for both, each has half of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Requests are counted in it.
    pub meter: bool,
    /// Uses are limited by it.
    pub limit: bool,
}

/// The words hold too few entries to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall;

impl std::error::Error for TooSmall {}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the zone is too small")
    }
}

/// A view of the shared words, for a process to keep.
#[derive(Clone, Copy)]
pub struct Zone<'z> {
    head: &'z [AtomicU64; HEAD],
    parts: Parts,
    pub(crate) meter: Meter<'z>,
    pub(crate) limits: Limits<'z>,
}

impl<'z> Zone<'z> {
    /// Makes an empty zone of words that hold anything and that nobody else uses.
    ///
    /// `seed` is a random number that clients do not know: it keys the hashes of keys and ids.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] if a part would have less than eight entries.
    pub fn create(words: &'z [AtomicU64], parts: Parts, seed: u64) -> Result<Self, TooSmall> {
        for word in words {
            store(word, 0);
        }
        let (head, _) = words.split_first_chunk::<HEAD>().ok_or(TooSmall)?;
        store(&head[LENGTH], words.len() as u64);
        store(&head[PARTS], u64::from(parts.meter) | u64::from(parts.limit) << 1);
        store(&head[SEED], seed);
        store(&head[CONFIGURATIONS], 1);
        let zone = Zone::over(words, parts, seed).ok_or(TooSmall)?;
        zone.meter.rebuild();
        zone.limits.rebuild();
        store(&head[MAGIC], LAYOUT);
        Ok(zone)
    }

    /// Views the words of a zone that [`Zone::create`] made, here or in another process.
    ///
    /// `None` if there is none, or none that this version understands.
    pub fn open(words: &'z [AtomicU64]) -> Option<Self> {
        let (head, _) = words.split_first_chunk::<HEAD>()?;
        let seed = load(&head[SEED]);
        let known = load(&head[MAGIC]) == LAYOUT && load(&head[LENGTH]) == words.len() as u64;
        let parts = load(&head[PARTS]);
        let parts = Parts { meter: parts & 1 != 0, limit: parts & 2 != 0 };
        if known { Zone::over(words, parts, seed) } else { None }
    }

    fn over(words: &'z [AtomicU64], parts: Parts, seed: u64) -> Option<Self> {
        let (head, rest) = words.split_first_chunk::<HEAD>()?;
        let metered = match parts {
            // A multiple of a limit's entry, so that entries stay within cache lines.
            Parts { meter: true, limit: true } => (rest.len() / 2) & !7,
            Parts { meter: true, limit: false } => rest.len(),
            Parts { meter: false, .. } => 0,
        };
        let (metered, limited) = rest.split_at_checked(metered)?;
        let unused = &head[HEAD - 1];
        let meter_head = MeterHead {
            clock: &head[CLOCK],
            configurations: &head[CONFIGURATIONS],
            evictions: &head[EVICTIONS],
            left: head.get(LEFT..LEFT + 1 + VERDICTS)?,
            seed,
        };
        let meter = match parts.meter {
            true => Meter::over(metered, meter_head)?,
            false => Meter::none(unused, meter_head),
        };
        let limits = match parts.limit {
            true => Limits::over(limited, &head[LEEWAY], seed)?,
            false => Limits::none(unused),
        };
        Some(Zone { head, parts, meter, limits })
    }

    /// What the zone was made for.
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// Counts a request whose credential was not authentic.
    pub fn count_total(&self, verdict: usize) {
        if let Some(total) = self.totals_words().nth(verdict) {
            add(total, 1);
        }
    }

    /// Counts a request of a pinned key, at `now` in unix seconds: additions only, no search.
    ///
    /// If the entry was given to another key since, which needs that the configuration that runs
    /// and the one that follows it are without this key, the request is counted into the totals.
    pub fn count(&self, pinned: PinnedEntry, verdict: usize, bytes: u64, now: i64) {
        if verdict < VERDICTS && !self.meter.count_pinned(pinned, verdict, bytes, now) {
            self.count_total(verdict);
        }
    }

    /// Requests that were counted for no key, by verdict.
    pub fn totals(&self) -> [u64; VERDICTS] {
        let mut totals = [0; VERDICTS];
        for (total, word) in totals.iter_mut().zip(self.totals_words()) {
            *total = load(word);
        }
        totals
    }

    /// What was counted for each key, sorted by key. It takes no lock, so that nobody who counts has to
    /// wait.
    ///
    /// All figures of a key are of that key. One that has to make room meanwhile may be missing.
    pub fn keys(&self) -> Vec<(Box<[u8]>, Counters)> {
        let mut keys: Vec<(Box<[u8]>, Counters)> =
            Vec::with_capacity(self.meter.table.used() as usize);
        self.meter.for_each(|key, counters| keys.push((key.into(), *counters)));
        keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        // One that has made room and has come back was found twice: the last time counts.
        keys.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                kept.1 = later.1;
            }
            is_same
        });
        keys
    }

    /// How many keys lost their entry to another one, or found none.
    pub fn evictions(&self) -> u64 {
        load(self.eviction_count())
    }

    /// Keys that have an entry.
    pub fn meter_entries(&self) -> u64 {
        self.meter.table.used()
    }

    /// Keys that have room.
    pub fn meter_capacity(&self) -> u64 {
        self.meter.table.capacity() as u64
    }

    /// Limits that have an entry, live or dead.
    pub fn limit_entries(&self) -> u64 {
        self.limits.table.used()
    }

    /// Limits that have room.
    pub fn limit_capacity(&self) -> u64 {
        self.limits.table.capacity() as u64
    }

    /// Whether to report that the zone is full: once a minute, in whichever process asks first.
    pub fn may_report(&self, now: i64) -> bool {
        let word = &self.head[REPORTED];
        let (last, now) = (load(word), now.max(1).cast_unsigned());
        (last == 0 || now.abs_diff(last) >= REPORT_INTERVAL) && exchange(word, last, now)
    }

    /// By how much the totals have grown since this was last called, and what evicted keys left.
    pub(crate) fn take_totals(&self) -> Counters {
        let mut growth = self.meter.take_left();
        let sent = self.head.iter().skip(SENT_TOTALS);
        for ((growth, total), sent) in
            growth.requests.iter_mut().zip(self.head.iter().skip(TOTALS)).zip(sent)
        {
            *growth += take(total, sent);
        }
        growth
    }

    pub(crate) fn dirty(&self) -> &'z AtomicU64 {
        &self.head[DIRTY]
    }

    pub(crate) fn eviction_count(&self) -> &'z AtomicU64 {
        &self.head[EVICTIONS]
    }

    fn totals_words(&self) -> impl Iterator<Item = &'z AtomicU64> + use<'z> {
        self.head.iter().skip(TOTALS).take(VERDICTS)
    }
}
