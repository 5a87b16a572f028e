//! What is signed of a request, and how a signature is written: texts with placeholders in braces.
//!
//! Two kinds, which know other placeholders: what an HMAC is computed over
//! (`{timestamp}.{body}`), and the value of the header that carries it
//! (`t={timestamp}[,v1={signature}]`, where the part in brackets stands once for each secret).
//! `{{`, `}}`, and in a header's value `[[` and `]]`, stand for the one character.

use std::ops::Range;

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningTemplate {
    pieces: Box<[SigningPiece]>,
    repeated: Option<Range<usize>>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningPiece {
    /// This text.
    Text(Box<str>),
    /// What a placeholder stands for.
    Field(SigningField),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningField {
    /// The body, byte for byte.
    Body,
    /// The time of the attempt in seconds since 1970.
    Timestamp,
    /// What the request's `Idempotency-Key` says, without quotes.
    Id,
    /// The method.
    Method,
    /// The path as it is sent, without the query.
    Path,
    /// The query as it is sent, without its `?`; nothing where there is none.
    Query,
    /// The signature.
    Signature,
}

/// What an HMAC may cover.
const OF_CONTENT: &[(&str, SigningField)] = &[
    ("body", SigningField::Body),
    ("timestamp", SigningField::Timestamp),
    ("id", SigningField::Id),
    ("method", SigningField::Method),
    ("path", SigningField::Path),
    ("query", SigningField::Query),
];

/// What a header's value may have.
const OF_VALUE: &[(&str, SigningField)] = &[
    ("signature", SigningField::Signature),
    ("timestamp", SigningField::Timestamp),
    ("id", SigningField::Id),
];

/// Why a text is no template. Never quotes more of it than a placeholder's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SigningTemplateError {
    /// Where, in bytes.
    pub offset: usize,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("a {{ has no }} behind it; for the character itself write {{{{")]
    Unclosed,
    #[error("a }} has no {{ before it; for the character itself write }}}}")]
    Unopened,
    #[error("there is no placeholder {{{name}}}; there are {known}")]
    Unknown { name: Box<str>, known: String },
    #[error("[ and ] stand once, around what is repeated; for the character itself write it twice")]
    Brackets,
    #[error("it has no {{signature}}, or one outside of what is repeated")]
    NoSignature,
    #[error("it has no placeholder: what is signed would be the same for all requests")]
    NoField,
    #[error("it has a character that can't stand in a header")]
    Character,
}

impl SigningTemplate {
    /// What an HMAC is computed over. Knows `body`, `timestamp`, `id`, `method`, `path` and
    /// `query`, and has at least one of them.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn content(text: &str) -> Result<Self, SigningTemplateError> {
        let template = Parser::new(text, OF_CONTENT, false).parse()?;
        let is_field = |piece: &SigningPiece| matches!(piece, SigningPiece::Field(_));
        if !template.pieces.iter().any(is_field) {
            return Err(Kind::NoField.at(0));
        }
        Ok(template)
    }

    /// The value of a header with the signature. Knows `signature`, which it has, within what is
    /// repeated where anything is; `timestamp` and `id`.
    ///
    /// # Errors
    /// Where the text is none, or no header's value.
    pub fn value(text: &str) -> Result<Self, SigningTemplateError> {
        if let Some(offset) = text.find(|character| !matches!(character, ' '..='~')) {
            return Err(Kind::Character.at(offset));
        }
        let template = Parser::new(text, OF_VALUE, true).parse()?;
        let is_signature =
            |piece: &SigningPiece| *piece == SigningPiece::Field(SigningField::Signature);
        let all = template.pieces.iter().filter(|piece| is_signature(piece));
        let all = all.count();
        let within = template.repeated.clone().map(|part| &template.pieces[part]);
        let fits = within
            .is_none_or(|part| part.iter().filter(|piece| is_signature(piece)).count() == all);
        if all == 0 || !fits {
            return Err(Kind::NoSignature.at(0));
        }
        Ok(template)
    }

    /// Its parts, in order.
    #[must_use]
    pub fn pieces(&self) -> &[SigningPiece] {
        &self.pieces
    }

    /// Which of them stand once for each secret, where it says so.
    #[must_use]
    pub fn repeated(&self) -> Option<Range<usize>> {
        self.repeated.clone()
    }

    /// Whether a placeholder stands in it.
    #[must_use]
    pub fn has(&self, field: SigningField) -> bool {
        self.pieces.contains(&SigningPiece::Field(field))
    }
}

impl Kind {
    fn at(self, offset: usize) -> SigningTemplateError {
        SigningTemplateError { offset, kind: self }
    }
}

