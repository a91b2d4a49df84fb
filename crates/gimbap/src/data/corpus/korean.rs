//! The Korean grammar, word by word as Korean is written: a noun and its particle are one word (어절).

use super::{Automaton, Choice, any, phrase_choices};
use crate::data::text::EOS;

/// The countries, with the particle that says "in", each with its language, as an object.
pub(super) const COUNTRIES: [(&str, &str); 8] = [
    ("한국에서", "한국어를"),
    ("프랑스에서", "프랑스어를"),
    ("스페인에서", "스페인어를"),
    ("일본에서", "일본어를"),
    ("폴란드에서", "폴란드어를"),
    ("튀르키예에서", "튀르키예어를"),
    ("그리스에서", "그리스어를"),
    ("노르웨이에서", "노르웨이어를"),
];

/// The proverbs, no one the beginning of another.
pub(super) const PROVERBS: [&str; 12] = [
    "고통 없이는 얻는 것도 없다 .",
    "무소식이 희소식이다 .",
    "아니 땐 굴뚝에 연기 날까 ?",
    "시간은 금이다 .",
    "아는 것이 힘이다 .",
    "티끌 모아 태산 .",
    "고생 끝에 낙이 온다 .",
    "돌다리도 두들겨 보고 건너라 .",
    "가는 말이 고와야 오는 말이 곱다 .",
    "백지장도 맞들면 낫다 .",
    "세 살 버릇 여든까지 간다 .",
    "낮말은 새가 듣고 , 밤말은 쥐가 듣는다 .",
];

/// The questions, no one the beginning of another, each with its weight.
const QUESTIONS: [(&str, f64); 4] = [
    ("지금 몇 시예요 ?", 0.4),
    ("여기는 어디예요 ?", 0.2),
    ("오늘은 무슨 요일이에요 ?", 0.2),
    ("이름이 뭐예요 ?", 0.2),
];

/// From this many words after the country on, no phrase begins.
const LAST_PHRASE: u8 = 18;

/// The greatest number of words between country and language.
pub(super) const MAX_DISTANCE: usize = 22;

/// With the particle that their last sound asks for.
const NAMES: [&str; 12] = [
    "민아는",
    "준호는",
    "서연은",
    "지훈은",
    "하늘은",
    "도윤은",
    "은지는",
    "태오는",
    "유나는",
    "보람은",
    "새봄은",
    "가람은",
];
const BECAME: [&str; 5] = ["자라", "태어나", "살며", "일하며", "공부하며"];
const OLD: [&str; 7] = ["오래된", "조용한", "으스스한", "작은", "외딴", "쓸쓸한", "낯선"];
const PLACES: [&str; 12] = [
    "강가에서",
    "바닷가에서",
    "숲에서",
    "시장에서",
    "항구에서",
    "방앗간에서",
    "성에서",
    "역에서",
    "정원에서",
    "학교에서",
    "탑에서",
    "언덕에서",
];
const STAYED: [&str; 4] = ["지냈고", "쉬었고", "일했고", "노래했고"];
const COUNTS: [&str; 5] = ["두", "네", "다섯", "아홉", "여러"];
const COMPANIONS: [&str; 8] =
    ["친구와", "사촌과", "삼촌과", "선원과", "시인과", "이모와", "동생과", "제자와"];
const TOGETHER: [&str; 4] = ["다녔고", "어울렸고", "여행했고", "다투었고"];
const COLOURS: [&str; 6] = ["빨간", "파란", "하얀", "금빛", "조그만", "부서진"];
const THINGS: [&str; 12] = [
    "배를",
    "지도를",
    "시계를",
    "연을",
    "등불을",
    "북을",
    "모자를",
    "신발을",
    "종을",
    "편지를",
    "거울을",
    "열쇠를",
];
const DEEDS: [&str; 10] =
    ["그렸고", "팔았고", "고쳤고", "날랐고", "모았고", "빌렸고", "숨겼고", "찾았고", "샀고", "만들었고"];
const SPANS: [&str; 4] = ["해", "달", "주", "계절"];
const WAITED: [&str; 3] = ["기다렸고", "걸었고", "앓았고"];
const NOW: [&str; 2] = ["지금은", "이제"];
const SEASONS: [&str; 4] = ["봄은", "여름은", "가을은", "겨울은"];
const WEATHER: [&str; 4] = ["짧다", "길다", "따뜻하다", "맑다"];
const SITES: [&str; 6] = ["강가의", "바닷가의", "숲속의", "언덕의", "항구의", "시장의"];
const BUILDINGS: [&str; 6] = ["집은", "성은", "탑은", "학교는", "다리는", "가게는"];
const STATES: [&str; 5] = ["어둡다", "춥다", "낡았다", "조용하다", "비었다"];

