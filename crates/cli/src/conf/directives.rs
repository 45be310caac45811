//! The directives that make a policy, with the meaning that the module gives them.

use std::path::PathBuf;
use std::rc::Rc;

use secure_link::{
    Algorithm, Encoding, Escape, Fields, FieldsError, KeyLife, MAX_KEYS_TRIED, Mode, SchemeKind,
    Scope, SecretFormat, Template, TimeField, Variables, Verdict, check_key_id, parse_date,
};
use zeroize::Zeroizing;

use crate::args::KeyArgs;
use crate::conf::choose::Location;
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::secret::{self, SecretText};
use crate::settings::{ConfText, KeySettings, Limited, Origin, RequiredClaim, RingKey, Settings};
use crate::text::seconds;

/// What was read.
pub struct Read {
    pub settings: Settings,
    pub texts: Vec<ConfText>,
    pub statuses: Vec<(Verdict, u16)>,
}

type Bytes = Box<[u8]>;

/// A setting, and its directive's place.
#[derive(Clone)]
struct Located<T> {
    value: T,
    at: Place,
}

/// Where a credential is.
#[derive(Clone)]
enum Credential {
    Off,
    Values(Vec<Bytes>),
}

/// What a block says, and what it inherits. The secrets of files are not read yet.
#[derive(Clone, Default)]
struct Block {
    credential: Option<Located<Credential>>,
    scheme: Option<Located<SchemeSetting>>,
    message: Option<Located<Bytes>>,
    secrets: Option<Located<Vec<SecretSource>>>,
    keys: Option<Located<(Bytes, Option<Bytes>)>>,
    algorithm: Option<Located<Algorithm>>,
    encoding: Option<Located<Encoding>>,
    leeway: Option<Located<i64>>,
    max_lifetime: Option<Located<i64>>,
    methods: Option<Located<Vec<Bytes>>>,
    scope: Option<Located<Scope>>,
    require: Option<Located<Vec<RequiredClaim>>>,
    revoke: Option<Located<Vec<Bytes>>>,
    limits: Option<Located<Vec<Limited>>>,
    enforce: Option<Located<Mode>>,
    statuses: Option<Located<Vec<(Verdict, u16)>>>,
}

#[derive(Clone, Default)]
struct SchemeSetting {
    kind: Option<SchemeKind>,
    time: TimeField,
    salt: Option<Bytes>,
    escape: Option<Escape>,
    region: Option<Bytes>,
    service: Option<Bytes>,
}

/// Where a secret is.
#[derive(Clone)]
enum SecretSource {
    File { path: PathBuf, format: SecretFormat, at: Place },
    Text { text: Zeroizing<Vec<u8>>, format: Option<SecretFormat>, at: Place },
}

impl SecretSource {
    fn read(&self) -> Result<SecretText, Error> {
        match self {
            SecretSource::File { path, format, at } => {
                SecretText::of_file(path, *format).map_err(|error| match error {
                    Error::File { path, error } => Error::Secret(format!(
                        "{at}: {}: {error}; --secret-file or --secret-env give it in place of it",
                        path.display()
                    )),
                    error => error,
                })
            }
            SecretSource::Text { text, format, at } => {
                SecretText::new(text.clone(), *format, at.to_string())
            }
        }
    }
}

/// What a name stands for, in a table of all values.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, word: &[u8]) -> Option<T> {
    all.iter().copied().find(|value| name(*value).as_bytes() == word)
}

/// A directive that is being read.
struct Setting<'s, 't> {
    directive: &'t Directive,
    name: String,
    words: Vec<&'t [u8]>,
    reader: &'s Reader,
}

