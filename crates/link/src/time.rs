//! Timestamps and durations, as credentials and configurations write them.

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// Where unix seconds begin.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

const WEEKDAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Reads a point in time: unix seconds, ISO 8601 (`2026-01-31T12:00:00Z`, `...+02:00`) or
/// IMF-fixdate (RFC 9110, section 5.6.7).
///
/// Returns unix seconds greater than 0. The whole field must be consumed; only dates of the
/// calendar and times of day without leap seconds are read.
#[inline]
pub(crate) fn timestamp(field: &[u8]) -> Option<i64> {
    // Most often it is digits alone.
    let seconds = match seconds(field) {
        Some(seconds) => seconds,
        None => date(field)?,
    };
    (seconds > 0).then_some(seconds)
}

#[inline(never)]
fn date(field: &[u8]) -> Option<i64> {
    match field {
        [b'0'..=b'9', ..] => iso8601(field),
        _ => imf_fixdate(field),
    }
}

/// Reads a point in time as configurations have it: unix seconds, or RFC 3339 without fractions
/// (`2026-01-31T12:00:00Z`). Returns unix seconds greater than 0.
pub fn parse_date(text: &[u8]) -> Option<i64> {
    timestamp(text).filter(|_| weekday_len(text) == 0)
}

/// Reads hexadecimal unix seconds greater than 0, in either case.
pub(crate) fn hex_timestamp(field: &[u8]) -> Option<i64> {
    let seconds = number(field, 16)?;
    (seconds > 0).then_some(seconds)
}

/// Reads a number of seconds: decimal digits, at most 2^63 - 1.
#[inline]
pub(crate) fn seconds(field: &[u8]) -> Option<i64> {
    // What fits in any case needs no look at each step.
    if !(1..=18).contains(&field.len()) {
        return number(field, 10);
    }
    let (groups, rest) = field.as_chunks::<8>();
    let groups = groups.iter().try_fold(0, |number, group| {
        eight_digits(*group).map(|group| number * 100_000_000 + group)
    })?;
    rest.iter().try_fold(groups, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + i64::from(digit))
    })
}

/// Reads eight decimal digits in three steps: each joins neighbours to numbers of twice as many.
fn eight_digits(digits: [u8; 8]) -> Option<i64> {
    const fn repeated(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let text = u64::from_le_bytes(digits);
    // The high half of a digit is 3, also when 6 is added to it.
    let high = text | text.wrapping_add(repeated(6));
    if text & repeated(0xf0) != repeated(0x30) || high & repeated(0xf0) != repeated(0x30) {
        return None;
    }
    let ones = text & repeated(0x0f);
    let tens = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let hundreds = (tens * 100 + (tens >> 16)) & 0x0000_ffff_0000_ffff;
    let all = hundreds * 10_000 + (hundreds >> 32);
    Some(i64::from(all as u32))
}

fn number(field: &[u8], radix: u32) -> Option<i64> {
    if field.is_empty() {
        return None;
    }
    field.iter().try_fold(0i64, |number, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        number.checked_mul(i64::from(radix))?.checked_add(i64::from(digit))
    })
}

/// Length of the weekday and comma with which an IMF-fixdate begins, 0 if `field` begins with
/// anything else. That comma does not separate fields.
pub(crate) fn weekday_len(field: &[u8]) -> usize {
    match field {
        [a, b, c, b',', ..] if is_one_of(&WEEKDAYS, &[*a, *b, *c]) => 4,
        _ => 0,
    }
}

fn iso8601(field: &[u8]) -> Option<i64> {
    let (date_time, offset) = field.split_at_checked(19)?;
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', time @ ..] = date_time else {
        return None;
    };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2] = time else { return None };
    let offset = match offset {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    unix_seconds(
        digits(&[*y1, *y2, *y3, *y4])?,
        digits(&[*mo1, *mo2])?,
        digits(&[*d1, *d2])?,
        [digits(&[*h1, *h2])?, digits(&[*mi1, *mi2])?, digits(&[*s1, *s2])?],
        offset,
    )
}

