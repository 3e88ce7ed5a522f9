//! What `raftlog explain` says: for every code, exit name and loss its cause, risk and remedy.

mod checks;
mod exits;
mod losses;
mod rules;

use crate::model::Code;
use crate::report::table::wrap;
use crate::report::{Exit, Paint};
use crate::simulate::Check;

pub(crate) use crate::migrate::LossName;

/// Cause, risk and remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it comes from.
    pub cause: &'static str,
    /// What may follow from it.
    pub risk: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Something that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A rule of `verify`.
    Rule(Code),
    /// A way to end.
    Exit(Exit),
    /// Something that a target cannot hold.
    Loss(LossName),
    /// Something that must hold after a crash.
    Check(Check),
}

impl Topic {
    /// Every topic.
    pub fn all() -> Vec<Topic> {
        let rules = Code::ALL.iter().map(|code| Topic::Rule(*code));
        let exits = Exit::ALL.iter().map(|exit| Topic::Exit(*exit));
        let losses = LossName::ALL.iter().map(|loss| Topic::Loss(*loss));
        let checks = Check::ALL.iter().map(|check| Topic::Check(*check));
        rules.chain(exits).chain(losses).chain(checks).collect()
    }

    /// The topics that `word` names: a code in either case, an exit name or number, a loss name.
    pub fn named(word: &str) -> Vec<Topic> {
        Topic::all()
            .into_iter()
            .filter(|topic| match topic {
                Topic::Rule(code) => code.as_str().eq_ignore_ascii_case(word),
                Topic::Exit(exit) => exit.name() == word || exit.code().to_string() == word,
                Topic::Loss(loss) => loss.as_str() == word,
                Topic::Check(check) => check.as_str().eq_ignore_ascii_case(word),
            })
            .collect()
    }

    fn explanation(self) -> Explanation {
        match self {
            Topic::Rule(code) => rules::explain(code),
            Topic::Exit(exit) => exits::explain(exit),
            Topic::Loss(loss) => losses::explain(loss),
            Topic::Check(check) => checks::explain(check),
        }
    }

    fn heading(self, paint: Paint) -> String {
        match self {
            Topic::Rule(code) => format!(
                "{}  {}   (usually {})",
                paint.strong(code.as_str()),
                code.title(),
                code.severity().as_str()
            ),
            Topic::Exit(exit) => {
                format!("{}  exit code {}", paint.strong(exit.name()), exit.code())
            }
            Topic::Loss(loss) => {
                format!("{}  a loss that migrate may name", paint.strong(loss.as_str()))
            }
            Topic::Check(check) => format!(
                "{}  {}: {}   (simulate)",
                paint.strong(check.as_str()),
                check.word(),
                check.title()
            ),
        }
    }

    /// The explanation as text.
    pub fn text(self, paint: Paint) -> String {
        let Explanation { cause, risk, remedy } = self.explanation();
        let mut text = format!("{}\n", self.heading(paint));
        for (label, words) in [("cause", cause), ("risk", risk), ("remedy", remedy)] {
            // Long paragraphs are read best in lines of this length, also in a pipe.
            let room = paint.width.unwrap_or(96).min(96).saturating_sub(10).max(20);
            for (at, line) in wrap(words, Some(room)).into_iter().enumerate() {
                let label = if at == 0 { label } else { "" };
                text.push_str(&format!("  {label:<6}  {line}\n"));
            }
        }
        text
    }
}

/// What may follow from a finding of rule `code`, one or two sentences.
pub fn risk(code: Code) -> &'static str {
    rules::explain(code).risk
}

/// The list of everything that can be explained.
pub fn list() -> String {
    let mut text = String::from("rules\n");
    for code in Code::ALL {
        text.push_str(&format!("  {code}  {}\n", code.title()));
    }
    text.push_str("exit names (or their numbers)\n ");
    for exit in Exit::ALL {
        text.push_str(&format!(" {} ({})", exit.name(), exit.code()));
    }
    text.push_str("\nchecks of simulate\n");
    for check in Check::ALL {
        text.push_str(&format!("  {check}  {}\n", check.title()));
    }
    text.push_str("losses\n ");
    for loss in LossName::ALL {
        text.push_str(&format!(" {loss}"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_found_by_its_own_name_and_says_all_three_things() {
        for topic in Topic::all() {
            let name = match topic {
                Topic::Rule(code) => code.as_str().to_owned(),
                Topic::Exit(exit) => exit.code().to_string(),
                Topic::Loss(loss) => loss.as_str().to_owned(),
                Topic::Check(check) => check.as_str().to_owned(),
            };
            assert_eq!(Topic::named(&name), [topic]);
            let Explanation { cause, risk, remedy } = topic.explanation();
            for words in [cause, risk, remedy] {
                assert!(words.len() > 10 && words.ends_with('.'), "{name}: {words:?}");
            }
        }
    }

    #[test]
    fn codes_are_found_in_either_case_and_cancelled_has_two_numbers() {
        assert_eq!(Topic::named("r114"), [Topic::Rule(Code::R114)]);
        assert_eq!(
            Topic::named("cancelled"),
            [Topic::Exit(Exit::Interrupted), Topic::Exit(Exit::Terminated)]
        );
        assert!(Topic::named("R999").is_empty());
    }

    #[test]
    fn no_two_topics_are_explained_with_the_same_words() {
        let mut causes: Vec<&str> =
            Topic::all().into_iter().map(|topic| topic.explanation().cause).collect();
        let count = causes.len();
        causes.sort_unstable();
        causes.dedup();
        assert_eq!(causes.len(), count);
    }
}
