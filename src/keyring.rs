//! `secure_link_hmac_keyring`: the lines of a ring, and the keyed state made of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use secure_link::{
    Algorithm, KeyDescription, KeyLife, Keyring, KeyringError, MAX_KEYS_TRIED, MIN_SECRET_LEN,
    SchemeKind, SecretFormat, check_key_id, digest, parse_date,
};
use zeroize::Zeroizing;

use crate::directives::{
    Outcome, Refusal, Setting, alternatives, key_format, quote, read_key_file, refuse,
};
use crate::ffi::{Conf, Failed, Position};

/// A ring as it is written.
pub struct Ring {
    /// Its name.
    pub name: Box<[u8]>,
    keys: Vec<RingKey>,
    /// The scheme of the links that the keys sign, and who said so.
    serves: Option<(SchemeKind, Position)>,
    /// The keyed state, for each algorithm that a location gives to keys without one of their
    /// own: made once, and shared by all locations.
    made: Vec<(SchemeKind, Algorithm, Arc<Keyring>)>,
}

struct RingKey {
    id: Box<[u8]>,
    secret: Zeroizing<Vec<u8>>,
    algorithm: Option<Algorithm>,
    life: KeyLife,
    at: Position,
}

impl Ring {
    /// Notes that the keys sign links of a scheme, and tells whether that is new; another scheme
    /// that they sign is an error.
    pub fn serve(
        &mut self,
        scheme: SchemeKind,
        at: &Position,
    ) -> Result<bool, (SchemeKind, Position)> {
        match &self.serves {
            Some((served, served_at)) if *served != scheme => Err((*served, served_at.clone())),
            Some(_) => Ok(false),
            None => {
                self.serves = Some((scheme, at.clone()));
                Ok(true)
            }
        }
    }

    /// The keys, with an algorithm for those that have none of their own.
    pub fn keyring(
        &mut self,
        scheme: SchemeKind,
        default: Algorithm,
    ) -> Result<Arc<Keyring>, KeyringError> {
        let is_same = |made: &&(SchemeKind, Algorithm, _)| made.0 == scheme && made.1 == default;
        if let Some((_, _, ring)) = self.made.iter().find(is_same) {
            return Ok(Arc::clone(ring));
        }
        let descriptions = self.keys.iter().map(|key| KeyDescription {
            id: &key.id,
            secret: &key.secret,
            algorithm: key.algorithm.unwrap_or(default),
            life: key.life,
        });
        let ring = Arc::new(Keyring::prefixed(scheme.key_prefix(), descriptions)?);
        self.made.push((scheme, default, Arc::clone(&ring)));
        Ok(ring)
    }

    /// A key whose algorithm a scheme does not have.
    pub fn misfit(&self, scheme: SchemeKind) -> Option<(&Position, &[u8], Algorithm)> {
        self.keys.iter().find_map(|key| {
            let algorithm = key.algorithm?;
            let fits = scheme.algorithms().contains(&algorithm);
            (!fits).then_some((&key.at, &*key.id, algorithm))
        })
    }

    /// The places of secrets and what tells one from others.
    pub fn digests(&self) -> impl Iterator<Item = (&Position, [u64; 4])> {
        self.keys.iter().map(|key| (&key.at, digest([key.secret.as_slice()].into_iter())))
    }

    /// The places and lengths of secrets that are too short for an enforced check.
    pub fn short_secrets(&self) -> impl Iterator<Item = (&Position, usize)> {
        self.keys
            .iter()
            .map(|key| (&key.at, key.secret.len()))
            .filter(|(_, len)| *len < MIN_SECRET_LEN)
    }
}

