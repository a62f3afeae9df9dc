//! What a consumer of the events may rely on, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claimwatch::core::event::{NumberChange, OrderEvent, WindowEnd, WindowFacts};
use claimwatch::core::observation::ChimeStatus;
use claimwatch::core::order::Provider;
use claimwatch::core::state::{Order, Other, Subject};
use claimwatch::core::step::Step;
use claimwatch::core::time::Timestamp;

/// What the consumer of the events knows after each of them.
#[derive(Default)]
pub(super) struct Reader {
    /// The status of each number, as its last event said.
    statuses: BTreeMap<String, &'static str>,
    /// The order's own word, as its last event said: a Chime order's status, or that it was not found.
    own: Option<&'static str>,
    /// Open windows by number, with the marks that were warned at.
    open: BTreeMap<String, (WindowFacts, BTreeSet<Duration>)>,
    /// Every window that was ever opened.
    ids: BTreeSet<String>,
    /// The latest time of all steps: a clock that shows less has stepped back since.
    latest: Option<Timestamp>,
}

impl Reader {
    pub(super) fn read(&mut self, before: &Order, made: &Step, now: Timestamp) {
        let stepped_back = self.latest.is_some_and(|latest| now < latest);
        self.latest = self.latest.max(Some(now));
        self.learn_names(made);
        for (n, event) in made.events.iter().enumerate() {
            match event {
                OrderEvent::Number(change) => self.number(before, change),
                OrderEvent::WindowOpened { number, window } => {
                    let id = format!("{}-{}-{n}", made.order.stream(), made.order.generation);
                    assert_eq!(window.id, id, "a window is named by the event that opened it");
                    assert!(self.ids.insert(id), "each window has an id of its own");
                    assert_eq!(self.statuses.get(number), Some(&"FAILED"), "only a failure opens one");
                    let other = self.open.insert(number.clone(), (window.clone(), BTreeSet::new()));
                    assert!(other.is_none(), "one at a time");
                }
                OrderEvent::WindowAcknowledged { number, window } => {
                    let warned = &mut self.known(number, window, stepped_back).1;
                    assert!(warned.insert(Duration::ZERO), "once a window");
                }
                OrderEvent::WindowClosing { number, window, mark, due_at, .. } => {
                    let warned = &mut self.known(number, window, stepped_back).1;
                    assert!(warned.first().is_none_or(|last| mark < last), "{mark:?} after {warned:?}");
                    warned.insert(*mark);
                    assert_eq!(*due_at, window.earliest.minus(*mark));
                    assert!(*due_at <= now, "not before its time");
                    let closes = |event: &OrderEvent| matches!(event, OrderEvent::WindowClosed { number: closed, .. } if closed == number);
                    let slept_through = made.events[n..].iter().any(closes);
                    assert!(now < window.latest || slept_through, "not after the end, but with it");
                }
                OrderEvent::WindowClosed { number, window, end } => {
                    self.known(number, window, stepped_back);
                    self.open.remove(number);
                    if let WindowEnd::Unconfirmed { due_at } = end {
                        assert!(*due_at == window.latest && *due_at <= now, "not before its time");
                    }
                }
                OrderEvent::WindowResolved { number, window, other_id } => {
                    self.known(number, window, stepped_back);
                    self.open.remove(number);
                    assert_eq!(self.statuses[number] == "CLAIMED", other_id.is_none());
                }
                OrderEvent::StatusChanged { from, to } => {
                    assert_eq!(*from, self.own, "the chain of the order breaks");
                    assert_ne!(self.own.replace(to.as_str()), Some(to.as_str()));
                }
                OrderEvent::Completed { outcome, .. } => assert_eq!(self.own, Some(outcome.as_str())),
                OrderEvent::NotFound { from, .. } => self.not_found(before, *from),
                OrderEvent::Stalled { due_at, .. } => stalls_in_time(before, made, *due_at, now),
                OrderEvent::Tracked
                | OrderEvent::Untracked { .. }
                | OrderEvent::Attention(_)
                | OrderEvent::Unrecognized { .. }
                | OrderEvent::Blocked { .. } => {}
            }
        }
        self.compare(&made.order, stepped_back);
    }