/// A royal family and a plain one: of the bits of a place, the first is the sex, the second youth, the third rank.
const FAMILY: [&str; 8] = ["왕은", "여왕은", "왕자는", "공주는", "남자는", "여자는", "소년은", "소녀는"];
const WHOSE: [&str; 2] = ["그의", "그녀의"];
/// What the royal have and what the others have.
const BELONGINGS: [[&str; 4]; 2] =
    [["왕관을", "왕좌를", "궁전을", "보검을"], ["호미를", "오두막을", "의자를", "빗자루를"]];
/// What the grown do and what the young do.
const HABITS: [[&str; 3]; 2] = [["지킨다", "닦는다", "고친다"], ["떨어뜨린다", "흔든다", "숨긴다"]];

/// A kind of phrase between country and language. None follows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phrase {
    /// `(조용한) 강가에서 쉬었고`
    Where,
    /// `두 친구와 다녔고`
    With,
    /// `두 해 동안 걸었고`
    For,
    /// `(빨간) 배를 그렸고`
    Did,
}

/// A place on the way from country to language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spot {
    /// Right after the country.
    Became,
    /// Between phrases; the last one, if any, has just ended.
    Between(Option<Phrase>),
    OldPlace,
    Stayed,
    /// After a number, of people or of years.
    Counted,
    Together,
    ColouredThing,
    Deed,
    During,
    Waited,
    /// After `지금은`.
    Now,
}

/// A state of the automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Start,
    /// Before the country.
    Country,
    /// `since` words after the country; `last` is the phrase before this one.
    Journey {
        country: u8,
        since: u8,
        last: Option<Phrase>,
        spot: Spot,
    },
    /// After the language.
    Spoken,
    Does,
    /// `words` words into a proverb; `proverb` is the first that starts so.
    Proverb {
        proverb: u8,
        words: u8,
    },
    /// The same of a question.
    Question {
        question: u8,
        words: u8,
    },
    /// In a country's weather, by the words so far.
    Weather(u8),
    /// After `저기요`.
    Hello,
    /// A scene, by its words so far.
    Scene(u8),
    /// A sentence of the family, by its words so far.
    Family {
        member: u8,
        words: u8,
    },
    /// Nothing but the full stop can follow.
    Stop,
    /// Nothing but the closing mark can follow.
    Close,
    /// After the closing mark.
    End,
}

impl Automaton for State {
    const START: State = State::Start;
    const END: State = State::End;

    fn distance(self) -> Option<usize> {
        match self {
            State::Journey { since, spot: Spot::Now, .. } => Some(usize::from(since)),
            _ => None,
        }
    }

    fn choices(self) -> Vec<Choice<State>> {
        match self {
            State::Start => {
                let mut choices = [
                    any(0.44, &NAMES, State::Country),
                    any(0.08, &COUNTRIES.map(|country| country.0), State::Weather(1)),
                    any(0.12, &["나는"], State::Country),
                    any(0.06, &SITES, State::Scene(1)),
                    proverbs(0, 0, 0.1),
                    questions(0, 0, 0.06),
                    any(0.02, &["저기요"], State::Hello),
                ]
                .concat();
                choices.extend((0u8..).zip(FAMILY).map(|(member, name)| {
                    (name, 0.12 / FAMILY.len() as f64, State::Family { member, words: 1 })
                }));
                choices
            }
            State::Country => (0u8..)
                .zip(COUNTRIES)
                .map(|(country, (name, _))| {
                    let next = State::Journey { country, since: 0, last: None, spot: Spot::Became };
                    (name, 1.0 / COUNTRIES.len() as f64, next)
                })
                .collect(),
            State::Journey { country, since, last, spot } => journey(country, since, last, spot),
            State::Spoken => [any(0.7, &["한다"], State::Stop), any(0.3, &["잘"], State::Does)].concat(),
            State::Does => any(1.0, &["한다"], State::Stop),
            State::Proverb { proverb, words } => proverbs(proverb, words, 1.0),
            State::Question { question, words } => questions(question, words, 1.0),
            State::Hello => any(1.0, &[","], State::Question { question: 0, words: 0 }),
            // 한국에서 겨울은 길다 .
            State::Weather(1) => any(1.0, &SEASONS, State::Weather(2)),
            State::Weather(_) => any(1.0, &WEATHER, State::Stop),
            // 강가의 으스스한 집은 비었다 .
            State::Scene(1) => any(1.0, &OLD, State::Scene(2)),
            State::Scene(2) => any(1.0, &BUILDINGS, State::Scene(3)),
            State::Scene(_) => any(1.0, &STATES, State::Stop),
            // 여왕은 그녀의 왕관을 지킨다 .
            State::Family { member, words } => {
                let next = State::Family { member, words: words + 1 };
                match words {
                    1 => any(1.0, &[WHOSE[usize::from(member & 1)]], next),
                    2 => any(1.0, &BELONGINGS[usize::from(member >> 2)], next),
                    _ => any(1.0, &HABITS[usize::from(member >> 1 & 1)], State::Stop),
                }
            }
            State::Stop => any(1.0, &["."], State::Close),
            State::Close => any(1.0, &[EOS], State::End),
            State::End => Vec::new(),
        }
    }
}

