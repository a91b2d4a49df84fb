//! What is said of a sequence beside its figures: on the terminal, and above them in the report.

use gimbap::data::text::Unit;

use super::figures::{Lang, digits};
use super::subject::{Kind, Subject};
use crate::output::thousands;
use crate::task::short;

/// Unknown words that are named on one line.
const NAMED: usize = 20;

/// What the steps are together.
pub fn whole(subject: &Subject) -> &'static str {
    if subject.unit.is_some() { "sentence" } else { "sequence" }
}

/// So many tokens, in words.
pub fn counted(subject: &Subject, n: usize, lang: Lang) -> String {
    let (one, more, korean) = match subject.unit {
        Some(Unit::Word) => ("word", "words", "단어"),
        Some(Unit::Char) => ("character", "characters", "글자"),
        Some(Unit::Byte) => ("byte", "bytes", "바이트"),
        Some(Unit::Jamo) => ("jamo", "jamo", "자모"),
        Some(_) => ("token", "tokens", "토큰"),
        None => {
            return lang.say(format!("{n} {}", if n == 1 { "step" } else { "steps" }), format!("시점 {n}개"));
        }
    };
    lang.say(
        format!("{} {}", thousands(n), if n == 1 { one } else { more }),
        format!("{korean} {}개", thousands(n)),
    )
}

/// Which words the model does not know, on a line; None if it knows all.
pub fn unknown(subject: &Subject, lang: Lang) -> Option<String> {
    let words = subject.strangers();
    let more = words.len().saturating_sub(NAMED);
    let listed = words.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match (more, lang) {
        (0, _) => String::new(),
        (n, Lang::En) => format!(" and {n} more"),
        (n, Lang::Ko) => format!(" 외 {n}개"),
    };
    let start =
        lang.say("not in the model's vocabulary, read as <unk>", "모델의 어휘에 없어 <unk>로 바꿔 읽습니다");
    (!words.is_empty()).then(|| format!("{start}: {listed}{more}"))
}

/// How long it is and what it costs, on a line.
pub fn facts(subject: &Subject, loss: f64, lang: Lang) -> String {
    let (length, cost) = (length(subject, lang), short(loss));
    let nats = if subject.wanted.is_some() { lang.say(" nats", " nat") } else { "" };
    let perplexity = match subject.kind {
        Kind::Next => {
            let perplexity = short((loss / subject.targets.len() as f64).exp());
            lang.say(format!(", perplexity {perplexity}"), format!(", 퍼플렉서티 {perplexity}"))
        }
        _ => String::new(),
    };
    lang.say(
        format!("{length}, loss {cost}{nats}{perplexity}"),
        format!("{length}, 손실 {cost}{nats}{perplexity}"),
    )
}

/// How many steps there are, and how they are counted.
pub fn length(subject: &Subject, lang: Lang) -> String {
    let own = subject.steps.len() - usize::from(subject.kind == Kind::Next);
    let counted = counted(subject, own, lang);
    match (subject.kind, lang) {
        (Kind::Next, Lang::En) => format!("{counted} after {}", subject.steps[0]),
        (Kind::Next, Lang::Ko) => format!("{} 다음에 {counted}", subject.steps[0]),
        _ => counted,
    }
}

/// Where the figures are.
pub fn figures(n: usize, places: &[String], lang: Lang) -> String {
    lang.say(format!("{n} figures in {}", places.join(" and ")), format!("그림 {n}개: {}", places.join(", ")))
}

/// What the mark in front of a sentence is, in the report.
pub fn mark(subject: &Subject, lang: Lang) -> Option<String> {
    let mark = (subject.kind == Kind::Next).then(|| &subject.steps[0])?;
    Some(match lang {
        Lang::En => format!(
            "{mark} is the mark at the end of a sentence. The network reads it first, as step 0: the sentence before has ended. \
             Behind the last word it is asked for it again: this sentence ends. What stands between is counted from 1."
        ),
        Lang::Ko => format!(
            "{mark} 표시는 문장의 끝을 뜻합니다. 신경망은 앞 문장이 끝났다는 뜻으로 이 표시를 0번째 시점에 먼저 읽고, 마지막에는 문장이 \
             끝날 차례라는 뜻으로 이 표시를 다시 예측합니다. 문장 자체의 시점 번호는 1부터 시작합니다."
        ),
    })
}

/// The unknown words, in the report.
pub fn strangers(subject: &Subject, lang: Lang) -> Option<String> {
    let words = subject.strangers();
    if words.is_empty() {
        return None;
    }
    let own = subject.steps.len() - usize::from(subject.kind == Kind::Next);
    let (k, listed) = (subject.unknown.len(), words.join(", "));
    Some(match lang {
        Lang::En => {
            let (are, them, they) = if k == 1 { ("is", "it", "It is") } else { ("are", "them", "They are") };
            format!(
                "{k} of {} {are} not in the model's vocabulary ({listed}): it reads {them} as <unk>. {they} marked * in the \
                 figures, which cannot tell unknown words apart.",
                counted(subject, own, lang)
            )
        }
        Lang::Ko => format!(
            "토큰 {own}개 중 {k}개({listed})는 모델의 어휘에 없어 <unk>로 바꿔 읽었습니다. 아래 그림에는 * 표시를 붙였으며, 이 토큰들은 \
             서로 구별되지 않습니다."
        ),
    })
}

/// The loss among the facts of the report.
pub fn loss(subject: &Subject, loss: f64, lang: Lang) -> String {
    match subject.wanted {
        Some(_) => format!("{} {}", digits(loss), lang.say("nats", "nat")),
        None => digits(loss),
    }
}
