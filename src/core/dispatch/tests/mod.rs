//! Whose turn it is under a quota, by looks and by lists.

mod lists;
mod random;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::observation::{ConnectNumber, Outage, Reach, Sighting};
use super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
use super::super::policy::Policy;
use super::super::state::Ahead;
use super::*;

/// An hour after the start of the process.
fn at(ms: u64) -> Now {
    let by = Duration::from_hours(1) + Duration::from_millis(ms);
    Now { wall: wall(0).plus(Duration::from_millis(ms)), tick: Tick::ZERO.plus(by) }
}

fn wall(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_795_341_600_000 + ms)
}

fn later(now: Now, by: Duration) -> Now {
    Now { wall: now.wall.plus(by), tick: now.tick.plus(by) }
}

fn order(provider: Provider, n: u32) -> Order {
    let terms = ListTerms {
        name: "l".into(),
        account: "a".into(),
        labels: BTreeMap::new(),
        policy: Policy::default(),
    };
    let declared =
        Declared { ask: "i".into(), number: None, operation: None, requested_at: None, label: None };
    let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: n.to_string() };
    Order::new(Watch { key, declared, terms: Arc::new(terms) }, wall(0).minus(Duration::from_hours(1)))
}

fn chime(n: u32) -> Stream {
    order(Provider::Chime, n).stream()
}

fn connect(n: u32) -> Stream {
    order(Provider::Connect, n).stream()
}

fn dispatcher(provider: Provider, quota: Quota) -> Dispatcher {
    Dispatcher::new(ScopeKey { provider, account: "a".into(), region: "r".into() }, quota, at(0))
}

/// So many calls a second, and no second bucket.
fn quota(rate: f64) -> Quota {
    Quota { rate, burst: 5, share: 1.0, in_flight: None, list: None }
}

/// A look wanted at this time.
fn due(ms: i64, lane: Lane) -> Looked {
    Looked { due_at: Some(wall(ms)), lane, ..Looked::default() }
}

fn place(dispatcher: &mut Dispatcher, who: Stream, looked: Looked, by: By) {
    dispatcher.track(who);
    dispatcher.place(who, &mut { looked }, by, wall(0));
}

/// What starts by and by within so much time, and when; looks end at once and want nothing more.
fn started(dispatcher: &mut Dispatcher, from: u64, span: u64) -> Vec<(u64, Dispatch)> {
    let (mut now, end, mut all) = (at(from), at(from + span), Vec::new());
    for turn in 0.. {
        assert!(turn < 10_000, "a busy loop");
        while let Some(dispatch) = dispatcher.next(now) {
            if let Dispatch::Look { who, .. } = dispatch {
                dispatcher.finished(who);
            }
            all.push((from + u64::try_from(now.tick.since(at(from).tick).as_millis()).unwrap(), dispatch));
        }
        match dispatcher.ready_in(now) {
            Some(wait) if now.tick.plus(wait) <= end.tick => now = later(now, wait),
            _ => break,
        }
    }
    all
}

fn look(who: Stream) -> Dispatch {
    Dispatch::Look { who, fresh_credentials: false }
}

fn page(token: Option<&str>) -> Dispatch {
    Dispatch::Page { token: token.map(str::to_owned) }
}

fn seen() -> Observation {
    Observation::Seen(Sighting::Connect(ConnectNumber::default()))
}

fn throttled(seconds: u64) -> Observation {
    Observation::Throttled { retry_after: Some(Duration::from_secs(seconds)) }
}

fn unavailable() -> Observation {
    Observation::Unavailable { outage: Outage::Status(503), retry_after: None }
}

fn denied(reach: Reach) -> Observation {
    Observation::Denied { reach, code: "X".into(), message: None, clock_offset_s: None }
}

fn names(events: &[ScopeEvent]) -> Vec<&'static str> {
    events.iter().map(ScopeEvent::name).collect()
}

/// Five orders had no answer: the breaker is open.
fn break_down(dispatcher: &mut Dispatcher, provider: Provider, now: Now) {
    for n in 900..905 {
        dispatcher.hear(&order(provider, n), Call::Look, unavailable(), now);
    }
    assert!(dispatcher.scope().probes());
}

