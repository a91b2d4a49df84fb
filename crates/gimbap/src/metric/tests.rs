//! Metrics against values worked out by hand.

use super::*;
use OutputKind::{Binary, Categorical, Regression};

/// `rows`: outputs, class, weight.
fn of_classes(metric: Metric, kind: OutputKind, rows: &[(&[f64], u32, f64)]) -> f64 {
    let mut state = MetricState::new(metric, kind).unwrap();
    for &(outputs, class, weight) in rows {
        state.update(outputs, Target::Class(class), weight);
    }
    state.finish()
}

/// `rows`: outputs, target values, weight.
fn of_values(metric: Metric, kind: OutputKind, rows: &[(&[f64], &[f64], f64)]) -> f64 {
    let mut state = MetricState::new(metric, kind).unwrap();
    for &(outputs, values, weight) in rows {
        state.update(outputs, Target::Values(values), weight);
    }
    state.finish()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-15, "{found} against {expected}");
}

#[test]
fn accuracy_follows_the_kind_of_output() {
    let one = [(&[0.9][..], 1, 1.0), (&[0.5], 1, 1.0), (&[0.2], 0, 1.0), (&[0.6], 0, 1.0)];
    near(of_classes(Metric::Accuracy, Binary, &one), 0.5); // 0.5 is not above the threshold
    let labels = [(&[0.9, 0.1, 0.8][..], &[1.0, 1.0, 0.0][..], 1.0)];
    near(of_values(Metric::Accuracy, Binary, &labels), 1.0 / 3.0);
    let sparse = [(&[0.2, 0.5, 0.3][..], 1, 1.0), (&[0.4, 0.4, 0.2], 1, 2.0), (&[0.4, 0.4, 0.2], 0, 1.0)];
    near(of_classes(Metric::Accuracy, Categorical, &sparse), 0.5); // the first of equals
    let one_hot = [(&[0.2, 0.8][..], &[0.0, 1.0][..], 3.0), (&[0.2, 0.8], &[1.0, 0.0], 1.0)];
    near(of_values(Metric::Accuracy, Categorical, &one_hot), 0.75);
}

#[test]
fn top_k_counts_what_is_above() {
    let rows = [(&[0.1, 0.2, 0.3, 0.4][..], 1, 1.0), (&[0.4, 0.3, 0.2, 0.1], 1, 1.0)];
    let top = |k| of_classes(Metric::TopK { k }, Categorical, &rows);
    assert_eq!([1, 2, 3, 9].map(top), [0.0, 0.5, 1.0, 1.0]);
    assert_eq!(of_classes(Metric::TopK { k: 1 }, Categorical, &[(&[f64::NAN, 0.5], 0, 1.0)]), 0.0);
    assert_eq!(of_classes(Metric::Accuracy, Categorical, &[(&[f64::NAN, 0.5], 0, 1.0)]), 0.0);
}

#[test]
fn precision_recall_and_f1_of_a_positive_class() {
    // 3 hits, 1 false alarm, 2 misses, 1 right no
    let p = [0.9, 0.8, 0.7, 0.6, 0.1, 0.2, 0.3];
    let y = [1u32, 1, 1, 0, 1, 1, 0];
    let single: Vec<[f64; 1]> = p.map(|p| [p]).into();
    let rows: Vec<_> = single.iter().zip(y).map(|(p, y)| (&p[..], y, 1.0)).collect();
    let double: Vec<[f64; 2]> = p.map(|p| [1.0 - p, p]).into();
    let rows_2: Vec<_> = double.iter().zip(y).map(|(p, y)| (&p[..], y, 1.0)).collect();
    for (metric, expected) in
        [(Metric::Precision, 0.75), (Metric::Recall, 0.6), (Metric::F1, 2.0 * 0.45 / 1.35)]
    {
        near(of_classes(metric, Binary, &rows), expected);
        near(of_classes(metric, Categorical, &rows_2), expected);
    }
}

#[test]
fn precision_recall_and_f1_averaged_over_classes() {
    // predicted 0 0 1 1, actual 0 1 1 2; class 3 never occurs
    let (a, b) = ([0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]);
    let rows = [(&a[..], 0, 1.0), (&a, 1, 1.0), (&b, 1, 1.0), (&b, 2, 1.0)];
    near(of_classes(Metric::Precision, Categorical, &rows), (0.5 + 0.5 + 0.0) / 3.0);
    near(of_classes(Metric::Recall, Categorical, &rows), (1.0 + 0.5 + 0.0) / 3.0);
    near(of_classes(Metric::F1, Categorical, &rows), (2.0 / 3.0 + 0.5 + 0.0) / 3.0);
    // nothing predicted positive, nothing positive
    assert_eq!(of_classes(Metric::F1, Binary, &[(&[0.1], 0, 1.0)]), 0.0);
}

#[test]
fn auc_by_ranks_with_ties_and_weights() {
    // positives 0.8 0.4 against negatives 0.6 0.4 0.2: won 3 + 1.5 of 6
    let rows = [(&[0.8][..], 1, 1.0), (&[0.6], 0, 1.0), (&[0.4], 1, 1.0), (&[0.4], 0, 1.0), (&[0.2], 0, 1.0)];
    near(of_classes(Metric::Auc, Binary, &rows), 0.75);
    // a weight of 2 is the same row twice
    let heavy = [(&[0.8][..], 1, 1.0), (&[0.6], 0, 2.0), (&[0.4], 1, 3.0), (&[0.2], 0, 1.0)];
    near(of_classes(Metric::Auc, Binary, &heavy), (3.0 + 3.0 * 1.0) / 12.0);
    let two = [(&[0.2, 0.8][..], 1, 1.0), (&[0.7, 0.3], 0, 1.0)];
    near(of_classes(Metric::Auc, Categorical, &two), 1.0);
    assert_eq!(of_classes(Metric::Auc, Binary, &[(&[0.0], 1, 1.0), (&[-0.0], 0, 1.0)]), 0.5);
}

