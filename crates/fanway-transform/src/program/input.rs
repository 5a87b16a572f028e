//! Whether a program reads its input.
//!
//! Wrong on the safe side only: a program that is said not to read `.` doesn't, whatever it is;
//! one that is said to read it may not.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::Part;

/// Whether what `term` gives may depend on its input.
pub(super) fn is_read(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) | Term::Var(_) => false,
        Term::Str(None, parts) => parts
            .iter()
            .any(|part| matches!(part, StrPart::Term(term) if is_read(term))),
        Term::Arr(items) => items.as_deref().is_some_and(is_read),
        // `{a}` is `{a: .a}`, but `{$a}` is `{a: $a}`.
        Term::Obj(members) => members.iter().any(|(key, value)| match value {
            Some(value) => is_read(key) || is_read(value),
            None => !matches!(key, Term::Var(_)),
        }),
        Term::Neg(term) => is_read(term),
        // What stands behind a pipe sees only what came through it.
        Term::BinOp(left, BinaryOp::Pipe(None), _) => is_read(left),
        Term::BinOp(left, operator, right) => {
            operator_reads(operator) || is_read(left) || is_read(right)
        }
        Term::IfThenElse(branches, otherwise) => {
            let branch_reads = branches
                .iter()
                .any(|(condition, then)| is_read(condition) || is_read(then));
            branch_reads || otherwise.as_deref().is_none_or(is_read)
        }
        Term::Path(head, path) => {
            is_read(head) || path.0.iter().any(|(part, _)| part_is_read(part))
        }
        // Without arguments these are constants; a definition that hides them is a `Term::Def` around.
        Term::Call("true" | "false" | "null" | "empty", arguments) => !arguments.is_empty(),
        _ => true,
    }
}

fn part_is_read(part: &Part<Term<&str>>) -> bool {
    match part {
        Part::Index(index) => is_read(index),
        Part::Range(from, to) => from.iter().chain(to).any(is_read),
    }
}

/// Updates, and patterns with programs in them, aren't looked into.
fn operator_reads(operator: &BinaryOp<&str>) -> bool {
    match operator {
        BinaryOp::Comma
        | BinaryOp::Alt
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Math(_)
        | BinaryOp::Cmp(_) => false,
        BinaryOp::Pipe(_)
        | BinaryOp::Assign
        | BinaryOp::Update
        | BinaryOp::UpdateMath(_)
        | BinaryOp::UpdateAlt => true,
    }
}
