//! When a list is read, what ends that, and what is learned of its length.

use super::super::observation::Outage;
use super::super::observation::Reach;
use super::*;

const DAY_S: u64 = 24 * 60 * 60;

fn at(seconds: u64) -> Now {
    let by = Duration::from_secs(seconds);
    Now { wall: Timestamp::from_millis(0).plus(by), tick: Tick::ZERO.plus(by) }
}

fn chime() -> Sweeps {
    Sweeps::new(Provider::Chime)
}

/// One that knows at the start of all times that its list has so many pages, or at least so many.
fn knowing(pages: u32, whole: bool) -> Sweeps {
    let mut sweeps = chime();
    sweeps.resume(Some(Length { pages, whole, at: at(0).wall }), None, at(0).wall);
    sweeps
}

fn begins(sweeps: &mut Sweeps, due: usize, now: Now) -> bool {
    sweeps.consider(due, now);
    sweeps.is_running()
}

/// One that has begun at `now`, with so many due.
fn begun(mut sweeps: Sweeps, due: usize, now: Now) -> Sweeps {
    assert!(begins(&mut sweeps, due, now), "{due} are not enough");
    sweeps
}

/// The page that is to be asked for is asked for, and comes.
#[track_caller]
fn page(sweeps: &mut Sweeps, next: Option<&str>, now: Now) -> Turn {
    assert!(sweeps.errand().is_some(), "no page is to be asked for");
    sweeps.asked();
    sweeps.answered(next, now)
}

/// The same, and this comes instead.
#[track_caller]
fn no_page(sweeps: &mut Sweeps, why: &Observation, now: Now) -> Turn {
    assert!(sweeps.errand().is_some(), "no page is to be asked for");
    sweeps.asked();
    sweeps.failed(why, now.tick)
}

/// Reads pages to the end of the list, the last one included. Returns what the last one brought.
fn read(sweeps: &mut Sweeps, pages: u32, now: Now) -> Turn {
    for n in 1..pages {
        assert_eq!(page(sweeps, Some(&n.to_string()), now), Turn::On, "page {n}");
    }
    page(sweeps, None, now)
}

fn throttled_for(seconds: u64) -> Observation {
    Observation::Throttled { retry_after: Some(Duration::from_secs(seconds)) }
}

fn throttled() -> Observation {
    Observation::Throttled { retry_after: None }
}

fn unavailable() -> Observation {
    Observation::Unavailable { outage: Outage::Status(503), retry_after: None }
}

fn malformed() -> Observation {
    Observation::Malformed { detail: "HTTP 400: InvalidToken".to_owned() }
}

fn denied(reach: Reach, message: Option<&str>) -> Observation {
    let message = message.map(str::to_owned);
    Observation::Denied { reach, code: "AccessDenied".to_owned(), message, clock_offset_s: None }
}

fn failed(why: &str) -> Turn {
    Turn::Failed { why: why.to_owned() }
}

#[test]
fn a_list_is_read_when_more_are_due_than_it_has_pages() {
    for (known, least) in [
        (None, 3),
        (Some((0, true)), 1),
        (Some((1, true)), 2),
        (Some((3, true)), 4),
        (Some((1999, true)), 2000),
        (Some((4, false)), 9),
        (Some((2000, false)), 4001),
    ] {
        let new = || known.map_or_else(chime, |(pages, whole)| knowing(pages, whole));
        assert!(!begins(&mut new(), least - 1, at(1)), "{known:?}: {}", least - 1);
        assert!(begins(&mut new(), least, at(1)), "{known:?}: {least}");
    }
}

#[test]
fn a_list_is_read_page_by_page_with_each_token_as_it_came() {
    let mut sweeps = begun(chime(), 10, at(5));
    assert_eq!(sweeps.errand(), Some(None), "the first page has no token");
    sweeps.asked();
    assert_eq!((sweeps.errand(), sweeps.is_running()), (None, true), "one page at a time");
    assert_eq!(sweeps.answered(Some(" a/b+c== "), at(6)), Turn::On);
    assert_eq!(sweeps.errand(), Some(Some(" a/b+c== ")));
    assert_eq!(page(&mut sweeps, Some("b"), at(7)), Turn::On);
    assert_eq!(sweeps.length(), None, "nothing is known of it yet");
    assert_eq!(page(&mut sweeps, None, at(8)), Turn::Through(at(5).wall), "who was due when it began");
    assert_eq!(sweeps.length(), Some(Length { pages: 3, whole: true, at: at(8).wall }));
    assert_eq!((sweeps.errand(), sweeps.is_running()), (None, false));
}

