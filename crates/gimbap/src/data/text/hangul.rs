//! Hangul syllables and their jamo, by arithmetic (The Unicode Standard, section 3.12).
//!
//! A syllable is a leading consonant `L`, a vowel `V` and perhaps a trailing consonant `T`, in this order among the
//! 11,172 from U+AC00. Only these jamo, those of modern Korean, take part: old ones, and the compatibility jamo
//! that stand for themselves (`ㅋㅋ`), are characters like any other.

const S: u32 = 0xac00;
const L: u32 = 0x1100;
const V: u32 = 0x1161;
/// One below the first trailing consonant: 0 is none.
const T: u32 = 0x11a7;
const LS: u32 = 19;
const VS: u32 = 21;
const TS: u32 = 28;

/// The place of `c` among the `count` characters from `first`.
fn place(c: char, first: u32, count: u32) -> Option<u32> {
    u32::from(c).checked_sub(first).filter(|&place| place < count)
}

/// The jamo of a syllable; any other character alone.
pub(super) fn jamo(c: char) -> impl Iterator<Item = char> {
    let parts = match place(c, S, LS * VS * TS) {
        None => [Some(c), None, None],
        Some(s) => {
            let trailing = if s % TS == 0 { None } else { char::from_u32(T + s % TS) };
            [char::from_u32(L + s / (VS * TS)), char::from_u32(V + s % (VS * TS) / TS), trailing]
        }
    };
    parts.into_iter().flatten()
}

/// Whether what follows may make another character of `c`: a leading consonant, or a syllable without a trailing
/// one.
pub(super) fn opens(c: char) -> bool {
    place(c, L, LS).is_some() || place(c, S, LS * VS * TS).is_some_and(|s| s % TS == 0)
}

/// The syllable that `next` makes of `open`.
pub(super) fn join(open: char, next: char) -> Option<char> {
    if let (Some(l), Some(v)) = (place(open, L, LS), place(next, V, VS)) {
        return char::from_u32(S + (l * VS + v) * TS);
    }
    let s = place(open, S, LS * VS * TS).filter(|s| s % TS == 0)?;
    let t = place(next, T, TS).filter(|&t| t > 0)?;
    char::from_u32(S + s + t)
}

/// `text` with every syllable taken apart.
///
/// ```
/// use gimbap::data::text::hangul::{compose, decompose};
///
/// assert_eq!(decompose("한 ㅋ"), "\u{1112}\u{1161}\u{11ab} ㅋ");
/// assert_eq!(compose("\u{1112}\u{1161}\u{11ab} ㅋ"), "한 ㅋ");
/// ```
pub fn decompose(text: &str) -> String {
    text.chars().flat_map(jamo).collect()
}

/// `text` with its jamo put together, each `L V` and `L V T` to a syllable. Undoes [`decompose`] of any text in a
/// composed form, which has no two characters that belong together.
pub fn compose(text: &str) -> String {
    let (mut whole, mut open) = (String::with_capacity(text.len()), None);
    text.chars().for_each(|c| open = advance(open, c, &mut whole));
    whole.extend(open);
    whole
}

/// One more character after `open`, which is still to be written: writes what is settled, gives what is open now.
pub(super) fn advance(open: Option<char>, next: char, whole: &mut String) -> Option<char> {
    let last = match open.map(|open| (open, join(open, next))) {
        Some((_, Some(joined))) => joined,
        Some((open, None)) => {
            whole.push(open);
            next
        }
        None => next,
    };
    if opens(last) {
        return Some(last);
    }
    whole.push(last);
    None
}

/// `text` without the characters at its end that are open, and the one that they make.
pub(super) fn split_open(text: &str) -> (&str, Option<char>) {
    let mut back = text.char_indices().rev();
    let Some((at, last)) = back.next() else { return (text, None) };
    if opens(last) {
        return (&text[..at], Some(last));
    }
    match back.next().and_then(|(at, before)| Some((at, join(before, last)?))) {
        Some((at, joined)) if opens(joined) => (&text[..at], Some(joined)),
        _ => (text, None),
    }
}
