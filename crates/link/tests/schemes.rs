//! The schemes jwt, edgeauth and sigv4 through the public interface. The tokens were made by PyJWT,
//! `akamai-edgeauth` and AWS (its published example), unless a test signs what no signer would.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod common;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Memory, SECRET};
use secure_link::{
    Algorithm, ArgumentNames, Client, EdgeAuthScheme, Escape, JwtScheme, Key, KeyDescription,
    KeyLife, Keyring, Keys, Mode, Policy, Request, Requirement, Scheme, SchemeKind, Scope, Secret,
    SigV4Scheme, Template, TokenPlace, Variables, Verdict, edgeauth, jwt, sigv4, verify,
};

const NOW: i64 = 1_700_000_000;
const JWT: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJrMSIsInN1YiI6ImFjbWUiLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicGF0aCI6Ii92aWRlb3MvKiJ9.I8FT-o0UaYOYs83M7SsckMn66ThxU_TwyUL4el8sEOg";
const EDGE_KEY: &str = "52a152a152a152a152a152a152a152a1";

/// A client and what it asks for.
#[derive(Clone, Copy)]
struct Offer<'a> {
    token: &'a str,
    method: &'a str,
    path: &'a str,
    /// The target as sent, if it is not the path and the query.
    target: Option<&'a str>,
    query: &'a str,
    host: &'a str,
    server: &'a str,
    headers: &'a [(&'a str, &'a str)],
    scheme: &'a str,
    address: &'a str,
    now: i64,
}

const OFFER: Offer<'_> = Offer {
    token: "",
    method: "GET",
    path: "/videos/a.mp4",
    target: None,
    query: "",
    host: "files.example",
    server: "files.example",
    headers: &[],
    scheme: "http",
    address: "203.0.113.7",
    now: NOW,
};

impl Client for Offer<'_> {
    fn address(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    fn scheme(&self) -> &[u8] {
        self.scheme.as_bytes()
    }

    fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8])) {
        let all = [("host", self.host)];
        for (header, value) in all.into_iter().chain(self.headers.iter().copied()) {
            if header.as_bytes() == name {
                each(value.as_bytes());
            }
        }
    }
}

/// The verdict, the key's id, the subject and the named claims of a check.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    verdict: Verdict,
    key_id: String,
    subject: String,
    claims: Vec<Option<String>>,
}

fn check(policy: &Policy, offer: Offer<'_>, claims: &[&str]) -> Outcome {
    let arena = Memory::new(64 << 10);
    let target = match offer.target {
        Some(target) => target.to_owned(),
        None => format!("{}?{}", offer.path, offer.query),
    };
    let inputs = [offer.token.as_bytes()];
    let request = Request {
        inputs: &inputs,
        repeated_argument: false,
        method: offer.method.as_bytes(),
        path: offer.path.as_bytes(),
        target: target.as_bytes(),
        query: offer.query.as_bytes(),
        host: offer.server.as_bytes(),
        client: &offer,
        mode: Mode::Enforced,
        arena: &arena,
    };
    let check = verify(policy, &request, offer.now);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stated = check.claims.unwrap_or_default();
    Outcome {
        verdict: check.verdict,
        key_id: text(stated.key_id),
        subject: text(stated.subject),
        claims: claims.iter().map(|name| stated.named(name.as_bytes(), &arena).map(text)).collect(),
    }
}

fn verdict(policy: &Policy, offer: Offer<'_>) -> Verdict {
    check(policy, offer, &[]).verdict
}

fn policy(scheme: Scheme) -> Policy {
    Policy {
        scheme,
        leeway: None,
        max_lifetime: 0,
        methods: ["GET", "HEAD", "PUT"].map(|method| method.as_bytes().into()).into(),
        requirements: Vec::new(),
    }
}

fn place(text: &str) -> TokenPlace {
    let mut variables = Variables::default();
    let value = Template::parse(text.as_bytes(), &mut variables).unwrap();
    TokenPlace::new(value, &variables)
}

/// A ring, and its id if one is written.
fn ring(kind: SchemeKind, keys: &[(&str, &[u8], Algorithm)], id: Option<&str>) -> Keys {
    let keys = keys.iter().map(|(id, secret, algorithm)| KeyDescription {
        id: id.as_bytes(),
        secret,
        algorithm: *algorithm,
        life: KeyLife::default(),
    });
    let ring = Keyring::prefixed(kind.key_prefix(), keys).unwrap();
    let mut variables = Variables::default();
    let id = id.map(|id| Template::parse(id.as_bytes(), &mut variables).unwrap());
    Keys::Ring { ring: Arc::new(ring), id }
}

fn jwt_policy(keys: Keys, scope: Scope) -> Policy {
    let mut own_arguments = ArgumentNames::default();
    own_arguments.insert(b"token");
    policy(Scheme::Jwt(JwtScheme { places: vec![place("$arg_token")], keys, scope, own_arguments }))
}

fn jwt_ring() -> Keys {
    ring(SchemeKind::Jwt, &[("k1", SECRET.as_bytes(), Algorithm::Sha256)], None)
}

