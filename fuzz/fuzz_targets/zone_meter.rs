//! Counters in a zone, against maps of the standard library.
#![no_main]

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;

use libfuzzer_sys::fuzz_target;
use secure_link_zone::{Counters, Hints, Locked, MAX_KEY_LEN, Parts, PinnedEntry, VERDICTS, Zone};

#[derive(Clone, Default)]
struct Entry {
    counters: Counters,
    sent: Counters,
    /// The configurations that have pinned it.
    pinned: HashSet<u32>,
    /// When it was last counted under the lock or made, in steps.
    seen: usize,
}

fuzz_target!(|data: &[u8]| {
    let words: Vec<_> = (0..560).map(|n| AtomicU64::new(u64::MAX / (n + 1))).collect();
    let mut zone =
        Zone::create(&words, Parts { meter: true, limit: false }, 1).expect("large enough");
    let capacity = zone.meter_capacity() as usize;
    let hints = Hints::default();
    let mut model: HashMap<Vec<u8>, Entry> = HashMap::new();
    let mut pins: Vec<(Vec<u8>, PinnedEntry)> = Vec::new();
    let (mut totals, mut sent_totals, mut left) =
        ([0; VERDICTS], [0; VERDICTS], Counters::default());
    let (mut evictions, mut now) = (0, 1);
    // The number of the configuration that pins, and of the one that was running then.
    let (mut pinning, mut running) = (1, None);
    for (step, bytes) in data.chunks_exact(4).enumerate() {
        let [what, n, verdict, size] = [0, 1, 2, 3].map(|at| bytes[at]);
        let (verdict, size) = (usize::from(verdict) % VERDICTS, u64::from(size));
        now += i64::from(what >> 6);
        // Keys of any length, none too, and such that only differ beyond the part that counts.
        let mut key = vec![b'a' + n % 24; usize::from(n / 24) * 16];
        key.extend((n > 0).then_some(n));
        let counted = key[..key.len().min(MAX_KEY_LEN)].to_vec();
        let lasting = [Some(pinning), running];
        let is_pinned =
            |entry: &Entry| lasting.iter().flatten().any(|number| entry.pinned.contains(number));
        let tally = |entry: &mut Entry| {
            entry.counters.requests[verdict] += 1;
            entry.counters.bytes += size;
            if entry.counters.first_seen == 0 {
                entry.counters.first_seen = now;
            }
            entry.counters.last_seen = now;
        };
        let mut room = |model: &mut HashMap<Vec<u8>, Entry>| {
            if model.contains_key(&counted) || model.len() < capacity {
                return true;
            }
            let oldest = model
                .iter()
                .filter(|(key, entry)| !key.is_empty() && !is_pinned(entry))
                .min_by_key(|(_, entry)| (entry.counters.last_seen, entry.seen))
                .map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| model.remove(&key)) else { return false };
            evictions += 1;
            add_growth(&mut left, &gone);
            true
        };
        let new = Entry { seen: step, ..Entry::default() };
        match what % 8 {
            0 => {
                // The configuration before is running, or has failed, or all of them have ended.
                running = [Some(pinning), running, None][usize::from(n) % 3];
                pinning = Locked::new(&zone).begin_pins(running);
            }
            1 => {
                let fits = room(&mut model);
                let pin = Locked::new(&zone).pin(&key);
                assert_eq!(pin.is_ok(), fits);
                if let Ok(pin) = pin {
                    model.entry(counted.clone()).or_insert(new).pinned.insert(pinning);
                    pins.retain(|(key, _)| *key != counted);
                    pins.push((counted, pin));
                }
            }
            2 if !pins.is_empty() => {
                let at = usize::from(n) % pins.len();
                match model.get_mut(&pins[at].0).filter(|entry| is_pinned(entry)) {
                    Some(entry) => {
                        zone.count(pins[at].1, verdict, size, now);
                        tally(entry);
                    }
                    // Of a configuration whose processes have ended.
                    None => drop(pins.swap_remove(at)),
                }
            }
            3 => {
                zone.count_total(verdict);
                totals[verdict] += 1;
            }
            4 => {
                let mut growth: HashMap<Option<Vec<u8>>, Counters> = HashMap::new();
                let of_none = Locked::new(&zone).take_total_growth();
                if of_none != Counters::default() {
                    growth.insert(None, of_none);
                }
                // Some places at a time.
                let step = 1 + usize::from(n);
                for start in (0..capacity).step_by(step) {
                    Locked::new(&zone).take_growth(start..start + step, |key, counters| {
                        assert!(growth.insert(Some(key.to_vec()), *counters).is_none());
                    });
                }
                let mut expected = HashMap::new();
                let mut rest = std::mem::take(&mut left);
                for (rest, (total, sent)) in
                    rest.requests.iter_mut().zip(totals.iter().zip(&mut sent_totals))
                {
                    *rest += total - *sent;
                    *sent = *total;
                }
                if rest != Counters::default() {
                    expected.insert(None, rest);
                }
                for (key, entry) in &mut model {
                    let mut grown = Counters::default();
                    add_growth(&mut grown, entry);
                    entry.sent = entry.counters;
                    if grown != Counters::default() {
                        expected.insert(Some(key.clone()), grown);
                    }
                }
                let only_counts = growth
                    .into_iter()
                    .map(|(key, c)| (key, Counters { first_seen: 0, last_seen: 0, ..c }))
                    .collect::<HashMap<_, _>>();
                assert_eq!(only_counts, expected);
            }
            5 => zone = Zone::open(&words).expect("a zone"),
            _ => {
                Locked::new(&zone).count(&hints, &key, verdict, size, now);
                if room(&mut model) {
                    let is_empty = counted.is_empty();
                    let entry = model.entry(counted).or_insert(new);
                    tally(entry);
                    if !is_empty && !is_pinned(entry) {
                        entry.seen = step;
                    }
                } else {
                    totals[verdict] += 1;
                    evictions += 1;
                }
            }
        }
        assert_eq!((zone.totals(), zone.evictions()), (totals, evictions));
        assert_eq!(zone.meter_entries(), model.len() as u64);
    }
    let found: HashMap<_, _> =
        zone.keys().into_iter().map(|(key, counters)| (key.into_vec(), counters)).collect();
    assert_eq!(found, model.into_iter().map(|(key, entry)| (key, entry.counters)).collect());
});

/// Adds what was counted since it was taken.
fn add_growth(growth: &mut Counters, entry: &Entry) {
    growth.bytes += entry.counters.bytes - entry.sent.bytes;
    let counts = entry.counters.requests.iter().zip(entry.sent.requests);
    for (growth, (count, sent)) in growth.requests.iter_mut().zip(counts) {
        *growth += count - sent;
    }
}
