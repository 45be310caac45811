//! What a signer may have done so that the MAC is wrong.

use secure_link::{Escape, SecretFormat};
use secure_link_directives::SchemeSetting;

use crate::case::Case;
use crate::offer::is_header_name;
use crate::reasons::{Reasons, query_values};
use crate::secret::Reading;
use crate::settings::{KeySettings, Settings};
use crate::text::printable;
use crate::url::server_name;

impl Reasons {
    pub fn forged(&mut self, case: &Case, settings: &Settings) {
        let with = |settings: &Settings| {
            Case::new(settings, case.offer.clone(), case.now).is_ok_and(|case| case.is_authentic())
        };
        // Other readings of the secret.
        let formats = settings.keys.formats();
        for format in SecretFormat::ALL {
            let other = Settings { reading: Some(Reading::Format(*format)), ..settings.clone() };
            if formats.iter().any(|known| *known != Some(*format)) && with(&other) {
                let (name, say) = (format.name(), settings.origin.name("key-format"));
                let say = format!("{}{name}", if say.ends_with('=') { say } else { say + " " });
                self.why(format!("The MAC is right if the secret is read as {name}."));
                self.change(format!("Sign with the same bytes, or use {say}."));
            }
        }
        for reading in [Reading::WithLineEnd, Reading::AddedLineEnd] {
            let other = Settings { reading: Some(reading), ..settings.clone() };
            if self.why.is_empty() && with(&other) {
                self.why("The MAC is right if the secret has a line end, which is dropped here.");
                self.change("Have the signer drop the line end of the secret's file.");
            }
        }
        for algorithm in settings.scheme.kind().algorithms() {
            let other = Settings {
                algorithm: *algorithm,
                keys: settings.keys.without_algorithms(),
                ..settings.clone()
            };
            if *algorithm != case.algorithm && with(&other) {
                let (name, own) = (algorithm.name(), case.algorithm.name());
                let say = settings.origin.name("algorithm");
                self.why(format!("The MAC is right with the algorithm {name}."));
                self.change(format!("Use {say} {name}, or sign with {own}."));
            }
        }
        // The key of another id.
        if let KeySettings::Ring { keys, id: Some(_) } = &settings.keys {
            let keys = KeySettings::Ring { keys: keys.clone(), id: None };
            let other = Settings { keys, ..settings.clone() };
            let other = Case::new(&other, case.offer.clone(), case.now);
            if let Some(other) = other.ok().filter(Case::is_authentic) {
                let right = other.summary(settings).key_id;
                let named = printable(case.written_id.as_deref().unwrap_or_default());
                self.why(format!(
                    "The MAC is right with the key \"{right}\"; the link names \"{named}\"."
                ));
                self.change("Sign with the key that the link names, or name the one that signs.");
            }
        }
        match &settings.scheme {
            SchemeSetting::Template(_) => {
                for (what, change, guess) in template_guesses(settings, case) {
                    if with(&guess) {
                        self.why(format!("The MAC is right if {what}."));
                        self.change(change);
                    }
                }
            }
            SchemeSetting::EdgeAuth { salt, escape: own } => {
                for escape in Escape::ALL.iter().copied().map(Some).chain([None]) {
                    let scheme = SchemeSetting::EdgeAuth { salt: salt.clone(), escape };
                    let other = Settings { scheme, ..settings.clone() };
                    if escape != *own && with(&other) {
                        let name = escape.map_or("no escape_early", Escape::name);
                        self.why(format!("The MAC is right with {name}."));
                        let say = settings.origin.name("escape-early");
                        let say = say.trim_end_matches('=');
                        self.change(format!("Change {say}, or the signer's escaping."));
                    }
                }
                let scheme = SchemeSetting::EdgeAuth { salt: None, escape: *own };
                if salt.is_some() && with(&Settings { scheme, ..settings.clone() }) {
                    self.why("The MAC is right without the salt.");
                    self.change("Sign with the salt, or configure none.");
                }
            }
            SchemeSetting::SigV4 { .. } => self.forged_sigv4(case),
            SchemeSetting::Jwt => {}
        }
        if self.why.is_empty() {
            self.why("The MAC is not that of the bytes above with this secret.");
            self.change(
                "Compare the bytes above with those that the signer takes, one by one; if they are \
                 the same, the secrets differ.",
            );
        }
    }

