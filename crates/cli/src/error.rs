//! What keeps a command from doing what it was asked for.

use std::io;
use std::path::PathBuf;

use secure_link::{FieldsError, KeyringError, SecretFormatError, TemplateError};

use crate::conf::Place;

/// An error; its text never has a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Template(#[from] TemplateError),
    #[error("{0}")]
    Credential(#[from] FieldsError),
    #[error("--key-id: {0}")]
    KeyId(#[from] KeyringError),
    #[error("{at}: {text}")]
    Conf { at: Place, text: String },
    #[error("{at}: \"include\" {}: {error}", path.display())]
    Included { at: Place, path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("the secret of {from}: {error}")]
    SecretFormat { from: String, error: SecretFormatError },
    #[error("{0}")]
    Secret(String),
    #[error("standard output: {0}")]
    Output(io::Error),
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("the link that was made would not verify: {0}")]
    NotVerified(&'static str),
}

impl Error {
    /// A mistake in a configuration.
    pub fn conf(at: &Place, text: impl Into<String>) -> Self {
        Error::Conf { at: at.clone(), text: text.into() }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Error::Usage(_)
            | Error::Template(_)
            | Error::Credential(_)
            | Error::KeyId(_)
            | Error::Conf { .. } => 2,
            Error::Included { .. }
            | Error::File { .. }
            | Error::SecretFormat { .. }
            | Error::Secret(_)
            | Error::Output(_)
            | Error::Random(_) => 3,
            Error::NotVerified(_) => 4,
        }
    }
}

/// A mistake in the flags.
pub fn usage(text: impl Into<String>) -> Error {
    Error::Usage(text.into())
}
