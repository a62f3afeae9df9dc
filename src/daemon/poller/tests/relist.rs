//! Lists that take effect while the loop runs.

use super::*;
use crate::daemon::poller::{NewLists, Relisted, Wish};
use tokio::sync::oneshot;

impl House {
    /// What these lists say, by name.
    fn read(&self, lists: &[(&str, &str)]) -> NewLists {
        let watched = self.folder.path().join("watch.d");
        std::fs::remove_dir_all(&watched).unwrap();
        std::fs::create_dir(&watched).unwrap();
        for (name, text) in lists {
            std::fs::write(watched.join(format!("{name}.toml")), text).unwrap();
        }
        let path = self.folder.path().join("claimwatch.toml");
        let sources =
            Sources { path, environment: std::collections::BTreeMap::new(), now: self.clock.now().wall };
        let loaded = config::load(&sources);
        NewLists {
            lists: loaded.lists,
            bad: loaded.bad_lists,
            accounts: Arc::new(self.config.accounts.clone()),
            accept_removal: false,
            farthest: Duration::from_hours(25),
            rejected: Vec::new(),
            rejected_before: Vec::new(),
        }
    }
}

/// Who was looked at from a second on: the last digits of the ids.
fn looked_at(from: u64, looks: &Looks) -> Vec<(u64, usize)> {
    let looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
    let since = looks.iter().filter(|(second, _)| *second >= from);
    since.map(|(second, id)| (*second, id[24..].parse().unwrap())).collect()
}

type Looks = Arc<Mutex<Vec<(u64, String)>>>;

/// A house of so many numbers that are in progress, and who was looked at when.
async fn pending(numbers: usize) -> (House, Looks) {
    let looks = Looks::default();
    let noted = Arc::clone(&looks);
    let house = House::of(numbers, move |id, _, second| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push((second, id.to_owned()));
        seen("IN_PROGRESS")
    })
    .await;
    (house, looks)
}

async fn yes(poller: &mut Loop, new: NewLists) -> Vec<(String, (u64, u64, u64))> {
    match poller.relist(new).await.unwrap() {
        Relisted::Yes(lists) => lists
            .into_iter()
            .map(|(name, counts)| (name, (counts.added, counts.removed, counts.changed)))
            .collect(),
        other @ (Relisted::MassRemoval(_) | Relisted::NotNow(_)) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn orders_that_did_not_change_keep_their_due_times() {
    let (house, looks) = pending(30).await;
    let mut poller = house.start().await;
    house.run(&mut poller, HOUR).await;
    let before = looked_at(HOUR - 5 * MINUTE, &looks);
    // One is gone, one is new, one has another name, 28 are as they were.
    let text = list(31).replacen(&format!("id = \"{}\"", id(3)), &format!("id = \"{}\"", id(77)), 1);
    let text = text.replacen("operation = \"claim\"", "operation = \"claim\"\nlabel = \"x\"", 1);
    let text = text.replacen(
        "[[number]]\nid = \"0c1f3b6e-0000-4000-8000-000000000077\"\noperation = \"claim\"\n",
        "",
        1,
    );
    assert_eq!(yes(&mut poller, house.read(&[("l", &text)])).await, [("l".to_owned(), (1, 1, 1))]);
    assert_eq!(poller.orders(), 30);
    house.run(&mut poller, 5 * MINUTE).await;
    let after = looked_at(HOUR, &looks);
    let first = |looks: &[(u64, usize)], who| looks.iter().find(|(_, id)| *id == who).map(|(at, _)| *at);
    assert!(
        first(&after, 30).is_some_and(|at| at <= HOUR + 2),
        "what is new is looked at at once: {after:?}"
    );
    assert_eq!(first(&after, 3), None, "nobody looks at what is gone");
    for who in (1..30).filter(|who| *who != 3) {
        let last = before.iter().rfind(|(_, id)| *id == who).map(|(at, _)| *at).unwrap();
        let next = first(&after, who).unwrap();
        assert!((50..=75).contains(&(next - last)), "number {who} was looked at after {} s", next - last);
    }
    let applied = house.records().await;
    let said = applied.len();
    let applied: Vec<&Record> = applied.iter().filter(|r| r.event == "config.applied").collect();
    assert_eq!(applied.len(), 2);
    assert_eq!((applied[1].added, applied[1].removed, applied[1].changed), (Some(1), Some(1), Some(1)));
    // Said and stored once, whatever comes.
    assert_eq!(yes(&mut poller, house.read(&[("l", &text)])).await, []);
    drop(poller);
    let poller = house.start_with(&house.read(&[("l", &text)]).lists, false).await;
    assert_eq!((poller.orders(), house.records().await.len()), (30, said));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_was_asked_before_the_lists_changed_is_not_applied() {
    let (mut house, looks) = pending(2).await;
    let world = Arc::get_mut(&mut house.world).unwrap();
    world.takes = Box::new(|asked| if asked == id(0) { Duration::from_secs(30) } else { Duration::ZERO });
    let mut poller = house.start().await;
    // The first look at number 0 is under way: it is another order's then, and number 1 is nobody's.
    let text = list(1).replacen("operation = \"claim\"", "operation = \"update\"", 1);
    let (stop, (wishes, wished)) = (CancellationToken::new(), mpsc::channel(1));
    let talk = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let (reply, answer) = oneshot::channel();
        wishes.send(Wish::Relist { new: Box::new(house.read(&[("l", &text)])), reply }).await.unwrap();
        assert!(matches!(answer.await.unwrap(), Relisted::Yes(_)));
        tokio::time::sleep(Duration::from_secs(80)).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(poller.run(wished, &stop), talk);
    ended.unwrap();
    let said = house.said().await;
    let expected =
        ["order.tracked", "order.tracked", "number.in_progress", "order.untracked", "number.in_progress"];
    assert_eq!(names(&said), expected);
    assert!(said[4].0 >= 60, "by the second look: {said:?}");
    assert_eq!(looked_at(11, &looks).iter().filter(|(_, id)| *id == 1).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_tried_at_once() {
    let denied = || {
        Answer::Observed(Observation::Denied {
            reach: Reach::Scope,
            code: "ExpiredToken".into(),
            message: None,
            clock_offset_s: None,
        })
    };
    let house =
        House::of(1, move |_, _, second| if second < 10 { denied() } else { seen("IN_PROGRESS") }).await;
    let mut poller = house.start().await;
    house.run(&mut poller, 20).await;
    assert_eq!(names(&house.said().await), ["order.tracked", "scope.denied denied"]);
    yes(&mut poller, house.read(&[("l", &list(1))])).await;
    house.run(&mut poller, 5).await;
    assert_eq!(names(&house.said().await)[2..], ["number.in_progress", "scope.recovered denied"]);
}
