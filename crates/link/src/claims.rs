//! What an authentic credential says.

use crate::json;
use crate::request::Arena;
use crate::scheme::{edgeauth, sigv4};

/// The claims of a credential whose MAC was right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims<'a> {
    /// Id of the key that verified; empty for a secret without an id.
    pub key_id: &'a [u8],
    /// The position of that id in its [`Keyring`](crate::Keyring).
    pub key_place: Option<usize>,
    /// Whom the link was made for; empty if it does not say.
    pub subject: &'a [u8],
    /// What tells the link from all others: the first 32 bytes of its decoded MAC.
    pub link: [u64; 4],
    /// The expiry as the credential states it, unix time, without leeway; `None` if it does not
    /// expire.
    pub expires_at: Option<i64>,
    /// The text in which claims are looked up by their names.
    pub(crate) stated: Stated<'a>,
}

/// A text that states claims by their names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Stated<'a> {
    /// The scheme has no such claims.
    #[default]
    Nothing,
    /// The payload of a JWT.
    Json(&'a [u8]),
    /// Fields of an EdgeAuth token.
    Fields(edgeauth::Fields<'a>),
    /// A query string signed by AWS Signature Version 4.
    Arguments(&'a [u8]),
}

/// What a search for a claim has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Nothing,
    One(&'a [u8]),
    Several,
}

impl<'a> Found<'a> {
    /// Notes a claim that was looked for.
    pub(crate) fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Found::Nothing => Found::One(value),
            Found::One(_) | Found::Several => Found::Several,
        };
    }
}

impl<'a> Claims<'a> {
    /// The value of the claim that `name` stands for: its case is ignored, and its `_` stands for
    /// `-` too. `None` if there is no such claim, or if there are several.
    ///
    /// A string is unescaped; anything else of a JWT is JSON.
    pub fn named(&self, name: &[u8], arena: &'a dyn Arena) -> Option<&'a [u8]> {
        let is_like = |(wanted, byte): (&u8, &u8)| {
            wanted.eq_ignore_ascii_case(byte) || (*wanted == b'_' && *byte == b'-')
        };
        let is_wanted =
            |found: &[u8]| found.len() == name.len() && name.iter().zip(found).all(is_like);
        match self.find(arena, &is_wanted) {
            Found::One(json) if matches!(self.stated, Stated::Json(_)) => {
                Some(json::text_of(json, arena))
            }
            Found::One(value) => Some(value),
            Found::Nothing | Found::Several => None,
        }
    }

    /// Whether the claim of exactly this name has this value. Of arrays only `aud` can have one
    /// (RFC 7519, section 4.1.3).
    pub(crate) fn has(&self, name: &[u8], value: &[u8], arena: &'a dyn Arena) -> bool {
        match self.find(arena, &|found| found == name) {
            Found::One(json) if matches!(self.stated, Stated::Json(_)) => {
                json::is_value(json, value, name == b"aud", arena)
            }
            Found::One(found) => found == value,
            Found::Nothing | Found::Several => false,
        }
    }

    fn find(&self, arena: &'a dyn Arena, is_wanted: &dyn Fn(&[u8]) -> bool) -> Found<'a> {
        match self.stated {
            Stated::Nothing => Found::Nothing,
            Stated::Json(payload) => json::find(payload, arena, is_wanted),
            Stated::Fields(fields) => fields.find(arena, is_wanted),
            Stated::Arguments(query) => sigv4::find_argument(query, arena, is_wanted),
        }
    }
}
