//! A process that is killed before one of its stores.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static STORES_LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Killed;

pub(crate) fn before_store() {
    STORES_LEFT.with(|left| match left.get() {
        Some(0) => panic::resume_unwind(Box::new(Killed)),
        Some(n) => left.set(Some(n - 1)),
        None => {}
    });
}

/// Runs `work`, killed before its store number `at` (from 0). `None` if it was killed.
pub(crate) fn killed_at<T>(at: u64, work: impl FnOnce() -> T) -> Option<T> {
    STORES_LEFT.set(Some(at));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    STORES_LEFT.set(None);
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Killed>() => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}
