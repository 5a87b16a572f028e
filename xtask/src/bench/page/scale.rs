//! One axis of scale: its chart, its table, and what growth the work demands.

use crate::bench::axis::Axis;
use crate::bench::chart::{Chart, Panel};
use crate::bench::figures::mebibytes;
use crate::bench::scale::{Point, Scale};

pub(super) fn scale(axis: Axis, figures: &Scale) -> String {
    let has_kept = figures.points.iter().any(|point| point.kept.is_some());
    let (more, columns) = if has_kept {
        (" disk MiB | memory MiB |", "---|---|")
    } else {
        ("", "")
    };
    let lines: String = figures
        .points
        .iter()
        .map(|point| line(axis, point))
        .collect();
    let growth = axis.growth(figures).unwrap_or_default();
    let has_failed = figures.points.iter().any(|point| point.failed > 0);
    let failed = if has_failed {
        "\nRequests that failed have cost something, too, and that is part of these figures.\n"
    } else {
        ""
    };
    format!(
        "{}\n\n![{}](benchmarks/{}.svg)\n\n\
         | {} | events/s | CPU µs | failed |{more}\n|---|---|---|---|{columns}\n{lines}\n{growth}\n{failed}",
        axis.about(),
        axis.title(),
        axis.name(),
        axis.unit()
    )
}

fn line(axis: Axis, point: &Point) -> String {
    let Point {
        events_per_second,
        cpu,
        failed,
        ..
    } = point;
    let kept = point.kept.map_or(String::new(), |kept| {
        let (disk, memory) = (mebibytes(kept.disk), mebibytes(kept.memory));
        format!(" {disk:.0} | {memory:.0} |")
    });
    let at = axis.tick(point.at);
    format!("| {at} | {events_per_second:.0} | {cpu:.1} | {failed} |{kept}\n")
}

/// The same figures as a chart.
pub(crate) fn chart(axis: Axis, figures: &Scale) -> Chart {
    let points = figures.points.iter();
    let panel = |label: &str, of: fn(&Point) -> f64| Panel {
        label: label.to_owned(),
        values: figures.points.iter().map(of).collect(),
    };
    Chart {
        title: axis.title().to_owned(),
        across: axis.unit().to_owned(),
        ticks: points
            .map(|point| (point.at, axis.tick(point.at)))
            .collect(),
        panels: vec![
            panel("events/s", |point| point.events_per_second),
            panel("CPU for an event, µs", |point| point.cpu),
        ],
    }
}
