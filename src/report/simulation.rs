//! What `simulate` found: rows that appear as they are known, a chart, findings.

mod page;

use crate::model::Severity;
use crate::report::table::{Align, Columns, Grid};
use crate::report::{Envelope, ErrorNote, Exit, Paint, Source, Tool, words};
use crate::simulate::{
    Engine, Finding, ModeResult, Options, Outcome, Replayed, Simulated, Summary,
};

pub use page::page;

/// Columns between the ends of the chart.
const CHART_COLUMNS: usize = 56;
/// Calls and decisions of a case that are shown.
const LINES_SHOWN: usize = 40;

/// The one object of `--format json`.
pub fn envelope(
    outcome: &Outcome,
    source: Option<Source>,
    exit: Exit,
    elapsed_ms: u64,
) -> Envelope<&Simulated, Summary, Finding> {
    Envelope {
        schema: "raftlog.simulate/1".to_owned(),
        tool: Tool::THIS,
        command: "simulate",
        source,
        sources: None,
        result: Some(&outcome.result),
        summary: outcome.result.summary(&outcome.findings, elapsed_ms),
        findings: outcome.findings.clone(),
        error: None,
        exit: exit.into(),
    }
}

/// The one object of a command that could not do what it was asked.
pub fn failed(
    error: ErrorNote,
    exit: Exit,
    elapsed_ms: u64,
) -> Envelope<Simulated, Summary, Finding> {
    Envelope {
        schema: "raftlog.simulate/1".to_owned(),
        tool: Tool::THIS,
        command: "simulate",
        source: None,
        sources: None,
        result: None,
        summary: Summary { elapsed_ms, ..Summary::default() },
        findings: Vec::new(),
        error: Some(error),
        exit: exit.into(),
    }
}

/// The first line: what is simulated, and what is taken for granted.
pub fn header(options: &Options, paint: Paint) -> String {
    let profiles: Vec<&str> = options.profiles.iter().map(|profile| profile.as_str()).collect();
    format!(
        "{}{}   seed {:x}   {}   {}   torn {}\n{}\n",
        match options.engine {
            Engine::Fastlog => String::new(),
            other => format!("engine {}   ", other.as_str()),
        },
        paint.strong(format!("profile {}", profiles.join(","))),
        options.seed.0,
        words::count(options.shape.groups.len() as u64, "group", "groups"),
        words::count(options.shape.steps as u64, "step", "steps"),
        options.torn.as_str(),
        paint.faint(format!("assumes: {}", options.assumptions().join(", "))),
    )
}

/// The rows of the table, one a mode.
pub struct Rows {
    columns: Columns,
    several_profiles: bool,
}

impl Rows {
    /// A table for these options.
    pub fn new(options: &Options) -> Rows {
        let several_profiles = options.profiles.len() > 1;
        let mut columns = vec![("level", Align::Right, 5)];
        if several_profiles {
            columns.push(("profile", Align::Left, 12));
        }
        columns.extend([
            ("strategy", Align::Left, 10),
            ("flush", Align::Left, 10),
            ("points", Align::Right, 6),
            ("images", Align::Right, 7),
            ("recovered", Align::Right, 9),
            ("lost min/p50/p99/max", Align::Left, 20),
            ("window ms", Align::Right, 9),
            ("groups", Align::Left, 6),
            ("promise kept", Align::Left, 0),
        ]);
        Rows { columns: Columns::new(&columns), several_profiles }
    }

    /// The line of headings.
    pub fn heading(&mut self, paint: Paint) -> String {
        self.columns.header(paint)
    }

    /// A mode's line.
    pub fn row(&mut self, mode: &ModeResult, groups: u64) -> String {
        let lost = &mode.lost;
        let mut cells = vec![mode.durability.to_string()];
        if self.several_profiles {
            cells.push(mode.profile.to_owned());
        }
        cells.extend([
            mode.strategy.to_owned(),
            flush(mode),
            words::grouped(mode.points_enumerated),
            words::grouped(mode.images_distinct),
            words::grouped(mode.recovered_ok),
            format!("{} / {} / {} / {}", lost.min, lost.p50, lost.p99, lost.max),
            words::grouped(mode.window_ms.max),
            format!("{} of {groups}", mode.groups_hit),
            match mode.violations {
                0 => "yes".to_owned(),
                count => format!("NO ({})", words::grouped(count)),
            },
        ]);
        self.columns.row(&cells)
    }
}

fn flush(mode: &ModeResult) -> String {
    match (mode.flush.threshold, mode.flush.interval_ms) {
        (Some(threshold), Some(interval)) => format!("batch:{threshold},{interval}"),
        _ => mode.flush.policy.to_owned(),
    }
}

