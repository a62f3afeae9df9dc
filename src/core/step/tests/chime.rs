//! The rows of a Chime order and its numbers.

use super::super::super::state::{Place, Subject};
use super::*;

#[test]
fn the_order_and_each_number_have_a_word_of_their_own() {
    tell(
        chime(),
        &[
            (
                1,
                seen_order("Processing", "+1:Processing +2:Processing +3:Acquired"),
                &[
                    "number.in_progress +1 >IN_PROGRESS",
                    "number.in_progress +2 >IN_PROGRESS",
                    "number.claimed +3 >CLAIMED",
                    "order.status_changed >Processing",
                ],
            ),
            (2, seen_order("Processing", "+1:Processing +2:Processing +3:Acquired"), &[]),
            (
                5,
                seen_order("Partial", "+1:Acquired +2:Failed +3:Acquired"),
                &[
                    "number.claimed +1 IN_PROGRESS>CLAIMED took 4",
                    "number.failed +2 IN_PROGRESS>FAILED",
                    "order.status_changed Processing>Partial",
                    "order.completed Partial took 5",
                ],
            ),
            (6, seen_order("Partial", "+1:Acquired +2:Failed +3:Acquired"), &[]),
            // An end that changes again is an ordinary transition, and so are its numbers'.
            (
                9,
                seen_order("Processing", "+1:Processing +2:Processing +3:Failed"),
                &[
                    "number.in_progress +1 CLAIMED>IN_PROGRESS",
                    "number.in_progress +2 FAILED>IN_PROGRESS",
                    "number.failed +3 CLAIMED>FAILED",
                    "order.status_changed Partial>Processing",
                ],
            ),
            (
                10,
                seen_order("Successful", "+1:Acquired +2:Acquired +3:Acquired"),
                &[
                    "number.claimed +1 IN_PROGRESS>CLAIMED took 1",
                    "number.claimed +2 IN_PROGRESS>CLAIMED took 1",
                    "number.claimed +3 FAILED>CLAIMED",
                    "order.status_changed Processing>Successful",
                    "order.completed Successful took 10",
                ],
            ),
        ],
    );
}

#[test]
fn every_word_of_the_order_is_told_ends_complete_and_two_want_a_person() {
    for status in ChimeStatus::ALL {
        let word = status.as_str();
        let changed = format!("order.status_changed >{word}");
        let completed = format!("order.completed {word} took 3");
        let said = match word {
            "Successful" | "Failed" | "Partial" | "Cancelled" => vec![changed.as_str(), completed.as_str()],
            "PendingDocuments" => vec![changed.as_str(), "order.attention pending_documents"],
            "Exception" => vec![changed.as_str(), "order.attention exception"],
            "Processing" | "Submitted" | "FOC" | "ChangeRequested" | "CancelRequested" => {
                vec![changed.as_str()]
            }
            other => panic!("no row for {other}"),
        };
        tell(chime(), &[(3, seen_order(word, ""), &said), (4, seen_order(word, ""), &[])]);
    }
}

#[test]
fn a_person_is_asked_again_when_the_word_comes_back() {
    tell(
        chime(),
        &[
            (
                0,
                seen_order("PendingDocuments", ""),
                &["order.status_changed >PendingDocuments", "order.attention pending_documents"],
            ),
            (1, seen_order("Submitted", ""), &["order.status_changed PendingDocuments>Submitted"]),
            (
                2,
                seen_order("PendingDocuments", ""),
                &["order.status_changed Submitted>PendingDocuments", "order.attention pending_documents"],
            ),
        ],
    );
}

#[test]
fn unknown_words_of_the_order_and_of_its_numbers_are_said_once() {
    tell(
        chime(),
        &[
            (
                0,
                seen_order("Dreaming", "+1:Floating"),
                &["order.unrecognized +1 Floating", "order.unrecognized Dreaming"],
            ),
            (1, seen_order("Dreaming", "+1:Floating +2:Floating"), &[]),
            (
                2,
                seen_order("Processing", "+1:Acquired +2:Floating"),
                &["number.claimed +1 >CLAIMED", "order.status_changed >Processing"],
            ),
            (3, seen_order("Dreaming", "+1:Floating"), &[]),
            (
                4,
                seen_order("Successful", "+1:Acquired"),
                &[
                    "order.attention number_vanished",
                    "order.status_changed Processing>Successful",
                    "order.completed Successful took 4",
                ],
            ),
        ],
    );
}

