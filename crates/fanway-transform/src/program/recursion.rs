//! The one form of recursion that nothing at run time can stop in time.
//!
//! A function that takes filters and calls itself last makes a chain of closures, one for each
//! call. As it uses no stack (jaq makes a loop of it), it runs on until its deadline; and then the
//! drop of the chain, which recurses, overflows the stack and takes the process along. The same
//! without filters, `def f(g): def again: …; again;`, makes no chain, and is what the error says to write.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

type Signature<'s> = (&'s str, usize);

/// The name, as it stands in the source, where a function that takes filters calls itself last.
pub(super) fn find_chain<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    if let Term::Def(definitions, _) = term {
        let chain = definitions
            .iter()
            .find_map(|def| last_call(&def.body, signature_of_filtered(def)?));
        if chain.is_some() {
            return chain;
        }
    }
    let mut found = None;
    for_each_part(term, &mut |part| found = found.or_else(|| find_chain(part)));
    found
}

fn signature_of_filtered<'s>(def: &Def<&'s str>) -> Option<Signature<'s>> {
    def.args
        .iter()
        .any(|argument| !argument.starts_with('$'))
        .then_some((def.name, def.args.len()))
}

/// The call of `function` in a place where its outputs are those of the whole term.
fn last_call<'s>(term: &Term<&'s str>, function: Signature<'s>) -> Option<&'s str> {
    match term {
        Term::Call(name, arguments) => ((*name, arguments.len()) == function).then_some(*name),
        Term::BinOp(left, BinaryOp::Comma, right) => {
            last_call(left, function).or_else(|| last_call(right, function))
        }
        Term::BinOp(_, BinaryOp::Pipe(_) | BinaryOp::Alt, right) => last_call(right, function),
        Term::IfThenElse(branches, otherwise) => {
            let then = branches
                .iter()
                .find_map(|(_, then)| last_call(then, function));
            then.or_else(|| last_call(otherwise.as_deref()?, function))
        }
        Term::Fold(_, _, _, arguments) => last_call(arguments.get(2)?, function),
        Term::Def(definitions, term) => {
            if definitions
                .iter()
                .any(|def| (def.name, def.args.len()) == function)
            {
                return None;
            }
            let within = definitions
                .iter()
                .find_map(|def| last_call(&def.body, function));
            within.or_else(|| last_call(term, function))
        }
        _ => None,
    }
}

fn for_each_part<'t, 's>(term: &'t Term<&'s str>, visit: &mut dyn FnMut(&'t Term<&'s str>)) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
        Term::Str(_, parts) => parts.iter().for_each(|part| {
            if let StrPart::Term(term) = part {
                visit(term);
            }
        }),
        Term::Arr(items) => items.iter().for_each(|items| visit(items)),
        Term::Obj(members) => members.iter().for_each(|(key, value)| {
            visit(key);
            value.iter().for_each(&mut *visit);
        }),
        Term::Neg(term) | Term::Label(_, term) => visit(term),
        Term::BinOp(left, operator, right) => {
            visit(left);
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                for_each_in_pattern(pattern, visit);
            }
            visit(right);
        }
        Term::Fold(_, items, pattern, arguments) => {
            visit(items);
            for_each_in_pattern(pattern, visit);
            arguments.iter().for_each(visit);
        }
        Term::TryCatch(term, catch) => {
            visit(term);
            catch.iter().for_each(|catch| visit(catch));
        }
        Term::IfThenElse(branches, otherwise) => {
            branches
                .iter()
                .flat_map(|(condition, then)| [condition, then])
                .for_each(&mut *visit);
            otherwise.iter().for_each(|otherwise| visit(otherwise));
        }
        Term::Def(definitions, term) => {
            definitions.iter().for_each(|def| visit(&def.body));
            visit(term);
        }
        Term::Call(_, arguments) => arguments.iter().for_each(visit),
        Term::Path(head, path) => {
            visit(head);
            path.0.iter().for_each(|(part, _)| match part {
                Part::Index(index) => visit(index),
                Part::Range(from, to) => from.iter().chain(to).for_each(&mut *visit),
            });
        }
    }
}

fn for_each_in_pattern<'t, 's>(
    pattern: &'t Pattern<&'s str>,
    visit: &mut dyn FnMut(&'t Term<&'s str>),
) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(patterns) => patterns
            .iter()
            .for_each(|pattern| for_each_in_pattern(pattern, visit)),
        Pattern::Obj(members) => members.iter().for_each(|(key, pattern)| {
            visit(key);
            for_each_in_pattern(pattern, visit);
        }),
    }
}
