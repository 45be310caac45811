//! A request that nginx serves.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::{self, align_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::OnceLock;

use nginx_sys::{
    NGX_ALIGNMENT, NGX_DONE, NGX_ERROR, NGX_HTTP_OK, NGX_HTTP_SATISFY_ANY, NGX_OK, ngx_hash_key,
    ngx_http_complex_value, ngx_http_complex_value_t, ngx_http_core_find_config_phase,
    ngx_http_core_loc_conf_t, ngx_http_core_main_conf_t, ngx_http_core_module,
    ngx_http_core_post_rewrite_phase, ngx_http_core_rewrite_phase, ngx_http_finalize_request,
    ngx_http_get_flushed_variable, ngx_http_get_variable, ngx_http_get_variable_pt,
    ngx_http_internal_redirect, ngx_http_named_location, ngx_http_phase_handler_pt,
    ngx_http_request_t, ngx_http_send_response, ngx_http_variable_t, ngx_http_variable_value_t,
    ngx_int_t, ngx_list_push, ngx_palloc, ngx_pool_cleanup_add, ngx_str_t, ngx_table_elt_t,
    ngx_time, ngx_uint_t,
};

use secure_link::Mode;

use super::conf::Conf;
use super::log::{self, Level, LineBuffer};
use super::module;
use super::value::{Complex, VariableIndex};
use crate::check::State;
use crate::config::LocConf;
use crate::policy::Offered;

/// nginx could not evaluate something, for want of memory or by an error that it logs itself.
#[derive(Clone, Copy, Debug)]
pub struct NotEvaluated;

/// The value of a variable.
pub type Value<'r> = Option<&'r [u8]>;

/// A request in the hands of one of the module's functions.
///
/// `'r` is the time for which the request's pool is there: all that a request hands out lies in
/// that pool, in the connection's buffers or in the configuration, and outlives the handlers,
/// the log phase included.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    r: NonNull<ngx_http_request_t>,
    lifetime: PhantomData<&'r State<'r>>,
}

impl<'r> Request<'r> {
    /// # Safety
    ///
    /// `r` is the argument of a function that nginx calls for a request.
    pub(super) unsafe fn new(r: NonNull<ngx_http_request_t>) -> Self {
        Request { r, lifetime: PhantomData }
    }

    fn r(&self) -> &ngx_http_request_t {
        // SAFETY: valid while a function of the module runs, by the promise of `new`; nginx
        // changes it only while it is called.
        unsafe { self.r.as_ref() }
    }

    /// The request of the client, of which this may be a subrequest.
    pub fn main(self) -> Self {
        match NonNull::new(self.r().main) {
            Some(r) => Request { r, ..self },
            None => self,
        }
    }

    /// Whether it is the request of the client itself.
    pub fn is_main(&self) -> bool {
        ptr::eq(self.r().main, self.r.as_ptr())
    }

