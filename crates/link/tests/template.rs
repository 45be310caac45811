//! The template scheme through the public interface: its verdicts, and their order. The tokens
//! were made by Perl's `Digest::SHA` and by openssl.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{ADVISORY, ENFORCED, FORGED, Memory, Offer, Outcome, Rules, SECRET, TOKEN};
use secure_link::{
    Encoding, Fields, FieldsError, MAX_CREDENTIAL_LEN, Mode, Request, Scheme, TemplateError,
    Variables, Verdict, verify,
};

#[test]
fn published_vectors_verify() {
    let hex = "94270bd4d91021285b56a0a7c2519aecef5ec5e73e67c9aead34a340d1a0880f";
    for (algorithm, encoding, token) in [
        ("sha256", Encoding::Base64Url, "lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8"),
        ("sha256", Encoding::Base64, "lCcL1NkQIShbVqCnwlGa7O9exec+Z8murTSjQNGgiA8="),
        ("sha256", Encoding::Hex, hex),
        ("sha1", Encoding::Base64Url, "tMjf3AZdcHB0k9JbGa-9axa-njQ"),
        ("md5", Encoding::Base64Url, "Wfj_2gwCHmVvkGCOssRdQQ"),
        ("sha3-256", Encoding::Base64Url, "UTvv8uEo9YUt3JXcERyrM34mpqoAaJvHHXBKSu_WEU0"),
        (
            "sha512",
            Encoding::Base64Url,
            "UxhHa447ihF6PMZeiTbMtJdl_G1niZ0BWATAK-1W1dYDXSD5t0lC9-bQ4AiJNOPNVdnkf9RZuQPrRAhtiVTiSA",
        ),
    ] {
        let message = "$uri|$arg_ts|$arg_e";
        let checker = Rules { message, algorithm, encoding, ..Rules::default() }.compile();
        for offer in [ENFORCED, ADVISORY] {
            let values = [
                ("$uri", "/files/report.pdf"),
                ("$arg_st", token),
                ("$arg_ts", "1700000000"),
                ("$arg_e", "3600"),
            ];
            let outcome = checker.check(Offer { values: &values, ..offer });
            let expected = Outcome {
                verdict: Verdict::Granted,
                authentic: true,
                expires_at: Some(1_700_003_600),
                lifetime: "3600".into(),
            };
            assert_eq!(outcome, expected, "{algorithm} {encoding:?}");
            for (name, other) in
                [("$uri", "/files/report.pd"), ("$arg_ts", "1700000001"), ("$arg_e", "36000")]
            {
                let values = values.map(|pair| if pair.0 == name { (name, other) } else { pair });
                let verdict = checker.verdict(Offer { values: &values, ..offer });
                assert_eq!(verdict, Verdict::Forged, "{algorithm} {encoding:?} {name}");
            }
        }
    }
}

#[test]
fn the_first_secret_signs() {
    let rules =
        Rules { secrets: &["fedcba9876543210fedcba9876543210", "$secret"], ..Rules::default() };
    let checker = rules.compile();
    let Scheme::Template(scheme) = &checker.policy.scheme else { panic!() };
    let values = [("$uri", "/a"), ("$secret", "0123456789abcdef")];
    let tag =
        checker.with_request(Offer { values: &values, ..ENFORCED }, &Memory::new(0), |request| {
            scheme.signing.sign(request, 1_700_000_000).unwrap()
        });
    let mut text = [0; Encoding::MAX_LEN];
    assert_eq!(Encoding::Base64Url.encode(&tag, &mut text), FORGED.as_bytes());
}

