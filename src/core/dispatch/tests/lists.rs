//! Lists instead of looks: when a sweep begins, whom it holds up, and what becomes of who was not in it.

use super::super::super::sweep::{Length, Turn};
use super::*;

/// A Chime scope of ten calls a second, whose list had so many pages when it was last read.
fn swept(pages: Option<u32>) -> Dispatcher {
    let mut dispatcher = dispatcher(Provider::Chime, quota(10.0));
    if let Some(pages) = pages {
        know(&mut dispatcher, pages);
    }
    dispatcher
}

fn know(dispatcher: &mut Dispatcher, pages: u32) {
    let length = Some(Length { pages, whole: true, at: wall(-1000) });
    let memory = ScopeMemory { length, ..dispatcher.memory(at(0)) };
    dispatcher.resume(&memory, at(0));
}

/// Orders in a row that are due now, and that a list may answer for.
fn listed(dispatcher: &mut Dispatcher, all: std::ops::Range<u32>, lane: Lane) {
    all.for_each(|n| place(dispatcher, chime(n), due(0, lane), By::Either));
}

/// A page came and was applied.
fn answer(dispatcher: &mut Dispatcher, next: Option<&str>, now: Now) -> Turn {
    assert!(dispatcher.hear_page(None, now).is_empty());
    dispatcher.page_ended(Ok(next), now)
}

/// An order was in the page and is looked at again a minute later.
fn shown(dispatcher: &mut Dispatcher, n: u32, now: Now) {
    dispatcher.hear_listed(&order(Provider::Chime, n), now);
    let next = Looked { due_at: Some(now.wall.plus(Duration::from_mins(1))), ..Looked::default() };
    dispatcher.place(chime(n), &mut { next }, By::Either, now.wall);
}

/// Reads a list of so many pages, for orders that are not in it and wait no more then. Gives when the last page started.
pub(super) fn sweep(dispatcher: &mut Dispatcher, pages: u32, ms: u64) -> Now {
    listed(dispatcher, 10_000..10_500, Lane::Pending);
    let mut now = at(ms);
    for n in 1..=pages {
        now = later(now, dispatcher.ready_in(now).unwrap());
        let token = (n > 1).then(|| n.to_string());
        assert_eq!(dispatcher.next(now), Some(page(token.as_deref())));
        let next = (n < pages).then(|| (n + 1).to_string());
        answer(dispatcher, next.as_deref(), now);
    }
    dispatcher.clear();
    now
}

#[test]
fn a_list_is_read_once_more_orders_are_due_than_it_has_pages() {
    for (pages, enough) in [(None, 3), (Some(1), 2), (Some(5), 6), (Some(40), 41)] {
        for lane in [Lane::Pending, Lane::Verify] {
            for (many, first) in [(enough - 1, look(chime(0))), (enough, page(None))] {
                let mut dispatcher = swept(pages);
                listed(&mut dispatcher, 0..many, lane);
                place(&mut dispatcher, chime(0), due(-1, lane), By::Either);
                // Neither who is not due, nor who is urgent, nor whom the list does not help.
                place(&mut dispatcher, chime(100), due(1, lane), By::Either);
                place(&mut dispatcher, chime(101), due(0, lane), By::Own);
                assert_eq!(dispatcher.next(at(0)), Some(first), "{many} of {pages:?}");
            }
        }
    }
    let mut urgent = swept(Some(1));
    listed(&mut urgent, 0..9, Lane::Urgent);
    assert!(started(&mut urgent, 0, 1000).iter().all(|(_, dispatch)| *dispatch != page(None)));
}

#[test]
fn the_orders_of_both_lanes_count_together() {
    let mut dispatcher = swept(Some(5));
    listed(&mut dispatcher, 0..3, Lane::Pending);
    listed(&mut dispatcher, 3..6, Lane::Verify);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
}

#[test]
fn a_connect_list_answers_for_those_that_are_done_only() {
    let mut dispatcher = dispatcher(Provider::Connect, quota(10.0));
    for n in 0..9 {
        place(&mut dispatcher, connect(n), due(0, Lane::Pending), By::Either);
    }
    for n in 10..13 {
        place(&mut dispatcher, connect(n), due(0, Lane::Verify), By::Either);
    }
    let started = started(&mut dispatcher, 0, 60_000);
    let pages = started.iter().filter(|(_, dispatch)| *dispatch == page(None)).count();
    assert_eq!((pages, started.len()), (1, 10), "the page is awaited, and pending looks go on");
    answer(&mut dispatcher, None, at(60_000));
    assert_eq!(super::started(&mut dispatcher, 60_000, 60_000).len(), 3, "none of them was in it");
}

