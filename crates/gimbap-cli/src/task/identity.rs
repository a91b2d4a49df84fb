//! What a run's answer depends on beside its config, so that it is not resumed with something else.

use std::path::Path;

use gimbap::data::read::data_hash;
use gimbap::data::source::TextSource;
use gimbap::model::Model;
use gimbap::train::Identity;
use serde::Serialize;

use super::examples::Kind;
use super::{HASH, TaskDoc, Work, hash_of};
use crate::config::{Config, Held, TaskKind};
use crate::model_file;
use crate::output::{Failure, Outcome};

/// How the names of files begin among the parts of an identity: as the keys of the config that name them do.
const DATA: &str = "data.";

/// Whether a part of an identity is a file or a folder, and not what was made of it.
pub fn is_file(part: &str) -> bool {
    part.starts_with(DATA)
}

/// The files that a task reads, and what it made of them for its model: vocabulary, labels, columns, scaler.
pub fn identity(work: &dyn Work, model: &Model) -> Outcome<Identity> {
    let config = work.config();
    let mut identity = Identity::default();
    if let Some((_, hash)) = work.card().into_iter().find(|(name, _)| name == HASH) {
        identity = identity.with(format!("{DATA}path"), hash);
    }
    let path = |held: &Option<Held>| match held {
        Some(Held::Path(path)) => Some(path.clone()),
        _ => None,
    };
    let data = &config.data;
    let files = [("valid", path(&data.valid)), ("test", path(&data.test)), ("target", data.target.clone())];
    for (key, path) in files.into_iter().filter_map(|(key, path)| Some((key, path?))) {
        identity = identity.with(format!("{DATA}{key}"), fingerprint_of(config, &path)?);
    }
    match model_file::task_of(model, Path::new("the new model"))? {
        Some(task) => parts(identity, &task),
        None => Ok(identity),
    }
}

fn fingerprint_of(config: &Config, path: &Path) -> Outcome<String> {
    match config.task.kind {
        // A text may be larger than memory.
        TaskKind::Lm => Ok(TextSource::open(path)?.hash().to_owned()),
        _ => hash_of(path),
    }
}

/// What a task keeps of its data, added.
fn parts(mut identity: Identity, task: &TaskDoc) -> Outcome<Identity> {
    if let Some(vocabulary) = task.vocabulary() {
        identity = identity.with("vocabulary", fingerprint(vocabulary)?);
    }
    if let Some(Kind::Series { features, scaler, .. }) = task.reading().map(|reading| &reading.input) {
        identity = identity.with("columns", fingerprint(features)?).with("scaler", fingerprint(scaler)?);
    }
    Ok(match task {
        TaskDoc::Lm(_) => identity,
        TaskDoc::Tag(doc) => identity.with("labels", fingerprint(&doc.labels)?),
        TaskDoc::Classify(doc) => identity.with("labels", fingerprint(&doc.classes)?),
        TaskDoc::MultiLabel(doc) => identity.with("labels", fingerprint(&doc.classes)?),
        TaskDoc::Regress(doc) => identity.with("target", fingerprint(&doc.target)?),
        TaskDoc::Forecast(doc) => {
            let columns = fingerprint(&(&doc.values, &doc.past, &doc.known))?;
            identity.with("columns", columns).with("scaler", fingerprint(&doc.scaler)?)
        }
    })
}

fn fingerprint(part: &impl Serialize) -> Outcome<String> {
    let json = serde_json::to_vec(part).map_err(|e| Failure::work("data", e.to_string()))?;
    Ok(data_hash(&json))
}