#[test]
fn a_bulk_of_orders_has_its_parts_of_the_quota_and_no_order_waits_longer_than_that_explains() {
    const GRANTS: usize = 3900;
    let mut dispatcher = dispatcher(Provider::Connect, quota(10.0));
    let mut ranks: HashMap<Stream, (Lane, usize)> = HashMap::new();
    for (base, lane, many) in
        [(0, Lane::Urgent, 40), (1000, Lane::Pending, 20_000), (50_000, Lane::Verify, 100_000)]
    {
        for n in 0..many {
            // Not in the order of their coming, and no two at once.
            let rank = n * 7919 % many;
            let who = connect(base + n);
            place(&mut dispatcher, who, due(i64::from(rank) - 200_000, lane), By::Own);
            ranks.insert(who, (lane, rank as usize));
        }
    }
    assert_eq!(dispatcher.overdue(wall(0)), 120_040);
    let (mut now, mut served) = (at(0), [0usize; 3]);
    for grant in 0..GRANTS {
        now = later(now, dispatcher.ready_in(now).unwrap());
        let Some(Dispatch::Look { who, .. }) = dispatcher.next(now) else { panic!("at {grant}") };
        let (lane, rank) = ranks[&who];
        let served = &mut served[lane.index()];
        if lane == Lane::Urgent {
            dispatcher.place(who, &mut due(0, lane), By::Own, now.wall);
        } else {
            assert_eq!(rank, *served, "{lane:?}: earliest due first");
            let explained = (rank + 1) * 13 / lane.weight() as usize + 13;
            assert!(grant <= explained, "{lane:?} {rank} at {grant}");
        }
        *served += 1;
        dispatcher.finished(who);
    }
    assert_eq!(served, [2400, 1200, 300]);
    // As fast as the quota allows, and no faster.
    let seconds = now.tick.since(at(0).tick).as_secs_f64();
    assert!((389.0..391.0).contains(&seconds), "{seconds}");
    let backlog = dispatcher.backlog(now);
    assert_eq!(backlog.map(|lane| lane.due), [40, 18_800, 99_700]);
}

#[test]
fn looks_in_flight_are_bounded_and_an_answer_makes_room() {
    let mut dispatcher = dispatcher(Provider::Connect, Quota { in_flight: Some(2), ..quota(100.0) });
    for n in 0..3 {
        place(&mut dispatcher, connect(n), due(i64::from(n), Lane::Pending), By::Own);
    }
    assert_eq!(dispatcher.next(at(1000)), Some(look(connect(0))));
    assert_eq!(dispatcher.next(at(1000)), Some(look(connect(1))));
    assert_eq!((dispatcher.next(at(1000)), dispatcher.ready_in(at(1000))), (None, None));
    dispatcher.finished(connect(1));
    assert_eq!(dispatcher.ready_in(at(1000)), Some(Duration::ZERO));
    assert_eq!(dispatcher.next(at(1000)), Some(look(connect(2))), "one that hangs holds up no other");
}

