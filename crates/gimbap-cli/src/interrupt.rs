//! Ctrl-C, SIGTERM and SIGHUP: most verbs end at once with 130; training finishes its step and saves first. A file that
//! grows beyond the shell's limit (SIGXFSZ) is an error of its write, not the end of the process.

use std::sync::atomic::{AtomicBool, Ordering};

use gimbap::checkpoint::remove_unfinished;

use crate::output::{Failure, INTERRUPTED, Outcome};

static ASKED: AtomicBool = AtomicBool::new(false);
static GRACEFUL: AtomicBool = AtomicBool::new(false);

/// Installs the handler, once, before a verb starts.
pub fn install() -> Outcome {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Default::default())
        .map_err(|e| Failure::work("io", format!("cannot watch for files that are too large: {e}")))?;
    ctrlc::set_handler(|| {
        let again = ASKED.swap(true, Ordering::SeqCst);
        if again || !GRACEFUL.load(Ordering::SeqCst) {
            remove_unfinished();
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
    .map_err(|e| Failure::work("io", format!("cannot watch for Ctrl-C: {e}")))
}

/// From here until the guard is dropped, the first Ctrl-C only sets the flag that [`asked`] reads.
pub fn graceful() -> Graceful {
    GRACEFUL.store(true, Ordering::SeqCst);
    Graceful(())
}

/// While it lives, Ctrl-C waits for the work to look at [`asked`].
#[derive(Debug)]
pub struct Graceful(());

impl Drop for Graceful {
    fn drop(&mut self) {
        GRACEFUL.store(false, Ordering::SeqCst);
    }
}

/// Whether Ctrl-C has been pressed.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