impl<'t> Setting<'_, 't> {
    /// The error of a directive that nginx would not accept.
    fn refuse<T>(&self, text: impl AsRef<str>) -> Result<T, Error> {
        Err(Error::conf(&self.directive.at, format!("\"{}\" {}", self.name, text.as_ref())))
    }

    /// Its only argument.
    fn one(&self) -> Result<&'t [u8], Error> {
        match self.words.as_slice() {
            [word] => Ok(word),
            _ => self.refuse("has a wrong number of arguments"),
        }
    }

    /// Stores a value in a place that is empty.
    fn store<T>(&self, place: &mut Option<Located<T>>, value: T) -> Result<(), Error> {
        if place.is_some() {
            return self.refuse("directive is duplicate");
        }
        *place = Some(Located { value, at: self.directive.at.clone() });
        Ok(())
    }

    /// Stores the value of a name.
    fn store_named<T: Copy>(
        &self,
        place: &mut Option<Located<T>>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<(), Error> {
        match named(all, name, self.one()?) {
            Some(value) => self.store(place, value),
            None => self.refuse("has an unknown value"),
        }
    }

    fn store_seconds(&self, place: &mut Option<Located<i64>>) -> Result<(), Error> {
        match seconds(self.one()?) {
            Some(value) => self.store(place, value),
            None => self.refuse("has an invalid time"),
        }
    }

    fn store_all(&self, place: &mut Option<Located<Vec<Bytes>>>) -> Result<(), Error> {
        if self.words.is_empty() {
            return self.refuse("has a wrong number of arguments");
        }
        self.store(place, self.words.iter().map(|word| Bytes::from(*word)).collect())
    }

    fn template(&self, text: &[u8]) -> Result<Variables, Error> {
        let mut variables = Variables::default();
        match Template::parse(text, &mut variables) {
            Ok(_) => Ok(variables),
            Err(error) => self.refuse(format!("has an invalid value: {error}")),
        }
    }

    fn format(&self, word: &[u8]) -> Result<SecretFormat, Error> {
        match word.strip_prefix(b"format=").and_then(SecretFormat::from_name) {
            Some(format) => Ok(format),
            None => self.refuse("has an unknown parameter"),
        }
    }

    fn secret(&self) -> Result<SecretSource, Error> {
        let at = self.directive.at.clone();
        let (word, parameter) = match self.words.as_slice() {
            [word] => (word, None),
            [word, parameter] => (word, Some(parameter)),
            _ => return self.refuse("has a wrong number of arguments"),
        };
        match (word.strip_prefix(b"file:"), parameter) {
            (Some(path), parameter) => Ok(SecretSource::File {
                path: self.reader.full_name(path),
                format: parameter.map(|word| self.format(word)).transpose()?.unwrap_or_default(),
                at,
            }),
            (None, Some(_)) => self.refuse("has a second argument, which only \"file:\" takes"),
            (None, None) if !self.template(word)?.as_slice().is_empty() => self.refuse(
                "has variables, which are not evaluated here: give the secret by --secret-file or \
                 --secret-env",
            ),
            (None, None) => {
                Ok(SecretSource::Text { text: Zeroizing::new(word.to_vec()), format: None, at })
            }
        }
    }

    fn scheme(&self) -> Result<SchemeSetting, Error> {
        let Some((name, parameters)) = self.words.split_first() else {
            return self.refuse("has a wrong number of arguments");
        };
        let Some(kind) = SchemeKind::from_name(name) else {
            return self.refuse("has an unknown scheme");
        };
        let mut scheme = SchemeSetting { kind: Some(kind), ..SchemeSetting::default() };
        let mut seen = Vec::new();
        for word in parameters {
            let (name, value) = match word.iter().position(|byte| *byte == b'=') {
                Some(at) => (word.get(..at), word.get(at + 1..)),
                None => (Some(*word), None),
            };
            let name = name.unwrap_or_default();
            let text = value.filter(|value| !value.is_empty()).map(Bytes::from);
            match (kind, name, value) {
                _ if seen.contains(&name) => return self.refuse("has a parameter twice"),
                (SchemeKind::Template, b"time", Some(value)) => {
                    match named(TimeField::ALL, TimeField::name, value) {
                        Some(time) => scheme.time = time,
                        None => return self.refuse("has an unknown \"time=\""),
                    }
                }
                (SchemeKind::EdgeAuth, b"escape_early", None) => {
                    scheme.escape = Some(Escape::default());
                }
                (SchemeKind::EdgeAuth, b"escape_early", Some(value)) => {
                    match named(Escape::ALL, Escape::name, value) {
                        Some(escape) => scheme.escape = Some(escape),
                        None => return self.refuse("has an unknown \"escape_early=\""),
                    }
                }
                (SchemeKind::EdgeAuth, b"salt", Some(_)) if text.is_some() => scheme.salt = text,
                (SchemeKind::SigV4, b"region", Some(_)) if text.is_some() => scheme.region = text,
                (SchemeKind::SigV4, b"service", Some(_)) if text.is_some() => scheme.service = text,
                _ => return self.refuse("has an unknown or empty parameter"),
            }
            seen.push(name);
        }
        Ok(scheme)
    }

    /// What a limit demands of a link.
    fn limit(&self) -> Option<Limited> {
        let per = self.words.iter().find_map(|word| word.strip_prefix(b"per="));
        match per {
            Some(b"key") => None,
            Some(b"subject") => Some(Limited::Subject),
            _ => Some(Limited::Expiry),
        }
    }

    fn require(&self) -> Result<Vec<RequiredClaim>, Error> {
        let pairs = self.words.iter().map(|word| {
            let at = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
            let (name, value) = (word.get(..at), word.get(at + 1..));
            match (name.unwrap_or_default(), value.unwrap_or_default()) {
                (b"", _) | (_, b"") => self.refuse("is a claim and its value, as in \"aud=$host\""),
                (name, value) => {
                    self.template(value)?;
                    Ok((name.into(), value.into()))
                }
            }
        });
        pairs.collect()
    }

    fn statuses(&self) -> Result<Vec<(Verdict, u16)>, Error> {
        let pairs = self.words.iter().map(|word| {
            let text = String::from_utf8_lossy(word);
            let pair = text.split_once('=').and_then(|(verdict, status)| {
                Some((Verdict::from_word(verdict.as_bytes())?, status.parse().ok()?))
            });
            match pair {
                Some(pair) => Ok(pair),
                None => self.refuse("has an unknown verdict or status"),
            }
        });
        pairs.collect()
    }
}

