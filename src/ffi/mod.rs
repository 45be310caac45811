//! The border to nginx: every `unsafe` of the module, behind types that keep its promises.
//!
//! nginx calls in through the `extern "C"` functions of `entry`, each of which goes through
//! `guard`. The module calls nginx through [`Conf`] while a configuration is read, and through
//! [`Request`] while a request is served.

mod conf;
mod entry;
mod guard;
mod log;
mod module;
mod request;
mod reserve;
mod timer;
mod value;
mod zone;

pub use conf::{Block, Conf, Failed, Position, Server, VariableOrigin};
pub use entry::DirectiveFlags;
pub use log::{Level, LineBuffer};
pub use request::{NotEvaluated, Request, Value, now};
pub use value::{Complex, VariableIndex};
pub use zone::SharedMemory;
