//! Akamai's EdgeAuth tokens 2.0: fields `name=value` joined by `~`, of which the last is the MAC.

use core::fmt;

use super::{TokenPlace, find_token, has_control};
use crate::algorithm::Claimed;
use crate::claims::{Claims, Found, Stated};
use crate::glob;
use crate::key::Key;
use crate::keys::Keys;
use crate::link::SignedMessage;
use crate::network::Network;
use crate::percent::{self, Decoding, Escaping, Literals, unreserved};
use crate::policy::{Policy, Validity};
use crate::request::{Arena, Request};
use crate::signed::SignedText;
use crate::time;
use crate::verdict::{Check, Verdict};

/// Most patterns of an `acl`.
const MAX_PATTERNS: usize = 32;

/// The settings of the scheme.
#[derive(Clone)]
pub struct EdgeAuthScheme {
    /// Where a client may bring its token; the first one that is not empty counts.
    pub places: Vec<TokenPlace>,
    /// The keys.
    pub keys: Keys,
    /// A text that is signed besides.
    pub salt: Option<Box<[u8]>>,
    /// How the signer encodes values before it signs them, if it does (`escape_early`).
    pub escape: Option<Escape>,
}

impl fmt::Debug for EdgeAuthScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EdgeAuthScheme { places, keys, salt, escape } = self;
        f.debug_struct("EdgeAuthScheme")
            .field("places", places)
            .field("keys", keys)
            .field("salt", &salt.as_ref().map(|_| format_args!("redacted")))
            .field("escape", escape)
            .finish()
    }
}

/// How a signer encodes values before it signs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// As forms are encoded: a space is `+`. So Python's library does it.
    #[default]
    Form,
    /// As JavaScript's `encodeURIComponent` does it, and `~`, `'` and `*` as well.
    Component,
}

impl Escape {
    /// All values.
    pub const ALL: &[Escape] = &[Escape::Form, Escape::Component];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Escape::Form => "form",
            Escape::Component => "component",
        }
    }

    /// Encodes a path or a value so.
    pub fn escape(self, text: &[u8]) -> String {
        let mut escaped = String::new();
        self.escaping().escape_to(text.iter().copied(), &mut escaped);
        escaped
    }

    fn escaping(self) -> Escaping {
        const FORM: &Literals = &unreserved(b"", b"");
        const COMPONENT: &Literals = &unreserved(b"!()", b"~");
        match self {
            Escape::Form => Escaping { literals: FORM, space_is_plus: true, lower_case: true },
            Escape::Component => {
                Escaping { literals: COMPONENT, space_is_plus: false, lower_case: true }
            }
        }
    }

    fn decoding(self) -> Decoding {
        Decoding { plus_is_space: self == Escape::Form, lenient: false }
    }
}

/// The fields of a token before its MAC, as they are signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    text: &'a [u8],
    escape: Option<Escape>,
}

impl<'a> Fields<'a> {
    fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.text.split(|&byte| byte == b'~').map(|field| {
            let mut parts = field.splitn(2, |&byte| byte == b'=');
            (parts.next().unwrap_or_default(), parts.next())
        })
    }

    /// What a value says that signers encode.
    fn decode(self, value: &'a [u8], arena: &'a dyn Arena) -> Result<&'a [u8], Verdict> {
        match self.escape {
            Some(escape) => percent::decode(value, escape.decoding(), arena),
            None => Ok(value),
        }
    }

    /// Looks for a field of an authentic token.
    pub(crate) fn find(self, arena: &'a dyn Arena, is_wanted: &dyn Fn(&[u8]) -> bool) -> Found<'a> {
        let mut found = Found::Nothing;
        for (name, value) in self.iter().filter(|(name, _)| is_wanted(name)) {
            let value = value.unwrap_or_default();
            found.add(match name {
                b"ip" | b"id" | b"data" => self.decode(value, arena).unwrap_or_default(),
                _ => value,
            });
        }
        found
    }
}

/// What a token says.
#[derive(Default)]
struct Token<'a> {
    client: Option<&'a [u8]>,
    starts_at: Option<&'a [u8]>,
    expires_at: Option<&'a [u8]>,
    patterns: Option<&'a [u8]>,
    session: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl<'a> Token<'a> {
    /// Reads the fields, each of which may be there once; `None` for any other.
    fn read(fields: Fields<'a>) -> Option<Self> {
        let mut token = Token::default();
        for (name, value) in fields.iter() {
            let place = match name {
                b"ip" => &mut token.client,
                b"st" => &mut token.starts_at,
                b"exp" => &mut token.expires_at,
                b"acl" => &mut token.patterns,
                b"id" => &mut token.session,
                b"data" => &mut token.data,
                _ => return None,
            };
            if place.replace(value?).is_some() {
                return None;
            }
        }
        Some(token)
    }
}

