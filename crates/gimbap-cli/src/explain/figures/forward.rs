//! Forward: the vectors that are read, the network folded and unfolded, what it says.

use crate::canvas::{Anchor, Canvas, largest};
use gimbap::data::dataset::Steps;
use gimbap::data::text::CLOSING_ID;
use serde_json::json;

use super::super::compare::Swap;
use super::super::subject::Kind;
use super::{Figure, Lang, View, cut, digits, in_cell, upright};
use crate::output::thousands;

/// Features of a vector that are drawn.
const MOST: usize = 32;
/// The steps of the truncation that is drawn beside the whole.
const TRUNCATED: usize = 20;
/// Of longer sequences each output has one line.
const LONG: usize = 40;
/// The height of a cell with a number in it.
const HIGH: f64 = 14.0;

/// 1: the one-hot vector of each token, and the vector that is read at each step.
pub fn inputs(view: &View<'_>) -> Figure {
    let (x, lang) = (&view.found.x, view.lang);
    let one_hot = view.model.layers().first().is_some_and(|l| l.kind() == "one_hot");
    let embedding = crate::vectors::table(view.model, view.subject.tokens.len()).is_some();
    let hot = match view.subject.data.inputs().steps() {
        Steps::Ids(ids) if one_hot || embedding => Some(OneHot::of(ids)),
        _ => None,
    };
    let (left, top) = (if hot.is_some() { 150.0 } else { 46.0 }, 12.0);
    let shown = x.ncols().min(MOST);
    let written = view.written(shown);
    let cell = match shown {
        _ if written => HIGH,
        0..=16 => 12.0,
        _ => 7.0,
    };
    let above = hot.as_ref().map_or(0.0, OneHot::height);
    let between = if hot.is_some() && !one_hot { 30.0 } else { 0.0 };
    let below = if one_hot { 0.0 } else { cell * shown as f64 };
    let height = above + between + below;
    let mut canvas = Canvas::new(left + view.width() + 20.0, top + height + view.names_height() + 12.0);
    if let Some(hot) = &hot {
        hot.draw(view, &mut canvas, (left, top));
    }
    if !one_hot {
        let low = top + above + between;
        if hot.is_some() {
            let text = lang
                .say("times the embedding, [V, I]: a row of it", "임베딩 행렬 [V, I]와의 곱: 해당하는 행");
            canvas.arrow((left + 10.0, low - 24.0), (left + 10.0, low - 4.0), 1.5);
            canvas.text((left + 20.0, low - 10.0), Anchor::Start, "dim", text);
        }
        let (place, size) = ((left, low), (view.column(), cell));
        match written {
            true => canvas.written_matrix(place, size, largest(x), &upright(x, MOST), in_cell),
            false => canvas.matrix(place, size, largest(x), &upright(x, MOST)),
        }
        canvas.rect((left, low), (view.width(), below), "box");
        canvas.text((left - 6.0, low + 10.0), Anchor::End, "small", "x_1");
        if shown > 1 {
            canvas.text((left - 6.0, low + below), Anchor::End, "small", &format!("x_{shown}"));
        }
    }
    view.names(&mut canvas, left, top + height);
    let title =
        lang.say("What the network reads: a vector for each step", "신경망의 입력: 시점마다 벡터 하나");
    let example = hot.as_ref().map_or(String::new(), |hot| hot.example(view));
    let what = match (embedding, one_hot) {
        (true, _) => lang.say(
            "A token is a place in the vocabulary: above, its one-hot vector, 1 at that place and 0 at all others. Its product \
             with the embedding is one row of it, the vector below.",
            "단어(토큰)는 어휘에서 자기 자리만 1인 원-핫 벡터로 나타냅니다(위). 여기에 임베딩 행렬을 곱하면 그 단어에 해당하는 행이 나오며, 이것이 \
             아래의 임베딩 벡터입니다.",
        ),
        (_, true) => lang.say(
            "One-hot vectors: 1 at the token's place in the vocabulary and 0 at all others. Only the rows of the sentence's own \
             tokens are drawn.",
            "원-핫 벡터입니다. 자기 자리만 1이고 나머지는 모두 0입니다. 이 문장에 나오는 토큰의 행만 그렸습니다.",
        ),
        _ => lang.say(
            "The features of each step, scaled as in training.",
            "시점마다 입력되는 특징값입니다. 학습할 때와 같은 방식으로 스케일링했습니다.",
        ),
    };
    let (most, all) = (digits(largest(x)), thousands(x.ncols()));
    let part = match (shown == x.ncols(), lang) {
        (true, _) => String::new(),
        (false, Lang::En) => format!("; {shown} of {all} values are drawn"),
        (false, Lang::Ko) => format!(", 성분 {all}개 중 {shown}개를 그렸습니다"),
    };
    let colours = match (one_hot, lang) {
        (true, _) => String::new(),
        (_, Lang::En) => {
            format!(" Blue is above zero, orange below, the stronger the larger (up to {most}){part}.")
        }
        (_, Lang::Ko) => {
            format!(" 파란색은 양수, 주황색은 음수이고 진할수록 절댓값이 큽니다(최대 {most}){part}.")
        }
    };
    figure(1, "inputs", title, format!("{what}{example}{colours}"), &canvas)
}

