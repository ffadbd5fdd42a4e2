//! A value that an error carries.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// The result of completed work that could not be stored. Clones of the error share it. The first
/// call of `take` with its type returns it.
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
            // The result has another type.
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
