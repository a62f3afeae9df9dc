//! Text for people: columns that fit 80, times both ways, colours that mean something.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::core::standing::Urgency;
use crate::core::time::Timestamp;
pub(super) use crate::sink::text::clean;

/// Columns of a line: what every terminal has.
pub(super) const WIDTH: usize = 80;

/// Columns that a text takes: some characters take two, and some none.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The longest beginning of a text that fits into so many columns, and the rest.
fn split(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += UnicodeWidthChar::width(c).unwrap_or_default();
        if used > columns {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Cut to so many columns, and with everything escaped that a terminal would act on or not show.
pub(super) fn cut(text: &str, columns: usize) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text;
    }
    let (shown, _) = split(&text, columns.saturating_sub(1));
    format!("{shown}…")
}

/// Cut to the width of a line.
pub(super) fn line(text: &str) -> String {
    cut(text, WIDTH)
}

/// Padded or cut to so many columns.
pub(super) fn cell(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    let gap = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', gap));
    text
}

/// A time in whole seconds.
pub(super) fn short(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{seconds}Z")
}

/// A duration in one unit, for a narrow column.
pub(super) fn coarse(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A time as seen from now: `3 min ago`, `in 2 h`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        let ahead = at.since(now);
        if ahead.as_secs() == 0 { "now".to_owned() } else { format!("in {}", coarse(ahead)) }
    } else {
        let ago = now.since(at);
        if ago.as_secs() == 0 { "just now".to_owned() } else { format!("{} ago", coarse(ago)) }
    }
}

/// How far off a time is that something is to come at: what is past is due.
pub(super) fn coming(at: Timestamp, now: Timestamp) -> String {
    if at > now { relative(at, now) } else { "now".to_owned() }
}

/// A time both ways.
pub(super) fn both(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", short(at), relative(at, now))
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Somebody should get up.
    Bad,
    /// Somebody should look.
    Warn,
    /// It is well.
    Good,
    /// It is a heading.
    Head,
    /// It matters less.
    Dim,
}

impl Tone {
    /// That of an urgency.
    pub(super) fn of(urgency: Urgency) -> Option<Self> {
        match urgency {
            Urgency::Window => Some(Self::Bad),
            Urgency::Attention | Urgency::Failed => Some(Self::Warn),
            Urgency::Pending => None,
            Urgency::Done => Some(Self::Good),
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Head => Style::new().bold(),
            Self::Dim => Style::new().dimmed(),
        }
    }
}

/// Paints a text, if colours are wanted.
pub(super) fn paint(text: &str, tone: impl Into<Option<Tone>>, colour: bool) -> String {
    match tone.into().filter(|_| colour) {
        Some(tone) => {
            let style = tone.style();
            format!("{style}{text}{style:#}")
        }
        None => text.to_owned(),
    }
}

/// Breaks a text into lines of at most so many columns, at spaces where there are some.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in clean(text).split(' ') {
        let mut word = word;
        loop {
            let used = lines.last().map_or(0, |line| width(line));
            let gap = usize::from(used > 0);
            if used + gap + width(word) <= columns {
                if let Some(last) = lines.last_mut() {
                    last.push_str(if gap > 0 { " " } else { "" });
                    last.push_str(word);
                }
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            let (now, later) = split(word, columns.max(2));
            if let Some(last) = lines.last_mut() {
                now.clone_into(last);
            }
            lines.push(String::new());
            word = later;
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_341_600_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(AT + seconds * 1000)
    }

    #[test]
    fn times_both_ways() {
        for (seconds, told) in [
            (0, "just now"),
            (-1, "1 s ago"),
            (-119, "119 s ago"),
            (-120, "2 min ago"),
            (-7200, "2 h ago"),
            (-172_800, "2 d ago"),
            (90, "in 90 s"),
        ] {
            assert_eq!(relative(at(seconds), at(0)), told);
        }
        assert_eq!(both(at(-60), at(0)), "2026-11-22T09:59:00Z (60 s ago)");
    }

    #[test]
    fn nothing_steers_the_terminal_or_breaks_the_columns() {
        assert_eq!(cut("a\u{1b}[31mb\n\u{202e}", 40), "a\\u{1b}[31mb\\n\\u{202e}");
        assert_eq!(cut("電話番号", 8), "電話番号");
        assert_eq!(cut("電話番号", 7), "電話番…");
        assert_eq!(cell("電", 4), "電  ");
        assert_eq!(wrapped("電話番号", 5), ["電話", "番号"]);
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cell("ab", 4), "ab  ");
        assert_eq!(wrapped("ab cd efghijk l", 5), ["ab cd", "efghi", "jk l"]);
        assert_eq!(wrapped("", 5), Vec::<String>::new());
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert_eq!(paint("x", Tone::Bad, false), "x");
        assert_eq!(paint("x", None, true), "x");
        assert_eq!(paint("x", Tone::Good, true), "\u{1b}[32mx\u{1b}[0m");
    }
}