/// What follows the table.
pub fn footer(outcome: &Outcome, paint: Paint) -> String {
    let result = &outcome.result;
    let sum = |of: fn(&ModeResult) -> u64| result.modes.iter().map(of).sum::<u64>();
    let (refused, hazards) = (sum(|mode| mode.refused), sum(ModeResult::hazards));
    let mut text = match result.engine == Engine::RaftFastlog.as_str() {
        false => format!(
            "\ntorn tails cut {}   called corrupt {}   votes lost at -1 in {} images\n",
            words::grouped(sum(|mode| mode.torn_tails)),
            words::grouped(refused),
            words::grouped(hazards),
        ),
        true => format!(
            "\nits loader refuses {} images and brings deleted entries back in {}; votes lost at 0 \
             and -1 in {}\n",
            words::grouped(refused),
            words::grouped(sum(|mode| mode.resurrected)),
            words::grouped(hazards),
        ),
    };
    if !result.modes.is_empty() {
        text.push_str(&chart(result, paint));
    }
    text.push_str(&faults(result, paint));
    text.push_str(&clusters(result, paint));
    for finding in &outcome.findings {
        text.push_str(&told(finding, paint));
    }
    if !result.complete {
        text.push_str(&format!("{}\n", paint.warning("stopped: this is what was done so far")));
    }
    text.push_str(&format!(
        "{} images recovered and checked, {} a second\n",
        words::grouped(sum(|mode| mode.images_distinct + mode.nested)),
        words::grouped(result.images_per_s),
    ));
    text
}

/// What came of faults of the device.
fn faults(result: &Simulated, paint: Paint) -> String {
    if result.faults.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(&[
        ("fault", Align::Left),
        ("tried", Align::Right),
        ("masked", Align::Right),
        ("refused", Align::Right),
        ("ambiguous", Align::Right),
        ("silent", Align::Right),
    ]);
    for row in &result.faults {
        let counts = [row.tried, row.masked, row.refused, row.ambiguous, row.silent];
        let mut cells = vec![row.fault.to_owned()];
        cells.extend(counts.map(words::grouped));
        grid.row(cells);
    }
    let title = paint.strong("faults of the device, at level 1, disk-first");
    format!("\n{title}\n{}\n", grid.render(paint, "  "))
}

/// What one power cut does to a cluster, and what that means for who runs Dkron.
fn clusters(result: &Simulated, paint: Paint) -> String {
    let modes: Vec<_> =
        result.modes.iter().filter_map(|mode| Some((mode, mode.cluster.as_ref()?))).collect();
    let Some((_, first)) = modes.first() else { return String::new() };
    let mut grid = Grid::new(&[
        ("level", Align::Right),
        ("strategy", Align::Left),
        ("flush", Align::Left),
        ("cuts", Align::Right),
        ("with loss", Align::Right),
        ("committed lost p50/p99/max", Align::Left),
        ("may vote twice", Align::Right),
    ]);
    for (mode, cluster) in &modes {
        grid.row(vec![
            mode.durability.to_string(),
            mode.strategy.to_owned(),
            flush(mode),
            words::grouped(cluster.cuts),
            words::grouped(cluster.cuts_with_loss),
            format!(
                "{} / {} / {}",
                cluster.committed_lost_p50, cluster.committed_lost_p99, cluster.committed_lost_max
            ),
            words::grouped(cluster.double_votes),
        ]);
    }
    let title = format!("{} nodes with the same log, one power cut", first.nodes);
    format!(
        "\n{}\n{}\n{}\n",
        paint.strong(title),
        grid.render(paint, "  "),
        meaning_for_dkron(result)
    )
}

/// One sentence about the levels, as Dkron's flag names them.
pub(super) fn meaning_for_dkron(result: &Simulated) -> String {
    let level = |level: i8| {
        // Dkron's log writes before it answers: where both strategies were tried, that one speaks.
        let disk_first = |mode: &&ModeResult| mode.strategy == "disk-first";
        let either = !result.modes.iter().any(|mode| disk_first(&mode));
        let of = result.modes.iter().filter(|mode| mode.durability == level);
        let of = of.filter(|mode| either || disk_first(mode));
        let clusters: Vec<_> = of.filter_map(|mode| mode.cluster.as_ref()).collect();
        let lost = clusters.iter().map(|cluster| cluster.committed_lost_max).max()?;
        let votes: u64 = clusters.iter().map(|cluster| cluster.double_votes).sum();
        let lost = match lost {
            0 => "no committed entry".to_owned(),
            lost => format!("up to {}", words::count(lost, "committed entry", "committed entries")),
        };
        let twice = if votes > 0 { ", and a node may vote twice" } else { "" };
        Some(format!("at {level} it takes {lost}{twice}"))
    };
    let levels: Vec<String> = [1, 0, -1].into_iter().filter_map(level).collect();
    format!(
        "for Dkron's --raft-duration: when all nodes lose power together, {}",
        levels.join("; ")
    )
}

