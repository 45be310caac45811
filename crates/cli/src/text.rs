//! Texts that people read in a terminal.

use std::fmt::Write as _;

/// A text in which what is not printable ASCII is escaped.
pub fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

/// Bytes in hexadecimal, 16 a line, with the characters that they are.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let pairs: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let characters: String = chunk
            .iter()
            .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' })
            .collect();
        let _ = writeln!(text, "  {:04x}  {:<47}  |{characters}|", row * 16, pairs.join(" "));
    }
    text
}

/// A point in time as unix seconds, and as a date.
pub fn date(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(date) => format!("{seconds} ({date})"),
        Err(_) => seconds.to_string(),
    }
}

/// A number of seconds, and what they are in larger units.
pub fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "min")];
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let mut parts = Vec::new();
    let mut rest = seconds;
    for (length, name) in UNITS {
        if rest >= length {
            parts.push(format!("{} {name}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() {
        return format!("{seconds} {unit}");
    }
    if rest > 0 {
        parts.push(format!("{rest} s"));
    }
    format!("{seconds} {unit} ({})", parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_sixteen_a_line() {
        let text = dump(b"/files/report.pdf|1\n");
        assert_eq!(
            text,
            "  0000  2f 66 69 6c 65 73 2f 72 65 70 6f 72 74 2e 70 64  |/files/report.pd|\n  \
             0010  66 7c 31 0a                                      |f|1.|\n"
        );
    }

    #[test]
    fn control_bytes_do_not_reach_a_terminal() {
        assert_eq!(printable(b"a\x1b[0m\xff'\""), "a\\x1b[0m\\xff'\"");
    }

    #[test]
    fn spans_are_told_in_seconds_first() {
        assert_eq!(span(1), "1 second");
        assert_eq!(span(100), "100 seconds (1 min 40 s)");
        assert_eq!(span(90_000), "90000 seconds (1 d 1 h)");
    }
}
