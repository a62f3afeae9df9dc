//! Who else holds a number: a retry of a failed claim may have made a new id, and then nothing is lost.
//!
//! # Expected flow
//! It is asked before a window's warnings and its end, and before a number is called released, after the look at the id
//! itself. An inquiry is several requests, each with a token of its own: pages of the account's numbers, then the other
//! ids that were found there. [`Inquiry::errand`] is what to ask next; [`Inquiry::answered`] takes what came and says what
//! is known by then, [`Elsewhere::Searching`] until it is over.

use std::collections::VecDeque;

use super::cadence::{self, FRESH};
use super::observation::{Elsewhere, Observation, Progress, Reach, Sighting, Word};
use super::state::{Ahead, Order, Other, Status, Subject};
use super::time::Timestamp;

/// Pages of the list that are read. One holds up to a thousand numbers and the list is asked for a prefix, so that a
/// second one is rare; a list that never ends is not listened to.
const PAGES_MAX: u32 = 20;

/// Other ids that are looked at. A number is held once; others may be left over from claims that failed.
const HOLDERS_MAX: usize = 20;

/// What one request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// The order itself, by the id as it is put in the request:
    /// [`Declared::ask`](super::order::Declared::ask).
    Itself(String),
    /// Which ids hold a number: one page of the account's numbers.
    Holders {
        /// The number, E.164.
        number: String,
        /// The page: the token that the page before gave; `None` is the first.
        token: Option<String>,
    },
    /// Another id that holds a number.
    Holder(Holder),
}

/// An id that holds a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The bare id, lower case.
    pub id: String,
    /// The id as it is put in the request: the ARN where the list gave one.
    pub ask: String,
}

/// A page of the ids that hold a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The ids that hold exactly this number, the asking order's own among them.
    pub holders: Vec<Holder>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// What one request brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What was observed of the id that was asked for, or what went wrong.
    Observed(Observation),
    /// A page of holders.
    Page(Page),
}

/// Whether it is time to ask who else holds the number of an order: something is about to be said of it, and the last
/// answer will not be fresh then.
pub fn is_wanted(order: &Order, now: Timestamp) -> bool {
    let Subject::Connect(connect) = &order.state.subject else { return false };
    if number(order).is_none() {
        return false;
    }
    // Where nothing is known of this number, it was another one that was asked about.
    let asked = order.looked.elsewhere_at.filter(|at| *at <= now && connect.other != Other::NotAsked);
    let releasable = order.state.numbers.get(&connect.current).is_some_and(|number| match number.status {
        Status::InProgress { .. } | Status::Claimed { .. } | Status::Failed { .. } => true,
        Status::NeverSeen | Status::Released { .. } => false,
    });
    if let Some(since) = order.state.doubted_since().filter(|_| releasable)
        && asked.is_none_or(|at| at < since)
    {
        return true;
    }
    cadence::next_alert(order).is_some_and(|alert| {
        // What is asked now is to be fresh when the alert goes out, not only now.
        let told_at = alert.max(now);
        let fresh = asked.is_some_and(|at| told_at.since(at) <= FRESH);
        // Where many alerts come at once, the look that this one rests on was earlier, and the question belongs to it.
        let looked = order.looked.ahead.filter(|ahead| ahead.of == alert && order.looked.had_ahead(now));
        let asked_since = |looked: Ahead| asked.is_some_and(|at| at >= looked.at);
        (alert <= now.plus(FRESH) && !fresh) || looked.is_some_and(|looked| !asked_since(looked))
    })
}

/// The number to ask for: the one the id stands for, else the declared one.
fn number(order: &Order) -> Option<&str> {
    let Subject::Connect(connect) = &order.state.subject else { return None };
    Some(connect.current.as_str()).filter(|number| !number.is_empty()).or(order
        .watch
        .declared
        .number
        .as_deref())
}

