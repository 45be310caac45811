//! JSON Web Tokens through the public interface. The tokens were made by PyJWT, unless a test signs
//! what no signer would.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::SECRET;
use common::schemes::{NOW, OFFER, Offer, Outcome, check, place, policy, ring, signed, verdict};
use secure_link::{
    Algorithm, ArgumentNames, JwtScheme, Key, Keys, Policy, Requirement, Scheme, SchemeKind, Scope,
    Secret, Template, Variables, Verdict, jwt,
};

const JWT: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJrMSIsInN1YiI6ImFjbWUiLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicGF0aCI6Ii92aWRlb3MvKiJ9.I8FT-o0UaYOYs83M7SsckMn66ThxU_TwyUL4el8sEOg";

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
        // The URI is right, but nginx serves another path, or another host.
        Offer { target: Some("/videos//../a.mp4"), path: "/a.mp4", ..offer },
        Offer { target: Some("/videos/x%2Fy/../a.mp4"), path: "/videos/x/a.mp4", ..offer },
        Offer { server: "other.example", ..offer },
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

#[test]
fn what_is_signed_is_the_token_without_its_signature() {
    let policy = jwt_policy(jwt_ring(), Scope::Path);
    let input = JWT.rsplit_once('.').unwrap().0.to_owned();
    let texts = signed(&policy, Offer { token: JWT, ..OFFER });
    assert_eq!(texts, Ok(vec![("signing input", input)]));
    assert_eq!(signed(&policy, OFFER), Err(Verdict::Missing));
}
