//! tract: an ONNX graph of one LSTM node, optimised by tract.

use peer_common::{Answer, Data, Layer, Prepared, serve, transposed};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType, type_proto,
};
use tract_onnx::prelude::*;

type Plan = std::sync::Arc<TypedRunnableModel>;

struct Run {
    plan: Plan,
    /// `[T, B, I]`; of a stream, each step's `[1, 1, I]`.
    frames: Vec<TValue>,
    zeros: TValue,
    state: (TValue, TValue),
    streams: bool,
}

impl Run {
    fn run(&mut self, mut each: impl FnMut(&TValue)) -> Answer<()> {
        for x in &self.frames {
            let (h, c) = self.state.clone();
            let mut outputs = self.plan.run(tvec![x.clone(), h, c])?;
            each(&outputs[0]);
            if self.streams {
                let c = outputs.remove(2);
                self.state = (outputs.remove(1), c);
            }
        }
        Ok(())
    }
}

impl Prepared for Run {
    fn call(&mut self) -> Answer<()> {
        self.run(|_| ())
    }

    fn outputs(&mut self) -> Answer<Vec<f32>> {
        self.state = (self.zeros.clone(), self.zeros.clone());
        let mut values = Vec::new();
        self.run(|h| values.push(h.clone()))?;
        let slices = values.iter().map(|h| Ok(h.to_plain_array_view::<f32>()?.iter().copied().collect()));
        Ok(slices.collect::<TractResult<Vec<Vec<f32>>>>()?.concat())
    }

    fn steps(&self) -> usize {
        if self.streams { self.frames.len() } else { 1 }
    }
}

/// Rows of gates in the order i, f, g, o to ONNX's i, o, f, g; `[4 H, columns]`.
fn onnx_order(rows: &[f32]) -> Vec<f32> {
    let gate = rows.len() / 4;
    [0, 3, 1, 2].map(|g| &rows[g * gate..(g + 1) * gate]).concat()
}

/// ONNX's number for `f32`.
const FLOAT: i32 = 1;

fn tensor(name: &str, dims: &[usize], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.iter().map(|d| *d as i64).collect(),
        data_type: FLOAT,
        float_data: values,
        ..Default::default()
    }
}

fn graph(work: &Layer, data: &Data) -> ModelProto {
    let Layer { i, h, .. } = *work;
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let float = type_proto::Tensor { elem_type: FLOAT, ..Default::default() };
    let float = TypeProto { value: Some(type_proto::Value::TensorType(float)), ..Default::default() };
    let info = |name| ValueInfoProto { name, r#type: Some(float.clone()), ..Default::default() };
    let infos = |list: &[&str]| names(list).into_iter().map(info).collect::<Vec<_>>();
    let mut bias = onnx_order(&data.b);
    bias.resize(8 * h, 0.0);
    let hidden = AttributeProto {
        name: "hidden_size".into(),
        i: h as i64,
        r#type: AttributeType::Int as i32,
        ..Default::default()
    };
    let node = NodeProto {
        op_type: "LSTM".into(),
        name: "lstm".into(),
        input: names(&["X", "W", "R", "B", "", "h0", "c0"]),
        output: names(&["Y", "Yh", "Yc"]),
        attribute: vec![hidden],
        ..Default::default()
    };
    let graph = GraphProto {
        node: vec![node],
        initializer: vec![
            tensor("W", &[1, 4 * h, i], onnx_order(&transposed(&data.w_x, i, 4 * h))),
            tensor("R", &[1, 4 * h, h], onnx_order(&transposed(&data.w_h, h, 4 * h))),
            tensor("B", &[1, 8 * h], bias),
        ],
        input: infos(&["X", "h0", "c0"]),
        output: infos(&["Y", "Yh", "Yc"]),
        ..Default::default()
    };
    let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}

fn prepare(work: &Layer, data: Data) -> Answer<Option<Box<dyn Prepared>>> {
    let Layer { b, t, i, h, .. } = *work;
    let streams = work.kind == "stream";
    let steps = if streams { 1 } else { t };
    let plan = tract_onnx::onnx()
        .model_for_proto_model(&graph(work, &data))?
        .with_input_fact(0, f32::fact([steps, b, i]).into())?
        .with_input_fact(1, f32::fact([1, b, h]).into())?
        .with_input_fact(2, f32::fact([1, b, h]).into())?
        .into_optimized()?
        .into_runnable()?;
    let frame = |x: &[f32]| Ok(Tensor::from_shape(&[steps, b, i], x)?.into_tvalue());
    let frames = data.x.chunks_exact(steps * b * i).map(frame).collect::<TractResult<_>>()?;
    let zeros = Tensor::zero::<f32>(&[1, b, h])?.into_tvalue();
    let state = (zeros.clone(), zeros.clone());
    Ok(Some(Box::new(Run { plan, frames, zeros, state, streams })))
}

fn main() -> Answer<()> {
    serve("tract", "0.23.9", prepare)
}
