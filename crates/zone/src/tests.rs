//! What holds for the zone as a whole.

pub(crate) mod killing;
