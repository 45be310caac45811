//! What a request brings, and the variables that nginx makes of it.

use std::net::IpAddr;

use secure_link::{ArgumentNames, Client, Variable, Variables, read_arguments};

use crate::args::RequestArgs;
use crate::error::{Error, usage};
use crate::settings::Origin;
use crate::url::{Url, server_name};

/// A request.
#[derive(Clone, Debug)]
pub struct Offer {
    pub method: String,
    /// The path that is served.
    pub path: Vec<u8>,
    /// The target as it was sent.
    pub target: String,
    pub query: String,
    /// The name of the server.
    pub host: String,
    /// All headers, by lower-case names.
    pub headers: Vec<(String, String)>,
    pub scheme: &'static str,
    pub address: Option<IpAddr>,
}

impl Offer {
    /// The request of a URL.
    pub fn new(url: &Url, request: &RequestArgs) -> Self {
        let mut headers = request.header.clone();
        headers.retain(|(name, _)| is_header_name(name));
        let mut scheme = "http";
        if let Some(origin) = &url.origin {
            scheme = origin.scheme;
            if !headers.iter().any(|(name, _)| name == "host") {
                headers.push(("host".to_owned(), origin.host_header().to_owned()));
            }
        }
        // The host of the URL is where the client connects to; nginx sees the header alone.
        let host = headers.iter().find(|(name, _)| name == "host");
        let host = host.map(|(_, value)| server_name(value)).unwrap_or_default();
        Offer {
            method: request.method.clone().unwrap_or_else(|| "GET".to_owned()),
            path: url.path.clone(),
            target: url.target.clone(),
            query: url.query.clone(),
            host,
            headers,
            scheme,
            address: request.client,
        }
    }

    /// The path of the target, as it was sent.
    pub fn sent_path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The values of variables, and whether one of them can be read in two ways, as an argument
    /// that occurs twice can.
    pub fn inputs(
        &self,
        variables: &Variables,
        set: &[(String, String)],
        origin: &Origin,
    ) -> Result<Inputs, Error> {
        let mut arguments = ArgumentNames::default();
        for variable in variables.as_slice() {
            if let Some(name) = variable.argument() {
                arguments.insert(name.as_bytes());
            }
        }
        let mut values = vec![None; arguments.len()];
        let mut is_unreadable = read_arguments(self.query.as_bytes(), &arguments, &mut values);
        let mut inputs = Vec::new();
        for variable in variables.as_slice() {
            let value = self.input(variable, set, origin)?;
            let is_host = matches!(variable, Variable::Named(name) if **name == *"host");
            is_unreadable |= is_host && value.iter().any(|byte| b"/|&".contains(byte));
            inputs.push(value);
        }
        Ok(Inputs { values: inputs, is_unreadable })
    }

