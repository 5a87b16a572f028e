//! Where a character of a scalar's text stands in the file.
//!
//! What YAML does to a text between the file and us (folding lines, cutting indentation, joining)
//! changes only its white space; quoting changes single characters. So the n-th character that
//! isn't white space in the text is the n-th in the file once escapes are undone.

use saphyr_parser::ScalarStyle;

use super::{Scalar, Span};

/// The place of the character at `offset` (in bytes) of a scalar's text, or just behind the last
/// one. `None` where text and file don't agree, as for a scalar with an anchor before it.
pub(crate) fn locate(lines: &[String], span: Span, scalar: &Scalar, offset: usize) -> Option<Span> {
    let before = scalar.text.get(..offset)?;
    let next = scalar.text[offset..].chars().next();
    let visible = |character: &char| !character.is_whitespace();
    let mut written = Written::new(lines, span, scalar.style)?;
    let mut behind = (
        span.line,
        span.column + usize::from(written.quote.is_some()),
    );
    for expected in before.chars().filter(visible) {
        let found = written.find(|found| !found.character.is_whitespace())?;
        if found.character != expected {
            return None;
        }
        behind = (found.line, found.end_column);
    }
    let place = match next.filter(visible) {
        None => behind,
        Some(_) => {
            let found = written.find(|found| !found.character.is_whitespace())?;
            (found.line, found.column)
        }
    };
    Some(Span::one(span.file, place.0, place.1))
}

/// A character as the text has it, and where the file has it. Columns count from 1.
struct Found {
    character: char,
    line: usize,
    column: usize,
    end_column: usize,
}

/// The characters of a scalar in the file, escapes undone.
struct Written<'l> {
    lines: &'l [String],
    /// Of the line that is being read, from 1.
    line: usize,
    /// What is left of it.
    left: std::iter::Peekable<std::str::Chars<'l>>,
    /// Of the next character, from 1.
    column: usize,
    quote: Option<char>,
}

impl<'l> Written<'l> {
    fn new(lines: &'l [String], span: Span, style: ScalarStyle) -> Option<Self> {
        let line = lines.get(span.line.checked_sub(1)?)?;
        let quote = match style {
            ScalarStyle::SingleQuoted => Some('\''),
            ScalarStyle::DoubleQuoted => Some('"'),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => None,
        };
        let start = line
            .char_indices()
            .nth(span.column - 1)
            .map_or(line.len(), |(start, _)| start);
        let mut written = Self {
            lines,
            line: span.line,
            left: line[start..].chars().peekable(),
            column: span.column,
            quote,
        };
        (quote.is_none() || written.step() == quote).then_some(written)
    }

    /// The next character of this line as it stands in the file.
    fn step(&mut self) -> Option<char> {
        self.column += 1;
        self.left.next()
    }

    /// What an escape of a double-quoted scalar (YAML 1.2.2, 5.7) stands for, its `\` taken.
    fn unescape(&mut self) -> Option<char> {
        let digits = match self.step() {
            None => return Some('\n'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('n' | 't' | 'r' | 'N' | '_' | 'L' | 'P' | 'v' | 'f') => return Some(' '),
            Some('0') => return Some('\0'),
            Some('a') => return Some('\u{7}'),
            Some('b') => return Some('\u{8}'),
            Some('e') => return Some('\u{1b}'),
            Some(other) => return Some(other),
        };
        let number: Option<String> = (0..digits).map(|_| self.step()).collect();
        u32::from_str_radix(&number?, 16)
            .ok()
            .and_then(char::from_u32)
    }
}

impl Iterator for Written<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let (line, column) = (self.line, self.column);
        let Some(character) = self.step() else {
            self.left = self.lines.get(self.line)?.chars().peekable();
            (self.line, self.column) = (self.line + 1, 1);
            return Some(Found {
                character: '\n',
                line,
                column,
                end_column: column,
            });
        };
        let character = match (self.quote, character) {
            (Some('"'), '\\') => self.unescape()?,
            (Some('\''), '\'') if self.left.peek() == Some(&'\'') => self.step()?,
            (Some(quote), other) if quote == other => return None,
            (_, other) => other,
        };
        Some(Found {
            character,
            line,
            column,
            end_column: self.column,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::locate;
    use crate::yaml::{File, Value, read};

    /// Looks for `mark` in the value of the only key, and expects it at a line and column.
    #[track_caller]
    fn check(text: &str, mark: &str, expected: (usize, usize)) {
        let root = read(File(0), text, |_| ())
            .expect("YAML")
            .expect("a document");
        let Value::Mapping(entries) = root.value else {
            panic!("no mapping")
        };
        let node = &entries[0].node;
        let Value::Scalar(scalar) = &node.value else {
            panic!("no scalar")
        };
        let offset = scalar.text.find(mark).expect("the mark");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let place = locate(&lines, node.span, scalar, offset).map(|span| (span.line, span.column));
        assert_eq!(place, Some(expected), "{text}");
    }

    #[test]
    fn a_character_is_found_in_every_style() {
        check("k: .a | X", "X", (1, 9));
        check("k: 'é it''s X'", "X", (1, 13));
        check(r#"k: "\"é\" \u00e9\x41\t X""#, "X", (1, 24));
        check("k: |\n  .a\n\n    | X\n", "X", (4, 7));
        check("k: |2-\n   .a X", "X", (2, 7));
        check("k: > # folded\n  .a\n  | X\n  | .b\n", "X", (3, 5));
        check("k: .a\n  | X\n", "X", (2, 5));
        check("k: 'a\n  b X'", "X", (2, 5));
        check("k: \"a \\\n  b X\"", "X", (2, 5));
        check("k:\r\n  .a X\r\n", "X", (2, 6));
    }

    #[test]
    fn the_end_is_just_behind_the_last_character() {
        check("k: .a |", "", (1, 4));
        let root = read(File(0), "k: '.a | '", |_| ())
            .expect("YAML")
            .expect("a document");
        let Value::Mapping(entries) = root.value else {
            panic!("no mapping")
        };
        let Value::Scalar(scalar) = &entries[0].node.value else {
            panic!("no scalar")
        };
        let end = locate(
            &["k: '.a | '".to_owned()],
            entries[0].node.span,
            scalar,
            scalar.text.len(),
        );
        assert_eq!(end.map(|span| span.column), Some(9));
    }

    #[test]
    fn a_place_behind_an_anchor_is_not_guessed() {
        let root = read(File(0), "k: &x .a", |_| ())
            .expect("YAML")
            .expect("a document");
        let Value::Mapping(entries) = root.value else {
            panic!("no mapping")
        };
        let Value::Scalar(scalar) = &entries[0].node.value else {
            panic!("no scalar")
        };
        assert_eq!(
            locate(&["k: &x .a".to_owned()], entries[0].node.span, scalar, 1),
            None
        );
    }
}
