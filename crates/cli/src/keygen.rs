//! `secure-link keygen`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secure_link::{SecretFormat, check_key_id};
use zeroize::Zeroizing;

use crate::args::KeygenArgs;
use crate::error::{Error, usage};
use crate::{Outcome, print};

pub fn run(args: &KeygenArgs) -> Result<Outcome, Error> {
    if let Some(id) = &args.keyring {
        check_key_id(id.as_bytes()).map_err(|error| usage(format!("--keyring: {error}")))?;
        // What would be another token of nginx's configuration.
        if id.contains(['"', '\'', '\\', ';', '{', '}', '#', '$']) || id == "include" {
            return Err(usage("--keyring: nginx would not read this id as it is"));
        }
    }
    let key = random(usize::from(args.bytes), args.format)?;
    let text = Zeroizing::new(match args.format {
        SecretFormat::Raw => key.to_vec(),
        SecretFormat::Hex => hex::encode(&key).into_bytes(),
        SecretFormat::Base64 => STANDARD.encode(&key).into_bytes(),
    });
    let format = args.format.name();
    let line = match (&args.out, &args.keyring) {
        (Some(path), id) => {
            let file = match id {
                Some(_) => Some(word(path)?),
                None => None,
            };
            write_new(path, &text, args.format)?;
            match (id, file) {
                (Some(id), Some(file)) => {
                    Zeroizing::new(format!("{id} {file} format={format};\n").into_bytes())
                }
                _ => Zeroizing::default(),
            }
        }
        (None, Some(_)) if args.format == SecretFormat::Raw => {
            return Err(usage("a raw key has no place in a line: use --out"));
        }
        (None, Some(id)) => {
            let mut line = Zeroizing::new(format!("{id} {format}:").into_bytes());
            line.extend_from_slice(&text);
            line.extend_from_slice(b";\n");
            line
        }
        (None, None) if args.format == SecretFormat::Raw => text,
        (None, None) => {
            let mut line = text;
            line.push(b'\n');
            line
        }
    };
    print(&line)?;
    Ok(Outcome::Done)
}

/// A random key. A raw one does not end in what its readers drop.
fn random(len: usize, format: SecretFormat) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut key = Zeroizing::new(vec![0; len]);
    loop {
        getrandom::fill(&mut key).map_err(Error::Random)?;
        if format != SecretFormat::Raw || !key.ends_with(b"\n") {
            return Ok(key);
        }
    }
}

/// The parameter of a keyring's line that names a file.
fn word(path: &Path) -> Result<String, Error> {
    let path = path.to_str().filter(|path| !path.contains(['"', '\\', '$', '\n']));
    let path = path.ok_or_else(|| usage("--out: nginx would not read this name as it is"))?;
    Ok(match path.contains([' ', '\t', ';', '{', '}', '#', '\'']) {
        true => format!("\"file:{path}\""),
        false => format!("file:{path}"),
    })
}

/// Writes a key into a file that its owner alone can read. A file that is there is not touched.
fn write_new(path: &Path, text: &[u8], format: SecretFormat) -> Result<(), Error> {
    let failed = |error| Error::File { path: path.to_owned(), error };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text).map_err(failed)?;
    if format != SecretFormat::Raw {
        file.write_all(b"\n").map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}
