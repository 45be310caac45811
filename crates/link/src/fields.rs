//! The fields of a credential of the template scheme, as a configuration writes them.

use core::fmt;

use crate::template::{Template, TemplateError, Variables};

/// One value of a credential: `token[,time[,lifetime]]`.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The text as a whole.
    value: Template,
    token: Template,
    time: Option<Template>,
    lifetime: Option<Template>,
}

/// Why a text is not a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldsError {
    /// It is not a template.
    Template(TemplateError),
    /// It has more than the fields token, time and lifetime.
    TooMany,
}

impl core::error::Error for FieldsError {}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldsError::Template(error) => error.fmt(f),
            FieldsError::TooMany => {
                f.write_str("it has more than the three fields \"token,time,lifetime\"")
            }
        }
    }
}

impl Fields {
    /// Compiles a credential, which is split at the commas written in it.
    pub fn parse(text: &[u8], variables: &mut Variables) -> Result<Self, FieldsError> {
        let value = Template::parse(text, variables).map_err(FieldsError::Template)?;
        let mut parts = value.split(b',').into_iter();
        let token = parts.next().unwrap_or_default();
        let (time, lifetime) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(FieldsError::TooMany);
        }
        Ok(Fields { value, token, time, lifetime })
    }

    /// The text as a whole.
    pub fn value(&self) -> &Template {
        &self.value
    }

    /// The field that holds the token.
    pub fn token(&self) -> &Template {
        &self.token
    }

    /// The field that holds the time, if there is one.
    pub fn time(&self) -> Option<&Template> {
        self.time.as_ref()
    }

    /// The field that holds the lifetime, if there is one.
    pub fn lifetime(&self) -> Option<&Template> {
        self.lifetime.as_ref()
    }

    /// The time and the lifetime, as far as there are any.
    pub(crate) fn times(&self) -> impl Iterator<Item = &Template> {
        [self.time(), self.lifetime()].into_iter().flatten()
    }
}
