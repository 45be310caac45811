//! The meter: one count for each request, when it is logged.

use std::rc::Rc;

use crate::check;
use crate::ffi::{Complex, Request, now};
use crate::limit;
use crate::zone::{Pins, ZoneConf};

/// A location's meter.
pub struct Meter {
    /// Where it counts.
    pub zone: Rc<ZoneConf>,
    /// What it counts by.
    pub by: MeterKey,
}

/// What a meter counts by.
pub enum MeterKey {
    /// By the id of the key that verified: the counters of the policy's keys.
    KeyId(Rc<Pins>),
    /// By the value of an expression.
    Expression(Rc<Complex>),
}

/// Counts a request that is done.
pub fn count(request: Request<'_>) {
    if !request.is_main() {
        return;
    }
    limit::count_bytes(request);
    let Some(checked) = check::counted(request) else { return };
    let Some(meter) = checked.conf.meter() else { return };
    let Some(zone) = meter.zone.zone() else { return };
    let verdict = checked.verdict() as usize;
    let Some(claims) = checked.check.claims else {
        zone.count_total(verdict);
        return;
    };
    let (bytes, now) = (request.bytes_sent(), now());
    match &meter.by {
        MeterKey::KeyId(pins) => match pins.entry(claims.key_place.unwrap_or(0)) {
            Some(entry) => zone.count(entry, verdict, bytes, now),
            None => zone.count_total(verdict),
        },
        MeterKey::Expression(key) => {
            let key = request.complex(key).unwrap_or_default();
            let zone = &meter.zone;
            zone.with_lock(|locked| locked.count(&zone.hints, key, verdict, bytes, now));
        }
    }
}