impl Block {
    /// Reads the directives of a block.
    fn read(directives: &[Directive], reader: &Reader, reads_secrets: bool) -> Result<Self, Error> {
        let mut block = Block::default();
        for directive in directives {
            let Some(name) = directive.name().strip_prefix(b"secure_link_hmac") else { continue };
            let setting = Setting {
                directive,
                name: String::from_utf8_lossy(directive.name()).into_owned(),
                words: directive.arguments().collect(),
                reader,
            };
            if name == b"_keyring" && directive.block.is_none() {
                return setting.refuse("has no opening \"{\"");
            }
            match name {
                b"_secret" if !reads_secrets => {
                    let none = Located { value: Vec::new(), at: directive.at.clone() };
                    block.secrets = Some(none);
                }
                _ => block.set(name, &setting)?,
            }
        }
        Ok(block)
    }

    fn set(&mut self, name: &[u8], setting: &Setting<'_, '_>) -> Result<(), Error> {
        match name {
            b"" if setting.words == [b"off"] => {
                setting.store(&mut self.credential, Credential::Off)
            }
            b"" => {
                for text in &setting.words {
                    let parsed = Fields::parse(text, &mut Variables::default());
                    if let Err(FieldsError::Template(error)) = parsed {
                        return setting.refuse(format!("has an invalid value: {error}"));
                    }
                }
                let values = setting.words.iter().map(|text| Bytes::from(*text)).collect();
                setting.store(&mut self.credential, Credential::Values(values))
            }
            b"_scheme" => setting.store(&mut self.scheme, setting.scheme()?),
            b"_message" => {
                setting.template(setting.one()?)?;
                setting.store(&mut self.message, setting.one()?.into())
            }
            b"_secret" if self.keys.is_some() => {
                setting.refuse("stands beside \"secure_link_hmac_keys\" in one block")
            }
            b"_keys" if self.secrets.is_some() => {
                setting.refuse("stands beside \"secure_link_hmac_secret\" in one block")
            }
            b"_secret" => {
                let at = setting.directive.at.clone();
                let secrets = self.secrets.get_or_insert(Located { value: Vec::new(), at });
                if secrets.value.len() == MAX_KEYS_TRIED {
                    return setting.refuse(format!("stands more than {MAX_KEYS_TRIED} times"));
                }
                secrets.value.push(setting.secret()?);
                Ok(())
            }
            b"_keys" => {
                let keys: (Bytes, Option<Bytes>) = match setting.words.as_slice() {
                    [ring] => ((*ring).into(), None),
                    [ring, id] => ((*ring).into(), Some((*id).into())),
                    _ => return setting.refuse("has a wrong number of arguments"),
                };
                if let Some(id) = &keys.1 {
                    setting.template(id)?;
                }
                setting.store(&mut self.keys, keys)
            }
            b"_algorithm" => match Algorithm::from_name(setting.one()?) {
                Some(algorithm) => setting.store(&mut self.algorithm, algorithm),
                None => setting.refuse("has an unknown algorithm"),
            },
            b"_encoding" => setting.store_named(&mut self.encoding, Encoding::ALL, Encoding::name),
            b"_leeway" => setting.store_seconds(&mut self.leeway),
            b"_max_lifetime" => setting.store_seconds(&mut self.max_lifetime),
            b"_methods" => setting.store_all(&mut self.methods),
            b"_scope" => setting.store_named(&mut self.scope, Scope::ALL, Scope::name),
            b"_require" => setting.store(&mut self.require, setting.require()?),
            b"_revoke" => {
                for text in &setting.words {
                    setting.template(text)?;
                }
                setting.store_all(&mut self.revoke)
            }
            b"_limit" => {
                let at = setting.directive.at.clone();
                let limits = self.limits.get_or_insert(Located { value: Vec::new(), at });
                limits.value.extend(setting.limit());
                Ok(())
            }
            b"_enforce" => match setting.one()? {
                b"on" | b"dry_run" => setting.store(&mut self.enforce, Mode::Enforced),
                b"off" => setting.store(&mut self.enforce, Mode::Advisory),
                _ => setting.refuse("has an unknown value"),
            },
            b"_error" => {
                let at = setting.directive.at.clone();
                let statuses = self.statuses.get_or_insert(Located { value: Vec::new(), at });
                statuses.value.extend(setting.statuses()?);
                Ok(())
            }
            // What is not a matter of the link.
            b"_keyring" | b"_bypass" | b"_log_level" | b"_pass" | b"_zone" | b"_meter"
            | b"_metrics" | b"_statsd" => Ok(()),
            _ => setting.refuse("is no directive"),
        }
    }