/// Reads `secure_link_hmac_keyring name { ... }`.
pub fn set_keyring(setting: &mut Setting<'_, '_>) -> Outcome {
    let name: Box<[u8]> = setting.arguments.first().copied().unwrap_or_default().into();
    if setting.conf.main()?.rings.iter().any(|ring| ring.name == name) {
        return refuse(format!("names the ring {} a second time: merge the two", quote(&name)));
    }
    let keys = RefCell::new(Vec::new());
    setting.conf.read_block(&|conf| {
        let words = conf.words();
        if let [b"include", _] = words.as_slice() {
            return conf.include();
        }
        let at = conf.position();
        let key = read_key(conf, &at, &words);
        // The second word may be a secret.
        drop(words);
        conf.wipe_word(1);
        match key {
            Ok(key) => {
                keys.borrow_mut().push(key);
                Ok(())
            }
            Err(Refusal::Logged) => Err(Failed),
            Err(refusal) => {
                Err(conf.error(&at, format_args!("\"secure_link_hmac_keyring\" {refusal}")))
            }
        }
    })?;
    let keys = keys.into_inner();
    if keys.is_empty() {
        return refuse(format!(
            "{} has no key: add a line such as \"acme file:keys/acme.key;\"",
            quote(&name)
        ));
    }
    let mut counts = HashMap::new();
    for key in &keys {
        let count = counts.entry(&key.id).or_insert(0);
        *count += 1;
        if *count > MAX_KEYS_TRIED {
            let text = format_args!(
                "\"secure_link_hmac_keyring\" has more than {MAX_KEYS_TRIED} keys for {}: remove \
                 retired ones",
                quote(&key.id)
            );
            return Err(setting.conf.error(&key.at, text).into());
        }
    }
    let ring = Ring { name, keys, serves: None, made: Vec::new() };
    setting.conf.main()?.rings.push(ring);
    Ok(())
}

/// How the second word of a line begins.
const SOURCES: [&str; 3] = ["file:", "hex:", "base64:"];

/// Reads a line: `id source [parameter ...]`.
fn read_key(conf: &Conf<'_>, at: &Position, words: &[&[u8]]) -> Result<RingKey, Refusal> {
    let [id, source, parameters @ ..] = words else {
        return refuse("has a line without a secret: write \"id file:path\"");
    };
    // A word in the wrong place may be the secret: none is shown before it is clear which one is,
    // and of the parameters none that is unknown.
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
    for parameter in parameters {
        let (name, value) = match parameter.iter().position(|&byte| byte == b'=') {
            Some(at) => parameter.split_at(at + 1),
            None => (*parameter, b"".as_slice()),
        };
        let is_new = match name {
            b"format=" => format.replace(key_format(Some(parameter))?).is_none(),
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
            b"not_before=" => life.not_before.replace(date(parameter, value)?).is_none(),
            b"not_after=" => life.not_after.replace(date(parameter, value)?).is_none(),
            b"issued_after=" => life.issued_after.replace(date(parameter, value)?).is_none(),
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
            return refuse(format!("has the parameter {} twice for {}", quote(name), quote(id)));
        }
    }
    // As values of their own: else the compiler compares what is not there, and then looks whether
    // it is, which a memory checker has to report.
    let first = black_box(life.not_before.unwrap_or(i64::MIN));
    let last = black_box(life.not_after.unwrap_or(i64::MAX));
    if first > last {
        return refuse(format!("has \"not_after\" before \"not_before\" for {}", quote(id)));
    }
    let secret = read_secret(conf, at, id, source, format)?;
    if secret.is_empty() {
        return refuse(format!("has an empty secret for {}", quote(id)));
    }
    Ok(RingKey { id: (*id).into(), secret, algorithm, life, at: at.clone() })
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

fn read_secret(
    conf: &Conf<'_>,
    at: &Position,
    id: &[u8],
    source: &[u8],
    format: Option<SecretFormat>,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if let Some(path) = source.strip_prefix(b"file:") {
        return read_key_file(
            conf,
            "secure_link_hmac_keyring",
            at,
            path,
            format.unwrap_or_default(),
        );
    }
    if format.is_some() {
        return refuse(format!("has \"format=\" for {}, which only \"file:\" takes", quote(id)));
    }
    let (format, text) = match source.strip_prefix(b"hex:") {
        Some(text) => (SecretFormat::Hex, text),
        None => (SecretFormat::Base64, source.strip_prefix(b"base64:").unwrap_or_default()),
    };
    format
        .decode(text)
        .or_else(|error| refuse(format!("cannot read the secret of {}: {error}", quote(id))))
}
