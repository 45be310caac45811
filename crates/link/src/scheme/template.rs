//! `token = ENCODING(HMAC(secret, message))`, where the operator says what the message is and
//! where the client puts the fields `token[,time[,lifetime]]`.

use std::sync::Arc;

use crate::MAX_CREDENTIAL_LEN;
use crate::algorithm::{Claimed, Tag};
use crate::claims::Claims;
use crate::encoding::Encoding;
use crate::fields::Fields;
use crate::hmac_sha256::PaddedMessage;
use crate::keys::Keys;
use crate::link::SignedMessage;
use crate::policy::{Policy, Validity};
use crate::request::{Mode, Request};
use crate::template::Template;
use crate::time;
use crate::verdict::{Check, Verdict};

/// The settings of the scheme.
#[derive(Clone, Debug)]
pub struct TemplateScheme {
    /// The values a client may bring; the first one whose token is not empty counts.
    pub credentials: Vec<Fields>,
    /// The message and its keys.
    pub signing: Arc<Signing>,
    /// How the token is written.
    pub encoding: Encoding,
    /// What the second field says.
    pub time: TimeField,
}

/// How tokens are made: a message and the secrets for it.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The text that is signed.
    pub message: Template,
    /// The keys that verify; the first one signs.
    pub keys: Keys,
}

impl Signing {
    /// The MAC of the message for a request, at a time in unix seconds; `None` if the first key is
    /// not usable for it.
    pub fn sign<'a>(&'a self, request: &Request<'a>, now: i64) -> Option<Tag> {
        self.keys.sign(request, self.message.pieces(request.inputs), now)
    }
}

/// What the second field of a credential says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeField {
    /// When the link was issued; a third field may hold its lifetime.
    #[default]
    Issued,
    /// When the link expires.
    Expires,
    /// The same as [`TimeField::Issued`], in hexadecimal unix seconds.
    IssuedHex,
    /// The same as [`TimeField::Expires`], in hexadecimal unix seconds.
    ExpiresHex,
}

impl TimeField {
    /// All values.
    pub const ALL: &[TimeField] =
        &[TimeField::Issued, TimeField::Expires, TimeField::IssuedHex, TimeField::ExpiresHex];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            TimeField::Issued => "issued",
            TimeField::Expires => "expires",
            TimeField::IssuedHex => "issued_hex",
            TimeField::ExpiresHex => "expires_hex",
        }
    }

    /// Finds a value by its name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.name().as_bytes() == name)
    }

    /// Whether the time is the end of the link's validity, so that a lifetime has no place.
    pub const fn is_expiry(self) -> bool {
        matches!(self, TimeField::Expires | TimeField::ExpiresHex)
    }

    fn parse(self, field: &[u8]) -> Option<i64> {
        match self {
            TimeField::Issued | TimeField::Expires => time::timestamp(field),
            TimeField::IssuedHex | TimeField::ExpiresHex => time::hex_timestamp(field),
        }
    }

    /// The validity that the fields give; `None` if one of them cannot be read.
    fn validity(self, time: Option<&[u8]>, lifetime: Option<&[u8]>) -> Option<Validity> {
        let Some(time) = time else { return Some(Validity::default()) };
        let time = self.parse(time)?;
        match lifetime {
            Some(_) if self.is_expiry() => None,
            None if self.is_expiry() => {
                Some(Validity { last_second: Some(time), ..Validity::default() })
            }
            None => Some(Validity { issued_at: Some(time), ..Validity::default() }),
            Some(lifetime) => {
                let lifetime = time::seconds(lifetime)?;
                let expires_at = time.checked_add(lifetime)?;
                let endless = lifetime == 0;
                Some(Validity {
                    issued_at: Some(time),
                    last_second: (!endless).then_some(expires_at),
                    lifetime: (!endless).then_some(lifetime),
                    ..Validity::default()
                })
            }
        }
    }
}

/// The fields that a request brought.
#[derive(Clone, Copy)]
struct Presented<'a> {
    token: &'a [u8],
    time: Option<&'a [u8]>,
    lifetime: Option<&'a [u8]>,
    /// Whether the token is empty, so that there is no credential.
    is_missing: bool,
}

