//! Quota, outage, refused credentials, and a scope that goes missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::look;
use super::super::observation::{ConnectNumber, Elsewhere, Sighting};
use super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
use super::super::policy::Policy;
use super::super::state::Absence;
use super::*;

fn at(seconds: u64) -> Now {
    let by = Duration::from_secs(seconds);
    Now { wall: Timestamp::from_millis(0).plus(by), tick: Tick::ZERO.plus(by) }
}

fn who(n: u32) -> Stream {
    Stream::of(&[&n.to_string()])
}

fn scope() -> Scope {
    let key = ScopeKey { provider: Provider::Connect, account: "a".into(), region: "r".into() };
    Scope::new(key, Quota { rate: 2.0, burst: 5, share: 1.0, in_flight: None, list: None }, at(0))
}

fn seen() -> Observation {
    Observation::Seen(Sighting::Connect(ConnectNumber::default()))
}

fn throttled() -> Observation {
    Observation::Throttled { retry_after: Some(Duration::from_secs(7)) }
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

#[test]
fn a_429_holds_the_whole_scope_and_is_said_once() {
    let mut scope = scope();
    assert_eq!(scope.grant(0, at(0).tick), Grant::Look);
    assert_eq!(names(&scope.answered(who(1), Call::Look, Some(&throttled()), 9, at(0))), ["scope.throttled"]);
    assert_eq!(scope.grant(0, at(1).tick), Grant::From(at(7).tick));
    assert!(scope.answered(who(2), Call::Look, Some(&throttled()), 9, at(1)).is_empty());
    assert!(!scope.breaker.is_open(), "a 429 is no outage");
    assert_eq!(scope.tell_time(at(300)), None);
    assert_eq!(scope.tell_time(at(301)).map(|event| event.condition()), Some(Condition::Throttled));
    assert_eq!(scope.tell_time(at(999)), None);
}

#[test]
fn an_outage_leaves_the_rate_and_ends_with_one_recovery() {
    let mut scope = scope();
    let rate = scope.limiter.rate();
    let said: Vec<_> = (0..8)
        .flat_map(|n| scope.answered(who(n), Call::Look, Some(&unavailable()), 9, at(n.into())))
        .collect();
    assert_eq!(names(&said), ["scope.unavailable"]);
    assert!((scope.limiter.rate() - rate).abs() < 1e-9);
    let said: Vec<_> =
        (0..5).flat_map(|n| scope.answered(who(n), Call::Look, Some(&seen()), 9, at(100))).collect();
    assert_eq!(names(&said), ["scope.recovered"]);
}

#[test]
fn refused_credentials_stop_the_scope_but_for_a_probe_every_five_minutes() {
    let mut scope = scope();
    assert_eq!(
        names(&scope.answered(who(1), Call::Look, Some(&denied(Reach::Scope)), 9, at(0))),
        ["scope.denied"]
    );
    assert_eq!(scope.grant(0, at(1).tick), Grant::From(at(300).tick));
    assert_eq!(scope.grant(0, at(300).tick), Grant::ProbeCredentials);
    scope.started(who(1), Call::Look, Grant::ProbeCredentials, at(300).tick);
    assert_eq!(scope.grant(1, at(301).tick), Grant::AfterAnswer);
    assert!(scope.answered(who(1), Call::Look, Some(&denied(Reach::Scope)), 9, at(301)).is_empty());
    assert_eq!(scope.grant(0, at(302).tick), Grant::From(at(601).tick));
    assert_eq!(names(&scope.answered(who(1), Call::Look, Some(&seen()), 9, at(601))), ["scope.recovered"]);
    assert_eq!(scope.grant(0, at(602).tick), Grant::Look);
}

#[test]
fn what_three_orders_in_a_row_say_is_not_the_orders_fault() {
    let mut scope = scope();
    let mut judged = |n: u32, observation| scope.judge(who(n), observation);
    assert_eq!(judged(1, denied(Reach::Order)), denied(Reach::Order));
    assert_eq!(judged(1, denied(Reach::Order)), denied(Reach::Order), "one order, however often");
    assert_eq!(judged(2, denied(Reach::Order)), denied(Reach::Order));
    assert_eq!(judged(3, denied(Reach::Order)), denied(Reach::Scope));
    judged(1, seen());
    assert_eq!(judged(3, denied(Reach::Order)), denied(Reach::Order), "a success ends the row");
    let junk = || Observation::Malformed { detail: "x".into() };
    assert_eq!(judged(4, junk()), junk());
    assert_eq!(judged(5, junk()), junk());
    assert!(matches!(judged(6, junk()), Observation::Unavailable { .. }));
}

#[test]
fn looks_in_flight_are_bounded() {
    let scope = scope();
    assert_eq!(scope.grant(3, at(0).tick), Grant::Look);
    assert_eq!(scope.grant(4, at(0).tick), Grant::AfterAnswer);
}

#[test]
fn a_restart_remembers_hold_outage_and_denial_and_bounds_them() {
    let mut before = scope();
    before.answered(who(1), Call::Look, Some(&throttled()), 9, at(0));
    before.next_generation();
    let memory = before.memory(at(1));
    let mut after = scope();
    after.resume(&memory, at(2));
    assert_eq!(after.grant(0, at(2).tick), Grant::From(at(7).tick));
    assert_eq!(after.next_generation(), 2);
    // A clock that stepped back: what was left of the hold is left.
    let back = Now { wall: Timestamp::from_millis(-99_999_999_999), tick: at(2).tick };
    let mut stepped = scope();
    stepped.resume(&memory, back);
    assert_eq!(stepped.grant(0, at(2).tick), Grant::From(at(8).tick));
    // What an older version wrote does not say when: then it holds an hour at most.
    let mut stepped = scope();
    stepped.resume(&ScopeMemory { written_at: None, ..memory }, back);
    assert_eq!(stepped.grant(0, at(2).tick), Grant::From(at(3602).tick));
}

/// Order `n` of the scope, first watched at zero.
fn order(n: u32) -> Order {
    let terms = ListTerms {
        name: "l".into(),
        account: "a".into(),
        labels: BTreeMap::new(),
        policy: Policy::default(),
    };
    let declared =
        Declared { ask: "i".into(), number: None, operation: None, requested_at: None, label: None };
    let key =
        OrderKey { provider: Provider::Connect, account: "a".into(), region: "r".into(), id: n.to_string() };
    Order::new(Watch { key, declared, terms: Arc::new(terms) }, at(0).wall)
}

fn missing() -> Observation {
    Observation::Missing { message: None, suspect: false }
}

/// Orders `0..of` are looked at in turn, each a second after the one before, in a scope of nine, and their orders
/// step on. Gives what is said of the scope, and whose absence is believed.
fn look_for(scope: &mut Scope, orders: &mut [Order], from: u64) -> (Vec<&'static str>, Vec<bool>) {
    let (mut said, mut believed) = (Vec::new(), Vec::new());
    for (order, second) in orders.iter_mut().zip(from..) {
        let now = at(second);
        let heard = scope.hear(order, Call::Look, missing(), (9, 9), now);
        said.extend(names(&heard.events));
        believed.push(heard.observation == missing());
        *order = look::apply(order, &heard.observation, None, now.wall).order;
    }
    (said, believed)
}

#[test]
fn a_scope_that_goes_missing_is_suspect_until_one_of_it_is_seen() {
    let (mut scope, mut orders) = (scope(), (0..4).map(order).collect::<Vec<_>>());
    // While they are young they say nothing.
    assert_eq!(look_for(&mut scope, &mut orders, 500), (vec![], vec![true; 4]));
    let told = look_for(&mut scope, &mut orders, 1000);
    assert_eq!(told, (vec!["scope.suspect"], vec![true, true, false, false]));
    // Those that were believed before are not confirmed now.
    assert_eq!(look_for(&mut scope, &mut orders, 1100), (vec![], vec![false; 4]));
    let suspect = |order: &Order| matches!(order.state.absence, Absence::Suspect { .. });
    assert!(orders.iter().all(suspect), "{orders:?}");
    let whole = scope.hear(&order(8), Call::Look, seen(), (9, 9), at(1200));
    assert_eq!((names(&whole.events), whole.again), (vec![], vec![]), "it was never missing");
    let back = scope.hear(&orders[1], Call::Look, seen(), (9, 9), at(1300));
    assert_eq!(
        back.events,
        [ScopeEvent::Recovered { condition: Condition::Suspect, duration: Duration::from_secs(298) }]
    );
    let others: BTreeSet<Stream> = [0, 2, 3].map(|n| orders[n].stream()).into();
    assert_eq!(back.again.into_iter().collect::<BTreeSet<_>>(), others, "the others are worth a look");
    assert_eq!(look_for(&mut scope, &mut orders[2..3], 1400), (vec![], vec![true]));
}

#[test]
fn the_second_look_is_believed_if_a_witness_was_seen_since_the_first() {
    let (mut scope, mut orders) = (scope(), (0..1).map(order).collect::<Vec<_>>());
    let first = scope.hear(&orders[0], Call::Look, missing(), (9, 9), at(1000));
    assert!(
        first.wants_witness && !scope.may_witness(orders[0].stream()) && scope.may_witness(order(8).stream())
    );
    orders[0] = look::apply(&orders[0], &first.observation, None, at(1000).wall).order;
    assert_eq!(look_for(&mut scope, &mut orders.clone(), 1060), (vec![], vec![false]));
    scope.hear(&order(8), Call::Look, seen(), (9, 9), at(1061));
    assert_eq!(look_for(&mut scope, &mut orders, 1062), (vec![], vec![true]));
}

#[test]
fn what_is_gone_already_or_young_raises_no_suspicion() {
    let (mut scope, mut orders) = (scope(), (0..9).map(order).collect::<Vec<_>>());
    for (n, order) in orders.iter_mut().enumerate() {
        if n % 2 == 0 {
            order.state.presence = super::super::state::Presence::Gone { since: at(0).wall };
        } else {
            order.state.first_watched = at(900).wall;
        }
    }
    assert_eq!(look_for(&mut scope, &mut orders, 1000), (vec![], vec![true; 9]));
}

#[test]
fn a_person_may_say_that_they_are_gone() {
    let (mut scope, mut orders) = (scope(), (0..4).map(order).collect::<Vec<_>>());
    look_for(&mut scope, &mut orders, 1000);
    let heard = scope.accept(at(1062)).unwrap();
    assert_eq!(
        heard.events,
        [ScopeEvent::Recovered { condition: Condition::Suspect, duration: Duration::from_mins(1) }]
    );
    assert_eq!(heard.again.len(), 4);
    assert_eq!(look_for(&mut scope, &mut orders, 1100), (vec![], vec![true; 4]), "now they are believed");
    assert!(scope.accept(at(1200)).is_none(), "there is nothing to accept");
}

#[test]
fn a_suspicion_and_its_acceptance_outlive_a_restart() {
    let restarted = |before: &Scope| {
        let json = serde_json::to_string(&before.memory(at(1100))).unwrap();
        let mut after = scope();
        after.resume(&serde_json::from_str(&json).unwrap(), at(1100));
        after
    };
    let (mut before, mut orders) = (scope(), (0..4).map(order).collect::<Vec<_>>());
    look_for(&mut before, &mut orders, 1000);
    let mut after = restarted(&before);
    assert_eq!(look_for(&mut after, &mut orders, 1100), (vec![], vec![false; 4]), "it is not said again");
    let mut seen_after = restarted(&before);
    let heard = seen_after.hear(&orders[0], Call::Look, seen(), (9, 9), at(1202));
    assert_eq!(
        heard.events,
        [ScopeEvent::Recovered { condition: Condition::Suspect, duration: Duration::from_secs(200) }]
    );
    after.accept(at(1200));
    let mut accepted = restarted(&after);
    let mut fresh: Vec<Order> = (4..9).map(order).collect();
    assert_eq!(look_for(&mut accepted, &mut fresh, 1300), (vec![], vec![true; 5]));
}

#[test]
fn an_answer_of_who_holds_a_number_is_a_success() {
    let found = [
        Elsewhere::Searching,
        Elsewhere::Nobody,
        Elsewhere::Held { by: "x".into(), status: None },
        Elsewhere::Unknown { why: "no".into(), refused: None },
    ];
    for elsewhere in found {
        let answer = || Observation::Elsewhere(elsewhere.clone());
        let (mut scope, nine) = (scope(), (0..9).map(order).collect::<Vec<_>>());
        let down =
            nine.iter().flat_map(|order| scope.hear(order, Call::Look, unavailable(), (9, 9), at(1)).events);
        assert_eq!(names(&down.collect::<Vec<_>>()), ["scope.unavailable"]);
        let up =
            nine.iter().flat_map(|order| scope.hear(order, Call::Look, answer(), (9, 9), at(100)).events);
        assert_eq!(names(&up.collect::<Vec<_>>()), ["scope.recovered"], "{elsewhere:?}");
        scope.hear(&nine[0], Call::Look, denied(Reach::Scope), (9, 9), at(200));
        assert_eq!(
            names(&scope.hear(&nine[0], Call::Look, answer(), (9, 9), at(600)).events),
            ["scope.recovered"]
        );
        // The learned rate rises with it.
        scope.hear(&nine[0], Call::Look, throttled(), (9, 9), at(700));
        let rate = scope.limiter.rate();
        (0..9).for_each(|n| drop(scope.hear(&nine[0], Call::Look, answer(), (9, 9), at(710 + n))));
        assert!(scope.limiter.rate() > rate, "{elsewhere:?}");
    }
}

#[test]
fn an_inquiry_neither_ends_a_suspicion_nor_a_row_of_refusals() {
    let (mut scope, mut orders) = (scope(), (0..4).map(order).collect::<Vec<_>>());
    look_for(&mut scope, &mut orders, 1000);
    let nobody = || Observation::Elsewhere(Elsewhere::Nobody);
    assert!(scope.hear(&orders[0], Call::Look, nobody(), (9, 9), at(1100)).events.is_empty());
    assert!(scope.suspicion.raised().is_some());
    scope.judge(who(1), denied(Reach::Order));
    scope.judge(who(2), denied(Reach::Order));
    scope.judge(who(2), nobody());
    assert_eq!(scope.judge(who(3), denied(Reach::Order)), denied(Reach::Scope));
}

/// Two calls a second, and lists at half of that.
fn listing() -> Scope {
    let key = ScopeKey { provider: Provider::Connect, account: "a".into(), region: "r".into() };
    let quota = Quota { rate: 2.0, burst: 5, share: 1.0, in_flight: None, list: Some((0.5, 3)) };
    Scope::new(key, quota, at(0))
}

fn lists_rate(scope: &Scope) -> f64 {
    scope.lists.as_ref().unwrap().rate()
}

#[test]
fn a_call_of_a_list_draws_on_both_buckets_and_a_look_on_one() {
    let ready = |scope: &Scope| {
        let now = at(10).tick;
        (scope.grant(0, now) == Grant::Look, scope.lists_ready_at(now) <= now)
    };
    let mut scope = listing();
    assert_eq!(ready(&scope), (true, true));
    (0..3).for_each(|_| scope.started(who(1), Call::Look, Grant::Look, at(10).tick));
    assert_eq!(ready(&scope), (false, true), "the burst of looks is used up");
    scope = listing();
    scope.started(who(1), Call::List, Grant::Look, at(10).tick);
    assert_eq!(ready(&scope), (true, false), "and that of lists, which is one");
    assert_eq!(scope.lists_ready_at(at(10).tick), at(12).tick);
    (0..2).for_each(|_| scope.started(who(1), Call::List, Grant::Look, at(10).tick));
    assert_eq!(ready(&scope), (false, false), "it is a call like others too");
    let mut plain = self::scope();
    plain.started(who(1), Call::List, Grant::Look, at(10).tick);
    assert_eq!(ready(&plain), (true, true));
}

#[test]
fn a_429_on_a_list_is_its_own_bucket_s_where_there_is_one() {
    let mut scope = listing();
    let said = scope.answered(who(1), Call::List, Some(&throttled()), 9, at(1));
    assert_eq!(said, [ScopeEvent::Throttled { hold: Duration::from_secs(7), rate: 2.0 }]);
    assert_eq!(scope.grant(0, at(2).tick), Grant::From(at(8).tick), "everything waits");
    assert_eq!(scope.hold_until(), at(8).tick);
    assert!((scope.rate() - 2.0).abs() < 1e-9 && (lists_rate(&scope) - 0.44).abs() < 1e-9);
    scope.answered(who(1), Call::Look, Some(&throttled()), 9, at(9));
    assert!((scope.rate() - 1.76).abs() < 1e-9 && (lists_rate(&scope) - 0.44).abs() < 1e-9);
    let mut plain = self::scope();
    plain.answered(who(1), Call::List, Some(&throttled()), 9, at(1));
    assert!((plain.rate() - 1.76).abs() < 1e-9);
    assert_eq!(plain.grant(0, at(2).tick), Grant::From(at(8).tick));
}

#[test]
fn both_buckets_and_their_hold_outlive_a_restart() {
    let mut before = listing();
    before.answered(who(1), Call::List, Some(&throttled()), 9, at(1));
    before.answered(who(1), Call::List, None, 9, at(2));
    before.started(who(1), Call::List, Grant::Look, at(8).tick);
    let json = serde_json::to_string(&before.memory(at(8))).unwrap();
    let mut after = listing();
    after.resume(&serde_json::from_str(&json).unwrap(), at(8));
    assert!((lists_rate(&after) - lists_rate(&before)).abs() < 1e-9);
    let ready = |scope: &Scope| scope.lists_ready_at(at(8).tick).since(at(8).tick);
    // A memory knows milliseconds.
    assert!(
        ready(&after).abs_diff(ready(&before)) <= Duration::from_millis(1)
            && ready(&after) > Duration::from_secs(2)
    );
    assert_eq!(after.lists.unwrap().learned(), before.lists.unwrap().learned());
    // What an older one wrote knows nothing of lists.
    let mut older: serde_json::Value = serde_json::from_str(&json).unwrap();
    let known = older.as_object_mut().unwrap();
    for name in ["lists", "length", "overloaded_since", "written_at"] {
        known.remove(name);
    }
    let mut fresh = listing();
    fresh.resume(&serde_json::from_value(older).unwrap(), at(8));
    assert!((lists_rate(&fresh) - 0.5).abs() < 1e-9);
}

#[test]
fn a_page_says_of_the_scope_what_a_look_would() {
    let page = |scope: &mut Scope, failed: &Observation, second| {
        names(&scope.hear_page(Some(failed), 9, at(second)))
    };
    let mut scope = listing();
    let down: Vec<_> = (0..4).flat_map(|n| page(&mut scope, &unavailable(), n)).collect();
    assert_eq!((down, scope.is_unavailable()), (vec![], false));
    (0..9).for_each(|n| drop(page(&mut scope, &unavailable(), n)));
    assert!(!scope.is_unavailable(), "the list alone may be at fault");
    (0..2).for_each(|n| drop(scope.answered(who(n), Call::Look, Some(&unavailable()), 9, at(10))));
    assert!(scope.is_unavailable());
    let up: Vec<_> = (0..3).flat_map(|n| scope.hear_page(None, 9, at(20 + n))).collect();
    assert_eq!(names(&up), ["scope.recovered"]);
    assert_eq!(
        page(&mut scope, &denied(Reach::Scope), 30),
        [""; 0],
        "perhaps it is the list that is refused"
    );
    scope.answered(who(1), Call::Look, Some(&denied(Reach::Scope)), 9, at(30));
    assert_eq!(page(&mut scope, &denied(Reach::Scope), 31), [""; 0], "and that ends no denial");
    assert_eq!(names(&scope.hear_page(None, 9, at(31))), ["scope.recovered"]);
    assert_eq!(page(&mut scope, &throttled(), 40), ["scope.throttled"]);
    assert!((scope.rate() - 2.0).abs() < 1e-9 && (lists_rate(&scope) - 0.44).abs() < 1e-9);
}

#[test]
fn what_is_wrong_with_the_list_alone_is_an_answer_and_joins_no_row() {
    let alone = [
        denied(Reach::Order),
        Observation::Malformed { detail: "x".into() },
        Observation::Missing { message: None, suspect: false },
    ];
    for trouble in alone {
        let mut scope = listing();
        scope.judge(who(1), denied(Reach::Order));
        scope.judge(who(2), denied(Reach::Order));
        (0..9).for_each(|n| assert!(scope.hear_page(Some(&trouble), 9, at(n)).is_empty()));
        assert_eq!(scope.judge(who(3), denied(Reach::Order)), denied(Reach::Scope), "nor ends one");
        scope.answered(who(1), Call::Look, Some(&denied(Reach::Scope)), 9, at(10));
        assert_eq!(
            names(&scope.hear_page(Some(&trouble), 9, at(11))),
            ["scope.recovered"],
            "it was admitted"
        );
    }
}

#[test]
fn one_that_a_list_shows_is_not_missing() {
    let (mut scope, mut orders) = (listing(), (0..4).map(order).collect::<Vec<_>>());
    look_for(&mut scope, &mut orders, 1000);
    let whole = scope.hear_listed(&order(8), at(1100));
    assert_eq!((names(&whole.events), whole.again.len()), (vec![], 0), "it was never missing");
    let back = scope.hear_listed(&orders[1], at(1202));
    assert_eq!(
        back.events,
        [ScopeEvent::Recovered { condition: Condition::Suspect, duration: Duration::from_secs(200) }]
    );
    assert_eq!(back.again.len(), 3);
    // And it is a witness for another one that goes missing.
    let mut one = vec![order(7)];
    let first = scope.hear(&one[0], Call::Look, missing(), (9, 9), at(2000));
    assert!(first.wants_witness);
    one[0] = look::apply(&one[0], &first.observation, None, at(2000).wall).order;
    scope.hear_listed(&order(8), at(2030));
    assert_eq!(look_for(&mut scope, &mut one, 2060), (vec![], vec![true]));
}
