//! What the directives of `ngx_http_secure_link_hmac_module` mean, for the module and for tools that
//! read its configuration: from words to typed settings, and what a block inherits.
#![forbid(unsafe_code)]

mod limit;
mod policy;
mod refusal;
mod ring;
mod scheme;
mod settings;
mod status;
mod words;

pub use limit::{LimitSetting, Measure, Per, Rule};
pub use policy::{
    Reading, SecretWord, misplaced_source, numbered_group, read, reject_numbered_group, store,
    template,
};
pub use refusal::{Outcome, Refusal, refuse};
pub use ring::{KeyLine, KeySource, misfit};
pub use scheme::{RequiredClaim, SchemeSetting};
pub use settings::{Algorithms, Credential, Located, RingKeys, Settings, Unused, inherit};
pub use status::{Enforce, Statuses, enforced_off};
pub use words::{alternatives, named, one, parameter, quote};
