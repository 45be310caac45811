//! The functions by which nginx calls the module.

use std::ffi::{c_char, c_void};
use std::mem::{align_of, size_of};
use std::ptr::{self, NonNull};

use nginx_sys::{
    NGX_ALIGNMENT, NGX_CONF_1MORE, NGX_CONF_BLOCK, NGX_CONF_TAKE1, NGX_CONF_TAKE12, NGX_DECLINED,
    NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_LMT_CONF, NGX_HTTP_LOC_CONF,
    NGX_HTTP_MAIN_CONF, NGX_HTTP_NOT_ALLOWED, NGX_HTTP_SRV_CONF, NGX_HTTP_VAR_CHANGEABLE,
    NGX_HTTP_VAR_NOCACHEABLE, NGX_HTTP_VAR_PREFIX, NGX_OK, ngx_array_push, ngx_command_t,
    ngx_conf_t, ngx_http_add_variable, ngx_http_core_main_conf_t, ngx_http_handler_pt,
    ngx_http_phases, ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_LOG_PHASE,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_http_request_t, ngx_http_variable_t,
    ngx_http_variable_value_t, ngx_int_t, ngx_palloc, ngx_pool_cleanup_add, ngx_pool_t, ngx_str_t,
};

use super::conf::{CONF_ERROR, CONF_OK, Conf, Failed};
use super::guard::{Entry, guard};
use super::request::{self, Request};
use super::reserve;
use crate::access::{self, Access};
use crate::config::{self, LocConf, MainConf};
use crate::directives::DIRECTIVES;
use crate::handoff::{self, Handoff};
use crate::meter;
use crate::metrics;
use crate::variables::{self, CLAIM_PREFIX, VARIABLES};

const OK: ngx_int_t = NGX_OK as ngx_int_t;
const ERROR: ngx_int_t = NGX_ERROR as ngx_int_t;
const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;
const INTERNAL_SERVER_ERROR: ngx_int_t = NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;

/// Where a directive may stand and how many arguments it takes.
#[derive(Clone, Copy)]
pub struct DirectiveFlags(usize);

impl DirectiveFlags {
    const LOCATION: usize = NGX_HTTP_LOC_CONF as usize;
    const EVERYWHERE: usize =
        NGX_HTTP_MAIN_CONF as usize | NGX_HTTP_SRV_CONF as usize | Self::LOCATION;

    /// `http`, `server`, `location`; one argument.
    pub const TAKE1: Self = Self(Self::EVERYWHERE | NGX_CONF_TAKE1 as usize);
    /// `http`, `server`, `location`; one or two arguments.
    pub const TAKE12: Self = Self(Self::EVERYWHERE | NGX_CONF_TAKE12 as usize);
    /// `http`, `server`, `location`; one or more arguments.
    pub const ONE_OR_MORE: Self = Self(Self::EVERYWHERE | NGX_CONF_1MORE as usize);
    /// `location`; one argument.
    pub const LOCATION_TAKE1: Self = Self(Self::LOCATION | NGX_CONF_TAKE1 as usize);

    /// `http`; one argument.
    pub const HTTP_TAKE1: Self = Self(NGX_HTTP_MAIN_CONF as usize | NGX_CONF_TAKE1 as usize);

    /// `http`; one or more arguments.
    pub const HTTP_ONE_OR_MORE: Self = Self(NGX_HTTP_MAIN_CONF as usize | NGX_CONF_1MORE as usize);

    /// `http`; a name and a block.
    pub const HTTP_BLOCK: Self =
        Self(NGX_HTTP_MAIN_CONF as usize | NGX_CONF_BLOCK as usize | NGX_CONF_TAKE1 as usize);

    /// Also in `limit_except`.
    pub const fn and_limit_except(self) -> Self {
        Self(self.0 | NGX_HTTP_LMT_CONF as usize)
    }

    pub(super) const fn bits(self) -> usize {
        self.0
    }
}

/// Runs `body` with the configuration that nginx reads.
fn with_conf<R>(
    entry: Entry,
    cf: *mut ngx_conf_t,
    failure: R,
    body: impl FnOnce(&mut Conf<'_>) -> Result<R, Failed>,
) -> R
where
    R: Copy,
{
    guard(entry, failure, || match NonNull::new(cf) {
        // SAFETY: nginx reads its configuration, and the reference ends with this call.
        Some(cf) => body(&mut unsafe { Conf::new(cf) }).unwrap_or(failure),
        None => failure,
    })
}

pub(super) unsafe extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    with_conf(Entry::CreateMainConf, cf, ptr::null_mut(), |conf| place(conf, MainConf::default()))
}

