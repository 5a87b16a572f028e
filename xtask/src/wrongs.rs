//! What was found to be as it must not be, in words.

use std::fmt::Display;

use crate::say;

/// How many are kept in words.
const WORDS: usize = 30;

/// All that is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrongs {
    pub(crate) words: Vec<String>,
    more: u64,
}

impl Wrongs {
    /// One more.
    pub(crate) fn add(&mut self, words: impl Display) {
        if self.words.len() < WORDS {
            self.words.push(words.to_string());
        } else {
            self.more += 1;
        }
    }

    /// Tells all. Returns whether there is none.
    pub(crate) fn report(&self) -> bool {
        for wrong in &self.words {
            say::line(format_args!("wrong: {wrong}"));
        }
        if self.more > 0 {
            say::line(format_args!("wrong: and {} more", self.more));
        }
        if self.words.is_empty() {
            say::line("all held");
        }
        self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{WORDS, Wrongs};

    #[test]
    fn many_are_counted_and_not_kept() {
        let mut wrongs = Wrongs::default();
        (0..WORDS + 3).for_each(|number| wrongs.add(number));
        assert_eq!((wrongs.words.len(), wrongs.more), (WORDS, 3));
    }
}
