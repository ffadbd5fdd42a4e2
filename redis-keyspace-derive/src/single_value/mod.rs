//! `#[derive(SingleValue)]`.

pub(crate) mod codegen;
pub(crate) mod model;
