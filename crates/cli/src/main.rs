//! `secure-link`: signs, verifies and explains links that `ngx_http_secure_link_hmac_module` checks.
#![forbid(unsafe_code)]

mod args;
mod case;
mod conf;
mod error;
mod explain;
mod flags;
mod keygen;
mod manual;
mod offer;
mod policy;
mod reasons;
mod secret;
mod settings;
mod sign;
mod text;
mod url;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::error::Error;

/// How a command ended that has done what it was asked for.
enum Outcome {
    /// Done; of a check, the link is granted.
    Done,
    /// The link was refused.
    Refused,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Sign(args) => sign::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::pages(directory.as_deref()),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(error) => {
            warn(&format!("error: {error}"));
            ExitCode::from(error.code())
        }
    }
}

/// Writes a line to standard error, if there is one.
fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes to standard output. Who has closed it wants no more.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}
