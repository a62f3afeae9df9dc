//! Tables: state and age, and when the next look is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
use super::super::policy::Policy;
use super::super::state::{Absence, Cause, CauseBasis, Chime, Connect, Number};
use super::super::window::{Closed, Outcome, Window, WindowBasis};
use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// 2026-11-22T10:00:00Z and so much.
fn at(after: Duration) -> Timestamp {
    Timestamp::from_millis(1_795_341_600_000).plus(after)
}

fn order(provider: Provider, id: &str, policy: Policy) -> Order {
    let terms = ListTerms { name: "l".into(), account: "a".into(), labels: BTreeMap::new(), policy };
    let declared =
        Declared { ask: "i".into(), number: None, operation: None, requested_at: None, label: None };
    let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: id.into() };
    Order::new(Watch { key, declared, terms: Arc::new(terms) }, at(Duration::ZERO))
}

fn pending(provider: Provider) -> Order {
    order(provider, "i", Policy::default())
}

/// A Connect number in that state, first watched and last changed at zero.
fn connect(status: Status, window: WindowState) -> Order {
    let mut order = pending(Provider::Connect);
    order.state.presence = Presence::Seen;
    order.state.subject = Subject::Connect(Connect { current: "+1".into(), ..Connect::default() });
    order.state.numbers.insert("+1".into(), Number { status, window, ..Number::default() });
    order
}

/// A Chime order in that state with numbers in theirs.
fn chime(status: Option<ChimeStatus>, numbers: &[(Status, WindowState)]) -> Order {
    let mut order = pending(Provider::Chime);
    order.state.presence = Presence::Seen;
    order.state.subject = Subject::Chime(Chime { status, ..Chime::default() });
    for (n, (status, window)) in numbers.iter().enumerate() {
        let number = Number { status: status.clone(), window: window.clone(), ..Number::default() };
        order.state.numbers.insert(format!("+{n}"), number);
    }
    order
}

fn since(after: Duration) -> Status {
    Status::Claimed { since: at(after) }
}

fn failed(after: Duration, operation: Option<Operation>) -> Status {
    let cause = operation.map(|operation| Cause { operation, basis: CauseBasis::NeverClaimed });
    Status::Failed { since: at(after), cause, reason: None }
}

fn in_progress() -> Status {
    Status::InProgress { since: at(Duration::ZERO), cause: None }
}

/// A window that ends from 24 h to 24 h 10 min.
fn window() -> Window {
    Window {
        id: "w".into(),
        basis: WindowBasis::FirstLook,
        counted_from: Some(at(Duration::ZERO)),
        length: DAY,
        failed_at: at(10 * MINUTE),
        earliest: at(DAY),
        latest: at(DAY + 10 * MINUTE),
        warned: None,
        acknowledged_at: None,
    }
}

/// The same, over.
fn over() -> WindowState {
    WindowState::Closed(Closed { window: window(), outcome: Outcome::Unconfirmed, at: window().latest })
}

/// How long after `now` the next look is wanted, the jitter of the order's key taken out.
fn wait(order: &Order, now: Duration) -> Option<Duration> {
    let next = next_look(order, at(now))?;
    let permille = 900 + u32::try_from(order.stream().spread(0, 201)).unwrap();
    Some(next.since(at(now)) * 1000 / permille)
}

fn around(wait: Duration, expected: Duration) -> bool {
    wait.abs_diff(expected) <= Duration::from_millis(2)
}

#[test]
fn young_orders_are_looked_at_quickly_and_stuck_ones_patiently() {
    let order = pending(Provider::Connect);
    let cases = [
        (Duration::ZERO, Duration::from_secs(8)),
        (Duration::from_secs(40), Duration::from_secs(8)),
        (MINUTE, Duration::from_secs(12)),
        (3 * MINUTE, Duration::from_secs(36)),
        (5 * MINUTE, MINUTE),
        (2 * HOUR, MINUTE),
        (4 * HOUR, 2 * MINUTE),
        (DAY, 12 * MINUTE),
    ];
    for (age, expected) in cases {
        let wait = wait(&order, age).unwrap();
        assert!(around(wait, expected), "at {age:?}: {wait:?}, not {expected:?}");
    }
    assert_eq!(next_look(&order, at(60 * DAY)), Some(at(60 * DAY + 6 * HOUR)), "the ceiling is not jittered");
}

