//! The settings that flags say.

use std::rc::Rc;

use secure_link::{Algorithm, Encoding, Mode, SchemeKind};
use secure_link_directives::SchemeSetting;

use crate::args::PolicyArgs;
use crate::error::{Error, usage};
use crate::secret;
use crate::settings::{KeySettings, Origin, Settings};

impl PolicyArgs {
    /// The settings, with the secrets that the flags name.
    pub fn settings(&self) -> Result<Settings, Error> {
        self.check()?;
        let secrets = secret::secrets(&self.keys)?.into_iter().map(Rc::new);
        let keys = match &self.keys.key_id {
            Some(id) => KeySettings::ring(id, secrets, None)?,
            None => KeySettings::Secrets(secrets.collect()),
        };
        let bytes = |text: &String| Box::from(text.as_bytes());
        Ok(Settings {
            scheme: match self.kind() {
                SchemeKind::Template => SchemeSetting::Template(self.time.unwrap_or_default()),
                SchemeKind::Jwt => SchemeSetting::Jwt,
                SchemeKind::EdgeAuth => SchemeSetting::EdgeAuth {
                    salt: secret::salt(self.salt_file.as_deref())?,
                    escape: self.escape_early,
                },
                SchemeKind::SigV4 => SchemeSetting::SigV4 {
                    region: self.region.as_ref().map(bytes),
                    service: self.service.as_ref().map(bytes),
                },
            },
            credential: self.credentials().iter().map(|text| text.as_bytes().into()).collect(),
            message: self.message().as_bytes().into(),
            algorithm: self.algorithm(),
            encoding: self.encoding.unwrap_or(Encoding::Base64Url),
            scope: self.scope.unwrap_or_default(),
            leeway: self.leeway,
            max_lifetime: self.max_lifetime.unwrap_or(0),
            methods: match self.methods.as_slice() {
                [] => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
                methods => methods.iter().map(bytes).collect(),
            },
            require: self.require.iter().map(|(name, text)| (bytes(name), bytes(text))).collect(),
            revoke: Vec::new(),
            limits: Vec::new(),
            keys,
            mode: Mode::Enforced,
            set: self.set.clone(),
            reading: None,
            origin: Origin::Flags,
        })
    }

    fn kind(&self) -> SchemeKind {
        self.scheme.unwrap_or(SchemeKind::Template)
    }

    fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Sha256)
    }

    fn message(&self) -> &str {
        let is_expiry = self.time.unwrap_or_default().is_expiry();
        let default = if is_expiry { "$uri|$arg_e" } else { "$uri|$arg_ts|$arg_e" };
        self.message.as_deref().unwrap_or(default)
    }

    fn credentials(&self) -> Vec<&str> {
        if !self.credential.is_empty() {
            return self.credential.iter().map(String::as_str).collect();
        }
        match self.kind() {
            SchemeKind::Template if self.time.unwrap_or_default().is_expiry() => {
                vec!["$arg_st,$arg_e"]
            }
            SchemeKind::Template => vec!["$arg_st,$arg_ts,$arg_e"],
            SchemeKind::Jwt => vec!["$arg_token"],
            SchemeKind::EdgeAuth => vec!["$arg_hdnts"],
            SchemeKind::SigV4 => vec![],
        }
    }

    /// Refuses flags that the scheme does not use, as nginx does it with directives.
    fn check(&self) -> Result<(), Error> {
        use SchemeKind::{EdgeAuth, Jwt, SigV4, Template};
        let kind = self.kind();
        let flags: [(&str, bool, &[SchemeKind]); 11] = [
            ("--credential", !self.credential.is_empty(), &[Template, Jwt, EdgeAuth]),
            ("--message", self.message.is_some(), &[Template]),
            ("--time", self.time.is_some(), &[Template]),
            ("--encoding", self.encoding.is_some(), &[Template]),
            ("--algorithm", self.algorithm.is_some(), &[Template, Jwt, EdgeAuth]),
            ("--salt-file", self.salt_file.is_some(), &[EdgeAuth]),
            ("--escape-early", self.escape_early.is_some(), &[EdgeAuth]),
            ("--region", self.region.is_some(), &[SigV4]),
            ("--service", self.service.is_some(), &[SigV4]),
            ("--scope", self.scope.is_some(), &[Jwt]),
            ("--require", !self.require.is_empty(), &[Jwt, EdgeAuth, SigV4]),
        ];
        let unused = flags.iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&kind));
        if let Some((flag, ..)) = unused {
            return Err(usage(format!("the scheme {} has no {flag}", kind.name())));
        }
        if !kind.algorithms().contains(&self.algorithm()) {
            let name = self.algorithm().name();
            return Err(usage(format!("the scheme {} has no algorithm {name}", kind.name())));
        }
        Ok(())
    }
}
