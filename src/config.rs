//! The configuration of a block: what is written there, what it inherits, and what a request
//! reads of it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use secure_link::{SchemeKind, Verdict};
use secure_link_directives::{Enforce, Refusal, Statuses, enforced_off, inherit};
use zeroize::Zeroizing;

use crate::directives::{Directive, Setting};
use crate::ffi::{Block, Complex, Conf, Failed, Level, Position, Server, VariableIndex};
use crate::findings::{Finding, Severity};
use crate::keyring::Ring;
use crate::meter::{Meter, MeterKey};
use crate::metrics::Metrics;
use crate::policy::LinkPolicy;
use crate::settings::{Located, Settings};
use crate::statsd::Statsd;
use crate::zone::ZoneConf;

/// Where a request that passed goes.
pub enum PassTarget {
    /// It stays.
    Off,
    /// To a path, with arguments if any are written.
    Path { path: Complex, args: Option<Complex> },
    /// To a named location.
    Named(Box<[u8]>),
}

/// What counts requests.
#[derive(Clone)]
pub enum MeterSetting {
    /// Nothing.
    Off,
    /// A zone, by the key's id or by an expression.
    On { zone: Box<[u8]>, key: Option<Rc<Complex>> },
}

/// What a location shows.
#[derive(Clone)]
pub struct MetricsSetting {
    /// The zone's name.
    pub zone: Box<[u8]>,
    /// The variable `$http_accept`.
    pub accept: VariableIndex,
}

/// The configuration of a block.
#[derive(Default)]
pub struct LocConf {
    pub settings: Settings,
    pub enforce: Option<Located<Enforce>>,
    pub statuses: Option<Statuses>,
    pub bypass: Option<Located<Rc<[Complex]>>>,
    pub log_level: Option<Located<Level>>,
    pub pass: Option<Located<Rc<PassTarget>>>,
    pub meter: Option<Located<MeterSetting>>,
    pub metrics: Option<Located<MetricsSetting>>,
    /// The meter, made when blocks are merged.
    made_meter: Option<Meter>,
    /// What is shown here, likewise.
    made_metrics: Option<Metrics>,
    /// The variables that regular expressions of this location and those around it set.
    captures: Vec<VariableIndex>,
    /// The policy, made when blocks are merged; `None` in an `http` block that nothing reads.
    policy: Option<Rc<LinkPolicy>>,
    /// What `enforce` comes to here: a location whose credential is off is open.
    enforced: Enforce,
    /// Whether a limit_except block lifts the hand-off with the enforcement.
    stays: bool,
}

impl MainConf {
    /// Notes a warning, which is written once, however many blocks include the directive.
    pub fn warn(&mut self, at: &Position, text: String) {
        self.findings.push(Finding { severity: Severity::Warning, at: at.clone(), text });
    }
}

impl LocConf {
    /// The policy, if it says where a credential is.
    pub fn policy(&self) -> Option<&LinkPolicy> {
        self.policy.as_deref().filter(|policy| policy.has_credential())
    }

    /// The policy, even if it only serves to make tokens.
    pub fn signing_policy(&self) -> Option<&LinkPolicy> {
        self.policy.as_deref()
    }

    /// Whether the check decides here.
    pub fn enforced(&self) -> Enforce {
        self.enforced
    }

    /// The status of a denial.
    pub fn status(&self, verdict: Verdict) -> u16 {
        self.statuses.unwrap_or_default().get(verdict)
    }

    /// The values of which any that is not empty and not `0` skips the check.
    pub fn bypass(&self) -> &[Complex] {
        self.bypass.as_ref().map(|bypass| &*bypass.value).unwrap_or_default()
    }

    /// The level at which denials are logged.
    pub fn log_level(&self) -> Level {
        self.log_level.as_ref().map_or(Level::Info, |level| level.value)
    }

    /// What counts the requests that are checked here.
    pub fn meter(&self) -> Option<&Meter> {
        self.made_meter.as_ref()
    }

    /// What is shown here.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.made_metrics.as_ref()
    }

    /// Where a request that passed goes.
    pub fn pass(&self) -> &PassTarget {
        match &self.pass {
            Some(pass) if !self.stays => &pass.value,
            _ => &PassTarget::Off,
        }
    }
}

/// The configuration of the whole.
#[derive(Default)]
pub struct MainConf {
    /// Secrets while the configuration is read; once all keys are made, they are wiped.
    pub secrets: Vec<Zeroizing<Vec<u8>>>,
    /// Rings, with the secrets of their keys, likewise.
    pub rings: Vec<Ring>,
    /// The scheme for which each secret is used, by a digest of the secret.
    pub secret_uses: HashMap<[u64; 4], SchemeKind>,
    policies: Vec<Rc<LinkPolicy>>,
    named: Vec<(Located<Rc<PassTarget>>, Server)>,
    findings: Vec<Finding>,
    /// The zones of shared memory.
    pub zones: Vec<Rc<ZoneConf>>,
    /// Where figures are sent.
    pub statsd: Option<Statsd>,
    /// What has to be hooked into nginx's phases.
    pub used: Used,
}

