//! NumPy's `.npy` files (format 1.0 to 3.0), in and out.
//!
//! Numbers of any usual type and texts come in; `float32` goes out. A damaged file is an error that says how.

use std::borrow::Cow;
use std::path::Path;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::output::{Failure, Outcome};

/// An array as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// Floating-point numbers.
    Floats(ArrayD<f32>),
    /// Integers.
    Integers(ArrayD<i64>),
    /// Texts.
    Texts(ArrayD<String>),
}

impl Array {
    /// The number of elements on each axis.
    pub fn shape(&self) -> &[usize] {
        match self {
            Array::Floats(x) => x.shape(),
            Array::Integers(x) => x.shape(),
            Array::Texts(x) => x.shape(),
        }
    }
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads the bytes of a file; `path` is for messages.
pub fn parse(path: &Path, bytes: &[u8]) -> Outcome<Array> {
    parse_bytes(bytes).map_err(|m| Failure::work("data", format!("{}: {m}", path.display())))
}

fn parse_bytes(bytes: &[u8]) -> Result<Array, String> {
    let cut = || "the file ends within its header".to_string();
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    if !bytes.starts_with(MAGIC) {
        return Err("not a .npy file: it does not start with \\x93NUMPY".into());
    }
    let (start, length) = match bytes.get(6).ok_or_else(cut)? {
        1 => (10, usize::from(u16::from_le_bytes(take(bytes, 8).ok_or_else(cut)?))),
        2 | 3 => (12, u32::from_le_bytes(take(bytes, 8).ok_or_else(cut)?) as usize),
        v => return Err(format!("format version {v} is not known; 1, 2 and 3 are")),
    };
    let header = bytes.get(start..start + length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text".to_string())?;
    let descr = value_of(header, "descr")?;
    let descr = descr.split(['\'', '"']).nth(1).ok_or("records are not numbers: save a plain array")?;
    let fortran = value_of(header, "fortran_order")?.starts_with("True");
    let shape = shape_of(value_of(header, "shape")?)?;
    let n = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .ok_or_else(|| format!("the shape {shape:?} is too large"))?;
    let data = &bytes[start + length..];
    let shape = IxDyn(&shape).set_f(fortran);
    let wrong = |e: ndarray::ShapeError| e.to_string();
    let wide = descr.trim_start_matches(['<', '>', '|', '=']);
    let item = wide.get(1..).and_then(|size| size.parse().ok()).unwrap_or(0)
        * if wide.starts_with('U') { 4 } else { 1 };
    let data = in_little_endian(data, descr, item);
    let floats = |v: Vec<f32>| ArrayD::from_shape_vec(shape.clone(), v).map(Array::Floats).map_err(wrong);
    let integers = |v: Vec<i64>| ArrayD::from_shape_vec(shape.clone(), v).map(Array::Integers).map_err(wrong);
    match wide {
        "f2" => floats(numbers(&data, n, |b| half(u16::from_le_bytes(b)))?),
        "f4" => floats(numbers(&data, n, f32::from_le_bytes)?),
        "f8" => floats(numbers(&data, n, |b| f64::from_le_bytes(b) as f32)?),
        "u1" | "b1" => integers(numbers(&data, n, |[b]: [u8; 1]| i64::from(b))?),
        "i1" => integers(numbers(&data, n, |b| i64::from(i8::from_le_bytes(b)))?),
        "u2" => integers(numbers(&data, n, |b| i64::from(u16::from_le_bytes(b)))?),
        "i2" => integers(numbers(&data, n, |b| i64::from(i16::from_le_bytes(b)))?),
        "u4" => integers(numbers(&data, n, |b| i64::from(u32::from_le_bytes(b)))?),
        "i4" => integers(numbers(&data, n, |b| i64::from(i32::from_le_bytes(b)))?),
        "i8" => integers(numbers(&data, n, i64::from_le_bytes)?),
        "u8" => integers(numbers(&data, n, |b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX))?),
        _ if wide.starts_with(['U', 'S']) && item > 0 => {
            let texts = texts(&data, n, item, wide.starts_with('U'))?;
            ArrayD::from_shape_vec(shape, texts).map(Array::Texts).map_err(wrong)
        }
        "O" => {
            Err("it holds objects of Python, such as lists of different lengths: pad them to one length, \
                    [B, T, I], and give the `lengths` beside `x`, np.savez(\"x.npz\", x=.., y=.., lengths=..)"
                .into())
        }
        _ => Err(format!("the type `{descr}` is not read; floats, integers and texts are")),
    }
}

/// The elements with their lowest byte first.
fn in_little_endian<'a>(data: &'a [u8], descr: &str, item: usize) -> Cow<'a, [u8]> {
    let size = if descr.starts_with(">U") { 4 } else { item };
    if !descr.starts_with('>') || size < 2 {
        return data.into();
    }
    data.chunks(size).flat_map(|element| element.iter().rev().copied()).collect::<Vec<u8>>().into()
}

/// A number of 16 bits, a sign, 5 of the exponent and 10 of the fraction, as one of 32.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    };
    if sign == 1 { -size } else { size }
}

/// Texts of `item` bytes each, in four bytes a character or in one; what is left of each is 0.
fn texts(data: &[u8], n: usize, item: usize, wide: bool) -> Result<Vec<String>, String> {
    if Some(data.len()) != n.checked_mul(item) {
        return Err(promised(n, item, data));
    }
    let text = |bytes: &[u8]| -> Option<String> {
        let text: String = match wide {
            true => {
                let chars = bytes.as_chunks::<4>().0.iter().map(|b| char::from_u32(u32::from_le_bytes(*b)));
                chars.collect::<Option<_>>()?
            }
            false => std::str::from_utf8(bytes).ok()?.to_owned(),
        };
        Some(text.trim_end_matches('\0').to_owned())
    };
    let all = data.chunks(item).map(text).collect::<Option<Vec<_>>>();
    all.ok_or_else(|| "a text in it is damaged: it holds what is no character".into())
}