/// The verdict on a payload, signed as it is.
fn judge(policy: &Policy, payload: &str) -> Verdict {
    let key = Key::new(Algorithm::Sha256, SECRET.as_bytes());
    let token = jwt::sign(payload, Some("k1"), &key).unwrap();
    verdict(policy, Offer { token: &token, ..OFFER })
}

/// A payload that is granted, with more members.
fn payload(more: &str) -> String {
    format!(r#"{{"exp":1700003600,"path":"/videos/*"{more}}}"#)
}

#[test]
fn the_vector_of_pyjwt_is_granted_and_says_who_it_is_for() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    let outcome = check(&policy, Offer { token: JWT, ..OFFER }, &["nbf", "PATH", "none"]);
    assert_eq!(
        outcome,
        Outcome {
            verdict: Verdict::Granted,
            key_id: "k1".into(),
            subject: "acme".into(),
            claims: vec![Some("1700000000".into()), Some("/videos/*".into()), None],
        }
    );
    for (now, expected) in [
        (NOW - 61, Verdict::Early),
        (NOW - 60, Verdict::Granted),
        (NOW + 3599, Verdict::Granted),
        (NOW + 3600, Verdict::Expired),
    ] {
        assert_eq!(verdict(&policy, Offer { token: JWT, now, ..OFFER }), expected, "{now}");
    }
    let elsewhere = Offer { token: JWT, path: "/video", ..OFFER };
    assert_eq!(verdict(&policy, elsewhere), Verdict::OutOfScope);
}

#[test]
fn any_changed_byte_of_a_jwt_is_refused() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    for at in 0..JWT.len() {
        for byte in [b'A', b'B', b'.', b'=', b'{', 0xff] {
            let mut token = JWT.as_bytes().to_vec();
            if token[at] == byte {
                continue;
            }
            token[at] = byte;
            let Ok(token) = String::from_utf8(token) else { continue };
            assert_ne!(verdict(&policy, Offer { token: &token, ..OFFER }), Verdict::Granted);
        }
    }
}

/// RFC 7515, appendix A.1, and RFC 7519, section 3.1: the same token, whose payload has line ends.
#[test]
fn the_token_of_the_rfcs_verifies() {
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = URL_SAFE_NO_PAD.decode(KEY).unwrap();
    let keys = ring(SchemeKind::Jwt, &[("joe", &secret, Algorithm::Sha256)], None);
    let policy = jwt_policy(keys, Scope::Any);
    let offer = Offer { token: TOKEN, now: 1_300_819_379, ..OFFER };
    let outcome = check(&policy, offer, &["http://example.com/is_root"]);
    assert_eq!(outcome.verdict, Verdict::Granted);
    assert_eq!(outcome.key_id, "joe");
    assert_eq!(outcome.claims, [Some("true".into())]);
    assert_eq!(verdict(&policy, Offer { now: 1_300_819_380, ..offer }), Verdict::Expired);
}

