//! Limits: how often a link is used, and how much a key or subject takes in a period.

use std::net::IpAddr;
use std::rc::Rc;

use secure_link::{Claims, Verdict, digest};
use secure_link_directives::{Enforce, Measure, Per, Rule};
use secure_link_zone::{Id, LimitKind, Locked, Refused};

use crate::check::{self, Checked, Limits};
use crate::ffi::{Level, LineBuffer, NotEvaluated, Request, now};
use crate::zone::ZoneConf;

/// A limit of a policy.
pub struct Limit {
    /// Where it is counted.
    pub zone: Rc<ZoneConf>,
    /// What is limited.
    pub rule: Rule,
}

/// What a limit has counted.
struct Count {
    /// Whether it lets a request pass.
    has_room: bool,
    /// Uses, unless it counts bytes.
    uses: Option<u64>,
}

/// The quota's entry; links of one zone share it by measure, period and owner.
fn quota_id(measure: Measure, per: Per, period: i64, claims: &Claims<'_>) -> Id {
    let subject = match per {
        Per::Key => &[],
        Per::Subject => claims.subject,
    };
    let head = [measure as u8, per as u8, claims.key_id.len() as u8];
    let period = period.to_le_bytes();
    digest([head.as_slice(), &period, claims.key_id, subject].into_iter())
}

/// The last second of a quota's period that begins now.
fn last_second(period: i64, now: i64) -> i64 {
    now.saturating_add(period - 1)
}

/// Looks whether a granted link's limits have room. A dry run is told the same.
pub fn look<'r>(
    request: Request<'r>,
    checked: &'r Checked<'r>,
) -> Result<&'r Checked<'r>, NotEvaluated> {
    let limits = checked.policy.limits();
    if limits.is_empty()
        || checked.limits != Limits::Unseen
        || checked.verdict() != Verdict::Granted
    {
        return Ok(checked);
    }
    let mut checked = *checked;
    checked.limits = Limits::Looked;
    for limit in limits {
        let counted = limit.look(request, &checked);
        if !note(&mut checked, counted) {
            break;
        }
    }
    check::keep(request, checked)
}

/// Notes in a check what a limit has counted for it; whether that leaves it granted.
fn note(checked: &mut Checked<'_>, counted: Result<Count, Verdict>) -> bool {
    match counted {
        Ok(Count { has_room: true, uses }) => checked.uses = checked.uses.or(uses),
        Ok(Count { has_room: false, uses }) => {
            checked.uses = uses.or(checked.uses);
            checked.check.verdict = Verdict::Exhausted;
        }
        Err(verdict) => checked.check.verdict = verdict,
    }
    checked.verdict() == Verdict::Granted
}