/// The one-hot vectors of a sentence, without the rows that are zero throughout.
struct OneHot<'a> {
    ids: &'a [u32],
    /// The tokens of the sentence, each once.
    own: Vec<u32>,
}

impl<'a> OneHot<'a> {
    fn of(ids: &'a [u32]) -> Self {
        let mut own = ids.to_vec();
        own.sort_unstable();
        own.dedup();
        OneHot { ids, own }
    }

    fn rows(&self) -> usize {
        self.own.len().min(MOST)
    }

    /// Of the rows, and of the dots that stand for all others.
    fn height(&self) -> f64 {
        HIGH * (self.rows() + 1) as f64
    }

    fn draw(&self, view: &View<'_>, canvas: &mut Canvas, (left, top): (f64, f64)) {
        let rows: Vec<Vec<f64>> = self.own[..self.rows()]
            .iter()
            .map(|own| self.ids.iter().map(|id| f64::from(u8::from(id == own))).collect())
            .collect();
        canvas.written_matrix((left, top), (view.column(), HIGH), 1.0, &rows, in_cell);
        for (row, &id) in self.own[..self.rows()].iter().enumerate() {
            let y = top + HIGH * (row as f64 + 0.5) + 3.5;
            let token = view.subject.tokens.get(id as usize).map_or("", |token| token);
            canvas.text((left - 40.0, y), Anchor::End, "ink figures", &cut(token, 16));
            canvas.text((left - 6.0, y), Anchor::End, "small", &(id + 1).to_string());
        }
        let dots = top + HIGH * (self.rows() as f64 + 0.5) + 3.5;
        for t in 0..view.steps() {
            canvas.text((left + (t as f64 + 0.5) * view.column(), dots), Anchor::Middle, "small", "⋮");
        }
        let all = format!("V = {}", thousands(view.subject.tokens.len()));
        canvas.text((left - 6.0, dots), Anchor::End, "small", &all);
        canvas.rect((left, top), (view.width(), self.height()), "box");
    }

    /// The vector of a token, written out.
    fn example(&self, view: &View<'_>) -> String {
        // One that it knows, if there is any.
        let known = self.ids.iter().rev().find(|id| **id > CLOSING_ID);
        let Some(&id) = known.or(self.ids.last()) else { return String::new() };
        let (v, place) = (view.subject.tokens.len(), id as usize + 1);
        let token = view.subject.tokens.get(id as usize).map_or("", |token| token);
        let mut vector: Vec<&str> = match place {
            1..=4 => vec!["0"; place - 1],
            _ => vec!["0", "0", "…", "0"],
        };
        vector.push("1");
        match v - place {
            n @ 0..=3 => vector.extend(vec!["0"; n]),
            _ => vector.extend(["0", "…", "0"]),
        }
        let vector = vector.join(", ");
        match view.lang {
            Lang::En => format!(" `{token}` is token {} of {}: [{vector}].", thousands(place), thousands(v)),
            Lang::Ko => {
                format!(" 예: '{token}' = [{vector}] (어휘 {}개 중 {}번째).", thousands(v), thousands(place))
            }
        }
    }
}

pub fn figure(number: usize, name: &'static str, title: &str, caption: String, canvas: &Canvas) -> Figure {
    let svg = canvas.finish(&format!("figure-{number}"), title, &caption);
    Figure { number, name, title: title.into(), caption, svg, numbers: None }
}

