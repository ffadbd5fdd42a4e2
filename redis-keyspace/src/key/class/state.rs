//! The states of the automata of arguments.

/// The state of an automaton after some bytes of a string.
pub(crate) type ClassState = u32;

/// The state before the first byte.
pub(crate) const START: ClassState = 0;
