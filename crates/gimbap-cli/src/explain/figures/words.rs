//! The map of word vectors.

use gimbap::vectors::Vectors;
use serde_json::json;

use super::forward::figure;
use super::{Analogy, Figure, Lang, View, cut};
use crate::canvas::{Anchor, Canvas};
use crate::lm::judge::shown;
use crate::vectors::table;

/// Neighbours of each token of the sentence.
const NEIGHBOURS: usize = 3;

/// 2: the sentence's tokens among their neighbours, on the plane of their largest variance.
pub fn map(view: &View<'_>) -> Option<Figure> {
    let (width, values) = table(view.model, view.subject.tokens.len())?;
    let gimbap::data::dataset::Steps::Ids(ids) = view.subject.data.inputs().steps() else { return None };
    let count = values.len() / width;
    let names: Vec<String> = (0..count).map(|row| row.to_string()).collect();
    let vectors = Vectors::new(names, width, values.to_vec()).ok()?;
    let mut own: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
    own.sort_unstable();
    own.dedup();
    let mut rows = own.clone();
    for &row in own.iter().take(24) {
        for (near, _) in vectors.neighbors(row, NEIGHBOURS) {
            if !rows.contains(&near) {
                rows.push(near);
            }
        }
    }
    let row_of = |word: &String| view.subject.tokens.iter().position(|token| *token == shown(word));
    let asked: Vec<(Vec<usize>, &Analogy)> =
        view.analogies.iter().map(|asked| (asked.words.iter().filter_map(row_of).collect(), asked)).collect();
    for row in asked.iter().flat_map(|(terms, _)| terms) {
        if !rows.contains(row) {
            rows.push(*row);
        }
    }
    let plane = vectors.plane(&rows).ok()?;
    let lang = view.lang;
    let (w, h, margin) = (620.0, 420.0, 40.0);
    let mut canvas = Canvas::new(w, h);
    let range = |axis: usize| {
        let of = plane.points.iter().map(|p| p[axis]);
        let low = of.clone().fold(f64::INFINITY, f64::min);
        (low, of.fold(f64::NEG_INFINITY, f64::max) - low)
    };
    let ((left, wide), (low, high)) = (range(0), range(1));
    let x = |v: f64| margin + (w - 2.0 * margin - 60.0) * (v - left) / wide.max(1e-12);
    let y = |v: f64| h - margin - (h - 2.0 * margin) * (v - low) / high.max(1e-12);
    canvas.line((x(0.0), 8.0), (x(0.0), h - 8.0), "grid");
    canvas.line((8.0, y(0.0)), (w - 8.0, y(0.0)), "grid");
    let name = |row: usize| view.subject.tokens.get(row).cloned().unwrap_or_default();
    for (point, &row) in plane.points.iter().zip(&rows) {
        let ours = own.contains(&row);
        canvas.dot(
            (x(point[0]), y(point[1])),
            if ours { 4.0 } else { 2.5 },
            if ours { "neg" } else { "pos" },
        );
        let class = if ours { "strong" } else { "dim" };
        canvas.text((x(point[0]) + 6.0, y(point[1]) + 4.0), Anchor::Start, class, &cut(&name(row), 14));
    }
    let place = |row: usize| {
        let at = rows.iter().position(|r| *r == row).unwrap_or(0);
        (x(plane.points[at][0]), y(plane.points[at][1]))
    };
    for (terms, _) in &asked {
        if let [a, b, c, d] = terms[..] {
            canvas.arrow(place(a), place(b), 1.2);
            canvas.arrow(place(c), place(d), 1.2);
        }
    }
    let told: String = asked
        .iter()
        .map(|(_, Analogy { words: [a, b, c, d], cosine })| match lang {
            Lang::En => format!(
                " Arrows: {a} is to {b} as {c} is to {d}, of all other words the nearest to {b} - {a} + {c} (cosine {cosine:.2})."
            ),
            Lang::Ko => format!(
                " 화살표: {a} : {b} = {c} : {d}. 다른 모든 단어 가운데 {b} - {a} + {c}에 가장 가깝습니다(코사인 {cosine:.2})."
            ),
        })
        .collect();
    let [first, second] = plane.shares.map(|share| format!("{:.0} %", 100.0 * share));
    let title = lang.say("The map of word vectors", "단어 벡터의 지도");
    let caption = match lang {
        Lang::En => format!(
            "The sentence's tokens (orange) among the {NEIGHBOURS} nearest to each by cosine, on their two principal \
             components ({first} and {second} of their variance).{told}"
        ),
        Lang::Ko => format!(
            "문장의 토큰(주황)과 코사인이 가장 가까운 토큰 {NEIGHBOURS}개씩을 두 주성분(분산의 {first}와 {second}) 위에 놓았습니다.{told}"
        ),
    };
    let points = plane.points.iter().zip(&rows).map(|(point, &row)| {
        let near = vectors.neighbors(row, NEIGHBOURS).into_iter();
        let near: Vec<_> = near.map(|(near, cosine)| json!({"token": name(near), "cosine": cosine})).collect();
        json!({"token": name(row), "x": point[0], "y": point[1], "in_text": own.contains(&row), "neighbors": near})
    });
    let numbers = json!({"shares": plane.shares, "points": points.collect::<Vec<_>>()});
    Some(Figure { numbers: Some(numbers), ..figure(2, "map", title, caption, &canvas) })
}
