//! Patterns of paths, against a table of all their beginnings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::internals;
use secure_link_fuzz::{Input, oracle};

fuzz_target!(|data: &[u8]| {
    let Some(mut input) = Input::new(data, 0) else { return };
    let (pattern, path) = (input.text(), input.rest());
    let matches = internals::glob(pattern, path);
    assert_eq!(matches, oracle::glob(pattern, path));
    // A pattern without signs is itself; a star at its end takes whatever follows a path that it matched.
    let is_plain = pattern.starts_with(b"/") && !pattern.iter().any(|byte| b"*?".contains(byte));
    assert!(!is_plain || internals::glob(pattern, pattern) && (!matches || pattern == path));
    let open = [pattern, b"*"].concat();
    assert!(
        !matches || internals::glob(&open, path) && internals::glob(&open, &[path, b"/x"].concat())
    );
});