#[test]
fn one_that_runs_is_not_begun_anew() {
    let mut sweeps = begun(chime(), 10, at(5));
    page(&mut sweeps, Some("a"), at(6));
    assert!(begins(&mut sweeps, 1000, at(7)));
    assert_eq!(sweeps.errand(), Some(Some("a")));
    assert_eq!(page(&mut sweeps, None, at(8)), Turn::Through(at(5).wall));
}

#[test]
fn a_list_is_left_when_it_has_more_pages_than_orders_were_due() {
    for new in [chime(), knowing(1, false), knowing(3, true)] {
        let mut sweeps = begun(new, 5, at(1));
        for n in 1..=5 {
            assert_eq!(page(&mut sweeps, Some(&n.to_string()), at(2)), Turn::On, "page {n}");
        }
        assert_eq!(page(&mut sweeps, Some("6"), at(3)), Turn::Enough);
        assert_eq!(sweeps.length(), Some(Length { pages: 6, whole: false, at: at(3).wall }));
        assert!(!begins(&mut sweeps, 12, at(4)), "twice as many as pages were read");
        assert!(begins(&mut sweeps, 13, at(4)), "at once: nothing is wrong with it");
    }
    let mut sweeps = begun(chime(), 5, at(1));
    assert_eq!(
        read(&mut sweeps, 6, at(2)),
        Turn::Through(at(1).wall),
        "the last page may be the one too many"
    );
    assert_eq!(sweeps.length(), Some(Length { pages: 6, whole: true, at: at(2).wall }));
}

#[test]
fn a_length_is_believed_for_a_day() {
    let day = DAY_S;
    for (whole, then) in [(true, 51), (false, 101)] {
        assert!(!begins(&mut knowing(50, whole), then - 1, at(day)));
        assert!(begins(&mut knowing(50, whole), then, at(day)));
        assert!(begins(&mut knowing(50, whole), 3, at(day + 1)), "as if nothing were known");
        assert!(!begins(&mut knowing(50, whole), 2, at(day + 1)));
    }
    assert_eq!(knowing(50, true).calls_for(80, at(day)), 50);
    assert_eq!(knowing(50, true).calls_for(80, at(day + 1)), 80);
}

#[test]
fn a_length_from_the_future_says_nothing() {
    let ahead = Length { pages: 50, whole: true, at: at(11).wall };
    let mut sweeps = chime();
    sweeps.resume(Some(ahead), None, at(10).wall);
    assert_eq!(sweeps.length(), None);
    assert!(begins(&mut sweeps, 3, at(10)));

    let mut sweeps = chime();
    sweeps.resume(Some(ahead), None, at(11).wall);
    assert_eq!(sweeps.length(), Some(ahead));
    assert!(begins(&mut sweeps, 3, at(10)), "the clock went back: it is from then on, or long ago");
}

#[test]
fn a_token_that_came_before_ends_it() {
    for tokens in [&["a", "a"][..], &["a", "b", "b"], &["a", "b", "a"], &["a", "b", "c", "d", "b"]] {
        let mut sweeps = begun(chime(), 100, at(1));
        let (last, first) = tokens.split_last().unwrap();
        for token in first {
            assert_eq!(page(&mut sweeps, Some(token), at(2)), Turn::On, "{tokens:?}");
        }
        assert_eq!(
            page(&mut sweeps, Some(last), at(2)),
            failed("its pages go round in a circle"),
            "{tokens:?}"
        );
        assert!(!sweeps.is_running());
        assert_eq!(sweeps.length(), None, "how long it is it did not say");
        assert!(!begins(&mut sweeps, 1000, at(3)), "it is not asked for a while");
    }
}

#[test]
fn two_thousand_pages_are_the_most() {
    let mut sweeps = begun(chime(), 1_000_000, at(1));
    for n in 1..2000 {
        assert_eq!(page(&mut sweeps, Some(&n.to_string()), at(2)), Turn::On, "page {n}");
    }
    assert_eq!(page(&mut sweeps, Some("2000"), at(2)), Turn::Enough);
    assert_eq!(sweeps.length(), Some(Length { pages: 2000, whole: false, at: at(2).wall }));

    let mut sweeps = begun(chime(), usize::MAX, at(1));
    assert_eq!(read(&mut sweeps, 2000, at(2)), Turn::Through(at(1).wall), "the last one may be the end");
}