/// What any block of the configuration uses.
#[derive(Clone, Copy, Default)]
pub struct Used {
    /// The access phase.
    pub enforces: bool,
    /// The log phase.
    pub logs: bool,
}

/// Reads a directive into a block.
pub fn set(conf: &mut Conf<'_>, directive: &Directive, block: &mut LocConf) -> Result<(), Failed> {
    let at = conf.position();
    let arguments = conf.words().split_off(1);
    let mut setting = Setting { conf, arguments, at, block };
    let outcome = (directive.set)(&mut setting);
    let Setting { conf, at, .. } = setting;
    if directive.confidential {
        conf.wipe_word(1);
    }
    outcome.map_err(|refusal| match refusal {
        Refusal::Logged => Failed,
        refusal => {
            conf.error(&at, format_args!("\"{}\" {refusal}", directive.name.to_string_lossy()))
        }
    })
}

/// Completes a block by what it inherits, and makes its policy.
pub fn merge(conf: &mut Conf<'_>, parent: &mut LocConf, child: &mut LocConf) -> Result<(), Failed> {
    let mut block = conf.block()?;
    // A location inside of another sees its captures.
    block.captures.extend(&parent.captures);
    child.captures.clone_from(&block.captures);
    if parent.policy.is_none() && !parent.settings.is_empty() {
        parent
            .settings
            .check_use(parent.settings.kind())
            .map_err(|unused| conf.error(&unused.at, unused.text))?;
        parent.policy = Some(freeze(conf, &parent.settings)?);
    }
    child.policy = if child.settings.is_empty() {
        child.settings = parent.settings.clone();
        parent.policy.clone()
    } else {
        child
            .settings
            .complete(&parent.settings)
            .map_err(|unused| conf.error(&unused.at, unused.text))?;
        Some(freeze(conf, &child.settings)?)
    };
    let enforced_here = child.enforce.is_some();
    inherit(&mut child.enforce, &parent.enforce);
    inherit(&mut child.statuses, &parent.statuses);
    inherit(&mut child.bypass, &parent.bypass);
    inherit(&mut child.log_level, &parent.log_level);
    let passes_here = child.pass.is_some();
    inherit(&mut child.pass, &parent.pass);
    inherit(&mut child.meter, &parent.meter);
    // For `if`, which keeps the content handler; a location inside of another has none of that one.
    inherit(&mut child.metrics, &parent.metrics);
    enforce(conf, &block, child, enforced_here)?;
    pass(conf, &block, child, passes_here)?;
    meter(conf, child)
}

/// Finds the zones of the meter and the metrics of a block.
fn meter(conf: &mut Conf<'_>, child: &mut LocConf) -> Result<(), Failed> {
    if let Some(Located { value: MeterSetting::On { zone, key }, at }) = &child.meter {
        let zone = find_zone(conf, "secure_link_hmac_meter", zone, at)?;
        if let Some(policy) = child.policy() {
            zone.note_metered();
            let by = match key {
                Some(key) => MeterKey::Expression(Rc::clone(key)),
                None => MeterKey::KeyId(zone.pins(policy.key_ids())),
            };
            child.made_meter = Some(Meter { zone, by });
            conf.main()?.used.logs = true;
        }
    }
    if let Some(Located { value: MetricsSetting { zone, accept }, at }) = &child.metrics {
        let zone = find_zone(conf, "secure_link_hmac_metrics", zone, at)?;
        child.made_metrics = Some(Metrics { zone, accept: *accept });
    }
    Ok(())
}

/// The zone that a directive names; an error, where it stands, if there is none.
pub fn find_zone(
    conf: &mut Conf<'_>,
    directive: &str,
    name: &[u8],
    at: &Position,
) -> Result<Rc<ZoneConf>, Failed> {
    match conf.main()?.zones.iter().find(|zone| *zone.name == *name) {
        Some(zone) => Ok(Rc::clone(zone)),
        None => Err(conf.error(
            at,
            format_args!(
                "\"{directive}\" names an unknown zone \"{}\": add \"secure_link_hmac_zone {}:1m\" \
                 to \"http\"",
                name.escape_ascii(),
                name.escape_ascii()
            ),
        )),
    }
}

fn freeze(conf: &mut Conf<'_>, settings: &Settings) -> Result<Rc<LinkPolicy>, Failed> {
    let policy = Rc::new(LinkPolicy::new(conf, settings)?);
    conf.main()?.policies.push(Rc::clone(&policy));
    Ok(policy)
}

