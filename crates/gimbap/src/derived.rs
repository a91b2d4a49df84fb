//! What is made of a model's parameters: weights in the order in which a product reads them.
//!
//! It is made when it is first needed, never changes, and is shared by all who run the same parameters: by the copies of a
//! layer. A change of the parameters does not reach it; whoever made the change begins a new one.

use std::sync::{Arc, OnceLock};

/// A part of a layer that follows from the parameters, and of which every copy of the layer has the same.
#[derive(Debug)]
pub(crate) struct Derived<T> {
    made: Arc<OnceLock<T>>,
    /// What was made of other parameters: its memory is used again.
    spare: Option<T>,
}

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Derived { made: Arc::default(), spare: None }
    }
}

impl<T> Clone for Derived<T> {
    fn clone(&self) -> Self {
        Derived { made: Arc::clone(&self.made), spare: None }
    }
}

impl<T: Default> Derived<T> {
    /// The parameters have changed: it is to be made anew, here. Copies that were made before keep theirs.
    pub fn renew(&mut self) {
        match Arc::get_mut(&mut self.made) {
            Some(made) => self.spare = made.take().or(self.spare.take()),
            None => self.made = Arc::default(),
        }
    }

    /// Makes it, unless it is there. Two threads that come at once both make it, and one is kept: nobody waits for
    /// another, who may be waiting for threads.
    pub fn make(&mut self, make: impl FnOnce(&mut T)) {
        if self.made.get().is_none() {
            let mut value = self.spare.take().unwrap_or_default();
            make(&mut value);
            // If another was first, it made the same.
            let _ = self.made.set(value);
        }
    }

    /// It.
    ///
    /// # Panics
    /// If it has not been made.
    #[inline]
    pub fn get(&self) -> &T {
        match self.made.get() {
            Some(made) => made,
            None => unreachable!("it is made before it is used"),
        }
    }

    /// It, if it has been made.
    pub fn made(&self) -> Option<&T> {
        self.made.get()
    }
}

#[cfg(test)]
mod tests {
    use super::Derived;

    #[test]
    fn copies_share_what_was_made_until_one_begins_anew() {
        let mut one: Derived<Vec<u32>> = Derived::default();
        let mut other = one.clone();
        one.make(|made| made.extend([1, 2, 3]));
        other.make(|_| unreachable!("it is there already"));
        assert_eq!(other.get().as_ptr(), one.get().as_ptr());
        one.renew();
        assert!(one.made().is_none() && other.get().len() == 3);
        one.make(|made| made.push(4));
        // Alone, it uses its memory again.
        let (before, capacity) = (one.get().as_ptr(), one.get().capacity());
        one.renew();
        one.make(|made| {
            assert_eq!((made.as_ptr(), made.capacity()), (before, capacity));
            made[0] = 5;
        });
        assert_eq!((one.get()[0], other.get()[0]), (5, 1));
    }
}
