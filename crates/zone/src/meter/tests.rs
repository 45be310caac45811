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

/// All growth, some places at a time; that of no key first.
fn take(zone: Zone<'_>) -> Vec<(Option<Vec<u8>>, Counters)> {
    let totals = Locked::new(&zone).take_total_growth();
    let mut taken = vec![(None, totals)];
    for start in (0..zone.meter_capacity() as usize).step_by(3) {
        Locked::new(&zone).take_growth(start..start + 3, |key, growth| {
            taken.push((Some(key.to_vec()), *growth));
        });
    }
    taken.retain(|(_, growth)| *growth != Counters::default());
    taken
}

#[test]
fn growth_is_taken_once() {
    let words = words(2048);
    let zone = metered(&words);
    let acme = Locked::new(&zone).pin(b"acme").unwrap();
    let take = || {
        let taken = take(zone).into_iter();
        taken.map(|(key, growth)| (key, growth.requests[0], growth.bytes)).collect::<Vec<_>>()
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
fn growth_is_taken_of_the_places_that_are_asked_for() {
    let words = words(1024);
    let zone = metered(&words);
    let all = fill(zone);
    let taken = |places| {
        let mut keys = 0;
        Locked::new(&zone).take_growth(places, |_, _| keys += 1);
        keys
    };
    let capacity = all.len();
    assert_eq!([0..0, 3..3, capacity..capacity + 9, capacity + 3..usize::MAX].map(taken), [0; 4]);
    assert_eq!([taken(0..2), taken(0..3), taken(2..4)], [2, 1, 1]);
    assert_eq!(taken(0..usize::MAX), capacity - 4);
}

#[test]
fn growth_outlives_its_key() {
    let words = words(1024);
    let zone = metered(&words);
    let all = fill(zone);
    let take = || {
        let mut taken = Counters::default();
        let mut without_key = Counters::default();
        for (key, growth) in take(zone) {
            let of = if key.is_some() { &mut taken } else { &mut without_key };
            of.bytes += growth.bytes;
            of.requests.iter_mut().zip(growth.requests).for_each(|(sum, count)| *sum += count);
        }
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
        Locked::new(&zone).count(&Hints::default(), format!("new {evicted}").as_bytes(), 0, 1, 1);
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
fn the_empty_key_is_never_evicted() {
    let words = words(1024);
    let zone = metered(&words);
    let count =
        |key: &str, now| Locked::new(&zone).count(&Hints::default(), key.as_bytes(), 0, 1, now);
    count("", 1);
    for n in 0..1000 {
        count(&format!("{n}"), 2 + n);
    }
    zone.meter.check();
    assert_eq!(keys(zone)[b"".as_slice()].requests[0], 1);
    // Nor when a configuration has pinned it that has ended.
    Locked::new(&zone).pin(b"").unwrap();
    Locked::new(&zone).begin_pins(None);
    for n in 0..1000 {
        count(&format!("again {n}"), 2000 + n);
    }
    zone.meter.check();
    assert_eq!(keys(zone)[b"".as_slice()].requests[0], 1);
    count("", 4000);
    assert_eq!(keys(zone)[b"".as_slice()].requests[0], 2);
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
    let running = Cell::new(None);
    let pin = |keys: &[&str]| {
        let mut locked = Locked::new(&zone);
        running.set(Some(locked.begin_pins(running.get())));
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
fn a_configuration_that_runs_keeps_its_pins_however_many_others_fail() {
    let words = words(1024);
    let zone = metered(&words);
    let begin = |running, keys: &[&str]| {
        let mut locked = Locked::new(&zone);
        let number = locked.begin_pins(running);
        let pins = keys.iter().map(|key| locked.pin(key.as_bytes()).unwrap()).collect::<Vec<_>>();
        (Some(number), pins)
    };
    let flood = |from: u64| {
        for n in from..from + 100 {
            let (key, now) = (format!("{n}"), 2 + n as i64);
            Locked::new(&zone).count(&Hints::default(), key.as_bytes(), 0, 1, now);
        }
        zone.meter.check();
        keys(zone)
    };
    let (running, pins) = begin(None, &["both", "running"]);
    for (failed, from) in (0..5).zip((0..).step_by(100)) {
        let both = if failed == 0 { "both" } else { "-" };
        begin(running, &[both, &format!("failed {failed}")]);
        let keys = flood(from);
        for key in ["both", "running", &format!("failed {failed}")] {
            assert!(keys.contains_key(key.as_bytes()), "{key}");
        }
        // What failed before it keeps nothing.
        assert!(!keys.contains_key(format!("failed {}", failed - 1).as_bytes()));
    }
    for pin in &pins {
        zone.count(*pin, 0, 1, 1000);
    }
    assert_eq!(zone.totals(), [0; VERDICTS]);

    // Once one takes its place, it stays for as long as that one is the last.
    let (next, _) = begin(running, &["both"]);
    assert!(flood(1000).contains_key(b"running".as_slice()));
    begin(next, &["both"]);
    let keys = flood(2000);
    assert!(!keys.contains_key(b"running".as_slice()));
    assert_eq!(keys[b"both".as_slice()].requests[0], 1);
}

#[test]
fn only_a_configuration_that_may_run_keeps_pins() {
    let words = words(1024);
    let zone = metered(&words);
    Locked::new(&zone).pin(b"acme").unwrap();
    for running in [Some(0), Some(7), Some(u32::MAX)] {
        Locked::new(&zone).begin_pins(running);
        zone.meter.check();
        // Its entry may have been given away, and is in no order of those that are kept.
        Locked::new(&zone).begin_pins(Some(1));
        zone.meter.check();
    }
    fill(zone);
    assert!(!keys(zone).contains_key(b"acme".as_slice()));
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
    Locked::new(&zone).begin_pins(None);
    zone.meter.check_sorted();
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
    Locked::new(&zone).begin_pins(None);
    Locked::new(&zone).count(&Hints::default(), b"acme", 2, 0, 1);
    assert_eq!((zone.totals()[2], zone.meter_entries(), keys(zone).len()), (1, 0, 0));
}
