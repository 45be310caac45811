//! The lines of `secure_link_hmac_keyring`.

use std::hint::black_box;

use secure_link::{Algorithm, KeyLife, SchemeKind, SecretFormat, check_key_id, parse_date};

use crate::policy::key_format;
use crate::refusal::{Refusal, refuse};
use crate::words::{alternatives, parameter, quote};

/// A line of a ring: `id source [parameter ...]`.
pub struct KeyLine<'w> {
    /// The key's id.
    pub id: &'w [u8],
    /// Where its secret is.
    pub source: KeySource<'w>,
    /// Its own algorithm, if it has one.
    pub algorithm: Option<Algorithm>,
    /// When it is good.
    pub life: KeyLife,
}

/// Where the secret of a ring's key is.
pub enum KeySource<'w> {
    /// In a file.
    File {
        /// Its name.
        path: &'w [u8],
        /// How the secret is written there.
        format: SecretFormat,
    },
    /// In the line.
    Text {
        /// The secret as it is written.
        text: &'w [u8],
        /// How it is written.
        format: SecretFormat,
    },
}

/// How the second word of a line begins.
const SOURCES: [&str; 3] = ["file:", "hex:", "base64:"];

impl<'w> KeyLine<'w> {
    /// Reads a line. No message shows a secret.
    pub fn read(words: &[&'w [u8]]) -> Result<Self, Refusal> {
        let [id, source, parameters @ ..] = words else {
            return refuse("has a line without a secret: write \"id file:path\"");
        };
        // A word in the wrong place may be the secret: none is shown before it is clear which one
        // is, and of the parameters none that is unknown.
        let is_source = |word: &[u8]| SOURCES.iter().any(|name| word.starts_with(name.as_bytes()));
        if is_source(id) {
            return refuse("has a line that begins with a secret: write the key's id before it");
        }
        if !is_source(source) {
            return refuse(format!(
                "has a line whose second word does not begin with {}: write \"id file:path\"",
                alternatives(SOURCES.iter().copied())
            ));
        }
        if let Err(error) = check_key_id(id) {
            return refuse(format!("has the id {}, but {error}", quote(id)));
        }
        let mut format = None;
        let mut algorithm = None;
        let mut life = KeyLife::default();
        for word in parameters {
            let (name, value) = parameter(word);
            let is_new = match name {
                b"format=" => format.replace(key_format(word)?).is_none(),
                b"algorithm=" => match Algorithm::from_name(value) {
                    Some(value) => algorithm.replace(value).is_none(),
                    None => {
                        return refuse(format!(
                            "has an unknown algorithm {}: write one of {}",
                            quote(value),
                            alternatives(Algorithm::ALL.iter().map(|algorithm| algorithm.name()))
                        ));
                    }
                },
                b"not_before=" => life.not_before.replace(date(word, value)?).is_none(),
                b"not_after=" => life.not_after.replace(date(word, value)?).is_none(),
                b"issued_after=" => life.issued_after.replace(date(word, value)?).is_none(),
                b"revoked" => !std::mem::replace(&mut life.revoked, true),
                _ => {
                    return refuse(format!(
                        "has an unknown parameter for {}: behind the secret, write \"format=\", \
                         \"algorithm=\", \"not_before=\", \"not_after=\", \"issued_after=\" or \
                         \"revoked\"",
                        quote(id)
                    ));
                }
            };
            if !is_new {
                return refuse(format!(
                    "has the parameter {} twice for {}: write it once",
                    quote(name),
                    quote(id)
                ));
            }
        }
        // Without `black_box` the compiler compares the numbers before it looks whether they are there,
        // and valgrind reports that it has read uninitialised bytes.
        let first = black_box(life.not_before.unwrap_or(i64::MIN));
        let last = black_box(life.not_after.unwrap_or(i64::MAX));
        if first > last {
            return refuse(format!(
                "has \"not_after\" before \"not_before\" for {}: write a later one",
                quote(id)
            ));
        }
        let inline = |format, text| KeySource::Text { text, format };
        let source = match source.strip_prefix(b"file:") {
            Some(path) => KeySource::File { path, format: format.unwrap_or_default() },
            None if format.is_some() => {
                return refuse(format!(
                    "has \"format=\" for {}, which only \"file:\" takes: remove it",
                    quote(id)
                ));
            }
            None => match source.strip_prefix(b"hex:") {
                Some(text) => inline(SecretFormat::Hex, text),
                None => inline(
                    SecretFormat::Base64,
                    source.strip_prefix(b"base64:").unwrap_or_default(),
                ),
            },
        };
        Ok(KeyLine { id, source, algorithm, life })
    }
}

/// What is wrong with a key whose algorithm its ring's scheme does not have.
pub fn misfit(id: &[u8], algorithm: Algorithm, kind: SchemeKind) -> Refusal {
    Refusal::Argument(format!(
        "has the algorithm \"{}\" for {}, which the scheme \"{}\" does not have: write {}",
        algorithm.name(),
        quote(id),
        kind.name(),
        alternatives(kind.algorithms().iter().map(|algorithm| algorithm.name()))
    ))
}

fn date(parameter: &[u8], value: &[u8]) -> Result<i64, Refusal> {
    match parse_date(value) {
        Some(seconds) => Ok(seconds),
        None => refuse(format!(
            "has an invalid date {}: write it as \"2026-12-31T00:00:00Z\" or unix seconds",
            quote(parameter)
        )),
    }
}