fn promised(n: usize, size: usize, data: &[u8]) -> String {
    format!("the header promises {n} elements of {size} bytes, but {} bytes follow", data.len())
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn numbers<const N: usize, T>(data: &[u8], n: usize, read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (values, rest) = data.as_chunks::<N>();
    if values.len() != n || !rest.is_empty() {
        return Err(promised(n, N, data));
    }
    Ok(values.iter().map(|b| read(*b)).collect())
}

/// What stands after `'key':` in the header, which is a Python dictionary.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let at = header
        .find(&format!("'{key}'"))
        .or_else(|| header.find(&format!("\"{key}\"")))
        .ok_or_else(|| format!("the header lacks `{key}`"))?;
    let rest = header[at + key.len() + 2..].trim_start();
    rest.strip_prefix(':').map(str::trim_start).ok_or_else(|| format!("the header's `{key}` has no value"))
}

fn shape_of(text: &str) -> Result<Vec<usize>, String> {
    let inner =
        text.strip_prefix('(').and_then(|t| t.split_once(')')).ok_or("the header's `shape` is no tuple")?.0;
    inner
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .map(|d| d.parse().map_err(|_| format!("the header's `shape` holds `{d}`")))
        .collect()
}

/// The first 128 bytes of a `float32` file, behind which its numbers stand.
pub fn header(shape: &[usize]) -> Vec<u8> {
    /// Room for a shape of four numbers, and a multiple of 64 bytes.
    const BYTES: usize = 128;
    let dims: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let dims = if shape.len() > 1 { dims.trim_end_matches(", ") } else { dims.trim_end() };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({dims}), }}");
    // It ends in a line end.
    while 10 + header.len() + 1 < BYTES || (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes
}

/// The bytes of numbers in a `float32` file.
pub fn bytes_of<'a>(numbers: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_bytes(array: &ArrayD<f32>) -> Vec<u8> {
        [header(array.shape()), bytes_of(array)].concat()
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        for shape in [&[2, 3, 4][..], &[24], &[1, 24]] {
            let array = ArrayD::from_shape_fn(shape, |i| i[0] as f32 - 0.5);
            let bytes = to_bytes(&array);
            assert_eq!((bytes.len() - 24 * 4) % 64, 0);
            assert_eq!(parse_bytes(&bytes), Ok(Array::Floats(array)));
        }
    }

    #[test]
    fn integers_and_column_order_are_read() {
        let bytes = file("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 2), }\n", &{
            [1i32, 2, 3, 4].map(i32::to_le_bytes).concat()
        });
        let Ok(Array::Integers(a)) = parse_bytes(&bytes) else { panic!() };
        assert_eq!((a[[0, 0]], a[[1, 0]], a[[0, 1]]), (1, 2, 3));
    }

    #[test]
    fn halves_texts_and_other_orders_of_bytes_are_read() {
        let of = |descr: &str, n: usize, data: &[u8]| {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({n},), }}\n");
            parse_bytes(&file(&header, data)).unwrap()
        };
        // As `numpy` writes 1, -2.5, 65504, 2^-24 and infinity.
        let halves = [0x3c00u16, 0xc100, 0x7bff, 0x0001, 0x7c00].map(u16::to_le_bytes).concat();
        let Array::Floats(x) = of("<f2", 5, &halves) else { panic!() };
        assert_eq!(x.as_slice().unwrap(), [1.0, -2.5, 65504.0, 5.960_464_5e-8, f32::INFINITY]);
        assert_eq!(of(">f4", 1, &1.5f32.to_be_bytes()), of("<f4", 1, &1.5f32.to_le_bytes()));
        assert_eq!(of(">i2", 1, &(-7i16).to_be_bytes()), of("<i8", 1, &(-7i64).to_le_bytes()));
        let wide: Vec<u8> = "up\0ü한\0".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let Array::Texts(texts) = of("<U3", 2, &wide) else { panic!() };
        assert_eq!(texts.as_slice().unwrap(), ["up", "ü한"]);
        assert_eq!(
            of("|S2", 2, b"upa\0"),
            of("<U2", 2, &"upa\0".chars().flat_map(|c| (c as u32).to_le_bytes()).collect::<Vec<_>>())
        );
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = to_bytes(&ArrayD::zeros(IxDyn(&[2, 3])));
        for end in 0..good.len() {
            assert!(parse_bytes(&good[..end]).is_err(), "cut at {end}");
        }
        let huge =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({0}, {0}), }}\n", usize::MAX / 2);
        assert!(parse_bytes(&file(&huge, &[])).unwrap_err().contains("too large"));
        let record = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n";
        assert!(parse_bytes(&file(record, &[])).is_err());
        let objects = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n";
        assert!(parse_bytes(&file(objects, &[0; 4])).unwrap_err().contains("lists of different lengths"));
        let complex = "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n";
        assert!(parse_bytes(&file(complex, &[0; 8])).unwrap_err().contains("`<c8` is not read"));
        let short = "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }\n";
        assert!(parse_bytes(&file(short, &[0; 12])).unwrap_err().contains("2 elements of 8 bytes, but 12"));
        let none = "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }\n";
        assert!(parse_bytes(&file(none, &[0xff; 4])).unwrap_err().contains("no character"));
    }
}
