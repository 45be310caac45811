//! `ngx_http_secure_link_hmac_module`: checks HMAC-signed links inside nginx.
//!
//! A request meets the files in this order: [`directives`] read the configuration, [`config`]
//! makes policies of it; [`check`] holds a request's link against a policy, once; [`access`]
//! turns the verdict into a status, [`handoff`] sends what passed to an internal location, and
//! [`variables`] tell the rest of nginx. The check itself is the crate `secure-link`, which knows
//! nothing of nginx; all `unsafe` is in [`ffi`].
#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod access;
mod check;
mod compile;
mod config;
mod directives;
mod ffi;
mod findings;
mod handoff;
mod keyring;
mod limit;
mod meter;
mod metrics;
mod policy;
mod settings;
mod statsd;
mod variables;
mod zone;
