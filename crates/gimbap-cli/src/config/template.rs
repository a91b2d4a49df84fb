//! What `gimbap new` prints: for each task, and for each preset, a complete config, commented, which is also what
//! `gimbap train --task` and `--preset` start from.

use super::TaskKind;
use crate::args::{Preset, Task};

/// The task's config.
pub fn template(task: Task) -> &'static str {
    match task {
        Task::Lm => LM,
        Task::Classify => CLASSIFY,
        Task::Regress => REGRESS,
        Task::Tag => TAG,
        Task::Forecast => FORECAST,
    }
}

/// The config of a paper's language model.
pub fn preset(preset: Preset) -> &'static str {
    match preset {
        Preset::ZarembaSmall => include_str!("template/preset/zaremba-small.toml"),
        Preset::ZarembaMedium => include_str!("template/preset/zaremba-medium.toml"),
        Preset::ZarembaLarge => include_str!("template/preset/zaremba-large.toml"),
        Preset::AwdLstm => include_str!("template/preset/awd-lstm.toml"),
        Preset::CharRnn => include_str!("template/preset/char-rnn.toml"),
        Preset::Mikolov => include_str!("template/preset/mikolov.toml"),
    }
}

/// A text whose layers a config of this kind gets when it names none.
pub(super) fn layers(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Lm => LM,
        TaskKind::Classify => CLASSIFY,
        TaskKind::Regress => REGRESS,
        TaskKind::Tag => TAG,
        TaskKind::Forecast => FORECAST,
    }
}

const LM: &str = include_str!("template/lm.toml");
pub(super) const CLASSIFY: &str = include_str!("template/classify.toml");
pub(super) const REGRESS: &str = include_str!("template/regress.toml");
const TAG: &str = include_str!("template/tag.toml");
const FORECAST: &str = include_str!("template/forecast.toml");

/// What `gimbap train` without an argument trains.
pub const BUILTIN_CONFIG: &str = include_str!("template/builtin.toml");

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::super::{Source, load};
    use super::*;

    #[test]
    fn every_template_is_a_config() {
        for task in [Task::Lm, Task::Classify, Task::Regress, Task::Tag, Task::Forecast] {
            let config = load(&Source::template(task), &[], &[]).unwrap();
            assert!(!config.layer.is_empty());
        }
        assert!(load(&Source::builtin(), &[], &[]).unwrap().is_builtin());
    }

    #[test]
    fn every_preset_is_a_config_that_can_be_written_and_read() {
        for &preset in Preset::value_variants() {
            let config = load(&Source::preset(preset), &[], &[]).unwrap();
            assert!(config.task.kind == TaskKind::Lm && config.data.unit.is_some());
            let text = config.to_toml().unwrap();
            let written = Source { text, place: "written".into(), base: "/".into() };
            assert_eq!(load(&written, &[], &[]).unwrap(), config, "{}", preset.name());
        }
    }

    /// A key that is commented out is offered: taken in, by itself and in the place of what stands there, it must read too.
    #[test]
    fn every_commented_key_of_a_template_is_a_key() {
        let presets = Preset::value_variants().iter().filter(|&&p| p != Preset::CharRnn).map(|&p| preset(p));
        for own in [Task::Lm, Task::Classify, Task::Regress, Task::Tag, Task::Forecast]
            .map(template)
            .into_iter()
            .chain(presets)
        {
            let key_of = |line: &'static str| {
                let (key, rest) = line.split_once(" = ")?;
                let plain = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                (!rest.is_empty() && plain).then_some(key)
            };
            let lines: Vec<&'static str> = own.lines().collect();
            let mut n = 0;
            for (place, line) in lines.iter().enumerate() {
                let Some(offer) = line.strip_prefix("# ") else { continue };
                let Some(key) = key_of(offer) else { continue };
                // The table that the line is in.
                let heads = |line: &&str| line.starts_with('[');
                let first = lines[..place].iter().rposition(heads).unwrap_or(0);
                let last = lines[place..].iter().position(heads).map_or(lines.len(), |more| place + more);
                let text: String = (0..lines.len())
                    .filter(|at| !(first..last).contains(at) || key_of(lines[*at]) != Some(key))
                    .map(|at| format!("{}\n", if at == place { offer } else { lines[at] }))
                    .collect();
                let source = Source { text, place: "template".into(), base: "/".into() };
                // A tokenizer is for subwords alone, where words end for words.
                let unit = match key {
                    "tokenizer" => Some("data.unit=subword".to_owned()),
                    "words" => Some("data.unit=word".to_owned()),
                    _ => None,
                };
                if let Err(failure) = load(&source, &[], &Vec::from_iter(unit)) {
                    panic!("`{offer}`: {}", failure.message);
                }
                n += 1;
            }
            assert!(n > 0);
        }
    }
}
