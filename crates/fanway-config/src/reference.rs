//! What is asked of others: a command's output, a field of what a vault keeps.
//!
//! A command is a program with its arguments, taken apart at spaces; no shell reads it. `'…'` is
//! taken as it is, `"…"` too but for `\"` and `\\`, and outside of both `\` takes the next
//! character as it is. The `}` that ends the reference is the first one outside of that.

use std::fmt;

/// What is asked of others, as it stands between `${` and `}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// `command:…`: what a program prints.
    Command(CommandLine),
    /// `vault:PATH#FIELD`: a field of what a vault keeps.
    Vault {
        /// Where in the vault, without `v1/`; no part of it is empty, `.` or `..`.
        path: String,
        /// Which field of what is there.
        field: String,
    },
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandLine {
    written: String,
    words: Vec<String>,
}

impl CommandLine {
    /// The program, and what it is given; at least the program.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

/// As it is written.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(line) => write!(f, "${{command:{}}}", line.written),
            Self::Vault { path, field } => write!(f, "${{vault:{path}#{field}}}"),
        }
    }
}

/// Reads a command up to the `}` that ends it; gives how long it is, with that.
pub(crate) fn command(text: &str) -> Result<(Reference, usize), &'static str> {
    let mut words = Words::default();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '}' => {
                let written = text[..at].to_owned();
                let words = words.finish().ok_or("names no program")?;
                return Ok((Reference::Command(CommandLine { written, words }), at + 1));
            }
            '\'' => words.push_quoted(&mut characters, '\'')?,
            '"' => words.push_quoted(&mut characters, '"')?,
            '\\' => {
                let (_, next) = characters.next().ok_or(NO_END)?;
                words.push(next);
            }
            blank if blank.is_whitespace() => words.end(),
            other => words.push(other),
        }
    }
    Err(NO_END)
}

const NO_END: &str = "has no } behind it";

/// The words of a command line.
#[derive(Default)]
struct Words {
    whole: Vec<String>,
    begun: Option<String>,
}

impl Words {
    fn push(&mut self, character: char) {
        self.begun.get_or_insert_default().push(character);
    }

    /// What stands up to the next quote; in double quotes some characters may be escaped.
    fn push_quoted(
        &mut self,
        characters: &mut std::str::CharIndices<'_>,
        quote: char,
    ) -> Result<(), &'static str> {
        // An empty word is one too.
        let word = self.begun.get_or_insert_default();
        let mut rest = characters
            .clone()
            .map(|(_, character)| character)
            .peekable();
        let mut taken = 0;
        while let Some(character) = rest.next() {
            taken += 1;
            let escaped = rest
                .next_if(|next| quote == '"' && character == '\\' && matches!(next, '"' | '\\'));
            match escaped {
                Some(escaped) => {
                    taken += 1;
                    word.push(escaped);
                }
                None if character == quote => {
                    characters.nth(taken - 1);
                    return Ok(());
                }
                None => word.push(character),
            }
        }
        Err("has a quote that isn't closed")
    }

    fn end(&mut self) {
        self.whole.extend(self.begun.take());
    }

    /// All words; `None` where there is no program.
    fn finish(mut self) -> Option<Vec<String>> {
        self.end();
        let names_one = self
            .whole
            .first()
            .is_some_and(|program| !program.is_empty());
        names_one.then_some(self.whole)
    }
}

/// Reads `PATH#FIELD`.
pub(crate) fn vault(inner: &str) -> Result<Reference, &'static str> {
    let (path, field) = inner
        .split_once('#')
        .ok_or("names no field: what is read from a vault is ${vault:PATH#FIELD}")?;
    let is_part = |part: &str| {
        let is_plain = !matches!(part, "" | "." | "..");
        is_plain && !part.contains(|character: char| character == '?' || character.is_control())
    };
    if !path.split('/').all(is_part) {
        return Err("has no proper path: it is as the vault's own tools have it, without v1/");
    }
    if field.is_empty() {
        return Err("names no field: what is read from a vault is ${vault:PATH#FIELD}");
    }
    Ok(Reference::Vault {
        path: path.to_owned(),
        field: field.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Reference, command, vault};

    #[track_caller]
    fn check(text: &str, expected: Result<(&[&str], usize), &str>) {
        let read = command(text);
        let read = read.as_ref().map_err(|why| *why).map(|(read, length)| {
            let Reference::Command(line) = read else {
                panic!("{read}");
            };
            let words: Vec<_> = line.words().iter().map(String::as_str).collect();
            (words, *length)
        });
        let expected = expected.map(|(words, length)| (words.to_vec(), length));
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn a_command_is_taken_apart_at_spaces_outside_of_quotes() {
        check("pass show a/b}rest", Ok((&["pass", "show", "a/b"], 14)));
        check("  a   b }", Ok((&["a", "b"], 9)));
        check(
            "a 'b  c' \"d e\"f ''}",
            Ok((&["a", "b  c", "d ef", ""], 19)),
        );
        check(r"a b\ c \'}", Ok((&["a", "b c", "'"], 10)));
        check(r#"a "\"\\\n" '\'}"#, Ok((&["a", r#""\\n"#, r"\"], 15)));
    }

    #[test]
    fn a_brace_within_quotes_or_escaped_ends_nothing() {
        check("awk '{print $1}' f}", Ok((&["awk", "{print $1}", "f"], 19)));
        check("a \"}\" \\}}", Ok((&["a", "}", "}"], 9)));
        check("sh -c 'echo ä'}", Ok((&["sh", "-c", "echo ä"], 16)));
    }

    #[test]
    fn what_is_no_command_is_refused_for_its_reason() {
        check("}", Err("names no program"));
        check("'' a}", Err("names no program"));
        check("a", Err("has no } behind it"));
        check("a \\", Err("has no } behind it"));
        check("a 'b}", Err("has a quote that isn't closed"));
        check("a \"b\\\"}", Err("has a quote that isn't closed"));
    }

    #[test]
    fn a_vaults_path_has_no_empty_part_and_leads_nowhere_else() {
        for text in ["secret/data/shop#token", "a#b", "a/b c#d#e"] {
            let read = vault(text).expect(text).to_string();
            assert_eq!(read, format!("${{vault:{text}}}"));
        }
        for text in [
            "a",
            "a#",
            "#b",
            "/a#b",
            "a/#b",
            "a//b#c",
            "a/../b#c",
            "a?list=true#b",
        ] {
            vault(text).expect_err(text);
        }
    }
}
