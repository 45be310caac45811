//! The variables: one table from names to what they tell of a check.

use std::io::Write;

use secure_link::{Encoding, Verdict, without_arguments};

use crate::check::{self, Checked};
use crate::ffi::{NotEvaluated, Request, Value, now};

/// A variable of the module.
pub struct ModuleVariable {
    /// Its name, without the `$`.
    pub name: &'static str,
    /// What it tells.
    pub field: Field,
}

/// What a variable tells.
#[derive(Clone, Copy)]
pub enum Field {
    /// `1` granted, `0` expired.
    Outcome,
    /// The verdict's word.
    Status,
    /// The id of the key that verified.
    KeyId,
    /// Whom the link was made for.
    Subject,
    /// The lifetime as the request sent it.
    Lifetime,
    /// The last second of validity.
    ExpiresAt,
    /// The seconds left.
    Remaining,
    /// The uses counted so far.
    Uses,
    /// The query string without the credential.
    Args,
    /// A new token.
    Token,
}

/// All variables but those of claims.
pub const VARIABLES: &[ModuleVariable] = &[
    ModuleVariable { name: "secure_link_hmac", field: Field::Outcome },
    ModuleVariable { name: "secure_link_hmac_status", field: Field::Status },
    ModuleVariable { name: "secure_link_hmac_key_id", field: Field::KeyId },
    ModuleVariable { name: "secure_link_hmac_subject", field: Field::Subject },
    ModuleVariable { name: "secure_link_hmac_expires", field: Field::Lifetime },
    ModuleVariable { name: "secure_link_hmac_expires_at", field: Field::ExpiresAt },
    ModuleVariable { name: "secure_link_hmac_remaining", field: Field::Remaining },
    ModuleVariable { name: "secure_link_hmac_uses", field: Field::Uses },
    ModuleVariable { name: "secure_link_hmac_args", field: Field::Args },
    ModuleVariable { name: "secure_link_hmac_token", field: Field::Token },
];

/// Names of variables that hold a claim begin so.
pub const CLAIM_PREFIX: &str = "secure_link_hmac_claim_";

/// The value of a variable.
pub fn get(request: Request<'_>, field: Field) -> Result<Value<'_>, NotEvaluated> {
    match field {
        Field::Args => args(request),
        Field::Token => token(request),
        _ => match check::current(request)? {
            Some(checked) => of_check(request, checked, field),
            None => Ok(None),
        },
    }
}

/// The claim that a variable's name stands for.
pub fn claim<'r>(request: Request<'r>, name: &[u8]) -> Result<Value<'r>, NotEvaluated> {
    let Some(claims) = check::current(request)?.and_then(|checked| checked.check.claims) else {
        return Ok(None);
    };
    Ok(claims.named(name, request.kept()?).and_then(printable))
}

fn of_check<'r>(
    request: Request<'r>,
    checked: &Checked<'r>,
    field: Field,
) -> Result<Value<'r>, NotEvaluated> {
    let claims = checked.check.claims;
    let expires_at = claims.and_then(|claims| claims.expires_at);
    Ok(match field {
        Field::Outcome => match checked.verdict() {
            Verdict::Granted => Some(b"1"),
            Verdict::Expired => Some(b"0"),
            _ => None,
        },
        Field::Status => Some(checked.verdict().word().as_bytes()),
        Field::KeyId => claims.and_then(|claims| printable(claims.key_id)),
        Field::Subject => claims.and_then(|claims| printable(claims.subject)),
        Field::Lifetime => printable(checked.check.lifetime),
        Field::ExpiresAt => decimal(request, expires_at)?,
        Field::Remaining => decimal(request, expires_at.map(|at| at.saturating_sub(checked.now)))?,
        Field::Uses => {
            let uses = checked.uses.and_then(|uses| i64::try_from(uses).ok());
            decimal(request, uses)?
        }
        Field::Args | Field::Token => None,
    })
}

/// The text, unless it is empty or has a control byte, which could forge a header or a log line.
fn printable(text: &[u8]) -> Value<'_> {
    let control = |byte: &u8| byte.is_ascii_control();
    (!text.is_empty() && !text.iter().any(control)).then_some(text)
}

fn decimal(request: Request<'_>, number: Option<i64>) -> Result<Value<'_>, NotEvaluated> {
    let Some(number) = number else { return Ok(None) };
    let mut digits = [0; 20];
    let mut rest = digits.as_mut_slice();
    // The longest number, -2^63, has 20 characters.
    let _ = write!(rest, "{number}");
    let left = rest.len();
    keep(request, digits.get(..digits.len() - left).unwrap_or_default())
}

/// Copies a text into the request's pool.
fn keep<'r>(request: Request<'r>, text: &[u8]) -> Result<Value<'r>, NotEvaluated> {
    let kept = request.alloc(text.len(), 0).ok_or(NotEvaluated)?;
    kept.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    Ok(Some(kept))
}

fn args(request: Request<'_>) -> Result<Value<'_>, NotEvaluated> {
    let (args, policy) = check::checked_args(request);
    let Some(policy) = policy else { return Ok(printable(args)) };
    let rest = without_arguments(args, policy.credential_arguments());
    let len = rest.clone().map(|argument| argument.len() + 1).sum::<usize>();
    let kept = request.alloc(len.saturating_sub(1), b'&').ok_or(NotEvaluated)?;
    let mut room = kept.iter_mut();
    for argument in rest {
        argument.iter().zip(room.by_ref()).for_each(|(from, to)| *to = *from);
        room.next();
    }
    Ok(printable(kept))
}

fn token(request: Request<'_>) -> Result<Value<'_>, NotEvaluated> {
    let Some(policy) = request.conf().signing_policy() else { return Ok(None) };
    let Some((signing, offered)) = policy.signing(request)? else { return Ok(None) };
    let offer = request.kept()?.offer(&offered, secure_link::Mode::Advisory);
    match signing.sign(&offer, now()) {
        Some(tag) => {
            let mut text = [0; Encoding::MAX_LEN];
            keep(request, policy.encoding().encode(&tag, &mut text))
        }
        None => Ok(None),
    }
}
