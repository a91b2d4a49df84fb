//! Words that a model does not know: named before it is asked for anything, and refused where there is nothing else.

use std::collections::HashSet;

use gimbap::data::text::{UNKNOWN, UNKNOWN_ID, Unit, Vocabulary};

use super::judge::shown;
use crate::args::Language;
use crate::output::{Failure, Out, thousands};

/// How many unknown words are named.
const NAMED: usize = 10;
/// How many words that a model does know are given for examples.
const EXAMPLES: usize = 8;

/// The unknown words of texts, in the order in which they come, each once.
pub fn words_of<'t>(vocabulary: &Vocabulary, texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let (mut seen, mut words) = (HashSet::new(), Vec::new());
    for text in texts {
        for word in pieces(vocabulary, text) {
            if is_unknown(vocabulary, &word) && seen.insert(word.clone()) {
                words.push(word);
            }
        }
    }
    words
}

/// What a reader would call the words of a text: what stands between white space if a token is a part of that, and tokens
/// otherwise.
fn pieces(vocabulary: &Vocabulary, text: &str) -> Vec<String> {
    match vocabulary.unit() {
        Unit::Byte => Vec::new(),
        Unit::Subword => vocabulary.normalise(text).split_whitespace().map(str::to_owned).collect(),
        // A syllable, not its jamo.
        Unit::Jamo => vocabulary.normalise(text).chars().map(String::from).collect(),
        _ => vocabulary.pieces(text),
    }
}

/// Whether a word is outside the vocabulary; the mark for such words, written out, is not.
fn is_unknown(vocabulary: &Vocabulary, word: &str) -> bool {
    word != UNKNOWN && vocabulary.encode_units(word).contains(&UNKNOWN_ID)
}

/// Whether texts have words, and the model knows none of them: marks and blanks that it knows are no words.
pub fn say_nothing<'t>(vocabulary: &Vocabulary, texts: impl IntoIterator<Item = &'t str>) -> bool {
    let is_word = |id: u32| vocabulary.token(id).chars().any(char::is_alphanumeric);
    let mut unknown = 0;
    for text in texts {
        let ids = vocabulary.encode_units(text);
        // The mark for unknown words, written out, is a word that the model knows.
        if text.contains(UNKNOWN) || ids.iter().any(|&id| id != UNKNOWN_ID && is_word(id)) {
            return false;
        }
        unknown += Vocabulary::unknowns(&ids);
    }
    unknown > 0
}

/// Tells of unknown words as they come, each once and ten at most.
#[derive(Debug, Default)]
pub struct Strangers {
    named: HashSet<String>,
    /// Tokens so far, and those of them that are unknown.
    tokens: usize,
    unknown: usize,
    /// Unknown words that were counted and not named.
    more: bool,
}

impl Strangers {
    /// Takes in some texts with their tokens (closing marks aside), and tells of the words in them that are new.
    pub fn meet<'t>(
        &mut self,
        vocabulary: &Vocabulary,
        texts: impl IntoIterator<Item = (&'t str, &'t [u32])>,
        out: &Out,
    ) {
        let mut with_unknown = Vec::new();
        for (text, ids) in texts {
            let unknown = Vocabulary::unknowns(ids);
            self.tokens += ids.len();
            self.unknown += unknown;
            if unknown > 0 {
                with_unknown.push(text);
            }
        }
        if with_unknown.is_empty() || out.json || out.quiet {
            return;
        }
        if self.named.len() >= NAMED {
            self.more = true;
            return;
        }
        let mut words = words_of(vocabulary, with_unknown);
        words.retain(|word| !self.named.contains(word));
        let line = line(&words, NAMED - self.named.len());
        self.more |= words.len() > NAMED - self.named.len();
        self.named.extend(words.into_iter().take(NAMED));
        line.into_iter().for_each(|line| out.log(line));
    }

    /// At the end, how many there were, if they were not all named.
    pub fn sum_up(&self, out: &Out) {
        if self.more {
            let (unknown, tokens) = (thousands(self.unknown), thousands(self.tokens));
            out.log(format!("in all, {unknown} of {tokens} tokens were read as {UNKNOWN}"));
        }
    }
}

/// Words, the first of them by name, in a line that says what becomes of them.
fn line(words: &[String], most: usize) -> Option<String> {
    let named: Vec<String> = words.iter().take(most).map(|word| shown(word)).collect();
    let more = match words.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {} more", thousands(more)),
    };
    (!named.is_empty())
        .then(|| format!("not in the model's vocabulary, read as {UNKNOWN}: {}{more}", named.join(", ")))
}

