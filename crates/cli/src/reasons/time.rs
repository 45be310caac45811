//! Why an authentic link is not good at this time.

use secure_link::Verdict;

use crate::case::Case;
use crate::reasons::Reasons;
use crate::settings::Settings;
use crate::text::{date, span};

/// How far in time a boundary is looked for, in seconds.
const HORIZON: i64 = 1 << 40;

impl Reasons {
    pub fn early(&mut self, case: &Case, settings: &Settings) {
        let mut then = case.clone();
        let is_early = |then: &mut Case, at| {
            then.now = at;
            then.verdict() == Verdict::Early
        };
        let end = case.now.saturating_add(HORIZON);
        let first = boundary(case.now, end, |at| is_early(&mut then, at));
        match first {
            Some((_, first)) => self.why(format!(
                "The link is good from {} on, leeway included: in {}.",
                date(first),
                span(first.saturating_sub(case.now))
            )),
            None => self.why("The link says that it begins in a very far future."),
        }
        let name = settings.origin.name("leeway");
        self.change(format!(
            "Set the clocks of signer and nginx, or allow for a difference by {name}."
        ));
    }

    pub fn expired(&mut self, case: &Case, settings: &Settings) {
        let mut uncapped = case.clone();
        uncapped.compiled.policy.max_lifetime = 0;
        if uncapped.verdict() != Verdict::Expired {
            return self.too_long(case, settings);
        }
        let mut then = uncapped.clone();
        let last = boundary(0, case.now, |at| {
            then.now = at;
            then.verdict() != Verdict::Expired
        });
        match last {
            Some((last, _)) => self.why(format!(
                "The link was good until {}, leeway included: it expired {} ago.",
                date(last),
                span(case.now.saturating_sub(last))
            )),
            None => self.why("The link was never good: it ends before it begins."),
        }
        self.change("Sign a new link, or one that lasts longer (--expires-in).");
    }

    fn too_long(&mut self, case: &Case, settings: &Settings) {
        let name = settings.origin.name("max-lifetime");
        let cap = case.compiled.policy.max_lifetime;
        let mut wider = case.clone();
        let least = boundary(cap, cap.saturating_add(HORIZON), |max| {
            wider.compiled.policy.max_lifetime = max;
            wider.verdict() == Verdict::Expired
        });
        match least {
            Some((_, least)) => self.why(format!(
                "The link lasts {}, and {name} allows {}: {} too long.",
                span(least),
                span(cap),
                span(least.saturating_sub(cap))
            )),
            None => self.why(format!("The link never expires, and {name} is {}.", span(cap))),
        }
        self.change(format!("Sign links that are good for a shorter time, or raise {name}."));
    }
}

/// The border between numbers of which something is true and those, all greater, of which it is
/// not: the last of the first and the first of the others. `None` if there is no such border.
fn boundary(start: i64, end: i64, mut holds: impl FnMut(i64) -> bool) -> Option<(i64, i64)> {
    if !holds(start) || holds(end) {
        return None;
    }
    let (mut last, mut first) = (start, end);
    while first - last > 1 {
        let middle = last + (first - last) / 2;
        if holds(middle) {
            last = middle;
        } else {
            first = middle;
        }
    }
    Some((last, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_found_between_two_numbers() {
        assert_eq!(boundary(0, 100, |n| n < 37), Some((36, 37)));
        assert_eq!(boundary(0, 1, |n| n == 0), Some((0, 1)));
        assert_eq!(boundary(0, 100, |_| true), None);
        assert_eq!(boundary(0, 100, |_| false), None);
    }
}
