//! `${NAME}`, `${NAME:-default}`, `${file:/run/secrets/x}`, `${command:…}` and `${vault:…#…}` in
//! values.
//!
//! `$${` stands for `${`; a `$` before anything else stands for itself. A default is text up to
//! the next `}`, used where the variable isn't set or is empty. What any of them stands for is a
//! [`Secret`] from here on: nobody can say of a value where it has come from.

use std::env::VarError;
use std::ops::Range;
use std::path::Path;

use fanway_types::Secret;

use crate::environment::Environment;
use crate::reference::{self, Reference};
use crate::secrets::Secrets;

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
    File(&'t str),
    Asked(Reference),
}

/// A part and where it stands, in bytes.
type Placed<'t> = (Range<usize>, Piece<'t>);

/// What is wrong with a reference, and where it stands, in bytes. It quotes names only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

const HINT_FORMS: &str = "${NAME}, ${NAME:-default}, ${file:/path}, ${command:program …} or ${vault:path#field}; for the two characters themselves write $${";

/// Puts in what the references of a text stand for; `secrets` says how others are asked.
///
/// # Errors
/// With every reference that stands for nothing, and with one that isn't written right.
pub(crate) fn resolve(
    text: &str,
    environment: &dyn Environment,
    secrets: &Secrets,
) -> Result<Secret, Vec<Unresolved>> {
    let mut resolved = String::new();
    let mut problems = Vec::new();
    for (at, piece) in pieces(text).map_err(|malformed| vec![malformed])? {
        match value(piece, environment, secrets) {
            Ok(value) => resolved.push_str(value.expose()),
            Err((message, hint)) => problems.push(Unresolved { at, message, hint }),
        }
    }
    if problems.is_empty() {
        Ok(Secret::new(resolved))
    } else {
        Err(problems)
    }
}

/// The first reference of a text, as it is written, and where it begins.
pub(crate) fn first_reference(text: &str) -> Option<(usize, &str)> {
    let pieces = pieces(text).ok()?;
    let mut references = pieces
        .into_iter()
        .filter(|(_, piece)| !matches!(piece, Piece::Text(_)));
    let (at, _) = references.next()?;
    Some((at.start, &text[at]))
}

/// Whether a text consists of references without a default: it shows nothing of its value.
pub(crate) fn only_references(text: &str) -> bool {
    let shows_nothing = |(_, piece): &Placed<'_>| match piece {
        Piece::Text(text) => text.is_empty(),
        Piece::Variable { default, .. } => default.is_none(),
        Piece::File(_) | Piece::Asked(_) => true,
    };
    pieces(text).is_ok_and(|pieces| pieces.iter().all(shows_nothing))
}

fn value(
    piece: Piece<'_>,
    environment: &dyn Environment,
    secrets: &Secrets,
) -> Result<Secret, (String, &'static str)> {
    match piece {
        Piece::Text(text) => Ok(Secret::new(text.to_owned())),
        Piece::Variable { name, default } => variable(name, default, environment).map(Secret::new),
        Piece::File(path) => match environment.file(Path::new(path)).map(without_newline) {
            Ok(content) if content.is_empty() => {
                Err((format!("${{file:{path}}} is empty"), HINT_EMPTY))
            }
            Ok(content) => Ok(Secret::new(content)),
            Err(error) => Err((
                format!("${{file:{path}}} can't be read: {error}"),
                "a relative path starts at the working directory",
            )),
        },
        Piece::Asked(reference) => match environment.secret(&reference, secrets) {
            Ok(value) if value.expose().is_empty() => {
                Err((format!("{reference} is empty"), HINT_EMPTY))
            }
            Ok(value) => Ok(value),
            Err(why) => Err((format!("{reference} can't be had: {why}"), HINT_ASKED)),
        },
    }
}

const HINT_EMPTY: &str = "a reference to nothing is an error, so that no secret is empty unnoticed";

const HINT_ASKED: &str = "docs/secrets.md says how commands are run and vaults are asked";

fn variable(
    name: &str,
    default: Option<&str>,
    environment: &dyn Environment,
) -> Result<String, (String, &'static str)> {
    match (environment.variable(name), default) {
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

/// The parts of a text and where they stand.
fn pieces(text: &str) -> Result<Vec<Placed<'_>>, Unresolved> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("${") {
        let at = from + found;
        if text[from..at].ends_with('$') {
            // `$${`: the first `$` is left out.
            pieces.push((from..at - 1, Piece::Text(&text[from..at - 1])));
            pieces.push((at..at + 2, Piece::Text("${")));
            from = at + 2;
            continue;
        }
        pieces.push((from..at, Piece::Text(&text[from..at])));
        let (piece, length) = reference(&text[at + 2..]).map_err(|message| Unresolved {
            at: at..text[at..].find('}').map_or(at + 1, |end| at + end + 1),
            message,
            hint: HINT_FORMS,
        })?;
        pieces.push((at..at + 2 + length, piece));
        from = at + 2 + length;
    }
    pieces.push((from..text.len(), Piece::Text(&text[from..])));
    Ok(pieces)
}