/// What an answer to a part of an inquiry says of the scope. What refuses the question alone, or makes no sense, does not
/// count: the numbers themselves may be looked at.
pub fn trouble_of_the_scope(answer: &Answer) -> Option<Observation> {
    match answer {
        Answer::Observed(observation) => Some(observation.clone()).filter(Observation::is_of_the_scope),
        Answer::Page(_) => None,
    }
}

/// An inquiry that is going on. Not stored: one that a restart cuts short is begun anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    number: String,
    /// The asking order's own id.
    own: String,
    stage: Stage,
    /// Other ids that are still to be looked at, the first one next.
    holders: VecDeque<Holder>,
    /// What went wrong with one of them.
    trouble: Option<String>,
    /// The best that was found.
    found: Option<(String, Option<Word<Progress>>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    List { token: Option<String>, pages: u32 },
    Holder(Holder),
}

impl Inquiry {
    /// An inquiry about an order's number, if that is known.
    pub fn begin(order: &Order) -> Option<Self> {
        Some(Self {
            number: number(order)?.to_owned(),
            own: order.watch.key.id.clone(),
            stage: Stage::List { token: None, pages: 0 },
            holders: VecDeque::new(),
            trouble: None,
            found: None,
        })
    }

    /// What to ask next.
    pub fn errand(&self) -> Errand {
        match &self.stage {
            Stage::List { token, .. } => {
                Errand::Holders { number: self.number.clone(), token: token.clone() }
            }
            Stage::Holder(holder) => Errand::Holder(holder.clone()),
        }
    }

    /// Whether what to ask next is a question to a list.
    pub fn is_question(&self) -> bool {
        match self.stage {
            Stage::List { .. } => true,
            Stage::Holder(_) => false,
        }
    }

    /// Takes an answer and says what is known by then.
    ///
    /// What goes wrong with the list ends it: it is not repeated, since it must not hold up the looks at the number itself,
    /// and an alert does not wait for more than it needs. What goes wrong with one of the other ids leaves the rest.
    pub fn answered(&mut self, answer: Answer) -> Elsewhere {
        match answer {
            Answer::Page(page) => self.page(page),
            Answer::Observed(Observation::Seen(Sighting::Connect(seen))) => {
                self.holder(seen.number.as_deref(), seen.status)
            }
            // Gone meanwhile, or nothing that a Connect id could be: it does not hold the number.
            Answer::Observed(Observation::Missing { .. } | Observation::Seen(Sighting::Chime(_))) => {
                self.next()
            }
            Answer::Observed(Observation::Malformed { detail }) => self.failed(detail, None),
            Answer::Observed(Observation::Denied { reach, code, message, .. }) => {
                let why = message.map_or_else(|| code.clone(), |message| format!("{code}: {message}"));
                let refused = reach == Reach::Order || self.is_question();
                self.failed(why, refused.then_some(code))
            }
            Answer::Observed(Observation::Unavailable { outage, .. }) => {
                self.failed(outage.to_string(), None)
            }
            Answer::Observed(
                Observation::Throttled { .. }
                | Observation::Elsewhere(_)
                | Observation::Elapsed
                | Observation::Acknowledged,
            ) => self.failed("the quota is used up".to_owned(), None),
        }
    }

    fn failed(&mut self, why: String, refused: Option<String>) -> Elsewhere {
        match self.stage {
            Stage::List { .. } => Elsewhere::Unknown { why, refused },
            Stage::Holder(_) => {
                self.trouble = Some(why);
                self.next()
            }
        }
    }

    fn page(&mut self, page: Page) -> Elsewhere {
        let Stage::List { token, pages } = &mut self.stage else { return self.next() };
        for holder in page.holders {
            let known = self.holders.iter().any(|known| known.id == holder.id);
            if holder.id != self.own && !known && self.holders.len() < HOLDERS_MAX {
                self.holders.push_back(holder);
            }
        }
        *pages += 1;
        if page.next.is_some() && page.next != *token && *pages < PAGES_MAX {
            *token = page.next;
            return Elsewhere::Searching;
        }
        self.next()
    }

