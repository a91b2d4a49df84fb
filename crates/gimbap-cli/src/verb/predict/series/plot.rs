//! Forecasts as a picture: a panel for each column of each series, what came and what was forecast.

use super::Forecast;
use crate::canvas::{Anchor, CURVES, Canvas, alone};
use crate::task::forecast::Doc;
use crate::task::short;

/// The plot of a panel, and what is around it.
const LEFT: f64 = 70.0;
const TOP: f64 = 50.0;
const WIDE: f64 = 760.0;
const HIGH: f64 = 150.0;
const BELOW: f64 = 60.0;
/// Panels at most; more series or columns are not drawn.
const PANELS: usize = 12;
/// Rows before a forecast that are drawn, in windows.
const BEFORE: usize = 3;

/// The picture. A forecast goes out from the last row that it has seen.
pub fn draw(doc: &Doc, forecasts: &[Forecast<'_>]) -> String {
    let groups: Vec<&[Forecast<'_>]> = forecasts.chunk_by(|a, b| std::ptr::eq(a.series, b.series)).collect();
    let panels: Vec<(&[Forecast<'_>], usize)> =
        groups.iter().flat_map(|group| (0..doc.values.len()).map(move |column| (*group, column))).collect();
    let left_out = panels.len().saturating_sub(PANELS);
    let shown = &panels[..panels.len() - left_out];
    let mut canvas = Canvas::new(LEFT + WIDE + 30.0, 20.0 + (TOP + HIGH + BELOW) * shown.len() as f64);
    for (n, (forecasts, column)) in shown.iter().enumerate() {
        panel(&mut canvas, doc, forecasts, *column, 10.0 + (TOP + HIGH + BELOW) * n as f64);
    }
    if left_out > 0 {
        let place = (LEFT, 12.0 + (TOP + HIGH + BELOW) * shown.len() as f64);
        canvas.text(place, Anchor::Start, "small", &format!("and {left_out} more that are not drawn"));
    }
    let title = format!("Forecasts of {}", doc.values.join(", "));
    alone(&canvas.finish(
        "forecast",
        &title,
        &format!("{} forecasts of {} rows", forecasts.len(), doc.horizon),
    ))
}

/// The width of a letter of small writing.
const LETTER: f64 = 6.5;

fn panel(canvas: &mut Canvas, doc: &Doc, forecasts: &[Forecast<'_>], column: usize, top: f64) {
    let (first, last) = (&forecasts[0], &forecasts[forecasts.len() - 1]);
    let series = first.series;
    let (f, v, n) = (series.features(), doc.values.len(), series.len());
    let from = first.row.saturating_sub(BEFORE * doc.window);
    let to = last.row + doc.horizon;
    let seen: Vec<(usize, f64)> =
        (from..to.min(n)).map(|row| (row, series.values[row * f + column])).collect();
    let lines: Vec<Vec<(usize, f64)>> = forecasts
        .iter()
        .map(|forecast| {
            let own = forecast.values.iter().skip(column).step_by(v).copied();
            let before = (forecast.row - 1, series.values[(forecast.row - 1) * f + column]);
            std::iter::once(before).chain((forecast.row..).zip(own)).collect()
        })
        .collect();
    let values =
        || seen.iter().chain(lines.iter().flatten()).map(|&(_, value)| value).filter(|x| x.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let range = if high > low { high - low } else { 1.0 };
    let x = |row: usize| LEFT + WIDE * (row - from) as f64 / (to - 1 - from).max(1) as f64;
    let y = |value: f64| top + TOP + HIGH * (1.0 - (value - low) / range);
    let place = |&(row, value): &(usize, f64)| (x(row), y(value));

    let name = &doc.values[column];
    let title = series.id.as_ref().map_or(name.clone(), |id| format!("{id}: {name}"));
    canvas.text((LEFT, top + 18.0), Anchor::Start, "strong", &title);
    for (at, ((curve, ink), told)) in CURVES.iter().zip(["came", "forecast"]).enumerate() {
        let left = LEFT + WIDE - 170.0 + 90.0 * at as f64;
        canvas.line((left, top + 14.0), (left + 20.0, top + 14.0), curve);
        canvas.text((left + 26.0, top + 18.0), Anchor::Start, ink, told);
    }
    for part in [0.0, 0.5, 1.0] {
        let value = low + range * part;
        canvas.line((LEFT, y(value)), (LEFT + WIDE, y(value)), "grid");
        canvas.text((LEFT - 8.0, y(value) + 4.0), Anchor::End, "small", &short(value));
    }
    for (row, anchor) in [(from, Anchor::Start), (first.row - 1, Anchor::Middle), (to - 1, Anchor::End)] {
        let time = match row.checked_sub(last.row) {
            Some(step) => last.times.get(step),
            None => series.times.get(row),
        };
        let time = time.cloned().unwrap_or_else(|| (row + 1).to_string());
        // The middle one only where half of it has room beside the whole of another.
        let wide = 1.5 * LETTER * time.chars().count() as f64 + 2.0 * LETTER;
        let room = (x(row) - LEFT).min(LEFT + WIDE - x(row)) > wide;
        if anchor != Anchor::Middle || room {
            canvas.text((x(row), top + TOP + HIGH + 18.0), anchor, "small", &time);
        }
    }
    canvas.curve(&seen.iter().map(place).collect::<Vec<_>>(), CURVES[0].0);
    for line in &lines {
        canvas.curve(&line.iter().map(place).collect::<Vec<_>>(), CURVES[1].0);
    }
}