#[test]
fn a_token_may_expire_once() {
    let mut sweeps = begun(chime(), 10, at(1));
    page(&mut sweeps, Some("a"), at(2));
    page(&mut sweeps, Some("b"), at(2));
    assert_eq!(no_page(&mut sweeps, &malformed(), at(3)), Turn::On);
    assert_eq!(sweeps.errand(), Some(None), "from the beginning");
    assert_eq!(page(&mut sweeps, Some("a"), at(4)), Turn::On, "which is no circle");
    assert_eq!(page(&mut sweeps, Some("b"), at(4)), Turn::On);
    assert_eq!(page(&mut sweeps, None, at(5)), Turn::Through(at(1).wall));
    assert_eq!(
        sweeps.length(),
        Some(Length { pages: 3, whole: true, at: at(5).wall }),
        "no page counts twice"
    );

    let mut sweeps = begun(sweeps, 10, at(6));
    page(&mut sweeps, Some("a"), at(6));
    assert_eq!(no_page(&mut sweeps, &malformed(), at(7)), Turn::On, "another sweep, another chance");
    page(&mut sweeps, Some("a"), at(7));
    assert_eq!(no_page(&mut sweeps, &malformed(), at(8)), failed("HTTP 400: InvalidToken"));
    assert!(!begins(&mut sweeps, 1000, at(9)));
}

#[test]
fn nothing_expires_before_there_is_a_token() {
    let mut sweeps = begun(chime(), 10, at(1));
    assert_eq!(no_page(&mut sweeps, &malformed(), at(2)), failed("HTTP 400: InvalidToken"));
    let mut sweeps = begun(chime(), 10, at(1));
    page(&mut sweeps, Some("a"), at(2));
    no_page(&mut sweeps, &malformed(), at(2));
    assert_eq!(no_page(&mut sweeps, &malformed(), at(3)), failed("HTTP 400: InvalidToken"), "the first page");
}

#[test]
fn what_is_the_quotas_affair_keeps_the_place() {
    for (why, times) in [(throttled(), 2), (throttled_for(10), 2)] {
        for token in [None, Some("a")] {
            let mut sweeps = begun(chime(), 10, at(1));
            if let Some(token) = token {
                page(&mut sweeps, Some(token), at(2));
            }
            for _ in 0..times {
                assert_eq!(no_page(&mut sweeps, &why, at(3)), Turn::On);
                assert_eq!(sweeps.errand(), Some(token), "the same page is asked for again");
            }
            assert_eq!(page(&mut sweeps, None, at(4)), Turn::Through(at(1).wall));
        }
    }
}

#[test]
fn a_list_whose_quota_is_always_used_up_does_not_keep_looks_waiting_for_ever() {
    let mut sweeps = begun(chime(), 10, at(1));
    for _ in 0..2 {
        assert_eq!(no_page(&mut sweeps, &throttled(), at(2)), Turn::On);
    }
    page(&mut sweeps, Some("a"), at(3));
    for _ in 0..2 {
        assert_eq!(no_page(&mut sweeps, &throttled(), at(4)), Turn::On, "a page came between");
    }
    let why = "there is no quota left for it";
    assert_eq!(no_page(&mut sweeps, &throttled(), at(5)), failed(why));
    assert!(!begins(&mut sweeps, 1000, at(6)));
}

#[test]
fn a_long_hold_ends_it_at_once_and_the_rest_counts_from_its_end() {
    let mut sweeps = begun(chime(), 10, at(1));
    assert_eq!(no_page(&mut sweeps, &throttled_for(3600), at(2)), failed("there is no quota left for it"));
    assert!(!begins(&mut sweeps, 1000, at(2 + 3600 + 59)), "looks have their minute");
    assert!(begins(&mut sweeps, 1000, at(2 + 3600 + 60)));
}

#[test]
fn one_that_was_cut_short_goes_on_at_its_page() {
    let mut sweeps = begun(chime(), 10, at(100));
    assert_eq!(sweeps.unfinished(), None, "at the first page there is nothing to go on with");
    page(&mut sweeps, Some("a"), at(101));
    page(&mut sweeps, Some("b"), at(102));
    let kept = sweeps.unfinished().unwrap();
    for (second, goes_on) in [(102, true), (99, false), (700, true), (701, false)] {
        let mut after = chime();
        after.resume(None, Some(&kept), at(second).wall);
        assert_eq!(after.errand(), goes_on.then_some(Some("b")), "at {second}");
        if goes_on {
            assert_eq!(page(&mut after, None, at(second)), Turn::Through(at(100).wall));
            assert_eq!(after.length().map(|length| length.pages), Some(3));
        }
        assert_eq!(after.unfinished(), None);
    }
}

