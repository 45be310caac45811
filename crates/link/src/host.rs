//! The `Host` header.

use crate::request::Request;

/// The `Host` header of a request, which comes once.
#[derive(Default)]
pub(crate) struct Host<'a> {
    text: &'a [u8],
    count: usize,
}

impl<'a> Host<'a> {
    pub fn of(request: &Request<'a>) -> Self {
        let mut host = Host::default();
        request.client.headers(b"host", &mut |value| {
            host.text = value.trim_ascii();
            host.count += 1;
        });
        host
    }

    /// As it came, without white space around it.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Whether it names the server that nginx takes the request for: of an absolute target that is
    /// the one in the target, whatever the header says.
    pub fn is_of_server(&self, request: &Request<'_>) -> bool {
        self.count == 1 && self.name().eq_ignore_ascii_case(request.host)
    }

    /// Without the default port of a connection's scheme, which signers leave out; `None` if it
    /// has another port or none.
    pub fn without_default_port(&self, scheme: &[u8]) -> Option<&'a [u8]> {
        let port: &[u8] = if scheme == b"https" { b":443" } else { b":80" };
        self.text.strip_suffix(port).filter(|_| self.count == 1)
    }

    /// The name of the server, in upper or lower case. Where anything but a port follows it, the
    /// whole text: that is no server's name, though nginx takes the beginning for one.
    fn name(&self) -> &'a [u8] {
        // Colons inside of an IPv6 address do not begin a port.
        let start = match self.text {
            [b'[', ..] => self.text.iter().position(|&byte| byte == b']').unwrap_or(0),
            _ => 0,
        };
        let colon = self.text.iter().skip(start).position(|&byte| byte == b':');
        let name = match colon.and_then(|at| self.text.split_at_checked(start + at)) {
            Some((name, [_, port @ ..])) if port.iter().all(u8::is_ascii_digit) => name,
            _ => self.text,
        };
        name.strip_suffix(b".").unwrap_or(name)
    }
}
