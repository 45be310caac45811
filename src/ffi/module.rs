//! The tables by which nginx finds the module.

use std::ptr;

use nginx_sys::{
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MODULE, ngx_command_t, ngx_http_module_t, ngx_module_t,
    ngx_str_t, ngx_uint_t,
};

use super::{entry, timer};
use crate::directives::DIRECTIVES;

/// A table that nginx only reads.
#[repr(transparent)]
struct Table<T>(T);

// SAFETY: nginx reads the tables from the one thread in which it runs, and nobody writes them.
unsafe impl<T> Sync for Table<T> {}

static COMMANDS: Table<[ngx_command_t; DIRECTIVES.len() + 1]> = Table(commands());

#[expect(clippy::indexing_slicing, reason = "an index out of bounds would not compile")]
const fn commands() -> [ngx_command_t; DIRECTIVES.len() + 1] {
    let mut commands = [const { ngx_command_t::empty() }; DIRECTIVES.len() + 1];
    let mut at = 0;
    while at < DIRECTIVES.len() {
        let name = DIRECTIVES[at].name;
        commands[at] = ngx_command_t {
            name: ngx_str_t { len: name.count_bytes(), data: name.as_ptr().cast_mut().cast() },
            type_: DIRECTIVES[at].flags.bits(),
            set: Some(entry::directive),
            conf: NGX_HTTP_LOC_CONF_OFFSET,
            offset: at,
            post: ptr::null_mut(),
        };
        at += 1;
    }
    commands
}

static CONTEXT: Table<ngx_http_module_t> = Table(ngx_http_module_t {
    preconfiguration: Some(entry::preconfiguration),
    postconfiguration: Some(entry::postconfiguration),
    create_main_conf: Some(entry::create_main_conf),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(entry::create_loc_conf),
    merge_loc_conf: Some(entry::merge_loc_conf),
});

/// The module. nginx gives it its indices, so it is not constant.
#[unsafe(no_mangle)]
pub static mut ngx_http_secure_link_hmac_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of!(CONTEXT).cast_mut().cast(),
    commands: ptr::addr_of!(COMMANDS).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_process: Some(timer::init_process),
    exit_process: Some(timer::exit_process),
    ..ngx_module_t::default()
};

/// The module's position among the HTTP modules.
pub(super) fn index() -> usize {
    // SAFETY: nginx sets the index when it loads the module, before it calls any function of it.
    unsafe { ngx_http_secure_link_hmac_module.ctx_index }
}

/// What marks zones as the module's.
pub(super) fn tag() -> *mut std::ffi::c_void {
    (&raw mut ngx_http_secure_link_hmac_module).cast()
}

/// What nginx looks up in a module that it loads; its own build generates the same.
#[cfg(feature = "export-modules")]
mod exported {
    use super::*;

    #[unsafe(no_mangle)]
    static ngx_modules: Table<[*const ngx_module_t; 2]> =
        Table([&raw const ngx_http_secure_link_hmac_module, ptr::null()]);

    #[unsafe(no_mangle)]
    static ngx_module_names: Table<[*const std::ffi::c_char; 2]> =
        Table([c"ngx_http_secure_link_hmac_module".as_ptr(), ptr::null()]);

    #[unsafe(no_mangle)]
    static ngx_module_order: Table<[*const std::ffi::c_char; 1]> = Table([ptr::null()]);
}