    /// The decoded and normalised path.
    pub fn uri(&self) -> &'r [u8] {
        bytes(&self.r().uri)
    }

    /// The query string as it came, or as nginx has changed it.
    pub fn args(&self) -> &'r [u8] {
        bytes(&self.r().args)
    }

    /// The method as it came.
    pub fn method(&self) -> &'r [u8] {
        bytes(&self.r().method_name)
    }

    /// Tells one pass through the phases from the next, which an internal redirect begins.
    ///
    /// nginx's own count (`uri_changes`) is a bit-field, and bindgen misplaces the bit-fields of a
    /// request in nginx 1.30: none of them is read in this module.
    pub fn pass(&self) -> u32 {
        self.state().map_or(0, State::pass)
    }

    /// The status of the error whose page is served, or that the page is served with instead; 0 if
    /// it is the status of what is served.
    pub fn error_status(&self) -> usize {
        self.r().err_status
    }

    /// The configuration of the location that serves the request.
    pub fn conf(&self) -> &'r LocConf {
        // SAFETY: a request always has the configuration of a server or location, whose slot of
        // the module holds what `create_loc_conf` put there.
        unsafe { &*(*self.r().loc_conf.add(module::index())).cast::<LocConf>() }
    }

    /// Whether one of the location's access checks is enough (`satisfy any`).
    pub fn satisfies_any(&self) -> bool {
        // SAFETY: as in `conf`, for the core module.
        let core = unsafe {
            let index = ngx_http_core_module.ctx_index;
            (*self.r().loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>().as_ref()
        };
        core.is_some_and(|core| core.satisfy == NGX_HTTP_SATISFY_ANY as usize)
    }

    /// Whether the request has not come to the preaccess phase, so that its path may change.
    pub fn is_before_preaccess(&self) -> bool {
        let Some(core) = self.core_main_conf() else { return true };
        let engine = &core.phase_engine;
        let at = usize::try_from(self.r().phase_handler).unwrap_or(0);
        if at < engine.server_rewrite_index {
            return true;
        }
        // SAFETY: `phase_handler` is the position of the handler that runs, or ran last.
        let checker = unsafe { (*engine.handlers.add(at)).checker };
        let rewriting: [ngx_http_phase_handler_pt; 3] = [
            Some(ngx_http_core_rewrite_phase),
            Some(ngx_http_core_find_config_phase),
            Some(ngx_http_core_post_rewrite_phase),
        ];
        rewriting.iter().any(|phase| phase.map(|f| f as usize) == checker.map(|f| f as usize))
    }

    fn core_main_conf(&self) -> Option<&ngx_http_core_main_conf_t> {
        // SAFETY: a request has main configurations, and the core module's slot holds its own.
        unsafe {
            let index = ngx_http_core_module.ctx_index;
            (*self.r().main_conf.add(index)).cast::<ngx_http_core_main_conf_t>().as_ref()
        }
    }

    /// Evaluates a variable; `None` if it is not found.
    pub fn variable(&self, index: VariableIndex) -> Result<Value<'r>, NotEvaluated> {
        // SAFETY: the index was given out for this configuration.
        let value = unsafe { ngx_http_get_flushed_variable(self.r.as_ptr(), index.0).as_ref() };
        let value = value.ok_or(NotEvaluated)?;
        if value.not_found() != 0 || value.valid() == 0 {
            return Ok(None);
        }
        Ok(Some(bytes(&ngx_str_t { len: value.len() as usize, data: value.data })))
    }

    /// Whether a variable `$arg_name` is nginx's own, and not one that `set` or `map` put in its
    /// place.
    pub fn is_argument(&self, index: VariableIndex) -> bool {
        let Some(core) = self.core_main_conf() else { return false };
        // SAFETY: the array holds the indexed variables.
        let variables = unsafe { core.variables.as_slice::<ngx_http_variable_t>() };
        let own = ARGUMENT.get().copied().flatten();
        own.is_some()
            && variables.get(index.0).and_then(|v| v.get_handler).map(|f| f as usize) == own
    }

    /// Evaluates a text with variables.
    pub fn complex(&self, value: &Complex) -> Result<&'r [u8], NotEvaluated> {
        let value = match value {
            Complex::Variable(index) => return Ok(self.variable(*index)?.unwrap_or_default()),
            Complex::Text(value) => value,
        };
        let mut text = ngx_str_t::empty();
        // SAFETY: nginx only reads the compiled value.
        let status = unsafe {
            ngx_http_complex_value(self.r.as_ptr(), ptr::from_ref(value).cast_mut(), &mut text)
        };
        if status == NGX_OK as ngx_int_t { Ok(bytes(&text)) } else { Err(NotEvaluated) }
    }

    /// Memory of the request's pool, filled with copies of `value`.
    pub fn alloc<T: Copy>(&self, len: usize, value: T) -> Option<&'r mut [T]> {
        const { assert!(align_of::<T>() <= NGX_ALIGNMENT) };
        let size = len.checked_mul(size_of::<T>()).filter(|&size| size <= isize::MAX as usize)?;
        if size == 0 {
            return Some(&mut []);
        }
        // SAFETY: the pool aligns to NGX_ALIGNMENT, hands out each byte once, and keeps it for
        // `'r`; each item is written before the slice is made.
        unsafe {
            let items: *mut T = ngx_palloc(self.r().pool, size).cast();
            if items.is_null() {
                return None;
            }
            for at in 0..len {
                items.add(at).write(value);
            }
            Some(slice::from_raw_parts_mut(items, len))
        }
    }

    /// Memory of the request's pool that holds what `make` makes there.
    pub fn keep<T: Copy>(&self, make: impl FnOnce() -> T) -> Result<&'r T, NotEvaluated> {
        const { assert!(align_of::<T>() <= NGX_ALIGNMENT) };
        // SAFETY: as in `alloc`.
        unsafe {
            let kept: *mut T = ngx_palloc(self.r().pool, size_of::<T>()).cast();
            if kept.is_null() {
                return Err(NotEvaluated);
            }
            kept.write(make());
            Ok(&*kept)
        }
    }

    /// The request where it stays as long as its pool.
    pub fn kept(self) -> Result<&'r Self, NotEvaluated> {
        self.keep(|| self)
    }

    /// What the request offers to a check.
    pub fn offer(&'r self, offered: &Offered<'r>, mode: Mode) -> secure_link::Request<'r> {
        secure_link::Request {
            inputs: offered.values,
            repeated_argument: offered.is_unreadable,
            method: self.method(),
            path: self.uri(),
            target: bytes(&self.r().unparsed_uri),
            query: self.args(),
            host: bytes(&self.r().headers_in.server),
            client: self,
            mode,
            arena: self,
        }
    }

    /// What the module has noted for this request, if it has. Of the main request: a subrequest
    /// has none of its own.
    pub fn state(&self) -> Option<&'r State<'r>> {
        let r = self.r();
        // SAFETY: a request has a context for each module, and ours holds the state or null.
        let slot = unsafe { r.ctx.add(module::index()) };
        // SAFETY: as above. The state lies in the request's pool and borrows from what lives as
        // long, which `'r` stands for.
        unsafe {
            if let Some(state) = (*slot).cast::<State<'r>>().as_ref() {
                return Some(state);
            }
        }
        // An internal redirect clears the contexts: what was noted before it is found by its
        // cleanup, and a pass begins.
        //
        // SAFETY: the pool's cleanups are a list that ends with null; the one with our handler
        // holds the state.
        unsafe {
            let mut cleanup = (*r.pool).cleanup;
            while let Some(entry) = cleanup.as_ref() {
                if entry.handler.map(|f| f as usize) == Some(keep_state as *const () as usize) {
                    *slot = entry.data;
                    let state = entry.data.cast::<State<'r>>().as_ref()?;
                    state.begin_pass();
                    return Some(state);
                }
                cleanup = entry.next;
            }
        }
        None
    }

    /// The same, made if there is none; `None` if there is no memory.
    pub fn state_or_new(&self) -> Option<&'r State<'r>> {
        if let Some(state) = self.state() {
            return Some(state);
        }
        const { assert!(align_of::<State<'_>>() <= NGX_ALIGNMENT) };
        const { assert!(!std::mem::needs_drop::<State<'_>>()) };
        // SAFETY: the cleanup's data is memory of the asked size in the request's pool, which is
        // written before it is used; the context is that of `state`.
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.r().pool, size_of::<State<'r>>()).as_mut()?;
            cleanup.handler = Some(keep_state);
            let state: *mut State<'r> = cleanup.data.cast();
            state.write(State::new(*self));
            *self.r().ctx.add(module::index()) = cleanup.data;
            state.as_ref()
        }
    }

    /// Whether a line of this level would be written to the log.
    pub fn logs(&self, level: Level) -> bool {
        // SAFETY: a request's connection has a log.
        unsafe { log::is_on((*self.r().connection).log, level) }
    }

    /// Writes a line to the log of the request.
    pub fn log(&self, level: Level, line: &LineBuffer) {
        // SAFETY: a request's connection has a log.
        unsafe { log::write((*self.r().connection).log, level, line) }
    }

    /// The address of the client; `None` for a connection that is not one of IP.
    pub fn client_address(&self) -> Option<IpAddr> {
        // SAFETY: a request's connection has the address of its client, whose family says which
        // structure it is.
        unsafe {
            let address = (*self.r().connection).sockaddr.cast::<libc::sockaddr>();
            match i32::from(address.as_ref()?.sa_family) {
                libc::AF_INET => {
                    let bits = (*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr;
                    Some(Ipv4Addr::from(u32::from_be(bits)).into())
                }
                libc::AF_INET6 => {
                    let bytes = (*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr;
                    Some(Ipv6Addr::from(bytes).into())
                }
                _ => None,
            }
        }
    }

    /// The address of the client as nginx writes it.
    pub fn address_text(&self) -> &'r [u8] {
        // SAFETY: a request has a connection.
        bytes(unsafe { &(*self.r().connection).addr_text })
    }

    /// The bytes that were sent to the client.
    pub fn bytes_sent(&self) -> u64 {
        // SAFETY: a request has a connection.
        u64::try_from(unsafe { (*self.r().connection).sent }).unwrap_or(0)
    }

    /// Answers with a text in UTF-8; `media_type` is without the charset.
    pub(super) fn send(self, media_type: &'static str, body: &[u8]) -> ngx_int_t {
        let r = self.r.as_ptr();
        let Some(kept) = self.alloc(body.len(), 0u8) else { return NGX_ERROR as ngx_int_t };
        kept.copy_from_slice(body);
        // JSON is always in UTF-8, and its type has no such parameter (RFC 8259, section 11).
        let charset = if media_type.starts_with("text/") { "utf-8" } else { "" };
        let mut media_type = string(media_type.as_bytes());
        // SAFETY: the request is served by this module, nothing of it was sent, and the body lies in
        // the request's pool. A complex value that is all zero but for its text has no variables.
        unsafe {
            let headers = &raw mut (*r).headers_out.headers;
            let header: *mut ngx_table_elt_t = ngx_list_push(headers).cast();
            if header.is_null() {
                return NGX_ERROR as ngx_int_t;
            }
            // Newer versions of nginx have more fields.
            ptr::write_bytes(header, 0, 1);
            let header = &mut *header;
            header.hash = 1;
            header.key = string(b"Cache-Control");
            header.value = string(b"no-store");
            (*r).headers_out.charset = string(charset.as_bytes());
            let mut text: ngx_http_complex_value_t = mem::zeroed();
            text.value = string(kept);
            // nginx knows where there is no body to send: for `HEAD`, but also as 304.
            ngx_http_send_response(r, NGX_HTTP_OK as ngx_uint_t, &mut media_type, &mut text)
        }
    }

    /// Serves the request from another path; the request may be gone afterwards.
    pub(super) fn redirect(self, path: &'r [u8], args: &'r [u8]) -> ngx_int_t {
        let (mut path, mut args) = (string(path), string(args));
        let r = self.r.as_ptr();
        // SAFETY: both texts live as long as the request. The redirect takes a reference on the
        // request, which finalizing gives back, as nginx's `try_files` does it.
        unsafe {
            ngx_http_internal_redirect(r, &mut path, &mut args);
            ngx_http_finalize_request(r, NGX_DONE as ngx_int_t);
        }
        NGX_DONE as ngx_int_t
    }

    /// Serves the request from a named location; the request may be gone afterwards.
    pub(super) fn redirect_to_named(self, name: &'r [u8]) -> ngx_int_t {
        let mut name = string(name);
        let r = self.r.as_ptr();
        // SAFETY: as in `redirect`.
        unsafe {
            ngx_http_named_location(r, &mut name);
            ngx_http_finalize_request(r, NGX_DONE as ngx_int_t);
        }
        NGX_DONE as ngx_int_t
    }
}

impl secure_link::Arena for Request<'_> {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        Request::alloc(self, len, 0)
    }
}

impl secure_link::Client for Request<'_> {
    fn address(&self) -> Option<IpAddr> {
        self.client_address()
    }

    fn scheme(&self) -> &[u8] {
        const NAME: &[u8] = b"scheme";
        // SAFETY: the name is that of a variable of nginx's own, which always has a value.
        let value = unsafe {
            let key = ngx_hash_key(NAME.as_ptr().cast_mut(), NAME.len());
            ngx_http_get_variable(self.r.as_ptr(), &mut string(NAME), key).as_ref()
        };
        let text = value.map(|value| ngx_str_t { len: value.len() as usize, data: value.data });
        text.map(|text| bytes(&text)).unwrap_or_default()
    }

    fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8])) {
        let mut part = Some(&self.r().headers_in.headers.part);
        while let Some(list) = part {
            // SAFETY: a part of the list has `nelts` headers, and points to the next or to null.
            let headers = unsafe {
                part = list.next.as_ref();
                match list.nelts {
                    0 => &[],
                    len => slice::from_raw_parts(list.elts.cast::<ngx_table_elt_t>(), len),
                }
            };
            for header in headers {
                if bytes(&header.key).eq_ignore_ascii_case(name) {
                    each(bytes(&header.value));
                }
            }
        }
    }
}

