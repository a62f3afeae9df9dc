//! What a change of the watch lists does, for people: said by `reload`, and by `plan` beforehand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::say;
use crate::daemon::{Affected, Change, Changes};

/// Says what changes in each list, and in which orders.
pub(super) fn tell(lists: &BTreeMap<String, Changes>) {
    for (list, changes) in lists {
        say(render(list, changes).trim_end());
    }
}

fn render(list: &str, changes: &Changes) -> String {
    let Changes { added, removed, changed, orders } = changes;
    let mut text = format!("{list}: {added} added, {removed} removed, {changed} changed\n");
    for Affected { change, provider, order_id, label, window_open } in orders {
        let sign = match change {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed => '~',
        };
        let label = label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let window = if *window_open { ", whose retry window is open" } else { "" };
        let _infallible = writeln!(text, "  {sign} {provider} {order_id}{label}{window}");
    }
    let more = (added + removed + changed).saturating_sub(orders.len() as u64);
    if more > 0 {
        let _infallible = writeln!(text, "  and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_has_its_sign_and_an_open_window_is_said() {
        let order = |change, label: Option<&str>, window_open| Affected {
            change,
            provider: "connect".to_owned(),
            order_id: "0c1f3b6e".to_owned(),
            label: label.map(str::to_owned),
            window_open,
        };
        let orders = vec![
            order(Change::Added, Some("Returns line"), false),
            order(Change::Removed, None, true),
            order(Change::Changed, None, false),
        ];
        let changes = Changes { added: 1, removed: 101, changed: 1, orders };
        assert_eq!(
            render("emea", &changes),
            "emea: 1 added, 101 removed, 1 changed
  + connect 0c1f3b6e (Returns line)
  - connect 0c1f3b6e, whose retry window is open
  ~ connect 0c1f3b6e
  and 100 more
"
        );
    }
}
