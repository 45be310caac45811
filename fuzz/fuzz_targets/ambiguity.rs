//! A message that is accepted has one reading: of the bytes that it makes of some values, no others could have
//! been the values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secure_link::{Ambiguity, Fields, Piece, Template, Variable, Variables};
use secure_link_fuzz::{Input, time};

fuzz_target!(|data: &[u8]| check(data).unwrap_or_default());

fn check(data: &[u8]) -> Option<()> {
    let mut input = Input::new(data, 1)?;
    let credential = input.pick(&[&b"$arg_st,$arg_ts,$arg_e"[..], b"$arg_st,$arg_ts", b"$arg_st"]);
    let text = input.text();
    let mut variables = Variables::default();
    let credentials = [Fields::parse(credential, &mut variables).ok()?];
    let message = Template::parse(text, &mut variables).ok()?;
    if message.as_pieces().len() > 12
        || Ambiguity::find(&message, &variables, &credentials, |_| false).is_some()
    {
        return None;
    }
    let has_time = credentials[0].time().is_some();
    let has_lifetime = credentials[0].lifetime().is_some();
    let accepts = |variable: &Variable, value: &[u8]| {
        let name = variable.to_string();
        match &name[1..] {
            "uri" | "document_uri" | "request_uri" => value.starts_with(b"/"),
            // What the credential says of times is read before the MAC is looked at.
            "arg_ts" if has_time => time::timestamp(value).is_some(),
            "arg_e" if has_lifetime => time::seconds(value).is_some(),
            "host" => !value.iter().any(|byte| b"/|&".contains(byte)),
            "remote_addr" => {
                value.iter().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(byte))
            }
            "scheme" | "request_method" => {
                value.iter().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(byte))
            }
            name if name.starts_with("arg_") => !value.iter().any(|byte| b"&#".contains(byte)),
            name if name.starts_with("cookie_") => !value.contains(&b';'),
            name if name.starts_with("http_") => !value.iter().any(|byte| b"\r\n".contains(byte)),
            _ => true,
        }
    };
    let mut values: Vec<&[u8]> = Vec::new();
    for variable in variables.as_slice() {
        let value = input.text();
        let value: &[u8] = match &*variable.to_string() {
            "$arg_ts" if !accepts(variable, value) => b"7",
            "$arg_e" if !accepts(variable, value) => b"60",
            "$uri" | "$document_uri" | "$request_uri" if !accepts(variable, value) => b"/a|7|60&b",
            _ if !accepts(variable, value) => b"",
            _ => value,
        };
        values.push(value);
    }
    let bytes: Vec<u8> = message.pieces(&values).flatten().copied().collect();
    if bytes.len() > 48 {
        return None;
    }
    let mut reader =
        Reader { message: &message, variables: &variables, accepts: &accepts, steps: 0 };
    let mut readings = Vec::new();
    reader.read(0, &bytes, &mut vec![None; values.len()], &mut readings);
    assert!(readings.len() < 2, "{}: {readings:?}", text.escape_ascii());
    assert!(
        readings.len() == 1 || reader.steps > MAX_STEPS,
        "{} has no reading",
        text.escape_ascii()
    );
    Some(())
}

const MAX_STEPS: usize = 20_000;

struct Reader<'a, F> {
    message: &'a Template,
    variables: &'a Variables,
    accepts: &'a F,
    steps: usize,
}

impl<F: Fn(&Variable, &[u8]) -> bool> Reader<'_, F> {
    /// Collects the values of which the pieces from `at` on make `rest`.
    fn read<'b>(
        &mut self,
        at: usize,
        rest: &'b [u8],
        values: &mut Vec<Option<&'b [u8]>>,
        readings: &mut Vec<Vec<Option<&'b [u8]>>>,
    ) {
        self.steps += 1;
        if self.steps > MAX_STEPS || readings.len() > 1 {
            return;
        }
        match self.message.as_pieces().get(at) {
            None if rest.is_empty() => readings.push(values.clone()),
            None => {}
            Some(Piece::Literal(text)) => {
                if let Some(rest) = rest.strip_prefix(&**text) {
                    self.read(at + 1, rest, values, readings);
                }
            }
            Some(Piece::Input(input)) => match values[*input] {
                Some(value) => {
                    if let Some(rest) = rest.strip_prefix(value) {
                        self.read(at + 1, rest, values, readings);
                    }
                }
                None => {
                    for len in 0..=rest.len() {
                        let (value, rest) = rest.split_at(len);
                        if (self.accepts)(&self.variables.as_slice()[*input], value) {
                            values[*input] = Some(value);
                            self.read(at + 1, rest, values, readings);
                        }
                    }
                    values[*input] = None;
                }
            },
        }
    }
}
