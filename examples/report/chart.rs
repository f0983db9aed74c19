//! Charts as SVG, whose colours are variables of the page so that they follow light, dark and paper.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::ReportError;

/// Stand for colours of the page.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const SERIES: [RGBColor; 3] = [RGBColor(3, 3, 3), RGBColor(4, 4, 4), RGBColor(5, 5, 5)];
const VARIABLES: [(&str, &str); 5] = [
    ("#010101", "var(--quiet)"),
    ("#020202", "var(--grid)"),
    ("#030303", "var(--s1)"),
    ("#040404", "var(--s2)"),
    ("#050505", "var(--s3)"),
];
/// For a desk and for a phone: text keeps its size.
const SIZES: [(&str, u32); 2] = [("wide", 680), ("narrow", 340)];
/// The backend makes some 12 pixels of it.
const FONT: i32 = 15;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// One bar a label, each of several parts.
pub(crate) struct Bars {
    pub(crate) labels: Vec<String>,
    /// The parts, from the bottom: a value for each label.
    pub(crate) parts: Vec<Vec<u64>>,
}

/// Standing bars.
pub(crate) fn standing(words: &str, bars: &Bars) -> Result<String, ReportError> {
    let count = bars.labels.len().max(1);
    let most = (0..bars.labels.len()).map(|at| bars.parts.iter().map(|part| part[at]).sum()).max().unwrap_or(0);
    let (top, step) = scale(most);
    both(words, 230, |area, width| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_right(4)
            .x_label_area_size(24)
            .y_label_area_size(38)
            .build_cartesian_2d(0.0..count as f64, 0.0..top as f64)?;
        lines(&chart, (0..=top / step).map(|n| n * step).map(|value| (value as f64, thousands(value))), count as f64)?;
        let each = (f64::from(width) - 44.0) / count as f64;
        let thin = if each > 40.0 { 0.3 } else { 0.14 };
        let mut base = vec![0; bars.labels.len()];
        for (part, color) in bars.parts.iter().zip(SERIES) {
            let rectangles = part.iter().enumerate().filter(|(_, value)| **value > 0).map(|(at, value)| {
                let (from, to) = (base[at] as f64, (base[at] + value) as f64);
                Rectangle::new([(at as f64 + thin, from), (at as f64 + 1.0 - thin, to)], color.filled())
            });
            chart.draw_series(rectangles.collect::<Vec<_>>())?;
            base.iter_mut().zip(part).for_each(|(base, value)| *base += value);
        }
        // As many labels as there is room for, the last one always.
        let every = (54.0 / each).ceil().max(1.0) as usize;
        let below = text_style(HPos::Center, VPos::Top);
        for (at, label) in bars.labels.iter().enumerate().filter(|(at, _)| (count - 1 - at).is_multiple_of(every)) {
            let place = EmptyElement::at((at as f64 + 0.5, 0.0));
            chart.plotting_area().draw(&(place + Text::new(label.clone(), (0, 8), below.clone())))?;
        }
        Ok(())
    })
}

/// Lying bars, each with its number.
pub(crate) fn lying(words: &str, rows: &[(String, u64)]) -> Result<String, ReportError> {
    let most = rows.iter().map(|(_, value)| *value).max().unwrap_or(1).max(1) as f64;
    both(words, 20 + 28 * rows.len() as u32, |area, _| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(52)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..most, 0.0..rows.len() as f64)?;
        let left = text_style(HPos::Right, VPos::Center);
        let right = text_style(HPos::Left, VPos::Center);
        for (at, (label, value)) in rows.iter().enumerate() {
            let middle = rows.len() as f64 - at as f64 - 0.5;
            let bar = Rectangle::new([(0.0, middle - 0.3), (*value as f64, middle + 0.3)], SERIES[1].filled());
            chart.draw_series([bar])?;
            let name = EmptyElement::at((0.0, middle)) + Text::new(label.clone(), (-8, 0), left.clone());
            chart.plotting_area().draw(&name)?;
            let number =
                EmptyElement::at((*value as f64, middle)) + Text::new(thousands(*value), (6, 0), right.clone());
            chart.plotting_area().draw(&number)?;
        }
        Ok(())
    })
}