#[test]
fn nothing_but_a_readable_lifetime_is_shown_before_the_mac_is_right() {
    let checker = Rules::default().compile();
    for (token, time, lifetime, verdict, shown) in [
        ("", "1", "60", Verdict::Missing, "60"),
        ("", "1", "x", Verdict::Missing, ""),
        ("", "", "", Verdict::Missing, ""),
        ("x", "1700000000", "60", Verdict::Malformed, "60"),
        (TOKEN, "x", "60", Verdict::Malformed, ""),
        (TOKEN, "", "60", Verdict::Malformed, ""),
        (TOKEN, "1700000000", "x", Verdict::Malformed, ""),
        (TOKEN, "1700000000", "", Verdict::Malformed, ""),
        (FORGED, "1700000000", "60", Verdict::Forged, "60"),
        (FORGED, "1", "60", Verdict::Forged, "60"),
        (FORGED, "1800000000", "60", Verdict::Forged, "60"),
    ] {
        let values = [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", time), ("$arg_e", lifetime)];
        for offer in [ENFORCED, ADVISORY] {
            for method in ["GET", "POST"] {
                let outcome = checker.check(Offer { values: &values, method, ..offer });
                let expected =
                    Outcome { verdict, authentic: false, expires_at: None, lifetime: shown.into() };
                assert_eq!(outcome, expected, "{token},{time},{lifetime}");
            }
        }
    }
}

#[test]
fn what_is_malformed_is_so_whatever_its_mac() {
    let checker = Rules { leeway: 60, ..Rules::default() }.compile();
    for token in [TOKEN, FORGED] {
        let values = [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", "0"), ("$arg_e", "60")];
        assert_eq!(checker.verdict(Offer { values: &values, ..ENFORCED }), Verdict::Malformed);
        let values = [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", "1"), ("$arg_e", "60")];
        let repeated = Offer { values: &values, repeated_argument: true, ..ENFORCED };
        for mode in [Mode::Enforced, Mode::Advisory] {
            assert_eq!(checker.verdict(Offer { mode, ..repeated }), Verdict::Malformed);
        }
    }
}

#[test]
fn claims_are_shown_of_every_authentic_link() {
    let checker = Rules { leeway: 10, ..Rules::default() }.compile();
    for (time, lifetime, method, verdict, expires_at) in [
        ("1700000000", "60", "GET", Verdict::Granted, Some(1_700_000_060)),
        ("1700000000", "0", "GET", Verdict::Granted, None),
        ("1700000011", "60", "GET", Verdict::Early, Some(1_700_000_071)),
        ("1699999900", "60", "GET", Verdict::Expired, Some(1_699_999_960)),
        ("1700000000", "60", "POST", Verdict::OutOfScope, Some(1_700_000_060)),
    ] {
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", time), ("$arg_e", lifetime)];
        let outcome = checker.check(Offer { values: &values, method, ..ENFORCED });
        let lifetime = lifetime.into();
        assert_eq!(outcome, Outcome { verdict, authentic: true, expires_at, lifetime });
    }
}

#[test]
fn methods_count_only_where_the_check_is_enforced() {
    let checker = Rules::default().compile();
    let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", "1"), ("$arg_e", "0")];
    for (method, verdict) in [
        ("GET", Verdict::Granted),
        ("HEAD", Verdict::Granted),
        ("POST", Verdict::OutOfScope),
        ("get", Verdict::OutOfScope),
        ("GETX", Verdict::OutOfScope),
        ("", Verdict::OutOfScope),
    ] {
        assert_eq!(checker.verdict(Offer { values: &values, method, ..ENFORCED }), verdict);
        let advisory = Offer { values: &values, method, ..ADVISORY };
        assert_eq!(checker.verdict(advisory), Verdict::Granted);
    }
}

#[test]
fn the_first_value_whose_token_is_not_empty_counts() {
    let rules = Rules {
        credentials: &["$arg_a,$arg_ts,$arg_e", "$cookie_b", "prefix$http_c"],
        ..Rules::default()
    };
    let checker = rules.compile();
    for (a, lifetime, b, c, verdict, shown) in [
        (TOKEN, "0", "x", "x", Verdict::Granted, "0"),
        ("", "60", TOKEN, "x", Verdict::Granted, ""),
        ("x", "60", TOKEN, "", Verdict::Malformed, "60"),
        ("", "60", FORGED, "", Verdict::Forged, ""),
        ("", "60", "", TOKEN, Verdict::Malformed, ""),
        ("", "60", "", "", Verdict::Missing, "60"),
    ] {
        let values = [
            ("$uri", "/a"),
            ("$arg_a", a),
            ("$arg_ts", "1700000000"),
            ("$arg_e", lifetime),
            ("$cookie_b", b),
            ("$http_c", c),
        ];
        for offer in [ENFORCED, ADVISORY] {
            let outcome = checker.check(Offer { values: &values, ..offer });
            assert_eq!((outcome.verdict, &*outcome.lifetime), (verdict, shown), "{values:?}");
        }
    }
}

#[test]
fn a_comma_of_a_variable_separates_nothing_where_the_check_is_enforced() {
    let granted = format!("{TOKEN},1700000000,60");
    let date = format!("{TOKEN},Tue, 14 Nov 2023 22:13:20 GMT,60");
    let permanent = format!("{TOKEN},Tue, 14 Nov 2023 22:13:20 GMT");
    let no_date = format!("{TOKEN},Tux, 14 Nov 2023 22:13:20 GMT,60");
    let trailing = format!("{TOKEN},1700000000,");
    let surplus = format!("{TOKEN},1700000000,60,60");
    let leading = format!(",{TOKEN}");
    let checker = Rules { credentials: &["$arg_st"], ..Rules::default() }.compile();
    for (value, advisory, lifetime) in [
        (granted.as_str(), Verdict::Granted, "60"),
        (&date, Verdict::Granted, "60"),
        (&permanent, Verdict::Granted, ""),
        (&no_date, Verdict::Malformed, ""),
        (&trailing, Verdict::Malformed, ""),
        (&surplus, Verdict::Malformed, ""),
        (&leading, Verdict::Malformed, ""),
        (",", Verdict::Malformed, ""),
    ] {
        let values = [("$uri", "/a"), ("$arg_st", value)];
        let outcome = checker.check(Offer { values: &values, ..ADVISORY });
        assert_eq!((outcome.verdict, &*outcome.lifetime), (advisory, lifetime), "{value}");
        let outcome = checker.check(Offer { values: &values, ..ENFORCED });
        assert_eq!((outcome.verdict, &*outcome.lifetime), (Verdict::Malformed, ""), "{value}");
    }
}

#[test]
fn a_credential_is_bounded_before_memory_is_taken() {
    let checker = Rules::default().compile();
    for (surplus, verdict) in [(0, Verdict::Granted), (1, Verdict::Malformed)] {
        let digits = MAX_CREDENTIAL_LEN + surplus - TOKEN.len() - ",,0".len();
        let time = format!("{:0digits$}", 1_700_000_000);
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", &time), ("$arg_e", "0")];
        for offer in [ENFORCED, ADVISORY] {
            let memory = Memory::new(MAX_CREDENTIAL_LEN);
            let outcome = checker.check_in(Offer { values: &values, ..offer }, &memory);
            assert_eq!(outcome.verdict, verdict);
            let joined = offer.mode == Mode::Advisory && surplus == 0;
            assert_eq!(memory.allocated.get(), if joined { MAX_CREDENTIAL_LEN } else { 0 });
        }
    }
    let huge = "A".repeat(8 << 20);
    let values = [("$uri", "/a"), ("$arg_st", &*huge), ("$arg_ts", &huge), ("$arg_e", &huge)];
    for offer in [ENFORCED, ADVISORY] {
        let outcome = checker.check_in(Offer { values: &values, ..offer }, &Memory::new(0));
        assert_eq!(outcome.verdict, Verdict::Malformed);
    }
}

#[test]
fn an_enforced_check_of_plain_fields_takes_no_memory() {
    let checker = Rules::default().compile();
    let huge = "/b".repeat(1 << 20);
    for (uri, verdict) in [("/a", Verdict::Granted), (&huge, Verdict::Forged)] {
        let values = [("$uri", uri), ("$arg_st", TOKEN), ("$arg_ts", "1"), ("$arg_e", "0")];
        let outcome = checker.check_in(Offer { values: &values, ..ENFORCED }, &Memory::new(0));
        assert_eq!(outcome.verdict, verdict);
    }
}

#[test]
fn a_lack_of_memory_grants_nothing() {
    let values = [
        ("$uri", "/a"),
        ("$arg_st", TOKEN),
        ("$arg_ts", "1"),
        ("$arg_e", "0"),
        ("$secret", SECRET),
        ("$half", "0123456789abcdef"),
    ];
    let plain = Rules::default();
    let per_request = Rules { secrets: &["$half$half"], ..plain };
    let checker = per_request.compile();
    assert_eq!(checker.verdict(Offer { values: &values, ..ENFORCED }), Verdict::Granted);
    for (rules, offer) in [(plain, ADVISORY), (per_request, ENFORCED), (per_request, ADVISORY)] {
        let offer = Offer { values: &values, ..offer };
        let outcome = rules.compile().check_in(offer, &Memory::new(0));
        assert_eq!((outcome.verdict, outcome.authentic), (Verdict::Unavailable, false));
    }
}

#[test]
fn every_secret_verifies_and_no_other() {
    let rules = Rules { credentials: &["$arg_st"], ..Rules::default() };
    let other = "fedcba9876543210fedcba9876543210";
    for (secrets, token, verdict) in [
        (&[SECRET, other][..], TOKEN, Verdict::Granted),
        (&[SECRET, other], FORGED, Verdict::Granted),
        (&[other, SECRET], TOKEN, Verdict::Granted),
        (&[other], TOKEN, Verdict::Forged),
        (&[SECRET], FORGED, Verdict::Forged),
        (&[], TOKEN, Verdict::UnknownKey),
    ] {
        let checker = Rules { secrets, ..rules }.compile();
        let values = [("$uri", "/a"), ("$arg_st", token)];
        for offer in [ENFORCED, ADVISORY] {
            assert_eq!(checker.verdict(Offer { values: &values, ..offer }), verdict);
        }
    }
}

#[test]
fn a_secret_of_variables_is_bounded_from_below_and_above() {
    const EMPTY: &str = "S8TWYi0FgSUXcCJFzs2GAEj3wvMnom1SlVxtzytqAXo";
    const SHORT: &str = "ifl4vDWHM77Nk9Q3nIbgTcM1Cke1EU_KMFO6FyRyxiE";
    const SIXTEEN: &str = "ILc272CQ6j4HPS7g8grBF_4x5FotaQghPYC0bJK1kWA";
    const LONG: &str = "KaJqeR0qXcWAaTPX7-1BnOjN_FTGhfYAxShDK1DOqEQ";
    const TOO_LONG: &str = "1egQr0_uvQYcpfNKrIQA1WY2quLPdnuVT3ZlShBuTco";
    let (long, too_long) = ("k".repeat(4096), "k".repeat(4097));
    let rules = Rules { credentials: &["$arg_st"], secrets: &["$secret"], ..Rules::default() };
    let alone = rules.compile();
    let first = Rules { secrets: &["$secret", SECRET], ..rules }.compile();
    for (secret, token, enforced, advisory) in [
        ("", EMPTY, Verdict::UnknownKey, Verdict::UnknownKey),
        ("short", SHORT, Verdict::UnknownKey, Verdict::Granted),
        ("exactly-16-bytes", SIXTEEN, Verdict::Granted, Verdict::Granted),
        (&long, LONG, Verdict::Granted, Verdict::Granted),
        (&too_long, TOO_LONG, Verdict::UnknownKey, Verdict::UnknownKey),
        ("exactly-16-bytes", TOKEN, Verdict::Forged, Verdict::Forged),
    ] {
        let values = [("$uri", "/a"), ("$secret", secret), ("$arg_st", token)];
        let [enforced_offer, advisory_offer] =
            [ENFORCED, ADVISORY].map(|offer| Offer { values: &values, ..offer });
        assert_eq!(alone.verdict(enforced_offer), enforced, "{token}");
        assert_eq!(alone.verdict(advisory_offer), advisory, "{token}");
        // Beside a key that is there, a wrong token is forged.
        let beside = match enforced {
            Verdict::UnknownKey => Verdict::Forged,
            _ if token == TOKEN => Verdict::Granted,
            other => other,
        };
        assert_eq!(first.verdict(enforced_offer), beside, "{token}");
        // What cannot be read is so whatever the secret.
        let values = [("$uri", "/a"), ("$secret", secret), ("$arg_st", &token[1..])];
        for offer in [ENFORCED, ADVISORY] {
            let verdict = alone.verdict(Offer { values: &values, ..offer });
            assert_eq!(verdict, Verdict::Malformed, "{token}");
        }
    }
}

#[test]
fn a_token_is_as_long_as_its_algorithms_mac() {
    let sha512 =
        "QdM02gtByL3Z0s7QLWeUbXFLuhT--CNtz3xcHn2c7GYCIYbJssj0RVLccpZ9OtRM7lJ9rn1Ry2SKbXUMpnjVkg";
    for (algorithm, token, verdict) in [
        ("sha512", sha512, Verdict::Granted),
        ("sha512", TOKEN, Verdict::Malformed),
        ("sha256", sha512, Verdict::Malformed),
        ("sha512-256", TOKEN, Verdict::Forged),
        ("sha256", &TOKEN[..42], Verdict::Malformed),
        ("sha256", &sha512[..43], Verdict::Forged),
    ] {
        let rules = Rules { credentials: &["$arg_st"], algorithm, ..Rules::default() };
        let values = [("$uri", "/a"), ("$arg_st", token)];
        let offer = Offer { values: &values, ..ENFORCED };
        assert_eq!(rules.compile().verdict(offer), verdict, "{algorithm} {token}");
    }
}

#[test]
fn only_an_authentic_link_is_revoked() {
    let checker = Rules::default().compile();
    for (token, time, verdict) in [
        (TOKEN, "1700000000", Verdict::Revoked),
        (TOKEN, "1", Verdict::Revoked),
        (FORGED, "1700000000", Verdict::Forged),
        ("x", "1700000000", Verdict::Malformed),
        ("", "1700000000", Verdict::Missing),
    ] {
        let values = [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", time), ("$arg_e", "60")];
        let offer = Offer { values: &values, ..ENFORCED };
        checker.with_request(offer, &Memory::new(0), |request| {
            let mut check = verify(&checker.policy, request, offer.now);
            check.revoke();
            assert_eq!(check.verdict, verdict);
        });
    }
}

#[test]
fn inputs_that_are_not_there_are_empty() {
    let checker = Rules::default().compile();
    let memory = Memory::new(usize::MAX);
    checker.with_request(ADVISORY, &memory, |request| {
        let request = Request { inputs: &[], ..*request };
        assert_eq!(verify(&checker.policy, &request, 1).verdict, Verdict::Missing);
    });
}

#[test]
fn a_credential_has_at_most_three_fields() {
    let parse = |text: &str| Fields::parse(text.as_bytes(), &mut Variables::default());
    for (text, time, lifetime) in [
        ("$arg_st", false, false),
        ("$arg_st,$arg_ts", true, false),
        ("$arg_st,$arg_ts,$arg_e", true, true),
        ("$arg_st,,", true, true),
        ("", false, false),
    ] {
        let fields = parse(text).unwrap();
        assert_eq!((fields.time().is_some(), fields.lifetime().is_some()), (time, lifetime));
    }
    assert_eq!(parse("$arg_st,$arg_ts,$arg_e,").err(), Some(FieldsError::TooMany));
    let no_name = FieldsError::Template(TemplateError::NoName);
    assert_eq!(parse("$arg_st,$").err(), Some(no_name));
    let no_bracket = FieldsError::Template(TemplateError::NoBracket);
    assert_eq!(parse("${arg_st").err(), Some(no_bracket));
}
