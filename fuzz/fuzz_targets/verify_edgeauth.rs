//! EdgeAuth tokens: any fields and change of the token, against a model of the verdict.
#![no_main]

use data_encoding::HEXLOWER_PERMISSIVE;
use libfuzzer_sys::fuzz_target;
use secure_link::{
    EdgeAuthScheme, Escape, Key, MAX_CREDENTIAL_LEN, Policy, Scheme, SchemeKind, Template,
    TokenPlace, Variables, Verdict, edgeauth,
};
use secure_link_fuzz::keys::ModelKeys;
use secure_link_fuzz::life::Life;
use secure_link_fuzz::offer::{OFFER, Offer, Outcome};
use secure_link_fuzz::{CLOCKS, Input, mutate, network, oracle, time};

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

struct Rules<'k> {
    keys: &'k ModelKeys,
    salt: Option<&'static str>,
    escape: Option<Escape>,
    leeway: Option<i64>,
    max_lifetime: i64,
}

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, ModelKeys::CHOICES + 15)?;
    let now = input.pick(&CLOCKS).saturating_add(input.small());
    let keys = ModelKeys::make(&mut input, SchemeKind::EdgeAuth, now);
    let rules = Rules {
        keys: &keys,
        salt: input.pick(&[None, Some("pepper"), Some("a~acl=/*")]),
        escape: input.pick(&[None, Some(Escape::Form), Some(Escape::Component)]),
        leeway: input.pick(&[None, Some(0), Some(1), Some(60)]),
        max_lifetime: input.pick(&[0, 0, 1, 120]),
    };
    let method = input.pick(&[&b"GET"[..], b"HEAD", b"PUT"]);
    let (signer, made, is_encoded) = (input.byte(), input.byte(), input.flag());
    let (starts, expires) = (now.saturating_add(input.small()), now.saturating_add(input.small()));
    let change = [(); 3].map(|()| input.byte());
    let [path, sent, address] = [(); 3].map(|()| input.text());
    let raw = input.rest();

    let signer = &keys.all[usize::from(signer) % keys.all.len()];
    let sent_path = sent.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let url = match rules.escape {
        Some(escape) => escaped(escape, path),
        None => String::from_utf8(sent_path.to_vec()).ok()?,
    };
    let raw_text = str::from_utf8(raw).ok();
    let mut token = match (made % 4, raw_text) {
        (0, _) | (_, None) => raw.to_vec(),
        // Fields as the fuzzer has them.
        (1, _) => {
            let patterns = raw.windows(4).any(|window| window == b"acl=");
            let url = Some(url.as_bytes()).filter(|_| !patterns);
            let tag = signer.mac(&message(raw, url, rules.salt));
            [raw, b"~hmac=", HEXLOWER_PERMISSIVE.encode(&tag).as_bytes()].concat()
        }
        (_, Some(text)) => {
            let (starts, expires) = (starts.to_string(), expires.to_string());
            let mut fields = vec![("exp", &*expires)];
            if made & 4 == 4 {
                fields.insert(0, ("st", &starts));
            }
            if made & 8 == 8 {
                fields.push(("acl", text));
            } else if made & 16 == 16 {
                fields.push(("data", text));
            }
            let url = Some(&*url).filter(|_| made & 8 == 0);
            let key = Key::new(signer.algorithm, &signer.secret);
            edgeauth::sign(&fields, url, rules.salt, &key)?.into_bytes()
        }
    };
    if is_encoded {
        token = oracle::percent_encode(&token, "~!*-._", made & 32 == 32).into_bytes();
    }

    let mut variables = Variables::default();
    let place = Template::parse(b"$arg_hdnts", &mut variables).ok()?;
    let policy = Policy {
        scheme: Scheme::EdgeAuth(EdgeAuthScheme {
            places: vec![TokenPlace::new(place, &variables)],
            keys: keys.keys(),
            salt: rules.salt.map(|salt| salt.as_bytes().into()),
            escape: rules.escape,
        }),
        leeway: rules.leeway,
        max_lifetime: rules.max_lifetime,
        methods: vec![(*b"GET").into(), (*b"HEAD").into()],
        requirements: Vec::new(),
    };
    let try_token = |token: &[u8]| {
        let offer = Offer {
            inputs: &[token],
            method,
            path,
            target: sent,
            address: str::from_utf8(address).ok().and_then(|text| text.parse().ok()),
            ..OFFER
        };
        let outcome = offer.check(&policy, now);
        let expected = judge(&rules, token, &offer, now).unwrap_or_else(Outcome::denied);
        assert_eq!(outcome, expected, "{}", token.escape_ascii());
        outcome
    };
    let outcome = try_token(&token);
    if let Some(escape) = rules.escape {
        assert_eq!(escape.escape(path), escaped(escape, path));
    }
    // Another token is known by the same MAC only if it is another spelling of the same.
    let [kind, at, with] = change;
    let changed = mutate(&token, kind, at, with);
    let other = try_token(&changed);
    if outcome.link.is_some() && other.link.is_some() {
        assert_eq!(
            plain(&changed).map(|(fields, _)| fields),
            plain(&token).map(|(fields, _)| fields)
        );
        assert_eq!(other, outcome);
    }
    Some(())
}

