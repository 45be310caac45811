//! The access phase: a verdict becomes a status.

use std::fmt::Write;

use secure_link::Verdict;
use secure_link_directives::Enforce;

use crate::check::{self, Checked};
use crate::config::LocConf;
use crate::ffi::{LineBuffer, Request};
use crate::limit;

/// What the access phase is told.
pub enum Access {
    /// The request is for others to decide about.
    Abstain,
    /// The link is good.
    Grant,
    /// It is not; the HTTP status.
    Deny(u16),
}

/// With `satisfy any`, the status with which nginx lets another method try.
const FORBIDDEN: u16 = 403;

/// Decides about a request.
pub fn decide(request: Request<'_>) -> Access {
    let conf = request.conf();
    let enforced = conf.enforced();
    if enforced == Enforce::Off || !request.is_main() {
        return Access::Abstain;
    }
    let Some(policy) = conf.policy() else { return Access::Abstain };
    let decided = check::is_bypassed(request).and_then(|bypassed| {
        if bypassed || check::is_settled(request, policy) {
            Ok(None)
        } else {
            check::deciding(request, policy)
                .and_then(|checked| limit::look(request, checked).map(Some))
        }
    });
    let verdict = match decided {
        Ok(None) => return Access::Abstain,
        Ok(Some(checked)) => {
            if checked.verdict() != Verdict::Granted {
                log_denial(request, conf, Some(checked), checked.verdict());
            }
            checked.verdict()
        }
        Err(_) => {
            log_denial(request, conf, None, Verdict::Unavailable);
            Verdict::Unavailable
        }
    };
    match (enforced, verdict) {
        (Enforce::On, Verdict::Granted) => Access::Grant,
        (_, Verdict::Granted) => Access::Abstain,
        (enforced, verdict) => {
            // Without memory for the note, the error page is checked like any other request.
            let _ = check::note_denial(request, policy, enforced);
            if enforced != Enforce::On {
                Access::Abstain
            } else if request.satisfies_any() {
                Access::Deny(FORBIDDEN)
            } else {
                Access::Deny(conf.status(verdict))
            }
        }
    }
}

/// Writes why a request is denied: the verdict, the key, and the message that should have been
/// signed.
pub fn log_denial(
    request: Request<'_>,
    conf: &LocConf,
    checked: Option<&Checked<'_>>,
    verdict: Verdict,
) {
    let level = conf.log_level();
    if !request.logs(level) {
        return;
    }
    let mut line = LineBuffer::new();
    let what = match conf.enforced() {
        Enforce::DryRun => "dry run, would deny",
        _ => "denied",
    };
    let _ = write!(line, "secure_link_hmac: {what}: verdict={}", verdict.word());
    let _ = line.write_str(" key=\"");
    let claims = checked.and_then(|checked| checked.check.claims);
    let _ = line.push_escaped(claims.map(|claims| claims.key_id).unwrap_or_default(), 1);
    let _ = line.write_str("\"");
    if let Some(checked) = checked
        && let Some(message) = checked.policy.message()
    {
        let _ = line.write_str(" message=\"");
        let mut pieces = message.pieces(checked.offered.inputs);
        // The first piece that does not fit ends the message.
        let _ = pieces.all(|piece| line.push_escaped(piece, 1));
        let _ = line.write_str("\"");
    }
    request.log(level, &line);
}