#[test]
fn age_counts_from_the_later_of_change_and_first_watch() {
    let mut order = pending(Provider::Connect);
    order.state.changed_at = at(DAY);
    assert!(around(wait(&order, DAY + 3 * MINUTE).unwrap(), Duration::from_secs(36)));
    order.state.changed_at = at(Duration::ZERO).minus(30 * DAY);
    assert!(around(wait(&order, 3 * MINUTE).unwrap(), Duration::from_secs(36)));
    order.state.changed_at = at(30 * DAY);
    let stepped_back = next_look(&order, at(DAY)).unwrap();
    assert!(stepped_back <= at(DAY).plus(Duration::from_secs(9)), "{stepped_back}");
}

#[test]
fn a_tenth_of_jitter_by_the_key_and_the_same_each_time() {
    let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
    for id in 0..500 {
        let order = order(Provider::Chime, &id.to_string(), Policy::default());
        let next = next_look(&order, at(HOUR)).unwrap();
        assert_eq!(next_look(&order, at(HOUR)), Some(next));
        let wait = next.since(at(HOUR));
        (least, most) = (least.min(wait), most.max(wait));
    }
    let (tenth, percent) = (MINUTE / 10, MINUTE / 100);
    assert!((MINUTE - tenth..MINUTE - tenth + percent).contains(&least), "{least:?}");
    assert!((MINUTE + tenth - percent..=MINUTE + tenth).contains(&most), "{most:?}");
}

#[test]
fn the_list_may_set_floor_steady_and_ceiling() {
    let mut policy = Policy::default();
    policy.poll.floor = Duration::from_secs(30);
    policy.poll.steady = 2 * MINUTE;
    policy.poll.ceiling = 10 * MINUTE;
    let order = order(Provider::Connect, "i", policy);
    for (age, expected) in [(MINUTE, Duration::from_secs(30)), (HOUR, 2 * MINUTE), (6 * HOUR, 3 * MINUTE)] {
        let wait = wait(&order, age).unwrap();
        assert!(around(wait, expected), "at {age:?}: {wait:?}, not {expected:?}");
    }
    assert_eq!(next_look(&order, at(DAY)), Some(at(DAY + 10 * MINUTE)));
}

#[test]
fn porting_takes_weeks_and_is_looked_at_closely_around_its_date() {
    let by_word = chime(Some(ChimeStatus::Submitted), &[]);
    let mut by_type = chime(Some(ChimeStatus::Processing), &[]);
    by_type.state.subject =
        Subject::Chime(Chime { porting: true, foc_date: Some(at(9 * DAY)), ..Chime::default() });
    let cases = [
        (Duration::ZERO, 15 * MINUTE, 15 * MINUTE),
        (HOUR, 15 * MINUTE, 15 * MINUTE),
        (DAY, 24 * MINUTE, 24 * MINUTE),
        (8 * DAY - MINUTE, (8 * DAY - MINUTE) / 60, (8 * DAY - MINUTE) / 60),
        (8 * DAY, 8 * DAY / 60, 15 * MINUTE),
        (9 * DAY, 9 * DAY / 60, 15 * MINUTE),
        (10 * DAY, 4 * HOUR, 15 * MINUTE),
        (10 * DAY + MINUTE, (10 * DAY + MINUTE) / 60, (10 * DAY + MINUTE) / 60),
    ];
    for (age, word, typed) in cases {
        for (order, expected) in [(&by_word, word), (&by_type, typed)] {
            let wait = wait(order, age).unwrap();
            assert!(around(wait, expected), "at {age:?}: {wait:?}, not {expected:?}");
        }
    }
    let late = next_look(&by_word, at(30 * DAY)).unwrap().since(at(30 * DAY));
    assert!(late <= 6 * HOUR && late > 5 * HOUR, "{late:?}");
}

