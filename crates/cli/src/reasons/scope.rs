//! Why an authentic link is out of scope.

use secure_link::{Policy, Requirement, Scheme, Scope, Template, Verdict};
use serde_json::Value;

use crate::case::Case;
use crate::reasons::{Reasons, query_values};
use crate::settings::{Origin, Settings};
use crate::text::printable;
use crate::url::decode;

impl Reasons {
    pub fn out_of_scope(&mut self, case: &Case, settings: &Settings) {
        let method = case.offer.method.as_bytes();
        let methods = &case.compiled.policy.methods;
        if !methods.iter().any(|admitted| **admitted == *method) {
            let admitted: Vec<_> = methods.iter().map(|method| printable(method)).collect();
            let method = printable(method);
            self.why(format!(
                "The method is {method}; links are good for {}.",
                admitted.join(", ")
            ));
            let name = settings.origin.name("methods");
            self.change(format!("Use another method, or admit this one by {name}."));
        }
        // Each claim is made to hold, but one.
        let claims = case.check(|_, claim| scope_claims(case, &settings.origin, claim));
        let verdict_but = |but: usize| {
            let mut changed = case.clone();
            let method = changed.offer.method.clone();
            changed.compiled.policy.methods.push(method.into_bytes().into());
            for (_, claim) in claims.iter().enumerate().filter(|(at, _)| *at != but) {
                (claim.make_hold)(&mut changed);
            }
            changed.verdict()
        };
        let all_hold = verdict_but(usize::MAX) == Verdict::Granted;
        for (at, claim) in claims.iter().enumerate() {
            if all_hold && verdict_but(at) != Verdict::Granted {
                self.why(claim.why.clone());
                self.change(claim.change.clone());
            }
        }
        if !all_hold {
            self.why(
                "The link has a claim that cannot be made to hold: cdniuc of another URI or kind, \
                 cdniip, cdniv, or a pattern that matches no path.",
            );
            self.change(
                "Sign for the URL as clients send it, without claims that are not checked.",
            );
        }
    }
}

/// A claim on which the scope depends.
struct ScopeClaim {
    why: String,
    change: String,
    make_hold: MakeHold,
}

/// A change by which a claim holds.
type MakeHold = Box<dyn Fn(&mut Case)>;

/// Takes a claim: why it does not hold, what to change, and how it is made to hold.
type AddClaim<'a> = dyn FnMut(String, String, MakeHold) + 'a;

