//! The map of word vectors.

use gimbap::data::text::UNKNOWN_ID;
use gimbap::vectors::Vectors;
use serde_json::json;

use super::forward::figure;
use super::{Analogy, Figure, Lang, View, cut, percent};
use crate::canvas::{Anchor, Canvas};
use crate::lm::judge::shown;
use crate::vectors::table;

/// Neighbours of each token of the sentence.
const NEIGHBOURS: usize = 3;

/// Where a name stands.
#[derive(Clone, Copy)]
struct Area {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

impl Area {
    fn meets(&self, other: &Area) -> bool {
        self.x < other.x + other.w
            && other.x < self.x + self.w
            && self.y < other.y + other.h
            && other.y < self.y + self.h
    }
}

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
    // All unknown words have one vector.
    let strangers = view.subject.strangers().join(", ");
    let label = |row: usize| match row == UNKNOWN_ID as usize && !strangers.is_empty() && own.contains(&row) {
        true => format!("{}: {}", name(row), cut(&strangers, 18)),
        false => cut(&name(row), 14),
    };
    let dots: Vec<(f64, f64)> = plane.points.iter().map(|point| (x(point[0]), y(point[1]))).collect();
    for (&dot, row) in dots.iter().zip(&rows) {
        let ours = own.contains(row);
        canvas.dot(dot, if ours { 4.0 } else { 2.5 }, if ours { "neg" } else { "pos" });
    }
    // The sentence's own words have the first choice of a free place.
    let mut taken: Vec<Area> =
        dots.iter().map(|&(x, y)| Area { x: x - 3.0, y: y - 3.0, w: 6.0, h: 6.0 }).collect();
    let order = (0..rows.len()).filter(|&i| own.contains(&rows[i]));
    let order = order.chain((0..rows.len()).filter(|&i| !own.contains(&rows[i])));
    for i in order {
        let text = label(rows[i]);
        let class = if own.contains(&rows[i]) { "strong" } else { "dim" };
        let wide = text.chars().map(|c| if c.is_ascii() { 7.2 } else { 12.0 }).sum();
        let (x, y) = dots[i];
        let area = |x: f64, y: f64| Area { x, y, w: wide, h: 11.0 };
        // A name ends where it must, however wide it comes out.
        let places = [
            (area(x + 6.0, y - 6.0), x + 6.0, Anchor::Start),
            (area(x - 6.0 - wide, y - 6.0), x - 6.0, Anchor::End),
            (area(x - wide / 2.0, y - 17.0), x, Anchor::Middle),
            (area(x - wide / 2.0, y + 6.0), x, Anchor::Middle),
            (area(x + 3.0, y - 16.0), x + 3.0, Anchor::Start),
            (area(x + 3.0, y + 4.0), x + 3.0, Anchor::Start),
            (area(x - 3.0 - wide, y - 16.0), x - 3.0, Anchor::End),
            (area(x - 3.0 - wide, y + 4.0), x - 3.0, Anchor::End),
        ];
        let inside = |area: &Area| area.x > 2.0 && area.x + area.w < w && area.y > 0.0 && area.y + area.h < h;
        let free =
            |(area, ..): &&(Area, f64, Anchor)| inside(area) && !taken.iter().any(|other| area.meets(other));
        let (area, at, anchor) = match places.iter().find(free) {
            Some(place) => *place,
            // A name that could not be read would hide another; the sentence's own are there all the same.
            None if class == "dim" => continue,
            None => places[0],
        };
        canvas.text((at, area.y + 10.0), anchor, class, &text);
        taken.push(area);
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
                " 화살표는 {a} : {b} = {c} : {d} 관계를 나타냅니다. {d}: 나머지 단어 중 벡터 {b} - {a} + {c}에 가장 가까움(코사인 유사도 \
                 {cosine:.2})."
            ),
        })
        .collect();
    let [first, second] = plane.shares.map(|share| percent(lang, share));
    let title = lang.say("The map of word vectors", "단어 벡터 지도");
    let caption = match lang {
        Lang::En => format!(
            "The sentence's tokens (orange) among the {NEIGHBOURS} nearest to each by cosine, on their two principal \
             components ({first} and {second} of their variance).{told}"
        ),
        Lang::Ko => format!(
            "문장에 나온 토큰(주황색)과, 토큰마다 코사인 유사도가 가장 높은 토큰 {NEIGHBOURS}개를 두 주성분이 이루는 평면에 나타냈습니다(각각 \
             분산의 {first}, {second}를 설명).{told}"
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
