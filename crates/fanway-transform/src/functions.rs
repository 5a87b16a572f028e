//! The native functions that jaq-json has for its own values, for ours.
//!
//! `fromjson` is stricter than jaq's: one JSON text, checked like a body, since jaq's reader
//! recurses as deep as a string in the body says.

use jaq_core::native::{Filter, Fun, bome, run, unary, v};
use jaq_core::{Error, RunPtr, ValR};
use jaq_json::Val;
use jaq_std::ValT;

use crate::json;
use crate::meter::Jq;
use crate::value::Value;

/// The functions.
pub(crate) fn natives() -> impl Iterator<Item = Fun<Jq>> + 'static {
    let functions: [Filter<RunPtr<Jq>>; 7] = [
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("tojson", v(0), |cv| bome(Ok(cv.1.to_string().into()))),
        ("length", v(0), |cv| bome(length(cv.1))),
        ("contains", v(1), |cv| {
            unary(cv, |value, part| {
                Ok(contains(value.as_json(), part.as_json()).into())
            })
        }),
        ("has", v(1), |cv| unary(cv, has)),
        ("indices", v(1), |cv| unary(cv, indices)),
        ("bsearch", v(1), |cv| {
            unary(cv, |array, value| search(array, &value))
        }),
    ];
    functions.into_iter().map(run::<Jq>)
}

fn from_json(value: &Value) -> ValR<Value> {
    let depth = json::Limits::default().depth;
    let text = value.try_as_utf8_bytes()?;
    let json =
        json::parse(text, depth).map_err(|error| Error::str(format_args!("not JSON: {error}")))?;
    Ok(Value::parsed(json, depth))
}

fn length(value: Value) -> ValR<Value> {
    match value.as_json() {
        Val::Null => Ok(0usize.into()),
        Val::Num(_) if value < 0usize.into() => -value,
        Val::Num(_) => Ok(value),
        Val::TStr(text) => Ok(String::from_utf8_lossy(text).chars().count().into()),
        Val::BStr(bytes) => Ok(bytes.len().into()),
        Val::Arr(items) => Ok(items.len().into()),
        Val::Obj(members) => Ok(members.len().into()),
        Val::Bool(_) => Err(Error::str(format_args!("{value} has no length"))),
    }
}

fn contains(value: &Val, part: &Val) -> bool {
    match (value, part) {
        (Val::TStr(text), Val::TStr(part)) => {
            part.is_empty() || text.windows(part.len()).any(|window| window == &part[..])
        }
        (Val::Arr(items), Val::Arr(parts)) => parts
            .iter()
            .all(|part| items.iter().any(|item| contains(item, part))),
        (Val::Obj(members), Val::Obj(parts)) => parts.iter().all(|(key, part)| {
            members
                .get(key)
                .is_some_and(|member| contains(member, part))
        }),
        _ => value == part,
    }
}

fn has(value: Value, key: Value) -> ValR<Value> {
    match (value.as_json(), key.as_isize()) {
        (Val::Obj(members), _) => Ok(members.contains_key(key.as_json()).into()),
        (Val::Arr(items), Some(index)) => Ok(usize::try_from(index)
            .is_ok_and(|index| index < items.len())
            .into()),
        _ => Err(Error::index(value, key)),
    }
}

fn indices(value: Value, part: Value) -> ValR<Value> {
    let places: Vec<usize> = match (value.as_json(), part.as_json()) {
        (Val::TStr(text), Val::TStr(part)) => places_in_text(text, part),
        (Val::Arr(_), Val::Arr(parts)) if parts.is_empty() => Vec::new(),
        (Val::Arr(items), Val::Arr(parts)) => {
            places_where(items.windows(parts.len()), |window| **window == parts[..])
        }
        (Val::Arr(items), part) => places_where(items.iter(), |item| *item == part),
        _ => return Err(Error::index(value, part)),
    };
    Ok(places.into_iter().map(Value::from).collect())
}

fn places_in_text(text: &[u8], part: &[u8]) -> Vec<usize> {
    if part.is_empty() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(text);
    places_where(text.char_indices(), |(at, _)| {
        text.as_bytes()[*at..].starts_with(part)
    })
}

fn places_where<T>(items: impl Iterator<Item = T>, found: impl Fn(&T) -> bool) -> Vec<usize> {
    items
        .enumerate()
        .filter(|(_, item)| found(item))
        .map(|(place, _)| place)
        .collect()
}

/// Where a value stands in a sorted array, or -1 less the place where it would.
fn search(array: Value, value: &Value) -> ValR<Value> {
    let Val::Arr(items) = array.as_json() else {
        return Err(Error::typ(array, "array"));
    };
    let place = items.binary_search(value.as_json());
    let signed =
        |place: usize| isize::try_from(place).expect("an array is no longer than isize::MAX");
    Ok(place.map_or_else(|place| -1 - signed(place), signed).into())
}