fn escaped(escape: Escape, text: &[u8]) -> String {
    match escape {
        Escape::Form => oracle::percent_encode(text, "-._~ ", false).replace(' ', "+"),
        Escape::Component => oracle::percent_encode(text, "-._!()", false),
    }
}

/// What is signed, and the MAC.
fn plain(token: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let token = match token.contains(&b'=') {
        true => token.to_vec(),
        false => oracle::percent_decode(token, true, false)?,
    };
    let at = (0..token.len()).rfind(|at| token[*at..].starts_with(b"~hmac="))?;
    let tag = HEXLOWER_PERMISSIVE.decode(&token[at + 6..]).ok().filter(|tag| tag.len() <= 64)?;
    Some((token[..at].to_vec(), tag))
}

fn message(fields: &[u8], url: Option<&[u8]>, salt: Option<&str>) -> Vec<u8> {
    let mut message = fields.to_vec();
    for (name, value) in [("~url=", url), ("~salt=", salt.map(str::as_bytes))] {
        if let Some(value) = value {
            message.extend(name.bytes());
            message.extend(value);
        }
    }
    message
}

fn judge(rules: &Rules<'_>, token: &[u8], offer: &Offer<'_>, now: i64) -> Result<Outcome, Verdict> {
    const MALFORMED: Verdict = Verdict::Malformed;
    if token.is_empty() {
        return Err(Verdict::Missing);
    }
    if token.len() > MAX_CREDENTIAL_LEN {
        return Err(MALFORMED);
    }
    let (signed, tag) = plain(token).ok_or(MALFORMED)?;
    let mut fields: Vec<(&[u8], &[u8])> = Vec::new();
    for field in signed.split(|byte| *byte == b'~') {
        let at = field.iter().position(|byte| *byte == b'=').ok_or(MALFORMED)?;
        let (name, value) = (&field[..at], &field[at + 1..]);
        let is_known = [&b"ip"[..], b"st", b"exp", b"acl", b"id", b"data"].contains(&name);
        if !is_known || fields.iter().any(|(known, _)| *known == name) {
            return Err(MALFORMED);
        }
        fields.push((name, value));
    }
    let field = |name: &str| {
        fields.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| *value)
    };
    let number = |name| field(name).map(|text| time::seconds(text).ok_or(MALFORMED)).transpose();
    let starts = number("st")?;
    let expires = number("exp")?.ok_or(MALFORMED)?;
    let patterns =
        field("acl").map(|text| oracle::percent_decode(text, false, true).expect("lenient"));
    let globs =
        patterns.as_ref().map(|patterns| patterns.split(|byte| *byte == b'!').collect::<Vec<_>>());
    if globs.as_ref().is_some_and(|globs| globs.len() > 32) {
        return Err(MALFORMED);
    }
    let url = match (&globs, rules.escape) {
        (Some(_), _) => None,
        (None, Some(escape)) => Some(escaped(escape, offer.path).into_bytes()),
        (None, None) => {
            let sent = offer.target.split(|byte| matches!(byte, b'?' | b'#')).next();
            Some(sent.filter(|path| path.starts_with(b"/")).ok_or(MALFORMED)?.to_vec())
        }
    };
    let message = message(&signed, url.as_deref(), rules.salt);
    let fits = |algorithm: secure_link::Algorithm| algorithm.tag_len() == tag.len();
    let key = rules.keys.verify(None, fits, |key| key.mac(&message) == tag, now)?;

    let value = |name| {
        field(name)
            .map(|text| match rules.escape {
                Some(escape) => {
                    oracle::percent_decode(text, escape == Escape::Form, false).ok_or(MALFORMED)
                }
                None => Ok(text.to_vec()),
            })
            .transpose()
    };
    let client = match value("ip")? {
        Some(ip) => {
            network::contains(&ip, [0, 0, 0, 0].into()).ok_or(MALFORMED)?;
            offer.address.is_some_and(|address| network::contains(&ip, address) == Some(true))
        }
        None => true,
    };
    let subject = match field("data") {
        Some(_) => value("data")?,
        None => value("id")?,
    };
    let subject = subject.unwrap_or_default();
    if subject.iter().any(u8::is_ascii_control) {
        return Err(MALFORMED);
    }
    let life = Life {
        issued: starts,
        begins: starts,
        last: Some(expires),
        lifetime: starts.map(|from| expires - from),
        leeway: rules.leeway,
        default_leeway: 0,
        max_lifetime: rules.max_lifetime,
    };
    let in_path = globs.is_none_or(|globs| globs.iter().any(|glob| oracle::glob(glob, offer.path)));
    let is_in_scope = client && in_path && [&b"GET"[..], b"HEAD"].contains(&offer.method);
    let holds = if is_in_scope { Verdict::Granted } else { Verdict::OutOfScope };
    Ok(Outcome {
        verdict: life.denies(key, now).unwrap_or(holds),
        link: Some(oracle::identity(&tag)),
        key_id: key.id.into(),
        subject,
        expires_at: Some(expires),
    })
}