#[test]
fn an_open_window_adds_a_look_before_each_mark_and_around_its_end() {
    let mut order = connect(failed(Duration::ZERO, Some(Operation::Claim)), WindowState::Open(window()));
    let marks = vec![10 * HOUR, 30 * MINUTE, 25 * MINUTE];
    let policy = &mut Arc::make_mut(&mut order.watch.terms).policy;
    policy.window.warn_before = marks;
    policy.poll.steady = HOUR;
    let from_to = [
        (14 * HOUR - 3 * MINUTE, 14 * HOUR - MINUTE),
        (DAY - 33 * MINUTE, DAY - 31 * MINUTE),
        // The next mark is less than a minute away, and its look was this one: so the one after it.
        (DAY - 31 * MINUTE, DAY - 26 * MINUTE),
        (DAY - 8 * MINUTE, DAY + 9 * MINUTE),
        (DAY + 9 * MINUTE, DAY + 10 * MINUTE + Duration::from_secs(8)),
    ];
    for (from, to) in from_to {
        assert_eq!(next_look(&order, at(from)), Some(at(to)), "after a look at {from:?}");
    }
    let number = order.state.numbers.get_mut("+1").unwrap();
    number.window = WindowState::Open(Window { warned: Some(30 * MINUTE), ..window() });
    let told = next_look(&order, at(14 * HOUR - 3 * MINUTE)).unwrap();
    assert!(told > at(14 * HOUR + MINUTE), "no look for a mark that was told: {told}");
    number_closed(&mut order);
    let over = next_look(&order, at(DAY - 33 * MINUTE)).unwrap();
    assert!(over > at(DAY - 20 * MINUTE), "nor for a window that is over: {over}");
}

fn number_closed(order: &mut Order) {
    for number in order.state.numbers.values_mut() {
        number.window = over();
    }
}

#[test]
fn a_doubt_is_confirmed_after_its_time_and_then_as_soon_as_is_decent() {
    let mut order = connect(since(Duration::ZERO), WindowState::Never);
    order.state.absence = Absence::Doubted { since: at(HOUR) };
    assert_eq!(next_look(&order, at(HOUR)), Some(at(HOUR + MINUTE)));
    let half = HOUR + MINUTE / 2;
    assert_eq!(next_look(&order, at(half)), Some(at(HOUR + MINUTE)));
    let later = HOUR + 2 * MINUTE;
    assert_eq!(next_look(&order, at(later)), Some(at(later + Duration::from_secs(8))));
    let before = next_look(&order, at(Duration::ZERO));
    assert_eq!(before, Some(at(MINUTE)), "a clock that stepped back does not put it off");
}

#[test]
fn when_a_connect_number_is_done() {
    let closed = over;
    let never = || WindowState::Never;
    let latest = DAY + 10 * MINUTE;
    let (claim, update) = (Some(Operation::Claim), Some(Operation::Update));
    let cases = [
        ("claimed", since(HOUR), never(), Some(HOUR)),
        ("claimed in its window", since(HOUR), closed(), Some(HOUR)),
        ("in progress", in_progress(), never(), None),
        ("never seen", Status::NeverSeen, never(), None),
        ("released", Status::Released { since: at(HOUR) }, closed(), Some(HOUR + DAY)),
        ("failed claim", failed(HOUR, claim), closed(), Some(latest + 7 * DAY)),
        ("failed claim, window open", failed(HOUR, claim), WindowState::Open(window()), None),
        ("failed update", failed(HOUR, update), never(), Some(HOUR + DAY)),
        ("failed update after a failed claim", failed(2 * DAY, update), closed(), Some(3 * DAY)),
    ];
    for (name, status, window, done) in cases {
        let order = connect(status, window);
        assert_eq!(done_at(&order), done.map(at), "{name}");
        let Some(done) = done else { continue };
        assert!(next_look(&order, at(done - MINUTE)).is_some(), "{name}: just before");
        assert_eq!(next_look(&order, at(done)), None, "{name}: done");
    }
}

#[test]
fn a_declared_update_is_not_done_while_it_may_not_have_begun() {
    let mut order = connect(since(MINUTE), WindowState::Never);
    order.watch.declared.operation = Some(Operation::Update);
    assert_eq!(done_at(&order), Some(at(HOUR)), "an hour after it was first watched");
    order.state.numbers.values_mut().for_each(|number| number.declared_holds = false);
    assert_eq!(done_at(&order), Some(at(MINUTE)), "it has begun and ended");
}

