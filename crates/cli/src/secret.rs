//! Secrets, which come from files and the environment alone.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secure_link::{MIN_SECRET_LEN, SecretFormat};
use zeroize::Zeroizing;

use crate::args::KeyArgs;
use crate::error::{Error, usage};
use crate::warn;

/// Longest file of a secret, in bytes, as in the module.
const MAX_FILE_LEN: u64 = 4096;

const SECRET_VARIABLE: &str = "SECURE_LINK_SECRET";
const SALT_VARIABLE: &str = "SECURE_LINK_SALT";

/// How the text of a secret becomes the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As it is said.
    Format(SecretFormat),
    /// As it is, with a line end that it may have: a mistake that signers make.
    WithLineEnd,
    /// As it is, with a line end that it does not have.
    AddedLineEnd,
}

/// The text of a secret, and where it is from.
pub struct SecretText {
    text: Zeroizing<Vec<u8>>,
    /// How it is written; `None` if the text is the secret.
    format: Option<SecretFormat>,
    from: String,
}

impl SecretText {
    /// A text, which is not empty and can be read.
    pub fn new(
        text: Zeroizing<Vec<u8>>,
        format: Option<SecretFormat>,
        from: String,
    ) -> Result<Self, Error> {
        let text = SecretText { text, format, from };
        let secret = text.read(None)?;
        if secret.is_empty() {
            return Err(Error::Secret(format!("the secret of {} is empty", text.from)));
        }
        if secret.len() < MIN_SECRET_LEN {
            warn(&format!(
                "warning: the secret of {} has fewer than {MIN_SECRET_LEN} bytes: nginx refuses it \
                 where links are enforced",
                text.from
            ));
        }
        Ok(text)
    }

    /// The text of a file.
    pub fn of_file(path: &Path, format: SecretFormat) -> Result<Self, Error> {
        SecretText::new(from_file(path)?, Some(format), path.display().to_string())
    }

    /// How it is written.
    pub fn format(&self) -> Option<SecretFormat> {
        self.format
    }

    /// The secret itself, read as it is written or in another way.
    pub fn read(&self, reading: Option<Reading>) -> Result<Zeroizing<Vec<u8>>, Error> {
        match reading.or(self.format.map(Reading::Format)) {
            None => Ok(self.text.clone()),
            Some(Reading::Format(format)) => format
                .decode(&self.text)
                .map_err(|error| Error::SecretFormat { from: self.from.clone(), error }),
            Some(Reading::WithLineEnd) => Ok(self.text.clone()),
            Some(Reading::AddedLineEnd) => {
                let mut text = self.text.clone();
                text.push(b'\n');
                Ok(text)
            }
        }
    }
}

/// Reads the secrets that the flags name.
pub fn secrets(args: &KeyArgs) -> Result<Vec<SecretText>, Error> {
    let format = args.key_format.unwrap_or_default();
    if args.secret_file.is_empty() {
        let text = from_environment(args.secret_env.as_deref())?;
        return Ok(vec![SecretText::new(text, Some(format), "the environment".to_owned())?]);
    }
    args.secret_file.iter().map(|path| SecretText::of_file(path, format)).collect()
}

/// Reads the salt of EdgeAuth, if there is one.
pub fn salt(file: Option<&Path>) -> Result<Option<Box<[u8]>>, Error> {
    let text = match file {
        Some(path) => from_file(path)?,
        None => match std::env::var_os(SALT_VARIABLE) {
            Some(text) => Zeroizing::new(text.into_vec()),
            None => return Ok(None),
        },
    };
    let decoded = SecretFormat::Raw
        .decode(&text)
        .map_err(|error| Error::SecretFormat { from: "the salt".to_owned(), error })?;
    Ok(Some(decoded.as_slice().into()))
}

fn from_environment(name: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
    // The name is not repeated: somebody may have written the secret in its place.
    let missing = match name {
        Some(_) => "the environment variable of --secret-env is not set",
        None => "there is no secret: use --secret-file, or set SECURE_LINK_SECRET",
    };
    let name = name.unwrap_or(SECRET_VARIABLE);
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(usage("--secret-env is the name of an environment variable"));
    }
    let text = std::env::var_os(name).ok_or_else(|| usage(missing))?;
    Ok(Zeroizing::new(text.into_vec()))
}

fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |error| Error::File { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_file() && metadata.mode() & 0o004 != 0 {
        warn(&format!("warning: every user can read {}: chmod o-r", path.display()));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN as usize + 1));
    file.take(MAX_FILE_LEN + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_LEN {
        return Err(Error::Secret(format!(
            "{}: it has more than {MAX_FILE_LEN} bytes",
            path.display()
        )));
    }
    Ok(text)
}

/// Reads a text that is no secret; `-` is standard input.
pub fn text_file(path: &Path) -> Result<String, Error> {
    let text = match path.as_os_str().as_encoded_bytes() {
        b"-" => std::io::read_to_string(std::io::stdin()),
        _ => fs::read_to_string(path),
    };
    text.map_err(|error| Error::File { path: path.to_owned(), error })
}
