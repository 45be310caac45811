//! nginx's configuration while it is read.

use std::ffi::c_char;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::ptr::{self, NonNull};

use nginx_sys::{
    NGX_HTTP_VAR_CHANGEABLE, NGX_OK, ngx_conf_full_name, ngx_conf_include, ngx_conf_parse,
    ngx_conf_t, ngx_hash_key_t, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
    ngx_http_complex_value_t, ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t,
    ngx_http_core_main_conf_t, ngx_http_core_module, ngx_http_core_srv_conf_t,
    ngx_http_get_variable_index, ngx_http_variable_t, ngx_int_t, ngx_log_error_core,
    ngx_parse_time, ngx_pnalloc, ngx_str_t, ngx_uint_t,
};

use super::entry;
use super::log::Level;
use super::module;
use super::value::{Complex, VariableIndex};
use crate::config::MainConf;

/// The configuration cannot be used, and why is in the log.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

/// A place in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    file: String,
    line: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The configuration that nginx is reading, as one of the module's functions is handed it.
pub struct Conf<'c> {
    cf: NonNull<ngx_conf_t>,
    lifetime: PhantomData<&'c ()>,
}

impl<'c> Conf<'c> {
    /// # Safety
    ///
    /// `cf` is the argument of a function that nginx calls while it reads the `http` block, and
    /// `'c` ends with that call.
    pub(super) unsafe fn new(cf: NonNull<ngx_conf_t>) -> Self {
        Conf { cf, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(&self) -> *mut ngx_conf_t {
        self.cf.as_ptr()
    }

    fn cf(&self) -> &ngx_conf_t {
        // SAFETY: valid for `'c` by the promise of `new`; nginx changes it only between calls.
        unsafe { self.cf.as_ref() }
    }

    /// The words of the directive, its name first.
    pub fn words(&self) -> Vec<&'c [u8]> {
        // SAFETY: while a directive is set, `args` is an array of strings that live in the
        // configuration's pool.
        let words: &'c [ngx_str_t] = unsafe {
            match self.cf().args.as_ref() {
                Some(args) => &*ptr::from_ref(args.as_slice::<ngx_str_t>()),
                None => &[],
            }
        };
        words.iter().map(ngx_str_t::as_bytes).collect()
    }

    /// Overwrites a word of the directive, which would otherwise stay in the memory of each worker.
    /// No slice of it may be in use.
    pub fn wipe_word(&mut self, at: usize) {
        // SAFETY: as in `words`; the bytes belong to this directive alone, and nginx does not
        // read them again after the directive was set.
        unsafe {
            if let Some(args) = self.cf().args.as_mut()
                && let Some(word) = args.as_slice_mut::<ngx_str_t>().get_mut(at)
            {
                word.as_bytes_mut().fill(0);
            }
        }
    }