    fn kind(&self) -> SchemeKind {
        let kind = self.scheme.as_ref().and_then(|scheme| scheme.value.kind);
        kind.unwrap_or(SchemeKind::Template)
    }

    fn is_off(&self) -> bool {
        matches!(self.credential, Some(Located { value: Credential::Off, .. }))
    }

    /// What a block has of its own, and from its parent what it does not have.
    fn inherit(self, parent: Block) -> Result<Block, Error> {
        let own_keys = self.secrets.is_some() || self.keys.is_some();
        let (secrets, keys) = match own_keys {
            true => (self.secrets.clone(), self.keys.clone()),
            false => (parent.secrets, parent.keys),
        };
        let own = self.clone();
        let mut block = Block {
            credential: self.credential.or(parent.credential),
            scheme: self.scheme.or(parent.scheme),
            message: self.message.or(parent.message),
            secrets,
            keys,
            algorithm: self.algorithm.or(parent.algorithm),
            encoding: self.encoding.or(parent.encoding),
            leeway: self.leeway.or(parent.leeway),
            max_lifetime: self.max_lifetime.or(parent.max_lifetime),
            methods: self.methods.or(parent.methods),
            scope: self.scope.or(parent.scope),
            require: self.require.or(parent.require),
            revoke: self.revoke.or(parent.revoke),
            limits: self.limits.or(parent.limits),
            enforce: self.enforce.or(parent.enforce),
            statuses: self.statuses.or(parent.statuses),
        };
        if own.kind() == SchemeKind::SigV4 && own.credential.is_none() && block.is_off() {
            block.credential = None;
        }
        own.check_use(block.kind())?;
        Ok(block)
    }

    /// Refuses what the scheme of the block does not use.
    fn check_use(&self, kind: SchemeKind) -> Result<(), Error> {
        use SchemeKind::{EdgeAuth, Jwt, SigV4, Template};

        fn at<T>(setting: &Option<Located<T>>) -> Option<&Place> {
            setting.as_ref().map(|setting| &setting.at)
        }
        let credential = at(&self.credential).filter(|_| !self.is_off());
        let uses: [(&str, Option<&Place>, &[SchemeKind]); 5] = [
            ("", credential, &[Template, Jwt, EdgeAuth]),
            ("_encoding", at(&self.encoding), &[Template]),
            ("_algorithm", at(&self.algorithm), &[Template, Jwt, EdgeAuth]),
            ("_scope", at(&self.scope), &[Jwt]),
            ("_require", at(&self.require), &[Jwt, EdgeAuth, SigV4]),
        ];
        let unused = uses.iter().find(|(_, at, kinds)| at.is_some() && !kinds.contains(&kind));
        match unused {
            Some((name, Some(at), _)) => Err(Error::conf(
                at,
                format!("\"secure_link_hmac{name}\" is not used by the scheme \"{}\"", kind.name()),
            )),
            _ => Ok(()),
        }
    }
}

