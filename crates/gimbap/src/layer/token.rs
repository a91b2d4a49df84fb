//! From token ids to vectors.

use std::ops::Range;

use gimbap_kernels::Arithmetic;

use super::dropout::mask;
use super::{Builder, Embedding, Layer, Pass, Shape, Signal, Tied, blocks};
use crate::{Error, Result};

fn ids(input: Shape, builder: &Builder) -> Result<usize> {
    match input {
        Shape::Ids(vocabulary) => Ok(vocabulary),
        other => {
            Err(Error::config(builder.place(), format!("takes token ids [B, T], but its input is {other}")))
        }
    }
}

/// Passes the ids on, or writes the vectors out for a layer that needs them.
#[derive(Clone, Debug)]
struct OneHotLayer {
    vocabulary: usize,
    stays: bool,
}

pub(super) fn one_hot<R: Arithmetic>(
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let vocabulary = ids(input, builder)?;
    let stays = builder.one_hot_stays;
    let output = if stays { Shape::OneHot(vocabulary) } else { Shape::Steps(vocabulary) };
    Ok((Box::new(OneHotLayer { vocabulary, stays }), output))
}

impl<R: Arithmetic> Layer<R> for OneHotLayer {
    fn forward(&mut self, _pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        if self.stays {
            let output = output.ids_mut();
            output.clear();
            output.extend_from_slice(input.ids());
            return;
        }
        let output = output.values_mut();
        output.clear();
        output.resize(input.ids().len() * self.vocabulary, R::ZERO);
        for (row, &id) in output.chunks_exact_mut(self.vocabulary).zip(input.ids()) {
            row[id as usize] = R::ONE;
        }
    }

    fn backward(
        &mut self,
        _pass: &Pass<'_, R>,
        _input: &Signal<R>,
        _output: &Signal<R>,
        _d_output: &mut Vec<R>,
        _d_input: Option<&mut Vec<R>>,
        _gradients: &mut [R],
    ) {
    }
}

#[derive(Clone, Debug)]
struct EmbeddingLayer<R> {
    vocabulary: usize,
    units: usize,
    padding_id: Option<u32>,
    parameters: Range<usize>,
    trainable: bool,
    dropout: f64,
    stream: u64,
    /// `[V]`, of a pass that drops tokens: what the vectors of each are multiplied by.
    mask: Vec<R>,
}

pub(super) fn embedding<R: Arithmetic>(
    spec: &Embedding,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let vocabulary = ids(input, builder)?;
    builder.positive("units", spec.units)?;
    builder.penalty(spec.l2)?;
    if let Some(id) = spec.padding_id.filter(|&id| id as usize >= vocabulary) {
        let message = format!("`padding_id` is {id}, but the vocabulary has only {vocabulary} tokens");
        return Err(Error::config(builder.place(), message));
    }
    builder.rate("dropout", spec.dropout)?;
    if !spec.trainable && (spec.tied || spec.l2 != 0.0) {
        let other = if spec.tied { "tied" } else { "l2" };
        let message =
            format!("is not `trainable`, but its `{other}` would move it: leave out one of the two");
        return Err(Error::config(builder.place(), message));
    }
    let fans = (vocabulary, spec.units);
    let parameters = if spec.tied {
        if spec.padding_id.is_some() {
            let message = "is `tied`, so every token's vector learns as an output: leave out `padding_id`";
            return Err(Error::config(builder.place(), message));
        }
        // Every row has a gradient, as an output: it is no parameter by token.
        let parameters = builder.add("w", &[vocabulary, spec.units], spec.l2, spec.init, fans);
        let (layer, units) = (builder.layer.clone(), spec.units);
        builder.tied = Some(Tied { layer, vocabulary, units, parameters: parameters.clone() });
        parameters
    } else {
        builder.add_kernel("w", (input, spec.units), spec.l2, spec.init, fans)
    };
    if let Some(parameter) = builder.last() {
        parameter.init.zero_row = spec.padding_id;
        parameter.trainable = spec.trainable;
    }
    let layer = EmbeddingLayer {
        vocabulary,
        units: spec.units,
        padding_id: spec.padding_id,
        parameters,
        trainable: spec.trainable,
        dropout: spec.dropout,
        stream: builder.stream(0),
        mask: Vec::new(),
    };
    Ok((Box::new(layer), Shape::Steps(spec.units)))
}

impl<R: Arithmetic> EmbeddingLayer<R> {
    /// Multiplies the rows of these tokens by the mask.
    fn drop(&self, ids: &[u32], rows: &mut [R]) {
        if self.mask.is_empty() {
            return;
        }
        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(self.units)) {
            let m = self.mask[id as usize];
            row.iter_mut().for_each(|x| *x *= m);
        }
    }
}

impl<R: Arithmetic> Layer<R> for EmbeddingLayer<R> {
    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let w = &pass.parameters[self.parameters.clone()];
        let output = output.values_mut();
        output.clear();
        for &id in input.ids() {
            output.extend_from_slice(&w[id as usize * self.units..][..self.units]);
        }
        self.mask.clear();
        if let Some(draw) = pass.draw.filter(|_| self.dropout > 0.0) {
            mask(&mut draw.rng(self.stream), self.vocabulary, self.dropout, &mut self.mask);
        }
        self.drop(input.ids(), output);
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        _output: &Signal<R>,
        d_output: &mut Vec<R>,
        _d_input: Option<&mut Vec<R>>,
        gradients: &mut [R],
    ) {
        if !self.trainable {
            return;
        }
        self.drop(input.ids(), d_output);
        let d_w = &mut gradients[self.parameters.clone()];
        for rows in blocks(pass.layout, true) {
            let d = d_output[rows.start * self.units..rows.end * self.units].chunks_exact(self.units);
            for (&id, d) in input.ids()[rows].iter().zip(d).filter(|(id, _)| Some(**id) != self.padding_id) {
                gimbap_kernels::rows::add(&mut d_w[id as usize * self.units..][..self.units], d);
            }
        }
    }
}
