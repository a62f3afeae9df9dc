//! Lanes, their parts and their order, and a naive model of the whole.

mod model;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn who(n: u32) -> Stream {
    Stream::of(&[&n.to_string()])
}

fn wish(seconds: i64, lane: Lane, by: By) -> Wish {
    Wish { lane, by, ..Wish::at(at(seconds)) }
}

fn ahead(seconds: i64, ahead: i64) -> Wish {
    Wish { lane: Lane::Urgent, by: By::Own, ahead: Some(at(ahead)), ..Wish::at(at(seconds)) }
}

/// The one whose turn it is in a lane while all may be served.
fn take(schedule: &mut Schedule, lane: Lane, seconds: i64) -> Option<Stream> {
    schedule.take_due(lane, at(seconds), Open::default()).map(|(who, _)| who)
}

fn take_pending(schedule: &mut Schedule, seconds: i64) -> Option<Stream> {
    take(schedule, Lane::Pending, seconds)
}

/// So many wait in each lane, due from zero on, a millisecond apart.
fn crowded(lanes: &[Lane], each: u32) -> Schedule {
    let mut schedule = Schedule::default();
    for (n, lane) in (0..).map(|n| n * each).zip(lanes) {
        for n in n..n + each {
            schedule.request(who(n), Wish { lane: *lane, ..Wish::at(Timestamp::from_millis(n.into())) });
        }
    }
    schedule
}

/// How many tokens each lane gets of so many.
fn shares(schedule: &mut Schedule, tokens: usize, page: Option<Lane>) -> [usize; 3] {
    let mut shares = [0; 3];
    for _ in 0..tokens {
        let lane = schedule.turn(at(3600), Open::default(), page).unwrap();
        shares[lane.index()] += 1;
        take(schedule, lane, 3600);
    }
    shares
}

#[test]
fn a_lane_is_named_by_a_word() {
    for lane in Lane::ALL {
        assert_eq!(Lane::parse(lane.as_str()), Some(lane));
    }
    assert_eq!(Lane::parse("Urgent"), None);
    assert_eq!(Lane::ALL.map(Lane::weight), [8, 4, 1]);
}

#[test]
fn earliest_due_first() {
    for lane in Lane::ALL {
        let mut schedule = Schedule::default();
        for n in [3, 1, 2] {
            schedule.request(who(n), wish(n.into(), lane, By::Either));
        }
        let order: Vec<_> = std::iter::from_fn(|| take(&mut schedule, lane, 2)).collect();
        assert_eq!(order, [who(1), who(2)], "{lane:?}");
        assert_eq!(schedule.next_due(Open::default()), Some(at(3)));
    }
}

#[test]
fn lanes_with_work_have_their_parts_of_the_tokens() {
    use Lane::{Pending, Urgent, Verify};
    let cases: [(&[Lane], [usize; 3]); 7] = [
        (&[Urgent, Pending, Verify], [800, 400, 100]),
        (&[Urgent, Pending], [867, 433, 0]),
        (&[Pending, Verify], [0, 1040, 260]),
        (&[Urgent, Verify], [1156, 0, 144]),
        (&[Urgent], [1300, 0, 0]),
        (&[Pending], [0, 1300, 0]),
        (&[Verify], [0, 0, 1300]),
    ];
    for (lanes, expected) in cases {
        assert_eq!(shares(&mut crowded(lanes, 1400), 1300, None), expected, "{lanes:?}");
    }
    // A page of a list is work for its lane.
    assert_eq!(shares(&mut crowded(&[Urgent], 1400), 1200, Some(Pending)), [800, 400, 0]);
}

#[test]
fn the_parts_are_kept_in_every_thirteen_tokens_and_no_lane_has_them_in_a_row() {
    let mut schedule = crowded(&Lane::ALL, 200);
    for _ in 0..20 {
        let lanes: Vec<Lane> = (0..13)
            .map(|_| {
                let lane = schedule.turn(at(3600), Open::default(), None).unwrap();
                take(&mut schedule, lane, 3600);
                lane
            })
            .collect();
        let count = |lane| lanes.iter().filter(|other| **other == lane).count();
        assert_eq!(Lane::ALL.map(count), [8, 4, 1]);
        let row = lanes.chunk_by(|one, next| one == next).map(<[_]>::len).max();
        assert!(row <= Some(3), "{lanes:?}");
    }
}