pub(super) unsafe extern "C" fn create_loc_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    with_conf(Entry::CreateLocConf, cf, ptr::null_mut(), |conf| place(conf, LocConf::default()))
}

/// Puts a value into the configuration's pool, where it is dropped with the pool.
fn place<T>(conf: &Conf<'_>, value: T) -> Result<*mut c_void, Failed> {
    const { assert!(align_of::<T>() <= NGX_ALIGNMENT) };
    // SAFETY: the pool is that of the configuration. Its memory is written before the cleanup
    // is given a handler.
    unsafe {
        let pool: *mut ngx_pool_t = (*conf.as_ptr()).pool;
        let cleanup = ngx_pool_cleanup_add(pool, 0);
        let place: *mut T = ngx_palloc(pool, size_of::<T>()).cast();
        if place.is_null() || cleanup.is_null() {
            return Err(Failed);
        }
        place.write(value);
        (*cleanup).data = place.cast();
        (*cleanup).handler = Some(drop_placed::<T>);
        Ok(place.cast())
    }
}

unsafe extern "C" fn drop_placed<T>(place: *mut c_void) {
    guard(Entry::Cleanup, (), || {
        // SAFETY: only `place` sets this handler, with a value of this type, and a pool calls
        // it once.
        unsafe { ptr::drop_in_place(place.cast::<T>()) }
    });
}

pub(super) unsafe extern "C" fn directive(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    block: *mut c_void,
) -> *mut c_char {
    with_conf(Entry::Directive, cf, CONF_ERROR, |conf| {
        // SAFETY: the command is one of ours, whose `offset` is its position in the table, and
        // the block is what `create_loc_conf` made for it.
        let (at, block) =
            unsafe { (command.as_ref().ok_or(Failed)?.offset, block.cast::<LocConf>().as_mut()) };
        let directive = DIRECTIVES.get(at).ok_or(Failed)?;
        config::set(conf, directive, block.ok_or(Failed)?)?;
        Ok(CONF_OK)
    })
}

/// Takes a line of a block that [`Conf::read_block`] reads.
pub(super) unsafe extern "C" fn block_line(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    line: *mut c_void,
) -> *mut c_char {
    with_conf(Entry::Directive, cf, CONF_ERROR, |conf| {
        // SAFETY: `read_block` has put a pointer to its borrowed function there.
        let line = unsafe { line.cast::<&dyn Fn(&mut Conf<'_>) -> Result<(), Failed>>().as_ref() };
        line.ok_or(Failed)?(conf)?;
        Ok(CONF_OK)
    })
}

pub(super) unsafe extern "C" fn merge_loc_conf(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    with_conf(Entry::MergeLocConf, cf, CONF_ERROR, |conf| {
        // SAFETY: both are what `create_loc_conf` made, for two different blocks.
        let (parent, child) =
            unsafe { (parent.cast::<LocConf>().as_mut(), child.cast::<LocConf>().as_mut()) };
        config::merge(conf, parent.ok_or(Failed)?, child.ok_or(Failed)?)?;
        Ok(CONF_OK)
    })
}

pub(super) unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    with_conf(Entry::Preconfiguration, cf, ERROR, |conf| {
        request::learn_argument_getter(conf);
        for (at, variable) in VARIABLES.iter().enumerate() {
            add_variable(conf, variable.name, 0, get_variable, at)?;
        }
        add_variable(conf, CLAIM_PREFIX, NGX_HTTP_VAR_PREFIX as usize, get_claim, 0)?;
        Ok(OK)
    })
}

fn add_variable(
    conf: &Conf<'_>,
    name: &'static str,
    flags: usize,
    getter: unsafe extern "C" fn(
        *mut ngx_http_request_t,
        *mut ngx_http_variable_value_t,
        usize,
    ) -> ngx_int_t,
    data: usize,
) -> Result<(), Failed> {
    let flags = flags | NGX_HTTP_VAR_NOCACHEABLE as usize | NGX_HTTP_VAR_CHANGEABLE as usize;
    let mut name = ngx_str_t { len: name.len(), data: name.as_ptr().cast_mut() };
    // SAFETY: nginx copies the name, and returns a variable of its own or null.
    let variable: &mut ngx_http_variable_t =
        unsafe { ngx_http_add_variable(conf.as_ptr(), &mut name, flags).as_mut() }.ok_or(Failed)?;
    variable.get_handler = Some(getter);
    variable.data = data;
    Ok(())
}

pub(super) unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    with_conf(Entry::Postconfiguration, cf, ERROR, |conf| {
        let used = config::finish(conf)?;
        if used.enforces {
            add_handler(conf, ngx_http_phases_NGX_HTTP_ACCESS_PHASE, Some(access))?;
            add_handler(conf, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, Some(precontent))?;
        }
        if used.logs {
            add_handler(conf, ngx_http_phases_NGX_HTTP_LOG_PHASE, Some(log))?;
        }
        Ok(OK)
    })
}

