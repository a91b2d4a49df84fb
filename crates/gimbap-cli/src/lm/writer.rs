//! Text, token by token.

use gimbap::data::text::CLOSING_ID;
use gimbap::model::Model;
use gimbap::stream::Stream;

use super::finite;
use crate::output::Outcome;
use crate::sample::Sampler;

/// A text under way. It begins in the zero state, after the closing mark (`<eos>`, or `\n` among characters).
#[derive(Debug)]
pub struct Writer {
    stream: Stream,
    /// As in [`crate::task::lm::Doc`]: what follows a line was learned from the zero state.
    lines: bool,
    /// The text's last token, which the model has not read yet.
    last: u32,
}

impl Writer {
    /// Begins after a prompt; with `lines`, every line starts from the zero state.
    pub fn new(model: &Model, lines: bool, prompt: &[u32]) -> Outcome<Self> {
        let mut writer = Writer { stream: model.stream()?, lines, last: CLOSING_ID };
        for &id in prompt {
            writer.scores();
            writer.last = id;
        }
        Ok(writer)
    }

    /// The scores of what may come next.
    fn scores(&mut self) -> &[f32] {
        if self.lines && self.last == CLOSING_ID {
            self.stream.reset();
        }
        self.stream.step(self.last)
    }

    /// The next token.
    pub fn next(&mut self, sampler: &mut Sampler) -> Outcome<u32> {
        let scores = self.scores();
        finite(scores)?;
        self.last = sampler.draw(scores);
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimbap::layer::{Dense, Lstm, OneHot};
    use gimbap::model::{Input, Sequential};
    use gimbap::rng::keyed;

    fn model() -> Model {
        let layers = Sequential::new(Input::ids(6)).add(OneHot);
        layers.add(Lstm::new(4).return_sequences(true)).add(Dense::new(6)).build().unwrap()
    }

    #[test]
    fn after_a_line_a_model_of_lines_is_as_at_the_start() {
        let model = model();
        let after = |lines, prompt: &[u32]| Writer::new(&model, lines, prompt).unwrap().scores().to_vec();
        let prompt = [3, 4, CLOSING_ID, 5];
        assert_eq!(after(true, &prompt), after(true, &[5]));
        assert_ne!(after(false, &prompt), after(false, &[5]));
        assert_eq!(after(true, &[3, CLOSING_ID]), after(true, &[]));
    }

    #[test]
    fn every_token_is_drawn_after_all_before_it() {
        let model = model();
        let choice = crate::sample::Choice { temperature: 0.0, ..Default::default() };
        let mut sampler = Sampler::new(choice, keyed(1, 0, 0, 0), &[]);
        let mut writer = Writer::new(&model, false, &[3, 4]).unwrap();
        let mut text = vec![3, 4];
        for _ in 0..5 {
            let scores = Writer::new(&model, false, &text).unwrap().scores().to_vec();
            let best = (1..6).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u32;
            text.push(writer.next(&mut sampler).unwrap());
            assert_eq!(text.last(), Some(&best));
        }
    }

    #[test]
    fn weights_that_ran_away_are_an_error() {
        let mut model = model();
        model.values_mut()[0..200].fill(f32::NAN);
        let mut writer = Writer::new(&model, false, &[3]).unwrap();
        let failure = writer.next(&mut Sampler::new(Default::default(), keyed(1, 0, 0, 0), &[])).unwrap_err();
        assert_eq!(failure.kind, "not_finite");
        assert!(failure.message.contains("clip_norm"));
    }
}