/// 3: the network folded, and how many parameters it has however long the sentence is.
pub fn folded(view: &View<'_>) -> Figure {
    let (lang, layers, whole) = (view.lang, &view.found.layers, view.whole());
    let swapped = view.beside.iter().filter(|beside| beside.swap.is_some()).count() as f64;
    let below = if swapped > 0.0 { 30.0 + 40.0 * swapped } else { 0.0 };
    let flat = view.beside.iter().any(|beside| beside.mean);
    let shift = if flat { 160.0 } else { 0.0 };
    let mut canvas = Canvas::new(730.0 + shift, 70.0 + 84.0 * layers.len() as f64 + 60.0 + below);
    let bottom = 70.0 + 84.0 * layers.len() as f64;
    canvas.text((130.0, bottom + 40.0), Anchor::Middle, "strong", "x_t");
    for (l, layer) in layers.iter().enumerate() {
        let y = bottom - 84.0 * (l as f64 + 1.0) + 24.0;
        canvas.rect((70.0, y), (120.0, 44.0), "box");
        canvas.text((130.0, y + 18.0), Anchor::Middle, "strong", &layer.name);
        canvas.text((130.0, y + 34.0), Anchor::Middle, "small", &format!("h_t: {}", layer.h.ncols()));
        canvas.arrow((130.0, y + 80.0), (130.0, y + 46.0), 1.5);
        canvas.path(&format!("M190 {:.1}h28v-16", y + 32.0), "arrow");
        canvas.arrow((218.0, y + 16.0), (191.0, y + 16.0), 1.5);
        canvas.text((224.0, y + 28.0), Anchor::Start, "dim", "h_{t-1}");
    }
    canvas.arrow((130.0, bottom - 84.0 * layers.len() as f64 + 24.0), (130.0, 40.0), 1.5);
    canvas.text((130.0, 30.0), Anchor::Middle, "strong", "o_t");
    // Parameters beside the length of the sentence.
    mean_network(view, &mut canvas, 280.0, bottom);
    let (left, top, w, h) = (330.0 + shift, 40.0, 260.0, bottom - 40.0);
    let recurrent = recurrent_parameters(view);
    let first = &layers[0];
    let one_hot = view.model.layers().first().is_some_and(|layer| layer.kind() == "one_hot");
    let input = if one_hot { view.subject.tokens.len() } else { view.found.x.ncols() };
    let flat = |t: usize| t * input * first.h.ncols();
    let length = view.steps().max(10);
    let most = flat(length).max(recurrent) as f64;
    let at = |t: usize, n: usize| (left + w * t as f64 / length as f64, top + h - h * n as f64 / most);
    canvas.line((left, top + h), (left + w, top + h), "axis");
    canvas.line((left, top), (left, top + h), "axis");
    canvas.line(at(0, recurrent), at(length, recurrent), "curve");
    canvas.line(at(0, 0), at(length, flat(length)), "other");
    let axis = lang.say(format!("length of the {whole}"), format!("{whole} 길이"));
    canvas.text((left + w / 2.0, top + h + 30.0), Anchor::Middle, "dim", &axis);
    canvas.text((left, top - 8.0), Anchor::Start, "dim", lang.say("parameters", "매개변수 수"));
    canvas.text((left - 6.0, top + 4.0), Anchor::End, "small", &thousands(most as usize));
    canvas.text((left - 6.0, top + h), Anchor::End, "small", "0");
    canvas.text((left, top + h + 16.0), Anchor::Middle, "small", "0");
    canvas.text((left + w, top + h + 16.0), Anchor::Middle, "small", &length.to_string());
    let (x, y) = at(length, recurrent);
    let name = format!("{} {}", lang.say("recurrent:", "순환층:"), thousands(recurrent));
    canvas.text((x + 6.0, y + 4.0), Anchor::Start, "pos", &name);
    let (x, y) = at(length * 7 / 10, flat(length * 7 / 10));
    let name = lang.say("one weight per place", "시점마다 다른 가중치");
    canvas.text((x - 8.0, y - 4.0), Anchor::End, "neg", name);
    let even = recurrent.div_ceil(input * first.h.ncols());
    let swap = swaps(view, &mut canvas, bottom + 66.0);
    let title = lang.say("Folded: one cell for every step", "펼치기 전의 신경망: 모든 시점이 셀 하나를 공유");
    let (weights, own, length) = (thousands(recurrent), thousands(flat(view.steps())), view.steps());
    let caption = match lang {
        Lang::En => format!(
            "The same weights at every step, {weights} in the recurrent layers, take a {whole} of any length. A feed-forward \
             layer of as many units as the first, with weights of its own for every place, would have {own} for {length} steps, \
             could not take more, and from {even} steps on would need more parameters.{swap}"
        ),
        Lang::Ko => format!(
            "순환층의 가중치 {weights}개를 모든 시점이 공유하므로 입력 길이에 제한이 없습니다. 같은 수의 유닛에 시점마다 다른 가중치를 두는 \
             순방향 층이라면 길이 {length}에 가중치가 {own}개 필요합니다. 그보다 긴 입력은 받지 못하고, 길이가 {even} 이상이면 순환층보다 \
             매개변수가 많아집니다.{swap}"
        ),
    };
    let numbers = json!({
        "recurrent_parameters": recurrent,
        "parameters_per_place": input * first.h.ncols(),
        "even_at_steps": even,
    });
    Figure { numbers: Some(numbers), ..figure(3, "folded", title, caption, &canvas) }
}

