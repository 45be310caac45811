//! What a block says of links, and what it inherits.

use std::path::PathBuf;

use secure_link::SecretFormat;
use secure_link_directives::{
    Enforce, Outcome, Reading, Refusal, SecretWord, Statuses, enforced_off, inherit, read, refuse,
};
use zeroize::Zeroizing;

use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::text;

/// A setting, and its directive's place.
pub type Located<T> = secure_link_directives::Located<T, Place>;

/// The settings that make a policy.
pub type Settings = secure_link_directives::Settings<Place, SecretSource, Vec<Box<[u8]>>>;

/// Where a secret is. Those of files are not read yet.
#[derive(Clone)]
pub enum SecretSource {
    File { path: PathBuf, format: SecretFormat },
    Text { text: Zeroizing<Vec<u8>>, format: Option<SecretFormat> },
}

/// What a block says, and what it inherits.
#[derive(Clone, Default)]
pub struct Block {
    pub settings: Settings,
    pub enforce: Option<Located<Enforce>>,
    pub statuses: Option<Statuses>,
}

/// A directive that is being read.
struct Setting<'s, 't> {
    directive: &'t Directive,
    arguments: Vec<&'t [u8]>,
    block: &'s mut Block,
    reader: &'s Reader,
}

impl Block {
    /// Reads the directives of a block.
    pub fn read(
        directives: &[Directive],
        reader: &Reader,
        reads_secrets: bool,
    ) -> Result<Self, Error> {
        let mut block = Block::default();
        for directive in directives {
            if directive.name().starts_with(b"secure_link_hmac") {
                let arguments = directive.arguments().collect();
                let mut setting = Setting { directive, arguments, block: &mut block, reader };
                setting.set(reads_secrets).map_err(|refusal| {
                    let name = String::from_utf8_lossy(directive.name());
                    Error::conf(&directive.at, format!("\"{name}\" {refusal}"))
                })?;
            }
        }
        Ok(block)
    }

    /// Completes a block by what it does not have of its own.
    pub fn complete(&mut self, parent: &Block) -> Result<(), Error> {
        let completed = self.settings.complete(&parent.settings);
        completed.map_err(|unused| Error::conf(&unused.at, unused.text))?;
        if let Some(Located { value: Enforce::On, at }) = &self.enforce
            && self.settings.is_off()
        {
            let text = format!("\"secure_link_hmac_enforce\" {}", enforced_off());
            return Err(Error::conf(at, text));
        }
        inherit(&mut self.enforce, &parent.enforce);
        inherit(&mut self.statuses, &parent.statuses);
        Ok(())
    }
}

impl Setting<'_, '_> {
    fn set(&mut self, reads_secrets: bool) -> Outcome {
        match self.directive.name() {
            b"secure_link_hmac_secret" if !reads_secrets => {
                self.block.settings.secrets.get_or_insert_default();
                Ok(())
            }
            b"secure_link_hmac_error" => {
                self.block.statuses.get_or_insert_default().read(&self.arguments)
            }
            b"secure_link_hmac_keyring" if self.directive.block.is_none() => {
                refuse("has no opening \"{\"")
            }
            // What is not a matter of the link.
            b"secure_link_hmac_keyring"
            | b"secure_link_hmac_bypass"
            | b"secure_link_hmac_log_level"
            | b"secure_link_hmac_pass"
            | b"secure_link_hmac_zone"
            | b"secure_link_hmac_meter"
            | b"secure_link_hmac_metrics"
            | b"secure_link_hmac_statsd" => Ok(()),
            name => read(name, self),
        }
    }
}

impl<'t> Reading<'t> for Setting<'_, 't> {
    type Place = Place;
    type Secret = SecretSource;
    type Values = Vec<Box<[u8]>>;

    fn arguments(&self) -> &[&'t [u8]] {
        &self.arguments
    }

    fn at(&self) -> Place {
        self.directive.at.clone()
    }

    fn settings(&mut self) -> &mut Settings {
        &mut self.block.settings
    }

    fn enforce(&mut self) -> &mut Option<Located<Enforce>> {
        &mut self.block.enforce
    }

    fn seconds(&self, word: &[u8]) -> Option<i64> {
        text::seconds(word)
    }

    fn bytes(&self, word: &[u8]) -> Option<u64> {
        text::bytes(word)
    }

    fn secret(&mut self, source: SecretWord<'t>) -> Result<SecretSource, Refusal> {
        match source {
            SecretWord::File { path, format } => {
                Ok(SecretSource::File { path: self.reader.full_name(path), format })
            }
            SecretWord::Text(text) => {
                Ok(SecretSource::Text { text: Zeroizing::new(text.to_vec()), format: None })
            }
            SecretWord::Variables(_) => refuse(
                "has variables, which are not evaluated here: give the secret by --secret-file or \
                 --secret-env",
            ),
        }
    }

    fn values(&mut self, texts: &[&'t [u8]]) -> Result<Vec<Box<[u8]>>, Refusal> {
        Ok(texts.iter().map(|text| Box::from(*text)).collect())
    }
}
