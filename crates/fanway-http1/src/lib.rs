//! HTTP/1.1 on the wire (RFC 9112): what both sides of a connection have in common.
//!
//! A [`Buffer`] of what was read and isn't used yet, [`Said`], which is what a head's headers say of its connection
//! and its body, and [`Body`], which finds the body's end. Heads and the sizes of chunks are parsed by httparse; what
//! is sent, and what an end means, is for whoever owns the connection.

mod body;
mod buffer;
mod field;
mod said;

pub use body::{Body, Chunks, Malformed};
pub use buffer::Buffer;
pub use field::write_field;
pub use said::{Coding, Contradiction, Said};