#[test]
fn the_key_is_that_of_the_id_and_has_the_algorithm() {
    let keys: &[(&str, &[u8], Algorithm)] = &[
        ("k1", SECRET.as_bytes(), Algorithm::Sha256),
        ("k2", SECRET.as_bytes(), Algorithm::Sha512),
    ];
    let judge = |id: Option<&str>, kid: Option<&str>, algorithm, payload: &str| {
        let policy = jwt_policy(ring(SchemeKind::Jwt, keys, id), Scope::Path);
        let key = Key::new(algorithm, SECRET.as_bytes());
        let token = jwt::sign(payload, kid, &key).unwrap();
        verdict(&policy, Offer { token: &token, ..OFFER })
    };
    let (sha256, sha512) = (Algorithm::Sha256, Algorithm::Sha512);
    let (plain, iss1) = (&*payload(""), &*payload(r#","iss":"k1""#));
    assert_eq!(judge(None, Some("k1"), sha256, plain), Verdict::Granted);
    assert_eq!(judge(None, Some("k2"), sha512, plain), Verdict::Granted);
    assert_eq!(judge(None, Some("k1"), sha512, plain), Verdict::Malformed);
    assert_eq!(judge(None, Some("k1"), Algorithm::Sha384, plain), Verdict::Malformed);
    assert_eq!(judge(None, Some("k3"), sha256, plain), Verdict::UnknownKey);
    assert_eq!(judge(None, Some(""), sha256, plain), Verdict::UnknownKey);
    assert_eq!(judge(None, Some("../k1"), sha256, plain), Verdict::UnknownKey);
    assert_eq!(judge(None, Some(&"k".repeat(65)), sha256, plain), Verdict::Malformed);
    assert_eq!(judge(None, None, sha256, iss1), Verdict::Granted);
    assert_eq!(judge(None, None, sha512, iss1), Verdict::Malformed);
    assert_eq!(judge(None, Some("k2"), sha512, iss1), Verdict::Granted);
    // Without any id all keys are tried.
    assert_eq!(judge(None, None, sha256, plain), Verdict::Granted);
    assert_eq!(judge(None, None, sha512, plain), Verdict::Granted);
    // A written id must be that of the header and of the issuer.
    assert_eq!(judge(Some("k1"), None, sha256, plain), Verdict::Granted);
    assert_eq!(judge(Some("k1"), Some("k1"), sha256, iss1), Verdict::Granted);
    assert_eq!(judge(Some("k1"), Some("k2"), sha256, plain), Verdict::UnknownKey);
    assert_eq!(
        judge(Some("k1"), Some("k1"), sha256, &payload(r#","iss":"k2""#)),
        Verdict::UnknownKey
    );
    assert_eq!(judge(Some(""), Some("k1"), sha256, plain), Verdict::UnknownKey);
}

#[test]
fn secrets_without_ids_take_any_id() {
    let secret = Secret::Fixed(Box::new(Key::new(Algorithm::Sha256, SECRET.as_bytes())));
    let policy = jwt_policy(Keys::Secrets(vec![secret]), Scope::Path);
    let outcome = check(&policy, Offer { token: JWT, ..OFFER }, &[]);
    assert_eq!((outcome.verdict, &*outcome.key_id), (Verdict::Granted, ""));
}

#[test]
fn headers_are_strict() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    let token = |header: &str| {
        let signed = [header, &payload("")].map(|text| URL_SAFE_NO_PAD.encode(text)).join(".");
        let tag =
            Key::new(Algorithm::Sha256, SECRET.as_bytes()).sign([signed.as_bytes()].into_iter());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_bytes()))
    };
    let judge = |header: &str| verdict(&policy, Offer { token: &token(header), ..OFFER });
    assert_eq!(judge(r#"{"alg":"HS256","kid":"k1"}"#), Verdict::Granted);
    assert_eq!(
        judge(r#" {"kid":"k1","typ":"x","jku":"https://evil.example/","alg":"HS256"} "#),
        Verdict::Granted
    );
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None","kid":"k1"}"#,
        r#"{"alg":"hs256","kid":"k1"}"#,
        r#"{"alg":"RS256","kid":"k1"}"#,
        r#"{"alg":"HS512","kid":"k1"}"#,
        r#"{"alg":256,"kid":"k1"}"#,
        r#"{"kid":"k1"}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","kid":"k1","crit":["exp"]}"#,
        r#"{"alg":"HS256","kid":"k1","crit":[]}"#,
        r#"{"alg":"HS256","alg":"HS256","kid":"k1"}"#,
        r#"{"alg":"none","\u0061lg":"HS256","kid":"k1"}"#,
        r#"["HS256"]"#,
        "",
    ] {
        assert_eq!(judge(header), Verdict::Malformed, "{header}");
    }
    for token in ["", "a", "..", "a.b", "a.b.c", "a.b.c.d", &JWT[1..], &JWT[..JWT.len() - 1]] {
        let expected = if token.is_empty() { Verdict::Missing } else { Verdict::Malformed };
        assert_eq!(verdict(&policy, Offer { token, ..OFFER }), expected, "{token}");
    }
    let (signed, _) = JWT.rsplit_once('.').unwrap();
    for token in
        [signed.to_owned() + ".", JWT.to_owned() + "=", JWT.to_owned() + ".", JWT.replace('-', "+")]
    {
        assert_eq!(verdict(&policy, Offer { token: &token, ..OFFER }), Verdict::Malformed);
    }
    assert_eq!(verdict(&policy, Offer { token: &"a".repeat(4097), ..OFFER }), Verdict::Malformed);
}

#[test]
fn an_authentic_payload_that_cannot_be_read_is_malformed() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    assert_eq!(judge(&policy, &payload("")), Verdict::Granted);
    for more in [
        r#","nbf":"1""#,
        r#","nbf":null"#,
        r#","iat":-1"#,
        r#","iat":9007199254740992"#,
        r#","iat":1e400"#,
        r#","exp":1"#,
        r#","sub":"a\nb""#,
        r#","sub":"\u0000""#,
        r#","sub":"\u007f""#,
        r#","sub":1"#,
        r#","iss":["k1"]"#,
        r#","aud":1"#,
        r#","aud":["a",1]"#,
        r#","method":{}"#,
        r#","ip":"203.0.113""#,
        r#","ip":["203.0.113.7"]"#,
        r#","cdniv":"1""#,
        r#","cdnicrit":"exp,cdnix""#,
        r#","cdnicrit":"""#,
        r#","cdnicrit":["exp"]"#,
        r#","a":{"b":1,"b":2}"#,
        r#","a":[[[[]]]]"#,
    ] {
        assert_eq!(judge(&policy, &payload(more)), Verdict::Malformed, "{more}");
    }
    for payload in [
        r#"{"path":"/videos/*"}"#,
        r#"{"exp":"1700003600","path":"/videos/*"}"#,
        r#"{"exp":null,"path":"/videos/*"}"#,
        r#"{"exp":1700003600,"path":1}"#,
        r#"{"exp":1700003600,"path":[["/videos/*"]]}"#,
        r#"[]"#,
        r#""#,
    ] {
        assert_eq!(judge(&policy, payload), Verdict::Malformed, "{payload}");
    }
    assert_eq!(judge(&policy, &"{".repeat(3000)), Verdict::Malformed);
}

#[test]
fn every_claim_of_a_jwt_must_hold() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    for (more, expected) in [
        (r#","ip":"203.0.113.7""#, Verdict::Granted),
        (r#","ip":"::ffff:203.0.113.0/120""#, Verdict::Granted),
        (r#","ip":"203.0.113.8""#, Verdict::OutOfScope),
        (r#","method":"GET""#, Verdict::Granted),
        (r#","method":["PUT","GET"]"#, Verdict::Granted),
        (r#","method":"PUT""#, Verdict::OutOfScope),
        (r#","method":[]"#, Verdict::OutOfScope),
        (r#","cdniv":1"#, Verdict::Granted),
        (r#","cdniv":2"#, Verdict::OutOfScope),
        (r#","cdniip":"jwe""#, Verdict::OutOfScope),
        (r#","cdniuc":"regex:.*""#, Verdict::OutOfScope),
        (r#","cdniuc":"hash:sha-256;AAAA""#, Verdict::OutOfScope),
        (r#","cdnicrit":"exp,path, ip""#, Verdict::Granted),
        (r#","cdnicrit":"cdniip","cdniip":"a""#, Verdict::OutOfScope),
        (r#","aud":"files.example""#, Verdict::OutOfScope),
        (r#","jti":"1","x":[{"y":[null,1.5e3]}]"#, Verdict::Granted),
        (r#","nbf":1700000060"#, Verdict::Granted),
        (r#","nbf":1700000061"#, Verdict::Early),
        (r#","iat":1700000061"#, Verdict::Early),
    ] {
        assert_eq!(judge(&policy, &payload(more)), expected, "{more}");
    }
    for (path, expected) in [
        (r#""/videos/a.mp4""#, Verdict::Granted),
        (r#"["/x/*","/videos/?.mp4"]"#, Verdict::Granted),
        (r#""/videos/\u002a""#, Verdict::Granted),
        (r#""*""#, Verdict::Granted),
        (r#""videos/*""#, Verdict::OutOfScope),
        (r#""/videos""#, Verdict::OutOfScope),
        (r#"[]"#, Verdict::OutOfScope),
        (r#""""#, Verdict::OutOfScope),
    ] {
        let payload = format!(r#"{{"exp":1700003600,"path":{path}}}"#);
        assert_eq!(judge(&policy, &payload), expected, "{path}");
    }
    let no_path = r#"{"exp":1700003600}"#;
    assert_eq!(judge(&policy, no_path), Verdict::OutOfScope);
    let any = jwt_policy(jwt_ring(), Scope::Any);
    assert_eq!(judge(&any, no_path), Verdict::Granted);
    assert_eq!(judge(&any, r#"{"exp":1700003600,"path":"/x"}"#), Verdict::OutOfScope);
}

#[test]
fn get_admits_head_and_nothing_else() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    let key = Key::new(Algorithm::Sha256, SECRET.as_bytes());
    let token = jwt::sign(&payload(r#","method":"GET""#), Some("k1"), &key).unwrap();
    let judge = |method| verdict(&policy, Offer { token: &token, method, ..OFFER });
    assert_eq!(judge("HEAD"), Verdict::Granted);
    assert_eq!(judge("PUT"), Verdict::OutOfScope);
}

#[test]
fn requirements_compare_text_and_arrays_of_audiences() {
    let mut policy = jwt_policy(jwt_ring(), Scope::Path);
    let mut require = |name: &str, value: &str, more: &str| {
        let value = Template::parse(value.as_bytes(), &mut Variables::default()).unwrap();
        policy.requirements = vec![Requirement { name: name.as_bytes().into(), value }];
        judge(&policy, &payload(more))
    };
    for (name, value, more) in [
        ("aud", "a", r#","aud":"a""#),
        ("aud", "a", r#","aud":["b","\u0061"]"#),
        ("tier", "gold", r#","tier":"gold""#),
        ("level", "3", r#","level":3"#),
        ("level", "3.0", r#","level":3.0"#),
        ("ok", "true", r#","ok":true"#),
    ] {
        assert_eq!(require(name, value, more), Verdict::Granted, "{more}");
    }
    for (name, value, more) in [
        ("aud", "a", r#","aud":"b""#),
        ("aud", "a", r#","aud":[]"#),
        ("aud", r#"["a"]"#, r#","aud":["a"]"#),
        ("aud", "a", ""),
        ("aud", "", r#","aud":"""#),
        ("tier", "gold", r#","Tier":"gold""#),
        ("tier", "gold", r#","tier":["gold"]"#),
        ("tier", r#"["gold"]"#, r#","tier":["gold"]"#),
        ("tier", "{}", r#","tier":{}"#),
        ("tier", "null", r#","tier":null"#),
        ("level", "3", r#","level":3.0"#),
        ("x", "1", r#","x":1,"aud":"a""#),
    ] {
        assert_eq!(require(name, value, more), Verdict::OutOfScope, "{more}");
    }
}

/// The hash was made by Python's `hashlib` over
/// `https://files.example/videos/a.mp4?x=%2Fy&z=~`.
#[test]
fn a_hashed_uri_is_normalised_and_lacks_the_token() {
    const HASH: &str = "m7-b3BhaSDY_Ndvgy3spZMm3zbr8YWdyf1OS9a4UdYs";
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    let payload = format!(r#"{{"exp":1700003600,"cdniuc":"hash:sha-256;{HASH}"}}"#);
    let key = Key::new(Algorithm::Sha256, SECRET.as_bytes());
    let token = jwt::sign(&payload, Some("k1"), &key).unwrap();
    let query = format!("x=%2fy&token={token}&z=%7E");
    let offer = Offer {
        token: &token,
        host: "FILES.example",
        target: Some("/x/../videos/%61.mp4?ignored"),
        query: &query,
        scheme: "https",
        ..OFFER
    };
    assert_eq!(verdict(&policy, offer), Verdict::Granted);
    for offer in [
        Offer { scheme: "http", ..offer },
        Offer { host: "other.example", ..offer },
        Offer { host: "files.example:8443", ..offer },
        Offer { host: "files.example:443", ..offer },
        Offer { target: Some("/videos/b.mp4"), ..offer },
        Offer { target: Some("/videos/<.mp4"), ..offer },
        Offer { query: "x=%2fy&z=%7E&a=1", ..offer },
        Offer { query: "x=%2Fy", ..offer },
    ] {
        assert_eq!(verdict(&policy, offer), Verdict::OutOfScope);
    }
    // Of two scopes both must hold.
    let payload = payload.replace("\"cdniuc\"", "\"path\":\"/other\",\"cdniuc\"");
    let token = jwt::sign(&payload, Some("k1"), &key).unwrap();
    assert_eq!(verdict(&policy, Offer { token: &token, ..offer }), Verdict::OutOfScope);
}

#[test]
fn max_lifetime_counts_from_issue() {
    let mut policy = jwt_policy(jwt_ring(), Scope::Path);
    policy.max_lifetime = 3600;
    for (more, expected) in [
        (r#","iat":1700000000"#, Verdict::Granted),
        (r#","iat":1699999999"#, Verdict::Expired),
        (r#","nbf":1699999999"#, Verdict::Expired),
        (r#","iat":1700000000,"nbf":1699990000"#, Verdict::Granted),
        ("", Verdict::Granted),
    ] {
        assert_eq!(judge(&policy, &payload(more)), expected, "{more}");
    }
    assert_eq!(judge(&policy, r#"{"exp":1700003602,"path":"*"}"#), Verdict::Expired);
}

fn edge(algorithm: Algorithm, salt: Option<&str>, escape: Option<Escape>) -> Policy {
    let secret = hex::decode(EDGE_KEY).unwrap();
    policy(Scheme::EdgeAuth(EdgeAuthScheme {
        places: vec![place("$arg_hdnts")],
        keys: ring(SchemeKind::EdgeAuth, &[("k1", &secret, algorithm)], None),
        salt: salt.map(|salt| salt.as_bytes().into()),
        escape,
    }))
}

const ACL: &str = "exp=1700003600~acl=/videos/*~hmac=24e6ebb5a155ff8b10dc35e4f9421a63c743cfc4132826b046337bb4a48e051f";
const ACL_SHA1: &str = "exp=1700003600~acl=/videos/*~hmac=301952de1f34bf07da550a8d0d437b5248612af4";
const URL: &str =
    "exp=1700003600~hmac=132d5902158fafd7eb497d77f4694e0b5e4b852e98ffe7fb24c1ef66b4ec3e35";
const URL_ESCAPED: &str =
    "exp=1700003600~hmac=da6e9fcf1c3c6eceec60e88d1b3a7c7dad8315e997ca7b5fb546dc49b8de9f67";
const FULL: &str = "ip=203.0.113.7~st=1700000000~exp=1700003600~acl=/videos/*!/img/a.jpg~id=s1~data=acme~hmac=f058dbd380763b6d2fb6de30cf12b96b9166f4b6335ad5e0115e937de270e69b";

#[test]
fn the_vectors_of_akamai_edgeauth_are_granted() {
    let sha256 = edge(Algorithm::Sha256, None, None);
    let salted = edge(Algorithm::Sha256, Some("pepper"), None);
    let offer = |token| Offer { token, ..OFFER };
    assert_eq!(verdict(&sha256, offer(ACL)), Verdict::Granted);
    assert_eq!(verdict(&edge(Algorithm::Sha1, None, None), offer(ACL_SHA1)), Verdict::Granted);
    assert_eq!(verdict(&sha256, offer(ACL_SHA1)), Verdict::Malformed);
    assert_eq!(verdict(&sha256, offer(URL)), Verdict::Granted);
    let query = Offer { query: "anything=1", ..offer(URL) };
    assert_eq!(verdict(&sha256, query), Verdict::Granted);
    let other = Offer { path: "/videos/b.mp4", ..offer(URL) };
    assert_eq!(verdict(&sha256, other), Verdict::Forged);
    let escaped =
        Offer { path: "/videos/a b.mp4", target: Some("/videos/a%20b.mp4"), ..offer(URL_ESCAPED) };
    let form = edge(Algorithm::Sha256, None, Some(Escape::Form));
    assert_eq!(verdict(&form, escaped), Verdict::Granted);
    assert_eq!(verdict(&sha256, escaped), Verdict::Forged);

    let outcome = check(&salted, offer(FULL), &["data", "ID", "acl", "exp", "hmac"]);
    assert_eq!(outcome.verdict, Verdict::Granted);
    assert_eq!((&*outcome.key_id, &*outcome.subject), ("k1", "acme"));
    let claims = outcome.claims.iter().map(Option::as_deref);
    assert_eq!(
        claims.collect::<Vec<_>>(),
        [Some("acme"), Some("s1"), Some("/videos/*!/img/a.jpg"), Some("1700003600"), None]
    );
    assert_eq!(verdict(&sha256, offer(FULL)), Verdict::Forged);
    let second = Offer { path: "/img/a.jpg", ..offer(FULL) };
    assert_eq!(verdict(&salted, second), Verdict::Granted);
    for (offer, expected) in [
        (Offer { address: "203.0.113.8", ..offer(FULL) }, Verdict::OutOfScope),
        (Offer { address: "", ..offer(FULL) }, Verdict::OutOfScope),
        (Offer { path: "/img/b.jpg", ..offer(FULL) }, Verdict::OutOfScope),
        (Offer { now: NOW - 1, ..offer(FULL) }, Verdict::Early),
        (Offer { now: NOW + 3600, ..offer(FULL) }, Verdict::Granted),
        (Offer { now: NOW + 3601, ..offer(FULL) }, Verdict::Expired),
    ] {
        assert_eq!(verdict(&salted, offer), expected);
    }
}

#[test]
fn a_token_without_an_equals_sign_is_encoded_as_a_whole() {
    let policy = edge(Algorithm::Sha256, None, None);
    let encoded = ACL.replace('=', "%3D").replace('*', "%2a").replace('/', "%2F");
    assert_eq!(verdict(&policy, Offer { token: &encoded, ..OFFER }), Verdict::Granted);
    let twice = encoded.replace('%', "%25");
    assert_eq!(verdict(&policy, Offer { token: &twice, ..OFFER }), Verdict::Malformed);
}

#[test]
fn edgeauth_tokens_are_strict() {
    let policy = edge(Algorithm::Sha256, None, None);
    let key = Key::new(Algorithm::Sha256, &hex::decode(EDGE_KEY).unwrap());
    let judge = |fields: &[(&str, &str)], url: Option<&str>| {
        let token = edgeauth::sign(fields, url, None, &key).unwrap();
        verdict(&policy, Offer { token: &token, ..OFFER })
    };
    const EXP: (&str, &str) = ("exp", "1700003600");
    const ALL: (&str, &str) = ("acl", "/*");
    assert_eq!(judge(&[EXP, ALL], None), Verdict::Granted);
    for fields in [
        &[ALL][..],
        &[EXP, EXP, ALL],
        &[EXP, ALL, ALL],
        &[EXP, ALL, ("data", "a"), ("data", "a")],
        &[EXP, ALL, ("foo", "a")],
        &[EXP, ALL, ("url", "/videos/a.mp4")],
        &[EXP, ALL, ("hmac", "00")],
        &[("exp", "1700003600.0"), ALL],
        &[("exp", "+1700003600"), ALL],
        &[("exp", "99999999999999999999"), ALL],
        &[("exp", ""), ALL],
        &[EXP, ("st", "now"), ALL],
        &[EXP, ("ip", "203.0.113"), ALL],
        &[EXP, ("ip", ""), ALL],
        &[EXP, ALL, ("data", "a\nb")],
        &[EXP, ALL, ("id", "a\x7f")],
        &[EXP, ("acl", &*["/*"; 33].join("!"))],
    ] {
        assert_eq!(judge(fields, None), Verdict::Malformed, "{fields:?}");
    }
    assert_eq!(judge(&[EXP, ("acl", &["/*"; 32].join("!"))], None), Verdict::Granted);
    assert_eq!(judge(&[EXP, ("acl", "%2Fvideos%2f*%")], None), Verdict::OutOfScope);
    assert_eq!(judge(&[EXP, ("acl", "%2Fvideos%2F*%21/x")], None), Verdict::Granted);
    assert_eq!(judge(&[EXP, ("acl", "")], None), Verdict::OutOfScope);
    assert_eq!(judge(&[EXP], Some("/videos/a.mp4")), Verdict::Granted);
    assert_eq!(judge(&[EXP, ("ip", "203.0.113.0/24"), ALL], None), Verdict::Granted);
    for token in [
        "exp=1".to_owned(),
        "~hmac=00".to_owned(),
        ACL.to_owned() + "~",
        ACL.to_owned() + "0",
        ACL.to_owned() + "~data=x",
        ACL.replace("~hmac=", "~hmac=zz"),
        ACL.replace("acl=", "acl"),
    ] {
        assert_eq!(
            verdict(&policy, Offer { token: &token, ..OFFER }),
            Verdict::Malformed,
            "{token}"
        );
    }
    assert_eq!(edgeauth::sign(&[("data", "a~b")], None, None, &key), None);
}

#[test]
fn any_changed_byte_of_an_edgeauth_token_is_refused() {
    let policy = edge(Algorithm::Sha256, Some("pepper"), None);
    for at in 0..FULL.len() {
        for byte in [b'0', b'~', b'=', b'*', b'f', b'%'] {
            let mut token = FULL.as_bytes().to_vec();
            if token[at] == byte {
                continue;
            }
            token[at] = byte;
            let token = String::from_utf8(token).unwrap();
            assert_ne!(verdict(&policy, Offer { token: &token, ..OFFER }), Verdict::Granted);
        }
    }
}

const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const AWS_QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
const AWS_NOW: i64 = 1_369_353_600;
const AWS: Offer<'_> = Offer {
    path: "/test.txt",
    query: AWS_QUERY,
    host: "examplebucket.s3.amazonaws.com",
    server: "examplebucket.s3.amazonaws.com",
    now: AWS_NOW,
    ..OFFER
};

fn sigv4_keys() -> Keys {
    let keys: &[(&str, &[u8], Algorithm)] = &[
        ("AKIAIOSFODNN7EXAMPLE", AWS_SECRET.as_bytes(), Algorithm::Sha256),
        ("OTHER", b"0123456789abcdef", Algorithm::Sha256),
    ];
    ring(SchemeKind::SigV4, keys, None)
}

fn sigv4_policy() -> Policy {
    policy(Scheme::SigV4(SigV4Scheme { keys: sigv4_keys(), region: None, service: None }))
}

#[test]
fn the_published_example_of_aws_is_granted() {
    let policy = sigv4_policy();
    // The second time the day's key is kept.
    for _ in 0..2 {
        let outcome = check(&policy, AWS, &["X_Amz_Expires", "x_amz_signature"]);
        assert_eq!(outcome.verdict, Verdict::Granted);
        assert_eq!(outcome.key_id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(outcome.claims, [Some("86400".into()), None]);
    }
    for (offer, expected) in [
        (Offer { now: AWS_NOW + 86400, ..AWS }, Verdict::Granted),
        (Offer { now: AWS_NOW + 86401, ..AWS }, Verdict::Expired),
        (Offer { now: AWS_NOW - 900, ..AWS }, Verdict::Granted),
        (Offer { now: AWS_NOW - 901, ..AWS }, Verdict::Early),
        (Offer { method: "HEAD", ..AWS }, Verdict::Forged),
        (Offer { method: "PUT", ..AWS }, Verdict::Forged),
        (Offer { path: "/test.txt2", ..AWS }, Verdict::Forged),
        (Offer { path: "/other.txt", target: Some("/test.txt"), ..AWS }, Verdict::OutOfScope),
        (Offer { host: "evil.example", server: "evil.example", ..AWS }, Verdict::Forged),
        (Offer { server: "evil.example", ..AWS }, Verdict::OutOfScope),
        (Offer { target: Some("?"), ..AWS }, Verdict::Malformed),
        (Offer { query: "", ..AWS }, Verdict::Missing),
        (Offer { query: "x-id=GetObject", ..AWS }, Verdict::Missing),
    ] {
        assert_eq!(verdict(&policy, offer), expected);
    }
}

#[test]
fn the_region_and_service_must_be_those_that_are_served() {
    for (region, service, expected) in [
        (Some("us-east-1"), Some("s3"), Verdict::Granted),
        (Some("eu-west-1"), None, Verdict::OutOfScope),
        (None, Some("execute-api"), Verdict::OutOfScope),
    ] {
        let text = |text: Option<&str>| text.map(|text| text.as_bytes().into());
        let scheme =
            SigV4Scheme { keys: sigv4_keys(), region: text(region), service: text(service) };
        assert_eq!(verdict(&policy(Scheme::SigV4(scheme)), AWS), expected);
    }
}

#[test]
fn the_query_of_sigv4_is_strict() {
    let policy = sigv4_policy();
    let judge = |query: &str| verdict(&policy, Offer { query, ..AWS });
    // In another order it is the same.
    let mut arguments: Vec<_> = AWS_QUERY.split('&').collect();
    arguments.reverse();
    assert_eq!(judge(&arguments.join("&")), Verdict::Granted);
    for (from, to, expected) in [
        ("X-Amz-Signature", "X%2DAmz-Signature", Verdict::Malformed),
        ("X-Amz-Signature", "x-amz-signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&X%2DAmz-Signature=00&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&X-Amz-Signature=00&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&x-amz-expires=1&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&X-Amz-Security-Token=a&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&x-amz-a=1&X-Amz-A=1&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&X-Amz-Content-Sha256=00&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&x=%&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&%zz=1&X-Amz-Signature", Verdict::Malformed),
        ("&X-Amz-Signature", "&x=1&X-Amz-Signature", Verdict::Forged),
        ("&X-Amz-Signature", "&&X-Amz-Signature", Verdict::Forged),
        ("Expires=86400", "Expires=86401", Verdict::Forged),
        ("Expires=86400", "Expires=0", Verdict::Malformed),
        ("Expires=86400", "Expires=604801", Verdict::Malformed),
        ("Expires=86400", "Expires=-1", Verdict::Malformed),
        ("Date=20130524T", "Date=20130525T", Verdict::Malformed),
        ("EXAMPLE%2F20130524", "EXAMPLE%2F20130525", Verdict::Malformed),
        ("%2Faws4_request", "", Verdict::Malformed),
        ("%2Faws4_request", "%2Faws4_request%2F", Verdict::Malformed),
        ("aws4_request", "aws5_request", Verdict::Malformed),
        ("=AKIA", "=BKIA", Verdict::UnknownKey),
        ("=AKIAIOSFODNN7EXAMPLE", "=OTHER", Verdict::Forged),
        ("=AKIAIOSFODNN7EXAMPLE", "=", Verdict::UnknownKey),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", Verdict::Malformed),
        ("Headers=host", "Headers=HOST", Verdict::Malformed),
        ("Headers=host", "Headers=host%3Bhost", Verdict::Malformed),
        ("Headers=host", "Headers=host%3Ba", Verdict::Malformed),
        ("Headers=host", "Headers=a", Verdict::Malformed),
        ("Headers=host", "Headers=host%3Bx-a", Verdict::Forged),
        ("f604d404", "f604d4", Verdict::Malformed),
        ("f604d404", "f604d40g", Verdict::Malformed),
        ("f604d404", "f604d405", Verdict::Forged),
        ("X-Amz-Date=20130524T000000Z&", "", Verdict::Malformed),
    ] {
        assert!(AWS_QUERY.contains(from));
        assert_eq!(judge(&AWS_QUERY.replace(from, to)), expected, "{from} {to}");
    }
    let long = format!("{AWS_QUERY}&X-Amz-Z={}", "a".repeat(4096));
    assert_eq!(judge(&long), Verdict::Malformed);
}

#[test]
fn what_is_signed_is_verified_however_it_is_spelt() {
    let policy = sigv4_policy();
    let key =
        Key::prefixed(Algorithm::Sha256, SchemeKind::SigV4.key_prefix(), AWS_SECRET.as_bytes());
    let link = sigv4::Presign {
        method: "GET",
        host: "files.example",
        path: "/b/\u{e4} +%~'.txt",
        arguments: &[
            ("response-content-disposition", "a;b \"c\""),
            ("x-id", "GetObject"),
            ("e", ""),
        ],
        key_id: "AKIAIOSFODNN7EXAMPLE",
        region: "r",
        service: "s3",
        expires: 60,
    };
    let url = sigv4::sign(&link, &key, NOW).unwrap();
    let (target, query) = url.split_once('?').unwrap();
    let offer = Offer { path: link.path, target: Some(target), query, ..OFFER };
    let outcome = check(&policy, offer, &["response_content_disposition", "x_id", "e"]);
    assert_eq!(outcome.verdict, Verdict::Granted);
    let claims = outcome.claims.iter().map(Option::as_deref);
    assert_eq!(claims.collect::<Vec<_>>(), [Some("a;b \"c\""), Some("GetObject"), Some("")]);
    for (target, query, expected) in [
        (target.replace("%20", " "), query.replace("%20", "+"), Verdict::Granted),
        (target.replace("%C3%A4", "%c3%a4"), query.replace("&e=&", "&e&"), Verdict::Granted),
        (target.replace('b', "%62"), query.replace("%22", "\""), Verdict::Granted),
        (target.replace("%2B", "+"), query.to_owned(), Verdict::Granted),
        (target.to_owned(), query.replace("%3B", "%26"), Verdict::Forged),
    ] {
        let offer = Offer { target: Some(&target), query: &query, ..offer };
        assert_eq!(verdict(&policy, offer), expected, "{target} {query}");
    }
    // A default port is signed or not, as the SDK has it.
    for (host, scheme, expected) in [
        ("files.example:80", "http", Verdict::Granted),
        ("files.example:443", "https", Verdict::Granted),
        ("files.example:80", "https", Verdict::Forged),
        ("files.example:8080", "http", Verdict::Forged),
    ] {
        assert_eq!(verdict(&policy, Offer { host, scheme, ..offer }), expected, "{host}");
    }
}

#[test]
fn a_path_that_is_not_the_served_one_is_out_of_scope() {
    let policy = sigv4_policy();
    let key = Key::prefixed(Algorithm::Sha256, b"AWS4", AWS_SECRET.as_bytes());
    for (path, served) in [("/a//b", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/a/b", "/c")]
    {
        let link = sigv4::Presign {
            method: "GET",
            host: "files.example",
            path,
            arguments: &[],
            key_id: "AKIAIOSFODNN7EXAMPLE",
            region: "r",
            service: "s3",
            expires: 60,
        };
        let url = sigv4::sign(&link, &key, NOW).unwrap();
        let (target, query) = url.split_once('?').unwrap();
        let offer = Offer { path: served, target: Some(target), query, ..OFFER };
        assert_eq!(verdict(&policy, offer), Verdict::OutOfScope, "{path}");
        assert_eq!(verdict(&policy, Offer { path, ..offer }), Verdict::Granted, "{path}");
    }
}
