//! The check of a request's link, made once and kept for the request.

use std::cell::Cell;
use std::ptr;

use secure_link::{Check, Mode, Verdict, verify};
use secure_link_directives::Enforce;

use crate::config::LocConf;
use crate::ffi::{Complex, NotEvaluated, Request, now};
use crate::policy::LinkPolicy;

/// The least status of an error.
const BAD_REQUEST: usize = 400;

/// What the module notes for a request.
pub struct State<'r> {
    /// The main request, for what borrows it longer than a call of nginx's takes.
    request: Request<'r>,
    progress: Cell<Progress<'r>>,
    last: Cell<Option<&'r Checked<'r>>>,
    standing: Cell<Standing>,
    spent: Cell<Option<&'r Spent<'r>>>,
    denials: Cell<Option<&'r Denial<'r>>>,
    bypass: Cell<Option<Bypass<'r>>>,
    handed_off: Cell<bool>,
    pass: Cell<u32>,
}

impl<'r> State<'r> {
    /// Begins to note.
    pub fn new(request: Request<'r>) -> Self {
        State {
            request,
            progress: Cell::default(),
            last: Cell::default(),
            standing: Cell::default(),
            spent: Cell::default(),
            denials: Cell::default(),
            bypass: Cell::default(),
            handed_off: Cell::default(),
            pass: Cell::default(),
        }
    }

    /// The main request.
    pub fn request(&self) -> &Request<'r> {
        &self.request
    }

    /// Notes that nginx begins to process the request anew, after an internal redirect.
    pub fn begin_pass(&self) {
        self.pass.set(self.pass.get() + 1);
    }

    /// The number of such passes before.
    pub fn pass(&self) -> u32 {
        self.pass.get()
    }
}

/// What became of the last check.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// The pass whose access phase it has decided.
    decided: Option<u32>,
    /// Whether all access checks of a location have let pass what it granted.
    passed: bool,
    /// Whether its location has bypassed it: then it is the value of variables only.
    bypassed: bool,
}

/// How far a check has come, for variables that are read inside of it.
#[derive(Clone, Copy, Default)]
enum Progress<'r> {
    #[default]
    Idle,
    /// The MAC is not verified: the check's variables are empty.
    Unverified,
    /// The MAC is right, and what revokes the link is looked at.
    Verified(&'r Checked<'r>),
}

/// A check that was made, and of what.
#[derive(Clone, Copy)]
pub struct Checked<'r> {
    /// The outcome.
    pub check: Check<'r>,
    /// The time at which it was made, unix seconds.
    pub now: i64,
    /// What was checked.
    pub offered: secure_link::Request<'r>,
    /// What was demanded.
    pub policy: &'r LinkPolicy,
    /// How far limits were looked at.
    pub limits: Limits,
    /// Uses counted so far, this one included once it is spent.
    pub uses: Option<u64>,
    /// The configuration of the location that checked.
    pub conf: &'r LocConf,
    /// Where the text of the client's address lies: `realip` replaces it by one that lies elsewhere.
    address: *const u8,
    pass: u32,
}

/// How far the limits of a granted link were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Not yet: the verdict is what the MAC and the claims say.
    Unseen,
    /// The access phase has found room.
    Looked,
    /// A use is spent.
    Spent,
}

impl<'r> Checked<'r> {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.check.verdict
    }

    /// Whether it was made before an internal redirect.
    fn is_of_earlier_pass(&self, request: Request<'_>) -> bool {
        self.pass != request.pass()
    }

    /// Whether the check still speaks for a request, under the given policy and mode.
    fn holds(&self, request: Request<'r>, policy: &LinkPolicy, mode: Mode) -> bool {
        // Commas that a client brings may split an advisory check's fields, so that it never
        // serves an enforced one.
        let strict_enough = self.offered.mode == Mode::Enforced || mode == Mode::Advisory;
        let unchanged = || {
            self.offered.method == request.method()
                && self.offered.path == request.uri()
                && self.offered.query == request.args()
                && self.address == request.address_text().as_ptr()
        };
        // A grant goes along where nginx or the operator redirects the request.
        let carried = || {
            self.offered.mode == Mode::Enforced
                && self.verdict() == Verdict::Granted
                && self.is_of_earlier_pass(request)
                && request.state().is_some_and(|state| !state.standing.get().bypassed)
        };
        ptr::eq(self.policy, policy) && strict_enough && (carried() || unchanged())
    }
}

