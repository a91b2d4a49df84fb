//! The fixture files, and the comparison with what they hold.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gimbap::Arithmetic;
use gimbap::ndarray::{Array2, Array3};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a peer computed, and from what.
pub struct Fixture {
    /// The file's name.
    pub name: String,
    /// `recurrent`, `layer` and so on.
    pub kind: String,
    case: serde_json::Map<String, Value>,
    tensors: BTreeMap<String, Tensor>,
    read: RefCell<BTreeSet<String>>,
}

/// Numbers of any type, exact in f64.
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// All fixtures, by name.
pub fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/fixtures");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Fixture::read(path)).collect()
}

impl Fixture {
    fn read(path: &Path) -> Fixture {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) =
            SafeTensors::read_metadata(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let document = &header.metadata().as_ref().expect("metadata")["fixture"];
        let mut document: Value = serde_json::from_str(document).unwrap();
        let Value::Object(mut case) = document["case"].take() else {
            panic!("{}: has no case", path.display())
        };
        let kind = case.remove("kind").unwrap().as_str().unwrap().to_string();
        case.remove("peer"); // it is in the name
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| {
            let values = values(view.dtype(), view.data());
            (name.to_string(), Tensor { shape: view.shape().to_vec(), values })
        });
        Fixture {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            kind,
            case,
            tensors: tensors.collect(),
            read: RefCell::default(),
        }
    }

    /// The options; an unknown one fails if `C` denies unknown fields.
    pub fn case<C: DeserializeOwned>(&self) -> C {
        serde_json::from_value(Value::Object(self.case.clone()))
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.read.borrow_mut().insert(name.to_string());
        self.tensors.get(name).unwrap_or_else(|| panic!("{}: has no tensor {name}", self.name))
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        &self.tensor(name).shape
    }

    pub fn values<R: Arithmetic>(&self, name: &str) -> Vec<R> {
        self.tensor(name).values.iter().map(|&v| R::from_f64(v)).collect()
    }

    pub fn integers(&self, name: &str) -> Vec<usize> {
        self.tensor(name).values.iter().map(|&v| v as usize).collect()
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.tensor(name).values.iter().map(|&v| v as u32).collect()
    }

    pub fn array2<R: Arithmetic>(&self, name: &str) -> Array2<R> {
        let &[a, b] = self.shape(name) else { panic!("{name} is no matrix") };
        Array2::from_shape_vec((a, b), self.values(name)).unwrap()
    }

    pub fn array3<R: Arithmetic>(&self, name: &str) -> Array3<R> {
        let &[a, b, c] = self.shape(name) else { panic!("{name} has other dimensions than 3") };
        Array3::from_shape_vec((a, b, c), self.values(name)).unwrap()
    }
}

fn values(dtype: Dtype, data: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
        Dtype::I64 => data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
        Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
        other => panic!("tensors of {other:?} are not expected"),
    }
}

/// Collects what is off.
pub struct Golden<'a> {
    fixture: &'a Fixture,
    /// How far a value may be off, as part of its tensor's maximum.
    pub bound: f64,
    /// A line for each tensor that is.
    pub failures: Vec<String>,
    /// The largest error as part of its tensor's maximum, and the tensor.
    pub worst: (f64, String),
}

impl<'a> Golden<'a> {
    pub fn new(fixture: &'a Fixture, bound: f64) -> Self {
        fixture.read.borrow_mut().clear();
        Golden { fixture, bound, failures: Vec::new(), worst: (0.0, String::new()) }
    }

    /// `found` is the tensor `name`, within the bound.
    pub fn compare<'v, R: Arithmetic>(&mut self, name: &str, found: impl IntoIterator<Item = &'v R>) {
        let expected = &self.fixture.tensor(name).values;
        let found: Vec<f64> = found.into_iter().map(|v| v.to_f64()).collect();
        if found.len() != expected.len() {
            self.failures.push(format!("{name} has {} values, not {}", found.len(), expected.len()));
            return;
        }
        let largest = expected.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
        let errors = found.iter().zip(expected).map(|(found, expected)| {
            let error = (found - expected).abs();
            if error == 0.0 { 0.0 } else { error / largest }
        });
        // A NaN is worse than anything.
        let rank = |error: f64| if error.is_nan() { f64::INFINITY } else { error };
        let (place, error) =
            errors.map(rank).enumerate().fold((0, 0.0), |worst, e| if e.1 > worst.1 { e } else { worst });
        if error > self.bound {
            let (found, expected) = (found[place], expected[place]);
            self.failures
                .push(format!("{name}[{place}] is {found}, not {expected}: off by {error:.1e} of {largest}"));
        }
        if error > self.worst.0 {
            self.worst = (error, name.to_string());
        }
    }

    /// Whether the test has looked at every tensor.
    pub fn all_read(&mut self) {
        let read = self.fixture.read.borrow();
        let unread = self.fixture.tensors.keys().filter(|name| !read.contains(*name));
        self.failures.extend(unread.map(|name| format!("{name} was not read")));
    }
}
