//! Metrics as JSON (RFC 8259), the form that the page reads, too.

use std::fmt::{self, Write};

use secure_link_zone::Counters;

use super::{Snapshot, each_character, nonzero};

/// One object; a verdict without requests is left out.
pub fn text(snapshot: &Snapshot<'_>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, snapshot);
    out
}

fn write(out: &mut String, snapshot: &Snapshot<'_>) -> fmt::Result {
    let Snapshot { zone, time, totals, evictions, keys } = snapshot;
    write!(out, "{{\"zone\":{},\"time\":{time},\"entries\":{}", Quoted(zone), keys.len())?;
    write!(out, ",\"evictions\":{evictions},\"unauthenticated\":")?;
    write_requests(out, totals)?;
    out.push_str(",\"keys\":[");
    for (at, (key, counters)) in keys.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}\n{{\"key\":{},\"requests\":", Quoted(key))?;
        write_requests(out, &counters.requests)?;
        let Counters { bytes, first_seen, last_seen, .. } = counters;
        write!(out, ",\"bytes\":{bytes},\"first_seen\":{first_seen},\"last_seen\":{last_seen}}}")?;
    }
    out.push_str("]}\n");
    Ok(())
}

fn write_requests(out: &mut String, requests: &[u64]) -> fmt::Result {
    out.push('{');
    for (at, (word, count)) in nonzero(requests).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}\"{word}\":{count}")?;
    }
    out.push('}');
    Ok(())
}

/// A text as a JSON string.
struct Quoted<'t>(&'t [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        each_character(self.0, f, |f, character| match character {
            '"' | '\\' => write!(f, "\\{character}"),
            '\0'..='\x1f' | '\x7f' => write!(f, "\\u{:04x}", u32::from(character)),
            _ => f.write_char(character),
        })?;
        f.write_char('"')
    }
}