#[test]
fn three_outages_in_a_row_end_it() {
    let mut sweeps = begun(chime(), 10, at(1));
    assert_eq!(no_page(&mut sweeps, &unavailable(), at(2)), Turn::On);
    assert_eq!(no_page(&mut sweeps, &unavailable(), at(2)), Turn::On);
    page(&mut sweeps, Some("a"), at(3));
    for between in [throttled(), malformed()] {
        for _ in 0..2 {
            assert_eq!(no_page(&mut sweeps, &unavailable(), at(4)), Turn::On, "{between:?}");
        }
        assert_eq!(no_page(&mut sweeps, &between, at(4)), Turn::On);
    }
    assert_eq!(no_page(&mut sweeps, &unavailable(), at(5)), Turn::On);
    assert_eq!(no_page(&mut sweeps, &unavailable(), at(5)), Turn::On);
    let Turn::Failed { why } = no_page(&mut sweeps, &unavailable(), at(6)) else { panic!("it goes on") };
    assert!(why.contains("503"), "{why}");
    assert!(!begins(&mut sweeps, 1000, at(7)));
}

#[test]
fn a_list_that_is_refused_or_none_ends_it_at_once() {
    let missing = Observation::Missing { message: None, suspect: false };
    for (why, said) in [
        (denied(Reach::Order, Some("not you")), "AccessDenied: not you"),
        (denied(Reach::Scope, Some("not you")), "AccessDenied: not you"),
        (denied(Reach::Order, None), "AccessDenied"),
        (missing, "there is no such list"),
        (Observation::Elapsed, "it is no list"),
    ] {
        for pages in [0, 2] {
            let mut sweeps = begun(chime(), 10, at(1));
            for n in 0..pages {
                page(&mut sweeps, Some(&n.to_string()), at(2));
            }
            assert_eq!(no_page(&mut sweeps, &why, at(3)), failed(said));
            assert!(!sweeps.is_running() && !begins(&mut sweeps, 1000, at(4)));
            assert_eq!(sweeps.length(), None);
        }
    }
}

#[test]
fn the_pause_after_a_failure_is_doubled_up_to_an_hour() {
    let refused = denied(Reach::Order, None);
    let mut sweeps = chime();
    let mut now = 0;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        sweeps = begun(sweeps, 10, at(now));
        assert!(matches!(no_page(&mut sweeps, &refused, at(now)), Turn::Failed { .. }));
        now += minutes * 60;
        assert!(!begins(&mut sweeps, 1000, at(now - 1)), "{minutes} minutes are not over");
    }
    for _ in 0..100 {
        sweeps = begun(sweeps, 10, at(now));
        no_page(&mut sweeps, &refused, at(now));
        now += 3600;
    }
    // A sweep that ended otherwise ends the row.
    let ways: [fn(&mut Sweeps, Now) -> Turn; 3] = [
        |sweeps, now| read(sweeps, 1, now),
        |sweeps, now| (0..4).map(|n| page(sweeps, Some(&n.to_string()), now)).last().unwrap(),
        |sweeps, _| sweeps.end(),
    ];
    for way in ways {
        sweeps = begun(sweeps, 3, at(now));
        assert_ne!(way(&mut sweeps, at(now)), Turn::On);
        sweeps.length = None;
        sweeps = begun(sweeps, 3, at(now));
        no_page(&mut sweeps, &refused, at(now));
        assert!(!begins(&mut sweeps, 1000, at(now + 59)));
        assert!(begins(&mut sweeps, 1000, at(now + 60)), "a minute again");
        no_page(&mut sweeps, &refused, at(now + 60));
        now += 60 + 120;
    }
}

#[test]
fn the_pause_is_by_the_clock_that_nobody_sets() {
    let mut sweeps = begun(chime(), 10, at(0));
    no_page(&mut sweeps, &denied(Reach::Order, None), at(0));
    assert!(!begins(&mut sweeps, 1000, Now { wall: at(9999).wall, tick: at(59).tick }));
    assert!(begins(&mut sweeps, 1000, Now { wall: at(0).wall, tick: at(60).tick }));
}

