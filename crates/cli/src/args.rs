//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use secure_link::{
    Algorithm, Encoding, Escape, SchemeKind, Scope, SecretFormat, TimeField, parse_date,
};

use crate::text::seconds;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; verify and explain: the link is granted
  1  verify and explain: the link is refused
  2  the flags, the URL or the configuration cannot be used
  3  a secret or a file cannot be read or written
  4  sign: the link that was made would not verify";

/// Signs, verifies and explains links that nginx's secure_link_hmac checks
#[derive(Parser)]
#[command(name = "secure-link", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Sign a link and print it
    Sign(Box<SignArgs>),
    /// Check a link and print its verdict
    Verify(Box<CheckArgs>),
    /// Say what was signed, why a link is refused, and what to change
    ///
    /// A MAC that was not given is never printed.
    Explain(Box<CheckArgs>),
    /// Make a random key
    Keygen(KeygenArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write all pages into a directory
    Man {
        /// Write a page for each command here
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

/// Reads one of a few names.
fn one_of<T: Clone + Send + Sync + 'static>(
    names: impl Iterator<Item = &'static str>,
    find: fn(&[u8]) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names)
        .try_map(move |name| find(name.as_bytes()).ok_or("it is not known"))
}

fn escape_from_name(name: &[u8]) -> Option<Escape> {
    Escape::ALL.iter().copied().find(|escape| escape.name().as_bytes() == name)
}

fn scope_from_name(name: &[u8]) -> Option<Scope> {
    Scope::ALL.iter().copied().find(|scope| scope.name().as_bytes() == name)
}

fn duration(text: &str) -> Result<i64, String> {
    seconds(text.as_bytes()).ok_or_else(|| "a time is like 90, 15m, 1h30m or 7d".to_owned())
}

/// A point in time.
fn date(text: &str) -> Result<i64, String> {
    parse_date(text.as_bytes())
        .ok_or_else(|| "a time is unix seconds, or like 2026-01-31T12:00:00Z".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is NAME=VALUE".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err("it is \"Name: value\"".to_owned()),
    }
}

/// The policy of a location, in place of flags.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Policy, from nginx.conf")]
pub struct ConfArgs {
    /// The configuration: the file that nginx begins with
    ///
    /// The policy is that of a location of it, with all that it inherits and includes. Secrets are
    /// read where it says they are, unless --secret-file or --secret-env gives them.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "scheme", "credential", "message", "time", "algorithm", "encoding", "salt_file",
            "escape_early", "region", "service", "scope", "leeway", "max_lifetime", "methods",
            "require",
        ]
    )]
    pub conf: Option<PathBuf>,
    /// What is written behind "location" [default: the one that serves the URL]
    #[arg(long, value_name = "LOCATION", requires = "conf")]
    pub location: Option<String>,
    /// A server's name or address, as in "server_name" or "listen"
    ///
    /// Needed where several servers could be meant, and none has the name of the URL's host.
    #[arg(long, value_name = "NAME", requires = "conf")]
    pub server: Option<String>,
    /// Where relative names in the configuration begin [default: the directory of --conf]
    #[arg(long, value_name = "DIR", requires = "conf")]
    pub prefix: Option<PathBuf>,
}

/// What a location says of its links, by flags that are named as its directives.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Policy, by flags")]
pub struct PolicyArgs {
    #[command(flatten)]
    pub conf: ConfArgs,
    /// How links are written [default: template]
    #[arg(long, value_parser = one_of(SchemeKind::ALL.iter().map(|s| s.name()), SchemeKind::from_name))]
    pub scheme: Option<SchemeKind>,
    /// Where the credential is, as in `secure_link_hmac`; may be repeated
    ///
    /// Defaults: template `$arg_st,$arg_ts,$arg_e` (with --time=expires `$arg_st,$arg_e`), jwt
    /// `$arg_token`, edgeauth `$arg_hdnts`.
    #[arg(long, value_name = "VALUE")]
    pub credential: Vec<String>,
    /// template: the text that is signed
    ///
    /// Default: `$uri|$arg_ts|$arg_e`, with --time=expires `$uri|$arg_e`.
    #[arg(long, value_name = "VALUE")]
    pub message: Option<String>,
    /// template: what the second field says [default: issued]
    #[arg(long, value_parser = one_of(TimeField::ALL.iter().map(|t| t.name()), TimeField::from_name))]
    pub time: Option<TimeField>,
    /// The hash under HMAC [default: sha256]
    #[arg(long, value_parser = one_of(Algorithm::ALL.iter().map(|a| a.name()), Algorithm::from_name))]
    pub algorithm: Option<Algorithm>,
    /// template: how the token is written [default: base64url]
    #[arg(long, value_parser = one_of(Encoding::ALL.iter().map(|e| e.name()), Encoding::from_name))]
    pub encoding: Option<Encoding>,
    /// edgeauth: a file with the salt; or the environment variable SECURE_LINK_SALT
    #[arg(long, value_name = "FILE")]
    pub salt_file: Option<PathBuf>,
    /// edgeauth: how the signer encodes values before it signs them
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "form",
        value_parser = one_of(Escape::ALL.iter().map(|e| e.name()), escape_from_name)
    )]
    pub escape_early: Option<Escape>,
    /// sigv4: the region of links; a new link's is us-east-1 by default
    #[arg(long)]
    pub region: Option<String>,
    /// sigv4: the service of links; a new link's is s3 by default
    #[arg(long)]
    pub service: Option<String>,
    /// jwt: whether a token must name paths [default: path]
    #[arg(long, value_parser = one_of(Scope::ALL.iter().map(|s| s.name()), scope_from_name))]
    pub scope: Option<Scope>,
    /// By how much clocks may differ
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub leeway: Option<i64>,
    /// The longest lifetime of a link
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_lifetime: Option<i64>,
    /// The methods for which a link is good [default: GET,HEAD]
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// What a claim must say; not in template; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub require: Vec<(String, String)>,
    #[command(flatten)]
    pub keys: KeyArgs,
    /// The value of a variable that the URL does not give, such as `1=...` of a capture
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
}

