//! The versions of a config, of which every other one is broken, and when each of the others may
//! be in use: from when it was written until its successor is seen in use.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::sink::Sink;

/// The sinks: one that all versions send to, and one for every other version.
pub(crate) const BOTH: usize = 0;
pub(crate) const LEFT: usize = 1;
pub(crate) const RIGHT: usize = 2;
/// What the sinks are called.
const NAMES: [&str; 3] = ["both", "left", "right"];

/// The ways in which a config can be broken.
const BREAKS: [fn(&str) -> String; 5] = [
    // It stops in the middle of a value.
    |text| format!("{text}targets: {{ "),
    |text| text.replace("to: both", "to: boht"),
    |text| format!("{text}surprise: true\n"),
    // Only a restart can change this.
    |text| text.replace("4MiB", "8MiB"),
    |_| String::new(),
];

/// What one version does.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) text: String,
}

impl Version {
    /// Version `number`, in a config that begins with `head`. All steps that it causes have its
    /// path. Only the sinks that it sends to are its targets.
    pub(crate) fn new(number: u32, head: &str, sinks: &[Sink]) -> Self {
        let side = side(number);
        Self {
            number,
            text: text(number, &[BOTH, side], head, sinks),
        }
    }

    /// The same with all targets, so that nothing waits in the end.
    pub(crate) fn last(number: u32, head: &str, sinks: &[Sink]) -> Self {
        Self {
            number,
            text: text(number, &[BOTH, LEFT, RIGHT], head, sinks),
        }
    }

    /// Its text, broken in one way or another.
    pub(crate) fn broken(&self, rng: &mut StdRng) -> String {
        BREAKS[rng.random_range(0..BREAKS.len())](&self.text)
    }
}

/// The sink that only every other version sends to.
pub(crate) fn side(number: u32) -> usize {
    if number.is_multiple_of(2) {
        LEFT
    } else {
        RIGHT
    }
}

/// The path of what a version sends.
pub(crate) fn path(number: u32) -> String {
    format!("/v{number}")
}

/// The version that sends to a path.
pub(crate) fn of_path(path: &str) -> Option<u32> {
    path.strip_prefix("/v")?.parse().ok()
}

fn text(number: u32, targets: &[usize], head: &str, sinks: &[Sink]) -> String {
    let targets = targets.iter().map(|sink| {
        let (name, address) = (NAMES[*sink], sinks[*sink].address());
        format!("  {name}: {{ url: 'http://{address}', timeout: 60s, concurrency: 16 }}\n")
    });
    let targets: String = targets.collect();
    let (path, side) = (path(number), NAMES[side(number)]);
    format!(
        "{head}targets:
{targets}routes:
  orders:
    match: POST /orders
    send: [{{ to: both, path: {path} }}, {{ to: {side}, path: {path} }}]
"
    )
}

/// When versions may be in use.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    by_number: BTreeMap<u32, Span>,
    by_fingerprint: BTreeMap<String, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    written: Instant,
    replaced: Option<Instant>,
}

impl Timeline {
    /// A version is about to be written.
    pub(crate) fn writing(&mut self, number: u32, fingerprint: &str) {
        let span = Span {
            written: Instant::now(),
            replaced: None,
        };
        self.by_number.insert(number, span);
        self.by_fingerprint.insert(fingerprint.to_owned(), number);
    }

    /// A version was seen in use: no earlier one is any more.
    pub(crate) fn in_use(&mut self, number: u32) {
        for (_, span) in self.by_number.range_mut(..number) {
            span.replaced.get_or_insert_with(Instant::now);
        }
    }

    /// Whether there is a version of this fingerprint.
    pub(crate) fn knows(&self, fingerprint: &str) -> bool {
        self.by_fingerprint.contains_key(fingerprint)
    }

    /// Whether a version may have been in use between two times.
    pub(crate) fn may_be_used(&self, number: u32, from: Instant, to: Instant) -> bool {
        self.by_number.get(&number).is_some_and(|span| {
            let was_there = span.replaced.is_none_or(|replaced| replaced >= from);
            span.written <= to && was_there
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Timeline, of_path, path};

    #[test]
    fn a_version_may_be_in_use_until_another_one_is_seen() {
        let mut timeline = Timeline::default();
        let before = Instant::now();
        timeline.writing(1, "a");
        timeline.in_use(1);
        timeline.writing(2, "b");
        let both = Instant::now();
        timeline.in_use(2);
        let after = Instant::now();
        assert!(timeline.knows("a") && timeline.knows("b") && !timeline.knows("c"));
        let used = |number, from| timeline.may_be_used(number, from, Instant::now());
        assert!(used(1, both) && used(2, both) && used(2, after));
        assert!(!used(3, both));
        assert!(!timeline.may_be_used(2, before, before));
    }

    #[test]
    fn a_version_is_known_by_its_path() {
        assert_eq!(of_path(&path(17)), Some(17));
        assert_eq!(of_path("/"), None);
    }
}
