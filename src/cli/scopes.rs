//! The scopes as a table, those that need somebody first.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use super::text::{line, width};
use crate::core::message::span;
use crate::daemon::observe::{LaneView, ScopeView, Trouble};

/// Columns of a scope's name. One that is longer has a line of its own.
const NAME_WIDTH: usize = 27;
/// No delay is told that is longer.
const LATE_MOST: Duration = Duration::from_hours(1000 * 24);

/// For people: plain text of at most 80 columns. Calls a second are as learned / as our share of the quota allows; of a lane, how
/// many looks are due, how long the first has waited, and how long until the last of them is through.
pub(super) fn render(mut scopes: Vec<ScopeView>) -> String {
    scopes.sort_by_cached_key(urgency);
    let mut text = String::new();
    row(&mut text, "SCOPE", &["ORDERS", "CALLS/S", "DUE", "OLDEST", "ALL IN"]);
    for scope in &scopes {
        show(&mut text, scope);
    }
    text
}

/// Those in trouble come first, the worst of them before the others; then those that are late, the latest first.
fn urgency(scope: &ScopeView) -> impl Ord + use<> {
    let worst = scope.troubles().map(|trouble| trouble.rank).next().unwrap_or(usize::MAX);
    let late = scope.lanes.each().into_iter().map(|(_, lane)| {
        let expected = lane.expected_s.map_or(LATE_MOST, duration);
        expected.max(duration(lane.oldest_s))
    });
    let name = (scope.account.clone(), scope.provider, scope.region.clone());
    (worst, Reverse(late.max()), Reverse(due(scope)), name)
}

fn due(scope: &ScopeView) -> u64 {
    scope.lanes.each().into_iter().map(|(_, lane)| lane.due).sum()
}

fn show(text: &mut String, scope: &ScopeView) {
    let name = line(&format!("{}/{} {}", scope.provider, scope.account, scope.region));
    let calls = format!("{}/{}", rate(scope.rate), rate(scope.quota));
    let mut cells = vec![scope.tracked.to_string(), calls];
    if due(scope) == 0 {
        cells.push("  nothing waits".to_owned());
    }
    row(text, &name, &cells);
    for (lane, view) in scope.lanes.each().into_iter().filter(|(_, lane)| lane.due > 0) {
        let LaneView { due, oldest_s, expected_s } = view;
        let expected = expected_s.map_or("unknown".to_owned(), |expected| span(duration(expected)));
        let cells = [String::new(), String::new(), due.to_string(), span(duration(*oldest_s)), expected];
        row(text, &format!("  {}", lane.as_str()), &cells);
    }
    for Trouble { word, since, meaning, rank: _ } in scope.troubles() {
        let _ = writeln!(text, "{}", line(&format!("  ! {word} since {since}: {meaning}")));
    }
    if scope.hold_s > 0.0 {
        let _ = writeln!(text, "  ! every call waits for {} more", span(duration(scope.hold_s)));
    }
    if scope.list.reading {
        let pages = scope.list.pages.map(|pages| format!(", which had {pages} pages"));
        let _ = writeln!(text, "    its list is being read{}", pages.unwrap_or_default());
    }
    let others: Vec<&str> =
        scope.accounts.iter().map(String::as_str).filter(|name| *name != scope.account).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "{}", line(&format!("    also of {}", others.join(", "))));
    }
}

