//! Backward: what flows back through time, who has which share of it, where it may be cut.

use gimbap::explain::{Cut, Verdict};

use super::forward::figure;
use super::{Figure, Lang, View, digits, percent};
use crate::canvas::{Anchor, CURVES, Canvas, largest};

/// 8: the gradient on each arrow.
pub fn arrows(view: &View<'_>) -> Figure {
    let (lang, flow, column) = (view.lang, &view.found.flow, view.column());
    let (left, lane) = (136.0, 64.0);
    let lanes: Vec<(String, &[f64])> = flow
        .layers
        .iter()
        .zip(&view.found.layers)
        .rev()
        .flat_map(|(flow, layer)| {
            let c = flow.d_c.as_ref().map(|d_c| (format!("{} c", layer.name), &d_c[..]));
            [Some((format!("{} h", layer.name), &flow.d_h[..])), c].into_iter().flatten()
        })
        .collect();
    let height = 40.0 + lane * lanes.len() as f64 + 34.0 + view.names_height();
    let mut canvas = Canvas::new(left + view.width() + 20.0, height);
    let most = largest(lanes.iter().flat_map(|(_, values)| values.iter()));
    let x = |t: usize| left + (t as f64 + 0.5) * column;
    for (l, (name, values)) in lanes.iter().enumerate() {
        let y = 44.0 + lane * l as f64;
        canvas.text((left - 10.0, y + 4.0), Anchor::End, "ink", name);
        for t in 0..view.steps() {
            canvas.dot((x(t), y), 3.0, "head");
            if t + 1 < view.steps() {
                let thick = 0.6 + 7.0 * values[t] / most;
                canvas.arrow((x(t + 1) - 5.0, y), (x(t) + 5.0, y), thick);
                if column > 40.0 {
                    canvas.text(
                        ((x(t) + x(t + 1)) / 2.0, y - 10.0),
                        Anchor::Middle,
                        "small",
                        &digits(values[t]),
                    );
                }
            }
        }
    }
    let top = largest(&flow.d_output);
    for (t, d) in flow.d_output.iter().enumerate().filter(|(_, d)| **d > 0.0) {
        canvas.arrow((x(t), 10.0), (x(t), 38.0), 0.6 + 5.0 * d / top);
    }
    canvas.text((left - 10.0, 20.0), Anchor::End, "ink", lang.say("from the loss", "손실에서 오는 기울기"));
    let base = height - view.names_height() - 12.0;
    let widest = largest(&flow.d_x);
    for (t, d) in flow.d_x.iter().enumerate() {
        canvas.rect(
            (x(t) - column * 0.3, base - 24.0 * d / widest),
            (column * 0.6, 24.0 * d / widest),
            "neg",
        );
    }
    canvas.text((left - 10.0, base), Anchor::End, "ink", "|dL/dx_t|");
    view.names(&mut canvas, left, base + 2.0);
    let title =
        lang.say("Back through time: the gradient on every arrow", "BPTT: 화살표를 거슬러 가는 기울기");
    let ends = |name: &str, values: &[f64]| match values.len() {
        0 | 1 => String::new(),
        n => format!("{name}: {} → {}", digits(values[n - 2]), digits(values[0])),
    };
    let told: Vec<String> =
        lanes.iter().map(|(name, values)| ends(name, values)).filter(|s| !s.is_empty()).collect();
    let told = match (told.is_empty(), lang) {
        (true, _) => String::new(),
        (false, Lang::En) => format!(" From the last arrow to the first: {}.", told.join("; ")),
        (false, Lang::Ko) => format!(" 마지막 시점에서 첫 시점까지의 변화: {}.", told.join("; ")),
    };
    let caption = match lang {
        Lang::En => format!(
            "Each arrow is as thick as |dL/dh_t| (and |dL/dc_t|) that later steps send back over it; from above comes what \
             each step's own loss adds, below arrives |dL/dx_t|.{told}"
        ),
        Lang::Ko => format!(
            "화살표가 굵을수록 뒤쪽 시점에서 되돌아오는 기울기 |dL/dh_t|(LSTM은 |dL/dc_t|도)가 큽니다. 위쪽은 그 시점의 손실에서 더해지는 \
             기울기이고, 아래쪽은 입력까지 전달된 |dL/dx_t|입니다.{told}"
        ),
    };
    figure(8, "gradient", title, caption, &canvas)
}

