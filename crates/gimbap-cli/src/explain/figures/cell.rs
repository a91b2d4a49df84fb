//! Inside a cell: the linear part, then the nonlinearity.

use gimbap::explain::{Gate, GateKind};
use gimbap::layer::LayerSpec;

use super::forward::figure;
use super::{Figure, Lang, View, WRITTEN, cut, digits, in_cell, percent};
use crate::canvas::{Anchor, CURVES, Canvas, largest};

/// Units that are drawn.
const MOST: usize = 32;
/// Bars of a distribution, and how far to both sides it is drawn.
const BINS: usize = 40;
const REACH: f64 = 4.0;

/// 5: one step of the top layer, from its linear parts to the state.
pub fn inside(view: &View<'_>) -> Figure {
    let (lang, t) = (view.lang, view.step);
    let layer = &view.found.layers[view.found.layers.len() - 1];
    let units = layer.h.ncols().min(MOST);
    // Of few units the values stand in the cells.
    let written = units <= WRITTEN;
    let (left, cell, row) = (172.0, if written { 44.0 } else { 15.0 }, 18.0);
    let block = row * 5.0 + 16.0;
    let extra = if layer.c.is_some() { 2.0 } else { 1.0 };
    let mut canvas = Canvas::new(
        left + cell * units as f64 + 90.0,
        20.0 + block * layer.gates.len() as f64 + row * extra + 14.0,
    );
    let mut y = 12.0;
    let strip = |canvas: &mut Canvas, y: f64, name: &str, values: Vec<f64>, most: f64| {
        canvas.text((left - 8.0, y + 12.0), Anchor::End, "ink", name);
        let (place, size) = ((left, y), (cell, row - 4.0));
        match written {
            true => canvas.written_matrix(place, size, most, std::slice::from_ref(&values), in_cell),
            false => canvas.matrix(place, size, most, std::slice::from_ref(&values)),
        }
        canvas.rect((left, y), (cell * units as f64, row - 4.0), "box");
        let (low, high) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
        let range = format!("{} … {}", digits(low), digits(high));
        canvas.text((left + cell * units as f64 + 6.0, y + 12.0), Anchor::Start, "small", &range);
    };
    let last = view.model.layers().iter().rev().find_map(|spec| match spec {
        LayerSpec::Gru(layer) => Some(layer.cell.reset_after),
        _ => None,
    });
    let reset_after = last.unwrap_or(true);
    for gate in &layer.gates {
        let parts =
            [&gate.from_x, &gate.from_h].map(|m| m.row(t).iter().take(MOST).copied().collect::<Vec<_>>());
        let bias: Vec<f64> = gate.bias.iter().take(MOST).copied().collect();
        let z: Vec<f64> = gate.z.row(t).iter().take(MOST).copied().collect();
        let most = largest(parts.iter().flatten().chain(&bias).chain(&z));
        let [x, h] = parts;
        strip(&mut canvas, y, "W_x x_t", x, most);
        let from_h = match (layer.kind, gate.name) {
            ("gru", "n") if reset_after => "+ r (W_h h_{t-1} + b_h)",
            ("gru", "n") => "+ W_h (r h_{t-1})",
            _ => "+ W_h h_{t-1}",
        };
        strip(&mut canvas, y + row, from_h, h, most);
        strip(&mut canvas, y + 2.0 * row, "+ b", bias, most);
        strip(&mut canvas, y + 3.0 * row, &format!("= Z_{}", gate.name), z, most);
        let kind = name(gate.kind);
        let value = gate.value.row(t).iter().take(MOST).copied().collect();
        strip(&mut canvas, y + 4.0 * row, &format!("{} = {kind}(Z_{0})", gate.name), value, 1.0);
        y += block;
    }
    if let Some(c) = &layer.c {
        let values: Vec<f64> = c.row(t).iter().take(MOST).copied().collect();
        let most = largest(&values);
        strip(&mut canvas, y, "c_t = f c_{t-1} + i g", values, most);
        y += row;
    }
    let state = match layer.kind {
        "lstm" => "h_t = o tanh(c_t)",
        "gru" => "h_t = (1-z) n + z h_{t-1}",
        _ => "h_t",
    };
    strip(&mut canvas, y, state, layer.h.row(t).iter().take(MOST).copied().collect(), 1.0);
    let title =
        lang.say("Inside one cell: first linear, then not", "셀의 내부: 선형 변환, 그다음 비선형 변환");
    let name = cut(&view.subject.steps[t], 20);
    let zoned = view.model.layers().iter().any(|spec| match spec {
        LayerSpec::SimpleRnn(layer) => layer.zoneout > 0.0,
        LayerSpec::Lstm(layer) => layer.zoneout > 0.0 || layer.cell.zoneout_cell > 0.0,
        LayerSpec::Gru(layer) => layer.zoneout > 0.0,
        _ => false,
    });
    let zoned = match (zoned, lang) {
        (false, _) => "",
        (true, Lang::En) => " With zoneout the states are mixed with those of the step before.",
        (true, Lang::Ko) => " 존아웃(zoneout)을 쓰므로 직전 시점의 상태가 일부 섞입니다.",
    };
    let gated = match (layer.gates.len() > 1, lang) {
        (false, _) => "",
        (true, Lang::En) => " A gate near 1 lets through, near 0 it shuts.",
        (true, Lang::Ko) => " 게이트 값이 1에 가까우면 정보가 통과하고, 0에 가까우면 차단됩니다.",
    };
    let caption = match lang {
        Lang::En => format!(
            "Layer {} at step {} ({name}). A column is a unit, {units} of {}.{gated}{zoned}",
            layer.name,
            view.number(t),
            layer.h.ncols()
        ),
        Lang::Ko => format!(
            "{} 층의 {}번째 시점({name})입니다. 한 칸이 유닛 하나이고, {}개 중 {units}개를 그렸습니다.{gated}{zoned}",
            layer.name,
            view.number(t),
            layer.h.ncols()
        ),
    };
    figure(5, "cell", title, caption, &canvas)
}

