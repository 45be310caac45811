//! What is wrong with a message before any request: two different links share it, or it lacks a part
//! of a link.

use core::fmt;

use crate::fields::Fields;
use crate::template::{Piece, Template, Variable, Variables};

/// Two variables of a message between which a client could move bytes without changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    first: Variable,
    second: Variable,
    /// What keeps them apart; `None` if both are free.
    separator: Option<&'static str>,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ambiguity { first, second, separator } = self;
        match separator {
            None => write!(
                f,
                "\"{first}\" and \"{second}\" can both contain anything, so that different links \
                 have one message; keep one of them, or take the other from an argument and \
                 separate them by \"&\""
            ),
            Some(separator) => write!(
                f,
                "it does not show where \"{first}\" ends and \"{second}\" begins, so that \
                 different links have one message; separate them by \"{separator}\""
            ),
        }
    }
}

impl Ambiguity {
    /// Looks for two variables of a message that nothing keeps apart.
    ///
    /// At most one variable may be free, that is able to contain anything. Every variable before
    /// it must be followed by a literal, or a variable with a fixed first byte, whose first byte
    /// cannot occur in it; every variable after it must be preceded by a literal whose last byte
    /// cannot occur in it. Without a free variable, any of them may take its place.
    ///
    /// `is_defined` says of a variable that the configuration has defined it, so that its name
    /// says nothing of what is in it.
    pub fn find(
        message: &Template,
        variables: &Variables,
        credentials: &[Fields],
        is_defined: impl Fn(&Variable) -> bool,
    ) -> Option<Self> {
        let pieces: Vec<_> = message
            .as_pieces()
            .iter()
            .map(|piece| Part::of(piece, variables, credentials, &is_defined))
            .collect();
        let holders: Vec<_> =
            (0..pieces.len()).filter(|&at| pieces.get(at).is_some_and(Part::is_variable)).collect();
        let free: Vec<_> = holders
            .iter()
            .copied()
            .filter(|&at| matches!(pieces.get(at), Some(Part::Variable(_, Class::Free { .. }))))
            .collect();
        if let [first, second, ..] = free.as_slice() {
            return Self::between(&pieces, *first, *second, None);
        }
        let pivots = if free.is_empty() { &holders } else { &free };
        let mut found = None;
        for &pivot in pivots {
            match Self::find_around(&pieces, pivot) {
                None => return None,
                ambiguity => found = found.or(ambiguity),
            }
        }
        found
    }