/// 9: each step's share of the weights' gradients.
pub fn shares(view: &View<'_>) -> Figure {
    let (lang, flow, column) = (view.lang, &view.found.flow, view.column());
    let (left, lane) = (130.0, 96.0);
    let lanes: Vec<(String, &[f64])> = flow
        .layers
        .iter()
        .zip(&view.found.layers)
        .flat_map(|(flow, layer)| {
            [
                (format!("{} W_x", layer.name), &flow.share_w_x[..]),
                (format!("{} W_h", layer.name), &flow.share_w_h[..]),
            ]
        })
        .collect();
    let table = if column > 40.0 { 72.0 } else { 10.0 };
    let height = 10.0 + lane * lanes.len() as f64 + view.names_height() + table;
    let mut canvas = Canvas::new(left + view.width() + 20.0, height);
    for (l, (name, values)) in lanes.iter().enumerate() {
        let most = largest(*values);
        let zero = 10.0 + lane * l as f64 + lane * 0.5;
        canvas.text((left - 10.0, zero + 4.0), Anchor::End, "ink", name);
        canvas.line((left, zero), (left + view.width(), zero), "axis");
        for (t, share) in values.iter().enumerate() {
            let tall = share.abs() / most * lane * 0.34;
            let y = if *share < 0.0 { zero } else { zero - tall };
            let class = if *share < 0.0 { "neg" } else { "pos" };
            canvas.rect((left + (t as f64 + 0.2) * column, y), (column * 0.6, tall), class);
            if column > 40.0 {
                let y = if *share < 0.0 { zero + tall + 11.0 } else { zero - tall - 3.0 };
                let middle = left + (t as f64 + 0.5) * column;
                canvas.text((middle, y), Anchor::Middle, "small", &percent(lang, *share));
            }
        }
    }
    let below = 10.0 + lane * lanes.len() as f64;
    view.names(&mut canvas, left, below);
    let top = &flow.layers[flow.layers.len() - 1];
    let back: Vec<f64> = [0.0].iter().chain(&top.d_h).copied().take(view.steps()).collect();
    let numbers: [(&str, &[f64]); 4] = [
        ("|dL/dW_x| at t", &top.d_w_x),
        ("|dL/dW_h| at t", &top.d_w_h),
        ("|dL/dh_{t-1}|", &back),
        ("|dL/dx_t|", &flow.d_x),
    ];
    if column > 40.0 {
        for (i, (name, values)) in numbers.iter().enumerate() {
            let y = below + view.names_height() + 16.0 * (i as f64 + 1.0);
            canvas.text((left - 10.0, y), Anchor::End, "small", name);
            for (t, value) in values.iter().enumerate() {
                let x = left + (t as f64 + 0.5) * column;
                canvas.text((x, y), Anchor::Middle, "small", &digits(*value));
            }
        }
    }
    let title = lang.say("The chain rule, step by step", "연쇄 법칙: 시점별 기여");
    let [w_x, w_h, h, x] = numbers.map(|(_, values)| digits(values[view.step]));
    let t = view.number(view.step);
    let told = match lang {
        Lang::En => format!(
            "Step {t} adds a gradient of length {w_x} to dL/dW_x and of {w_h} to dL/dW_h of the top layer; |dL/dh_{{t-1}}|, which goes \
             on to the step before, is {h}, and |dL/dx_t| of the network's input {x}."
        ),
        Lang::Ko => format!(
            "{t}번째 시점이 맨 위층의 dL/dW_x에 보태는 기울기의 크기는 {w_x}, dL/dW_h에 보태는 크기는 {w_h}입니다. 앞 시점으로 전달되는 \
             |dL/dh_{{t-1}}|는 {h}, 입력에 도달하는 |dL/dx_t|는 {x}입니다."
        ),
    };
    let caption = match lang {
        Lang::En => format!(
            "The steps share their weights, so a weight's gradient is a sum over all steps, and the weight is updated once, by that \
             sum. A bar is a step's share of it, <g_t, g> / <g, g>; they sum to one, and a step that pulls the other way is negative. \
             Where gradients vanish the weights are updated all the same: what vanishes is the share that early steps have in it \
             through later losses. {told}"
        ),
        Lang::Ko => format!(
            "모든 시점이 같은 가중치를 쓰므로, 가중치의 기울기는 시점별 기울기를 모두 더한 것이고 가중치는 그 합으로 한 번에 갱신됩니다. 막대는 각 \
             시점의 비중 <g_t, g> / <g, g>이며 모두 더하면 1입니다. 전체와 반대 방향인 시점은 음수가 됩니다. 기울기가 소실되어도 가중치는 \
             갱신됩니다. 사라지는 것은 뒤쪽 손실을 통해 앞쪽 시점이 보태는 비중입니다. {told}"
        ),
    };
    figure(9, "chain", title, caption, &canvas)
}

