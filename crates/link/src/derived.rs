//! Keys that a scheme derives from a key and uses for many links: sigv4 has one for each day,
//! region and service.

use core::fmt;
use std::sync::Mutex;

use crate::algorithm::KeyedMac;

/// Most derived keys that are kept of one key.
const MAX_KEPT: usize = 8;

/// The derived keys of a key, of which the last few are kept.
#[derive(Default)]
pub(crate) struct DerivedKeys(Mutex<Vec<Derived>>);

struct Derived {
    scope: Box<[u8]>,
    mac: KeyedMac,
}

impl DerivedKeys {
    /// Calls `use_key` with the key that is kept for a scope, if there is one.
    pub(crate) fn with<R>(&self, scope: &[u8], use_key: impl FnOnce(&KeyedMac) -> R) -> Option<R> {
        // Never waits: a key that another thread is just using is derived once more.
        let mut kept = self.0.try_lock().ok()?;
        let at = kept.iter().position(|derived| *derived.scope == *scope)?;
        // A key that is used moves up, and it is the last one that has to make room.
        let at = match at.checked_sub(1) {
            Some(before) => {
                kept.swap(before, at);
                before
            }
            None => at,
        };
        kept.get(at).map(|derived| use_key(&derived.mac))
    }

    /// Keeps the key of a scope. The caller keeps only keys that have verified a link: otherwise a
    /// stranger could push out those that are in use.
    pub(crate) fn keep(&self, scope: &[u8], mac: KeyedMac) {
        if let Ok(mut kept) = self.0.try_lock()
            && !kept.iter().any(|derived| *derived.scope == *scope)
        {
            if kept.len() == MAX_KEPT {
                kept.pop();
            }
            kept.push(Derived { scope: scope.into(), mac });
        }
    }
}

impl Clone for DerivedKeys {
    /// Begins with none: they can be derived again.
    fn clone(&self) -> Self {
        DerivedKeys::default()
    }
}

impl fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKeys(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;

    fn mac() -> KeyedMac {
        KeyedMac::new(Algorithm::Sha256, b"k")
    }

    #[test]
    fn the_least_used_key_makes_room() {
        let keys = DerivedKeys::default();
        let is_kept = |scope: u8| keys.with(&[scope], |_| ()).is_some();
        for scope in 0..MAX_KEPT as u8 {
            keys.keep(&[scope], mac());
        }
        // The last one moves up.
        assert!(is_kept(MAX_KEPT as u8 - 1));
        keys.keep(b"new", mac());
        assert!(keys.with(b"new", |_| ()).is_some());
        assert!(is_kept(MAX_KEPT as u8 - 1));
        assert!(!is_kept(MAX_KEPT as u8 - 2));
        assert_eq!(keys.0.try_lock().unwrap().len(), MAX_KEPT);
    }

    #[test]
    fn a_scope_is_kept_once_and_not_by_a_clone() {
        let keys = DerivedKeys::default();
        keys.keep(b"a", mac());
        keys.keep(b"a", mac());
        assert_eq!(keys.0.try_lock().unwrap().len(), 1);
        assert!(keys.clone().with(b"a", |_| ()).is_none());
        assert_eq!(format!("{keys:?}"), "DerivedKeys(redacted)");
    }
}
