//! Normalisation: one text for what looks the same.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc, is_nfkc};

/// The Unicode normal form (UAX 15) into which every text is brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalForm {
    /// Composed: an accent typed as a mark of its own, and a Korean syllable typed as jamo, become one character.
    #[default]
    Nfc,
    /// Composed, and variants of form alone made plain: full-width letters, ligatures, circled digits, the Korean
    /// compatibility jamo.
    Nfkc,
    /// Texts stay as they are.
    None,
}

impl NormalForm {
    /// Whether it is the default.
    pub(super) fn is_nfc(&self) -> bool {
        *self == NormalForm::Nfc
    }

    /// `text` in this form.
    fn of<'a>(self, text: Cow<'a, str>) -> Cow<'a, str> {
        match self {
            _ if text.is_ascii() => text,
            NormalForm::Nfc if !is_nfc(&text) => Cow::Owned(text.nfc().collect()),
            NormalForm::Nfkc if !is_nfkc(&text) => Cow::Owned(text.nfkc().collect()),
            _ => text,
        }
    }
}

/// The one place where texts are normalised: lower case, if asked for, then the form, as lower case may itself
/// decompose. NFKC goes before it too: `℡` becomes capitals.
pub(super) fn normalise(text: &str, lowercase: bool, form: NormalForm) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    if lowercase && form == NormalForm::Nfkc {
        text = form.of(text);
    }
    if lowercase && text.chars().any(|c| !c.is_ascii() || c.is_ascii_uppercase()) {
        text = Cow::Owned(text.to_lowercase());
    }
    form.of(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_comes_before_composition() {
        assert_eq!(normalise("J\u{30c}", true, NormalForm::Nfc), "\u{1f0}");
        assert_eq!(normalise("J\u{30c}", true, NormalForm::None), "j\u{30c}");
    }

    #[test]
    fn nfkc_makes_variants_plain() {
        assert_eq!(normalise("Ａ①ﬁ", false, NormalForm::Nfkc), "A1fi");
        assert_eq!(normalise("Ａ①ﬁ", false, NormalForm::Nfc), "Ａ①ﬁ");
        assert_eq!(normalise("Ａ℡", true, NormalForm::Nfkc), "atel");
    }
}
