//! What jaq's interpreter and standard library ask of a value.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use jaq_core::box_iter::BoxIter;
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValX};
use jaq_json::{Map, Val};

use super::{Value, raise};

impl jaq_core::ValT for Value {
    fn from_num(text: &str) -> ValR<Self> {
        Val::from_num(text)
            .map(|json| Self::nested(json, 0))
            .map_err(raise)
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        let mut deepest = 0;
        let members = members.into_iter().map(|(key, value)| {
            deepest = deepest.max(key.depth).max(value.depth);
            (key.json, value.json)
        });
        let map: Map = members.collect();
        Ok(Self::nested(Val::obj(map), deepest + 1))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        let part = self.depth.saturating_sub(1);
        let both = move |(key, value)| (Self::nested(key, part), Self::nested(value, part));
        Box::new(
            self.json
                .key_values()
                .map(move |member| member.map(both).map_err(raise)),
        )
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        let part = self.depth.saturating_sub(1);
        let value = move |json| Self::nested(json, part);
        Box::new(
            self.json
                .values()
                .map(move |item| item.map(value).map_err(raise)),
        )
    }

    fn index(self, index: &Self) -> ValR<Self> {
        match self.json.clone().index(&index.json) {
            Ok(json) => Ok(self.part(json)),
            Err(_) => Err(Error::index(self, index.clone())),
        }
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        let depth = self.depth;
        self.json
            .range(ends(&range))
            .map(|json| Self::nested(json, depth))
            .map_err(raise)
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let update = Update::of(&self);
        let result = self.json.map_values(opt, |part| update.run(part, &f));
        update.finish(result)
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let update = Update::of(&self);
        // An object's new key is a part of it too.
        update.deepest.set(index.depth);
        let result = self
            .json
            .map_index(&index.json, opt, |part| update.run(part, &f));
        update.finish(result)
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let update = Update {
            part: self.depth,
            ..Update::of(&self)
        };
        let result = self
            .json
            .map_range(ends(&range), opt, |part| update.run(part, &f));
        update.finish(result)
    }

    fn as_bool(&self) -> bool {
        self.json.as_bool()
    }

    fn into_string(self) -> Self {
        Self::nested(self.json.into_string(), 0)
    }
}

fn ends<'v>(range: &Range<&'v Value>) -> Range<&'v Val> {
    range.start.map(Value::as_json)..range.end.map(Value::as_json)
}

/// An update of a value's parts by a filter. jaq's values can carry only their own kind of
/// exception, so the filter's is set aside and put back at the end.
struct Update<'a> {
    whole: u32,
    part: u32,
    deepest: Cell<u32>,
    thrown: RefCell<Option<Exn<'a, Value>>>,
}

impl<'a> Update<'a> {
    fn of(value: &Value) -> Self {
        let (whole, part) = (value.depth, value.depth.saturating_sub(1));
        Self {
            whole,
            part,
            deepest: Cell::new(0),
            thrown: RefCell::new(None),
        }
    }

    fn run<I>(
        &self,
        part: Val,
        filter: impl Fn(Value) -> I,
    ) -> impl Iterator<Item = jaq_json::ValX<'a>>
    where
        I: Iterator<Item = ValX<'a, Value>>,
    {
        filter(Value::nested(part, self.part)).map(|output| match output {
            Ok(value) => {
                self.deepest.set(self.deepest.get().max(value.depth));
                Ok(value.json)
            }
            Err(exception) => {
                self.thrown.replace(Some(exception));
                Err(Exn::from(Error::new(Val::Null)))
            }
        })
    }

    fn finish(self, result: jaq_json::ValX<'a>) -> ValX<'a, Value> {
        let depth = self.whole.max(self.deepest.get() + 1);
        let exception = match result {
            Ok(json) => return Ok(Value::nested(json, depth)),
            Err(exception) => exception,
        };
        if let Some(thrown) = self.thrown.into_inner() {
            return Err(thrown);
        }
        let error = exception
            .get_err()
            .unwrap_or_else(|_| Error::str("an update failed"));
        Err(Exn::from(raise(error)))
    }
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        let part = self.depth.saturating_sub(1);
        match self.json.into_seq::<Vec<Val>>() {
            Ok(items) => Ok(items
                .into_iter()
                .map(|json| Self::nested(json, part))
                .collect()),
            Err(json) => Err(Self::nested(json, self.depth)),
        }
    }

    fn is_int(&self) -> bool {
        self.json.is_int()
    }

    fn as_isize(&self) -> Option<isize> {
        self.json.as_isize()
    }

    fn as_f64(&self) -> Option<f64> {
        self.json.as_f64()
    }

    fn is_utf8_str(&self) -> bool {
        self.json.is_utf8_str()
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.json.as_bytes()
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::nested(self.json.as_sub_str(part), 0)
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::nested(Val::utf8_str(Bytes::from_owner(bytes)), 0)
    }
}