/// 10: what is lost by cutting.
pub fn truncation(view: &View<'_>) -> Figure {
    let (lang, cuts) = (view.lang, &view.found.flow.cuts);
    let (left, top, w, h) = (60.0, 110.0, 460.0, 190.0);
    let mut canvas = Canvas::new(620.0, 360.0);
    let segment = view.found.horizon.truncation.unwrap_or_else(|| view.steps().div_ceil(2));
    cut_network(view, &mut canvas, (left, w), segment);
    let most = largest(cuts.iter().map(|cut| &cut.norm_ratio)).max(1.0);
    let low = cuts.iter().map(|cut| cut.cosine).fold(0.0, f64::min);
    let last = (cuts.len() - 1).max(1) as f64;
    let x = |i: usize| left + w * i as f64 / last;
    let y = |v: f64| top + h - h * (v - low) / (most - low);
    for v in [0.0, 0.5, 1.0] {
        canvas.line((left, y(v)), (left + w, y(v)), "grid");
        canvas.text((left - 8.0, y(v) + 4.0), Anchor::End, "small", &digits(v));
    }
    let parts: [fn(&Cut) -> f64; 2] = [|cut| cut.cosine, |cut| cut.norm_ratio];
    for (of, (class, _)) in parts.into_iter().zip(CURVES) {
        let points: Vec<(f64, f64)> = cuts.iter().enumerate().map(|(i, cut)| (x(i), y(of(cut)))).collect();
        canvas.curve(&points, class);
    }
    for (i, cut) in cuts.iter().enumerate() {
        canvas.dot((x(i), y(cut.cosine)), 3.5, "pos");
        canvas.dot((x(i), y(cut.norm_ratio)), 3.5, "neg");
        canvas.text((x(i), top + h + 18.0), Anchor::Middle, "ink", &cut.steps.to_string());
        if Some(cut.steps) == view.found.horizon.truncation {
            canvas.line((x(i), top), (x(i), top + h), "cut");
        }
    }
    canvas.text(
        (left + w / 2.0, top + h + 40.0),
        Anchor::Middle,
        "dim",
        lang.say("cut every so many steps", "자르는 간격(시점 수)"),
    );
    canvas.text((left + w + 12.0, y(1.0) - 2.0), Anchor::Start, "pos", lang.say("cosine", "코사인 유사도"));
    canvas.text((left + w + 12.0, y(1.0) + 14.0), Anchor::Start, "neg", lang.say("length", "크기 비율"));
    let title =
        lang.say("Truncated: where the gradient may be cut", "Truncated BPTT: 얼마나 짧게 잘라도 되는가");
    let layer = &view.found.layers[view.found.layers.len() - 1];
    let carried = digits(layer.h.row(segment - 1).iter().map(|x| x * x).sum::<f64>().sqrt());
    let enough = match (view.found.horizon.truncation, lang) {
        _ if view.steps() == 1 => lang.say("There is nothing to cut.", "자를 곳이 없습니다.").to_string(),
        (None, Lang::En) => format!(
            "No shorter cut gives the direction and length of the whole gradient here; drawn is one in the middle. The state itself \
             crosses it, |h_t| = {carried}: only what flows back stops there."
        ),
        (None, Lang::Ko) => format!(
            "이 입력에서는 이보다 짧게 자르면 기울기의 방향이나 크기가 달라집니다. 위 그림은 가운데에서 자른 예입니다. 순전파는 자르지 않으므로 \
             은닉 상태는 그대로 넘어가고(|h_t| = {carried}), 역전파만 여기서 멈춥니다."
        ),
        (Some(steps), Lang::En) => format!(
            "Cuts every {steps} steps or more are enough here (dashed). The state itself crosses the cut, |h_t| = {carried}: only what \
             flows back stops there."
        ),
        (Some(steps), Lang::Ko) => format!(
            "이 입력은 {steps}시점 이상의 간격으로 자르면 전체 기울기와 거의 같습니다(점선). 순전파는 자르지 않으므로 은닉 상태는 그대로 \
             넘어가고(|h_t| = {carried}), 역전파만 여기서 멈춥니다."
        ),
    };
    let every = &view.found.flow.cuts[0];
    let (cosine, length) = (digits(every.cosine), digits(every.norm_ratio));
    let caption = match lang {
        Lang::En => format!(
            "Above, the unfolded network: the state goes on to the right, the gradient comes back (orange) only as far as a \
             dashed line. Below, the gradient of the recurrent weights when it is cut every 1, 2, 4, .. steps, beside the full \
             one: the cosine between them and how long it is. Cut at every step it has a cosine of {cosine} and {length} of the \
             length. {enough} Cutting bounds the memory of training (figure 4). It is no cure for a gradient that vanishes (figure \
             12): of what lies before a cut, the losses behind it teach nothing."
        ),
        Lang::Ko => format!(
            "위는 펼친 신경망입니다. 은닉 상태는 끊기지 않고 오른쪽으로 전달되지만, 기울기(주황색)는 점선까지만 거슬러 갑니다. 아래는 1, 2, 4, \
             …시점마다 잘랐을 때 순환 가중치의 기울기가 전체 기울기와 얼마나 비슷한지를 코사인 유사도와 크기 비율로 나타낸 것입니다. 시점마다 \
             자르면 코사인 유사도는 {cosine}, 크기 비율은 {length}입니다. {enough} 자르면 학습에 드는 메모리(그림 4)가 일정하게 유지됩니다. \
             그러나 기울기 소실(그림 12)이 해결되지는 않습니다. 자른 지점 앞에서 일어난 일은 그 뒤의 손실로 학습할 수 없습니다."
        ),
    };
    figure(10, "truncation", title, caption, &canvas)
}

