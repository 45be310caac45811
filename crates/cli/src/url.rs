//! A URL as nginx sees it: the target of a request, and the path that is served.

use crate::error::{Error, usage};

/// A URL, or a path of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `http` or `https`, and the authority; `None` of a path alone.
    pub origin: Option<Origin>,
    /// The path as it is sent.
    pub sent_path: String,
    /// The query string as it is sent, without its `?`.
    pub query: String,
    /// What stands in the request line: a `?` without a query string stays.
    pub target: String,
    /// The path that is served: decoded and normalised.
    pub path: Vec<u8>,
}

/// A scheme and an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub scheme: &'static str,
    /// Name and port, in lower case.
    pub authority: String,
}

impl Origin {
    /// The `Host` header that clients send: without the scheme's own port.
    pub fn host_header(&self) -> &str {
        let port = if self.scheme == "https" { ":443" } else { ":80" };
        self.authority.strip_suffix(port).unwrap_or(&self.authority)
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        let (_, port) = self.authority.rsplit_once(':')?;
        port.parse().ok()
    }
}

/// The name of a server as nginx has it in `$host`: lower case, without port and trailing dot.
pub fn server_name(host: &str) -> String {
    let name = match host.find(']') {
        Some(end) if host.starts_with('[') => host.get(..=end).unwrap_or(host),
        _ => host.split(':').next().unwrap_or_default(),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Url {
    /// Reads a URL, or a path that begins with `/`. What a client would encode is encoded.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (origin, target) = split_origin(text)?;
        let target = encode(target.split('#').next().unwrap_or_default());
        let (sent_path, query) = match target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (&*target, ""),
        };
        let (sent_path, target) = match sent_path {
            "" => ("/", format!("/{target}")),
            path => (path, target.clone()),
        };
        let path = normalise(sent_path.as_bytes()).ok_or_else(|| {
            usage("nginx answers 400 to this path: a wrong escape, or .. too many")
        })?;
        let (sent_path, query) = (sent_path.to_owned(), query.to_owned());
        Ok(Url { origin, sent_path, query, target, path })
    }

    /// The same URL with another target.
    pub fn with_target(&self, target: &str) -> String {
        match &self.origin {
            Some(Origin { scheme, authority }) => format!("{scheme}://{authority}{target}"),
            None => target.to_owned(),
        }
    }
}

fn split_origin(text: &str) -> Result<(Option<Origin>, &str), Error> {
    if text.starts_with('/') {
        return Ok((None, text));
    }
    let begins = |scheme: &str| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| rest.strip_prefix("://")).flatten()
    };
    let (scheme, rest) = match (begins("https"), begins("http")) {
        (Some(rest), _) => ("https", rest),
        (None, Some(rest)) => ("http", rest),
        (None, None) => return Err(usage("the URL begins with http://, https:// or /")),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:%".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_host) {
        return Err(usage("the URL has no host, or one with a user or wrong characters"));
    }
    // As browsers send it.
    Ok((Some(Origin { scheme, authority: authority.to_ascii_lowercase() }), target))
}

/// Encodes what cannot stand in a request line.
fn encode(target: &str) -> String {
    let mut encoded = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The path that nginx serves: decoded once, slashes merged, dot segments resolved; `None` if it
/// refuses the path.
fn normalise(path: &[u8]) -> Option<Vec<u8>> {
    let decoded = decode(path, false)?;
    if decoded.contains(&0) {
        return None;
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = false;
    for segment in decoded.split(|&byte| byte == b'/').skip(1) {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()?),
            _ => segments.push(segment),
        }
    }
    let mut normal = vec![b'/'];
    normal.extend(segments.join(&b'/'));
    if ends_in_slash && normal.len() > 1 {
        normal.push(b'/');
    }
    Some(normal)
}

/// Decodes percent-encoding; `None` for a wrong escape.
pub fn decode(text: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(decoded),
            [b'%', tail @ ..] => {
                let (digits, tail) = tail.split_at_checked(2)?;
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).ok()?;
                decoded.extend(byte);
                tail
            }
            [byte, tail @ ..] => {
                decoded.push(if *byte == b'+' && plus_is_space { b' ' } else { *byte });
                tail
            }
        };
    }
}

/// Encodes a value for a query string: all but unreserved characters and those of `literals`.
pub fn encode_value(value: &[u8], literals: &[u8]) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || literals.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(sent: &str) -> Option<String> {
        normalise(sent.as_bytes()).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn paths_are_normalised_as_nginx_does_it() {
        for (sent, served) in [
            ("/", "/"),
            ("/a", "/a"),
            ("//a///b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            ("/a%2Fb", "/a/b"),
            ("/a%20b%3Fc%25d%23", "/a b?c%d#"),
            ("/a+b", "/a+b"),
            ("/...", "/..."),
            ("/a/..%3F", "/a/..?"),
        ] {
            assert_eq!(path(sent).as_deref(), Some(served), "{sent}");
        }
        for sent in ["/..", "/a/../..", "/%", "/%2", "/%zz", "/%00"] {
            assert_eq!(path(sent), None, "{sent}");
        }
    }

    #[test]
    fn urls_are_split_and_encoded() {
        let url = Url::parse("HTTPS://Files.example:443/a b/\u{e4}?x=1&y=%2F#z").unwrap();
        assert_eq!(url.target, "/a%20b/%C3%A4?x=1&y=%2F");
        assert_eq!(url.path, "/a b/\u{e4}".as_bytes());
        let origin = url.origin.unwrap();
        assert_eq!((origin.scheme, origin.host_header()), ("https", "files.example"));
        for (text, target) in
            [("http://h?x", "/?x"), ("http://h", "/"), ("http://h?", "/?"), ("/a?#b", "/a?")]
        {
            assert_eq!(Url::parse(text).unwrap().target, target, "{text}");
        }
        for text in ["", "a", "ftp://h/", "http:///a", "http://u@h/", "//"] {
            let parsed = Url::parse(text).is_ok();
            assert_eq!(parsed, text == "//", "{text}");
        }
    }

    #[test]
    fn urls_have_ports() {
        for (url, port) in [
            ("http://h/", None),
            ("https://h:8443/", Some(8443)),
            ("http://[::1]/", None),
            ("http://[::1]:81/", Some(81)),
            ("http://h:99999/", None),
        ] {
            assert_eq!(Url::parse(url).unwrap().origin.unwrap().port(), port, "{url}");
        }
    }

    #[test]
    fn server_names_have_no_port() {
        for (host, name) in
            [("A.Example.:80", "a.example"), ("h", "h"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(server_name(host), name);
        }
    }
}
