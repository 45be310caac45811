//! The settings of a location of an nginx configuration.

mod block;
mod choose;
mod keys;
mod lexer;
mod policy;
mod tree;
mod variables;

use std::path::Path;
use std::rc::Rc;

use crate::args::PolicyArgs;
use crate::error::Error;
use crate::settings::{ConfOrigin, Origin, Settings};
use crate::url::Url;

pub use tree::Place;

/// Reads the settings of the location that the flags name, or that serves the URL on a host.
pub fn settings(file: &Path, args: &PolicyArgs, url: &Url, host: &str) -> Result<Settings, Error> {
    let directory = args.conf.prefix.as_deref().or(file.parent()).unwrap_or(Path::new(""));
    let reader = tree::Reader { directory: directory.to_owned() };
    let tree = reader.read(file)?;
    let location = choose::location(&tree, file, &args.conf, url, host)?;
    let defined = variables::defined(&tree);
    let policy::Read { settings, texts, statuses } =
        policy::read(&location, &tree, &reader, &args.keys)?;
    let origin = ConfOrigin {
        location: location.text(),
        at: location.at().clone(),
        texts,
        defined,
        statuses,
    };
    let set = args.set.clone();
    Ok(Settings { set, origin: Origin::Conf(Rc::new(origin)), ..settings })
}
