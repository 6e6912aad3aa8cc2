//! Bars and lines as SVG.

use super::sheet::separated;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of a figure for wide pages, in pixels.
pub(super) const WIDE: u32 = 860;
/// Width of a figure for narrow ones.
pub(super) const NARROW: u32 = 360;

/// Told apart by most eyes: those of Okabe and Ito, then darker ones.
const COLOURS: [RGBColor; 15] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(120, 120, 120),
    RGBColor(0, 60, 100),
    RGBColor(110, 60, 180),
    RGBColor(0, 90, 60),
    RGBColor(130, 50, 95),
    RGBColor(170, 170, 0),
    RGBColor(120, 40, 0),
    RGBColor(40, 40, 40),
    RGBColor(230, 50, 80),
];
/// The paper's, as in the tables.
const PAPER: RGBColor = RGBColor(122, 82, 0);
const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(222, 222, 222);

const LINE: i32 = 18;
const BAR: i32 = 13;
const GAP: i32 = 9;
const MARGIN: i32 = 12;

/// Shares in percent, for categories from top to bottom.
pub(super) struct Bars {
    pub(super) categories: Vec<Category>,
    pub(super) series: Vec<Series>,
    /// The series of a category make one bar.
    pub(super) stacked: bool,
    /// What the axis measures.
    pub(super) unit: String,
}

/// What bars stand below, and of how many; no number where that is said of the series.
pub(super) struct Category {
    pub(super) label: String,
    pub(super) n: String,
}

/// A value for each category.
pub(super) struct Series {
    pub(super) label: String,
    pub(super) values: Vec<Option<f64>>,
    pub(super) of_paper: bool,
}

/// Shares in percent over counts from one on, both logarithmic.
pub(super) struct Lines {
    /// Label and points.
    pub(super) lines: Vec<(String, Vec<(f64, f64)>)>,
    pub(super) x: String,
    pub(super) y: String,
}

/// A figure of bars, `width` pixels wide.
pub(super) fn bars(bars: &Bars, width: u32) -> Result<String> {
    let colours: Vec<_> =
        bars.series.iter().enumerate().map(|(at, series)| if series.of_paper { PAPER } else { colour(at) }).collect();
    let labels = bars.series.iter().zip(&colours).map(|(series, colour)| (series.label.as_str(), *colour));
    let legend = Legend::new(labels, width);
    let in_group = if bars.stacked { 1 } else { count(bars.series.len()) };
    // Label and number beside each other, or below where they do not fit.
    let head = |category: &Category| length(&category.label) + length(&category.n) + 3 * MARGIN;
    let beside = bars.categories.iter().all(|category| head(category) < width.cast_signed());
    let above = if beside { LINE } else { 2 * LINE };
    let group = above + in_group * BAR + GAP;
    let height = legend.height + count(bars.categories.len()) * group + 2 * LINE + MARGIN;
    let mut svg = String::new();
    drawn(&mut svg, width, height, |root| {
        legend.draw(root)?;
        let right = if bars.stacked { MARGIN } else { 4 * MARGIN };
        let (left, right) = (MARGIN, width.cast_signed() - right);
        let (top, bottom) = (legend.height, height - 2 * LINE - MARGIN);
        let at = |share: f64| left + rounded(f64::from(right - left) * share.clamp(0.0, 100.0) / 100.0);
        for share in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
            root.draw(&PathElement::new([(at(share), top), (at(share), bottom)], FAINT))?;
            root.draw(&Text::new(share.to_string(), (at(share), bottom + 4), style(HPos::Center, VPos::Top)))?;
        }
        let middle = i32::midpoint(left, right);
        root.draw(&Text::new(bars.unit.clone(), (middle, bottom + LINE + 2), style(HPos::Center, VPos::Top)))?;

        for (index, category) in bars.categories.iter().enumerate() {
            let y = top + count(index) * group;
            let (first, second) = match (beside, category.n.as_str()) {
                (true, "") => (category.label.clone(), ""),
                (true, n) => (format!("{} ({n})", category.label), ""),
                (false, n) => (category.label.clone(), n),
            };
            root.draw(&Text::new(first, (left, y + LINE - 3), style(HPos::Left, VPos::Bottom)))?;
            root.draw(&Text::new(second.to_owned(), (left, y + above - 3), style(HPos::Left, VPos::Bottom)))?;
            let mut from = 0.0;
            for (place, series) in bars.series.iter().enumerate() {
                let Some(value) = series.values.get(index).copied().flatten() else { continue };
                let row = if bars.stacked { 0 } else { count(place) };
                let (above, below) = (y + above + row * BAR, y + above + (row + 1) * BAR - 1);
                // Of nothing a mark that says whose it is, but in a stack.
                let least = if bars.stacked { i32::from(value > 0.0) } else { 2 };
                let until = at(from + value).max(at(from) + least);
                root.draw(&Rectangle::new([(at(from), above), (until, below)], colours[place].filled()))?;
                if bars.stacked {
                    from += value;
                } else {
                    let text = format!("{value:.2}");
                    root.draw(&Text::new(
                        text,
                        (until + 4, i32::midpoint(above, below)),
                        style(HPos::Left, VPos::Center),
                    ))?;
                }
            }
        }
        Ok(())
    })?;
    Ok(svg)
}

