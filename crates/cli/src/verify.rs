//! `secure-link verify`.

use secure_link::Verdict;
use serde_json::Value;

use crate::args::CheckArgs;
use crate::case::Case;
use crate::error::Error;
use crate::{Outcome, print};

pub fn run(args: &CheckArgs) -> Result<Outcome, Error> {
    let (case, settings) = Case::of(args)?;
    let summary = case.summary(&settings);
    let text = match args.json {
        true => Value::Object(summary.json()).to_string(),
        false => summary.verdict.word().to_owned(),
    };
    print(format!("{text}\n").as_bytes())?;
    Ok(outcome(summary.verdict))
}

/// How a check ends.
pub fn outcome(verdict: Verdict) -> Outcome {
    if verdict == Verdict::Granted { Outcome::Done } else { Outcome::Refused }
}
