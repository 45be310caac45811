//! A message that `Ambiguity::find` accepts has one reading: no two requests with different
//! values of its variables have the same bytes to sign. Tried with random messages and every
//! assignment of short values, where what a variable can contain is written down once more.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::HashMap;

use secure_link::{Ambiguity, Fields, Template, Variable, Variables};

const CREDENTIAL: &[u8] = b"$arg_st,$arg_ts,$arg_e";

/// Pieces of which messages are made; variables are taken more often than once.
const PIECES: &[&str] = &[
    "$uri",
    "${request_uri}",
    "$arg_ts",
    "$arg_e",
    "$arg_a",
    "$arg_b",
    "$host",
    "$remote_addr",
    "${cookie_c}",
    "${http_h}",
    "$request_method",
    "${1}",
    "$mapped",
    "/",
    "|",
    "&",
    ";",
    "\n",
    "-",
    ":",
    "a",
    "7",
    "g",
    "&/",
    "/&",
    "|a",
    "7|",
];

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

fn can_contain(name: &str, byte: u8) -> bool {
    match name {
        "$arg_ts" => byte.is_ascii_alphanumeric() || b":+, -".contains(&byte),
        "$arg_e" => byte.is_ascii_digit(),
        "$host" => !b"/|&".contains(&byte),
        "$remote_addr" => byte.is_ascii_hexdigit() || b".:".contains(&byte),
        "$request_method" => byte.is_ascii_alphabetic() || b"-_".contains(&byte),
        "$cookie_c" => byte != b';',
        "$http_h" => byte != b'\n' && byte != b'\r',
        name if name.starts_with("$arg_") => byte != b'&' && byte != b'#',
        _ => true,
    }
}

/// All values of at most two bytes of the alphabet; one more where the first is fixed.
fn values(variable: &Variable, alphabet: &[u8]) -> Vec<Vec<u8>> {
    let name = variable.to_string();
    let bytes: Vec<u8> =
        alphabet.iter().copied().filter(|&byte| can_contain(&name, byte)).collect();
    let mut values = vec![Vec::new()];
    for &first in &bytes {
        values.push(vec![first]);
        values.extend(bytes.iter().map(|&second| vec![first, second]));
    }
    if matches!(&*name, "$uri" | "$request_uri") {
        values.iter_mut().for_each(|value| value.insert(0, b'/'));
    }
    values
}

/// Two assignments with the same message, if there are any.
fn collision(message: &Template, variables: &Variables, alphabet: &[u8]) -> Option<String> {
    let mut used: Vec<usize> = message.inputs().collect();
    used.sort_unstable();
    used.dedup();
    let choices: Vec<_> =
        used.iter().map(|&at| values(&variables.as_slice()[at], alphabet)).collect();
    let mut seen: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    let mut digits = vec![0; used.len()];
    loop {
        let mut inputs: Vec<&[u8]> = vec![b""; variables.as_slice().len()];
        for ((&at, choice), &digit) in used.iter().zip(&choices).zip(&digits) {
            inputs[at] = &choice[digit];
        }
        let bytes = message.pieces(&inputs).collect::<Vec<_>>().concat();
        if let Some(other) = seen.insert(bytes, digits.clone()) {
            let describe = |digits: &[usize]| {
                let each = used.iter().zip(&choices).zip(digits).map(|((&at, choice), &digit)| {
                    let value = choice[digit].escape_ascii().to_string();
                    format!("{}={value}", variables.as_slice()[at])
                });
                each.collect::<Vec<_>>().join(" ")
            };
            return Some(format!("{} and {}", describe(&other), describe(&digits)));
        }
        let at = (0..digits.len()).find(|&at| digits[at] + 1 < choices[at].len())?;
        digits[at] += 1;
        digits[..at].fill(0);
    }
}

/// The bytes of a message's literals, so that values can imitate them, and two others.
fn alphabet(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let piece = PIECES.iter().rfind(|piece| rest.starts_with(**piece)).unwrap();
        if !piece.starts_with('$') {
            bytes.extend(piece.bytes());
        }
        rest = &rest[piece.len()..];
    }
    bytes.extend(b"/a7");
    bytes.sort_unstable();
    bytes.dedup();
    bytes.truncate(5);
    bytes
}

#[test]
fn no_two_assignments_share_an_accepted_message() {
    let mut random = Random(0x5eed);
    let (mut accepted, mut rejected, mut colliding) = (0, 0, 0);
    while accepted < 1500 || rejected < 1500 {
        let len = 1 + random.below(6);
        let text: String = (0..len).map(|_| PIECES[random.below(PIECES.len())]).collect();
        let mut variables = Variables::default();
        let credential = [Fields::parse(CREDENTIAL, &mut variables).unwrap()];
        let Ok(message) = Template::parse(text.as_bytes(), &mut variables) else { continue };
        let mut used: Vec<usize> = message.inputs().collect();
        used.sort_unstable();
        used.dedup();
        if used.is_empty() || used.len() > 3 {
            continue;
        }
        // A letter behind a name without brackets belongs to the name.
        if used.iter().any(|&at| !is_known(&variables.as_slice()[at])) {
            continue;
        }
        let found = Ambiguity::find(&message, &variables, &credential, |_| false);
        if found.is_some() && rejected >= 1500 || found.is_none() && accepted >= 1500 {
            continue;
        }
        let collision = collision(&message, &variables, &alphabet(&text));
        match found {
            None => {
                assert_eq!(collision, None, "{:?} was accepted", text);
                accepted += 1;
            }
            Some(_) => {
                rejected += 1;
                colliding += usize::from(collision.is_some());
            }
        }
    }
    // The rules are simple, so they refuse more than they must; but not for nothing.
    assert!(colliding * 2 > rejected, "{colliding} of {rejected} are really ambiguous");
}

fn is_known(variable: &Variable) -> bool {
    let name = variable.to_string();
    PIECES.iter().any(|piece| piece.replace(['{', '}'], "") == name)
}
