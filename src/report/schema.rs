//! JSON Schemas of everything that is printed as JSON, made from the types that print it.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::report::{Envelope, FindingLine, Formats, SourceLine, SummaryLine, Verdicts};
use crate::{backup, bench, compare, inspect, migrate, repair, simulate};

/// Commands that print JSON.
pub const NAMES: [&str; 11] = [
    "inspect", "verify", "migrate", "backup", "restore", "diff", "compare", "simulate", "repair",
    "formats", "bench",
];

/// What `inspect` prints: the envelope of an overview, or each line of a stream.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum Inspect {
    Overview(Box<Envelope<inspect::Overview>>),
    Source(SourceLine),
    Entry(Box<inspect::EntryLine>),
    Record(Box<inspect::RecordLine>),
    Finding(Box<FindingLine>),
    Summary(SummaryLine),
}

/// The schema of what `command` prints, or `None` where it prints no JSON.
pub fn of(command: &str) -> Option<Schema> {
    let mut schema = match command {
        "inspect" => schema_for!(Inspect),
        "verify" => schema_for!(Envelope<Verdicts>),
        "migrate" => schema_for!(Envelope<migrate::Migration>),
        "backup" => schema_for!(Envelope<backup::BackupResult>),
        "restore" => schema_for!(Envelope<backup::RestoreResult>),
        "diff" => schema_for!(Envelope<compare::Difference>),
        "compare" => schema_for!(Envelope<compare::nodes::Cluster>),
        "repair" => schema_for!(Envelope<repair::Repair>),
        "formats" => schema_for!(Envelope<Formats>),
        "simulate" => schema_for!(
            Envelope<simulate::Simulated, simulate::Summary, simulate::Finding>
        ),
        "bench" => schema_for!(Envelope<bench::BenchResult>),
        _ => return None,
    };
    schema.insert("title".to_owned(), format!("raftlog.{command}/1").into());
    Some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_schema_and_no_other() {
        for name in NAMES {
            let schema = of(name).expect("a schema");
            assert!(schema.as_object().is_some_and(|schema| schema.len() > 2), "{name}");
        }
        assert!(of("explain").is_none());
    }
}