/// A check whose limits were charged.
#[derive(Clone, Copy)]
struct Spent<'r> {
    checked: &'r Checked<'r>,
    /// One by another policy, before an internal redirect.
    earlier: Option<&'r Spent<'r>>,
}

/// A denial that ended, or would have ended, the request.
#[derive(Clone, Copy)]
struct Denial<'r> {
    policy: &'r LinkPolicy,
    pass: u32,
    enforced: Enforce,
    /// One by another policy, in whose `error_page` this one denied.
    earlier: Option<&'r Denial<'r>>,
}

#[derive(Clone, Copy)]
struct Bypass<'r> {
    conf: &'r LocConf,
    pass: u32,
    skips: bool,
}

/// The mode in which a location checks.
fn mode(conf: &LocConf) -> Mode {
    match conf.enforced() {
        Enforce::Off => Mode::Advisory,
        Enforce::On | Enforce::DryRun => Mode::Enforced,
    }
}

/// The check that speaks for a request, for variables; made if need be.
pub fn current(request: Request<'_>) -> Result<Option<&Checked<'_>>, NotEvaluated> {
    let request = request.main();
    let state = request.state();
    match state.map(|state| state.progress.get()).unwrap_or_default() {
        Progress::Idle => {}
        Progress::Unverified => return Ok(None),
        Progress::Verified(checked) => return Ok(Some(checked)),
    }
    let conf = request.conf();
    let last = state.and_then(|state| state.last.get());
    if last.is_some() && is_decided(request) {
        return Ok(last);
    }
    let Some(policy) = conf.policy() else { return Ok(last) };
    let mode = mode(conf);
    if let Some(last) = last.filter(|last| last.holds(request, policy, mode)) {
        return Ok(Some(last));
    }
    // What was handed off or denied keeps its verdict to the end, unless it is checked again.
    if last.is_some() && is_settled(request, policy) {
        return Ok(last);
    }
    // The path may still be rewritten: what is found out now is the variable's value only.
    if request.is_before_preaccess() {
        return check(request, policy, mode).map(Some);
    }
    check_and_keep(request, policy, mode).map(Some)
}

/// Whether the last check has decided about the request where it is now: in the access phase of
/// this pass, or, where nothing is enforced, in that of an earlier one. A variable in `if` or `set`
/// there is checked anew all the same.
fn is_decided(request: Request<'_>) -> bool {
    match request.state().and_then(|state| state.standing.get().decided) {
        Some(pass) if pass == request.pass() => true,
        Some(_) => request.conf().enforced() == Enforce::Off && !request.is_before_preaccess(),
        None => false,
    }
}

/// The check that decides about a request in the access phase; made if need be.
pub fn deciding<'r>(
    request: Request<'r>,
    policy: &'r LinkPolicy,
) -> Result<&'r Checked<'r>, NotEvaluated> {
    // What a location has bypassed is the value of variables only, though the request be the same.
    let last = request
        .state()
        .filter(|state| !state.standing.get().bypassed)
        .and_then(|state| state.last.get());
    let checked = match last.filter(|last| last.holds(request, policy, Mode::Enforced)) {
        Some(last) => last,
        None => check_and_keep(request, policy, Mode::Enforced)?,
    };
    if let Some(state) = request.state() {
        state.standing.set(Standing { decided: Some(state.pass()), ..state.standing.get() });
    }
    Ok(checked)
}

fn check_and_keep<'r>(
    request: Request<'r>,
    policy: &'r LinkPolicy,
    mode: Mode,
) -> Result<&'r Checked<'r>, NotEvaluated> {
    let checked = check(request, policy, mode)?;
    let state = request.state_or_new().ok_or(NotEvaluated)?;
    state.last.set(Some(checked));
    // A bypass goes on where nothing is enforced: the request of an error's page is not counted either.
    let bypassed = state.bypass.get().is_some_and(|bypass| {
        let is_of_here = ptr::eq(bypass.conf, checked.conf) && bypass.pass == checked.pass;
        bypass.skips && (is_of_here || checked.conf.enforced() == Enforce::Off)
    });
    state.standing.set(Standing { bypassed, ..Standing::default() });
    Ok(checked)
}

