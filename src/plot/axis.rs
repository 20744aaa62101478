//! Axes: ranges, ticks and their labels.

use crate::error::{Error, Result};

/// Steps between ticks that an axis has at most.
const STEPS: f64 = 8.0;
/// Whole numbers over a range up to this have a tick each.
const WHOLE: f64 = 10.0;
/// Part of a linear axis that is left free at either end.
const MARGIN: f64 = 0.05;

/// How values become positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Equal differences are equal distances.
    Linear,
    /// Equal ratios are equal distances.
    Logarithmic,
}

/// A tick with its label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub value: f64,
    pub label: String,
}

/// One axis of a figure.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub label: String,
    scale: Scale,
    low: f64,
    high: f64,
    pub ticks: Vec<Tick>,
    /// Ticks without labels.
    pub minor: Vec<f64>,
}

impl Axis {
    /// An axis on which all values can be seen.
    ///
    /// # Errors
    /// A value that is not positive on a logarithmic axis.
    pub(super) fn covering(
        label: impl Into<String>,
        scale: Scale,
        values: impl IntoIterator<Item = f64>,
    ) -> Result<Self> {
        let label = label.into();
        let (mut low, mut high, mut whole) = (f64::INFINITY, f64::NEG_INFINITY, true);
        for value in values {
            (low, high, whole) = (low.min(value), high.max(value), whole && value.fract() == 0.0);
        }
        if low > high {
            (low, high) = (1.0, 2.0);
        }
        if scale == Scale::Logarithmic {
            if low <= 0.0 {
                return Err(Error::usage(format!(
                    "{label}: {low} cannot be on a logarithmic axis: choose a linear one or leave such rows out"
                )));
            }
            let margin = (high / low).powf(MARGIN).max(1.15);
            let (low, high) = (low / margin, high * margin);
            let (ticks, minor) = logarithmic_ticks(low, high);
            return Ok(Self { label, scale, low, high, ticks, minor });
        }
        let (from_zero, size) = (low == 0.0, low.abs().max(high.abs()).max(1e-90));
        // Less would show rounding errors.
        let smallest = 1e-6 * size;
        let margin = match high - low {
            0.0 if whole && size < 1e9 => 1.0,
            0.0 => 0.5 * size,
            range if range < smallest => smallest,
            range => MARGIN * range,
        };
        (low, high) = (if from_zero { 0.0 } else { low - margin }, high + margin);
        let ticks = linear_ticks(low, high, if whole { 1.0 } else { 0.0 });
        Ok(Self { label, scale, low, high, ticks, minor: Vec::new() })
    }

    /// A linear axis from zero, for counts.
    pub(super) fn of_counts(label: impl Into<String>, most: f64) -> Self {
        let high = 1.05 * most.max(1.0);
        let ticks = linear_ticks(0.0, high, 1.0);
        Self { label: label.into(), scale: Scale::Linear, low: 0.0, high, ticks, minor: Vec::new() }
    }

    /// The same axis for numbers from 1, with less room beside them.
    pub(super) fn of_numbers(mut self) -> Self {
        self.low = self.low.max(0.5);
        self.ticks.retain(|tick| tick.value >= self.low);
        self
    }

    /// A linear axis from one value to another, without margins.
    pub(super) fn spanning(label: impl Into<String>, [low, high]: [f64; 2]) -> Self {
        let ticks = linear_ticks(low, high, 0.0);
        Self { label: label.into(), scale: Scale::Linear, low, high, ticks, minor: Vec::new() }
    }

    /// Rows named after the numbers from 1, the first at the bottom.
    pub(super) fn of_rows(label: impl Into<String>, n: usize) -> Self {
        let every = n.div_ceil(12).max(1);
        let labelled = (1..=n).filter(|row| row % every == 0);
        let ticks = labelled.map(|row| Tick { value: row as f64, label: row.to_string() }).collect();
        let (low, high) = (0.4, n as f64 + 0.6);
        Self { label: label.into(), scale: Scale::Linear, low, high, ticks, minor: Vec::new() }
    }

