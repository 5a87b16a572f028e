//! How large a value may become.
//!
//! Each value by itself is bounded, not their sum: a program that keeps many large values is
//! bounded only by what it can make before its deadline.

use jaq_json::{Num, Val};

use crate::meter::Stop;

/// Bytes that a string, or an array or object without its parts, may take.
const SIZE_LIMIT: usize = 64 << 20;
/// Bytes of an integer: arithmetic on longer ones takes quadratic time within one step.
const INTEGER_LIMIT: usize = 8 << 10;
/// Bytes of an array's item, of a text's own box, and of an object's member with its index.
const ITEM: usize = size_of::<Val>();
const TEXT: usize = 48;
const MEMBER: usize = 56;

/// Items that an array may have.
pub(super) const ITEMS_LIMIT: usize = SIZE_LIMIT / ITEM;

/// Ends the evaluation where a sum would be too large.
pub(super) fn check_sum(left: &Val, right: &Val) {
    check_size(size(left).saturating_add(size(right)));
}

/// Ends the evaluation where a product would be too large.
pub(super) fn check_product(left: &Val, right: &Val) {
    match (left, right) {
        (Val::Num(left), Val::Num(right)) => {
            if integer_size(left).saturating_add(integer_size(right)) > INTEGER_LIMIT {
                Stop::ValueTooLarge.throw();
            }
        }
        (text @ (Val::TStr(_) | Val::BStr(_)), Val::Num(count))
        | (Val::Num(count), text @ (Val::TStr(_) | Val::BStr(_))) => {
            check_size(size(text).saturating_mul(times(count)));
        }
        _ => check_sum(left, right),
    }
}

/// Ends the evaluation where splitting a text would give too many pieces.
pub(super) fn check_quotient(left: &Val, right: &Val) {
    let (Val::TStr(text) | Val::BStr(text), Val::TStr(separator) | Val::BStr(separator)) =
        (left, right)
    else {
        return;
    };
    check_size(pieces(text, separator).saturating_mul(ITEM + TEXT));
}

fn check_size(size: usize) {
    if size > SIZE_LIMIT {
        Stop::ValueTooLarge.throw();
    }
}

fn size(json: &Val) -> usize {
    match json {
        Val::Null | Val::Bool(_) => 0,
        Val::Num(number) => integer_size(number),
        Val::TStr(text) | Val::BStr(text) => text.len(),
        Val::Arr(items) => items.len().saturating_mul(ITEM),
        Val::Obj(members) => members.len().saturating_mul(MEMBER),
    }
}

fn integer_size(number: &Num) -> usize {
    match number {
        Num::BigInt(integer) => usize::try_from(integer.bits() / 8).unwrap_or(usize::MAX),
        Num::Int(_) | Num::Float(_) | Num::Dec(_) => size_of::<isize>(),
    }
}

/// How often a text is repeated; jaq repeats by integers only.
fn times(count: &Num) -> usize {
    match count {
        Num::Int(count) => usize::try_from(*count).unwrap_or(0),
        Num::BigInt(_) => usize::MAX,
        Num::Float(_) | Num::Dec(_) => 0,
    }
}

fn pieces(text: &[u8], separator: &[u8]) -> usize {
    let Some(first) = separator.first() else {
        return text.len();
    };
    let mut pieces = 1;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        let found = rest[at..].starts_with(separator);
        pieces += usize::from(found);
        rest = &rest[at + if found { separator.len() } else { 1 }..];
    }
    pieces
}
