//! Checks a link of the form `PATH?st=TOKEN&ts=UNIX&e=SECONDS`, and prints the verdict.
//!
//! ```sh
//! SECURE_LINK_SECRET=... cargo run --example verify 'https://host/files/a%20b.pdf?st=...&ts=...&e=...'
//! ```

use std::env;
use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bumpalo::Bump;
use fluent_uri::Uri;
use secure_link::{
    Algorithm, Arena, ArgumentNames, Client, Encoding, Fields, Key, Keys, MIN_SECRET_LEN, Mode,
    Policy, Request, Scheme, Secret, Signing, Template, TemplateScheme, TimeField, Variable,
    Variables, Verdict, read_arguments, verify,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let link = env::args().nth(1).ok_or("give a link")?;
    let secret = env::var("SECURE_LINK_SECRET")?;
    if secret.len() < MIN_SECRET_LEN {
        return Err("the secret is too short".into());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().try_into()?;

    let verdict = Checker::new(secret.as_bytes())?.check(&link, now)?;
    println!("{}", verdict.word());
    Ok(if verdict == Verdict::Granted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A policy, and what it reads of a request.
struct Checker {
    policy: Policy,
    variables: Variables,
    arguments: ArgumentNames,
}

impl Checker {
    fn new(secret: &[u8]) -> Result<Self, Box<dyn Error>> {
        let mut variables = Variables::default();
        let credentials = vec![Fields::parse(b"$arg_st,$arg_ts,$arg_e", &mut variables)?];
        let message = Template::parse(b"$uri|$arg_ts|$arg_e", &mut variables)?;
        let key = Key::new(Algorithm::Sha256, secret);
        let keys = Keys::Secrets(vec![Secret::Fixed(Box::new(key))]);
        let scheme = Scheme::Template(TemplateScheme {
            credentials,
            signing: Arc::new(Signing { message, keys }),
            encoding: Encoding::Base64Url,
            time: TimeField::Issued,
        });
        let policy = Policy {
            scheme,
            leeway: None,
            max_lifetime: 0,
            methods: vec![(*b"GET").into()],
            requirements: Vec::new(),
        };
        let mut arguments = ArgumentNames::default();
        for name in variables.as_slice().iter().filter_map(Variable::argument) {
            arguments.insert(name.as_bytes());
        }
        Ok(Checker { policy, variables, arguments })
    }

    /// Checks a link for `GET`, at a time in unix seconds.
    fn check(&self, link: &str, now: i64) -> Result<Verdict, Box<dyn Error>> {
        // The path is that of the file: without percent escapes, `.` and `..`.
        let uri = Uri::parse(link)?.normalize();
        let path = uri.path().decode().to_bytes();
        let query = uri.query().map_or("", |query| query.as_str()).as_bytes();

        let mut arguments = vec![None; self.arguments.len()];
        let repeated_argument = read_arguments(query, &self.arguments, &mut arguments);
        let mut found = arguments.iter().map(|value| value.unwrap_or_default());
        let inputs: Vec<&[u8]> = self
            .variables
            .as_slice()
            .iter()
            .map(|variable| match variable.argument() {
                Some(_) => found.next().unwrap_or_default(),
                None => &path, // $uri is the only other one
            })
            .collect();
        let request = Request {
            inputs: &inputs,
            repeated_argument,
            method: b"GET",
            path: &path,
            target: uri.path().as_str().as_bytes(),
            query,
            host: b"",
            client: &Nobody,
            mode: Mode::Enforced,
            arena: &Memory(Bump::new()),
        };
        Ok(verify(&self.policy, &request, now).verdict)
    }
}

struct Memory(Bump);

impl Arena for Memory {
    fn alloc(&self, len: usize) -> Option<&mut [u8]> {
        Some(self.0.alloc_slice_fill_copy(len, 0))
    }
}

/// The scheme does not ask who the client is.
struct Nobody;

impl Client for Nobody {
    fn address(&self) -> Option<IpAddr> {
        None
    }

    fn scheme(&self) -> &[u8] {
        b"https"
    }

    fn headers<'s>(&'s self, _: &[u8], _: &mut dyn FnMut(&'s [u8])) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const LINK: &str = "https://files.example.com/files/report.pdf?st=lCcL1NkQIShbVqCnwlGa7O9exec-Z8murTSjQNGgiA8&ts=1700000000&e=3600";
    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_link_is_good_for_its_path_and_its_time() -> Result<(), Box<dyn Error>> {
        let checker = Checker::new(SECRET)?;
        assert_eq!(checker.check(LINK, NOW)?, Verdict::Granted);
        assert_eq!(checker.check(LINK, NOW + 3601)?, Verdict::Expired);
        assert_eq!(checker.check(&LINK.replace("report", "prices"), NOW)?, Verdict::Forged);
        assert_eq!(checker.check(&LINK.replace("e=3600", "e=36000"), NOW)?, Verdict::Forged);
        assert_eq!(checker.check(&format!("{LINK}&e=3600"), NOW)?, Verdict::Malformed);
        assert_eq!(
            checker.check("https://files.example.com/files/report.pdf", NOW)?,
            Verdict::Missing
        );
        Ok(())
    }

    #[test]
    fn a_path_is_decoded() -> Result<(), Box<dyn Error>> {
        let checker = Checker::new(SECRET)?;
        for path in ["%72eport.pdf", "./report.pdf", "x/../report.pdf", "x/%2e%2e/report.pdf"] {
            assert_eq!(
                checker.check(&LINK.replace("report.pdf", path), NOW)?,
                Verdict::Granted,
                "{path}"
            );
        }
        Ok(())
    }
}
