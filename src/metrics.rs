//! `secure_link_hmac_metrics`: what a zone has counted, as JSON or for Prometheus.

use std::fmt::{self, Write};
use std::rc::Rc;

use secure_link::Verdict;
use secure_link_zone::Counters;

use crate::ffi::{Request, VariableIndex};
use crate::zone::ZoneConf;

/// A location's metrics.
pub struct Metrics {
    /// The zone that is shown.
    pub zone: Rc<ZoneConf>,
    /// The variable `$http_accept`.
    pub accept: VariableIndex,
}

/// A representation of the metrics.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Prometheus,
}

/// A response.
pub struct Response {
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

/// What a zone has counted, at one time.
struct Snapshot {
    totals: [u64; Verdict::ALL.len()],
    evictions: u64,
    keys: Vec<(Box<[u8]>, Counters)>,
}

/// The response to a request; `None` if the zone cannot be read.
pub fn respond(request: Request<'_>) -> Option<Response> {
    let metrics = request.conf().metrics()?;
    let zone = &metrics.zone;
    let snapshot = Snapshot::take(zone)?;
    let zone = zone.name.as_ref();
    let mut body = String::new();
    // Writing to a string does not fail.
    Some(match Format::of(request, metrics.accept) {
        Format::Json => {
            let _ = write_json(&mut body, zone, &snapshot);
            Response { content_type: "application/json", body }
        }
        Format::Prometheus => {
            let _ = write_prometheus(&mut body, zone, &snapshot);
            Response { content_type: "text/plain; version=0.0.4; charset=utf-8", body }
        }
    })
}

impl Format {
    /// The format that a request asks for: by the argument `format`, or else by `Accept`.
    fn of(request: Request<'_>, accept: VariableIndex) -> Self {
        let argument = request
            .args()
            .split(|&byte| byte == b'&')
            .find_map(|argument| argument.strip_prefix(b"format=".as_slice()));
        match argument {
            Some(b"prometheus") => Format::Prometheus,
            Some(_) => Format::Json,
            None => {
                let accept = request.variable(accept).ok().flatten().unwrap_or_default();
                let wants =
                    |media: &str| accept.windows(media.len()).any(|part| part == media.as_bytes());
                if wants("application/openmetrics-text") || wants("text/plain") {
                    Format::Prometheus
                } else {
                    Format::Json
                }
            }
        }
    }
}

impl Snapshot {
    fn take(zone: &ZoneConf) -> Option<Self> {
        let words = zone.zone()?;
        let mut keys: Vec<(Box<[u8]>, Counters)> = Vec::new();
        zone.with_lock(|locked| {
            locked.for_each_meter(|key, counters| keys.push((key.into(), *counters)));
        })?;
        keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(Snapshot { totals: words.totals(), evictions: words.evictions(), keys })
    }
}

fn nonzero(requests: &[u64]) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    let words = Verdict::ALL.iter().map(|verdict| verdict.word());
    words.zip(requests.iter().copied()).filter(|(_, count)| *count > 0)
}

fn write_json(out: &mut String, zone: &[u8], snapshot: &Snapshot) -> fmt::Result {
    write!(out, "{{\"zone\":{},\"entries\":{}", Json(zone), snapshot.keys.len())?;
    write!(out, ",\"evictions\":{},\"unauthenticated\":", snapshot.evictions)?;
    write_json_requests(out, &snapshot.totals)?;
    out.push_str(",\"keys\":[");
    for (at, (key, counters)) in snapshot.keys.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}\n{{\"key\":{},\"requests\":", Json(key))?;
        write_json_requests(out, &counters.requests)?;
        let Counters { bytes, first_seen, last_seen, .. } = counters;
        write!(out, ",\"bytes\":{bytes},\"first_seen\":{first_seen},\"last_seen\":{last_seen}}}")?;
    }
    out.push_str("]}\n");
    Ok(())
}

fn write_json_requests(out: &mut String, requests: &[u64]) -> fmt::Result {
    out.push('{');
    for (at, (word, count)) in nonzero(requests).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}\"{word}\":{count}")?;
    }
    out.push('}');
    Ok(())
}

fn write_prometheus(out: &mut String, zone: &[u8], snapshot: &Snapshot) -> fmt::Result {
    let zone = Label(zone);
    let head = |out: &mut String, name: &str, kind: &str, help: &str| {
        write!(
            out,
            "# HELP secure_link_hmac_{name} {help}\n# TYPE secure_link_hmac_{name} {kind}\n"
        )
    };
    head(out, "requests_total", "counter", "Requests by key and verdict.")?;
    // What no key signed is counted together, without a key; so are links whose key has no id.
    let empty = Counters::default();
    let unnamed = snapshot.keys.iter().find(|(key, _)| key.is_empty());
    let mut requests = snapshot.totals;
    for (total, named) in requests.iter_mut().zip(unnamed.map_or(empty, |(_, c)| *c).requests) {
        *total += named;
    }
    let others = || snapshot.keys.iter().filter(|(key, _)| !key.is_empty());
    for (verdict, count) in nonzero(&requests) {
        writeln!(
            out,
            "secure_link_hmac_requests_total{{zone=\"{zone}\",key=\"\",verdict=\"{verdict}\"}} {count}"
        )?;
    }
    for (key, counters) in others() {
        for (verdict, count) in nonzero(&counters.requests) {
            writeln!(
                out,
                "secure_link_hmac_requests_total{{zone=\"{zone}\",key=\"{}\",verdict=\"{verdict}\"}} {count}",
                Label(key)
            )?;
        }
    }
    head(out, "bytes_total", "counter", "Bytes sent by key.")?;
    for (key, counters) in &snapshot.keys {
        writeln!(
            out,
            "secure_link_hmac_bytes_total{{zone=\"{zone}\",key=\"{}\"}} {}",
            Label(key),
            counters.bytes
        )?;
    }
    head(out, "last_seen_timestamp_seconds", "gauge", "When a key was last used, unix time.")?;
    for (key, counters) in snapshot.keys.iter().filter(|(_, counters)| counters.last_seen > 0) {
        writeln!(
            out,
            "secure_link_hmac_last_seen_timestamp_seconds{{zone=\"{zone}\",key=\"{}\"}} {}",
            Label(key),
            counters.last_seen
        )?;
    }
    head(out, "zone_entries", "gauge", "Keys in the zone.")?;
    writeln!(out, "secure_link_hmac_zone_entries{{zone=\"{zone}\"}} {}", snapshot.keys.len())?;
    head(out, "zone_evictions_total", "counter", "Keys that had to make room in the zone.")?;
    writeln!(out, "secure_link_hmac_zone_evictions_total{{zone=\"{zone}\"}} {}", snapshot.evictions)
}

/// A text as a JSON string.
struct Json<'t>(&'t [u8]);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in String::from_utf8_lossy(self.0).chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\0'..='\x1f' | '\x7f' => write!(f, "\\u{:04x}", u32::from(character))?,
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}

/// A text as the value of a Prometheus label.
struct Label<'t>(&'t [u8]);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in String::from_utf8_lossy(self.0).chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}