#[test]
fn a_page_in_flight_holds_up_those_that_it_may_answer_for() {
    let mut dispatcher = swept(None);
    listed(&mut dispatcher, 0..3, Lane::Pending);
    listed(&mut dispatcher, 3..6, Lane::Verify);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    assert_eq!((dispatcher.ready_in(at(0)), dispatcher.next(at(9000))), (None, None));
    for (n, lane) in (10..).zip(Lane::ALL) {
        place(&mut dispatcher, chime(n), due(5000 + i64::from(n), lane), By::Own);
    }
    place(&mut dispatcher, chime(13), due(5000, Lane::Urgent), By::Either);
    place(&mut dispatcher, chime(14), due(5000, Lane::Urgent), By::Question);
    assert_eq!(dispatcher.ready_in(at(0)), Some(Duration::from_secs(5)));
    let all: BTreeSet<Stream> = started(&mut dispatcher, 9000, 60_000)
        .into_iter()
        .map(|(_, dispatch)| match dispatch {
            Dispatch::Look { who, .. } => who,
            Dispatch::Page { .. } => panic!("never two pages"),
        })
        .collect();
    assert_eq!(all, (10..15).map(chime).collect());
}

#[test]
fn pages_count_among_what_is_in_flight() {
    let mut dispatcher = dispatcher(Provider::Chime, Quota { in_flight: Some(2), ..quota(10.0) });
    listed(&mut dispatcher, 0..3, Lane::Pending);
    for n in 10..13 {
        place(&mut dispatcher, chime(n), due(0, Lane::Urgent), By::Own);
    }
    let two: Vec<_> = (0..9).filter_map(|n| dispatcher.next(at(n * 1000))).collect();
    assert_eq!(two.len(), 2);
    assert!(two.contains(&page(None)), "{two:?}");
    assert_eq!(dispatcher.ready_in(at(9000)), None);
    answer(&mut dispatcher, Some("2"), at(9000));
    assert!(dispatcher.next(at(9000)).is_some());
}

#[test]
fn urgent_looks_and_those_that_no_list_helps_go_between_pages() {
    let mut dispatcher = swept(Some(40));
    listed(&mut dispatcher, 0..50, Lane::Pending);
    for n in 100..150 {
        place(&mut dispatcher, chime(n), due(0, Lane::Urgent), By::Own);
        place(&mut dispatcher, chime(n + 100), due(0, Lane::Pending), By::Own);
    }
    let (mut now, mut kinds) = (at(0), [0; 3]);
    for _ in 0..48 {
        now = later(now, dispatcher.ready_in(now).unwrap());
        match dispatcher.next(now).unwrap() {
            Dispatch::Page { .. } => {
                kinds[1] += 1;
                assert_eq!(answer(&mut dispatcher, Some(&kinds[1].to_string()), now), Turn::On);
            }
            Dispatch::Look { who, .. } => {
                kinds[if (100..150).any(|n| chime(n) == who) { 0 } else { 2 }] += 1;
                dispatcher.finished(who);
            }
        }
    }
    assert_eq!(kinds, [32, 8, 8], "two thirds, and of the rest half each");
}

#[test]
fn a_page_waits_for_the_list_s_bucket_and_looks_do_not() {
    let mut dispatcher = dispatcher(Provider::Chime, Quota { list: Some((0.5, 3)), ..quota(10.0) });
    listed(&mut dispatcher, 10_000..10_100, Lane::Pending);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    answer(&mut dispatcher, Some("2"), at(100));
    assert_eq!(
        (dispatcher.next(at(100)), dispatcher.ready_in(at(100))),
        (None, Some(Duration::from_millis(1900)))
    );
    for n in 10..15 {
        place(&mut dispatcher, chime(n), due(0, Lane::Pending), By::Own);
    }
    let between = started(&mut dispatcher, 100, 1899);
    assert_eq!(between.len(), 5);
    assert_eq!(dispatcher.next(at(2000)), Some(page(Some("2"))));
}

