//! The location that is meant.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::args::ConfArgs;
use crate::conf::tree::{Directive, Place};
use crate::error::{Error, usage};
use crate::url::{Origin, Url, decode};

/// A location, and all that it inherits from. A server itself has no location.
#[derive(Clone)]
pub struct Location<'t> {
    http: &'t Directive,
    server: &'t Directive,
    /// From the outermost on.
    locations: Vec<&'t Directive>,
}

/// How the name of a location is compared with a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Modifier {
    Prefix,
    /// `=`
    Exact,
    /// `^~`
    PrefixFirst,
    /// `~`
    Regex,
    /// `~*`
    RegexAnyCase,
    /// `@name`
    Named,
}

/// The words behind `location`; modifier and name may be one.
fn parse<'w>(words: &[&'w [u8]]) -> Option<(Modifier, &'w [u8])> {
    const MODIFIERS: [(&[u8], Modifier); 4] = [
        (b"=", Modifier::Exact),
        (b"^~", Modifier::PrefixFirst),
        (b"~*", Modifier::RegexAnyCase),
        (b"~", Modifier::Regex),
    ];
    let mut modifiers = MODIFIERS.iter();
    match words {
        [word, name] => {
            let (_, modifier) = modifiers.find(|(text, _)| text == word)?;
            Some((*modifier, name))
        }
        [name] => Some(match modifiers.find(|(text, _)| name.starts_with(text)) {
            Some((text, modifier)) => (*modifier, name.get(text.len()..).unwrap_or_default()),
            None if name.starts_with(b"@") => (Modifier::Named, name),
            None => (Modifier::Prefix, name),
        }),
        _ => None,
    }
}

fn joined(words: &[&[u8]]) -> String {
    let words = words.iter().map(|word| String::from_utf8_lossy(word));
    words.collect::<Vec<_>>().join(" ")
}

impl<'t> Location<'t> {
    /// As it is written.
    pub fn text(&self) -> String {
        joined(&self.innermost().words())
    }

