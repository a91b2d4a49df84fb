//! Taggers: sentences, and a label for every token of them.

use std::path::Path;

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::table::hold_out;
use gimbap::data::tagged::{TagColumns, Tagged, tokens};
use gimbap::data::text::{UNKNOWN_ID, Vocabulary};
use gimbap::layer::{Activation, Dense};
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::{Entities, Metric};
use gimbap::model::{Evaluation, Input, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::labels::{
    Judged, counts, doubt, listed, majority, object_of, read_as, row_of, scores_table, to_beat, usual,
};
use super::{
    Report, TaskDoc, Work, begin_at, card_of, data_path, hash_of, line_of, number, plain_figures, sequential,
    vocabulary,
};
use crate::config::{Config, Held};
use crate::output::{Out, Outcome, thousands};

/// What a tagger keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// The labels, in the order of the outputs.
    pub labels: Vec<String>,
    /// The tokens.
    pub vocabulary: Vocabulary,
    /// The label most frequent in the training data.
    #[serde(default)]
    pub usual: Option<u32>,
    /// The column of the tokens.
    #[serde(default)]
    pub text: Option<String>,
    /// The column of the labels.
    #[serde(default)]
    pub label: Option<String>,
}

/// A tagger's work.
#[derive(Debug)]
pub struct Tag {
    config: Config,
    doc: Doc,
    train: Part,
    valid: Option<Part>,
    test: Option<Part>,
    card: Vec<(String, String)>,
    /// What was left to the data.
    chosen: Vec<String>,
}

/// Sentences as the model takes them, and their labels.
#[derive(Debug)]
struct Part {
    ids: Vec<Vec<u32>>,
    tags: Vec<Vec<u32>>,
    data: Dataset<f32>,
}

impl Doc {
    /// A sentence's ids, one for each token.
    pub fn encode(&self, sentence: &str) -> Vec<u32> {
        tokens(sentence).map(|token| self.vocabulary.id(token).unwrap_or(UNKNOWN_ID)).collect()
    }

    /// Which columns of a file hold what.
    pub fn columns(&self) -> TagColumns {
        TagColumns { text: self.text.clone(), label: self.label.clone() }
    }

    fn part(&self, tagged: Tagged) -> Outcome<Part> {
        let ids: Vec<Vec<u32>> = tagged.sentences.iter().map(|sentence| self.encode(sentence)).collect();
        let targets = Targets::per_step(RowTargets::Classes(tagged.tags.concat()));
        Ok(Part { data: Dataset::new(Sequences::from(&ids).allow_empty(), targets)?, ids, tags: tagged.tags })
    }

    /// Runs sentences and hands each one's probabilities `[tokens, labels]` on, in order. Those that run together are
    /// so few that their outputs, all as long as the longest, are bounded.
    pub fn run(
        &self,
        model: &Model,
        sentences: &[Vec<u32>],
        mut each: impl FnMut(usize, &[f32]) -> Outcome,
    ) -> Outcome {
        const STEPS: usize = 1 << 16;
        let width = self.labels.len();
        let mut from = 0;
        while from < sentences.len() {
            let mut longest = 0;
            let room = sentences[from..].iter().enumerate().take_while(|(n, ids)| {
                longest = longest.max(ids.len());
                *n == 0 || (n + 1) * longest <= STEPS
            });
            let group = &sentences[from..from + room.count()];
            let longest = group.iter().map(Vec::len).max().unwrap_or(0);
            let outputs = model.predict(Sequences::from(group).allow_empty())?;
            let outputs = outputs.as_slice().unwrap_or(&[]);
            for (i, ids) in group.iter().enumerate() {
                each(from + i, &outputs[i * longest * width..][..ids.len() * width])?;
            }
            from += group.len();
        }
        Ok(())
    }

    /// The figures of a model on a part, beside that of always giving the label most frequent in the training data, and
    /// what they were made of.
    fn judge(&self, model: &Model, part: &Part) -> Outcome<(Map<String, Value>, Judged, Option<Entities>)> {
        let width = self.labels.len();
        let mut judged = Judged::new(model, width)?;
        let mut entities = Entities::new(&self.labels);
        self.run(model, &part.ids, |sentence, outputs| {
            let tags = &part.tags[sentence];
            let row = |(p, &tag): (&[f32], &u32)| {
                judged.add(&p.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), tag)
            };
            let predicted: Vec<u32> = outputs.chunks_exact(width).zip(tags).map(row).collect();
            if let Some(entities) = &mut entities {
                entities.add(tags, &predicted);
            }
            Ok(())
        })?;
        let mut metrics = judged.figures();
        if let Some(entities) = &entities {
            let all = entities.all();
            for (name, x) in [("precision", all.precision), ("recall", all.recall), ("f1", all.f1)] {
                metrics.insert(format!("entity_{name}"), number(x));
            }
        }
        let counts = counts(part.tags.iter().flatten(), width);
        metrics.insert("majority_accuracy".into(), number(majority(&counts, self.usual)));
        metrics.insert("sentences".into(), part.ids.len().into());
        metrics.insert("tokens".into(), counts.iter().sum::<usize>().into());
        let unknown: usize = part.ids.iter().map(|ids| Vocabulary::unknowns(ids)).sum();
        metrics.insert("unknown_tokens".into(), unknown.into());
        Ok((metrics, judged, entities))
    }
}

