//! `train.class_weights`: how much a mistake on each class counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::read::nearest;

/// `"balanced"`, or a table of classes.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassWeights {
    /// All classes count the same in all: `n / (k n_c)` for each of the `n_c` examples of one of `k` classes.
    Balanced,
    /// So much for an example of these classes, and 1 for one of the others.
    Given(BTreeMap<String, f64>),
}

impl ClassWeights {
    /// The weight of each class, of which there are so many examples; or the name that is no class, and one near it.
    pub fn of(&self, classes: &[String], counts: &[usize]) -> Result<Vec<f64>, (String, Option<String>)> {
        match self {
            ClassWeights::Balanced => {
                let n: usize = counts.iter().sum();
                let k = counts.iter().filter(|count| **count > 0).count();
                Ok(counts.iter().map(|&count| n as f64 / (k * count.max(1)) as f64).collect())
            }
            ClassWeights::Given(weights) => match weights.keys().find(|name| !classes.contains(name)) {
                Some(name) => {
                    let known: Vec<&str> = classes.iter().map(String::as_str).collect();
                    Err((name.clone(), nearest(name, &known).map(str::to_owned)))
                }
                None => Ok(classes.iter().map(|class| weights.get(class).copied().unwrap_or(1.0)).collect()),
            },
        }
    }

    /// A class whose weight no training can have, and that weight.
    pub(super) fn wrong(&self) -> Option<(&str, f64)> {
        let ClassWeights::Given(weights) = self else { return None };
        let mut weights = weights.iter().map(|(name, weight)| (name.as_str(), *weight));
        weights.find(|(_, weight)| !(*weight > 0.0 && weight.is_finite()))
    }
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ClassWeights::Balanced => serializer.serialize_str("balanced"),
            ClassWeights::Given(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ClassWeights;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("\"balanced\" or a table of classes such as { pos = 2.0 }")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<ClassWeights, E> {
                match s {
                    "balanced" => Ok(ClassWeights::Balanced),
                    _ => Err(E::invalid_value(de::Unexpected::Str(s), &self)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<ClassWeights, A::Error> {
                let mut weights = BTreeMap::new();
                while let Some((name, weight)) = map.next_entry()? {
                    weights.insert(name, weight);
                }
                Ok(ClassWeights::Given(weights))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_classes_count_the_same_in_all() {
        let classes = ["a", "b", "c"].map(String::from);
        let weights = ClassWeights::Balanced.of(&classes, &[6, 2, 0]).unwrap();
        assert_eq!(weights[..2], [8.0 / 12.0, 2.0]);
        let given = ClassWeights::Given([("b".to_string(), 3.0)].into());
        assert_eq!(given.of(&classes, &[1, 1, 1]).unwrap(), [1.0, 3.0, 1.0]);
    }
}
