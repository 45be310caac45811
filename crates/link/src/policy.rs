//! What is demanded of a link, and the check of it.

use crate::MAX_CREDENTIAL_LEN;
use crate::claims::Claims;
use crate::keyring::Bounds;
use crate::request::{Mode, Request};
use crate::scheme::Scheme;
use crate::template::Template;
use crate::verdict::{Check, Verdict};

/// What one place of a configuration demands of a link.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How a credential is written and what its MAC covers.
    pub scheme: Scheme,
    /// Seconds by which clocks may differ, 0 or more: added to the end of a link's validity, and
    /// allowed before its beginning. `None` is 0, but for the beginning it is what the scheme's
    /// signers need.
    pub leeway: Option<i64>,
    /// Longest lifetime in seconds; 0 for no cap.
    pub max_lifetime: i64,
    /// The methods for which a link is good where its check is enforced.
    pub methods: Vec<Box<[u8]>>,
    /// What the claims must say.
    pub requirements: Vec<Requirement>,
}

/// A claim that a link must have.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// Its name, exactly.
    pub name: Box<[u8]>,
    /// Its value. An empty one is that of no link.
    pub value: Template,
}

/// The span of time in which a link is good, as its credential says; unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Validity {
    /// When the link was issued, if it says so.
    pub issued_at: Option<i64>,
    /// The first second of validity.
    pub begins_at: Option<i64>,
    /// Seconds by which it may begin earlier where the operator has not said so.
    pub default_leeway: i64,
    /// Last second of validity; `None` if it does not expire.
    pub last_second: Option<i64>,
    /// Seconds from issue to expiry, if the credential gives them.
    pub lifetime: Option<i64>,
}

/// Checks the link of a request at a time in unix seconds.
///
/// The order is fixed: bound the length, parse, choose the key, verify the MAC in constant time,
/// and only then look at the claims. Whatever goes wrong, the verdict is not
/// [`Verdict::Granted`].
pub fn verify<'a>(policy: &'a Policy, request: &Request<'a>, now: i64) -> Check<'a> {
    if request.repeated_argument {
        return Check::denied(Verdict::Malformed);
    }
    let check = match &policy.scheme {
        Scheme::Template(scheme) => return scheme.verify(policy, request, now),
        Scheme::Jwt(scheme) => scheme.verify(policy, request, now),
        Scheme::EdgeAuth(scheme) => scheme.verify(policy, request, now),
        Scheme::SigV4(scheme) => scheme.verify(policy, request, now),
    };
    check.unwrap_or_else(Check::denied)
}

impl Policy {
    /// Seconds by which clocks may differ, if the operator has said so.
    pub(crate) fn leeway(&self) -> i64 {
        self.leeway.unwrap_or(0)
    }

    /// Judges the claims of an authentic link; `is_in_scope` tells whether the scheme's own hold.
    #[inline]
    pub(crate) fn judge<'a>(
        &'a self,
        request: &Request<'a>,
        validity: Validity,
        life: Bounds,
        claims: &Claims<'a>,
        is_in_scope: impl FnOnce() -> bool,
        now: i64,
    ) -> Verdict {
        if !life.admits_issue(validity.issued_at) {
            Verdict::Revoked
        } else if self.is_early(validity, now) {
            Verdict::Early
        } else if self.is_expired(validity, now) {
            Verdict::Expired
        } else if request.mode == Mode::Enforced && !self.admits(request.method)
            || !is_in_scope()
            || !self.requirements.iter().all(|requirement| requirement.holds(request, claims))
        {
            Verdict::OutOfScope
        } else {
            Verdict::Granted
        }
    }

    fn is_early(&self, validity: Validity, now: i64) -> bool {
        let leeway = self.leeway.unwrap_or(validity.default_leeway);
        validity.begins_at.is_some_and(|begins_at| begins_at > now.saturating_add(leeway))
    }

    fn is_expired(&self, validity: Validity, now: i64) -> bool {
        let Some(last_second) = validity.last_second else { return self.max_lifetime > 0 };
        let too_long = self.max_lifetime > 0
            && match validity.lifetime {
                Some(lifetime) => lifetime > self.max_lifetime,
                // Counted from now, so that the signer's clock matters: allow for it.
                None => {
                    let cap = now.saturating_add(self.max_lifetime);
                    last_second > cap.saturating_add(self.leeway())
                }
            };
        too_long || last_second.saturating_add(self.leeway()) < now
    }

    fn admits(&self, method: &[u8]) -> bool {
        // Names of a few bytes are sooner compared than handed to a function that does.
        let is = |admitted: &[u8]| {
            admitted.len() == method.len() && admitted.iter().zip(method).all(|(a, b)| a == b)
        };
        self.methods.iter().any(|admitted| is(admitted))
    }

    /// Whether a claim of this name is demanded.
    pub(crate) fn requires(&self, name: &[u8]) -> bool {
        self.requirements.iter().any(|requirement| *requirement.name == *name)
    }
}

impl Requirement {
    fn holds<'a>(&'a self, request: &Request<'a>, claims: &Claims<'a>) -> bool {
        match request.join(&self.value, MAX_CREDENTIAL_LEN) {
            Ok(value) => !value.is_empty() && claims.has(&self.name, value, request.arena),
            Err(_) => false,
        }
    }
}
