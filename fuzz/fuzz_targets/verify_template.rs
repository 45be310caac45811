//! Links of the template scheme: any algorithm, encoding, time and change of a part, against a model of the verdict.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use secure_link::{
    Encoding, Fields, MAX_CREDENTIAL_LEN, Mode, Policy, Scheme, SchemeKind, Signing, Template,
    TemplateScheme, TimeField, Variables, Verdict,
};
use secure_link_fuzz::keys::ModelKeys;
use secure_link_fuzz::life::Life;
use secure_link_fuzz::offer::{OFFER, Offer, Outcome};
use secure_link_fuzz::{CLOCKS, Input, mutate, oracle, time};

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

/// Credentials, and the messages that cover them.
const SHAPES: [(&str, &str); 3] = [
    ("$arg_st,$arg_ts,$arg_e", "$uri|$arg_ts|$arg_e"),
    ("$arg_st,$arg_ts", "$uri|$arg_ts"),
    ("$arg_st", "$uri"),
];

struct Rules<'k> {
    keys: &'k ModelKeys,
    /// How many of time and lifetime a credential has.
    fields: usize,
    encoding: Encoding,
    time: TimeField,
    mode: Mode,
    leeway: i64,
    max_lifetime: i64,
}

/// What a client sends: token, time, lifetime, path.
type Parts = [Vec<u8>; 4];

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, ModelKeys::CHOICES + 18)?;
    let now = input.pick(&CLOCKS).saturating_add(input.small());
    let keys = ModelKeys::make(&mut input, SchemeKind::Template, now);
    let shape = usize::from(input.byte()) % SHAPES.len();
    let rules = Rules {
        keys: &keys,
        fields: 2 - shape,
        encoding: input.pick(Encoding::ALL),
        time: input.pick(TimeField::ALL),
        mode: input.pick(&[Mode::Enforced, Mode::Advisory]),
        leeway: input.pick(&[0, 0, 1, 60]),
        max_lifetime: input.pick(&[0, 0, 1, 60]),
    };
    let method = input.pick(&[&b"GET"[..], b"HEAD", b"PUT"]);
    let (signer, made, spelling) = (input.byte(), input.byte(), input.byte());
    let (at, lifetime) = (now.saturating_add(input.small()), input.small().abs());
    let changed = usize::from(input.byte()) % 4;
    let [kind, place, with] = [(); 3].map(|()| input.byte());
    let [path, raw_time, raw_lifetime] = [(); 3].map(|()| input.text());
    let raw_token = input.rest();

    let signer = &keys.all[usize::from(signer) % keys.all.len()];
    let time = match (made & 1, rules.time) {
        (0, _) => raw_time.to_vec(),
        (_, TimeField::IssuedHex | TimeField::ExpiresHex) => format!("{at:x}").into_bytes(),
        _ => {
            let texts = time::texts(at, i64::from(spelling));
            texts[usize::from(spelling) % texts.len()].clone().into_bytes()
        }
    };
    let lifetime = match made & 2 {
        0 => raw_lifetime.to_vec(),
        _ => lifetime.to_string().into_bytes(),
    };
    let mut parts = [Vec::new(), time, lifetime, path.to_vec()];
    parts[0] = match made & 12 {
        0 => raw_token.to_vec(),
        _ => oracle::encode(rules.encoding, &signer.mac(&message(&rules, &parts))).into_bytes(),
    };

    let mut variables = Variables::default();
    let (credential, text) = SHAPES[shape];
    let credential = Fields::parse(credential.as_bytes(), &mut variables).ok()?;
    let signed = Template::parse(text.as_bytes(), &mut variables).ok()?;
    let scheme = TemplateScheme {
        credentials: vec![credential],
        signing: Arc::new(Signing { message: signed, keys: keys.keys() }),
        encoding: rules.encoding,
        time: rules.time,
    };
    let policy = Policy {
        scheme: Scheme::Template(scheme),
        leeway: Some(rules.leeway),
        max_lifetime: rules.max_lifetime,
        methods: vec![(*b"GET").into(), (*b"HEAD").into()],
        requirements: Vec::new(),
    };
    let try_parts = |parts: &Parts| {
        let names = ["$arg_st", "$arg_ts", "$arg_e", "$uri"];
        let value = |name: &str| &*parts[names.iter().position(|n| *n == name).expect("a name")];
        let inputs: Vec<_> = variables.as_slice().iter().map(|v| value(&v.to_string())).collect();
        let offer = Offer { inputs: &inputs, method, mode: rules.mode, ..OFFER };
        let outcome = offer.check(&policy, now);
        let expected = judge(&rules, parts, method, now).unwrap_or_else(Outcome::denied);
        assert_eq!(
            outcome,
            expected,
            "{:?}",
            parts.each_ref().map(|part| part.escape_ascii().to_string())
        );
        outcome
    };
    let outcome = try_parts(&parts);
    let mut others = parts.clone();
    others[changed] = mutate(&parts[changed], kind, place, with);
    let other = try_parts(&others);
    if outcome.link.is_some() && other.link.is_some() {
        // Another spelling of the token, or a field that is neither read nor signed.
        assert_eq!(message(&rules, &others), message(&rules, &parts));
        let decoded = |parts: &Parts| oracle::decode(rules.encoding, &parts[0]);
        assert_eq!(decoded(&others), decoded(&parts));
        assert_eq!(other, outcome);
    }
    Some(())
}

