//! One line of a head (RFC 9112 section 5).

/// Appends a header's line. That name and value can stand in one is the caller's to know.
pub fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::write_field;

    #[test]
    fn a_field_is_a_line() {
        let mut out = b"GET / HTTP/1.1\r\n".to_vec();
        write_field(&mut out, b"host", b"a");
        assert_eq!(out, b"GET / HTTP/1.1\r\nhost: a\r\n");
    }
}
