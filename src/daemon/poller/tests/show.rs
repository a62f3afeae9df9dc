//! What the loop shows of its scopes.

use super::*;
use crate::core::observation::Reach;
use crate::core::order::Provider;
use crate::core::sweep::Page as ListPage;
use crate::daemon::observe::{Overview, ScopeView};

/// What is shown of the scope of a service. To ask changes nothing.
fn shown(house: &House, poller: &mut Loop, provider: Provider) -> ScopeView {
    let now = house.clock.now();
    let waits = poller.wait(now);
    let Overview { at, scopes } = poller.fleet.overview(now);
    assert_eq!(poller.fleet.overview(now), Overview { at, scopes: scopes.clone() });
    assert_eq!((at, poller.wait(now)), (now.wall, waits));
    scopes.into_iter().find(|scope| scope.provider == provider).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_list_while_it_is_read_and_its_length_from_then_on() {
    let orders: Vec<String> = (0..9).map(|n| format!("[[order]]\nid = \"{}\"\n", id(n))).collect();
    let list = format!("account = \"a\"\n{}", orders.concat());
    let mut house = House::with(MAIN, &[("l", &list)], |_, _, _| missing()).await.on(1.0, 3, 0.0);
    Arc::get_mut(&mut house.world).unwrap().lists = Mutex::new(Box::new(|token, _| {
        let next = if token.is_none() { Some("2".to_owned()) } else { None };
        Listed::Page(ListPage { rows: Vec::new(), next })
    }));
    let mut poller = house.start().await;
    house.run(&mut poller, 1).await;
    let scope = shown(&house, &mut poller, Provider::Chime);
    assert!(scope.list.reading, "{scope:?}");
    assert_eq!((scope.list.pages, scope.list.whole, scope.list.read_at), (None, false, None));
    assert_eq!((scope.tracked, scope.looked_at, scope.lanes.pending.due), (9, 9, 9));
    assert!(scope.lanes.pending.oldest_s >= 1.0, "{scope:?}");
    house.run(&mut poller, 5).await;
    let scope = shown(&house, &mut poller, Provider::Chime);
    assert_eq!((scope.list.reading, scope.list.pages, scope.list.whole), (false, Some(2), true));
    assert!(scope.list.read_at.is_some_and(|at| at > Timestamp::from_millis(START)), "{scope:?}");
    assert_eq!(shown(&house, &mut poller, Provider::Connect).list.pages, None);
}

#[tokio::test(start_paused = true)]
async fn calls_that_have_no_answer_yet() {
    let mut house = House::of(9, |_, _, _| seen("IN_PROGRESS")).await;
    Arc::get_mut(&mut house.world).unwrap().takes = Box::new(|_| Duration::from_mins(1));
    let mut poller = house.start().await;
    house.run(&mut poller, 10).await;
    let scope = shown(&house, &mut poller, Provider::Connect);
    assert_eq!((scope.in_flight, scope.lanes.pending.due), (4, 5), "{scope:?}");
    assert!(scope.lanes.pending.expected_s.is_some() && scope.denied_since.is_none(), "{scope:?}");
}

#[tokio::test(start_paused = true)]
async fn with_refused_credentials_nobody_knows_how_late_looks_will_be() {
    let refused = Observation::Denied {
        reach: Reach::Scope,
        code: "ExpiredTokenException".into(),
        message: None,
        clock_offset_s: None,
    };
    let house = House::of(9, move |_, _, _| Answer::Observed(refused.clone())).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 10).await;
    let scope = shown(&house, &mut poller, Provider::Connect);
    assert!(scope.denied_since.is_some() && scope.in_flight == 0, "{scope:?}");
    assert_eq!((scope.lanes.pending.due, scope.lanes.pending.expected_s), (9, None), "{scope:?}");
}
