//! What must be so in a `tokenizer.json` made elsewhere, and its ids in our order.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tokenizers::{Model, ModelWrapper, Tokenizer};

use super::bytes;
use crate::data::text::{CLOSING_ID, EOS, UNKNOWN, UNKNOWN_ID};

/// The names of an unknown token, where the model names none.
const UNKNOWNS: [&str; 2] = [UNKNOWN, "[UNK]"];
/// The names of a mark at the end, the first that there is.
const CLOSINGS: [&str; 4] = ["</s>", EOS, "<|endoftext|>", "[SEP]"];
/// Ids are places in a table.
const IDS: u32 = 1 << 24;

/// Why a model cannot be taken, from its text alone: what the reader of it would stumble over, or what is random.
pub(super) fn check_model(model: Option<&Value>) -> Result<(), String> {
    let model = model.and_then(Value::as_object).ok_or("it is no `tokenizer.json`: it has no `model`")?;
    if model.get("dropout").and_then(Value::as_f64).is_some_and(|rate| rate != 0.0) {
        return Err(
            "its model has `dropout`, which cuts the same text differently each time: make it null".into()
        );
    }
    let (Some(vocab), Some(merges)) =
        (model.get("vocab").and_then(Value::as_object), model.get("merges").and_then(Value::as_array))
    else {
        return Ok(());
    };
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or_default();
    for (number, merge) in merges.iter().enumerate() {
        let sides = match merge {
            Value::String(sides) => sides.split_once(' '),
            Value::Array(sides) => match &sides[..] {
                [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
                _ => None,
            },
            _ => None,
        };
        let Some((left, right)) = sides else {
            return Err(format!("merge {number} of its model is not two tokens: fetch the file anew"));
        };
        let inside = right.strip_prefix(prefix).ok_or_else(|| {
            format!(
                "merge {number} of its model: `{right}` does not begin with `{prefix}`: fetch the file anew"
            )
        })?;
        for token in [left, right, &format!("{left}{inside}")] {
            if !vocab.contains_key(token) {
                return Err(format!(
                    "merge {number} of its model: `{token}` is not in its vocabulary: fetch the file anew"
                ));
            }
        }
    }
    Ok(())
}

/// Our id of each of a tokenizer's, and its tokens in our order.
pub(super) fn ids(tokenizer: &Tokenizer, json: &Value) -> Result<(Vec<u32>, Vec<String>), String> {
    let mut by_id: BTreeMap<u32, String> = BTreeMap::new();
    for (token, id) in tokenizer.get_vocab(true) {
        if id >= IDS {
            return Err(format!("its token `{token}` has the id {id}: ids are below {IDS}"));
        }
        if let Some(other) = by_id.insert(id, token) {
            return Err(format!("its tokens `{}` and `{other}` have the same id {id}", by_id[&id]));
        }
    }
    let known: HashSet<&str> = by_id.values().map(String::as_str).collect();
    let unknown = unknown(tokenizer, json, &known)?;
    let closing = CLOSINGS.into_iter().find(|&mark| known.contains(mark) && Some(mark) != unknown.as_deref());

    let mut ours = vec![UNKNOWN_ID; by_id.keys().last().map_or(0, |&id| id as usize + 1)];
    let mut tokens = vec![UNKNOWN.to_owned(), EOS.to_owned()];
    for (id, token) in &by_id {
        ours[*id as usize] = match token.as_str() {
            token if token == UNKNOWN || Some(token) == unknown.as_deref() => UNKNOWN_ID,
            token if token == EOS || Some(token) == closing => CLOSING_ID,
            token => {
                tokens.push(token.to_owned());
                tokens.len() as u32 - 1
            }
        };
    }
    if tokens.len() == 2 {
        return Err("it has no token beside the marks".into());
    }
    Ok((ours, tokens))
}

/// The token for what the model does not know. There must be one, unless it knows all bytes.
fn unknown(tokenizer: &Tokenizer, json: &Value, known: &HashSet<&str>) -> Result<Option<String>, String> {
    let model = tokenizer.get_model();
    let named = match model {
        ModelWrapper::BPE(model) => model.unk_token.clone(),
        ModelWrapper::WordPiece(model) => Some(model.unk_token.clone()),
        ModelWrapper::WordLevel(model) => Some(model.unk_token.clone()),
        ModelWrapper::Unigram(_) => {
            let id = json["model"]["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok());
            id.and_then(|id| model.id_to_token(id))
        }
    };
    if let Some(token) = named {
        return match model.token_to_id(&token) {
            Some(_) => Ok(Some(token)),
            None => Err(format!("its `unk_token`, `{token}`, is not in its vocabulary: put it there")),
        };
    }
    let of_bytes = matches!(model, ModelWrapper::BPE(_))
        && bytes::letters().all(|letter| model.token_to_id(&letter.to_string()).is_some());
    match of_bytes {
        true => Ok(UNKNOWNS.into_iter().find(|&mark| known.contains(mark)).map(str::to_owned)),
        false => {
            Err("its model has no `unk_token` and does not have all bytes, so what it does not know would \
                      vanish: name one"
                .into())
        }
    }
}
