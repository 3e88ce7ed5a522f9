//! Aligned columns without boxes; where they do not fit a terminal, a list.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::report::Paint;

/// On which side a column is filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under headings, all known beforehand. Every cell must be escaped already.
pub struct Grid {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    gap: u16,
}

impl Grid {
    /// A table with these headings.
    pub fn new(columns: &[(&'static str, Align)]) -> Grid {
        Grid { columns: columns.to_vec(), rows: Vec::new(), gap: 3 }
    }

    /// With columns closer together, for a table of many.
    pub fn close(self) -> Grid {
        Grid { gap: 2, ..self }
    }

    /// Adds a row with a cell for every heading.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines that begin with `indent`; a list of `heading value` where a line would be
    /// wider than the terminal.
    pub fn render(&self, paint: Paint, indent: &str) -> String {
        let lines = self.aligned();
        let widest = lines.iter().map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
        match paint.width {
            Some(width) if indent.len() + widest > width => self.list(paint, indent),
            _ => {
                let mut text = String::new();
                for (at, line) in lines.iter().enumerate() {
                    let line = line.trim_end();
                    let line = if at == 0 { paint.faint(line) } else { line.to_owned() };
                    text.push_str(&format!("{indent}{line}\n"));
                }
                text
            }
        }
    }

    fn aligned(&self) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(self.columns.iter().map(|(title, _)| *title));
        for row in &self.rows {
            table.add_row(row);
        }
        for (at, (_, align)) in self.columns.iter().enumerate() {
            if let Some(column) = table.column_mut(at) {
                column.set_padding((0, self.gap));
                column.set_cell_alignment(match align {
                    Align::Left => CellAlignment::Left,
                    Align::Right => CellAlignment::Right,
                });
            }
        }
        table.lines().collect()
    }

    fn list(&self, paint: Paint, indent: &str) -> String {
        let widest = self.columns.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            for ((title, _), cell) in self.columns.iter().zip(row) {
                let title = paint.faint(format!("{title:<widest$}"));
                text.push_str(&format!("{indent}{title}  {cell}\n"));
            }
        }
        text
    }
}