/// Reads a point in time in ISO 8601's basic format, UTC: `20260131T120000Z`.
pub(crate) fn basic_date_time(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, mo1, mo2, d1, d2, b'T', h1, h2, mi1, mi2, s1, s2, b'Z'] = text else {
        return None;
    };
    unix_seconds(
        digits(&[*y1, *y2, *y3, *y4])?,
        digits(&[*mo1, *mo2])?,
        digits(&[*d1, *d2])?,
        [digits(&[*h1, *h2])?, digits(&[*mi1, *mi2])?, digits(&[*s1, *s2])?],
        0,
    )
}

/// Writes a point in time so; `None` if it is beyond the calendar.
pub(crate) fn to_basic_date_time(seconds: i64) -> Option<String> {
    let date_time = EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok()?;
    let (date, time) = (date_time.date(), date_time.time());
    Some(format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    ))
}

fn imf_fixdate(field: &[u8]) -> Option<i64> {
    let date = field.get(weekday_len(field)..).filter(|date| date.len() != field.len())?;
    let [b' ', d1, d2, b' ', mo1, mo2, mo3, b' ', y1, y2, y3, y4, b' ', time @ ..] = date else {
        return None;
    };
    let [h1, h2, b':', mi1, mi2, b':', s1, s2, b' ', zone @ ..] = time else { return None };
    let month = [mo1, mo2, mo3].map(u8::to_ascii_lowercase);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    if !zone.eq_ignore_ascii_case(b"GMT") {
        return None;
    }
    unix_seconds(
        digits(&[*y1, *y2, *y3, *y4])?,
        i16::try_from(month).ok()?,
        digits(&[*d1, *d2])?,
        [digits(&[*h1, *h2])?, digits(&[*mi1, *mi2])?, digits(&[*s1, *s2])?],
        0,
    )
}

