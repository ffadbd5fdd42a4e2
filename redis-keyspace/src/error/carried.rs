//! A value that travels with an error.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// The result of work that was done and could not be stored. Clones of the error share it, and the first to take it gets it.
#[derive(Clone)]
pub(super) struct CarriedResult(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl CarriedResult {
    pub(super) fn new(result: impl Any + Send) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(result)))))
    }

    pub(super) fn take<T: Any>(&self) -> Option<T> {
        let mut place = lock(&self.0);
        match place.take()?.downcast() {
            Ok(result) => Some(*result),
            // Not the type that was asked for.
            Err(result) => {
                *place = Some(result);
                None
            }
        }
    }
}

impl fmt::Debug for CarriedResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CarriedResult")
    }
}
