//! Why a link has its verdict, and what would change it.
//!
//! Nothing here judges a link: the engine is asked again, with one thing changed, and what it says
//! then tells which thing it was.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secure_link::{
    Algorithm, Encoding, Escape, MAX_CREDENTIAL_LEN, Policy, Requirement, Scheme, SchemeKind,
    Scope, SecretFormat, Template, TemplateScheme, Verdict,
};
use serde_json::Value;

use crate::args::PolicyArgs;
use crate::case::Case;
use crate::secret::{Reading, SecretText};
use crate::text::{date, printable, span};
use crate::url::{decode, server_name};

/// How far in time a boundary is looked for, in seconds.
const HORIZON: i64 = 1 << 40;

/// The reasons of a verdict.
#[derive(Default)]
pub struct Reasons {
    pub why: Vec<String>,
    pub change: Vec<String>,
}

impl Reasons {
    /// Finds them.
    pub fn find(case: &Case, args: &PolicyArgs, secrets: &[SecretText]) -> Self {
        let mut reasons = Reasons::default();
        match case.verdict() {
            Verdict::Granted => reasons.why("The MAC is right, and every claim holds."),
            Verdict::Missing => reasons.missing(case, args),
            Verdict::Malformed => reasons.malformed(case),
            Verdict::UnknownKey => reasons.unknown_key(case, args),
            Verdict::Forged => reasons.forged(case, args, secrets),
            Verdict::Early => reasons.early(case),
            Verdict::Expired => reasons.expired(case),
            Verdict::OutOfScope => reasons.out_of_scope(case),
            // Nothing that is said here can make a link so.
            Verdict::Revoked | Verdict::Exhausted | Verdict::Unavailable => {}
        }
        reasons
    }

    fn why(&mut self, text: impl Into<String>) {
        self.why.push(text.into());
    }

    fn change(&mut self, text: impl Into<String>) {
        self.change.push(text.into());
    }

    fn missing(&mut self, case: &Case, args: &PolicyArgs) {
        if args.kind() == SchemeKind::SigV4 {
            self.why("The query string has none of the X-Amz- arguments of a presigned URL.");
            return;
        }
        let names = case.compiled.variables.as_slice().iter();
        let names: Vec<_> = names.map(ToString::to_string).collect();
        self.why(format!(
            "The request brings no token: what was looked at is {}.",
            names.join(", ")
        ));
        self.change("Put the token where --credential says, or say with --credential where it is.");
    }

    fn malformed(&mut self, case: &Case) {
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
            Scheme::Template(scheme) => self.malformed_template(case, scheme),
            Scheme::Jwt(_) => self.malformed_jwt(case),
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
    fn malformed_template(&mut self, case: &Case, scheme: &TemplateScheme) {
        let Some(fields) = scheme.credentials.iter().find(|fields| {
            fields
                .token()
                .inputs()
                .any(|at| case.inputs.values.get(at).is_some_and(|v| !v.is_empty()))
        }) else {
            return;
        };
        let algorithm = case.compiled.key.algorithm();
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
            self.change("Sign with the hash of --algorithm, and write the MAC as --encoding says.");
        }
        if with_good(1) == Verdict::Malformed {
            let time = printable(&value(fields.time()));
            self.why(format!("The time \"{time}\" is none of --time={}.", scheme.time.name()));
            self.change("Write unix seconds, without spaces or fractions.");
        }
        if with_good(2) == Verdict::Malformed {
            let lifetime = printable(&value(fields.lifetime()));
            self.why(format!("The lifetime \"{lifetime}\" is no number of seconds."));
            self.change("Write the lifetime in decimal digits.");
        }
    }

