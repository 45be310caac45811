//! Keys, and which of them may verify a link.

use std::sync::Arc;

use secure_link::{
    Algorithm, Key, KeyDescription, KeyLife, Keyring, Keys, SchemeKind, Secret, Template,
    Variables, Verdict,
};

use crate::{Input, oracle};

pub struct ModelKey {
    pub id: &'static str,
    pub secret: Vec<u8>,
    pub algorithm: Algorithm,
    life: KeyLife,
}

pub struct ModelKeys {
    pub kind: SchemeKind,
    pub all: Vec<ModelKey>,
    pub is_ring: bool,
    /// The id that the configuration demands.
    pub written: Option<&'static str>,
}

impl ModelKey {
    pub fn mac(&self, message: &[u8]) -> Vec<u8> {
        oracle::mac(self.algorithm.name(), &self.secret, message)
    }

    /// Whether links issued then are good with the key.
    pub fn admits_issue(&self, issued_at: Option<i64>) -> bool {
        self.life.issued_after.is_none_or(|after| issued_at.is_some_and(|at| at >= after))
    }

    fn is_alive(&self, now: i64) -> bool {
        !self.life.revoked
            && self.life.not_before.is_none_or(|first| first <= now)
            && self.life.not_after.is_none_or(|last| now <= last)
    }
}

impl ModelKeys {
    /// How many choices the keys take.
    pub const CHOICES: usize = 5;

    pub fn make(input: &mut Input<'_>, kind: SchemeKind, now: i64) -> Self {
        let mode = input.byte() % 4;
        let [first, second] = [(); 2].map(|()| input.pick(kind.algorithms()));
        let (bounds, near) = (input.byte(), now.saturating_add(input.small()));
        let bound = |shift: u8| (bounds >> shift & 3 == 1).then_some(near);
        let life = KeyLife {
            not_before: bound(0),
            not_after: bound(2),
            issued_after: bound(4),
            revoked: bounds >> 6 == 3,
        };
        let key = |id, secret: &str, algorithm, life| {
            // One of the secrets is longer than any block of a hash.
            let secret = secret.repeat(if id == "k2" { 6 } else { 1 }).into_bytes();
            ModelKey { id, secret, algorithm, life }
        };
        let none = KeyLife::default();
        let (a, b, c) = (
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
            "0000000000000000",
        );
        let all = match mode {
            0 => vec![key("", a, first, none)],
            1 => vec![key("", a, first, none), key("", b, first, none)],
            _ => vec![
                key("k1", a, first, life),
                key("k2", b, second, none),
                key("k1", c, first, none),
            ],
        };
        ModelKeys { kind, all, is_ring: mode > 1, written: (mode == 3).then_some("k1") }
    }

    /// The same keys as the engine has them.
    pub fn keys(&self) -> Keys {
        let prefix = self.kind.key_prefix();
        if !self.is_ring {
            let key = |key: &ModelKey| Key::prefixed(key.algorithm, prefix, &key.secret);
            return Keys::Secrets(
                self.all.iter().map(|k| Secret::Fixed(Box::new(key(k)))).collect(),
            );
        }
        let keys = self.all.iter().map(|key| KeyDescription {
            id: key.id.as_bytes(),
            secret: &key.secret,
            algorithm: key.algorithm,
            life: key.life,
        });
        let ring = Keyring::prefixed(prefix, keys).expect("a ring");
        let template = |id: &str| {
            Template::parse(id.as_bytes(), &mut Variables::default()).expect("a literal")
        };
        Keys::Ring { ring: Arc::new(ring), id: self.written.map(template) }
    }

    /// The key that signed a link which says that `claimed` did.
    pub fn verify(
        &self,
        claimed: Option<&str>,
        fits: impl Fn(Algorithm) -> bool,
        is_signed: impl Fn(&ModelKey) -> bool,
        now: i64,
    ) -> Result<&ModelKey, Verdict> {
        let id = match (self.written, claimed) {
            (Some(written), Some(claimed)) if written != claimed => {
                return Err(Verdict::UnknownKey);
            }
            (written, claimed) => written.or(claimed).filter(|_| self.is_ring),
        };
        let live: Vec<_> = self
            .all
            .iter()
            .filter(|key| id.is_none_or(|id| key.id == id) && key.is_alive(now))
            .collect();
        let fitting: Vec<_> = live.iter().filter(|key| fits(key.algorithm)).collect();
        if let Some(key) = fitting.iter().find(|key| is_signed(key)) {
            return Ok(key);
        }
        Err(match (live.is_empty(), fitting.is_empty()) {
            (true, _) => Verdict::UnknownKey,
            (false, true) => Verdict::Malformed,
            (false, false) => Verdict::Forged,
        })
    }
}