#[test]
fn no_window_for_a_chime_number_unless_its_list_wants_one() {
    let story = |opened: &[&str]| -> Vec<String> {
        ["number.failed +1 >FAILED"].iter().chain(opened).map(|said| (*said).to_owned()).collect()
    };
    let plain = story(&[]);
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    tell(chime(), &[(5, seen_order("", "+1:Failed"), &plain), (2 * DAY, Observation::Elapsed, &[])]);
    let opened =
        story(&["window.opened +1 failure_first_seen 5..1445", "window.closing +1 30 min due -25 last"]);
    let opened: Vec<&str> = opened.iter().map(String::as_str).collect();
    tell(
        order(Provider::Chime, |policy, _| policy.window_for_chime = true),
        &[
            (5, seen_order("", "+1:Failed"), &opened),
            (6, seen_order("", "+1:Processing"), &["number.in_progress +1 FAILED>IN_PROGRESS retrying"]),
            (7, seen_order("", "+1:Failed"), &["number.failed +1 IN_PROGRESS>FAILED"]),
            (8, seen_order("", "+1:Acquired"), &["number.claimed +1 FAILED>CLAIMED", "window.resolved +1"]),
        ],
    );
}

#[test]
fn each_number_has_a_window_of_its_own() {
    tell(
        order(Provider::Chime, |policy, _| policy.window_for_chime = true),
        &[
            (0, seen_order("", "+1:Processing"), &["number.in_progress +1 >IN_PROGRESS"]),
            (
                60,
                seen_order("", "+1:Failed +2:Processing"),
                &[
                    "number.failed +1 IN_PROGRESS>FAILED",
                    "window.opened +1 first_look 1440..1500",
                    "number.in_progress +2 >IN_PROGRESS",
                ],
            ),
            (
                120,
                seen_order("", "+1:Failed +2:Failed"),
                &["number.failed +2 IN_PROGRESS>FAILED", "window.opened +2 first_look 1500..1560"],
            ),
            (720, Observation::Elapsed, &["window.closing +1 720 min due 720"]),
            (780, Observation::Elapsed, &["window.closing +2 720 min due 780"]),
            (
                781,
                seen_order("", "+1:Acquired +2:Failed"),
                &["number.claimed +1 FAILED>CLAIMED", "window.resolved +1"],
            ),
            (
                1560,
                Observation::Elapsed,
                &["window.closing +2 30 min due 1470 last", "window.closed +2 unconfirmed due 1560"],
            ),
        ],
    );
}

#[test]
fn a_number_that_is_gone_from_its_order_twice_in_a_row_is_told_once() {
    let order = tell(
        chime(),
        &[
            (
                0,
                seen_order("", "+1:Acquired +2:Processing"),
                &["number.claimed +1 >CLAIMED", "number.in_progress +2 >IN_PROGRESS"],
            ),
            (1, seen_order("", "+1:Acquired"), &[]),
            (2, seen_order("", "+1:Acquired +2:Processing"), &[]),
            (3, seen_order("", "+1:Acquired"), &[]),
            // Without any number an answer says nothing about them.
            (4, seen_order("", ""), &[]),
            (5, seen_order("", "+1:Acquired"), &["order.attention number_vanished"]),
            (6, seen_order("", "+1:Acquired"), &[]),
        ],
    );
    let two = &order.state.numbers["+2"];
    assert_eq!((two.status.word(), two.place), (Some("IN_PROGRESS"), Place::Vanished));
    tell(
        order,
        &[
            (7, seen_order("", "+1:Acquired +2:Acquired"), &["number.claimed +2 IN_PROGRESS>CLAIMED took 7"]),
            (8, seen_order("", "+1:Acquired"), &[]),
            (9, seen_order("", "+1:Acquired"), &["order.attention number_vanished"]),
        ],
    );
}

#[test]
fn a_number_that_is_told_twice_in_one_answer_counts_once() {
    let twice = seen_order("", "+1:Processing +1:Acquired");
    tell(
        chime(),
        &[
            (0, twice.clone(), &["number.in_progress +1 >IN_PROGRESS"]),
            (1, twice.clone(), &[]),
            (2, twice, &[]),
        ],
    );
}

