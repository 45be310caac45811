//! Times, against days counted one by one; and each text of a time is that time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::{internals, parse_date};
use secure_link_fuzz::time;

fuzz_target!(|data: &[u8]| {
    let shown = data.escape_ascii();
    assert_eq!(internals::timestamp(data), time::timestamp(data), "{shown}");
    assert_eq!(internals::hex_timestamp(data), time::hex_timestamp(data), "{shown}");
    assert_eq!(internals::seconds(data), time::seconds(data), "{shown}");
    assert_eq!(internals::basic_date_time(data), time::basic_date_time(data), "{shown}");
    let is_fixdate = data.get(3) == Some(&b',');
    assert_eq!(parse_date(data), time::timestamp(data).filter(|_| !is_fixdate), "{shown}");

    // Print, and read what was printed.
    let number = time::seconds(data).or(time::timestamp(data));
    let first = data.first_chunk().map(|bytes| i64::from(u32::from_le_bytes(*bytes)) * 59);
    for seconds in [number, first].into_iter().flatten() {
        if !(1..=253_402_300_799).contains(&seconds) {
            continue;
        }
        for text in time::texts(seconds, seconds % 1441) {
            assert_eq!(internals::timestamp(text.as_bytes()), Some(seconds), "{text}");
        }
        let basic = time::basic_text(seconds);
        assert_eq!(internals::to_basic_date_time(seconds).as_ref(), Some(&basic));
        assert_eq!(internals::basic_date_time(basic.as_bytes()), Some(seconds));
        assert_eq!(internals::hex_timestamp(format!("{seconds:x}").as_bytes()), Some(seconds));
    }
});
