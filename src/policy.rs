//! A policy as the module uses it: the engine's, and where its inputs come from.

use std::cell::{Cell, OnceCell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use secure_link::{
    ArgumentNames, Encoding, Keyring, Policy, Scheme, SchemeKind, Signing, Template, Variable,
    Variables, find_arguments,
};
use secure_link_directives::Enforce;

use crate::compile::{Compiled, Compiler};
use crate::ffi::{Block, Complex, Conf, Failed, NotEvaluated, Request, VariableIndex};
use crate::findings::{Faults, Finding, Use};
use crate::limit::Limit;
use crate::settings::Settings;

/// What one place of the configuration demands of a link. Blocks that set nothing of it share
/// their parent's, and are told apart from others by its address.
pub struct LinkPolicy {
    has_credential: bool,
    /// The engine's policy; `None` if something that it needs is not configured.
    policy: Option<Policy>,
    /// Where the engine's inputs come from.
    inputs: Inputs,
    /// How tokens are made, if there is a message and a secret.
    signing: Option<Arc<Signing>>,
    /// Where the inputs of that come from, if they are not the same.
    signing_inputs: Option<Inputs>,
    encoding: Encoding,
    /// The ring of the keys, if they are of one.
    ring: Option<Arc<Keyring>>,
    /// The arguments that are the credential.
    credential_arguments: ArgumentNames,
    revoke: Rc<[Complex]>,
    limits: Vec<Limit>,
    faults: Cell<Faults>,
    /// The blocks that have it, until all is said of them.
    uses: RefCell<Vec<Use>>,
}

/// Where the values of the variables of a policy's texts come from.
struct Inputs {
    /// The arguments of the query string whose values they are.
    arguments: ArgumentNames,
    /// For each argument, by the position of its name, the position of the variable that has its value;
    /// and nginx's index of that variable, in case `set` or `map` has replaced it.
    places: Vec<(usize, VariableIndex)>,
    /// Where the values of the others come from, by the position of the variable.
    others: Vec<(usize, Source)>,
    /// How many variables there are.
    len: usize,
    /// The variables `$arg_name` in whose place `set` or `map` has put one of its own, by their
    /// position: the same for all requests, but known only after the configuration was read.
    replaced: OnceCell<Vec<(usize, VariableIndex)>>,
}

/// Where the value of a variable that is not an argument comes from.
enum Source {
    /// `$uri`, which nothing can replace.
    Path,
    /// `$host`, in which nginx itself accepts what separates the parts of a message.
    Host(VariableIndex),
    /// `$request_uri`, which has no path in an absolute-form request without one.
    Target(VariableIndex),
    /// Any other variable.
    Variable(VariableIndex),
    /// A group of the last regular expression.
    Capture(Complex),
}

impl LinkPolicy {
    /// Makes a policy of settings, together with what is to be said of it.
    pub fn new(conf: &mut Conf<'_>, settings: &Settings) -> Result<Self, Failed> {
        let mut compiler = Compiler::new(conf, settings);
        let Compiled { scheme, mut signing, ring, credential_arguments } = compiler.scheme()?;
        let requirements = compiler.requirements();
        let limits = compiler.limits()?;
        let (variables, conf) = compiler.take_variables();
        let inputs = Inputs::new(conf, &variables)?;
        let mut signing_inputs = None;
        // In another scheme than its own, a message is none of the check's business.
        if settings.kind() != SchemeKind::Template && settings.message.is_some() {
            signing = compiler.signing_beside()?;
            let (variables, conf) = compiler.take_variables();
            signing_inputs = Some(Inputs::new(conf, &variables)?);
        }
        let faults = compiler.finish();

        let policy = scheme.map(|scheme| Policy {
            scheme,
            leeway: settings.leeway.as_ref().map(|leeway| leeway.value),
            max_lifetime: settings.max_lifetime.as_ref().map_or(0, |lifetime| lifetime.value),
            methods: match &settings.methods {
                Some(methods) => methods.value.clone(),
                None => vec![b"GET".as_slice().into(), b"HEAD".as_slice().into()],
            },
            requirements,
        });
        Ok(LinkPolicy {
            has_credential: settings.credential_at().is_some(),
            policy,
            inputs,
            signing,
            signing_inputs,
            encoding: settings.encoding.as_ref().map_or(Encoding::Base64Url, |e| e.value),
            ring,
            credential_arguments,
            revoke: settings.revoke.as_ref().map(|revoke| revoke.value.clone()).unwrap_or_default(),
            limits,
            faults: Cell::new(faults),
            uses: RefCell::default(),
        })
    }

    /// Notes that a block has the policy.
    pub fn note_use(&self, enforce: Enforce, block: &Block) {
        let (in_location, captures) = (block.is_location, block.captures.clone());
        self.uses.borrow_mut().push(Use { enforce, in_location, captures });
    }

    /// What is to be said of the policy, once all its uses are noted.
    pub fn take_findings(&self) -> Vec<Finding> {
        self.faults.take().into_findings(&self.uses.take())
    }

    /// Whether it says where a credential is.
    pub fn has_credential(&self) -> bool {
        self.has_credential
    }

    /// The engine's policy, unless something that it needs is not configured.
    pub fn engine(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// How tokens are made, and the values of its variables for a request; `None` if there is no
    /// message or no secret.
    pub fn signing<'r>(
        &'r self,
        request: Request<'r>,
    ) -> Result<Option<(&'r Signing, Offered<'r>)>, NotEvaluated> {
        let Some(signing) = &self.signing else { return Ok(None) };
        let inputs = self.signing_inputs.as_ref().unwrap_or(&self.inputs);
        Ok(Some((signing, inputs.evaluate(request)?)))
    }

    /// The message that links sign, if the operator composes it: the other schemes have their own.
    pub fn message(&self) -> Option<&Template> {
        match self.policy.as_ref().map(|policy| &policy.scheme) {
            Some(Scheme::Template(scheme)) => Some(&scheme.signing.message),
            _ => None,
        }
    }

    /// The ids of the keys, by their place in the ring; one empty id for secrets without.
    pub fn key_ids(&self) -> Vec<Box<[u8]>> {
        match &self.ring {
            Some(ring) => ring.ids().map(Box::from).collect(),
            None => vec![Box::default()],
        }
    }

    /// How tokens are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The arguments that are the credential.
    pub fn credential_arguments(&self) -> &ArgumentNames {
        &self.credential_arguments
    }

    /// The values of which any that is not empty and not `0` withdraws an authentic link.
    pub fn revoke(&self) -> &[Complex] {
        &self.revoke
    }

    /// The limits of a granted link.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The values of the policy's variables for a request.
    pub fn inputs<'r>(&'r self, request: Request<'r>) -> Result<Offered<'r>, NotEvaluated> {
        self.inputs.evaluate(request)
    }
}

/// The values of variables for a request.
pub struct Offered<'r> {
    /// By the positions of the variables.
    pub values: &'r [&'r [u8]],
    /// Whether one of them cannot be read in one way only: an argument that occurs twice, or a
    /// host or target that could be mistaken.
    pub is_unreadable: bool,
}

