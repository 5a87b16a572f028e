//! The axes along which Fanway is scaled: how each is called, and what growth the work demands.

use super::figures::mebibytes;
use super::scale::{Point, Scale};

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Bytes of a body.
    Bodies,
    /// Targets of a route.
    Targets,
    /// Routes of a config.
    Routes,
    /// Messages that wait.
    Waiting,
}

impl Axis {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Bodies, Self::Targets, Self::Routes, Self::Waiting];

    /// What its figures and its chart are called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Targets => "targets",
            Self::Routes => "routes",
            Self::Waiting => "waiting",
        }
    }

    /// The section's title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bodies => "Bodies",
            Self::Targets => "Targets of a route",
            Self::Routes => "Routes",
            Self::Waiting => "Messages that wait",
        }
    }

    /// What its numbers count.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Bodies => "bytes of a body",
            Self::Targets => "targets of a route",
            Self::Routes => "routes",
            Self::Waiting => "messages that wait",
        }
    }

    /// What is measured.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Bodies => "The same route and two targets, bodies of different sizes.",
            Self::Targets => {
                "An event is done when it came to all targets; they are the two sinks under many names, in turn."
            }
            Self::Routes => {
                "Requests go to all routes in turn; each has two targets. Each config has a gateway of its own."
            }
            Self::Waiting => {
                "One more target is down, and so many messages of 100 bytes wait for it while the load goes to a route \
                 whose two targets are well. All in one process; disk and memory are those of the gateway after the load."
            }
        }
    }

    /// A number of this axis as it is shown.
    pub(crate) fn tick(self, at: u64) -> String {
        match self {
            Self::Bodies if at >= 1 << 20 => format!("{} MiB", at >> 20),
            Self::Bodies if at >= 1 << 10 => format!("{} KiB", at >> 10),
            Self::Bodies => format!("{at} B"),
            _ => thousands(at),
        }
    }

    /// How processor time grows, and what growth the work demands.
    pub(crate) fn growth(self, scale: &Scale) -> Option<String> {
        let (first, last) = (scale.points.first()?, scale.points.last()?);
        if first.at >= last.at {
            return None;
        }
        Some(match self {
            Self::Bodies => by_bytes(scale, first, last),
            Self::Targets => by_targets(&scale.points, first, last),
            Self::Routes => format!(
                "Demanded is no growth, since a route is looked up. {}",
                change(self, first, last)
            ),
            Self::Waiting => waiting(first, last),
        })
    }
}

fn by_bytes(scale: &Scale, first: &Point, last: &Point) -> String {
    let of_kib = slope(first, last) * 1024.0;
    let copies = scale.copy.map_or(String::new(), |copy| {
        format!(
            " Copying 1 KiB in memory takes {copy:.2} µs here, so that it is as much as {:.0} copies.",
            of_kib / copy
        )
    });
    let middle = scale.points.iter().skip(1).rev().skip(1);
    let beside: Vec<String> = middle
        .map(|point| {
            let line = first.cpu + slope(first, last) * (number(point.at) - number(first.at));
            let percent = (point.cpu / line - 1.0) * 100.0;
            format!("{percent:+.0} % at {}", Axis::Bodies.tick(point.at))
        })
        .collect();
    format!(
        "Demanded is a straight line, since each byte is read, copied to the journal, checksummed, written, and sent twice: \
         from {} to {} each further KiB costs {of_kib:.2} µs.{copies} Beside that line is what lies between: {}.",
        Axis::Bodies.tick(first.at),
        Axis::Bodies.tick(last.at),
        beside.join(", ")
    )
}

fn by_targets(points: &[Point], first: &Point, last: &Point) -> String {
    let steps = points.windows(2).map(|pair| slope(&pair[0], &pair[1]));
    let (least, most) = steps.fold((f64::MAX, f64::MIN), |(least, most), step| {
        (least.min(step), most.max(step))
    });
    format!(
        "Demanded is a straight line, since each target is another request: from {} to {} targets it is {:.1} µs for each \
         further target, and between neighbouring points {least:.1} to {most:.1} µs.",
        first.at,
        last.at,
        slope(first, last)
    )
}

