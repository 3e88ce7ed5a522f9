//! A simulation as a page of its own: nothing is loaded from elsewhere, no script, light and dark.

use std::fmt::Write as _;

use crate::model::Severity;
use crate::report::words;
use crate::simulate::{Engine, Finding, ModeResult, Outcome, Simulated};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--line:#bbb;--mark:#0060a8;--bad:#b00020}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--paper:#16181b;--line:#555;--mark:#6ab7ff;\
--bad:#ff8a80}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);\
max-width:60rem;margin:0 auto;padding:1rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:nth-child(2),td:nth-child(2),th:nth-child(3),td:nth-child(3){text-align:left}
svg{width:100%;height:auto}svg text{fill:var(--ink);font-size:13px}
code{overflow-wrap:anywhere}.bad{color:var(--bad);font-weight:bold}
";

/// Width of a chart, in its own units.
const WIDE: f64 = 720.0;
/// Where the field of a chart begins; labels stand before it.
const FIELD: f64 = 230.0;
/// Height of a line.
const LINE: f64 = 22.0;

/// The page. `command` is what made it.
pub fn page(outcome: &Outcome, command: &str) -> String {
    let result = &outcome.result;
    let answer = answer(result);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>raftlog simulate, seed {}</title>\n<style>\n{STYLE}</style>\n\
         <h1>What a power cut may take of a {} log</h1>\n<p><strong>{}</strong></p>\n",
        result.seed,
        result.engine,
        escaped(&answer)
    );
    html.push_str("<h2>Entries lost (99 of 100 images lose no more), and entries a second</h2>\n");
    html.push_str(&chart(
        result,
        |mode| mode.lost.p99,
        |mode| {
            format!(
                "{} lost, {}/s",
                words::grouped(mode.lost.p99),
                words::grouped(mode.entries_per_s)
            )
        },
    ));
    html.push_str("<h2>Age of the oldest lost operation</h2>\n");
    html.push_str(&chart(
        result,
        |mode| mode.window_ms.max,
        |mode| format!("{} ms", words::grouped(mode.window_ms.max)),
    ));
    html.push_str(&table(result));
    if result.modes.iter().any(|mode| mode.cluster.is_some()) {
        let text = escaped(&super::meaning_for_dkron(result));
        let _infallible = writeln!(html, "<p>{text}.</p>");
    }
    html.push_str(&findings(&outcome.findings));
    html.push_str("<h2>Assumed</h2>\n<ul>\n");
    for assumption in &result.assumptions {
        let _infallible = writeln!(html, "<li>{}</li>", escaped(assumption));
    }
    let disk = &result.disk;
    let _infallible = write!(
        html,
        "<li>modelled disk {}: a write takes {} us, a sync {} us</li>\n\
         <li>losses are counted over distinct images: what a disk may do, not how likely it is\
         </li>\n\
         </ul>\n<h2>Made by</h2>\n<p><code>{}</code></p>\n</html>\n",
        disk.model,
        disk.write_us,
        disk.sync_us,
        escaped(command)
    );
    html
}

/// The sentence that answers the question.
fn answer(result: &Simulated) -> String {
    let mut parts = Vec::new();
    for level in [1, 0, -1] {
        let modes: Vec<&ModeResult> =
            result.modes.iter().filter(|mode| mode.durability == level).collect();
        let Some(lost) = modes.iter().map(|mode| mode.lost.max).max() else { continue };
        let window = modes.iter().map(|mode| mode.window_ms.max).max().unwrap_or_default();
        parts.push(match lost {
            0 => format!("level {level} lost nothing"),
            lost => format!(
                "level {level} lost up to {}, {} ms old",
                words::count(lost, "entry", "entries"),
                words::grouped(window)
            ),
        });
    }
    let mut text = format!("{}.", parts.join("; "));
    let broken: u64 = result.modes.iter().map(|mode| mode.violations).sum();
    if broken > 0 {
        let _infallible =
            write!(text, " A promise was BROKEN in {}.", words::count(broken, "image", "images"));
    } else {
        text.push_str(" Every promise was kept.");
    }
    let sum = |of: fn(&ModeResult) -> u64| result.modes.iter().map(of).sum::<u64>();
    if result.engine == Engine::RaftFastlog.as_str() {
        let (refused, resurrected) = (sum(|mode| mode.refused), sum(|mode| mode.resurrected));
        let _infallible = write!(
            text,
            " Its own loader refuses {}, and brings deleted entries back in {}.",
            words::count(refused, "image", "images"),
            words::grouped(resurrected)
        );
    }
    let twice =
        |level: i8| result.modes.iter().any(|mode| mode.durability == level && mode.hazards() > 0);
    let levels: Vec<&str> = [(0, "0"), (-1, "-1")]
        .into_iter()
        .filter_map(|(level, name)| twice(level).then_some(name))
        .collect();
    if !levels.is_empty() {
        let _infallible =
            write!(text, " At level {} a node may vote twice in a term.", levels.join(" and "));
    }
    if !result.complete {
        text.push_str(" The simulation was stopped before its end.");
    }
    text
}