/// A line of the table.
fn row(text: &mut String, name: &str, cells: &[impl AsRef<str>]) {
    if width(name) > NAME_WIDTH {
        let _ = writeln!(text, "{name}");
        let _ = write!(text, "{:NAME_WIDTH$}", "");
    } else {
        let _ = write!(text, "{name:NAME_WIDTH$}");
    }
    for (cell, width) in cells.iter().zip([7, 12, 7, 13, 13]) {
        let _ = write!(text, "{:>width$}", cell.as_ref());
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// Three digits or so of a rate.
fn rate(calls: f64) -> String {
    match calls {
        under if under < 9.995 => format!("{under:.2}"),
        under if under < 99.95 => format!("{under:.1}"),
        more => format!("{more:.0}"),
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(LATE_MOST).min(LATE_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::WIDTH;
    use crate::core::order::Provider;
    use crate::core::time::Timestamp;
    use crate::daemon::observe::ListView;

    const AT: i64 = 1_795_341_600_000;

    fn scope(provider: Provider, account: &str) -> ScopeView {
        ScopeView {
            account: account.to_owned(),
            accounts: vec![account.to_owned()],
            region: "eu-west-2".to_owned(),
            tracked: 4,
            looked_at: 4,
            rate: 1.6,
            quota: 1.6,
            ..ScopeView::idle(provider)
        }
    }

    fn lane(due: u64, oldest_s: f64, expected_s: Option<f64>) -> LaneView {
        LaneView { due, oldest_s, expected_s }
    }

    fn before(seconds: i64) -> Timestamp {
        Timestamp::from_millis(AT - seconds * 1000)
    }

    fn rendered(scopes: Vec<ScopeView>) -> String {
        let text = render(scopes);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && !line.ends_with(' '), "{line:?}");
        }
        text
    }

    #[test]
    fn the_troubled_come_first_then_the_late_then_the_rest() {
        let well = scope(Provider::Chime, "prod-eu");
        let mut late = scope(Provider::Chime, "prod-us");
        late.lanes.verify = lane(1, 0.4, Some(0.7));
        let mut later = ScopeView { tracked: 100_000, rate: 99.94, quota: 400.0, ..late.clone() };
        later.account = "staging-with-a-long-name".to_owned();
        later.accounts = vec![later.account.clone()];
        later.lanes.pending = lane(81_234, 61.0, Some(7205.0));
        later.list = ListView { pages: Some(12), whole: true, read_at: Some(before(90)), reading: true };
        let mut held = scope(Provider::Connect, "prod-eu");
        (held.throttled_since, held.overloaded_since, held.hold_s) =
            (Some(before(60)), Some(before(3600)), 2.5);
        held.lanes.urgent = lane(3, 12.0, Some(6.0));
        held.accounts.push("prod-eu-2".to_owned());
        let mut down = scope(Provider::Connect, "prod-us");
        down.unavailable_since = Some(before(86_400));
        down.lanes.pending = lane(4, 1e30, None);
        assert_eq!(
            rendered(vec![well, late, later, held, down]),
            "\
SCOPE                       ORDERS     CALLS/S    DUE       OLDEST       ALL IN
connect/prod-us eu-west-2        4   1.60/1.60
  pending                                           4       1000 d      unknown
  ! unavailable since 2026-11-21T10:00:00.000Z: the service does not work
connect/prod-eu eu-west-2        4   1.60/1.60
  urgent                                            3         12 s          6 s
  ! overloaded since 2026-11-22T09:00:00.000Z: more is due than the quota allows
  ! throttled since 2026-11-22T09:59:00.000Z: the service refused for quota
  ! every call waits for 2 s more
    also of prod-eu-2
chime/staging-with-a-long-name eu-west-2
                            100000    99.9/400
  pending                                       81234    1 min 1 s          2 h
  verify                                            1    under 1 s    under 1 s
    its list is being read, which had 12 pages
chime/prod-us eu-west-2          4   1.60/1.60
  verify                                            1    under 1 s    under 1 s
chime/prod-eu eu-west-2          4   1.60/1.60  nothing waits
"
        );
    }

    #[test]
    fn every_kind_of_trouble_has_its_place() {
        let mut all: Vec<ScopeView> =
            ["e", "d", "c", "b", "a"].map(|name| scope(Provider::Chime, name)).into();
        all[0].denied_since = Some(before(1));
        all[1].unavailable_since = Some(before(1));
        all[2].suspect_since = Some(before(1));
        all[3].overloaded_since = Some(before(1));
        all[4].throttled_since = Some(before(1));
        all.reverse();
        let text = rendered(all);
        let marks: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("  ! ")?.split(' ').next()).collect();
        assert_eq!(marks, ["denied", "unavailable", "suspect", "overloaded", "throttled"]);
    }

    #[test]
    fn three_hundred_scopes_and_odd_names_keep_to_the_columns() {
        let mut all: Vec<ScopeView> =
            (0..300).map(|n| scope(Provider::Connect, &format!("prod-{n:03}"))).collect();
        all[299].denied_since = Some(before(5));
        all[298].lanes.urgent = lane(1, 5.0, Some(1.0));
        all.push(scope(Provider::Connect, &"\u{1b}[31mred\n".repeat(20)));
        all[300].accounts.extend((0..300).map(|n| format!("prod-{n:03}")));
        let text = rendered(all);
        let scopes: Vec<&str> = text.lines().filter(|line| line.starts_with("connect/")).collect();
        assert_eq!(scopes.len(), 301);
        assert!(scopes[0].starts_with("connect/prod-299 ") && scopes[1].starts_with("connect/prod-298 "));
        assert!(scopes[2].starts_with("connect/\\u{1b}[31mred\\n") && scopes[2].ends_with('…'));
        assert!(scopes[3].starts_with("connect/prod-000 ") && scopes[300].starts_with("connect/prod-297 "));
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("\n    also of prod-000, prod-001, "));
    }
}