#[test]
fn when_a_chime_order_is_done() {
    let never = || WindowState::Never;
    let closed = over;
    let open = || WindowState::Open(window());
    let latest = DAY + 10 * MINUTE;
    let ended = Some(ChimeStatus::Partial);
    let (none, failed) = (Duration::ZERO, || failed(HOUR, None));
    let cases = [
        ("no word", chime(None, &[]), None),
        ("no end", chime(Some(ChimeStatus::Exception), &[(since(HOUR), never())]), None),
        ("an end", chime(ended, &[(since(none), never()), (failed(), never())]), Some(none)),
        (
            "a number in progress",
            chime(ended, &[(since(none), never()), (in_progress(), never())]),
            Some(DAY),
        ),
        ("an open window", chime(ended, &[(failed(), open())]), None),
        (
            "a closed one",
            chime(ended, &[(failed(), closed()), (since(none), never())]),
            Some(latest + 7 * DAY),
        ),
        ("a resolved one", chime(ended, &[(since(none), closed())]), Some(none)),
    ];
    for (name, order, done) in cases {
        assert_eq!(done_at(&order), done.map(at), "{name}");
    }
}

#[test]
fn what_is_gone_is_looked_at_for_another_day() {
    for mut order in [pending(Provider::Chime), connect(Status::NeverSeen, WindowState::Never)] {
        order.state.presence = Presence::Gone { since: at(HOUR) };
        assert_eq!(done_at(&order), Some(at(HOUR + DAY)));
    }
    let mut open = connect(failed(HOUR, Some(Operation::Claim)), WindowState::Open(window()));
    open.state.presence = Presence::Gone { since: at(HOUR) };
    assert_eq!(done_at(&open), None);
}

#[test]
fn a_list_may_have_what_is_done_looked_at_for_ever() {
    let mut order = connect(since(HOUR), WindowState::Never);
    Arc::make_mut(&mut order.watch.terms).policy.poll.after_terminal = AfterTerminal::Every(12 * HOUR);
    let wait = wait(&order, 30 * DAY).unwrap();
    assert!(around(wait, 12 * HOUR), "{wait:?}");
}

#[test]
fn faults_double_the_wait_between_half_and_whole_until_a_day() {
    let mut order = pending(Provider::Connect);
    let now = at(30 * DAY);
    let mut parts = Vec::new();
    for (faults, most) in (1..).zip([30, 60, 120, 240, 480, 960, 1920].map(Duration::from_secs)) {
        order.looked.faults = faults;
        let next = after_fault(&order, now).unwrap();
        assert_eq!(after_fault(&order, now), Some(next), "the same each time");
        let wait = next.since(now);
        assert!((most / 2..=most).contains(&wait), "after {faults}: {wait:?}");
        parts.push(wait.as_millis() * 1000 / most.as_millis());
    }
    parts.dedup();
    assert!(parts.len() > 1, "not the same part each time: {parts:?}");
    for faults in [8, 9, 100, u32::MAX] {
        order.looked.faults = faults;
        let wait = after_fault(&order, now).unwrap().since(now);
        assert!((DAY * 9 / 10..=DAY * 11 / 10).contains(&wait), "after {faults}: {wait:?}");
    }
}

#[test]
fn faults_back_off_neither_an_open_window_nor_what_is_done() {
    let mut open = connect(failed(Duration::ZERO, Some(Operation::Claim)), WindowState::Open(window()));
    open.looked.faults = 20;
    assert_eq!(after_fault(&open, at(HOUR)), next_look(&open, at(HOUR)));
    let mut done = connect(since(Duration::ZERO), WindowState::Never);
    done.looked.faults = 1;
    assert_eq!(after_fault(&done, at(HOUR)), None);
}

#[test]
fn the_next_time_that_matters_is_the_first_of_them() {
    let now = at(HOUR / 4);
    assert_eq!(next_wake(&connect(since(HOUR), WindowState::Never), now), None);
    let stall = next_wake(&connect(in_progress(), WindowState::Never), now);
    assert_eq!(stall, Some(at(30 * MINUTE)));
    let mut order = connect(failed(HOUR, Some(Operation::Claim)), WindowState::Open(window()));
    assert_eq!(next_wake(&order, now), Some(at(12 * HOUR)), "a mark");
    let all = Window { warned: Some(30 * MINUTE), ..window() };
    order.state.numbers.entry("+1".into()).and_modify(|number| number.window = WindowState::Open(all));
    assert_eq!(next_wake(&order, now), Some(at(DAY + 10 * MINUTE)), "the end");
}