    /// Where it begins.
    pub fn at(&self) -> &'t Place {
        &self.innermost().at
    }

    /// What it inherits from, and itself.
    pub fn blocks(&self) -> impl Iterator<Item = &'t Directive> {
        [self.http, self.server].into_iter().chain(self.locations.iter().copied())
    }

    fn innermost(&self) -> &'t Directive {
        self.locations.last().copied().unwrap_or(self.server)
    }

    fn parsed(&self) -> Option<(Modifier, &'t [u8])> {
        parse(&self.innermost().arguments().collect::<Vec<_>>())
    }

    /// The locations directly inside of it.
    fn inside(&self) -> Vec<Location<'t>> {
        let inside = self.innermost().inside().iter();
        let locations = inside.filter(|block| block.name() == b"location");
        let with = |location| {
            let locations = self.locations.iter().copied().chain([location]).collect();
            Location { locations, ..self.clone() }
        };
        locations.map(with).collect()
    }

    /// The locations inside of it, at all levels.
    fn all_inside(&self) -> Vec<Location<'t>> {
        let inside = self.inside().into_iter();
        inside
            .flat_map(|location| [vec![location.clone()], location.all_inside()].concat())
            .collect()
    }

    /// Refuses a path whose slashes nginx may not merge, as is done here. It goes by the default server
    /// of the port, which may be any.
    fn check_slashes(&self, url: &Url) -> Result<(), Error> {
        let said = |block: &'t Directive| {
            block.inside().iter().rfind(|directive| directive.name() == b"merge_slashes")
        };
        let servers = self.http.inside().iter().filter(|server| server.name() == b"server");
        let mut said = servers.filter_map(|server| said(server).or_else(|| said(self.http)));
        let decoded = decode(url.sent_path.as_bytes(), false).unwrap_or_default();
        let has_several = decoded.windows(2).any(|bytes| bytes == b"//");
        match said.find(|directive| has_several && directive.arguments().eq([b"off"])) {
            Some(directive) => Err(Error::conf(
                &directive.at,
                "\"merge_slashes\" is off, and the path has several slashes in a row, which are \
                 merged here",
            )),
            None => Ok(()),
        }
    }

    /// The words of directives of the server.
    fn server_words(&self, name: &str) -> Vec<&'t [u8]> {
        let directives = self.server.inside().iter();
        let directives = directives.filter(|directive| directive.name() == name.as_bytes());
        let words = directives.flat_map(|directive| match name {
            "listen" => directive.arguments().take(1).collect::<Vec<_>>(),
            _ => directive.arguments().collect(),
        });
        words.collect()
    }

    /// Whether the server listens on a port.
    fn has_port(&self, port: u16) -> bool {
        let listens = self.server_words("listen");
        match listens.as_slice() {
            [] => port == 80,
            listens => listens.iter().any(|word| ports(word).is_some_and(|p| p.contains(&port))),
        }
    }

    /// How a server is told from others.
    fn server_text(&self) -> String {
        let names = self.server_words("server_name");
        let listens = self.server_words("listen");
        let names = if names.is_empty() { listens } else { names };
        format!("--server '{}' ({})", joined(names.get(..1).unwrap_or_default()), self.server.at)
    }

    /// Whether a server has a name, or listens on an address.
    fn is_server(&self, name: &str) -> bool {
        let mut words = self.server_words("server_name");
        words.extend(self.server_words("listen"));
        words.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The ports of the first word of a `listen`; `None` of a socket.
fn ports(word: &[u8]) -> Option<RangeInclusive<u16>> {
    let word = str::from_utf8(word).ok().filter(|word| !word.starts_with("unix:"))?;
    let port = match word.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port,
        // A port alone, or an address without.
        _ if word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => word,
        _ => "80",
    };
    let (first, last) = port.split_once('-').unwrap_or((port, port));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// Finds the location that is named, or that nginx chooses for the URL and the name of its server.
pub fn location<'t>(
    tree: &'t [Directive],
    file: &Path,
    args: &ConfArgs,
    url: &Url,
    host: &str,
) -> Result<Location<'t>, Error> {
    let blocks = tree.iter().filter(|directive| directive.name() == b"http");
    let mut servers: Vec<_> = blocks
        .flat_map(|http| http.inside().iter().map(move |server| (http, server)))
        .filter(|(_, server)| server.name() == b"server")
        .map(|(http, server)| Location { http, server, locations: Vec::new() })
        .collect();
    let file = file.display();
    if servers.is_empty() {
        return Err(usage(format!(
            "{file} has no server in an \"http\" block: --conf is the file that nginx begins with"
        )));
    }
    if let Some(name) = &args.server {
        let all = list(&servers, |server| server.server_text());
        servers.retain(|server| server.is_server(name));
        if servers.is_empty() {
            return Err(usage(format!("{file} has no server \"{name}\"; it has{all}")));
        }
    }
    let location = by_flags_or_path(servers, args, url, host)?;
    location.check_slashes(url)?;
    Ok(location)
}

fn by_flags_or_path<'t>(
    mut servers: Vec<Location<'t>>,
    args: &ConfArgs,
    url: &Url,
    host: &str,
) -> Result<Location<'t>, Error> {
    // A port that is not written may be that of a proxy before nginx, as may one that none has.
    let port = url.origin.as_ref().and_then(Origin::port);
    let is_on_port = |server: &Location<'_>| port.is_some_and(|port| server.has_port(port));
    if servers.iter().any(is_on_port) {
        servers.retain(is_on_port);
    }
    match &args.location {
        Some(text) => named(servers, text, host),
        None => {
            let server = one(servers, host, |server| server.server_text())?;
            match by_path(&server, &url.path) {
                Some(found) => Ok(found),
                None => Err(usage(format!(
                    "nginx would compare the path with regular expressions, which this tool does \
                     not: say which location is meant{}",
                    list(&server.all_inside(), location_text)
                ))),
            }
        }
    }
}

/// A text for each location, on lines of their own.
fn list(locations: &[Location<'_>], text: impl Fn(&Location<'_>) -> String) -> String {
    let mut lines: Vec<_> =
        locations.iter().map(|location| format!("\n  {}", text(location))).collect();
    lines.dedup();
    lines.concat()
}

fn location_text(location: &Location<'_>) -> String {
    let words = joined(&location.innermost().arguments().collect::<Vec<_>>());
    format!("--location '{words}' ({})", location.at())
}

