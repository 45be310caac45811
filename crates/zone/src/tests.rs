//! What holds for the zone as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::{Counters, Hints, Id, Locked, Parts, TooSmall, VERDICTS, Zone};

pub(crate) mod killing;
mod model;

const BOTH: Parts = Parts { meter: true, limit: true };

/// Words that held something else before.
pub(crate) fn words(len: usize) -> Vec<AtomicU64> {
    let mut random = Random(len as u64);
    (0..len).map(|_| AtomicU64::new(random.next())).collect()
}

pub(crate) fn metered(words: &[AtomicU64]) -> Zone<'_> {
    Zone::create(words, Parts { meter: true, limit: false }, 7).unwrap()
}

pub(crate) fn limited(words: &[AtomicU64]) -> Zone<'_> {
    Zone::create(words, Parts { meter: false, limit: true }, 7).unwrap()
}

/// What is counted for each key.
pub(crate) fn keys(zone: Zone<'_>) -> HashMap<Vec<u8>, Counters> {
    let mut keys = HashMap::new();
    zone.meter.for_each(|key, counters| {
        assert!(keys.insert(key.to_vec(), *counters).is_none(), "a key has two entries");
    });
    let sorted: BTreeMap<_, _> = keys.iter().map(|(key, counters)| (&**key, *counters)).collect();
    assert!(zone.keys().iter().map(|(key, counters)| (&**key, *counters)).eq(sorted));
    keys
}

pub(crate) fn id(n: u64) -> Id {
    let mut random = Random(n);
    [random.next(), random.next(), random.next(), random.next()]
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[test]
fn a_zone_is_opened_as_it_was_made() {
    for (meter, limit) in [(false, false), (true, false), (false, true), (true, true)] {
        let words = words(4096);
        let parts = Parts { meter, limit };
        let made = Zone::create(&words, parts, 99).unwrap();
        assert_eq!((made.meter_capacity() > 0, made.limit_capacity() > 0), (meter, limit));
        assert_eq!((made.meter_entries(), made.limit_entries(), made.evictions()), (0, 0, 0));
        assert_eq!(made.totals(), [0; VERDICTS]);
        made.count_total(4);
        let pinned = Locked::new(&made).pin(b"acme");
        let opened = Zone::open(&words).unwrap();
        assert_eq!(opened.parts(), parts);
        assert_eq!(opened.totals()[4], 1);
        assert_eq!(opened.meter_capacity(), made.meter_capacity());
        assert_eq!(opened.limit_capacity(), made.limit_capacity());
        assert_eq!(Locked::new(&opened).pin(b"acme"), pinned);
        opened.meter.check();
        opened.limits.check();
    }
}

#[test]
fn what_is_no_zone_is_not_opened() {
    let words = words(4096);
    assert!(Zone::open(&words).is_none());
    assert!(Zone::open(&[]).is_none());
    Zone::create(&words, BOTH, 99).unwrap();
    assert!(Zone::open(&words).is_some());
    assert!(Zone::open(&words[..4095]).is_none());
    assert!(Zone::open(&words[1..]).is_none());
    // Another layout.
    let before = words[0].fetch_add(1 << 56, Ordering::Relaxed);
    assert!(Zone::open(&words).is_none());
    words[0].store(before, Ordering::Relaxed);
    assert!(Zone::open(&words).is_some());
}

#[test]
fn every_size_is_either_a_zone_or_too_small() {
    let words = words(3000);
    for len in 0..words.len() {
        for parts in [BOTH, Parts { meter: true, ..BOTH }, Parts { limit: true, ..BOTH }] {
            match Zone::create(&words[..len], parts, 1) {
                Err(TooSmall) => assert!(len < 900, "{len} words"),
                Ok(zone) => {
                    assert!(zone.meter_capacity() >= 8 && zone.limit_capacity() >= 8);
                    if len % 50 == 0 {
                        zone.meter.check();
                        zone.limits.check();
                    }
                }
            }
        }
    }
}

#[test]
fn a_meter_and_limits_do_not_touch_each_other() {
    let words = words(2048);
    let zone = Zone::create(&words, BOTH, 1).unwrap();
    let mut locked = Locked::new(&zone);
    for n in 0..5000 {
        locked.count(&Hints::default(), format!("{n}").as_bytes(), 0, 1, n);
        locked.add(crate::LimitKind::Token, &id(n as u64), 1, 1, n + 5, n).unwrap();
    }
    zone.meter.check();
    zone.limits.check();
    assert_eq!(zone.evictions(), 5000 - zone.meter_capacity());
}

#[test]
fn a_small_zone_serves_many_keys_and_counts_the_evictions() {
    // What nginx leaves of 64 KiB.
    let words = words(8192 - 512);
    let zone = metered(&words);
    let acme = Locked::new(&zone).pin(b"acme").unwrap();
    for now in 0..10_000 {
        Locked::new(&zone).count(
            &Hints::default(),
            format!("subject-{now}").as_bytes(),
            0,
            10,
            now,
        );
        zone.count(acme, 0, 10, now);
    }
    assert!(zone.meter_capacity() > 150, "{}", zone.meter_capacity());
    assert_eq!(zone.evictions(), 10_001 - zone.meter_capacity());
    assert_eq!(keys(zone)[b"acme".as_slice()].requests[0], 10_000);
    let latest = zone.meter_capacity() as i64 - 1;
    for now in 10_000 - latest..10_000 {
        assert!(keys(zone).contains_key(format!("subject-{now}").as_bytes()));
    }
    assert_eq!(zone.totals(), [0; VERDICTS]);
}

#[test]
fn a_flood_of_bad_links_leaves_the_entries_as_they_are() {
    let words = words(8192);
    let zone = Zone::create(&words, BOTH, 1).unwrap();
    Locked::new(&zone).count(&Hints::default(), b"acme", 0, 10, 1);
    let before = keys(zone);
    for n in 0..1_000_000 {
        zone.count_total(n % 5);
    }
    assert_eq!(zone.totals()[..6], [200_000, 200_000, 200_000, 200_000, 200_000, 0]);
    assert_eq!(keys(zone), before);
    assert_eq!((zone.meter_entries(), zone.limit_entries(), zone.evictions()), (1, 0, 0));
}

#[test]
fn processes_that_count_at_once_lose_nothing() {
    const ROUNDS: u64 = 20_000;
    let words = words(8192);
    let zone = metered(&words);
    let lock = Mutex::new(());
    let pinned: Vec<_> =
        (0..10).map(|n| Locked::new(&zone).pin(format!("pin {n}").as_bytes()).unwrap()).collect();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (pinned, lock) = (&pinned, &lock);
            scope.spawn(move || {
                let hints = Hints::default();
                for n in 0..ROUNDS {
                    let now = (thread * ROUNDS + n) as i64 + 1;
                    zone.count(pinned[n as usize % 10], n as usize % 11, 3, now);
                    zone.count_total(n as usize % 11);
                    let _held = lock.lock().unwrap();
                    let mut locked = Locked::new(&zone);
                    locked.count(
                        &hints,
                        format!("key {}", n % 20).as_bytes(),
                        n as usize % 11,
                        3,
                        now,
                    );
                    locked.count(
                        &hints,
                        format!("pin {}", n % 10).as_bytes(),
                        n as usize % 11,
                        3,
                        now,
                    );
                }
            });
        }
    });
    zone.meter.check();
    assert_eq!(zone.totals().iter().sum::<u64>(), 4 * ROUNDS);
    let keys = keys(zone);
    assert_eq!((keys.len(), zone.evictions()), (30, 0));
    for (key, counters) in keys {
        let requests = if key.starts_with(b"pin") { 4 * ROUNDS / 5 } else { 4 * ROUNDS / 20 };
        assert_eq!(counters.requests.iter().sum::<u64>(), requests);
        assert_eq!(counters.bytes, 3 * requests);
        assert!(counters.first_seen > 0 && counters.last_seen > (4 * ROUNDS - 20) as i64);
    }
}

