//! Zones: shared memory in which requests are counted.

use std::cell::{Cell, OnceCell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use secure_link_directives::{Outcome, quote, refuse};
use secure_link_zone::{Counters, Hints, Locked, MAX_KEY_LEN, Parts, PinnedEntry, Zone};
use thiserror::Error;

use crate::directives::Setting;
use crate::ffi::{Position, SharedMemory};

/// How many entries are looked at before the lock is released.
const KEYS_AT_ONCE: usize = 256;

/// How long a reload waits for a zone's lock, whose holders need it for microseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A zone of the configuration.
pub struct ZoneConf {
    /// Its name.
    pub name: Box<[u8]>,
    memory: SharedMemory,
    /// Where this process found keys that the configuration does not name.
    pub hints: Hints,
    at: Position,
    is_metered: Cell<bool>,
    is_limiting: Cell<bool>,
    is_sent: Cell<bool>,
    max_leeway: Cell<i64>,
    pins: RefCell<Vec<Rc<Pins>>>,
    /// The number by which the zone knows the pins of this configuration.
    number: Cell<Option<u32>>,
}

/// The counters of the keys that a configuration names, found once.
pub struct Pins {
    ids: Vec<Box<[u8]>>,
    entries: OnceCell<Vec<PinnedEntry>>,
}

impl Pins {
    /// The counter of the key at a place.
    pub fn entry(&self, place: usize) -> Option<PinnedEntry> {
        self.entries.get()?.get(place).copied()
    }
}

/// Why a zone cannot be used.
#[derive(Debug, Error)]
pub enum ZoneError {
    /// It has no room for the keys that the configuration names.
    #[error(
        "the zone {name} of \"secure_link_hmac_zone\" is too small for {keys} keys: give it a \
         larger size in {at}"
    )]
    TooSmall { name: String, keys: usize, at: Position },
    /// It has no room for them beside those that requests are still counted for.
    #[error(
        "the zone {name} of \"secure_link_hmac_zone\" is too small for {keys} keys beside those of \
         the running configuration: restart nginx, or use a new zone, in {at}"
    )]
    TooSmallForBoth { name: String, keys: usize, at: Position },
    /// It was made for other things.
    #[error(
        "the zone {name} of \"secure_link_hmac_zone\" was made to {made}, and cannot also \
         {wanted} before a restart: use another zone, or restart nginx, in {at}"
    )]
    OtherUse { name: String, made: &'static str, wanted: &'static str, at: Position },
    /// Its lock is held by a process that does not go on.
    #[error(
        "the zone {name} of \"secure_link_hmac_zone\" is locked by process {holder}, which has not \
         gone on for {} s: end it, and reload again, in {at}", PATIENCE.as_secs()
    )]
    Locked { name: String, holder: i64, at: Position },
}

impl ZoneConf {
    /// Notes that requests are counted here.
    pub fn note_metered(&self) {
        self.is_metered.set(true);
    }

    /// Notes that what is counted here is sent.
    pub fn note_sent(&self) {
        self.is_sent.set(true);
    }

    /// The counters of the keys with these ids, found once the zone is there.
    pub fn pins(&self, ids: Vec<Box<[u8]>>) -> Rc<Pins> {
        let mut pins = self.pins.borrow_mut();
        if let Some(known) = pins.iter().find(|known| known.ids == ids) {
            return Rc::clone(known);
        }
        let new = Rc::new(Pins { ids, entries: OnceCell::new() });
        pins.push(Rc::clone(&new));
        new
    }

    /// Notes that a policy with this leeway limits uses here.
    pub fn limit(&self, leeway: i64) {
        self.is_limiting.set(true);
        self.max_leeway.set(self.max_leeway.get().max(leeway));
    }

