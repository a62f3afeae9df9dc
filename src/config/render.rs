//! The report of problems for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::problem::{Problem, Problems, Severity, Shown};

/// Wide enough that no line of an ordinary file is cut: terminals wrap, and a log has no width.
const WIDTH: usize = 4_000;

/// Renders all problems and a last line that counts them.
pub(super) fn report(problems: &Problems, untold: &BTreeMap<PathBuf, usize>, color: bool) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH);
    let mut out = String::new();
    for problem in problems {
        out.push_str(&renderer.render(&[group(problem)]));
        out.push_str("\n\n");
    }
    for (file, count) in untold {
        let _ = write!(out, "{count} more of {} are not shown\n\n", printable(&file.to_string_lossy()));
    }
    let _ = writeln!(
        out,
        "{}, {}",
        counted(problems.errors(), "error"),
        counted(problems.warnings(), "warning"),
    );
    out
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn group(problem: &Problem) -> Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(printable(&problem.message)));
    if problem.line.is_none() && problem.file.as_os_str() != "" {
        group = group.element(Origin::path(printable(&problem.file.to_string_lossy())));
    }
    for (index, shown) in problem.shown.iter().enumerate() {
        group = element(group, shown, index == 0 && problem.line.is_some());
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    group
}

fn element<'p>(group: Group<'p>, shown: &'p Shown, primary: bool) -> Group<'p> {
    let path = printable(&shown.file.to_string_lossy());
    let (line, column) = (shown.line as usize, shown.column as usize);
    let Some((text, range)) = &shown.excerpt else {
        return group.element(Origin::path(path).line(line).char_column(column));
    };
    let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
    let annotation = kind.span(range.clone()).label(shown.label.as_deref());
    let snippet = Snippet::source(text.as_str()).line_start(line).path(path).fold(false);
    group.element(snippet.annotation(annotation))
}

/// Text that was read, fit for a terminal: its control characters are shown, not obeyed.
pub(super) fn printable(text: &str) -> String {
    annotate_snippets::normalize_untrusted_str(&without_c1(text))
}

/// The text without the control characters above ASCII, among them one that begins an escape sequence (U+009B), which
/// `annotate-snippets` leaves as they are. The sign that stands for them takes as many bytes, so that places stay.
fn without_c1(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !c.is_ascii(), "\u{a4}")
}

/// The text with what follows the host of its web addresses starred out, and what comes before an `@` in it: both may
/// carry a secret, and a report ends in a log. Every hidden byte becomes a star, so that places stay where they are.
pub(super) fn masked(text: &str) -> String {
    let text = without_c1(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(found) = rest.find("://") {
        let (before, address) = rest.split_at(found + "://".len());
        out.push_str(before);
        rest = address;
        if before.ends_with("sqlite://") {
            continue;
        }
        let end = address.find(['"', '\'', ' ', '\t']).unwrap_or(address.len());
        let (address, after) = address.split_at(end);
        let host = address.find(['/', '?', '#']).unwrap_or(address.len());
        let user = address.rfind('@').map_or(0, |at| at);
        let host = host.max(user);
        out.push_str(&stars(&address[..user]));
        out.push_str(&address[user..host]);
        out.push_str(&stars(&address[host..]));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn stars(hidden: &str) -> String {
    "*".repeat(hidden.len())
}
