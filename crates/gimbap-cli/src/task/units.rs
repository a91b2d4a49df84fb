//! What the tokens of texts to classify should be, where the config does not say.

use gimbap::data::text::Unit;

/// The unit that fits, and why, for people.
///
/// Characters for names and the like (nine of ten texts are one word) and for scripts without blanks; subwords for Korean,
/// whose words carry their particles, so that most are new in any text; else words.
pub fn fitting(texts: &[String]) -> (Unit, &'static str) {
    let one_word = texts.iter().filter(|text| text.split_whitespace().nth(1).is_none()).count();
    if 10 * one_word >= 9 * texts.len() {
        return (Unit::Char, "unit: char, as each text is one word (--set data.unit=word for whole words)");
    }
    let (mut letters, mut hangul, mut unspaced) = (0usize, 0usize, 0usize);
    for c in texts.iter().flat_map(|text| text.chars()).filter(|c| c.is_alphabetic()) {
        letters += 1;
        hangul += usize::from(
            matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}'),
        );
        unspaced += usize::from(
            matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}'),
        );
    }
    if 2 * hangul >= letters.max(1) {
        return (
            Unit::Subword,
            "unit: subword, as Korean words carry their particles (--set data.unit=word for whole words)",
        );
    }
    if 2 * unspaced >= letters.max(1) {
        return (
            Unit::Char,
            "unit: char, as the texts have no blanks between words (--set data.unit=word for words)",
        );
    }
    (Unit::Word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(texts: &[&str]) -> Unit {
        fitting(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()).0
    }

    #[test]
    fn names_are_spelled_and_sentences_are_of_words() {
        assert_eq!(unit(&["Yamamoto", "Kowalski", "Kim"]), Unit::Char);
        assert_eq!(unit(&["a fine film", "dull", "not for me"]), Unit::Word);
        assert_eq!(unit(&[]), Unit::Char);
    }

    #[test]
    fn korean_is_of_subwords_and_japanese_of_characters() {
        assert_eq!(unit(&["정말 재미있는 영화였다", "다시는 안 본다 ㅋㅋ", "강추"]), Unit::Subword);
        assert_eq!(
            unit(&["吾輩は猫である。 名前はまだ無い。", "どこで生れたか とんと見当がつかぬ。"]),
            Unit::Char
        );
    }
}
