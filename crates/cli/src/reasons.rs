//! Why a link has its verdict, and what would change it.
//!
//! Nothing here judges a link: the engine is asked again, with one thing changed, and what it says
//! then tells which thing it was.

mod forged;
mod key;
mod malformed;
mod scope;
mod time;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secure_link::{Fields, Scheme, TokenPlace, Verdict};

use crate::case::Case;
use crate::settings::Settings;
use crate::url::decode;

/// The reasons of a verdict.
#[derive(Default)]
pub struct Reasons {
    pub why: Vec<String>,
    pub change: Vec<String>,
}

impl Reasons {
    /// Finds them.
    pub fn find(case: &Case, settings: &Settings) -> Self {
        let mut reasons = Reasons::default();
        match case.verdict() {
            Verdict::Granted => reasons.why("The MAC is right, and every claim holds."),
            Verdict::Missing => reasons.missing(case, settings),
            Verdict::Malformed => reasons.malformed(case, settings),
            Verdict::UnknownKey => reasons.unknown_key(case, settings),
            Verdict::Forged => reasons.forged(case, settings),
            Verdict::Early => reasons.early(case, settings),
            Verdict::Expired => reasons.expired(case, settings),
            Verdict::OutOfScope => reasons.out_of_scope(case, settings),
            Verdict::Revoked => reasons.revoked(case, settings),
            // What nginx has counted is not known here.
            Verdict::Exhausted | Verdict::Unavailable => {}
        }
        reasons
    }

    fn why(&mut self, text: impl Into<String>) {
        self.why.push(text.into());
    }

    fn change(&mut self, text: impl Into<String>) {
        self.change.push(text.into());
    }

    fn missing(&mut self, case: &Case, settings: &Settings) {
        let tokens: Vec<_> = match &case.compiled.policy.scheme {
            Scheme::Template(scheme) => scheme.credentials.iter().map(Fields::token).collect(),
            Scheme::Jwt(scheme) => scheme.places.iter().map(TokenPlace::value).collect(),
            Scheme::EdgeAuth(scheme) => scheme.places.iter().map(TokenPlace::value).collect(),
            Scheme::SigV4(_) => {
                self.why("The query string has none of the X-Amz- arguments of a presigned URL.");
                return;
            }
        };
        let names = tokens.iter().flat_map(|token| case.compiled.variables_of(token));
        let mut names: Vec<_> = names.map(ToString::to_string).collect();
        names.dedup();
        self.why(format!(
            "The request brings no token: what was looked at is {}.",
            names.join(", ")
        ));
        let name = settings.origin.name("credential");
        self.change(format!("Put the token where {name} says, or say with {name} where it is."));
    }
}

/// The decoded values of an argument.
fn query_values(query: &str, name: &str) -> Vec<String> {
    let arguments = query.split('&').map(|text| text.split_once('=').unwrap_or((text, "")));
    let values = arguments.filter(|(found, _)| *found == name).map(|(_, value)| {
        let value = decode(value.as_bytes(), true).unwrap_or_else(|| value.into());
        String::from_utf8_lossy(&value).into_owned()
    });
    values.collect()
}

/// A part of a token's signing input, decoded.
pub fn jwt_part(signed: &[u8], at: usize) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(signed.split(|&byte| byte == b'.').nth(at)?).ok()
}
