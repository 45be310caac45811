//! Why a credential cannot be read.

use secure_link::{
    Algorithm, Encoding, MAX_CREDENTIAL_LEN, Scheme, Template, TemplateScheme, Verdict,
};
use serde_json::Value;

use crate::case::Case;
use crate::reasons::key::claimed_id;
use crate::reasons::{Reasons, jwt_part, query_values};
use crate::settings::Settings;
use crate::text::printable;

impl Reasons {
    pub fn malformed(&mut self, case: &Case, settings: &Settings) {
        if case.unlimited().verdict() != Verdict::Malformed {
            let name = settings.origin.name("limit");
            self.why(format!("{name} counts by what the link does not say: expiry or subject."));
            self.change("Sign a link that expires and says whom it is for.");
            return;
        }
        if case.inputs.is_unreadable {
            for variable in case.compiled.variables.as_slice() {
                let Some(argument) = variable.argument() else { continue };
                let is_same = |text: &&str| {
                    text.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(argument))
                };
                if case.offer.query.split('&').filter(is_same).count() > 1 {
                    self.why(format!("The argument {argument} occurs twice."));
                    self.change(format!("Leave one {argument} in the URL."));
                }
            }
            return;
        }
        match &case.compiled.policy.scheme {
            Scheme::Template(scheme) => self.malformed_template(case, settings, scheme),
            Scheme::Jwt(_) => self.malformed_jwt(case, settings),
            Scheme::EdgeAuth(_) => self.malformed_edgeauth(case),
            Scheme::SigV4(_) => self.malformed_sigv4(case),
        }
        if self.why.is_empty() {
            self.why(format!(
                "The credential cannot be read, or has more than {MAX_CREDENTIAL_LEN} bytes."
            ));
        }
    }

    /// Replaces each field by a good one, but one.
    fn malformed_template(&mut self, case: &Case, settings: &Settings, scheme: &TemplateScheme) {
        let Some(fields) = scheme.credentials.iter().find(|fields| {
            fields
                .token()
                .inputs()
                .any(|at| case.inputs.values.get(at).is_some_and(|v| !v.is_empty()))
        }) else {
            return;
        };
        let algorithm = case.algorithm;
        let encoding = scheme.encoding;
        let token_len = token_len(encoding, algorithm);
        let token = match encoding {
            Encoding::Hex => "0".repeat(token_len),
            Encoding::Base64Url | Encoding::Base64 => {
                "A".repeat((algorithm.tag_len() * 4).div_ceil(3))
            }
        };
        let good = [
            (Some(fields.token()), token),
            (fields.time(), "1700000000".to_owned()),
            (fields.lifetime(), "3600".to_owned()),
        ];
        let with_good = |but: usize| {
            let mut changed = case.clone();
            for (at, (field, value)) in good.iter().enumerate() {
                let inputs = field.iter().flat_map(|field| field.inputs());
                for (count, input) in inputs.enumerate().filter(|_| at != but) {
                    if let Some(place) = changed.inputs.values.get_mut(input) {
                        *place = if count == 0 { value.clone().into() } else { Vec::new() };
                    }
                }
            }
            changed.verdict()
        };
        if with_good(usize::MAX) == Verdict::Malformed {
            return;
        }
        let value = |field: Option<&Template>| {
            let inputs: Vec<_> = case.inputs.values.iter().map(Vec::as_slice).collect();
            field
                .map(|field| field.pieces(&inputs).collect::<Vec<_>>().concat())
                .unwrap_or_default()
        };
        if with_good(0) == Verdict::Malformed {
            let len = value(Some(fields.token())).len();
            let (encoding, algorithm) = (encoding.name(), algorithm.name());
            self.why(format!(
                "The token is no MAC of {algorithm} in {encoding}: it has {len} characters, such a \
                 MAC has {token_len}."
            ));
            let (hash, writing) =
                (settings.origin.name("algorithm"), settings.origin.name("encoding"));
            self.change(format!(
                "Sign with the hash of {hash}, and write the MAC as {writing} says."
            ));
        }
        if with_good(1) == Verdict::Malformed {
            let time = printable(&value(fields.time()));
            let name = settings.origin.name("time");
            let name = name.trim_end_matches('=');
            self.why(format!("The time \"{time}\" is none of {name}={}.", scheme.time.name()));
            self.change("Write unix seconds, without spaces or fractions.");
        }
        if with_good(2) == Verdict::Malformed {
            let lifetime = printable(&value(fields.lifetime()));
            self.why(format!("The lifetime \"{lifetime}\" is no number of seconds."));
            self.change("Write the lifetime in decimal digits.");
        }
    }

    fn malformed_jwt(&mut self, case: &Case, settings: &Settings) {
        let signed = case.signed_texts().ok().and_then(|texts| texts.into_iter().next());
        let Some(signed) = signed else {
            self.why("The token is not three parts in base64url, joined by dots.");
            return;
        };
        let parse = |at| serde_json::from_slice::<Value>(&jwt_part(&signed.text, at)?).ok();
        match parse(0) {
            None => self.why("The header is no JSON in base64url."),
            Some(header) => {
                let claimed = claimed_id(case, settings);
                let name = match settings.algorithm_of(claimed.as_deref()) {
                    Algorithm::Sha384 => "HS384",
                    Algorithm::Sha512 => "HS512",
                    _ => "HS256",
                };
                let alg = header.get("alg").and_then(Value::as_str).unwrap_or("missing");
                if alg != name {
                    let alg = printable(alg.as_bytes());
                    self.why(format!("The algorithm \"alg\" is {alg}; the key's is {name}."));
                    let name = settings.origin.name("algorithm");
                    self.change(format!("Sign with the algorithm of the key, or change {name}."));
                }
                if header.get("crit").is_some() {
                    self.why("The header has \"crit\".");
                }
            }
        }
        match parse(1) {
            None => self.why("The payload is no JSON in base64url."),
            Some(payload) if payload.get("exp").is_none() => {
                self.why("The payload has no \"exp\", which is required.");
                self.change("Add \"exp\", a number of unix seconds.");
            }
            Some(payload) => {
                for name in ["exp", "nbf", "iat"] {
                    if payload.get(name).is_some_and(|date| !date.is_number()) {
                        self.why(format!("\"{name}\" is not a number."));
                        self.change(format!("Write \"{name}\" as a number of unix seconds."));
                    }
                }
            }
        }
    }

    fn malformed_edgeauth(&mut self, case: &Case) {
        let signed = case.signed_texts().ok().and_then(|texts| texts.into_iter().next());
        let Some(signed) = signed else {
            self.why("The token does not end in ~hmac= and a MAC in hexadecimal.");
            return;
        };
        let text = String::from_utf8_lossy(&signed.text).into_owned();
        let mut names = Vec::new();
        for field in text.split('~') {
            let (name, value) = match field.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (field, None),
            };
            let shown = printable(name.as_bytes());
            match name {
                // What is behind the token's own fields.
                "url" | "salt" => continue,
                "ip" | "st" | "exp" | "acl" | "id" | "data" => {}
                _ => self.why(format!("There is no field \"{shown}\".")),
            }
            if names.contains(&name) {
                self.why(format!("The field {shown} occurs twice."));
            }
            names.push(name);
            let is_number = value.is_some_and(|value| {
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
            });
            if matches!(name, "st" | "exp") && !is_number {
                self.why(format!("The field {shown} is no number of unix seconds."));
            }
        }
        if !names.contains(&"exp") {
            self.why("There is no field exp, which is required.");
        }
        if self.why.is_empty() {
            let name = case.algorithm.name();
            self.why(format!("The MAC is not of {name}, or a value cannot be read."));
        }
    }

    fn malformed_sigv4(&mut self, case: &Case) {
        for name in [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ] {
            match query_values(&case.offer.query, name).len() {
                0 => self.why(format!("There is no argument {name}.")),
                1 => {}
                _ => self.why(format!("The argument {name} occurs twice.")),
            }
        }
        if !query_values(&case.offer.query, "X-Amz-Security-Token").is_empty() {
            self.why(
                "X-Amz-Security-Token belongs to temporary credentials, which nobody here knows.",
            );
            self.change("Sign with an access key id and a secret access key alone.");
        }
        if let [credential] = query_values(&case.offer.query, "X-Amz-Credential").as_slice()
            && credential.split('/').count() != 5
        {
            self.why("X-Amz-Credential is not KEYID/DATE/REGION/SERVICE/aws4_request.");
        }
        if let [expires] = query_values(&case.offer.query, "X-Amz-Expires").as_slice()
            && !expires.parse().is_ok_and(|expires: u32| (1..=604_800).contains(&expires))
        {
            self.why("X-Amz-Expires is not a number from 1 to 604800.");
        }
    }
}

/// The number of characters of a token.
fn token_len(encoding: Encoding, algorithm: Algorithm) -> usize {
    let len = algorithm.tag_len();
    match encoding {
        Encoding::Hex => 2 * len,
        Encoding::Base64Url => (4 * len).div_ceil(3),
        Encoding::Base64 => len.div_ceil(3) * 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_length_of_their_encoding() {
        assert_eq!(token_len(Encoding::Base64Url, Algorithm::Sha256), 43);
        assert_eq!(token_len(Encoding::Base64, Algorithm::Sha256), 44);
        assert_eq!(token_len(Encoding::Hex, Algorithm::Md5), 32);
    }
}