fn message(rules: &Rules<'_>, [_, time, lifetime, path]: &Parts) -> Vec<u8> {
    match rules.fields {
        0 => path.clone(),
        1 => [&path[..], time].join(&b'|'),
        _ => [&path[..], time, lifetime].join(&b'|'),
    }
}

/// Token, time and lifetime as a client's commas part them, but for the comma of a weekday.
fn at_commas(text: &[u8]) -> (&[u8], Option<&[u8]>, Option<&[u8]>) {
    let split = |text: &[u8], from: usize| (from..text.len()).find(|at| text[*at] == b',');
    let Some(at) = split(text, 0) else { return (text, None, None) };
    let (token, rest) = (&text[..at], &text[at + 1..]);
    let days = b"mon,tue,wed,thu,fri,sat,sun,";
    let begins = rest.get(..4).map(|day| day.to_ascii_lowercase());
    let is_day = begins.is_some_and(|day| days.chunks(4).any(|known| known == day));
    match split(rest, if is_day { 4 } else { 0 }) {
        Some(at) => (token, Some(&rest[..at]), Some(&rest[at + 1..])),
        None => (token, Some(rest), None),
    }
}

fn judge(rules: &Rules<'_>, parts: &Parts, method: &[u8], now: i64) -> Result<Outcome, Verdict> {
    const MALFORMED: Verdict = Verdict::Malformed;
    let [token, time, lifetime, _] = parts.each_ref().map(Vec::as_slice);
    let whole = parts[..=rules.fields].join(&b',');
    if whole.len() > MAX_CREDENTIAL_LEN {
        return Err(MALFORMED);
    }
    if token.is_empty() {
        return Err(Verdict::Missing);
    }
    let (token, time, lifetime) = match rules.mode {
        Mode::Enforced => (
            token,
            Some(time).filter(|_| rules.fields > 0),
            Some(lifetime).filter(|_| rules.fields > 1),
        ),
        Mode::Advisory => at_commas(&whole),
    };
    let is_expiry = matches!(rules.time, TimeField::Expires | TimeField::ExpiresHex);
    let time = match time {
        Some(text) if matches!(rules.time, TimeField::IssuedHex | TimeField::ExpiresHex) => {
            Some(time::hex_timestamp(text).ok_or(MALFORMED)?)
        }
        Some(text) => Some(time::timestamp(text).ok_or(MALFORMED)?),
        None => None,
    };
    if is_expiry && lifetime.is_some() {
        return Err(MALFORMED);
    }
    let lifetime = lifetime.map(|text| time::seconds(text).ok_or(MALFORMED)).transpose()?;
    let ends = match (time, lifetime) {
        (Some(time), Some(lifetime)) => Some(time.checked_add(lifetime).ok_or(MALFORMED)?),
        _ => None,
    };
    let issued = time.filter(|_| !is_expiry);
    let last = if is_expiry { time } else { ends.filter(|_| lifetime != Some(0)) };

    let tag = oracle::decode(rules.encoding, token).ok_or(MALFORMED)?;
    let message = message(rules, parts);
    let fits = |algorithm: secure_link::Algorithm| algorithm.tag_len() == tag.len();
    let key = rules.keys.verify(None, fits, |key| key.mac(&message) == tag, now)?;
    let life = Life {
        issued,
        begins: issued.filter(|_| rules.leeway > 0 || rules.max_lifetime > 0),
        last,
        lifetime: lifetime.filter(|lifetime| *lifetime > 0),
        leeway: Some(rules.leeway),
        default_leeway: 0,
        max_lifetime: rules.max_lifetime,
    };
    let is_admitted = rules.mode == Mode::Advisory || [&b"GET"[..], b"HEAD"].contains(&method);
    let holds = if is_admitted { Verdict::Granted } else { Verdict::OutOfScope };
    Ok(Outcome {
        verdict: life.denies(key, now).unwrap_or(holds),
        link: Some(oracle::identity(&tag)),
        key_id: key.id.into(),
        subject: Vec::new(),
        expires_at: last,
    })
}
