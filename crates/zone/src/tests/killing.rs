//! A process that is killed before one of its stores.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicU64;

use super::{BOTH, Random, id, keys, words};
use crate::words::{load, store};
use crate::{Hints, LimitKind, Locked, PinnedEntry, Refused, Zone};

thread_local! {
    static STORES_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Killed;

pub(crate) fn before_store() {
    STORES_LEFT.with(|left| match left.get() {
        Some(0) => panic::resume_unwind(Box::new(Killed)),
        Some(n) => left.set(Some(n - 1)),
        None => {}
    });
}

/// Runs `work`, killed before its store number `at` (from 0). `None` if it was killed.
pub(crate) fn killed_at<T>(at: u64, work: impl FnOnce() -> T) -> Option<T> {
    STORES_LEFT.set(Some(at));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    STORES_LEFT.set(None);
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Killed>() => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// The zone as whoever locks it next finds it.
fn repaired(zone: Zone<'_>) -> Zone<'_> {
    drop(Locked::new(&zone));
    zone.meter.check();
    zone.meter.check_sorted();
    zone.limits.check();
    zone
}

/// Every limit that a scenario made, or may have made, but for those that may have made room.
fn limits(zone: Zone<'_>, now: i64) -> HashMap<(LimitKind, u64), (u64, i64)> {
    let mut limits = all_limits(zone, now);
    limits.retain(|_, (_, expires_at)| *expires_at >= now);
    limits
}

fn all_limits(zone: Zone<'_>, now: i64) -> HashMap<(LimitKind, u64), (u64, i64)> {
    let locked = Locked::new(&zone);
    let kinds = [LimitKind::Token, LimitKind::Window, LimitKind::Quota];
    let all = kinds.into_iter().flat_map(|kind| (0..100).map(move |n| (kind, n)));
    all.filter_map(|(kind, n)| {
        let value = locked.value(kind, &id(n), now)?;
        Some(((kind, n), (value, locked.expires(kind, &id(n), now)?)))
    })
    .collect()
}

/// Runs `work` on fresh zones that `setup` fills, killed before each of its stores in turn; `then`
/// sees what is left. A repair that is itself killed must make no difference. Returns how many stores `work` makes.
fn killed_everywhere<T, R>(
    words: &[AtomicU64],
    setup: impl Fn(&mut Locked<'_>) -> T,
    work: impl Fn(&mut Locked<'_>, &T) -> R,
    then: impl Fn(Zone<'_>, &T),
) -> u64 {
    let read = || words.iter().map(load).collect::<Vec<_>>();
    for at in 0.. {
        let zone = Zone::create(words, BOTH, 3).unwrap();
        let made = setup(&mut Locked::new(&zone));
        let done = killed_at(at, || work(&mut Locked::new(&zone), &made)).is_some();
        store(zone.dirty(), 1);
        let left = read();
        repaired(zone);
        let expected = read();
        for repair in (at % 7..).step_by(7) {
            words.iter().zip(&left).for_each(|(word, left)| store(word, *left));
            let ended = killed_at(repair, || drop(Locked::new(&zone))).is_some();
            drop(Locked::new(&zone));
            assert!(read() == expected, "killed at {at}, and in the repair at {repair}");
            if ended {
                break;
            }
        }
        then(zone, &made);
        if done {
            return at;
        }
    }
    0
}

/// Few enough words that all entries are in use.
fn small() -> Vec<AtomicU64> {
    words(960)
}

const NOW: i64 = 1000;

/// Fills both parts: two pinned keys, counted into, and tokens of which three are dead.
fn fill(locked: &mut Locked<'_>) -> [PinnedEntry; 2] {
    let zone = locked.zone();
    let pins = [b"pin 0", b"pin 1"].map(|key| locked.pin(key).unwrap());
    for n in 0..zone.meter_capacity() - 2 {
        locked.count(&Hints::default(), format!("key {n}").as_bytes(), 0, 5, 900 + n as i64);
    }
    zone.count(pins[0], 0, 5, 950);
    zone.count(pins[1], 6, 7, 951);
    for n in 0..zone.limit_capacity() {
        let expires_at = NOW - 3 + (n * 7 % zone.limit_capacity()) as i64;
        locked.add(LimitKind::Token, &id(n), 1, 9, expires_at, 0).unwrap();
    }
    assert_eq!(zone.meter_entries(), zone.meter_capacity());
    assert_eq!(zone.limit_entries(), zone.limit_capacity());
    pins
}

/// Pinned keys are where they were, with what they counted.
fn check_pins(zone: Zone<'_>, pins: &[PinnedEntry; 2]) {
    let keys = keys(zone);
    let [first, second] = [b"pin 0", b"pin 1"].map(|key| keys[key.as_slice()]);
    assert_eq!((first.requests[0], first.bytes, first.first_seen), (1, 5, 950));
    assert_eq!((second.requests[6], second.bytes, second.last_seen), (1, 7, 951));
    let found = [b"pin 0", b"pin 1"].map(|key| Locked::new(&zone).pin(key).unwrap());
    assert_eq!(found, *pins);
    zone.count(pins[0], 1, 0, 952);
    assert_eq!(self::keys(zone)[b"pin 0".as_slice()].requests[1], 1);
    assert!(Locked::new(&zone).pin(b"another").is_ok());
    zone.meter.check();
}

/// All limits but those of `touched` are as `setup` left them.
fn check_others(zone: Zone<'_>, touched: &[(LimitKind, u64)]) {
    let words = small();
    let untouched = Zone::create(&words, BOTH, 3).unwrap();
    fill(&mut Locked::new(&untouched));
    let mut expected = limits(untouched, NOW);
    let mut found = limits(zone, NOW);
    for limit in touched {
        expected.remove(limit);
        found.remove(limit);
    }
    assert_eq!(found, expected);
}

#[test]
fn a_killed_use_is_never_granted_again() {
    let words = small();
    // A new link; it takes the place of a dead one.
    let stores = killed_everywhere(
        &words,
        fill,
        |locked, _| locked.add(LimitKind::Token, &id(90), 1, 1, NOW + 50, NOW),
        |zone, pins| {
            let add = || Locked::new(&zone).add(LimitKind::Token, &id(90), 1, 1, NOW + 50, NOW);
            let grants = (0..3).filter(|_| add().is_ok()).count();
            assert!(grants <= 1);
            assert_eq!(limits(zone, NOW)[&(LimitKind::Token, 90)], (1, NOW + 50));
            check_others(zone, &[(LimitKind::Token, 90)]);
            check_pins(zone, pins);
        },
    );
    assert!(stores > 20, "{stores}");
}

#[test]
fn a_killed_use_of_a_known_link_is_counted_or_not() {
    let words = small();
    // The link 1 expires at NOW + 4; now it is seen with a later expiry, and moves in the heap. The
    // link 0 has expired, and is let in by a leeway.
    for (n, since, until) in [(1, NOW + 4, NOW + 4), (1, NOW + 4, NOW + 500), (0, NOW - 3, NOW)] {
        killed_everywhere(
            &words,
            fill,
            |locked, _| locked.add(LimitKind::Token, &id(n), 1, 2, until, NOW),
            |zone, pins| {
                let (value, expires_at) = all_limits(zone, NOW)[&(LimitKind::Token, n)];
                assert!([1, 2].contains(&value) && [since, until].contains(&expires_at));
                // If the use was counted, its entry lives as long as the link.
                assert!(value == 1 || expires_at == until);
                check_others(zone, &[(LimitKind::Token, n)]);
                check_pins(zone, pins);
            },
        );
    }
}

#[test]
fn a_killed_use_of_a_dead_entry_leaves_it_dead_or_counted() {
    let words = small();
    let quota = (LimitKind::Quota, 80);
    killed_everywhere(
        &words,
        |locked| {
            let pins = fill(locked);
            locked.add(quota.0, &id(quota.1), 1, 9, NOW - 1, NOW - 1).unwrap();
            pins
        },
        |locked, _| locked.add(quota.0, &id(quota.1), 7, 9, NOW + 50, NOW),
        |zone, pins| {
            let found = limits(zone, NOW).get(&quota).copied();
            assert!([None, Some((7, NOW + 50))].contains(&found), "{found:?}");
            check_others(zone, &[quota]);
            check_pins(zone, pins);
        },
    );
}

#[test]
fn a_killed_change_of_the_leeway_loses_no_limit() {
    let words = small();
    for (before, after) in [(0, 5), (5, 0), (5, 9)] {
        // Links and quotas by turns, whose order is another one by another leeway.
        let setup = |locked: &mut Locked<'_>| {
            locked.set_leeway(before);
            for n in 0..locked.zone().limit_capacity() {
                let kind = if n % 2 == 0 { LimitKind::Token } else { LimitKind::Quota };
                locked.add(kind, &id(n), 1, 9, NOW + n as i64, NOW).unwrap();
            }
            all_limits(locked.zone(), NOW)
        };
        let stores = killed_everywhere(
            &words,
            setup,
            |locked, _| locked.set_leeway(after),
            |zone, made| {
                assert_eq!(all_limits(zone, NOW), *made);
                Locked::new(&zone).set_leeway(after);
                assert_eq!(all_limits(zone, NOW), *made);
                zone.limits.check();
            },
        );
        assert!(stores > 10, "{stores}");
    }
}

#[test]
fn a_killed_count_costs_at_most_the_evicted_key() {
    let words = small();
    for (key, evicts) in [("new", 1), ("key 0", 0), ("key 3", 0)] {
        // Kept from one killed process to the next, so that it says nothing at first, and is right
        // or of another life of the zone later.
        let hints = Hints::default();
        killed_everywhere(
            &words,
            fill,
            |locked, _| locked.count(&hints, key.as_bytes(), 2, 3, NOW),
            |zone, pins| {
                let keys = keys(zone);
                let capacity = zone.meter_capacity();
                let rest = (0..capacity - 2).filter(|n| {
                    let found = keys.get(format!("key {n}").as_bytes());
                    found.is_some_and(|counters| counters.requests[0] == 1)
                });
                assert!(rest.count() as u64 >= capacity - 2 - evicts);
                if let Some(found) = keys.get(key.as_bytes()) {
                    assert!(found.requests[2] <= 1 && found.bytes - found.requests[0] * 5 <= 3);
                }
                assert!(zone.evictions() <= evicts);
                check_others(zone, &[]);
                check_pins(zone, pins);
                // It goes on as ever.
                for n in 0..20 {
                    Locked::new(&zone).count(
                        &Hints::default(),
                        format!("later {n}").as_bytes(),
                        0,
                        0,
                        NOW + 1,
                    );
                }
                assert_eq!(zone.meter_entries(), zone.meter_capacity());
                zone.meter.check();
            },
        );
    }
}

#[test]
fn a_killed_pin_loses_no_pin() {
    let words = small();
    for key in ["new", "key 0", "pin 1"] {
        killed_everywhere(
            &words,
            fill,
            |locked, _| locked.pin(key.as_bytes()),
            |zone, pins| {
                let pinned = Locked::new(&zone).pin(key.as_bytes()).unwrap();
                zone.count(pinned, 10, 0, 940);
                assert_eq!(keys(zone)[key.as_bytes()].requests[10], 1);
                check_pins(zone, pins);
            },
        );
    }
}

#[test]
fn a_killed_begin_of_pins_loses_no_pin() {
    let words = small();
    killed_everywhere(&words, fill, |locked, _| locked.begin_pins(Some(1)), check_pins);
}

#[test]
fn pins_begin_without_a_store_for_each_key() {
    for len in [960, 9600] {
        let words = words(len);
        let zone = Zone::create(&words, BOTH, 3).unwrap();
        fill(&mut Locked::new(&zone));
        // Of the keys that are not pinned none moves, and of those that were, none ends.
        assert!(killed_at(4, || Locked::new(&zone).begin_pins(Some(1))).is_some(), "{len} words");
        let zone = repaired(zone);
        assert!(killed_at(4, || Locked::new(&zone).begin_pins(Some(1))).is_some(), "{len} words");
        zone.meter.check();
    }
}

#[test]
fn a_panic_leaves_a_zone_to_be_repaired() {
    let words = small();
    let zone = Zone::create(&words, BOTH, 3).unwrap();
    let pins = fill(&mut Locked::new(&zone));
    assert_eq!(load(zone.dirty()), 0);
    let killed = killed_at(u64::MAX, || {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let _locked = Locked::new(&zone);
            panic::resume_unwind(Box::new(()));
        }))
        .is_err()
    });
    assert_eq!((killed, load(zone.dirty())), (Some(true), 1));
    check_pins(repaired(zone), &pins);
}

#[test]
fn a_zone_whose_making_was_killed_is_not_opened() {
    let words = words(960);
    for at in 0.. {
        for word in &words {
            store(word, u64::MAX);
        }
        let done = killed_at(at, || Zone::create(&words, BOTH, 3).is_ok()).is_some();
        assert_eq!(Zone::open(&words).is_some(), done);
        if done {
            break;
        }
    }
}

#[test]
fn no_history_of_kills_grants_twice_or_loses_a_pin() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let words = small();
        let zone = Zone::create(&words, BOTH, seed).unwrap();
        let pinned = Locked::new(&zone).pin(b"pinned").unwrap();
        let hints = Hints::default();
        let (mut counted, mut kills) = (0, 0);
        // How many uses of a link were granted; a link's id says when it expires.
        let mut granted: HashMap<u64, u64> = HashMap::new();
        for step in 0..3000_i64 {
            let now = NOW + step / 20;
            let expires_at = now + random.below(6) as i64;
            let link = expires_at as u64 * 4 + random.below(4);
            let limit = 1 + link % 3;
            let key = format!("key {}", random.below(20));
            let choice = random.below(4);
            let at = if random.below(3) == 0 { random.below(40) } else { u64::MAX };
            let result = killed_at(at, || {
                let mut locked = Locked::new(&zone);
                match choice {
                    0 => locked.count(&hints, key.as_bytes(), 1, 1, now),
                    1 => assert!(locked.pin(b"pinned").is_ok()),
                    _ => return locked.add(LimitKind::Token, &id(link), 1, limit, expires_at, now),
                }
                Err(Refused::Full)
            });
            kills += u64::from(result.is_none());
            if let Some(Ok(_)) = result {
                *granted.entry(link).or_default() += 1;
                assert!(granted[&link] <= limit, "link {link} was granted {}", granted[&link]);
            }
            zone.count(pinned, 0, 1, now);
            counted += 1;
            if result.is_none() && random.below(2) == 0 {
                repaired(zone);
            }
        }
        assert!(kills > 200 && granted.len() > 100, "{kills} {}", granted.len());
        assert_eq!(Locked::new(&zone).pin(b"pinned"), Ok(pinned));
        assert_eq!(keys(zone)[b"pinned".as_slice()].requests[0], counted);
        repaired(zone);
    }
}
