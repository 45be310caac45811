//! Counters and limits in memory that several processes share.
//!
//! A [`Zone`] is a view of a slice of words. What is counted for configured keys is added to it
//! without a lock; everything else goes through [`Locked`], which its caller makes while it holds
//! the one lock there is. Nothing allocates but [`Zone::keys`], and nothing is a pointer, so that the
//! words may lie at another address in each process.
//!
//! A process may be killed between any two stores. Each entry becomes valid, and stops being so,
//! by a single store; all that connects entries (chains, order, heap, free lists) can be made
//! again from them, and is, by the next [`Locked`] after one that did not end.
//!
//! ```
//! use std::sync::atomic::AtomicU64;
//! use secure_link_zone::{LimitKind, Locked, Parts, Refused, Zone};
//!
//! let words: Vec<AtomicU64> = (0..4096).map(|_| AtomicU64::new(0)).collect();
//! let zone = Zone::create(&words, Parts { meter: true, limit: true }, 42)?;
//!
//! let acme = Locked::new(&zone).pin(b"acme")?;
//! zone.count(acme, 0, 512, 1_700_000_000);
//!
//! let (link, expires_at, now) = ([1, 2, 3, 4], 1_700_003_600, 1_700_000_000);
//! let mut locked = Locked::new(&zone);
//! assert_eq!(locked.add(LimitKind::Token, &link, 1, 1, expires_at, now), Ok(1));
//! let again = locked.add(LimitKind::Token, &link, 1, 1, expires_at, now);
//! assert_eq!(again, Err(Refused::Exhausted));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod hints;
mod limit;
mod locked;
mod meter;
mod order;
mod sip;
mod table;
mod words;
mod zone;

#[cfg(test)]
mod tests;

pub use hints::Hints;
pub use limit::{Id, LimitKind, Refused};
pub use locked::Locked;
pub use meter::{Counters, Full, PinnedEntry};
pub use zone::{Parts, TooSmall, Zone};

/// How many verdicts are told apart; a verdict is a number below it.
pub const VERDICTS: usize = 11;

/// Longest key that is counted under all of its bytes; of a longer one only these count.
pub const MAX_KEY_LEN: usize = 128;
