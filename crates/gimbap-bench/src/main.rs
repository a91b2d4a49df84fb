//! `gimbap-worker`: Gimbap's side of `bench/run.py`. Requests come as lines of JSON on standard input, each is answered
//! by one line on standard output; `bench/README.md` has the protocol.
//!
//! `gimbap-worker --threads N`

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use gimbap::prelude::Model;
use gimbap_bench::data::{read_values, write_arrays};
use gimbap_bench::layer::Layer;
use gimbap_bench::long::{Long, Schedule};
use gimbap_bench::machine::Machine;
use gimbap_bench::recipe::Recipe;
use gimbap_bench::stream::Streamed;
use gimbap_bench::timing::{Budget, repeat};
use gimbap_bench::workload::{Kind, Shape, Workload};
use serde::Deserialize;
use serde_json::{Value, json};

type Answer<T = Value> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Request {
    /// Who answers.
    Hello,
    /// Everything there is to measure.
    List,
    /// What the machine reaches.
    Machine { seconds: f64 },
    /// Builds a workload, and writes its data for the others.
    Prepare { work: Work, data: PathBuf, write: bool },
    /// Computes it once and writes the results.
    Check { out: PathBuf },
    /// Repeats it.
    Time { seconds: f64, least: usize },
    /// How far two files of results are apart, array by array.
    Compare { ours: Results, theirs: Results },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Work {
    Recipe {
        recipe: String,
    },
    /// For `memory.py` and `scaling.py`; the others do not know it.
    Long {
        schedule: Schedule,
        #[serde(flatten)]
        shape: Shape,
    },
    Layer(Workload),
}

/// A file of arrays, one after the other, and their names and sizes.
#[derive(Deserialize)]
struct Results {
    path: PathBuf,
    arrays: Vec<(String, usize)>,
}

/// What is ready to be timed.
enum Prepared {
    Nothing,
    Layer(Kind, Box<Layer>),
    Stream(Box<Streamed>),
    Long(Box<Long>),
    Recipe(Box<(Recipe, Model)>),
}

fn main() -> Answer<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, threads] = &arguments[..]
        && flag == "--threads"
    {
        gimbap::set_threads(threads.parse()?)?;
    }
    let mut prepared = Prepared::Nothing;
    for line in io::stdin().lock().lines() {
        let answer =
            answer(&line?, &mut prepared).unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(io::stdout().lock(), "{answer}")?;
    }
    Ok(())
}

fn answer(line: &str, prepared: &mut Prepared) -> Answer {
    match serde_json::from_str(line)? {
        Request::Hello => Ok(json!({
            "name": "gimbap",
            "version": env!("CARGO_PKG_VERSION"),
            "isa": gimbap::Isa::active().to_string(),
            "threads": rayon::current_num_threads(),
        })),
        Request::List => Ok(list()),
        Request::Machine { seconds } => Ok(serde_json::to_value(Machine::measure(Budget::new(seconds, 2)))?),
        Request::Prepare { work, data, write } => {
            *prepared = Prepared::Nothing;
            *prepared = prepare(work, write.then_some(&data))?;
            Ok(json!({}))
        }
        Request::Check { out } => check(prepared, &out),
        Request::Time { seconds, least } => {
            Ok(json!({"seconds": time(prepared, Budget::new(seconds, least))?}))
        }
        Request::Compare { ours, theirs } => compare(&ours, &theirs),
    }
}

fn list() -> Value {
    let layers = Workload::all().into_iter().map(|work| {
        json!({"name": work.to_string(), "work": work, "flop": work.flop(), "weight_bytes": work.weight_bytes()})
    });
    let recipes = Recipe::all().into_iter().map(|recipe| {
        json!({"name": recipe.name, "work": {"recipe": recipe.name}, "tokens": recipe.tokens_per_step()})
    });
    json!({"workloads": layers.chain(recipes).collect::<Vec<_>>()})
}

