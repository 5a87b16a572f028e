//! The vertical axis of a panel: how high a value is, and where lines across are drawn.

/// Values that differ by more than this want a logarithmic axis.
const WIDE: f64 = 30.0;
/// Lines across a panel.
const LINES: u32 = 4;

/// How values become heights.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heights {
    /// From zero to this.
    Linear(f64),
    /// From one power of ten to another.
    Logarithmic(f64, f64),
}

impl Heights {
    /// What these values want: an axis from zero, unless they differ too much for that.
    pub(super) fn of(values: &[f64]) -> Self {
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        if least > 0.0 && most / least > WIDE {
            return Self::Logarithmic(least.log10().floor(), most.log10().ceil());
        }
        // The next number that a line can be labelled with, and room for the highest label.
        let power = 10_f64.powf((most * 1.1).log10().floor());
        let rounds = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 12.0].map(|round| round * power);
        let next = rounds.into_iter().find(|round| *round >= most * 1.1);
        Self::Linear(next.unwrap_or(most * 2.0))
    }

    /// How far up a value is, from 0 to 1.
    pub(super) fn share(self, value: f64) -> f64 {
        match self {
            Self::Linear(most) => value / most,
            Self::Logarithmic(from, to) => (value.log10() - from) / (to - from),
        }
    }

    /// The values of the lines across, and their heights.
    pub(super) fn lines(self) -> Vec<(f64, f64)> {
        let values: Vec<f64> = match self {
            Self::Linear(most) => (0..=LINES)
                .map(|line| most * f64::from(line) / f64::from(LINES))
                .collect(),
            Self::Logarithmic(from, to) => {
                let powers = (0..16).map(|line| from + f64::from(line));
                powers
                    .take_while(|power| *power <= to)
                    .map(|power| 10_f64.powf(power))
                    .collect()
            }
        };
        values
            .into_iter()
            .map(|value| (value, self.share(value)))
            .collect()
    }

    /// What a reader has to be told of it.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Linear(_) => "",
            Self::Logarithmic(..) => " (logarithmic)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Heights;

    #[track_caller]
    fn check(values: &[f64], lines: &[f64]) {
        let heights = Heights::of(values);
        let found: Vec<f64> = heights.lines().iter().map(|(value, _)| *value).collect();
        assert_eq!(found, lines);
        for value in values {
            let share = heights.share(*value);
            assert!((0.0..=1.0).contains(&share), "{value} is at {share}");
        }
    }

    #[test]
    fn values_have_room_below_the_highest_line() {
        check(
            &[20_000.0, 10_000.0],
            &[0.0, 6_000.0, 12_000.0, 18_000.0, 24_000.0],
        );
        check(&[3.0, 3.7], &[0.0, 1.5, 3.0, 4.5, 6.0]);
        check(&[9.5], &[0.0, 3.0, 6.0, 9.0, 12.0]);
    }

    #[test]
    fn values_that_differ_much_have_a_line_for_each_power_of_ten() {
        check(&[60.0, 4_000.0], &[10.0, 100.0, 1_000.0, 10_000.0]);
    }
}