#[test]
fn questions_wait_for_the_list_s_bucket_and_looks_do_not() {
    let mut dispatcher = dispatcher(Provider::Connect, Quota { list: Some((0.5, 3)), ..quota(10.0) });
    let alert = Some(Ahead { at: wall(500), of: wall(60_500) });
    place(&mut dispatcher, connect(0), Looked { ahead: alert, ..due(9000, Lane::Urgent) }, By::Own);
    for n in 1..=30 {
        place(&mut dispatcher, connect(n), due(600, Lane::Verify), By::Own);
    }
    assert_eq!(started(&mut dispatcher, 0, 499), []);
    assert_eq!(dispatcher.next(at(500)), Some(look(connect(0))));
    let mut questions = Vec::new();
    dispatcher.go_on(connect(0), true);
    dispatcher.finished(connect(0));
    let (mut now, mut looks) = (at(500), 0);
    while questions.len() < 3 {
        now = later(now, dispatcher.ready_in(now).unwrap());
        match dispatcher.next(now) {
            Some(Dispatch::Look { who, .. }) if who == connect(0) => {
                questions.push(now.wall);
                dispatcher.go_on(who, true);
                dispatcher.finished(who);
            }
            Some(Dispatch::Look { who, .. }) => {
                looks += 1;
                dispatcher.finished(who);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(questions, [500, 2500, 4500].map(wall));
    assert_eq!(looks, 30, "all of them while it waited");
}

#[test]
fn a_probe_is_no_question_while_the_list_s_bucket_is_empty() {
    let mut dispatcher = dispatcher(Provider::Connect, Quota { list: Some((0.01, 3)), ..quota(10.0) });
    place(&mut dispatcher, connect(0), due(0, Lane::Urgent), By::Question);
    assert_eq!(dispatcher.next(at(0)), Some(look(connect(0))));
    dispatcher.keep_place(connect(0));
    dispatcher.finished(connect(0));
    break_down(&mut dispatcher, Provider::Connect, at(0));
    assert_eq!(dispatcher.next(at(5000)), None);
    assert_eq!(dispatcher.ready_in(at(5000)), Some(Duration::from_secs(95)));
    place(&mut dispatcher, connect(1), due(999_999, Lane::Verify), By::Own);
    assert_eq!(dispatcher.ready_in(at(5000)), Some(Duration::ZERO));
    assert_eq!(dispatcher.next(at(5000)), Some(look(connect(1))), "due or not");
    assert_eq!((dispatcher.next(at(5000)), dispatcher.ready_in(at(5000))), (None, None), "one at a time");
}

#[test]
fn a_refused_question_lowers_the_list_s_rate_and_holds_everything() {
    for (list, [looks, lists]) in [(Some((1.0, 3)), [10.0, 0.88]), (None, [8.8, 0.0])] {
        let mut dispatcher = dispatcher(Provider::Connect, Quota { list, ..quota(10.0) });
        place(&mut dispatcher, connect(0), due(0, Lane::Urgent), By::Question);
        place(&mut dispatcher, connect(1), due(0, Lane::Pending), By::Own);
        assert_eq!(dispatcher.next(at(0)), Some(look(connect(0))));
        let asked = order(Provider::Connect, 0);
        let heard = dispatcher.hear(&asked, Call::List, throttled(7), at(10));
        assert_eq!(names(&heard.events), ["scope.throttled"]);
        dispatcher.keep_place(connect(0));
        dispatcher.finished(connect(0));
        assert_eq!(dispatcher.ready_in(at(10)), Some(Duration::from_secs(7)));
        assert_eq!((dispatcher.next(at(7009)), dispatcher.next(at(7010)).is_some()), (None, true));
        let memory = dispatcher.memory(at(8000));
        assert!((memory.rate - looks).abs() < 1e-9 && (dispatcher.scope().rate() - looks).abs() < 1e-9);
        let learned = memory.lists.map_or(0.0, |lists| lists.rate);
        assert!((learned - lists).abs() < 1e-9, "{learned}");
    }
}

#[test]
fn answers_raise_the_rate_of_the_bucket_that_was_drawn_on() {
    let mut dispatcher = dispatcher(Provider::Connect, Quota { list: Some((1.0, 3)), ..quota(10.0) });
    let asked = order(Provider::Connect, 0);
    let rates = |dispatcher: &Dispatcher| {
        let memory = dispatcher.memory(at(99_000));
        (memory.rate, memory.lists.unwrap().rate)
    };
    dispatcher.hear(&asked, Call::List, throttled(1), at(0));
    dispatcher.hear(&asked, Call::Look, throttled(1), at(2000));
    let low = rates(&dispatcher);
    dispatcher.hear(&asked, Call::Look, seen(), at(10_000));
    let looked = rates(&dispatcher);
    assert!(looked.0 > low.0 && (looked.1 - low.1).abs() < 1e-9, "{low:?} {looked:?}");
    dispatcher.hear(&asked, Call::List, seen(), at(20_000));
    let listed = rates(&dispatcher);
    assert!(listed.0 > looked.0 && listed.1 > looked.1, "{looked:?} {listed:?}");
}

#[test]
fn alerts_at_one_time_have_looks_for_which_the_urgent_part_is_enough() {
    // Two calls each, of eight thirteenths of two a second.
    let spacing = 1625;
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    let alert = 3_600_000;
    let mut places = Vec::new();
    for n in 0..200 {
        let ahead = Some(Ahead { at: wall(alert - 60_000), of: wall(alert) });
        let mut looked = Looked { ahead, ..due(alert - 60_000, Lane::Urgent) };
        dispatcher.place(connect(n), &mut looked, By::Own, wall(0));
        places.push(looked.ahead.unwrap().at);
        assert_eq!(looked.waits_ahead(wall(0)), Some(looked.ahead.unwrap().at));
        let before = looked;
        dispatcher.place(connect(n), &mut looked, By::Own, wall(0));
        assert_eq!(looked, before, "it has its place");
    }
    let expected: Vec<Timestamp> = (0..200).map(|n| wall(alert - 60_000 - n * spacing)).collect();
    assert_eq!(places, expected);
    // Each is looked at in its place, and its question has room after it.
    let looks = started(&mut dispatcher, 0, 3_600_000);
    let times: Vec<Timestamp> = looks.iter().map(|(ms, _)| at(*ms).wall).collect();
    assert_eq!(times, expected.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn a_look_ahead_that_is_due_or_was_put_elsewhere_stays() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    let of = wall(600_000);
    let now = wall(100_000);
    let mut placed = |n, at: Timestamp| {
        let mut looked = Looked { ahead: Some(Ahead { at, of }), ..due(599_000, Lane::Urgent) };
        dispatcher.place(connect(n), &mut looked, By::Own, now);
        looked.ahead.unwrap().at
    };
    assert_eq!(placed(0, wall(540_000)), wall(540_000));
    assert_eq!(placed(1, wall(548_000)), wall(548_000), "it is tried again");
    assert_eq!(placed(2, wall(99_000)), wall(99_000), "it is late");
    assert_eq!(placed(3, wall(100_001)), wall(540_000 - 1625), "there is room later");
    for n in 4..400 {
        assert!(placed(n, wall(540_000)) >= now, "not before now");
    }
}

#[test]
fn what_is_placed_is_what_the_bookkeeping_says() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    let answered_at = Some(wall(-5000));
    place(&mut dispatcher, connect(0), Looked { answered_at, ..due(4000, Lane::Verify) }, By::Own);
    assert_eq!(dispatcher.schedule.median_interval(Lane::Verify), Duration::from_secs(9));
    assert_eq!(dispatcher.ready_in(at(0)), Some(Duration::from_secs(4)));
    place(&mut dispatcher, connect(0), Looked { due_at: None, ..due(0, Lane::Urgent) }, By::Own);
    assert_eq!((dispatcher.looked_at(), dispatcher.tracked()), (0, 1));
    // An alert whose look was had already is no reason to look.
    let ahead = Some(Ahead { at: wall(-5000), of: wall(60_000) });
    let had = Looked { answered_at, ahead, ..due(4000, Lane::Urgent) };
    place(&mut dispatcher, connect(1), had, By::Own);
    assert_eq!(dispatcher.ready_in(at(0)), Some(Duration::from_secs(4)));
    dispatcher.look_at(connect(1), Lane::Urgent, wall(1000));
    assert_eq!(dispatcher.ready_in(at(0)), Some(Duration::from_secs(1)));
    dispatcher.move_back(Duration::from_millis(600));
    assert_eq!(dispatcher.ready_in(at(0)), Some(Duration::from_millis(400)));
    assert_eq!((dispatcher.clear(), dispatcher.ready_in(at(0))), (1, None));
}

#[test]
fn a_look_that_did_not_start_is_put_off() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    place(&mut dispatcher, connect(0), due(0, Lane::Urgent), By::Own);
    place(&mut dispatcher, connect(1), due(0, Lane::Verify), By::Own);
    assert_eq!(dispatcher.next(at(0)), Some(look(connect(0))));
    dispatcher.abandoned(connect(0), Some(wall(9000)));
    assert_eq!(dispatcher.next(at(500)), Some(look(connect(1))));
    dispatcher.abandoned(connect(1), None);
    assert_eq!(dispatcher.looked_at(), 1);
    assert_eq!(dispatcher.ready_in(at(1000)), Some(Duration::from_secs(8)));
}

#[test]
fn a_probe_that_did_not_start_makes_room_for_another() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(10.0));
    for n in 0..2 {
        place(&mut dispatcher, connect(n), due(i64::from(n), Lane::Pending), By::Own);
    }
    break_down(&mut dispatcher, Provider::Connect, at(0));
    assert_eq!(dispatcher.next(at(5000)), Some(look(connect(0))));
    assert_eq!(dispatcher.next(at(6000)), None);
    dispatcher.abandoned(connect(0), Some(wall(6000)));
    assert_eq!(dispatcher.next(at(6000)), Some(look(connect(1))));
}

