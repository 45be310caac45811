//! Zones: shared memory in which requests are counted.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use secure_link_zone::{Locked, Parts, PinnedEntry, Zone};
use thiserror::Error;

use crate::directives::{Outcome, Setting, quote, refuse};
use crate::ffi::{Position, SharedMemory, ZoneChange, random_seed};

/// A zone of the configuration.
pub struct ZoneConf {
    /// Its name.
    pub name: Box<[u8]>,
    memory: SharedMemory,
    at: Position,
    is_metered: Cell<bool>,
    pins: RefCell<Vec<Rc<Pins>>>,
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
#[error(
    "the zone {name} of \"secure_link_hmac_zone\" is too small for {keys} keys: give it a larger \
     size in {at}"
)]
pub struct ZoneTooSmall {
    name: String,
    keys: usize,
    at: Position,
}

impl ZoneConf {
    /// Notes that requests are counted here, by the keys of these ids.
    pub fn meter(&self, ids: Vec<Box<[u8]>>) -> Rc<Pins> {
        self.is_metered.set(true);
        let mut pins = self.pins.borrow_mut();
        if let Some(known) = pins.iter().find(|known| known.ids == ids) {
            return Rc::clone(known);
        }
        pins.push(Rc::new(Pins { ids, entries: OnceCell::new() }));
        pins.last()
            .map(Rc::clone)
            .unwrap_or_else(|| Rc::new(Pins { ids: Vec::new(), entries: OnceCell::new() }))
    }

    /// The zone, once nginx has its memory.
    pub fn zone(&self) -> Option<Zone<'_>> {
        Zone::open(self.memory.words()?)
    }

    /// Runs `body` with the zone to itself.
    pub fn with_lock<R>(&self, body: impl FnOnce(&mut Locked<'_>) -> R) -> Option<R> {
        let zone = self.zone()?;
        self.memory.with_lock(|| body(&mut Locked::new(zone)))
    }

    /// Makes the zone in new memory, or takes over what an earlier configuration left in it, and
    /// finds the counters of the keys.
    pub fn prepare(&self) -> Result<(), ZoneTooSmall> {
        let keys = self.pins.borrow().iter().map(|pins| pins.ids.len()).sum();
        let too_small = || ZoneTooSmall { name: quote(&self.name), keys, at: self.at.clone() };
        if self.zone().is_none() {
            let words = self.memory.words().or_else(|| self.memory.take()).ok_or_else(too_small)?;
            let parts = Parts { meter: true, limit: false };
            Zone::create(words, parts, random_seed()).map_err(|_| too_small())?;
        }
        let pinned = self.with_lock(|locked| {
            locked.begin_pins();
            for pins in self.pins.borrow().iter() {
                let entries: Result<Vec<_>, _> = pins.ids.iter().map(|id| locked.pin(id)).collect();
                // Set once: nginx prepares a configuration's zone once.
                let _ = pins.entries.set(entries.map_err(|_| too_small())?);
            }
            Ok(())
        });
        pinned.ok_or_else(too_small)?
    }
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
        return refuse(format!("names the zone {} a second time", quote(name)));
    }
    if let ZoneChange::Size(running) = setting.conf.zone_change(name, size) {
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
        at: setting.at.clone(),
        is_metered: Cell::new(false),
        pins: RefCell::default(),
    });
    zone.memory.when_ready(&zone);
    setting.conf.main()?.zones.push(zone);
    Ok(())
}