/// What killing processes showed, and what it cannot show.
pub fn processes(outcome: &Outcome, paint: Paint) -> String {
    let Some(process) = &outcome.result.process else { return String::new() };
    let mut text = format!(
        "{}   {} acknowledged, {} recovered, {} lost\n",
        paint.strong(words::count(process.rounds, "process killed", "processes killed")),
        words::count(process.acknowledged, "operation", "operations"),
        words::grouped(process.recovered),
        words::grouped(process.lost),
    );
    text.push_str(match process.violations {
        0 => "every promise about the end of a process was kept\n",
        _ => "a promise about the end of a process was BROKEN\n",
    });
    for finding in &outcome.findings {
        text.push_str(&told(finding, paint));
    }
    if !outcome.result.complete {
        text.push_str(&format!("{}\n", paint.warning("stopped: this is what was done so far")));
    }
    text.push_str(
        "this cannot show a power cut: what the kernel holds outlives the process, so that a \
         missing sync or a reordering is never visible here\n",
    );
    text
}

/// Loss against throughput: one line a mode, the further right the faster.
fn chart(result: &Simulated, paint: Paint) -> String {
    let mut modes: Vec<&ModeResult> = result.modes.iter().collect();
    modes.sort_by_key(|mode| (mode.lost.p99, mode.entries_per_s));
    let rates = || modes.iter().map(|mode| mode.entries_per_s.max(1) as f64);
    let (least, most) = (rates().fold(f64::MAX, f64::min), rates().fold(1.0, f64::max));
    let scale = (most / least).ln().max(f64::MIN_POSITIVE);
    let disk = &result.disk;
    let mut text = format!(
        "\n{}   modelled disk {}: write {} us, sync {} us\n",
        paint.strong("entries lost, p99"),
        disk.model,
        disk.write_us,
        disk.sync_us
    );
    for mode in modes {
        let share = (mode.entries_per_s.max(1) as f64 / least).ln() / scale;
        let at = (share.clamp(0.0, 1.0) * CHART_COLUMNS as f64) as usize;
        text.push_str(&format!(
            "{:>17} | {}* {} {} {}  {}/s\n",
            words::grouped(mode.lost.p99),
            " ".repeat(at),
            mode.durability,
            mode.strategy,
            flush(mode),
            words::grouped(mode.entries_per_s),
        ));
    }
    text
}

/// A finding as an operator reads it.
fn told(finding: &Finding, paint: Paint) -> String {
    let label = match finding.severity {
        Severity::Error => paint.bad("error:"),
        _ => paint.warning("hazard:"),
    };
    let mut place = String::new();
    if let Some(index) = finding.index {
        let group = finding.group.as_ref().map_or_else(|| "-".to_owned(), words::group);
        place = format!(": group {group}, index {index}");
        if let Some(term) = finding.term {
            place.push_str(&format!(", term {term}"));
        }
    }
    let mut text = format!(
        "{label} {} {}{place}   {} ({})\n",
        finding.code,
        words::escaped(&finding.message),
        words::count(finding.count, "image", "images"),
        finding.mode
    );
    if let Some(command) = &finding.command {
        text.push_str(&format!("  replay: {command}\n"));
    }
    text
}

/// One case, with everything that can be said about it.
pub fn replayed(replayed: &Replayed, findings: &[Finding], paint: Paint) -> String {
    let mut text = format!(
        "{}   profile {}   {}\n  crash:     {}\n",
        paint.strong(format!("case {}", replayed.case)),
        replayed.profile,
        replayed.mode,
        replayed.before,
    );
    let there = replayed.recovered.map_or_else(|| "no prefix".to_owned(), words::grouped);
    text.push_str(&format!(
        "  recovered: {there} of {} operations, {} promised\n  verdict:   {}\n",
        words::grouped(replayed.accepted),
        words::grouped(replayed.promised),
        words::escaped(&replayed.verdict),
    ));
    if let Some(bad) = &replayed.first_bad {
        let from = format!("cut from here: {} @ {}", bad.file, words::grouped(bad.offset_bytes));
        text.push_str(&format!("{}\n", paint.strong(from)));
        for line in bad.hex.as_bytes().chunks(32) {
            let bytes: Vec<&str> =
                line.chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
            text.push_str(&format!("  {}\n", bytes.join(" ")));
        }
    }
    for (title, lines) in
        [("last calls before it", &replayed.calls), ("what the disk did", &replayed.decisions)]
    {
        text.push_str(&format!("{}\n", paint.strong(title)));
        let hidden = lines.len().saturating_sub(LINES_SHOWN);
        for line in lines.iter().take(LINES_SHOWN) {
            text.push_str(&format!("  {}\n", words::escaped(line)));
        }
        if hidden > 0 {
            text.push_str(&format!("  and {} more: --json\n", words::grouped(hidden as u64)));
        }
    }
    for finding in findings {
        text.push_str(&told(finding, paint));
    }
    text
}
