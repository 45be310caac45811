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

/// Seconds in nginx's notation, as `ngx_parse_time` reads them: `90`, `15m`, `1h 30m`, `7d`.
pub fn seconds(text: &[u8]) -> Option<i64> {
    const UNITS: [(u8, i64); 7] = [
        (b'y', 31_536_000),
        (b'M', 2_592_000),
        (b'w', 604_800),
        (b'd', 86_400),
        (b'h', 3600),
        (b'm', 60),
        (b's', 1),
    ];
    let mut total = 0i64;
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut has_digits = false;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        has_digits |= digits > 0;
        let number = number.iter().try_fold(0i64, |number, digit| {
            number.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        })?;
        // Each unit once, from the largest on; a space stands for seconds, and is the last one.
        let (scale, tail) = match tail.split_first() {
            None => (1, tail),
            Some((b' ', tail)) if units.len() > 0 => {
                units = UNITS.get(UNITS.len()..)?.iter();
                (1, tail)
            }
            // Milliseconds.
            Some((b'm', [b's', ..])) => return None,
            Some((unit, tail)) => (units.find(|(known, _)| known == unit)?.1, tail),
        };
        total = total.checked_add(number.checked_mul(scale)?)?;
        let spaces = tail.iter().take_while(|byte| **byte == b' ').count();
        rest = tail.get(spaces..)?;
    }
    has_digits.then_some(total)
}

/// Bytes in nginx's notation, as `ngx_parse_offset` reads them: `512`, `64k`, `10g`.
pub fn bytes(text: &[u8]) -> Option<u64> {
    let (digits, scale) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 1 << 10),
        (b'm' | b'M', digits) => (digits, 1 << 20),
        (b'g' | b'G', digits) => (digits, 1 << 30),
        _ => (text, 1),
    };
    let number = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    let bytes = number.parse::<i64>().ok()?.checked_mul(scale)?;
    u64::try_from(bytes).ok()
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
    fn times_are_read_as_nginx_reads_them() {
        for (text, wanted) in [
            ("90", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("1h 5", 3605),
            ("7d", 604_800),
            ("1w1s", 604_801),
            ("1y1M", 34_128_000),
            ("5 ", 5),
            ("1m ", 60),
            ("1hm", 3600),
        ] {
            assert_eq!(seconds(text.as_bytes()), Some(wanted), "{text}");
        }
        for text in [
            "",
            "h",
            " ",
            "1x",
            "-1",
            "1.5h",
            "1s1m",
            "1m1m",
            "1ms",
            "1 2s",
            "1 2 3",
            "99999999999999999999",
            "9223372036854775807w",
        ] {
            assert_eq!(seconds(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_nginx_reads_them() {
        for (text, wanted) in [
            ("0", 0),
            ("512", 512),
            ("64k", 65_536),
            ("1M", 1 << 20),
            ("10g", 10 << 30),
            ("8589934591g", 8_589_934_591 << 30),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(bytes(text.as_bytes()), Some(wanted), "{text}");
        }
        for text in
            ["", "k", "-1", "+1", "1.5k", "1t", "1kk", " 1", "8589934592g", "9223372036854775808"]
        {
            assert_eq!(bytes(text.as_bytes()), None, "{text}");
        }
    }

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
