//! The measurements as a page: the answer, then a chart and a table a workload, then what was
//! assumed and how to make it again.

use crate::bench::{BenchResult, Row, Spread};
use crate::report::html::{Bar, Column, bars, escaped, page, table};
use crate::report::measured::cells::{self, engine, subject};
use crate::report::measured::machine;

/// The page. `command` is the command line that makes it again.
pub fn html(result: &BenchResult, command: &str) -> String {
    let mut body = format!(
        "<h1>{}</h1>\n<p class=\"faint\">{}</p>\n",
        escaped(&answer(result)),
        escaped(&machine(&result.machine, result.rounds))
    );
    let mut engines: Vec<&str> = Vec::new();
    for row in &result.rows {
        if !engines.contains(&row.engine) {
            engines.push(row.engine);
        }
    }
    for (heading, rows) in cells::tables(&result.rows) {
        let rows: Vec<&Row> = rows.into_iter().filter(|r| r.not_measured.is_none()).collect();
        body.push_str(&format!("<h2>{}</h2>\n", escaped(&heading)));
        body.push_str(&chart(&heading, &rows, &engines));
        body.push_str(&figures(&rows));
    }
    body.push_str(&format!(
        "<h2>What was assumed</h2>\n<p>{}</p>\n<p>{}</p>\n\
         <p>Made by</p>\n<pre>{}</pre>\n",
        escaped(cells::LEGEND),
        escaped(ASSUMED),
        escaped(command)
    ));
    page("raftlog bench", &body)
}

const ASSUMED: &str = "Every figure is the median of the rounds, with the smallest and the largest \
    beside it. Each was measured in a fresh process and a fresh directory; what is compared took \
    turns within a round, and ratios are taken round by round. Writes that are acknowledged before \
    they are written count only when the system has them.";

/// One sentence that answers the question.
fn answer(result: &BenchResult) -> String {
    let judged = result.rows.iter().filter(|row| row.met.is_some()).count();
    let met = result.rows.iter().filter(|row| row.met == Some(true)).count();
    let of = |name: &str| {
        let row = result
            .rows
            .iter()
            .find(|row| row.workload == "A" && row.value_bytes == 1_024 && engine(row) == name)?;
        Some(format!("{:.2}", row.ratio_to_limit?.median))
    };
    let verdict = match judged {
        0 => "No target was measured".to_owned(),
        _ => format!("FastLog meets {met} of {judged} targets here"),
    };
    match (of("fastlog"), of("redb")) {
        (Some(fastlog), Some(redb)) => format!(
            "{verdict}; with an entry of 1 KiB per sync it reaches {fastlog} of what bare writes \
             and syncs reach, redb {redb}."
        ),
        (Some(fastlog), None) => format!(
            "{verdict}; with an entry of 1 KiB per sync it reaches {fastlog} of what bare writes \
             and syncs reach."
        ),
        _ => format!("{verdict}."),
    }
}

/// What a chart shows of a row: its ratio where it has one, else its rate.
fn shown(row: &Row, ratios: bool) -> Option<Spread> {
    if ratios { row.ratio_to_limit.or(row.ratio_to_smallest) } else { row.ops_per_s }
}

fn chart(heading: &str, rows: &[&Row], engines: &[&str]) -> String {
    let ratios = rows.iter().all(|row| shown(row, true).is_some());
    let bar = |row: &&Row| {
        let spread = shown(row, ratios)?;
        let figure = if ratios { cells::ratios(&spread) } else { cells::rates(&spread) };
        Some(Bar {
            label: format!("{}   {}", subject(row), engine(row)),
            figure,
            value: spread.median,
            range: (spread.min, spread.max),
            color: engines.iter().position(|engine| *engine == row.engine).unwrap_or(0),
        })
    };
    let all: Vec<Bar> = rows.iter().filter_map(bar).collect();
    if all.is_empty() {
        return String::new();
    }
    let grows = rows.iter().any(|row| row.ratio_to_smallest.is_some());
    let mark = match (ratios, grows) {
        (true, true) => Some((1.0, "the smallest")),
        (true, false) => Some((1.0, "the limit")),
        (false, _) => None,
    };
    let what = match (ratios, grows) {
        (true, true) => "rate, of that with the smallest",
        (true, false) => "rate, of the limit's",
        (false, _) => "entries a second",
    };
    format!(
        "<figure>\n{}<figcaption>{}; longer is better</figcaption>\n</figure>\n",
        bars(&format!("{heading}: {what}"), mark, &all),
        escaped(what)
    )
}

fn figures(rows: &[&Row]) -> String {
    let (columns, lines) = cells::columns(rows);
    let columns: Vec<Column> =
        columns.iter().map(|(title, is_number)| Column { title, is_number: *is_number }).collect();
    table(&columns, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Machine;
    use crate::report::measured::cells::tests::row;

    fn result() -> BenchResult {
        let ratio = Some(Spread { min: 0.9, median: 0.97, max: 1.0 });
        let a = |engine: &'static str, met| Row {
            workload: "A",
            durability: 1,
            strategy: None,
            flush: None,
            ratio_to_limit: ratio,
            ..row(engine, 1_024, met)
        };
        let rows = vec![
            a("fastlog", Some((0.95, true))),
            Row { value_bytes: 128, ..a("fastlog", Some((0.99, false))) },
            a("redb", None),
        ];
        let machine = Machine { cpu_model: Some("<script>".to_owned()), ..Machine::default() };
        BenchResult { machine, rows, rounds: 3, ..BenchResult::default() }
    }

    #[test]
    fn a_page_answers_first_and_ends_with_the_command() {
        let html = html(&result(), "raftlog bench --workload 'A'");
        let answer = html.find("FastLog meets 1 of 2 targets here; with an entry of 1 KiB");
        let (chart, table) = (html.find("<svg"), html.find("<table"));
        let command = html.find("<pre>raftlog bench --workload &#39;A&#39;</pre>");
        assert!(answer.is_some() && answer < chart && chart < table && table < command, "{html}");
    }

    #[test]
    fn a_page_refers_to_nothing_outside_and_runs_nothing() {
        let html = html(&result(), "raftlog bench");
        for wrong in ["http", "src=", "href=", "url(", "@import", "<script", "<link", "onload"] {
            assert!(!html.contains(wrong), "{wrong}: {html}");
        }
        assert!(html.contains("prefers-color-scheme: dark") && html.contains("viewport"), "{html}");
    }

    #[test]
    fn every_figure_of_a_chart_is_in_words_too() {
        let html = html(&result(), "");
        assert_eq!(html.matches("0.97 (0.90-1.00)").count(), 6, "a bar and a row each: {html}");
    }
}
