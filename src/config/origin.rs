//! Where each setting of the main configuration comes from: the last layer that says it has the word.

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::environment::CALLED;
use super::render::masked;
use super::text::{BUILT_IN, Lines, Span, Texts};

/// A setting with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name: `poll.floor`, `account.prod-eu.region`, `events.webhook.1.name`.
    pub key: String,
    /// Its value as it is written, on one line; what may let somebody in is starred out.
    pub value: String,
    /// The file, or the variable of the environment; `default`: built in.
    pub origin: String,
    /// The line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// All settings of a merged configuration, by name. `defaults` is the text of those that are built in.
pub(super) fn settings(merged: &DeTable<'_>, texts: &Texts, defaults: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    of_table(merged, "", &Origins { texts, defaults }, &mut found);
    found
}

struct Origins<'t> {
    texts: &'t Texts,
    defaults: &'t str,
}

fn of_table(table: &DeTable<'_>, above: &str, origins: &Origins<'_>, found: &mut Vec<Setting>) {
    for (key, value) in table {
        let name =
            if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        let span = value.span();
        of_value(value.get_ref(), Span { start: span.start, end: span.end }, &name, origins, found);
    }
}

fn of_value(value: &DeValue<'_>, span: Span, name: &str, origins: &Origins<'_>, found: &mut Vec<Setting>) {
    match value {
        DeValue::Table(inner) => of_table(inner, name, origins, found),
        DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
            for (n, item) in items.iter().enumerate() {
                let at = item.span();
                let span = Span { start: at.start, end: at.end };
                of_value(item.get_ref(), span, &format!("{name}.{}", n + 1), origins, found);
            }
        }
        DeValue::Array(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => found.push(origins.setting(name, span)),
        // A variable has no quotes.
        DeValue::String(text) => {
            let value = masked(&toml::Value::String(text.to_string()).to_string());
            found.push(Setting { value, ..origins.setting(name, span) });
        }
    }
}

impl Origins<'_> {
    fn setting(&self, name: &str, span: Span) -> Setting {
        let of_text = |text: &str, base: usize| {
            let written = span.start.checked_sub(base).zip(span.end.checked_sub(base));
            let written = written.and_then(|(start, end)| text.get(start..end)).unwrap_or_default();
            let one_line = written.split_whitespace().collect::<Vec<_>>().join(" ");
            masked(&one_line)
        };
        let key = name.to_owned();
        let Some(text) = self.texts.of(span) else {
            let value = of_text(self.defaults, BUILT_IN);
            return Setting { key, value, origin: "default".to_owned(), line: None };
        };
        let origin = text.name.display().to_string();
        let line = || Lines::of(&text.content).line(span.start.saturating_sub(text.base()));
        let line = (!origin.starts_with(CALLED)).then(line);
        Setting { key, value: of_text(&text.content, text.base()), origin, line }
    }
}