/// What two tokens in each other's place do to each model; in words for the caption.
fn swaps(view: &View<'_>, canvas: &mut Canvas, top: f64) -> String {
    let (lang, subject) = (view.lang, view.subject);
    let Some((a, b)) = view.places else { return String::new() };
    let shift = usize::from(subject.kind == Kind::Next);
    let names = [a, b].map(|place| cut(&subject.steps[place + shift], 14));
    let swaps: Vec<_> = view.beside.iter().filter_map(|beside| Some((&beside.name, beside.swap?))).collect();
    if swaps.is_empty() {
        return String::new();
    }
    let title = format!("{} ↔ {}", names[0], names[1]);
    canvas.text((20.0, top), Anchor::Start, "strong", &title);
    let most = largest(swaps.iter().flat_map(|(_, swap)| [&swap.before, &swap.after]));
    let words = lang.say(["as it stands", "swapped"], ["원래 순서", "바꾼 순서"]);
    for (i, (name, swap)) in swaps.iter().enumerate() {
        let y = top + 16.0 + 40.0 * i as f64;
        let name = lang.say(name.to_string(), name.replace("feed-forward", "순방향 신경망"));
        canvas.text((20.0, y + 16.0), Anchor::Start, "ink", &cut(&name, 18));
        for (j, (value, class)) in [(swap.before, "pos"), (swap.after, "neg")].into_iter().enumerate() {
            let y = y + 15.0 * j as f64;
            canvas.text((238.0, y + 11.0), Anchor::End, "small", words[j]);
            canvas.rect((246.0, y + 1.0), (230.0 * value.abs() / most, 12.0), class);
            let text = format!("ln p = {}", digits(value));
            canvas.text((252.0 + 230.0 * value.abs() / most, y + 11.0), Anchor::Start, "small", &text);
        }
    }
    let moved = |swap: &Swap| swap.after - swap.before;
    let seen = |swap: &Swap| moved(swap).abs() > 1e-3 * swap.before.abs().max(1e-3);
    let [first, second] = &names;
    let target = match (subject.kind, lang) {
        (Kind::Labels, Lang::En) => "all labels",
        (Kind::Labels, Lang::Ko) => "모든 레이블",
        _ => subject.targets.last().map_or("", |target| target),
    };
    let change = moved(&swaps[0].1);
    let changed = digits(change);
    let korean = |change: f64| {
        format!("{} {}", digits(change.abs()), if change < 0.0 { "낮아집니다" } else { "높아집니다" })
    };
    let own = match (lang, seen(&swaps[0].1)) {
        (Lang::En, true) => format!(
            " With {first} and {second} in each other's place the log-probability of {target} changes by {changed}: the order is \
             part of what the state holds."
        ),
        (Lang::En, false) => format!(
            " With {first} and {second} in each other's place the log-probability of {target} hardly changes ({changed})."
        ),
        (Lang::Ko, true) => format!(
            " 두 토큰 '{first}', '{second}'의 자리를 맞바꾸면 {target}의 로그 확률이 {}. 은닉 상태에는 순서 정보도 담겨 있기 때문입니다.",
            korean(change)
        ),
        (Lang::Ko, false) => format!(
            " 두 토큰 '{first}', '{second}'의 자리를 맞바꾸어도 {target}의 로그 확률은 거의 그대로입니다({changed})."
        ),
    };
    let flat = view.beside.iter().find(|beside| beside.mean).and_then(|beside| beside.swap);
    let flat = match (lang, flat) {
        (Lang::En, None) => {
            " A feed-forward network on the mean of the vectors (--compare) would not notice.".into()
        }
        (Lang::Ko, None) => " 단어 벡터의 평균만 입력으로 받는 순방향 신경망이라면 출력이 그대로입니다(--compare로 확인할 수 있습니다)."
            .into(),
        (Lang::En, Some(swap)) => format!(
            " The feed-forward network sees but the mean of the words' vectors, whatever their order: its own changes by {}.",
            digits(moved(&swap))
        ),
        (Lang::Ko, Some(swap)) => {
            let change = match moved(&swap) {
                same if same.abs() < 1e-6 => "전혀 달라지지 않습니다".to_string(),
                change => korean(change),
            };
            format!(" 순서와 상관없이 단어 벡터의 평균만 입력으로 받는 순방향 신경망에서는 {change}.")
        }
    };
    own + &flat
}

