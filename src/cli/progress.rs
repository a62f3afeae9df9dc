//! That something long goes on, on a terminal: whoever waits sees for what.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often it moves.
const TICK: Duration = Duration::from_millis(120);

/// A sign of life on standard error while it is held; nothing where that is no terminal.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Begins with this.
    pub(super) fn of(what: &str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            let bar = ProgressBar::new_spinner();
            let bar = if let Ok(style) = style { bar.with_style(style) } else { bar };
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        Self(bar)
    }

    /// Goes on with this.
    pub(super) fn say(&self, what: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