/// The claims of an authentic link on which its scope depends.
fn scope_claims(
    case: &Case,
    origin: &Origin,
    claim: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Vec<ScopeClaim> {
    let require = origin.name("require");
    let mut claims = Vec::new();
    let mut add = |why: String, change: String, make_hold: MakeHold| {
        claims.push(ScopeClaim { why, change, make_hold });
    };
    let shown = |text: &[u8]| printable(text);
    let policy = &case.compiled.policy;
    for requirement in &policy.requirements {
        let name = String::from_utf8_lossy(&requirement.name).into_owned();
        let inputs: Vec<_> = case.inputs.values.iter().map(Vec::as_slice).collect();
        let wanted = requirement.value.pieces(&inputs).collect::<Vec<_>>().concat();
        let said = claim(&name);
        let is = match &said {
            Some(said) => format!("is \"{}\"", shown(said)),
            None => "is not there".to_owned(),
        };
        let why = format!(
            "The claim {} {is}; {require} demands \"{}\".",
            shown(name.as_bytes()),
            shown(&wanted)
        );
        let change = format!("Sign a link with the demanded claim, or change {require}.");
        add(why, change, Box::new(move |case| demand(case, &name, said.as_deref())));
    }
    let path = shown(&case.offer.path);
    match &policy.scheme {
        Scheme::Template(_) => {}
        Scheme::Jwt(scheme) => {
            if let Some(audience) = claim("aud")
                && !policy.requirements.iter().any(|requirement| *requirement.name == *b"aud")
            {
                let why =
                    format!("The token is for \"{}\", and nothing demands aud.", shown(&audience));
                let change = format!("Demand it by {require} aud=..., or sign without aud.");
                add(why, change, Box::new(move |case| demand(case, "aud", Some(&audience))));
            }
            if let Some(methods) = claim("method") {
                let why = format!(
                    "The token is for the method {}; the request's is {}.",
                    shown(&methods),
                    shown(case.offer.method.as_bytes())
                );
                let change = "Use the method that the token names.".to_owned();
                let first = strings(&methods).into_iter().next().unwrap_or_default();
                add(
                    why,
                    change,
                    Box::new(move |case| {
                        case.compiled.policy.methods.push(first.clone().into_bytes().into());
                        case.offer.method.clone_from(&first);
                    }),
                );
            }
            if let Some(patterns) = claim("path") {
                let why = format!("The path {path} does not match {}.", shown(&patterns));
                let change =
                    "Sign a token whose path matches; * is any bytes, ? is one.".to_owned();
                let sample = strings(&patterns).iter().find_map(|glob| sample(glob.as_bytes()));
                add(why, change, Box::new(move |case| set_path(case, sample.as_deref())));
            } else if claim("cdniuc").is_none() && scheme.scope == Scope::Path {
                let scope = origin.name("scope");
                let why = format!("The token names no path, and {scope} is path.");
                let change = format!("Sign with path, or use {scope} any.");
                add(
                    why,
                    change,
                    Box::new(|case| {
                        if let Scheme::Jwt(scheme) = &mut case.compiled.policy.scheme {
                            scheme.scope = Scope::Any;
                        }
                    }),
                );
            }
        }
        Scheme::EdgeAuth(_) => {
            if let Some(patterns) = claim("acl") {
                let why = format!("The path {path} does not match the acl {}.", shown(&patterns));
                let change = "Sign a token whose acl matches; * is any bytes, ? is one.".to_owned();
                let patterns = decode(&patterns, false).unwrap_or(patterns);
                let sample = patterns.split(|&byte| byte == b'!').find_map(sample);
                add(why, change, Box::new(move |case| set_path(case, sample.as_deref())));
            }
        }
        Scheme::SigV4(_) => sigv4_scope(case, origin, &mut add),
    }
    if matches!(policy.scheme, Scheme::Jwt(_) | Scheme::EdgeAuth(_))
        && let Some(network) = claim("ip")
    {
        let client = match case.offer.address {
            Some(address) => address.to_string(),
            None => "not known (--client)".to_owned(),
        };
        let why =
            format!("The link is for the client {}; the client is {client}.", shown(&network));
        let change =
            "Sign for the address that nginx sees; behind a proxy, configure realip.".to_owned();
        let address = String::from_utf8_lossy(&network).split('/').next().map(str::to_owned);
        add(
            why,
            change,
            Box::new(move |case| {
                case.offer.address = address.as_deref().and_then(|text| text.parse().ok());
            }),
        );
    }
    claims
}

fn sigv4_scope(case: &Case, origin: &Origin, add: &mut AddClaim<'_>) {
    let name = |flag: &str| origin.name(flag).trim_end_matches('=').to_owned();
    let credential = query_values(&case.offer.query, "X-Amz-Credential");
    let credential = credential.first().cloned().unwrap_or_default();
    let part = |at| printable(credential.split('/').nth(at).unwrap_or_default().as_bytes());
    if let Scheme::SigV4(scheme) = &case.compiled.policy.scheme {
        if let Some(region) = &scheme.region {
            let name = name("region");
            let why = format!("The region is {}; {name} is {}.", part(2), printable(region));
            add(
                why,
                "Sign for the region of the configuration.".to_owned(),
                Box::new(|case| {
                    if let Scheme::SigV4(scheme) = &mut case.compiled.policy.scheme {
                        scheme.region = None;
                    }
                }),
            );
        }
        if let Some(service) = &scheme.service {
            let name = name("service");
            let why = format!("The service is {}; {name} is {}.", part(3), printable(service));
            add(
                why,
                "Sign for the service of the configuration.".to_owned(),
                Box::new(|case| {
                    if let Scheme::SigV4(scheme) = &mut case.compiled.policy.scheme {
                        scheme.service = None;
                    }
                }),
            );
        }
    }
    let sent = decode(case.offer.sent_path().as_bytes(), false).unwrap_or_default();
    let why = format!(
        "The path {} was signed, and nginx serves {}.",
        printable(&sent),
        printable(&case.offer.path)
    );
    let change = "Use keys without empty, . and .. segments.".to_owned();
    add(why, change, Box::new(move |case| case.offer.path.clone_from(&sent)));
}

/// Demands of a claim what it says; nothing of one that is not there, or cannot be demanded.
fn demand(case: &mut Case, name: &str, said: Option<&[u8]>) {
    let Policy { requirements, .. } = &mut case.compiled.policy;
    requirements.retain(|requirement| *requirement.name != *name.as_bytes());
    let Some(said) = said.filter(|said| !said.is_empty()) else { return };
    let is_list = said.starts_with(b"[") && serde_json::from_slice::<Vec<Value>>(said).is_ok();
    let value = match is_list {
        true if name != "aud" => return,
        true => strings(said).into_iter().next().unwrap_or_default().into_bytes(),
        false => said.to_vec(),
    };
    // Through a variable, so that a `$` in the value is one.
    let variables = &mut case.compiled.variables;
    let text = format!("$explained_{}", variables.as_slice().len());
    if let Ok(template) = Template::parse(text.as_bytes(), variables) {
        case.inputs.values.push(value);
        requirements.push(Requirement { name: name.as_bytes().into(), value: template });
    }
}

fn set_path(case: &mut Case, path: Option<&[u8]>) {
    if let Some(path) = path {
        case.offer.path = path.to_vec();
    }
}

/// A path that a pattern matches; `None` for a pattern that matches none.
fn sample(glob: &[u8]) -> Option<Vec<u8>> {
    let bytes = glob.iter().filter(|byte| **byte != b'*');
    let path = bytes.map(|byte| if *byte == b'?' { b'x' } else { *byte });
    matches!(glob, [b'/' | b'*', ..]).then(|| path.collect())
}

/// The strings of a claim that is one, or an array of them.
fn strings(claim: &[u8]) -> Vec<String> {
    match serde_json::from_slice::<Vec<String>>(claim) {
        Ok(strings) => strings,
        Err(_) => vec![String::from_utf8_lossy(claim).into_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_match_their_patterns() {
        assert_eq!(sample(b"/videos/*.m?4"), Some(b"/videos/.mx4".to_vec()));
        assert_eq!(sample(b"videos/*"), None);
    }
}
