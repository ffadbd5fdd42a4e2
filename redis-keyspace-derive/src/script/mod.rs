//! `#[derive(Script)]`.

mod attributes;
#[cfg(test)]
pub(crate) use attributes::OF_STRUCT;
pub(crate) mod codegen;
pub(crate) mod model;
