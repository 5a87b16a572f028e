//! Conversions, comparison and arithmetic of values: jaq's own, within the bounds.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use jaq_core::ValR;
use jaq_json::Val;

use super::{Value, growth, raise};
use crate::meter::Stop;

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::nested(value.into(), 0)
    }
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        Self::nested(value.into(), 0)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::nested(value.into(), 0)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::nested(value.into(), 0)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::nested(value.into(), 0)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl From<jaq_core::val::Range<Self>> for Value {
    fn from(range: jaq_core::val::Range<Self>) -> Self {
        let depth = |end: &Option<Self>| end.as_ref().map_or(0, |end| end.depth);
        let deepest = depth(&range.start).max(depth(&range.end));
        let range = range.start.map(Self::into_json)..range.end.map(Self::into_json);
        Self::nested(range.into(), deepest + 1)
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        let mut deepest = 0;
        let mut array = Vec::new();
        for item in items {
            if array.len() == growth::ITEMS_LIMIT {
                Stop::ValueTooLarge.throw();
            }
            deepest = deepest.max(item.depth);
            array.push(item.json);
        }
        Self::nested(Val::Arr(array.into()), deepest + 1)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json.fmt(f)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.json.cmp(&other.json)
    }
}

/// The result of an operation on two values, neither of which it nests any deeper.
fn level(depth: u32, result: jaq_json::ValR) -> ValR<Value> {
    result.map(|json| Value::nested(json, depth)).map_err(raise)
}

impl Add for Value {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        growth::check_sum(&self.json, &other.json);
        level(self.depth.max(other.depth), self.json + other.json)
    }
}

impl Sub for Value {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        level(self.depth.max(other.depth), self.json - other.json)
    }
}

impl Mul for Value {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        growth::check_product(&self.json, &other.json);
        level(self.depth.max(other.depth), self.json * other.json)
    }
}

impl Div for Value {
    type Output = ValR<Self>;

    /// Of two texts: the pieces of one between the other, an array.
    fn div(self, other: Self) -> ValR<Self> {
        growth::check_quotient(&self.json, &other.json);
        level(1, self.json / other.json)
    }
}

impl Rem for Value {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> ValR<Self> {
        level(0, self.json % other.json)
    }
}

impl Neg for Value {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        level(0, -self.json)
    }
}