#[test]
fn what_was_due_and_not_said_waits_a_minute_and_not_longer() {
    let mut order = connect(failed(Duration::ZERO, Some(Operation::Claim)), WindowState::Open(window()));
    let now = at(12 * HOUR + MINUTE);
    assert_eq!(next_wake(&order, now), Some(now.plus(FRESH)));
    order.looked.wake_at = Some(now.plus(FRESH / 2));
    assert_eq!(next_wake(&order, now), Some(now.plus(FRESH / 2)));
    order.looked.wake_at = Some(now.minus(FRESH));
    assert_eq!(next_wake(&order, now), order.looked.wake_at, "it is overdue");
    order.looked.wake_at = Some(now.plus(DAY));
    assert_eq!(next_wake(&order, now), Some(now.plus(FRESH)), "what was to come then comes later");
}

#[test]
fn what_comes_late_on_old_evidence_has_a_look_first_once() {
    let mark = 12 * HOUR;
    let mut order = connect(failed(Duration::ZERO, Some(Operation::Claim)), WindowState::Open(window()));
    let looked = Looked {
        due_at: Some(at(mark - MINUTE)),
        wake_at: Some(at(mark)),
        answered_at: Some(at(mark - HOUR)),
        faults: 3,
        ..Looked::default()
    };
    order.looked = looked;
    let second = Duration::from_secs(1);
    assert_eq!(look_first(&order, at(mark)), None, "it is in time");
    assert_eq!(look_first(&order, at(mark + LATE)), None, "the loop had other things to do");
    let late = mark + LATE + second;
    let first = look_first(&order, at(late)).unwrap();
    let soon = Looked { wake_at: Some(at(late + MINUTE)), decided_at: Some(at(late)), ..looked };
    let soon = Looked { ahead: Some(Ahead { at: at(late), of: at(mark) }), ..soon };
    assert_eq!(first, soon, "the look was due already, and goes before others now");
    order.looked.due_at = Some(at(DAY));
    let first = look_first(&order, at(late)).unwrap();
    assert_eq!(first, Looked { due_at: Some(at(late)), ..soon });
    // The look had no answer: a minute later it is said without.
    order.looked = first;
    assert_eq!(look_first(&order, at(late + MINUTE)), None, "not a second time");
    assert_eq!(look_first(&order, at(late + HOUR)), None, "nor after another stop");
    order.looked = Looked { answered_at: Some(at(late - MINUTE)), ..looked };
    assert_eq!(look_first(&order, at(late)), None, "the last answer is fresh");
    order.looked = Looked { answered_at: Some(at(late + MINUTE)), ..looked };
    assert!(look_first(&order, at(late)).is_some(), "an answer of a clock that was ahead is not");
    order.looked = Looked { answered_at: None, ..looked };
    assert!(look_first(&order, at(late)).is_some(), "nor is none");
    order.looked = Looked { due_at: None, ..looked };
    assert_eq!(look_first(&order, at(late)), None, "there is nothing to look at");
    order.looked = Looked { wake_at: None, ..looked };
    assert_eq!(look_first(&order, at(late)), None, "nothing was due");
}

#[test]
fn a_suspect_and_a_young_order_are_looked_at_at_the_usual_pace() {
    let usual = connect(in_progress(), WindowState::Never);
    for absence in
        [Absence::Suspect { since: at(HOUR) }, Absence::Young { until: at(2 * HOUR) }, Absence::None]
    {
        let mut order = usual.clone();
        order.state.absence = absence;
        assert_eq!(next_look(&order, at(HOUR)), next_look(&usual, at(HOUR)), "{absence:?}");
    }
    // An open window's looks go on meanwhile.
    let mut open = connect(failed(Duration::ZERO, Some(Operation::Claim)), WindowState::Open(window()));
    open.state.absence = Absence::Suspect { since: at(HOUR) };
    assert_eq!(next_look(&open, at(12 * HOUR - 3 * MINUTE)), Some(at(12 * HOUR - MINUTE)));
}

