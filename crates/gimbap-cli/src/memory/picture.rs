//! Accuracy by distance, as a picture.

use super::Found;
use crate::args::{Cell, Problem};
use crate::canvas::{Anchor, Canvas, alone};

const LEFT: f64 = 60.0;
const TOP: f64 = 56.0;
const WIDE: f64 = 430.0;
const HIGH: f64 = 210.0;

/// The classes of the cells' curves, dots and names.
fn classes(cell: Cell) -> (&'static str, &'static str) {
    match cell {
        Cell::SimpleRnn => ("other", "neg"),
        Cell::Irnn => ("fourth", "violet"),
        Cell::Lstm => ("curve", "pos"),
        Cell::Gru => ("third", "green"),
        Cell::FeedForward => ("fifth", "dim"),
    }
}

/// The part that is right, by distance or length, of every cell on a problem; `found` is of this problem alone.
pub fn picture(problem: Problem, found: &[&Found]) -> String {
    let mut canvas = Canvas::new(LEFT + WIDE + 130.0, TOP + HIGH + 60.0);
    let places: Vec<usize> = found.iter().flat_map(|f| f.accuracy.iter().map(|(place, _)| *place)).collect();
    let (low, high) = (places.iter().min().copied().unwrap_or(0), places.iter().max().copied().unwrap_or(1));
    let x = |place: usize| match high - low {
        0 => LEFT + WIDE / 2.0,
        range => LEFT + 14.0 + (WIDE - 28.0) * (place - low) as f64 / range as f64,
    };
    let y = |part: f64| TOP + HIGH * (1.0 - part);
    canvas.text((LEFT, 24.0), Anchor::Start, "strong", &title(problem));
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        canvas.line((LEFT, y(part)), (LEFT + WIDE, y(part)), "grid");
        canvas.text((LEFT - 8.0, y(part) + 4.0), Anchor::End, "small", &format!("{:.0} %", 100.0 * part));
    }
    let mut shown: Vec<usize> = places;
    shown.sort_unstable();
    shown.dedup();
    for &place in &shown {
        canvas.text((x(place), TOP + HIGH + 18.0), Anchor::Middle, "ink", &place.to_string());
    }
    canvas.text((LEFT + WIDE / 2.0, TOP + HIGH + 42.0), Anchor::Middle, "dim", problem.axis());
    let (mut name_at, mut drawn) = (TOP + 10.0, 0.0);
    for cell in Cell::ALL {
        let mut points: Vec<(usize, f64)> =
            found.iter().filter(|f| f.cell == cell.name()).flat_map(|f| f.accuracy.clone()).collect();
        if points.is_empty() {
            continue;
        }
        points.sort_by_key(|(place, _)| *place);
        let (curve, ink) = classes(cell);
        // Curves that lie on one another are drawn side by side.
        let beside = 2.0 * drawn;
        drawn += 1.0;
        let path: Vec<String> =
            points.iter().map(|&(place, part)| format!("{:.1} {:.1}", x(place), y(part) + beside)).collect();
        canvas.path(&format!("M{}", path.join("L")), curve);
        points.iter().for_each(|&(place, part)| canvas.dot((x(place), y(part) + beside), 3.0, ink));
        canvas.line((LEFT + WIDE + 14.0, name_at - 4.0), (LEFT + WIDE + 34.0, name_at - 4.0), curve);
        canvas.text((LEFT + WIDE + 40.0, name_at), Anchor::Start, ink, cell.title());
        name_at += 20.0;
    }
    let described: Vec<String> = found
        .iter()
        .map(|f| {
            let parts = f.accuracy.iter().map(|(place, part)| format!("{place}: {:.0} %", 100.0 * part));
            format!("{} {}", f.cell, parts.collect::<Vec<_>>().join(", "))
        })
        .collect();
    alone(&canvas.finish(problem.name(), &title(problem), &described.join("; ")))
}

fn title(problem: Problem) -> String {
    match problem {
        Problem::Distance => "The language named, by the words since the country".into(),
        Problem::Adding => "Two marked numbers added to within .04".into(),
        Problem::Copying => "Ten symbols repeated after a delay".into(),
    }
}
