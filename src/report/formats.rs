//! What `raftlog formats` prints.

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::table::{Align, Grid, wrap};
use crate::report::{Paint, words};

/// `result` of `formats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Formats {
    /// Every format that is recognised.
    pub formats: Vec<FormatLine>,
    /// Schemas of redb files, by which a log is found in one.
    pub redb_schemas: Vec<SchemaLine>,
}

/// A schema of redb files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SchemaLine {
    /// Its name, as `--redb-schema` takes it.
    pub name: &'static str,
    /// Whose it is.
    pub project: &'static str,
    /// Encoding of its entries, as `--redb-codec` takes it.
    pub codec: &'static str,
    /// Its tables are always those of this project; else they may have any name.
    pub known: bool,
}

/// A format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FormatLine {
    /// Its id, as `--from` and `--to` take it.
    pub id: &'static str,
    /// Whether this build reads it.
    pub read: bool,
    /// Whether this build writes it.
    pub write: bool,
    /// One log or many; null where this build does neither read nor write it.
    pub groups: Option<Groups>,
    /// What a target of this format holds, in the words of the losses.
    pub holds: Vec<&'static str>,
    /// Limits of a target; null where it is not written.
    pub limits: Option<FormatLimits>,
    /// How it is recognised.
    pub detect: &'static str,
}

/// How many logs a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Groups {
    /// One.
    One,
    /// Many.
    Many,
}

/// Limits of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FormatLimits {
    /// Lowest index.
    pub index_min: u64,
    /// Largest encoded entry.
    pub entry_bytes_max: u64,
}

impl Formats {
    /// The formats as a table.
    pub fn text(&self, paint: Paint) -> String {
        let mut grid = Grid::new(&[
            ("format", Align::Left),
            ("read", Align::Left),
            ("write", Align::Left),
            ("groups", Align::Left),
            ("recognised by", Align::Left),
        ]);
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        for format in &self.formats {
            grid.row(vec![
                format.id.to_owned(),
                yes_no(format.read),
                yes_no(format.write),
                match format.groups {
                    Some(Groups::One) => "one".to_owned(),
                    Some(Groups::Many) => "many".to_owned(),
                    None => "-".to_owned(),
                },
                format.detect.to_owned(),
            ]);
        }
        let mut text = grid.render(paint, "");
        for format in self.formats.iter().filter(|format| !format.holds.is_empty()) {
            let limit = format.limits.map_or(String::new(), |limits| {
                format!(
                    "; entries up to {}, indexes from {}",
                    words::size(limits.entry_bytes_max),
                    limits.index_min
                )
            });
            let holds = format!("{} holds {}{limit}", format.id, format.holds.join(", "));
            text.push_str(&format!("\n{}\n", wrap(&holds, paint.width).join("\n  ")));
        }
        text.push_str(&format!("\nSchemas of redb files:\n\n{}", self.schemas(paint)));
        text
    }

    fn schemas(&self, paint: Paint) -> String {
        let columns = ["schema", "codec", "whose"].map(|name| (name, Align::Left));
        let mut grid = Grid::new(&columns);
        for schema in &self.redb_schemas {
            let row = [schema.name, schema.codec, schema.project];
            grid.row(row.map(str::to_owned).to_vec());
        }
        grid.render(paint, "")
    }
}
