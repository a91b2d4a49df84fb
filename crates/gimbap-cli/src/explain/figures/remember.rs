//! What the states hold of earlier steps, and what decided an output.

use std::fmt::Write;

use super::super::subject::Kind;
use super::forward::figure;
use super::{Figure, Lang, View, cut, digits, percent};
use crate::canvas::{Anchor, Canvas, largest};

/// 11: the share of each earlier step in each state, and how it moves on as the sentence is read.
pub fn memory(view: &View<'_>) -> Figure {
    let (lang, shares) = (view.lang, &view.found.memory.shares);
    let column = view.column();
    let cell = (column * 0.5).clamp(9.0, 26.0);
    let (left, top, n) = (120.0, 14.0, view.steps());
    let bars = 90.0;
    let height = top + cell * n as f64 + view.names_height() + 30.0 + bars + view.names_height() + 10.0;
    let mut canvas = Canvas::new(left + view.width() + 20.0, height);
    let rows: Vec<Vec<f64>> = shares.rows().into_iter().map(|row| row.to_vec()).collect();
    canvas.matrix((left, top), (column, cell), 1.0, &rows);
    canvas.rect((left, top), (view.width(), cell * n as f64), "box");
    // Names need some room.
    let stride = (12.0 / cell).ceil() as usize;
    for (t, row) in rows.iter().enumerate() {
        let y = top + (t as f64 + 0.5) * cell + 4.0;
        if t % stride == 0 {
            let name = format!("h_{} {}", view.number(t), cut(&view.subject.steps[t], 10));
            canvas.text((left - 8.0, y), Anchor::End, "small", &name);
        }
        if column > 40.0 && cell > 12.0 {
            // Of a short sentence the small ones too: how a word fades is read there.
            let least = if n <= 12 { 0.0005 } else { 0.095 };
            for (k, share) in row.iter().enumerate().take(t + 1).filter(|(_, share)| **share >= least) {
                let x = left + (k as f64 + 0.5) * column;
                canvas.text(
                    (x, y),
                    Anchor::Middle,
                    if *share > 0.8 { "ground" } else { "ink" },
                    &fine(lang, *share),
                );
            }
        }
    }
    let below = top + cell * n as f64;
    view.names(&mut canvas, left, below);
    // The same as bars that move: one state after the other.
    let base = below + view.names_height() + 20.0 + bars;
    let seconds = (0.4 * n as f64).min(5.0);
    let plays = (2..=60).contains(&n);
    // The largest share of a state fills the height.
    let fullest: Vec<f64> = rows.iter().map(largest).collect();
    let times: Vec<String> = (0..n).map(|t| format!("{:.4}", t as f64 / n as f64)).collect();
    for k in 0..n {
        let x = left + (k as f64 + 0.15) * column;
        let tall = |t: usize| bars * shares[[t, k]] / fullest[t];
        let list =
            |of: &dyn Fn(usize) -> f64| (0..n).map(|t| format!("{:.1}", of(t))).collect::<Vec<_>>().join(";");
        let mut svg = format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" class=\"pos\">",
            base - tall(n - 1),
            column * 0.7,
            tall(n - 1)
        );
        if plays {
            for (name, values) in [("y", list(&|t| base - tall(t))), ("height", list(&tall))] {
                let _ = write!(
                    svg,
                    "<animate attributeName=\"{name}\" values=\"{values}\" keyTimes=\"{}\" calcMode=\"discrete\" \
                     dur=\"{seconds:.1}s\" begin=\"figure-11-play.click;figure-11-play.keypress\"/>",
                    times.join(";")
                );
            }
        }
        canvas.raw(&(svg + "</rect>\n"));
    }
    if plays {
        let label = lang.say("▶ play", "▶ 재생");
        canvas.raw(&format!(
            "<g id=\"figure-11-play\" class=\"button\" role=\"button\" tabindex=\"0\" aria-label=\"{label}\">\n<rect x=\"8\" \
             y=\"{:.1}\" width=\"60\" height=\"22\" rx=\"4\" class=\"box\" pointer-events=\"all\"/>\n<text x=\"38\" y=\"{:.1}\" class=\"ink\" \
             text-anchor=\"middle\">{label}</text>\n</g>\n",
            base - bars / 2.0 + 8.0,
            base - bars / 2.0 + 23.0
        ));
    }
    canvas.line((left, base), (left + view.width(), base), "axis");
    canvas.text(
        (left - 8.0, base - bars / 2.0),
        Anchor::End,
        "dim",
        lang.say("the state, read on", "시점별 비중"),
    );
    view.names(&mut canvas, left, base);
    let last = shares.row(n - 1);
    let best = super::forward::likeliest(&last.to_vec(), 3);
    let told: Vec<String> = best
        .iter()
        .map(|&k| format!("{} {}", cut(&view.subject.steps[k], 16), percent(lang, last[k])))
        .collect();
    let told = told.join(", ");
    let faded = faded(view, &rows);
    let (word, ko, token) = match view.subject.tokens.is_empty() {
        true => ("a step", "시점이", "시점"),
        false => ("a word", "단어가", "토큰"),
    };
    let title = lang.say("The memory: what each state is made of", "기억: 은닉 상태에 무엇이 남아 있는가");
    let play = match (plays, lang) {
        (false, _) => "",
        (true, Lang::En) => "; in the report, play runs them from the first state on",
        (true, Lang::Ko) => " 보고서에서 '재생'을 누르면 첫 시점부터 차례로 볼 수 있습니다.",
    };
    let caption = match lang {
        Lang::En => format!(
            "Row t: the share of h_t that stems from each step up to it, |dh_t/dx_k · x_k| over its sum. Below, the last row as bars, \
             the largest as high as there is room{play}. The last state holds most of: {told}.{faded} A share that falls is \
             forgetting, forward; the gradient that vanishes, backward, is figure 12. And a share of the state is not yet \
             influence on the answer: {word} with a small one can decide it (figure 13)."
        ),
        Lang::Ko => format!(
            "t번째 행은 은닉 상태 h_t에서 그때까지 읽은 각 시점이 차지하는 비중입니다(|dh_t/dx_k · x_k|를 합이 1이 되도록 나눈 값). 아래 막대는 \
             마지막 행이며, 가장 큰 값을 기준으로 높이를 맞췄습니다.{play} 마지막 은닉 상태에서 비중이 큰 {token}: {told}.{faded} 비중이 줄어드는 \
             것은 순전파에서 일어나는 망각이고, 역전파에서 기울기가 소실되는 것은 그림 12에 있습니다. 또 은닉 상태에서 차지하는 비중이 곧 예측에 \
             미치는 영향은 아닙니다. 비중이 작은 {ko} 예측을 결정하기도 합니다(그림 13)."
        ),
    };
    let mut figure = figure(11, "memory", title, caption, &canvas);
    if plays {
        // A picture with something to press in it is more than an image.
        figure.svg = figure.svg.replacen("role=\"img\"", "role=\"group\"", 1);
    }
    figure
}

