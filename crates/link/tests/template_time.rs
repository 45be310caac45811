//! When a link of the template scheme is early, good or expired, to the second.

mod common;

use common::{ENFORCED, Offer, Rules, TOKEN};
use secure_link::{TimeField, Verdict};

#[test]
fn early_comes_before_expired_and_expired_before_out_of_scope() {
    let checker = Rules { max_lifetime: 60, ..Rules::default() }.compile();
    for (time, lifetime, verdict) in [
        ("1700000001", "61", Verdict::Early),
        ("1700000000", "61", Verdict::Expired),
        ("1700000000", "60", Verdict::OutOfScope),
    ] {
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", time), ("$arg_e", lifetime)];
        let offer = Offer { values: &values, method: "POST", ..ENFORCED };
        assert_eq!(checker.verdict(offer), verdict);
    }
}

#[test]
fn a_link_is_good_to_its_last_second() {
    let checker = Rules::default().compile();
    assert_eq!(checker.link("1700000000", "60", 1_700_000_060), Verdict::Granted);
    assert_eq!(checker.link("1700000000", "60", 1_700_000_061), Verdict::Expired);
    let checker = Rules { leeway: 10, ..Rules::default() }.compile();
    assert_eq!(checker.link("1700000000", "60", 1_700_000_070), Verdict::Granted);
    assert_eq!(checker.link("1700000000", "60", 1_700_000_071), Verdict::Expired);
}

#[test]
fn a_future_link_is_early_only_where_the_clock_matters() {
    let checker = Rules::default().compile();
    assert_eq!(checker.link("1700000000", "60", 1), Verdict::Granted);
    let checker = Rules { leeway: 10, ..Rules::default() }.compile();
    assert_eq!(checker.link("1700000000", "60", 1_699_999_990), Verdict::Granted);
    assert_eq!(checker.link("1700000000", "60", 1_699_999_989), Verdict::Early);
    assert_eq!(checker.link("1700000000", "0", 1_699_999_989), Verdict::Early);
    let checker = Rules { max_lifetime: 3600, ..Rules::default() }.compile();
    assert_eq!(checker.link("1700000000", "60", 1_700_000_000), Verdict::Granted);
    assert_eq!(checker.link("1700000000", "60", 1_699_999_999), Verdict::Early);
    let checker = Rules { leeway: 10, max_lifetime: 3600, ..Rules::default() }.compile();
    assert_eq!(checker.link("1700000000", "60", 1_699_999_990), Verdict::Granted);
    assert_eq!(checker.link("1700000000", "60", 1_699_999_989), Verdict::Early);
}

#[test]
fn a_lifetime_has_a_cap() {
    let checker = Rules { leeway: 10, max_lifetime: 60, ..Rules::default() }.compile();
    assert_eq!(checker.link("1700000000", "60", 1_700_000_000), Verdict::Granted);
    assert_eq!(checker.link("1700000000", "61", 1_700_000_000), Verdict::Expired);
    assert_eq!(checker.link("1700000000", "0", 1_700_000_000), Verdict::Expired);
    let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", "1700000000")];
    for credential in ["$arg_st,$arg_ts", "$arg_st"] {
        let rules = Rules { credentials: &[credential], max_lifetime: 60, ..Rules::default() };
        let offer = Offer { values: &values, ..ENFORCED };
        assert_eq!(rules.compile().verdict(offer), Verdict::Expired, "{credential}");
        let rules = Rules { max_lifetime: 0, ..rules };
        assert_eq!(rules.compile().verdict(offer), Verdict::Granted, "{credential}");
    }
}

#[test]
fn the_cap_on_an_expiry_counts_from_now() {
    let rules = Rules {
        credentials: &["$arg_st,$arg_ts"],
        time: TimeField::Expires,
        leeway: 10,
        max_lifetime: 60,
        ..Rules::default()
    };
    let checker = rules.compile();
    for (now, verdict) in [
        (1_699_999_929, Verdict::Expired),
        (1_699_999_930, Verdict::Granted),
        (1_700_000_010, Verdict::Granted),
        (1_700_000_011, Verdict::Expired),
    ] {
        assert_eq!(checker.link("1700000000", "", now), verdict, "at {now}");
    }
}

#[test]
fn an_expiry_has_no_lifetime() {
    for time in [TimeField::Expires, TimeField::ExpiresHex] {
        let checker = Rules { time, ..Rules::default() }.compile();
        for lifetime in ["", "0", "60"] {
            assert_eq!(checker.link("1900000000", lifetime, 1_700_000_000), Verdict::Malformed);
        }
    }
}

