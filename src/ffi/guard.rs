//! A panic must not unwind into nginx: that would abort a worker, or the master during a reload.
//! Nor may a lack of memory, which is no panic: see `reserve`.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

use super::log::{self, Level};
use super::reserve;

/// The functions by which nginx calls the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Preconfiguration,
    Postconfiguration,
    CreateMainConf,
    CreateLocConf,
    MergeLocConf,
    Directive,
    Variable,
    Access,
    Precontent,
    Log,
    Metrics,
    Zone,
    Process,
    Cleanup,
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Entry::Preconfiguration => "preconfiguration",
            Entry::Postconfiguration => "postconfiguration",
            Entry::CreateMainConf => "create_main_conf",
            Entry::CreateLocConf => "create_loc_conf",
            Entry::MergeLocConf => "merge_loc_conf",
            Entry::Directive => "directive",
            Entry::Variable => "variable",
            Entry::Access => "access",
            Entry::Precontent => "precontent",
            Entry::Log => "log",
            Entry::Metrics => "metrics",
            Entry::Zone => "zone",
            Entry::Process => "process",
            Entry::Cleanup => "cleanup",
        }
    }
}

/// Calls `body`; if it panics or there was no memory, logs an alert and returns `failure`, which
/// must deny or refuse.
pub(super) fn guard<R>(entry: Entry, failure: R, body: impl FnOnce() -> R) -> R {
    let outer = reserve::begin();
    // nginx calls this one first; all others run in this process or in one that is forked from it.
    if entry == Entry::CreateMainConf {
        silence_hook();
    }
    // What `body` borrows is not used again after a panic: the request ends, or the
    // configuration is thrown away.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "panic-injection")]
        injection::strike(entry);
        body()
    }));
    let no_memory = reserve::end(outer);
    let problem = match caught {
        Ok(done) if !no_memory => return done,
        Ok(_) => "no memory",
        Err(_) => "internal error",
    };
    log::to_cycle(Level::Alert, format_args!("secure_link_hmac: {problem} in {}", entry.name()));
    failure
}

/// The default hook writes the panic's message to standard error, past nginx's log and its
/// levels, and the message may hold what a client sent.
fn silence_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        set_hook(Box::new(|info| {
            if let Some(at) = info.location() {
                log::to_cycle(
                    Level::Alert,
                    format_args!("secure_link_hmac: panic at {}:{}", at.file(), at.line()),
                );
            }
        }));
    });
}

/// Panics on demand, for the test of the guard.
#[cfg(feature = "panic-injection")]
mod injection {
    use std::sync::OnceLock;

    use super::Entry;

    /// Panics in the entry that the variable `SECURE_LINK_HMAC_PANIC` names, or that the file
    /// names of which the variable has the path as `file:PATH`. nginx clears the environment of
    /// its workers, so it is read once, by the master.
    #[expect(clippy::panic, reason = "this is what it is for")]
    pub(super) fn strike(entry: Entry) {
        static TARGET: OnceLock<String> = OnceLock::new();
        let target =
            TARGET.get_or_init(|| std::env::var("SECURE_LINK_HMAC_PANIC").unwrap_or_default());
        let named = match target.strip_prefix("file:") {
            Some(path) => std::fs::read_to_string(path).unwrap_or_default(),
            None => target.clone(),
        };
        if named.trim() == entry.name() {
            panic!("injected");
        }
    }
}