/// The seconds of unix time as nginx keeps it.
pub fn now() -> i64 {
    ngx_time()
}

/// Marks the cleanup that holds the state; there is nothing to clean up.
extern "C" fn keep_state(_state: *mut c_void) {}

/// The address of nginx's own getter of `$arg_name`: the same for all configurations.
static ARGUMENT: OnceLock<Option<usize>> = OnceLock::new();

/// Learns what `is_argument` compares with.
pub(super) fn learn_argument_getter(conf: &Conf<'_>) {
    ARGUMENT.get_or_init(|| {
        let getter: ngx_http_get_variable_pt =
            conf.prefix_variable(b"arg_").and_then(|variable| variable.get_handler);
        getter.map(|f| f as usize)
    });
}

/// The bytes of one of nginx's strings. The caller chooses the lifetime: it is that of the pool
/// or buffer in which the string lies.
fn bytes<'r>(text: &ngx_str_t) -> &'r [u8] {
    // An empty one may point to nothing.
    if text.len == 0 {
        return &[];
    }
    // SAFETY: a string of a request points to `len` bytes of its pool, of its connection's
    // buffers or of the configuration.
    unsafe { slice::from_raw_parts(text.data, text.len) }
}

fn string(text: &[u8]) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}

/// Gives nginx the value of a variable.
pub(super) fn set_value(value: &mut ngx_http_variable_value_t, text: Value<'_>) {
    let text = text.filter(|text| text.len() < 1 << 28);
    value.set_valid(u32::from(text.is_some()));
    value.set_not_found(u32::from(text.is_none()));
    value.set_no_cacheable(0);
    let text = text.unwrap_or_default();
    value.set_len(text.len() as u32);
    value.data = text.as_ptr().cast_mut();
}