/// Reads what a location says and inherits.
pub fn read(
    location: &Location<'_>,
    tree: &[Directive],
    reader: &Reader,
    args: &KeyArgs,
) -> Result<Read, Error> {
    let mut block = Block::default();
    for directive in location.blocks() {
        let own = Block::read(directive.inside(), reader, !args.are_given())?;
        block = own.inherit(block)?;
    }
    let kind = block.kind();
    let at = location.at();
    let without = |what: &str| {
        Error::conf(at, format!("\"{}\" checks no links: it has no {what}", location.text()))
    };
    let (credential, credential_at) = match &block.credential {
        Some(Located { value: Credential::Off, at }) => {
            return Err(Error::conf(at, "\"secure_link_hmac\" is off: no links are checked"));
        }
        Some(Located { value: Credential::Values(values), at }) => (values.clone(), at.clone()),
        None if kind == SchemeKind::SigV4 => (Vec::new(), at.clone()),
        None => return Err(without("\"secure_link_hmac\"")),
    };
    let message = match &block.message {
        Some(message) => message.value.clone(),
        None if kind == SchemeKind::Template => {
            return Err(without("\"secure_link_hmac_message\""));
        }
        None => Bytes::default(),
    };
    if block.secrets.is_none() && block.keys.is_none() {
        return Err(without("\"secure_link_hmac_secret\" or \"secure_link_hmac_keys\""));
    }
    let algorithm = match &block.algorithm {
        // A location that inherits one has no other to choose.
        Some(_) if kind == SchemeKind::SigV4 => Algorithm::Sha256,
        Some(Located { value, at }) if !kind.algorithms().contains(value) => {
            let (name, kind) = (value.name(), kind.name());
            let text = format!("the scheme \"{kind}\" has no algorithm \"{name}\"");
            return Err(Error::conf(at, text));
        }
        Some(algorithm) => algorithm.value,
        None => Algorithm::Sha256,
    };
    let mut texts = Vec::new();
    let mut note = |directive, at: &Place, text: &[u8]| {
        texts.push(ConfText { directive, at: at.clone(), text: text.into() });
    };
    for text in &credential {
        note("secure_link_hmac", &credential_at, text);
    }
    if let Some(Located { value, at }) =
        block.message.as_ref().filter(|_| kind == SchemeKind::Template)
    {
        note("secure_link_hmac_message", at, value);
    }
    if let Some(Located { value: (_, Some(id)), at }) = &block.keys {
        note("secure_link_hmac_keys", at, id);
    }
    if let Some(Located { value, at }) = &block.require {
        value.iter().for_each(|(_, text)| note("secure_link_hmac_require", at, text));
    }
    if let Some(Located { value, at }) = &block.revoke {
        value.iter().for_each(|text| note("secure_link_hmac_revoke", at, text));
    }
    let keys = keys(&block, tree, reader, args, kind)?;
    let scheme = block.scheme.map(|scheme| scheme.value).unwrap_or_default();
    let value = |setting: Option<Located<i64>>| setting.map(|setting| setting.value);
    let settings = Settings {
        kind,
        time: scheme.time,
        salt: scheme.salt,
        escape: scheme.escape,
        region: scheme.region,
        service: scheme.service,
        credential,
        message,
        algorithm,
        encoding: block.encoding.map_or(Encoding::Base64Url, |encoding| encoding.value),
        scope: block.scope.map(|scope| scope.value).unwrap_or_default(),
        leeway: value(block.leeway),
        max_lifetime: value(block.max_lifetime).unwrap_or(0),
        methods: match block.methods {
            Some(methods) => methods.value,
            None => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
        },
        require: block.require.map(|require| require.value).unwrap_or_default(),
        revoke: block.revoke.map(|revoke| revoke.value).unwrap_or_default(),
        limits: block.limits.map(|limits| limits.value).unwrap_or_default(),
        keys,
        mode: block.enforce.map_or(Mode::Advisory, |enforce| enforce.value),
        set: Vec::new(),
        reading: None,
        origin: Origin::Flags,
    };
    let statuses = block.statuses.map(|statuses| statuses.value).unwrap_or_default();
    Ok(Read { settings, texts, statuses })
}

