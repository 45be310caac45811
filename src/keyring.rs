//! `secure_link_hmac_keyring`: the lines of a ring, and the keyed state made of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use secure_link::{
    Algorithm, KeyDescription, KeyLife, Keyring, KeyringError, MAX_KEYS_TRIED, MIN_SECRET_LEN,
    SchemeKind, digest,
};
use secure_link_directives::{KeyLine, KeySource, Outcome, Refusal, quote, refuse};
use zeroize::Zeroizing;

use crate::directives::{Setting, read_key_file};
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

/// Reads a line: `id source [parameter ...]`.
fn read_key(conf: &mut Conf<'_>, at: &Position, words: &[&[u8]]) -> Result<RingKey, Refusal> {
    let KeyLine { id, source, algorithm, life } = KeyLine::read(words)?;
    let secret = match source {
        KeySource::File { path, format } => {
            read_key_file(conf, "secure_link_hmac_keyring", at, path, format)?
        }
        KeySource::Text { text, format } => format
            .decode(text)
            .or_else(|error| refuse(format!("cannot read the secret of {}: {error}", quote(id))))?,
    };
    if secret.is_empty() {
        return refuse(format!(
            "has an empty secret for {}: use at least {MIN_SECRET_LEN} random bytes, such as \
             \"openssl rand -hex 32\" prints",
            quote(id)
        ));
    }
    Ok(RingKey { id: id.into(), secret, algorithm, life, at: at.clone() })
}