    fn holder(&mut self, number: Option<&str>, status: Option<Word<Progress>>) -> Elsewhere {
        if let Stage::Holder(holder) = &self.stage
            && number.is_none_or(|number| number == self.number)
        {
            let rank = |status: &Option<Word<Progress>>| match status.as_ref().and_then(|word| word.known) {
                Some(Progress::Claimed) => 2,
                Some(Progress::InProgress) => 1,
                Some(Progress::Failed) | None => 0,
            };
            if self.found.as_ref().is_none_or(|(_, best)| rank(&status) > rank(best)) {
                self.found = Some((holder.id.clone(), status));
            }
        }
        self.next()
    }

    /// Goes on to the next id, or ends with the best of them.
    fn next(&mut self) -> Elsewhere {
        if let Some(holder) = self.holders.pop_front() {
            self.stage = Stage::Holder(holder);
            return Elsewhere::Searching;
        }
        match (self.found.take(), self.trouble.take()) {
            (Some((by, status)), _) => Elsewhere::Held { by, status },
            (None, Some(why)) => Elsewhere::Unknown { why, refused: None },
            (None, None) => Elsewhere::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::observation::{ChimeOrder, ConnectNumber, Outage};
    use super::super::order::{Declared, ListTerms, OrderKey, Provider, Watch};
    use super::super::policy::Policy;
    use super::super::state::{Connect, Number};
    use super::super::window::{Window, WindowBasis, WindowState};
    use super::*;

    const NUMBER: &str = "+442079460123";

    fn order(provider: Provider, number: Option<&str>) -> Order {
        let declared = Declared {
            ask: "arn:own".into(),
            number: number.map(str::to_owned),
            operation: None,
            requested_at: None,
            label: None,
        };
        let terms = ListTerms {
            name: "l".into(),
            account: "a".into(),
            labels: BTreeMap::new(),
            policy: Policy::default(),
        };
        let key = OrderKey { provider, account: "a".into(), region: "r".into(), id: "own".into() };
        Order::new(Watch { key, declared, terms: Arc::new(terms) }, Timestamp::from_millis(0))
    }

    fn begun() -> Inquiry {
        Inquiry::begin(&order(Provider::Connect, Some(NUMBER))).unwrap()
    }

    fn holder(id: &str) -> Holder {
        Holder { id: id.to_owned(), ask: format!("arn:{id}") }
    }

    fn page(ids: &[&str], next: Option<&str>) -> Answer {
        Answer::Page(Page {
            holders: ids.iter().map(|id| holder(id)).collect(),
            next: next.map(str::to_owned),
        })
    }

    fn word(raw: &str) -> Word<Progress> {
        let known = match raw {
            "IN_PROGRESS" => Some(Progress::InProgress),
            "CLAIMED" => Some(Progress::Claimed),
            "FAILED" => Some(Progress::Failed),
            _ => None,
        };
        Word { raw: raw.to_owned(), known }
    }

    /// A holder is described: the number it has, and its status (none if empty).
    fn described(number: Option<&str>, raw: &str) -> Answer {
        Answer::Observed(Observation::Seen(Sighting::Connect(ConnectNumber {
            number: number.map(str::to_owned),
            status: (!raw.is_empty()).then(|| word(raw)),
            ..ConnectNumber::default()
        })))
    }

    fn searching() -> Elsewhere {
        Elsewhere::Searching
    }

    fn nobody() -> Elsewhere {
        Elsewhere::Nobody
    }

    fn held(by: &str, raw: &str) -> Elsewhere {
        let status = (!raw.is_empty()).then(|| word(raw));
        Elsewhere::Held { by: by.to_owned(), status }
    }

    fn listing(token: Option<&str>) -> Errand {
        Errand::Holders { number: NUMBER.to_owned(), token: token.map(str::to_owned) }
    }

    fn missing() -> Answer {
        Answer::Observed(Observation::Missing { message: None, suspect: false })
    }

    #[test]
    fn it_begins_with_the_first_page_for_the_number_that_is_known() {
        assert_eq!(begun().errand(), listing(None));
        assert_eq!(Inquiry::begin(&order(Provider::Connect, None)), None);
        assert_eq!(Inquiry::begin(&order(Provider::Chime, Some(NUMBER))), None);
        let mut seen = order(Provider::Connect, Some("+1"));
        if let Subject::Connect(connect) = &mut seen.state.subject {
            connect.current = NUMBER.to_owned();
        }
        assert_eq!(
            Inquiry::begin(&seen).unwrap().errand(),
            listing(None),
            "the number seen, not the declared"
        );
    }

    #[test]
    fn its_own_id_is_not_another() {
        for own in [page(&["own"], None), page(&[], None), page(&["own", "own"], None)] {
            assert_eq!(begun().answered(own), nobody());
        }
        let mut inquiry = begun();
        assert_eq!(inquiry.answered(page(&["own", "x", "x"], None)), searching());
        assert_eq!(inquiry.errand(), Errand::Holder(holder("x")));
        assert_eq!(
            inquiry.answered(described(Some(NUMBER), "CLAIMED")),
            held("x", "CLAIMED"),
            "and x is one"
        );
    }

    #[test]
    fn all_pages_are_read_before_any_holder_is_asked() {
        let mut inquiry = begun();
        assert_eq!(inquiry.answered(page(&["x"], Some("one"))), searching());
        assert_eq!(inquiry.errand(), listing(Some("one")));
        assert_eq!(inquiry.answered(page(&[], Some("two"))), searching());
        assert_eq!(inquiry.errand(), listing(Some("two")));
        assert_eq!(inquiry.answered(page(&["x", "own"], None)), searching());
        assert_eq!(inquiry.errand(), Errand::Holder(holder("x")), "who is on two pages is one");
        assert_eq!(inquiry.answered(described(None, "IN_PROGRESS")), held("x", "IN_PROGRESS"));
    }

    #[test]
    fn a_token_that_is_repeated_ends_the_list() {
        let mut inquiry = begun();
        inquiry.answered(page(&[], Some("one")));
        assert_eq!(inquiry.answered(page(&[], Some("one"))), nobody());
    }

    #[test]
    fn a_list_that_never_ends_is_read_so_far() {
        let mut inquiry = begun();
        let mut pages = 1;
        while inquiry.answered(page(&[], Some(&format!("token {pages}")))) == searching() {
            pages += 1;
        }
        assert_eq!(pages, PAGES_MAX);
    }

    #[test]
    fn so_many_holders_are_asked_and_no_more() {
        let mut inquiry = begun();
        let all: Vec<String> = (0..20).map(|n| format!("id {n}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(inquiry.answered(page(&all, Some("one"))), searching());
        assert_eq!(inquiry.answered(page(&["yet another"], None)), searching());
        let mut asked = 1;
        while inquiry.answered(described(Some(NUMBER), "FAILED")) == searching() {
            asked += 1;
        }
        assert_eq!(asked, HOLDERS_MAX);
    }

    #[test]
    fn who_is_gone_or_has_another_number_by_now_does_not_hold_it() {
        let chime = || Answer::Observed(Observation::Seen(Sighting::Chime(ChimeOrder::default())));
        for answer in [missing(), described(Some("+15551230001"), "CLAIMED"), chime()] {
            let mut inquiry = begun();
            inquiry.answered(page(&["x"], None));
            assert_eq!(inquiry.answered(answer), nobody());
        }
        // One without the number is taken for what the list said of it, and one without a status holds it all the same.
        let mut inquiry = begun();
        inquiry.answered(page(&["x"], None));
        assert_eq!(inquiry.answered(described(None, "")), held("x", ""));
    }

    #[test]
    fn of_several_the_one_that_has_come_furthest_is_told() {
        let cases = [
            (["FAILED", "CLAIMED", "IN_PROGRESS"], "CLAIMED"),
            (["CLAIMED", "FAILED", "IN_PROGRESS"], "CLAIMED"),
            (["FAILED", "IN_PROGRESS", "HIBERNATING"], "IN_PROGRESS"),
            (["", "FAILED", "HIBERNATING"], ""),
        ];
        for (words, best) in cases {
            let mut inquiry = begun();
            inquiry.answered(page(&["x", "y", "z"], None));
            let mut asked = Vec::new();
            let mut last = searching();
            for raw in words {
                let Errand::Holder(holder) = inquiry.errand() else { panic!("{:?}", inquiry.errand()) };
                asked.push((holder.id, raw));
                last = inquiry.answered(described(Some(NUMBER), raw));
            }
            let (by, raw) = asked.iter().find(|(_, raw)| *raw == best).unwrap();
            assert_eq!(last, held(by, raw), "{words:?}");
        }
    }

    #[test]
    fn one_of_several_that_is_gone_leaves_the_others() {
        let mut inquiry = begun();
        inquiry.answered(page(&["x", "y"], None));
        assert_eq!(inquiry.answered(described(Some(NUMBER), "FAILED")), searching());
        assert_eq!(inquiry.answered(missing()), held("x", "FAILED"));
    }

    /// What can go wrong, why nothing is known then, and whether it is the scope's trouble.
    fn troubles() -> Vec<(Observation, &'static str, Option<String>, bool)> {
        let denied = |reach, message: Option<&str>| Observation::Denied {
            reach,
            code: "AccessDeniedException".into(),
            message: message.map(str::to_owned),
            clock_offset_s: None,
        };
        let code = || Some("AccessDeniedException".to_owned());
        let malformed = Observation::Malformed { detail: "no JSON".into() };
        let unavailable = Observation::Unavailable { outage: Outage::Timeout, retry_after: None };
        let throttled = Observation::Throttled { retry_after: None };
        vec![
            (malformed, "no JSON", None, false),
            (denied(Reach::Order, None), "AccessDeniedException", code(), false),
            (denied(Reach::Order, Some("not you")), "AccessDeniedException: not you", code(), false),
            (denied(Reach::Scope, None), "AccessDeniedException", code(), true),
            (unavailable, "no answer in time", None, true),
            (throttled, "the quota is used up", None, true),
        ]
    }

    #[test]
    fn what_goes_wrong_with_the_list_ends_it_and_only_the_scope_hears_of_it() {
        for (observation, why, refused, of_the_scope) in troubles() {
            let answer = Answer::Observed(observation.clone());
            let told = trouble_of_the_scope(&answer);
            assert_eq!(told, of_the_scope.then(|| observation.clone()), "{observation:?}");
            let unknown = Elsewhere::Unknown { why: why.to_owned(), refused };
            assert_eq!(begun().answered(answer), unknown, "{observation:?}");
        }
        assert_eq!(trouble_of_the_scope(&missing()), None);
        assert_eq!(trouble_of_the_scope(&page(&["x"], None)), None);
    }

    #[test]
    fn what_goes_wrong_with_one_of_them_leaves_the_others() {
        for (observation, why, ..) in troubles() {
            let trouble = || Answer::Observed(observation.clone());
            let mut inquiry = begun();
            inquiry.answered(page(&["x", "y"], None));
            assert_eq!(inquiry.answered(trouble()), searching(), "{observation:?}");
            let mut none = inquiry.clone();
            let claimed = inquiry.answered(described(Some(NUMBER), "CLAIMED"));
            assert_eq!(claimed, held("y", "CLAIMED"), "{observation:?}");
            let unknown = Elsewhere::Unknown { why: why.to_owned(), refused: None };
            assert_eq!(none.answered(missing()), unknown, "nobody was found, and one could not be asked");
        }
    }

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    /// A failed claim with marks twelve and two hours before the end of its day.
    fn failed() -> Order {
        let mut order = order(Provider::Connect, None);
        let window = Window {
            id: "w".into(),
            basis: WindowBasis::FirstLook,
            counted_from: Some(minute(0)),
            length: Duration::from_hours(24),
            failed_at: minute(10),
            earliest: minute(1440),
            latest: minute(1450),
            warned: None,
            acknowledged_at: None,
        };
        let status = Status::Failed { since: minute(10), cause: None, reason: None };
        let number = Number { status, window: WindowState::Open(window), ..Number::default() };
        order.state.numbers.insert(NUMBER.to_owned(), number);
        order.state.subject = Subject::Connect(Connect { current: NUMBER.to_owned(), ..Connect::default() });
        order
    }

    #[test]
    fn the_question_belongs_to_the_look_that_an_alert_rests_on() {
        // The alert is at minute 720: the place of its look, the last answer, the last question, now, and whether it is
        // time to ask.
        let cases = [
            (700, Some(700), None, 700, true),
            (700, Some(700), Some(699), 700, true),
            (700, Some(700), Some(700), 700, false),
            (700, Some(705), Some(702), 705, false),
            // The look was not had yet, by that time.
            (700, Some(699), None, 699, false),
            (700, None, None, 699, false),
            // Just before the alert it is asked in any case, unless that was a minute ago at most.
            (700, Some(718), Some(700), 718, false),
            (700, Some(719), Some(700), 719, true),
            (719, Some(719), Some(719), 719, false),
            (719, Some(719), None, 719, true),
            (700, Some(721), Some(720), 721, false),
            (700, Some(722), Some(720), 722, true),
            // What was asked by a clock that was ahead was not asked.
            (700, Some(700), Some(701), 700, true),
        ];
        for (place, answered, asked, now, expected) in cases {
            let mut order = failed();
            order.looked.ahead = Some(Ahead { at: minute(place), of: minute(720) });
            order.looked.answered_at = answered.map(minute);
            order.looked.elsewhere_at = asked.map(minute);
            if let Subject::Connect(connect) = &mut order.state.subject
                && asked.is_some()
            {
                connect.other = Other::Nobody;
            }
            let told = (place, answered, asked, now);
            assert_eq!(is_wanted(&order, minute(now)), expected, "{told:?}");
        }
    }

    #[test]
    fn an_answer_that_is_fresh_now_may_not_be_when_the_alert_goes_out() {
        let mut order = failed();
        if let Subject::Connect(connect) = &mut order.state.subject {
            connect.other = Other::Nobody;
        }
        let before = |seconds| minute(720).minus(Duration::from_secs(seconds));
        for (asked, expected) in [(90, true), (61, true), (60, false)] {
            order.looked.ahead = Some(Ahead { at: before(100), of: minute(720) });
            order.looked.answered_at = Some(before(100));
            order.looked.elsewhere_at = Some(before(asked));
            assert_eq!(is_wanted(&order, before(45)), expected, "{asked} s before");
        }
    }

    #[test]
    fn the_look_of_another_alert_asks_nothing() {
        let mut order = failed();
        order.looked.ahead = Some(Ahead { at: minute(700), of: minute(1320) });
        order.looked.answered_at = Some(minute(701));
        assert!(!is_wanted(&order, minute(701)));
        order.looked.ahead = Some(Ahead { at: minute(700), of: minute(720) });
        assert!(is_wanted(&order, minute(701)));
        // The answer was to another number: nothing is known of this one.
        order.looked.elsewhere_at = Some(minute(701));
        assert!(is_wanted(&order, minute(701)));
    }
}