#[test]
fn a_refused_page_lowers_the_list_s_rate_holds_everything_and_is_asked_for_again() {
    let mut dispatcher = dispatcher(Provider::Chime, Quota { list: Some((1.0, 3)), ..quota(10.0) });
    listed(&mut dispatcher, 10_000..10_100, Lane::Pending);
    place(&mut dispatcher, chime(9), due(10, Lane::Urgent), By::Own);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    assert_eq!(names(&dispatcher.hear_page(Some(&throttled(7)), at(10))), ["scope.throttled"]);
    assert_eq!(dispatcher.page_ended(Err(&throttled(7)), at(10)), Turn::On);
    assert_eq!(dispatcher.ready_in(at(10)), Some(Duration::from_secs(7)));
    assert_eq!(dispatcher.next(at(7009)), None);
    let memory = dispatcher.memory(at(10));
    assert!((memory.rate - 10.0).abs() < 1e-9 && (memory.lists.unwrap().rate - 0.88).abs() < 1e-9);
    let both: Vec<Dispatch> =
        started(&mut dispatcher, 7010, 1000).into_iter().map(|(_, what)| what).collect();
    assert_eq!(both, [look(chime(9)), page(None)]);
}

#[test]
fn what_is_the_matter_with_the_list_alone_is_not_the_scope_s_affair() {
    for trouble in [denied(Reach::Order), Observation::Malformed { detail: "junk".into() }] {
        let mut dispatcher = swept(None);
        for _ in 0..9 {
            assert!(dispatcher.hear_page(Some(&trouble), at(0)).is_empty(), "{trouble:?}");
        }
        assert!(!dispatcher.scope().probes());
        listed(&mut dispatcher, 0..3, Lane::Pending);
        assert_eq!(dispatcher.next(at(0)), Some(page(None)));
        dispatcher.hear_page(Some(&trouble), at(0));
        assert!(matches!(dispatcher.page_ended(Err(&trouble), at(0)), Turn::Failed { .. }));
        assert_eq!(started(&mut dispatcher, 0, 59_000).len(), 3, "they are looked at themselves");
    }
}

#[test]
fn a_page_that_could_not_be_applied_is_asked_for_again() {
    let mut dispatcher = swept(None);
    listed(&mut dispatcher, 0..3, Lane::Pending);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    dispatcher.hear_page(None, at(100));
    dispatcher.page_abandoned();
    assert_eq!(dispatcher.next(at(100)), Some(page(None)));
}

#[test]
fn a_probe_is_never_a_page() {
    let mut dispatcher = swept(None);
    listed(&mut dispatcher, 0..3, Lane::Pending);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    for _ in 0..5 {
        dispatcher.hear_page(Some(&unavailable()), at(10));
    }
    dispatcher.page_ended(Err(&unavailable()), at(10));
    break_down(&mut dispatcher, Provider::Chime, at(10));
    let mut now = at(10);
    for _ in 0..9 {
        now = later(now, dispatcher.ready_in(now).unwrap());
        let Some(Dispatch::Look { who, .. }) = dispatcher.next(now) else { panic!("no probe") };
        let n = (0..3).find(|n| chime(*n) == who).unwrap();
        dispatcher.hear(&order(Provider::Chime, n), Call::Look, unavailable(), now);
        dispatcher.keep_place(who);
        dispatcher.finished(who);
    }
    for n in 0..3 {
        dispatcher.hear(&order(Provider::Chime, n), Call::Look, seen(), now);
    }
    now = later(now, Duration::from_mins(1));
    assert_eq!(dispatcher.next(now), Some(page(None)), "it goes on when the outage is over");
    dispatcher.hear_page(Some(&denied(Reach::Scope)), now);
    let ended = dispatcher.page_ended(Err(&denied(Reach::Scope)), now);
    assert!(
        matches!(ended, Turn::Failed { .. }) && !dispatcher.scope().probes(),
        "perhaps it is the list alone"
    );
    dispatcher.hear(&order(Provider::Chime, 0), Call::Look, denied(Reach::Scope), now);
    now = later(now, dispatcher.ready_in(now).unwrap());
    let probe = dispatcher.next(now);
    assert!(matches!(probe, Some(Dispatch::Look { fresh_credentials: true, .. })), "{probe:?}");
}