#[test]
fn who_goes_missing_has_a_witness_looked_at_and_those_that_did_are_looked_at_when_one_is_back() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    for n in 0..9 {
        place(&mut dispatcher, connect(n), due(60_000, Lane::Verify), By::Own);
    }
    let missing = || Observation::Missing { message: None, suspect: false };
    assert!(dispatcher.hear(&order(Provider::Connect, 0), Call::Look, missing(), at(0)).wants_witness);
    assert_eq!(dispatcher.schedule.due(Lane::Urgent, wall(0)), (1, 0));
    dispatcher.hear(&order(Provider::Connect, 1), Call::Look, missing(), at(0));
    let heard = dispatcher.hear(&order(Provider::Connect, 2), Call::Look, missing(), at(0));
    assert_eq!(names(&heard.events), ["scope.suspect"]);
    let before = dispatcher.overdue(wall(1000));
    dispatcher.hear(&order(Provider::Connect, 2), Call::Look, seen(), at(1000));
    assert_eq!(dispatcher.overdue(wall(1000)), before + 2, "the two others");
}

#[test]
fn a_witness_may_be_one_that_is_done() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    dispatcher.track(connect(1));
    dispatcher.look_at_witness(wall(0));
    assert!(dispatcher.is_waiting(connect(1)));
    assert_eq!(dispatcher.next(at(0)), Some(look(connect(1))));
    dispatcher.finished(connect(1));
    place(&mut dispatcher, connect(2), due(9000, Lane::Verify), By::Either);
    dispatcher.look_at_witness(wall(500));
    assert_eq!(dispatcher.schedule.due(Lane::Urgent, wall(500)), (1, 0));
    assert_eq!(dispatcher.next(at(500)), Some(look(connect(2))), "rather one that is looked at anyway");
}