    fn forged_sigv4(&mut self, case: &Case) {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            let mut other = case.clone();
            other.offer.method = method.to_owned();
            if method != case.offer.method && other.is_authentic() {
                self.why(format!(
                    "The link was signed for {method}, and not for {}.",
                    case.offer.method
                ));
                self.change(format!(
                    "Sign it for {} too: the method is signed.",
                    case.offer.method
                ));
            }
        }
        let signed = query_values(&case.offer.query, "X-Amz-SignedHeaders");
        for name in signed.iter().flat_map(|names| names.split(';')) {
            if !case.offer.headers.iter().any(|(header, _)| header == name) {
                let is_read = is_header_name(name);
                let name = printable(name.as_bytes());
                if is_read {
                    self.why(format!(
                        "The link signs the header {name}, which the request does not have."
                    ));
                    self.change(format!("Send {name}, or do not sign it; here: -H '{name}: ...'."));
                } else {
                    self.why(format!(
                        "The link signs the header {name}, whose name nginx does not read."
                    ));
                    self.change("Sign headers whose names have only letters, digits and -.");
                }
            }
        }
        let host = case.offer.headers.iter().find(|(name, _)| name == "host");
        let host = host.map(|(_, host)| host.clone()).unwrap_or_default();
        let name = server_name(&host);
        for other in [name.clone(), format!("{name}:80"), format!("{name}:443")] {
            let mut changed = case.clone();
            let headers = changed.offer.headers.iter_mut().filter(|(name, _)| name == "host");
            headers.for_each(|(_, value)| value.clone_from(&other));
            if other != host && changed.is_authentic() {
                let host = printable(host.as_bytes());
                self.why(format!("The link was signed for the host {other}, and not for {host}."));
                self.change("Have the proxy before nginx pass Host on, or sign the public name.");
            }
        }
    }
}

/// Mistakes that signers of templates make: what is then right, and what to change.
fn template_guesses(settings: &Settings, case: &Case) -> Vec<(String, String, Settings)> {
    let message = |text: Vec<u8>| Settings { message: text.into(), ..settings.clone() };
    let text = &*settings.message;
    let name = settings.origin.name("message");
    let shown = printable(text);
    let with_path = |path: &str| {
        let mut changed = settings.clone();
        changed.set.push(("uri".to_owned(), path.to_owned()));
        changed.set.push(("document_uri".to_owned(), path.to_owned()));
        changed
    };
    let sent = case.offer.sent_path();
    let mut guesses = vec![
        (
            "a line end is signed behind the message".to_owned(),
            "Use printf '%s', not echo, in a shell, and sign no line end.".to_owned(),
            message([text, b"\n"].concat()),
        ),
        (
            "the path is signed without its first slash".to_owned(),
            "Sign the path with its first slash.".to_owned(),
            with_path(sent.strip_prefix('/').unwrap_or(sent)),
        ),
        (
            "the path is signed with its arguments, as $request_uri".to_owned(),
            format!("Sign the path alone, or use $request_uri without the token in {name}."),
            with_path(&case.offer.target),
        ),
        (
            format!("the separators of \"{shown}\" are left out"),
            format!("Sign the separators that stand in {name}."),
            message(text.iter().copied().filter(|byte| !b"|:/& ".contains(byte)).collect()),
        ),
    ];
    if case.offer.path != sent.as_bytes() {
        guesses.push((
            "the path is signed as it is sent, percent-encoded".to_owned(),
            "Sign the decoded path: $uri is decoded.".to_owned(),
            with_path(sent),
        ));
    }
    guesses
}
