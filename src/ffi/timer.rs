//! A worker's life: the timer that sends figures, and the last sending.

use std::ffi::c_void;

use nginx_sys::{
    NGX_OK, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_add_timer, ngx_cycle_t, ngx_event_t,
    ngx_http_conf_ctx_t, ngx_http_module, ngx_int_t, ngx_pcalloc, ngx_process, ngx_worker,
};

use super::guard::{Entry, guard};
use super::module;
use crate::config::MainConf;
use crate::statsd::Statsd;

/// The module's main configuration in a cycle; `None` without an `http` block.
///
/// # Safety
///
/// `cycle` is a cycle whose configuration was read, and lives for `'c`.
unsafe fn main_conf<'c>(cycle: *mut ngx_cycle_t) -> Option<&'c MainConf> {
    // SAFETY: the core module `http` has its context or null in the cycle's table, and ours has
    // what `create_main_conf` made in its own.
    unsafe {
        let http = *(*cycle).conf_ctx.add(ngx_http_module.index);
        let context = http.cast::<ngx_http_conf_ctx_t>().as_ref()?;
        (*context.main_conf.add(module::index())).cast::<MainConf>().as_ref()
    }
}

/// Whether this process serves requests. Others are the master and the cache's helpers.
fn serves() -> bool {
    // SAFETY: nginx sets it before it initialises a process.
    let process = unsafe { ngx_process };
    process == NGX_PROCESS_SINGLE as usize || process == NGX_PROCESS_WORKER as usize
}

/// Whether this process is the one worker that sends at each interval.
fn sends() -> bool {
    // SAFETY: as in `serves`; the number of the only process is 0.
    serves() && unsafe { ngx_worker } == 0
}

pub(super) unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(Entry::Process, NGX_OK as ngx_int_t, || {
        // SAFETY: nginx calls with the worker's cycle. The event lies in the cycle's pool, all
        // zero, which is how nginx's own events begin; it is cancelable, so that it does not hold
        // back the worker's exit.
        unsafe {
            if let Some(statsd) = main_conf(cycle).and_then(|main| main.statsd.as_ref())
                && sends()
            {
                let event: *mut ngx_event_t =
                    ngx_pcalloc((*cycle).pool, size_of::<ngx_event_t>()).cast();
                if let Some(timer) = event.as_mut() {
                    timer.handler = Some(tick);
                    timer.data = cycle.cast();
                    timer.log = (*cycle).log;
                    timer.set_cancelable(1);
                    ngx_add_timer(timer, statsd.interval);
                }
            }
        }
        // Without figures requests are served all the same.
        NGX_OK as ngx_int_t
    })
}

pub(super) unsafe extern "C" fn exit_process(cycle: *mut ngx_cycle_t) {
    guard(Entry::Process, (), || {
        // Workers end in any order, each when its last request is done; the last one sends what is left.
        // SAFETY: as in `init_process`.
        if let Some(main) = unsafe { main_conf(cycle) }
            && serves()
        {
            Statsd::send(main);
        }
    });
}

unsafe extern "C" fn tick(event: *mut ngx_event_t) {
    guard(Entry::Process, (), || {
        // SAFETY: `init_process` has made the event, whose data is the cycle.
        unsafe {
            let cycle: *mut ngx_cycle_t = (*event).data.cast::<c_void>().cast();
            if let Some(main) = main_conf(cycle)
                && let Some(statsd) = &main.statsd
            {
                // First, so that a panic does not stop it.
                ngx_add_timer(event, statsd.interval);
                Statsd::send(main);
            }
        }
    });
}