/// A range and its middle for each row, in milliseconds, on a logarithmic scale.
pub(crate) fn ranges(words: &str, rows: &[(String, [u64; 3])]) -> Result<String, ReportError> {
    let log = |ms: u64| (ms.max(1) as f64).log10();
    let least = rows.iter().map(|(_, [low, ..])| log(*low).floor()).fold(f64::INFINITY, f64::min).min(9.0);
    let most = rows.iter().map(|(_, [_, _, high])| log(*high).ceil()).fold(least + 1.0, f64::max);
    both(words, 44 + 28 * rows.len() as u32, |area, width| {
        let room = if width > 400 { 160 } else { 120 };
        let chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(26)
            .x_label_area_size(24)
            .y_label_area_size(room)
            .build_cartesian_2d(least..most, 0.0..rows.len() as f64)?;
        let below = text_style(HPos::Center, VPos::Top);
        for power in least as i32..=most as i32 {
            let at = f64::from(power);
            let line = PathElement::new(vec![(at, 0.0), (at, rows.len() as f64)], GRID.stroke_width(1));
            chart.plotting_area().draw(&line)?;
            let label = crate::day::duration(10u64.saturating_pow(power.max(0) as u32)).replace(".0 ", " ");
            chart.plotting_area().draw(&(EmptyElement::at((at, 0.0)) + Text::new(label, (0, 8), below.clone())))?;
        }
        let left = text_style(HPos::Right, VPos::Center);
        for (row, (label, [low, middle, high])) in rows.iter().enumerate() {
            let at = rows.len() as f64 - row as f64 - 0.5;
            let most = (room / 7) as usize;
            let label: String = match label.chars().count() > most {
                true => label.chars().take(most - 1).chain(['…']).collect(),
                false => label.clone(),
            };
            chart.plotting_area().draw(&(EmptyElement::at((least, at)) + Text::new(label, (-8, 0), left.clone())))?;
            let range = PathElement::new(vec![(log(*low), at), (log(*high), at)], SERIES[0].stroke_width(3));
            chart.plotting_area().draw(&range)?;
            let dot = EmptyElement::at((log(*middle), at)) + Circle::new((0, 0), 5, SERIES[0].filled());
            chart.plotting_area().draw(&dot)?;
        }
        Ok(())
    })
}

/// Lines across, with their numbers at the left.
fn lines(
    chart: &ChartContext<
        '_,
        SVGBackend<'_>,
        Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
    >,
    ticks: impl Iterator<Item = (f64, String)>,
    right: f64,
) -> Drawn {
    let left = text_style(HPos::Right, VPos::Center);
    for (value, label) in ticks {
        let line = PathElement::new(vec![(0.0, value), (right, value)], GRID.stroke_width(1));
        chart.plotting_area().draw(&line)?;
        let number = EmptyElement::at((0.0, value)) + Text::new(label, (-8, 0), left.clone());
        chart.plotting_area().draw(&number)?;
    }
    Ok(())
}

fn text_style(horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&INK).pos(Pos::new(horizontal, vertical))
}

/// The chart in both widths; the page shows the one that fits.
fn both(words: &str, height: u32, draw: impl Fn(&Area<'_>, u32) -> Drawn) -> Result<String, ReportError> {
    let mut html = String::new();
    for (class, width) in SIZES {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            let drawn = draw(&area, width).and_then(|()| area.present());
            drawn.map_err(|error| ReportError::Chart(error.to_string()))?;
        }
        let size = format!("width=\"{width}\" height=\"{height}\" ");
        let label = crate::page::escape(words);
        let mut svg = svg.replacen(&size, &format!("class=\"{class}\" role=\"img\" aria-label=\"{label}\" "), 1);
        for (color, variable) in VARIABLES {
            svg = svg.replace(color, variable);
        }
        html += &svg.replace("font-family=\"sans-serif\"", "font-family=\"inherit\"");
    }
    Ok(html)
}

/// The end of an axis and the distance of its lines: whole numbers, at most five of them.
fn scale(most: u64) -> (u64, u64) {
    let mut step = 1;
    let mut grow = [2, 5, 10].into_iter().cycle();
    let mut unit = 1;
    while most.div_ceil(step) > 5 {
        let factor = grow.next().unwrap_or(10);
        step = unit * factor;
        if factor == 10 {
            unit = step;
        }
    }
    (most.div_ceil(step).max(1) * step, step)
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202F}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_whole_numbers() {
        assert_eq!(
            [scale(0), scale(4), scale(9), scale(23), scale(101), scale(1200)],
            [(1, 1), (4, 1), (10, 2), (25, 5), (150, 50), (1500, 500)]
        );
        assert_eq!(thousands(1_234_567), "1\u{202F}234\u{202F}567");
        assert_eq!(thousands(999), "999");
    }

    #[test]
    fn colours_are_the_pages_and_text_is_escaped() {
        let bars = Bars { labels: vec!["<b>".into()], parts: vec![vec![3], vec![1]] };
        let svg = standing("a \"chart\" <i>", &bars).unwrap();
        assert!(svg.contains("var(--s1)") && svg.contains("var(--s2)") && svg.contains("var(--grid)"), "{svg}");
        assert!(!svg.contains("#0") && !svg.contains("<b>") && !svg.contains("<i>"), "{svg}");
    }
}
