//! What is demanded of a link, and the check of it.

use core::fmt;

use crate::claims::Claims;
use crate::keyring::Bounds;
use crate::request::{Mode, Request};
use crate::scheme::Scheme;
use crate::template::{Template, TemplateError, Variables};
use crate::verdict::{Check, Verdict};

/// What one place of a configuration demands of a link.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How a credential is written and what its MAC covers.
    pub scheme: Scheme,
    /// Seconds by which clocks may differ, 0 or more: added to the end of a link's validity, and
    /// allowed before its beginning.
    pub leeway: i64,
    /// Longest lifetime in seconds; 0 for no cap.
    pub max_lifetime: i64,
    /// The methods for which a link is good where its check is enforced.
    pub methods: Vec<Box<[u8]>>,
}

/// The span of time in which a link is good, as its credential says; unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Validity {
    /// When the link was issued, if it says so.
    pub issued_at: Option<i64>,
    /// Last second of validity; `None` if it does not expire.
    pub expires_at: Option<i64>,
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
    match &policy.scheme {
        Scheme::Template(scheme) => scheme.verify(policy, request, now),
    }
}

impl Policy {
    /// Judges the claims of an authentic link.
    pub(crate) fn judge<'a>(
        &self,
        request: &Request<'a>,
        validity: Validity,
        life: Bounds,
        claims: Claims<'a>,
        now: i64,
    ) -> Check<'a> {
        let verdict = if !life.admits_issue(validity.issued_at) {
            Verdict::Revoked
        } else if self.is_early(validity, now) {
            Verdict::Early
        } else if self.is_expired(validity, now) {
            Verdict::Expired
        } else if request.mode == Mode::Enforced && !self.admits(request.method) {
            Verdict::OutOfScope
        } else {
            Verdict::Granted
        };
        Check { verdict, claims: Some(claims), lifetime: &[] }
    }

    /// A future issue time is nobody's harm unless the lifetime counts from it or the operator
    /// said how far clocks may differ.
    fn is_early(&self, validity: Validity, now: i64) -> bool {
        (self.leeway > 0 || self.max_lifetime > 0)
            && validity.issued_at.is_some_and(|issued| issued > now.saturating_add(self.leeway))
    }

    fn is_expired(&self, validity: Validity, now: i64) -> bool {
        let Some(expires_at) = validity.expires_at else { return self.max_lifetime > 0 };
        let too_long = self.max_lifetime > 0
            && match validity.lifetime {
                Some(lifetime) => lifetime > self.max_lifetime,
                // Counted from now, so that the signer's clock matters: allow for it.
                None => {
                    expires_at > now.saturating_add(self.max_lifetime).saturating_add(self.leeway)
                }
            };
        too_long || expires_at.saturating_add(self.leeway) < now
    }

    fn admits(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|admitted| **admitted == *method)
    }
}

/// One value of a credential: `token[,time[,lifetime]]`.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The text as a whole.
    pub(crate) value: Template,
    pub(crate) token: Template,
    pub(crate) time: Option<Template>,
    pub(crate) lifetime: Option<Template>,
}

/// Why a text is not a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldsError {
    /// It is not a template.
    Template(TemplateError),
    /// It has more than the fields token, time and lifetime.
    TooMany,
}

impl core::error::Error for FieldsError {}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldsError::Template(error) => error.fmt(f),
            FieldsError::TooMany => {
                f.write_str("it has more than the three fields \"token,time,lifetime\"")
            }
        }
    }
}

impl Fields {
    /// Compiles a credential, which is split at the commas written in it.
    pub fn parse(text: &[u8], variables: &mut Variables) -> Result<Self, FieldsError> {
        let value = Template::parse(text, variables).map_err(FieldsError::Template)?;
        let mut parts = value.split(b',').into_iter();
        let token = parts.next().unwrap_or_default();
        let (time, lifetime) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(FieldsError::TooMany);
        }
        Ok(Fields { value, token, time, lifetime })
    }

    /// The text as a whole.
    pub fn value(&self) -> &Template {
        &self.value
    }

    /// The field that holds the time, if there is one.
    pub fn time(&self) -> Option<&Template> {
        self.time.as_ref()
    }

    /// The field that holds the lifetime, if there is one.
    pub fn lifetime(&self) -> Option<&Template> {
        self.lifetime.as_ref()
    }
}