/// What stands behind a `${`, and how long it is with its `}`.
fn reference(text: &str) -> Result<(Piece<'_>, usize), String> {
    if let Some(command) = text.strip_prefix("command:") {
        let (read, length) =
            reference::command(command).map_err(|why| format!("a ${{command:…}} {why}"))?;
        return Ok((Piece::Asked(read), "command:".len() + length));
    }
    let end = text.find('}').ok_or("a ${ has no } behind it")?;
    let inner = &text[..end];
    if let Some(path) = inner.strip_prefix("file:") {
        return Ok((Piece::File(path), end + 1));
    }
    if let Some(place) = inner.strip_prefix("vault:") {
        let read = reference::vault(place).map_err(|why| format!("a ${{vault:…}} {why}"))?;
        return Ok((Piece::Asked(read), end + 1));
    }
    let (name, default) = inner
        .split_once(":-")
        .map_or((inner, None), |(name, default)| (name, Some(default)));
    if is_name(name) {
        return Ok((Piece::Variable { name, default }, end + 1));
    }
    match name.split_once(':') {
        Some((kind, _)) if is_name(kind) => Err(format!(
            "nothing is known by `{kind}:`; there are file:, command: and vault:"
        )),
        _ => Err("a ${…} has no proper name in it".to_owned()),
    }
}

/// Whether a text can be the name of a variable.
fn is_name(text: &str) -> bool {
    let is_proper = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_proper)
        && text
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::io;
    use std::path::Path;

    use fanway_types::Secret;

    use super::{Environment, first_reference, only_references, resolve};
    use crate::reference::Reference;
    use crate::secrets::Secrets;

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
                Some("/empty") => Ok("\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }

        fn secret(&self, reference: &Reference, _: &Secrets) -> Result<Secret, String> {
            match reference.to_string().as_str() {
                "${command:print '}'}" => Ok(Secret::new("printed".to_owned())),
                "${command:quiet}" => Ok(Secret::new(String::new())),
                "${vault:a/b#c}" => Ok(Secret::new("kept".to_owned())),
                _ => Err("nobody knows it".to_owned()),
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &[(usize, &str)]>) {
        let resolved = resolve(text, &Fixed, &Secrets::default());
        let problems = resolved.as_ref().map_err(|problems| {
            problems
                .iter()
                .map(|problem| (problem.at.start, problem.message.as_str()))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            problems.map(Secret::expose),
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
    fn what_is_asked_of_others_is_put_in_like_the_rest() {
        check(
            "a ${command:print '}'} ${vault:a/b#c}",
            Ok("a printed kept"),
        );
        check(
            "${command:other}${vault:a/b#d}",
            Err(&[
                (0, "${command:other} can't be had: nobody knows it"),
                (16, "${vault:a/b#d} can't be had: nobody knows it"),
            ]),
        );
        check(
            "${command:a 'b}",
            Err(&[(0, "a ${command:…} has a quote that isn't closed")]),
        );
    }

    #[test]
    fn what_is_empty_is_no_secret() {
        check("a${file:/empty}", Err(&[(1, "${file:/empty} is empty")]));
        check("${command:quiet}", Err(&[(0, "${command:quiet} is empty")]));
    }

    #[test]
    fn what_looks_like_a_kind_and_is_none_is_never_taken_as_it_is() {
        let known = "there are file:, command: and vault:";
        for (text, kind) in [
            ("${env:A}", "env"),
            ("${aws:a/b#c}", "aws"),
            ("${Vault:a#b}", "Vault"),
        ] {
            let expected = format!("nothing is known by `{kind}:`; {known}");
            check(text, Err(&[(0, &expected)]));
        }
        check("${:a}", Err(&[(0, "a ${…} has no proper name in it")]));
    }

    #[test]
    fn what_shows_nothing_of_its_value_is_known() {
        assert!(only_references(
            "${A}${file:/b}${command:a '}'}${vault:a#b}"
        ));
        assert_eq!(
            first_reference("a ${command:a '}'} b"),
            Some((2, "${command:a '}'}"))
        );
        assert!(!only_references("${A:-hunter2}"));
        assert!(!only_references("hunter2${A}"));
        assert_eq!(first_reference("Bearer ${A:-x} ${B}"), Some((7, "${A:-x}")));
        assert_eq!(first_reference("$${A}"), None);
    }
}