    /// Reads the lines of a block, which `line` takes one by one. A line that includes a file has
    /// `line` called for each line of it.
    pub fn read_block(
        &mut self,
        line: &dyn Fn(&mut Conf<'_>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let cf = self.as_ptr();
        // SAFETY: nginx parses up to the closing brace and calls the handler for each line, while
        // `line` is borrowed; then all is as it was, as nginx's own blocks do it.
        unsafe {
            let saved = *cf;
            (*cf).handler = Some(entry::block_line);
            (*cf).handler_conf = (&raw const line).cast_mut().cast();
            let status = ngx_conf_parse(cf, ptr::null_mut());
            *cf = saved;
            if status == CONF_OK { Ok(()) } else { Err(Failed) }
        }
    }

    /// Reads the files that an `include` line of a block names, as more lines of the block.
    pub fn include(&mut self) -> Result<(), Failed> {
        // SAFETY: the words of the line are those of an include directive.
        let status = unsafe { ngx_conf_include(self.as_ptr(), ptr::null_mut(), ptr::null_mut()) };
        if status == CONF_OK { Ok(()) } else { Err(Failed) }
    }

    /// Where nginx is reading.
    pub fn position(&self) -> Position {
        // SAFETY: `conf_file` is null or the file that is being read, whose name is a string.
        match unsafe { self.cf().conf_file.as_ref() } {
            Some(file) => Position {
                file: String::from_utf8_lossy(file.file.name.as_bytes()).into_owned(),
                line: file.line,
            },
            None => Position::default(),
        }
    }

    /// Writes an error that ends the reading of the configuration.
    pub fn error(&self, at: &Position, text: impl fmt::Display) -> Failed {
        self.log(Level::Emergency, at, text);
        Failed
    }

    /// Writes a warning.
    pub fn warn(&self, at: &Position, text: impl fmt::Display) {
        self.log(Level::Warn, at, text);
    }

    fn log(&self, level: Level, at: &Position, text: impl fmt::Display) {
        let line = format!("{text} in {at}");
        // SAFETY: the log of a configuration is valid; `%*s` takes a length and as many bytes.
        unsafe {
            ngx_log_error_core(
                level as ngx_uint_t,
                self.cf().log,
                0,
                c"%*s".as_ptr(),
                line.len(),
                line.as_ptr(),
            );
        }
    }

    /// Reads a time in nginx's notation (`30s`, `1h 5m`) as seconds.
    pub fn parse_seconds(&self, text: &[u8]) -> Option<i64> {
        let mut text = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
        // SAFETY: the function only reads the string it is given.
        let seconds = unsafe { ngx_parse_time(&mut text, 1) };
        i64::try_from(seconds).ok().filter(|seconds| *seconds >= 0)
    }

    /// Reads a time in nginx's notation (`1s`, `500ms`) as milliseconds.
    pub fn parse_milliseconds(&self, text: &[u8]) -> Option<usize> {
        let mut text = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
        // SAFETY: the function only reads the string it is given.
        usize::try_from(unsafe { ngx_parse_time(&mut text, 0) }).ok()
    }

    /// The path of a file whose name is relative to the directory of the configuration.
    pub fn full_name(&self, name: &[u8]) -> Result<PathBuf, Failed> {
        use std::os::unix::ffi::OsStrExt;

        let mut name = self.copy(name)?;
        // SAFETY: `name` lies in the pool and ends with a NUL, as the function wants it.
        let status = unsafe { ngx_conf_full_name(self.cf().cycle, &mut name, 1) };
        if status != NGX_OK as ngx_int_t {
            return Err(Failed);
        }
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes())))
    }

    /// Copies a text into the configuration's pool, with a NUL behind it.
    pub(super) fn copy(&self, text: &[u8]) -> Result<ngx_str_t, Failed> {
        // SAFETY: the pool is valid, and the bytes written are those asked for.
        unsafe {
            let data: *mut u8 = ngx_pnalloc(self.cf().pool, text.len() + 1).cast();
            if data.is_null() {
                return Err(Failed);
            }
            ptr::copy_nonoverlapping(text.as_ptr(), data, text.len());
            data.add(text.len()).write(0);
            Ok(ngx_str_t { len: text.len(), data })
        }
    }

    /// The index of a variable. A name that nothing defines is reported by nginx itself once it
    /// has read everything.
    pub fn variable_index(&self, name: &str) -> Result<VariableIndex, Failed> {
        let mut name = self.copy(name.as_bytes())?;
        // SAFETY: the name lies in the configuration's pool, where nginx keeps it.
        let index = unsafe { ngx_http_get_variable_index(self.as_ptr(), &mut name) };
        ngx_uint_t::try_from(index).map(VariableIndex).map_err(|_| Failed)
    }

    /// Compiles a text with variables. nginx itself reports what is wrong with it.
    pub fn compile(&self, text: &[u8]) -> Result<Complex, Failed> {
        if let Some(name) = only_variable(text) {
            return self.variable_index(name).map(Complex::Variable);
        }
        let mut text = self.copy(text)?;
        // SAFETY: all-zero is nginx's own way to begin these structures.
        let (mut value, mut compile) = unsafe {
            (
                std::mem::zeroed::<ngx_http_complex_value_t>(),
                std::mem::zeroed::<ngx_http_compile_complex_value_t>(),
            )
        };
        compile.cf = self.as_ptr();
        compile.value = &mut text;
        compile.complex_value = &mut value;
        // SAFETY: the pointers are valid for the call; what the value keeps lies in the pool.
        let status = unsafe { ngx_http_compile_complex_value(&mut compile) };
        if status == NGX_OK as ngx_int_t { Ok(Complex::Text(value)) } else { Err(Failed) }
    }

    fn context(&self) -> Option<&ngx_http_conf_ctx_t> {
        // SAFETY: inside the `http` block, `ctx` is an HTTP context.
        unsafe { self.cf().ctx.cast::<ngx_http_conf_ctx_t>().as_ref() }
    }

    /// The module's main configuration.
    pub fn main(&mut self) -> Result<&mut MainConf, Failed> {
        let context = self.context().ok_or(Failed)?;
        // SAFETY: the module's slot holds what `create_main_conf` put there; the reference ends
        // before `self` is used again, so that there is one at a time.
        unsafe { (*context.main_conf.add(module::index())).cast::<MainConf>().as_mut() }
            .ok_or(Failed)
    }

    /// The core module's main configuration.
    pub(super) fn core_main(&self) -> Option<NonNull<ngx_http_core_main_conf_t>> {
        let context = self.context()?;
        // SAFETY: the core module's slot holds its own structure, made before ours.
        unsafe {
            let index = ngx_http_core_module.ctx_index;
            NonNull::new((*context.main_conf.add(index)).cast())
        }
    }

    /// One of nginx's families of variables, by the prefix of their names.
    pub(super) fn prefix_variable(&self, name: &[u8]) -> Option<&ngx_http_variable_t> {
        // SAFETY: the array holds the variables that were added by a prefix.
        let variables = unsafe {
            self.core_main()?.as_ref().prefix_variables.as_slice::<ngx_http_variable_t>()
        };
        variables.iter().find(|variable| variable.name.as_bytes() == name)
    }

    /// Makes a location answer with metrics.
    pub fn serve_metrics(&self) -> Result<(), Failed> {
        let context = self.context().ok_or(Failed)?;
        // SAFETY: as in `block`; while a location is read, the core module's structure is the
        // location's.
        unsafe {
            let index = ngx_http_core_module.ctx_index;
            let core = (*context.loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>();
            core.as_mut().ok_or(Failed)?.handler = Some(entry::metrics);
        }
        Ok(())
    }

    /// What nginx knows of a variable's name, once all directives are read.
    pub fn variable_origin(&self, name: &str) -> VariableOrigin {
        let Some(core) = self.core_main() else { return VariableOrigin::Unknown };
        // SAFETY: while the configuration is read, `variables_keys` holds the variables that were
        // defined by name, as values of hash keys, and the other array those by prefix.
        unsafe {
            let keys = core.as_ref().variables_keys.as_ref();
            let keys = keys.map(|keys| keys.keys.as_slice::<ngx_hash_key_t>()).unwrap_or_default();
            if let Some(key) = keys.iter().find(|key| key.key.as_bytes() == name.as_bytes()) {
                let variable = key.value.cast::<ngx_http_variable_t>().as_ref();
                let changeable = NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t;
                return match variable {
                    Some(variable) if variable.flags & changeable != 0 => VariableOrigin::Defined,
                    _ => VariableOrigin::Own,
                };
            }
            let prefixes = core.as_ref().prefix_variables.as_slice::<ngx_http_variable_t>();
            if prefixes.iter().any(|prefix| name.as_bytes().starts_with(prefix.name.as_bytes())) {
                VariableOrigin::Own
            } else {
                VariableOrigin::Unknown
            }
        }
    }

    /// The block whose configuration is being merged.
    pub fn block(&self) -> Result<Block, Failed> {
        let context = self.context().ok_or(Failed)?;
        // SAFETY: while blocks are merged, the context points to the configurations of the block,
        // and the core module's slot holds the core module's structure.
        let (location, server) = unsafe {
            let index = ngx_http_core_module.ctx_index;
            (
                (*context.loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>().as_ref(),
                NonNull::new((*context.srv_conf.add(index)).cast::<ngx_http_core_srv_conf_t>()),
            )
        };
        let (location, server) = location.zip(server).ok_or(Failed)?;
        Ok(Block {
            is_location: location.name.len > 0,
            is_limit_except: location.lmt_excpt() != 0,
            captures: captures(location),
            server: Server(server),
        })
    }
}

/// The name of the variable that a text consists of, as in `$name`; a capture (`$1`) is none.
fn only_variable(text: &[u8]) -> Option<&str> {
    let name = text.strip_prefix(b"$")?;
    let is_name = !name.first()?.is_ascii_digit()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    str::from_utf8(name).ok().filter(|_| is_name)
}

/// Indices of the variables that the regular expression of a location sets.
#[cfg(not(ngx_feature = "pcre"))]
fn captures(_: &ngx_http_core_loc_conf_t) -> Vec<VariableIndex> {
    Vec::new()
}

/// Indices of the variables that the regular expression of a location sets.
#[cfg(ngx_feature = "pcre")]
fn captures(location: &ngx_http_core_loc_conf_t) -> Vec<VariableIndex> {
    // SAFETY: `regex` is null or a compiled expression with `nvariables` variables.
    unsafe {
        match location.regex.as_ref() {
            Some(regex) if regex.nvariables > 0 => {
                std::slice::from_raw_parts(regex.variables, regex.nvariables)
                    .iter()
                    .filter_map(|variable| ngx_uint_t::try_from(variable.index).ok())
                    .map(VariableIndex)
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A block of the configuration that serves requests: a server, a location or a part of one.
pub struct Block {
    /// Whether it is a location, or a block inside of one.
    pub is_location: bool,
    /// Whether it is a `limit_except` block.
    pub is_limit_except: bool,
    /// The variables that its regular expression sets.
    pub captures: Vec<VariableIndex>,
    /// The server it belongs to.
    pub server: Server,
}

/// Where a variable comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableOrigin {
    /// Nothing defines it.
    Unknown,
    /// nginx or a module, which fills it.
    Own,
    /// The configuration, by `set`, `map` and the like, which may fill it with anything.
    Defined,
}

/// A server of the configuration.
#[derive(Clone, Copy)]
pub struct Server(NonNull<ngx_http_core_srv_conf_t>);

impl Server {
    /// Whether a named location exists; known once nginx has read everything.
    pub fn has_named_location(&self, name: &[u8], _conf: &Conf<'_>) -> bool {
        // SAFETY: servers live as long as the configuration, which `_conf` shows is still being
        // read. `named_locations` is null or an array that ends with a null pointer.
        unsafe {
            let mut location = self.0.as_ref().named_locations;
            while let Some(core) = location.as_ref().and_then(|core| core.as_ref()) {
                if core.name.as_bytes() == name {
                    return true;
                }
                location = location.add(1);
            }
        }
        false
    }
}

/// nginx's sign that a directive, or the merging of blocks, failed.
pub(super) const CONF_ERROR: *mut c_char = ngx::core::NGX_CONF_ERROR;

/// nginx's sign that it did not.
pub(super) const CONF_OK: *mut c_char = ngx::core::NGX_CONF_OK;