/// The value of an argument that the request does not have. No argument lies at its address.
static ABSENT: [u8; 1] = [0];

impl Inputs {
    fn new(conf: &Conf<'_>, variables: &Variables) -> Result<Self, Failed> {
        let mut inputs = Inputs {
            arguments: ArgumentNames::default(),
            places: Vec::new(),
            others: Vec::new(),
            len: variables.as_slice().len(),
            replaced: OnceCell::new(),
        };
        for (place, variable) in variables.as_slice().iter().enumerate() {
            match (variable, variable.argument()) {
                (Variable::Named(variable), Some(name)) => {
                    inputs.arguments.insert(name.as_bytes());
                    inputs.places.push((place, conf.variable_index(variable)?));
                }
                _ => inputs.others.push((place, Source::new(conf, variable)?)),
            }
        }
        Ok(inputs)
    }

    fn evaluate<'r>(&self, request: Request<'r>) -> Result<Offered<'r>, NotEvaluated> {
        let absent = ABSENT.get(..0).unwrap_or_default();
        let values = request.alloc(self.len, absent).ok_or(NotEvaluated)?;
        let mut is_unreadable = false;
        find_arguments(request.args(), &self.arguments, |position, value| {
            if let Some(place) = self.places.get(position).and_then(|(at, _)| values.get_mut(*at)) {
                if ptr::eq(place.as_ptr(), absent.as_ptr()) {
                    *place = value;
                } else {
                    is_unreadable = true;
                }
            }
        });
        for (at, source) in &self.others {
            let value = source.evaluate(request, &mut is_unreadable)?;
            if let Some(place) = values.get_mut(*at) {
                *place = value;
            }
        }
        for (at, index) in self.replaced.get_or_init(|| self.find_replaced(request)) {
            let value = request.variable(*index)?.unwrap_or_default();
            if let Some(place) = values.get_mut(*at) {
                *place = value;
            }
        }
        Ok(Offered { values, is_unreadable })
    }

    #[cold]
    fn find_replaced(&self, request: Request<'_>) -> Vec<(usize, VariableIndex)> {
        let arguments = self.places.iter().copied();
        arguments.filter(|(_, index)| !request.is_argument(*index)).collect()
    }
}

impl Source {
    fn new(conf: &Conf<'_>, variable: &Variable) -> Result<Self, Failed> {
        Ok(match variable {
            Variable::Capture(_) => Source::Capture(conf.compile(variable.to_string().as_bytes())?),
            Variable::Named(name) => match &**name {
                "uri" | "document_uri" => Source::Path,
                "host" => Source::Host(conf.variable_index(name)?),
                "request_uri" => Source::Target(conf.variable_index(name)?),
                _ => Source::Variable(conf.variable_index(name)?),
            },
        })
    }

    #[inline]
    fn evaluate<'r>(
        &self,
        request: Request<'r>,
        is_unreadable: &mut bool,
    ) -> Result<&'r [u8], NotEvaluated> {
        Ok(match self {
            Source::Path => request.uri(),
            Source::Variable(index) => request.variable(*index)?.unwrap_or_default(),
            Source::Host(index) => {
                let host = request.variable(*index)?.unwrap_or_default();
                *is_unreadable |= host.iter().any(|byte| b"/|&".contains(byte));
                host
            }
            Source::Target(index) => {
                let target = request.variable(*index)?.unwrap_or_default();
                *is_unreadable |= !target.starts_with(b"/");
                target
            }
            Source::Capture(value) => request.complex(value)?,
        })
    }
}
