//! Forward: the vectors that are read, the network folded and unfolded, what it says.

use crate::canvas::{Anchor, Canvas, largest};
use gimbap::data::dataset::Steps;

use super::super::compare::Swap;
use super::super::subject::Kind;
use super::{Figure, Lang, View, cut, digits, upright};

/// Features of a vector that are drawn.
const MOST: usize = 32;

/// 1: the vector of each step.
pub fn inputs(view: &View<'_>) -> Figure {
    let (x, lang) = (&view.found.x, view.lang);
    let shown = x.ncols().min(MOST);
    let one_hot = view.model.layers().first().is_some_and(|l| l.kind() == "one_hot");
    let cell = if shown > 16 && !one_hot { 7.0 } else { 12.0 };
    let (left, top) = (if one_hot { 110.0 } else { 46.0 }, 12.0);
    let height = cell * shown as f64;
    let mut canvas = Canvas::new(left + view.width() + 20.0, top + height + view.names_height() + 12.0);
    canvas.matrix((left, top), (view.column(), cell), largest(x), &upright(x, MOST));
    canvas.rect((left, top), (view.width(), height), "box");
    match (one_hot, view.subject.data.inputs().steps()) {
        (true, Steps::Ids(ids)) => {
            let mut own = ids.clone();
            own.sort_unstable();
            own.dedup();
            for (row, id) in own.iter().take(shown).enumerate() {
                let y = top + cell * (row as f64 + 0.5) + 3.5;
                let name = view.subject.tokens.get(*id as usize).map_or("", |name| name);
                canvas.text((left - 6.0, y), Anchor::End, "small", &cut(name, 16));
            }
        }
        _ => {
            canvas.text((left - 6.0, top + 10.0), Anchor::End, "small", "x_1");
            canvas.text((left - 6.0, top + height), Anchor::End, "small", &format!("x_{shown}"));
        }
    }
    view.names(&mut canvas, left, top + height);
    let embedding = crate::vectors::table(view.model, view.subject.tokens.len()).is_some();
    let title =
        lang.say("What the network reads: a vector for each step", "신경망이 읽는 것: 단계마다 하나의 벡터");
    let what = match (embedding, one_hot) {
        (true, _) => lang.say(
            "A token is one of the vocabulary, a one-hot vector; its product with the embedding is a row of it: the \
             vector that is drawn.",
            "토큰은 어휘 가운데 하나를 가리키는 원-핫 벡터이고, 임베딩과 곱하면 그 한 행이 됩니다. 그림은 그 벡터입니다.",
        ),
        (_, true) => lang.say(
            "One-hot vectors: a single 1 at the token's place. The rows are the sentence's own tokens; those of all \
             other tokens are zero.",
            "원-핫 벡터: 토큰의 자리만 1입니다. 행은 이 문장에 나오는 토큰들이고, 다른 토큰의 행은 모두 0입니다.",
        ),
        _ => lang.say("The features of each step, scaled as in training.", "각 단계의 특징값(학습 때와 같은 척도)입니다."),
    };
    let caption = match lang {
        Lang::En => format!(
            "{what} Blue is above zero, orange below, the stronger the larger (up to {}). {shown} of {} features.",
            digits(largest(x)),
            if one_hot { view.subject.tokens.len() } else { x.ncols() }
        ),
        Lang::Ko => format!(
            "{what} 파랑은 양수, 주황은 음수이며 진할수록 큽니다(최대 {}). 특징 {}개 가운데 {shown}개.",
            digits(largest(x)),
            if one_hot { view.subject.tokens.len() } else { x.ncols() }
        ),
    };
    figure(1, "inputs", title, caption, &canvas)
}

pub fn figure(number: usize, name: &'static str, title: &str, caption: String, canvas: &Canvas) -> Figure {
    let svg = canvas.finish(&format!("figure-{number}"), title, &caption);
    Figure { number, name, title: title.into(), caption, svg }
}

