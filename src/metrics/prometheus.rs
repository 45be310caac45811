//! Metrics in Prometheus's text exposition format, version 0.0.4.

use std::fmt::{self, Write};

use secure_link::Verdict;
use secure_link_zone::Counters;

use super::{Snapshot, each_character, nonzero};

/// One line for each series.
///
/// Links that no key has signed are counted under `key=""`, together with those whose key has no id.
pub fn text(snapshot: &Snapshot<'_>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, snapshot);
    out
}

fn write(out: &mut String, snapshot: &Snapshot<'_>) -> fmt::Result {
    let Snapshot { totals, evictions, keys, .. } = snapshot;
    let zone = Label(snapshot.zone);

    head(out, "requests_total", "counter", "Requests by key and verdict.")?;
    let request = |out: &mut String, key: &[u8], (verdict, count): (&str, u64)| {
        writeln!(
            out,
            "secure_link_hmac_requests_total{{zone=\"{zone}\",key=\"{}\",verdict=\"{verdict}\"}} {count}",
            Label(key)
        )
    };
    let unnamed = keys.iter().find(|(key, _)| key.is_empty()).map(|(_, counters)| counters);
    for (at, verdict) in Verdict::ALL.iter().enumerate() {
        let of = |requests: &[u64]| requests.get(at).copied().unwrap_or_default();
        let count = of(totals) + unnamed.map_or(0, |counters| of(&counters.requests));
        // A series that is there from the start lets `rate` and `increase` see its first request.
        if count > 0 || is_unauthenticated(*verdict) {
            request(out, b"", (verdict.word(), count))?;
        }
    }
    for (key, counters) in keys.iter().filter(|(key, _)| !key.is_empty()) {
        if counters.requests.get(Verdict::Granted as usize) == Some(&0) {
            request(out, key, (Verdict::Granted.word(), 0))?;
        }
        nonzero(&counters.requests).try_for_each(|of_verdict| request(out, key, of_verdict))?;
    }

    head(out, "bytes_total", "counter", "Bytes sent by key.")?;
    by_key(out, "bytes_total", snapshot, |counters| Some(counters.bytes))?;

    head(out, "last_seen_timestamp_seconds", "gauge", "When a key was last used, in unix time.")?;
    by_key(out, "last_seen_timestamp_seconds", snapshot, |counters| {
        u64::try_from(counters.last_seen).ok().filter(|&time| time > 0)
    })?;

    head(out, "zone_entries", "gauge", "Keys in the zone.")?;
    writeln!(out, "secure_link_hmac_zone_entries{{zone=\"{zone}\"}} {}", keys.len())?;
    head(out, "zone_evictions_total", "counter", "Keys that had to make room for others.")?;
    writeln!(out, "secure_link_hmac_zone_evictions_total{{zone=\"{zone}\"}} {evictions}")
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP secure_link_hmac_{name} {help}")?;
    writeln!(out, "# TYPE secure_link_hmac_{name} {kind}")
}

fn by_key(
    out: &mut String,
    name: &str,
    snapshot: &Snapshot<'_>,
    value: impl Fn(&Counters) -> Option<u64>,
) -> fmt::Result {
    let zone = Label(snapshot.zone);
    for (key, counters) in &snapshot.keys {
        if let Some(value) = value(counters) {
            let key = Label(key);
            writeln!(out, "secure_link_hmac_{name}{{zone=\"{zone}\",key=\"{key}\"}} {value}")?;
        }
    }
    Ok(())
}

/// Whether a verdict is found before a MAC.
fn is_unauthenticated(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Missing | Verdict::Malformed | Verdict::UnknownKey | Verdict::Forged)
}

/// A text as the value of a label. Parsers disagree about control bytes, so that these are written
/// like bytes that are not UTF-8.
struct Label<'t>(&'t [u8]);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_character(self.0, f, |f, character| match character {
            '"' | '\\' => write!(f, "\\{character}"),
            '\n' => f.write_str("\\n"),
            '\0'..='\x1f' | '\x7f' => write!(f, "\\\\x{:02x}", u32::from(character)),
            _ => f.write_char(character),
        })
    }
}