/// The same order, looked at for ever once it is done.
fn watched_on(mut order: Order) -> Order {
    Arc::make_mut(&mut order.watch.terms).policy.poll.after_terminal = AfterTerminal::Every(12 * HOUR);
    order
}

fn gone(mut order: Order) -> Order {
    order.state.presence = Presence::Gone { since: at(HOUR) };
    order
}

fn with_absence(mut order: Order, absence: Absence) -> Order {
    order.state.absence = absence;
    order
}

/// A claimed number of which the list says that it is being updated.
fn to_be_updated() -> Order {
    let mut order = connect(since(MINUTE), WindowState::Never);
    order.watch.declared.operation = Some(Operation::Update);
    order
}

#[test]
fn how_urgent_an_order_is() {
    let (claim, update) = (Some(Operation::Claim), Some(Operation::Update));
    let ended = Some(ChimeStatus::Partial);
    let open = || connect(failed(HOUR, claim), WindowState::Open(window()));
    let claimed = || connect(since(HOUR), WindowState::Never);
    let doubted = Absence::Doubted { since: at(HOUR) };
    let never = || WindowState::Never;
    let cases = [
        ("an open window", open(), HOUR, Lane::Urgent),
        ("gone in its window", gone(open()), HOUR, Lane::Urgent),
        ("a doubt", with_absence(claimed(), doubted), HOUR, Lane::Urgent),
        ("a doubt before the end", with_absence(pending(Provider::Chime), doubted), HOUR, Lane::Urgent),
        ("never looked at", pending(Provider::Connect), Duration::ZERO, Lane::Pending),
        ("in progress", connect(in_progress(), never()), 30 * DAY, Lane::Pending),
        ("suspect", with_absence(claimed(), Absence::Suspect { since: at(HOUR) }), HOUR, Lane::Pending),
        ("claimed", claimed(), HOUR, Lane::Verify),
        ("claimed and watched on", watched_on(claimed()), 30 * DAY, Lane::Verify),
        ("an update that may not have begun", to_be_updated(), HOUR - MINUTE, Lane::Pending),
        ("an update that did not begin", to_be_updated(), HOUR, Lane::Verify),
        ("released", connect(Status::Released { since: at(HOUR) }, over()), HOUR, Lane::Verify),
        ("failed, window over", connect(failed(HOUR, claim), over()), 2 * DAY, Lane::Verify),
        ("an update failed", connect(failed(HOUR, update), never()), HOUR, Lane::Verify),
        ("gone", gone(pending(Provider::Chime)), HOUR, Lane::Verify),
        ("processing", chime(Some(ChimeStatus::Processing), &[]), 30 * DAY, Lane::Pending),
        ("ended", chime(ended, &[(since(HOUR), never())]), HOUR, Lane::Verify),
        ("ended but for one", chime(ended, &[(in_progress(), never())]), HOUR, Lane::Pending),
        ("ended, one failed", chime(ended, &[(failed(HOUR, None), over())]), 2 * DAY, Lane::Verify),
    ];
    for (name, order, now, expected) in cases {
        assert_eq!(lane(&order, at(now)), expected, "{name}");
    }
}

/// A failed claim whose window has marks so long before its end at 24 h.
fn marked(marks: &[Duration]) -> Order {
    let mut order = connect(failed(Duration::ZERO, Some(Operation::Claim)), WindowState::Open(window()));
    let policy = &mut Arc::make_mut(&mut order.watch.terms).policy;
    policy.window.warn_before = marks.to_vec();
    policy.poll.steady = 10 * HOUR;
    order
}

/// It was warned at this mark.
fn warned(order: &mut Order, mark: Duration) {
    for number in order.state.numbers.values_mut() {
        number.window = WindowState::Open(Window { warned: Some(mark), ..window() });
    }
}

/// The alert at 12 h, with its look at another time.
fn early(at_: Duration) -> Ahead {
    Ahead { at: at(at_), of: at(12 * HOUR) }
}