#[test]
fn who_has_nothing_to_do_saves_nothing_up() {
    let mut schedule = crowded(&[Lane::Pending, Lane::Verify], 2000);
    assert_eq!(shares(&mut schedule, 1000, None), [0, 800, 200]);
    for n in 9000..9200 {
        schedule.request(who(n), wish(0, Lane::Urgent, By::Own));
    }
    assert_eq!(shares(&mut schedule, 13, None), [8, 4, 1], "no more than it would have had all along");
    // Nor does anybody owe anything after a rest.
    let mut rested = crowded(&[Lane::Urgent, Lane::Pending], 300);
    for _ in 0..3 {
        assert_eq!(rested.turn(at(3600), Open::default(), None), Some(Lane::Urgent));
        assert_eq!(rested.turn(at(-1), Open::default(), None), None);
    }
}

#[test]
fn own_and_listed_merge_by_time() {
    for lane in [Lane::Pending, Lane::Verify] {
        let mut schedule = Schedule::default();
        for n in 1..=6 {
            schedule.request(who(n), wish(n.into(), lane, if n % 2 == 0 { By::Own } else { By::Either }));
        }
        assert_eq!(schedule.due(lane, at(5)), (2, 3));
        let listed: Vec<_> = schedule.listed_due(lane, at(3)).collect();
        assert_eq!(listed, [who(1), who(3)]);
        let mut closed = Open::default();
        closed.listed[lane.index()] = false;
        assert_eq!(schedule.next_due(closed), Some(at(2)));
        assert_eq!(
            schedule.take_due(lane, at(9), closed),
            Some((who(2), By::Own)),
            "others wait for the list"
        );
        let order: Vec<_> = std::iter::from_fn(|| take(&mut schedule, lane, 9)).collect();
        assert_eq!(order, [1, 3, 4, 5, 6].map(who), "{lane:?}");
    }
}

#[test]
fn a_list_that_is_read_holds_up_its_own_lane_only() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(1, Lane::Urgent, By::Either));
    schedule.request(who(2), wish(1, Lane::Pending, By::Either));
    schedule.request(who(3), wish(1, Lane::Verify, By::Either));
    let verify = Open { listed: [true, true, false], ..Open::default() };
    assert_eq!(Lane::ALL.map(|lane| schedule.is_due(lane, at(1), verify)), [true, true, false]);
    let pending = Open { listed: [false, false, true], ..Open::default() };
    assert_eq!(Lane::ALL.map(|lane| schedule.is_due(lane, at(1), pending)), [true, false, true]);
    assert!(schedule.is_any_due(at(1)) && !schedule.is_any_due(at(0)));
}

#[test]
fn questions_go_before_alerts_and_alerts_before_what_is_merely_late() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(1, Lane::Urgent, By::Own));
    schedule.request(who(2), ahead(9, 2));
    schedule.request(who(3), wish(3, Lane::Pending, By::Question));
    assert_eq!(schedule.next_question(), Some(at(3)));
    assert_eq!(schedule.due(Lane::Urgent, at(4)), (3, 0), "a question is urgent in any lane");
    assert_eq!(schedule.take_due(Lane::Urgent, at(4), Open::default()), Some((who(3), By::Question)));
    let order: Vec<_> = std::iter::from_fn(|| take(&mut schedule, Lane::Urgent, 4)).collect();
    assert_eq!(order, [who(2), who(1)]);
}

#[test]
fn a_question_waits_for_the_list_s_bucket_whatever_it_precedes() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), ahead(9, 1));
    take(&mut schedule, Lane::Urgent, 1);
    schedule.go_on(who(1), By::Question);
    schedule.finished(who(1));
    schedule.request(who(2), wish(5, Lane::Urgent, By::Own));
    let closed = Open { questions: false, ..Open::default() };
    assert_eq!(schedule.next_due(closed), Some(at(5)));
    assert_eq!(schedule.take_due(Lane::Urgent, at(9), closed), Some((who(2), By::Own)));
    assert_eq!(schedule.take_due(Lane::Urgent, at(9), closed), None);
    assert_eq!(schedule.take_due(Lane::Urgent, at(9), Open::default()), Some((who(1), By::Question)));
}

