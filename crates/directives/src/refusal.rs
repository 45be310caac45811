//! Why words are refused.

use thiserror::Error;

/// Why a directive is refused. The text follows the directive's name, and says what to write.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It stands twice in a block.
    #[error("directive is duplicate")]
    Duplicate,
    /// An argument is wrong.
    #[error("{0}")]
    Argument(String),
    /// It was said already, by nginx.
    #[error("failed")]
    Logged,
}

/// Nothing, or why not.
pub type Outcome = Result<(), Refusal>;

/// Refuses an argument.
pub fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Argument(text.into()))
}
