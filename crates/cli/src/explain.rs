//! `secure-link explain`: what was signed, and the reasons of a verdict.

use secure_link::{Scheme, SignedText};
use serde_json::{Value, json};

use crate::args::CheckArgs;
use crate::case::{Case, Summary};
use crate::error::Error;
use crate::reasons::{Reasons, jwt_part};
use crate::settings::{Origin, Settings};
use crate::text::{date, dump, printable, span};
use crate::{Outcome, print, verify};

pub fn run(args: &CheckArgs) -> Result<Outcome, Error> {
    let (case, settings) = Case::of(args)?;
    let summary = case.summary(&settings);
    let signed = case.signed_texts().unwrap_or_default();
    let mut reasons = Reasons::find(&case, &settings);
    for finding in settings.findings(&case.compiled) {
        reasons
            .change
            .push(format!("nginx refuses this policy where links are enforced: {finding}"));
    }
    let text = match args.json {
        true => as_json(&case, &settings, &summary, &signed, reasons),
        false => as_text(&case, &settings, &summary, &signed, &reasons),
    };
    print(text.as_bytes())?;
    Ok(verify::outcome(summary.verdict))
}

/// What was read of the request: variables, or the parts of a token.
fn parts(case: &Case, signed: &[SignedText]) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    for (variable, value) in case.compiled.variables.as_slice().iter().zip(&case.inputs.values) {
        parts.push((variable.to_string(), printable(value)));
    }
    if let (Scheme::Jwt(_), Some(input)) = (&case.compiled.policy.scheme, signed.first()) {
        for (at, name) in ["header", "payload"].into_iter().enumerate() {
            if let Some(json) = jwt_part(&input.text, at) {
                parts.push((name.to_owned(), printable(&json)));
            }
        }
    }
    parts
}

/// Whether the MAC covers a salt, which is a secret.
fn has_salt(case: &Case) -> bool {
    matches!(&case.compiled.policy.scheme, Scheme::EdgeAuth(scheme) if scheme.salt.is_some())
}

fn as_text(
    case: &Case,
    settings: &Settings,
    summary: &Summary,
    signed: &[SignedText],
    reasons: &Reasons,
) -> String {
    let status = match summary.status {
        Some(status) => format!(" ({status})"),
        None => String::new(),
    };
    let mut lines = vec![format!("verdict: {}{status}", summary.verdict.word())];
    if let Origin::Conf(conf) = &settings.origin {
        lines.push(format!("policy:  {} ({})", conf.location, conf.at));
    }
    lines.push(format!("time:    {}", date(case.now)));
    if summary.is_authentic {
        let id = match summary.key_id.as_str() {
            "" => "none: a secret without an id",
            id => id,
        };
        lines.push(format!("key id:  {id}"));
        if !summary.subject.is_empty() {
            lines.push(format!("subject: {}", printable(summary.subject.as_bytes())));
        }
        if let Some(expires_at) = summary.expires_at {
            lines.push(format!("expires: {}", date(expires_at)));
        }
        if let Some(remaining) = summary.remaining.filter(|remaining| *remaining >= 0) {
            lines.push(format!("left:    {}", span(remaining)));
        }
    }
    let parts = parts(case, signed);
    if !parts.is_empty() {
        lines.push("\nread from the request:".to_owned());
        lines.extend(parts.iter().map(|(name, value)| format!("  {name} = {value}")));
    }
    for SignedText { name, text } in signed {
        lines.push(format!("\n{name}, {} bytes:\n{}", text.len(), dump(text).trim_end()));
    }
    if has_salt(case) {
        lines.push("  and the salt, which is not shown".to_owned());
    }
    for (title, texts) in [("why:", &reasons.why), ("what to change:", &reasons.change)] {
        if !texts.is_empty() {
            lines.push(format!("\n{title}"));
            lines.extend(texts.iter().map(|text| format!("  - {text}")));
        }
    }
    lines.join("\n") + "\n"
}

fn as_json(
    case: &Case,
    settings: &Settings,
    summary: &Summary,
    signed: &[SignedText],
    reasons: Reasons,
) -> String {
    let mut map = summary.json();
    let texts = signed.iter().map(|SignedText { name, text }| {
        json!({ "name": name, "text": printable(text), "hex": hex::encode(text) })
    });
    let read: serde_json::Map<_, _> =
        parts(case, signed).into_iter().map(|(name, text)| (name, Value::String(text))).collect();
    if let Origin::Conf(conf) = &settings.origin {
        let policy = json!({ "location": conf.location, "at": conf.at.to_string() });
        map.insert("policy".to_owned(), policy);
    }
    map.insert("time".to_owned(), case.now.into());
    map.insert("read".to_owned(), Value::Object(read));
    map.insert("signed".to_owned(), texts.collect());
    map.insert("salted".to_owned(), has_salt(case).into());
    map.insert("why".to_owned(), reasons.why.into());
    map.insert("change".to_owned(), reasons.change.into());
    format!("{}\n", Value::Object(map))
}
