//! The directives: one setter each, from words to a typed setting.

use std::ffi::OsStr;
use std::fs::{Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;

use secure_link::{SecretFormat, client_sets};
use secure_link_directives::{
    Enforce, Outcome, Reading, Refusal, SecretWord, misplaced_source, named, numbered_group, quote,
    read, refuse, reject_numbered_group, store, template,
};
use zeroize::Zeroizing;

use crate::config::{LocConf, MeterSetting, MetricsSetting, PassTarget};
use crate::ffi::{Complex, Conf, DirectiveFlags, Failed, Level, Position};
use crate::keyring;
use crate::settings::{Located, SecretSource, Settings};
use crate::statsd;
use crate::zone;

/// A directive of the module.
pub struct Directive {
    /// Its name.
    pub name: &'static std::ffi::CStr,
    /// Where it may stand and how many arguments it takes.
    pub flags: DirectiveFlags,
    /// Whether its first argument must not stay in memory.
    pub confidential: bool,
    /// Takes its arguments.
    pub set: fn(&mut Setting<'_, '_>) -> Result<(), Refusal>,
}

/// Longest key file, in bytes.
const MAX_KEY_FILE_LEN: u64 = 4096;

/// All directives.
pub const DIRECTIVES: &[Directive] = &[
    directive(c"secure_link_hmac", DirectiveFlags::ONE_OR_MORE, set_policy),
    directive(c"secure_link_hmac_scheme", DirectiveFlags::ONE_OR_MORE, set_policy),
    directive(c"secure_link_hmac_message", DirectiveFlags::TAKE1, set_policy),
    Directive {
        confidential: true,
        ..directive(c"secure_link_hmac_secret", DirectiveFlags::TAKE12, set_policy)
    },
    directive(c"secure_link_hmac_keyring", DirectiveFlags::HTTP_BLOCK, keyring::set_keyring),
    directive(c"secure_link_hmac_keys", DirectiveFlags::TAKE12, set_policy),
    directive(c"secure_link_hmac_algorithm", DirectiveFlags::TAKE1, set_policy),
    directive(c"secure_link_hmac_encoding", DirectiveFlags::TAKE1, set_policy),
    directive(c"secure_link_hmac_leeway", DirectiveFlags::TAKE1, set_policy),
    directive(c"secure_link_hmac_max_lifetime", DirectiveFlags::TAKE1, set_policy),
    directive(c"secure_link_hmac_methods", DirectiveFlags::ONE_OR_MORE, set_policy),
    directive(c"secure_link_hmac_scope", DirectiveFlags::TAKE1, set_policy),
    directive(c"secure_link_hmac_require", DirectiveFlags::ONE_OR_MORE, set_policy),
    directive(c"secure_link_hmac_revoke", DirectiveFlags::ONE_OR_MORE, set_policy),
    directive(c"secure_link_hmac_enforce", DirectiveFlags::TAKE1.and_limit_except(), set_policy),
    directive(c"secure_link_hmac_error", DirectiveFlags::ONE_OR_MORE, set_error),
    directive(c"secure_link_hmac_bypass", DirectiveFlags::ONE_OR_MORE, set_bypass),
    directive(c"secure_link_hmac_log_level", DirectiveFlags::TAKE1, set_log_level),
    directive(c"secure_link_hmac_pass", DirectiveFlags::LOCATION_TAKE1, set_pass),
    directive(c"secure_link_hmac_zone", DirectiveFlags::HTTP_TAKE1, zone::set_zone),
    directive(c"secure_link_hmac_meter", DirectiveFlags::TAKE12, set_meter),
    directive(c"secure_link_hmac_limit", DirectiveFlags::ONE_OR_MORE, set_policy),
    directive(c"secure_link_hmac_statsd", DirectiveFlags::HTTP_ONE_OR_MORE, statsd::set_statsd),
    directive(c"secure_link_hmac_metrics", DirectiveFlags::LOCATION_TAKE1, set_metrics),
];

const fn directive(
    name: &'static std::ffi::CStr,
    flags: DirectiveFlags,
    set: fn(&mut Setting<'_, '_>) -> Result<(), Refusal>,
) -> Directive {
    Directive { name, flags, confidential: false, set }
}

/// A directive that is being read.
pub struct Setting<'s, 'c> {
    pub conf: &'s mut Conf<'c>,
    /// Its arguments.
    pub arguments: Vec<&'c [u8]>,
    /// Where it stands.
    pub at: Position,
    /// The block in which it stands.
    pub block: &'s mut LocConf,
}

impl From<Failed> for Refusal {
    fn from(_: Failed) -> Self {
        Refusal::Logged
    }
}

impl<'c> Setting<'_, 'c> {
    /// Its first argument.
    pub fn first(&self) -> &'c [u8] {
        self.arguments.first().copied().unwrap_or_default()
    }

    /// Stores a setting, which a block has once.
    pub fn store<T>(
        &mut self,
        place: fn(&mut LocConf) -> &mut Option<Located<T>>,
        value: T,
    ) -> Outcome {
        store(place(self.block), value, self.at.clone())
    }
}

