//! `secure_link_hmac_metrics`: what a zone has counted, for people, as JSON and for Prometheus.

mod json;
mod prometheus;

use std::fmt;
use std::rc::Rc;

use secure_link::Verdict;
use secure_link_zone::Counters;

use crate::ffi::{Request, VariableIndex, now};
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
    Html,
}

/// A response.
pub struct Response {
    /// Its media type, without the charset, which is UTF-8.
    pub media_type: &'static str,
    /// Its body.
    pub body: String,
}

/// What a zone has counted, at one time.
struct Snapshot<'z> {
    zone: &'z [u8],
    time: i64,
    totals: [u64; Verdict::ALL.len()],
    evictions: u64,
    keys: Vec<(Box<[u8]>, Counters)>,
}

/// The page for people. It holds the metrics as JSON in the place of [`DATA`], and asks for them
/// again every few seconds.
const PAGE: &str = include_str!("metrics/page.html");
const DATA: &str = "{{metrics}}";

/// The response to a request; `None` if the zone cannot be read.
pub fn respond(request: Request<'_>) -> Option<Response> {
    let metrics = request.conf().metrics()?;
    let snapshot = Snapshot::take(&metrics.zone)?;
    let format = Format::of(request, metrics.accept);
    let body = match format {
        Format::Json => json::text(&snapshot),
        Format::Prometheus => prometheus::text(&snapshot),
        // A `<` can only stand in a key or in the zone's name, so inside a JSON string: escaped, it
        // cannot end the page's script.
        Format::Html => PAGE.replacen(DATA, &json::text(&snapshot).replace('<', "\\u003c"), 1),
    };
    Some(Response { media_type: format.media_type(), body })
}

impl Format {
    /// The format that a request asks for: by the argument `format`, or else by `Accept`.
    ///
    /// An unknown format is JSON, as is none: like `stub_status`, which ignores its arguments, the
    /// location answers whatever is asked of it.
    fn of(request: Request<'_>, accept: VariableIndex) -> Self {
        let argument = request
            .args()
            .split(|&byte| byte == b'&')
            .find_map(|argument| argument.strip_prefix(b"format=".as_slice()));
        match argument {
            Some(b"prometheus") => Format::Prometheus,
            Some(b"html") => Format::Html,
            Some(_) => Format::Json,
            None => Format::accepted(request.variable(accept).ok().flatten().unwrap_or_default()),
        }
    }

    /// The format that an `Accept` header prefers (RFC 9110, section 12.5.1): that of the highest
    /// weight, and of equal weights the first, since browsers list `text/html` before all others.
    fn accepted(accept: &[u8]) -> Self {
        let mut best = (Format::Json, 0);
        for range in accept.split(|&byte| byte == b',') {
            let mut parts = range.split(|&byte| byte == b';').map(|part| part.trim_ascii());
            let Some(format) = parts.next().and_then(Format::from_media_type) else { continue };
            let weight = parts
                .find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")))
                .map_or(1000, thousandths);
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }

    fn from_media_type(media: &[u8]) -> Option<Self> {
        match media.to_ascii_lowercase().as_slice() {
            b"text/html" => Some(Format::Html),
            // Whoever asks for OpenMetrics is Prometheus, and reads its older format too: that is
            // what is sent, and what the content type says.
            b"text/plain" | b"application/openmetrics-text" => Some(Format::Prometheus),
            b"application/json" | b"application/*" | b"*/*" => Some(Format::Json),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Prometheus => "text/plain; version=0.0.4",
            Format::Html => "text/html",
        }
    }
}

/// A weight such as `0.75`, in thousandths; 0 if it is none.
fn thousandths(weight: &[u8]) -> u32 {
    let weight = str::from_utf8(weight).ok().and_then(|text| text.parse::<f32>().ok());
    // Out of its range a float becomes the nearest integer, and what is not a number becomes 0.
    weight.map_or(0, |weight| (weight.min(1.0) * 1000.0) as u32)
}

impl<'z> Snapshot<'z> {
    fn take(zone: &'z ZoneConf) -> Option<Self> {
        let words = zone.zone()?;
        let keys = words.keys();
        Some(Snapshot {
            zone: &zone.name,
            time: now(),
            totals: words.totals(),
            evictions: words.evictions(),
            keys,
        })
    }
}

/// The verdicts of which there were requests.
fn nonzero(requests: &[u64]) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    let words = Verdict::ALL.iter().map(|verdict| verdict.word());
    words.zip(requests.iter().copied()).filter(|(_, count)| *count > 0)
}

/// Writes the characters of a text with `write`. Bytes that are not UTF-8 become `\xNN`, and a
/// backslash becomes two, so that no two keys are written alike: a series would be there twice, which
/// Prometheus refuses together with all others.
fn each_character(
    text: &[u8],
    out: &mut fmt::Formatter<'_>,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, char) -> fmt::Result,
) -> fmt::Result {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                write(out, character)?;
            }
            write(out, character)?;
        }
        for byte in chunk.invalid() {
            format!("\\x{byte:02x}").chars().try_for_each(|character| write(out, character))?;
        }
    }
    Ok(())
}