/// The secret: a file, or the environment. There is no flag for the secret itself, which every
/// user of the machine could read.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Key")]
pub struct KeyArgs {
    /// A file with the secret; may be repeated: all verify, the first one signs
    ///
    /// Without it, the secret is that of the environment.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Vec<PathBuf>,
    /// The name of the environment variable with the secret [default: SECURE_LINK_SECRET]
    #[arg(long, value_name = "NAME", conflicts_with = "secret_file")]
    pub secret_env: Option<String>,
    /// How the secret is written; of a raw one, one line end is dropped [default: raw]
    #[arg(long, value_parser = one_of(SecretFormat::ALL.iter().map(|f| f.name()), SecretFormat::from_name))]
    pub key_format: Option<SecretFormat>,
    /// The id of the key
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
}

impl KeyArgs {
    /// Whether they say where the secret is.
    pub fn are_given(&self) -> bool {
        !self.secret_file.is_empty() || self.secret_env.is_some()
    }
}

#[derive(Args)]
pub struct SignArgs {
    /// The URL, or its path
    pub url: String,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub link: LinkArgs,
    /// The time of signing: unix seconds or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = date)]
    pub now: Option<i64>,
    /// Print the token alone
    #[arg(long, conflicts_with = "json")]
    pub token_only: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a new link says.
#[derive(Args)]
#[command(next_help_heading = "Link")]
pub struct LinkArgs {
    /// How long the link is good [default: 1h]; in template 0 is forever
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires_in: Option<i64>,
    /// jwt, edgeauth: when the link begins to be good
    #[arg(long, value_name = "TIME", value_parser = date)]
    pub not_before: Option<i64>,
    /// jwt, edgeauth: a pattern of paths for which the token is good; may be repeated
    ///
    /// Without it the token is good for the path of the URL.
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<String>,
    /// jwt, edgeauth: whom the link is for (`sub`, `data`)
    #[arg(long)]
    pub subject: Option<String>,
    /// edgeauth: the session (`id`)
    #[arg(long)]
    pub session: Option<String>,
    /// jwt: for which service the token is (`aud`)
    #[arg(long)]
    pub audience: Option<String>,
    /// jwt, edgeauth: the address or network of the client (`ip`)
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<String>,
    /// jwt: a further claim, a string; may be repeated
    #[arg(long, value_name = "NAME=TEXT", value_parser = assignment)]
    pub claim: Vec<(String, String)>,
    /// jwt: a further claim, as JSON; may be repeated
    #[arg(long, value_name = "NAME=JSON", value_parser = assignment)]
    pub claim_json: Vec<(String, String)>,
    /// jwt: sign this payload as it is; - is standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "expires_in", "not_before", "path", "subject", "audience", "client", "claim", "claim_json",
        ]
    )]
    pub payload: Option<PathBuf>,
    /// The method that the link is for; part of what is signed in sigv4 [default: GET]
    #[arg(long)]
    pub method: Option<String>,
}

#[derive(Args)]
pub struct CheckArgs {
    /// The URL, or its path, as the client sent it
    pub url: String,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub request: RequestArgs,
    /// The time of the check: unix seconds or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = date)]
    pub now: Option<i64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What else a request brings.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Request")]
pub struct RequestArgs {
    /// The method of the request [default: GET]
    #[arg(long)]
    pub method: Option<String>,
    /// A header of the request; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// The address of the client
    #[arg(long, value_name = "ADDRESS")]
    pub client: Option<IpAddr>,
}

#[derive(Args)]
pub struct KeygenArgs {
    /// The length of the key, in bytes
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(16..=1024))]
    pub bytes: u16,
    /// How it is written
    #[arg(
        long,
        default_value = "hex",
        value_parser = one_of(SecretFormat::ALL.iter().map(|f| f.name()), SecretFormat::from_name)
    )]
    pub format: SecretFormat,
    /// Write it into this new file, which its owner alone can read
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print a line for a `secure_link_hmac_keyring`, with this id
    #[arg(long, value_name = "ID")]
    pub keyring: Option<String>,
    /// Print the `secure_link_hmac_secret` that names the file
    #[arg(long, requires = "out", conflicts_with = "keyring")]
    pub directive: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn headers_are_named_in_lower_case() {
        assert_eq!(header("X-A: b:c "), Ok(("x-a".into(), "b:c".into())));
        assert!(header("none").is_err());
    }
}
