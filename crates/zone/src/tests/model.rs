//! Long random histories, compared with what maps of the standard library make of them.

use std::collections::{BTreeMap, HashMap};

use super::{Random, id, keys, limited, metered, words};
use crate::{Counters, Hints, LimitKind, Locked, PinnedEntry, Refused, VERDICTS};

struct Metered {
    counters: Counters,
    /// The configurations that have pinned it.
    pinned: Vec<u32>,
    /// When it was last counted under the lock; the key of the order of eviction.
    seen: u64,
}

#[test]
fn a_meter_counts_and_evicts_as_its_model() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let words = words(1000);
        let zone = metered(&words);
        let hints = Hints::default();
        let capacity = zone.meter_capacity() as usize;
        let mut model: HashMap<String, Metered> = HashMap::new();
        let mut pins: Vec<(String, PinnedEntry)> = Vec::new();
        let (mut totals, mut evictions) = ([0; VERDICTS], 0);
        // The number of the configuration that pins, and of the one that was running then.
        let (mut pinning, mut running) = (1, None);
        for step in 0..6000 {
            let now = 1 + step / 3;
            let verdict = random.below(VERDICTS as u64) as usize;
            let bytes = random.below(3);
            // The first is empty, and its entry stays.
            let n = random.below(2 * capacity as u64);
            let key = if n == 0 { String::new() } else { format!("key {n}") };
            let lasting = [Some(pinning), running];
            let pinned =
                |entry: &Metered| entry.pinned.iter().any(|by| lasting.contains(&Some(*by)));
            let tally = |counters: &mut Counters| {
                counters.requests[verdict] += 1;
                counters.bytes += bytes;
                counters.first_seen =
                    if counters.first_seen == 0 { now } else { counters.first_seen };
                counters.last_seen = now;
            };
            // Makes room, and says whether there is an entry or room for one.
            let mut room = |model: &mut HashMap<String, Metered>| {
                if model.contains_key(&key) || model.len() < capacity {
                    return true;
                }
                let oldest = model
                    .iter()
                    .filter(|(key, entry)| !key.is_empty() && !pinned(entry))
                    .min_by_key(|(_, entry)| (entry.counters.last_seen, entry.seen))
                    .map(|(key, _)| key.clone());
                evictions += u64::from(oldest.is_some());
                oldest.is_some_and(|key| model.remove(&key).is_some())
            };
            let new =
                || Metered { counters: Counters::default(), pinned: Vec::new(), seen: step as u64 };
            match random.below(100) {
                0 => {
                    // The configuration before is running, or has failed, or all of them have ended.
                    running = [Some(pinning), running, None][random.below(3) as usize];
                    pinning = Locked::new(&zone).begin_pins(running);
                }
                1..=3 => {
                    let fits = room(&mut model);
                    let result = Locked::new(&zone).pin(key.as_bytes());
                    assert_eq!(result.is_ok(), fits);
                    if let Ok(entry) = result {
                        model.entry(key.clone()).or_insert_with(new).pinned.push(pinning);
                        pins.retain(|(other, _)| *other != key);
                        pins.push((key, entry));
                    }
                }
                4..=40 if !pins.is_empty() => {
                    let at = random.below(pins.len() as u64) as usize;
                    let (key, entry) = &pins[at];
                    // Only those of this configuration and the one that runs may count.
                    match model.get_mut(key).filter(|entry| pinned(entry)) {
                        Some(found) => {
                            zone.count(*entry, verdict, bytes, now);
                            tally(&mut found.counters);
                        }
                        None => drop(pins.swap_remove(at)),
                    }
                }
                41..=45 => {
                    zone.count_total(verdict);
                    totals[verdict] += 1;
                }
                _ => {
                    Locked::new(&zone).count(&hints, key.as_bytes(), verdict, bytes, now);
                    if room(&mut model) {
                        let is_empty = key.is_empty();
                        let entry = model.entry(key).or_insert_with(new);
                        tally(&mut entry.counters);
                        if !is_empty && !pinned(entry) {
                            entry.seen = step as u64;
                        }
                    } else {
                        totals[verdict] += 1;
                        evictions += 1;
                    }
                }
            }
            if step % 20 == 0 {
                zone.meter.check();
                let expected: HashMap<_, _> = model
                    .iter()
                    .map(|(key, entry)| (key.clone().into_bytes(), entry.counters))
                    .collect();
                assert_eq!(keys(zone), expected, "step {step} of {seed}");
                assert_eq!((zone.totals(), zone.evictions()), (totals, evictions));
                assert_eq!(zone.meter_entries(), model.len() as u64);
            }
        }
    }
}