/// Counts keys `n`, which `key` makes of numbers, while `read` reads them again and again. Each is told
/// by what is counted for it, once in its life.
fn read_while_counting(zone: Zone<'_>, key: impl Fn(u64) -> u64 + Send, read: impl Fn(Zone<'_>)) {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in (1..400_000).map(key) {
                let (verdict, now) = (n as usize % VERDICTS, n as i64);
                let mut locked = Locked::new(&zone);
                locked.count(&Hints::default(), n.to_string().as_bytes(), verdict, n, now);
            }
            is_done.store(true, Ordering::Relaxed);
        });
        while !is_done.load(Ordering::Relaxed) {
            read(zone);
        }
    });
}

#[test]
fn what_is_read_while_others_count_is_all_of_one_key() {
    let words = words(1024);
    let zone = metered(&words);
    // Every key is new.
    read_while_counting(
        zone,
        |n| n,
        |zone| {
            for (key, counters) in zone.keys() {
                let n: u64 = str::from_utf8(&key).unwrap().parse().unwrap();
                let mut requests = [0; VERDICTS];
                requests[n as usize % VERDICTS] = 1;
                // It is there before the first request is counted.
                assert!([requests, [0; VERDICTS]].contains(&counters.requests), "{n}");
                assert!([0, n].contains(&counters.bytes), "{n}: {counters:?}");
                assert!([0, n as i64].contains(&counters.first_seen), "{n}: {counters:?}");
            }
        },
    );
}

#[test]
fn a_key_is_read_once_though_it_comes_back_meanwhile() {
    let words = words(1024);
    let zone = metered(&words);
    // Each comes back soon after it has made room for others, in the place of the next.
    let keys = zone.meter_capacity() + 2;
    read_while_counting(
        zone,
        |n| 1 + n % keys,
        |zone| {
            assert!(zone.keys().windows(2).all(|two| two[0].0 < two[1].0));
        },
    );
}

#[test]
fn a_full_zone_is_reported_once_a_minute() {
    let words = words(1024);
    let zone = limited(&words);
    let asked = |now| (0..5).filter(|_| zone.may_report(now)).count();
    assert_eq!([1000, 1001, 1059, 1060, 1061, 1120].map(asked), [1, 0, 0, 1, 0, 1]);
    // A clock that was set back does not silence it for good.
    assert_eq!(asked(10), 1);
}