impl EdgeAuthScheme {
    #[inline(never)]
    pub(crate) fn verify<'a>(
        &'a self,
        policy: &'a Policy,
        request: &Request<'a>,
        now: i64,
    ) -> Result<Check<'a>, Verdict> {
        let arena = request.arena;
        let (fields, tag) = self.fields(request)?;
        let token = Token::read(fields).ok_or(Verdict::Malformed)?;
        let number =
            |text: Option<&[u8]>| text.map(|text| time::seconds(text).ok_or(Verdict::Malformed));
        let starts_at = number(token.starts_at).transpose()?;
        let expires_at = number(token.expires_at).transpose()?.ok_or(Verdict::Malformed)?;
        let globs = match token.patterns {
            Some(patterns) => {
                let lenient = Decoding { lenient: true, ..Decoding::PATH };
                let patterns = percent::decode(patterns, lenient, arena)?;
                if globs(patterns).nth(MAX_PATTERNS).is_some() {
                    return Err(Verdict::Malformed);
                }
                Some(patterns)
            }
            None => None,
        };

        let url = match (globs, self.escape) {
            (Some(_), _) => None,
            (None, Some(escape)) => {
                let path = request.path.iter().map(|byte| Ok(*byte));
                Some(escape.escaping().escape(path, arena)?)
            }
            (None, None) => Some(request.sent_path().ok_or(Verdict::Malformed)?),
        };
        let message = message(fields.text, url, self.salt.as_deref());
        let link = SignedMessage { message: message.into_iter(), padded: None, tag: &tag };
        let key = self.keys.verify(request, None, &link, now)?;

        let client = match token.client {
            Some(client) => {
                let client = fields.decode(client, arena)?;
                Some(Network::parse(client).ok_or(Verdict::Malformed)?)
            }
            None => None,
        };
        let subject = match token.data.or(token.session) {
            Some(subject) => fields.decode(subject, arena)?,
            None => &[],
        };
        if has_control(subject) {
            return Err(Verdict::Malformed);
        }
        let validity = Validity {
            issued_at: starts_at,
            begins_at: starts_at,
            last_second: Some(expires_at),
            lifetime: starts_at.map(|from| expires_at - from),
            ..Validity::default()
        };
        let claims = Claims {
            key_id: key.id,
            key_place: key.place,
            subject,
            link: tag.words(),
            expires_at: Some(expires_at),
            stated: Stated::Fields(fields),
        };
        let is_in_scope = || {
            client.is_none_or(|client| client.contains(request.client.address()))
                && globs.is_none_or(|patterns| {
                    self::globs(patterns).any(|glob| glob::matches(glob, request.path))
                })
        };
        let verdict = policy.judge(request, validity, key.life, &claims, is_in_scope, now);
        Ok(Check::of(verdict, claims))
    }

    /// The fields of a request's token, and its MAC.
    #[inline]
    fn fields<'a>(&'a self, request: &Request<'a>) -> Result<(Fields<'a>, Claimed), Verdict> {
        let mut text = find_token(&self.places, request)?;
        // A token that is not encoded has an equals sign in each of its fields.
        if !text.contains(&b'=') {
            text = percent::decode(text, Decoding::QUERY, request.arena)?;
        }
        let (text, tag) = split(text).ok_or(Verdict::Malformed)?;
        Ok((Fields { text, escape: self.escape }, tag))
    }

    /// What the MAC covers. It ends with the name of the salt, if there is one, whose value is
    /// left out.
    pub(crate) fn signed_texts(&self, request: &Request<'_>) -> Result<Vec<SignedText>, Verdict> {
        let (fields, _) = self.fields(request)?;
        let has_patterns = fields.iter().any(|(name, _)| name == b"acl");
        let escaped = self.escape.map(|escape| escape.escape(request.path));
        let url = match (has_patterns, &escaped) {
            (true, _) => None,
            (false, Some(escaped)) => Some(escaped.as_bytes()),
            (false, None) => Some(request.sent_path().ok_or(Verdict::Malformed)?),
        };
        let salt = self.salt.as_ref().map(|_| &[][..]);
        let text = message(fields.text, url, salt).concat();
        Ok(vec![SignedText { name: "fields", text }])
    }
}

/// Splits a token into the fields that are signed and the MAC, which must be the last field.
fn split(token: &[u8]) -> Option<(&[u8], Claimed)> {
    const NAME: &[u8] = b"~hmac=";
    let at = token.windows(NAME.len()).rposition(|window| window == NAME)?;
    let (fields, mac) = token.split_at_checked(at)?;
    let mac = mac.get(NAME.len()..)?;
    let mut tag = Claimed::default();
    tag.fill(|bytes| {
        let len = mac.len() / 2;
        hex::decode_to_slice(mac, bytes.get_mut(..len)?).ok().map(|()| len)
    })?;
    Some((fields, tag))
}

fn globs(patterns: &[u8]) -> impl Iterator<Item = &[u8]> {
    patterns.split(|&byte| byte == b'!')
}

/// The pieces of what is signed.
fn message<'a>(fields: &'a [u8], url: Option<&'a [u8]>, salt: Option<&'a [u8]>) -> [&'a [u8]; 5] {
    let named = |name: &'static [u8], value| match value {
        Some(value) => (name, value),
        None => (&[][..], &[][..]),
    };
    let ((url_name, url), (salt_name, salt)) = (named(b"~url=", url), named(b"~salt=", salt));
    [fields, url_name, url, salt_name, salt]
}

/// Signs fields, which are joined as they are: with an `acl`, or for the URL that is given.
///
/// Returns `None` if a value has a `~`, which would begin another field.
pub fn sign(
    fields: &[(&str, &str)],
    url: Option<&str>,
    salt: Option<&str>,
    key: &Key,
) -> Option<String> {
    if fields.iter().any(|(_, value)| value.contains('~')) {
        return None;
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fields = fields.join("~");
    let message = message(fields.as_bytes(), url.map(str::as_bytes), salt.map(str::as_bytes));
    let tag = key.sign(message.into_iter());
    Some(format!("{fields}~hmac={}", hex::encode(tag.as_bytes())))
}
