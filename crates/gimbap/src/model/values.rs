//! A model's parameters, and the networks that are ready to run them.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use gimbap_kernels::{Arithmetic, Isa};

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
    /// For each instruction set, whose forms of packed weights differ ([`Isa::select`]), and each [`Form`].
    networks: [[OnceLock<Arc<Network<R>>>; 3]; 4],
    /// What model they are the parameters of.
    about: OnceLock<String>,
    fingerprint: OnceLock<u128>,
}

// A network is put in its place once it is whole, and runs nothing itself: a panic leaves nothing half done.
impl<R> UnwindSafe for Ready<R> {}
impl<R> RefUnwindSafe for Ready<R> {}

impl<R> Default for Ready<R> {
    fn default() -> Self {
        Ready { networks: Default::default(), about: OnceLock::new(), fingerprint: OnceLock::new() }
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
    /// asked for; `about` says what model it is.
    pub fn network(
        &self,
        form: Form,
        about: impl FnOnce() -> String,
        build: impl FnOnce() -> Result<Network<R>>,
    ) -> Result<&Arc<Network<R>>> {
        // Before any network is there: whoever finds one asks for the fingerprint.
        self.ready.about.get_or_init(about);
        let place = &self.ready.networks[Isa::active() as usize - 1][form as usize];
        if place.get().is_none() {
            // If another thread is first, it builds the same.
            let _ = place.set(Arc::new(build()?));
        }
        place.get().ok_or_else(|| Error::unsupported("the model", "has no network"))
    }

    /// Tells these numbers, and the model that they are of, from others: FNV-1a of 128 bits, over whole words. After
    /// [`network`](Self::network).
    pub fn fingerprint(&self) -> u128 {
        *self.ready.fingerprint.get_or_init(|| {
            let mut hash = Hash::default();
            hash.add(self.ready.about.get().map_or(&[], String::as_bytes));
            self.numbers.iter().for_each(|x| hash.add_word(x.to_f64().to_bits()));
            hash.value()
        })
    }
}
