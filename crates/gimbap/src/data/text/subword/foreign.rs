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

/// Refuses a table of SentencePiece's normalisations that says that it is longer than it is: its reader asks for that much
/// memory first.
pub(super) fn check_charsmaps(json: &Value) -> Result<(), String> {
    match json {
        Value::Object(parts) => parts.iter().try_for_each(|(key, value)| match value.as_str() {
            Some(charsmap) if key == "precompiled_charsmap" => check_charsmap(charsmap),
            _ => check_charsmaps(value),
        }),
        Value::Array(parts) => parts.iter().try_for_each(check_charsmaps),
        _ => Ok(()),
    }
}

/// It is in base64, and begins with the length of its trie in bytes, as a `u32`.
fn check_charsmap(charsmap: &str) -> Result<(), String> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let bits =
        charsmap.bytes().take(6).map_while(digit).fold(0u64, |bits, digit| bits << 6 | u64::from(digit));
    // Six digits are 36 bits, the first 32 of which are the number.
    let trie = ((bits >> 4) as u32).swap_bytes() as usize;
    let behind = (charsmap.len() / 4 * 3).saturating_sub(4);
    match charsmap.len() >= 6 && trie <= behind {
        true => Ok(()),
        false => Err("its `precompiled_charsmap` is cut off or damaged: fetch the file anew".into()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_says_that_it_is_longer_than_it_is_is_refused() {
        // 4 bytes of a trie, then 4 of them: 8 bytes; then the same with a trie of 4 GiB.
        let within = |charsmap: &str| {
            check_charsmaps(&serde_json::json!({"normalizers": [{"precompiled_charsmap": charsmap}]}))
        };
        assert_eq!(within("BAAAAAAAAAA="), Ok(()));
        for damaged in ["/////wAAAAA=", "BAAA", "", "CQAAAAAAAAAA"] {
            assert!(within(damaged).unwrap_err().contains("cut off or damaged"), "{damaged}");
        }
    }
}
