//! The schemes: how a credential is written and what its MAC covers. One module each.

pub mod template;

/// A scheme and its settings.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// A token over a message of the operator's choice.
    Template(template::TemplateScheme),
}
