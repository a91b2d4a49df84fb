//! Arrays in, arrays out.

mod common;

use common::{Bench, json, jsonl, small_lm};

/// A `.npy` of numbers that are written as they are.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The numbers of a `float32` file, and its header.
fn read(bytes: &[u8]) -> (String, Vec<f32>) {
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
    let values = bytes[10 + length..].as_chunks::<4>().0;
    (header, values.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

#[test]
fn features_in_data_units_with_lengths() {
    let bench = Bench::new();
    let config = ["--set", "data.id=id", "--set", "data.scaler=standard"];
    bench.write(
        "c.toml",
        "[task]\nkind = \"classify\"\n[data]\npath = \"gestures.csv\"\n[[layer]]\ntype = \"gru\"\nunits = 6\n[train]\nepochs = 2\n",
    );
    bench.ok(&[&["train", "c.toml"][..], &config].concat());
    // s0 is rising over three steps; behind them stands what must not be looked at.
    let nan = f32::NAN;
    let x = floats(&[0.0, 0.5, 1.0, 0.5, 2.0, 0.5, nan, nan]);
    bench.write("x.npy", npy("<f4", "(1, 4, 2)", &x));
    bench.write("lengths.npy", npy("<i8", "(1,)", &3i64.to_le_bytes()));
    bench.ok(&["predict", "runs/c", "x.npy", "--lengths", "lengths.npy", "-o", "y.npy"]);
    let (header, y) = read(&std::fs::read(bench.path("y.npy")).unwrap());
    assert!(header.contains("'<f4'") && header.contains("(1, 2)"), "{header}");
    let lines = jsonl(&bench.ok(&["predict", "runs/c", "gestures.csv", "--json"]).stdout);
    let expected = lines[0]["probabilities"]["down"].as_f64().unwrap();
    assert!((f64::from(y[0]) - expected).abs() < 1e-5, "{y:?} against {expected}");
    let answer =
        json(&bench.ok(&["predict", "runs/c", "x.npy", "--lengths", "lengths.npy", "--json"]).stdout);
    assert_eq!(answer.as_array().unwrap().len(), 2);
}

#[test]
fn ids_and_what_does_not_fit() {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &[]));
    let ids: Vec<u8> = [1u32, 2, 3, 4, 5, 6].iter().flat_map(|x| x.to_le_bytes()).collect();
    bench.write("ids.npy", npy("<u4", "(2, 3)", &ids));
    bench.ok(&["predict", "runs/a", "ids.npy", "-o", "y.npy"]);
    let (header, _) = read(&std::fs::read(bench.path("y.npy")).unwrap());
    assert!(header.contains("'shape': (2, 3, "), "{header}");

    bench.write("floats.npy", npy("<f4", "(1, 1, 2)", &floats(&[1.0, 2.0])));
    bench.write("beyond.npy", npy("<u4", "(1, 1)", &9999u32.to_le_bytes()));
    bench.write("cut.npy", &npy("<u4", "(1, 1)", &[])[..]);
    bench.write("no.npy", "id,text\n");
    for (file, word) in [
        ("floats.npy", "integer ids"),
        ("beyond.npy", "9999"),
        ("cut.npy", "promises"),
        ("no.npy", "not a .npy"),
    ] {
        let run = bench.run(&["predict", "runs/a", file]);
        assert_eq!(run.code, Some(1), "{file}");
        assert!(run.stderr.contains(word), "{file}: {}", run.stderr);
    }
}
