//! Accuracy by distance, as a picture.

use clap::ValueEnum;

use super::Found;
use super::published::{PUBLISHED, told};
use crate::args::{Cell, Language, Problem};
use crate::canvas::{Anchor, CURVES, Canvas, alone};
use crate::explain::figures::percent;

const LEFT: f64 = 60.0;
const TOP: f64 = 56.0;
const WIDE: f64 = 430.0;
const HIGH: f64 = 210.0;
/// Curves stand so far beside one another, so that equal ones are seen; their heights are exact.
const ASIDE: f64 = 3.0;

/// What the picture of a problem shows.
pub fn title(problem: Problem, lang: Language) -> &'static str {
    match problem {
        Problem::Distance => lang.say(
            "The language named right, by the words since the country",
            "나라와 언어 사이의 거리에 따른 정답률",
        ),
        Problem::Adding => {
            let (en, ko) = (
                "Two marked numbers added, to within 0.04",
                "덧셈 문제: 표시된 두 수의 합을 오차 0.04 이내로 맞힌 비율",
            );
            lang.say(en, ko)
        }
        Problem::Copying => {
            let (en, ko) =
                ("Ten symbols repeated after a delay", "복사 문제: 기호 10개를 한참 뒤에 똑같이 출력한 비율");
            lang.say(en, ko)
        }
    }
}

/// What the accuracy is drawn over.
pub fn axis(problem: Problem, lang: Language) -> &'static str {
    match problem {
        Problem::Distance => lang.say("words between country and language", "나라와 언어 사이의 단어 수"),
        Problem::Adding => lang.say("length of the sequence", "시퀀스 길이"),
        Problem::Copying => lang.say("delay before the symbols are wanted", "출력하기까지의 지연(시점 수)"),
    }
}

/// The part that is right, by distance or length, of every cell on a problem; `found` is of this problem alone.
pub fn picture(problem: Problem, found: &[&Found], lang: Language) -> String {
    let published: Vec<_> = PUBLISHED.iter().filter(|published| published.problem == problem).collect();
    let mut canvas = Canvas::new(LEFT + WIDE + 130.0, TOP + HIGH + 60.0 + 18.0 * published.len() as f64);
    let mut places: Vec<usize> =
        found.iter().flat_map(|f| f.accuracy.iter().map(|(place, _)| *place)).collect();
    places.sort_unstable();
    places.dedup();
    let (low, high) = (places.first().copied().unwrap_or(0), places.last().copied().unwrap_or(1));
    let x = |place: usize| match high - low {
        0 => LEFT + WIDE / 2.0,
        range => LEFT + 14.0 + (WIDE - 28.0) * (place - low) as f64 / range as f64,
    };
    let y = |part: f64| TOP + HIGH * (1.0 - part);
    canvas.text((LEFT, 24.0), Anchor::Start, "strong", title(problem, lang));
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        canvas.line((LEFT, y(part)), (LEFT + WIDE, y(part)), "grid");
        canvas.text((LEFT - 8.0, y(part) + 4.0), Anchor::End, "small", &percent(lang, part));
    }
    for &place in &places {
        canvas.text((x(place), TOP + HIGH + 18.0), Anchor::Middle, "ink", &place.to_string());
    }
    canvas.text((LEFT + WIDE / 2.0, TOP + HIGH + 42.0), Anchor::Middle, "dim", axis(problem, lang));
    let mut drawn = 0;
    for cell in Cell::value_variants() {
        let mut points: Vec<(usize, f64)> =
            found.iter().filter(|f| f.cell == *cell).flat_map(|f| f.accuracy.clone()).collect();
        if points.is_empty() {
            continue;
        }
        points.sort_by_key(|(place, _)| *place);
        let (curve, ink) = CURVES[drawn];
        let aside = ASIDE * (drawn as f64 - 2.0);
        let points: Vec<(f64, f64)> =
            points.iter().map(|&(place, part)| (x(place) + aside, y(part))).collect();
        canvas.curve(&points, curve);
        points.iter().for_each(|&point| canvas.dot(point, 3.0, ink));
        let name = TOP + 10.0 + 20.0 * drawn as f64;
        canvas.line((LEFT + WIDE + 14.0, name - 4.0), (LEFT + WIDE + 34.0, name - 4.0), curve);
        canvas.text((LEFT + WIDE + 40.0, name), Anchor::Start, ink, cell.title(lang));
        drawn += 1;
    }
    for (i, published) in published.iter().enumerate() {
        let line = told(published, lang);
        canvas.text((LEFT, TOP + HIGH + 62.0 + 18.0 * i as f64), Anchor::Start, "small", &line);
    }
    let described: Vec<String> = found
        .iter()
        .map(|f| {
            let parts = f.accuracy.iter().map(|(place, part)| format!("{place}: {}", percent(lang, *part)));
            format!("{} {}", f.cell.title(lang), parts.collect::<Vec<_>>().join(", "))
        })
        .collect();
    alone(&canvas.finish(&problem.name(), title(problem, lang), &described.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_all_right_is_drawn_at_the_top_and_nothing_at_the_bottom() {
        let found = |cell: Cell, accuracy: &[(usize, f64)]| Found {
            problem: Problem::Adding,
            cell,
            length: None,
            command: String::new(),
            seed: 1,
            steps: 1,
            parameters: 1,
            seconds: 1.0,
            loss: None,
            chance: 1.0,
            accuracy: accuracy.to_vec(),
            curve: Vec::new(),
            model: None,
        };
        let all = [
            found(Cell::SimpleRnn, &[(20, 1.0)]),
            found(Cell::Irnn, &[(50, 0.0)]),
            found(Cell::Gru, &[(50, 1.0)]),
        ];
        let picture = picture(Problem::Adding, &all.iter().collect::<Vec<_>>(), Language::En);
        let heights: Vec<&str> = picture
            .split("<circle")
            .skip(1)
            .filter_map(|dot| dot.split("cy=\"").nth(1)?.split('"').next())
            .collect();
        assert_eq!(heights, ["56.0", "266.0", "56.0"]);
        assert!(picture.contains("GRU 5.3e-5") && picture.contains("at 600"), "{picture}");
    }
}