/// A feed-forward network on the mean of the same words' vectors, beside the folded one.
fn mean_network(view: &View<'_>, canvas: &mut Canvas, left: f64, bottom: f64) {
    let Some(beside) = view.beside.iter().find(|beside| beside.mean) else { return };
    for i in 0..3 {
        let x = left + 30.0 + 30.0 * f64::from(i);
        canvas.text((x, bottom + 40.0), Anchor::Middle, "strong", ["x_1", "x_2", "…"][i as usize]);
        canvas.arrow((x, bottom + 26.0), (left + 60.0, bottom - 8.0), 1.0);
    }
    canvas.text((left + 60.0, bottom - 14.0), Anchor::Middle, "dim", view.lang.say("mean", "평균"));
    canvas.arrow((left + 60.0, bottom - 28.0), (left + 60.0, bottom - 38.0), 1.0);
    canvas.rect((left, bottom - 84.0), (120.0, 44.0), "box");
    canvas.text(
        (left + 60.0, bottom - 66.0),
        Anchor::Middle,
        "strong",
        view.lang.say("feed-forward", "순방향 신경망"),
    );
    let parameters = thousands(beside.parameters);
    let parameters = view.lang.say(format!("{parameters} parameters"), format!("매개변수 {parameters}개"));
    canvas.text((left + 60.0, bottom - 50.0), Anchor::Middle, "small", &parameters);
    canvas.arrow((left + 60.0, bottom - 86.0), (left + 60.0, bottom - 106.0), 1.5);
    canvas.text((left + 60.0, bottom - 112.0), Anchor::Middle, "strong", "o_T");
}

fn recurrent_parameters(view: &View<'_>) -> usize {
    let names: Vec<&str> = view.found.layers.iter().map(|layer| layer.name.as_str()).collect();
    let half = if view.found.forward_half { "forward." } else { "" };
    let of = |name: &str| names.iter().any(|layer| name.starts_with(&format!("{layer}.{half}")));
    view.model.parameters().iter().filter(|p| of(&p.name)).map(|p| p.range.len()).sum()
}

