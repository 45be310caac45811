//! Memory of last resort: what the module allocates when the system has no more.
//!
//! Rust ends the process when an allocation fails: a worker with all its requests, or the master
//! during a reload. Instead the allocation is made in a reserve, and `guard` has the entry fail
//! that needed it. Only an entry that needs more than the reserve has still ends the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The size of the reserve in bytes, of which no page is used before it is needed.
const SIZE: usize = 1 << 20;

#[repr(align(16))]
struct Space(UnsafeCell<[u8; SIZE]>);

// SAFETY: each byte is handed out to one owner at a time, by `take`.
unsafe impl Sync for Space {}

static SPACE: Space = Space(UnsafeCell::new([0; SIZE]));

/// How many allocations live in the reserve, in the upper half, and where free space begins.
static STATE: AtomicU64 = AtomicU64::new(0);

/// Whether the reserve was used since `begin`.
static USED: AtomicBool = AtomicBool::new(false);

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Begins to note whether an entry uses the reserve; returns what was noted of the outer one.
///
/// Entries run in one thread, so that a load and a store do, which are cheaper than a swap.
pub(super) fn begin() -> bool {
    end(false)
}

/// Whether it was used since `begin`.
pub(super) fn is_used() -> bool {
    USED.load(Ordering::Relaxed)
}

/// The same, and goes on with the outer entry.
pub(super) fn end(outer: bool) -> bool {
    let used = USED.load(Ordering::Relaxed);
    USED.store(outer, Ordering::Relaxed);
    used
}

/// A place in the reserve; null if there is no room. Space is free again when nothing lives there.
fn take(layout: Layout) -> *mut u8 {
    USED.store(true, Ordering::Relaxed);
    let base = SPACE.0.get().cast::<u8>();
    let mut start = 0;
    let taken = STATE.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
        let free = base.addr().checked_add(state as u32 as usize)?;
        start = free.checked_next_multiple_of(layout.align())? - base.addr();
        let end = start.checked_add(layout.size()).filter(|&end| end <= SIZE)?;
        Some(((state >> 32) + 1) << 32 | end as u64)
    });
    // A pointer with the provenance of the whole space, at most `SIZE` bytes behind its start.
    taken.map_or(ptr::null_mut(), |_| base.wrapping_add(start))
}

/// Whether a pointer leads into the reserve.
fn owns(place: *mut u8) -> bool {
    place.addr().wrapping_sub(SPACE.0.get().addr()) < SIZE
}

fn give_back() {
    // The closure always yields a state.
    let _ = STATE.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
        let left = (state >> 32).saturating_sub(1);
        Some(if left == 0 { 0 } else { left << 32 | u64::from(state as u32) })
    });
}

// SAFETY: what the system does not give is a part of the reserve that nobody else has, aligned as
// it is asked for; nothing here panics.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let place = unsafe { System.alloc(layout) };
        if place.is_null() { take(layout) } else { place }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let place = unsafe { System.alloc_zeroed(layout) };
        if !place.is_null() {
            return place;
        }
        let place = take(layout);
        if !place.is_null() {
            // SAFETY: the place has this size.
            unsafe { place.write_bytes(0, layout.size()) };
        }
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if owns(place) {
            give_back();
        } else {
            // SAFETY: the caller's promise; the system has allocated it.
            unsafe { System.dealloc(place, layout) };
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the caller's promise the old place has the old layout, and the new size fits
        // its alignment; the system is given back only what it has allocated.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            let moved = if owns(place) {
                self.alloc(new)
            } else {
                let moved = System.realloc(place, layout, size);
                if !moved.is_null() {
                    return moved;
                }
                take(new)
            };
            if !moved.is_null() {
                ptr::copy_nonoverlapping(place, moved, layout.size().min(size));
                self.dealloc(place, layout);
            }
            moved
        }
    }
}