    /// Rows with another axis above them. Returns it with the row of a value on that axis.
    pub(super) fn of_rows_below(label: impl Into<String>, n: usize, above: Self) -> (Self, impl Fn(f64) -> f64) {
        let mut rows = Self::of_rows(label, n);
        let (foot, height) = (rows.high + 0.4, 1.2 * (n as f64).max(3.0));
        rows.high = foot + height;
        let ticks = above.ticks.clone();
        let row = move |value: f64| foot + height * above.position(value);
        rows.ticks.extend(ticks.into_iter().map(|tick| Tick { value: row(tick.value), label: tick.label }));
        (rows, row)
    }

    /// From the low end to the high one.
    pub(super) fn range(&self) -> f64 {
        self.high - self.low
    }

    /// Where a value is: 0 at the low end, 1 at the high one; beyond them at the end itself.
    pub(super) fn position(&self, value: f64) -> f64 {
        let position = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic if value <= 0.0 => 0.0,
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        position.clamp(0.0, 1.0)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, smallest_step: f64) -> Vec<Tick> {
    let raw = (high - low) / STEPS;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power).max(smallest_step);
    let step = if smallest_step == 1.0 && high - low <= WHOLE { 1.0 } else { step };
    let first = (low / step).ceil();
    let n = ((high / step).floor() - first).clamp(0.0, 4.0 * STEPS) as usize;
    let values = (0..=n).map(|ix| (first + ix as f64) * step);
    values.map(|value| Tick { value, label: linear_label(value, step, low.abs().max(high.abs())) }).collect()
}

fn linear_label(value: f64, step: f64, size: f64) -> String {
    // A sum of steps may miss zero by a rounding error.
    let value = if value.abs() < 1e-9 * step { 0.0 } else { value };
    let decimals = (-step.log10().floor()).max(0.0);
    let text = if decimals <= 4.0 && size < 1e6 {
        format!("{value:.*}", decimals as usize)
    } else {
        let digits = (size.log10().floor() - step.log10().floor()).clamp(0.0, 12.0) as usize;
        if value == 0.0 { "0".to_owned() } else { scientific(value, digits) }
    };
    text.replace('-', "−")
}

