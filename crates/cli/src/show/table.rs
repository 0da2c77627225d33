//! Tables with aligned columns, as wide as the terminal at most. A long table is printed page by page: pages after the
//! first have no header, and columns at least as wide as before.

use super::{
    style::{self, Tone},
    text::clean,
};
use crate::output;
use comfy_table as comfy;
use comfy_table::{Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, Width, presets};

/// A heading, and how the cells below it are laid out.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
    /// Whether its cells may be broken into lines where the terminal is narrow.
    breaks: bool,
    /// What its cells have at least, so that later pages find room.
    least: u16,
}

impl Column {
    /// Short words or times, which stay in one piece.
    pub(crate) const fn new(heading: &'static str) -> Self {
        Column { heading, right: false, breaks: false, least: 0 }
    }

    /// Names and texts, of any length.
    pub(crate) const fn long(heading: &'static str) -> Self {
        Column { breaks: true, ..Column::new(heading) }
    }

    /// The same, with room for words of so many characters.
    pub(crate) const fn at_least(self, least: u16) -> Self {
        Column { least, ..self }
    }

    /// Numbers.
    pub(crate) const fn number(heading: &'static str) -> Self {
        Column { right: true, ..Column::new(heading) }
    }
}

/// A text, harmless for terminals, and its tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    pub(crate) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Cell { tone: Some(tone), ..Cell::from(text) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn painted(&self, colours: bool) -> String {
        style::paint(&self.text, self.tone, colours)
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: clean(text.as_ref()).into_owned(), tone: None }
    }
}

/// What the table is shown on.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    /// `None`: not a terminal, so every row is one line, however long.
    pub(crate) width: Option<u16>,
    pub(crate) colours: bool,
}

impl Screen {
    fn of_stdout() -> Self {
        Screen { width: comfy::Table::new().width(), colours: style::colours() }
    }
}

pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    screen: Screen,
    /// Of the pages before.
    widths: Option<Vec<u16>>,
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Table::on(Screen::of_stdout(), columns)
    }

    pub(crate) fn on(screen: Screen, columns: &[Column]) -> Self {
        Table { columns: columns.to_vec(), rows: Vec::new(), screen, widths: None }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the rows since the last page; the header, too, if it is the first one.
    pub(crate) fn print_page(&mut self) -> anyhow::Result<()> {
        output::line(self.page())
    }

    pub(crate) fn page(&mut self) -> String {
        let mut table = comfy::Table::new();
        table.load_preset(presets::NOTHING).force_no_tty();
        if self.widths.is_none() {
            let head =
                |column: &Column| toned(comfy::Cell::new(column.heading), Some(Tone::Strong), self.screen.colours);
            table.set_header(self.columns.iter().map(head));
        }
        for row in self.rows.drain(..) {
            let cells = row.into_iter().map(|cell| toned(comfy::Cell::new(cell.text), cell.tone, self.screen.colours));
            table.add_row(cells);
        }
        let widths = self.widths_with(&table);
        self.lay_out(&mut table, &widths);
        self.widths = Some(widths);
        table.trim_fmt()
    }

    /// How wide each column is with this page, the gap behind it included: what it needs, but no more than fits.
    fn widths_with(&self, table: &comfy::Table) -> Vec<u16> {
        let mut widths = table.column_max_content_widths();
        for (at, width) in widths.iter_mut().enumerate() {
            let before = self.widths.as_ref().and_then(|widths| widths.get(at)).copied().unwrap_or_default();
            let least = self.columns.get(at).map_or(0, |column| column.least);
            *width = before.max((*width).max(least).saturating_add(self.gap_behind(at)));
        }
        while self.screen.width.is_some_and(|width| widths.iter().copied().map(u32::from).sum::<u32>() > width.into()) {
            let breaking = widths.iter_mut().zip(&self.columns).filter(|(_, column)| column.breaks);
            match breaking.map(|(width, _)| width).max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        widths
    }

    fn gap_behind(&self, column: usize) -> u16 {
        if column + 1 < self.columns.len() { GAP } else { 0 }
    }

    fn lay_out(&self, table: &mut comfy::Table, widths: &[u16]) {
        if self.screen.colours {
            table.enforce_styling();
        }
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(widths.iter().copied().fold(0, u16::saturating_add));
        for ((at, spec), width) in self.columns.iter().enumerate().zip(widths) {
            let Some(column) = table.column_mut(at) else { continue };
            column.set_padding((0, self.gap_behind(at)));
            column.set_cell_alignment(if spec.right { CellAlignment::Right } else { CellAlignment::Left });
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(*width)));
        }
    }
}

/// The least that a column is broken to.
const NARROWEST: u16 = 12;

/// Between two columns.
const GAP: u16 = 2;

fn toned(cell: comfy::Cell, tone: Option<Tone>, colours: bool) -> comfy::Cell {
    match tone {
        _ if !colours => cell,
        None => cell,
        Some(Tone::Good) => cell.fg(Color::DarkGreen),
        Some(Tone::Bad) => cell.fg(Color::DarkRed),
        Some(Tone::Live) => cell.fg(Color::DarkCyan),
        Some(Tone::Faint) => cell.add_attribute(Attribute::Dim),
        Some(Tone::Strong) => cell.add_attribute(Attribute::Bold),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const COLUMNS: [Column; 3] = [Column::new("STATUS"), Column::long("WORKFLOW ID"), Column::number("EVENTS")];

    fn check(width: Option<u16>, expected: Expect) {
        let mut table = Table::on(Screen { width, colours: false }, &COLUMNS);
        table.row(["Running".into(), "order-1".into(), "7".into()]);
        table.row(["Failed".into(), "order-\x1b[31m of somebody with a long name".into(), "11".into()]);
        let first = table.page();
        table.row(["Failed".into(), "b".into(), "1200".into()]);
        expected.assert_eq(&format!("{first}\n{}\n", table.page()));
    }

    #[test]
    fn columns_are_aligned_over_pages() {
        check(
            None,
            expect![[r#"
            STATUS   WORKFLOW ID                                    EVENTS
            Running  order-1                                             7
            Failed   order-\u{1b}[31m of somebody with a long name      11
            Failed   b                                                1200
        "#]],
        );
    }

    #[test]
    fn long_cells_are_broken_where_the_terminal_is_narrow() {
        check(
            Some(40),
            expect![[r#"
                STATUS   WORKFLOW ID              EVENTS
                Running  order-1                       7
                Failed   order-\u{1b}[31m of          11
                         somebody with a long
                         name
                Failed   b                          1200
            "#]],
        );
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let mut table = Table::on(Screen { width: None, colours: true }, &[Column::new("STATUS")]);
        table.row([Cell::toned("Failed", Tone::Bad)]);
        expect![[r#"\u{1b}[1mSTATUS\u{1b}[0m\n\u{1b}[38;5;1mFailed\u{1b}[39m"#]]
            .assert_eq(&table.page().escape_debug().to_string());
    }
}
