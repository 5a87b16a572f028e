//! `${NAME}`, `${NAME:-default}` and `${file:/run/secrets/x}` in values.
//!
//! `$${` stands for `${`; a `$` before anything else stands for itself. A default is text up to
//! the next `}`, used where the variable isn't set or is empty.

use std::env::VarError;
use std::path::Path;

use crate::environment::Environment;

/// A part of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
    File(&'t str),
}

/// What is wrong with a reference; `offset` is that of its `$`, in bytes. It quotes names only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

const HINT_FORMS: &str =
    "${NAME}, ${NAME:-default} or ${file:/path}; for the two characters themselves write $${";

/// Puts in what the references of a text stand for.
///
/// # Errors
/// With every reference that stands for nothing, and with one that isn't written right.
pub(crate) fn resolve(
    text: &str,
    environment: &dyn Environment,
) -> Result<String, Vec<Unresolved>> {
    let mut resolved = String::new();
    let mut problems = Vec::new();
    for (offset, piece) in pieces(text).map_err(|malformed| vec![malformed])? {
        match value(piece, environment) {
            Ok(value) => resolved.push_str(&value),
            Err((message, hint)) => problems.push(Unresolved {
                offset,
                message,
                hint,
            }),
        }
    }
    if problems.is_empty() {
        Ok(resolved)
    } else {
        Err(problems)
    }
}

/// The first reference of a text, as it is written.
pub(crate) fn first_reference(text: &str) -> Option<(usize, &str)> {
    let parts = pieces(text).ok()?;
    let (offset, _) = parts
        .iter()
        .find(|(_, piece)| !matches!(piece, Piece::Text(_)))?;
    let end = text[*offset..].find('}')?;
    Some((*offset, &text[*offset..=offset + end]))
}

/// Whether a text consists of references without a default: it shows nothing of its value.
pub(crate) fn only_references(text: &str) -> bool {
    let shows_nothing = |(_, piece): &(usize, Piece<'_>)| match piece {
        Piece::Text(text) => text.is_empty(),
        Piece::Variable { default, .. } => default.is_none(),
        Piece::File(_) => true,
    };
    pieces(text).is_ok_and(|pieces| pieces.iter().all(shows_nothing))
}

fn value(
    piece: Piece<'_>,
    environment: &dyn Environment,
) -> Result<String, (String, &'static str)> {
    match piece {
        Piece::Text(text) => Ok(text.to_owned()),
        Piece::Variable { name, default } => match (environment.variable(name), default) {
            (Ok(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
            (Ok(value), _) => Ok(value),
            (Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
            (Err(VarError::NotPresent), None) => Err((
                format!("${{{name}}} is not set"),
                "set the variable, or give a default: ${NAME:-default}",
            )),
            (Err(VarError::NotUnicode(_)), _) => {
                Err((format!("${{{name}}} is not Unicode"), HINT_FORMS))
            }
        },
        Piece::File(path) => match environment.file(Path::new(path)) {
            Ok(content) => Ok(without_newline(content)),
            Err(error) => Err((
                format!("${{file:{path}}} can't be read: {error}"),
                "a relative path starts at the working directory",
            )),
        },
    }
}

/// Less one newline at the end, which most editors put there.
fn without_newline(mut content: String) -> String {
    if content.ends_with('\n') {
        content.pop();
        if content.ends_with('\r') {
            content.pop();
        }
    }
    content
}

/// The parts of a text with their offsets.
fn pieces(text: &str) -> Result<Vec<(usize, Piece<'_>)>, Unresolved> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("${") {
        let at = from + found;
        if text[from..at].ends_with('$') {
            // `$${`: the first `$` is left out.
            pieces.push((from, Piece::Text(&text[from..at - 1])));
            pieces.push((at, Piece::Text("${")));
            from = at + 2;
            continue;
        }
        pieces.push((from, Piece::Text(&text[from..at])));
        let (piece, length) = reference(&text[at + 2..]).map_err(|message| Unresolved {
            offset: at,
            message,
            hint: HINT_FORMS,
        })?;
        pieces.push((at, piece));
        from = at + 2 + length;
    }
    pieces.push((from, Piece::Text(&text[from..])));
    Ok(pieces)
}

/// What stands behind a `${`, and how long it is with its `}`.
fn reference(text: &str) -> Result<(Piece<'_>, usize), String> {
    let end = text.find('}').ok_or("a ${ has no } behind it")?;
    let inner = &text[..end];
    if let Some(path) = inner.strip_prefix("file:") {
        return Ok((Piece::File(path), end + 1));
    }
    let (name, default) = inner
        .split_once(":-")
        .map_or((inner, None), |(name, default)| (name, Some(default)));
    let proper = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !proper || name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return Err("a ${…} has no proper name in it".to_owned());
    }
    Ok((Piece::Variable { name, default }, end + 1))
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::io;
    use std::path::Path;

    use super::{Environment, first_reference, only_references, resolve};

    struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Result<String, VarError> {
            match name {
                "HOST" => Ok("api.example".to_owned()),
                "EMPTY" => Ok(String::new()),
                _ => Err(VarError::NotPresent),
            }
        }

        fn file(&self, path: &Path) -> io::Result<String> {
            match path.to_str() {
                Some("/token") => Ok("abc\n\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &[(usize, &str)]>) {
        let resolved = resolve(text, &Fixed);
        let problems = resolved.as_ref().map_err(|problems| {
            problems
                .iter()
                .map(|problem| (problem.offset, problem.message.as_str()))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            problems.map(String::as_str),
            expected.map_err(<[_]>::to_vec),
            "{text}"
        );
    }

    #[test]
    fn references_are_replaced() {
        check("https://${HOST}/v1", Ok("https://api.example/v1"));
        check("${NONE:-other}", Ok("other"));
        check("${EMPTY:-other}", Ok("other"));
        check("${EMPTY}", Ok(""));
        check("${NONE:-}", Ok(""));
        check("${HOST}${HOST}", Ok("api.exampleapi.example"));
    }

    #[test]
    fn a_file_loses_one_newline() {
        check("${file:/token}", Ok("abc\n"));
    }

    #[test]
    fn a_dollar_before_anything_else_stands_for_itself() {
        check("a$b $$ $HOST", Ok("a$b $$ $HOST"));
        check("$${HOST}", Ok("${HOST}"));
        check("$$${HOST}", Ok("$${HOST}"));
    }

    #[test]
    fn every_reference_to_nothing_is_named() {
        check(
            "${A}-${B}",
            Err(&[(0, "${A} is not set"), (5, "${B} is not set")]),
        );
        check(
            "x${file:/none}",
            Err(&[(1, "${file:/none} can't be read: entity not found")]),
        );
        check("${HOST", Err(&[(0, "a ${ has no } behind it")]));
        check("${}", Err(&[(0, "a ${…} has no proper name in it")]));
        check("a${HOST-b}", Err(&[(1, "a ${…} has no proper name in it")]));
        check("${1}", Err(&[(0, "a ${…} has no proper name in it")]));
    }

    #[test]
    fn what_shows_nothing_of_its_value_is_known() {
        assert!(only_references("${A}${file:/b}"));
        assert!(!only_references("${A:-hunter2}"));
        assert!(!only_references("hunter2${A}"));
        assert_eq!(first_reference("Bearer ${A:-x} ${B}"), Some((7, "${A:-x}")));
        assert_eq!(first_reference("$${A}"), None);
    }
}
