//! Values that no run can have: found before any data is read, and named by their key.

use gimbap::bptt::Bptt;
use gimbap::data::time::Frequency;
use gimbap::layer::{KINDS, LayerConfig, LayerSpec};

use super::read::nearest;
use super::{Auto, BINARY, Config, Held, TaskKind};

/// The first key with an impossible value, and what would be right.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    let bad = |key: &str, message: &str| Err((key.to_string(), message.to_string()));
    let (data, train) = (&config.data, &config.train);

    foreign(config)?;
    for (key, value) in [
        ("data.vocab", config.limit()),
        ("data.min_count", data.min_count.and_then(Auto::given)),
        ("data.window", data.window),
        ("data.horizon", data.horizon),
        ("data.season", data.season),
        ("train.steps", train.steps),
        ("train.batch", train.batch),
    ] {
        if value == Some(0) {
            return bad(key, "is 0, but must be at least 1");
        }
    }
    match train.bptt.map(|back| back.0) {
        Some(Bptt::Truncated { k1, k2 }) if k1 == 0 || k2 == 0 => {
            return bad("train.bptt", "has 0 time steps, but must have at least 1");
        }
        Some(Bptt::Truncated { k1, k2 }) if k2 < k1 => {
            return Err((
                "train.bptt".into(),
                format!(
                    "is [{k1}, {k2}], but the second number, how far a gradient flows back, cannot be below the first"
                ),
            ));
        }
        Some(Bptt::Truncated { k1, k2 }) if k2 > k1 && train.jitter => {
            return Err((
                "train.bptt".into(),
                format!(
                    "is [{k1}, {k2}], but segments that vary in length (train.jitter) take no steps before them: \
                     give one number"
                ),
            ));
        }
        Some(Bptt::Full | Bptt::Checkpointed) if config.task.kind == TaskKind::Lm && !config.is_builtin() => {
            return bad(
                "train.bptt",
                "must be a number of steps for a language model, whose text is one long sequence",
            );
        }
        _ => {}
    }
    for (key, held) in [("data.valid", &data.valid), ("data.test", &data.test)] {
        if let Some(Held::Fraction(x)) = held
            && !(*x > 0.0 && *x < 1.0)
        {
            return Err((
                key.into(),
                format!("is {x}, but a fraction must lie between 0 and 1 (0: nothing is held out)"),
            ));
        }
    }
    for (key, value) in [("train.clip_norm", train.clip_norm), ("train.clip_value", train.clip_value)] {
        if let Some(x) = value
            && !(x > 0.0 && x.is_finite())
        {
            return Err((key.into(), format!("is {x}, but must be above 0")));
        }
    }
    if let Some((class, weight)) = train.class_weights.as_ref().and_then(|weights| weights.wrong()) {
        return Err((format!("train.class_weights.{class}"), format!("is {weight}, but must be above 0")));
    }
    if train.calibrate == Some(true) && data.valid.is_none() {
        return bad("train.calibrate", "is true, but nothing is held out to calibrate on: give data.valid");
    }
    let schedule = train.schedule().check();
    let losses: &[&str] = match config.task.kind {
        TaskKind::Classify if data.separator.is_some() => &[BINARY],
        TaskKind::Classify => &["sparse_categorical_crossentropy", BINARY],
        TaskKind::Regress => &["mse", "mae", "huber"],
        TaskKind::Lm | TaskKind::Tag => &["sparse_categorical_crossentropy"],
        TaskKind::Forecast => &["mse", "mae", "huber"],
    };
    if let Some(loss) = train.loss.as_deref().filter(|loss| !losses.contains(loss)) {
        return Err(("train.loss".into(), format!("is `{loss}`, but this task has {}", losses.join(", "))));
    }
    match train.optimizer.check().and(schedule) {
        Err(gimbap::Error::Config { place, message }) => return Err((format!("train.{place}"), message)),
        Err(other) => return bad("train.optimizer", &other.to_string()),
        Ok(()) => {}
    }
    if !config.is_builtin() {
        match config.vocabulary().check() {
            Err(gimbap::Error::Config { place, message }) => return Err((place, message)),
            Err(other) => return bad("data", &other.to_string()),
            Ok(()) => {}
        }
    }
    if data.separator.as_deref() == Some("") {
        return bad("data.separator", "is empty, but must stand between two labels: such as \";\" or \" \"");
    }
    if data.wide == Some(true) && data.value.is_some() {
        return bad("data.value", "is for a row per step, but data.wide says that a row is a whole sequence");
    }
    for (key, names) in [("data.value", &data.value), ("data.past", &data.past), ("data.known", &data.known)]
    {
        if names.as_ref().is_some_and(|names| names.0.is_empty()) {
            return bad(key, "is an empty list, but must name at least one column");
        }
    }
    match data.frequency.as_deref().map(Frequency::parse) {
        Some(Err(gimbap::Error::Config { place, message })) => return Err((place, message)),
        Some(Err(other)) => return bad("data.frequency", &other.to_string()),
        Some(Ok(_)) | None => {}
    }
    for (i, layer) in config.layer.iter().enumerate() {
        check_layer(layer, &format!("layer.{i}"))?;
    }
    Ok(())
}

/// The keys of labelled examples; the last one is for classes alone.
const EXAMPLES: [&str; 21] = [
    "path",
    "target",
    "valid",
    "test",
    "unit",
    "vocab",
    "tokenizer",
    "min_count",
    "lowercase",
    "words",
    "normal_form",
    "vectors",
    "text",
    "label",
    "id",
    "time",
    "value",
    "scaler",
    "header",
    "wide",
    "separator",
];