/// A share in percents, a small one with a place behind the point.
fn fine(lang: Lang, share: f64) -> String {
    match share < 0.0995 {
        true => lang.say(format!("{:.1} %", 100.0 * share), format!("{:.1}%", 100.0 * share)),
        false => percent(lang, share),
    }
}

/// What becomes of the first word's share: of a short sentence, in the caption.
fn faded(view: &View<'_>, rows: &[Vec<f64>]) -> String {
    let first = 1 - view.subject.first_step();
    let shares = || rows.iter().skip(first).map(|row| row[first]);
    if !(2..=12).contains(&shares().count()) {
        return String::new();
    }
    let list = shares().map(|share| fine(view.lang, share)).collect::<Vec<_>>().join(", ");
    let name = cut(&view.subject.steps[first], 16);
    match view.lang {
        Lang::En => format!(" The share of {name}, step by step: {list}."),
        Lang::Ko => format!(" 토큰 '{name}'의 시점별 비중: {list}."),
    }
}

/// 13: what decided each output, to this model and to those beside it.
pub fn decisions(view: &View<'_>) -> Figure {
    let (lang, column) = (view.lang, view.column());
    let cell = (column * 0.5).clamp(9.0, 26.0);
    // Models that read the same steps.
    let models: Vec<(&str, Vec<Vec<f64>>)> = view
        .beside
        .iter()
        .filter_map(|beside| Some((&*beside.name, &beside.found.as_ref()?.erased)))
        .filter(|(_, erased)| erased.dim() == view.found.erased.dim())
        .map(|(name, erased)| (name, erased.rows().into_iter().map(|row| row.to_vec()).collect()))
        .collect();
    let rows = models[0].1.len();
    let names: Vec<&String> = view.subject.targets.iter().take(rows).collect();
    let (left, top) = (130.0, 14.0);
    let block = cell * rows as f64 + view.names_height() + if models.len() > 1 { 30.0 } else { 12.0 };
    let mut canvas = Canvas::new(left + view.width() + 20.0, top + block * models.len() as f64);
    let mut told = Vec::new();
    for (m, (model, decisions)) in models.iter().enumerate() {
        let head = if models.len() > 1 { 16.0 } else { 0.0 };
        let top = top + block * m as f64 + head;
        if models.len() > 1 {
            canvas.text((left, top - 5.0), Anchor::Start, "strong", model);
        }
        canvas.matrix((left, top), (column, cell), largest(decisions.iter().flatten()), decisions);
        canvas.rect((left, top), (view.width(), cell * rows as f64), "box");
        for (t, name) in names.iter().enumerate() {
            let y = top + (t as f64 + 0.5) * cell + 4.0;
            canvas.text((left - 8.0, y), Anchor::End, "small", &format!("→ {}", cut(name, 14)));
        }
        view.names(&mut canvas, left, top + cell * rows as f64);
        let far = furthest(decisions, view);
        let nats = if view.subject.wanted.is_some() { lang.say(" nats", " nat") } else { "" };
        let place = |(t, k, value): (usize, usize, f64)| {
            let (step, target) = (&view.subject.steps[k], names.get(t).map_or("", |name| name));
            let (n, size) = (view.number(k), digits(value.abs()));
            match (lang, value < 0.0) {
                (Lang::En, false) => format!("{model}: {step} (step {n}) for {target}, by {size}{nats}"),
                (Lang::En, true) => format!("{model}: {step} (step {n}) against {target}, by {size}{nats}"),
                (Lang::Ko, against) => {
                    let what = if against { "방해" } else { "도움" };
                    format!("{model}, {n}번째 '{step}' → '{target}', {what} {size}{nats}")
                }
            }
        };
        told.extend(far.map(place));
    }
    let decided = match view.subject.tokens.is_empty() {
        true => "장기 의존성: 어느 시점이 예측을 결정했는가",
        false => "장기 의존성: 어느 단어가 예측을 결정했는가",
    };
    let title = lang.say("What decided: the long way back", decided);
    let told = match (told.is_empty(), view.per_step(), lang) {
        (true, _, Lang::En) => "There is no earlier step.".to_string(),
        (true, _, Lang::Ko) => "앞선 시점이 없습니다.".to_string(),
        (false, true, Lang::En) if !view.asked => {
            format!(
                "The longest reach (strength times distance; --step picks an output): {}.",
                told.join("; ")
            )
        }
        (false, true, Lang::Ko) if !view.asked => {
            format!(
                "영향이 가장 멀리 미친 경우(세기와 거리의 곱 기준, 출력은 --step으로 선택): {}.",
                told.join("; ")
            )
        }
        (false, _, Lang::En) => format!("The strongest: {}.", told.join("; ")),
        (false, _, Lang::Ko) => format!("영향이 가장 큰 시점: {}.", told.join("; ")),
    };
    let caption = match lang {
        Lang::En => format!(
            "A row is an output, a column a step: by how much the output's loss rises (blue: the step spoke for it) or falls \
             (orange: against it) when the step's vector is taken away. {told}"
        ),
        Lang::Ko => format!(
            "행은 출력, 열은 입력 시점입니다. 그 시점의 입력을 뺐을 때 출력의 손실이 커지면 예측을 도운 시점(파란색), 작아지면 방해한 \
             시점(주황색)입니다. {told}"
        ),
    };
    figure(13, "decisions", title, caption, &canvas)
}

/// What decided: the output, the step and by how much. Of the output of the step that was asked for the strongest; else, of
/// all, the strongest times its distance, so that what lies next to it does not hide what lies far back. The mark in front
/// of a sentence is none of its words, and of outputs at every step their own is not what is looked for.
fn furthest(decisions: &[Vec<f64>], view: &View<'_>) -> Option<(usize, usize, f64)> {
    let (each, mark) = (view.per_step(), usize::from(view.subject.kind == Kind::Next));
    let asked = (each && view.asked).then_some(view.step);
    let all = decisions.iter().enumerate().filter(|(t, _)| asked.is_none_or(|asked| asked == *t));
    let all = all.flat_map(|(t, row)| {
        let others = row.iter().enumerate().filter(move |(k, _)| *k >= mark && !(each && *k == t));
        others.map(move |(k, value)| (t, k, *value))
    });
    let weight = |&(t, k, value): &(usize, usize, f64)| match each && asked.is_none() {
        true => value.abs() * t.abs_diff(k) as f64,
        false => value.abs(),
    };
    all.max_by(|a, b| weight(a).total_cmp(&weight(b))).filter(|(.., value)| *value != 0.0)
}
