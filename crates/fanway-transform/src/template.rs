//! Templates: text with `\(jq)` in it, for paths, queries and headers.
//!
//! `\\` is a backslash; a backslash before anything else is an error. What stands in the text is
//! kept as written, but checked at compile time; what a program gives is encoded for the place
//! where it lands, so that data can't add a segment, a parameter or a header. Paths need more:
//! no value may be empty there, and none may make a segment that climbs.

mod landing;
mod parse;

pub use landing::Landing;

use crate::meter::Meter;
use crate::program::{CompileError, Failure, Program, Scope};
use crate::value::Value;
use parse::Piece;

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    landing: Landing,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<str>),
    Program { program: Program, source: Box<str> },
}

impl Template {
    /// Compiles a template for the place where its result lands.
    ///
    /// # Errors
    /// Where a program in it doesn't compile, or its text can't stand in that place.
    pub fn compile(source: &str, landing: Landing) -> Result<Self, CompileError> {
        let mut parts = Vec::new();
        for piece in parse::pieces(source)? {
            parts.push(match piece {
                Piece::Text { text, offset } => {
                    landing
                        .check_text(&text)
                        .map_err(|error| error.shifted(offset))?;
                    Part::Text(text.into())
                }
                Piece::Program { source, offset } => {
                    let program =
                        Program::compile(source).map_err(|error| error.shifted(offset))?;
                    Part::Program {
                        program,
                        source: source.into(),
                    }
                }
            });
        }
        let template = Self { landing, parts };
        template.check_whole()?;
        Ok(template)
    }

    /// The result, where there is no program in the template.
    #[must_use]
    pub fn as_static(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The programs in it.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Program { program, .. } => Some(program),
        })
    }

    /// Writes the result to the end of `out`.
    pub(crate) fn render(
        &self,
        input: &Value,
        scope: &Scope,
        meter: &Meter,
        out: &mut String,
    ) -> Result<(), Failure> {
        let start = out.len();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Program { program, source } => {
                    let value = program
                        .run(input, scope, meter)
                        .map_err(|failure| format!(r"\({source}): {failure}"))?;
                    self.landing
                        .put(&value, out)
                        .map_err(|refusal| format!(r"\({source}) {refusal}"))?;
                }
            }
        }
        self.landing
            .check_result(&out[start..])
            .map_err(str::to_owned)
    }

    fn check_whole(&self) -> Result<(), CompileError> {
        if self.landing == Landing::Path
            && !matches!(self.parts.first(), Some(Part::Text(text)) if text.starts_with('/'))
        {
            return Err(CompileError::new(0, "a path begins with `/`"));
        }
        let result = self
            .as_static()
            .map_or(Ok(()), |text| self.landing.check_result(text));
        result.map_err(|message| CompileError::new(0, message))
    }
}

#[cfg(test)]
mod tests;
