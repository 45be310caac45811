//! Presigned URLs through the public interface. The first is AWS's published example.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod common;

use common::schemes::{NOW, OFFER, Offer, check, policy, ring, signed, verdict};
use secure_link::{Algorithm, Key, Keys, Policy, Scheme, SchemeKind, SigV4Scheme, Verdict, sigv4};

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
    // nginx takes the name before the first colon, whatever is behind it.
    let signed = ["files.example:80", "files.example:8080", "files.example:x", "[::1]x:80"];
    for (host, sent, server, expected) in [
        (signed[0], signed[0], "files.example", Verdict::Granted),
        (signed[1], signed[1], "files.example", Verdict::Granted),
        (signed[0], "files.example:80:80", "files.example", Verdict::OutOfScope),
        (signed[2], signed[2], "files.example", Verdict::OutOfScope),
        (signed[3], signed[3], "[::1]", Verdict::OutOfScope),
    ] {
        let url = sigv4::sign(&sigv4::Presign { host, ..link }, &key, NOW).unwrap();
        let (target, query) = url.split_once('?').unwrap();
        let offer = Offer { target: Some(target), query, host: sent, server, ..offer };
        assert_eq!(verdict(&policy, offer), expected, "{sent}");
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

#[test]
fn what_is_signed_is_what_aws_has_published() {
    let arguments = AWS_QUERY.split_once("&X-Amz-Signature").unwrap().0;
    let host = "examplebucket.s3.amazonaws.com";
    let canonical = format!("GET\n/test.txt\n{arguments}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let digest = "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04";
    let scope = "20130524/us-east-1/s3/aws4_request";
    let text = format!("AWS4-HMAC-SHA256\n20130524T000000Z\n{scope}\n{digest}");
    assert_eq!(
        signed(&sigv4_policy(), AWS),
        Ok(vec![("canonical request", canonical), ("string to sign", text)])
    );
}