#[test]
fn who_waits_for_two_things_is_taken_once() {
    // By its alert, and by its usual time.
    for (usual, early) in [(9, 2), (2, 9)] {
        let mut schedule = Schedule::default();
        schedule.request(who(1), ahead(usual, early));
        schedule.request(who(2), ahead(20, 30));
        assert_eq!((schedule.len(), schedule.overdue(at(2)), schedule.overdue(at(9))), (2, 1, 1));
        assert_eq!(take(&mut schedule, Lane::Urgent, 10), Some(who(1)));
        assert_eq!((schedule.overdue(at(10)), take(&mut schedule, Lane::Urgent, 10)), (0, None));
        schedule.finished(who(1));
        assert_eq!((schedule.len(), schedule.in_flight(), schedule.overdue(at(99))), (1, 0, 1));
        schedule.forget(who(2));
        assert_eq!((schedule.waiting().next(), schedule.next_due(Open::default())), (None, None));
    }
}

#[test]
fn who_is_due_in_either_way_counts_once() {
    let mut schedule = Schedule::default();
    for n in 0..3 {
        schedule.request(who(n), ahead(90, 1));
    }
    for n in 3..8 {
        schedule.request(who(n), wish(1, Lane::Urgent, By::Own));
    }
    schedule.request(who(8), ahead(1, 90));
    schedule.request(who(9), ahead(1, 1));
    assert_eq!(schedule.due(Lane::Urgent, at(1)), (10, 0));
}

#[test]
fn never_two_looks_of_one_order() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), Wish::at(at(1)));
    assert_eq!(take_pending(&mut schedule, 1), Some(who(1)));
    schedule.request(who(1), Wish::at(at(1)));
    assert_eq!(take_pending(&mut schedule, 9), None);
    assert_eq!(schedule.take_probe(true), None);
    schedule.finished(who(1));
    assert_eq!(take_pending(&mut schedule, 9), Some(who(1)), "the wish was kept");
    assert_eq!((schedule.in_flight(), schedule.len()), (1, 1));
}

#[test]
fn who_was_turned_away_keeps_the_place() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), Wish::at(at(1)));
    schedule.request(who(2), Wish::at(at(2)));
    assert_eq!(take_pending(&mut schedule, 9), Some(who(1)));
    schedule.keep_place(who(1));
    schedule.finished(who(1));
    assert_eq!(take_pending(&mut schedule, 9), Some(who(1)));
}

#[test]
fn what_goes_on_is_as_urgent_as_can_be_and_what_did_not_start_waits() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(7, Lane::Verify, By::Either));
    assert_eq!(take(&mut schedule, Lane::Verify, 9), Some(who(1)));
    schedule.go_on(who(1), By::Own);
    schedule.finished(who(1));
    schedule.request(who(2), wish(1, Lane::Urgent, By::Own));
    assert_eq!(take(&mut schedule, Lane::Urgent, 9), Some(who(1)), "before one that was due earlier");
    schedule.put_off(who(1), at(20));
    assert_eq!((schedule.in_flight(), schedule.next_due(Open::default())), (0, Some(at(1))));
    assert_eq!(take(&mut schedule, Lane::Urgent, 9), Some(who(2)));
    assert_eq!(take(&mut schedule, Lane::Urgent, 19), None);
    assert_eq!(take(&mut schedule, Lane::Urgent, 20), Some(who(1)));
}

#[test]
fn a_clock_that_goes_back_delays_nobody() {
    let mut schedule = Schedule::default();
    for n in 1..=3 {
        schedule.request(who(n), Wish::at(at(3600 + i64::from(n))));
    }
    schedule.request(who(4), ahead(3700, 3604));
    assert_eq!(schedule.overdue(at(3603)), 3);
    assert_eq!(take_pending(&mut schedule, 3601), Some(who(1)));
    schedule.request(who(1), Wish::at(at(3609)));
    schedule.move_back(Duration::from_hours(1));
    assert_eq!((schedule.next_due(Open::default()), schedule.overdue(at(3))), (Some(at(2)), 2));
    schedule.finished(who(1));
    let order: Vec<_> = std::iter::from_fn(|| take_pending(&mut schedule, 9)).collect();
    assert_eq!(order, [who(2), who(3), who(1)]);
    assert_eq!(
        (take(&mut schedule, Lane::Urgent, 3), take(&mut schedule, Lane::Urgent, 4)),
        (None, Some(who(4)))
    );
    schedule.keep_place(who(4));
    schedule.move_back(Duration::from_secs(2));
    schedule.finished(who(4));
    assert_eq!(take(&mut schedule, Lane::Urgent, 2), Some(who(4)));
}

