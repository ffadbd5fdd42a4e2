//! `#[derive(Record)]`.

pub(crate) mod codegen;
pub(crate) mod model;
