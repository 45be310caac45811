//! The settings that make a policy, as they are written.

use std::rc::Rc;

use secure_link::{Algorithm, Encoding, SchemeKind, Scope};

use crate::ffi::{Complex, Conf, Failed, Position};
use crate::limit::LimitSetting;
use crate::scheme::{RequiredClaim, SchemeSetting};

/// A setting and where it was written.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The setting.
    pub value: T,
    /// Its directive's place.
    pub at: Position,
}

/// Where a request brings its credential.
#[derive(Clone)]
pub enum Credential {
    /// Nowhere: the location is open.
    Off,
    /// In the first of these texts that is not empty.
    Values(Vec<Box<[u8]>>),
}

/// An algorithm's name may be unknown as long as nothing enforces its policy.
#[derive(Clone)]
pub enum Algorithms {
    /// One of the list.
    Known(Algorithm),
    /// The name, quoted for a message.
    Unknown(String),
}

/// Where a secret comes from.
#[derive(Clone)]
pub enum SecretSource {
    /// From [`MainConf::secrets`].
    Kept(usize),
    /// From variables.
    Variables(Box<[u8]>),
}

/// The keys of a ring, of which a policy takes those with an id.
#[derive(Clone)]
pub struct RingKeys {
    /// The ring's name.
    pub ring: Box<[u8]>,
    /// The id, with variables.
    pub id: Option<Box<[u8]>>,
}

macro_rules! settings {
    ($($name:ident: $type:ty,)*) => {
        /// The settings that make a policy: a block that has any of them has one of its own.
        #[derive(Clone, Default)]
        pub struct Settings {
            $(pub $name: Option<$type>,)*
            /// Whether the message is another block's, for other keys than those of this one.
            pub message_is_foreign: bool,
        }

        impl Settings {
            pub fn is_empty(&self) -> bool {
                true $(&& self.$name.is_none())*
            }

            fn inherit(&mut self, parent: &Settings) {
                // Secrets and a ring's keys take each other's place.
                let own_keys = self.secrets.is_some() || self.keys.is_some();
                let (secrets, keys) = (self.secrets.take(), self.keys.take());
                $(inherit(&mut self.$name, &parent.$name);)*
                if own_keys {
                    (self.secrets, self.keys) = (secrets, keys);
                }
            }
        }
    };
}

settings! {
    credential: Located<Credential>,
    scheme: Located<SchemeSetting>,
    message: Located<Box<[u8]>>,
    secrets: Vec<Located<SecretSource>>,
    keys: Located<RingKeys>,
    algorithm: Located<Algorithms>,
    encoding: Located<Encoding>,
    leeway: Located<i64>,
    max_lifetime: Located<i64>,
    methods: Located<Vec<Box<[u8]>>>,
    scope: Located<Scope>,
    require: Located<Vec<RequiredClaim>>,
    revoke: Located<Rc<[Complex]>>,
    limits: Vec<Located<LimitSetting>>,
}

impl Settings {
    /// The scheme.
    pub fn kind(&self) -> SchemeKind {
        self.scheme.as_ref().map(|scheme| scheme.value.kind()).unwrap_or(SchemeKind::Template)
    }

    /// Whether the credential is cancelled, so that the block is open.
    pub fn is_off(&self) -> bool {
        matches!(self.credential, Some(Located { value: Credential::Off, .. }))
    }

    /// The directive that says where the credential is, if there is one: in sigv4 the scheme
    /// itself.
    pub fn credential_at(&self) -> Option<&Position> {
        match (&self.credential, &self.scheme) {
            (Some(Located { value: Credential::Off, .. }), _) => None,
            (_, Some(scheme)) if self.kind() == SchemeKind::SigV4 => Some(&scheme.at),
            (credential, _) => credential.as_ref().map(|credential| &credential.at),
        }
    }

    /// Completes the settings of a block, and checks that the scheme uses what the block sets.
    pub fn complete(&mut self, parent: &Settings, conf: &Conf<'_>) -> Result<(), Failed> {
        let own = self.clone();
        self.inherit(parent);
        self.message_is_foreign = own.message.is_none()
            && (own.secrets.is_some() || own.keys.is_some() || parent.message_is_foreign);
        if own.kind() == SchemeKind::SigV4 && own.credential.is_none() && self.is_off() {
            self.credential = None;
        }
        own.check_use(self.kind(), conf)
    }

    /// Checks that a scheme uses what is set.
    pub fn check_use(&self, kind: SchemeKind, conf: &Conf<'_>) -> Result<(), Failed> {
        use SchemeKind::{EdgeAuth, Jwt, SigV4, Template};

        fn at<T>(setting: &Option<Located<T>>) -> Option<&Position> {
            setting.as_ref().map(|setting| &setting.at)
        }
        if let Some(values) = self.credential.as_ref().filter(|_| kind == SigV4 && !self.is_off()) {
            return Err(conf.error(
                &values.at,
                "\"secure_link_hmac\" has a value, but the scheme \"sigv4\" reads arguments of its \
                 own: remove it",
            ));
        }
        let uses: [(&str, Option<&Position>, &[SchemeKind]); 4] = [
            ("_encoding", at(&self.encoding), &[Template]),
            ("_algorithm", at(&self.algorithm), &[Template, Jwt, EdgeAuth]),
            ("_scope", at(&self.scope), &[Jwt]),
            ("_require", at(&self.require), &[Jwt, EdgeAuth, SigV4]),
        ];
        for (name, at, kinds) in uses {
            if let Some(at) = at.filter(|_| !kinds.contains(&kind)) {
                return Err(conf.error(
                    at,
                    format_args!(
                        "\"secure_link_hmac{name}\" is not used by the scheme \"{}\" of this \
                         block: remove it, or write \"secure_link_hmac_scheme {}\"",
                        kind.name(),
                        kinds.first().map(|kind| kind.name()).unwrap_or_default()
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Takes a parent's setting where there is none.
pub fn inherit<T: Clone>(child: &mut Option<T>, parent: &Option<T>) {
    if child.is_none() {
        child.clone_from(parent);
    }
}
