//! A page that needs nothing but itself: no script, no font, no picture from elsewhere; light and
//! dark, on a phone and on paper.

use std::fmt::Write as _;

/// What a page looks like. Colours of bars can be told apart by everybody and on both grounds, and
/// nothing is said by colour alone.
const STYLE: &str = "\
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1b1b; --faint: #5c5c5c; --line: #ccc;
  --c0: #6b6b6b; --c1: #0072b2; --c2: #b85c00; --c3: #007a5a; --c4: #a2508a; --c5: #7a6a00;
  --bad: #b00020; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --ink: #ececec; --faint: #a8a8a8;
  --line: #444; --c0: #9a9a9a; --c1: #56b4e9; --c2: #e69f00; --c3: #2fc39a; --c4: #d98cc0;
  --c5: #d9cc3c; --bad: #ff8a80; } }
@media print { :root { --ground: #fff; --ink: #000; --faint: #444; --line: #bbb; } }
* { box-sizing: border-box; }
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.35rem; line-height: 1.3; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
p.faint, figcaption { color: var(--faint); font-size: .9rem; }
figure { margin: 0; }
svg { display: block; width: 100%; max-width: 34rem; height: auto; }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
svg text.faint { fill: var(--faint); font-size: 10px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem .2rem 0; text-align: left;
  white-space: nowrap; }
td.number, th.number { text-align: right; }
.missed { color: var(--bad); font-weight: 600; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .5rem; }
";

/// Colours for bars that there are.
pub const COLORS: usize = 6;

/// `text` as it may stand in a page.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A whole page around `body`, which is HTML already.
pub fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

/// A bar with its range.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it is, at its left.
    pub label: String,
    /// Its figure in words, at its right.
    pub figure: String,
    /// How long it is.
    pub value: f64,
    /// The shortest and the longest that was seen.
    pub range: (f64, f64),
    /// Which of the colours; beyond the last they begin again.
    pub color: usize,
}

/// Columns of a chart's own measure: as wide as a phone, so that letters stay legible there.
const WIDTH: f64 = 360.0;
const ROW: f64 = 30.0;

/// Bars from zero, with a line across all of them at `mark`, where there is one.
pub fn bars(title: &str, mark: Option<(f64, &str)>, bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.range.1.max(bar.value));
    let whole = longest.chain(mark.map(|(at, _)| at)).fold(0.0_f64, f64::max);
    let scale = if whole > 0.0 { (WIDTH - 2.0) / whole } else { 0.0 };
    let top = if mark.is_some() { 14.0 } else { 2.0 };
    let height = top + ROW * bars.len() as f64 + 4.0;
    let title = escaped(title);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n\
         <title>{title}</title>\n"
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = top + ROW * at as f64;
        let (from, to) = (bar.range.0 * scale, bar.range.1 * scale);
        // Writing to a string cannot fail.
        let _written = write!(
            svg,
            "<text x=\"0\" y=\"{:.1}\">{}</text>\n\
             <text x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"0\" y=\"{:.1}\" width=\"{:.1}\" height=\"10\" fill=\"var(--c{})\"/>\n\
             <path d=\"M{from:.1} {y2:.1}H{to:.1}M{from:.1} {y1:.1}v6M{to:.1} {y1:.1}v6\" \
             stroke=\"var(--ink)\" fill=\"none\"/>\n",
            y + 11.0,
            escaped(&bar.label),
            y + 11.0,
            escaped(&bar.figure),
            y + 15.0,
            (bar.value * scale).max(0.5),
            bar.color % COLORS,
            y2 = y + 20.0,
            y1 = y + 17.0,
        );
    }
    if let Some((at, label)) = mark {
        let x = at * scale;
        let anchor = if x > WIDTH / 2.0 { "end" } else { "start" };
        let _written = write!(
            svg,
            "<path d=\"M{x:.1} 12V{height:.0}\" stroke=\"var(--ink)\" stroke-dasharray=\"3 3\"/>\n\
             <text class=\"faint\" x=\"{x:.1}\" y=\"9\" text-anchor=\"{anchor}\">{}</text>\n",
            escaped(label)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Whether figures stand in it.
    pub is_number: bool,
}

/// A table; what is missed against a target is set off.
pub fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let class = |column: &Column| if column.is_number { " class=\"number\"" } else { "" };
    let mut html = String::from("<div class=\"scroll\"><table>\n<tr>");
    for column in columns {
        let _written = write!(html, "<th{}>{}</th>", class(column), escaped(column.title));
    }
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            let text = escaped(cell);
            let text = match cell.contains("MISSED") {
                true => format!("<span class=\"missed\">{text}</span>"),
                false => text,
            };
            let _written = write!(html, "<td{}>{text}</td>", class(column));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_can_become_markup() {
        assert_eq!(
            escaped("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
        let bar = Bar {
            label: "<b>".to_owned(),
            figure: "1 < 2".to_owned(),
            value: 1.0,
            range: (0.5, 2.0),
            color: 7,
        };
        let html = bars("<t>", Some((1.0, "<limit>")), &[bar]);
        for wrong in ["<b>", "<t>", "<limit>", "1 < 2"] {
            assert!(!html.contains(wrong), "{html}");
        }
        assert!(html.contains("var(--c1)"), "colours begin again: {html}");
    }

    #[test]
    fn the_longest_range_fills_the_chart_and_no_figures_give_no_nonsense() {
        let bar = |value: f64, most: f64| Bar {
            label: String::new(),
            figure: String::new(),
            value,
            range: (0.0, most),
            color: 0,
        };
        let html = bars("t", None, &[bar(1.0, 4.0), bar(2.0, 2.0)]);
        assert!(html.contains("H358.0M"), "{html}");
        assert!(html.contains("width=\"179.0\""), "{html}");
        let empty = bars("t", None, &[bar(0.0, 0.0)]);
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
    }

    #[test]
    fn a_missed_target_is_set_off_in_more_than_colour() {
        let columns = [Column { title: "target", is_number: false }];
        let html = table(&columns, &[vec!["0.95 MISSED".to_owned()], vec!["0.95 met".to_owned()]]);
        assert!(html.contains("<span class=\"missed\">0.95 MISSED</span>"), "{html}");
        assert!(html.contains("<td>0.95 met</td>"), "{html}");
    }
}
