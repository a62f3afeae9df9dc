//! A million events that wait: what is held of them at once is bounded, and all leave.

use std::fs;
use std::path::Path;

use claimwatch::exit;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{asked_for, tell};
use crate::support::Stopwatch;
use crate::support::house::{House, list};
use crate::support::process::Running;
use crate::support::receiver::{Receiver, SECRET};
use crate::support::sim::{Sim, WIDE, number};

/// Events that wait in the ordinary run: some seventy megabytes of records.
const EVENTS: u64 = 100_000;

/// The same where there is nearly no backlog, to compare with.
const FEW: u64 = 1000;

/// Streams that they are of.
const STREAMS: u64 = 1000;

/// Posts after which the webhook has shown how it goes on.
const POSTS: usize = 1000;

/// What the backlog may cost, KiB: the writer's page cache, which a small store does not fill, a batch for each of the sinks,
/// and what the allocator makes of them.
const MOST_KIB: u64 = (32 + 16) * 1024;

/// Puts events into a store that wait for each of its sinks.
fn fill(store: &Path, events: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
        let waiting = "
            INSERT INTO events (seq, stream, record)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            SELECT last.value + i, printf('%032x', i % ?2), json_object(
                'schema', 1, 'time', '2026-11-20T10:00:00.000Z', 'level', 'warn', 'event', 'order.attention',
                'id', printf('%032x-%d-0', i % ?2, 1 + i / ?2), 'seq', last.value + i, 'reason', printf('%0512d', i))
            FROM n CROSS JOIN meta AS last ON last.key = 'last_seq'";
        let queued = "
            INSERT INTO deliveries (sink, seq, stream, sink_seq)
            SELECT sinks.name, seq, iif(chooses, stream, NULL), iif(chooses, last_sink_seq + seq - last.value, NULL)
            FROM sinks CROSS JOIN meta AS last ON last.key = 'last_seq' CROSS JOIN events ON seq > last.value";
        let counted = ["UPDATE sinks SET last_sink_seq = last_sink_seq + ?1 WHERE chooses AND ?2",
            "UPDATE meta SET value = value + ?1 WHERE key = 'last_seq' AND ?2"];
        let mut all = store.begin().await.unwrap();
        for statement in [waiting, queued].into_iter().chain(counted) {
            let query = sqlx::query(statement).bind(events.cast_signed()).bind(STREAMS.cast_signed());
            query.execute(&mut *all).await.unwrap();
        }
        all.commit().await.unwrap();
        store.close().await.unwrap();
    });
}

/// The most memory that a process ever had, KiB.
fn peak(daemon: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The first event that log or file have not got yet, if any.
fn first_waiting(store: &Path) -> Option<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(store).read_only(true);
        let mut store = options.connect().await.unwrap();
        let first = "SELECT min(seq) FROM deliveries WHERE sink IN ('log', 'file') AND state = 'pending'";
        let first = sqlx::query_scalar(first).fetch_one(&mut store).await.unwrap();
        store.close().await.unwrap();
        first
    })
}

/// How much memory a daemon takes that has so many events to bring to a log, a file and a webhook.
fn memory_with(events: u64) -> u64 {
    let sim = Sim::start(&[WIDE, &number(1, &[(0, "IN_PROGRESS")])].concat());
    let receiver = Receiver::start();
    let house = House::with(sim.address, &receiver.section("pager", ""));
    house.write("pager.secret", SECRET);
    house.list("emea", &list(&[1], &[]));
    let first = house.up().stop();
    assert_eq!(first.code, Some(i32::from(exit::OK)), "{}", first.stderr);
    let store = house.path("claimwatch.db");
    fill(&store, events);
    let (watch, before) = (Stopwatch::start(), receiver.taken().len());
    let daemon = house.run();
    while let Some(next) = first_waiting(&store) {
        daemon.wait("more in log and file", || first_waiting(&store).is_none_or(|first| first > next));
    }
    let carried = watch.elapsed();
    receiver.until("posts", |taken| taken.len() - before >= POSTS);
    let most = peak(&daemon);
    let posted = watch.elapsed();
    tell(&format_args!("{events} events: {most} KiB; log and file {carried:?}, {POSTS} posts {posted:?}"));
    let second = daemon.stop();
    assert_eq!(second.code, Some(i32::from(exit::OK)), "{}", second.stderr);
    let file = fs::read_to_string(house.path("events.jsonl")).unwrap();
    assert!([first.stdout, second.stdout].concat() == file, "log and file differ");
    for (line, seq) in file.lines().zip(1_u64..) {
        assert!(line.contains(&format!("\"seq\":{seq},")), "not number {seq}: {line}");
    }
    assert!(file.lines().count() as u64 > events);
    most
}

#[test]
fn a_backlog_of_a_million_takes_no_more_memory_than_a_short_one() {
    let few = memory_with(FEW);
    let many = memory_with(asked_for("CLAIMWATCH_BACKLOG", EVENTS));
    assert!(many < few + MOST_KIB, "{many} KiB instead of {few}");
}
