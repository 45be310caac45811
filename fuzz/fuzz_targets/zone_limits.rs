//! Limits in a zone, against maps of the standard library.
#![no_main]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use libfuzzer_sys::fuzz_target;
use secure_link_zone::{LimitKind, Locked, Parts, Refused, Zone};

const KINDS: [LimitKind; 3] = [LimitKind::Token, LimitKind::Window, LimitKind::Quota];

fuzz_target!(|data: &[u8]| {
    let words: Vec<_> = (0..240).map(|n| AtomicU64::new(u64::MAX / (n + 1))).collect();
    let mut zone =
        Zone::create(&words, Parts { meter: false, limit: true }, 1).expect("large enough");
    let capacity = zone.limit_capacity() as usize;
    let mut model: BTreeMap<(LimitKind, u64), (u64, i64)> = BTreeMap::new();
    let mut now = 1000;
    for step in data.chunks_exact(5) {
        let [what, n, until, limit, amount] = [0, 1, 2, 3, 4].map(|at| step[at]);
        let kind = KINDS[usize::from(what) % 3];
        // Ids that share their places in the table, and such that do not.
        let n = u64::from(n % 32);
        let id = [n % 4, n, n << 32, u64::from(what & 4)]
            .map(|part| part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let key = (kind, n | u64::from(what & 4) << 8);
        now += i64::from(what >> 6);
        let until = now + i64::from(until.cast_signed());
        let (limit, amount) = (u64::from(limit % 5), u64::from(amount % 4));
        if what & 8 != 0 {
            zone = Zone::open(&words).expect("a zone");
        }
        let live = model.get(&key).copied().filter(|(_, expiry)| *expiry >= now);
        let mut locked = Locked::new(&zone);
        assert_eq!(locked.value(kind, &id, now), live.map(|(value, _)| value));
        assert_eq!(locked.expires(kind, &id, now), live.map(|(_, expiry)| expiry));
        let expected = match live {
            Some((value, _)) if value >= limit => Err(Refused::Exhausted),
            Some((value, expiry)) => Ok((
                value + amount,
                if kind == LimitKind::Token { expiry.max(until) } else { expiry },
            )),
            None if limit == 0 || until < now => Err(Refused::Exhausted),
            None if model.contains_key(&key) || model.len() < capacity => Ok((amount, until)),
            // One that is dead makes room.
            None => {
                match model.iter().min_by_key(|(_, (_, expiry))| *expiry).map(|(k, v)| (*k, *v)) {
                    Some((_, (_, expiry))) if expiry >= now => Err(Refused::Full),
                    _ => Ok((amount, until)),
                }
            }
        };
        let result = locked.add(kind, &id, amount, limit, until, now);
        assert_eq!(result, expected.map(|(value, _)| value));
        drop(locked);
        if let Ok(entry) = expected {
            if !model.contains_key(&key) && model.len() == capacity {
                // Of several that expired first, whichever the heap had at its top.
                let earliest = model.values().map(|(_, expiry)| *expiry).min();
                let gone: Vec<_> = model
                    .iter()
                    .filter(|(_, (_, expiry))| Some(*expiry) == earliest)
                    .map(|(key, _)| *key)
                    .collect();
                // A dead entry is seen by nobody: which of them is gone makes no difference.
                model.remove(&gone[0]);
            }
            model.insert(key, entry);
        }
        assert_eq!(zone.limit_entries(), model.len() as u64);
    }
});