    /// The zone, once nginx has its memory.
    pub fn zone(&self) -> Option<&Zone<'_>> {
        self.memory.zone()
    }

    /// Runs `body` under the zone's lock, for which it waits however long; `None` if the memory is not
    /// there.
    pub fn with_lock<R>(&self, body: impl FnOnce(&mut Locked<'_>) -> R) -> Option<R> {
        self.with_lock_for(None, body)
    }

    /// The same, but `None` if the lock is not free within `patience`.
    fn with_lock_for<R>(
        &self,
        patience: Option<Duration>,
        body: impl FnOnce(&mut Locked<'_>) -> R,
    ) -> Option<R> {
        let zone = self.zone()?;
        self.memory.with_lock(patience, || body(&mut Locked::new(zone))).ok()
    }

    /// Visits what was counted since the last visit, key by key, and what has no key as `None`. Returns
    /// `None` if the zone cannot be locked; what is left is visited the next time.
    ///
    /// The lock is released after every [`KEYS_AT_ONCE`] entries, so that others can count meanwhile,
    /// and nothing is allocated under it.
    pub fn take_growth(
        &self,
        patience: Option<Duration>,
        mut visit: impl FnMut(Option<&[u8]>, &Counters),
    ) -> Option<()> {
        let totals = self.with_lock_for(patience, |locked| locked.take_total_growth())?;
        if totals != Counters::default() {
            visit(None, &totals);
        }
        let mut keys: Vec<u8> = Vec::with_capacity(KEYS_AT_ONCE * MAX_KEY_LEN);
        let mut grown: Vec<(usize, Counters)> = Vec::with_capacity(KEYS_AT_ONCE);
        let capacity = usize::try_from(self.zone()?.meter_capacity()).ok()?;
        for start in (0..capacity).step_by(KEYS_AT_ONCE) {
            self.with_lock_for(patience, |locked| {
                locked.take_growth(start..start + KEYS_AT_ONCE, |key, growth| {
                    keys.extend_from_slice(key);
                    grown.push((key.len(), *growth));
                });
            })?;
            let mut rest = keys.as_slice();
            for (len, growth) in grown.drain(..) {
                let (key, others) = rest.split_at_checked(len)?;
                visit(Some(key), &growth);
                rest = others;
            }
            keys.clear();
        }
        Some(())
    }

    /// Makes the zone in new memory, or takes over what the `running` configuration and those
    /// before it left there, and finds the counters of the keys.
    pub fn prepare(&self, running: Option<&ZoneConf>) -> Result<(), ZoneError> {
        let (name, at) = (quote(&self.name), self.at.clone());
        let keys = self.pins.borrow().iter().map(|pins| pins.ids.len()).sum();
        let too_small = || {
            let (name, at) = (name.clone(), at.clone());
            match running {
                Some(_) => ZoneError::TooSmallForBoth { name, keys, at },
                None => ZoneError::TooSmall { name, keys, at },
            }
        };
        let needed = Parts { meter: self.is_metered.get(), limit: self.is_limiting.get() };
        match self.zone() {
            Some(zone) => {
                let made = zone.parts();
                let (made, wanted) = if needed.limit && !made.limit {
                    ("count requests", "limit uses")
                } else if needed.meter && !made.meter {
                    ("limit uses", "count requests")
                } else {
                    return self.take_over(running, too_small);
                };
                return Err(ZoneError::OtherUse { name, made, wanted, at });
            }
            None => {
                let words = self.memory.take();
                // A zone that nothing uses yet is made for both, so that a reload can begin to use it.
                let unused = !needed.meter && !needed.limit;
                let parts = Parts { meter: needed.meter || unused, limit: needed.limit || unused };
                Zone::create(words.ok_or_else(too_small)?, parts, random_seed())
                    .map_err(|_| too_small())?;
            }
        }
        self.take_over(running, too_small)
    }

    /// Tells the zone of this configuration, and finds the counters of the keys.
    fn take_over(
        &self,
        running: Option<&ZoneConf>,
        too_small: impl FnOnce() -> ZoneError,
    ) -> Result<(), ZoneError> {
        // Workers of the running configuration still need its leeway: until their requests are done,
        // or for good if this configuration fails after all.
        let leeway = running.map_or(0, |running| running.max_leeway.get());
        let leeway = leeway.max(self.max_leeway.get());
        let Some(zone) = self.zone() else { return Err(too_small()) };
        let found = self.memory.with_lock(Some(PATIENCE), || {
            let mut locked = Locked::new(zone);
            locked.set_leeway(leeway);
            self.pin(&mut locked, running)
        });
        match found {
            Ok(Some(())) => {
                self.begin_sending(running);
                Ok(())
            }
            Ok(None) => Err(too_small()),
            Err(holder) => {
                Err(ZoneError::Locked { name: quote(&self.name), holder, at: self.at.clone() })
            }
        }
    }

    /// Where the running configuration sends nothing, what was counted until now is no growth: sent at
    /// once, it would look like a peak that never was.
    fn begin_sending(&self, running: Option<&ZoneConf>) {
        if self.is_sent.get() && running.is_some_and(|running| !running.is_sent.get()) {
            self.take_growth(Some(PATIENCE), |_, _| {});
        }
    }

    /// Finds the counters of the keys; `None` if there is no room for them.
    fn pin(&self, locked: &mut Locked<'_>, running: Option<&ZoneConf>) -> Option<()> {
        let running = running.and_then(|running| running.number.get());
        self.number.set(Some(locked.begin_pins(running)));
        for pins in self.pins.borrow().iter() {
            let entries: Result<Vec<_>, _> = pins.ids.iter().map(|id| locked.pin(id)).collect();
            let Ok(entries) = entries else {
                // Gives up what this configuration has pinned so far.
                locked.begin_pins(running);
                return None;
            };
            // Set once: nginx prepares a configuration's zone once.
            let _ = pins.entries.set(entries);
        }
        Some(())
    }
}

/// A number that cannot be guessed from outside, by the standard library's hasher, whose keys are random
/// numbers of the system. (nginx seeds its own `random()` with process id and time.)
fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}

