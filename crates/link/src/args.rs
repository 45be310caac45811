//! Arguments of a query string, found in one pass.

/// Names of arguments, in lower case.
#[derive(Clone, Debug, Default)]
pub struct ArgumentNames {
    names: Vec<Box<[u8]>>,
    /// How further names begin, which are known without a position.
    prefixes: Vec<Box<[u8]>>,
}

impl ArgumentNames {
    /// Adds a name unless it is there, and returns its position.
    pub fn insert(&mut self, name: &[u8]) -> usize {
        let name = name.to_ascii_lowercase();
        self.names.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        })
    }

    /// Adds all names that begin so, without positions.
    pub fn insert_prefix(&mut self, prefix: &[u8]) {
        self.prefixes.push(prefix.into());
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.prefixes.is_empty()
    }

    /// Whether an argument has one of the names.
    pub fn contains(&self, name: &[u8]) -> bool {
        let begins = |prefix: &[u8]| {
            name.split_at_checked(prefix.len())
                .is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix))
        };
        self.position(name).is_some() || self.prefixes.iter().any(|prefix| begins(prefix))
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Reads the raw values of named arguments in one pass, and tells whether any of them occurs
/// twice, with or without a value.
///
/// `values` has a place for each name, `None` where the argument is absent. A value is that of
/// the first occurrence, not decoded, as nginx's `$arg_name` has it.
pub fn read_arguments<'a>(
    query: &'a [u8],
    names: &ArgumentNames,
    values: &mut [Option<&'a [u8]>],
) -> bool {
    values.fill(None);
    let mut repeated = false;
    if names.names.is_empty() {
        return repeated;
    }
    for argument in split(query) {
        let (name, found) = name_and_value(argument);
        let Some(value) = names.position(name).and_then(|at| values.get_mut(at)) else { continue };
        match value {
            Some(_) => repeated = true,
            None => *value = Some(found.unwrap_or_default()),
        }
    }
    repeated
}

/// The arguments of a query string whose names are not among `names`, in order.
pub fn without_arguments<'a>(
    query: &'a [u8],
    names: &ArgumentNames,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    split(query).filter(move |argument| !names.contains(name_of(argument)))
}

/// The arguments of a query string, empty ones included.
pub(crate) fn split(query: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut ends = memchr::memchr_iter(b'&', query);
    let mut rest = Some((0, query));
    core::iter::from_fn(move || {
        let (start, text) = rest?;
        let end = ends.next();
        rest = end.map(|end| (end + 1, query.get(end + 1..).unwrap_or_default()));
        text.get(..end.map_or(text.len(), |end| end - start))
    })
}

/// Splits an argument at its first `=`; without one it has no value.
pub(crate) fn name_and_value(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', argument).and_then(|at| argument.split_at_checked(at)) {
        Some((name, value)) => (name, value.get(1..)),
        None => (argument, None),
    }
}

fn name_of(argument: &[u8]) -> &[u8] {
    name_and_value(argument).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> ArgumentNames {
        let mut set = ArgumentNames::default();
        for name in names {
            set.insert(name.as_bytes());
        }
        set
    }

    fn read(query: &str) -> ([Option<&str>; 2], bool) {
        let mut values = [None; 2];
        let repeated = read_arguments(query.as_bytes(), &names(&["st", "e"]), &mut values);
        (values.map(|value| value.map(|value| str::from_utf8(value).unwrap())), repeated)
    }

    #[test]
    fn values_are_raw_and_names_ignore_case() {
        assert_eq!(read("ST=a%20b&x=1&e=2"), ([Some("a%20b"), Some("2")], false));
        assert_eq!(read("st=a=b"), ([Some("a=b"), None], false));
        assert_eq!(read("xst=a&st2=b&ste&=st"), ([None, None], false));
        assert_eq!(read(""), ([None, None], false));
        assert_eq!(read("st"), ([Some(""), None], false));
    }

    #[test]
    fn any_second_occurrence_is_noticed() {
        for query in ["st=a&st=a", "st=a&St=b", "st=a&st", "st&st=a", "e=&x=1&e="] {
            assert!(read(query).1, "{query}");
        }
        for query in ["x=1&x=2&st=a", "st=a&s%74=b", "st=a&e=a"] {
            assert!(!read(query).1, "{query}");
        }
    }

    #[test]
    fn removal_keeps_the_order_of_the_rest() {
        let set = names(&["st", "e"]);
        let rest = |query: &'static str| {
            without_arguments(query.as_bytes(), &set).collect::<Vec<_>>().join(&b'&')
        };
        assert_eq!(rest("b=2&ST=x&a=1&e&a=3"), b"b=2&a=1&a=3");
        assert_eq!(rest("st=x"), b"");
        assert_eq!(rest("a"), b"a");
    }

    #[test]
    fn names_of_a_prefix_are_removed() {
        let mut set = names(&["x-id"]);
        set.insert_prefix(b"x-amz-");
        let query = b"a=1&X-Amz-Date=1&x-amz-foo&X-ID=2&x-amzn=3&x-id2=4";
        let rest: Vec<_> = without_arguments(query, &set).collect();
        assert_eq!(rest.join(&b'&'), b"a=1&x-amzn=3&x-id2=4");
    }

    #[test]
    fn a_name_is_kept_once() {
        let mut set = names(&["st", "e"]);
        assert_eq!(set.insert(b"E"), 1);
        assert_eq!(set.len(), 2);
    }
}
