//! A few threads that take over work within a fraction of a microsecond: for work too short for a thread pool.
//!
//! There is one team in a process. Its members spin for a while after each work, so that the next is seen
//! at once, and then sleep. The caller does the first part itself, and then every other part that no member has begun:
//! it never waits for a member that sleeps or has no processor. If the team is busy with another caller's work, the
//! caller does all parts alone.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a member waits awake.
const SPIN: Duration = Duration::from_micros(60);

static TEAM: Mutex<Vec<Member>> = Mutex::new(Vec::new());

/// A member, as its callers see it.
struct Member {
    seat: Arc<Seat>,
    thread: Thread,
}

/// Where a member is given work. Works are numbered from 1 on.
#[derive(Default)]
struct Seat {
    /// The last work that was posted.
    posted: AtomicUsize,
    /// The last work that was begun, by the member or by its caller: whoever raises it does it.
    begun: AtomicUsize,
    /// The last work that was done.
    done: AtomicUsize,
    asleep: AtomicBool,
    job: UnsafeCell<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A part to be worked on.
#[derive(Clone, Copy)]
struct Job {
    call: unsafe fn(*const (), *mut ()),
    work: *const (),
    part: *mut (),
}

// SAFETY: `job` is written by the caller that holds the team, before it posts a work and after the one before is done;
// it is read by the one thread that began the work, before that is done. What it points to may go to another thread
// (see `run`).
unsafe impl Sync for Seat {}
// SAFETY: as above.
unsafe impl Send for Seat {}

impl Seat {
    /// Whether this thread is the one to do this work.
    fn begin(&self, number: usize) -> bool {
        self.begun.compare_exchange(number - 1, number, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The life of a member.
    fn serve(&self) {
        let mut last = 0;
        loop {
            let number = self.wait(last);
            last = number;
            if !self.begin(number) {
                continue;
            }
            // SAFETY: this thread began the work (see `Seat`).
            if let Some(job) = unsafe { *self.job.get() } {
                // SAFETY: the job's pointers live until the work is done (see `run`).
                let result = catch_unwind(|| unsafe { (job.call)(job.work, job.part) });
                if let Err(panic) = result {
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
            }
            self.done.store(number, Ordering::Release);
        }
    }

    /// The number of the next work after `last`.
    fn wait(&self, last: usize) -> usize {
        loop {
            let since = Instant::now();
            while since.elapsed() < SPIN {
                for _ in 0..64 {
                    let posted = self.posted.load(Ordering::Acquire);
                    if posted != last {
                        return posted;
                    }
                    spin_loop();
                }
            }
            // Either this thread sees what was posted, or the caller sees that it is asleep.
            self.asleep.store(true, Ordering::SeqCst);
            while self.posted.load(Ordering::SeqCst) == last {
                thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }
}

/// Starts members for works of so many parts, so that [`run`] need not; a team at work stays as it is.
pub fn prepare(parts: usize) {
    let Ok(mut team) = TEAM.try_lock() else { return };
    while team.len() + 1 < parts {
        let seat = Arc::new(Seat::default());
        let served = Arc::clone(&seat);
        let spawned = thread::Builder::new().name("gimbap-team".into()).spawn(move || served.serve());
        // Without it, callers do its parts.
        let Ok(handle) = spawned else { return };
        team.push(Member { seat, thread: handle.thread().clone() });
    }
}

/// Does `work` for every part, the first on this thread, the others on the members that [`prepare`] started; returns
/// when all are done. A part always goes to the same member, whose cache holds what it worked on before. Allocates
/// nothing.
///
/// ```
/// let mut sums = [(1..10, 0), (10..100, 0)];
/// gimbap_kernels::team::prepare(2);
/// gimbap_kernels::team::run(&mut sums, |(numbers, sum)| *sum = numbers.clone().sum());
/// assert_eq!(sums.map(|(_, sum)| sum), [45, 4905]);
/// ```
///
/// # Panics
/// If `work` does, after all parts are done.
pub fn run<P: Send, W: Fn(&mut P) + Sync>(parts: &mut [P], work: W) {
    /// # Safety
    /// The pointers are those of a `W` and of a `P` that nobody else uses.
    unsafe fn call<P, W: Fn(&mut P)>(work: *const (), part: *mut ()) {
        // SAFETY: the caller's promise.
        unsafe { (*work.cast::<W>())(&mut *part.cast::<P>()) }
    }
    let guard = TEAM.try_lock();
    let team = guard.as_ref().map_or(&[][..], |team| &team[..]);
    let Some((first, others)) = parts.split_first_mut() else { return };
    let members = &team[..others.len().min(team.len())];
    let (shared, alone) = others.split_at_mut(members.len());
    for (member, part) in members.iter().zip(shared) {
        let seat = &member.seat;
        let job = Job { call: call::<P, W>, work: (&raw const work).cast(), part: (part as *mut P).cast() };
        // SAFETY: this thread holds the team, and the seat's last work is done. The pointers stay good until this one
        // is: below, this function does not return, nor unwind, before that. `P: Send` and `W: Sync` may be used
        // on the member's thread; each part is one job's.
        unsafe { *seat.job.get() = Some(job) };
        let number = seat.posted.load(Ordering::Relaxed) + 1;
        seat.posted.store(number, Ordering::SeqCst);
        if seat.asleep.load(Ordering::SeqCst) {
            member.thread.unpark();
        }
    }
    let mut panic = None;
    for part in std::iter::once(first).chain(alone) {
        let result = catch_unwind(AssertUnwindSafe(|| work(part)));
        panic = panic.or(result.err());
    }
    for member in members {
        let seat = &member.seat;
        let number = seat.posted.load(Ordering::Relaxed);
        if seat.begin(number) {
            // SAFETY: this thread began the work; the job is that of above.
            if let Some(job) = unsafe { *seat.job.get() } {
                // SAFETY: as above.
                let result = catch_unwind(|| unsafe { (job.call)(job.work, job.part) });
                panic = panic.or(result.err());
            }
            seat.done.store(number, Ordering::Relaxed);
            continue;
        }
        let mut waited = 0u32;
        while seat.done.load(Ordering::Acquire) != number {
            waited += 1;
            if waited.is_multiple_of(4096) { thread::yield_now() } else { spin_loop() }
        }
        let theirs = seat.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        panic = panic.or(theirs);
    }
    drop(guard);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Does `work` for every task, on so many threads: each takes the next that nobody has taken. Allocates nothing
/// once the team has as many threads.
pub fn each<I>(threads: usize, tasks: I, work: impl Fn(I::Item) + Sync)
where
    I: IntoIterator<IntoIter: ExactSizeIterator + Send>,
{
    // Units take no memory.
    each_with(&mut vec![(); threads.max(1)], tasks, |(), task| work(task));
}

/// As [`each`], on as many threads as there are buffers, one for each.
///
/// # Panics
/// If there is no buffer.
pub fn each_with<B: Send, I>(buffers: &mut [B], tasks: I, work: impl Fn(&mut B, I::Item) + Sync)
where
    I: IntoIterator<IntoIter: ExactSizeIterator + Send>,
{
    let tasks = tasks.into_iter();
    let threads = buffers.len().min(tasks.len()).max(1);
    if let [buffer] = &mut buffers[..threads] {
        return tasks.for_each(|task| work(buffer, task));
    }
    prepare(threads);
    let queue = Mutex::new(tasks);
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    run(&mut buffers[..threads], |buffer| {
        while let Some(task) = take() {
            work(buffer, task);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once_asleep_or_awake() {
        prepare(4);
        let mut counts = [0usize; 4];
        for round in 0..2000 {
            run(&mut counts, |count| *count += 1);
            assert_eq!(counts, [round + 1; 4]);
            if round % 500 == 0 {
                thread::sleep(SPIN * 3);
            }
        }
    }

    #[test]
    fn callers_at_once_and_more_parts_than_members() {
        prepare(2);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut counts = [0usize; 7];
                    (0..500).for_each(|_| run(&mut counts, |count| *count += 1));
                    assert_eq!(counts, [500; 7]);
                });
            }
        });
    }

    #[test]
    fn every_task_is_done_once() {
        let mut counts = [0usize; 100];
        each(3, &mut counts, |count| *count += 1);
        assert_eq!(counts, [1; 100]);
    }

    #[test]
    fn a_panic_comes_back_after_all_parts_are_done() {
        prepare(3);
        for bad in 0..3 {
            let mut parts = [(0, false), (1, false), (2, false)];
            let result = catch_unwind(AssertUnwindSafe(|| {
                run(&mut parts, |(number, done)| {
                    *done = true;
                    assert!(*number != bad, "part {number}");
                });
            }));
            assert!(result.is_err() && parts.iter().all(|(_, done)| *done));
            let mut sums = [1, 2, 3];
            run(&mut sums, |sum| *sum *= 2);
            assert_eq!(sums, [2, 4, 6]);
        }
    }
}
