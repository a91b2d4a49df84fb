//! What scripts may rely on in `gimbap bench --json`.

mod common;

use common::{gimbap, json, jsonl};

#[test]
fn a_record_for_each_measurement() {
    let run = gimbap(&["bench", "lstm,gru", "H32", "--quick", "--json", "--threads", "2"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    let records = jsonl(&run.stdout);
    let names: Vec<_> =
        records.iter().map(|r| (r["workload"].as_str().unwrap(), r["cell"].as_str().unwrap())).collect();
    let (train, infer, stream) = ("train B32 T50 I8 H32", "infer B32 T50 I8 H32", "stream I32 H32");
    let expected = [train, infer, stream].map(|name| [(name, "lstm"), (name, "gru")]).concat();
    assert_eq!(names, expected);
    for record in &records {
        assert_eq!(record["threads"], 2);
        assert!(["scalar", "avx2", "avx512", "neon"].contains(&record["isa"].as_str().unwrap()));
        let [seconds, gflops, share] =
            ["seconds_median", "gflops", "product_share"].map(|key| record[key].as_f64().unwrap());
        assert!(seconds > 0.0 && gflops > 0.0 && share > 0.0);
        assert_eq!(record["weights"]["bytes"].is_u64(), record["workload"] == stream);
    }
    let [seconds, gflops] = ["seconds_median", "gflops"].map(|key| records[0][key].as_f64().unwrap());
    let flop = 3.0 * 2.0 * (32 * 50 * 4 * 32 * (8 + 32)) as f64;
    assert!((seconds * gflops * 1e9 - flop).abs() < 1e-6 * flop);
}

#[test]
fn a_filter_that_nothing_meets_is_wrong_usage() {
    let run = gimbap(&["bench", "lstm", "H33", "--json"]);
    assert_eq!(run.code, Some(2));
    assert!(json(&run.stdout)["error"]["message"].as_str().unwrap().contains("`lstm H33`"));
}