/// Spends a use of a link that was granted, once all access checks have passed. The verdict is
/// another one if somebody else was faster.
///
/// What has not passed may come here as well, for an `error_page` under the same policy.
pub fn spend(request: Request<'_>) -> Result<Option<&Checked<'_>>, NotEvaluated> {
    let Some(looked) = check::counted(request) else { return Ok(None) };
    let conf = request.conf();
    if looked.limits != Limits::Looked
        || looked.verdict() != Verdict::Granted
        || conf.enforced() != Enforce::On
        || request.method() == b"HEAD"
        || check::is_refused_by_others(request)
        || !conf.policy().is_some_and(|policy| std::ptr::eq(policy, looked.policy))
    {
        return Ok(None);
    }
    let mut checked = *looked;
    checked.limits = Limits::Spent;
    checked.uses = None;
    for limit in checked.policy.limits() {
        let counted = limit.spend(request, &checked);
        if !note(&mut checked, counted) {
            break;
        }
    }
    let spent = check::keep(request, checked)?;
    if spent.verdict() == Verdict::Granted {
        check::note_spent(request, spent)?;
    }
    Ok(Some(spent))
}

/// The quotas of bytes that a request draws on: where they are counted, by what id, and for how
/// long.
fn byte_quotas<'r>(
    request: Request<'r>,
) -> impl Iterator<Item = (&'r Limit, Id, i64)> + Clone + use<'r> {
    let limits = check::spent(request).filter_map(|spent| Some((spent, spent.check.claims?)));
    limits.flat_map(|(spent, claims)| {
        spent.policy.limits().iter().filter_map(move |limit| match limit.rule {
            Rule::Quota { measure: Measure::Bytes, per, period, .. } => {
                Some((limit, quota_id(Measure::Bytes, per, period, &claims), period))
            }
            _ => None,
        })
    })
}

/// Counts the bytes of a request that is done, once in each quota, by whatever policies it has
/// passed.
pub fn count_bytes(request: Request<'_>) {
    for (at, (limit, id, period)) in byte_quotas(request).enumerate() {
        let is_same = |(other, other_id, _): (&Limit, Id, i64)| {
            Rc::ptr_eq(&other.zone, &limit.zone) && other_id == id
        };
        if !byte_quotas(request).take(at).any(is_same) {
            let now = now();
            let added = limit.zone.with_lock(|locked| {
                let (sent, last) = (request.bytes_sent(), last_second(period, now));
                locked.add(LimitKind::Quota, &id, sent, u64::MAX, last, now)
            });
            if added == Some(Err(Refused::Full)) {
                limit.report_full(request, now);
            }
        }
    }
}

impl Limit {
    fn look(&self, request: Request<'_>, checked: &Checked<'_>) -> Result<Count, Verdict> {
        let (claims, now) = (checked.check.claims.ok_or(Verdict::Unavailable)?, checked.now);
        // What cannot be limited as the configuration says is not good.
        if !self.rule.can_limit(&claims) {
            return Err(Verdict::Malformed);
        }
        let (has_room, value) = match self.rule {
            Rule::Token { uses, window } => self.locked(|locked| {
                let value = locked.value(LimitKind::Token, &claims.link, now).unwrap_or(0);
                let id = window_id(request, &claims);
                let is_open = || window > 0 && locked.value(LimitKind::Window, &id, now).is_some();
                (value < uses || is_open(), value)
            })?,
            Rule::Quota { measure, amount, per, period } => {
                let id = quota_id(measure, per, period, &claims);
                let value =
                    self.locked(|locked| locked.value(LimitKind::Quota, &id, now).unwrap_or(0))?;
                (value < amount, value)
            }
        };
        Ok(Count { has_room, uses: self.uses(value) })
    }

    fn spend(&self, request: Request<'_>, checked: &Checked<'_>) -> Result<Count, Verdict> {
        let (claims, now) = (checked.check.claims.ok_or(Verdict::Unavailable)?, checked.now);
        let spent = match self.rule {
            Rule::Token { uses, window } => {
                let expires_at = claims.expires_at.ok_or(Verdict::Malformed)?;
                let window_id = window_id(request, &claims);
                self.locked(|locked| {
                    let is_open =
                        window > 0 && locked.value(LimitKind::Window, &window_id, now).is_some();
                    if is_open {
                        return Ok(locked.value(LimitKind::Token, &claims.link, now).unwrap_or(0));
                    }
                    let value =
                        locked.add(LimitKind::Token, &claims.link, 1, uses, expires_at, now)?;
                    if window > 0 {
                        // Without room for the window the next request counts, which is the safe
                        // side.
                        let end = now.saturating_add(window);
                        let _ = locked.add(LimitKind::Window, &window_id, 1, u64::MAX, end, now);
                    }
                    Ok(value)
                })?
            }
            Rule::Quota { measure, amount, per, period } => {
                let id = quota_id(measure, per, period, &claims);
                let last = last_second(period, now);
                // Bytes are added once they were sent; this makes sure that there is an entry for them.
                let step = u64::from(measure == Measure::Uses);
                self.locked(|locked| locked.add(LimitKind::Quota, &id, step, amount, last, now))?
            }
        };
        match spent {
            Ok(value) => Ok(Count { has_room: true, uses: self.uses(value) }),
            // There was room when it was looked at: others have just made the amount full.
            Err(Refused::Exhausted) => {
                Ok(Count { has_room: false, uses: self.uses(self.rule.amount()) })
            }
            Err(Refused::Full) => {
                self.report_full(request, now);
                Err(Verdict::Unavailable)
            }
        }
    }

    fn uses(&self, value: u64) -> Option<u64> {
        match self.rule {
            Rule::Quota { measure: Measure::Bytes, .. } => None,
            _ => Some(value),
        }
    }

    fn locked<R>(&self, body: impl FnOnce(&mut Locked<'_>) -> R) -> Result<R, Verdict> {
        self.zone.with_lock(body).ok_or(Verdict::Unavailable)
    }

    /// Says once a minute that the zone is full, not once a request.
    fn report_full(&self, request: Request<'_>, now: i64) {
        use std::fmt::Write;

        if self.zone.zone().is_some_and(|zone| zone.may_report(now)) {
            let mut line = LineBuffer::new();
            let _ = line.write_str("secure_link_hmac: the zone \"");
            let _ = line.push_escaped(&self.zone.name, 200);
            let _ = line.write_str(
                "\" is full of live entries, and links that it limits are refused: give \
                 \"secure_link_hmac_zone\" a larger size",
            );
            request.log(Level::Error, &line);
        }
    }
}

/// A link and a client: half of each is enough to tell them apart.
fn window_id(request: Request<'_>, claims: &Claims<'_>) -> Id {
    let [link, rest, ..] = claims.link;
    let address = match request.client_address() {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
        Some(IpAddr::V6(address)) => address.to_bits(),
        None => 0,
    };
    [link, rest, (address >> 64) as u64, address as u64]
}
