//! nginx's error log.

use std::fmt::{self, Write};

use nginx_sys::{
    NGX_LOG_ALERT, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN,
    ngx_cycle, ngx_log_error_core, ngx_log_t, ngx_uint_t,
};

/// A level of nginx's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Level {
    /// The configuration cannot be used.
    Emergency = NGX_LOG_EMERG as usize,
    /// A fault of the module itself.
    Alert = NGX_LOG_ALERT as usize,
    /// An error.
    Error = NGX_LOG_ERR as usize,
    /// A warning.
    Warn = NGX_LOG_WARN as usize,
    /// A normal but significant event.
    Notice = NGX_LOG_NOTICE as usize,
    /// For information.
    Info = NGX_LOG_INFO as usize,
}

impl Level {
    /// Its name in nginx's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Level::Emergency => "emerg",
            Level::Alert => "alert",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Notice => "notice",
            Level::Info => "info",
        }
    }
}

/// Longest text of a line, in bytes.
const LINE_LEN: usize = 1024;

/// The text of a log line: what does not fit is cut off.
pub struct LineBuffer {
    bytes: [u8; LINE_LEN],
    len: usize,
}

impl LineBuffer {
    /// An empty line.
    pub fn new() -> Self {
        LineBuffer { bytes: [0; LINE_LEN], len: 0 }
    }

    /// Appends bytes, the unprintable ones and `"` and `\` as `\xHH`, up to where `reserve`
    /// bytes of room are left, and tells whether that was all of them.
    pub fn push_escaped(&mut self, text: &[u8], reserve: usize) -> bool {
        let end = LINE_LEN.saturating_sub(reserve);
        text.iter().all(|&byte| {
            let plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            let fits = self.len + if plain { 1 } else { 4 } <= end;
            if fits && plain {
                self.push(&[byte]);
            } else if fits {
                let _ = write!(self, "\\x{byte:02X}");
            }
            fits
        })
    }

    fn push(&mut self, text: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(text) {
            *to = *from;
            self.len += 1;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Write for LineBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Whether a line of this level would be written.
///
/// # Safety
///
/// `log` points to a log, or is null.
pub(super) unsafe fn is_on(log: *const ngx_log_t, level: Level) -> bool {
    // SAFETY: the caller's promise.
    unsafe { log.as_ref() }.is_some_and(|log| log.log_level >= level as ngx_uint_t)
}

/// Writes a line.
///
/// # Safety
///
/// `log` points to a log, or is null.
pub(super) unsafe fn write(log: *mut ngx_log_t, level: Level, line: &LineBuffer) {
    let text = line.as_bytes();
    // SAFETY: `log` is a log; `%*s` takes a length and as many bytes.
    unsafe {
        if is_on(log, level) {
            ngx_log_error_core(
                level as ngx_uint_t,
                log,
                0,
                c"%*s".as_ptr(),
                text.len(),
                text.as_ptr(),
            );
        }
    }
}

/// Writes a line to the log of the running cycle.
pub(super) fn to_cycle(level: Level, text: fmt::Arguments<'_>) {
    let mut line = LineBuffer::new();
    let _ = line.write_fmt(text);
    // SAFETY: nginx sets `ngx_cycle` before it reads any configuration, and a cycle has a log.
    unsafe {
        if let Some(cycle) = ngx_cycle.as_ref() {
            write(cycle.log, level, &line);
        }
    }
}
