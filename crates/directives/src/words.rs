//! The words of a directive: how many there are, what they name, and how a message shows them.

use crate::refusal::{Refusal, refuse};

/// The only argument. nginx counts arguments itself; other readers do not.
pub fn one<'w>(arguments: &[&'w [u8]]) -> Result<&'w [u8], Refusal> {
    match arguments {
        [word] => Ok(word),
        _ => refuse("has a wrong number of arguments"),
    }
}

/// All arguments, of which there is at least one.
pub(crate) fn some<'w>(arguments: &[&'w [u8]]) -> Result<Vec<&'w [u8]>, Refusal> {
    match arguments {
        [] => refuse("has a wrong number of arguments"),
        words => Ok(words.to_vec()),
    }
}

/// Splits a parameter behind its `=`: into `name=` and the value, or the whole word and nothing.
pub fn parameter(word: &[u8]) -> (&[u8], &[u8]) {
    match word.iter().position(|&byte| byte == b'=') {
        Some(at) => word.split_at(at + 1),
        None => (word, b""),
    }
}

/// Quotes a word of the configuration for a message.
pub fn quote(word: &[u8]) -> String {
    format!("\"{}\"", word.escape_ascii())
}

/// The names of a table for a message: `"a", "b" or "c"`.
pub fn alternatives<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// The value that a word names.
pub fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &[u8]) -> Result<T, Refusal> {
    match all.iter().find(|value| name(**value).as_bytes() == word) {
        Some(value) => Ok(*value),
        None => refuse(format!(
            "has an unknown value {}: write {}",
            quote(word),
            alternatives(all.iter().map(|value| name(*value)))
        )),
    }
}