/// Measures a model on sentences with labels. A `full` report has every one of many labels.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, full: bool) -> Outcome<Report> {
    let part = doc.part(Tagged::read_columns(path, &doc.columns(), Some(&doc.labels))?)?;
    let (mut metrics, judged, entities) = doc.judge(model, &part)?;
    let text = line_of(&metrics);
    let mut tables = String::new();
    if let Some(entities) = &entities {
        // The entities of tags without a type are all there are, or told with all.
        let types = || entities.types().filter(|(name, _)| !name.is_empty());
        let mut rows: Vec<_> = types().map(|(name, scores)| row_of(name, &scores)).collect();
        rows.push(row_of("all", &entities.all()));
        tables = scores_table("entities", &rows) + "\n\n";
        let each: Map<String, Value> =
            types().map(|(name, scores)| (name.into(), object_of(&scores))).collect();
        metrics.insert("entities".into(), Value::Object(each));
    }
    tables.push_str(&judged.report(&doc.labels, &mut metrics, full));
    Ok(Report { metrics, text, tables, ..Report::default() })
}

impl Tag {
    /// Reads the sentences.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut config = config.clone();
        let columns = TagColumns { text: config.data.text.clone(), label: config.data.label.clone() };
        let mut train = Tagged::read_columns(path, &columns, None)?;
        let n = train.sentences.len();
        let of_sequences = |held: Option<Held>| held.and_then(|held| held.of_sequences(n));
        config.data.valid = of_sequences(config.data.valid);
        config.data.test = of_sequences(config.data.test);
        let labels = train.labels.clone();
        let mut held = |held: &Option<Held>, seed: u64| -> Outcome<Option<Tagged>> {
            Ok(match held {
                None | Some(Held::Auto) => None,
                Some(Held::Path(path)) => Some(Tagged::read_columns(path, &columns, Some(&labels))?),
                Some(Held::Fraction(fraction)) => {
                    let (kept, held) = hold_out(&vec![0; train.sentences.len()], *fraction, seed)?;
                    let held = train.select(&held);
                    train = train.select(&kept);
                    Some(held)
                }
            })
        };
        let seed = config.train.seed;
        let test = held(&config.data.test, seed)?;
        let valid = held(&config.data.valid, seed.wrapping_add(1))?;
        config.settle_tokens(0, 0);
        let told = train.read_as.as_ref().map(|form| read_as(form, labels.len(), "labels"));
        let chosen = told.into_iter().chain(config.settle_sequences(train.sentences.len())).collect();
        let vocabulary = vocabulary(&config, path, |counter| {
            train.sentences.iter().for_each(|sentence| counter.add(sentence));
            Ok(())
        })?;
        let usual = usual(&counts(train.tags.iter().flatten(), labels.len()));
        let TagColumns { text, label } = columns;
        let doc = Doc { labels, vocabulary, usual: Some(usual), text, label };
        Ok(Tag {
            train: doc.part(train)?,
            valid: valid.map(|tagged| doc.part(tagged)).transpose()?,
            test: test.map(|tagged| doc.part(tagged)).transpose()?,
            card: card_of(path, &hash_of(path)?),
            doc,
            chosen,
            config,
        })
    }
}

impl Work for Tag {
    fn config(&self) -> &Config {
        &self.config
    }

    fn notes(&self) -> Vec<String> {
        let to_beat = self.valid.as_ref().map(|valid| {
            let counts = counts(valid.tags.iter().flatten(), self.doc.labels.len());
            to_beat(&counts, &self.doc.labels, self.doc.usual)
        });
        self.chosen.iter().cloned().chain(to_beat).collect()
    }

    fn model(&self) -> Outcome<Model> {
        let head = Dense::new(self.doc.labels.len()).activation(Activation::Softmax);
        let train = &self.config.train;
        let mut metrics = vec![Metric::Accuracy];
        metrics.extend(train.metrics.iter().copied().filter(|m| *m != Metric::Accuracy));
        let layers = sequential(&self.config, Input::ids(self.doc.vocabulary.len()), head)?;
        let mut model =
            layers.compile(train.optimizer.clone(), Loss::SparseCategoricalCrossentropy, metrics)?;
        model.task = TaskDoc::Tag(self.doc.clone()).to_value()?;
        let counts = counts(self.train.tags.iter().flatten(), self.doc.labels.len());
        begin_at(&mut model, &self.config, &counts.iter().map(|&n| n as u64).collect::<Vec<_>>())?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        let seed = train.shuffle.then_some(train.seed);
        Ok(Box::new(Shuffled::new(&self.train.data, train.batch(), seed, false)?))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        Ok(Some(Box::new(Shuffled::new(&valid.data, self.config.train.batch(), None, false)?)))
    }

    fn unit(&self) -> &'static str {
        "tokens"
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        plain_figures(evaluation)
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            let metrics = self.doc.judge(model, part)?.0;
            let doubt = doubt(&metrics, &self.doc.labels[self.doc.usual.unwrap_or(0) as usize]);
            report.add(name, metrics);
            doubt.filter(|_| name == "validation").into_iter().for_each(|doubt| report.doubt(&doubt));
        }
        Ok(report)
    }

    fn card(&self) -> Vec<(String, String)> {
        let mut card = self.card.clone();
        card.push(("sentences to train on".into(), thousands(self.train.ids.len())));
        card.push(("tokens to train on".into(), thousands(self.train.data.inputs().total_steps())));
        if let Some(valid) = &self.valid {
            card.push(("sentences held out".into(), thousands(valid.ids.len())));
        }
        card.push(("vocabulary".into(), thousands(self.doc.vocabulary.len())));
        card.push(("labels".into(), listed(&self.doc.labels)));
        card
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        vec![
            format!("echo 'some words' | {gimbap} predict {model}"),
            format!("{gimbap} eval {model} labelled.conll"),
        ]
    }
}