#[test]
fn the_next_outage_s_probes_begin_anew() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(10.0));
    for n in 0..4 {
        place(&mut dispatcher, connect(n), due(i64::from(n) + 900_000, Lane::Pending), By::Own);
    }
    for outage in 0..2 {
        let from = outage * 100_000;
        break_down(&mut dispatcher, Provider::Connect, at(from));
        let probe = dispatcher.ready_in(at(from)).unwrap();
        assert!(probe > Duration::ZERO && probe < Duration::from_secs(2), "due or not: {probe:?}");
        for (n, second) in (0..).zip([5, 10, 15]) {
            let now = at(from + second * 1000);
            assert_eq!(dispatcher.next(now), Some(look(connect(n))));
            dispatcher.keep_place(connect(n));
            dispatcher.hear(&order(Provider::Connect, n), Call::Look, seen(), now);
            dispatcher.finished(connect(n));
            // Two of three answers do not close it.
            assert_eq!(dispatcher.scope().probes(), n < 2);
        }
    }
}

/// What is said when the time is told every second.
fn told(dispatcher: &mut Dispatcher, span: std::ops::Range<u64>) -> Vec<(u64, ScopeEvent)> {
    span.flat_map(|second| {
        dispatcher.tell_time(at(second * 1000)).into_iter().map(move |event| (second, event))
    })
    .collect()
}

fn crowd(dispatcher: &mut Dispatcher, many: u32) {
    for n in 0..many {
        place(dispatcher, connect(n), due(0, Lane::Pending), By::Own);
    }
}

#[test]
fn more_than_the_quota_allows_is_said_once_and_its_end_too() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(1.0));
    crowd(&mut dispatcher, 100);
    assert_eq!(told(&mut dispatcher, 0..60), []);
    assert_eq!(dispatcher.quiet_for(at(57_000)), Some(Duration::from_secs(3)));
    let lateness = Duration::from_secs(100);
    let overloaded = ScopeEvent::Overloaded { lane: Lane::Pending, due: 100, lateness, rate: 1.0 };
    assert_eq!(told(&mut dispatcher, 60..300), [(60, overloaded)]);
    dispatcher.clear();
    let over = ScopeEvent::Recovered { condition: Condition::Overloaded, duration: Duration::from_mins(5) };
    assert_eq!(told(&mut dispatcher, 300..900), [(360, over)]);
    assert_eq!(dispatcher.quiet_for(at(900_000)), None);
}