#[test]
fn a_wish_can_be_hastened_and_none_is_made() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(9, Lane::Verify, By::Own));
    schedule.request(who(2), Wish::at(at(3)));
    for n in 1..=3 {
        schedule.hasten(who(n), at(5));
    }
    assert_eq!((schedule.overdue(at(5)), schedule.len()), (2, 2));
    assert_eq!(schedule.next_due(Open::default()), Some(at(3)), "never put off");
    assert_eq!(schedule.due(Lane::Verify, at(5)), (1, 0), "it stays what it was");
}

#[test]
fn who_is_brought_forward_is_looked_at_itself_in_that_lane_or_a_more_urgent_one() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(9, Lane::Verify, By::Either));
    schedule.request(who(2), wish(3, Lane::Urgent, By::Either));
    schedule.request(who(3), wish(9, Lane::Urgent, By::Question));
    for n in 1..=4 {
        schedule.bring_forward(who(n), Lane::Verify, at(5));
    }
    assert_eq!(schedule.due(Lane::Verify, at(5)), (2, 0), "the fourth wanted none");
    assert_eq!((schedule.due(Lane::Pending, at(99)), schedule.due(Lane::Urgent, at(3))), ((0, 0), (1, 0)));
    assert_eq!(schedule.next_question(), Some(at(5)), "a question stays one");
    schedule.bring_forward(who(1), Lane::Urgent, at(6));
    assert_eq!((schedule.due(Lane::Verify, at(5)), schedule.due(Lane::Urgent, at(5))), ((1, 0), (3, 0)));
    // In flight, with and without a wish for afterwards.
    assert_eq!(take(&mut schedule, Lane::Verify, 5), Some(who(4)));
    schedule.bring_forward(who(4), Lane::Verify, at(7));
    schedule.bring_forward(who(4), Lane::Verify, at(8));
    schedule.finished(who(4));
    assert_eq!((schedule.due(Lane::Verify, at(6)), schedule.due(Lane::Verify, at(7))), ((0, 0), (1, 0)));
}

#[test]
fn the_latest_wish_stands_and_forgetting_ends_it() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(9, Lane::Urgent, By::Own));
    schedule.request(who(1), Wish::at(at(5)));
    assert_eq!((schedule.next_due(Open::default()), schedule.overdue(at(9))), (Some(at(5)), 1));
    schedule.forget(who(1));
    assert!(schedule.is_empty());
    schedule.request(who(2), Wish::at(at(1)));
    assert_eq!(take_pending(&mut schedule, 1), Some(who(2)));
    schedule.request(who(2), Wish::at(at(2)));
    schedule.forget(who(2));
    schedule.finished(who(2));
    assert!(schedule.is_empty());
    schedule.request(who(3), Wish::at(at(1)));
    schedule.request(who(4), ahead(1, 1));
    assert_eq!(take_pending(&mut schedule, 1), Some(who(3)));
    assert_eq!((schedule.clear(), schedule.len()), (1, 1));
    assert_eq!((schedule.overdue(at(9)), schedule.waiting().count()), (0, 0));
}

#[test]
fn probes_go_to_the_urgent_first_and_rotate() {
    let mut schedule = Schedule::default();
    for (n, lane) in (0..).zip([Lane::Verify, Lane::Pending, Lane::Urgent]) {
        schedule.request(who(n), wish(9 - i64::from(n), lane, By::Either));
    }
    let probe = |schedule: &mut Schedule| {
        let (probed, _) = schedule.take_probe(true).unwrap();
        schedule.keep_place(probed);
        schedule.finished(probed);
        probed
    };
    let mut rounds: Vec<Stream> = (0..7).map(|_| probe(&mut schedule)).collect();
    assert_eq!(rounds, [2, 1, 0, 2, 1, 0, 2].map(who), "due or not");
    schedule.end_probes();
    rounds = (0..2).map(|_| probe(&mut schedule)).collect();
    assert_eq!(rounds, [2, 1].map(who), "the next outage begins with the most urgent again");
}

#[test]
fn after_so_many_probes_they_begin_anew() {
    let mut schedule = crowded(&[Lane::Pending], 100);
    let probed: Vec<Stream> = (0..130)
        .map(|_| {
            let (probed, _) = schedule.take_probe(true).unwrap();
            schedule.keep_place(probed);
            schedule.finished(probed);
            probed
        })
        .collect();
    let expected: Vec<Stream> = (0..64).chain(0..64).chain(0..2).map(who).collect();
    assert_eq!(probed, expected);
}