#[test]
fn limits_grant_and_refuse_as_their_model() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let words = words(500);
        let zone = limited(&words);
        let capacity = zone.limit_capacity() as usize;
        let mut model: BTreeMap<(LimitKind, u64), (u64, i64)> = BTreeMap::new();
        let mut outcomes = [0; 4];
        let mut leeway = 0;
        for step in 0..20_000 {
            let now = 1000 + step / 10;
            let kind =
                [LimitKind::Token, LimitKind::Window, LimitKind::Quota][random.below(3) as usize];
            let n = random.below(capacity as u64);
            let until = now - 2 + random.below(60) as i64;
            let limit = random.below(6);
            let amount = random.below(3);
            let live = model
                .get(&(kind, n))
                .copied()
                .filter(|(_, expiry)| kind == LimitKind::Token || *expiry >= now);
            let mut locked = Locked::new(&zone);
            match random.below(10) {
                0 if random.below(20) == 0 => {
                    leeway = random.below(30) as i64;
                    locked.set_leeway(leeway);
                }
                0 => {
                    assert_eq!(locked.value(kind, &id(n), now), live.map(|(value, _)| value));
                    assert_eq!(locked.expires(kind, &id(n), now), live.map(|(_, at)| at));
                }
                _ => {
                    let end =
                        |kind, expiry| expiry + if kind == LimitKind::Token { leeway } else { 0 };
                    let ends = model.iter().map(|(key, (_, expiry))| (*key, end(key.0, *expiry)));
                    let earliest = ends.min_by_key(|(_, end)| *end);
                    let mut evicted = None;
                    let expected = match (live, earliest) {
                        (Some((value, _)), _) if value >= limit => Err(Refused::Exhausted),
                        (Some((value, expiry)), _) => Ok((
                            value + amount,
                            if kind == LimitKind::Token { expiry.max(until) } else { expiry },
                        )),
                        (None, _) if limit == 0 || end(kind, until) < now => {
                            Err(Refused::Exhausted)
                        }
                        (None, Some((_, end)))
                            if model.len() == capacity && !model.contains_key(&(kind, n)) =>
                        {
                            if end < now {
                                evicted = Some(end);
                                Ok((amount, until))
                            } else {
                                Err(Refused::Full)
                            }
                        }
                        _ => Ok((amount, until)),
                    };
                    let result = locked.add(kind, &id(n), amount, limit, until, now);
                    assert_eq!(result, expected.map(|(value, _)| value), "{step} of {seed}");
                    if let Some(earliest) = evicted {
                        // Of several that end first, whichever the heap had at its top.
                        let is_there = |(kind, n)| locked.value(kind, &id(n), i64::MIN).is_some();
                        let mut gone = model.keys().copied().filter(|key| !is_there(*key));
                        let (first, none) = (gone.next().unwrap(), gone.next());
                        assert_eq!((end(first.0, model[&first].1), none), (earliest, None));
                        model.remove(&first);
                    }
                    if let Ok(entry) = expected {
                        model.insert((kind, n), entry);
                    }
                    outcomes[match result {
                        Ok(1..) => 0,
                        Ok(0) => 1,
                        Err(Refused::Exhausted) => 2,
                        Err(Refused::Full) => 3,
                    }] += 1;
                }
            }
            assert_eq!(zone.limit_entries(), model.len() as u64);
            if step % 50 == 0 {
                zone.limits.check();
            }
        }
        assert!(outcomes.iter().all(|count| *count > 100), "{outcomes:?}");
    }
}