/// 6: the nonlinearities, and where the model's own pre-activations lie on them.
pub fn nonlinearities(view: &View<'_>) -> Figure {
    let lang = view.lang;
    let gates: Vec<(&str, &Gate)> = view
        .found
        .layers
        .iter()
        .flat_map(|layer| layer.gates.iter().map(|g| (layer.name.as_str(), g)))
        .collect();
    let axes = Axes { left: 150.0, top: 24.0, w: 400.0, h: 220.0 };
    let (gap, lane) = (52.0, 46.0);
    let first = axes.top + axes.h + gap;
    let mut canvas = Canvas::new(740.0, first + lane * gates.len() as f64 + 10.0);
    let relu = gates.iter().any(|(_, gate)| gate.kind == GateKind::Relu);
    axes.draw(&mut canvas, relu, lang);
    let mut told = Vec::new();
    for (i, (layer, gate)) in gates.iter().enumerate() {
        let base = first + lane * (i as f64 + 1.0) - 8.0;
        let tall = lane - 16.0;
        let mut bins = [0.0; BINS];
        for z in &gate.z {
            let bin = ((z + REACH) / (2.0 * REACH) * BINS as f64).floor().clamp(0.0, BINS as f64 - 1.0);
            bins[bin as usize] += 1.0;
        }
        let most = largest(&bins);
        let wide = axes.w / BINS as f64;
        let ink = inks(gate.kind).1;
        for (b, n) in bins.iter().enumerate().filter(|(_, n)| **n > 0.0) {
            let tall = tall * n / most;
            canvas.rect((axes.left + wide * b as f64, base - tall), (wide, tall), ink);
        }
        canvas.line((axes.left, base), (axes.left + axes.w, base), "axis");
        // Outside of these the derivative is below a tenth of its maximum: y^2 = .9, y (1 - y) = .025.
        let edge = match gate.kind {
            GateKind::Tanh => 0.9f64.sqrt().atanh(),
            GateKind::Sigmoid => ((0.5 + 0.225f64.sqrt()) / (0.5 - 0.225f64.sqrt())).ln(),
            GateKind::Relu => 0.0,
        };
        let edges = [-edge, edge];
        for z in edges {
            canvas.line((axes.x(z), base - tall), (axes.x(z), base), "grid");
        }
        let kind = name(gate.kind);
        canvas.text(
            (axes.left - 10.0, base - 4.0),
            Anchor::End,
            "ink",
            &format!("{layer}: {} ({kind})", gate.name),
        );
        let share = percent(lang, gate.saturated);
        let saturated = format!("{} {share}", lang.say("saturated:", "포화:"));
        canvas.text((axes.left + axes.w + 12.0, base - 4.0), Anchor::Start, "dim", &saturated);
        told.push(format!("{layer}.{} {share}", gate.name));
    }
    let (whole, told) = (view.whole(), told.join(", "));
    let title = match lang {
        Lang::En => format!("Tanh and sigmoid, and where this {whole} uses them"),
        Lang::Ko => format!("tanh와 sigmoid: 이 {whole}의 값은 어디에 놓이는가"),
    };
    let relus = match (relu, lang) {
        (false, _) => "",
        (true, Lang::En) => " Green: ReLU, whose derivative is 0 or 1.",
        (true, Lang::Ko) => " 초록색은 ReLU이고, 도함수는 0 또는 1입니다.",
    };
    let caption = match lang {
        Lang::En => format!(
            "Blue tanh, between -1 and 1; orange sigmoid, between 0 and 1; dashed the derivative of each, which a gradient is \
             multiplied by on its way back: at most 1 of tanh and 0.25 of sigmoid, both at 0, next to nothing where the function is \
             flat.{relus} The bars below, on the same axis, are all pre-activations of the {whole}, those beyond its ends in the \
             last bars. Saturated, with a derivative below a tenth of its maximum (outside of the thin lines): {told}."
        ),
        Lang::Ko => format!(
            "파란색은 tanh(-1과 1 사이), 주황색은 sigmoid(0과 1 사이)입니다. 점선은 각각의 도함수로, 기울기는 거슬러 갈 때 이 값만큼 곱해집니다. \
             최댓값은 0에서 tanh 1, sigmoid 0.25이고, 그래프가 평평한 구간에서는 거의 0입니다.{relus} 아래 막대는 이 {whole}에서 계산된 모든 \
             선형 변환값 Z의 분포입니다. 범위를 벗어난 값은 양 끝 막대에 모았습니다. 포화된 값의 비율(도함수가 최댓값의 10분의 1 미만, 가는 선의 \
             바깥쪽): {told}."
        ),
    };
    figure(6, "nonlinearities", &title, caption, &canvas)
}

