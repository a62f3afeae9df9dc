use super::*;
use crate::core::delivery::SinkMemory;
use crate::core::order::Provider;
use crate::core::standing::Urgency;
use crate::daemon::observe::ScopeView;
use std::time::Duration;

const AT: i64 = 1_795_341_600_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(AT + seconds * 1000)
}

fn scope(provider: Provider, account: &str) -> ScopeView {
    ScopeView {
        account: account.to_owned(),
        accounts: vec![account.to_owned()],
        region: "eu-west-2".to_owned(),
        tracked: 3,
        looked_at: 2,
        in_flight: 1,
        rate: 1.25,
        quota: 1.6,
        hold_s: 2.5,
        ..ScopeView::idle(provider)
    }
}

fn rendered(scopes: Vec<ScopeView>, counts: &[Count], sinks: &[SinkStatus]) -> String {
    let overview = Overview { at: at(0), scopes };
    Measured {
        now: at(0),
        started_at: at(-60),
        turned_at: at(-1),
        overview: Some(&overview),
        counts,
        counters: &Counters::after(0),
        sinks,
        config: &Configured { successful: true, successful_at: Some(at(-60)), ..Configured::default() },
        store_failing: false,
    }
    .render()
}

fn about<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).collect()
}

#[test]
fn scopes_in_trouble_and_what_is_not_known() {
    let mut down = scope(Provider::Chime, "a\\b\"c\nd\u{e9}");
    down.unavailable_since = Some(at(0));
    down.lanes.urgent = LaneView { due: 1, oldest_s: 3.0, expected_s: None };
    let text = rendered(vec![scope(Provider::Connect, "prod-eu"), down], &[], &[]);
    assert_eq!(
        about(&text, "claimwatch_scope_unavailable"),
        [
            r#"claimwatch_scope_unavailable{provider="connect",account="prod-eu",region="eu-west-2"} 0"#,
            r#"claimwatch_scope_unavailable{provider="chime",account="a\\b\"c\ndé",region="eu-west-2"} 1"#,
        ]
    );
    let expected = about(&text, "claimwatch_lane_expected_lateness_seconds");
    assert_eq!(expected.len(), 5, "one lane's is not known: {expected:?}");
    assert_eq!(about(&text, "claimwatch_lane_orders_due")[3].rsplit(' ').next(), Some("1"));
    let value = |name: &str| about(&text, name)[0].rsplit(' ').next().unwrap().to_owned();
    let values: Vec<String> = OF_SCOPES.iter().map(|(name, ..)| value(name)).collect();
    assert_eq!(values, ["3", "2", "1", "1.25", "1.6", "2.5", "0", "0", "0", "0", "0"]);
}

#[test]
fn what_was_counted_of_looks() {
    let mut busy = scope(Provider::Connect, "p");
    busy.looks.late(crate::core::schedule::Lane::Urgent, Duration::from_secs(7));
    busy.looks.late(crate::core::schedule::Lane::Urgent, Duration::from_hours(2));
    let text = rendered(vec![busy], &[], &[]);
    let buckets: Vec<&str> = about(&text, "claimwatch_look_lateness_seconds_bucket")[..8]
        .iter()
        .map(|line| line.split("le=").nth(1).unwrap())
        .collect();
    assert_eq!(
        buckets,
        [
            r#""1"} 0"#,
            r#""5"} 0"#,
            r#""15"} 1"#,
            r#""60"} 1"#,
            r#""300"} 1"#,
            r#""900"} 1"#,
            r#""3600"} 1"#,
            r#""+Inf"} 2"#
        ]
    );
    assert!(text.contains("claimwatch_look_lateness_seconds_sum{provider=\"connect\",account=\"p\",region=\"eu-west-2\",lane=\"urgent\"} 7207\n"));
    assert!(about(&text, "claimwatch_scope_last_answer_timestamp_seconds").is_empty(), "there was none");
}

