//! Charts as SVG: one or two panels above one logarithmic axis, legible in light and in dark.
//!
//! Each panel has an axis of its own, which begins at zero, and is logarithmic where its values
//! differ too much for that. Each point is labelled with its value.

mod heights;

use std::fmt::Write;

use heights::Heights;

/// Widths and heights, in pixels.
const WIDTH: f64 = 720.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 56.0;
const PANEL: f64 = 160.0;
const GAP: f64 = 64.0;
const BOTTOM: f64 = 54.0;
/// How far the first and the last point are from the panel's ends, for their labels' sake.
const INSET: f64 = 28.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-size: 14px; font-weight: 600 }
.grid { stroke: #8b949e; stroke-opacity: .35 }
.line { fill: none; stroke: #0969da; stroke-width: 2 }
.point { fill: #0969da }
@media (prefers-color-scheme: dark) {
text { fill: #adbac7 }
.line { stroke: #539bf5 }
.point { fill: #539bf5 }
}
";

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the horizontal axis counts.
    pub(crate) across: String,
    /// The points' places on it and their labels; zero has a place of its own.
    pub(crate) ticks: Vec<(u64, String)>,
    pub(crate) panels: Vec<Panel>,
}

/// A series with an axis of its own.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What it shows, with its unit.
    pub(crate) label: String,
    /// A value for each tick.
    pub(crate) values: Vec<f64>,
}

impl Chart {
    /// As SVG.
    pub(crate) fn svg(&self) -> String {
        let count = f64::from(u32::try_from(self.panels.len()).unwrap_or(1));
        let height = TOP + count * (PANEL + GAP) - GAP + BOTTOM;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
             <title>{}</title>\n<style>\n{STYLE}</style>\n",
            escape(&self.title)
        );
        let places = self.places();
        let mut top = TOP;
        for panel in &self.panels {
            panel.draw(&mut svg, top, &places);
            top += PANEL + GAP;
        }
        let axis = top - GAP + 20.0;
        for (place, (_, label)) in places.iter().zip(&self.ticks) {
            text(&mut svg, (*place, axis), "middle", "tick", label);
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        let across = format!("{} (logarithmic)", self.across);
        text(&mut svg, (middle, axis + 22.0), "middle", "label", &across);
        svg += "</svg>\n";
        svg
    }

    /// Where the points are, from left to right: by their logarithm, and zero a decade before.
    fn places(&self) -> Vec<f64> {
        let positive = self.ticks.iter().map(|(at, _)| *at).filter(|at| *at > 0);
        let least = logarithm(positive.min().unwrap_or(1)) - 1.0;
        let decades: Vec<f64> = self
            .ticks
            .iter()
            .map(|(at, _)| if *at == 0 { least } else { logarithm(*at) })
            .collect();
        let from = decades.iter().copied().fold(f64::MAX, f64::min);
        let to = decades.iter().copied().fold(f64::MIN, f64::max);
        let width = WIDTH - LEFT - RIGHT - 2.0 * INSET;
        let place = |decade: &f64| LEFT + INSET + (decade - from) / (to - from).max(1e-9) * width;
        decades.iter().map(place).collect()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a place on a chart needs no digit more"
)]
fn logarithm(at: u64) -> f64 {
    (at as f64).log10()
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, places: &[f64]) {
        let heights = Heights::of(&self.values);
        let title = (LEFT, top - 28.0);
        let label = format!("{}{}", self.label, heights.note());
        text(svg, title, "start", "title", &label);
        // Writing into a string can't fail.
        for (value, share) in heights.lines() {
            let y = top + PANEL * (1.0 - share);
            let right = WIDTH - RIGHT;
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>"
            );
            text(svg, (LEFT - 8.0, y + 4.0), "end", "tick", &short(value));
        }
        let points = places.iter().zip(&self.values);
        let points: Vec<(f64, f64, f64)> = points
            .map(|(x, value)| (*x, top + PANEL * (1.0 - heights.share(*value)), *value))
            .collect();
        let line: Vec<String> = points
            .iter()
            .map(|(x, y, _)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline class=\"line\" points=\"{}\"/>",
            line.join(" ")
        );
        for (x, y, value) in points {
            let _ = writeln!(
                svg,
                "<circle class=\"point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"
            );
            text(svg, (x, y - 9.0), "middle", "value", &short(value));
        }
    }
}

/// A value with as many digits as a label has room for.
fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        at if at >= 1e6 => (value / 1e6, "M"),
        at if at >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        at if at >= 100.0 => 0,
        at if at >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let is_fraction = text.contains('.');
    let text = text.trim_end_matches(|c| is_fraction && c == '0');
    format!("{}{unit}", text.trim_end_matches('.'))
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let text = escape(text);
    // Writing into a string can't fail.
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Chart, Panel, short};

    fn chart(ticks: &[u64], values: &[f64]) -> String {
        let panel = |label: &str| Panel {
            label: label.to_owned(),
            values: values.to_vec(),
        };
        let chart = Chart {
            title: "Bodies < 1 MiB & more".to_owned(),
            across: "bytes".to_owned(),
            ticks: ticks.iter().map(|at| (*at, format!("{at} B"))).collect(),
            panels: vec![panel("events/s"), panel("CPU, µs")],
        };
        chart.svg()
    }

    /// Whether each element is closed where it must be, and text holds no loose `<` or `&`.
    #[track_caller]
    fn check_well_formed(svg: &str) {
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').expect("a tag ends");
            assert!(!text.contains('>'), "{text}");
            for after in text.split('&').skip(1) {
                assert!(
                    after.starts_with("amp;") || after.starts_with("lt;"),
                    "{text}"
                );
            }
            let name = tag.split(' ').next().unwrap_or_default();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?} aren't closed");
    }

    #[test]
    fn a_chart_is_well_formed_and_has_all_points() {
        let svg = chart(&[100, 1_000, 10_000], &[20_000.0, 15_000.0, 10_000.0]);
        check_well_formed(&svg);
        // From the left to the right end of the axis, the one in the middle between.
        assert!(svg.contains("points=\"98.0,82.7 375.0,"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 6);
        for label in ["100 B", "10000 B", "20k", "events/s", "bytes (logarithmic)"] {
            assert!(svg.contains(label), "{label} isn't in {svg}");
        }
    }

    #[test]
    fn labels_are_short() {
        let shown = [
            0.0, 4.567, 75.0, 98.76, 300.0, 9_992.4, 10_000.0, 12_345.0, 1.5e6,
        ]
        .map(short);
        let expected = [
            "0", "4.57", "75", "98.8", "300", "9992", "10k", "12.3k", "1.5M",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn zero_has_a_place_a_decade_before_the_others() {
        let svg = chart(&[0, 10, 1_000], &[1.0, 1.0, 1.0]);
        check_well_formed(&svg);
        assert!(
            svg.contains("cx=\"98.0\"") && svg.contains("cx=\"282.7\""),
            "{svg}"
        );
    }

    #[test]
    fn values_that_differ_much_get_a_logarithmic_axis() {
        assert!(!chart(&[1, 2], &[10.0, 200.0]).contains("events/s (logarithmic)"));
        let svg = chart(&[1, 2], &[10.0, 1_000.0]);
        assert!(svg.contains("events/s (logarithmic)"));
        check_well_formed(&svg);
    }
}
