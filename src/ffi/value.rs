//! What nginx evaluates for a request: variables and complex values.

use nginx_sys::{ngx_http_complex_value_t, ngx_uint_t};

/// The position of a variable among nginx's indexed variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariableIndex(pub(super) ngx_uint_t);

/// A text with variables.
pub enum Complex {
    /// One variable and nothing else: its value is the text's.
    Variable(VariableIndex),
    /// Any other, compiled by nginx. Its parts lie in the pool of the configuration, which lives
    /// as long as the configuration that owns this value.
    Text(ngx_http_complex_value_t),
}
