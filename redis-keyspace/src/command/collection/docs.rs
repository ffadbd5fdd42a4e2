//! Text that the documentation of many operations shares.

/// The end of the documentation of a command that reads.
macro_rules! reading {
    () => {
        "
# Errors

[`Decode`](crate::ErrorKind::Decode) if a stored element is not of the declared kind; otherwise those of
any command. If the key has another type, the error names both.

# Cancellation

Dropping the future before its first poll sends nothing. The command only reads.

# Round trips

One."
    };
}

/// The end of the documentation of a command that writes.
macro_rules! writing {
    () => {
        "
A new key gets the declared TTL in the same atomic step.

# Errors

Those of any command; see [`ErrorKind`](crate::ErrorKind). If the key has another type, the error names
both, and nothing is changed.

# Cancellation

Dropping the future before its first poll sends nothing. After that, the command may still run.

# Round trips

One. A second one if the server does not know the script that sets the TTL yet."
    };
}

/// The end of the documentation of a command that removes elements.
macro_rules! removing {
    () => {
        "
A key without elements does not exist: the server deletes it with the last one.

# Errors

Those of any command; see [`ErrorKind`](crate::ErrorKind). If the key has another type, the error names
both, and nothing is changed.

# Cancellation

Dropping the future before its first poll sends nothing. After that, the command may still run.

# Round trips

One."
    };
}

/// The end of the documentation of a command that takes elements away and returns them.
macro_rules! taking {
    () => {
        "
A key without elements does not exist: the server deletes it with the last one.

Not retried after a lost connection: the first attempt may have taken the elements.

# Errors

[`Decode`](crate::ErrorKind::Decode) if an element is not of the declared kind, although it is removed;
otherwise those of any command. If the key has another type, the error names both.

# Cancellation

Dropping the future before its first poll sends nothing. After that, the elements may be taken and lost.

# Round trips

One."
    };
}

/// The end of the documentation of a command that stores what it reads in another key.
macro_rules! storing {
    () => {
        "
The stored result gets the TTL of its template in the same atomic step, whatever TTL the key had;
[`ttl`](crate::Command::ttl) sets another one.

# Errors

Those of any command; see [`ErrorKind`](crate::ErrorKind). If a key that is read has another type, nothing
is changed. [`InvalidInput`](crate::ErrorKind::InvalidInput) if, on a cluster, the keys are in different
slots; the error names the templates, and nothing is sent.

# Cancellation

Dropping the future before its first poll sends nothing. After that, the command may still run.

# Round trips

One. A second one if the server does not know the script that sets the TTL yet."
    };
}

pub(super) use {reading, removing, storing, taking, writing};
