//! Completions and manual pages, made of the command line's own description.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::Error;
use crate::{Outcome, print};

pub fn completions(shell: Shell) -> Result<Outcome, Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "secure-link", &mut text);
    if shell == Shell::Bash {
        // In clap_complete 4.6.11 the two halves of the script write a hyphen in the program's
        // name in two ways, so that no flag of a command would be completed.
        let script = String::from_utf8_lossy(&text).into_owned();
        text = script.replace("secure__subcmd__link", "secure__link").into_bytes();
    }
    print(&text)?;
    Ok(Outcome::Done)
}

pub fn pages(directory: Option<&Path>) -> Result<Outcome, Error> {
    match directory {
        Some(directory) => clap_mangen::generate_to(Cli::command(), directory)
            .map_err(|error| Error::File { path: directory.to_owned(), error })?,
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(Error::Output)?;
            print(&text)?;
        }
    }
    Ok(Outcome::Done)
}