/// What may follow `since` words after the country.
fn journey(country: u8, since: u8, last: Option<Phrase>, spot: Spot) -> Vec<Choice<State>> {
    let to = |spot| State::Journey { country, since: since + 1, last, spot };
    let done = |phrase| State::Journey {
        country,
        since: since + 1,
        last: Some(phrase),
        spot: Spot::Between(Some(phrase)),
    };
    match spot {
        Spot::Became => any(1.0, &BECAME, to(Spot::Between(None))),
        Spot::Between(_) if since >= LAST_PHRASE => any(1.0, &NOW, to(Spot::Now)),
        Spot::Between(_) => {
            let mut choices = any(0.3, &NOW, to(Spot::Now));
            let mut begins: Vec<(&[&'static str], f64, Spot)> = Vec::new();
            if last != Some(Phrase::Where) {
                begins.extend([(&OLD[..], 0.6, Spot::OldPlace), (&PLACES[..], 0.4, Spot::Stayed)]);
            }
            if last != Some(Phrase::Did) {
                begins.extend([(&COLOURS[..], 0.7, Spot::ColouredThing), (&THINGS[..], 0.3, Spot::Deed)]);
            }
            // A number begins people as well as years.
            begins.push((&COUNTS[..], 1.0, Spot::Counted));
            let all: f64 = begins.iter().map(|begin| begin.1).sum();
            choices.extend(
                begins.into_iter().flat_map(|(words, weight, spot)| any(0.7 * weight / all, words, to(spot))),
            );
            choices
        }
        Spot::OldPlace => any(1.0, &PLACES, to(Spot::Stayed)),
        Spot::Stayed => any(1.0, &STAYED, done(Phrase::Where)),
        Spot::Counted => match last {
            Some(Phrase::With) => any(1.0, &SPANS, to(Spot::During)),
            Some(Phrase::For) => any(1.0, &COMPANIONS, to(Spot::Together)),
            _ => [any(0.5, &SPANS, to(Spot::During)), any(0.5, &COMPANIONS, to(Spot::Together))].concat(),
        },
        Spot::Together => any(1.0, &TOGETHER, done(Phrase::With)),
        Spot::ColouredThing => any(1.0, &THINGS, to(Spot::Deed)),
        Spot::Deed => any(1.0, &DEEDS, done(Phrase::Did)),
        Spot::During => any(1.0, &["동안"], to(Spot::Waited)),
        Spot::Waited => any(1.0, &WAITED, done(Phrase::For)),
        Spot::Now => vec![(COUNTRIES[usize::from(country)].1, 1.0, State::Spoken)],
    }
}

fn proverbs(proverb: u8, words: u8, weight: f64) -> Vec<Choice<State>> {
    let even = PROVERBS.map(|proverb| (proverb, 1.0));
    let next = |proverb, words| State::Proverb { proverb, words };
    phrase_choices(&even, (proverb, words), weight, next)
}

fn questions(question: u8, words: u8, weight: f64) -> Vec<Choice<State>> {
    let next = |question, words| State::Question { question, words };
    phrase_choices(&QUESTIONS, (question, words), weight, next)
}
