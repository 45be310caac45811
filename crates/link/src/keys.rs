//! The keys of a policy: secrets of its own, or a ring.

use std::sync::Arc;

use crate::algorithm::Tag;
use crate::key::{NoKey, Secret};
use crate::keyring::{Bounds, Keyring, Tried};
use crate::request::{JoinError, Request};
use crate::template::Template;
use crate::verdict::Verdict;
use crate::{MAX_CREDENTIAL_LEN, MAX_KEY_ID_LEN};

/// The keys that may verify a link.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Secrets without ids: each is tried, and the first one signs. All have one algorithm.
    Secrets(Vec<Secret>),
    /// Keys of a ring.
    Ring {
        /// The ring.
        ring: Arc<Keyring>,
        /// The id that a key must have. Without it, the keys are tried in turn.
        id: Option<Template>,
    },
}

/// The key that verified a link.
#[derive(Clone, Copy, Default)]
pub(crate) struct Verified<'a> {
    /// Its id; empty for a secret without one.
    pub id: &'a [u8],
    /// The position of the id in its ring.
    pub place: Option<usize>,
    /// Its life.
    pub life: Bounds,
}

impl Keys {
    /// Looks for a key whose MAC of a message is `tag`.
    pub(crate) fn verify<'a, M>(
        &'a self,
        request: &Request<'a>,
        message: impl Fn() -> M,
        tag: &Tag,
        now: i64,
    ) -> Result<Verified<'a>, Verdict>
    where
        M: Iterator<Item = &'a [u8]>,
    {
        match self {
            Keys::Secrets(secrets) => verify_by_secrets(secrets, request, message, tag),
            Keys::Ring { ring, id } => {
                let id = written_id(id.as_ref(), request)?;
                match ring.verify(id, message, tag, now) {
                    Tried::Verified(found) => {
                        Ok(Verified { id: found.id, place: Some(found.place), life: found.life })
                    }
                    Tried::Forged => Err(Verdict::Forged),
                    Tried::NoKey => Err(Verdict::UnknownKey),
                    Tried::WrongLength => Err(Verdict::Malformed),
                }
            }
        }
    }

    /// The MAC of a message by the first key; `None` if that is not usable for the request.
    pub(crate) fn sign<'a>(
        &'a self,
        request: &Request<'a>,
        message: impl Iterator<Item = &'a [u8]>,
        now: i64,
    ) -> Option<Tag> {
        match self {
            Keys::Secrets(secrets) => {
                secrets.first()?.with_key(request, |key| key.sign(message)).ok()
            }
            Keys::Ring { ring, id } => {
                let id = written_id(id.as_ref(), request).ok()?;
                ring.signer(id, now).map(|key| key.sign(message))
            }
        }
    }
}

fn verify_by_secrets<'a, M>(
    secrets: &'a [Secret],
    request: &Request<'a>,
    message: impl Fn() -> M,
    tag: &Tag,
) -> Result<Verified<'a>, Verdict>
where
    M: Iterator<Item = &'a [u8]>,
{
    let mut verdict = Verdict::UnknownKey;
    for secret in secrets {
        if secret.algorithm().tag_len() != tag.as_bytes().len() {
            return Err(Verdict::Malformed);
        }
        match secret.with_key(request, |key| key.verify(message(), tag)) {
            Err(NoKey::NoMemory) => return Err(Verdict::Unavailable),
            Err(NoKey::Unusable) => {}
            Ok(false) => verdict = Verdict::Forged,
            Ok(true) => return Ok(Verified::default()),
        }
    }
    Err(verdict)
}

/// The id that the configuration demands for a request, if it does. An empty one is that of no
/// key.
fn written_id<'a>(
    id: Option<&'a Template>,
    request: &Request<'a>,
) -> Result<Option<&'a [u8]>, Verdict> {
    let Some(template) = id else { return Ok(None) };
    let id = template.join(request.inputs, request.arena, MAX_CREDENTIAL_LEN);
    match id {
        Ok(id) if id.len() > MAX_KEY_ID_LEN => Err(Verdict::Malformed),
        Ok(id) => Ok(Some(id)),
        Err(JoinError::TooLong) => Err(Verdict::Malformed),
        Err(JoinError::NoMemory) => Err(Verdict::Unavailable),
    }
}
