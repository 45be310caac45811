//! Shared memory: nginx's zones as words that all workers see.

use std::cell::OnceCell;
use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::AtomicU64;

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_cycle_t, ngx_int_t, ngx_list_part_t, ngx_pagesize, ngx_parse_offset,
    ngx_parse_size, ngx_shared_memory_add, ngx_shm_zone_t, ngx_shmtx_lock, ngx_shmtx_unlock,
    ngx_slab_alloc, ngx_slab_pool_t, ngx_str_t,
};
use secure_link_zone::Zone;

use super::conf::{Conf, Failed};
use super::guard::{Entry, guard};
use super::log::{self, Level};
use super::module;
use crate::zone::ZoneConf;

/// A zone of shared memory, as one configuration knows it.
pub struct SharedMemory {
    shm: NonNull<ngx_shm_zone_t>,
    /// What was found in the memory: for a request, everything that can be found before.
    zone: OnceCell<Zone<'static>>,
}

/// How a configuration's zone and that of the running one differ.
pub enum ZoneChange {
    /// Not, or there is none.
    None,
    /// In size; the bytes of the running one.
    Size(usize),
}

impl Conf<'_> {
    /// Reads a size in nginx's notation (`64k`, `10m`), in bytes.
    pub fn parse_size(&self, text: &[u8]) -> Option<usize> {
        let mut text = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
        // SAFETY: the function only reads the string it is given.
        usize::try_from(unsafe { ngx_parse_size(&mut text) }).ok()
    }

    /// Reads an amount of bytes in nginx's notation (`10m`, `5g`).
    pub fn parse_bytes(&self, text: &[u8]) -> Option<u64> {
        let mut text = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
        // SAFETY: as in `parse_size`.
        u64::try_from(unsafe { ngx_parse_offset(&mut text) }).ok()
    }

    /// Whether the running configuration has a zone of this name with another size, which nginx
    /// would replace by an empty one.
    pub fn zone_change(&self, name: &[u8], size: usize) -> ZoneChange {
        // SAFETY: a configuration has a cycle, and that the running one or null; zones are a list
        // of parts, each an array.
        unsafe {
            let cycle: *mut ngx_cycle_t = (*self.as_ptr()).cycle;
            let Some(old) = cycle.as_ref().and_then(|cycle| cycle.old_cycle.as_ref()) else {
                return ZoneChange::None;
            };
            let mut part: *const ngx_list_part_t = &old.shared_memory.part;
            while let Some(zones) = part.as_ref() {
                let items: *const ngx_shm_zone_t = zones.elts.cast();
                for at in 0..zones.nelts {
                    let zone = &*items.add(at);
                    if zone.tag == module::tag()
                        && zone.shm.name.as_bytes() == name
                        && zone.shm.size != size
                    {
                        return ZoneChange::Size(zone.shm.size);
                    }
                }
                part = zones.next;
            }
        }
        ZoneChange::None
    }

    /// Asks nginx for a zone, which is there once the configuration is read.
    pub fn add_zone(&self, name: &[u8], size: usize) -> Result<SharedMemory, Failed> {
        let mut name = self.copy(name)?;
        // SAFETY: the name lies in the configuration's pool.
        let zone = unsafe { ngx_shared_memory_add(self.as_ptr(), &mut name, size, module::tag()) };
        let shm = NonNull::new(zone).ok_or(Failed)?;
        Ok(SharedMemory { shm, zone: OnceCell::new() })
    }
}

impl SharedMemory {
    /// Has `zone` called when the memory is there. The zone must live as long as the
    /// configuration, in whose hands an `Rc` of it must stay.
    pub fn when_ready(&self, zone: &Rc<ZoneConf>) {
        // SAFETY: nginx has made the zone; its data is ours to set. The configuration holds an
        // `Rc`, so that the address stays valid as long as nginx uses it.
        unsafe {
            let shm = self.shm.as_ptr();
            (*shm).data = Rc::as_ptr(zone).cast_mut().cast();
            (*shm).init = Some(initialise);
        }
    }

