//! Subword units: what stands between characters and words, by a tokenizer that is learned here or was made elsewhere.
//!
//! Everything that a tokenizer is lies in one document, a `tokenizer.json` of Hugging Face's `tokenizers`; the model
//! file keeps it. Our own are such documents too: a blank is `▁` and belongs to the word behind it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::DecoderWrapper;

use self::corpus::Corpus;
use super::{CLOSING_ID, EOS, Options, UNKNOWN, UNKNOWN_ID};
use crate::data::read::read_text;
use crate::error::{Error, Result};

mod bpe;
mod bytes;
mod corpus;
mod foreign;
mod unigram;

/// What a blank is in our own tokens: it begins those that begin a word.
const BLANK: char = '▁';
/// How many tokens are learned where no number is given.
const TOKENS: usize = 8000;
/// What a tokenizer is tried with, and how many of its tokens are put together.
const TRIAL: &str = "A word, two 2 words. ß 가 é\n";
const TRIED: usize = 64;
/// Lines that a thread encodes at a time.
const LINES: usize = 256;

/// Which tokenizer cuts a text into subwords.
///
/// ```
/// use gimbap::data::text::Tokenizer;
///
/// assert_eq!(Tokenizer::from("unigram".to_owned()), Tokenizer::Unigram);
/// assert_eq!(Tokenizer::from("gpt2/tokenizer.json".to_owned()), Tokenizer::File("gpt2/tokenizer.json".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Tokenizer {
    /// Byte-pair encoding, learned of the text: the most frequent pair of neighbours becomes a token, again and again
    /// (Sennrich, Haddow and Birch 2016, arXiv:1508.07909v5). The pairs are of characters, and a pair that is
    /// seen once stays two.
    #[default]
    Bpe,
    /// A unigram language model of pieces, learned of the text by expectation maximisation; a text is cut where that is
    /// most probable (Kudo 2018, arXiv:1804.10959v1).
    Unigram,
    /// A `tokenizer.json`, made elsewhere.
    File(PathBuf),
}

impl From<String> for Tokenizer {
    fn from(name: String) -> Self {
        match name.as_str() {
            "bpe" => Tokenizer::Bpe,
            "unigram" => Tokenizer::Unigram,
            _ => Tokenizer::File(name.into()),
        }
    }
}

