//! Keys with an id and a life span.

use std::fmt;

use rustc_hash::FxHashMap;

use crate::algorithm::Algorithm;
use crate::key::Key;
use crate::link::Link;
use crate::{MAX_KEY_ID_LEN, MAX_KEYS_TRIED};

/// A key of a ring, as it is written in a configuration.
pub struct KeyDescription<'a> {
    /// Its id: 1 to [`MAX_KEY_ID_LEN`] bytes, printable ASCII without a space.
    pub id: &'a [u8],
    /// The secret.
    pub secret: &'a [u8],
    /// The algorithm.
    pub algorithm: Algorithm,
    /// When it may be used, and for which links.
    pub life: KeyLife,
}

/// When a key may be used, and for which links; unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLife {
    /// The first second in which the key may be used.
    pub not_before: Option<i64>,
    /// The last second in which the key may be used.
    pub not_after: Option<i64>,
    /// The first second in which a link may have been issued.
    pub issued_after: Option<i64>,
    /// Whether the key is withdrawn.
    pub revoked: bool,
}

/// The same as a check needs it.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    first: i64,
    last: i64,
    issued_after: i64,
    revoked: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        KeyLife::default().into()
    }
}

impl From<KeyLife> for Bounds {
    fn from(life: KeyLife) -> Self {
        Bounds {
            first: life.not_before.unwrap_or(i64::MIN),
            last: life.not_after.unwrap_or(i64::MAX),
            issued_after: life.issued_after.unwrap_or(i64::MIN),
            revoked: life.revoked,
        }
    }
}

impl Bounds {
    /// Whether the key may be used at a time.
    fn is_alive(&self, now: i64) -> bool {
        !self.revoked && self.first <= now && now <= self.last
    }

    /// Whether a link that was issued at this time, if it says so, is good with the key.
    pub(crate) fn admits_issue(&self, issued_at: Option<i64>) -> bool {
        issued_at.unwrap_or(i64::MIN) >= self.issued_after
    }
}

/// Why a ring cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyringError {
    /// An id is empty or longer than [`MAX_KEY_ID_LEN`].
    IdLength,
    /// An id has a byte that is not printable ASCII.
    IdByte,
    /// An id has more keys than are tried for a link.
    TooManyKeys,
}

impl std::error::Error for KeyringError {}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyringError::IdLength => {
                write!(f, "a key id has 1 to {MAX_KEY_ID_LEN} bytes")
            }
            KeyringError::IdByte => f.write_str("a key id is printable ASCII without spaces"),
            KeyringError::TooManyKeys => {
                write!(f, "a key id has at most {MAX_KEYS_TRIED} keys: remove retired ones")
            }
        }
    }
}

/// Keys by id. An id may have several live keys.
#[derive(Clone)]
pub struct Keyring {
    ids: Vec<RingId>,
    /// The positions of the ids. The hash is a plain one: a stranger asks for ids, but adds none.
    places: FxHashMap<Box<[u8]>, usize>,
    /// What is tried for an id that is not there, in the time that one takes: for each algorithm a
    /// key that verifies nothing.
    nobody: RingId,
    /// The most keys that an id has.
    most_keys: usize,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} ids, redacted)", self.ids.len())
    }
}

/// An id and its keys.
#[derive(Clone)]
struct RingId {
    id: Box<[u8]>,
    keys: Vec<RingKey>,
}

#[derive(Clone)]
struct RingKey {
    key: Key,
    life: Bounds,
}

/// The key that verified a link.
#[derive(Clone, Copy)]
pub(crate) struct Found<'k> {
    /// Its id.
    pub id: &'k [u8],
    /// The position of the id in the ring.
    pub place: usize,
    /// Its life.
    pub life: Bounds,
}

/// What came of trying the keys of a ring.
pub(crate) enum Tried<'k> {
    /// A live key verified the link.
    Verified(Found<'k>),
    /// No live key did.
    Forged,
    /// There is no live key.
    NoKey,
    /// No live key has an algorithm that could have made the MAC.
    Unfit,
}

