//! Lists instead of looks: many Chime orders at once, and Connect numbers that are merely watched on.

use std::collections::BTreeSet;

use super::*;
use crate::core::observation::{ChimeNumber, ChimeOrder, ChimeStatus, Reach, Source};
use crate::core::sweep::{Page as ListPage, Row};

const CHIME: &str = "chime = { rate = 2.0, burst = 5, share = 0.8 }\n";
const PAGE: usize = 100;

/// A watch list of so many Chime orders.
fn orders(many: usize) -> String {
    let entries: Vec<String> = (0..many).map(|n| format!("[[order]]\nid = \"{}\"\n", id(n))).collect();
    format!("account = \"a\"\nstalled_after = \"none\"\n{}", entries.concat())
}

/// An order with one number, done or not.
fn order(done: bool, source: Source) -> ChimeOrder {
    let (raw, known) =
        if done { ("Successful", ChimeStatus::Successful) } else { ("Processing", ChimeStatus::Processing) };
    let (word, progress) =
        if done { ("Acquired", Progress::Claimed) } else { ("Processing", Progress::InProgress) };
    ChimeOrder {
        source,
        status: Some(Word { raw: raw.into(), known: Some(known) }),
        porting: false,
        numbers: vec![ChimeNumber {
            number: NUMBER.into(),
            status: Some(Word { raw: word.into(), known: Some(progress) }),
        }],
        updated_at: None,
        foc_date: None,
    }
}

fn looked(done: bool) -> Answer {
    Answer::Observed(Observation::Seen(Sighting::Chime(order(done, Source::Own))))
}

/// The page of these orders that a token asks for: the token is where it begins.
fn page(ids: &[usize], token: Option<&str>, done: bool) -> Listed {
    let from: usize = token.map_or(0, |token| token.parse().unwrap());
    let rows = ids.iter().skip(from).take(PAGE);
    let rows = rows.map(|n| Row::Order { id: id(*n), seen: order(done, Source::List) }).collect();
    let next = from + PAGE;
    Listed::Page(ListPage { rows, next: (next < ids.len()).then(|| next.to_string()) })
}

impl House {
    /// Chime orders on a quota of 2 a second, of which eight tenths are ours.
    async fn of_orders(
        many: usize,
        answers: impl FnMut(&str, &Errand, u64) -> Answer + Send + 'static,
        lists: impl FnMut(Option<&str>, u64) -> Listed + Send + 'static,
    ) -> Self {
        let mut house = Self::with(&format!("{MAIN}{CHIME}"), &[("l", &orders(many))], answers).await;
        let world = Arc::get_mut(&mut house.world).unwrap();
        world.quota = Some(quota::Server::new(2.0, 5, 0.0));
        world.lists = Mutex::new(Box::new(lists));
        house
    }

    /// The seconds at which pages were asked for, from one on.
    fn pages(&self, from: u64) -> Vec<u64> {
        let pages = self.world.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.iter().map(|(second, _)| *second).filter(|second| *second >= from).collect()
    }

    /// When each order was said to be completed: once.
    async fn completed(&self) -> Vec<(String, u64)> {
        let mut completed = Vec::new();
        for record in self.records().await.iter().filter(|record| record.event == "order.completed") {
            let at = record.time.unwrap().since(Timestamp::from_millis(START)).as_secs();
            completed.push((record.order_id.clone().unwrap(), at));
        }
        let who: BTreeSet<&String> = completed.iter().map(|(who, _)| who).collect();
        assert_eq!(who.len(), completed.len(), "each once");
        completed
    }
}