#[test]
fn lists_with_and_without_windows() {
    let count = |list: &str, standing: &str, urgency, orders, windows, soonest: Option<i64>| Count {
        provider: "connect".into(),
        list: list.into(),
        standing: standing.into(),
        urgency: Some(urgency),
        orders,
        windows,
        unacknowledged: u64::from(soonest.is_some()),
        soonest: soonest.map(at),
    };
    let counts = [
        count("apac", "CLAIMED", Urgency::Done, 4, 0, None),
        count("emea", "FAILED", Urgency::Window, 2, 2, Some(90)),
        count("emea", "IN_PROGRESS", Urgency::Window, 1, 1, Some(60)),
        count("emea", "IN_PROGRESS", Urgency::Pending, 5, 0, None),
        count("mena", "FAILED", Urgency::Window, 1, 1, None),
    ];
    let text = rendered(Vec::new(), &counts, &[]);
    assert_eq!(
        about(&text, "claimwatch_orders"),
        [
            r#"claimwatch_orders{provider="connect",list="apac",status="CLAIMED"} 4"#,
            r#"claimwatch_orders{provider="connect",list="emea",status="FAILED"} 2"#,
            r#"claimwatch_orders{provider="connect",list="emea",status="IN_PROGRESS"} 6"#,
            r#"claimwatch_orders{provider="connect",list="mena",status="FAILED"} 1"#,
        ]
    );
    assert_eq!(
        about(&text, "claimwatch_windows_open"),
        [
            r#"claimwatch_windows_open{provider="connect",list="apac"} 0"#,
            r#"claimwatch_windows_open{provider="connect",list="emea"} 3"#,
            r#"claimwatch_windows_open{provider="connect",list="mena"} 1"#,
        ]
    );
    assert_eq!(
        about(&text, "claimwatch_windows_unacknowledged"),
        [
            r#"claimwatch_windows_unacknowledged{provider="connect",list="apac"} 0"#,
            r#"claimwatch_windows_unacknowledged{provider="connect",list="emea"} 2"#,
            r#"claimwatch_windows_unacknowledged{provider="connect",list="mena"} 0"#,
        ]
    );
    assert_eq!(
        about(&text, "claimwatch_window_soonest_end_timestamp_seconds"),
        [r#"claimwatch_window_soonest_end_timestamp_seconds{provider="connect",list="emea"} 1795341660.000"#]
    );
}

#[test]
fn sinks_and_the_daemon_itself() {
    let sink = |name: &str, oldest, memory| SinkStatus {
        name: name.into(),
        chooses: true,
        pending: 2,
        dead: 1,
        oldest,
        last_error: None,
        memory,
    };
    let failing = SinkMemory { failing_since: Some(at(-9)), ..SinkMemory::default() };
    let sinks = [sink("log", None, SinkMemory::default()), sink("pager", Some(at(-12)), failing)];
    let text = rendered(Vec::new(), &[], &sinks);
    assert_eq!(
        about(&text, "claimwatch_sink_oldest_pending_age_seconds"),
        [
            r#"claimwatch_sink_oldest_pending_age_seconds{sink="log"} 0"#,
            r#"claimwatch_sink_oldest_pending_age_seconds{sink="pager"} 12"#,
        ]
    );
    assert_eq!(about(&text, "claimwatch_sink_failing")[1], r#"claimwatch_sink_failing{sink="pager"} 1"#);
    assert_eq!(about(&text, "process_start_time_seconds"), ["process_start_time_seconds 1795341540.000"]);
    assert_eq!(about(&text, "claimwatch_store_failing"), ["claimwatch_store_failing 0"]);
    assert_eq!(
        about(&text, "claimwatch_config_last_reload_successful"),
        ["claimwatch_config_last_reload_successful 1"]
    );
}

#[test]
fn every_event_is_there_at_its_level_before_it_happens() {
    let text = rendered(Vec::new(), &[], &[]);
    let docs = include_str!("../../../../docs/events.md");
    for name in event::NAMES {
        let row = docs.lines().find(|line| line.starts_with(&format!("| `{name}` | "))).unwrap();
        let column = row.split(" | ").nth(1).unwrap();
        for level in ["info", "warn", "error"] {
            let sample = format!("claimwatch_events_total{{event=\"{name}\",level=\"{level}\"}} 0\n");
            assert_eq!(text.contains(&sample), column.contains(level), "{name} at {level}: {column}");
        }
    }
}

#[test]
fn three_hundred_scopes_stay_small() {
    let size = |named: fn(usize) -> String| {
        let scopes: Vec<ScopeView> = (0..300)
            .map(|n| ScopeView { tracked: 1_000_000, ..scope(Provider::Connect, &named(n)) })
            .collect();
        let json = serde_json::to_string(&scopes).unwrap().len() / 300;
        (json, rendered(scopes, &[], &[]).len() / 300)
    };
    let (json, metrics) = size(|n| format!("prod-eu-{n:03}"));
    assert!(json < 768 && metrics < 8000, "{json}, {metrics}");
    let (json, metrics) = size(|n| format!("{n:064}"));
    assert!(json < 2000 && metrics < 15_000, "{json}, {metrics}");
}

#[test]
fn every_metric_is_documented() {
    let docs = include_str!("../../../../docs/api.md");
    let text = rendered(vec![scope(Provider::Connect, "p")], &[], &[]);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<_> = names.filter(|name| !docs.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/api.md lacks {missing:?}");
}