impl From<Tokenizer> for String {
    fn from(tokenizer: Tokenizer) -> Self {
        match tokenizer {
            Tokenizer::Bpe => "bpe".into(),
            Tokenizer::Unigram => "unigram".into(),
            Tokenizer::File(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// A tokenizer at work, its ids made ours.
pub(super) struct Subword {
    json: Value,
    tokenizer: tokenizers::Tokenizer,
    /// Our id for each of its own.
    ours: Vec<u32>,
    /// Whether its tokens spell bytes, as GPT-2's do.
    of_bytes: bool,
}

impl fmt::Debug for Subword {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Subword").field("ids", &self.ours.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Subword {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Eq for Subword {}

/// Learns a tokenizer: of words, what stands between white space in texts already normalised, each once with its
/// count, in any order. Gives the tokens in the order of their ids too.
///
/// # Errors
/// [`Error::Data`] if there is no word; [`Error::Config`] if nothing reaches `min_count`, or if there are more
/// characters than `limit` has room for.
pub(super) fn train(counts: Vec<(String, u64)>, options: &Options) -> Result<(Subword, Vec<String>)> {
    let limit = options.limit.unwrap_or(TOKENS);
    let least = options.min_count as u64;
    let corpus = Corpus::new(counts, limit, least)?;
    let model = match options.tokenizer {
        Some(Tokenizer::Unigram) => unigram::learn(&corpus, limit)?,
        _ => bpe::learn(&corpus, limit, least),
    };
    let mark = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    };
    let blanks = json!({"type": "Metaspace", "replacement": BLANK, "prepend_scheme": "first", "split": true});
    let json = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [mark(UNKNOWN_ID, UNKNOWN), mark(CLOSING_ID, EOS)],
        // Other white space is a blank.
        "normalizer": {"type": "Replace", "pattern": {"Regex": r"[^\S ]"}, "content": " "},
        "pre_tokenizer": blanks,
        "post_processor": null,
        "decoder": blanks,
        "model": model,
    });
    Subword::new(json).map_err(|message| Error::data("the tokenizer learned", message))
}

/// Reads a `tokenizer.json`, as [`train`].
///
/// # Errors
/// As [`read_text`]; [`Error::Data`] with the file if it is no such document, or one that would not give the same
/// tokens each time, or that would pass over what it does not know.
pub(super) fn read(path: &Path) -> Result<(Subword, Vec<String>)> {
    let wrong = |message: String| Error::data(path.display().to_string(), message);
    let remedy = "data.tokenizer is `bpe`, `unigram` or the path of a `tokenizer.json`";
    if !path.exists() {
        return Err(wrong(format!("there is no such file: {remedy}")));
    }
    let json = serde_json::from_str(&read_text(path)?)
        .map_err(|error| wrong(format!("it is no JSON ({error}): {remedy}")))?;
    Subword::new(json).map_err(wrong)
}

impl Subword {
    /// A tokenizer of its document, and its tokens in the order of our ids: `<unk>`, `<eos>`, the rest in its own order.
    /// What is wrong with it, if something is; it is tried once, as what is damaged may show only then.
    pub(super) fn new(json: Value) -> std::result::Result<(Subword, Vec<String>), String> {
        let made = || {
            let (subword, tokens) = Subword::untried(json)?;
            subword.encode_lines(TRIAL, &mut Vec::new());
            subword.text(tokens.iter().take(TRIED).cloned().collect());
            Ok((subword, tokens))
        };
        // The reader of it takes for granted that a document is whole.
        catch_unwind(AssertUnwindSafe(made))
            .unwrap_or_else(|_| Err("it is damaged: what reads it fails; fetch the file anew".into()))
    }

    /// As [`Subword::new`], and not tried.
    fn untried(mut json: Value) -> std::result::Result<(Subword, Vec<String>), String> {
        let parts = json.as_object_mut().ok_or("it is no `tokenizer.json`: that is an object")?;
        foreign::check_model(parts.get("model"))?;
        parts.values().try_for_each(foreign::check_charsmaps)?;
        // A text is taken whole, and has no marks but ours.
        for key in ["truncation", "padding", "post_processor"] {
            parts.insert(key.into(), Value::Null);
        }
        let text = serde_json::to_vec(&json).map_err(|error| error.to_string())?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(text)
            .map_err(|error| format!("it is no `tokenizer.json` that can be read ({error})"))?;
        let (ours, tokens) = foreign::ids(&tokenizer, &json)?;
        let of_bytes = matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        Ok((Subword { json, tokenizer, ours, of_bytes }, tokens))
    }

    pub(super) fn json(&self) -> &Value {
        &self.json
    }

    /// Adds the ids of one line. One that the tokenizer's own expressions give up on is unknown.
    pub(super) fn encode(&self, line: &str, ids: &mut Vec<u32>) {
        let id = |&id: &u32| self.ours.get(id as usize).copied().unwrap_or(UNKNOWN_ID);
        match self.tokenizer.encode_fast(line, false) {
            Ok(encoding) => ids.extend(encoding.get_ids().iter().map(id)),
            Err(_) => ids.push(UNKNOWN_ID),
        }
    }

    /// Adds the ids of a text's lines, each with its closing mark but for a last one that has not ended.
    pub(super) fn encode_lines(&self, text: &str, ids: &mut Vec<u32>) {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let part = |lines: &[&str]| {
            let mut ids = Vec::new();
            for line in lines {
                self.encode(line.strip_suffix('\n').unwrap_or(line), &mut ids);
                ids.extend(line.ends_with('\n').then_some(CLOSING_ID));
            }
            ids
        };
        lines.par_chunks(LINES).map(part).collect::<Vec<_>>().into_iter().for_each(|part| ids.extend(part));
    }

    /// The bytes of a token, if its tokens spell bytes.
    pub(super) fn bytes(&self, token: &str) -> Option<Vec<u8>> {
        self.of_bytes.then(|| bytes::spelt(token))
    }

    /// The text of a line's tokens.
    pub(super) fn text(&self, tokens: Vec<String>) -> String {
        match self.tokenizer.get_decoder() {
            _ if tokens.is_empty() => String::new(),
            Some(decoder) => tokenizers::Decoder::decode(decoder, tokens).unwrap_or_default(),
            None => tokens.join(" "),
        }
    }
}