fn add_handler(
    conf: &Conf<'_>,
    phase: ngx_http_phases,
    handler: ngx_http_handler_pt,
) -> Result<(), Failed> {
    let core: *mut ngx_http_core_main_conf_t = conf.core_main().ok_or(Failed)?.as_ptr();
    // SAFETY: after all is read, the core module has an array of handlers for each phase, and
    // pushing to it yields room for one.
    unsafe {
        let phase = (*core).phases.get_mut(phase as usize).ok_or(Failed)?;
        let room: *mut ngx_http_handler_pt = ngx_array_push(&mut phase.handlers).cast();
        if room.is_null() {
            return Err(Failed);
        }
        room.write(handler);
    }
    Ok(())
}

/// Runs `body` with the request that nginx serves.
fn with_request<R: Copy>(
    entry: Entry,
    r: *mut ngx_http_request_t,
    failure: R,
    body: impl FnOnce(Request<'_>) -> R,
) -> R {
    guard(entry, failure, || match NonNull::new(r) {
        // SAFETY: nginx calls with a request that it serves.
        Some(r) => body(unsafe { Request::new(r) }),
        None => failure,
    })
}

unsafe extern "C" fn access(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_request(Entry::Access, r, INTERNAL_SERVER_ERROR, |request| match access::decide(request) {
        Access::Abstain => DECLINED,
        Access::Grant => OK,
        Access::Deny(status) => status as ngx_int_t,
    })
}

unsafe extern "C" fn precontent(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_request(Entry::Precontent, r, INTERNAL_SERVER_ERROR, |request| {
        let decided = handoff::decide(request);
        // Before the request is handed off, since it can only be failed once.
        if reserve::is_used() {
            return INTERNAL_SERVER_ERROR;
        }
        match decided {
            Handoff::None => DECLINED,
            Handoff::Path { path, args } => request.redirect(path, args),
            Handoff::Named(name) => request.redirect_to_named(name),
            Handoff::Denied(status) => status as ngx_int_t,
            Handoff::Failed => INTERNAL_SERVER_ERROR,
        }
    })
}

unsafe extern "C" fn log(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_request(Entry::Log, r, OK, |request| {
        meter::count(request);
        OK
    })
}

/// The content handler of a location with `secure_link_hmac_metrics`.
pub(super) unsafe extern "C" fn metrics(r: *mut ngx_http_request_t) -> ngx_int_t {
    with_request(Entry::Metrics, r, INTERNAL_SERVER_ERROR, |request| {
        if !matches!(request.method(), b"GET" | b"HEAD") {
            return NGX_HTTP_NOT_ALLOWED as ngx_int_t;
        }
        match metrics::respond(request) {
            // Once something was sent, it is too late to fail.
            Some(_) if reserve::is_used() => INTERNAL_SERVER_ERROR,
            Some(response) => request.send(response.media_type, response.body.as_bytes()),
            None => INTERNAL_SERVER_ERROR,
        }
    })
}

unsafe extern "C" fn get_variable(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    at: usize,
) -> ngx_int_t {
    with_request(Entry::Variable, r, ERROR, |request| {
        let Some(variable) = VARIABLES.get(at) else { return ERROR };
        answer(value, variables::get(request, variable.field))
    })
}

/// The getter of all variables whose name begins with [`CLAIM_PREFIX`].
unsafe extern "C" fn get_claim(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    name: usize,
) -> ngx_int_t {
    with_request(Entry::Variable, r, ERROR, |request| {
        // SAFETY: for variables of a prefix nginx hands over the whole name, in lower case.
        let name = unsafe { ptr::with_exposed_provenance::<ngx_str_t>(name).as_ref() };
        let name = name.and_then(|name| name.as_bytes().strip_prefix(CLAIM_PREFIX.as_bytes()));
        answer(value, name.map_or(Ok(None), |name| variables::claim(request, name)))
    })
}

fn answer(
    value: *mut ngx_http_variable_value_t,
    text: Result<request::Value<'_>, request::NotEvaluated>,
) -> ngx_int_t {
    // SAFETY: nginx hands a getter the value that it is to fill.
    match (unsafe { value.as_mut() }, text) {
        (Some(value), Ok(text)) => {
            request::set_value(value, text);
            OK
        }
        _ => ERROR,
    }
}
