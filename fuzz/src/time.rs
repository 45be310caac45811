//! Times, read by counting days.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

fn leap_days_before(year: i64) -> i64 {
    let year = year - 1;
    year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)
}

fn month_lengths(year: i64) -> [i64; 12] {
    let is_leap = leap_days_before(year + 1) > leap_days_before(year);
    [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

fn unix_seconds(date: [i64; 3], time: [i64; 3], offset: i64) -> Option<i64> {
    let [year, month, day] = date;
    let [hour, minute, second] = time;
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let lengths = month_lengths(year);
    let before: i64 = lengths[..month as usize - 1].iter().sum();
    if day < 1 || day > lengths[month as usize - 1] {
        return None;
    }
    let days =
        (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970) + before + day - 1;
    Some(days * 86400 + hour * 3600 + minute * 60 + second - offset)
}

/// The numbers of a text where a picture of it has `0`; all else must be as the picture.
fn numbers<const N: usize>(text: &str, picture: &str) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut at = 0;
    let mut in_number = false;
    if text.len() != picture.len() {
        return None;
    }
    for (letter, wanted) in text.bytes().zip(picture.bytes()) {
        if wanted == b'0' {
            at += usize::from(!in_number);
            let digit = i64::from(letter.checked_sub(b'0').filter(|digit| *digit < 10)?);
            numbers[at - 1] = numbers[at - 1] * 10 + digit;
        } else if letter != wanted {
            return None;
        }
        in_number = wanted == b'0';
    }
    Some(numbers)
}

/// Decimal digits alone.
pub fn seconds(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

pub fn hex_timestamp(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(text, 16).ok().filter(|seconds| *seconds > 0)
}

pub fn timestamp(text: &[u8]) -> Option<i64> {
    let found = seconds(text).or_else(|| {
        let text = str::from_utf8(text).ok()?;
        iso8601(text).or_else(|| imf_fixdate(text))
    });
    found.filter(|seconds| *seconds > 0)
}

fn iso8601(text: &str) -> Option<i64> {
    let (text, offset) = match text.strip_suffix('Z') {
        Some(text) => (text, 0),
        None => {
            let (text, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let [hours, minutes] = numbers(zone, if sign < 0 { "-00:00" } else { "+00:00" })?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (text, sign * (hours * 3600 + minutes * 60))
        }
    };
    let [year, month, day, hour, minute, second] = numbers(text, "0000-00-00T00:00:00")?;
    unix_seconds([year, month, day], [hour, minute, second], offset)
}

fn imf_fixdate(text: &str) -> Option<i64> {
    let is = |names: &[&str], name: &str| names.iter().position(|n| n.eq_ignore_ascii_case(name));
    is(&WEEKDAYS, text.get(..3)?)?;
    let month = is(&MONTHS, text.get(8..11)?)?;
    let text = format!("{}{}{}", text.get(3..8)?, "MMM", text.get(11..)?.to_ascii_uppercase());
    let [day, year, hour, minute, second] = numbers(&text, ", 00 MMM 0000 00:00:00 GMT")?;
    unix_seconds([year, month as i64 + 1, day], [hour, minute, second], 0)
}

pub fn basic_date_time(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    let [date, time] = numbers(text, "00000000T000000Z")?;
    unix_seconds(
        [date / 10_000, date / 100 % 100, date % 100],
        [time / 10_000, time / 100 % 100, time % 100],
        0,
    )
}

/// All texts of a time: what they say must be that time.
pub fn texts(seconds: i64, zone: i64) -> Vec<String> {
    let mut texts = vec![seconds.to_string(), format!("00{seconds}")];
    let zone = zone.rem_euclid(24 * 60);
    for (offset, suffix) in [
        (0, "Z".to_owned()),
        (zone, format!("+{:02}:{:02}", zone / 60, zone % 60)),
        (-zone, format!("-{:02}:{:02}", zone / 60, zone % 60)),
    ] {
        let ([year, month, day], [hour, minute, second], _) = civil(seconds + offset * 60);
        if year <= 9999 {
            texts.push(format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{suffix}"
            ));
        }
    }
    let ([year, month, day], [hour, minute, second], weekday) = civil(seconds);
    let (weekday, month) = (WEEKDAYS[weekday as usize], MONTHS[month as usize - 1]);
    texts.push(format!(
        "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
    ));
    texts
}

/// `20260131T120000Z`.
pub fn basic_text(seconds: i64) -> String {
    let ([year, month, day], [hour, minute, second], _) = civil(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month, day; hour, minute, second; weekday from Monday on.
fn civil(seconds: i64) -> ([i64; 3], [i64; 3], i64) {
    let (days, time) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    let first = |year: i64| (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    let mut year = 1970 + days.div_euclid(366);
    while first(year + 1) <= days {
        year += 1;
    }
    let mut day = days - first(year);
    let mut month = 1;
    for len in month_lengths(year) {
        if day < len {
            break;
        }
        day -= len;
        month += 1;
    }
    let weekday = (days + 3).rem_euclid(7);
    ([year, month, day + 1], [time / 3600, time / 60 % 60, time % 60], weekday)
}
