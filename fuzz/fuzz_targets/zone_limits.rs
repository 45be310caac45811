//! Limits in a zone, against maps of the standard library.
#![no_main]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use libfuzzer_sys::fuzz_target;
use secure_link_zone::{LimitKind, Locked, Parts, Refused, Zone};

const KINDS: [LimitKind; 3] = [LimitKind::Token, LimitKind::Window, LimitKind::Quota];

fn id_of(n: u64) -> [u64; 4] {
    [n % 4, n % 32, n % 32 << 32, n >> 8].map(|part| part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fuzz_target!(|data: &[u8]| {
    let words: Vec<_> = (0..240).map(|n| AtomicU64::new(u64::MAX / (n + 1))).collect();
    let mut zone =
        Zone::create(&words, Parts { meter: false, limit: true }, 1).expect("large enough");
    let capacity = zone.limit_capacity() as usize;
    let mut model: BTreeMap<(LimitKind, u64), (u64, i64)> = BTreeMap::new();
    let (mut now, mut leeway) = (1000, 0);
    for step in data.chunks_exact(5) {
        let [what, n, until, limit, amount] = [0, 1, 2, 3, 4].map(|at| step[at]);
        let kind = KINDS[usize::from(what) % 3];
        // Ids that share their places in the table, and such that do not.
        let n = u64::from(n % 32);
        let key = (kind, n | u64::from(what & 4) << 8);
        let id = id_of(key.1);
        now += i64::from(what >> 6);
        let until = now + i64::from(until.cast_signed());
        let (limit, amount) = (u64::from(limit % 5), u64::from(amount % 4));
        if what & 8 != 0 {
            zone = Zone::open(&words).expect("a zone");
        }
        let mut locked = Locked::new(&zone);
        if what & 48 == 48 {
            leeway = i64::from(step[4]);
            locked.set_leeway(leeway);
        }
        let is_link = |kind| kind == LimitKind::Token;
        // Until when an entry is of use; a link's value counts for longer, if there is room.
        let end = |kind, expiry| if is_link(kind) { expiry + leeway } else { expiry };
        let live = model.get(&key).copied().filter(|(_, expiry)| is_link(kind) || *expiry >= now);
        assert_eq!(locked.value(kind, &id, now), live.map(|(value, _)| value));
        assert_eq!(locked.expires(kind, &id, now), live.map(|(_, expiry)| expiry));
        let expected = match live {
            Some((value, _)) if value >= limit => Err(Refused::Exhausted),
            Some((value, expiry)) => {
                Ok((value + amount, if is_link(kind) { expiry.max(until) } else { expiry }))
            }
            None if limit == 0 || end(kind, until) < now => Err(Refused::Exhausted),
            None if model.contains_key(&key) || model.len() < capacity => Ok((amount, until)),
            // One that is of no use any more makes room.
            None => match model.iter().map(|((kind, _), (_, expiry))| end(*kind, *expiry)).min() {
                Some(earliest) if earliest >= now => Err(Refused::Full),
                _ => Ok((amount, until)),
            },
        };
        let result = locked.add(kind, &id, amount, limit, until, now);
        assert_eq!(result, expected.map(|(value, _)| value));
        if let Ok(entry) = expected {
            if !model.contains_key(&key) && model.len() == capacity {
                // Of several that ended first, whichever the heap had at its top.
                let is_gone = |(kind, n)| locked.value(kind, &id_of(n), i64::MIN).is_none();
                let gone = model.keys().copied().filter(|key| is_gone(*key));
                let gone: Vec<_> = gone.map(|key| (end(key.0, model[&key].1), key)).collect();
                let earliest = model.iter().map(|(key, (_, expiry))| end(key.0, *expiry)).min();
                assert!(gone.len() == 1 && Some(gone[0].0) == earliest);
                model.remove(&gone[0].1);
            }
            model.insert(key, entry);
        }
        assert_eq!(zone.limit_entries(), model.len() as u64);
    }
});
