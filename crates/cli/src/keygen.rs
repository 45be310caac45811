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
    let is_raw = args.format == SecretFormat::Raw;
    if is_raw && args.out.is_none() && (args.keyring.is_some() || args.json) {
        return Err(usage("a raw key has no place in a text: use --out"));
    }
    let format = args.format.name();
    let key = random(usize::from(args.bytes), args.format)?;
    let text = Zeroizing::new(match args.format {
        SecretFormat::Raw => key.to_vec(),
        SecretFormat::Hex => hex::encode(&key).into_bytes(),
        SecretFormat::Base64 => STANDARD.encode(&key).into_bytes(),
    });
    // The line of the configuration, in whose words a text is printable.
    let line = match (&args.out, &args.keyring) {
        (Some(path), Some(id)) => Some(format!("{id} {} format={format};", word(path)?)),
        (Some(path), None) if args.directive => {
            Some(format!("secure_link_hmac_secret {} format={format};", word(path)?))
        }
        (None, Some(id)) => Some(format!("{id} {format}:{}", String::from_utf8_lossy(&text)) + ";"),
        (_, None) => None,
    };
    let line = line.map(Zeroizing::new);
    if let Some(path) = &args.out {
        write_new(path, &text, args.format)?;
    }
    let shown = args.out.is_none().then_some(&text);
    let mut output = Zeroizing::new(Vec::new());
    if args.json {
        let json = serde_json::json!({
            "format": format,
            "bytes": args.bytes,
            "file": args.out.as_ref().map(|path| path.to_string_lossy()),
            "key": shown.map(|text| String::from_utf8_lossy(text)),
            "line": line.as_ref().map(|line| line.as_str()),
        });
        output.extend(json.to_string().into_bytes());
    } else if let Some(line) = &line {
        output.extend(line.bytes());
    } else if let Some(text) = shown {
        output.extend(text.iter());
    }
    if !output.is_empty() && (args.json || line.is_some() || !is_raw) {
        output.push(b'\n');
    }
    print(&output)?;
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

/// The word of a configuration that names a file.
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
