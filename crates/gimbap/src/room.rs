//! Memory, looked for before it is asked for: a system may promise what it does not have, and end the process later.

use crate::{Error, Result};

/// Refuses what needs more bytes than the machine has free; `None` stands for more than can be counted. Where it is not known
/// what is free, everything passes.
pub(crate) fn check(place: &str, bytes: Option<usize>) -> Result<()> {
    check_in(free(), place, bytes)
}

fn check_in(free: Option<usize>, place: &str, bytes: Option<usize>) -> Result<()> {
    let needed = match (bytes, free) {
        (Some(bytes), Some(free)) if bytes > free => gib(bytes),
        (None, _) => "more than there can be".into(),
        _ => return Ok(()),
    };
    let free = free.map_or("less".into(), gib);
    Err(Error::config(place, format!("needs about {needed} of memory, and {free} is free: make it smaller")))
}

fn gib(bytes: usize) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30))
}

/// The memory that this process can still have.
fn free() -> Option<usize> {
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|limit| limit.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|told| of_meminfo(&told));
    limit.into_iter().chain(machine).min()
}

/// What Linux says is available, and what is left to swap into.
fn of_meminfo(told: &str) -> Option<usize> {
    let kib = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()
    };
    Some((kib("MemAvailable")? + kib("SwapFree").unwrap_or(0)) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_refused_with_what_it_needs() {
        let gib = 1 << 30;
        assert!(check_in(Some(2 * gib), "units", Some(2 * gib)).is_ok());
        assert!(check_in(None, "units", Some(usize::MAX)).is_ok());
        let error = check_in(Some(2 * gib), "units", Some(3 * gib)).unwrap_err().to_string();
        assert!(error.contains("units") && error.contains("3.0 GiB") && error.contains("2.0 GiB"), "{error}");
        assert!(check_in(None, "units", None).is_err());
    }

    #[test]
    fn what_is_free_is_what_is_available_and_what_can_be_swapped() {
        let told =
            "MemTotal:  16 kB\nMemFree:  1 kB\nMemAvailable:    7 kB\nSwapTotal: 9 kB\nSwapFree:  3 kB\n";
        assert_eq!(of_meminfo(told), Some(10 * 1024));
        assert_eq!(of_meminfo("MemTotal: 16 kB"), None);
    }
}
