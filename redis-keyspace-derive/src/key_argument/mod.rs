//! `#[derive(KeyArgument)]`.

pub(crate) mod codegen;
pub(crate) mod model;
