//! Values of a credential of which one reads the links of another in a different way.

use core::fmt;

use crate::client_variables::is_optional;
use crate::fields::Fields;
use crate::template::{Piece, Template, Variable, Variables};

/// Two values of a credential that read the time or lifetime of a link in different ways, so that a
/// client chooses by where it puts the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misreading {
    made: String,
    read: String,
}

impl fmt::Display for Misreading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misreading { made, read } = self;
        let is_torn = |text: &String| text.starts_with(',') || text.ends_with(',');
        let way_out = if [made, read].into_iter().any(is_torn) {
            "write no blank beside a comma"
        } else {
            "let both read the same, or each an argument, cookie or header of its own, with all of \
             them in the message"
        };
        write!(
            f,
            "a link that is made for \"{made}\" can be sent as \"{read}\", which reads another \
             time or lifetime; {way_out}"
        )
    }
}

impl Misreading {
    /// Looks for two values of a credential of which one reads the links of the other differently.
    ///
    /// What a link says is part of the message, and stays when its token is put elsewhere. A value
    /// is safe from the links of another one if it has the same time and the same lifetime; or if
    /// it has a field only of what a client sends and the other does not use: such a link was
    /// signed without, and an empty field is malformed.
    ///
    /// `is_defined` is as in [`Ambiguity::find`](crate::Ambiguity::find).
    pub fn find(
        variables: &Variables,
        credentials: &[Fields],
        is_defined: impl Fn(&Variable) -> bool,
    ) -> Option<Self> {
        let is_absent = |at: usize, made: &Fields| {
            made.times().all(|field| field.inputs().all(|used| used != at))
                && variables
                    .as_slice()
                    .get(at)
                    .is_some_and(|variable| is_optional(variable) && !is_defined(variable))
        };
        let is_empty = |field: &Template, made: &Fields| {
            let is_missing = |piece: &Piece| match piece {
                Piece::Literal(_) => false,
                Piece::Input(at) => is_absent(*at, made),
            };
            field.as_pieces().iter().all(is_missing)
        };
        let is_safe = |made: &Fields, read: &Fields| {
            (made.time(), made.lifetime()) == (read.time(), read.lifetime())
                || read.times().any(|field| is_empty(field, made))
        };
        let text = |fields: &Fields| fields.value().to_text(variables);
        credentials.iter().find_map(|made| {
            let read = credentials.iter().find(|read| !is_safe(made, read))?;
            Some(Misreading { made: text(made), read: text(read) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "$arg_st,$arg_ts,$arg_e";

    fn misread(credential: &str) -> Option<(String, String)> {
        let mut variables = Variables::default();
        let fields: Vec<_> = credential
            .split(' ')
            .map(|text| Fields::parse(text.as_bytes(), &mut variables).unwrap())
            .collect();
        let mapped = Variable::Named("arg_mapped".into());
        Misreading::find(&variables, &fields, |variable| *variable == mapped)
            .map(|misreading| (misreading.made, misreading.read))
    }

    #[test]
    fn values_that_read_a_link_in_one_way_are_accepted() {
        for credential in [
            "$arg_st",
            "$arg_st $cookie_st $http_x_st",
            USUAL,
            "$arg_st,$arg_ts,$arg_e $cookie_st,${arg_ts},$arg_e",
            "$arg_st,$arg_ts,3600 v2.$cookie_st,$arg_ts,3600",
            // Each with a time of its own, which is empty in the links of the others.
            "$arg_st,$arg_ts $cookie_st,$cookie_ts $http_x_st,$http_x_ts",
            "$arg_st,$arg_ts,$arg_e $cookie_st,$cookie_ts,$cookie_e",
            "$arg_st,$arg_ts,$arg_e $cookie_st,$arg_ts,$cookie_e",
            "$arg_st,$arg_day$arg_hour $cookie_st,$cookie_day$cookie_hour",
        ] {
            assert_eq!(misread(credential), None, "{credential}");
        }
    }

    #[test]
    fn values_that_read_a_link_in_two_ways_are_named() {
        for (made, read) in [
            (USUAL, "$cookie_st"),
            (USUAL, "$cookie_st,$arg_ts"),
            (USUAL, "$arg_st2,$arg_e,$arg_ts"),
            (USUAL, "$cookie_st,1700000000"),
            (USUAL, "$cookie_st,$arg_ts,3600"),
            (USUAL, "$cookie_st,$arg_mapped,$arg_e"),
            (USUAL, "$cookie_st,$arg_ts,1$cookie_e"),
            (USUAL, "$cookie_st,$uri"),
            ("$arg_st,$arg_ts,60", "$cookie_st,$arg_ts,3600"),
            ("$1,$2", "$arg_st,$3"),
        ] {
            let pair = |made: &str, read: &str| Some((made.to_owned(), read.to_owned()));
            assert_eq!(misread(&format!("{made} {read}")), pair(made, read));
            let back = misread(&format!("{read} {made}"));
            assert!([pair(made, read), pair(read, made)].contains(&back), "{back:?}");
            let beside = format!("$http_x_st,$http_x_ts {made} {read}");
            assert!(misread(&beside).is_some(), "{beside}");
        }
    }
}
