//! What a run was trained on, told apart by fingerprints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a run's answer depends on beside its model and its options: names, each with a fingerprint, such as
/// [`data_hash`](crate::data::read::data_hash) gives it.
///
/// ```
/// use gimbap::data::read::data_hash;
/// use gimbap::train::Identity;
///
/// let of = |data: &str| Identity::default().with("data", data_hash(data.as_bytes())).with("labels", "a, b");
/// assert!(of("one").check(&of("one")).is_ok());
/// let error = of("two").check(&of("one")).unwrap_err();
/// assert!(error.to_string().contains("the data is not that of the run: data differs"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity(BTreeMap<String, String>);

impl Identity {
    /// This one, and a part more.
    pub fn with(mut self, name: impl Into<String>, fingerprint: impl Into<String>) -> Self {
        self.0.insert(name.into(), fingerprint.into());
        self
    }

    /// The names whose fingerprints are not the same, or that only one of the two has.
    pub fn differing<'a>(&'a self, other: &'a Identity) -> Vec<&'a str> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names.filter(|name| self.0.get(*name) != other.0.get(*name)).map(String::as_str).collect()
    }

    /// Checks that what there is now is what the run had.
    ///
    /// # Errors
    /// If it is not: which of its parts differ.
    pub fn check(&self, of_run: &Identity) -> Result<()> {
        let differing = self.differing(of_run);
        if differing.is_empty() {
            return Ok(());
        }
        let verb = if differing.len() == 1 { "differs" } else { "differ" };
        let message = format!(
            "the data is not that of the run: {} {verb} from what it was trained on; resume it with its own data, or begin \
             another run",
            differing.join(", ")
        );
        Err(Error::config("resume", message))
    }
}
