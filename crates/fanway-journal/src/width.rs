//! Conversions between sizes in files (`u64`) and sizes in memory (`usize`).
//!
//! A segment is at most 1 GiB, so what is read or written in one piece fits into either.

/// A size in a file as a size in memory.
pub(crate) fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes)
        .expect("a segment is at most 1 GiB, which fits into any address space served")
}

/// A size in memory as a size in a file.
pub(crate) fn in_file(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("no machine has more than 64 bits of address")
}