    /// The value of a variable.
    pub fn input(
        &self,
        variable: &Variable,
        set: &[(String, String)],
        origin: &Origin,
    ) -> Result<Vec<u8>, Error> {
        let text = variable.to_string();
        let name = text.trim_start_matches('$');
        let given = set.iter().rfind(|(set, _)| set.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given {
            return Ok(value.clone().into_bytes());
        }
        let definition = origin.definition(name);
        if definition.is_none() {
            if let Some(argument) = variable.argument() {
                let mut names = ArgumentNames::default();
                names.insert(argument.as_bytes());
                let mut values = [None];
                read_arguments(self.query.as_bytes(), &names, &mut values);
                let [value] = values;
                return Ok(value.unwrap_or_default().to_vec());
            }
            if let Some(value) = self.value(variable, name) {
                return Ok(value);
            }
        }
        let why = match (definition, name) {
            (Some(definition), _) => format!("{definition}: say it by"),
            (None, "host" | "http_host") => "is not in a path: give the whole URL, or".to_owned(),
            (None, _) if self.is_repeated(name) => {
                "is the first header before nginx 1.23, and all of them since: say it by".to_owned()
            }
            (None, "remote_addr") => "is the client's address: give --client, or".to_owned(),
            _ => "does not follow from the URL: say it by".to_owned(),
        };
        let user = origin.user(variable).unwrap_or_default();
        Err(usage(format!("{user}the value of {text} {why} --set '{name}=...'")))
    }

    fn value(&self, variable: &Variable, name: &str) -> Option<Vec<u8>> {
        if matches!(variable, Variable::Capture(_)) {
            return None;
        }
        let text = match name {
            "uri" | "document_uri" => return Some(self.path.clone()),
            "request_uri" => self.target.clone(),
            "args" | "query_string" => self.query.clone(),
            "is_args" if self.query.is_empty() => String::new(),
            "is_args" => "?".to_owned(),
            "host" => Some(&self.host).filter(|host| !host.is_empty())?.clone(),
            "http_host" => Some(self.header("host")).filter(|host| !host.is_empty())?,
            "scheme" => self.scheme.to_owned(),
            "request_method" => self.method.clone(),
            "remote_addr" => self.address?.to_string(),
            _ => match (name.strip_prefix("http_"), name.strip_prefix("cookie_")) {
                (Some(_), _) if self.is_repeated(name) => return None,
                (Some(header), _) => self.header(&header.replace('_', "-")),
                (None, Some(cookie)) => self.cookie(cookie),
                (None, None) => return None,
            },
        };
        Some(text.into_bytes())
    }

    /// Whether a variable is that of a header that comes more than once, of which versions of
    /// nginx make different values.
    fn is_repeated(&self, name: &str) -> bool {
        let Some(name) = name.strip_prefix("http_") else { return false };
        let is_same = |(header, _): &&(String, String)| header.replace('-', "_") == name;
        !is_joined(name) && self.headers.iter().filter(is_same).count() > 1
    }

    fn header(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(header, _)| header == name);
        let separator = if name == "cookie" { "; " } else { ", " };
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(separator)
    }

    fn cookie(&self, name: &str) -> String {
        let headers = self.headers.iter().filter(|(header, _)| header == "cookie");
        let mut values = headers.filter_map(|(_, text)| find_cookie(text, name));
        values.next().unwrap_or_default().to_owned()
    }
}

/// Whether all versions of nginx join the values of a header, named as in its variable.
fn is_joined(name: &str) -> bool {
    matches!(name, "cookie" | "x_forwarded_for")
}

/// Whether nginx reads a header of this name, unless it is configured to read all; it ignores the
/// others.
pub fn is_header_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The value of a cookie as all versions of nginx find it (`ngx_http_parse_multi_header_lines`): a
/// cookie begins behind a `;` or a `,`, but only a `;` ends its value, and what follows the name
/// is skipped together with the next cookie if it is a `;` in place of the `=`.
fn find_cookie<'t>(mut text: &'t str, name: &str) -> Option<&'t str> {
    let skip_spaces = |text: &'t str| text.trim_start_matches(' ');
    loop {
        let (found, rest) = text.split_at_checked(name.len()).unwrap_or(("", text));
        if !name.is_empty() && found.eq_ignore_ascii_case(name) {
            let mut rest = skip_spaces(rest).chars();
            if rest.next() == Some('=') {
                return skip_spaces(rest.as_str()).split(';').next();
            }
            text = rest.as_str();
        }
        let (_, next) = text.split_once([';', ','])?;
        text = skip_spaces(next);
    }
}

/// Values of variables.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// By the positions of the variables.
    pub values: Vec<Vec<u8>>,
    pub is_unreadable: bool,
}

impl Client for Offer {
    fn address(&self) -> Option<IpAddr> {
        self.address
    }

    fn scheme(&self) -> &[u8] {
        self.scheme.as_bytes()
    }

