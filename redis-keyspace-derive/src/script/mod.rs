//! `#[derive(Script)]`.

mod attributes;
pub(crate) mod codegen;
pub(crate) mod model;