/// The keys: those that flags give in their place, a ring's, or secrets.
fn keys(
    block: &Block,
    tree: &[Directive],
    reader: &Reader,
    args: &KeyArgs,
    kind: SchemeKind,
) -> Result<KeySettings, Error> {
    if args.are_given() {
        let secrets = secret::secrets(args)?.into_iter().map(Rc::new);
        let Some(Located { value: (_, id), at }) = &block.keys else {
            return Ok(KeySettings::Secrets(secrets.collect()));
        };
        let Some(key_id) = &args.key_id else {
            return Err(Error::conf(at, "\"secure_link_hmac_keys\": say the secret's --key-id"));
        };
        check_key_id(key_id.as_bytes())?;
        let key = |secret| RingKey {
            id: key_id.as_bytes().into(),
            secret,
            algorithm: None,
            life: KeyLife::default(),
        };
        return Ok(KeySettings::Ring { keys: secrets.map(key).collect(), id: id.clone() });
    }
    let Some(Located { value: (ring, id), at }) = &block.keys else {
        let secrets = block.secrets.iter().flat_map(|secrets| &secrets.value);
        let secrets = secrets.map(|secret| secret.read().map(Rc::new));
        return Ok(KeySettings::Secrets(secrets.collect::<Result<_, _>>()?));
    };
    let rings = tree.iter().filter(|directive| directive.name() == b"http");
    let mut rings = rings.flat_map(Directive::inside).filter(|directive| {
        directive.name() == b"secure_link_hmac_keyring" && directive.arguments().eq([&**ring])
    });
    let Some(ring) = rings.next() else {
        return Err(Error::conf(at, "\"secure_link_hmac_keys\" names an unknown ring"));
    };
    let keys = ring.inside().iter().map(|line| ring_key(line, reader, kind));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(Error::conf(&ring.at, "\"secure_link_hmac_keyring\" has no key"));
    }
    if id.is_none() && !kind.names_key() && keys.len() > MAX_KEYS_TRIED {
        return Err(Error::conf(at, "\"secure_link_hmac_keys\" has a ring that needs an id"));
    }
    Ok(KeySettings::Ring { keys, id: id.clone() })
}

/// Reads a line of a ring: `id source [parameter ...]`.
fn ring_key(line: &Directive, reader: &Reader, kind: SchemeKind) -> Result<RingKey, Error> {
    let (name, words) = ("secure_link_hmac_keyring".to_owned(), line.words());
    let setting = Setting { directive: line, name, words, reader };
    let [id, source, parameters @ ..] = setting.words.as_slice() else {
        return setting.refuse("has a line without a secret: write \"id file:path\"");
    };
    if let Err(error) = check_key_id(id) {
        return setting.refuse(format!("has an id that is none: {error}"));
    }
    let (mut format, mut algorithm, mut life) = (None, None, KeyLife::default());
    for word in parameters {
        let at = word.iter().position(|byte| *byte == b'=').map_or(word.len(), |at| at + 1);
        let (name, value) = word.split_at_checked(at).unwrap_or((word, b""));
        let date = || match parse_date(value) {
            Some(date) => Ok(date),
            None => setting.refuse("has an invalid date"),
        };
        match name {
            b"format=" => format = Some(setting.format(word)?),
            b"algorithm=" => match Algorithm::from_name(value) {
                Some(value) if kind.algorithms().contains(&value) => algorithm = Some(value),
                _ => return setting.refuse("has an algorithm that the scheme does not have"),
            },
            b"not_before=" => life.not_before = Some(date()?),
            b"not_after=" => life.not_after = Some(date()?),
            b"issued_after=" => life.issued_after = Some(date()?),
            b"revoked" => life.revoked = true,
            _ => return setting.refuse("has an unknown parameter"),
        }
    }
    let at = line.at.clone();
    let inline = |text: &[u8], format| SecretSource::Text {
        text: Zeroizing::new(text.to_vec()),
        format: Some(format),
        at: at.clone(),
    };
    let source = if let Some(path) = source.strip_prefix(b"file:") {
        let path = reader.full_name(path);
        SecretSource::File { path, format: format.unwrap_or_default(), at: at.clone() }
    } else if let Some(text) = source.strip_prefix(b"hex:") {
        inline(text, SecretFormat::Hex)
    } else if let Some(text) = source.strip_prefix(b"base64:") {
        inline(text, SecretFormat::Base64)
    } else {
        return setting
            .refuse("has a line whose second word is not \"file:\", \"hex:\" or \"base64:\"");
    };
    let secret = Rc::new(source.read()?);
    Ok(RingKey { id: (*id).into(), secret, algorithm, life })
}