/// Reads `secure_link_hmac_zone name:size`.
pub fn set_zone(setting: &mut Setting<'_, '_>) -> Outcome {
    const LEAST: usize = 8 * 4096;
    let word = setting.arguments.first().copied().unwrap_or_default();
    let parts = word.iter().rposition(|&byte| byte == b':').map(|at| word.split_at(at));
    let (name, size) = match parts {
        Some((name, [b':', size @ ..])) if !name.is_empty() => (name, size),
        _ => {
            return refuse(format!(
                "has an invalid value {}: write \"name:size\", for example \"links:1m\"",
                quote(word)
            ));
        }
    };
    let Some(size) = setting.conf.parse_size(size) else {
        return refuse(format!("has an invalid size {}: write it as in \"1m\"", quote(size)));
    };
    if size < LEAST {
        return refuse(format!("has a zone {} of less than 32k: give it more", quote(word)));
    }
    if setting.conf.main()?.zones.iter().any(|zone| *zone.name == *name) {
        return refuse(format!(
            "names the zone {} a second time: give it another name",
            quote(name)
        ));
    }
    if let Some(running) = setting.conf.other_zone_size(name, size) {
        return refuse(format!(
            "has another size for the zone {} than the running configuration, which has {running} \
             bytes: a reload cannot change it without loss; restart nginx, or use a new name",
            quote(name)
        ));
    }
    let memory = setting.conf.add_zone(name, size)?;
    let zone = Rc::new(ZoneConf {
        name: name.into(),
        memory,
        hints: Hints::default(),
        at: setting.at.clone(),
        is_metered: Cell::new(false),
        is_limiting: Cell::new(false),
        is_sent: Cell::new(false),
        max_leeway: Cell::new(0),
        pins: RefCell::default(),
        number: Cell::new(None),
    });
    zone.memory.when_ready(&zone);
    setting.conf.main()?.zones.push(zone);
    Ok(())
}