impl Keyring {
    /// Makes a ring.
    pub fn new<'d>(
        keys: impl IntoIterator<Item = KeyDescription<'d>>,
    ) -> Result<Self, KeyringError> {
        Keyring::prefixed(b"", keys)
    }

    /// Makes a ring for a scheme that puts a text of its own before each secret.
    pub fn prefixed<'d>(
        prefix: &[u8],
        keys: impl IntoIterator<Item = KeyDescription<'d>>,
    ) -> Result<Self, KeyringError> {
        let mut ring = Keyring {
            ids: Vec::new(),
            places: FxHashMap::default(),
            nobody: RingId { id: (*b"").into(), keys: Vec::new() },
            most_keys: 0,
        };
        for description in keys {
            ring.add(prefix, description)?;
        }
        Ok(ring)
    }

    fn add(&mut self, prefix: &[u8], description: KeyDescription<'_>) -> Result<(), KeyringError> {
        let KeyDescription { id, secret, algorithm, life } = description;
        check_key_id(id)?;
        let place = *self.places.entry(id.into()).or_insert_with(|| {
            self.ids.push(RingId { id: id.into(), keys: Vec::new() });
            self.ids.len() - 1
        });
        let Some(entry) = self.ids.get_mut(place) else { return Ok(()) };
        if entry.keys.len() == MAX_KEYS_TRIED {
            return Err(KeyringError::TooManyKeys);
        }
        entry
            .keys
            .push(RingKey { key: Key::prefixed(algorithm, prefix, secret), life: life.into() });
        self.most_keys = self.most_keys.max(entry.keys.len());
        let decoys = &mut self.nobody.keys;
        if !decoys.iter().any(|decoy| decoy.key.algorithm() == algorithm) {
            let life = KeyLife { revoked: true, ..KeyLife::default() };
            decoys.push(RingKey { key: Key::new(algorithm, &[]), life: life.into() });
        }
        Ok(())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.ids.iter().map(|id| id.keys.len()).sum()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, each once, in the order in which they were first given.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.ids.iter().map(|id| &*id.id)
    }

    /// Looks for a live key of an id, or of any id, that verifies a link, among those whose
    /// algorithm fits it.
    pub(crate) fn verify(&self, id: Option<&[u8]>, link: &impl Link, now: i64) -> Tried<'_> {
        let (first, chosen, most) = match id {
            None => (0, &*self.ids, usize::MAX),
            Some(id) => {
                let place = self.places.get(id).copied();
                let entry = place.and_then(|place| self.ids.get(place)).unwrap_or(&self.nobody);
                (place.unwrap_or_default(), core::slice::from_ref(entry), self.most_keys)
            }
        };
        let mut tried = Tried::NoKey;
        let mut compared = 0;
        for (place, entry) in (first..).zip(chosen) {
            for RingKey { key, life } in &entry.keys {
                if !link.fits(key.algorithm()) {
                    if matches!(tried, Tried::NoKey) && life.is_alive(now) {
                        tried = Tried::Unfit;
                    }
                    continue;
                }
                // Nobody may have more than any id: one for each algorithm.
                if compared == most {
                    break;
                }
                // A key that may not be used is tried too, so that its state does not show in
                // the time that a refusal takes.
                compared += 1;
                let is_alive = life.is_alive(now);
                match (is_alive, link.is_signed_by(key, is_alive)) {
                    (true, true) => {
                        return Tried::Verified(Found { id: &entry.id, place, life: *life });
                    }
                    (true, false) => tried = Tried::Forged,
                    (false, _) => {}
                }
            }
        }
        // A refusal takes as many MACs whether the id is known or not, and however many keys it
        // has.
        let decoy = self.nobody.keys.iter().find(|decoy| link.fits(decoy.key.algorithm()));
        if let Some(decoy) = decoy.filter(|_| id.is_some()) {
            for _ in compared..most {
                let _ = link.is_signed_by(&decoy.key, false);
            }
        }
        tried
    }

    /// The first live key of an id, or of any id, which signs.
    pub(crate) fn signer(&self, id: Option<&[u8]>, now: i64) -> Option<&Key> {
        let mut keys: Box<dyn Iterator<Item = &RingKey>> = match id {
            Some(id) => Box::new(self.ids.get(*self.places.get(id)?)?.keys.iter()),
            None => Box::new(self.ids.iter().flat_map(|id| &id.keys)),
        };
        keys.find(|key| key.life.is_alive(now)).map(|key| &key.key)
    }
}

/// Checks that a text can be a key's id.
pub fn check_key_id(id: &[u8]) -> Result<(), KeyringError> {
    if id.is_empty() || id.len() > MAX_KEY_ID_LEN {
        return Err(KeyringError::IdLength);
    }
    if !id.iter().all(u8::is_ascii_graphic) {
        return Err(KeyringError::IdByte);
    }
    Ok(())
}
