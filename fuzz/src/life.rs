//! When a link is good.

use secure_link::Verdict;

use crate::keys::ModelKey;

/// What a link says of times, and what is allowed; unix seconds.
pub struct Life {
    pub issued: Option<i64>,
    pub begins: Option<i64>,
    /// The last second in which it is good.
    pub last: Option<i64>,
    pub lifetime: Option<i64>,
    pub leeway: Option<i64>,
    pub default_leeway: i64,
    pub max_lifetime: i64,
}

impl Life {
    /// Why an authentic link is not good at a time.
    pub fn denies(&self, key: &ModelKey, now: i64) -> Option<Verdict> {
        // No sum of these overflows.
        let [now, cap] = [now, self.max_lifetime].map(i128::from);
        let leeway = i128::from(self.leeway.unwrap_or(0));
        let early = i128::from(self.leeway.unwrap_or(self.default_leeway));
        let [begins, last, lifetime] =
            [self.begins, self.last, self.lifetime].map(|time| time.map(i128::from));
        let is_too_long = cap > 0
            && match (last, lifetime) {
                (None, _) => true,
                (_, Some(lifetime)) => lifetime > cap,
                (Some(last), None) => last > now + cap + leeway,
            };
        if !key.admits_issue(self.issued) {
            Some(Verdict::Revoked)
        } else if begins.is_some_and(|begins| begins > now + early) {
            Some(Verdict::Early)
        } else if is_too_long || last.is_some_and(|last| now > last + leeway) {
            Some(Verdict::Expired)
        } else {
            None
        }
    }
}