/// 4: the network unfolded over the sequence.
pub fn unfolded(view: &View<'_>) -> Figure {
    let (lang, found, column) = (view.lang, view.found, view.column());
    let strip = (column * 0.5).min(34.0).max(if view.written(1) { 34.0 } else { 0.0 });
    let left = 60.0;
    let cell = |n: usize| if view.written(n) { HIGH } else { 5.0 };
    let tall = |n: usize| cell(n) * n.min(MOST) as f64;
    // Of an LSTM the cell's state stands above the hidden one.
    let between = 6.0;
    let heights: Vec<f64> = found
        .layers
        .iter()
        .map(|layer| tall(layer.h.ncols()) + layer.c.as_ref().map_or(0.0, |c| tall(c.ncols()) + between))
        .collect();
    let gap = 34.0;
    let x_height = tall(found.x.ncols());
    let height = 34.0 + heights.iter().map(|h| h + gap).sum::<f64>() + x_height + view.names_height() + 12.0;
    let mut canvas = Canvas::new((left + view.width() + 20.0).max(460.0), height + 130.0);
    let place = |t: usize| left + (t as f64 + 0.5) * column - strip / 2.0;
    let bottom = height - view.names_height() - 10.0;
    let draw = |canvas: &mut Canvas, m: &ndarray::Array2<f64>, top: f64, name: &str| {
        let most = largest(m);
        for t in 0..view.steps() {
            let column: Vec<Vec<f64>> = m.row(t).iter().take(MOST).map(|x| vec![*x]).collect();
            let (at, size) = ((place(t), top), (strip, cell(m.ncols())));
            match view.written(m.ncols()) {
                true => canvas.written_matrix(at, size, most, &column, in_cell),
                false => canvas.matrix(at, size, most, &column),
            }
            canvas.rect((place(t), top), (strip, tall(m.ncols())), "box");
        }
        canvas.text((left - 8.0, top + tall(m.ncols()) / 2.0 + 4.0), Anchor::End, "strong", name);
    };
    let mut top = bottom - x_height;
    draw(&mut canvas, &found.x, top, "x_t");
    for (layer, height) in found.layers.iter().zip(&heights) {
        let below = top;
        top -= gap + height;
        let low = top + height - tall(layer.h.ncols());
        let middle_of_c = layer.c.as_ref().map(|c| top + tall(c.ncols()) / 2.0);
        if let Some(c) = &layer.c {
            draw(&mut canvas, c, top, "c_t");
        }
        draw(&mut canvas, &layer.h, low, "h_t");
        for t in 0..view.steps() {
            let middle = place(t) + strip / 2.0;
            canvas.arrow((middle, below - 3.0), (middle, top + height + 3.0), 1.0);
            if t + 1 < view.steps() {
                let lanes = [Some(low + tall(layer.h.ncols()) / 2.0), middle_of_c].into_iter().flatten();
                for y in lanes {
                    canvas.arrow((place(t) + strip + 1.0, y), (place(t + 1) - 1.0, y), 1.5);
                }
            }
        }
    }
    canvas.text((left - 8.0, top - 18.0), Anchor::End, "strong", "o_t");
    let outputs = found.outputs.nrows();
    for t in 0..view.steps() {
        let row = if outputs == view.steps() {
            t
        } else if t + 1 == view.steps() {
            0
        } else {
            continue;
        };
        let middle = place(t) + strip / 2.0;
        canvas.arrow((middle, top - 2.0), (middle, top - 14.0), 1.0);
        canvas.text(
            (middle, top - 18.0),
            Anchor::Middle,
            "small",
            &cut(&said(view, row), (column / 6.5) as usize),
        );
    }
    view.names(&mut canvas, left, bottom);
    let planes: usize = found
        .layers
        .iter()
        .map(|l| l.h.ncols() * (l.gates.len().max(1) + 1 + usize::from(l.c.is_some())))
        .sum();
    let kib = |steps: usize| 4.0 * (planes * steps) as f64 / 1024.0;
    kept(&mut canvas, (left, height + 34.0), view, &kib);
    let values = found.layers.iter().flat_map(|layer| layer.h.iter());
    let (low, high) = values.fold((0.0, 0.0), |(a, b): (f64, f64), x| (a.min(*x), b.max(*x)));
    let range = format!("{} … {}", digits(low), digits(high));
    let title = lang.say("Unfolded: one column for each step", "펼친 신경망: 시점마다 한 열");
    let half = match (found.forward_half, lang) {
        (false, _) => String::new(),
        (true, Lang::En) => " Of the bidirectional layer its forward half is drawn.".into(),
        (true, Lang::Ko) => " 양방향 층은 정방향 쪽만 그렸습니다.".into(),
    };
    let caption = match lang {
        Lang::En => format!(
            "Upward the input, to the right the state, its values within {range}; at the top what the network finds likeliest. \
             Back-propagation through all {0} steps has to keep {1} KiB of states and gates in 32-bit numbers, {2} KiB a step \
             however long the {3}; truncated after {TRUNCATED} steps, never more than {4} KiB. At most {MOST} values of a vector \
             are drawn.{half}",
            view.steps(),
            digits(kib(view.steps())),
            digits(kib(1)),
            view.whole(),
            digits(kib(TRUNCATED)),
        ),
        Lang::Ko => format!(
            "입력은 아래에서 위로, 은닉 상태는 왼쪽에서 오른쪽으로 흐릅니다(상태값의 범위: {range}). 맨 위는 신경망이 가장 높은 확률로 예측한 \
             출력입니다. {0}시점 전체를 역전파하려면 상태와 게이트 값 {1} KiB(32비트, 시점당 {2} KiB)를 보관해야 하고, 그 양은 길이에 \
             비례해 늘어납니다(시점당 크기는 길이와 상관없이 같습니다). Truncated BPTT로 {TRUNCATED}시점마다 자르면 {3} KiB를 넘지 \
             않습니다. 벡터마다 성분을 {MOST}개까지만 그렸습니다.{half}",
            view.steps(),
            digits(kib(view.steps())),
            digits(kib(1)),
            digits(kib(TRUNCATED)),
        ),
    };
    let numbers = json!({"kept_bytes_per_step": 4 * planes, "kept_bytes": 4 * planes * view.steps()});
    Figure { numbers: Some(numbers), ..figure(4, "unfolded", title, caption, &canvas) }
}

/// What back-propagation keeps as a sequence grows: all of it, and truncated.
fn kept(canvas: &mut Canvas, (left, top): (f64, f64), view: &View<'_>, kib: &dyn Fn(usize) -> f64) {
    let (w, h, longest) = (260.0, 70.0, 10 * view.steps().max(TRUNCATED));
    let most = kib(longest);
    let at = |t: usize, kib: f64| (left + w * t as f64 / longest as f64, top + h * (1.0 - kib / most));
    canvas.line((left, top + h), (left + w, top + h), "axis");
    canvas.line((left, top), (left, top + h), "axis");
    canvas.curve(&[at(0, 0.0), at(longest, most)], "curve");
    canvas.curve(&[at(0, 0.0), at(TRUNCATED, kib(TRUNCATED)), at(longest, kib(TRUNCATED))], "other");
    canvas.text((left + w + 6.0, top + 6.0), Anchor::Start, "pos", &format!("{} KiB", digits(most)));
    let cut = format!("{} KiB", digits(kib(TRUNCATED)));
    canvas.text((left + w + 6.0, at(0, kib(TRUNCATED)).1 + 2.0), Anchor::Start, "neg", &cut);
    canvas.text((left + w, top + h + 16.0), Anchor::End, "small", &format!("T = {longest}"));
    let title = view.lang.say("kept for back-propagation, by T", "길이 T에 따른 BPTT의 메모리 사용량");
    canvas.text((left, top - 8.0), Anchor::Start, "dim", title);
}