struct Parser<'t> {
    text: &'t str,
    known: &'static [(&'static str, SigningField)],
    /// Whether brackets mean something.
    repeats: bool,
    pieces: Vec<SigningPiece>,
    /// What has been read of a text.
    literal: String,
    begin: Option<usize>,
    repeated: Option<Range<usize>>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, known: &'static [(&'static str, SigningField)], repeats: bool) -> Self {
        Self {
            text,
            known,
            repeats,
            pieces: Vec::new(),
            literal: String::new(),
            begin: None,
            repeated: None,
        }
    }

    fn parse(mut self) -> Result<SigningTemplate, SigningTemplateError> {
        let mut at = 0;
        while let Some(first) = self.text[at..].chars().next() {
            at += self.step(at, first)?;
        }
        if self.begin.is_some() {
            return Err(Kind::Brackets.at(self.text.len()));
        }
        self.end_literal();
        Ok(SigningTemplate {
            pieces: self.pieces.into(),
            repeated: self.repeated,
        })
    }

    /// Reads what begins with this character; returns how long it is, in bytes.
    fn step(&mut self, at: usize, first: char) -> Result<usize, SigningTemplateError> {
        let is_special = matches!(first, '{' | '}') || (self.repeats && matches!(first, '[' | ']'));
        let rest = &self.text[at + first.len_utf8()..];
        if !is_special {
            self.literal.push(first);
            return Ok(first.len_utf8());
        }
        if rest.starts_with(first) {
            self.literal.push(first);
            return Ok(2);
        }
        self.end_literal();
        match first {
            '{' => {
                let end = rest.find('}').ok_or_else(|| Kind::Unclosed.at(at))?;
                let field = self.field(&rest[..end]).map_err(|kind| kind.at(at))?;
                self.pieces.push(SigningPiece::Field(field));
                return Ok(end + 2);
            }
            '[' if self.begin.is_none() && self.repeated.is_none() => {
                self.begin = Some(self.pieces.len());
            }
            ']' => {
                let begin = self.begin.take().ok_or_else(|| Kind::Brackets.at(at))?;
                self.repeated = Some(begin..self.pieces.len());
            }
            '}' => return Err(Kind::Unopened.at(at)),
            _ => return Err(Kind::Brackets.at(at)),
        }
        Ok(1)
    }

    fn field(&self, name: &str) -> Result<SigningField, Kind> {
        let found = self.known.iter().find(|(known, _)| *known == name);
        found.map(|(_, field)| *field).ok_or_else(|| {
            let known = self.known.iter().map(|(known, _)| format!("{{{known}}}"));
            Kind::Unknown {
                name: name.chars().take(20).collect(),
                known: known.collect::<Vec<_>>().join(", "),
            }
        })
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            let text = std::mem::take(&mut self.literal);
            self.pieces.push(SigningPiece::Text(text.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SigningField, SigningPiece, SigningTemplate, SigningTemplateError};

    /// A template as its parts, the repeated ones in brackets.
    fn shown(template: &SigningTemplate) -> String {
        let mut shown = String::new();
        let repeated = template.repeated();
        for (at, piece) in template.pieces().iter().enumerate() {
            if repeated.as_ref().is_some_and(|part| part.start == at) {
                shown.push('[');
            }
            match piece {
                SigningPiece::Text(text) => shown.push_str(&format!("{text:?}")),
                SigningPiece::Field(field) => shown.push_str(&format!("{field:?}")),
            }
            if repeated.as_ref().is_some_and(|part| part.end == at + 1) {
                shown.push(']');
            }
            shown.push(' ');
        }
        shown.trim_end().to_owned()
    }

    #[track_caller]
    fn check(read: &Result<SigningTemplate, SigningTemplateError>, expected: Result<&str, &str>) {
        let read = read.as_ref().map(shown).map_err(ToString::to_string);
        assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn placeholders_stand_between_texts() {
        let content = SigningTemplate::content;
        check(&content("{timestamp}.{body}"), Ok("Timestamp \".\" Body"));
        check(
            &content("v0:{method} {path}?{query}\n{id}{body}"),
            Ok("\"v0:\" Method \" \" Path \"?\" Query \"\\n\" Id Body"),
        );
        check(
            &content("{{[{body}]}}\u{e4}"),
            Ok("\"{[\" Body \"]}\u{e4}\""),
        );
        let value = SigningTemplate::value;
        check(&value("sha256={signature}"), Ok("\"sha256=\" Signature"));
        check(
            &value("t={timestamp}[,v1={signature}];{id}"),
            Ok("\"t=\" Timestamp [\",v1=\" Signature] \";\" Id"),
        );
        check(&value("[[{signature}]]"), Ok("\"[\" Signature \"]\""));
    }

    #[test]
    fn what_is_none_is_refused_for_its_reason() {
        let content = SigningTemplate::content;
        let unclosed = "a { has no } behind it; for the character itself write {{";
        check(&content("{body"), Err(unclosed));
        let unopened = "a } has no { before it; for the character itself write }}";
        check(&content("body}"), Err(unopened));
        let unknown = "there is no placeholder {boddy}; there are {body}, {timestamp}, {id}, {method}, {path}, {query}";
        check(&content("{boddy}"), Err(unknown));
        let nothing = "it has no placeholder: what is signed would be the same for all requests";
        check(&content("abc"), Err(nothing));
        let value = SigningTemplate::value;
        let brackets =
            "[ and ] stand once, around what is repeated; for the character itself write it twice";
        for text in [
            "[{signature}",
            "{signature}]",
            "[{signature}[a]]",
            "[{signature}][a]",
        ] {
            check(&value(text), Err(brackets));
        }
        let none = "it has no {signature}, or one outside of what is repeated";
        for text in [
            "{timestamp}",
            "{signature}[,{id}]",
            "{signature}[{signature}]",
        ] {
            check(&value(text), Err(none));
        }
        let unknown = "there is no placeholder {body}; there are {signature}, {timestamp}, {id}";
        check(&value("{body}{signature}"), Err(unknown));
        let character = "it has a character that can't stand in a header";
        check(&value("{signature}\n"), Err(character));
        check(&value("\u{e4}{signature}"), Err(character));
    }

    #[test]
    fn it_is_known_what_stands_in_it() {
        let template = SigningTemplate::content("{id}.{body}").expect("a template");
        assert!(template.has(SigningField::Id) && !template.has(SigningField::Timestamp));
    }
}