#[test]
fn the_look_ahead_of_an_alert_is_a_minute_before_it_or_now() {
    let noon = 12 * HOUR;
    let half = MINUTE / 2;
    let order = |answered: Option<Duration>| {
        let mut order = marked(&[noon]);
        order.looked.answered_at = answered.map(at);
        order
    };
    let cases = [
        ("in time", order(None), HOUR, noon - MINUTE, false),
        ("in time, answered before", order(Some(HOUR)), HOUR, noon - MINUTE, false),
        ("late", order(Some(HOUR)), noon - half, noon - half, false),
        ("past the alert", order(None), noon + half, noon + half, false),
        ("answered just now", order(Some(noon - half)), noon - half, noon - half, true),
        ("answered since", order(Some(noon - half)), noon + HOUR, noon - half, true),
        ("answered a minute before", order(Some(noon - MINUTE)), noon, noon - MINUTE, true),
    ];
    for (name, mut order, now, expected, had) in cases {
        for tried in [false, true] {
            assert_eq!(look_ahead(&order, tried, at(now)), Some(early(expected)), "{name}");
        }
        order.looked.ahead = Some(early(expected));
        assert_eq!(order.looked.had_ahead(at(now)), had, "{name}");
    }
    let stepped_back = look_ahead(&order(Some(noon)), false, at(noon - half));
    assert_eq!(stepped_back, Some(early(noon - half)), "an answer of a clock that was ahead is not fresh");
    let none = connect(failed(Duration::ZERO, Some(Operation::Claim)), over());
    assert_eq!(look_ahead(&none, true, at(noon)), None, "there is no alert to come");
    let mut last = marked(&[]);
    last.looked.ahead = Some(early(HOUR));
    let end = DAY + 10 * MINUTE;
    assert_eq!(
        look_ahead(&last, true, at(2 * HOUR)),
        Some(Ahead { at: at(end - MINUTE), of: at(end) }),
        "another alert has another look"
    );
}

#[test]
fn a_look_ahead_that_had_no_answer_is_tried_again_and_one_that_waits_keeps_waiting() {
    let noon = 12 * HOUR;
    let floor = Duration::from_secs(8);
    let (before, due) = (Some(10 * HOUR), 11 * HOUR);
    let cases = [
        // Its place, the last answer, tried or not, and its place after that at 11:30.
        ("had early", due, Some(due), true, due),
        ("had early, and looked at since", due, Some(due + MINUTE), false, due),
        ("tried in vain", due, before, true, due + HOUR / 2 + floor),
        ("not tried yet", due, before, false, due),
        ("never answered", due, None, true, due + HOUR / 2 + floor),
        ("to come", noon - MINUTE, before, true, noon - MINUTE),
        ("to come earlier than usual", noon - HOUR / 4, before, true, noon - MINUTE),
    ];
    for (name, place, answered, tried, expected) in cases {
        let mut order = marked(&[noon]);
        order.looked.ahead = Some(early(place));
        order.looked.answered_at = answered.map(at);
        let ahead = look_ahead(&order, tried, at(due + HOUR / 2));
        assert_eq!(ahead, Some(early(expected)), "{name}");
    }
}

#[test]
fn a_look_that_was_had_early_is_not_had_again() {
    let (noon, place) = (12 * HOUR, 11 * HOUR);
    let mut order = marked(&[noon, 2 * HOUR]);
    order.looked.ahead = Some(early(place));
    order.looked.answered_at = Some(at(place - MINUTE));
    assert_eq!(order.looked.waits_ahead(at(place)), Some(at(place)));
    assert_eq!(next_look(&order, at(place)), Some(at(noon - MINUTE)));
    order.looked.answered_at = Some(at(place));
    assert!(order.looked.had_ahead(at(place)) && order.looked.waits_ahead(at(place)).is_none());
    let next = next_look(&order, at(place)).unwrap();
    assert!(next > at(noon + 30 * MINUTE), "its usual time: {next}");
    // The next mark has its own.
    assert_eq!(next_look(&order, at(21 * HOUR)), Some(at(22 * HOUR - MINUTE)));
    warned(&mut order, noon);
    assert_eq!(
        look_ahead(&order, true, at(noon)),
        Some(Ahead { at: at(22 * HOUR - MINUTE), of: at(22 * HOUR) })
    );
}

