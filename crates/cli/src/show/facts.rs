//! What there is to say of one thing: a name and a value on each line.

use super::{style, table::Cell};
use crate::output;

#[derive(Default)]
pub(crate) struct Facts(Vec<(&'static str, Cell)>);

impl Facts {
    /// Adds a fact; one that is empty is left out.
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<Cell>) -> &mut Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((name, value));
        }
        self
    }

    pub(crate) fn render(&self, colours: bool) -> String {
        let widest = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, value): &(&str, Cell)| format!("{name:widest$}  {}", value.painted(colours));
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        output::line(self.render(style::colours()))
    }
}