/// A figure of lines, `width` pixels wide.
pub(super) fn lines(lines: &Lines, width: u32) -> Result<String> {
    let labels = lines.lines.iter().enumerate().map(|(at, (label, _))| (label.as_str(), colour(at)));
    let legend = Legend::new(labels, width);
    let height = legend.height + 320;
    let points = || lines.lines.iter().flat_map(|(_, points)| points);
    let x_max = points().map(|(x, _)| *x).fold(10.0, f64::max);
    let y_min = points().map(|(_, y)| *y).filter(|y| *y > 0.0).fold(10.0, f64::min);
    let mut svg = String::new();
    drawn(&mut svg, width, height, |root| {
        legend.draw(root)?;
        let area = root.margin(legend.height, MARGIN / 2, 0, MARGIN);
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(3 * LINE)
            .y_label_area_size(5 * LINE)
            .build_cartesian_2d((1.0..x_max * 1.1).log_scale(), (y_min * 0.9..100.0).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style(style(HPos::Center, VPos::Center))
            .x_labels(if width < WIDE { 4 } else { 8 })
            .y_labels(8)
            .x_label_formatter(&|x| separated(*x))
            .y_label_formatter(&|y| significant(*y))
            .x_desc(&lines.x)
            .y_desc(&lines.y)
            .draw()?;
        for (place, (_, points)) in lines.lines.iter().enumerate() {
            let visible = || points.iter().copied().filter(|(_, y)| *y > 0.0);
            chart.draw_series(LineSeries::new(visible(), colour(place).stroke_width(2)))?;
            chart.draw_series(visible().map(|point| Circle::new(point, 2, colour(place).filled())))?;
        }
        Ok(())
    })?;
    Ok(svg)
}

/// Swatches with their labels, as many in a line as it takes.
struct Legend<'a> {
    places: Vec<(i32, i32, &'a str, RGBColor)>,
    height: i32,
}

impl<'a> Legend<'a> {
    fn new(labels: impl Iterator<Item = (&'a str, RGBColor)>, width: u32) -> Self {
        let (mut x, mut y) = (MARGIN, MARGIN);
        let mut places = Vec::new();
        for (label, colour) in labels {
            let length = 2 * MARGIN + length(label);
            if x > MARGIN && x + length > width.cast_signed() - MARGIN {
                (x, y) = (MARGIN, y + LINE);
            }
            places.push((x, y, label, colour));
            x += length + MARGIN;
        }
        Self { places, height: y + LINE + MARGIN }
    }

    fn draw(&self, root: &Area<'_>) -> Result<()> {
        for (x, y, label, colour) in &self.places {
            root.draw(&Rectangle::new([(*x, *y), (x + 11, y + 11)], colour.filled())).map_err(failed)?;
            let at = (x + 17, y + 6);
            root.draw(&Text::new((*label).to_owned(), at, style(HPos::Left, VPos::Center))).map_err(failed)?;
        }
        Ok(())
    }
}

/// What a text takes in common fonts, in pixels.
fn length(text: &str) -> i32 {
    rounded(6.6 * f64::from(count(text.chars().count())))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn drawn(svg: &mut String, width: u32, height: i32, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<()> {
    let root = SVGBackend::with_string(svg, (width, height.cast_unsigned())).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    draw(&root)?;
    root.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a figure cannot be drawn: {error}")
}

fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

fn style(horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    // The backend divides by 1.24.
    ("sans-serif", 15).into_font().color(&INK).pos(Pos::new(horizontal, vertical))
}

/// A share as short as it can be said.
fn significant(share: f64) -> String {
    if share >= 1.0 { format!("{share:.0}") } else { format!("{share:.4}").trim_end_matches('0').to_owned() }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX / 1_024)
}

fn rounded(number: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a place in a figure")]
    return number.round() as i32;
}
