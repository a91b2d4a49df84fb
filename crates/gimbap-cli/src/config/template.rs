//! What `gimbap new` prints: for each task a complete config, commented, which is also what
//! `gimbap train --task` starts from.

use super::TaskKind;
use crate::args::Task;

/// The task's config.
pub fn template(task: Task) -> &'static str {
    match task {
        Task::Lm => LM,
        Task::Classify => CLASSIFY,
        Task::Tag => TAG,
        Task::Forecast => FORECAST,
    }
}

/// A text whose layers a config of this kind gets when it names none.
pub(super) fn layers(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Lm => LM,
        TaskKind::Classify => CLASSIFY,
        TaskKind::Tag => TAG,
        TaskKind::Forecast => FORECAST,
    }
}

const LM: &str = include_str!("template/lm.toml");
pub(super) const CLASSIFY: &str = include_str!("template/classify.toml");
const TAG: &str = include_str!("template/tag.toml");
const FORECAST: &str = include_str!("template/forecast.toml");

/// What `gimbap train` without an argument trains.
pub const BUILTIN_CONFIG: &str = include_str!("template/builtin.toml");

#[cfg(test)]
mod tests {
    use super::super::{Source, load};
    use super::*;

    #[test]
    fn every_template_is_a_config() {
        for task in [Task::Lm, Task::Classify, Task::Tag, Task::Forecast] {
            let config = load(&Source::template(task), &[], &[]).unwrap();
            assert!(!config.layer.is_empty());
        }
        assert!(load(&Source::builtin(), &[], &[]).unwrap().is_builtin());
    }

    /// A key that is commented out is offered: taken in, it must read too.
    #[test]
    fn every_commented_key_of_a_template_is_a_key() {
        for task in [Task::Lm, Task::Classify, Task::Tag, Task::Forecast] {
            let is_key = |line: &str| {
                let (key, rest) = line.split_once(" = ")?;
                (!rest.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')).then_some(())
            };
            let text: String = template(task)
                .lines()
                .map(|line| match line.strip_prefix("# ") {
                    Some(key) if is_key(key).is_some() => format!("{key}\n"),
                    _ => format!("{line}\n"),
                })
                .collect();
            assert_ne!(text.trim(), template(task).trim());
            let source = Source { text, place: "template".into(), base: "/".into() };
            load(&source, &[], &[]).unwrap();
        }
    }
}
