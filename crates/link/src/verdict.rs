//! The closed set of outcomes of a check.

use crate::claims::Claims;

macro_rules! verdicts {
    ($($(#[doc = $doc:literal])* $variant:ident $word:literal $status:expr;)*) => {
        /// The one word that is the outcome of a check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Verdict {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Verdict {
            /// All verdicts, in the order of their discriminants.
            pub const ALL: &[Verdict] = &[$(Verdict::$variant),*];

            /// The word used by variables, logs and metrics.
            pub const fn word(self) -> &'static str {
                match self { $(Verdict::$variant => $word,)* }
            }

            /// The HTTP status of a denial; `None` for [`Verdict::Granted`].
            pub const fn default_status(self) -> Option<u16> {
                match self { $(Verdict::$variant => $status,)* }
            }
        }
    };
}

verdicts! {
    /// The MAC is right and every claim holds.
    Granted "granted" None;
    /// The request carries no credential.
    Missing "missing" Some(403);
    /// The credential cannot be read.
    Malformed "malformed" Some(403);
    /// No key that may verify it: unknown, revoked, outside its life span or not usable.
    UnknownKey "unknown_key" Some(403);
    /// The MAC is wrong.
    Forged "forged" Some(403);
    /// Authentic, but not valid yet.
    Early "early" Some(403);
    /// Authentic, but too old, or its lifetime is longer than the policy allows.
    Expired "expired" Some(410);
    /// Authentic, but for another path, client, method, host or required claim.
    OutOfScope "out_of_scope" Some(403);
    /// Authentic, but withdrawn.
    Revoked "revoked" Some(403);
    /// Authentic, but its uses or its quota are spent.
    Exhausted "exhausted" Some(410);
    /// A limit could not be checked.
    Unavailable "unavailable" Some(503);
}

impl Verdict {
    /// Finds the verdict of a word.
    pub fn from_word(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.word().as_bytes() == word)
    }
}

/// The outcome of a check, and what an authentic credential says.
#[derive(Clone, Copy, Debug)]
pub struct Check<'a> {
    /// The outcome.
    pub verdict: Verdict,
    /// What the credential says; `None` unless the MAC was right.
    pub claims: Option<Claims<'a>>,
    /// The lifetime as the request sent it, authentic or not; empty if none.
    pub lifetime: &'a [u8],
}

impl<'a> Check<'a> {
    /// A check that ended before the MAC was found right.
    pub const fn denied(verdict: Verdict) -> Self {
        Check { verdict, claims: None, lifetime: &[] }
    }

    /// The check of an authentic credential.
    pub(crate) const fn of(verdict: Verdict, claims: Claims<'a>) -> Self {
        Check { verdict, claims: Some(claims), lifetime: &[] }
    }

    /// Withdraws an authentic link; any other check stays as it is.
    pub fn revoke(&mut self) {
        if self.claims.is_some() {
            self.verdict = Verdict::Revoked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_discriminants_are_the_position_in_all() {
        for (at, &verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(verdict as usize, at);
            assert_eq!(Verdict::from_word(verdict.word().as_bytes()), Some(verdict));
        }
        assert_eq!(Verdict::from_word(b"Granted"), None);
    }

    #[test]
    fn only_a_grant_has_no_status() {
        for &verdict in Verdict::ALL {
            assert_eq!(verdict.default_status().is_none(), verdict == Verdict::Granted);
        }
    }
}