/// What the model says in a row of its outputs: the likeliest, or the numbers.
fn said(view: &View<'_>, row: usize) -> String {
    let outputs = view.found.outputs.row(row);
    match view.subject.wanted {
        Some(_) => likeliest(&outputs.to_vec(), 1)
            .first()
            .map_or(String::new(), |&i| view.subject.outputs[i].clone()),
        None => outputs.iter().map(|x| digits(*x)).collect::<Vec<_>>().join(" "),
    }
}

/// The places of the largest values, the largest first.
pub fn likeliest(values: &[f64], n: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    places.truncate(n);
    places
}

/// 7: what the model says at each step, and what was wanted.
pub fn outputs(view: &View<'_>) -> Figure {
    let (lang, found, subject) = (view.lang, view.found, view.subject);
    let rows = found.outputs.nrows();
    let Some(wanted) = &subject.wanted else { return values(view) };
    let long = rows > LONG;
    let candidates = if long { 1 } else { subject.outputs.len().min(5) };
    let (left, line) = (110.0, 17.0);
    let block = if long { line } else { line * (candidates as f64 + 1.0) + 14.0 };
    let mut canvas = Canvas::new(if long { 760.0 } else { 620.0 }, 10.0 + block * rows as f64);
    for (t, &target) in wanted.iter().enumerate().take(rows) {
        let p = found.outputs.row(t).to_vec();
        let top = 10.0 + block * t as f64;
        let step = if rows == view.steps() { &subject.steps[t] } else { &subject.targets[0] };
        canvas.text((left - 12.0, top + 14.0), Anchor::End, "strong", &cut(step, 14));
        let mut places = likeliest(&p, candidates);
        let target = target as usize;
        if long {
            let best = &subject.outputs[places[0]];
            if places[0] != target {
                let likelier =
                    format!("{}: {} {}", lang.say("likelier", "1순위"), cut(best, 16), digits(p[places[0]]));
                canvas.text((left + 450.0, top + 14.0), Anchor::Start, "small", &likelier);
            }
            places = vec![target];
        } else if !places.contains(&target) {
            places.push(target);
        }
        for (i, &place) in places.iter().enumerate() {
            let y = top + line * i as f64;
            let class = if place == target { "neg" } else { "pos" };
            canvas.rect((left + 130.0, y + 3.0), (240.0 * p[place], line - 5.0), class);
            // The wanted one as it was typed.
            let (ink, name) = match place == target {
                true => ("strong", subject.targets.get(t).unwrap_or(&subject.outputs[place])),
                false => ("ink", &subject.outputs[place]),
            };
            canvas.text((left + 122.0, y + 14.0), Anchor::End, ink, &cut(name, 16));
            let x = left + 136.0 + 240.0 * p[place];
            canvas.text((x, y + 14.0), Anchor::Start, "dim", &digits(p[place]));
        }
    }
    let product: f64 = -found.loss;
    let title = match (subject.kind, lang) {
        (Kind::Next, Lang::En) => "Forward: what may come, and how probable it is",
        (Kind::Next, Lang::Ko) => "순전파: 다음에 올 단어의 확률",
        (_, Lang::En) => "Forward: how probable each label is",
        (_, Lang::Ko) => "순전파: 레이블의 확률",
    };
    let perplexity = digits((found.loss / rows as f64).exp());
    let p = digits(product.exp());
    let vocabulary = thousands(subject.outputs.len());
    let all = match (subject.kind, lang) {
        (Kind::Label | Kind::Numbers | Kind::Values, Lang::En) => {
            let who = if subject.guessed { "the likeliest label" } else { "the label that was given" };
            format!("In orange {who}, {}: probability {p}.", subject.targets[0])
        }
        (Kind::Label | Kind::Numbers | Kind::Values, Lang::Ko) => {
            let who =
                if subject.guessed { "확률이 가장 높은 레이블" } else { "주어진 레이블" };
            format!("주황색은 {who}({})이며 확률은 {p}입니다.", subject.targets[0])
        }
        (Kind::Labels, Lang::En) => {
            format!("In orange the likeliest label of each step; all of them together: {p}.")
        }
        (Kind::Labels, Lang::Ko) => {
            format!("주황색은 시점마다 확률이 가장 높은 레이블이고, 이 레이블이 모두 맞을 확률은 {p}입니다.")
        }
        (Kind::Next, Lang::En) => format!(
            "In orange what did come. The probability of all of it is the product, e^({}) = {p}; perplexity {perplexity}. A good \
             sentence has a small one too: {rows} probabilities are multiplied, and at each step {vocabulary} tokens share one. So \
             compare sentences of the same length, or their perplexities: at {perplexity} the network is as unsure at each step as \
             if it chose blindly among so many tokens.",
            digits(product)
        ),
        (Kind::Next, Lang::Ko) => format!(
            "주황색이 실제로 나온 단어입니다. 문장의 확률은 이 확률을 모두 곱한 e^({}) = {p}이고, 퍼플렉서티는 {perplexity}입니다. 자연스러운 \
             문장이라도 확률은 작습니다. 어휘 {vocabulary}개가 나누어 가지는 확률을 {rows}번 곱한 값이기 때문입니다. 그래서 길이가 같은 문장끼리 \
             비교하거나 퍼플렉서티를 비교합니다. 퍼플렉서티는 시점마다 평균 몇 개의 단어를 두고 망설이는지를 나타냅니다.",
            digits(product)
        ),
    };
    figure(7, "outputs", title, all, &canvas)
}