/// The states of an unfolded network in a row, between `left` and `left + w`, with the arrows that are left when the gradient
/// is cut every `segment` steps.
fn cut_network(view: &View<'_>, canvas: &mut Canvas, (left, w): (f64, f64), segment: usize) {
    let (n, y) = (view.steps(), 42.0);
    let apart = w / n as f64;
    let x = |t: usize| left + (t as f64 + 0.5) * apart;
    let radius = (apart * 0.2).clamp(0.8, 7.0);
    for t in 0..n {
        canvas.dot((x(t), y), radius, "head");
        if t + 1 == n {
            break;
        }
        let (from, to) = (x(t) + radius + 1.0, x(t + 1) - radius - 1.0);
        if apart > 12.0 {
            canvas.arrow((from, y - 5.0), (to, y - 5.0), 1.0);
        }
        if (t + 1) % segment == 0 {
            let middle = (from + to) / 2.0;
            canvas.line((middle, y - 24.0), (middle, y + 24.0), "cut");
        } else if apart > 12.0 {
            canvas.line((to, y + 6.0), (from + 4.0, y + 6.0), "other");
            canvas.path(&format!("M{from:.1} {:.1}l6 -3v6z", y + 6.0), "neg");
        }
    }
    if apart <= 12.0 {
        for first in (0..n).step_by(segment) {
            canvas.line((x((first + segment).min(n) - 1), y + 6.0), (x(first), y + 6.0), "other");
        }
    }
    let step = (n as f64 / 8.0).ceil().max(1.0) as usize;
    for t in (0..n).step_by(step) {
        canvas.text((x(t), y + 40.0), Anchor::Middle, "small", &format!("h_{}", view.number(t)));
    }
}

