//! Arguments of a query string, against the split of the standard library.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::{ArgumentNames, read_arguments, without_arguments};
use secure_link_fuzz::Input;

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, 0)?;
    // Names as variables have them, `$arg_name`.
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let names: Vec<_> =
        input.text().split(|byte| !is_letter(byte)).filter(|name| !name.is_empty()).collect();
    let prefix = input.text();
    let query = input.rest();

    let mut known = ArgumentNames::default();
    let mut distinct: Vec<Vec<u8>> = Vec::new();
    for name in names {
        let name = name.to_ascii_lowercase();
        let at = distinct.iter().position(|other| *other == name).unwrap_or_else(|| {
            distinct.push(name.clone());
            distinct.len() - 1
        });
        assert_eq!(known.insert(&name.to_ascii_uppercase()), at);
    }
    assert_eq!((known.len(), known.is_empty()), (distinct.len(), distinct.is_empty()));
    let mut values = vec![None; distinct.len()];
    let is_repeated = read_arguments(query, &known, &mut values);

    if !prefix.is_empty() {
        known.insert_prefix(prefix);
    }
    let mut expected = vec![None; distinct.len()];
    let mut twice = false;
    let mut others = Vec::new();
    for argument in query.split(|byte| *byte == b'&') {
        let mut parts = argument.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next()?.to_ascii_lowercase(), parts.next().unwrap_or_default());
        match distinct.iter().position(|known| *known == name) {
            Some(at) if expected[at].is_some() => twice = true,
            Some(at) => expected[at] = Some(value),
            None if !prefix.is_empty() && name.starts_with(&prefix.to_ascii_lowercase()) => {}
            None => others.push(argument),
        }
    }
    assert_eq!(values, expected);
    assert_eq!(is_repeated, twice);
    let rest: Vec<_> = without_arguments(query, &known).collect();
    assert_eq!(rest, others);
    // What is left has nothing more to remove.
    let again = rest.join(&b'&');
    assert_eq!(without_arguments(&again, &known).collect::<Vec<_>>().join(&b'&'), again);
    Some(())
}