/// The failure of texts of which the model knows nothing; `what` says which they are.
pub fn nothing_known<'t>(
    vocabulary: &Vocabulary,
    what: &str,
    texts: impl IntoIterator<Item = &'t str>,
    lang: Language,
) -> Failure {
    let words = words_of(vocabulary, texts);
    let named: Vec<String> = words.iter().take(NAMED).map(|word| shown(word)).collect();
    let named = format!("{}{}", named.join(", "), if words.len() > NAMED { ", .." } else { "" });
    let known = examples(vocabulary).iter().map(|word| shown(word)).collect::<Vec<_>>().join(", ");
    Failure::work(
        "data",
        match lang {
            Language::En => {
                let (kind, other) = match vocabulary.unit() {
                    Unit::Subword => ("words", "train on a text like this one"),
                    Unit::Word => (
                        "words",
                        "train on a text like this one (of data.unit=\"subword\" or \"char\" few words are unknown)",
                    ),
                    _ => ("characters", "train on a text in these letters"),
                };
                format!(
                    "{what}: the model knows none of its {kind} ({named}), so what it says of them would mean nothing: write \
                 with {kind} that it knows, such as {known}, or {other}"
                )
            }
            Language::Ko => {
                let (kind, other) = match vocabulary.unit() {
                    Unit::Subword => ("단어", ""),
                    Unit::Word => {
                        ("단어", " data.unit=\"subword\"나 \"char\"로 학습하면 모르는 단어가 거의 없습니다.")
                    }
                    _ => ("글자", ""),
                };
                format!(
                    "{what}: 모델이 아는 {kind}가 하나도 없어({named}) 결과에 의미가 없습니다. 모델이 아는 {kind}(예: {known})로 쓰거나, \
                 비슷한 텍스트로 모델을 학습하세요.{other}"
                )
            }
        },
    )
}

/// Some of the most frequent words that a model knows; letters, where its tokens are no longer.
fn examples(vocabulary: &Vocabulary) -> Vec<String> {
    // The first two tokens are marks; of subwords, those that begin a word are words or their beginnings.
    let tokens = vocabulary.tokens().iter().skip(2);
    let words = tokens.filter_map(|token| match vocabulary.unit() {
        Unit::Subword => token.strip_prefix(['▁', 'Ġ']).filter(|word| word.chars().count() > 2),
        _ => Some(token.as_str()),
    });
    words.filter(|word| word.chars().all(char::is_alphabetic)).take(EXAMPLES).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vocabulary {
        Vocabulary::build("no pain no gain the and in of to", Unit::Word, true, None, 1).unwrap()
    }

    #[test]
    fn unknown_words_are_found_once_and_in_order() {
        let vocabulary = words();
        assert_eq!(words_of(&vocabulary, ["No pain spooky", "<unk> RED spooky"]), ["spooky", "red"]);
        let letters = Vocabulary::build("abc\n", Unit::Char, false, None, 1).unwrap();
        assert_eq!(words_of(&letters, ["a?b?d"]), ["?", "d"]);
        let bytes = Vocabulary::build("abc", Unit::Byte, false, None, 1).unwrap();
        assert!(words_of(&bytes, ["anything"]).is_empty());
    }

    #[test]
    fn a_mark_that_is_known_says_nothing() {
        let vocabulary = Vocabulary::build("no pain , no gain . ?", Unit::Word, true, None, 1).unwrap();
        for (text, nothing) in [
            ("hola mundo", true),
            ("hola , mundo .", true),
            ("hola no .", false),
            ("hola <unk> .", false),
            ("? .", false),
            ("", false),
        ] {
            assert_eq!(say_nothing(&vocabulary, [text]), nothing, "{text}");
        }
        let letters = Vocabulary::build("abc \n", Unit::Char, false, None, 1).unwrap();
        assert!(say_nothing(&letters, ["ж ж"]) && !say_nothing(&letters, ["ж", "a"]));
    }

    #[test]
    fn of_many_the_first_are_named_and_the_others_counted() {
        let words: Vec<String> = (0..13).map(|i| format!("w{i}")).collect();
        let told = line(&words, NAMED).unwrap();
        assert!(told.ends_with("read as <unk>: w0, w1, w2, w3, w4, w5, w6, w7, w8, w9 and 3 more"), "{told}");
        assert_eq!(line(&[], NAMED), None);
    }

    #[test]
    fn a_refusal_says_what_the_model_knows() {
        let failure = nothing_known(&words(), "standard input", ["spooky red"], Language::En);
        let known = "(spooky, red)";
        assert!(failure.message.contains(known) && failure.message.contains("such as no, pain, gain"));
        assert_eq!(failure.code, crate::output::FAILED);
    }
}
