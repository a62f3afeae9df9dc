//! One order, looked at as the daemon looks at it, and all that is said of it: the records are the core's own.

use std::sync::Arc;
use std::time::Duration;

use claimwatch::core::observation::{
    ChimeNumber, ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Progress, Sighting, Source,
    Word,
};
use claimwatch::core::order::{ListTerms, Watch};
use claimwatch::core::policy::{Policy, Poll};
use claimwatch::core::record::{self, Context, Record, Style};
use claimwatch::core::state::Order;
use claimwatch::core::step::Step;
use claimwatch::core::time::Timestamp;
use claimwatch::core::{inquiry, look, watchlist};

/// How long an answer of the service takes.
pub(super) const ANSWER: Duration = Duration::from_millis(13);
/// How long after its time the loop tells what the clock brings.
const LAG: Duration = Duration::from_millis(2);

/// The time that RFC 3339 says.
pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// An account and region as the configuration has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
    pub(super) region: &'static str,
}

impl Account {
    /// The instance that its numbers are claimed to.
    fn instance(self) -> String {
        format!("arn:aws:connect:{}:{}:instance/7b3e9a4c-6f1d-4e52-9c08-2a5d8e1b4f60", self.region, self.id)
    }
}

/// An order and what the service would say of it.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) order: Order,
    pub(super) records: Vec<Record>,
    /// The order after each of its changes, and when that was.
    past: Vec<(Timestamp, Order)>,
    account: Account,
    says: Observation,
    holders: Elsewhere,
    /// Before this its turn under the quota does not come.
    turn: Timestamp,
    /// When the inquiry that is going on is asked.
    inquiry: Option<Timestamp>,
}

impl Story {
    /// A list names it, and its first look is not before `turn`.
    pub(super) fn begin(account: Account, watch: Watch, now: Timestamp, turn: Timestamp) -> Self {
        let Step { order, events } = watchlist::track(None, watch, now).unwrap();
        let mut story = Self {
            order: order.clone(),
            records: Vec::new(),
            past: Vec::new(),
            account,
            says: Observation::Elapsed,
            holders: Elsewhere::Nobody,
            turn,
            inquiry: None,
        };
        story.take(Step { order, events }, false, None, now);
        story
    }

    /// What the service says of it from now on.
    pub(super) fn says(mut self, observation: Observation) -> Self {
        self.says = observation;
        self
    }

    /// What the service says of its number from now on, with a message or without one.
    pub(super) fn is(self, status: &str, message: &str) -> Self {
        let seen = ConnectNumber {
            number: self.order.watch.declared.number.clone(),
            status: Some(Word { raw: status.to_owned(), known: connect_word(status) }),
            message: Some(message.to_owned()).filter(|message| !message.is_empty()),
            target: Some(self.account.instance()),
        };
        self.says(Observation::Seen(Sighting::Connect(seen)))
    }

    /// What the service says of its Chime order and the numbers in it from now on.
    pub(super) fn stands(self, status: ChimeStatus, numbers: &[(&str, &str)]) -> Self {
        let number = |(number, status): &(&str, &str)| ChimeNumber {
            number: (*number).to_owned(),
            status: Some(Word { raw: (*status).to_owned(), known: chime_word(status) }),
        };
        let seen = ChimeOrder {
            source: Source::Own,
            status: Some(Word { raw: status.as_str().to_owned(), known: Some(status) }),
            porting: status.is_porting(),
            numbers: numbers.iter().map(number).collect(),
            updated_at: None,
            foc_date: None,
        };
        self.says(Observation::Seen(Sighting::Chime(seen)))
    }

    /// The service does not find it from now on.
    pub(super) fn goes_missing(self) -> Self {
        let message = Some("Resource not found".to_owned());
        self.says(Observation::Missing { message, suspect: false })
    }

    /// What is found from now on when it is asked who else holds the number.
    pub(super) fn holders(mut self, holders: Elsewhere) -> Self {
        self.holders = holders;
        self
    }