#[test]
fn a_probe_is_no_question_while_the_list_s_bucket_is_empty() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(1, Lane::Urgent, By::Question));
    assert_eq!(schedule.take_probe(false), None);
    schedule.request(who(2), wish(9, Lane::Verify, By::Either));
    assert_eq!(schedule.take_probe(false), Some((who(2), By::Either)));
    assert_eq!(schedule.take_probe(true), Some((who(1), By::Question)));
}

/// Places for so many alerts at these times, with looks `spacing` apart.
fn placed(usual: impl IntoIterator<Item = i64>, spacing: Duration) -> Vec<Timestamp> {
    let mut schedule = Schedule::default();
    let mut places = Vec::new();
    for (n, usual) in (0..).zip(usual) {
        let place = schedule.place_ahead(who(n), at(usual), spacing);
        schedule.request(who(n), Wish { lane: Lane::Urgent, ahead: Some(place), ..Wish::at(at(99_999)) });
        assert_eq!(schedule.place_ahead(who(n), at(usual), spacing), place, "it is not in its own way");
        places.push(place);
    }
    places
}

#[test]
fn alerts_that_come_at_once_have_looks_one_after_another() {
    let spacing = Duration::from_millis(1625);
    let mut places = placed([7200; 200], spacing);
    places.sort();
    let expected: Vec<Timestamp> = (0..200).rev().map(|n| at(7200).minus(spacing * n)).collect();
    assert_eq!(places, expected);
}

#[test]
fn alerts_that_are_far_apart_keep_their_looks() {
    let usual: Vec<i64> = (0..200).map(|n| 7200 + n * 2).collect();
    let expected: Vec<Timestamp> = usual.iter().copied().map(at).collect();
    assert_eq!(placed(usual.iter().copied(), Duration::from_secs(2)), expected);
    assert_eq!(
        placed(usual.iter().rev().copied(), Duration::from_secs(2)),
        expected.into_iter().rev().collect::<Vec<_>>()
    );
}

#[test]
fn a_look_finds_the_latest_gap_that_is_wide_enough() {
    let ten = Duration::from_secs(10);
    // One just after the usual time is in the way too.
    assert_eq!(placed([1005, 1000], ten), [at(1005), at(995)]);
    assert_eq!(placed([1010, 1000], ten), [at(1010), at(1000)]);
    // 1000 and 985 leave no room between them, and 965 leaves just enough after it.
    assert_eq!(placed([1000, 985, 965, 1000, 1000], ten), [1000, 985, 965, 975, 955].map(at));
}

#[test]
fn no_look_is_further_ahead_than_half_an_hour() {
    let places = placed([7200; 200], Duration::from_mins(1));
    assert_eq!(places.iter().min(), Some(&at(7200 - 1800)));
    let last = places.iter().filter(|place| **place == at(7200 - 1800)).count();
    assert_eq!(last, 170, "who has no room comes with the others");
}

#[test]
fn what_the_orders_of_a_lane_are_used_to() {
    let mut schedule = Schedule::default();
    assert_eq!(schedule.median_interval(Lane::Urgent), Duration::ZERO);
    for (n, interval) in (0..).zip([9, 1, 8, 2, 7]) {
        let interval = Duration::from_secs(interval);
        schedule.request(who(n), Wish { interval, ..ahead(1, 1) });
        schedule.request(who(n + 10), Wish { interval: interval * 2, lane: Lane::Verify, ..Wish::at(at(9)) });
    }
    assert_eq!(schedule.median_interval(Lane::Urgent), Duration::from_secs(7));
    assert_eq!(schedule.median_interval(Lane::Verify), Duration::from_secs(14));
    assert_eq!(schedule.median_interval(Lane::Pending), Duration::ZERO);
    // Four more that wait for an alert too count once each.
    for n in 20..24 {
        let interval = Duration::from_secs(3);
        schedule.request(who(n), Wish { interval, lane: Lane::Urgent, ..Wish::at(at(1)) });
    }
    assert_eq!(schedule.median_interval(Lane::Urgent), Duration::from_secs(3));
}

#[test]
fn how_long_the_first_one_has_waited() {
    let mut schedule = Schedule::default();
    schedule.request(who(1), wish(5, Lane::Pending, By::Own));
    schedule.request(who(2), wish(3, Lane::Pending, By::Either));
    schedule.request(who(3), ahead(9, 2));
    let oldest = Lane::ALL.map(|lane| schedule.oldest(lane, at(6)).as_secs());
    assert_eq!(oldest, [4, 3, 0]);
    assert_eq!(schedule.oldest(Lane::Pending, at(2)), Duration::ZERO, "it is not due");
}