fn check<'r>(
    request: Request<'r>,
    policy: &'r LinkPolicy,
    mode: Mode,
) -> Result<&'r Checked<'r>, NotEvaluated> {
    let state = request.state_or_new().ok_or(NotEvaluated)?;
    // Restored in any case, so that a failure does not leave the variables empty.
    let outer = state.progress.replace(Progress::Unverified);
    let checked = verify_and_revoke(request, policy, mode, state);
    state.progress.set(outer);
    checked
}

fn verify_and_revoke<'r>(
    request: Request<'r>,
    policy: &'r LinkPolicy,
    mode: Mode,
    state: &'r State<'r>,
) -> Result<&'r Checked<'r>, NotEvaluated> {
    let offered = state.request().offer(&policy.inputs(request)?, mode);
    let now = now();
    let check = match policy.engine() {
        Some(engine) => verify(engine, &offered, now),
        None => Check::denied(Verdict::UnknownKey),
    };
    let checked = request.keep(|| Checked {
        check,
        now,
        offered,
        policy,
        limits: Limits::Unseen,
        uses: None,
        conf: request.conf(),
        address: request.address_text().as_ptr(),
        pass: state.pass(),
    })?;
    if checked.check.claims.is_some() && !policy.revoke().is_empty() {
        state.progress.set(Progress::Verified(checked));
        if any_is_set(request, policy.revoke())? {
            let mut revoked = *checked;
            revoked.check.revoke();
            return request.keep(|| revoked);
        }
    }
    Ok(checked)
}

/// Whether any value is neither empty nor `0`, as in `proxy_cache_bypass`.
fn any_is_set(request: Request<'_>, values: &[Complex]) -> Result<bool, NotEvaluated> {
    for value in values {
        if !matches!(request.complex(value)?, b"" | b"0") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the location skips the check of a request, found out once for each pass.
pub fn is_bypassed(request: Request<'_>) -> Result<bool, NotEvaluated> {
    let conf = request.conf();
    if conf.bypass().is_empty() {
        return Ok(false);
    }
    let state = request.state_or_new().ok_or(NotEvaluated)?;
    if let Some(bypass) = state.bypass.get()
        && ptr::eq(bypass.conf, conf)
        && bypass.pass == request.pass()
    {
        return Ok(bypass.skips);
    }
    let skips = any_is_set(request, conf.bypass())?;
    state.bypass.set(Some(Bypass { conf, pass: request.pass(), skips }));
    // A variable may have made a check before.
    let is_of_here =
        |last: &Checked<'_>| ptr::eq(last.conf, conf) && !last.is_of_earlier_pass(request);
    if skips && state.last.get().is_some_and(is_of_here) {
        state.standing.set(Standing { bypassed: true, ..state.standing.get() });
    }
    Ok(skips)
}

/// Notes that a check denied a request.
pub fn note_denial<'r>(
    request: Request<'r>,
    policy: &'r LinkPolicy,
    enforced: Enforce,
) -> Result<(), NotEvaluated> {
    let state = request.state_or_new().ok_or(NotEvaluated)?;
    let earlier = state.denials.get();
    let denial = Denial { policy, pass: request.pass(), enforced, earlier };
    let denial = request.alloc(1, denial).and_then(|denial| denial.first());
    state.denials.set(denial);
    denial.map(drop).ok_or(NotEvaluated)
}

/// Whether a location does not check a request, whose verdict has been found before.
pub fn is_settled(request: Request<'_>, policy: &LinkPolicy) -> bool {
    match request.conf().enforced() {
        Enforce::Off => request
            .state()
            .is_some_and(|state| state.handed_off.get() || state.denials.get().is_some()),
        Enforce::On => is_after_denial(request, policy),
        Enforce::DryRun => {
            is_after_denial(request, policy) || has_earlier_denial(request, policy, Enforce::DryRun)
        }
    }
}

/// Whether the request is that of an `error_page` after the same policy has denied it: it is
/// neither checked again nor handed off.
pub fn is_after_denial(request: Request<'_>, policy: &LinkPolicy) -> bool {
    has_earlier_denial(request, policy, Enforce::On)
}

/// Whether a policy has denied the request in a pass before this one.
fn has_earlier_denial(request: Request<'_>, policy: &LinkPolicy, enforced: Enforce) -> bool {
    let denials = request.state().and_then(|state| state.denials.get());
    std::iter::successors(denials, |denial| denial.earlier).any(|denial| {
        ptr::eq(denial.policy, policy)
            && denial.pass != request.pass()
            && denial.enforced == enforced
    })
}

/// Notes that a request has passed all access checks of a location. A denial of the same pass
/// was then overruled by another method (`satisfy any`), and says nothing about later locations.
///
/// What another method has refused comes here as well, with the grant that it had, if its
/// `error_page` is under the same policy. With a status of success (`error_page 401 = /file`) that
/// is what the link is for; as an error it is not.
pub fn note_passed_access(request: Request<'_>) {
    let Some(state) = request.state() else { return };
    let is_of_error = |last: &Checked<'_>| {
        request.error_status() >= BAD_REQUEST && last.is_of_earlier_pass(request)
    };
    if !state.last.get().is_some_and(is_of_error) {
        state.standing.set(Standing { passed: true, ..state.standing.get() });
    }
    if let Some(denial) = state.denials.get()
        && denial.enforced == Enforce::On
        && denial.pass == request.pass()
    {
        state.denials.set(denial.earlier);
    }
}