#[test]
fn a_page_that_was_not_asked_for_after_all_is_asked_for_again() {
    let mut sweeps = begun(chime(), 10, at(1));
    page(&mut sweeps, Some("a"), at(2));
    sweeps.asked();
    sweeps.abandoned();
    assert_eq!(sweeps.errand(), Some(Some("a")));
    assert_eq!(page(&mut sweeps, None, at(3)), Turn::Through(at(1).wall));
    assert_eq!(sweeps.length().map(|length| length.pages), Some(2));
}

#[test]
fn nobody_waits_for_the_rest_and_it_ends_as_it_was() {
    let mut sweeps = begun(knowing(5, true), 10, at(1));
    assert_eq!(sweeps.pages_left(at(1).wall), Some(5));
    page(&mut sweeps, Some("a"), at(2));
    assert_eq!(sweeps.pages_left(at(2).wall), Some(4));
    assert_eq!(sweeps.end(), Turn::Enough);
    assert_eq!((sweeps.pages_left(at(2).wall), sweeps.is_running()), (None, false));
    assert_eq!(
        sweeps.length(),
        Some(Length { pages: 5, whole: true, at: at(0).wall }),
        "it is as long as it was"
    );
    assert!(begins(&mut sweeps, 6, at(3)), "nothing is wrong with it");
}

#[test]
fn how_much_is_left_is_known_only_of_a_list_that_was_read_to_its_end() {
    for new in [chime(), knowing(4, false)] {
        assert_eq!(begun(new, 10, at(1)).pages_left(at(1).wall), None);
    }
    assert_eq!(knowing(4, true).pages_left(at(1).wall), None, "none is read");
    let mut grown = begun(knowing(1, true), 10, at(1));
    for n in 0..3 {
        page(&mut grown, Some(&n.to_string()), at(2));
    }
    assert_eq!(grown.pages_left(at(2).wall), Some(0), "it is longer than it was");
}

#[test]
fn the_calls_that_are_to_come_are_the_pages_that_are_left() {
    let now = at(1);
    assert_eq!(chime().calls_for(300, now), 300, "nobody knows how long it is");
    assert_eq!(knowing(4, false).calls_for(300, now), 300);
    for (due, calls) in [(0, 0), (2, 2), (4, 4), (5, 4), (300, 4)] {
        assert_eq!(knowing(4, true).calls_for(due, now), calls, "{due}");
    }
    let mut sweeps = begun(knowing(4, true), 300, now);
    for (n, left) in [(0, 3), (1, 2), (2, 1), (3, 1)] {
        page(&mut sweeps, Some(&n.to_string()), now);
        assert_eq!(sweeps.calls_for(300, now), left, "page {n} has come");
    }
    no_page(&mut sweeps, &denied(Reach::Order, None), now);
    assert_eq!(sweeps.calls_for(300, at(60)), 300, "it is not asked");
    assert_eq!(sweeps.calls_for(300, at(61)), 4);
}

#[test]
fn pages_and_looks_take_turns() {
    assert!(!chime().goes_first(), "none is read");
    let mut sweeps = begun(chime(), 10, at(1));
    let turns: Vec<bool> = (0..6).map(|_| sweeps.goes_first()).collect();
    assert_eq!(turns, [true, false, true, false, true, false]);
}

#[test]
fn a_list_answers_for_what_it_shows() {
    let lanes = |provider| Lane::ALL.map(|lane| Sweeps::new(provider).covers(lane));
    assert_eq!((lanes(Provider::Chime), chime().lane()), ([false, true, true], Lane::Pending));
    let connect = Sweeps::new(Provider::Connect);
    assert_eq!((lanes(Provider::Connect), connect.lane()), ([false, false, true], Lane::Verify));
}

#[test]
fn what_comes_while_none_is_read_changes_nothing() {
    let mut sweeps = chime();
    assert_eq!(sweeps.answered(Some("a"), at(1)), Turn::On);
    assert_eq!(sweeps.answered(None, at(1)), Turn::On);
    assert_eq!(sweeps.failed(&denied(Reach::Order, None), at(1).tick), Turn::On);
    sweeps.asked();
    sweeps.abandoned();
    assert_eq!((sweeps.errand(), sweeps.length(), sweeps.is_running()), (None, None, false));
    assert!(begins(&mut sweeps, 3, at(1)));
}