#[test]
fn hexadecimal_times_are_told_by_the_policy() {
    for (time, text, expires_at) in [
        (TimeField::IssuedHex, "6553f100", Some(1_700_000_060)),
        (TimeField::IssuedHex, "6553F100", Some(1_700_000_060)),
        (TimeField::Issued, "6553f100", None),
        (TimeField::Issued, "1700000000", Some(1_700_000_060)),
        (TimeField::IssuedHex, "1700000000", Some(0x17_0000_0000 + 60)),
        (TimeField::IssuedHex, "2023-11-14T22:13:20Z", None),
    ] {
        let checker = Rules { time, ..Rules::default() }.compile();
        let values = [("$uri", "/a"), ("$arg_st", TOKEN), ("$arg_ts", text), ("$arg_e", "60")];
        let outcome = checker.check(Offer { values: &values, ..ENFORCED });
        assert_eq!(outcome.expires_at, expires_at, "{text}");
        assert_eq!(outcome.verdict == Verdict::Malformed, expires_at.is_none(), "{text}");
    }
}

#[test]
fn sums_that_overflow_are_malformed() {
    let checker = Rules::default().compile();
    let max = i64::MAX.to_string();
    let almost = (i64::MAX - 1).to_string();
    for (time, lifetime, verdict) in [
        ("1", almost.as_str(), Verdict::Granted),
        ("1", &max, Verdict::Malformed),
        (&max, "0", Verdict::Granted),
        (&max, "1", Verdict::Malformed),
        (&max, &max, Verdict::Malformed),
        ("1", "9223372036854775808", Verdict::Malformed),
        ("9223372036854775808", "0", Verdict::Malformed),
        ("123456789012345678901234567890", "60", Verdict::Malformed),
        ("1700000000", "123456789012345678901234567890", Verdict::Malformed),
    ] {
        assert_eq!(checker.link(time, lifetime, 1_700_000_000), verdict, "{time} + {lifetime}");
    }
}

/// The rules written down once more, in numbers that cannot overflow.
fn expected(rules: &Rules<'_>, time: i64, lifetime: i64, now: i64) -> Verdict {
    let [time, lifetime, now] = [time, lifetime, now].map(i128::from);
    let (leeway, max_lifetime) = (i128::from(rules.leeway), i128::from(rules.max_lifetime));
    let (issued, end, too_long) = if rules.time.is_expiry() {
        (None, Some(time), max_lifetime > 0 && time - now > max_lifetime + leeway)
    } else {
        let end = (lifetime > 0).then_some(time + lifetime);
        (Some(time), end, max_lifetime > 0 && (lifetime == 0 || lifetime > max_lifetime))
    };
    if end.is_some_and(|end| end > i64::MAX.into()) {
        Verdict::Malformed
    } else if leeway + max_lifetime > 0 && issued.is_some_and(|issued| issued - now > leeway) {
        Verdict::Early
    } else if too_long || end.is_some_and(|end| end + leeway < now) {
        Verdict::Expired
    } else {
        Verdict::Granted
    }
}

#[test]
fn every_border_of_time_is_where_unbounded_arithmetic_has_it() {
    const POINTS: [i64; 12] = [
        0,
        1,
        2,
        59,
        60,
        61,
        1_700_000_000,
        1_700_000_060,
        1_700_000_061,
        i64::MAX - 60,
        i64::MAX - 1,
        i64::MAX,
    ];
    for leeway in [0, 1, 60, i64::MAX] {
        for max_lifetime in [0, 1, 60, i64::MAX] {
            for time in [TimeField::Issued, TimeField::Expires] {
                let credentials: &[_] = if time.is_expiry() {
                    &["$arg_st,$arg_ts"]
                } else {
                    &["$arg_st,$arg_ts,$arg_e"]
                };
                let rules = Rules { credentials, time, leeway, max_lifetime, ..Rules::default() };
                let checker = rules.compile();
                for at in POINTS.into_iter().filter(|&at| at > 0) {
                    for lifetime in POINTS {
                        for now in POINTS {
                            let verdict = checker.link(&at.to_string(), &lifetime.to_string(), now);
                            let expected = expected(&rules, at, lifetime, now);
                            assert_eq!(
                                verdict, expected,
                                "{time:?} {at} + {lifetime} at {now}, leeway {leeway}, \
                                 cap {max_lifetime}: {verdict:?} instead of {expected:?}",
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_date_with_a_comma_may_be_the_time_field() {
    let checker = Rules::default().compile();
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    assert_eq!(checker.link(date, "60", 1_700_000_060), Verdict::Granted);
    assert_eq!(checker.link(date, "60", 1_700_000_061), Verdict::Expired);
}

#[test]
fn a_lifetime_with_a_comma_is_malformed() {
    let checker = Rules::default().compile();
    assert_eq!(checker.link("1700000000", "60,0", 1_700_000_000), Verdict::Malformed);
    assert_eq!(checker.link("1700000000,60", "0", 1_700_000_000), Verdict::Malformed);
}