/// 3: the network folded, and how many parameters it has however long the sentence is.
pub fn folded(view: &View<'_>) -> Figure {
    let (lang, layers, whole) = (view.lang, &view.found.layers, view.whole());
    let swapped = view.beside.iter().filter(|beside| beside.swap.is_some()).count() as f64;
    let below = if swapped > 0.0 { 30.0 + 40.0 * swapped } else { 0.0 };
    let mut canvas = Canvas::new(640.0, 70.0 + 84.0 * layers.len() as f64 + 60.0 + below);
    let bottom = 70.0 + 84.0 * layers.len() as f64;
    canvas.text((130.0, bottom + 40.0), Anchor::Middle, "strong", "x_t");
    for (l, layer) in layers.iter().enumerate() {
        let y = bottom - 84.0 * (l as f64 + 1.0) + 24.0;
        canvas.rect((70.0, y), (120.0, 44.0), "box");
        canvas.text((130.0, y + 18.0), Anchor::Middle, "strong", &layer.name);
        canvas.text((130.0, y + 34.0), Anchor::Middle, "small", &format!("h_t: {}", layer.h.ncols()));
        canvas.arrow((130.0, y + 80.0), (130.0, y + 46.0), 1.5);
        canvas.path(&format!("M190 {:.1}h34v-34h-94v10", y + 22.0), "arrow");
        canvas.text((230.0, y + 8.0), Anchor::Start, "dim", "h_{t-1}");
    }
    canvas.arrow((130.0, bottom - 84.0 * layers.len() as f64 + 24.0), (130.0, 40.0), 1.5);
    canvas.text((130.0, 30.0), Anchor::Middle, "strong", "o_t");
    // Parameters beside the length of the sentence.
    let (left, top, w, h) = (330.0, 40.0, 260.0, bottom - 40.0);
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
    canvas.text(
        (left + w, top + h + 16.0),
        Anchor::End,
        "dim",
        &match lang {
            Lang::En => format!("length of the {whole}"),
            Lang::Ko => format!("{whole}의 길이"),
        },
    );
    canvas.text((left, top - 8.0), Anchor::Start, "dim", lang.say("parameters", "매개변수의 수"));
    let (x, y) = at(length, recurrent);
    canvas.text(
        (x, y - 5.0),
        Anchor::End,
        "pos",
        &format!("{} {recurrent}", lang.say("recurrent:", "순환:")),
    );
    let (x, y) = at(length / 2, flat(length / 2));
    canvas.text(
        (x + 10.0, (y + 12.0).min(top + h - 4.0)),
        Anchor::Start,
        "neg",
        lang.say("one weight per place", "자리마다 다른 가중치"),
    );
    let swap = swaps(view, &mut canvas, bottom + 66.0);
    let title = lang.say("Folded: one cell for every step", "접은 신경망: 모든 단계가 같은 셀");
    let caption = match lang {
        Lang::En => format!(
            "The same weights at every step, {recurrent} in the recurrent layers, take a {whole} of any length. A \
             feed-forward layer of as many units as the first, with weights of its own for every place, would have {} for {} \
             steps, and could not take more.{swap}",
            flat(view.steps()),
            view.steps()
        ),
        Lang::Ko => format!(
            "순환층의 가중치 {recurrent}개를 모든 단계가 함께 쓰므로 {whole}의 길이에 제한이 없습니다. 첫 층만큼의 유닛에 자리마다 다른 \
             가중치를 갖는 순방향 층이라면 {}단계에 {}개가 필요하고, 더 긴 것은 받을 수 없습니다.{swap}",
            view.steps(),
            flat(view.steps())
        ),
    };
    figure(3, "folded", title, caption, &canvas)
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
    let words = lang.say(["as it stands", "swapped"], ["그대로", "맞바꿈"]);
    for (i, (name, swap)) in swaps.iter().enumerate() {
        let y = top + 16.0 + 40.0 * i as f64;
        canvas.text((20.0, y + 16.0), Anchor::Start, "ink", &cut(name, 18));
        for (j, (value, class)) in [(swap.before, "pos"), (swap.after, "neg")].into_iter().enumerate() {
            let y = y + 15.0 * j as f64;
            canvas.text((238.0, y + 11.0), Anchor::End, "small", words[j]);
            canvas.rect((246.0, y + 1.0), (230.0 * value.abs() / most, 12.0), class);
            let text = format!("ln p = {}", digits(value));
            canvas.text((252.0 + 230.0 * value.abs() / most, y + 11.0), Anchor::Start, "small", &text);
        }
    }
    let moved = |swap: &Swap| swap.after - swap.before;
    let [first, second] = &names;
    let target = subject.targets.last().map_or("", |target| target);
    let changed = digits(moved(&swaps[0].1));
    let own = match lang {
        Lang::En => format!(
            " With {first} and {second} in each other's place the log-probability of {target} changes by {changed}: the order is \
             part of what the state holds."
        ),
        Lang::Ko => format!(
            " {first}와(과) {second}의 자리를 맞바꾸면 {target}의 로그 확률이 {changed}만큼 달라집니다. 상태에는 순서도 담기기 때문입니다."
        ),
    };
    let flat = view.beside.iter().find(|beside| beside.found.is_none()).and_then(|beside| beside.swap);
    let flat = match (lang, flat) {
        (Lang::En, None) => {
            " A feed-forward network on the mean of the vectors (--compare) would not notice.".into()
        }
        (Lang::Ko, None) => " 벡터의 평균만 보는 순방향 신경망(--compare)은 알아채지 못합니다.".into(),
        (Lang::En, Some(swap)) => format!(
            " The feed-forward network sees but the mean of the same words' vectors: its own changes by {}.",
            digits(moved(&swap))
        ),
        (Lang::Ko, Some(swap)) => {
            format!(
                " 같은 단어 벡터의 평균만 보는 순방향 신경망에서는 {}만큼 달라집니다.",
                digits(moved(&swap))
            )
        }
    };
    own + &flat
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
    let strip = (column * 0.5).min(34.0);
    let (left, cell) = (60.0, 5.0);
    let tall = |n: usize| cell * n.min(MOST) as f64;
    let heights: Vec<f64> = found.layers.iter().map(|layer| tall(layer.h.ncols())).collect();
    let gap = 34.0;
    let x_height = tall(found.x.ncols());
    let height = 34.0 + heights.iter().map(|h| h + gap).sum::<f64>() + x_height + view.names_height() + 12.0;
    let mut canvas = Canvas::new(left + view.width() + 20.0, height);
    let place = |t: usize| left + (t as f64 + 0.5) * column - strip / 2.0;
    let bottom = height - view.names_height() - 10.0;
    let draw = |canvas: &mut Canvas, m: &ndarray::Array2<f64>, top: f64, name: &str| {
        let most = largest(m);
        for t in 0..view.steps() {
            let column: Vec<Vec<f64>> = m.row(t).iter().take(MOST).map(|x| vec![*x]).collect();
            canvas.matrix((place(t), top), (strip, cell), most, &column);
            canvas.rect((place(t), top), (strip, tall(m.ncols())), "box");
        }
        canvas.text((left - 8.0, top + tall(m.ncols()) / 2.0 + 4.0), Anchor::End, "strong", name);
    };
    let mut top = bottom - x_height;
    draw(&mut canvas, &found.x, top, "x_t");
    for (layer, tall) in found.layers.iter().zip(&heights) {
        let below = top;
        top -= gap + tall;
        draw(&mut canvas, &layer.h, top, "h_t");
        for t in 0..view.steps() {
            let middle = place(t) + strip / 2.0;
            canvas.arrow((middle, below - 3.0), (middle, top + tall + 3.0), 1.0);
            if t + 1 < view.steps() {
                canvas.arrow(
                    (place(t) + strip + 1.0, top + tall / 2.0),
                    (place(t + 1) - 1.0, top + tall / 2.0),
                    1.5,
                );
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
    let kib = |steps: usize| digits(4.0 * (planes * steps) as f64 / 1024.0);
    let title = lang.say("Unfolded: one column for each step", "펼친 신경망: 단계마다 한 열");
    let half = match (found.forward_half, lang) {
        (false, _) => String::new(),
        (true, Lang::En) => " Of the bidirectional layer its forward half is drawn.".into(),
        (true, Lang::Ko) => " 양방향 층은 앞으로 읽는 절반만 그렸습니다.".into(),
    };
    let caption = match lang {
        Lang::En => format!(
            "Upward the input, to the right the state. Back-propagation through all {0} steps has to keep {1} KiB of \
             states and gates in 32-bit numbers, {2} KiB a step; truncated after 20 steps, {3} KiB. At most {MOST} values of a \
             vector are drawn.{half}",
            view.steps(),
            kib(view.steps()),
            kib(1),
            kib(20.min(view.steps())),
        ),
        Lang::Ko => format!(
            "위로는 입력이, 오른쪽으로는 상태가 흐릅니다. {0}단계 전체의 시간 역전파는 상태와 게이트 {1} KiB(32비트, 단계당 {2} \
             KiB)를 보관해야 하고, 20단계에서 자르면 {3} KiB면 됩니다. 벡터마다 값을 {MOST}개까지 그렸습니다.{half}",
            view.steps(),
            kib(view.steps()),
            kib(1),
            kib(20.min(view.steps())),
        ),
    };
    figure(4, "unfolded", title, caption, &canvas)
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
    let candidates = subject.outputs.len().min(5);
    let (left, line) = (110.0, 17.0);
    let block = line * (candidates as f64 + 1.0) + 14.0;
    let mut canvas = Canvas::new(620.0, 10.0 + block * rows as f64);
    for (t, &target) in wanted.iter().enumerate().take(rows) {
        let p = found.outputs.row(t).to_vec();
        let top = 10.0 + block * t as f64;
        let step = if rows == view.steps() { &subject.steps[t] } else { &subject.targets[0] };
        canvas.text((left - 12.0, top + 14.0), Anchor::End, "strong", &cut(step, 14));
        let mut places = likeliest(&p, candidates);
        let target = target as usize;
        if !places.contains(&target) {
            places.push(target);
        }
        for (i, &place) in places.iter().enumerate() {
            let y = top + line * i as f64;
            let class = if place == target { "neg" } else { "pos" };
            canvas.rect((left + 130.0, y + 3.0), (240.0 * p[place], line - 5.0), class);
            let ink = if place == target { "strong" } else { "ink" };
            canvas.text((left + 122.0, y + 14.0), Anchor::End, ink, &cut(&subject.outputs[place], 16));
            let x = left + 136.0 + 240.0 * p[place];
            canvas.text((x, y + 14.0), Anchor::Start, "dim", &digits(p[place]));
        }
    }
    let product: f64 = -found.loss;
    let title =
        lang.say("Forward: what may come, and how probable it is", "순전파: 무엇이 얼마나 그럴듯한가");
    let perplexity = digits((found.loss / rows as f64).exp());
    let p = digits(product.exp());
    let all = match (subject.kind, lang) {
        (Kind::Label | Kind::Numbers, Lang::En) => {
            let who = if subject.guessed { "the likeliest label" } else { "the label that was given" };
            format!("In orange {who}, {}: probability {p}.", subject.targets[0])
        }
        (Kind::Label | Kind::Numbers, Lang::Ko) => {
            let who = if subject.guessed { "가장 그럴듯한 이름표" } else { "주어진 이름표" };
            format!("주황은 {who} {}: 확률 {p}.", subject.targets[0])
        }
        (Kind::Labels, Lang::En) => {
            format!("In orange the likeliest label of each step; all of them together: {p}.")
        }
        (Kind::Labels, Lang::Ko) => {
            format!("주황은 단계마다 가장 그럴듯한 이름표이고, 모두 함께일 확률은 {p}입니다.")
        }
        (Kind::Next, Lang::En) => format!(
            "In orange what did come. The probability of all of it is the product, e^({}) = {p}; perplexity {perplexity}.",
            digits(product)
        ),
        (Kind::Next, Lang::Ko) => format!(
            "주황은 실제로 온 것입니다. 전체의 확률은 그 곱, e^({}) = {p}이고 퍼플렉시티는 {perplexity}입니다.",
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
    let all = row.iter().zip(came).zip(named).flat_map(|((value, came), name)| {
        [(value, name.to_string()), (came, lang.say("what came", "실제 값").to_string())]
    });
    for (i, (value, name)) in all.enumerate() {
        let y = 10.0 + 20.0 * i as f64;
        canvas.text((200.0, y + 13.0), Anchor::End, "ink", &cut(&name, 28));
        let width = 180.0 * value.abs() / most;
        canvas.rect(
            (400.0 - if *value < 0.0 { width } else { 0.0 }, y),
            (width, 15.0),
            if *value < 0.0 { "neg" } else { "pos" },
        );
        canvas.text((590.0, y + 13.0), Anchor::End, "dim", &digits(*value));
    }
    let title = lang.say("Forward: what the model forecasts", "순전파: 모형의 예측");
    let caption = match lang {
        Lang::En => {
            format!("In the scaled units of training. The loss beside what came is {}.", digits(found.loss))
        }
        Lang::Ko => {
            format!("학습 때의 척도로 나타낸 값입니다. 실제 값과의 손실은 {}입니다.", digits(found.loss))
        }
    };
    figure(7, "outputs", title, caption, &canvas)
}
