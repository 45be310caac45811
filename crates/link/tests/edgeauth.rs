//! EdgeAuth tokens through the public interface. The tokens were made by `akamai-edgeauth`, unless a
//! test signs what no signer would.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod common;

use common::schemes::{NOW, OFFER, Offer, check, place, policy, ring, signed, verdict};
use secure_link::{
    Algorithm, EdgeAuthScheme, Escape, Key, Keys, Policy, Scheme, SchemeKind, Verdict, edgeauth,
};

const EDGE_KEY: &str = "52a152a152a152a152a152a152a152a1";

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

#[test]
fn what_is_signed_is_shown_without_the_salt() {
    const TOKEN: &str = "exp=1700003600~hmac=00";
    for (escape, path, text) in [
        (None, "/videos/a%20b", "exp=1700003600~url=/videos/a%20b~salt="),
        (Some(Escape::Form), "/videos/a b", "exp=1700003600~url=%2fvideos%2fa+b~salt="),
    ] {
        let policy = edge(Algorithm::Sha256, Some("pepper"), escape);
        let texts = signed(&policy, Offer { token: TOKEN, path, ..OFFER });
        assert_eq!(texts, Ok(vec![("fields", text.to_owned())]));
    }
    let policy = edge(Algorithm::Sha256, None, None);
    let texts = signed(&policy, Offer { token: ACL, ..OFFER });
    assert_eq!(texts, Ok(vec![("fields", "exp=1700003600~acl=/videos/*".to_owned())]));
}

#[test]
fn debug_output_has_no_salt() {
    let scheme = EdgeAuthScheme {
        places: Vec::new(),
        keys: Keys::Secrets(Vec::new()),
        salt: Some(b"topsecret".as_slice().into()),
        escape: None,
    };
    assert_eq!(
        format!("{scheme:?}"),
        "EdgeAuthScheme { places: [], keys: Secrets([]), salt: Some(redacted), escape: None }"
    );
}