/// Of a function and of what is filled in its colour.
fn inks(kind: GateKind) -> (&'static str, &'static str) {
    match kind {
        GateKind::Tanh => CURVES[0],
        GateKind::Sigmoid => CURVES[1],
        GateKind::Relu => CURVES[2],
    }
}

fn name(kind: GateKind) -> &'static str {
    match kind {
        GateKind::Tanh => "tanh",
        GateKind::Sigmoid => "sigmoid",
        GateKind::Relu => "relu",
    }
}

/// One pair of axes for all functions, from -[`REACH`] to [`REACH`] and from -1 to 1.
struct Axes {
    left: f64,
    top: f64,
    w: f64,
    h: f64,
}

impl Axes {
    fn x(&self, z: f64) -> f64 {
        self.left + self.w * (z + REACH) / (2.0 * REACH)
    }

    fn y(&self, v: f64) -> f64 {
        self.top + self.h * (1.0 - v) / 2.0
    }

    /// The scale, the functions and their derivatives, whose maxima are marked.
    fn draw(&self, canvas: &mut Canvas, relu: bool, lang: Lang) {
        let right = self.left + self.w;
        for v in [-1.0, -0.5, 0.0, 0.5, 1.0] {
            canvas.line((self.left, self.y(v)), (right, self.y(v)), if v == 0.0 { "axis" } else { "grid" });
            canvas.text((self.left - 8.0, self.y(v) + 4.0), Anchor::End, "ink", &v.to_string());
        }
        for z in -4..=4 {
            let x = self.x(f64::from(z));
            let low = self.y(-1.0);
            canvas.line((x, self.top), (x, low + 4.0), if z == 0 { "axis" } else { "grid" });
            canvas.text((x, low + 18.0), Anchor::Middle, "ink", &z.to_string());
        }
        canvas.text((right + 12.0, self.y(-1.0) + 18.0), Anchor::Start, "dim", "Z");
        let kinds = [GateKind::Relu, GateKind::Sigmoid, GateKind::Tanh];
        for kind in kinds.into_iter().filter(|kind| relu || *kind != GateKind::Relu) {
            let (line, ink) = inks(kind);
            let curve = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
                let points = (0..=160).map(|i| REACH * (f64::from(i) / 80.0 - 1.0));
                points.filter(|z| f(*z) <= 1.0).map(|z| (self.x(z), self.y(f(z)))).collect()
            };
            canvas.curve(&curve(&|z| kind.derivative(kind.value(z))), &format!("{line} dashed"));
            canvas.curve(&curve(&|z| kind.value(z)), line);
            if kind != GateKind::Relu {
                let top = (self.x(0.0), self.y(kind.steepest()));
                canvas.dot(top, 3.5, ink);
                let (x, y) = (top.0 + 8.0, top.1 - 5.0);
                canvas.text((x, y), Anchor::Start, ink, &kind.steepest().to_string());
            }
        }
        let derivative = lang.say("derivative", "도함수");
        let named = [
            (GateKind::Tanh, name(GateKind::Tanh).to_string(), 0.93, ""),
            (GateKind::Sigmoid, name(GateKind::Sigmoid).to_string(), 0.76, ""),
            (GateKind::Tanh, format!("tanh′ ({derivative})"), -0.62, " dashed"),
            (GateKind::Sigmoid, format!("sigmoid′ ({derivative})"), -0.79, " dashed"),
            (GateKind::Relu, name(GateKind::Relu).to_string(), 0.59, ""),
        ];
        for (kind, text, v, dashed) in named.into_iter().filter(|(kind, ..)| relu || *kind != GateKind::Relu)
        {
            let (line, ink) = inks(kind);
            let (x, y) = (right + 12.0, self.y(v));
            canvas.line((x, y - 4.0), (x + 22.0, y - 4.0), &format!("{line}{dashed}"));
            canvas.text((x + 28.0, y), Anchor::Start, ink, &text);
        }
    }
}
