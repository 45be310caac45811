//! MACs of messages in pieces, against OpenSSL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::{Algorithm, Key};
use secure_link_fuzz::{Input, oracle};

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, 4)?;
    let algorithm = input.pick(Algorithm::ALL);
    let [cut, at, bit] = [(); 3].map(|()| usize::from(input.byte()));
    let secret = input.text();
    let message = input.rest();
    if secret.is_empty() {
        return None;
    }
    let key = Key::new(algorithm, secret);
    let expected = oracle::mac(algorithm.name(), secret, message);
    let pieces = || message.chunks(cut % 80 + 1);
    assert_eq!(key.sign(pieces()).as_bytes(), expected);
    assert_eq!(key.sign([message].into_iter()).as_bytes(), expected);
    assert!(key.verify(pieces(), &expected));
    // One bit more, one byte less, one more.
    let mut wrong = expected.clone();
    wrong[at % expected.len()] ^= 1 << (bit % 8);
    assert!(!key.verify(pieces(), &wrong));
    assert!(!key.verify(pieces(), &expected[..at % expected.len()]));
    assert!(!key.verify(pieces(), &[&expected[..], &[0]].concat()));
    Some(())
}