    fn slab(&self) -> Option<&ngx_slab_pool_t> {
        // SAFETY: once mapped, the zone's memory begins with nginx's slab pool.
        unsafe { self.shm.as_ref().shm.addr.cast::<ngx_slab_pool_t>().as_ref() }
    }

    /// The zone in the memory, once it was made there.
    pub fn zone(&self) -> Option<&Zone<'_>> {
        if self.zone.get().is_none() {
            // Workers are forked when all zones are there, so that this is found once.
            let _ = self.zone.set(Zone::open(self.words()?)?);
        }
        self.zone.get()
    }

    /// The words that the module has taken of the zone, which stay where they are as long as the
    /// configuration is in use, and with it `self`: nobody may be given them for longer.
    fn words(&self) -> Option<&'static [AtomicU64]> {
        let root = NonNull::new(self.slab()?.data.cast::<AtomicU64>())?;
        // SAFETY: `take` has put there the address of an allocation, whose first word is its
        // length in words. The memory is shared, so that it is only seen as atomics.
        unsafe {
            let len = root.as_ref().load(std::sync::atomic::Ordering::Relaxed);
            Some(slice::from_raw_parts(root.as_ptr().add(1), usize::try_from(len).ok()?))
        }
    }

    /// The words for a new zone: those of one that was not completed, or else as much of the memory
    /// as there is.
    pub fn take(&self) -> Option<&[AtomicU64]> {
        if let Some(words) = self.words() {
            return Some(words);
        }
        let slab: *mut ngx_slab_pool_t = ptr::from_ref(self.slab()?).cast_mut();
        // SAFETY: the slab pool is initialised, and nobody else uses the zone yet. The root is
        // published when its length is written.
        unsafe {
            // All free pages follow each other, since nothing was taken before.
            let bytes = (*slab).pfree * ngx_pagesize;
            let root: *mut u64 = ngx_slab_alloc(slab, bytes).cast();
            if bytes == 0 || root.is_null() {
                return None;
            }
            root.write((bytes / size_of::<u64>() - 1) as u64);
            (*slab).data = root.cast();
        }
        self.words()
    }

    /// Runs `body` while no other process runs with this lock. nginx releases it if the process
    /// is killed meanwhile.
    pub fn with_lock<R>(&self, body: impl FnOnce() -> R) -> Option<R> {
        struct Unlock(*mut nginx_sys::ngx_shmtx_t);
        impl Drop for Unlock {
            fn drop(&mut self) {
                // SAFETY: locked below by this process.
                unsafe { ngx_shmtx_unlock(self.0) };
            }
        }
        let mutex = &raw const self.slab()?.mutex;
        // SAFETY: the mutex lies in shared memory and is initialised with the slab pool.
        unsafe { ngx_shmtx_lock(mutex.cast_mut()) };
        let _unlock = Unlock(mutex.cast_mut());
        Some(body())
    }
}

unsafe extern "C" fn initialise(zone: *mut ngx_shm_zone_t, running: *mut c_void) -> ngx_int_t {
    guard(Entry::Zone, NGX_ERROR as ngx_int_t, || {
        // SAFETY: `when_ready` has set the data, which the configuration keeps. The other is null, or
        // the data of the running configuration's zone in the same memory, which has our tag.
        let (conf, running) = unsafe {
            let conf = zone.as_ref().and_then(|zone| zone.data.cast::<ZoneConf>().as_ref());
            (conf, running.cast::<ZoneConf>().as_ref())
        };
        match conf.map(|conf| conf.prepare(running)) {
            Some(Ok(())) => NGX_OK as ngx_int_t,
            Some(Err(error)) => {
                log::to_cycle(Level::Emergency, format_args!("{error}"));
                NGX_ERROR as ngx_int_t
            }
            None => NGX_ERROR as ngx_int_t,
        }
    })
}
