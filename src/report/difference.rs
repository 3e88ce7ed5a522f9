//! What `diff` found.

use crate::compare::{Difference, FirstDifference};
use crate::model::{Findings, GroupId};
use crate::report::table::{Align, Grid};
use crate::report::{Paint, findings, words};

/// The comparison of `a` and `b` as text.
pub fn text(a: &str, b: &str, found: &Difference, damage: &Findings, paint: Paint) -> String {
    let (a, b) = (words::harmless(a), words::harmless(b));
    let common: u64 = found.groups.iter().map(|group| group.common).sum();
    let mut text = if found.identical {
        let groups = match found.groups.len() {
            0 | 1 => String::new(),
            many => format!(" in {} groups", words::grouped(many as u64)),
        };
        format!(
            "{}  {a} and {b}: {}{groups}{}\n",
            paint.good("identical"),
            words::count(common, "entry", "entries"),
            compared_words(&found.ignored)
        )
    } else {
        format!("{}  {a} and {b}\n", paint.bad("DIFFERENT"))
    };
    if let Some(first) = &found.first_difference {
        text.push_str(&first_text(first));
    }
    if !found.identical {
        text.push_str(&groups_text(found, paint));
    }
    if !found.ignored.is_empty() {
        text.push_str(&format!(
            "not compared, because it was left out: {}\n",
            words::harmless(&found.ignored.join(", "))
        ));
    }
    if !found.not_comparable.is_empty() {
        text.push_str(&format!(
            "not compared, because a side cannot hold it: {}\n",
            found.not_comparable.join(", ")
        ));
    }
    text.push_str(&findings::text(damage, paint));
    text
}

/// What was equal beside the entries.
fn compared_words(ignored: &[String]) -> &'static str {
    match ignored.iter().any(|field| field == "state") {
        true => "",
        false if ignored.iter().any(|field| field.starts_with("state:")) => {
            ", the rest of the state equal"
        }
        false => ", state equal",
    }
}

fn first_text(first: &FirstDifference) -> String {
    let group = match &first.group {
        GroupId::Unnamed => String::new(),
        named => format!(" of group {}", words::group(named)),
    };
    let place = match first.index {
        Some(index) => format!("at index {index}{group}"),
        None => format!("in the state{group}"),
    };
    let side = |value: &Option<String>| match value {
        Some(value) => words::escaped(value),
        None => "nothing".to_owned(),
    };
    format!(
        "  first {place}: {}\n    a  {}\n    b  {}\n",
        words::escaped(&first.field),
        side(&first.a),
        side(&first.b)
    )
}

fn groups_text(found: &Difference, paint: Paint) -> String {
    let mut grid = Grid::new(&[
        ("group", Align::Left),
        ("common", Align::Right),
        ("only in a", Align::Right),
        ("only in b", Align::Right),
        ("differing", Align::Right),
        ("state", Align::Left),
    ]);
    for group in &found.groups {
        grid.row(vec![
            words::group(&group.group),
            words::grouped(group.common),
            words::grouped(group.only_a),
            words::grouped(group.only_b),
            words::grouped(group.differing),
            if group.state_equal { "equal" } else { "different" }.to_owned(),
        ]);
    }
    if grid.is_empty() { String::new() } else { grid.render(paint, "  ") }
}