    fn headers<'s>(&'s self, name: &[u8], each: &mut dyn FnMut(&'s [u8])) {
        for (header, value) in &self.headers {
            if header.as_bytes() == name {
                each(value.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use secure_link::Template;

    use super::*;

    fn inputs(text: &str, request: &RequestArgs, set: &[(&str, &str)]) -> Option<(String, bool)> {
        let url = Url::parse("http://Files.example:8080/a%20b/../c%20d?ST=1&e=2&e=3").unwrap();
        let mut variables = Variables::default();
        Template::parse(text.as_bytes(), &mut variables).unwrap();
        let set: Vec<_> = set.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let inputs = Offer::new(&url, request).inputs(&variables, &set, &Origin::Flags).ok()?;
        let text = inputs.values.iter().map(|value| String::from_utf8_lossy(value).into_owned());
        Some((text.collect::<Vec<_>>().join("\n"), inputs.is_unreadable))
    }

    #[test]
    fn variables_have_the_values_of_nginx() {
        let request = RequestArgs {
            method: Some("HEAD".into()),
            header: [("cookie", "a=1; Tok=x=y"), ("x-a", "b"), ("x_b", "c"), ("x.c", "d")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            client: "203.0.113.7".parse().ok(),
        };
        for (name, value) in [
            ("$uri", "/c d"),
            ("$request_uri", "/a%20b/../c%20d?ST=1&e=2&e=3"),
            ("$args", "ST=1&e=2&e=3"),
            ("$is_args", "?"),
            ("$host", "files.example"),
            ("$http_host", "files.example:8080"),
            ("$scheme", "http"),
            ("$request_method", "HEAD"),
            ("$remote_addr", "203.0.113.7"),
            ("$arg_st", "1"),
            ("$arg_none", ""),
            ("$cookie_tok", "x=y"),
            ("$http_x_a", "b"),
            ("$http_x_b", ""),
        ] {
            assert_eq!(inputs(name, &request, &[]), Some((value.into(), false)), "{name}");
        }
        assert_eq!(inputs("$arg_e", &request, &[]), Some(("2".into(), true)));
    }

    #[test]
    fn which_of_two_headers_is_meant_has_to_be_said() {
        let header = ["x-a", "x-a", "cookie", "cookie", "x-forwarded-for", "x-forwarded-for"];
        let header = header.map(|name| (name.into(), "1".into())).into();
        let request = RequestArgs { header, ..RequestArgs::default() };
        assert_eq!(inputs("$http_x_a", &request, &[]), None);
        assert_eq!(inputs("$http_x_a", &request, &[("http_x_a", "2")]), Some(("2".into(), false)));
        assert_eq!(inputs("$http_cookie", &request, &[]), Some(("1; 1".into(), false)));
        assert_eq!(inputs("$http_x_forwarded_for", &request, &[]), Some(("1, 1".into(), false)));
    }

    #[test]
    fn cookies_are_found_as_nginx_finds_them() {
        for (text, value) in [
            ("st=1", Some("1")),
            ("a=b; ST=1; st=2", Some("1")),
            ("a=b;st=1 ,x;c=d", Some("1 ,x")),
            ("a=1, st=2", Some("2")),
            ("st = 1", Some("1")),
            ("st= 1 ; a", Some("1 ")),
            ("st=", Some("")),
            ("st; st=1", None),
            ("st; a; st=1", Some("1")),
            ("st , st=1; st=2", Some("2")),
            ("st", None),
            ("sta=1; ast=2", None),
            ("\u{e4}; st=1", Some("1")),
        ] {
            assert_eq!(find_cookie(text, "st"), value, "{text}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_header() {
        let header = vec![("host".into(), "CDN.example.:81".into())];
        let request = RequestArgs { header, ..RequestArgs::default() };
        let values = Some(("cdn.example\nCDN.example.:81".into(), false));
        assert_eq!(inputs("$host$http_host", &request, &[]), values);
    }

    #[test]
    fn what_the_url_does_not_give_has_to_be_said() {
        let none = RequestArgs::default();
        assert_eq!(inputs("$1", &none, &[]), None);
        assert_eq!(inputs("$customer", &none, &[]), None);
        assert_eq!(inputs("$remote_addr", &none, &[]), None);
        let set = [("1", "x"), ("customer", "y")];
        assert_eq!(inputs("$1$customer", &none, &set), Some(("x\ny".into(), false)));
    }
}
