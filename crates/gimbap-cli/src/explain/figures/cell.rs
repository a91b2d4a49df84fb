//! Inside a cell: the linear part, then the nonlinearity.

use gimbap::explain::{Gate, GateKind};
use gimbap::layer::LayerSpec;

use super::forward::figure;
use super::{Figure, Lang, View, cut, digits};
use crate::canvas::{Anchor, Canvas, largest};

/// Units that are drawn.
const MOST: usize = 32;
const BINS: usize = 40;

/// 5: one step of the top layer, from its linear parts to the state.
pub fn inside(view: &View<'_>) -> Figure {
    let (lang, t) = (view.lang, view.step);
    let layer = &view.found.layers[view.found.layers.len() - 1];
    let units = layer.h.ncols().min(MOST);
    let (left, cell, row) = (172.0, 15.0, 18.0);
    let block = row * 5.0 + 16.0;
    let extra = if layer.c.is_some() { 2.0 } else { 1.0 };
    let mut canvas = Canvas::new(
        left + cell * units as f64 + 90.0,
        20.0 + block * layer.gates.len() as f64 + row * extra + 14.0,
    );
    let mut y = 12.0;
    let strip = |canvas: &mut Canvas, y: f64, name: &str, values: Vec<f64>, most: f64| {
        canvas.text((left - 8.0, y + 12.0), Anchor::End, "ink", name);
        canvas.matrix((left, y), (cell, row - 4.0), most, std::slice::from_ref(&values));
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
        let kind = match gate.kind {
            GateKind::Sigmoid => "sigmoid",
            GateKind::Tanh => "tanh",
            GateKind::Relu => "relu",
        };
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
    let title = lang.say("Inside one cell: first linear, then not", "셀 하나의 안: 먼저 선형, 그다음 비선형");
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
        (true, Lang::Ko) => " 존아웃이 있으면 상태는 앞 단계의 상태와 섞입니다.",
    };
    let gated = match (layer.gates.len() > 1, lang) {
        (false, _) => "",
        (true, Lang::En) => " A gate near 1 lets through, near 0 it shuts.",
        (true, Lang::Ko) => " 게이트는 1에 가까우면 열리고 0에 가까우면 닫힙니다.",
    };
    let caption = match lang {
        Lang::En => format!(
            "Layer {} at step {} ({name}). A column is a unit, {units} of {}.{gated}{zoned}",
            layer.name,
            t + 1,
            layer.h.ncols()
        ),
        Lang::Ko => format!(
            "층 {}의 {}번째 단계({name}). 열 하나가 유닛 하나이며 {}개 가운데 {units}개입니다.{gated}{zoned}",
            layer.name,
            t + 1,
            layer.h.ncols()
        ),
    };
    figure(5, "cell", title, caption, &canvas)
}

/// 6: the nonlinearities with the model's own pre-activations on them.
pub fn nonlinearities(view: &View<'_>) -> Figure {
    let lang = view.lang;
    let gates: Vec<(&str, &Gate)> = view
        .found
        .layers
        .iter()
        .flat_map(|layer| layer.gates.iter().map(|g| (layer.name.as_str(), g)))
        .collect();
    let (w, h, columns) = (280.0, 190.0, 2);
    let rows = gates.len().div_ceil(columns);
    let mut canvas = Canvas::new(w * columns.min(gates.len()) as f64 + 10.0, h * rows as f64 + 6.0);
    let mut told = Vec::new();
    for (i, (layer, gate)) in gates.iter().enumerate() {
        let (x0, y0) = (w * (i % columns) as f64 + 30.0, h * (i / columns) as f64 + 26.0);
        let (pw, ph) = (w - 50.0, h - 64.0);
        let reach = if gate.kind == GateKind::Sigmoid { 8.0 } else { 4.0 };
        let x = |z: f64| x0 + pw * (z + reach) / (2.0 * reach);
        let (low, high) = match gate.kind {
            GateKind::Sigmoid => (0.0, 1.0),
            GateKind::Tanh => (-1.0, 1.0),
            GateKind::Relu => (0.0, reach),
        };
        let y = |v: f64| y0 + ph - ph * (v - low) / (high - low);
        let mut bins = [0.0; BINS];
        for z in &gate.z {
            let bin = ((z + reach) / (2.0 * reach) * BINS as f64).floor().clamp(0.0, BINS as f64 - 1.0);
            bins[bin as usize] += 1.0;
        }
        let most = largest(&bins);
        for (b, n) in bins.iter().enumerate().filter(|(_, n)| **n > 0.0) {
            let tall = ph * n / most;
            let place = (x0 + pw * b as f64 / BINS as f64, y0 + ph - tall);
            canvas.rect(place, (pw / BINS as f64, tall), "pos faint");
        }
        let curve = |f: &dyn Fn(f64) -> f64| -> String {
            let points = (0..=80).map(|i| -reach + 2.0 * reach * i as f64 / 80.0);
            let points = points.map(|z| format!("{:.1} {:.1}", x(z), y(f(z).clamp(low, high))));
            format!("M{}", points.collect::<Vec<_>>().join("L"))
        };
        canvas.path(&curve(&|z| gate.kind.value(z)), "curve");
        canvas.path(&curve(&|z| gate.kind.derivative(gate.kind.value(z))), "other");
        canvas.line((x0, y0 + ph), (x0 + pw, y0 + ph), "axis");
        canvas.text((x0, y0 - 8.0), Anchor::Start, "strong", &format!("{layer}: {}", gate.name));
        canvas.text((x0, y0 + ph + 14.0), Anchor::Start, "small", &format!("-{reach}"));
        canvas.text((x0 + pw, y0 + ph + 14.0), Anchor::End, "small", &reach.to_string());
        let share = format!("{:.0} %", 100.0 * gate.saturated);
        let saturated = format!("{} {share}", lang.say("saturated:", "포화:"));
        canvas.text((x0 + pw, y0 - 8.0), Anchor::End, "dim", &saturated);
        told.push(format!("{layer}.{} {share}", gate.name));
    }
    let whole = view.whole();
    let title = match lang {
        Lang::En => format!("Tanh and sigmoid, where this {whole} uses them"),
        Lang::Ko => format!("이 {whole}의 값이 놓이는 tanh와 sigmoid의 자리"),
    };
    let caption = match lang {
        Lang::En => format!(
            "Blue the function, orange its derivative (at most 1 of tanh, 0.25 of sigmoid); the bars are all \
             pre-activations of the {whole}, those beyond the edge at the edge. Saturated, with a derivative below a \
             tenth of that: {}.",
            told.join(", ")
        ),
        Lang::Ko => format!(
            "파랑은 함수, 주황은 도함수(최댓값 tanh 1, sigmoid 0.25)이고 막대는 이 {whole}의 모든 선형 결과입니다. 도함수가 최댓값의 \
             10분의 1보다 작은 포화 비율: {}.",
            told.join(", ")
        ),
    };
    figure(6, "nonlinearities", &title, caption, &canvas)
}