impl<'a> Presented<'a> {
    /// Splits a whole value at its commas: `token[,time[,lifetime]]`.
    fn split(value: &'a [u8]) -> Self {
        let (token, rest) = split_once(value, 0);
        let (time, lifetime) = match rest {
            None => (None, None),
            Some(rest) => {
                let (time, lifetime) = split_once(rest, time::weekday_len(rest));
                (Some(time), lifetime)
            }
        };
        Presented { token, time, lifetime, is_missing: false }
    }

    /// The verdict if a field cannot be read.
    fn unreadable(&self) -> Verdict {
        if self.is_missing { Verdict::Missing } else { Verdict::Malformed }
    }
}

/// Splits at the first comma from `start` on.
fn split_once(text: &[u8], start: usize) -> (&[u8], Option<&[u8]>) {
    let comma = text.iter().skip(start).position(|&byte| byte == b',');
    match comma.and_then(|at| text.split_at_checked(start + at)) {
        Some((before, after)) => (before, after.get(1..)),
        None => (text, None),
    }
}

impl TemplateScheme {
    pub(crate) fn verify<'a>(
        &'a self,
        policy: &'a Policy,
        request: &Request<'a>,
        now: i64,
    ) -> Check<'a> {
        let mut check = Check::denied(Verdict::Missing);
        check.verdict = self.find(policy, request, now, &mut check).unwrap_or_else(|denied| denied);
        check
    }

    /// Finds the verdict, and fills in what the link says.
    #[inline]
    fn find<'a>(
        &'a self,
        policy: &'a Policy,
        request: &Request<'a>,
        now: i64,
        check: &mut Check<'a>,
    ) -> Result<Verdict, Verdict> {
        let message = self.signing.message.pieces(request.inputs);
        // Early: its MAC is made once the token is decoded.
        let mut padded = PaddedMessage::default();
        let padded = padded.fill(message.clone());

        let presented = self.presented(request)?.ok_or(Verdict::Missing)?;
        let mut validity = self
            .time
            .validity(presented.time, presented.lifetime)
            .ok_or_else(|| presented.unreadable())?;
        // A lifetime that can be read is told whatever the token is, as the C module does it.
        check.lifetime = presented.lifetime.unwrap_or_default();
        if presented.is_missing {
            return Err(Verdict::Missing);
        }
        let mut tag = Claimed::default();
        self.encoding.decode(presented.token, &mut tag).ok_or(Verdict::Malformed)?;

        let link = SignedMessage { message, padded, tag: &tag };
        let key = self.signing.keys.verify(request, None, &link, now)?;
        let claims = check.claims.insert(Claims {
            key_id: key.id,
            key_place: key.place,
            link: tag.words(),
            expires_at: validity.last_second,
            ..Claims::default()
        });
        // A future issue time is nobody's harm unless the lifetime counts from it or the operator
        // said how far clocks may differ.
        if policy.leeway() > 0 || policy.max_lifetime > 0 {
            validity.begins_at = validity.issued_at;
        }
        Ok(policy.judge(request, validity, key.life, claims, || true, now))
    }

    /// Finds the credential, no longer than [`MAX_CREDENTIAL_LEN`]; without a token it is the first
    /// one, for what it says of the lifetime.
    fn presented<'a>(&'a self, request: &Request<'a>) -> Result<Option<Presented<'a>>, Verdict> {
        let inputs = request.inputs;
        let given = self.credentials.iter().find(|fields| !fields.token().is_empty(inputs));
        let Some(fields) = given.or(self.credentials.first()) else { return Ok(None) };
        let is_missing = given.is_none();
        let join = |template: &'a Template| request.join(template, MAX_CREDENTIAL_LEN);
        let presented = match request.mode {
            Mode::Advisory => Presented::split(join(fields.value())?),
            Mode::Enforced => Presented {
                token: join(fields.token())?,
                time: fields.time().map(join).transpose()?,
                lifetime: fields.lifetime().map(join).transpose()?,
                is_missing: false,
            },
        };
        // Together with the commas between them.
        let further = [presented.time, presented.lifetime].into_iter().flatten();
        if further.fold(presented.token.len(), |len, field| len + 1 + field.len())
            > MAX_CREDENTIAL_LEN
        {
            return Err(Verdict::Malformed);
        }
        Ok(Some(Presented { is_missing, ..presented }))
    }
}