/// Finds a location by what is written behind `location`. Without a modifier the name alone is
/// enough, and of a regular expression its beginning, if there is one such location.
fn named<'t>(servers: Vec<Location<'t>>, text: &str, host: &str) -> Result<Location<'t>, Error> {
    let words: Vec<_> = text.split_ascii_whitespace().map(str::as_bytes).collect();
    let wanted = parse(&words).ok_or_else(|| usage("--location: as in '/files/' or '= /a'"))?;
    let all: Vec<_> = servers.iter().flat_map(Location::all_inside).collect();
    let mut found = all.clone();
    found.retain(|location| location.parsed() == Some(wanted));
    if found.is_empty() {
        let (modifier, name) = wanted;
        found = all.clone();
        found.retain(|location| match (location.parsed(), modifier) {
            (Some((_, known)), Modifier::Prefix) => known == name,
            (Some((known, expression)), Modifier::Regex | Modifier::RegexAnyCase) => {
                known == modifier && expression.starts_with(name)
            }
            _ => false,
        });
    }
    if found.is_empty() {
        return Err(usage(format!(
            "there is no location \"{text}\"; there are{}",
            list(&all, location_text)
        )));
    }
    let text = |location: &Location<'_>| {
        format!("{} with {}", location.server_text(), location_text(location))
    };
    one(found, host, text)
}

/// The one location, or the one whose server has the name.
fn one<'t>(
    mut locations: Vec<Location<'t>>,
    host: &str,
    text: impl Fn(&Location<'_>) -> String,
) -> Result<Location<'t>, Error> {
    let all = list(&locations, text);
    if locations.len() > 1 {
        locations.retain(|location| {
            let names = location.server_words("server_name");
            !host.is_empty() && names.iter().any(|name| name.eq_ignore_ascii_case(host.as_bytes()))
        });
    }
    match locations.pop() {
        Some(location) if locations.is_empty() => Ok(location),
        _ => Err(usage(format!("it could be meant for several places: say which one{all}"))),
    }
}

/// The location that nginx chooses for a path: the server itself if there is none, and `None` if
/// regular expressions decide.
fn by_path<'t>(server: &Location<'t>, path: &[u8]) -> Option<Location<'t>> {
    find(server, path).map(|(location, _)| location)
}

/// The same, and whether the name is exactly the path, which is final.
fn find<'t>(parent: &Location<'t>, path: &[u8]) -> Option<(Location<'t>, bool)> {
    let locations: Vec<_> = parent
        .inside()
        .into_iter()
        .filter_map(|location| location.parsed().map(|parsed| (parsed, location)))
        .collect();
    let is_exact = |(parsed, _): &&(_, _)| *parsed == (Modifier::Exact, path);
    if let Some((_, location)) = locations.iter().find(is_exact) {
        return Some((location.clone(), true));
    }
    let prefixes = locations.iter().filter(|((modifier, name), _)| {
        matches!(modifier, Modifier::Prefix | Modifier::PrefixFirst) && path.starts_with(name)
    });
    let longest = prefixes.max_by_key(|((_, name), _)| name.len());
    let mut found = parent.clone();
    let mut is_first = false;
    if let Some(((modifier, _), location)) = longest {
        let (inner, is_final) = find(location, path)?;
        if is_final {
            return Some((inner, true));
        }
        found = inner;
        is_first = *modifier == Modifier::PrefixFirst;
    }
    let is_regex = |((modifier, _), _): &((Modifier, _), _)| {
        matches!(modifier, Modifier::Regex | Modifier::RegexAnyCase)
    };
    if !is_first && locations.iter().any(is_regex) {
        return None;
    }
    Some((found, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_a_listen() {
        for (word, found) in [
            ("80", Some(80..=80)),
            ("*:8080", Some(8080..=8080)),
            ("[::]:81", Some(81..=81)),
            ("[::1]", Some(80..=80)),
            ("localhost", Some(80..=80)),
            ("127.0.0.1", Some(80..=80)),
            ("127.0.0.1:8000-8010", Some(8000..=8010)),
            ("unix:/run/a:80", None),
        ] {
            assert_eq!(ports(word.as_bytes()), found, "{word}");
        }
    }
}
