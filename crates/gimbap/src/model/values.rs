//! A model's parameters, and the networks that are ready to run them.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use gimbap_kernels::Arithmetic;

use crate::data::read::Hash;
use crate::network::Network;
use crate::{Error, Result};

/// What a network is to give, and how it is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The model's outputs, of batches.
    Batch,
    /// What its last sigmoid or softmax is of.
    Logits,
    /// Its outputs, step by step.
    Steps,
}

/// The parameters, one after the other. Copies have the same numbers and the same networks, until one of them is changed.
pub(crate) struct Values<R> {
    numbers: Arc<Vec<R>>,
    ready: Arc<Ready<R>>,
}

/// What is made of the parameters when it is first asked for.
#[derive(Debug)]
struct Ready<R> {
    networks: [OnceLock<Arc<Network<R>>>; 3],
    fingerprint: OnceLock<u128>,
}

impl<R> Default for Ready<R> {
    fn default() -> Self {
        Ready { networks: Default::default(), fingerprint: OnceLock::new() }
    }
}

impl<R> Clone for Values<R> {
    fn clone(&self) -> Self {
        Values { numbers: Arc::clone(&self.numbers), ready: Arc::clone(&self.ready) }
    }
}

impl<R> From<Vec<R>> for Values<R> {
    fn from(numbers: Vec<R>) -> Self {
        Values { numbers: Arc::new(numbers), ready: Arc::default() }
    }
}

impl<R> Deref for Values<R> {
    type Target = Vec<R>;

    fn deref(&self) -> &Vec<R> {
        &self.numbers
    }
}

impl<R: PartialEq> PartialEq for Values<R> {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl<R> fmt::Debug for Values<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parameters", self.numbers.len())
    }
}

impl<R: Clone> Values<R> {
    /// The numbers, to write. Whoever runs the present ones keeps them.
    pub fn edit(&mut self) -> &mut Vec<R> {
        self.ready = Arc::default();
        Arc::make_mut(&mut self.numbers)
    }
}

impl<R: Arithmetic> Values<R> {
    /// The network of a form, with what its layers have made of the numbers so far. `build` makes it when it is first
    /// asked for.
    pub fn network(
        &self,
        form: Form,
        build: impl FnOnce() -> Result<Network<R>>,
    ) -> Result<&Arc<Network<R>>> {
        let place = &self.ready.networks[form as usize];
        if place.get().is_none() {
            // If another thread is first, it builds the same.
            let _ = place.set(Arc::new(build()?));
        }
        place.get().ok_or_else(|| Error::unsupported("the model", "has no network"))
    }

    /// Tells these numbers, and what else `beside` says, from others: FNV-1a of 128 bits, over whole words.
    pub fn fingerprint(&self, beside: impl FnOnce() -> String) -> u128 {
        *self.ready.fingerprint.get_or_init(|| {
            let mut hash = Hash::default();
            hash.add(beside().as_bytes());
            self.numbers.iter().for_each(|x| hash.add_word(x.to_f64().to_bits()));
            hash.value()
        })
    }
}
