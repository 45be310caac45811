//! The settings that make a policy, as the module keeps them.

use std::rc::Rc;

use crate::ffi::{Complex, Position};

/// A setting and where it was written.
pub type Located<T> = secure_link_directives::Located<T, Position>;

/// The settings that make a policy: a block that has any of them has one of its own.
pub type Settings = secure_link_directives::Settings<Position, SecretSource, Rc<[Complex]>>;

/// Where a secret comes from.
#[derive(Clone)]
pub enum SecretSource {
    /// From [`MainConf::secrets`](crate::config::MainConf::secrets).
    Kept(usize),
    /// From variables.
    Variables(Box<[u8]>),
}
