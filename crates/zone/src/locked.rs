//! What needs the lock.

use std::ops::Range;
use std::thread;

use crate::hints::Hints;
use crate::limit::{Id, LimitKind, Refused};
use crate::meter::{Counters, Full, PinnedEntry};
use crate::words::{add, load, store};
use crate::{VERDICTS, Zone};

/// A zone whose lock the caller holds.
///
/// It is made after the lock was taken and dropped before the lock is released. Without the lock
/// the words end up in disorder, and what it says is wrong.
pub struct Locked<'z> {
    zone: &'z Zone<'z>,
}

impl<'z> Locked<'z> {
    /// Begins the use of a zone, and repairs it if the last user did not come to an end.
    ///
    /// A repair visits every entry; counters, values and pins stay as they are.
    pub fn new(zone: &'z Zone<'z>) -> Self {
        if load(zone.dirty()) != 0 {
            zone.meter.rebuild();
            zone.limits.rebuild();
        }
        store(zone.dirty(), 1);
        Locked { zone }
    }

    /// The zone, for what needs no lock.
    pub fn zone(&self) -> Zone<'z> {
        *self.zone
    }

    /// Begins the pins of another configuration, and returns the number by which it is known.
    ///
    /// `running` is the number of the configuration that runs, if one does. What that one has pinned
    /// stays pinned, since its processes count into it: also after this configuration has taken its
    /// place, and however many fail in between. All other pins end, and their entries may be given to
    /// other keys.
    pub fn begin_pins(&mut self, running: Option<u32>) -> u32 {
        self.zone.meter.begin_pins(running)
    }

    /// Finds or makes the entry of a key, for counting without the lock.
    ///
    /// # Errors
    ///
    /// [`Full`] if all entries are pinned.
    pub fn pin(&mut self, key: &[u8]) -> Result<PinnedEntry, Full> {
        self.zone.meter.pin(key)
    }

    /// Counts a request of any key, at `now` in unix seconds.
    ///
    /// The first [`MAX_KEY_LEN`](crate::MAX_KEY_LEN) bytes of the key count. A new key is given
    /// the entry that was seen least recently if none is free; if all are pinned, the request is
    /// counted into the totals, and as an eviction. The entry of the empty key is never given away.
    pub fn count(&mut self, hints: &Hints, key: &[u8], verdict: usize, bytes: u64, now: i64) {
        if verdict < VERDICTS && !self.zone.meter.count(hints, key, verdict, bytes, now) {
            self.zone.count_total(verdict);
            add(self.zone.eviction_count(), 1);
        }
    }

    /// By how much totals, and keys that had to make room, have grown since this was last called.
    pub fn take_total_growth(&mut self) -> Counters {
        self.zone.take_totals()
    }

    /// Visits what was counted since the last visit, for each key that has any, among the entries at
    /// these places, of which there are [`Zone::meter_capacity`].
    ///
    /// Who visits some at a time, and releases the lock in between, misses nothing: the growth of a key
    /// that has to make room meanwhile is in [`take_total_growth`](Self::take_total_growth) the next
    /// time.
    pub fn take_growth(&mut self, places: Range<usize>, visit: impl FnMut(&[u8], &Counters)) {
        self.zone.meter.take_growth(places, visit);
    }

    /// Says for how many seconds after their expiry links may be good, which is the largest leeway in
    /// use: for as long no link makes room for another one.
    ///
    /// A link whose entry has made room is refused by [`Locked::add`] until the leeway grows.
    pub fn set_leeway(&mut self, leeway: i64) {
        self.zone.limits.set_leeway(leeway);
    }

    /// The value of an entry: of a link's as long as there is one, of another until its expiry.
    pub fn value(&self, kind: LimitKind, id: &Id, now: i64) -> Option<u64> {
        self.zone.limits.counting(kind, id, now).map(|(value, _)| value)
    }

    /// The expiry of an entry that has a value, in unix seconds: the last second of it.
    pub fn expires(&self, kind: LimitKind, id: &Id, now: i64) -> Option<i64> {
        self.zone.limits.counting(kind, id, now).map(|(_, expires_at)| expires_at)
    }

    /// Adds `amount` to a value that is still below `limit`, and returns the sum.
    ///
    /// The sum may exceed the limit; only the next one is refused. A missing entry begins with
    /// `amount` and lives through the second `expires_at`, that of a [`LimitKind::Token`] for the
    /// leeway longer. An existing [`LimitKind::Token`] keeps the later expiry and never begins
    /// anew; one of another kind keeps its own, and begins anew when it has passed.
    ///
    /// # Errors
    ///
    /// [`Refused::Exhausted`] if the limit is reached or a new entry would not be live, and
    /// [`Refused::Full`] if a new entry is needed and all are live.
    pub fn add(
        &mut self,
        kind: LimitKind,
        id: &Id,
        amount: u64,
        limit: u64,
        expires_at: i64,
        now: i64,
    ) -> Result<u64, Refused> {
        self.zone.limits.add(kind, id, amount, limit, expires_at, now)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // After a panic it is not known how far the work came.
        if !thread::panicking() {
            store(self.zone.dirty(), 0);
        }
    }
}
