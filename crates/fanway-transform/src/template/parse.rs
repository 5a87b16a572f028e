//! Splits a template into text and programs.

use crate::program::CompileError;

/// A piece of a template, with the place where it begins.
pub(super) enum Piece<'s> {
    /// Text, its backslashes resolved.
    Text { text: String, offset: usize },
    /// What stands between `\(` and its `)`.
    Program { source: &'s str, offset: usize },
}

/// The pieces of a template. No two texts follow each other.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, CompileError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < source.len() {
        if source[at..].starts_with(r"\(") {
            let end = end_of_block(source.as_bytes(), at + 1)
                .ok_or_else(|| CompileError::new(at, r"`\(` without its `)`"))?;
            pieces.push(Piece::Program {
                source: &source[at + 2..end - 1],
                offset: at + 2,
            });
            at = end;
        } else {
            let (text, end) = text_from(source, at)?;
            pieces.push(Piece::Text { text, offset: at });
            at = end;
        }
    }
    Ok(pieces)
}

/// The text from `at` up to the next program, and where it ends.
fn text_from(source: &str, at: usize) -> Result<(String, usize), CompileError> {
    let mut text = String::new();
    let mut end = at;
    loop {
        let rest = &source[end..];
        let plain = rest.find('\\').unwrap_or(rest.len());
        text.push_str(&rest[..plain]);
        end += plain;
        if source[end..].starts_with(r"\\") {
            text.push('\\');
            end += 2;
        } else if source[end..].starts_with(r"\(") || end == source.len() {
            return Ok((text, end));
        } else {
            return Err(CompileError::new(
                end,
                r"a backslash alone: write `\\` for it, or `\(…)` for a program",
            ));
        }
    }
}

/// The place behind the bracket that closes the one at `at`. Strings, with programs in them, and
/// comments are passed as jq does; whether brackets match in kind is the compiler's to say.
fn end_of_block(source: &[u8], at: usize) -> Option<usize> {
    let mut open = 0;
    let mut at = at;
    loop {
        match source.get(at)? {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open -= 1,
            b'"' => at = end_of_string(source, at)? - 1,
            b'#' => at += source[at..].iter().position(|byte| *byte == b'\n')?,
            _ => {}
        }
        if open == 0 {
            return (source[at] == b')').then_some(at + 1);
        }
        at += 1;
    }
}

fn end_of_string(source: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match (source.get(at)?, source.get(at + 1)) {
            (b'"', _) => return Some(at + 1),
            (b'\\', Some(b'(')) => at = end_of_block(source, at + 1)?,
            (b'\\', _) => at += 2,
            _ => at += 1,
        }
    }
}
