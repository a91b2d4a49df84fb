//! What the labels of examples are: a class each, several classes each, or a number each.

use std::collections::HashMap;
use std::fmt::Debug;

use super::sheet::{nearest, shorten};
use crate::error::{Error, Result};

/// What is told of an example.
///
/// | type | a cell |
/// |---|---|
/// | `u32` | the name of a class; it becomes the class's number |
/// | `Vec<u32>` | the names of some classes, or of none, between separators; their numbers, ascending |
/// | `f64` | a finite number |
pub trait Label: Clone + PartialEq + Debug + cells::OfCells {}

impl Label for u32 {}
impl Label for Vec<u32> {}
impl Label for f64 {}

/// The class of each of some names, the elements of an array that `place` names: its number, and the names of all classes.
/// The `given` ones are those of a trained model, whose numbers are kept.
///
/// # Errors
/// [`Error::Data`] for a name that is not among those given, and for one class alone where none are.
pub fn of_names(names: &[String], place: &str, given: Option<&[String]>) -> Result<(Vec<u32>, Vec<String>)> {
    let mut cells = cells::Cells::between(None);
    for (index, name) in names.iter().enumerate() {
        cells.take(name, || format!("{place}, element {index}"));
    }
    cells::OfCells::of(cells, place, given)
}

pub(crate) mod cells {
    use super::{Error, HashMap, Result, nearest, shorten};

    /// What cells of labels become.
    pub trait OfCells: Sized {
        /// Whether they are numbers, and no names.
        const NUMBERS: bool = false;
        /// Whether a cell may have several, or none.
        const SEVERAL: bool = false;

        /// The labels, and the names of the classes: the `given` ones of a trained model, or those that there are.
        fn of(cells: Cells, place: &str, given: Option<&[String]>) -> Result<(Vec<Self>, Vec<String>)>;
    }

    /// Cells as they are read: each text once, in the order of appearance, and where it first stood.
    #[derive(Default)]
    pub struct Cells {
        texts: Vec<String>,
        places: Vec<String>,
        index: HashMap<String, u32>,
        all: Vec<u32>,
        separator: Option<String>,
    }

    impl Cells {
        /// Cells of which each may hold several names between these.
        pub fn between(separator: Option<&str>) -> Self {
            Cells { separator: separator.map(str::to_owned), ..Cells::default() }
        }

        /// Takes the next cell.
        pub fn push(&mut self, text: &str, place: &str, line: u64) {
            self.take(text, || format!("{place}, line {line}"));
        }

        /// The same; what its place is called is asked for where its text is new.
        pub fn take(&mut self, text: &str, place: impl FnOnce() -> String) {
            let id = match self.index.get(text) {
                Some(&id) => id,
                None => {
                    let id = self.texts.len() as u32;
                    self.index.insert(text.to_owned(), id);
                    self.texts.push(text.to_owned());
                    self.places.push(place());
                    id
                }
            };
            self.all.push(id);
        }

        /// What each cell is, given what each text is.
        fn each<T: Clone>(&self, of_text: &[T]) -> Vec<T> {
            self.all.iter().map(|&id| of_text[id as usize].clone()).collect()
        }