/// Finds out whether the check decides in a block, and notes that its policy is used so.
fn enforce(
    conf: &mut Conf<'_>,
    block: &Block,
    child: &mut LocConf,
    enforced_here: bool,
) -> Result<(), Failed> {
    let Some(enforce) = &child.enforce else {
        note_use(child, block);
        return Ok(());
    };
    let (is_off, has_none) = (child.settings.is_off(), child.settings.credential_at().is_none());
    match enforce.value {
        Enforce::On if is_off && enforced_here => {
            return Err(conf.error(
                &enforce.at,
                format_args!("\"secure_link_hmac_enforce\" {}", enforced_off()),
            ));
        }
        _ if is_off => child.enforced = Enforce::Off,
        Enforce::On if has_none => {
            let example = match child.settings.kind() {
                SchemeKind::Template => "$arg_st,$arg_ts,$arg_e",
                _ => "$arg_token",
            };
            return Err(conf.error(
                &enforce.at,
                format_args!(
                    "\"secure_link_hmac_enforce\" is on, but no \"secure_link_hmac\" says where \
                     the credential is{}: add \"secure_link_hmac {example}\" {}",
                    if block.is_location { "" } else { " for requests outside every location" },
                    // It cannot be written in limit_except.
                    if block.is_limit_except { "to the location" } else { "beside it" }
                ),
            ));
        }
        Enforce::DryRun if has_none => {
            child.enforced = Enforce::DryRun;
            let text = "\"secure_link_hmac_enforce\" is a dry run, but no \"secure_link_hmac\" \
                        says where the credential is: nothing is checked";
            conf.main()?.warn(&enforce.at, text.into());
        }
        value => child.enforced = value,
    }
    conf.main()?.used.enforces |= child.enforced != Enforce::Off;
    note_use(child, block);
    Ok(())
}

fn note_use(child: &LocConf, block: &Block) {
    if let Some(policy) = &child.policy {
        policy.note_use(child.enforced, block);
    }
}

/// Checks that only what is enforced is handed off.
fn pass(
    conf: &mut Conf<'_>,
    block: &Block,
    child: &mut LocConf,
    passes_here: bool,
) -> Result<(), Failed> {
    let Some(pass) = &child.pass else { return Ok(()) };
    if matches!(*pass.value, PassTarget::Off) {
        return Ok(());
    }
    if child.enforced == Enforce::Off {
        // `pass` cannot be written in limit_except, so that lifting the enforcement there must
        // be enough.
        if block.is_limit_except {
            child.stays = true;
            return Ok(());
        }
        let way_out = if passes_here && child.settings.is_off() {
            "remove \"secure_link_hmac off\" or \"secure_link_hmac_pass\""
        } else if passes_here {
            "add \"secure_link_hmac_enforce on\""
        } else {
            "write \"secure_link_hmac_pass off\" in the location that is not enforced"
        };
        return Err(conf.error(
            &pass.at,
            format_args!(
                "\"secure_link_hmac_pass\" without enforcement would hand off every request: \
                 {way_out}"
            ),
        ));
    }
    if passes_here && matches!(*pass.value, PassTarget::Named(_)) {
        let named = (pass.clone(), block.server);
        conf.main()?.named.push(named);
    }
    Ok(())
}

/// Reports what is wrong with the policies as they are used, and tells what is used at all.
pub fn finish(conf: &mut Conf<'_>) -> Result<Used, Failed> {
    let main = std::mem::take(conf.main()?);
    let MainConf {
        secrets,
        rings,
        secret_uses,
        policies,
        named,
        mut findings,
        zones,
        statsd,
        used,
    } = main;
    if statsd.is_some() {
        zones.iter().for_each(|zone| zone.note_sent());
    }
    // nginx calls the zones once it has their memory, and workers send.
    let main = conf.main()?;
    (main.zones, main.statsd) = (zones, statsd);
    // All keys are made; what they were made of is wiped.
    drop((secrets, rings, secret_uses));

    findings.extend(policies.iter().flat_map(|policy| policy.take_findings()));
    // Of equal ones the error is the one to report.
    findings.sort_by_key(|finding| matches!(finding.severity, Severity::Warning));
    let mut reported = HashSet::new();
    let mut failed = Ok(used);
    for finding in &findings {
        if !reported.insert((&finding.at, &finding.text)) {
            continue;
        }
        match finding.severity {
            Severity::Warning => conf.warn(&finding.at, &finding.text),
            Severity::Error => failed = Err(conf.error(&finding.at, &finding.text)),
        }
    }
    for (pass, server) in &named {
        if let PassTarget::Named(name) = &*pass.value
            && !server.has_named_location(name, conf)
        {
            failed = Err(conf.error(
                &pass.at,
                format_args!(
                    "\"secure_link_hmac_pass\" names an unknown location \"{}\": add it to the \
                     server",
                    name.escape_ascii()
                ),
            ));
        }
    }
    failed
}