#[test]
fn who_was_due_and_absent_is_looked_at_itself_and_begins_no_other_sweep() {
    let mut dispatcher = swept(None);
    listed(&mut dispatcher, 0..5, Lane::Pending);
    place(&mut dispatcher, chime(5), due(50, Lane::Pending), By::Either);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    dispatcher.hear_page(None, at(100));
    shown(&mut dispatcher, 0, at(100));
    assert_eq!(dispatcher.page_ended(Ok(None), at(100)), Turn::Through(wall(0)));
    assert_eq!(dispatcher.schedule.due(Lane::Pending, wall(100)), (4, 1), "the sixth was not due yet");
    assert_eq!(dispatcher.memory(at(100)).length.map(|length| length.pages), Some(1));
    let mut looks = Vec::new();
    for n in 1..=5 {
        let Some(Dispatch::Look { who, .. }) = dispatcher.next(at(n * 200)) else { panic!("look {n}") };
        looks.push(who);
        // It is due again at once, and still not one for the list.
        if n < 5 {
            dispatcher.place(
                who,
                &mut due(i64::try_from(n).unwrap() * 200, Lane::Pending),
                By::Either,
                wall(i64::try_from(n).unwrap() * 200),
            );
            dispatcher.finished(who);
        }
    }
    assert_eq!(looks.iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(dispatcher.schedule.due(Lane::Pending, wall(2000)), (4, 0));
    for n in 1..5 {
        shown(&mut dispatcher, n, at(2000));
    }
    assert_eq!(dispatcher.schedule.due(Lane::Pending, wall(99_000)), (0, 5), "until one shows them again");
}

#[test]
fn who_was_absent_may_be_in_the_list_after_a_while() {
    let mut dispatcher = swept(None);
    listed(&mut dispatcher, 0..5, Lane::Pending);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    dispatcher.hear_page(None, at(100));
    dispatcher.page_ended(Ok(None), at(100));
    let mut own = |ms| {
        dispatcher.place(chime(1), &mut due(ms, Lane::Pending), By::Either, wall(ms));
        dispatcher.schedule.due(Lane::Pending, wall(ms))
    };
    assert_eq!(own(100 + 599_999), (5, 0));
    assert_eq!(own(100 + 600_000), (4, 1));
}

#[test]
fn what_the_list_shows_may_have_to_be_confirmed_once() {
    let who = chime(0);
    let answers = [
        (seen(), (0, 1)),
        (Observation::Missing { message: None, suspect: false }, (0, 1)),
        (throttled(1), (1, 0)),
        (unavailable(), (1, 0)),
        (denied(Reach::Scope), (1, 0)),
        (Observation::Malformed { detail: "x".into() }, (1, 0)),
    ];
    for (answer, expected) in answers {
        let mut dispatcher = swept(None);
        place(&mut dispatcher, who, due(60_000, Lane::Verify), By::Either);
        dispatcher.look_itself(who, wall(0));
        assert_eq!(dispatcher.schedule.due(Lane::Verify, wall(0)), (1, 0));
        assert_eq!(dispatcher.next(at(0)), Some(look(who)));
        dispatcher.hear(&order(Provider::Chime, 0), Call::Look, answer.clone(), at(10));
        dispatcher.place(who, &mut due(10, Lane::Verify), By::Either, wall(10));
        dispatcher.finished(who);
        assert_eq!(dispatcher.schedule.due(Lane::Verify, wall(10)), expected, "{answer:?}");
    }
    // One that is absent is absent until a list shows it, whatever a look sees.
    let mut dispatcher = swept(Some(1));
    listed(&mut dispatcher, 0..2, Lane::Verify);
    assert_eq!(dispatcher.next(at(0)), Some(page(None)));
    answer(&mut dispatcher, None, at(10));
    dispatcher.hear(&order(Provider::Chime, 0), Call::Look, seen(), at(20));
    dispatcher.place(who, &mut due(20, Lane::Verify), By::Either, wall(20));
    assert_eq!(dispatcher.schedule.due(Lane::Verify, wall(20)), (2, 0));
}

#[test]
fn the_rest_of_the_list_is_not_read_for_nobody() {
    for (soon, expected) in [(60_000, Turn::Enough), (900, Turn::On), (901, Turn::Enough)] {
        let mut dispatcher = swept(Some(10));
        listed(&mut dispatcher, 0..11, Lane::Pending);
        assert_eq!(dispatcher.next(at(0)), Some(page(None)));
        dispatcher.hear_page(None, at(0));
        (0..11).for_each(|n| shown(&mut dispatcher, n, at(0)));
        // Nine more pages take nine tenths of a second.
        place(&mut dispatcher, chime(20), due(soon, Lane::Verify), By::Either);
        assert_eq!(dispatcher.page_ended(Ok(Some("2")), at(0)), expected, "{soon}");
    }
    let mut unknown = swept(None);
    listed(&mut unknown, 0..3, Lane::Pending);
    assert_eq!(unknown.next(at(0)), Some(page(None)));
    unknown.hear_page(None, at(0));
    (0..3).for_each(|n| shown(&mut unknown, n, at(0)));
    assert_eq!(unknown.page_ended(Ok(Some("2")), at(0)), Turn::On, "its length is worth knowing");
}

#[test]
fn pages_count_as_calls_in_what_is_expected() {
    let due_in = |dispatcher: &mut Dispatcher| {
        let backlog = dispatcher.backlog(at(500));
        backlog.map(|lane| (lane.due, lane.expected.as_millis(), lane.oldest.as_millis()))
    };
    let mut unknown = swept(None);
    listed(&mut unknown, 0..100, Lane::Pending);
    assert_eq!(due_in(&mut unknown), [(0, 0, 0), (100, 10_000, 500), (0, 0, 0)]);
    let mut known = swept(Some(10));
    listed(&mut known, 0..100, Lane::Pending);
    assert_eq!(due_in(&mut known), [(0, 0, 0), (100, 1000, 500), (0, 0, 0)]);
    place(&mut known, chime(200), due(0, Lane::Urgent), By::Own);
    (300..320).for_each(|n| place(&mut known, chime(n), due(0, Lane::Pending), By::Own));
    let [urgent, pending, _] = due_in(&mut known);
    assert_eq!((urgent, pending), ((1, 150, 500), (120, 3100, 500)));
}

#[test]
fn one_that_was_missing_and_is_listed_ends_the_suspicion() {
    let mut dispatcher = swept(None);
    let missing = || Observation::Missing { message: None, suspect: false };
    let said: Vec<ScopeEvent> = (0..4)
        .flat_map(|n| dispatcher.hear(&order(Provider::Chime, n), Call::Look, missing(), at(0)).events)
        .collect();
    assert_eq!(names(&said), ["scope.suspect"]);
    (0..4).for_each(|n| place(&mut dispatcher, chime(n), due(60_000, Lane::Pending), By::Own));
    let heard = dispatcher.hear_listed(&order(Provider::Chime, 0), at(1000));
    assert_eq!(names(&heard.events), ["scope.recovered"]);
    assert_eq!(dispatcher.overdue(wall(1000)), 3, "the others are worth a look at once");
}

#[test]
fn a_list_is_not_read_where_looks_would_be_sooner() {
    // A page a fifty seconds, where ten looks a second could be had.
    let mut narrow = dispatcher(Provider::Chime, Quota { list: Some((0.02, 3)), ..quota(10.0) });
    listed(&mut narrow, 0..300, Lane::Pending);
    let first = started(&mut narrow, 0, 30_000);
    assert!(first.iter().all(|(_, what)| matches!(what, Dispatch::Look { .. })), "{:?}", first.first());
    assert_eq!(first.len(), 300);
    // Pages that take three seconds each: sixty looks would take six.
    let mut slow = dispatcher(Provider::Chime, quota(10.0));
    listed(&mut slow, 0..60, Lane::Pending);
    let (mut now, mut pages) = (at(0), 0);
    while let Some(Dispatch::Page { .. }) = slow.next(now) {
        now = later(now, Duration::from_secs(3));
        pages += 1;
        answer(&mut slow, Some(&pages.to_string()), now);
    }
    assert_eq!(pages, 3, "it was found out");
    let looks = started(&mut slow, 9000, 6000);
    assert!(looks.len() >= 55 && looks.iter().all(|(_, what)| matches!(what, Dispatch::Look { .. })));
    assert_eq!(slow.sweeps.length().map(|length| length.whole), Some(false));
}
