//! Keys of a ring through the public interface: life spans, ids, and the order of trying. The
//! tokens were made by Perl's `Digest::SHA`.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{ADVISORY, Checker, ENFORCED, FORGED, Memory, Offer, Rules, SECRET, TOKEN};
use secure_link::{
    Algorithm, Encoding, KeyDescription, KeyLife, Keyring, KeyringError, Keys, MAX_KEY_ID_LEN,
    MAX_KEYS_TRIED, Scheme, Signing, Tag, Template, TimeField, Verdict, check_key_id, verify,
};

const NOW: i64 = 1_700_000_000;

const SECOND: &str = "fedcba9876543210fedcba9876543210";
const THIRD: &str = "00112233445566778899aabbccddeeff";

/// Of the message `/a` with [`SECOND`]: what is forged where only [`SECRET`] is known.
const SECOND_TOKEN: &str = FORGED;
/// Of the same message with [`THIRD`].
const THIRD_TOKEN: &str = "UAGCr7IjZf1texR_2a4FJN0e17IG16WiZwQWFO7-oq4";
/// With [`SECOND`] and SHA-512.
const SECOND_SHA512: &str =
    "1hpdOUUcRAJMENnhFyYf6sIIbIoox07DoPOZOns2tZKZh86p3jJ-zalj_vIZ5PKlxA3S-nZS9_SMjn7uWL14oQ";
/// With [`SECRET`] and SHA-512.
const SHA512: &str =
    "QdM02gtByL3Z0s7QLWeUbXFLuhT--CNtz3xcHn2c7GYCIYbJssj0RVLccpZ9OtRM7lJ9rn1Ry2SKbXUMpnjVkg";
/// With [`SECRET`] and SHA-1.
const SHA1: &str = "sfIMdSo2kMH1qp0Y6hk5yVqSEnc";

const ALWAYS: KeyLife =
    KeyLife { not_before: None, not_after: None, issued_after: None, revoked: false };
const REVOKED: KeyLife = KeyLife { revoked: true, ..ALWAYS };
const RETIRED: KeyLife = KeyLife { not_after: Some(NOW - 1), ..ALWAYS };
const FUTURE: KeyLife = KeyLife { not_before: Some(NOW + 1), ..ALWAYS };

/// An id, a secret and a life; SHA-256.
type Line<'a> = (&'a str, &'a str, KeyLife);

fn describe<'a>((id, secret, life): Line<'a>, algorithm: Algorithm) -> KeyDescription<'a> {
    KeyDescription { id: id.as_bytes(), secret: secret.as_bytes(), algorithm, life }
}