/// Whether the request is that of the page of an error by which another access check has refused
/// it: its link is neither spent nor handed off.
pub fn is_refused_by_others(request: Request<'_>) -> bool {
    request.state().is_some_and(|state| state.last.get().is_some() && !state.standing.get().passed)
}

/// Whether a request was handed off, which it is at most once.
pub fn was_handed_off(request: Request<'_>) -> bool {
    request.state().is_some_and(|state| state.handed_off.get())
}

/// Notes that a request is handed off.
pub fn note_handoff(request: Request<'_>) -> Result<(), NotEvaluated> {
    request.state_or_new().ok_or(NotEvaluated)?.handed_off.set(true);
    Ok(())
}

/// Keeps a check whose limits were looked at.
pub fn keep<'r>(
    request: Request<'r>,
    checked: Checked<'r>,
) -> Result<&'r Checked<'r>, NotEvaluated> {
    let checked = request.keep(|| checked)?;
    request.state().ok_or(NotEvaluated)?.last.set(Some(checked));
    Ok(checked)
}

/// Keeps a check whose limits were charged, which it stays whatever is checked after it.
pub fn note_spent<'r>(request: Request<'r>, checked: &'r Checked<'r>) -> Result<(), NotEvaluated> {
    let state = request.state().ok_or(NotEvaluated)?;
    let earlier = state.spent.get();
    let spent = request.keep(|| Spent { checked, earlier })?;
    state.spent.set(Some(spent));
    Ok(())
}

/// All checks whose limits were charged, the last one first.
pub fn spent(request: Request<'_>) -> impl Iterator<Item = &Checked<'_>> + Clone {
    let last = request.state().and_then(|state| state.spent.get());
    std::iter::successors(last, |spent| spent.earlier).map(|spent| spent.checked)
}

/// The check that counts for a request, if any was kept and the location's bypass did not skip
/// it.
pub fn counted(request: Request<'_>) -> Option<&Checked<'_>> {
    let state = request.state()?;
    state.last.get().filter(|_| !state.standing.get().bypassed)
}

/// The query string that was checked, or else the one there is, and the policy that reads it.
pub fn checked_args(request: Request<'_>) -> (&[u8], Option<&LinkPolicy>) {
    let request = request.main();
    match request.state().and_then(|state| state.last.get()) {
        Some(last) => (last.offered.query, Some(last.policy)),
        None => (request.args(), request.conf().policy()),
    }
}