impl<'c> Reading<'c> for Setting<'_, 'c> {
    type Place = Position;
    type Secret = SecretSource;
    type Values = Rc<[Complex]>;

    fn arguments(&self) -> &[&'c [u8]] {
        &self.arguments
    }

    fn at(&self) -> Position {
        self.at.clone()
    }

    fn settings(&mut self) -> &mut Settings {
        &mut self.block.settings
    }

    fn enforce(&mut self) -> &mut Option<Located<Enforce>> {
        &mut self.block.enforce
    }

    fn seconds(&self, word: &[u8]) -> Option<i64> {
        self.conf.parse_seconds(word)
    }

    fn bytes(&self, word: &[u8]) -> Option<u64> {
        self.conf.parse_bytes(word)
    }

    /// Puts a secret where it is wiped once all keys are made.
    fn secret(&mut self, source: SecretWord<'c>) -> Result<SecretSource, Refusal> {
        let secret = match source {
            SecretWord::File { path, format } => {
                read_key_file(self.conf, "secure_link_hmac_secret", &self.at, path, format)?
            }
            SecretWord::Text(text) => {
                let mistake = match misplaced_source(text) {
                    None if names_file(self.conf, text)? => Some(
                        "is the name of a file that is there, and not what is in it, so that \
                         everybody knows the secret: write \"file:PATH\"",
                    ),
                    mistake => mistake,
                };
                if let Some(mistake) = mistake {
                    let text = format!("\"secure_link_hmac_secret\" {mistake}");
                    self.conf.main()?.warn(&self.at, text);
                }
                Zeroizing::new(text.to_vec())
            }
            SecretWord::Variables(text) => return Ok(SecretSource::Variables(text.into())),
        };
        let secrets = &mut self.conf.main()?.secrets;
        secrets.push(secret);
        Ok(SecretSource::Kept(secrets.len() - 1))
    }

    fn values(&mut self, texts: &[&'c [u8]]) -> Result<Rc<[Complex]>, Refusal> {
        let values = texts.iter().map(|text| Ok(self.conf.compile(text)?));
        values.collect()
    }
}

/// Reads a directive that makes a policy, or enforces it.
fn set_policy(setting: &mut Setting<'_, '_>) -> Outcome {
    let words = setting.conf.words();
    read(words.first().copied().unwrap_or_default(), setting)
}

/// Reads the secret of a key file, whose path is relative to the configuration's directory.
pub fn read_key_file(
    conf: &mut Conf<'_>,
    directive: &str,
    at: &Position,
    path: &[u8],
    format: SecretFormat,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if path.is_empty() {
        return refuse(
            "has no file name after \"file:\": write one, as in \"file:keys/files.key\"",
        );
    }
    let path = conf.full_name(path)?;
    let (text, metadata) = match read_bounded(&path) {
        Ok(read) => read,
        Err(error) => return refuse(format!("cannot read key file {path:?}: {error}")),
    };
    if metadata.mode() & 0o007 != 0 {
        conf.main()?.warn(
            at,
            format!(
                "\"{directive}\" has a key file {path:?} that every user can access (mode {:03o}): \
                 use 'chmod o= {path:?}'",
                metadata.mode() & 0o777
            ),
        );
    }
    format
        .decode(&text)
        .or_else(|_| refuse(format!("has a key file {path:?} that is not valid {}", format.name())))
}

/// Whether a secret is the name of a file, relative to the configuration's directory. The copy that it
/// takes is wiped, but for that on the stack which the standard library hands to the system.
fn names_file(conf: &Conf<'_>, secret: &[u8]) -> Result<bool, Failed> {
    if secret.is_empty() {
        return Ok(false);
    }
    let mut path = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_LEN as usize));
    if !secret.starts_with(b"/") {
        path.extend(conf.full_name(b"")?.as_os_str().as_bytes());
    }
    // Longer than any name: it would have to move.
    if path.len() + secret.len() > path.capacity() {
        return Ok(false);
    }
    path.extend(secret);
    Ok(Path::new(OsStr::from_bytes(&path)).is_file())
}

