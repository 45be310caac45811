//! The precontent phase: a request that passed spends its use, and continues in another location.

use std::fmt::Write;

use secure_link::Verdict;
use secure_link_directives::Enforce;

use crate::access::log_denial;
use crate::check;
use crate::config::PassTarget;
use crate::ffi::{Level, LineBuffer, NotEvaluated, Request};
use crate::limit;

/// Where a request continues.
pub enum Handoff<'r> {
    /// Here.
    None,
    /// In the location of a path.
    Path { path: &'r [u8], args: &'r [u8] },
    /// In a named location.
    Named(&'r [u8]),
    /// Nowhere: another request has spent the link's last use; the HTTP status.
    Denied(u16),
    /// Nowhere; the reason is logged.
    Failed,
}

/// Decides where a request continues.
pub fn decide(request: Request<'_>) -> Handoff<'_> {
    if !request.is_main() {
        return Handoff::None;
    }
    check::note_passed_access(request);
    let conf = request.conf();
    match limit::spend(request) {
        Ok(Some(spent)) if spent.verdict() != Verdict::Granted => {
            log_denial(request, conf, Some(spent), spent.verdict());
            // Without memory for the note, the error page is checked like any other request.
            let _ = check::note_denial(request, spent.policy, Enforce::On);
            return Handoff::Denied(conf.status(spent.verdict()));
        }
        Ok(_) => {}
        Err(_) => return Handoff::Failed,
    }
    if conf.enforced() == Enforce::Off || matches!(conf.pass(), PassTarget::Off) {
        return Handoff::None;
    }
    let refused = check::is_refused_by_others(request)
        || conf.policy().is_some_and(|policy| check::is_after_denial(request, policy));
    if refused {
        return Handoff::None;
    }
    target(request, conf.pass()).unwrap_or(Handoff::Failed)
}

fn target<'r>(request: Request<'r>, pass: &'r PassTarget) -> Result<Handoff<'r>, NotEvaluated> {
    if check::was_handed_off(request) || check::is_bypassed(request)? {
        return Ok(Handoff::None);
    }
    let handoff = match pass {
        PassTarget::Off => return Ok(Handoff::None),
        PassTarget::Named(name) => Handoff::Named(name),
        PassTarget::Path { path, args } => {
            let path = request.complex(path)?;
            if let Some(fault) = fault_of(path) {
                log_fault(request, "path", path, fault);
                return Ok(Handoff::Failed);
            }
            let args = args.as_ref().map(|args| request.complex(args)).transpose()?;
            let args = args.unwrap_or_default();
            if args.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
                log_fault(request, "query string", args, "has a space or a control byte");
                return Ok(Handoff::Failed);
            }
            Handoff::Path { path, args }
        }
    };
    check::note_handoff(request)?;
    Ok(handoff)
}

/// What is wrong with a path, so that it could name a file that nobody meant.
fn fault_of(path: &[u8]) -> Option<&'static str> {
    if !path.starts_with(b"/") {
        Some("does not begin with \"/\"")
    } else if path.contains(&0) {
        Some("has a NUL byte")
    } else if path.split(|&byte| byte == b'/').any(|segment| segment == b"..") {
        Some("has a \"..\" segment")
    } else {
        None
    }
}

fn log_fault(request: Request<'_>, part: &str, text: &[u8], fault: &str) {
    let mut line = LineBuffer::new();
    let _ = write!(line, "secure_link_hmac: the {part} \"");
    let _ = line.push_escaped(text, fault.len() + " of \"secure_link_hmac_pass\" \"".len() + 1);
    let _ = write!(line, "\" of \"secure_link_hmac_pass\" {fault}");
    request.log(Level::Error, &line);
}