#[test]
fn an_answer_from_before_the_clock_stepped_back_is_not_what_an_alert_rests_on() {
    let (noon, now) = (12 * HOUR, 12 * HOUR - 2 * MINUTE);
    let mut order = marked(&[noon]);
    order.looked.ahead = Some(early(noon - MINUTE));
    order.looked.answered_at = Some(at(noon));
    assert!(order.looked.had_ahead(at(noon)));
    assert!(!order.looked.had_ahead(at(now)));
    assert_eq!(order.looked.waits_ahead(at(now)), Some(at(noon - MINUTE)));
    assert_eq!(next_look(&order, at(now)), Some(at(noon - MINUTE)));
}

#[test]
fn two_marks_close_together_have_a_look_each_or_one_for_both() {
    let noon = 12 * HOUR;
    let second = Duration::from_secs(1);
    for (apart, own) in [(2 * MINUTE, true), (30 * second, false)] {
        let mut order = marked(&[noon, noon - apart]);
        order.looked.ahead = Some(early(noon - MINUTE));
        order.looked.answered_at = Some(at(noon - MINUTE / 3));
        let next = next_look(&order, at(noon - MINUTE / 3)).unwrap();
        assert_eq!(next == at(noon + apart - MINUTE), own, "{apart:?}: {next}");
        warned(&mut order, noon);
        let answered = noon - MINUTE / 3;
        let place = if own { noon + apart - MINUTE } else { answered };
        let ahead = look_ahead(&order, false, at(noon)).unwrap();
        assert_eq!(ahead, Ahead { at: at(place), of: at(noon + apart) }, "{apart:?}");
        order.looked.ahead = Some(ahead);
        assert_eq!(order.looked.had_ahead(at(noon)), !own);
    }
}

#[test]
fn a_number_that_a_list_shows_is_looked_at_itself_every_fourth_time() {
    let mut order = watched_on(connect(since(HOUR), WindowState::Never));
    let now = 9 * DAY;
    let permille = 900 + u32::try_from(order.stream().spread(0, 201)).unwrap();
    let next = Some(at(now).plus(12 * HOUR * permille / 1000));
    let second = Duration::from_secs(1);
    let cases =
        [(Some(now), next), (Some(now - 2 * DAY + second), next), (Some(now - 2 * DAY), None), (None, None)];
    for (answered, expected) in cases {
        order.looked =
            Looked { answered_at: answered.map(at), lane: Lane::Verify, faults: 2, ..Looked::default() };
        let after = expected.map(|_| Looked { due_at: expected, decided_at: Some(at(now)), ..order.looked });
        assert_eq!(present(&order, at(now)), after, "{answered:?}");
    }
    order.looked.answered_at = Some(at(now));
    assert!(present(&order, at(now)).is_some());
    Arc::make_mut(&mut order.watch.terms).policy.poll.after_terminal = AfterTerminal::Stop;
    assert_eq!(present(&order, at(now)), None);
}

#[test]
fn whom_a_list_can_answer_for() {
    let claimed = || connect(since(MINUTE), WindowState::Never);
    let doubted = Absence::Doubted { since: at(HOUR) };
    let cases = [
        ("a Chime order", pending(Provider::Chime), true),
        ("one that ended", chime(Some(ChimeStatus::Failed), &[]), true),
        ("one that is gone", gone(pending(Provider::Chime)), true),
        ("a number that is ours", watched_on(claimed()), true),
        ("one that is done for good", claimed(), false),
        ("one in progress", watched_on(connect(in_progress(), WindowState::Never)), false),
        ("one never seen", watched_on(pending(Provider::Connect)), false),
        ("one that failed", watched_on(connect(failed(HOUR, Some(Operation::Claim)), over())), false),
        ("one released", watched_on(connect(Status::Released { since: at(HOUR) }, over())), false),
        ("one in doubt", watched_on(with_absence(claimed(), doubted)), false),
        ("one whose update is to begin", watched_on(to_be_updated()), false),
    ];
    for (name, mut order, expected) in cases {
        order.looked.answered_at = Some(at(HOUR - MINUTE));
        assert_eq!(is_listable(&order, at(HOUR - MINUTE)), expected, "{name}");
        if order.watch.key.provider == Provider::Connect {
            assert_eq!(present(&order, at(HOUR - MINUTE)).is_some(), expected, "{name}");
        }
    }
}