#[test]
fn nothing_is_said_of_it_in_an_outage() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(1.0));
    crowd(&mut dispatcher, 100);
    assert_eq!(told(&mut dispatcher, 0..50), []);
    break_down(&mut dispatcher, Provider::Connect, at(50_000));
    assert_eq!(told(&mut dispatcher, 50..400), []);
    assert_eq!(dispatcher.quiet_for(at(400_000)), None);
    for n in 0..3 {
        dispatcher.hear(&order(Provider::Connect, n), Call::Look, seen(), at(400_000));
    }
    let said = told(&mut dispatcher, 400..600);
    assert!(matches!(said[..], [(460, ScopeEvent::Overloaded { .. })]), "{said:?}");
}

#[test]
fn it_is_said_once_over_a_restart_too() {
    let mut before = dispatcher(Provider::Connect, quota(1.0));
    crowd(&mut before, 100);
    assert_eq!(told(&mut before, 0..100).len(), 1);
    let json = serde_json::to_string(&before.memory(at(100_000))).unwrap();
    let mut after = dispatcher(Provider::Connect, quota(1.0));
    after.resume(&serde_json::from_str(&json).unwrap(), at(110_000));
    crowd(&mut after, 100);
    assert_eq!(told(&mut after, 110..300), []);
    after.clear();
    let over = ScopeEvent::Recovered { condition: Condition::Overloaded, duration: Duration::from_mins(5) };
    assert_eq!(told(&mut after, 300..600), [(360, over)]);
    assert_eq!(after.memory(at(600_000)).overloaded_since, None);
}

#[test]
fn what_was_learned_is_remembered() {
    let mut before = dispatcher(Provider::Chime, Quota { list: Some((1.0, 3)), ..quota(10.0) });
    for (call, second) in [(Call::Look, 0), (Call::Look, 2), (Call::List, 4)] {
        before.hear(&order(Provider::Chime, 0), call, throttled(30), at(second * 1000));
    }
    before.next_generation();
    let now = lists::sweep(&mut before, 5, 60_000);
    let memory = before.memory(now);
    let json = serde_json::to_string(&memory).unwrap();
    let mut after = dispatcher(Provider::Chime, Quota { list: Some((1.0, 3)), ..quota(10.0) });
    after.resume(&serde_json::from_str(&json).unwrap(), now);
    let again = after.memory(now);
    assert_eq!((again.length, again.generation, again.throttled), (memory.length, 1, memory.throttled));
    assert_eq!(again.length.map(|length| (length.pages, length.whole)), Some((5, true)));
    let (known, then) = (memory.lists.unwrap(), again.lists.unwrap());
    assert_eq!((known.learned, memory.learned), (then.learned, again.learned));
    for (known, then, quota) in [(memory.rate, again.rate, 10.0), (known.rate, then.rate, 1.0)] {
        assert!((known - then).abs() < 1e-9 && known < quota, "{known} {then}");
    }
    // A restart has nothing saved up in either bucket.
    assert!(again.arrival_at > now.wall && then.arrival_at > now.wall);
}

#[test]
fn a_hold_makes_what_is_due_later() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    for n in 0..10 {
        place(&mut dispatcher, connect(n), due(0, Lane::Pending), By::Own);
    }
    let throttled = Observation::Throttled { retry_after: Some(Duration::from_secs(30)) };
    dispatcher.hear(&order(Provider::Connect, 99), Call::Look, throttled, at(0));
    let expected = dispatcher.backlog(at(0)).map(|lane| lane.expected);
    let drained = 10.0 / dispatcher.scope().rate();
    assert_eq!((expected[0], expected[2]), (Duration::ZERO, Duration::ZERO), "nothing waits there");
    assert!((expected[1].as_secs_f64() - 30.0 - drained).abs() < 0.01, "{expected:?}");
}

#[test]
fn what_could_not_be_written_is_looked_at_again_in_its_lane() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(2.0));
    for n in 1..100 {
        place(&mut dispatcher, connect(n), due(0, Lane::Pending), By::Own);
    }
    place(&mut dispatcher, connect(0), due(0, Lane::Urgent), By::Own);
    assert_eq!(dispatcher.next(at(0)), Some(look(connect(0))));
    dispatcher.look_at(connect(0), Lane::Urgent, wall(1000));
    dispatcher.finished(connect(0));
    let next = [at(1000), at(2000)].map(|now| dispatcher.next(now));
    assert!(next.contains(&Some(look(connect(0)))), "not behind all that is pending: {next:?}");
}
