//! The scheme template takes nothing from the heap where its secrets are fixed. What a check needs of
//! memory it takes from the request's arena, and here not even that.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use common::{ENFORCED, FORGED, Memory, Offer, Rules, SECRET, TOKEN};
use secure_link::{Verdict, verify};

/// What is allocated by a check of a link of `/a` with this token.
fn allocated(rules: Rules<'_>, token: &str, lifetime: &str, expected: Verdict) -> AllocationInfo {
    let checker = rules.compile();
    let time = "1700000000";
    let values = [("$uri", "/a"), ("$arg_st", token), ("$arg_ts", time), ("$arg_e", lifetime)];
    let offer = Offer { values: &values, now: 1_700_000_060, ..ENFORCED };
    checker.with_request(offer, &Memory::new(0), |request| {
        let mut verdict = Verdict::Unavailable;
        let info = measure(|| verdict = verify(&checker.policy, request, offer.now).verdict);
        assert_eq!(verdict, expected, "{token}");
        info
    })
}

#[test]
fn a_check_by_fixed_secrets_allocates_nothing() {
    let both = &["fedcba9876543210fedcba9876543210", SECRET];
    for secrets in [&[SECRET][..], both] {
        let rules = Rules { secrets, ..Rules::default() };
        for (token, lifetime, verdict) in [
            (TOKEN, "3600", Verdict::Granted),
            (TOKEN, "", Verdict::Malformed),
            (TOKEN, "59", Verdict::Expired),
            ("", "3600", Verdict::Missing),
            ("no token", "3600", Verdict::Malformed),
        ] {
            let info = allocated(rules, token, lifetime, verdict);
            assert_eq!((info.count_total, info.bytes_total), (0, 0), "{verdict:?}");
        }
    }
    let info = allocated(Rules::default(), FORGED, "3600", Verdict::Forged);
    assert_eq!(info.count_total, 0);
}

#[test]
fn what_is_allocated_is_counted() {
    assert_eq!(measure(|| drop(black_box(Box::new(1)))).count_total, 1);
}