fn label(mode: &ModeResult) -> String {
    let flush = match (mode.flush.threshold, mode.flush.interval_ms) {
        (Some(threshold), Some(interval)) => format!("batch:{threshold},{interval}"),
        _ => mode.flush.policy.to_owned(),
    };
    format!("{} {} {flush}", mode.durability, mode.strategy)
}

/// A bar a mode, with its value in words beside it.
fn chart(
    result: &Simulated,
    of: impl Fn(&ModeResult) -> u64,
    told: impl Fn(&ModeResult) -> String,
) -> String {
    let most = result.modes.iter().map(&of).max().unwrap_or_default().max(1) as f64;
    let high = LINE * result.modes.len() as f64 + 6.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDE} {high}\" role=\"img\">\n");
    for (at, mode) in result.modes.iter().enumerate() {
        let top = LINE * at as f64 + 3.0;
        let long = of(mode) as f64 / most * (WIDE - FIELD - 190.0);
        let base = top + 14.0;
        let _infallible = writeln!(
            svg,
            "<text x=\"0\" y=\"{base}\">{}</text>\
             <rect x=\"{FIELD}\" y=\"{top}\" width=\"{:.1}\" height=\"16\" fill=\"var(--mark)\"/>\
             <text x=\"{:.1}\" y=\"{base}\">{}</text>",
            escaped(&label(mode)),
            long.max(1.0),
            FIELD + long.max(1.0) + 6.0,
            escaped(&told(mode)),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn table(result: &Simulated) -> String {
    let mut html = String::from(
        "<h2>Every mode</h2>\n<div class=\"wide\"><table>\n<tr><th>level</th><th>mode</th>\
         <th>profile</th><th>points</th><th>images</th><th>recovered</th>\
         <th>lost min / p50 / p99 / max</th><th>window ms</th><th>groups hit</th>\
         <th>entries/s</th><th>promise kept</th></tr>\n",
    );
    for mode in &result.modes {
        let lost = &mode.lost;
        let kept = match mode.violations {
            0 => "yes".to_owned(),
            count => format!("<span class=\"bad\">NO ({})</span>", words::grouped(count)),
        };
        let _infallible = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{} / {} / {} / {}</td><td>{}</td><td>{}</td><td>{}</td><td>{kept}</td></tr>",
            mode.durability,
            escaped(&label(mode)),
            mode.profile,
            words::grouped(mode.points_enumerated),
            words::grouped(mode.images_distinct),
            words::grouped(mode.recovered_ok),
            lost.min,
            lost.p50,
            lost.p99,
            lost.max,
            words::grouped(mode.window_ms.max),
            mode.groups_hit,
            words::grouped(mode.entries_per_s),
        );
    }
    html.push_str("</table></div>\n");
    html
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h2>Findings</h2>\n<ul>\n");
    for finding in findings {
        let label = match finding.severity {
            Severity::Error => "<span class=\"bad\">error</span>",
            _ => "hazard",
        };
        let _infallible = write!(
            html,
            "<li>{label} {}: {} ({}, {})",
            finding.code,
            escaped(&finding.message),
            words::count(finding.count, "image", "images"),
            escaped(&finding.mode),
        );
        if let Some(command) = &finding.command {
            let _infallible = write!(html, "<br><code>{}</code>", escaped(command));
        }
        html.push_str("</li>\n");
    }
    html.push_str("</ul>\n");
    html
}

fn escaped(text: &str) -> String {
    let text = words::harmless(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