    fn malformed_jwt(&mut self, case: &Case) {
        let signed = case.signed_texts().ok().and_then(|texts| texts.into_iter().next());
        let Some(signed) = signed else {
            self.why("The token is not three parts in base64url, joined by dots.");
            return;
        };
        let parse = |at| serde_json::from_slice::<Value>(&jwt_part(&signed.text, at)?).ok();
        match parse(0) {
            None => self.why("The header is no JSON in base64url."),
            Some(header) => {
                let name = match case.compiled.key.algorithm() {
                    Algorithm::Sha384 => "HS384",
                    Algorithm::Sha512 => "HS512",
                    _ => "HS256",
                };
                let alg = header.get("alg").and_then(Value::as_str).unwrap_or("missing");
                if alg != name {
                    let alg = printable(alg.as_bytes());
                    self.why(format!("The algorithm \"alg\" is {alg}; the key's is {name}."));
                    self.change("Sign with the algorithm of the key, or change --algorithm.");
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
            let name = case.compiled.key.algorithm().name();
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

    fn unknown_key(&mut self, case: &Case, args: &PolicyArgs) {
        let known = args.keys.key_id.as_deref().unwrap_or_default();
        let claimed = match args.kind() {
            SchemeKind::Jwt => case.signed_texts().ok().and_then(|texts| {
                let text = texts.into_iter().next()?.text;
                let member = |at, name| {
                    let json: Value = serde_json::from_slice(&jwt_part(&text, at)?).ok()?;
                    json.get(name)?.as_str().map(str::to_owned)
                };
                member(0, "kid").or_else(|| member(1, "iss"))
            }),
            SchemeKind::SigV4 => query_values(&case.offer.query, "X-Amz-Credential")
                .first()
                .and_then(|text| text.split('/').next().map(str::to_owned)),
            SchemeKind::Template | SchemeKind::EdgeAuth => None,
        };
        let claimed = printable(claimed.unwrap_or_default().as_bytes());
        self.why(format!(
            "The link names the key \"{claimed}\"; the one that is known is \"{known}\"."
        ));
        self.change("Sign with the id that the keyring has, or give that key and its --key-id.");
    }

    fn forged(&mut self, case: &Case, args: &PolicyArgs, secrets: &[SecretText]) {
        let is_right = |case: Option<Case>| case.is_some_and(|case| case.is_authentic());
        let with = |args: &PolicyArgs, reading| {
            Case::new(args, secrets, reading, case.offer.clone(), case.now).ok()
        };
        // Other readings of the secret.
        for format in SecretFormat::ALL {
            let reading = Reading::Format(*format);
            if reading != args.reading() && is_right(with(args, reading)) {
                let name = format.name();
                self.why(format!("The MAC is right if the secret is read as {name}."));
                self.change(format!("Sign with the same bytes, or use --key-format {name}."));
            }
        }
        for reading in [Reading::WithLineEnd, Reading::AddedLineEnd] {
            if self.why.is_empty() && is_right(with(args, reading)) {
                self.why("The MAC is right if the secret has a line end, which is dropped here.");
                self.change("Have the signer drop the line end of the secret's file.");
            }
        }
        for algorithm in args.kind().algorithms() {
            let other = PolicyArgs { algorithm: Some(*algorithm), ..args.clone() };
            if *algorithm != args.algorithm() && is_right(with(&other, args.reading())) {
                let name = algorithm.name();
                self.why(format!("The MAC is right with the algorithm {name}."));
                self.change(format!(
                    "Use --algorithm {name}, or sign with {}.",
                    args.algorithm().name()
                ));
            }
        }
        match &case.compiled.policy.scheme {
            Scheme::Template(_) => {
                for (what, change, guess) in template_guesses(args, case) {
                    if is_right(with(&guess, args.reading())) {
                        self.why(format!("The MAC is right if {what}."));
                        self.change(change);
                    }
                }
            }
            Scheme::EdgeAuth(scheme) => {
                for escape in Escape::ALL.iter().copied().map(Some).chain([None]) {
                    let other = PolicyArgs { escape_early: escape, ..args.clone() };
                    if escape != scheme.escape && is_right(with(&other, args.reading())) {
                        let name = escape.map_or("no escape_early", Escape::name);
                        self.why(format!("The MAC is right with {name}."));
                        self.change("Change --escape-early, or the signer's escaping.");
                    }
                }
                let mut without = case.clone();
                if let Scheme::EdgeAuth(scheme) = &mut without.compiled.policy.scheme {
                    scheme.salt = None;
                }
                if scheme.salt.is_some() && without.is_authentic() {
                    self.why("The MAC is right without the salt.");
                    self.change("Sign with the salt, or configure none.");
                }
            }
            Scheme::SigV4(_) => self.forged_sigv4(case),
            Scheme::Jwt(_) => {}
        }
        if self.why.is_empty() {
            self.why("The MAC is not that of the bytes above with this secret.");
            self.change(
                "Compare the bytes above with those that the signer takes, one by one; if they are \
                 the same, the secrets differ.",
            );
        }
    }

    fn forged_sigv4(&mut self, case: &Case) {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            let mut other = case.clone();
            other.offer.method = method.to_owned();
            if method != case.offer.method && other.is_authentic() {
                self.why(format!(
                    "The link was signed for {method}, and not for {}.",
                    case.offer.method
                ));
                self.change(format!(
                    "Sign it for {} too: the method is signed.",
                    case.offer.method
                ));
            }
        }
        let signed = query_values(&case.offer.query, "X-Amz-SignedHeaders");
        for name in signed.iter().flat_map(|names| names.split(';')) {
            if !case.offer.headers.iter().any(|(header, _)| header == name) {
                let name = printable(name.as_bytes());
                self.why(format!(
                    "The link signs the header {name}, which the request does not have."
                ));
                self.change(format!("Send {name}, or do not sign it; here: -H '{name}: ...'."));
            }
        }
        let host = case.offer.headers.iter().find(|(name, _)| name == "host");
        let host = host.map(|(_, host)| host.clone()).unwrap_or_default();
        let name = server_name(&host);
        for other in [name.clone(), format!("{name}:80"), format!("{name}:443")] {
            let mut changed = case.clone();
            let headers = changed.offer.headers.iter_mut().filter(|(name, _)| name == "host");
            headers.for_each(|(_, value)| value.clone_from(&other));
            if other != host && changed.is_authentic() {
                let host = printable(host.as_bytes());
                self.why(format!("The link was signed for the host {other}, and not for {host}."));
                self.change("Have the proxy before nginx pass Host on, or sign the public name.");
            }
        }
    }

    fn early(&mut self, case: &Case) {
        let mut then = case.clone();
        let is_early = |then: &mut Case, at| {
            then.now = at;
            then.verdict() == Verdict::Early
        };
        let end = case.now.saturating_add(HORIZON);
        let first = boundary(case.now, end, |at| is_early(&mut then, at));
        match first {
            Some((_, first)) => self.why(format!(
                "The link is good from {} on, leeway included: in {}.",
                date(first),
                span(first.saturating_sub(case.now))
            )),
            None => self.why("The link says that it begins in a very far future."),
        }
        self.change("Set the clocks of signer and nginx, or allow for the difference by --leeway.");
    }

    fn expired(&mut self, case: &Case) {
        let mut uncapped = case.clone();
        uncapped.compiled.policy.max_lifetime = 0;
        if uncapped.verdict() != Verdict::Expired {
            return self.too_long(case);
        }
        let mut then = uncapped.clone();
        let last = boundary(0, case.now, |at| {
            then.now = at;
            then.verdict() != Verdict::Expired
        });
        match last {
            Some((last, _)) => self.why(format!(
                "The link was good until {}, leeway included: it expired {} ago.",
                date(last),
                span(case.now.saturating_sub(last))
            )),
            None => self.why("The link was never good: it ends before it begins."),
        }
        self.change("Sign a new link, or one that lasts longer (--expires-in).");
    }

    fn too_long(&mut self, case: &Case) {
        let cap = case.compiled.policy.max_lifetime;
        let mut wider = case.clone();
        let least = boundary(cap, cap.saturating_add(HORIZON), |max| {
            wider.compiled.policy.max_lifetime = max;
            wider.verdict() == Verdict::Expired
        });
        match least {
            Some((_, least)) => self.why(format!(
                "The link lasts {}, and --max-lifetime allows {}: {} too long.",
                span(least),
                span(cap),
                span(least.saturating_sub(cap))
            )),
            None => {
                self.why(format!("The link never expires, and --max-lifetime is {}.", span(cap)))
            }
        }
        self.change("Sign links that are good for a shorter time, or raise --max-lifetime.");
    }

    fn out_of_scope(&mut self, case: &Case) {
        let method = case.offer.method.as_bytes();
        let methods = &case.compiled.policy.methods;
        if !methods.iter().any(|admitted| **admitted == *method) {
            let admitted: Vec<_> = methods.iter().map(|method| printable(method)).collect();
            let method = printable(method);
            self.why(format!(
                "The method is {method}; links are good for {}.",
                admitted.join(", ")
            ));
            self.change("Use another method, or admit this one by --methods.");
        }
        // Each claim is made to hold, but one.
        let claims = case.check(|_, claim| scope_claims(case, claim));
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
                self.change(claim.change);
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
    change: &'static str,
    make_hold: MakeHold,
}

/// A change by which a claim holds.
type MakeHold = Box<dyn Fn(&mut Case)>;

/// Takes a claim: why it does not hold, what to change, and how it is made to hold.
type AddClaim<'a> = dyn FnMut(String, &'static str, MakeHold) + 'a;

/// The claims of an authentic link on which its scope depends.
fn scope_claims(case: &Case, claim: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<ScopeClaim> {
    let mut claims = Vec::new();
    let mut add = |why: String, change: &'static str, make_hold: MakeHold| {
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
            "The claim {} {is}; --require demands \"{}\".",
            shown(name.as_bytes()),
            shown(&wanted)
        );
        let change = "Sign a link with the demanded claim, or change --require.";
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
                let change = "Demand it by --require aud=..., or sign without aud.";
                add(why, change, Box::new(move |case| demand(case, "aud", Some(&audience))));
            }
            if let Some(methods) = claim("method") {
                let why = format!(
                    "The token is for the method {}; the request's is {}.",
                    shown(&methods),
                    shown(case.offer.method.as_bytes())
                );
                let change = "Use the method that the token names.";
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
                let change = "Sign a token whose path matches; * is any bytes, ? is one.";
                let sample = strings(&patterns).iter().find_map(|glob| sample(glob.as_bytes()));
                add(why, change, Box::new(move |case| set_path(case, sample.as_deref())));
            } else if claim("cdniuc").is_none() && scheme.scope == Scope::Path {
                let why = "The token names no path, and --scope is path.".to_owned();
                let change = "Sign with path, or use --scope any.";
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
                let change = "Sign a token whose acl matches; * is any bytes, ? is one.";
                let patterns = decode(&patterns, false).unwrap_or(patterns);
                let sample = patterns.split(|&byte| byte == b'!').find_map(sample);
                add(why, change, Box::new(move |case| set_path(case, sample.as_deref())));
            }
        }
        Scheme::SigV4(_) => sigv4_scope(case, &mut add),
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
        let change = "Sign for the address that nginx sees; behind a proxy, configure realip.";
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

fn sigv4_scope(case: &Case, add: &mut AddClaim<'_>) {
    let credential = query_values(&case.offer.query, "X-Amz-Credential");
    let credential = credential.first().cloned().unwrap_or_default();
    let part = |at| printable(credential.split('/').nth(at).unwrap_or_default().as_bytes());
    if let Scheme::SigV4(scheme) = &case.compiled.policy.scheme {
        if let Some(region) = &scheme.region {
            let why = format!("The region is {}; --region is {}.", part(2), printable(region));
            add(
                why,
                "Sign for the region of the configuration.",
                Box::new(|case| {
                    if let Scheme::SigV4(scheme) = &mut case.compiled.policy.scheme {
                        scheme.region = None;
                    }
                }),
            );
        }
        if let Some(service) = &scheme.service {
            let why = format!("The service is {}; --service is {}.", part(3), printable(service));
            add(
                why,
                "Sign for the service of the configuration.",
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
    let change = "Use keys without empty, . and .. segments.";
    add(why, change, Box::new(move |case| case.offer.path.clone_from(&sent)));
    let host = case.offer.headers.iter().find(|(name, _)| name == "host");
    let name = server_name(host.map_or("", |(_, host)| host));
    let why = format!("The link is for the host {name}; the server is {}.", case.offer.host);
    let change = "Sign for the server's name.";
    add(why, change, Box::new(move |case| case.offer.host.clone_from(&name)));
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

/// The number of characters of a token.
fn token_len(encoding: Encoding, algorithm: Algorithm) -> usize {
    let len = algorithm.tag_len();
    match encoding {
        Encoding::Hex => 2 * len,
        Encoding::Base64Url => (4 * len).div_ceil(3),
        Encoding::Base64 => len.div_ceil(3) * 4,
    }
}

/// Mistakes that signers of templates make: what is then right, and what to change.
fn template_guesses(args: &PolicyArgs, case: &Case) -> Vec<(String, &'static str, PolicyArgs)> {
    let message = |text: String| PolicyArgs { message: Some(text), ..args.clone() };
    let text = args.message();
    let with_path = |path: &str| {
        let mut changed = args.clone();
        changed.set.push(("uri".to_owned(), path.to_owned()));
        changed.set.push(("document_uri".to_owned(), path.to_owned()));
        changed
    };
    let sent = case.offer.sent_path();
    let mut guesses = vec![
        (
            "a line end is signed behind the message".to_owned(),
            "Use printf '%s', not echo, in a shell, and sign no line end.",
            message(format!("{text}\n")),
        ),
        (
            "the path is signed without its first slash".to_owned(),
            "Sign the path with its first slash.",
            with_path(sent.strip_prefix('/').unwrap_or(sent)),
        ),
        (
            "the path is signed with its arguments, as $request_uri".to_owned(),
            "Sign the path alone, or use $request_uri without the token in --message.",
            with_path(&case.offer.target),
        ),
        (
            format!("the separators of \"{text}\" are left out"),
            "Sign the separators that stand in --message.",
            message(text.replace(['|', ':', '/', '&', ' '], "")),
        ),
    ];
    if case.offer.path != sent.as_bytes() {
        guesses.push((
            "the path is signed as it is sent, percent-encoded".to_owned(),
            "Sign the decoded path: $uri is decoded.",
            with_path(sent),
        ));
    }
    guesses
}

/// The border between numbers of which something is true and those, all greater, of which it is
/// not: the last of the first and the first of the others. `None` if there is no such border.
fn boundary(start: i64, end: i64, mut holds: impl FnMut(i64) -> bool) -> Option<(i64, i64)> {
    if !holds(start) || holds(end) {
        return None;
    }
    let (mut last, mut first) = (start, end);
    while first - last > 1 {
        let middle = last + (first - last) / 2;
        if holds(middle) {
            last = middle;
        } else {
            first = middle;
        }
    }
    Some((last, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_found_between_two_numbers() {
        assert_eq!(boundary(0, 100, |n| n < 37), Some((36, 37)));
        assert_eq!(boundary(0, 1, |n| n == 0), Some((0, 1)));
        assert_eq!(boundary(0, 100, |_| true), None);
        assert_eq!(boundary(0, 100, |_| false), None);
    }

    #[test]
    fn samples_match_their_patterns() {
        assert_eq!(sample(b"/videos/*.m?4"), Some(b"/videos/.mx4".to_vec()));
        assert_eq!(sample(b"videos/*"), None);
    }

    #[test]
    fn tokens_have_the_length_of_their_encoding() {
        assert_eq!(token_len(Encoding::Base64Url, Algorithm::Sha256), 43);
        assert_eq!(token_len(Encoding::Base64, Algorithm::Sha256), 44);
        assert_eq!(token_len(Encoding::Hex, Algorithm::Md5), 32);
    }
}