fn prepare(work: Work, write: Option<&PathBuf>) -> Answer<Prepared> {
    match work {
        Work::Layer(Workload { kind, cell, shape }) => {
            if let Some(precision) = kind.streams() {
                let streamed = Streamed::new(cell, shape, precision)?;
                write.map(|path| streamed.data().write(path)).transpose()?;
                return Ok(Prepared::Stream(Box::new(streamed)));
            }
            let layer = Layer::new(cell, shape);
            write.map(|path| layer.data().write(path)).transpose()?;
            Ok(Prepared::Layer(kind, Box::new(layer)))
        }
        Work::Long { schedule, shape } => Ok(Prepared::Long(Box::new(Long::new(schedule, shape)?))),
        Work::Recipe { recipe } => {
            let recipe = Recipe::all().into_iter().find(|r| r.name == recipe).ok_or("no such recipe")?;
            let model = recipe.model()?;
            let tokens: Vec<f32> = recipe.tokens().into_iter().map(|id| id as f32).collect();
            write.map(|path| write_arrays(path, &[&tokens, model.values()])).transpose()?;
            Ok(Prepared::Recipe(Box::new((recipe, model))))
        }
    }
}

fn check(prepared: &mut Prepared, out: &Path) -> Answer {
    let arrays: Vec<(&str, Vec<f32>)> = match prepared {
        Prepared::Nothing => return Err("nothing is prepared".into()),
        Prepared::Layer(Kind::Train, layer) => {
            layer.train();
            layer.results().map(|(name, values)| (name, values.to_vec())).to_vec()
        }
        Prepared::Layer(_, layer) => {
            layer.infer();
            vec![("h", layer.results()[0].1.to_vec())]
        }
        Prepared::Stream(streamed) => vec![("h", streamed.outputs()?)],
        Prepared::Long(_) => return Err("a long sequence has nobody to be compared with".into()),
        Prepared::Recipe(pair) => {
            let (losses, _) = pair.0.epoch(&mut pair.1)?;
            vec![("losses", losses.into_iter().map(|loss| loss as f32).collect())]
        }
    };
    write_arrays(out, &arrays.iter().map(|(_, values)| &values[..]).collect::<Vec<_>>())?;
    Ok(json!({"arrays": arrays.iter().map(|(name, values)| (*name, values.len())).collect::<Vec<_>>()}))
}

fn time(prepared: &mut Prepared, budget: Budget) -> Answer<Vec<f64>> {
    match prepared {
        Prepared::Nothing => Err("nothing is prepared".into()),
        Prepared::Layer(Kind::Train, layer) => Ok(repeat(budget, || layer.train())),
        Prepared::Layer(_, layer) => Ok(repeat(budget, || layer.infer())),
        Prepared::Stream(streamed) => Ok(streamed.time(budget)?),
        Prepared::Long(long) => {
            let mut done = Ok(());
            let seconds = repeat(budget, || done = long.run());
            done?;
            Ok(seconds)
        }
        Prepared::Recipe(pair) => Ok(pair.0.time(&mut pair.1, budget)?),
    }
}

/// For each of their arrays the largest difference, as a share of our array's largest value.
fn compare(ours: &Results, theirs: &Results) -> Answer {
    let (a, b) = (read_values(&ours.path)?, read_values(&theirs.path)?);
    let (a, b) = (arrays(ours, &a)?, arrays(theirs, &b)?);
    let mut apart = Vec::new();
    for (name, theirs) in b {
        let (_, ours) = a.iter().find(|(ours, _)| *ours == name).ok_or(format!("`{name}` is not in ours"))?;
        if ours.len() != theirs.len() {
            return Err(format!("`{name}` has {} values, ours {}", theirs.len(), ours.len()).into());
        }
        let largest = ours.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        // A NaN is as far apart as can be.
        let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
        let difference = differences.fold(0.0, |most, d| if d <= most || most.is_nan() { most } else { d });
        apart.push((name, if difference.is_nan() { f32::MAX } else { difference / largest }));
    }
    Ok(json!({"apart": apart}))
}

fn arrays<'a>(results: &'a Results, mut values: &'a [f32]) -> Answer<Vec<(&'a str, &'a [f32])>> {
    let mut arrays = Vec::new();
    for (name, size) in &results.arrays {
        let (array, rest) = values.split_at_checked(*size).ok_or(format!("`{name}` is cut short"))?;
        arrays.push((name.as_str(), array));
        values = rest;
    }
    Ok(arrays)
}