    fn find_around(pieces: &[Part<'_>], pivot: usize) -> Option<Self> {
        for (at, piece) in pieces.iter().enumerate() {
            let Part::Variable(_, class) = piece else { continue };
            if at < pivot {
                let border = pieces.get(at + 1).and_then(Part::first_byte);
                if border.is_none_or(|byte| class.may_contain(byte)) {
                    let next = (at + 1..=pivot)
                        .find(|&next| pieces.get(next).is_some_and(Part::is_variable));
                    return Self::between(pieces, at, next.unwrap_or(pivot), Some(*class));
                }
            } else if at > pivot {
                let border = pieces.get(at - 1).and_then(Part::last_byte);
                if border.is_none_or(|byte| class.may_contain(byte)) {
                    let previous = (pivot..at)
                        .rfind(|&previous| pieces.get(previous).is_some_and(Part::is_variable));
                    return Self::between(pieces, previous.unwrap_or(pivot), at, Some(*class));
                }
            }
        }
        None
    }

    /// `class` is that of the variable whose border does not show, if one of the two has any.
    fn between(
        pieces: &[Part<'_>],
        first: usize,
        second: usize,
        class: Option<Class>,
    ) -> Option<Self> {
        let variable = |at: usize| match pieces.get(at) {
            Some(Part::Variable(variable, _)) => Some((*variable).clone()),
            _ => None,
        };
        let separator = class.map(Class::separator);
        Some(Ambiguity { first: variable(first)?, second: variable(second)?, separator })
    }
}

/// A piece of a message with what can occur in it.
enum Part<'a> {
    Literal(&'a [u8]),
    Variable(&'a Variable, Class),
}

impl<'a> Part<'a> {
    fn of(
        piece: &'a Piece,
        variables: &'a Variables,
        credentials: &[Fields],
        is_defined: &impl Fn(&Variable) -> bool,
    ) -> Self {
        match piece {
            Piece::Literal(text) => Part::Literal(text),
            Piece::Input(at) => match variables.as_slice().get(*at) {
                Some(variable) => {
                    Part::Variable(variable, Class::of(variable, *at, credentials, is_defined))
                }
                None => Part::Literal(&[]),
            },
        }
    }

    fn is_variable(&self) -> bool {
        matches!(self, Part::Variable(..))
    }

    fn first_byte(&self) -> Option<u8> {
        match self {
            Part::Literal(text) => text.first().copied(),
            Part::Variable(_, Class::Free { first }) => *first,
            Part::Variable(..) => None,
        }
    }

    fn last_byte(&self) -> Option<u8> {
        match self {
            Part::Literal(text) => text.last().copied(),
            Part::Variable(..) => None,
        }
    }
}

/// Which bytes can occur in a variable.
#[derive(Clone, Copy)]
enum Class {
    /// Any; `first` is the byte with which it always begins.
    Free {
        first: Option<u8>,
    },
    /// The time of a credential, which is read before the MAC is.
    Time,
    /// The lifetime of a credential, likewise.
    Lifetime,
    Argument,
    Cookie,
    Header,
    Host,
    Address,
    Word,
}

impl Class {
    fn of(
        variable: &Variable,
        at: usize,
        credentials: &[Fields],
        is_defined: &impl Fn(&Variable) -> bool,
    ) -> Self {
        // What another credential is read from is not constrained when this one is used.
        let is_whole = |field: Option<&Template>| {
            field.is_some_and(|field| field.as_pieces() == [Piece::Input(at)])
        };
        if !credentials.is_empty() {
            if credentials.iter().all(|fields| is_whole(fields.time())) {
                return Class::Time;
            }
            if credentials.iter().all(|fields| is_whole(fields.lifetime())) {
                return Class::Lifetime;
            }
        }
        let name = match variable {
            Variable::Named(name) if !is_defined(variable) => name,
            _ => return Class::Free { first: None },
        };
        match &**name {
            "uri" | "document_uri" | "request_uri" => Class::Free { first: Some(b'/') },
            "host" => Class::Host,
            "remote_addr" => Class::Address,
            "scheme" | "request_method" => Class::Word,
            name if name.starts_with("arg_") => Class::Argument,
            name if name.starts_with("cookie_") => Class::Cookie,
            name if name.starts_with("http_") => Class::Header,
            _ => Class::Free { first: None },
        }
    }

    fn may_contain(self, byte: u8) -> bool {
        match self {
            Class::Free { .. } => true,
            Class::Time => byte.is_ascii_alphanumeric() || b":+, -".contains(&byte),
            Class::Lifetime => byte.is_ascii_digit(),
            Class::Argument => !b"&#".contains(&byte),
            Class::Cookie => byte != b';',
            Class::Header => !b"\r\n".contains(&byte),
            Class::Host => !b"/|&".contains(&byte),
            Class::Address => byte.is_ascii_hexdigit() || b".:".contains(&byte),
            Class::Word => byte.is_ascii_alphabetic() || b"-_".contains(&byte),
        }
    }

    /// A byte that cannot occur in it, as a configuration writes it.
    fn separator(self) -> &'static str {
        match self {
            Class::Cookie => ";",
            Class::Header => "\\n",
            _ => "&",
        }
    }
}

/// A variable of a time or lifetime that is not part of the message: a client could change it.
pub fn unsigned_variable<'v>(
    message: &Template,
    variables: &'v Variables,
    credentials: &[Fields],
) -> Option<&'v Variable> {
    credentials
        .iter()
        .flat_map(Fields::times)
        .flat_map(Template::inputs)
        .find(|&at| message.inputs().all(|signed| signed != at))
        .and_then(|at| variables.as_slice().get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(credential: &str, message: &str) -> Option<(String, String, Option<&'static str>)> {
        let mut variables = Variables::default();
        let fields: Vec<_> = credential
            .split(' ')
            .map(|text| Fields::parse(text.as_bytes(), &mut variables).unwrap())
            .collect();
        let message = Template::parse(message.as_bytes(), &mut variables).unwrap();
        Ambiguity::find(&message, &variables, &fields, |_| false)
            .map(|a| (a.first.to_string(), a.second.to_string(), a.separator))
    }

    const USUAL: &str = "$arg_st,$arg_ts,$arg_e";

    #[test]
    fn messages_with_one_reading_are_accepted() {
        for message in [
            "",
            "fixed",
            "$uri",
            "$uri|$arg_ts|$arg_e",
            "$arg_ts$uri",
            "$arg_ts|$arg_e|$uri",
            "$uri&$arg_user",
            "$arg_user&$uri",
            "$host$uri",
            "$host$uri|$arg_ts",
            "$scheme://$host$request_uri",
            "$remote_addr $uri|$arg_ts|$arg_e",
            "$request_method:$uri",
            "$arg_a&$arg_b",
            "$cookie_a;$1",
            "$1/$arg_ts",
            "$http_x_user\n$uri",
            "$arg_ts|$arg_e",
            "$arg_user|$arg_e",
            "$e|$arg_ts",
        ] {
            assert_eq!(find(USUAL, message), None, "{message}");
        }
    }

    #[test]
    fn messages_with_two_readings_name_the_two_variables() {
        let pair = |a: &str, b: &str, by| Some((a.to_string(), b.to_string(), by));
        for (message, found) in [
            ("$uri$arg_ts", pair("$uri", "$arg_ts", Some("&"))),
            ("$uri|$arg_user", pair("$uri", "$arg_user", Some("&"))),
            ("$uri-$arg_ts", pair("$uri", "$arg_ts", Some("&"))),
            ("$uri|$arg_ts$arg_e", pair("$arg_ts", "$arg_e", Some("&"))),
            ("$uri|$arg_ts:$arg_e", None),
            ("$uri|$arg_ts|1$arg_e", pair("$arg_ts", "$arg_e", Some("&"))),
            ("$arg_user$uri", pair("$arg_user", "$uri", Some("&"))),
            ("$arg_user|$uri", pair("$arg_user", "$uri", Some("&"))),
            ("$arg_a|$arg_b", pair("$arg_a", "$arg_b", Some("&"))),
            ("$http_a|$http_b", pair("$http_a", "$http_b", Some("\\n"))),
            ("$arg_ts$arg_e", pair("$arg_ts", "$arg_e", Some("&"))),
            ("$http_host|$uri|$arg_ts", pair("$http_host", "$uri", Some("\\n"))),
            ("$cookie_a|$uri|$arg_ts", pair("$cookie_a", "$uri", Some(";"))),
            ("$uri|$cookie_a", pair("$uri", "$cookie_a", Some(";"))),
            ("$cookie_a|$http_b", pair("$cookie_a", "$http_b", Some("\\n"))),
            ("$uri|$1", pair("$uri", "$1", None)),
            ("$uri|$uri", pair("$uri", "$uri", None)),
            ("$uri&$secret_of_map", pair("$uri", "$secret_of_map", None)),
            ("$remote_addr$uri|f$arg_e", None),
            ("$remote_addr.$uri", pair("$remote_addr", "$uri", Some("&"))),
            ("$scheme$host$uri", pair("$scheme", "$host", Some("&"))),
        ] {
            assert_eq!(find(USUAL, message), found, "{message}");
        }
    }

    #[test]
    fn the_separator_that_is_suggested_keeps_the_two_apart() {
        for message in [
            "$uri|$arg_user",
            "$arg_a|$arg_b",
            "$cookie_a|$uri",
            "$uri|$cookie_a",
            "$http_a|$uri",
            "$uri|$http_a",
            "$cookie_a|$http_b",
            "$http_b|$cookie_a",
        ] {
            let (_, _, separator) = find(USUAL, message).unwrap();
            let separator = separator.unwrap().replace("\\n", "\n");
            assert_eq!(find(USUAL, &message.replace('|', &separator)), None, "{message}");
        }
    }

    #[test]
    fn a_time_is_constrained_only_if_every_credential_takes_it_from_there() {
        assert_eq!(find("$arg_st,$arg_ts $cookie_st,$arg_ts", "$uri|$arg_ts"), None);
        assert!(find("$arg_st,$arg_ts $cookie_st,$cookie_ts", "$uri|$arg_ts").is_some());
        assert!(find("$arg_st,$arg_ts $cookie_st", "$uri|$arg_ts").is_some());
        assert!(find("$arg_st,x$arg_ts", "$uri|$arg_ts").is_some());
    }

    #[test]
    fn a_variable_that_the_configuration_defines_is_free_whatever_its_name() {
        let mut variables = Variables::default();
        let fields = [Fields::parse(USUAL.as_bytes(), &mut variables).unwrap()];
        let message = Template::parse(b"$arg_who&$uri", &mut variables).unwrap();
        let who = Variable::Named("arg_who".into());
        assert_eq!(Ambiguity::find(&message, &variables, &fields, |_| false), None);
        assert!(Ambiguity::find(&message, &variables, &fields, |v| *v == who).is_some());
    }

    #[test]
    fn a_time_outside_the_message_is_found() {
        let mut variables = Variables::default();
        let fields = [Fields::parse(USUAL.as_bytes(), &mut variables).unwrap()];
        let mut unsigned = |message: &str| {
            let message = Template::parse(message.as_bytes(), &mut variables).unwrap();
            unsigned_variable(&message, &variables, &fields).map(Variable::to_string)
        };
        assert_eq!(unsigned("$uri|$arg_ts|$arg_e"), None);
        assert_eq!(unsigned("$uri|$arg_ts"), Some("$arg_e".into()));
        assert_eq!(unsigned("$uri"), Some("$arg_ts".into()));
    }
}
