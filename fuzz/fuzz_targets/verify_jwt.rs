//! JSON Web Tokens: any header, payload and change of the token, against a model of the verdict.
#![no_main]

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzz_target;
use secure_link::{
    ArgumentNames, JwtScheme, Key, Policy, Requirement, Scheme, SchemeKind, Scope, Template,
    TokenPlace, Variables, Verdict, jwt,
};
use secure_link_fuzz::jwt::{Rules, judge};
use secure_link_fuzz::keys::ModelKeys;
use secure_link_fuzz::offer::{OFFER, Offer};
use secure_link_fuzz::{CLOCKS, Input, mutate};

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, ModelKeys::CHOICES + 12)?;
    let now = input.pick(&CLOCKS).saturating_add(input.small());
    let keys = ModelKeys::make(&mut input, SchemeKind::Jwt, now);
    let rules = Rules {
        keys: &keys,
        scope: input.pick(Scope::ALL),
        requirement: input.pick(&[None, None, Some(("aud", "files")), Some(("sub", "acme"))]),
        leeway: input.pick(&[None, Some(0), Some(1), Some(60)]),
        max_lifetime: input.pick(&[0, 0, 1, 3600]),
    };
    let method = input.pick(&[&b"GET"[..], b"HEAD", b"PUT"]);
    let (signer, made) = (input.byte(), input.byte());
    let change = [(); 3].map(|()| input.byte());
    let [header, payload, path, sent, query, address] = [(); 6].map(|()| input.text());
    let raw = input.rest();

    let signer = &keys.all[usize::from(signer) % keys.all.len()];
    let payload_text = str::from_utf8(payload).ok();
    let token = match made % 4 {
        0 => raw.to_vec(),
        1 => {
            let head = [BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(payload)].join(".");
            let tag = BASE64URL_NOPAD.encode(&signer.mac(head.as_bytes()));
            format!("{head}.{tag}").into_bytes()
        }
        _ => {
            let key = Key::new(signer.algorithm, &signer.secret);
            let id = Some(signer.id).filter(|id| !id.is_empty() && made & 4 == 0);
            jwt::sign(payload_text.unwrap_or("{}"), id, &key)?.into_bytes()
        }
    };
    let target = match query {
        b"" => sent.to_vec(),
        query => [sent, b"?", query].concat(),
    };

    let mut variables = Variables::default();
    let place = Template::parse(b"$arg_token", &mut variables).ok()?;
    let requirement = rules.requirement.map(|(name, value)| Requirement {
        name: name.as_bytes().into(),
        value: Template::parse(value.as_bytes(), &mut variables).expect("a literal"),
    });
    let mut own_arguments = ArgumentNames::default();
    own_arguments.insert(b"token");
    let policy = Policy {
        scheme: Scheme::Jwt(JwtScheme {
            places: vec![TokenPlace::new(place, &variables)],
            keys: keys.keys(),
            scope: rules.scope,
            own_arguments,
        }),
        leeway: rules.leeway,
        max_lifetime: rules.max_lifetime,
        methods: vec![(*b"GET").into(), (*b"HEAD").into()],
        requirements: requirement.into_iter().collect(),
    };
    let try_token = |token: &[u8]| {
        let offer = Offer {
            inputs: &[token],
            method,
            path,
            target: &target,
            query,
            server: if made & 8 == 0 { OFFER.server } else { b"other.example" },
            address: str::from_utf8(address).ok().and_then(|text| text.parse().ok()),
            ..OFFER
        };
        let outcome = offer.check(&policy, now);
        let (expected, is_sure) = judge(&rules, token, &offer, now);
        let alike = outcome == expected || !is_sure && outcome.verdict == Verdict::Granted;
        assert!(alike, "{outcome:?}, not {expected:?}: {}", token.escape_ascii());
        outcome
    };
    let outcome = try_token(&token);
    // base64url without padding has one spelling: no other token is known by the same MAC.
    let [kind, at, with] = change;
    let changed = mutate(&token, kind, at, with);
    let other = try_token(&changed);
    assert!(changed == token || other.link.is_none() || outcome.link.is_none());
    Some(())
}
