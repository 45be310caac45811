//! Shared memory: nginx's zones as words that all workers see.

use std::cell::OnceCell;
use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use std::{fs, io, slice, thread};

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_cycle_t, ngx_int_t, ngx_list_part_t, ngx_pagesize, ngx_parse_offset,
    ngx_parse_size, ngx_pid, ngx_pid_t, ngx_shared_memory_add, ngx_shm_zone_t,
    ngx_shmtx_force_unlock, ngx_shmtx_trylock, ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t,
    ngx_str_t,
};
use secure_link_directives::quote;
use secure_link_zone::Zone;

use super::conf::{Conf, Failed};
use super::guard::{Entry, guard};
use super::log::{self, Level};
use super::module;
use crate::zone::ZoneConf;

/// A zone of shared memory, as one configuration knows it.
pub struct SharedMemory {
    shm: NonNull<ngx_shm_zone_t>,
    /// The zone in the memory, opened once, so that requests need not look for it.
    zone: OnceCell<Zone<'static>>,
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

    /// The size, in bytes, of the running configuration's zone of this name, if it is another one:
    /// nginx would replace that zone by an empty one.
    pub fn other_zone_size(&self, name: &[u8], size: usize) -> Option<usize> {
        // SAFETY: a configuration has a cycle, and `old_cycle` is the running one or null; zones are
        // a list of parts, each an array.
        unsafe {
            let cycle: *mut ngx_cycle_t = (*self.as_ptr()).cycle;
            let old = cycle.as_ref()?.old_cycle.as_ref()?;
            let mut part: *const ngx_list_part_t = &old.shared_memory.part;
            while let Some(zones) = part.as_ref() {
                let items: *const ngx_shm_zone_t = zones.elts.cast();
                for at in 0..zones.nelts {
                    let zone = &*items.add(at);
                    if zone.tag == module::tag()
                        && zone.shm.name.as_bytes() == name
                        && zone.shm.size != size
                    {
                        return Some(zone.shm.size);
                    }
                }
                part = zones.next;
            }
        }
        None
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

    fn slab(&self) -> Option<NonNull<ngx_slab_pool_t>> {
        // SAFETY: nginx has made the zone. Once mapped, its memory begins with nginx's slab pool.
        NonNull::new(unsafe { self.shm.as_ref() }.shm.addr.cast())
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
        // SAFETY: the slab pool is there, and `take` alone changes this.
        let root = unsafe { (*self.slab()?.as_ptr()).data };
        let root = NonNull::new(root.cast::<AtomicU64>())?;
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
        let slab = self.slab()?.as_ptr();
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

    /// Runs `body` while no other process runs with this lock.
    ///
    /// # Errors
    ///
    /// The process that holds the lock, if `patience` is over before it is free.
    pub fn with_lock<R>(
        &self,
        patience: Option<Duration>,
        body: impl FnOnce() -> R,
    ) -> Result<R, i64> {
        struct Unlock<'m>(&'m Mutex);
        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                self.0.unlock();
            }
        }
        let mutex = Mutex(self.slab().ok_or(0)?);
        if !mutex.try_lock() {
            self.wait_for(&mutex, patience)?;
        }
        let _unlock = Unlock(&mutex);
        Ok(body())
    }

    /// Waits for the lock, and takes it from a process that has ended while it held it.
    ///
    /// nginx does that too, but not while it reads a configuration, when a master that waits would
    /// wait for ever, and not for a zone that the configuration has no more.
    #[cold]
    fn wait_for(&self, mutex: &Mutex, patience: Option<Duration>) -> Result<(), i64> {
        // As nginx's own lock does: most often it takes less time than to sleep and be woken.
        for turns in 0..11 {
            for _ in 0..1 << turns {
                std::hint::spin_loop();
            }
            if mutex.try_lock() {
                return Ok(());
            }
        }
        let began = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            let holder = mutex.holder();
            if has_ended(holder) && mutex.take_from(holder) {
                // SAFETY: nginx has made the zone, which has a name.
                let name = quote(unsafe { self.shm.as_ref() }.shm.name.as_bytes());
                log::to_cycle(
                    Level::Alert,
                    format_args!(
                        "secure_link_hmac: the shared memory zone {name} was locked by {holder}, \
                         which has ended"
                    ),
                );
            }
            if mutex.try_lock() {
                return Ok(());
            }
            if patience.is_some_and(|patience| began.elapsed() >= patience) {
                return Err(holder);
            }
            thread::sleep(pause);
            pause = (2 * pause).min(Duration::from_millis(1));
        }
    }
}

/// The lock of a zone: nginx's slab mutex. It holds the number of the process that has it, or 0.
struct Mutex(NonNull<ngx_slab_pool_t>);

impl Mutex {
    fn try_lock(&self) -> bool {
        // SAFETY: the mutex lies in shared memory and is initialised with the slab pool.
        unsafe { ngx_shmtx_trylock(&raw mut (*self.0.as_ptr()).mutex) != 0 }
    }

    fn unlock(&self) {
        // SAFETY: as above. If this process does not hold it, this does nothing.
        unsafe { ngx_shmtx_unlock(&raw mut (*self.0.as_ptr()).mutex) };
    }

    fn holder(&self) -> i64 {
        // SAFETY: as above; other processes write this word, so that it is read as it is now.
        let holder = unsafe { (&raw const (*self.0.as_ptr()).lock.lock).read_volatile() };
        i64::try_from(holder).unwrap_or(0)
    }

    /// Frees it, if it is still this process that holds it.
    fn take_from(&self, holder: i64) -> bool {
        let Ok(holder) = ngx_pid_t::try_from(holder) else { return false };
        // SAFETY: as above.
        unsafe { ngx_shmtx_force_unlock(&raw mut (*self.0.as_ptr()).mutex, holder) != 0 }
    }
}

/// Whether the holder of a lock that this process waits for has ended. If its number was given to
/// another process meanwhile, that is not known.
fn has_ended(holder: i64) -> bool {
    let pid = match libc::pid_t::try_from(holder) {
        Ok(pid) if pid > 0 => pid,
        _ => return false,
    };
    // Only one that had this number before can have left it there.
    // SAFETY: nginx sets it when it starts a process.
    if pid == unsafe { ngx_pid } {
        return true;
    }
    // One that nginx has not taken note of yet, while it reads a configuration, is still there for
    // `kill`. It is left to nginx, whose child it is.
    // SAFETY: the call fills `info`, which may be all zero before and after.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, how) == 0 {
            return info.si_pid() == pid;
        }
    }
    // SAFETY: no signal is sent.
    let is_gone = unsafe { libc::kill(pid, 0) } != 0
        && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
    is_gone || is_zombie(pid)
}

/// Whether another process's child has ended and was not waited for, as far as the system tells.
fn is_zombie(pid: libc::pid_t) -> bool {
    // The state follows the name, which may have brackets of its own.
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(|&byte| byte == b')').next().is_some_and(|rest| rest.starts_with(b" Z"))
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
