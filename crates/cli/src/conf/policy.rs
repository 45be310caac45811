//! The settings of a location, completed by defaults.

use secure_link::{Algorithm, Encoding, Mode, SchemeKind};
use secure_link_directives::{Credential, Enforce, RingKeys, Statuses};

use crate::args::KeyArgs;
use crate::conf::block::{Block, Located};
use crate::conf::choose::Location;
use crate::conf::keys::keys;
use crate::conf::tree::{Directive, Place, Reader};
use crate::error::Error;
use crate::settings::{ConfText, Origin, Settings};

/// What was read.
pub struct Read {
    pub settings: Settings,
    pub texts: Vec<ConfText>,
    pub statuses: Statuses,
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
        let mut own = Block::read(directive.inside(), reader, !args.are_given())?;
        own.complete(&block)?;
        block = own;
    }
    let Block { settings, enforce, statuses } = block;
    let kind = settings.kind();
    let at = location.at();
    let without = |what: &str| {
        Error::conf(at, format!("\"{}\" checks no links: it has no {what}", location.text()))
    };
    let (credential, credential_at) = match &settings.credential {
        Some(Located { value: Credential::Off, at }) => {
            return Err(Error::conf(at, "\"secure_link_hmac\" is off: no links are checked"));
        }
        Some(Located { value: Credential::Values(values), at }) => (values.clone(), at.clone()),
        None if kind == SchemeKind::SigV4 => (Vec::new(), at.clone()),
        None => return Err(without("\"secure_link_hmac\"")),
    };
    let message = match &settings.message {
        Some(message) => message.value.clone(),
        None if kind == SchemeKind::Template => {
            return Err(without("\"secure_link_hmac_message\""));
        }
        None => Box::default(),
    };
    if settings.secrets.is_none() && settings.keys.is_none() {
        return Err(without("\"secure_link_hmac_secret\" or \"secure_link_hmac_keys\""));
    }
    let algorithm = match &settings.algorithm {
        None => Algorithm::Sha256,
        Some(Located { value, at }) => value.of(kind).map_err(|text| Error::conf(at, text))?,
    };
    let mut texts = Vec::new();
    let mut note = |directive, at: &Place, text: &[u8]| {
        texts.push(ConfText { directive, at: at.clone(), text: text.into() });
    };
    for text in &credential {
        note("secure_link_hmac", &credential_at, text);
    }
    if let Some(Located { value, at }) =
        settings.message.as_ref().filter(|_| kind == SchemeKind::Template)
    {
        note("secure_link_hmac_message", at, value);
    }
    if let Some(Located { value: RingKeys { id: Some(id), .. }, at }) = &settings.keys {
        note("secure_link_hmac_keys", at, id);
    }
    if let Some(Located { value, at }) = &settings.require {
        value.iter().for_each(|(_, text)| note("secure_link_hmac_require", at, text));
    }
    if let Some(Located { value, at }) = &settings.revoke {
        value.iter().for_each(|text| note("secure_link_hmac_revoke", at, text));
    }
    let keys = keys(&settings, tree, reader, args, kind)?;
    let value = |setting: Option<Located<i64>>| setting.map(|setting| setting.value);
    let settings = Settings {
        scheme: settings.scheme.map(|scheme| scheme.value).unwrap_or_default(),
        credential,
        message,
        algorithm,
        encoding: settings.encoding.map_or(Encoding::Base64Url, |encoding| encoding.value),
        scope: settings.scope.map(|scope| scope.value).unwrap_or_default(),
        leeway: value(settings.leeway),
        max_lifetime: value(settings.max_lifetime).unwrap_or(0),
        methods: match settings.methods {
            Some(methods) => methods.value,
            None => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
        },
        require: settings.require.map(|require| require.value).unwrap_or_default(),
        revoke: settings.revoke.map(|revoke| revoke.value).unwrap_or_default(),
        limits: settings.limits.iter().flatten().map(|limit| limit.value.rule).collect(),
        keys,
        mode: match enforce.map(|enforce| enforce.value).unwrap_or_default() {
            Enforce::Off => Mode::Advisory,
            Enforce::On | Enforce::DryRun => Mode::Enforced,
        },
        set: Vec::new(),
        reading: None,
        origin: Origin::Flags,
    };
    Ok(Read { settings, texts, statuses: statuses.unwrap_or_default() })
}