fn is_one_of(names: &[&[u8]], name: &[u8]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Reads at most four digits.
fn digits(text: &[u8]) -> Option<i16> {
    number(text, 10).and_then(|number| i16::try_from(number).ok())
}

fn unix_seconds(year: i16, month: i16, day: i16, time: [i16; 3], offset: i64) -> Option<i64> {
    let narrow = |number: i16| i8::try_from(number).ok();
    let [hour, minute, second] = time;
    let date_time = DateTime::new(
        year,
        narrow(month)?,
        narrow(day)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(second)?,
        0,
    )
    .ok()?;
    // Not by the library's own timestamps, which end a day before the calendar.
    Some(date_time.duration_since(EPOCH).as_secs() - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_formats_name_the_same_second() {
        for text in [
            "784111777",
            "0784111777",
            "1994-11-06T08:49:37Z",
            "1994-11-06T08:49:37+00:00",
            "1994-11-06T14:19:37+05:30",
            "1994-11-06T00:49:37-08:00",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "sUN, 06 nOV 1994 08:49:37 gmt",
            "Mon, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(timestamp(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(hex_timestamp(b"2ebc9aE1"), Some(784_112_353));
    }

    #[test]
    fn the_basic_format_is_read_as_it_is_written() {
        assert_eq!(basic_date_time(b"20130524T000000Z"), Some(1_369_353_600));
        assert_eq!(to_basic_date_time(1_369_353_600).as_deref(), Some("20130524T000000Z"));
        for text in [
            "",
            "20130524T000000",
            "20130524T000000z",
            "20130524t000000Z",
            "20130230T000000Z",
            "20130524T240000Z",
            "20130524T000060Z",
            "2013-05-24T00:00:00Z",
            "20130524T0000000Z",
            "+0130524T000000Z",
        ] {
            assert_eq!(basic_date_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn leap_days_are_those_of_the_calendar() {
        assert_eq!(timestamp(b"2024-02-29T00:00:00Z"), Some(1_709_164_800));
        assert_eq!(timestamp(b"2000-02-29T00:00:00Z"), Some(951_782_400));
        for text in ["2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z"] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_calendar_ends_with_the_year_9999() {
        const END: i64 = 253_402_300_799;
        for (text, seconds) in [
            ("9999-12-31T23:59:59Z", END),
            ("9999-12-31T23:59:59+00:01", END - 60),
            ("9999-12-31T23:59:59-23:59", END + 86_340),
            ("Fri, 31 Dec 9999 23:59:59 GMT", END),
        ] {
            assert_eq!(timestamp(text.as_bytes()), Some(seconds), "{text}");
        }
        assert_eq!(basic_date_time(b"99991231T235959Z"), Some(END));
        assert_eq!(to_basic_date_time(END).as_deref(), Some("99991231T235959Z"));
        assert_eq!(to_basic_date_time(END + 1), None);
    }

    #[test]
    fn what_is_not_wholly_a_timestamp_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1.5",
            "0x10",
            "1e9",
            "123456789012345678901234567890",
            "9223372036854775808",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01T00:00:01+00:01",
            "2025-06-01",
            "2025-06-01T00:00:00",
            "2025-06-01 00:00:00Z",
            "2025-06-01t00:00:00Z",
            "2025-06-01T00:00:00z",
            "2025-06-01T00:00:00Zx",
            "2025-06-01T00:00:00.5Z",
            "2025-06-01T00:00:00+0000",
            "2025-06-01T00:00:00+24:00",
            "2025-06-01T00:00:00+00:60",
            "2025-06-01T00:00:00 00:00",
            "2025-6-1T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-06-00T00:00:00Z",
            "2025-06-31T00:00:00Z",
            "2025-06-32T00:00:00Z",
            "2025-02-31T00:00:00Z",
            "2025-06-01T24:00:00Z",
            "2025-06-01T25:00:00Z",
            "2025-06-01T00:60:00Z",
            "2016-12-31T23:59:60Z",
            "+025-06-01T00:00:00Z",
            "20 5-06-01T00:00:00Z",
            "Sat, 31 Feb 2026 00:00:00 GMT",
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Sat, 1 Jan 2022 00:00:00 GMT",
            "Sat, 01 Foo 2022 00:00:00 GMT",
            "Foo, 01 Jan 2022 00:00:00 GMT",
            "Sat,01 Jan 2022 00:00:00 GMT",
            "Sat, 01 Jan 2022 00:00:00 UTC",
            "Sat, 01 Jan 2022 00:00:00 GMT ",
            "Sat, 01 Jan 2022 00:00:00",
            "Saturday, 01-Jan-22 00:00:00 GMT",
            " 01 Jan 2022 00:00:00 GMT",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_last_representable_second_is_read_and_the_next_one_is_not() {
        assert_eq!(timestamp(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(hex_timestamp(b"7fffffffffffffff"), Some(i64::MAX));
        assert_eq!(hex_timestamp(b"8000000000000000"), None);
        assert_eq!(hex_timestamp(b"0"), None);
        assert_eq!(hex_timestamp(b"1g"), None);
    }

    #[test]
    fn digits_are_read_as_the_standard_library_reads_them() {
        for len in 1..=20 {
            for text in
                ["0123456789012345678901", "9999999999999999999999", "8070605040302010908070"]
            {
                let text = &text[..len];
                assert_eq!(seconds(text.as_bytes()), text.parse().ok(), "{text}");
            }
        }
        // Any byte in any place.
        for (len, byte) in (1..=18).flat_map(|len| (0..=255u8).map(move |byte| (len, byte))) {
            for at in 0..len {
                let mut text = vec![b'1'; len];
                text[at] = byte;
                assert_eq!(seconds(&text).is_some(), byte.is_ascii_digit(), "{len} {at} {byte}");
            }
        }
    }

    #[test]
    fn a_duration_may_be_zero_but_not_signed_or_empty() {
        assert_eq!(seconds(b"0"), Some(0));
        assert_eq!(seconds(b"3600"), Some(3600));
        for text in ["", "-1", "+1", "1h", " 1"] {
            assert_eq!(seconds(text.as_bytes()), None, "{text}");
        }
    }
}
