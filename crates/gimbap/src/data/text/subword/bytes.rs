//! The spelling of bytes by characters that GPT-2's tokenizer began: what can be printed stands for itself, the other
//! bytes in order for U+0100 and what follows.

/// Whether a byte stands for itself.
fn printed(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The character of each byte.
pub(super) fn letters() -> impl Iterator<Item = char> {
    let mut others = '\u{100}'..;
    (0..=u8::MAX).map(move |byte| match printed(byte) {
        true => char::from(byte),
        false => others.next().unwrap_or_default(),
    })
}

fn byte_of(letter: char) -> Option<u8> {
    match u8::try_from(letter) {
        Ok(byte) => printed(byte).then_some(byte),
        Err(_) => {
            let place = (letter as usize).checked_sub(0x100)?;
            (0..=u8::MAX).filter(|&byte| !printed(byte)).nth(place)
        }
    }
}

/// The bytes that a token spells; its own if it is no such spelling.
pub(super) fn spelt(token: &str) -> Vec<u8> {
    token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter_and_back() {
        let spelling: Vec<char> = letters().collect();
        assert_eq!(
            (spelling[b'A' as usize], spelling[b' ' as usize], spelling[b'\n' as usize]),
            ('A', 'Ġ', 'Ċ')
        );
        for (byte, letter) in (0..=u8::MAX).zip(spelling) {
            assert_eq!(spelt(&letter.to_string()), [byte]);
        }
        assert_eq!(spelt("Ġa"), b" a");
        assert_eq!(spelt("한"), "한".as_bytes());
    }
}
