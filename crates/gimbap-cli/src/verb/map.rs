//! `gimbap map VECTORS -o MAP.svg`: words on the plane of their two principal components.

use serde_json::json;

use crate::args::Map;
use crate::output::{Failure, Out, Outcome, thousands};
use crate::run_dir::write_atomic;
use crate::svg::scatter;
use crate::vectors::{self, shown};

/// Draws the map.
pub fn run(args: &Map, out: &Out) -> Outcome {
    if args.out.extension().is_none_or(|extension| extension != "svg") {
        let message = format!("{}: call it .svg, for that is what the picture is", args.out.display());
        return Err(Failure::usage("usage", message));
    }
    let words = vectors::open(&args.vectors, out)?;
    let rows = match args.words.is_empty() {
        true => (0..args.first.min(words.vectors.len())).collect(),
        false => words.rows(&args.words)?,
    };
    let plane = words.vectors.plane(&rows)?;
    let labels: Vec<String> = rows.iter().map(|&row| shown(words.word(row))).collect();
    let [x, y] = plane.shares.map(|share| format!("{:.1} % of the variance", 100.0 * share));
    let axes = [format!("first principal component, {x}"), format!("second principal component, {y}")];
    let picture = scatter(&plane.points, &labels, &axes.each_ref().map(String::as_str));
    write_atomic(&args.out, picture.as_bytes())?;
    let count = thousands(rows.len());
    out.line(format!("{}: {count} words, {x} across, {y} up", args.out.display()))?;
    let points = rows.iter().zip(&plane.points);
    let points = points.map(|(&row, [x, y])| json!({"word": words.word(row), "x": x, "y": y}));
    out.json(&json!({
        "map": args.out,
        "words": rows.len(),
        "shares": plane.shares,
        "points": points.collect::<Vec<_>>(),
    }))
}
