//! Why no key verifies a link, or its key withdraws it.

use secure_link::SchemeKind;
use serde_json::Value;

use crate::case::Case;
use crate::reasons::{Reasons, jwt_part, query_values};
use crate::settings::{KeySettings, Settings};
use crate::text::{date, printable};

impl Reasons {
    pub fn unknown_key(&mut self, case: &Case, settings: &Settings) {
        let claimed = claimed_id(case, settings).unwrap_or_default();
        let known: Vec<_> = settings.keys.ids().into_iter().map(printable).collect();
        let known = known.join(", ");
        let written = case.written_id.as_deref();
        let shown = printable(&claimed);
        if let Some(written) = written.filter(|written| *written != claimed && !claimed.is_empty())
        {
            let written = printable(written);
            self.why(format!(
                "The link names the key \"{shown}\" and is for the key \"{written}\"."
            ));
            self.change("Sign with the id that secure_link_hmac_keys demands.");
            return;
        }
        let claimed = if claimed.is_empty() { written.unwrap_or_default() } else { &claimed };
        let shown = printable(claimed);
        let keys = settings.keys.of(Some(claimed));
        for key in &keys {
            let life = key.life;
            if life.revoked {
                self.why(format!("The key \"{shown}\" is revoked."));
            }
            if let Some(first) = life.not_before.filter(|first| case.now < *first) {
                self.why(format!("The key \"{shown}\" may be used from {} on.", date(first)));
            }
            if let Some(last) = life.not_after.filter(|last| *last < case.now) {
                self.why(format!("The key \"{shown}\" could be used until {}.", date(last)));
            }
        }
        if !keys.is_empty() {
            self.change("Sign with another key, or change the life of this one.");
            return;
        }
        let is = if known.contains(", ") {
            "those that are known are"
        } else {
            "the one that is known is"
        };
        self.why(format!("The link names the key \"{shown}\"; {is} \"{known}\"."));
        self.change("Sign with an id that the keyring has, or give that key and its --key-id.");
    }

    pub fn revoked(&mut self, case: &Case, settings: &Settings) {
        if let Some((at, value)) = case.revoked_by() {
            let text = settings.revoke.get(at).map(|text| printable(text)).unwrap_or_default();
            let name = settings.origin.name("revoke");
            self.why(format!("{name} {text} is \"{}\".", printable(&value)));
            self.change("Sign another link, or let the value be empty or 0.");
            return;
        }
        let id = case.check(|check, _| check.claims.unwrap_or_default().key_id.to_vec());
        for key in settings.keys.of(Some(&id)) {
            if let Some(first) = key.life.issued_after {
                self.why(format!(
                    "The key \"{}\" is good for links that were issued from {} on, and say so.",
                    printable(&id),
                    date(first)
                ));
            }
        }
        self.change("Sign a new link.");
    }
}

/// The id of the key that a link itself names.
pub fn claimed_id(case: &Case, settings: &Settings) -> Option<Vec<u8>> {
    if !matches!(settings.keys, KeySettings::Ring { .. }) {
        return None;
    }
    match settings.scheme.kind() {
        SchemeKind::Jwt => {
            let text = case.signed_texts().ok()?.into_iter().next()?.text;
            let member = |at, name| {
                let json: Value = serde_json::from_slice(&jwt_part(&text, at)?).ok()?;
                json.get(name)?.as_str().map(|id| id.as_bytes().to_vec())
            };
            member(0, "kid").or_else(|| member(1, "iss"))
        }
        SchemeKind::SigV4 => {
            let credential = query_values(&case.offer.query, "X-Amz-Credential");
            let id = credential.first()?.split('/').next()?;
            Some(id.as_bytes().to_vec())
        }
        SchemeKind::Template | SchemeKind::EdgeAuth => None,
    }
}