#[tokio::test(start_paused = true)]
async fn five_thousand_orders_that_change_at_once_are_known_within_a_hundred_seconds() {
    const ORDERS: usize = 5000;
    let ids: Vec<usize> = (0..ORDERS).collect();
    for phase in [7, 40] {
        let changes = 12 * MINUTE + phase;
        let ids = ids.clone();
        let house = House::of_orders(
            ORDERS,
            move |_, _, second| looked(second >= changes),
            move |token, second| page(&ids, token, second >= changes),
        )
        .await;
        let mut poller = house.start().await;
        house.run(&mut poller, changes + 5 * MINUTE).await;
        let completed = house.completed().await;
        assert_eq!(completed.len(), ORDERS);
        let known = completed.iter().map(|(_, at)| *at).max().unwrap();
        assert!(known <= changes + 100, "known after {} s, phase {phase}", known - changes);
        let calls = [house.pages(changes), house.asked(changes).iter().map(|(at, _)| *at).collect()];
        let calls = calls.concat().into_iter().filter(|at| *at <= known).count();
        assert!(calls * 50 < ORDERS, "{calls} calls, phase {phase}");
        let before = changes - 5 * MINUTE;
        let of_rounds = house.pages(before).len() + house.asked(before).len();
        assert!(of_rounds < 9 * ORDERS / 50, "{of_rounds} calls in five minutes and a bit");
        assert_eq!(house.pages(known + MINUTE).len(), 0, "nobody waits for the list any more");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_in_the_list_is_looked_at() {
    const ORDERS: usize = 600;
    // A third of them the list does not have, and what it has grows at its front while it is read.
    let ids: Vec<usize> = (0..ORDERS).filter(|n| n % 3 > 0).collect();
    let mut read = 0;
    let house = House::of_orders(
        ORDERS,
        move |_, _, second| looked(second >= HOUR),
        move |token, second| {
            read += 1;
            let others = (0..7 * read).map(|n| 100_000 + n);
            page(&others.chain(ids.iter().copied()).collect::<Vec<_>>(), token, second >= HOUR)
        },
    )
    .await;
    let mut poller = house.start().await;
    house.run(&mut poller, HOUR + 10 * MINUTE).await;
    assert_eq!(house.completed().await.len(), ORDERS);
    let looks: BTreeSet<String> = house
        .asked(30 * MINUTE)
        .iter()
        .filter_map(|(_, errand)| match errand {
            Errand::Itself(ask) => Some(ask.clone()),
            Errand::Holders { .. } | Errand::Holder(_) => None,
        })
        .collect();
    assert!((0..ORDERS).step_by(3).all(|n| looks.contains(&id(n))), "who is not in it is looked at");
    assert!(!house.pages(30 * MINUTE).is_empty(), "and the others are not, mostly");
}

/// Whether a list gives the page of a token; none is a refusal.
type Works = fn(Option<&str>) -> Option<bool>;

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_work_holds_nobody_up() {
    const ORDERS: usize = 300;
    let denied = |reach| Observation::Denied {
        reach,
        code: "AccessDeniedException".into(),
        message: None,
        clock_offset_s: None,
    };
    let malformed = || Observation::Malformed { detail: "expired".into() };
    let answers: [Works; 7] = [
        // Refused, refused as if the credentials were, without quota for short and long, always expired, expired in the
        // middle, going round in circles.
        |_| None,
        |_| None,
        |_| None,
        |_| None,
        |token| token.map(|_| false),
        |token| Some(token != Some("200")),
        |_| Some(true),
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        let ids: Vec<usize> = (0..ORDERS).collect();
        let house = House::of_orders(
            ORDERS,
            move |_, _, second| looked(second >= HOUR),
            move |token, second| match (n, answer(token)) {
                (0, _) => Listed::Observed(denied(Reach::Order)),
                (1, _) => Listed::Observed(denied(Reach::Scope)),
                (2, _) => Listed::Observed(Observation::Throttled { retry_after: None }),
                (3, _) => {
                    let retry_after = Some(Duration::from_secs(30));
                    Listed::Observed(Observation::Throttled { retry_after })
                }
                (_, Some(false)) => Listed::Observed(malformed()),
                (6, _) => match page(&ids, token, second >= HOUR) {
                    Listed::Page(page) => Listed::Page(ListPage { next: Some("100".into()), ..page }),
                    other @ Listed::Observed(_) => other,
                },
                _ => page(&ids, token, second >= HOUR),
            },
        )
        .await;
        let mut poller = house.start().await;
        house.run(&mut poller, HOUR + 10 * MINUTE).await;
        assert_eq!(house.completed().await.len(), ORDERS, "list {n}");
        let said = house.said().await;
        assert!(said.iter().all(|(_, said)| !said.starts_with("scope.denied")), "list {n}");
        let looks = house.asked(0).iter().filter(|(second, _)| *second < 5 * MINUTE).count();
        assert!(n > 3 || looks >= ORDERS, "list {n} kept orders waiting: {looks} looks in five minutes");
        assert!(house.pages(0).len() < 200, "list {n} was asked {} times", house.pages(0).len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_back_that_only_the_list_shows_has_to_be_confirmed() {
    const ORDERS: usize = 10;
    let ids: Vec<usize> = (0..ORDERS).collect();
    let main = format!("{MAIN}{CHIME}[poll]\nafter_terminal = \"10m\"\n");
    let answers = |_: &str, _: &Errand, second| looked(second >= HOUR);
    let mut house = House::with(&main, &[("l", &orders(ORDERS))], answers).await;
    // From the second hour on the list is behind.
    let list = move |token: Option<&str>, second| page(&ids, token, (HOUR..2 * HOUR).contains(&second));
    Arc::get_mut(&mut house.world).unwrap().lists = Mutex::new(Box::new(list));
    let mut poller = house.start().await;
    house.run(&mut poller, 4 * HOUR).await;
    assert_eq!(house.completed().await.len(), ORDERS);
    let changed =
        house.records().await.iter().filter(|record| record.event == "order.status_changed").count();
    assert_eq!(changed, 2 * ORDERS, "Processing and Successful, and nothing after");
    assert!(house.asked(2 * HOUR).len() >= ORDERS, "each was looked at");
}

/// The page of a Connect list that has these numbers.
fn present(ids: impl Iterator<Item = usize>, token: Option<&str>) -> Listed {
    let ids: Vec<usize> = ids.collect();
    let from: usize = token.map_or(0, |token| token.parse().unwrap());
    let rows = ids.iter().skip(from).take(1000).map(|n| Row::Number { id: id(*n) }).collect();
    let next = from + 1000;
    Listed::Page(ListPage { rows, next: (next < ids.len()).then(|| next.to_string()) })
}

#[tokio::test(start_paused = true)]
async fn released_numbers_are_noticed_by_their_absence_from_the_list() {
    // More than can be looked at: 0.4 a second are 2,880 in two hours.
    const NUMBERS: usize = 3000;
    const GONE: usize = 17;
    let gone = |n: usize, second: u64| n < GONE && second >= 10 * HOUR;
    let number = |asked: &str| asked.rsplit('-').next().unwrap().parse::<usize>().unwrap();
    let quota = "connect = { rate = 0.5, burst = 5, share = 0.8 }\n";
    let main = format!("{MAIN}{quota}[poll]\nafter_terminal = \"2h\"\n");
    let mut house = House::with(&main, &[("l", &list(NUMBERS))], move |asked, errand, second| match errand {
        Errand::Itself(_) if gone(number(asked), second) => missing(),
        Errand::Itself(_) => seen("CLAIMED"),
        Errand::Holders { .. } | Errand::Holder(_) => Answer::Page(Page::default()),
    })
    .await
    .on(0.5, 5, 0.0);
    let lists = move |token: Option<&str>, second| present((0..NUMBERS).filter(|n| !gone(*n, second)), token);
    Arc::get_mut(&mut house.world).unwrap().lists = Mutex::new(Box::new(lists));
    let mut poller = house.start().await;
    house.run(&mut poller, 16 * HOUR).await;
    let said = house.said().await;
    let released: Vec<u64> =
        said.iter().filter(|(_, said)| said == "number.released").map(|(at, _)| *at).collect();
    assert_eq!(released.len(), GONE);
    assert!(*released.iter().max().unwrap() <= 13 * HOUR, "an interval and a bit later: {released:?}");
    assert!(*released.iter().min().unwrap() > 10 * HOUR);
    let asked = house.asked(10 * HOUR);
    for n in 0..GONE {
        let itself = Errand::Itself(id(n));
        let own = asked.iter().filter(|(_, errand)| *errand == itself);
        assert!(own.take(2).count() == 2, "looked at itself, twice, before anything is said");
    }
    // Everybody is looked at once every four intervals at least, and not once every interval.
    let looks = house.asked(2 * HOUR + 5 * MINUTE).len();
    let rounds = NUMBERS * 14 / 2;
    let pages = house.pages(2 * HOUR).len();
    assert!(looks + pages < rounds / 2, "{looks} looks and {pages} pages, {rounds} looks otherwise");
    assert!(looks > NUMBERS * 14 / 8 - NUMBERS / 2, "{looks} looks");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_cut_short_again_and_again_goes_on_where_it_was() {
    const ORDERS: usize = 2000;
    let ids: Vec<usize> = (0..ORDERS).collect();
    let house =
        House::of_orders(ORDERS, |_, _, _| looked(true), move |token, _| page(&ids, token, true)).await;
    for _ in 0..6 {
        let mut poller = house.start().await;
        house.run(&mut poller, 7).await;
    }
    assert_eq!(house.completed().await.len(), ORDERS, "twenty pages in six times seven seconds");
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_list_is_asked_again_after_a_while() {
    const ORDERS: usize = 300;
    let ids: Vec<usize> = (0..ORDERS).collect();
    let lists = move |token: Option<&str>, second| {
        if second < MINUTE { Listed::Page(ListPage::default()) } else { page(&ids, token, false) }
    };
    let house = House::of_orders(ORDERS, |_, _, _| looked(false), lists).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 40 * MINUTE).await;
    let looks = house.asked(30 * MINUTE).len();
    assert!(house.pages(30 * MINUTE).len() >= 9 && looks < 100, "{looks} looks in the last ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_list_disturbs_nobody_of_whom_it_tells_nothing() {
    // Sixty that are watched on beside ten that are pending, which the list has too.
    let main = format!("{MAIN}[poll]\nafter_terminal = \"20s\"\nfloor = \"60s\"\n");
    let number = |asked: &str| asked.rsplit('-').next().unwrap().parse::<usize>().unwrap();
    let mut house = House::with(&main, &[("l", &list(70))], move |asked, errand, _| match errand {
        Errand::Itself(_) if number(asked) < 10 => seen("IN_PROGRESS"),
        Errand::Itself(_) => seen("CLAIMED"),
        Errand::Holders { .. } | Errand::Holder(_) => Answer::Page(Page::default()),
    })
    .await
    .on(2.0, 5, 0.0);
    let lists = |token: Option<&str>, _| present(0..70, token);
    Arc::get_mut(&mut house.world).unwrap().lists = Mutex::new(Box::new(lists));
    let mut poller = house.start().await;
    house.run(&mut poller, 20 * MINUTE).await;
    assert!(house.pages(5 * MINUTE).len() > 10);
    let itself = Errand::Itself(id(3));
    let looks: Vec<u64> =
        house.asked(0).into_iter().filter(|(_, errand)| *errand == itself).map(|(at, _)| at).collect();
    assert!(
        looks.windows(2).all(|pair| pair[1] - pair[0] >= 54),
        "a minute apart, a tenth less at most: {looks:?}"
    );
}
