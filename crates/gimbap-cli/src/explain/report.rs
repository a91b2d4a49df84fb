//! The report: one HTML page that refers to nothing outside itself.

use minijinja::{AutoEscape, Environment, Value, context};

use super::figures::{Figure, View, digits};
use super::told;
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
        (lang.say("steps", "시점 수"), told::length(subject, lang)),
        (lang.say("loss", "손실"), told::loss(subject, view.found.loss, lang)),
    ];
    let drawn = figures.iter().map(|figure| {
        context! {
            number => figure.number,
            title => figure.title,
            caption => figure.caption,
            svg => Value::from_safe_string(figure.svg.clone()),
        }
    });
    // A loss of the whole sequence stands at its last step.
    let last = view.steps() - 1;
    let rows = view.found.losses.iter().zip(&subject.targets).enumerate().map(|(t, (loss, target))| {
        let t = if view.per_step() { t } else { last };
        context! {
            step => view.number(t),
            read => subject.steps[t],
            target => target,
            loss => digits(*loss),
            probability => digits((-loss).exp()),
        }
    });
    let page = context! {
        lang => lang.say("en", "ko"),
        title => lang.say("Under the microscope", "순환 신경망 들여다보기"),
        sentence => subject.steps.join(" · "),
        facts => facts.iter().map(|(name, value)| context! { name => name, value => value }).collect::<Vec<_>>(),
        mark => told::mark(subject, lang),
        unknown => told::strangers(subject, lang),
        figures => drawn.collect::<Vec<_>>(),
        rows => rows.collect::<Vec<_>>(),
        distribution => subject.wanted.is_some(),
        head => lang.say(["step", "reads", "target", "loss", "probability"], ["시점", "입력", "정답", "손실", "확률"]),
        numbers => lang.say("The losses in numbers", "시점별 손실"),
        contents => lang.say("Figures", "그림"),
        figure => lang.say("Figure", "그림"),
        scroll => lang.say("can be scrolled sideways", "좌우로 스크롤할 수 있습니다"),
        style => Value::from_safe_string(STYLE.to_string()),
    };
    environment.get_template("report").and_then(|template| template.render(page)).map_err(failed)
}
