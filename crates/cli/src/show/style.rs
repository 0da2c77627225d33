//! Colours: only where standard output is a terminal that can show them, and nobody has said no.

use anstyle::{AnsiColor, Style};
use std::io::IsTerminal;

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    /// Goes on.
    Live,
    /// Beside the point.
    Faint,
    Strong,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Live => AnsiColor::Cyan.on_default(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        }
    }
}

/// Whether standard output shows colours. <https://no-color.org>
pub(crate) fn colours() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The text in its tone, where `colours` are wanted.
pub(crate) fn paint(text: &str, tone: Option<Tone>, colours: bool) -> String {
    match tone {
        Some(tone) if colours => format!("{0}{text}{0:#}", tone.style()),
        _ => text.to_owned(),
    }
}