fn waiting(first: &Point, last: &Point) -> String {
    let mut text = format!(
        "Demanded is no growth but on the disk, since what waits is read only when its target is well again. {}",
        change(Axis::Waiting, first, last)
    );
    if let Some((before, after)) = first.kept.zip(last.kept) {
        let disk = (number(after.disk) - number(before.disk)) / number(last.at - first.at);
        let memory = mebibytes(after.memory) - mebibytes(before.memory);
        text += &format!(
            " A message that waits takes {disk:.0} bytes of the disk, and all of them {memory:+.0} MiB of memory."
        );
    }
    text
}

fn change(axis: Axis, first: &Point, last: &Point) -> String {
    let percent = |of: fn(&Point) -> f64| (of(last) / of(first) - 1.0) * 100.0;
    format!(
        "From {} to {} {}, CPU for an event changes by {:+.0} % and events a second by {:+.0} %.",
        axis.tick(first.at),
        axis.tick(last.at),
        axis.unit(),
        percent(|point| point.cpu),
        percent(|point| point.events_per_second)
    )
}

/// Processor time for one more.
fn slope(one: &Point, other: &Point) -> f64 {
    (other.cpu - one.cpu) / number(other.at - one.at)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a measurement are far below 2 to the 52"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// A count with its digits in groups of three.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(text).collect();
    groups.join(",")
}

fn text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).expect("digits are text")
}

#[cfg(test)]
mod tests {
    use super::{Axis, Point, Scale, thousands};
    use crate::bench::scale::Kept;

    fn point(at: u64, cpu: f64) -> Point {
        Point {
            at,
            events_per_second: 1e6 / cpu,
            cpu,
            failed: 0,
            kept: None,
        }
    }

    #[track_caller]
    fn check(axis: Axis, points: Vec<Point>, copy: Option<f64>, expected: &[&str]) {
        let growth = axis.growth(&Scale { points, copy }).expect("it grows");
        for part in expected {
            assert!(growth.contains(part), "{part} isn't in {growth}");
        }
    }

    #[test]
    fn growth_is_told_beside_what_is_demanded() {
        let bodies = vec![
            point(1024, 50.0),
            point(2048, 66.0),
            point(11 * 1024, 150.0),
        ];
        let expected = [
            "each further KiB costs 10.00 µs",
            "as much as 50 copies",
            "+10 % at 2 KiB",
        ];
        check(Axis::Bodies, bodies, Some(0.2), &expected);
        let targets = vec![point(1, 30.0), point(2, 40.0), point(4, 66.0)];
        let expected = ["it is 12.0 µs for each further target", "10.0 to 13.0 µs"];
        check(Axis::Targets, targets, None, &expected);
        let routes = vec![point(1, 50.0), point(10_000, 55.0)];
        let expected = [
            "From 1 to 10,000 routes",
            "CPU for an event changes by +10 %",
        ];
        check(Axis::Routes, routes, None, &expected);
    }

    #[test]
    fn what_waits_tells_its_disk_and_memory() {
        let kept = |disk, memory| Some(Kept { disk, memory });
        let mut points = vec![point(0, 50.0), point(1_000, 50.0)];
        points[0].kept = kept(10_000, 80 << 20);
        points[1].kept = kept(310_000, 83 << 20);
        let expected = ["takes 300 bytes of the disk", "+3 MiB of memory"];
        check(Axis::Waiting, points, None, &expected);
    }

    #[test]
    fn one_point_has_no_growth() {
        let points = vec![point(0, 50.0)];
        assert_eq!(Axis::Waiting.growth(&Scale { points, copy: None }), None);
    }

    #[test]
    fn counts_are_in_groups_of_three() {
        let shown = [0, 999, 1_000, 10_000_000].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "10,000,000"]);
    }
}
