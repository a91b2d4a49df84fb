//! The report: one HTML page that refers to nothing outside itself.

use minijinja::{AutoEscape, Environment, Value, context};

use super::figures::{Figure, Lang, View, digits};
use crate::canvas::STYLE;
use crate::output::{Failure, Outcome};

const TEMPLATE: &str = include_str!("report.html");

/// The page of these figures.
pub fn page(view: &View<'_>, model: &str, figures: &[Figure]) -> Outcome<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let failed = |error: minijinja::Error| Failure::work("internal", error.to_string());
    environment.add_template("report", TEMPLATE).map_err(failed)?;
    let lang = view.lang;
    let subject = view.subject;
    let layers = view.found.layers.iter().map(|layer| format!("{} ({})", layer.name, layer.h.ncols()));
    let facts = [
        (lang.say("model", "모델"), model.to_string()),
        (lang.say("recurrent layers (units)", "순환층(유닛 수)"), layers.collect::<Vec<_>>().join(", ")),
        (lang.say("steps", "단계"), subject.steps.len().to_string()),
        (
            lang.say("loss", "손실"),
            match subject.wanted {
                Some(_) => format!("{} nats", digits(view.found.loss)),
                None => digits(view.found.loss),
            },
        ),
    ];
    let unknown = (subject.unknown > 0).then(|| match lang {
        Lang::En => format!(
            "{} of the tokens are not in the model's vocabulary: it reads them as <unk>.",
            subject.unknown
        ),
        Lang::Ko => format!("토큰 {}개는 모델의 어휘에 없어 <unk>로 읽힙니다.", subject.unknown),
    });
    let drawn = figures.iter().map(|figure| {
        context! {
            number => figure.number,
            title => figure.title,
            caption => figure.caption,
            svg => Value::from_safe_string(figure.svg.clone()),
        }
    });
    let rows = view.found.losses.iter().zip(&subject.targets).enumerate().map(|(t, (loss, target))| {
        context! { step => t + 1, target => target, loss => digits(*loss), probability => digits((-loss).exp()) }
    });
    let page = context! {
        lang => lang.say("en", "ko"),
        title => lang.say("Under the microscope", "현미경 아래의 순환 신경망"),
        sentence => subject.steps.join(" · "),
        facts => facts.iter().map(|(name, value)| context! { name => name, value => value }).collect::<Vec<_>>(),
        unknown => unknown,
        figures => drawn.collect::<Vec<_>>(),
        rows => rows.collect::<Vec<_>>(),
        distribution => subject.wanted.is_some(),
        head => lang.say(["step", "target", "loss", "probability"], ["단계", "목표", "손실", "확률"]),
        numbers => lang.say("The losses in numbers", "손실의 수치"),
        contents => lang.say("Figures", "그림"),
        figure => lang.say("Figure", "그림"),
        scroll => lang.say("can be scrolled sideways", "옆으로 밀어 볼 수 있습니다"),
        style => Value::from_safe_string(STYLE.to_string()),
    };
    environment.get_template("report").and_then(|template| template.render(page)).map_err(failed)
}