    /// Another id holds the number from now on.
    pub(super) fn held_by(self, id: &str, status: &str) -> Self {
        let status = Some(Word { raw: status.to_owned(), known: connect_word(status) });
        self.holders(Elsewhere::Held { by: id.to_owned(), status })
    }

    /// Everything up to a time: looks and inquiries when they are due, and what the clock brings.
    pub(super) fn until(mut self, end: &str) -> Self {
        let end = at(end);
        loop {
            let looked = self.order.looked;
            // While an inquiry is going on there is no other look.
            let request = self.inquiry.or(looked.due_at.map(|due| due.max(self.turn)));
            let Some(next) =
                [request, looked.wake_at].into_iter().flatten().min().filter(|next| *next <= end)
            else {
                return self;
            };
            if request != Some(next) {
                self.apply(&Observation::Elapsed, None, next.plus(LAG));
            } else if self.inquiry.is_some() {
                self.ask(next);
            } else {
                let says = self.says.clone();
                self.hear(&says, next, next.plus(ANSWER));
            }
        }
    }

    /// Something else than an answer or the clock makes a step of it.
    pub(super) fn undergoes(mut self, now: &str, step: impl FnOnce(&Order) -> Step) -> Self {
        let step = step(&self.order);
        self.take(step, false, None, at(now));
        self
    }

    /// What a look says.
    pub(super) fn answer(&self) -> Observation {
        self.says.clone()
    }

    /// An answer comes to a look that began at `asked`.
    pub(super) fn hear(&mut self, answer: &Observation, asked: Timestamp, now: Timestamp) {
        self.apply(answer, Some(asked), now);
        let answered = matches!(answer, Observation::Seen(_) | Observation::Missing { .. });
        if answered && inquiry::is_wanted(&self.order, now) {
            self.inquiry = Some(now);
        }
    }

    /// It is asked at `now` who else holds the number, if there is reason to.
    pub(super) fn ask(&mut self, now: Timestamp) {
        if self.inquiry.take().is_some() {
            let found = Observation::Elsewhere(self.holders.clone());
            self.apply(&found, Some(now), now.plus(ANSWER));
        }
    }

    fn apply(&mut self, observation: &Observation, asked: Option<Timestamp>, now: Timestamp) {
        let observed = matches!(observation, Observation::Seen(_) | Observation::Missing { .. });
        let order = Order { clock_in_doubt: !observed, ..self.order.clone() };
        let step = look::apply(&order, observation, asked, now);
        self.take(step, observed, order.looked.answered_at, now);
    }

    /// A step was made of it; `observed` and `before` are those of [`Context`].
    fn take(&mut self, step: Step, observed: bool, before: Option<Timestamp>, now: Timestamp) {
        let style = Style::default();
        let context = Context { account_id: Some(self.account.id), now, before, observed, style };
        self.records.extend(record::of_order(&step.order, &step.events, &context));
        self.order = step.order;
        self.past.push((now, self.order.clone()));
    }

    /// The order as it was at a time.
    pub(super) fn order_at(&self, time: Timestamp) -> Option<&Order> {
        self.past.iter().rev().find(|(at, _)| *at <= time).map(|(_, order)| order)
    }
}

/// The terms of a list.
pub(super) fn terms(name: &str, account: Account, poll: Poll) -> Arc<ListTerms> {
    Arc::new(ListTerms {
        name: name.to_owned(),
        account: account.name.to_owned(),
        labels: [("team".to_owned(), "voice".to_owned())].into(),
        policy: Policy { poll, ..Policy::default() },
    })
}

fn connect_word(word: &str) -> Option<Progress> {
    match word {
        "IN_PROGRESS" => Some(Progress::InProgress),
        "CLAIMED" => Some(Progress::Claimed),
        "FAILED" => Some(Progress::Failed),
        _ => None,
    }
}

fn chime_word(word: &str) -> Option<Progress> {
    match word {
        "Processing" => Some(Progress::InProgress),
        "Acquired" => Some(Progress::Claimed),
        "Failed" => Some(Progress::Failed),
        _ => None,
    }
}
