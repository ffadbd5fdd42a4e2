//! The states of the automata that read arguments.

/// Where an automaton is after some bytes of a text.
pub(crate) type ClassState = u32;

/// Before the first byte.
pub(crate) const START: ClassState = 0;