/// Rows of a stream: nobody knows yet how wide the later ones are, so columns only grow.
pub struct Columns {
    columns: Vec<(&'static str, Align, usize)>,
}

impl Columns {
    /// Columns with their headings and the widths to begin with.
    pub fn new(columns: &[(&'static str, Align, usize)]) -> Columns {
        let columns = columns
            .iter()
            .map(|(title, align, width)| (*title, *align, (*width).max(title.chars().count())))
            .collect();
        Columns { columns }
    }

    /// Makes column `at` at least `width` wide.
    pub fn widen(&mut self, at: usize, width: usize) {
        if let Some((_, _, column)) = self.columns.get_mut(at) {
            *column = (*column).max(width);
        }
    }

    /// The line of headings.
    pub fn header(&mut self, paint: Paint) -> String {
        let titles: Vec<String> =
            self.columns.iter().map(|(title, _, _)| (*title).to_owned()).collect();
        format!("{}\n", paint.faint(self.line(&titles)))
    }

    /// A row as a line; the last column is not filled up.
    pub fn row(&mut self, cells: &[String]) -> String {
        let mut line = self.line(cells);
        line.push('\n');
        line
    }

    /// Columns left for the last cell of `cells` on a line of `width` columns.
    pub fn left_for_last(&self, width: usize) -> usize {
        let before: usize = self
            .columns
            .iter()
            .take(self.columns.len().saturating_sub(1))
            .map(|(_, _, width)| width + GAP.len())
            .sum();
        width.saturating_sub(before)
    }

    fn line(&mut self, cells: &[String]) -> String {
        let mut line = String::new();
        let last = self.columns.len().saturating_sub(1);
        for (at, ((_, align, width), cell)) in self.columns.iter_mut().zip(cells).enumerate() {
            if at > 0 {
                line.push_str(GAP);
            }
            if at == last && *align == Align::Left {
                line.push_str(cell);
                continue;
            }
            let columns = cell.chars().count();
            *width = (*width).max(columns);
            // By hand: cells come from files, and a width given to `format!` must fit a u16.
            let fill = std::iter::repeat_n(' ', *width - columns);
            match align {
                Align::Left => {
                    line.push_str(cell);
                    line.extend(fill);
                }
                Align::Right => {
                    line.extend(fill);
                    line.push_str(cell);
                }
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

const GAP: &str = "  ";

/// A label and what it says, the label in a column of its own; wrapped under itself on a terminal.
pub fn labelled(paint: Paint, label: &str, label_width: usize, value: &str) -> String {
    let room = paint.width.map(|width| width.saturating_sub(label_width + GAP.len()).max(20));
    let mut text = String::new();
    for (at, line) in wrap_parts(value, room).into_iter().enumerate() {
        let label = match at {
            0 => paint.strong(format!("{label:<label_width$}")),
            _ => " ".repeat(label_width),
        };
        text.push_str(&format!("{label}{GAP}{line}\n"));
    }
    text
}

/// As [`wrap`], but where `text` consists of parts with three blanks between them, no part is
/// broken that fits a line by itself.
pub fn wrap_parts(text: &str, room: Option<usize>) -> Vec<String> {
    const BETWEEN: &str = "   ";
    let Some(columns) = room else { return vec![text.to_owned()] };
    let mut lines: Vec<String> = Vec::new();
    for part in text.split(BETWEEN) {
        match lines.last_mut() {
            Some(line)
                if line.chars().count() + BETWEEN.len() + part.chars().count() <= columns =>
            {
                line.push_str(BETWEEN);
                line.push_str(part);
            }
            _ => lines.extend(wrap(part, room)),
        }
    }
    lines
}

/// Breaks `text` at blanks into lines of at most `room` columns; words are never broken.
pub fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let columns = line.chars().count() + word.trim_end().chars().count();
        if columns > room && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            line.clear();
            if word.trim().is_empty() {
                continue;
            }
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// A bar of eighth blocks: `part` of `whole`, at most `columns` wide, never empty where `part` is
/// not zero.
pub fn bar(part: u64, whole: u64, columns: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if part == 0 || whole == 0 {
        return String::new();
    }
    let eighths = u128::from(part) * u128::from(columns) * 8 / u128::from(whole);
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).max(1);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(&[("group", Align::Left), ("entries", Align::Right)]);
        grid.row(vec!["orders".to_owned(), "1,000".to_owned()]);
        grid.row(vec!["eu-west/1".to_owned(), "7".to_owned()]);
        grid
    }

    #[test]
    fn words_align_left_and_numbers_right() {
        assert_eq!(
            grid().render(Paint::PLAIN, "  "),
            "  group       entries\n  orders        1,000\n  eu-west/1         7\n"
        );
    }

    #[test]
    fn a_table_that_does_not_fit_becomes_a_list_that_loses_nothing() {
        let mut narrow = Paint::PLAIN;
        narrow.width = Some(12);
        assert_eq!(
            grid().render(narrow, ""),
            "group    orders\nentries  1,000\n\ngroup    eu-west/1\nentries  7\n"
        );
    }

    #[test]
    fn columns_of_a_stream_grow_and_never_cut() {
        let mut columns = Columns::new(&[("index", Align::Right, 3), ("kind", Align::Left, 0)]);
        assert_eq!(columns.header(Paint::PLAIN), "index  kind\n");
        assert_eq!(columns.row(&["7".to_owned(), "noop".to_owned()]), "    7  noop\n");
        assert_eq!(columns.row(&["1000000".to_owned(), "x".to_owned()]), "1000000  x\n");
        assert_eq!(columns.row(&["8".to_owned(), "x".to_owned()]), "      8  x\n");
    }

    #[test]
    fn cells_of_any_length_are_shown_and_the_last_one_widens_no_later_line() {
        let long = "x".repeat(70_000);
        for align in [Align::Left, Align::Right] {
            let mut columns = Columns::new(&[("data", align, 0), ("ext", Align::Right, 3)]);
            assert_eq!(columns.row(&[long.clone(), "0".to_owned()]), format!("{long}    0\n"));
            assert_eq!(columns.row(&["y".to_owned(), "0".to_owned()]).len(), 70_006);
        }
        let mut columns = Columns::new(&[("index", Align::Right, 3), ("data", Align::Left, 0)]);
        assert_eq!(columns.row(&["7".to_owned(), long.clone()]), format!("    7  {long}\n"));
        let before = columns.columns[1].2;
        assert_eq!(columns.row(&["8".to_owned(), "y".to_owned()]), "    8  y\n");
        assert_eq!((before, columns.columns[1].2), (4, 4));
    }

    #[test]
    fn wrapping_keeps_every_word_and_breaks_none() {
        assert_eq!(wrap("a bb ccc dddddddd e", Some(6)), ["a bb", "ccc", "dddddddd", "e"]);
        assert_eq!(wrap("a bb", None), ["a bb"]);
    }

    #[test]
    fn parts_stay_together_where_they_fit() {
        let text = "613 entries   57.8 KiB of payload   terms 1 … 2";
        assert_eq!(
            wrap_parts(text, Some(24)),
            ["613 entries", "57.8 KiB of payload", "terms 1 … 2"]
        );
        assert_eq!(
            wrap_parts(text, Some(36)),
            ["613 entries   57.8 KiB of payload", "terms 1 … 2"]
        );
        assert_eq!(
            wrap_parts(text, Some(8)),
            ["613", "entries", "57.8 KiB", "of", "payload", "terms 1", "… 2"]
        );
    }

    #[test]
    fn bars_grow_by_eighths_and_show_even_the_least() {
        assert_eq!(bar(0, 10, 10), "");
        assert_eq!(bar(1, 1_000_000, 10), "▏");
        assert_eq!(bar(5, 10, 10), "█████");
        assert_eq!(bar(10, 10, 2), "██");
        assert_eq!(bar(9, 16, 1), "▌");
    }
}
