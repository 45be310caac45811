//! A link as keys are tried with it: whatever can be verified by one.

use crate::algorithm::{Algorithm, Claimed};
use crate::hmac_sha256::PaddedMessage;
use crate::key::Key;

/// A link that a key may have signed.
pub(crate) trait Link {
    /// Whether a key of this algorithm could have signed it.
    fn fits(&self, algorithm: Algorithm) -> bool;

    /// Whether a key has signed it. The time it takes is the same for all keys that have not.
    /// Nothing is remembered of a key that is not live.
    fn is_signed_by(&self, key: &Key, is_live: bool) -> bool;
}

/// A MAC, and the message that it should be of.
pub(crate) struct SignedMessage<'t, M> {
    /// In pieces.
    pub message: M,
    /// The same message, if it is short and was put together before.
    pub padded: Option<&'t PaddedMessage>,
    pub tag: &'t Claimed,
}

impl<'p, M: Iterator<Item = &'p [u8]> + Clone> Link for SignedMessage<'_, M> {
    fn fits(&self, algorithm: Algorithm) -> bool {
        algorithm.tag_len() == self.tag.as_bytes().len()
    }

    fn is_signed_by(&self, key: &Key, _is_live: bool) -> bool {
        let (mac, tag) = (key.mac(), self.tag.as_bytes());
        match self.padded {
            Some(message) => mac.verify_padded(message, tag),
            None => mac.verify(self.message.clone(), tag),
        }
    }
}
