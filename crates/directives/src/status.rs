//! What comes of a denial: whether it decides, and by which status.

use secure_link::Verdict;

use crate::refusal::{Outcome, Refusal, refuse};
use crate::words::{alternatives, quote, some};

/// Whether the outcome of a check decides about the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforce {
    /// No: it is the value of variables only.
    #[default]
    Off,
    /// Yes.
    On,
    /// No, but a check is made and logged as if it did.
    DryRun,
}

impl Enforce {
    /// All values.
    pub const ALL: &[Enforce] = &[Enforce::On, Enforce::Off, Enforce::DryRun];

    /// The name used in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Enforce::Off => "off",
            Enforce::On => "on",
            Enforce::DryRun => "dry_run",
        }
    }
}

/// What is wrong with an enforcement where the credential is off.
pub fn enforced_off() -> Refusal {
    let text = "is on where \"secure_link_hmac\" is off: remove one of them";
    Refusal::Argument(text.to_owned())
}

/// The status of each denial.
#[derive(Clone, Copy, Default)]
pub struct Statuses([Option<u16>; Verdict::ALL.len()]);

impl Statuses {
    /// The status of a verdict; 403 if it has none, so that nothing is granted by mistake.
    pub fn get(&self, verdict: Verdict) -> u16 {
        let set = self.0.get(verdict as usize).copied().flatten();
        set.or(verdict.default_status()).unwrap_or(403)
    }

    /// Reads the words of `secure_link_hmac_error verdict=code ...`, which may stand more than
    /// once in a block.
    pub fn read(&mut self, words: &[&[u8]]) -> Outcome {
        for pair in some(words)? {
            let (word, code) = match pair.iter().position(|&byte| byte == b'=') {
                Some(at) => (pair.get(..at), pair.get(at + 1..)),
                None => (Some(pair), None),
            };
            let (word, code) = (word.unwrap_or_default(), code.unwrap_or_default());
            let Some(verdict) = Verdict::from_word(word) else {
                let denials =
                    Verdict::ALL.iter().filter(|verdict| verdict.default_status().is_some());
                return refuse(format!(
                    "has an unknown verdict {}: write {}",
                    quote(word),
                    alternatives(denials.map(|verdict| verdict.word()))
                ));
            };
            if verdict.default_status().is_none() {
                return refuse(format!(
                    "has a status for {}, which is not a denial: remove it",
                    quote(word)
                ));
            }
            let status = str::from_utf8(code)
                .ok()
                .filter(|code| code.len() == 3)
                .and_then(|code| code.parse().ok())
                .filter(|status| (400..=599).contains(status));
            let Some(status) = status else {
                return refuse(format!(
                    "has an invalid status {} for \"{}\": write a number from 400 to 599",
                    quote(code),
                    verdict.word()
                ));
            };
            match self.0.get_mut(verdict as usize) {
                Some(place @ None) => *place = Some(status),
                _ => {
                    return refuse(format!(
                        "has the verdict \"{}\" twice: write it once",
                        verdict.word()
                    ));
                }
            }
        }
        Ok(())
    }
}
