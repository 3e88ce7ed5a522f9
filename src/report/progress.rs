//! What a long job shows while it works: bars on a terminal, else a plain line every ten seconds.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Phase};
use crate::report::output::tell;
use crate::report::words;

/// A plain line appears this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar appears only when its phase takes longer than this.
const BAR_AFTER: Duration = Duration::from_millis(400);

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Plain lines.
    Plain,
    /// Nothing.
    Never,
}

/// Shows the events of a job on stderr.
pub struct Progress<'c> {
    mode: Mode,
    shows_notes: bool,
    clock: &'c dyn Fn() -> Duration,
    bar: Option<ProgressBar>,
    began: Duration,
    next_line: Duration,
    phase: Option<PhaseTotals>,
}

struct PhaseTotals {
    bytes: Option<u64>,
    entries: Option<u64>,
}

impl<'c> Progress<'c> {
    /// Progress as `mode` asks for; `clock` is a time that never goes back. Without `shows_notes`
    /// what a job notes is not shown either.
    pub fn new(mode: Mode, shows_notes: bool, clock: &'c dyn Fn() -> Duration) -> Progress<'c> {
        let mode = match mode {
            Mode::Auto if !std::io::stderr().is_terminal() => Mode::Plain,
            mode => mode,
        };
        let now = clock();
        Progress {
            mode,
            shows_notes,
            clock,
            bar: None,
            began: now,
            next_line: now + LINE_EVERY,
            phase: None,
        }
    }

    /// Takes note of an event.
    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Started { total_bytes, total_entries, .. } => {
                self.began = (self.clock)();
                self.next_line = self.began + LINE_EVERY;
                self.phase = Some(PhaseTotals { bytes: *total_bytes, entries: *total_entries });
                self.end_bar();
            }
            Event::Advanced { phase, bytes, entries } => self.advance(*phase, *bytes, *entries),
            Event::Finished { .. } => self.end_bar(),
            Event::Noted { message } => self.note(message),
        }
    }

    /// Removes the bar, so that a result or an error can follow.
    pub fn end(&mut self) {
        self.end_bar();
    }

    fn advance(&mut self, phase: Phase, bytes: u64, entries: u64) {
        if self.mode == Mode::Never {
            return;
        }
        let spent = (self.clock)().saturating_sub(self.began);
        if self.mode == Mode::Auto && self.bar.is_none() && spent >= BAR_AFTER {
            self.bar = self.phase.as_ref().map(|totals| bar(phase, totals));
        }
        if let Some(bar) = &self.bar {
            let by_entries = self.phase.as_ref().is_some_and(|totals| totals.bytes.is_none());
            bar.set_message(amounts(phase, bytes, entries, spent));
            bar.set_position(if by_entries { entries } else { bytes });
        } else if self.mode == Mode::Plain && (self.clock)() >= self.next_line {
            self.next_line = (self.clock)() + LINE_EVERY;
            let done =
                self.phase.as_ref().and_then(|totals| match (totals.bytes, totals.entries) {
                    (Some(total), _) if total > 0 => Some((bytes, total)),
                    (_, Some(total)) if total > 0 => Some((entries, total)),
                    _ => None,
                });
            tell(&plain_line(phase, done, &amounts(phase, bytes, entries, spent), spent));
        }
    }

    fn note(&self, message: &str) {
        if !self.shows_notes {
            return;
        }
        let line = format!("note: {}\n", words::harmless(message));
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(&line)),
            None => tell(&line),
        }
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.end_bar();
    }
}

fn bar(phase: Phase, totals: &PhaseTotals) -> ProgressBar {
    let total = totals.bytes.or(totals.entries).filter(|total| *total > 0);
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    // The bar takes what the words leave of the line, so that a narrow terminal never wraps it.
    let template = match total {
        Some(_) => "{prefix:<12} {wide_bar} {msg}   {eta} left",
        None => "{prefix:<12} {spinner} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.set_prefix(phase.as_str());
    bar
}

fn amounts(phase: Phase, bytes: u64, entries: u64, spent: Duration) -> String {
    let mut parts = Vec::new();
    let per_second = |amount: u64| {
        let seconds = spent.as_secs_f64();
        // A rate over less than this says nothing.
        (seconds > 0.2).then(|| (amount as f64 / seconds) as u64)
    };
    if entries > 0 {
        let rate = per_second(entries)
            .map_or(String::new(), |rate| format!(" ({}/s)", words::grouped(rate)));
        let (one, many) = phase.units();
        parts.push(format!("{}{rate}", words::count(entries, one, many)));
    }
    if bytes > 0 && phase.counts_bytes() {
        let rate =
            per_second(bytes).map_or(String::new(), |rate| format!(" ({}/s)", words::size(rate)));
        parts.push(format!("{}{rate}", words::size(bytes)));
    }
    parts.join("   ")
}

fn plain_line(phase: Phase, done: Option<(u64, u64)>, amounts: &str, spent: Duration) -> String {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut line = phase.as_str().to_owned();
    if let Some((done, total)) = done {
        let done = done.min(total);
        let percent = u128::from(done) * 100 / u128::from(total);
        line.push_str(&format!(" {percent} %"));
        if done > 0 {
            let left =
                u128::from(milliseconds(spent)) * u128::from(total - done) / u128::from(done);
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            return format!("{line}   {amounts}   about {} left\n", words::duration(left));
        }
    }
    format!("{line}   {amounts}   {} so far\n", words::duration(milliseconds(spent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_tells_share_amount_rate_and_time_left() {
        let spent = Duration::from_secs(20);
        let amounts = amounts(Phase::Copying, 100 << 20, 50_000, spent);
        assert_eq!(amounts, "50,000 entries (2,500/s)   100.0 MiB (5.0 MiB/s)");
        assert_eq!(
            plain_line(Phase::Copying, Some((25, 100)), &amounts, spent),
            format!("copying 25 %   {amounts}   about 1m00s left\n")
        );
        assert_eq!(
            plain_line(Phase::Reading, None, "1 entry", spent),
            "reading   1 entry   20.0 s so far\n"
        );
    }

    #[test]
    fn a_plain_line_comes_every_ten_seconds_and_a_bar_only_where_it_is_asked_for() {
        let now = std::cell::Cell::new(Duration::ZERO);
        let clock = || now.get();
        let mut progress = Progress::new(Mode::Plain, true, &clock);
        let phase = Phase::Copying;
        progress.on(&Event::Started { phase, total_bytes: Some(100), total_entries: None });
        now.set(Duration::from_secs(9));
        progress.on(&Event::Advanced { phase, bytes: 10, entries: 1 });
        assert_eq!(progress.next_line, Duration::from_secs(10), "not yet");
        now.set(Duration::from_secs(11));
        progress.on(&Event::Advanced { phase, bytes: 20, entries: 2 });
        assert_eq!(progress.next_line, Duration::from_secs(21), "a line was told");
        assert!(progress.bar.is_none());
    }

    #[test]
    fn a_total_that_was_too_low_never_gives_more_than_all() {
        let line = plain_line(Phase::Copying, Some((300, 100)), "", Duration::from_secs(1));
        assert!(line.starts_with("copying 100 % ") && line.contains("about 0 ms left"), "{line}");
    }
}
