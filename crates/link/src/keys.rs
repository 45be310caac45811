//! The keys of a policy: secrets of its own, or a ring.

use std::sync::Arc;

use crate::algorithm::Tag;
use crate::key::{NoKey, Secret};
use crate::keyring::{Bounds, Keyring, Tried};
use crate::link::Link;
use crate::request::Request;
use crate::template::Template;
use crate::verdict::Verdict;
use crate::{MAX_CREDENTIAL_LEN, MAX_KEY_ID_LEN, MAX_KEYS_TRIED};

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
    /// Whether the id that a credential carries chooses the key.
    pub(crate) fn are_chosen_by_credential(&self) -> bool {
        matches!(self, Keys::Ring { id: None, .. })
    }

    /// Whether the configuration says which id the key must have.
    pub(crate) fn have_written_id(&self) -> bool {
        matches!(self, Keys::Ring { id: Some(_), .. })
    }

    /// Whether a credential's own ids say nothing that is known here.
    pub(crate) fn have_no_ids(&self) -> bool {
        matches!(self, Keys::Secrets(_))
    }

    /// Looks for the key that signed a link. `claimed` is the id of the key that the credential
    /// itself names, of at most [`MAX_KEY_ID_LEN`] bytes.
    pub(crate) fn verify<'a>(
        &'a self,
        request: &Request<'a>,
        claimed: Option<&[u8]>,
        link: &impl Link,
        now: i64,
    ) -> Result<Verified<'a>, Verdict> {
        match self {
            Keys::Secrets(secrets) => verify_by_secrets(secrets, request, link),
            Keys::Ring { ring, id } => {
                let id = match (written_id(id.as_ref(), request)?, claimed) {
                    // No key has an empty id, so that two that differ are like an unknown one.
                    (Some(written), Some(claimed)) if written != claimed => Some(&[][..]),
                    (Some(written), _) => Some(written),
                    (None, claimed) => claimed,
                };
                if id.is_none() && ring.len() > MAX_KEYS_TRIED {
                    return Err(Verdict::Malformed);
                }
                match ring.verify(id, link, now) {
                    Tried::Verified(found) => {
                        Ok(Verified { id: found.id, place: Some(found.place), life: found.life })
                    }
                    Tried::Forged => Err(Verdict::Forged),
                    Tried::NoKey => Err(Verdict::UnknownKey),
                    Tried::Unfit => Err(Verdict::Malformed),
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

fn verify_by_secrets<'a>(
    secrets: &'a [Secret],
    request: &Request<'a>,
    link: &impl Link,
) -> Result<Verified<'a>, Verdict> {
    let mut verdict = Verdict::UnknownKey;
    for secret in secrets {
        if !link.fits(secret.algorithm()) {
            return Err(Verdict::Malformed);
        }
        match secret.with_key(request, |key| link.is_signed_by(key, true)) {
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
    match request.join(template, MAX_CREDENTIAL_LEN)? {
        id if id.len() > MAX_KEY_ID_LEN => Err(Verdict::Malformed),
        id => Ok(Some(id)),
    }
}
