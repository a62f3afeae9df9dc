//! Marks, doubts, stops and clocks.

use super::*;

const FAILED: [&str; 4] = ["order.tracked", "number.in_progress", "number.failed", "window.opened"];

#[tokio::test(start_paused = true)]
async fn each_mark_is_told_in_its_second_on_fresh_evidence() {
    let house = House::of(1, |_, errand, second| fails_and_stays(errand, second)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, DAY + HOUR).await;
    let said = house.said().await;
    assert_eq!(said[..4].iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), FAILED);
    assert_eq!(
        names(&said[4..]),
        ["window.closing", "window.closing", "window.closing", "window.closed unconfirmed"]
    );
    for record in house.records().await.iter().filter(|record| record.due_at.is_some()) {
        let (due, time) = (record.due_at.unwrap(), record.time.unwrap());
        assert!(time.since(due) < Duration::from_secs(1), "{}: due {due}, told {time}", record.event);
        assert!(due.since(record.evidence_at.unwrap()) <= Duration::from_secs(61), "{record:?}");
        assert_eq!(record.lateness_s, None);
        let at = due.since(Timestamp::from_millis(START)).as_secs();
        let asked = house.asked(at - 61);
        let lists =
            asked.iter().filter(|(second, errand)| *second <= at && matches!(errand, Errand::Holders { .. }));
        assert_eq!(lists.count(), 1, "who else holds it is asked once before each: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_claimed_under_another_id_is_resolved_and_nobody_is_woken() {
    let house = House::of(1, |_, errand, second| match errand {
        Errand::Holders { .. } => holders(true),
        Errand::Holder(holder) => {
            assert_eq!(holder.id, OTHER);
            seen("CLAIMED")
        }
        Errand::Itself(_) => fails_and_stays(errand, second),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, DAY + HOUR).await;
    let said = house.said().await;
    assert_eq!(names(&said)[4..], ["window.resolved claimed_elsewhere"]);
    let mark = 12 * HOUR;
    assert!((mark - 60..mark).contains(&said[4].0), "just before the first mark: {said:?}");
    let records = house.records().await;
    assert_eq!(records.last().unwrap().other_id.as_deref(), Some(OTHER));
    let lists = house.asked(0).iter().filter(|(_, errand)| matches!(errand, Errand::Holders { .. })).count();
    assert_eq!(lists, 1, "there is no need to ask again");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_ask_for_other_ids_is_told_so_once_and_warned_all_the_same() {
    let refused = || {
        Answer::Observed(Observation::Denied {
            reach: Reach::Order,
            code: "AccessDeniedException".into(),
            message: None,
            clock_offset_s: None,
        })
    };
    let house = House::of(4, move |_, errand, second| match errand {
        Errand::Holders { .. } => refused(),
        Errand::Itself(_) | Errand::Holder(_) => fails_and_stays(errand, second),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, DAY + HOUR).await;
    let said = house.said().await;
    let count = |name: &str| said.iter().filter(|(_, told)| told == name).count();
    assert_eq!(count("order.attention holders_denied"), 4, "once an order");
    assert_eq!((count("window.closing"), count("window.closed unconfirmed")), (12, 4));
    assert_eq!(count("scope.denied denied"), 0, "the numbers themselves may be looked at");
}

#[tokio::test(start_paused = true)]
async fn what_came_due_while_the_machine_slept_is_told_once_after_a_look() {
    let house = House::of(1, |_, errand, second| fails_and_stays(errand, second)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    house.clock.sleep(2 * DAY);
    house.run(&mut poller, 5 * MINUTE).await;
    let said = house.said().await;
    assert_eq!(names(&said)[4..], ["window.closing", "window.closed unconfirmed"]);
    let woke = 2 * DAY + 10 * MINUTE;
    assert!((woke..woke + 70).contains(&said[4].0), "{said:?}");
    let asked = house.asked(10 * MINUTE);
    assert!(
        matches!(asked[0].1, Errand::Itself(_)) && matches!(asked[1].1, Errand::Holders { .. }),
        "{asked:?}"
    );
    for record in house.records().await.iter().filter(|record| record.due_at.is_some()) {
        assert!(record.lateness_s.unwrap() > 23 * HOUR, "it says how late it is: {record:?}");
        assert!(record.evidence_at.unwrap() >= Timestamp::from_millis(START).plus(Duration::from_secs(woke)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_rescued_while_the_machine_slept_wakes_nobody() {
    let asleep = Arc::new(AtomicBool::new(false));
    let woke = Arc::clone(&asleep);
    let house = House::of(1, move |_, errand, second| match errand {
        Errand::Itself(_) if woke.load(Ordering::Relaxed) => seen("CLAIMED"),
        Errand::Itself(_) | Errand::Holders { .. } | Errand::Holder(_) => fails_and_stays(errand, second),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    asleep.store(true, Ordering::Relaxed);
    house.clock.sleep(2 * DAY);
    house.run(&mut poller, 5 * MINUTE).await;
    assert_eq!(names(&house.said().await)[4..], ["number.claimed", "window.resolved claimed"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_ended_while_the_daemon_was_down_is_told_though_the_service_is_down_too() {
    let house = House::of(
        1,
        |_, errand, second| {
            if second > 10 * MINUTE { down() } else { fails_and_stays(errand, second) }
        },
    )
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    drop(poller);
    house.clock.sleep(2 * DAY);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 5 * MINUTE).await;
    let said = house.said().await;
    let told: Vec<_> = said[4..].iter().filter(|(_, name)| name.starts_with("window.")).collect();
    let started = 2 * DAY + 10 * MINUTE + 5;
    assert_eq!(told.len(), 2, "{said:?}");
    for (at, name) in told {
        assert!((started + 60..started + 75).contains(at), "{name} at {at}, started {started}");
    }
    let records = house.records().await;
    let closed = records.iter().find(|record| record.event == "window.closed").unwrap();
    assert!(closed.lateness_s.unwrap() > 23 * HOUR);
    assert!(
        closed.evidence_at.unwrap() <= Timestamp::from_millis(START).plus(Duration::from_secs(10 * MINUTE))
    );
    drop(poller);
    let before = house.said().await.len();
    let mut poller = house.start().await;
    house.run(&mut poller, 5 * MINUTE).await;
    let again = &house.said().await[before..];
    assert!(again.iter().all(|(_, name)| !name.starts_with("window.")), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_across_a_mark_looks_before_it_warns() {
    let claimed = Arc::new(AtomicBool::new(false));
    let rescued = Arc::clone(&claimed);
    let house = House::of(1, move |_, errand, second| match errand {
        Errand::Itself(_) if rescued.load(Ordering::Relaxed) => seen("CLAIMED"),
        Errand::Itself(_) | Errand::Holders { .. } | Errand::Holder(_) => fails_and_stays(errand, second),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 12 * HOUR - 2 * MINUTE).await;
    drop(poller);
    claimed.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(2 * MINUTE + 10)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, MINUTE).await;
    assert_eq!(names(&house.said().await)[4..], ["number.claimed", "window.resolved claimed"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_for_quota_holds_up_no_look() {
    let house = House::of(3, |asked, errand, second| match errand {
        Errand::Itself(_) if asked == id(0) => fails_and_stays(errand, second),
        Errand::Itself(_) if second > 12 * HOUR - MINUTE => seen("CLAIMED"),
        Errand::Itself(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } | Errand::Holder(_) => {
            Answer::Observed(Observation::Throttled { retry_after: Some(Duration::from_secs(30)) })
        }
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 12 * HOUR + 30 * MINUTE).await;
    let said = house.said().await;
    let count = |name: &str| said.iter().filter(|(_, told)| told == name).count();
    assert_eq!(
        (count("number.claimed"), count("window.closing"), count("scope.throttled throttled")),
        (2, 1, 1)
    );
    let lists = house.asked(0).iter().filter(|(_, errand)| matches!(errand, Errand::Holders { .. })).count();
    assert!(lists <= 2, "it is not asked over and over: {lists}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_a_clock_that_is_behind_is_no_silence() {
    for back in [HOUR, 365 * DAY] {
        let house = House::of(2, |_, errand, second| fails_and_stays(errand, second)).await;
        let mut poller = house.start().await;
        house.run(&mut poller, 10 * MINUTE).await;
        drop(poller);
        house.clock.go_back(back);
        let mut poller = house.start().await;
        let now = house.asked(0).len();
        house.run(&mut poller, 5 * MINUTE).await;
        let looks = house.asked(0).len() - now;
        assert!(looks >= 6, "{looks} looks in five minutes, the clock {back} s behind");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_without_an_answer_by_a_clock_that_was_ahead_puts_nothing_off() {
    let refused =
        Observation::Denied { reach: Reach::Order, code: "X".into(), message: None, clock_offset_s: None };
    let house = House::of(2, move |asked, _, second| {
        if asked == id(0) && (5 * MINUTE..7 * MINUTE).contains(&second) {
            Answer::Observed(refused.clone())
        } else {
            seen("IN_PROGRESS")
        }
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 5 * MINUTE).await;
    house.clock.sleep(HOUR);
    house.run(&mut poller, 2 * MINUTE).await;
    drop(poller);
    house.clock.go_back(HOUR);
    // Not by the first restart alone: what the others do meanwhile says nothing of this one.
    for _ in 0..3 {
        let mut poller = house.start().await;
        house.run(&mut poller, 2 * MINUTE).await;
    }
    let looks = house.asked(7 * MINUTE).len();
    assert!(looks >= 8, "{looks} looks at two numbers in six minutes");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_for_a_moment_and_known_to_be_ends_no_window() {
    let house = House::of(1, |_, errand, second| fails_and_stays(errand, second)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    house.clock.go_back(2 * DAY);
    house.world.clock_differs.store(true, Ordering::Relaxed);
    house.run(&mut poller, 10 * MINUTE).await;
    house.clock.sleep(2 * DAY);
    house.world.clock_differs.store(false, Ordering::Relaxed);
    house.run(&mut poller, HOUR).await;
    assert_eq!(names(&house.said().await), FAILED, "the window stays as it was");
    house.run(&mut poller, DAY).await;
    let said = house.said().await;
    assert_eq!(
        names(&said)[4..],
        ["window.closing", "window.closing", "window.closing", "window.closed unconfirmed"]
    );
    assert!((12 * HOUR - 30..12 * HOUR + 5).contains(&said[4].0), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn restarts_do_not_put_off_what_is_late() {
    let house = House::of(
        1,
        |_, errand, second| {
            if second > 10 * MINUTE { down() } else { fails_and_stays(errand, second) }
        },
    )
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    house.clock.sleep(2 * DAY);
    for _ in 0..10 {
        let mut poller = house.start().await;
        house.run(&mut poller, 20).await;
    }
    let said = house.said().await;
    assert!(names(&said).contains(&"window.closed unconfirmed"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_delays_no_look_and_no_warning_twice() {
    let house = House::of(1, |_, errand, second| fails_and_stays(errand, second)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 12 * HOUR + 10 * MINUTE).await;
    let before = house.said().await;
    assert_eq!(names(&before)[4..], ["window.closing"]);
    let now = house.clock.now().tick.since(crate::core::time::Tick::ZERO).as_secs();
    house.clock.go_back(6 * HOUR);
    house.run(&mut poller, 4 * HOUR).await;
    assert_eq!(house.said().await, before, "the mark at 12 h is not told again");
    let looks = house.asked(now);
    assert!(looks.len() >= 15, "looks go on: {looks:?}");
    let gaps = looks.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
    assert!(gaps <= 15 * MINUTE && looks[0].0 - now <= 15 * MINUTE, "{looks:?}");
    house.clock.sleep(6 * HOUR);
    house.run(&mut poller, 9 * HOUR).await;
    let said = house.said().await;
    assert_eq!(names(&said)[5..], ["window.closing", "window.closing", "window.closed unconfirmed"]);
}

/// Five numbers, none of which is found for two hours.
async fn vanishing() -> House {
    House::of(5, |_, errand, second| match errand {
        Errand::Itself(_) if (HOUR..3 * HOUR).contains(&second) => missing(),
        Errand::Itself(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } => holders(false),
        Errand::Holder(_) => missing(),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_goes_missing_is_suspect_until_one_of_them_is_seen() {
    let house = vanishing().await;
    let mut poller = house.start().await;
    house.run(&mut poller, 4 * HOUR).await;
    let said = house.said().await;
    assert_eq!(
        names(&said)[10..],
        ["scope.suspect suspect", "scope.recovered suspect"],
        "nobody is released"
    );
    let recovered = said[11].0;
    let soon = house.asked(recovered).iter().filter(|(second, _)| *second <= recovered + 10).count();
    assert!(soon >= 5, "the others are looked at at once: {soon}");
}

#[tokio::test(start_paused = true)]
async fn with_the_credentials_of_another_account_nothing_is_released_however_seldom_it_is_looked_at() {
    let numbers = 100;
    let house = House::of(numbers, |_, errand, second| match errand {
        Errand::Itself(_) if second >= 2 * DAY => missing(),
        Errand::Itself(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } => Answer::Page(Page::default()),
        Errand::Holder(_) => missing(),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 2 * DAY - 1).await;
    let looks = house.asked(2 * DAY - HOUR).len();
    assert!(looks < 3 * numbers, "each is looked at every 24 minutes: {looks}");
    let before = house.said().await.len();
    house.run(&mut poller, 6 * HOUR).await;
    assert_eq!(names(&house.said().await[before..]), ["scope.suspect suspect"]);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_are_done_protect_those_that_are_not() {
    let house = House::of(10, |asked, errand, second| match errand {
        Errand::Itself(_) if second >= HOUR => missing(),
        Errand::Itself(_) if asked == id(0) || asked == id(1) => seen("IN_PROGRESS"),
        Errand::Itself(_) => seen("CLAIMED"),
        Errand::Holders { .. } | Errand::Holder(_) => Answer::Page(Page::default()),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 3 * HOUR).await;
    assert_eq!(
        names(&house.said().await)[20..],
        ["scope.suspect suspect"],
        "eight are done, and as missing as the two"
    );
}

#[tokio::test(start_paused = true)]
async fn orders_that_are_gone_keep_nobody_from_being_released() {
    let house = House::of(3, |asked, errand, second| match errand {
        Errand::Itself(_) if asked != id(2) || second >= 2 * HOUR => missing(),
        Errand::Itself(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } | Errand::Holder(_) => Answer::Page(Page::default()),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, HOUR).await;
    let said = house.said().await;
    assert_eq!(names(&said)[3..], ["number.in_progress", "order.not_found", "order.not_found"]);
    drop(poller);
    let mut poller = house.start().await;
    let before = house.asked(HOUR).len();
    house.run(&mut poller, 2 * HOUR).await;
    assert_eq!(names(&house.said().await)[6..], ["number.released"]);
    let looks = house.asked(HOUR).len() - before;
    assert!(looks < 400, "and nobody is looked at all the time: {looks}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_end_the_suspicion() {
    let house = vanishing().await;
    let mut poller = house.start().await;
    house.run(&mut poller, 2 * HOUR).await;
    drop(poller);
    let mut poller = house.start().await;
    house.run(&mut poller, 2 * HOUR).await;
    let said = house.said().await;
    assert_eq!(
        names(&said)[10..],
        ["scope.suspect suspect", "scope.recovered suspect"],
        "nobody is released"
    );
}

#[tokio::test(start_paused = true)]
async fn two_orders_that_go_are_gone_once_it_was_asked_who_else_holds_them() {
    let house = House::of(5, |id_asked, errand, second| match errand {
        Errand::Itself(_) if second >= HOUR && (id_asked == id(0) || id_asked == id(1)) => missing(),
        Errand::Itself(_) | Errand::Holder(_) => seen("IN_PROGRESS"),
        Errand::Holders { .. } => holders(id_asked == id(0)),
    })
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 2 * HOUR).await;
    let records = house.records().await;
    let released: Vec<_> = records.iter().filter(|record| record.event == "number.released").collect();
    assert_eq!(released.len(), 2);
    for record in released {
        let other = (record.order_id.as_deref() == Some(&id(0))).then_some(OTHER);
        // Every holder that the list names for the second one is its own or the first one's.
        let expected = other.map(str::to_owned).or(Some(id(0)));
        assert_eq!(record.other_id, expected, "{record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_round_tells_what_is_due_though_nobody_answers() {
    let house = House::of(
        1,
        |_, errand, second| {
            if second > 10 * MINUTE { down() } else { fails_and_stays(errand, second) }
        },
    )
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    house.clock.sleep(2 * DAY);
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..2 {
        let mut poller = house.start_for(true).await;
        house.run(&mut poller, MINUTE).await;
    }
    let said = house.said().await;
    let told: Vec<_> = names(&said)[4..].iter().copied().filter(|name| name.starts_with("window.")).collect();
    assert_eq!(told, ["window.closing", "window.closed unconfirmed"], "once");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_comes_back_after_its_windows_end_is_looked_at_and_told_once() {
    let mut house = House::of(1, |_, errand, second| fails_and_stays(errand, second)).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10 * MINUTE).await;
    drop(poller);
    let lists = std::mem::take(&mut house.lists);
    let mut without = house.start().await;
    let looks = house.asked(0).len();
    house.run(&mut without, 2 * DAY).await;
    assert_eq!(house.asked(0).len(), looks, "nobody looks at what no list names");
    drop(without);
    house.lists = lists;
    let mut poller = house.start().await;
    house.run(&mut poller, 5 * MINUTE).await;
    let said = house.said().await;
    let wanted = ["order.untracked", "order.tracked", "window.closing", "window.closed unconfirmed"];
    assert_eq!(names(&said)[4..], wanted);
    let asked = house.asked(2 * DAY + 10 * MINUTE);
    assert!(
        matches!(asked[0].1, Errand::Itself(_)) && matches!(asked[1].1, Errand::Holders { .. }),
        "{asked:?}"
    );
}

/// Somebody else moves an order on.
fn move_on(store: &MemoryStore, stream: crate::core::order::Stream) {
    let moving = async {
        let mut order = store.load(&[stream]).await.unwrap().remove(0);
        let was = order.generation;
        order.generation += 7;
        let change = crate::store::Change { was, order, records: Vec::new() };
        store.commit(crate::store::Batch { changes: vec![change], ..Default::default() }).await.unwrap();
    };
    let mut moving = std::pin::pin!(moving);
    let done = moving.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(done.is_ready(), "a store in memory does not wait");
}

#[tokio::test(start_paused = true)]
async fn a_look_of_which_the_store_has_nothing_refutes_a_doubt_all_the_same() {
    let house = Arc::new(House::of(1, |_, _, _| seen("IN_PROGRESS")).await);
    let mut poller = house.start().await;
    house.run(&mut poller, 20 * MINUTE).await;
    let stream = house.store.schedule(None, 1).await.unwrap()[0].stream;
    let store = Arc::clone(&house.store);
    let looks = std::sync::atomic::AtomicUsize::new(0);
    // Missing, seen while somebody else changes the order, and missing again: never twice in a row.
    *house.world.answers.lock().unwrap() = Box::new(move |_, errand, _| match errand {
        Errand::Itself(_) => match looks.fetch_add(1, Ordering::Relaxed) {
            0 | 2 => missing(),
            1 => {
                move_on(&store, stream);
                seen("IN_PROGRESS")
            }
            _ => seen("IN_PROGRESS"),
        },
        Errand::Holders { .. } => holders(false),
        Errand::Holder(_) => missing(),
    });
    house.run(&mut poller, 10 * MINUTE).await;
    assert_eq!(names(&house.said().await), ["order.tracked", "number.in_progress"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_look_at_an_order_that_moved_on_meanwhile_is_not_applied() {
    let house = Arc::new(House::of(1, |_, _, _| seen("IN_PROGRESS")).await);
    let mut poller = house.start().await;
    house.run(&mut poller, 10).await;
    let stream = house.store.schedule(None, 1).await.unwrap()[0].stream;
    // Somebody else moves the order on, once, while a look at it is in flight.
    let store = Arc::clone(&house.store);
    let moved = AtomicBool::new(false);
    *house.world.answers.lock().unwrap() = Box::new(move |_, _, _| {
        if !moved.swap(true, Ordering::Relaxed) {
            move_on(&store, stream);
        }
        seen("CLAIMED")
    });
    house.run(&mut poller, MINUTE).await;
    let records = house.records().await;
    let claimed: Vec<_> = records.iter().filter(|record| record.event == "number.claimed").collect();
    assert_eq!(claimed.len(), 1, "{records:?}");
    let generation = house.store.load(&[stream]).await.unwrap()[0].generation;
    assert_eq!(
        (claimed[0].generation, generation),
        (Some(generation), 10),
        "told on top of what had happened"
    );
}
