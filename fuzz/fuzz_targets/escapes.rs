//! Percent-encoding, against a reader that collects bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::{Escape, internals};
use secure_link_fuzz::offer::Memory;
use secure_link_fuzz::oracle;

fuzz_target!(|data: &[u8]| {
    let memory = Memory::new(usize::MAX);
    let shown = data.escape_ascii();
    for (plus, lenient) in [(false, false), (true, false), (false, true), (true, true)] {
        let expected = oracle::percent_decode(data, plus, lenient);
        assert_eq!(decode(data, plus, lenient), expected, "{shown}");
    }
    for (is_path, literals) in [(true, "/-._~"), (false, "-._~")] {
        let (encoded, is_encoded) =
            internals::percent_encode(data, is_path, &memory).expect("memory");
        assert_eq!(encoded, oracle::percent_encode(data, literals, true).as_bytes(), "{shown}");
        assert_eq!(decode(encoded, true, false).as_deref(), Some(data));
        // A text is encoded already if encoding what it says makes it again.
        let again = oracle::percent_decode(data, !is_path, false)
            .map(|plain| oracle::percent_encode(&plain, literals, true).into_bytes());
        assert_eq!(is_encoded, again.as_deref() == Some(data), "{shown}");
    }
    for (escape, literals, plus) in
        [(Escape::Form, "-._~ ", true), (Escape::Component, "-._!()", false)]
    {
        let escaped = escape.escape(data);
        let expected = oracle::percent_encode(data, literals, false);
        assert_eq!(escaped, if plus { expected.replace(' ', "+") } else { expected });
        assert_eq!(decode(escaped.as_bytes(), plus, false).as_deref(), Some(data));
    }
});

fn decode(text: &[u8], plus: bool, lenient: bool) -> Option<Vec<u8>> {
    let memory = Memory::new(usize::MAX);
    internals::percent_decode(text, plus, lenient, &memory).map(<[u8]>::to_vec)
}