/// Reads a file of at most [`MAX_KEY_FILE_LEN`] bytes.
fn read_bounded(path: &Path) -> std::io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    // A FIFO would hold up the reading of the configuration.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_LEN as usize + 1));
    file.take(MAX_KEY_FILE_LEN + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_KEY_FILE_LEN {
        return Err(std::io::Error::other(format!("it is longer than {MAX_KEY_FILE_LEN} bytes")));
    }
    Ok((text, metadata))
}

fn set_error(setting: &mut Setting<'_, '_>) -> Outcome {
    setting.block.statuses.get_or_insert_default().read(&setting.arguments)
}

fn set_bypass(setting: &mut Setting<'_, '_>) -> Outcome {
    for text in &setting.arguments {
        let variables = template(text)?;
        reject_numbered_group(text)?;
        let variables = variables.as_slice();
        if !variables.is_empty() && variables.iter().all(client_sets) {
            setting.conf.main()?.warn(
                &setting.at,
                format!(
                    "\"secure_link_hmac_bypass\" {} is made only of what a client sends, so that \
                     a client can skip the check: use \"map\" or \"geo\" to say who may",
                    quote(text)
                ),
            );
        }
    }
    let texts = setting.arguments.clone();
    let values = setting.values(&texts)?;
    setting.store(|block| &mut block.bypass, values)
}

fn set_log_level(setting: &mut Setting<'_, '_>) -> Outcome {
    let levels = [Level::Info, Level::Notice, Level::Warn, Level::Error];
    let level = named(&levels, Level::name, setting.first())?;
    setting.store(|block| &mut block.log_level, level)
}

fn set_pass(setting: &mut Setting<'_, '_>) -> Outcome {
    let text = setting.first();
    let target = match text {
        b"off" => PassTarget::Off,
        [b'@', name @ ..] if !name.is_empty() => PassTarget::Named(text.into()),
        [b'/' | b'$', ..] => {
            reject_numbered_group(text)?;
            // The question mark that counts is the one written here: one that a variable brings
            // belongs to a file's name.
            let mut parts = text.splitn(2, |&byte| byte == b'?');
            let (path, args) = (parts.next().unwrap_or_default(), parts.next());
            template(path)?;
            template(args.unwrap_or_default())?;
            PassTarget::Path {
                path: setting.conf.compile(path)?,
                args: args.map(|args| setting.conf.compile(args)).transpose()?,
            }
        }
        _ => {
            return refuse(format!(
                "has an invalid target {}: write a path such as \"/internal$uri\", a named \
                 location such as \"@files\", or \"off\"",
                quote(text)
            ));
        }
    };
    setting.store(|block| &mut block.pass, target.into())
}

fn set_meter(setting: &mut Setting<'_, '_>) -> Outcome {
    let zone = setting.first();
    let meter = match (zone, setting.arguments.get(1).copied()) {
        (b"off", None) => MeterSetting::Off,
        (_, None) => MeterSetting::On { zone: zone.into(), key: None },
        (_, Some(parameter)) => match parameter.strip_prefix(b"key=".as_slice()) {
            Some(key) if !key.is_empty() => {
                template(key)?;
                // Nothing is granted by what is only counted.
                if let Some(text) = numbered_group(key) {
                    let text = format!("\"secure_link_hmac_meter\" {text}");
                    setting.conf.main()?.warn(&setting.at, text);
                }
                let key = Rc::new(setting.conf.compile(key)?);
                MeterSetting::On { zone: zone.into(), key: Some(key) }
            }
            _ => {
                return refuse(format!(
                    "has an unknown parameter {}: write \"key=\" and what to count by, for \
                     example \"key=$secure_link_hmac_subject\"",
                    quote(parameter)
                ));
            }
        },
    };
    setting.store(|block| &mut block.meter, meter)
}

fn set_metrics(setting: &mut Setting<'_, '_>) -> Outcome {
    let zone = setting.first().into();
    let accept = setting.conf.variable_index("http_accept")?;
    setting.store(|block| &mut block.metrics, MetricsSetting { zone, accept })?;
    setting.conf.serve_metrics()?;
    Ok(())
}