    /// The window that an event is about, which is as it was told last unless the clock stepped back.
    fn known(
        &mut self,
        number: &str,
        told: &WindowFacts,
        stepped_back: bool,
    ) -> &mut (WindowFacts, BTreeSet<Duration>) {
        let known = self.open.get_mut(number).unwrap();
        assert_eq!((&told.id, told.basis), (&known.0.id, known.0.basis));
        assert!(told.earliest <= known.0.earliest, "the earliest end never moves later");
        assert!(stepped_back || told.earliest == known.0.earliest, "nor earlier, if no clock steps back");
        assert!(stepped_back || told.latest >= known.0.latest);
        assert!(told.earliest <= told.latest);
        known
    }

    /// A Connect number that was told without its E.164 goes on under it.
    fn learn_names(&mut self, made: &Step) {
        let named = made.order.state.numbers.keys().next();
        if let Some(named) = named.filter(|_| !made.order.state.numbers.contains_key("")) {
            if let Some(status) = self.statuses.remove("") {
                self.statuses.insert(named.clone(), status);
            }
            if let Some(open) = self.open.remove("") {
                self.open.insert(named.clone(), open);
            }
        }
    }

    fn number(&mut self, before: &Order, change: &NumberChange) {
        let connect = before.watch.key.provider == Provider::Connect;
        let last = self.statuses.get(&change.number).copied();
        assert_eq!(
            change.from,
            last.or(self.own.filter(|_| connect)),
            "the chain of {} breaks",
            change.number
        );
        let to = change.to.word();
        if change.from == Some(to) {
            assert_eq!(to, "FAILED", "only another failure is told as a change to the same status");
        }
        self.statuses.insert(change.number.clone(), to);
        if connect {
            self.own = None;
        }
        if change.retrying {
            assert!(self.open.contains_key(&change.number));
        }
        let held = match &before.state.subject {
            Subject::Connect(connect) if to == "RELEASED" => match &connect.other {
                Other::Held { by, .. } => Some(by),
                Other::NotAsked | Other::Nobody | Other::Unknown { .. } => None,
            },
            Subject::Connect(_) | Subject::Chime(_) => None,
        };
        assert_eq!(change.other_id.as_ref(), held);
    }

    fn not_found(&mut self, before: &Order, from: Option<&str>) {
        assert_ne!(self.own, Some("NOT_FOUND"), "it is not said twice");
        assert_eq!(from, self.own, "the chain of the order breaks");
        self.own = Some("NOT_FOUND");
        if let Subject::Connect(connect) = &before.state.subject {
            assert_eq!(self.statuses.get(&connect.current), None, "what was seen is released");
        }
    }

    /// What the events said is what is stored.
    fn compare(&mut self, order: &Order, stepped_back: bool) {
        let told: BTreeMap<&str, Option<&str>> =
            self.statuses.iter().map(|(number, status)| (number.as_str(), Some(*status))).collect();
        let numbers = &order.state.numbers;
        let stored: BTreeMap<&str, Option<&str>> = numbers
            .iter()
            .filter(|(_, number)| number.status.word().is_some())
            .map(|(key, number)| (key.as_str(), number.status.word()))
            .collect();
        assert_eq!(told, stored);
        assert_eq!(self.own == Some("NOT_FOUND"), order.state.not_found_told);
        if let Subject::Chime(chime) = &order.state.subject {
            let word = chime.status.map(ChimeStatus::as_str);
            assert!(self.own == word || order.state.not_found_told, "{:?}, not {word:?}", self.own);
        }
        let windows: BTreeMap<&str, &str> = numbers
            .iter()
            .filter_map(|(key, number)| Some((key.as_str(), number.window.open()?.id.as_str())))
            .collect();
        let open: BTreeMap<&str, &str> =
            self.open.iter().map(|(number, (window, _))| (number.as_str(), window.id.as_str())).collect();
        assert_eq!(open, windows);
        for number in windows.keys() {
            let word = numbers[*number].status.word();
            assert!(
                matches!(word, Some("IN_PROGRESS" | "FAILED")),
                "a window is open for one that is {word:?}"
            );
        }
        for number in self.open.keys().cloned().collect::<Vec<_>>() {
            let facts = WindowFacts::from(numbers[&number].window.open().unwrap());
            let known = self.known(&number, &facts, stepped_back);
            known.0 = facts;
        }
    }
}

fn stalls_in_time(before: &Order, made: &Step, due_at: Timestamp, now: Timestamp) {
    let stalled_after = before.watch.terms.policy.stalled_after.unwrap();
    assert_eq!(due_at, made.order.state.changed_at.plus(stalled_after));
    assert!(due_at <= now && made.order.state.stalled, "not before its time");
    let changed = made.order.state.changed_at > before.state.changed_at;
    assert!(!before.state.stalled || changed, "once a stall");
}