/// Powers of ten, with others between them where these are few.
fn logarithmic_ticks(low: f64, high: f64) -> (Vec<Tick>, Vec<f64>) {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |value: &f64| (low..=high).contains(value);
    let of = |multiples: &'static [f64]| {
        let all = (first..=last).flat_map(move |power| multiples.iter().map(move |m| m * 10f64.powi(power)));
        all.filter(inside).collect::<Vec<_>>()
    };
    let tick = |value: f64| Tick { value, label: logarithmic_label(value) };
    let decades = of(&[1.0]);
    if decades.len() > 2 {
        let every = decades.len().div_ceil(7);
        let ticks = decades.iter().step_by(every).map(|v| tick(*v)).collect();
        let minor = match every {
            1 => of(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
            2..=5 => decades,
            _ => Vec::new(),
        };
        return (ticks, minor);
    }
    let candidates: [&'static [f64]; 3] =
        [&[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0], &[1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0]];
    if let Some(values) = candidates.into_iter().map(of).find(|values| values.len() >= 3) {
        let minor = of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        return (values.into_iter().map(tick).collect(), minor);
    }
    // Within so little, ratios are differences.
    (linear_ticks(low, high, 0.0), Vec::new())
}

fn logarithmic_label(value: f64) -> String {
    if (0.9999e-3..1e5).contains(&value) { format!("{}", round(value)) } else { scientific(value, 1) }
}

/// The same to twelve digits.
fn round(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// A power of ten with an exponent above the line.
fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: String = exponent.chars().map(superscript).collect();
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    if mantissa == "1" { format!("10{exponent}") } else { format!("{mantissa}·10{exponent}") }
}

fn superscript(digit: char) -> char {
    match digit {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁻',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    fn axis(scale: Scale, values: &[f64]) -> Axis {
        Axis::covering("x", scale, values.iter().copied()).unwrap()
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        assert_eq!(labels(&axis(Scale::Linear, &[1.0, 8.0])), ["1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(labels(&axis(Scale::Linear, &[1.0, 32.0])), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(&axis(Scale::Linear, &[0.0, 1.0])), ["0", "1"]);
        assert_eq!(labels(&axis(Scale::Linear, &[0.0, 0.95])), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&axis(Scale::Linear, &[1.0, 2.0, 3.0])), ["1", "2", "3"]);
        assert_eq!(labels(&axis(Scale::Linear, &[-0.11, 0.1])), ["−0.10", "−0.05", "0.00", "0.05", "0.10"]);
        assert_eq!(labels(&axis(Scale::Linear, &[3.0])), ["2", "3", "4"]);
        assert_eq!(labels(&axis(Scale::Linear, &[0.1])), ["0.06", "0.08", "0.10", "0.12", "0.14"]);
        assert_eq!(labels(&axis(Scale::Linear, &[0.0, 4e6])), ["0", "10⁶", "2·10⁶", "3·10⁶", "4·10⁶"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_or_lie_between_them() {
        assert_eq!(labels(&axis(Scale::Logarithmic, &[1.0, 1000.0])), ["1", "10", "100", "1000"]);
        assert_eq!(labels(&axis(Scale::Logarithmic, &[1e-6, 1e-4])), ["10⁻⁶", "10⁻⁵", "10⁻⁴"]);
        assert_eq!(labels(&axis(Scale::Logarithmic, &[2.0, 64.0])), ["2", "5", "10", "20", "50"]);
        assert_eq!(labels(&axis(Scale::Logarithmic, &[2.0, 5.0])), ["2", "3", "4", "5"]);
        let wide = axis(Scale::Logarithmic, &[1e-90, 1e90]);
        assert!((3..=8).contains(&wide.ticks.len()), "{wide:?}");
    }

    #[test]
    fn every_axis_has_ticks_and_holds_its_values() {
        let values = [1e-100, 3e-9, 0.5, 1.0, 1.0 + 1e-12, 7.0, 1e9, 1e15, 1e15 + 0.125, 1e100];
        for scale in [Scale::Linear, Scale::Logarithmic] {
            for low in values {
                for high in values.into_iter().filter(|high| *high >= low) {
                    let axis = axis(scale, &[low, high]);
                    assert!((1..=12).contains(&axis.ticks.len()), "{axis:?}");
                    assert!(axis.minor.len() <= 60, "{axis:?}");
                    let ends = [axis.position(low), axis.position(high)];
                    assert!(ends.iter().all(|p| (0.0..=1.0).contains(p)), "{axis:?}");
                    assert!(low == high || ends[0] <= ends[1], "{axis:?}");
                }
            }
        }
    }

    #[test]
    fn logarithms_of_what_is_not_positive_are_refused() {
        for value in [0.0, -1.0] {
            let error = Axis::covering("depth", Scale::Logarithmic, [1.0, value]).unwrap_err().to_string();
            assert!(error.starts_with("depth: ") && error.contains("logarithmic"), "{error}");
        }
    }

    #[test]
    fn positions_follow_the_scale() {
        let linear = axis(Scale::Linear, &[1.0, 3.0]);
        assert_eq!(linear.position(2.0), 0.5);
        let logarithmic = axis(Scale::Logarithmic, &[1.0, 100.0]);
        assert!((logarithmic.position(10.0) - 0.5).abs() < 1e-12);
        assert_eq!(logarithmic.position(-1.0), 0.0);
        assert_eq!(linear.position(1e9), 1.0);
    }
}