fn keyring(lines: &[Line<'_>]) -> Keyring {
    Keyring::new(lines.iter().map(|line| describe(*line, Algorithm::Sha256))).unwrap()
}

/// The usual rules, with a ring in place of their secrets.
fn with_ring(rules: &Rules<'_>, ring: Keyring, id: Option<&str>) -> Checker {
    let mut checker = rules.compile();
    let id = id.map(|text| Template::parse(text.as_bytes(), &mut checker.variables).unwrap());
    let Scheme::Template(scheme) = &mut checker.policy.scheme else { panic!() };
    let message = scheme.signing.message.clone();
    scheme.signing = Arc::new(Signing { message, keys: Keys::Ring { ring: Arc::new(ring), id } });
    checker
}

fn ring(lines: &[Line<'_>], id: Option<&str>) -> Checker {
    with_ring(&Rules::default(), keyring(lines), id)
}

/// The verdict, and the id and place of the key if there are claims; the same in both modes.
fn look(checker: &Checker, values: &[(&str, &str)], now: i64) -> (Verdict, String, Option<usize>) {
    let [enforced, advisory] = [ENFORCED, ADVISORY].map(|offer| {
        let memory = Memory::new(usize::MAX);
        checker.with_request(Offer { values, now, ..offer }, &memory, |request| {
            let check = verify(&checker.policy, request, now);
            let claims = check.claims.unwrap_or_default();
            let key_id = String::from_utf8(claims.key_id.to_vec()).unwrap();
            assert!(check.claims.is_some() || check.verdict != Verdict::Granted);
            (check.verdict, key_id, claims.key_place)
        })
    });
    assert_eq!(enforced, advisory);
    enforced
}

/// What a link of `/a` without an expiry comes to, that was issued a minute ago.
fn offer(checker: &Checker, token: &str, id: &str) -> (Verdict, String) {
    let issued = (NOW - 60).to_string();
    let values =
        [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", &issued), ("$arg_e", "0"), ("$arg_k", id)];
    let (verdict, key_id, _) = look(checker, &values, NOW);
    (verdict, key_id)
}

fn verdict(checker: &Checker, token: &str, id: &str) -> Verdict {
    offer(checker, token, id).0
}

fn sign(checker: &Checker, id: &str, now: i64) -> Option<Tag> {
    let values = [("$uri", "/a"), ("$arg_k", id)];
    let Scheme::Template(scheme) = &checker.policy.scheme else { panic!() };
    checker.with_request(Offer { values: &values, ..ENFORCED }, &Memory::new(0), |request| {
        scheme.signing.sign(request, now)
    })
}

fn text(tag: Option<Tag>) -> Option<String> {
    let mut text = [0; Encoding::MAX_LEN];
    tag.map(|tag| String::from_utf8(Encoding::Base64Url.encode(&tag, &mut text).to_vec()).unwrap())
}

#[test]
fn the_written_id_chooses_the_key() {
    let lines = [("acme", SECRET, ALWAYS), ("globex", SECOND, ALWAYS), ("initech", THIRD, ALWAYS)];
    let checker = ring(&lines, Some("$arg_k"));
    let tokens = [TOKEN, SECOND_TOKEN, THIRD_TOKEN];
    for (at, (id, ..)) in lines.iter().enumerate() {
        for (other, token) in tokens.iter().enumerate() {
            let expected = match at == other {
                true => (Verdict::Granted, (*id).to_owned()),
                false => (Verdict::Forged, String::new()),
            };
            assert_eq!(offer(&checker, token, id), expected, "{id} {other}");
        }
    }
    for id in ["", "acm", "acmee", "Acme", "acme ", "acme\0", "acme,globex", "$arg_k"] {
        for token in tokens {
            let expected = (Verdict::UnknownKey, String::new());
            assert_eq!(offer(&checker, token, id), expected, "{id:?}");
        }
    }
}

#[test]
fn a_key_is_found_by_its_place() {
    let lines = [("a", SECRET, ALWAYS), ("b", SECOND, ALWAYS), ("a", THIRD, ALWAYS)];
    let checker = ring(&lines, None);
    for (token, id, place) in [(TOKEN, "a", 0), (SECOND_TOKEN, "b", 1), (THIRD_TOKEN, "a", 0)] {
        let values = [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", "1"), ("$arg_e", "0")];
        let expected = (Verdict::Granted, id.to_owned(), Some(place));
        assert_eq!(look(&checker, &values, NOW), expected);
    }
    let ring = keyring(&lines);
    assert_eq!(ring.ids().collect::<Vec<_>>(), [b"a".as_slice(), b"b"]);
    assert_eq!((ring.len(), ring.is_empty()), (3, false));
}

#[test]
fn an_id_is_put_together_of_pieces() {
    let lines = [("acme-2026", SECRET, ALWAYS), ("-2026", SECOND, ALWAYS)];
    let checker = ring(&lines, Some("$arg_k-2026"));
    assert_eq!(offer(&checker, TOKEN, "acme"), (Verdict::Granted, "acme-2026".into()));
    assert_eq!(verdict(&checker, SECOND_TOKEN, ""), Verdict::Granted);
    let checker = ring(&lines, Some("acme-2026"));
    assert_eq!(offer(&checker, TOKEN, "globex"), (Verdict::Granted, "acme-2026".into()));
    for nobody in ["", "globex"] {
        let checker = ring(&lines, Some(nobody));
        assert_eq!(verdict(&checker, TOKEN, "acme-2026"), Verdict::UnknownKey);
    }
}

#[test]
fn an_id_beyond_its_bound_is_malformed_before_memory_is_taken() {
    let longest = "k".repeat(MAX_KEY_ID_LEN);
    let checker = ring(&[(&longest, SECRET, ALWAYS)], Some("$arg_k"));
    assert_eq!(offer(&checker, TOKEN, &longest), (Verdict::Granted, longest.clone()));
    for len in [MAX_KEY_ID_LEN + 1, 4096, 4097, 100_000] {
        assert_eq!(verdict(&checker, TOKEN, &"k".repeat(len)), Verdict::Malformed, "{len}");
    }

    let checker = ring(&[(&longest, SECRET, ALWAYS)], Some("$arg_k$arg_l"));
    let half = "k".repeat(MAX_KEY_ID_LEN / 2);
    for (rest, limit, verdict, allocated) in [
        (half.as_str(), MAX_KEY_ID_LEN, Verdict::Granted, MAX_KEY_ID_LEN),
        (&half, MAX_KEY_ID_LEN - 1, Verdict::Unavailable, 0),
        (&"k".repeat(5000), usize::MAX, Verdict::Malformed, 0),
    ] {
        let values = [
            ("$uri", "/a"),
            ("$arg_st", TOKEN),
            ("$arg_ts", "1"),
            ("$arg_e", "0"),
            ("$arg_k", half.as_str()),
            ("$arg_l", rest),
        ];
        let memory = Memory::new(limit);
        let outcome = checker.check_in(Offer { values: &values, ..ENFORCED }, &memory);
        assert_eq!((outcome.verdict, memory.allocated.get()), (verdict, allocated));
    }
}

#[test]
fn a_key_is_chosen_after_the_credential_is_read() {
    let checker = ring(&[("acme", SECRET, ALWAYS)], Some("$arg_k"));
    for id in ["acme", "globex", ""] {
        assert_eq!(verdict(&checker, "", id), Verdict::Missing, "{id}");
        assert_eq!(verdict(&checker, "not base64!", id), Verdict::Malformed, "{id}");
        let values =
            [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", "1"), ("$arg_e", "x"), ("$arg_k", id)];
        assert_eq!(look(&checker, &values, NOW).0, Verdict::Malformed, "{id}");
    }
    // No claim is looked at for a key that is not there.
    let values = [
        ("$uri", "/a"),
        ("$arg_st", TOKEN),
        ("$arg_ts", "1"),
        ("$arg_e", "1"),
        ("$arg_k", "globex"),
    ];
    assert_eq!(look(&checker, &values, NOW).0, Verdict::UnknownKey);
}

#[test]
fn a_key_lives_from_its_first_to_its_last_second() {
    let life = KeyLife { not_before: Some(NOW - 10), not_after: Some(NOW + 10), ..ALWAYS };
    for id in [Some("acme"), None] {
        let checker = ring(&[("acme", SECRET, life)], id);
        for (now, alive) in [
            (NOW - 11, false),
            (NOW - 10, true),
            (NOW - 9, true),
            (NOW + 9, true),
            (NOW + 10, true),
            (NOW + 11, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", "1"), ("$arg_e", "0")];
            let expected = match alive {
                true => (Verdict::Granted, "acme".to_owned(), Some(0)),
                false => (Verdict::UnknownKey, String::new(), None),
            };
            assert_eq!(look(&checker, &values, now), expected, "{now}");
            let signed = text(sign(&checker, "acme", now));
            assert_eq!(signed.as_deref(), alive.then_some(TOKEN), "{now}");
        }
    }
}

#[test]
fn the_leeway_does_not_prolong_a_key() {
    let rules = Rules { leeway: 3600, ..Rules::default() };
    for life in [RETIRED, FUTURE] {
        let checker = with_ring(&rules, keyring(&[("acme", SECRET, life)]), None);
        assert_eq!(verdict(&checker, TOKEN, ""), Verdict::UnknownKey);
    }
}

#[test]
fn half_a_life_span_is_open_at_the_other_end() {
    for (life, now, alive) in [
        (KeyLife { not_before: Some(NOW), ..ALWAYS }, i64::MAX, true),
        (KeyLife { not_before: Some(NOW), ..ALWAYS }, NOW - 1, false),
        (KeyLife { not_after: Some(NOW), ..ALWAYS }, 1, true),
        (KeyLife { not_after: Some(NOW), ..ALWAYS }, NOW + 1, false),
    ] {
        let checker = ring(&[("acme", SECRET, life)], None);
        assert_eq!(sign(&checker, "", now).is_some(), alive, "{life:?} {now}");
    }
}

#[test]
fn a_revoked_key_is_unknown_whatever_else_it_says() {
    for life in [
        REVOKED,
        KeyLife { not_before: Some(NOW - 1), not_after: Some(NOW + 1), ..REVOKED },
        KeyLife { issued_after: Some(NOW + 1), ..REVOKED },
    ] {
        for id in [Some("acme"), None] {
            let checker = ring(&[("acme", SECRET, life)], id);
            for token in [TOKEN, SECOND_TOKEN] {
                let expected = (Verdict::UnknownKey, String::new());
                assert_eq!(offer(&checker, token, "acme"), expected, "{life:?}");
            }
            assert!(sign(&checker, "acme", NOW).is_none());
        }
    }
}

#[test]
fn links_older_than_issued_after_are_revoked() {
    let life = KeyLife { issued_after: Some(NOW), ..ALWAYS };
    let revoked = (Verdict::Revoked, "acme".to_owned(), Some(0));
    let granted = (Verdict::Granted, "acme".to_owned(), Some(0));
    for id in [Some("acme"), None] {
        let checker = ring(&[("acme", SECRET, life)], id);
        for (issued, lifetime, expected) in [
            (NOW - 1, "0", &revoked),
            (NOW, "0", &granted),
            (NOW + 1, "0", &granted),
            (NOW - 1, "3600", &revoked),
            (NOW, "3600", &granted),
            // It is withdrawn even if it is also too old.
            (NOW - 3600, "60", &revoked),
            (1, "0", &revoked),
        ] {
            let issued = issued.to_string();
            let values =
                [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", &issued), ("$arg_e", lifetime)];
            assert_eq!(&look(&checker, &values, NOW), expected, "{issued} {lifetime}");
            let [uri, _, issued, lifetime] = values;
            let values = [uri, ("$arg_st", SECOND_TOKEN), issued, lifetime];
            assert_eq!(look(&checker, &values, NOW).0, Verdict::Forged, "{values:?}");
        }
    }
}

#[test]
fn a_link_that_does_not_say_when_it_was_issued_is_revoked() {
    let life = KeyLife { issued_after: Some(1), ..ALWAYS };
    let expiry = Rules { credentials: &["$arg_st,$arg_ts"], ..Rules::default() };
    for rules in [
        Rules { credentials: &["$arg_st"], ..Rules::default() },
        Rules { time: TimeField::Expires, ..expiry },
        Rules { time: TimeField::ExpiresHex, ..expiry },
    ] {
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", "7fffffff")];
        let values = match rules.time {
            TimeField::Expires => values.map(|(name, value)| match name {
                "$arg_ts" => (name, "2147483647"),
                _ => (name, value),
            }),
            _ => values,
        };
        let checker = with_ring(&rules, keyring(&[("acme", SECRET, life)]), None);
        let expected = (Verdict::Revoked, "acme".to_owned(), Some(0));
        assert_eq!(look(&checker, &values, NOW), expected, "{:?}", rules.time);
        let checker = with_ring(&rules, keyring(&[("acme", SECRET, ALWAYS)]), None);
        assert_eq!(look(&checker, &values, NOW).0, Verdict::Granted, "{:?}", rules.time);
    }
    let hex = Rules { time: TimeField::IssuedHex, ..expiry };
    let life = KeyLife { issued_after: Some(0x6553_f100), ..ALWAYS };
    let checker = with_ring(&hex, keyring(&[("acme", SECRET, life)]), None);
    for (issued, verdict) in [("6553f0ff", Verdict::Revoked), ("6553f100", Verdict::Granted)] {
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", issued)];
        assert_eq!(look(&checker, &values, NOW).0, verdict, "{issued}");
    }
}

#[test]
fn an_id_may_have_several_live_keys() {
    let lines = [("acme", SECRET, ALWAYS), ("globex", THIRD, ALWAYS), ("acme", SECOND, ALWAYS)];
    let checker = ring(&lines, Some("$arg_k"));
    for token in [TOKEN, SECOND_TOKEN] {
        assert_eq!(offer(&checker, token, "acme"), (Verdict::Granted, "acme".into()));
        assert_eq!(verdict(&checker, token, "globex"), Verdict::Forged);
    }
    assert_eq!(verdict(&checker, THIRD_TOKEN, "acme"), Verdict::Forged);
}

#[test]
fn each_key_of_an_id_has_its_own_life() {
    for dead in [REVOKED, RETIRED, FUTURE] {
        for lines in [
            [("acme", SECRET, ALWAYS), ("acme", SECOND, dead)],
            [("acme", SECOND, dead), ("acme", SECRET, ALWAYS)],
        ] {
            for id in [Some("acme"), None] {
                let checker = ring(&lines, id);
                assert_eq!(verdict(&checker, TOKEN, ""), Verdict::Granted);
                // Which of its keys a link was made with is nobody's business.
                assert_eq!(offer(&checker, SECOND_TOKEN, ""), (Verdict::Forged, String::new()));
                assert_eq!(text(sign(&checker, "", NOW)).as_deref(), Some(TOKEN));
            }
        }
    }
    // That of the key that verified counts, and not that of another one.
    let strict = KeyLife { issued_after: Some(NOW), ..ALWAYS };
    let checker = ring(&[("acme", SECRET, strict), ("acme", SECOND, ALWAYS)], Some("acme"));
    assert_eq!(verdict(&checker, TOKEN, ""), Verdict::Revoked);
    assert_eq!(verdict(&checker, SECOND_TOKEN, ""), Verdict::Granted);
}

#[test]
fn without_an_id_the_ring_is_tried_in_turn() {
    let lines = [("acme", SECRET, ALWAYS), ("globex", SECOND, ALWAYS), ("initech", THIRD, REVOKED)];
    let checker = ring(&lines, None);
    for (token, expected) in [
        (TOKEN, (Verdict::Granted, "acme")),
        (SECOND_TOKEN, (Verdict::Granted, "globex")),
        (THIRD_TOKEN, (Verdict::Forged, "")),
    ] {
        let (verdict, id) = offer(&checker, token, "globex");
        assert_eq!((verdict, &*id), expected);
    }
    let checker = ring(&[("acme", SECRET, RETIRED), ("globex", SECOND, REVOKED)], None);
    for token in [TOKEN, SECOND_TOKEN, THIRD_TOKEN] {
        assert_eq!(verdict(&checker, token, ""), Verdict::UnknownKey);
    }
    let empty = Keyring::new(None).unwrap();
    assert!(empty.is_empty());
    assert_eq!(verdict(&with_ring(&Rules::default(), empty, None), TOKEN, ""), Verdict::UnknownKey);
}

#[test]
fn a_key_has_an_algorithm_of_its_own() {
    let descriptions = [
        describe(("acme", SECRET, ALWAYS), Algorithm::Sha256),
        describe(("globex", SECOND, ALWAYS), Algorithm::Sha512),
        describe(("globex", THIRD, ALWAYS), Algorithm::Sha256),
        describe(("initech", SECRET, REVOKED), Algorithm::Sha512),
    ];
    let ring = Keyring::new(descriptions).unwrap();
    let named = with_ring(&Rules::default(), ring.clone(), Some("$arg_k"));
    for (id, token, expected) in [
        ("acme", TOKEN, Verdict::Granted),
        ("acme", SECOND_TOKEN, Verdict::Forged),
        // No key of the id could have made a MAC of this length.
        ("acme", SHA512, Verdict::Malformed),
        ("acme", SECOND_SHA512, Verdict::Malformed),
        ("acme", SHA1, Verdict::Malformed),
        ("globex", SECOND_SHA512, Verdict::Granted),
        ("globex", THIRD_TOKEN, Verdict::Granted),
        ("globex", SHA512, Verdict::Forged),
        ("globex", SECOND_TOKEN, Verdict::Forged),
        ("globex", SHA1, Verdict::Malformed),
        // What a key that may not be used could have made does not show.
        ("initech", SHA512, Verdict::UnknownKey),
        ("initech", TOKEN, Verdict::UnknownKey),
        ("nobody", SHA512, Verdict::UnknownKey),
        ("nobody", SHA1, Verdict::UnknownKey),
    ] {
        assert_eq!(verdict(&named, token, id), expected, "{id} {token}");
    }
    let in_turn = with_ring(&Rules::default(), ring, None);
    for (token, expected) in [
        (TOKEN, (Verdict::Granted, "acme")),
        (SECOND_SHA512, (Verdict::Granted, "globex")),
        (THIRD_TOKEN, (Verdict::Granted, "globex")),
        (SHA512, (Verdict::Forged, "")),
        (SHA1, (Verdict::Malformed, "")),
    ] {
        let (verdict, id) = offer(&in_turn, token, "");
        assert_eq!((verdict, &*id), expected, "{token}");
    }
}

#[test]
fn the_first_live_key_signs() {
    let lines = [
        ("acme", THIRD, REVOKED),
        ("acme", SECRET, RETIRED),
        ("acme", SECOND, ALWAYS),
        ("acme", SECRET, ALWAYS),
        ("globex", SECRET, ALWAYS),
        ("initech", SECRET, FUTURE),
    ];
    let named = ring(&lines, Some("$arg_k"));
    let signed = |id, now| text(sign(&named, id, now));
    assert_eq!(signed("acme", NOW).as_deref(), Some(SECOND_TOKEN));
    assert_eq!(signed("acme", NOW - 1).as_deref(), Some(TOKEN));
    assert_eq!(signed("globex", NOW).as_deref(), Some(TOKEN));
    assert_eq!(signed("initech", NOW), None);
    assert_eq!(signed("initech", NOW + 1).as_deref(), Some(TOKEN));
    assert_eq!(signed("nobody", NOW), None);
    assert_eq!(signed("", NOW), None);
    assert_eq!(signed(&"k".repeat(MAX_KEY_ID_LEN + 1), NOW), None);
    assert_eq!(text(sign(&ring(&lines, None), "", NOW)).as_deref(), Some(SECOND_TOKEN));
}

#[test]
fn what_cannot_be_an_id_makes_no_ring() {
    let make = |id: &[u8]| {
        let key = KeyDescription {
            id,
            secret: SECRET.as_bytes(),
            algorithm: Algorithm::Sha256,
            life: ALWAYS,
        };
        let made = Keyring::new([key]).map(|ring| ring.len());
        assert_eq!(made.is_ok(), check_key_id(id).is_ok());
        made
    };
    assert_eq!(make(b""), Err(KeyringError::IdLength));
    assert_eq!(make(&[b'k'; MAX_KEY_ID_LEN]), Ok(1));
    assert_eq!(make(&[b'k'; MAX_KEY_ID_LEN + 1]), Err(KeyringError::IdLength));
    for byte in 0..=u8::MAX {
        let expected = match byte {
            b'!'..=b'~' => Ok(1),
            _ => Err(KeyringError::IdByte),
        };
        assert_eq!(make(&[b'a', byte, b'z']), expected, "{byte:#x}");
    }
}

#[test]
fn an_id_has_a_bounded_number_of_keys() {
    let make = |number: usize| {
        let keys = (0..number).map(|_| describe(("acme", SECRET, REVOKED), Algorithm::Sha256));
        Keyring::new(keys).map(|ring| (ring.len(), ring.ids().len()))
    };
    assert_eq!(make(MAX_KEYS_TRIED), Ok((MAX_KEYS_TRIED, 1)));
    assert_eq!(make(MAX_KEYS_TRIED + 1), Err(KeyringError::TooManyKeys));
}

#[test]
fn a_large_ring_is_looked_up_by_id() {
    let ids: Vec<_> = (0..10_000).map(|number| format!("partner-{number}")).collect();
    let keys = ids.iter().enumerate().map(|(number, id)| {
        let secret = if number == 9_999 { SECRET } else { SECOND };
        describe((id, secret, ALWAYS), Algorithm::Sha256)
    });
    let checker = with_ring(&Rules::default(), Keyring::new(keys).unwrap(), Some("$arg_k"));
    assert_eq!(offer(&checker, TOKEN, "partner-9999"), (Verdict::Granted, "partner-9999".into()));
    assert_eq!(offer(&checker, SECOND_TOKEN, "partner-0"), (Verdict::Granted, "partner-0".into()));
    assert_eq!(verdict(&checker, TOKEN, "partner-0"), Verdict::Forged);
    assert_eq!(verdict(&checker, TOKEN, "partner-10000"), Verdict::UnknownKey);
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let ring = keyring(&[("acme", SECRET, ALWAYS)]);
    assert_eq!(format!("{ring:?}"), "Keyring(1 ids, redacted)");
    let checker = with_ring(&Rules::default(), ring, Some("$arg_k"));
    assert!(!format!("{:?}", checker.policy).contains("0123"));
}

/// How long a check of a message takes.
fn time(checker: &Checker, message: &str, (token, id): (&str, &str)) -> Duration {
    let values =
        [("$uri", message), ("$arg_st", token), ("$arg_ts", "1"), ("$arg_e", "0"), ("$arg_k", id)];
    let memory = Memory::new(0);
    checker.with_request(Offer { values: &values, ..ENFORCED }, &memory, |request| {
        let begin = Instant::now();
        assert_ne!(verify(&checker.policy, request, NOW).verdict, Verdict::Granted);
        begin.elapsed()
    })
}

/// Checks that links by these tokens and ids are refused in the same time. The message is so long
/// that this is the time of its MACs. The shortest time of each counts, and is looked for until
/// they are alike: what else the machine does only makes times longer.
fn assert_same_time(checker: &Checker, links: &[(&str, &str)]) {
    let message = "/".repeat(1 << 15);
    let mut shortest = vec![Duration::MAX; links.len()];
    for round in 0..400 {
        for (shortest, link) in shortest.iter_mut().zip(links) {
            *shortest = time(checker, &message, *link).min(*shortest);
        }
        let (least, most) = (shortest.iter().min().unwrap(), shortest.iter().max().unwrap());
        if round >= 20 && *most < least.mul_f64(1.4) {
            return;
        }
    }
    panic!("{:?}", links.iter().zip(shortest).collect::<Vec<_>>());
}

#[test]
fn a_refusal_costs_one_mac_whatever_the_state_of_the_key() {
    let lines = [
        ("acme", SECRET, ALWAYS),
        ("revoked", SECRET, REVOKED),
        ("retired", SECRET, RETIRED),
        ("future", SECRET, FUTURE),
    ];
    let checker = ring(&lines, Some("$arg_k"));
    assert_same_time(
        &checker,
        &[
            (SECOND_TOKEN, "acme"),
            (SECOND_TOKEN, "revoked"),
            (SECOND_TOKEN, "retired"),
            (SECOND_TOKEN, "future"),
            (SECOND_TOKEN, "nobody"),
            (SECOND_TOKEN, ""),
        ],
    );
}

#[test]
fn how_many_keys_an_id_has_does_not_show_in_the_time_of_a_refusal() {
    let lines = [("one", SECRET, ALWAYS), ("two", SECRET, ALWAYS), ("two", SECRET, RETIRED)];
    let checker = ring(&lines, Some("$arg_k"));
    assert_same_time(
        &checker,
        &[(SECOND_TOKEN, "one"), (SECOND_TOKEN, "two"), (SECOND_TOKEN, "nobody")],
    );
}

#[test]
fn which_keys_of_an_id_are_alive_does_not_show_in_the_time() {
    let mut lines = Vec::new();
    for (id, lives) in [
        ("alive", [ALWAYS, ALWAYS]),
        ("first", [ALWAYS, RETIRED]),
        ("second", [REVOKED, ALWAYS]),
        ("none", [REVOKED, FUTURE]),
    ] {
        lines.extend(lives.map(|life| (id, SECRET, life)));
    }
    let links = ["alive", "first", "second", "none"].map(|id| (SECOND_TOKEN, id));
    assert_same_time(&ring(&lines, Some("$arg_k")), &links);
}