/// The keys of `[data]` that a task reads; a key of another task would be passed over in silence.
fn known(config: &Config) -> (&'static str, &'static [&'static str]) {
    match config.task.kind {
        _ if config.is_builtin() => ("the built-in corpus", &["path", "unit", "vocab"]),
        TaskKind::Lm => (
            "a language model",
            &[
                "path",
                "valid",
                "test",
                "unit",
                "vocab",
                "tokenizer",
                "min_count",
                "lowercase",
                "words",
                "normal_form",
                "lines",
                "vectors",
            ],
        ),
        TaskKind::Classify => ("a classifier", &EXAMPLES),
        TaskKind::Regress => ("a regression", &EXAMPLES[..EXAMPLES.len() - 1]),
        TaskKind::Tag => (
            "a tagger",
            &[
                "path",
                "valid",
                "test",
                "vocab",
                "min_count",
                "lowercase",
                "normal_form",
                "vectors",
                "text",
                "label",
            ],
        ),
        TaskKind::Forecast => (
            "a forecast",
            &[
                "path",
                "valid",
                "test",
                "time",
                "id",
                "value",
                "past",
                "known",
                "calendar",
                "frequency",
                "fill",
                "doubles",
                "header",
                "window",
                "horizon",
                "season",
                "scaler",
                "change",
            ],
        ),
    }
}

/// Refuses a key that the task has no use for.
fn foreign(config: &Config) -> Result<(), (String, String)> {
    if config.is_builtin() && config.task.kind != TaskKind::Lm {
        return Err(("data.path".into(), "is the built-in corpus, which is for `task.kind = \"lm\"`".into()));
    }
    let (task, known) = known(config);
    let given = serde_json::to_value(&config.data).unwrap_or_default();
    let given = given.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    if let Some((key, _)) = given.into_iter().find(|(key, _)| !known.contains(&key.as_str())) {
        let message = format!("is no key of {task}, which has {}", known.join(", "));
        return Err((format!("data.{key}"), message));
    }
    if config.train.jitter && (config.task.kind != TaskKind::Lm || config.is_builtin()) {
        let message =
            "is for language models of a text, which is cut into segments; this one's are sequences";
        return Err(("train.jitter".into(), message.into()));
    }
    if config.train.loss_reduction.is_some() && config.task.kind != TaskKind::Lm {
        return Err(("train.loss_reduction".into(), "is for language models alone".into()));
    }
    let several = config.data.separator.is_some();
    let numbers = [TaskKind::Forecast, TaskKind::Regress].contains(&config.task.kind);
    if config.train.output_bias.is_some() && (numbers || several || config.is_builtin()) {
        let message = "is for tasks that count tokens or labels, not for this one";
        return Err(("train.output_bias".into(), message.into()));
    }
    if config.task.kind != TaskKind::Classify || several {
        let given = [
            ("train.class_weights", config.train.class_weights.is_some()),
            ("train.calibrate", config.train.calibrate.is_some()),
        ];
        if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
            let whose = if several { "classifiers that give one label" } else { "classifiers alone" };
            return Err((key.into(), format!("is for {whose}")));
        }
    }
    Ok(())
}

fn check_layer(layer: &LayerConfig, at: &str) -> Result<(), (String, String)> {
    if !KINDS.contains(&layer.kind.as_str()) {
        let near =
            nearest(&layer.kind, &KINDS).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("is `{}`, which is no layer{near} (known: {})", layer.kind, KINDS.join(", "));
        return Err((format!("{at}.type"), message));
    }
    for (key, value) in [("stateful", layer.stateful), ("return_state", layer.return_state)] {
        if value.is_some() {
            let message = "belongs to the library: here the task decides what becomes of a layer's state";
            return Err((format!("{at}.{key}"), message.into()));
        }
    }
    for (key, value) in [("l2", layer.l2), ("alpha", layer.alpha), ("beta", layer.beta)] {
        if let Some(x) = value
            && !(x >= 0.0 && x.is_finite())
        {
            return Err((format!("{at}.{key}"), format!("is {x}, but must be at least 0")));
        }
    }
    for (key, value) in [("units", layer.units), ("steps", layer.steps)] {
        if value == Some(0) {
            return Err((format!("{at}.{key}"), "is 0, but must be at least 1".into()));
        }
    }
    for (key, value) in [
        ("dropout", layer.dropout),
        ("recurrent_dropout", layer.recurrent_dropout),
        ("weight_drop", layer.weight_drop),
        ("zoneout", layer.zoneout),
        ("zoneout_cell", layer.zoneout_cell),
        ("rate", layer.rate),
    ] {
        if let Some(x) = value
            && !(0.0..1.0).contains(&x)
        {
            return Err((format!("{at}.{key}"), format!("is {x}, but must be at least 0 and below 1")));
        }
    }
    if let Some(inner) = &layer.layer {
        check_layer(inner, &format!("{at}.layer"))?;
    }
    match LayerSpec::try_from(layer.clone()) {
        Ok(_) => Ok(()),
        Err(gimbap::Error::Config { message, .. }) => {
            Err((at.into(), format!("(`{}`) {message}", layer.kind)))
        }
        Err(other) => Err((at.into(), other.to_string())),
    }
}