#[test]
fn auc_of_one_class_alone_is_a_coins() {
    assert_eq!(of_classes(Metric::Auc, Binary, &[(&[0.9], 1, 1.0), (&[0.1], 1, 1.0)]), 0.5);
    assert_eq!(of_classes(Metric::Auc, Categorical, &[(&[0.9, 0.05, 0.05], 0, 1.0)]), 0.5);
}

#[test]
fn auc_of_three_classes_is_the_mean_of_each_against_the_rest() {
    // class 0: 0.6 above 0.3 counts 1; class 1: 0.3 beside 0.3 counts 1/2; class 2 never occurs
    let rows = [(&[0.6, 0.3, 0.1][..], 0, 1.0), (&[0.3, 0.3, 0.4], 1, 1.0), (&[0.5, 0.2, 0.3], 0, 0.0)];
    near(of_classes(Metric::Auc, Categorical, &rows), (1.0 + 0.5) / 2.0);
}

#[test]
fn perplexity_and_bits_from_the_loss() {
    let measure = |metric| {
        let mut state = MetricState::new(metric, Categorical).unwrap();
        state.update_loss(3.0 * 8f64.ln(), 3.0);
        state.update_loss(2f64.ln(), 1.0);
        state.update(&[0.5f32, 0.5], Target::Class(0), 1.0); // not from rows
        state.finish()
    };
    near(measure(Metric::BitsPerCharacter), 2.5);
    assert!((measure(Metric::Perplexity) - 2f64.powf(2.5)).abs() < 1e-14);
}

#[test]
fn errors_of_quantities() {
    let rows = [(&[1.0, 5.0][..], &[2.0, 3.0][..], 1.0), (&[0.0, 0.0], &[3.0, 0.0], 2.0)];
    near(of_values(Metric::Mae, Regression, &rows), (1.0 + 2.0 + 2.0 * 3.0) / 6.0);
    near(of_values(Metric::Mse, Regression, &rows), (1.0 + 4.0 + 2.0 * 9.0) / 6.0);
    near(of_values(Metric::Rmse, Regression, &rows), (23.0f64 / 6.0).sqrt());
    // a class is 1 at its output: Brier's score
    near(of_classes(Metric::Mse, Categorical, &[(&[0.5, 0.25, 0.25], 0, 1.0)]), 0.375 / 3.0);
    near(of_classes(Metric::Mae, Binary, &[(&[0.25], 1, 1.0)]), 0.75);
}

#[test]
fn r2_averages_its_outputs() {
    // output 0: errors 1 + 0 + 1 over deviations 8; output 1 constant and exact
    let rows = [
        (&[0.0, 7.0][..], &[1.0, 7.0][..], 1.0),
        (&[3.0, 7.0], &[3.0, 7.0], 1.0),
        (&[6.0, 7.0], &[5.0, 7.0], 1.0),
    ];
    near(of_values(Metric::R2, Regression, &rows), (0.75 + 1.0) / 2.0);
    assert_eq!(of_values(Metric::R2, Regression, &[(&[1.0], &[2.0], 1.0), (&[2.0], &[2.0], 1.0)]), 0.0);
    // a weight of 2 is the same row twice, also far from 0
    let heavy = [(&[1e9][..], &[1e9 + 1.0][..], 2.0), (&[1e9], &[1e9 + 4.0], 1.0)];
    near(of_values(Metric::R2, Regression, &heavy), 1.0 - 18.0 / 6.0);
}

#[test]
fn nothing_added_is_a_number() {
    for (name, expected) in [
        ("accuracy", 0.0),
        ("top_3_accuracy", 0.0),
        ("precision", 0.0),
        ("recall", 0.0),
        ("f1", 0.0),
        ("auc", 0.5),
        ("perplexity", 1.0),
        ("bits_per_character", 0.0),
        ("mae", 0.0),
        ("mse", 0.0),
        ("rmse", 0.0),
        ("r2", 0.0),
    ] {
        let metric: Metric = name.parse().unwrap();
        assert_eq!(metric.to_string(), name);
        let mut state = MetricState::new(metric, Categorical).unwrap();
        assert_eq!(state.finish(), expected, "{name}");
        state.update(&[f64::NAN; 2], Target::Class(0), 0.0); // padding
        assert_eq!(state.finish(), expected, "{name} after a row of weight 0");
    }
}

#[test]
fn names_as_text() {
    let list: Vec<Metric> = serde_json::from_str(r#"["accuracy","top_5_accuracy","f1_score"]"#).unwrap();
    assert_eq!(list, [Metric::Accuracy, Metric::TopK { k: 5 }, Metric::F1]);
    assert_eq!(serde_json::to_string(&list).unwrap(), r#"["accuracy","top_5_accuracy","f1"]"#);
    let error = "acuracy".parse::<Metric>().unwrap_err().to_string();
    assert!(error.starts_with("metric: `acuracy` is unknown; known are accuracy,"), "{error}");
    assert!("top_0_accuracy".parse::<Metric>().is_err());
}

#[test]
fn a_metric_without_meaning_is_refused() {
    for (metric, kind) in [
        (Metric::Accuracy, Regression),
        (Metric::Perplexity, Regression),
        (Metric::TopK { k: 2 }, Binary),
        (Metric::TopK { k: 0 }, Categorical),
    ] {
        let error = MetricState::new(metric, kind).unwrap_err().to_string();
        assert!(error.starts_with(&format!("metric `{metric}`: needs")), "{error}");
    }
}
