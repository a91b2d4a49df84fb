//! `gimbap bench`: this machine's figures.

use gimbap_bench::machine::Machine;
use gimbap_bench::measurement::Measurement;
use gimbap_bench::timing::Budget;
use gimbap_bench::workload::Workload;

use crate::args::Bench;
use crate::output::{Failure, Out, Outcome};

/// Measures the machine, then the workloads that were asked for.
pub fn run(args: &Bench, out: &Out) -> Outcome {
    let chosen: Vec<Workload> = Workload::all().into_iter().filter(|w| matches(w, &args.only)).collect();
    if chosen.is_empty() {
        return Err(Failure::usage("usage", nothing(&args.only)));
    }
    let (machine_budget, budget) = match args.quick {
        true => (Budget::new(0.05, 3), Budget::new(0.05, 3)),
        false => (Budget::new(0.5, 5), Budget::new(0.3, 5)),
    };
    out.log("measuring the machine: a matrix product, reading the caches");
    let machine = Machine::measure(machine_budget);
    out.line(about(&machine))?;
    out.line(format!("\n{}", line(HEADER.map(String::from))))?;
    for workload in chosen {
        let measurement = Measurement::of(workload, &machine, budget)?;
        out.json(&measurement)?;
        out.line(line(row(&measurement)))?;
    }
    Ok(())
}

const HEADER: [&str; 6] = ["workload", "cell", "median", "GFLOP/s", "of product", "weights GB/s"];

/// Columns of fixed width: lines appear as they are measured.
fn line([workload, cell, median, gflops, share, weights]: [String; 6]) -> String {
    format!("{workload:<28} {cell:<4} {median:>12} {gflops:>8} {share:>10} {weights:>12}")
        .trim_end()
        .to_string()
}

/// Whether each of the filters names a part of the workload; a filter may name several with commas between them.
fn matches(workload: &Workload, filters: &[String]) -> bool {
    let name = format!("{workload} {}", workload.cell).to_lowercase();
    let has = |word: &str| name.split(' ').any(|part| part == word.to_lowercase());
    filters.iter().all(|filter| filter.split([',', ' ']).any(has))
}

fn nothing(filters: &[String]) -> String {
    let names = "train, infer, stream, stream-int8, stream-bf16; rnn, lstm, gru; B32, T50, I8, H128 and the other sizes of `gimbap bench`";
    format!("nothing to measure is called `{}`: filters are {names}", filters.join(" "))
}

fn about(machine: &Machine) -> String {
    let read = ["L1", "L2", "L3"].iter().zip(machine.read);
    let read =
        read.filter_map(|(level, rate)| rate.map(|rate| format!("{level} {rate:.0}"))).collect::<Vec<_>>();
    format!(
        "kernels: {}, matrix product: {:.0} GFLOP/s (gemm {:.0}, packed {:.0}), reading with one thread, GB/s: {}",
        gimbap::Isa::active(),
        machine.gflops(),
        machine.gemm_gflops,
        machine.packed_gflops,
        read.join(", ")
    )
}

fn row(measurement: &Measurement) -> [String; 6] {
    [
        measurement.workload.clone(),
        measurement.cell.clone(),
        time(measurement.seconds_median),
        format!("{:.1}", measurement.gflops),
        format!("{:.0} %", 100.0 * measurement.product_share),
        measurement.weights.map_or(String::new(), |w| format!("{:.0}", w.gbytes_per_second)),
    ]
}

fn time(seconds: f64) -> String {
    if seconds < 1e-4 { format!("{:.3} us", seconds * 1e6) } else { format!("{:.3} ms", seconds * 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(filters: &[&str]) -> usize {
        let filters: Vec<String> = filters.iter().map(|f| f.to_string()).collect();
        Workload::all().iter().filter(|w| matches(w, &filters)).count()
    }

    #[test]
    fn filters_name_parts_and_all_must_hold() {
        assert_eq!(chosen(&[]), Workload::all().len());
        assert_eq!(chosen(&["train", "lstm"]), 6);
        assert_eq!(chosen(&["train,infer", "gru", "h32"]), 2);
        assert_eq!(chosen(&["H3"]), 0);
    }

    #[test]
    fn short_times_are_in_microseconds() {
        assert_eq!(time(1.3e-6), "1.300 us");
        assert_eq!(time(0.0138), "13.800 ms");
    }
}
