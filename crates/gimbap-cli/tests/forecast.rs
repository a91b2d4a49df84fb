//! Forecasts: what the columns of a table are, when its rows are, and the figures by column and step.

mod common;

use common::{Bench, json, jsonl};

/// Two small layers, so many updates.
fn train<'a>(data: &'a str, run: &'a str, steps: &'a str, sets: &[&'a str]) -> Vec<&'a str> {
    let mut args =
        vec!["train", "--threads", "1", "-q", "--force", "--task", "forecast", "--data", data, "-o", run];
    for set in [&["layer.0.units=8", "layer.1.units=8", steps], sets].concat() {
        args.extend(["--set", set]);
    }
    args
}

/// So many days from 1 January 2024, numbered.
fn days(n: usize) -> impl DoubleEndedIterator<Item = (String, usize)> + Clone {
    let months = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let all: Vec<String> = months
        .iter()
        .enumerate()
        .flat_map(|(m, &days)| (1..=days).map(move |day| format!("2024-{:02}-{day:02}", m + 1)))
        .collect();
    (0..n).map(move |i| (all[i].clone(), i))
}

#[test]
fn newest_first_is_learned_in_the_order_of_time() {
    let bench = Bench::new();
    let row = |(day, i): (String, usize)| format!("{day},{i}\n");
    bench.write("up.csv", format!("date,v\n{}", days(200).map(row).collect::<String>()));
    bench.write("down.csv", format!("date,v\n{}", days(200).rev().map(row).collect::<String>()));
    let of = |file: &str| {
        let data = format!("{file}.csv");
        bench.ok(&train(&data, file, "train.steps=40", &[]));
        bench.ok(&["predict", file, &data, "--json"]).stdout
    };
    let (up, down) = (of("up"), of("down"));
    assert_eq!(up, down);
    let next = jsonl(&up).remove(0);
    assert_eq!((&next["step"], &next["time"]), (&1.into(), &"2024-07-19".into()));
    let told = bench.ok(&["predict", "down", "down.csv"]).stderr;
    assert!(told.contains("newest first") && told.contains("a step is 1 day"), "{told}");
}

#[test]
fn series_of_one_file_do_not_run_into_each_other() {
    let bench = Bench::new();
    // Two shops whose sales never meet: a window over both would be asked for a jump of a thousand.
    let of = |shop: &str, level: usize| {
        days(60).map(|(day, i)| format!("{day},{shop},{}\n", level + i % 7)).collect::<String>()
    };
    bench.write("shops.csv", format!("date,shop,sales\n{}{}", of("north", 0), of("south", 1000)));
    let refused = bench.run(&train("shops.csv", "r", "train.steps=1", &[]));
    assert!(refused.code == Some(1) && refused.stderr.contains("data.id"), "{}", refused.stderr);
    let sets = ["data.id=shop", "data.window=7", "data.season=7"];
    bench.ok(&train("shops.csv", "r", "train.steps=20", &sets));
    let figures = json(&bench.ok(&["eval", "r", "shops.csv", "--json"]).stdout);
    // 60 - 7 windows of each, in each of which the season before is right.
    assert_eq!((&figures["windows"], &figures["seasonal_naive"]["mae"]), (&106.into(), &0.0.into()));
    let next = jsonl(&bench.ok(&["predict", "r", "shops.csv", "--json"]).stdout);
    let named: Vec<_> =
        next.iter().map(|row| (row["id"].as_str().unwrap(), row["time"].as_str().unwrap())).collect();
    assert_eq!(named, [("north", "2024-03-01"), ("south", "2024-03-01")]);
    let back = jsonl(&bench.ok(&["predict", "r", "shops.csv", "--every", "20", "--json"]).stdout);
    assert_eq!(back.len(), 6);
    assert_eq!((&back[1]["after"], &back[1]["time"]), (&"2024-01-27".into(), &"2024-01-28".into()));
    assert_eq!(back[4]["came"]["sales"], 1006.0);
    bench.ok(&["predict", "r", "shops.csv", "--every", "20", "--plot", "p.svg"]);
    let picture = std::fs::read_to_string(bench.path("p.svg")).unwrap();
    assert!(picture.contains("north: sales") && picture.contains("south: sales"), "{picture}");
    // Three forecasts and what came, of each.
    assert_eq!(picture.matches("class=\"other\"").count(), 2 * (3 + 1), "{picture}");
}

#[test]
fn what_is_known_ahead_is_read_and_asked_for() {
    let bench = Bench::new();
    // Tomorrow is what the plan says, and nothing before tells of it.
    let mut state = 1u32;
    let mut draw = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let rows: Vec<(String, f64)> = days(300).map(|(day, _)| (day, draw())).collect();
    let lines: String = rows.iter().map(|(day, plan)| format!("{day},{},{plan}\n", 10.0 * plan)).collect();
    bench.write("plan.csv", format!("date,load,plan\n{lines}"));
    let sets = ["data.known=plan", "data.value=load", "data.horizon=2", "data.window=4", "data.change=false"];
    bench.ok(&train("plan.csv", "r", "train.steps=400", &sets));
    let figures = json(&bench.ok(&["eval", "r", "plan.csv", "--json"]).stdout);
    assert!(figures["r2"].as_f64().unwrap() > 0.9, "{figures}");
    assert_eq!(figures["mase_by_step"].as_array().unwrap().len(), 2);
    let refused = bench.run(&["predict", "r", "plan.csv"]);
    assert!(
        refused.stderr.contains("put rows behind the last one with `plan` filled in"),
        "{}",
        refused.stderr
    );
    bench.write("next.csv", format!("date,load,plan\n{lines}2024-10-27,,0.9\n2024-10-28,,0.1\n"));
    let next = jsonl(&bench.ok(&["predict", "r", "next.csv", "--json"]).stdout);
    let load = |at: usize| next[at]["values"]["load"].as_f64().unwrap();
    assert!(load(0) > 6.0 && load(1) < 4.0, "{next:?}");
    // The calendar is known without a row.
    let sets = ["data.calendar=[\"weekday\"]", "data.value=load", "data.past=plan"];
    bench.ok(&train("plan.csv", "c", "train.steps=2", &sets));
    let next = jsonl(&bench.ok(&["predict", "c", "plan.csv", "--json"]).stdout);
    assert_eq!(next[0]["time"], "2024-10-27");
}

#[test]
fn errors_of_columns_in_different_units_are_not_put_together() {
    let bench = Bench::new();
    let rows: String = days(120).map(|(day, i)| format!("{day},{},{}\n", i % 5, 1000 * (i % 3))).collect();
    bench.write("two.csv", format!("date,kelvins,vehicles\n{rows}"));
    bench.ok(&train("two.csv", "r", "train.steps=5", &["data.window=15", "data.season=15"]));
    let figures = json(&bench.ok(&["eval", "r", "two.csv", "--json"]).stdout);
    assert!(
        figures["mae"].is_null() && figures["mase"].is_number() && figures["r2"].is_number(),
        "{figures}"
    );
    // From 4 to 0, or one further: (4 + 4 * 1) / 5 on average; 1000, 1000 and 2000.
    let last = |column: &str| figures["columns"][column]["last_value"]["mae"].as_f64().unwrap();
    assert!(
        (last("kelvins") - 1.6).abs() < 0.02 && (last("vehicles") - 4000.0 / 3.0).abs() < 20.0,
        "{figures}"
    );
    assert_eq!(figures["columns"]["vehicles"]["seasonal_naive"]["mae"], 0.0);
    let text = bench.ok(&["eval", "r", "two.csv"]).stdout;
    assert!(text.contains("all columns: MASE, mean R2"), "{text}");
}

#[test]
fn a_file_of_one_column_is_forecast() {
    let bench = Bench::new();
    let rows: String = (0..120).map(|i| format!("{}\n", i % 6)).collect();
    bench.write("one.csv", format!("v\n{rows}"));
    bench.ok(&train("one.csv", "r", "train.steps=2", &["data.window=6"]));
    let next = bench.ok(&["predict", "r", "one.csv"]);
    assert!(next.stdout.starts_with("step\tv\n1\t"), "{}", next.stdout);
    let refused = bench.run(&["predict", "r", "one.csv", "--every", "0"]);
    assert_eq!(refused.code, Some(2));
}

#[test]
fn a_table_without_a_header_is_forecast_by_the_numbers_of_its_columns() {
    let bench = Bench::new();
    let rows: String = (0..120).map(|i| format!("{},{}\n", i % 12, 100 - i % 7)).collect();
    bench.write("n.csv", rows);
    let train = [
        "train",
        "--task",
        "forecast",
        "--data",
        "n.csv",
        "-o",
        "r",
        "--epochs",
        "1",
        "--set",
        "layer.0.units=4",
    ];
    let refused = bench.run(&train);
    assert!(refused.code == Some(1) && refused.stderr.contains("data.header = false"), "{}", refused.stderr);
    bench.ok(&[
        &train[..],
        &["--set", "data.header=false", "--set", "data.time=none", "--set", "data.value=2"],
    ]
    .concat());
    let answer = json(&bench.ok(&["predict", "r", "n.csv", "--json", "-q"]).stdout);
    assert!(answer["values"]["2"].is_f64(), "{answer}");
}

/// Shops of which one is large and one is young.
fn shops(bench: &Bench) {
    let of = |shop: &str, n: usize, size: f64| {
        let sales = |i: usize| size * (1.0 + (i % 7) as f64);
        days(n).map(|(day, i)| format!("{day},{shop},{}\n", sales(i))).collect::<String>()
    };
    let rows = of("small", 80, 1.0) + &of("young", 5, 1.0) + &of("large", 80, 1e6);
    bench.write("shops.csv", format!("date,shop,sales\n{rows}"));
    let sets = ["data.id=shop", "data.window=7", "data.season=7"];
    bench.ok(&train("shops.csv", "r", "train.steps=20", &sets));
}

#[test]
fn errors_of_several_series_are_each_divided_by_its_own() {
    let bench = Bench::new();
    shops(&bench);
    let figures = json(&bench.ok(&["eval", "r", "shops.csv", "--json"]).stdout);
    let of = |shop: &str, key: &str| figures["series"][shop]["mase"][key].as_f64().unwrap();
    let mean = |key: &str| (of("small", key) + of("large", key)) / 2.0;
    assert!((figures["mase"].as_f64().unwrap() - mean("model")).abs() < 1e-9, "{figures}");
    assert_eq!(figures["series"].as_object().unwrap().len(), 2, "{figures}");
    // Both repeat their weeks, one of them in millions: the errors of the last value are the same to both.
    assert!((of("small", "last_value") - of("large", "last_value")).abs() < 1e-9, "{figures}");
    assert!(of("small", "last_value") > 0.5 && of("small", "seasonal_naive").abs() < 1e-9, "{figures}");
}

#[test]
fn a_series_that_is_too_short_does_not_stop_the_others() {
    let bench = Bench::new();
    shops(&bench);
    let run = bench.ok(&["predict", "r", "shops.csv", "--json"]);
    let ids: Vec<String> = jsonl(&run.stdout).iter().map(|row| row["id"].as_str().unwrap().into()).collect();
    assert_eq!(ids, ["small", "large"]);
    let words = "1 of 3 series have fewer than 7 rows, which the model sees before it forecasts: they are passed over (first \
                 `young`, 5 rows)";
    let told = bench.ok(&["predict", "r", "shops.csv"]).stderr;
    assert!(told.contains(words), "{told}");
    let told = bench.ok(&["eval", "r", "shops.csv"]).stdout;
    assert!(told.contains("(first `young`, 5 rows)"), "{told}");
    bench.write("young.csv", "date,shop,sales\n2024-01-01,young,3\n");
    let run = bench.run(&["predict", "r", "young.csv"]);
    assert!(run.code == Some(1) && run.stderr.contains("series `young`: has 1 rows"), "{}", run.stderr);
}

#[test]
fn a_series_may_come_from_standard_input() {
    let bench = Bench::new();
    let rows = |n| days(n).map(|(day, i)| format!("{day},{}\n", i % 7)).collect::<String>();
    bench.write("s.csv", format!("date,v\n{}", rows(120)));
    bench.ok(&train("s.csv", "r", "train.steps=2", &["data.window=7"]));
    let text = std::fs::read_to_string(bench.path("s.csv")).unwrap();
    for verb in ["predict", "eval"] {
        let piped = bench.run_with(&[verb, "r", "-", "--json", "-q"], &text);
        assert_eq!(piped.stdout, bench.ok(&[verb, "r", "s.csv", "--json", "-q"]).stdout, "{}", piped.stderr);
    }
    // What training would have to be told is not offered as an option of predict.
    bench.write("gap.csv", text.replace("2024-04-28,6\n", "2024-04-28,\n"));
    let run = bench.run(&["predict", "r", "gap.csv"]);
    assert!(run.stderr.contains("the model's own: mend the file, or train anew"), "{}", run.stderr);
    // A week of a file is no season to repeat before its first windows.
    bench.ok(&train("s.csv", "q", "train.steps=2", &["data.window=7", "data.season=100", "data.valid=0"]));
    bench.write("short.csv", format!("date,v\n{}", rows(30)));
    let told = bench.ok(&["eval", "q", "short.csv"]).stdout;
    assert!(told.contains("seasonal naive (100): left out"), "{told}");
}

#[test]
fn what_is_held_out_and_the_season_are_told() {
    let bench = Bench::new();
    let rows = days(100).map(|(day, i)| format!("{day},{}\n", i % 7)).collect::<String>();
    bench.write("s.csv", format!("date,v\n{rows}"));
    let args = train("s.csv", "r", "train.steps=2", &[]);
    let told = bench.ok(&args.into_iter().filter(|arg| *arg != "-q").collect::<Vec<_>>()).stderr;
    assert!(told.contains("the last 34 % of the rows of each series (data.valid)"), "{told}");
    assert!(told.contains("season: 7 rows"), "{told}");
}
