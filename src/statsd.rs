//! `secure_link_hmac_statsd`: sends what was counted to a StatsD server.
//!
//! What was last sent is kept in the zone, so that two generations of workers, which overlap
//! during a reload, neither repeat nor lose anything.

use std::cell::Cell;
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use secure_link::Verdict;
use secure_link_directives::{Outcome, Refusal, parameter, quote, refuse};
use secure_link_zone::Counters;

use crate::config::MainConf;
use crate::directives::Setting;
use crate::zone::ZoneConf;

/// What fits into one Ethernet frame beside the headers of IPv6 and UDP, in bytes.
const MAX_DATAGRAM: usize = 1432;

/// Where and how to send.
pub struct Statsd {
    address: SocketAddr,
    prefix: String,
    /// Milliseconds between two sendings.
    pub interval: usize,
    tags: bool,
    /// Opened by the worker that sends, and anew after a failure.
    socket: Cell<Option<UdpSocket>>,
}

impl Statsd {
    /// Sends the growth of all counters of all zones since it was last sent.
    pub fn send(main: &MainConf) {
        let Some(statsd) = &main.statsd else { return };
        // Without a socket nothing is taken: the growth is sent when there is one.
        let Some(socket) = statsd.socket.take().or_else(|| statsd.open().ok()) else { return };
        let mut is_good = true;
        for zone in &main.zones {
            is_good &= statsd.send_zone(zone, &socket);
        }
        if is_good {
            statsd.socket.set(Some(socket));
        }
    }

    /// Opens a socket, which neither blocks nor needs anyone to listen. There may be none to be had,
    /// as before the network is up.
    fn open(&self) -> io::Result<UdpSocket> {
        let any: SocketAddr = match self.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(self.address)?;
        Ok(socket)
    }

    /// Sends the growth of a zone; whether the socket is still good.
    fn send_zone(&self, zone: &ZoneConf, socket: &UdpSocket) -> bool {
        let mut datagram = String::with_capacity(MAX_DATAGRAM);
        let mut line = String::new();
        let mut is_good = true;
        // If the zone cannot be locked, the rest is sent at the next interval.
        let _ = zone.take_growth(None, |key, growth| {
            self.describe(key, growth, &mut |text| {
                line.clear();
                let _ = write!(line, "{text}");
                if datagram.len() + 1 + line.len() > MAX_DATAGRAM && !datagram.is_empty() {
                    is_good &= send(socket, &datagram);
                    datagram.clear();
                }
                if !datagram.is_empty() {
                    datagram.push('\n');
                }
                datagram.push_str(&line);
            });
        });
        if !datagram.is_empty() {
            is_good &= send(socket, &datagram);
        }
        is_good
    }

    /// Describes growth, a metric at a time. `None` stands for links that no key has signed.
    fn describe(
        &self,
        key: Option<&[u8]>,
        growth: &Counters,
        line: &mut dyn FnMut(std::fmt::Arguments<'_>),
    ) {
        let prefix = &self.prefix;
        let key = key.filter(|key| !key.is_empty()).map(|key| self.clean(key));
        for (verdict, count) in Verdict::ALL.iter().zip(growth.requests) {
            let verdict = verdict.word();
            match (&key, count) {
                (_, 0) => {}
                (Some(key), count) if self.tags => {
                    line(format_args!("{prefix}.requests:{count}|c|#key:{key},verdict:{verdict}"))
                }
                (None, count) if self.tags => {
                    line(format_args!("{prefix}.requests:{count}|c|#verdict:{verdict}"));
                }
                (key, count) => {
                    let key = key.as_deref().unwrap_or("_");
                    line(format_args!("{prefix}.requests.{key}.{verdict}:{count}|c"));
                }
            }
        }
        match (&key, growth.bytes) {
            (_, 0) => {}
            (Some(key), bytes) if self.tags => {
                line(format_args!("{prefix}.bytes:{bytes}|c|#key:{key}"));
            }
            (None, bytes) if self.tags => line(format_args!("{prefix}.bytes:{bytes}|c")),
            (key, bytes) => {
                let key = key.as_deref().unwrap_or("_");
                line(format_args!("{prefix}.bytes.{key}:{bytes}|c"));
            }
        }
    }

    /// A key without the bytes that separate parts of a metric.
    fn clean(&self, key: &[u8]) -> String {
        let keeps = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || byte == b'-'
                || byte == b'_'
                || self.tags && byte == b'.'
        };
        key.iter().map(|&byte| if keeps(byte) { char::from(byte) } else { '_' }).collect()
    }
}

/// Sends a datagram; whether the socket is still good, or its address or route may be gone. A socket
/// that is full, or a server that is down, costs figures and nothing else.
fn send(socket: &UdpSocket, datagram: &str) -> bool {
    use ErrorKind::{ConnectionRefused, WouldBlock};
    let send = || socket.send(datagram.as_bytes()).map_err(|error| error.kind());
    // The error is that nobody has received an earlier datagram. This one was not sent, and somebody
    // may be listening by now.
    let sent = send().or_else(|error| if error == ConnectionRefused { send() } else { Err(error) });
    matches!(sent, Ok(_) | Err(ConnectionRefused | WouldBlock))
}

/// Reads `secure_link_hmac_statsd host:port [prefix=p] [interval=1s] [tags=on|off]`.
pub fn set_statsd(setting: &mut Setting<'_, '_>) -> Outcome {
    let host = setting.arguments.first().copied().unwrap_or_default();
    // nginx, too, resolves the host names of its directives while it reads them.
    let address = str::from_utf8(host).ok().and_then(|host| host.to_socket_addrs().ok());
    let address = address.and_then(|mut addresses| addresses.next());
    let Some(address) = address.filter(|address| address.port() != 0) else {
        return refuse(format!(
            "has a host {} that cannot be resolved: write it as in \"127.0.0.1:8125\"",
            quote(host)
        ));
    };
    let (mut prefix, mut interval, mut tags) = (None, None, None);
    for word in setting.arguments.iter().skip(1) {
        let (name, value) = parameter(word);
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let is_new = match (name, value) {
            (b"prefix=", value) if !value.is_empty() && value.iter().all(is_name) => {
                prefix.replace(String::from_utf8_lossy(value).into_owned()).is_none()
            }
            (b"interval=", value) => match setting.conf.parse_milliseconds(value) {
                Some(time) if time >= 100 => interval.replace(time).is_none(),
                _ => {
                    return refuse(format!(
                        "has an invalid interval {}: write a time of at least \"100ms\"",
                        quote(value)
                    ));
                }
            },
            (b"tags=", b"on") => tags.replace(true).is_none(),
            (b"tags=", b"off") => tags.replace(false).is_none(),
            _ => {
                return refuse(format!(
                    "has an invalid parameter {}: write \"prefix=links\", \"interval=1s\" or \
                     \"tags=on\"",
                    quote(word)
                ));
            }
        };
        if !is_new {
            return refuse(format!("has the parameter {} twice: write it once", quote(name)));
        }
    }
    let main = setting.conf.main()?;
    if main.statsd.is_some() {
        return Err(Refusal::Duplicate);
    }
    main.statsd = Some(Statsd {
        address,
        prefix: prefix.unwrap_or_else(|| "secure_link_hmac".into()),
        interval: interval.unwrap_or(1000),
        tags: tags.unwrap_or(true),
        socket: Cell::default(),
    });
    Ok(())
}