/// The order as the service had it at `updated`.
fn dated(status: &str, numbers: &str, updated: Option<i64>) -> Observation {
    Observation::Seen(Sighting::Chime(ChimeOrder {
        updated_at: updated.map(at),
        ..sighting(status, numbers)
    }))
}

#[test]
fn a_date_far_ahead_does_not_make_all_later_answers_old() {
    tell(
        chime(),
        &[
            (0, dated("Processing", "", Some(100 * 24 * 60)), &["order.status_changed >Processing"]),
            (
                1,
                dated("Successful", "", Some(1)),
                &["order.status_changed Processing>Successful", "order.completed Successful took 1"],
            ),
        ],
    );
}

#[test]
fn of_more_numbers_than_an_order_can_have_the_first_thousand_are_watched() {
    let numbers: Vec<String> = (0..1002).map(|n| format!("+1{n:04}:Processing")).collect();
    let order = look::apply(&chime(), &seen_order("Processing", &numbers.join(" ")), None, at(0)).order;
    assert_eq!(order.state.numbers.len(), 1000);
    let order =
        look::apply(&order, &seen_order("Processing", "+11001:Acquired +10000:Acquired"), None, at(1)).order;
    assert_eq!(order.state.numbers.len(), 1000);
    assert_eq!(order.state.numbers["+10000"].status.word(), Some("CLAIMED"), "known ones are watched on");
}

#[test]
fn a_change_within_the_same_date_is_a_change() {
    tell(
        chime(),
        &[
            (0, dated("Processing", "", Some(-1)), &["order.status_changed >Processing"]),
            (
                1,
                dated("Failed", "", Some(-1)),
                &["order.status_changed Processing>Failed", "order.completed Failed took 1"],
            ),
        ],
    );
}

#[test]
fn an_answer_older_than_the_applied_one_is_dropped() {
    let order = tell(
        chime(),
        &[
            (
                0,
                dated("Processing", "+1:Processing", Some(-9)),
                &["number.in_progress +1 >IN_PROGRESS", "order.status_changed >Processing"],
            ),
            (
                1,
                dated("Successful", "+1:Acquired", Some(1)),
                &[
                    "number.claimed +1 IN_PROGRESS>CLAIMED took 1",
                    "order.status_changed Processing>Successful",
                    "order.completed Successful took 1",
                ],
            ),
            (2, dated("Processing", "+1:Processing", Some(-9)), &[]),
            (3, dated("Dreaming", "+1:Floating +2:Processing", Some(0)), &[]),
        ],
    );
    assert_eq!((order.generation, order.state.numbers.len()), (2, 1));
    tell(
        order,
        &[
            // The same time, and none, are no reason to drop it.
            (
                4,
                dated("Partial", "+1:Failed", Some(1)),
                &[
                    "number.failed +1 CLAIMED>FAILED",
                    "order.status_changed Successful>Partial",
                    "order.completed Partial took 4",
                ],
            ),
            (
                5,
                dated("Successful", "+1:Acquired", None),
                &[
                    "number.claimed +1 FAILED>CLAIMED",
                    "order.status_changed Partial>Successful",
                    "order.completed Successful took 5",
                ],
            ),
            (6, dated("Partial", "+1:Failed", Some(0)), &[]),
        ],
    );
}

#[test]
fn porting_is_known_by_the_order_or_by_its_word_and_not_forgotten() {
    let porting = |observed: &[Observation]| {
        let mut order = chime();
        for (n, observation) in (0..).zip(observed) {
            order = look::apply(&order, observation, None, at(n)).order;
        }
        let Subject::Chime(chime) = &order.state.subject else { panic!("{:?}", order.state.subject) };
        (chime.porting, chime.foc_date)
    };
    assert_eq!(porting(&[seen_order("Processing", "")]), (false, None));
    assert_eq!(porting(&[seen_order("FOC", ""), seen_order("Processing", "")]), (true, None));
    let order = ChimeOrder { porting: true, foc_date: Some(at(DAY)), ..sighting("Processing", "") };
    let typed = Observation::Seen(Sighting::Chime(order));
    assert_eq!(porting(&[typed, seen_order("Processing", "")]), (true, Some(at(DAY))));
}
