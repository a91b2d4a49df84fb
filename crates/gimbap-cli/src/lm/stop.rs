//! Where a text ends: before the first of some strings.

/// Takes a text piece by piece and gives it back, but for what may be the beginning of a string that ends it.
#[derive(Debug)]
pub struct Stops {
    stops: Vec<String>,
    /// What the first piece may begin with, where no stop is looked for.
    before: Option<String>,
    held: String,
    found: Option<usize>,
}

impl Stops {
    /// `before` belongs to what went before, though it comes with the first piece: a syllable that may still have got a
    /// consonant. No stop may be empty.
    pub fn new(stops: Vec<String>, before: &str) -> Self {
        Stops { stops, before: Some(before.into()), held: String::new(), found: None }
    }

    /// What is settled of the text with one more piece: all, up to a stop if there is one now.
    pub fn push(&mut self, piece: &str) -> String {
        let (before, piece) = match self.before.take_if(|_| !piece.is_empty()) {
            Some(before) if piece.starts_with(&*before) => piece.split_at(before.len()),
            _ => ("", piece),
        };
        self.held.push_str(piece);
        let places = self.stops.iter().enumerate();
        let places = places.filter_map(|(stop, text)| Some((self.held.find(text)?, stop)));
        let settled = match places.min() {
            Some((at, stop)) => {
                self.found = Some(stop);
                self.held.truncate(at);
                at
            }
            None => {
                let open = self.stops.iter().map(|stop| overlap(&self.held, stop)).max();
                self.held.len() - open.unwrap_or(0)
            }
        };
        let rest = self.held.split_off(settled);
        before.to_owned() + &std::mem::replace(&mut self.held, rest)
    }

    /// The number of the stop that ended the text.
    pub fn found(&self) -> Option<usize> {
        self.found
    }

    /// What was held back, at the end of a text that no stop has ended.
    pub fn finish(self) -> String {
        self.held
    }
}

/// How many bytes at the end of `text` are the beginning of `stop`, which is not in it.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices().map(|(n, _)| n).rev().find(|&n| text.ends_with(&stop[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces that come out, which stop ended the text, and what was left.
    fn run(stops: &[&str], pieces: &[&str]) -> (Vec<String>, Option<usize>, String) {
        let mut stops = Stops::new(stops.iter().map(|s| s.to_string()).collect(), "");
        let mut out = Vec::new();
        for piece in pieces {
            out.push(stops.push(piece));
            if stops.found().is_some() {
                break;
            }
        }
        (out, stops.found(), stops.finish())
    }

    #[test]
    fn a_beginning_is_held_back_until_it_is_none() {
        let (out, found, left) = run(&["ROMEO"], &["a R", "OM", "x", "ROM"]);
        assert_eq!(out, ["a ", "", "ROMx", ""]);
        assert_eq!((found, left.as_str()), (None, "ROM"));
        assert_eq!(run(&[], &["a", "b"]), (vec!["a".into(), "b".into()], None, String::new()));
    }

    #[test]
    fn the_text_ends_before_a_stop() {
        assert_eq!(run(&["ROMEO"], &["a R", "OM", "EO!", "b"]).0, ["a ", "", ""]);
        assert_eq!(run(&["x", "b"], &["abc"]), (vec!["a".into()], Some(1), String::new()));
        // Of several the one that begins first, and of a beginning that failed the next one.
        assert_eq!(run(&["cd", "bc"], &["abcd"]), (vec!["a".into()], Some(1), String::new()));
        assert_eq!(run(&["aab"], &["a", "a", "a", "b"]).0.concat(), "a");
        assert_eq!(run(&["\n\n"], &["a\n", "b\n", "\n"]).0.concat(), "a\nb");
    }

    #[test]
    fn characters_stay_whole() {
        assert_eq!(run(&["한글"], &["나 ", "한", "국"]).0, ["나 ", "", "한국"]);
        assert_eq!(run(&["한글"], &["나 한", "글"]).0, ["나 ", ""]);
    }

    #[test]
    fn what_went_before_is_no_stop() {
        let pieces = |pieces: &[&str]| {
            let mut stops = Stops::new(vec!["하".into()], "하");
            let out: Vec<String> = pieces.iter().map(|piece| stops.push(piece)).collect();
            (out, stops.found())
        };
        let out = |pieces: &[&str]| pieces.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        assert_eq!(pieces(&["", "하나", "다하"]), (out(&["", "하나", "다"]), Some(0)));
        assert_eq!(pieces(&["한", "하"]), (out(&["한", ""]), Some(0)));
    }
}