        fn names<'a>(&self, text: &'a str) -> Vec<&'a str> {
            let separator = self.separator.as_deref().filter(|s| !s.is_empty()).unwrap_or(" ");
            text.split(separator).map(str::trim).filter(|name| !name.is_empty()).collect()
        }
    }

    impl OfCells for u32 {
        fn of(cells: Cells, place: &str, given: Option<&[String]>) -> Result<(Vec<u32>, Vec<String>)> {
            let classes = match given {
                Some(given) => given.to_vec(),
                None if cells.texts.len() == 1 => {
                    return Err(Error::data(
                        place,
                        format!(
                            "all {} examples have the label `{}`: two classes or more are needed",
                            cells.all.len(),
                            shorten(&cells.texts[0])
                        ),
                    ));
                }
                None => ordered(cells.texts.clone()),
            };
            let numbers = numbered(&classes);
            let number = |(name, place): (&String, &String)| number_of(name, &numbers, &classes, place);
            let of_text: Vec<u32> =
                cells.texts.iter().zip(&cells.places).map(number).collect::<Result<_>>()?;
            Ok((cells.each(&of_text), classes))
        }
    }

    impl OfCells for Vec<u32> {
        const SEVERAL: bool = true;

        fn of(cells: Cells, place: &str, given: Option<&[String]>) -> Result<(Vec<Vec<u32>>, Vec<String>)> {
            let classes = match given {
                Some(given) => given.to_vec(),
                None => {
                    let mut names: Vec<String> = Vec::new();
                    let mut seen = HashMap::new();
                    for name in cells.texts.iter().flat_map(|text| cells.names(text)) {
                        if seen.insert(name.to_owned(), ()).is_none() {
                            names.push(name.to_owned());
                        }
                    }
                    match names.as_slice() {
                        [] => {
                            return Err(Error::data(
                                place,
                                "no example has a label: two classes or more are needed",
                            ));
                        }
                        [one] => {
                            let message = format!(
                                "`{}` is the only label: two classes or more are needed",
                                shorten(one)
                            );
                            return Err(Error::data(place, message));
                        }
                        _ => ordered(names),
                    }
                }
            };
            let numbers = numbered(&classes);
            let set = |(text, place): (&String, &String)| -> Result<Vec<u32>> {
                let number = |name: &str| number_of(name, &numbers, &classes, place);
                let mut set: Vec<u32> = cells.names(text).into_iter().map(number).collect::<Result<_>>()?;
                set.sort_unstable();
                set.dedup();
                Ok(set)
            };
            let of_text: Vec<Vec<u32>> =
                cells.texts.iter().zip(&cells.places).map(set).collect::<Result<_>>()?;
            Ok((cells.each(&of_text), classes))
        }
    }

    impl OfCells for f64 {
        const NUMBERS: bool = true;

        fn of(cells: Cells, place: &str, given: Option<&[String]>) -> Result<(Vec<f64>, Vec<String>)> {
            let number = |(text, place): (&String, &String)| match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(Error::data(
                    place,
                    format!(
                        "`{}` is no finite number: mend it or take the example out; names are learned with `--task classify`",
                        shorten(text)
                    ),
                )),
            };
            let of_text: Vec<f64> =
                cells.texts.iter().zip(&cells.places).map(number).collect::<Result<_>>()?;
            if let (None, [first, rest @ ..]) = (given, of_text.as_slice())
                && rest.iter().all(|other| other == first)
            {
                let message = format!(
                    "all {} examples have the number {first}: there is nothing to learn",
                    cells.all.len()
                );
                return Err(Error::data(place, message));
            }
            Ok((cells.each(&of_text), Vec::new()))
        }
    }

    /// Classes in their order: by number if all are numbers, else by the alphabet.
    fn ordered(mut classes: Vec<String>) -> Vec<String> {
        if classes.iter().all(|name| name.parse::<f64>().is_ok_and(f64::is_finite)) {
            let value = |name: &String| name.parse::<f64>().unwrap_or(f64::NAN);
            classes.sort_by(|a, b| value(a).total_cmp(&value(b)).then_with(|| a.cmp(b)));
        } else {
            classes.sort();
        }
        classes
    }

    fn numbered(classes: &[String]) -> HashMap<&str, u32> {
        (0u32..).zip(classes).map(|(id, name)| (name.as_str(), id)).collect()
    }

    fn number_of(name: &str, numbers: &HashMap<&str, u32>, classes: &[String], place: &str) -> Result<u32> {
        numbers.get(name).copied().ok_or_else(|| {
            let near = nearest(name, classes).filter(|_| name.parse::<f64>().is_err());
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            Error::data(
                place,
                format!(
                    "the label `{}` is not a class of this model{near}: its classes are {}",
                    shorten(name),
                    listed(classes)
                ),
            )
        })
    }

    /// Names in a message: all of a few, the first of many.
    fn listed(names: &[String]) -> String {
        const SHOWN: usize = 12;
        let shown = names[..names.len().min(SHOWN)].join("`, `");
        match names.len().saturating_sub(SHOWN) {
            0 => format!("`{shown}`"),
            more => format!("`{shown}` and {more} more"),
        }
    }
}