/// 7, of a series: the outputs beside what came.
fn values(view: &View<'_>) -> Figure {
    let (lang, found) = (view.lang, view.found);
    let row = found.outputs.row(0).to_vec();
    let came = &view.subject.came;
    let mut canvas = Canvas::new(620.0, 20.0 + 40.0 * row.len() as f64);
    let most = largest(row.iter().chain(came));
    let named = view.subject.outputs.iter().map(String::as_str);
    let whole = view.subject.kind == Kind::Values;
    let beside = match (whole, view.subject.guessed) {
        (false, _) => lang.say("what came", "실제 값").to_owned(),
        (true, _) if row.len() == 1 => view.subject.targets[0].clone(),
        (true, true) => lang.say("what is given", "모델의 판정").to_owned(),
        (true, false) => lang.say("what was said", "지정한 값").to_owned(),
    };
    let all = row
        .iter()
        .zip(came)
        .zip(named)
        .flat_map(|((value, came), name)| [(value, name.to_string()), (came, beside.clone())]);
    for (i, (value, name)) in all.enumerate() {
        let y = 10.0 + 20.0 * i as f64;
        canvas.text((200.0, y + 13.0), Anchor::End, "ink", &cut(&name, 28));
        // The numbers on the right stay clear of the bars.
        let width = 140.0 * value.abs() / most;
        canvas.rect(
            (400.0 - if *value < 0.0 { width } else { 0.0 }, y),
            (width, 15.0),
            if *value < 0.0 { "neg" } else { "pos" },
        );
        canvas.text((590.0, y + 13.0), Anchor::End, "dim", &digits(*value));
    }
    let title = match whole {
        true => lang.say("Forward: what the model gives", "순전파: 모델의 출력"),
        false => lang.say("Forward: what the model forecasts", "순전파: 모델의 예측"),
    };
    let target = &view.subject.targets[0];
    let caption = match (lang, whole) {
        (Lang::En, true) if row.len() == 1 => format!(
            "In the scaled units of training, in which 0 is the mean. What follows shows what pulls the output away from {target}{}.",
            if view.subject.guessed { ", the mean of the training data; --label takes another number" } else { "" }
        ),
        (Lang::Ko, true) if row.len() == 1 => format!(
            "학습할 때처럼 스케일링한 값이며 0이 평균입니다. 아래 그림은 출력이 {target}에서 벗어나게 하는 것을 보여 줍니다{}.",
            if view.subject.guessed { "(학습 데이터의 평균. --label로 다른 값을 지정할 수 있습니다)" } else { "" }
        ),
        (Lang::En, true) => "The probability of each label by itself: they do not add up to 1. A label is given from a half on.".into(),
        (Lang::Ko, true) => "레이블마다 따로 구한 확률이라 합이 1이 아닙니다. 확률이 절반 이상인 레이블을 답으로 냅니다.".into(),
        (Lang::En, false) => {
            format!("In the scaled units of training. The loss beside what came is {}.", digits(found.loss))
        }
        (Lang::Ko, false) => {
            format!("학습할 때처럼 스케일링한 값입니다. 실제 값에 대한 손실은 {}입니다.", digits(found.loss))
        }
    };
    figure(7, "outputs", title, caption, &canvas)
}