/// 12: how far the gradient reaches.
pub fn horizon(view: &View<'_>) -> Figure {
    let (lang, horizon) = (view.lang, &view.found.horizon);
    let (left, top, w, h) = (70.0, 20.0, 500.0, 200.0);
    let mut canvas = Canvas::new(620.0, 270.0);
    let logs: Vec<f64> = horizon.norms.iter().map(|x| x.max(1e-300).log10()).collect();
    let others: Vec<(&str, Vec<f64>)> = view.beside[1..]
        .iter()
        .filter_map(|beside| Some((&*beside.name, &beside.found.as_ref()?.horizon.norms)))
        .map(|(name, norms)| (name, norms.iter().map(|x| x.max(1e-300).log10()).collect()))
        .collect();
    let every = || logs.iter().chain(others.iter().flat_map(|(_, logs)| logs)).copied();
    let high = every().fold(f64::NEG_INFINITY, f64::max).ceil();
    let low = every().fold(f64::INFINITY, f64::min).floor().max(high - 12.0).min(high - 1.0);
    let last = (logs.len() - 1).max(1) as f64;
    let x = |lag: f64| left + w * lag / last;
    let y = |log: f64| top + h - h * (log.max(low) - low) / (high - low);
    let mut power = low;
    while power <= high {
        canvas.line((left, y(power)), (left + w, y(power)), "grid");
        canvas.text((left - 8.0, y(power) + 4.0), Anchor::End, "small", &format!("1e{power:.0}"));
        power += ((high - low) / 6.0).ceil().max(1.0);
    }
    let named = [(&*view.beside[0].name, logs.clone())].into_iter().chain(others.iter().cloned());
    for (i, (name, logs)) in named.enumerate() {
        let (class, ink) = CURVES[i % CURVES.len()];
        let shown = logs.iter().take(horizon.norms.len()).enumerate();
        let points: Vec<(f64, f64)> = shown.map(|(k, v)| (x(k as f64), y(*v))).collect();
        canvas.curve(&points, class);
        points.iter().for_each(|&point| canvas.dot(point, 2.5, ink));
        if !others.is_empty() {
            canvas.text((left + w - 4.0, top + 14.0 + 14.0 * i as f64), Anchor::End, ink, name);
        }
    }
    if let Some(half) = horizon.half_life {
        canvas.line((x(half), top), (x(half), top + h), "cut");
    }
    canvas.text((left, top + h + 18.0), Anchor::Middle, "ink", "0");
    canvas.text((left + w, top + h + 18.0), Anchor::Middle, "ink", &format!("{}", logs.len() - 1));
    canvas.text(
        (left + w / 2.0, top + h + 36.0),
        Anchor::Middle,
        "dim",
        lang.say("lag k, in steps", "거리 k(시점)"),
    );
    canvas.text((left + w, top - 6.0), Anchor::End, "dim", "|dL_t/ds_{t-k}|");
    let title = lang.say("How far the gradient reaches", "기울기는 얼마나 먼 과거까지 전달되는가");
    let whole = view.whole();
    let verdict = match (horizon.verdict, lang) {
        (Verdict::Vanishing, Lang::En) => {
            format!("It vanishes: within the {whole} it falls below a hundredth.")
        }
        (Verdict::Exploding, Lang::En) => {
            format!("It explodes: within the {whole} it grows more than tenfold.")
        }
        (Verdict::Carried, Lang::En) => format!("It neither vanishes nor explodes within the {whole}."),
        (Verdict::Vanishing, Lang::Ko) => {
            format!("기울기 소실이 일어납니다. 이 {whole} 안에서 100분의 1 미만으로 작아집니다.")
        }
        (Verdict::Exploding, Lang::Ko) => {
            format!("기울기 폭발이 일어납니다. 이 {whole} 안에서 10배 넘게 커집니다.")
        }
        (Verdict::Carried, Lang::Ko) => {
            format!("이 {whole} 안에서는 기울기가 소실되지도 폭발하지도 않습니다.")
        }
    };
    let factor = digits(horizon.growth_rate.exp());
    let advice = match (horizon.truncation, lang) {
        (Some(steps), Lang::En) => {
            format!(" To learn what this {whole} teaches, {steps} steps of back-propagation are enough.")
        }
        (None, Lang::En) => format!(" To learn what this {whole} teaches, back-propagate through all of it."),
        (Some(steps), Lang::Ko) => format!(" 이 입력은 {steps}시점까지만 역전파해도 충분히 학습됩니다."),
        (None, Lang::Ko) => " 이 입력을 제대로 학습하려면 전체를 역전파해야 합니다.".into(),
    };
    let caption = match (lang, horizon.half_life) {
        (Lang::En, half) => format!(
            "The gradient of a step's loss in the full state k steps earlier. {verdict} {} A small change of the state is \
             multiplied by {factor} at each step on average.{advice} This is about what can be learned, backward; what a trained \
             network still holds as it reads on, forward, is figure 11.",
            half.map_or("It does not fall to half.".into(), |half| format!(
                "Half of its largest value is left after {} steps.",
                digits(half)
            ))
        ),
        (Lang::Ko, half) => format!(
            "한 시점의 손실을 k시점 앞의 상태로 미분한 기울기의 크기입니다. {verdict} {} 상태에 생긴 작은 변화는 시점을 하나 지날 때마다 평균 \
             {factor}배가 됩니다.{advice} 이 그림은 역전파에서 무엇을 학습할 수 있는지를 나타냅니다. 학습한 신경망이 순전파에서 무엇을 기억하고 \
             있는지는 그림 11에 있습니다.",
            half.map_or("절반 아래로는 줄어들지 않습니다.".into(), |half| format!(
                "{half:.1}시점 만에 최댓값의 절반으로 줄어듭니다."
            ))
        ),
    };
    figure(12, "horizon", title, caption, &canvas)
}
