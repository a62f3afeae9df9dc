//! The state machine once more, written from its specification alone: plain words and milliseconds, one function a rule.
//! It shares nothing with the real one but the observations it is given and `message::stable`.

use std::collections::BTreeSet;

use claimwatch::core::message::stable;
use claimwatch::core::observation::{
    ChimeOrder, ChimeStatus, ConnectNumber, Elsewhere, Observation, Progress, Reach, Sighting, Word,
};
use claimwatch::core::time::Timestamp;

use super::plain::{DAY, Looks, MINUTE, Number, Said, State, Terms, Window};

/// The model: the order with its terms, and the turn that is being taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) terms: Terms,
    pub(super) looks: Looks,
    pub(super) state: State,
    now: i64,
    first: bool,
    said: Vec<Said>,
}

impl Model {
    pub(super) fn new(terms: Terms, now: i64) -> Self {
        let other = if terms.connect { "not_asked" } else { "" };
        let state = State {
            first_watched: now,
            changed_at: now,
            presence: "unseen",
            absence: "none",
            other,
            ..State::default()
        };
        Self { terms, state, ..Self::default() }
    }

    /// Takes one observation; answers what is to be said.
    pub(super) fn step(&mut self, observation: &Observation, now: i64) -> Vec<Said> {
        let before = self.state.clone();
        self.now = now;
        self.first = self.state.presence == "unseen";
        self.bring_back_times_ahead();
        match observation {
            Observation::Seen(sighting) => {
                match sighting {
                    Sighting::Connect(seen) => self.connect_seen(seen),
                    Sighting::Chime(seen) => self.chime_seen(seen),
                }
                self.told_of_the_clock(!self.inquiry_wanted());
            }
            Observation::Missing { message, suspect } => {
                self.missing(message.as_ref(), *suspect);
                self.told_of_the_clock(!self.inquiry_wanted());
            }
            Observation::Elsewhere(Elsewhere::Searching)
            | Observation::Throttled { .. }
            | Observation::Unavailable { .. }
            | Observation::Denied { reach: Reach::Scope, .. } => {}
            Observation::Elsewhere(elsewhere) => {
                self.elsewhere(elsewhere);
                self.told_of_the_clock(true);
            }
            Observation::Denied { reach: Reach::Order, code, message, .. } => {
                self.denied(code, message.as_ref());
            }
            Observation::Malformed { detail } => self.malformed(detail),
            Observation::Elapsed => self.told_of_the_clock(true),
            Observation::Acknowledged => self.acknowledged(),
        }
        if self.state != before || !self.said.is_empty() {
            self.state.generation += 1;
        }
        std::mem::take(&mut self.said)
    }

    /// The clock may have stepped back since a time was written down.
    fn bring_back_times_ahead(&mut self) {
        let (now, state) = (self.now, &mut self.state);
        state.first_watched = state.first_watched.min(now);
        state.changed_at = state.changed_at.min(now);
        state.gone_since = state.gone_since.map(|at| at.min(now));
        if state.absence != "young" {
            state.absence_at = state.absence_at.map(|at| at.min(now));
        }
        for number in state.numbers.values_mut() {
            number.since = number.since.min(now);
            if let Some(window) = number.window.as_mut().filter(|window| window.outcome.is_empty()) {
                window.failed_at = window.failed_at.min(now);
                window.latest = window.failed_at + window.length;
                window.earliest = window.earliest.min(window.latest);
            }
        }
    }

    fn say(&mut self, said: Said) {
        self.said.push(said);
    }

    fn attention(&mut self, condition: &'static str, said: Said) {
        self.say(Said { name: "order.attention", condition, ..said });
    }

    fn denied(&mut self, code: &str, message: Option<&String>) {
        if !std::mem::replace(&mut self.state.refused, true) {
            let (raw, reason) = (Some(code.to_owned()), message.cloned());
            self.attention("access_denied", Said { raw, reason, ..Said::default() });
        }
    }

    fn malformed(&mut self, detail: &str) {
        let faults = self.looks.faults;
        if faults >= 8 && !std::mem::replace(&mut self.state.blocked, true) {
            let reason = Some(detail.to_owned());
            self.say(Said { name: "order.blocked", faults, reason, ..Said::default() });
        }
    }

    /// Something was said of the order that is no fault and no refusal.
    fn good_answer(&mut self) {
        self.state.blocked = false;
        self.state.refused = false;
    }

    fn is_there(&mut self) {
        self.state.presence = "seen";
        self.state.gone_since = None;
        self.state.absence = "none";
        self.state.absence_at = None;
    }

    /// What is first seen pending was so before.
    fn status_changed(&mut self, pending: bool) {
        if self.first && pending {
            return;
        }
        self.state.changed_at = self.now;
        self.state.stalled = false;
    }

    fn unrecognized(&mut self, number: &str, raw: &str) {
        if self.state.words.len() < 32 && self.state.words.insert(raw.to_owned()) {
            let said = Said { name: "order.unrecognized", number: number.to_owned(), ..Said::default() };
            self.say(Said { raw: Some(raw.to_owned()), ..said });
        }
    }

    fn connect_seen(&mut self, seen: &ConnectNumber) {
        self.good_answer();
        self.is_there();
        if let Some(target) = &seen.target {
            self.state.target = Some(target.clone());
        }
        if let Some(number) = seen.number.as_ref().filter(|number| !number.is_empty()) {
            self.connect_number_is(number);
        }
        self.number_seen(&self.state.current.clone(), seen.status.as_ref(), seen.message.as_ref());
    }

    /// The id stands for this number now.
    fn connect_number_is(&mut self, number: &str) {
        let old = std::mem::replace(&mut self.state.current, number.to_owned());
        if old == number {
            return;
        }
        // A first E.164 is a name for what was known already, not another number.
        if old.is_empty() {
            let renamed = self.state.numbers.remove(&old).unwrap_or_default();
            self.state.numbers.insert(number.to_owned(), renamed);
            // Without a number, it was the declared one that was asked about.
            if self.terms.declared_number.as_deref() != Some(number) {
                self.nobody_was_asked();
            }
            return;
        }
        let ever_seen = !self.number(&old).status.is_empty();
        if ever_seen {
            self.release(&old);
        }
        let new = Number { declared_holds: !ever_seen, ..Number::default() };
        self.state.numbers.entry(number.to_owned()).or_insert(new);
        self.nobody_was_asked();
    }

    fn nobody_was_asked(&mut self) {
        if self.terms.connect {
            self.state.other = "not_asked";
            self.state.other_what = String::new();
            self.state.other_raw = None;
        }
    }

    fn chime_seen(&mut self, seen: &ChimeOrder) {
        let updated_at = seen.updated_at.map(Timestamp::as_millis).filter(|at| *at <= self.now + DAY);
        // An older answer is as if it had never come: no sighting, and no good answer either.
        if updated_at.is_some() && updated_at < self.state.updated_at {
            return;
        }
        self.good_answer();
        self.is_there();
        self.state.updated_at = updated_at.or(self.state.updated_at);
        self.state.foc_date = seen.foc_date.map(Timestamp::as_millis).or(self.state.foc_date);
        let porting_word =
            seen.status.as_ref().and_then(|word| word.known).is_some_and(ChimeStatus::is_porting);
        self.state.porting |= seen.porting || porting_word;
        self.chime_numbers_seen(seen);
        if let Some(word) = &seen.status {
            self.own_status_seen(word);
        }
    }

    fn chime_numbers_seen(&mut self, seen: &ChimeOrder) {
        let mut listed = BTreeSet::new();
        for line in &seen.numbers {
            if listed.insert(&line.number) {
                self.number_seen(&line.number, line.status.as_ref(), None);
            }
        }
        if listed.is_empty() {
            return;
        }
        let mut vanished = Vec::new();
        for (key, number) in &mut self.state.numbers {
            if listed.contains(key) {
                number.place = "listed";
            } else if number.place == "listed" {
                number.place = "lacked_once";
            } else if number.place == "lacked_once" {
                number.place = "vanished";
                vanished.push(key.clone());
            }
        }
        for number in vanished {
            self.attention("number_vanished", Said { number, ..Said::default() });
        }
    }

    fn own_status_seen(&mut self, word: &Word<ChimeStatus>) {
        let Some(to) = word.known.map(ChimeStatus::as_str) else {
            return self.unrecognized("", &word.raw);
        };
        let told = std::mem::take(&mut self.state.not_found_told);
        let from = if told { "NOT_FOUND" } else { self.state.own.unwrap_or("") };
        if from == to {
            return;
        }
        self.state.own = Some(to);
        self.status_changed(!["Successful", "Failed", "Partial", "Cancelled"].contains(&to));
        self.say(Said { name: "order.status_changed", from, to, ..Said::default() });
        if ["Successful", "Failed", "Partial", "Cancelled"].contains(&to) {
            let duration = Some(self.now - self.state.first_watched);
            self.say(Said { name: "order.completed", outcome: to, duration, ..Said::default() });
        }
        match to {
            "PendingDocuments" => self.attention("pending_documents", Said::default()),
            "Exception" => self.attention("exception", Said::default()),
            _ => {}
        }
    }

    /// A number of the order was shown, perhaps with a status.
    fn number_seen(&mut self, key: &str, word: Option<&Word<Progress>>, message: Option<&String>) {
        let number = self.state.numbers.entry(key.to_owned()).or_default();
        let Some(word) = word else { return };
        number.raw = Some(word.raw.clone());
        let Some(to) = word.known.map(progress) else { return self.unrecognized(key, &word.raw) };
        match (number.status, to) {
            ("FAILED", "FAILED") => self.failed_again(key, message),
            (from, to) if from == to => {}
            (_, "FAILED") => self.failed(key, message, false),
            _ => self.in_progress_or_claimed(key, to),
        }
    }

    fn in_progress_or_claimed(&mut self, key: &str, to: &'static str) {
        let now = self.now;
        let number = self.number(key);
        if to == "IN_PROGRESS" && ["CLAIMED", "FAILED"].contains(&number.status) {
            number.declared_holds = false;
        }
        let before = number.clone();
        let in_progress = (before.status == "IN_PROGRESS").then_some(before.since);
        let open = before.window.as_ref().is_some_and(|window| window.outcome.is_empty());
        let retrying = to == "IN_PROGRESS" && open;
        let requested = self.terms.requested_at.filter(|at| before.declared_holds && *at <= now);
        let start = requested.or(in_progress).filter(|_| to == "CLAIMED");
        let duration = start.map(|start| now - start);
        let cause = self.cause(key, to);
        self.number_becomes(key, to, cause, None, Said { duration, retrying, ..Said::default() });
        if to == "CLAIMED" {
            self.number(key).claimed_before = true;
            // Whoever held it before does not hold it now.
            self.nobody_was_asked();
            self.end_window(key, "claimed", None);
        }
    }

    /// FAILED where it was FAILED before: only another message is news.
    fn failed_again(&mut self, key: &str, message: Option<&String>) {
        let Some(message) = message else { return };
        match &self.number(key).message {
            None => self.number(key).message = Some(message.clone()),
            Some(before) if stable(before) != stable(message) => self.failed(key, Some(message), true),
            Some(_) => {}
        }
    }

    fn failed(&mut self, key: &str, message: Option<&String>, again: bool) {
        self.end_window_that_is_over(key);
        let before = self.number(key).clone();
        // The same operation with another message is the same operation.
        let cause = if again { (before.operation, before.basis) } else { self.cause(key, "FAILED") };
        self.number_becomes(key, "FAILED", cause, message, Said::default());
        self.number(key).message = message.cloned();
        let opens = if self.terms.connect { cause.0 == "claim" } else { self.terms.window_for_chime };
        if opens {
            self.failure_of_a_claim(key, &before, again);
        }
    }

    fn failure_of_a_claim(&mut self, key: &str, before: &Number, again: bool) {
        let now = self.now;
        match &mut self.number(key).window {
            Some(window) if window.outcome.is_empty() => {
                window.failed_at = now;
                window.latest = now + window.length;
            }
            Some(_) if again => self.open_window(key, now, "reopened"),
            _ => self.open_first_window(key, before),
        }
    }

    /// The end is counted from what is known of the claim's start, and never from later than now.
    fn open_first_window(&mut self, key: &str, before: &Number) {
        let in_progress = (before.status == "IN_PROGRESS").then_some(before.since);
        let declared_update = self.terms.connect && self.terms.operation == Some("update");
        let requested = self.terms.requested_at.filter(|_| before.declared_holds && !declared_update);
        let (start, basis) = if self.terms.counts_from_failure {
            // One look is remembered for the whole order, so that it says nothing of a number it lacked; and a look
            // ahead of now was stamped by another clock.
            let known = ["IN_PROGRESS", "CLAIMED"].contains(&before.status);
            let looked = self.looks.not_failed_at.filter(|at| before.place == "listed" && *at <= self.now);
            let last = known.then(|| looked.max(Some(before.since))).flatten();
            (last, "last_look_before_failure")
        } else if requested.is_some() {
            (requested, "requested_at")
        } else {
            (in_progress, "first_look")
        };
        let end = start.map(|start| start.min(self.now) + self.terms.length);
        match end {
            None => self.open_window(key, self.now, "failure_first_seen"),
            Some(end) if end <= self.now => self.open_window(key, self.now, "already_past"),
            Some(end) => self.open_window(key, end, basis),
        }
    }

    fn open_window(&mut self, key: &str, earliest: i64, basis: &'static str) {
        let (now, length) = (self.now, self.terms.length);
        self.number(key).window = Some(Window {
            id: format!("{}-{}", self.state.generation + 1, self.said.len()),
            outcome: "",
            other_id: None,
            closed_at: None,
            basis,
            length,
            failed_at: now,
            earliest,
            latest: now + length,
            warned: None,
            acknowledged_at: None,
        });
        self.say_of_window("window.opened", key, Said::default());
    }

    /// Claim or update, and how that is known. Asked before the status changes. A CLAIMED without its `IN_PROGRESS` may
    /// be of either.
    fn cause(&mut self, key: &str, to: &str) -> (&'static str, &'static str) {
        if !self.terms.connect || (to == "CLAIMED" && self.number(key).status != "IN_PROGRESS") {
            return ("", "");
        }
        let declared = self.terms.operation;
        let number = self.number(key);
        let declared = declared.filter(|_| number.declared_holds);
        if number.status == "CLAIMED" && to == "FAILED" {
            return ("update", if declared == Some("update") { "declared" } else { "inferred" });
        }
        match declared {
            Some(operation) => (operation, "declared"),
            None if number.claimed_before => ("update", "inferred"),
            None => ("claim", "inferred"),
        }
    }

    /// A number's status changes, and that is said. Only what is kept of an operation keeps its cause.
    fn number_becomes(
        &mut self,
        key: &str,
        to: &'static str,
        (operation, basis): (&'static str, &'static str),
        message: Option<&String>,
        said: Said,
    ) {
        let mut told_missing = false;
        if self.terms.connect {
            told_missing = std::mem::take(&mut self.state.not_found_told);
        }
        let now = self.now;
        let number = self.number(key);
        let from = if number.status.is_empty() && told_missing { "NOT_FOUND" } else { number.status };
        if number.status != to {
            number.since = now;
        }
        number.status = to;
        let kept = matches!(to, "IN_PROGRESS" | "FAILED");
        (number.operation, number.basis) = if kept { (operation, basis) } else { ("", "") };
        number.message = None;
        number.claimed_before |= (operation, basis) == ("update", "declared");
        let raw = if to == "RELEASED" { None } else { number.raw.clone() };
        let name = match to {
            "IN_PROGRESS" => "number.in_progress",
            "CLAIMED" => "number.claimed",
            "FAILED" => "number.failed",
            _ => "number.released",
        };
        let reason = message.cloned();
        self.status_changed(to == "IN_PROGRESS");
        self.say(Said { name, number: key.to_owned(), from, to, raw, reason, operation, basis, ..said });
    }

    /// The number is the account's no more.
    fn release(&mut self, key: &str) {
        if self.number(key).status == "RELEASED" {
            return;
        }
        self.end_window(key, "released", None);
        let other_id = (self.state.other == "held").then(|| self.state.other_what.clone());
        self.number_becomes(key, "RELEASED", ("", ""), None, Said { other_id, ..Said::default() });
        self.number(key).claimed_before = false;
        self.number(key).declared_holds = false;
    }

    /// The service's own not-found code.
    fn missing(&mut self, message: Option<&String>, suspect: bool) {
        self.good_answer();
        if self.state.presence == "gone" {
            return;
        }
        let grown_up = self.state.first_watched + self.terms.missing_grace;
        if self.now < grown_up {
            self.state.absence = "young";
            self.state.absence_at = Some(grown_up);
            return;
        }
        let missed = ["doubted", "suspect"].contains(&self.state.absence);
        let since = self.state.absence_at.filter(|_| missed).unwrap_or(self.now);
        if suspect {
            self.state.absence = "suspect";
            self.state.absence_at = Some(since);
        } else if self.state.absence != "doubted" {
            // What was suspect is doubted anew, from now on.
            self.state.absence = "doubted";
            self.state.absence_at = Some(self.now);
        } else if self.now >= since + self.terms.missing_confirm {
            self.is_gone(message);
        }
    }

    fn is_gone(&mut self, message: Option<&String>) {
        let current = self.state.current.clone();
        let ever_seen = self.state.numbers.get(&current).is_some_and(|number| !number.status.is_empty());
        if self.terms.connect && ever_seen {
            self.release(&current);
        } else if !std::mem::replace(&mut self.state.not_found_told, true) {
            let from = self.state.own.unwrap_or("");
            self.say(Said { name: "order.not_found", from, reason: message.cloned(), ..Said::default() });
        }
        self.status_changed(false);
        self.state.presence = "gone";
        self.state.gone_since = Some(self.now);
        self.state.absence = "none";
        self.state.absence_at = None;
        self.state.words.clear();
    }

    /// Who else holds the number.
    fn elsewhere(&mut self, elsewhere: &Elsewhere) {
        if !self.terms.connect {
            return;
        }
        let before = self.state.other;
        let (other, what, raw) = match elsewhere {
            Elsewhere::Searching => return,
            Elsewhere::Nobody => ("nobody", "", None),
            Elsewhere::Held { by, status } => ("held", by.as_str(), status.as_ref().map(|w| w.raw.clone())),
            Elsewhere::Unknown { why, refused: None } => ("unknown", why.as_str(), None),
            Elsewhere::Unknown { why, refused: Some(_) } => ("refused", why.as_str(), None),
        };
        self.state.other = other;
        self.state.other_what = what.to_owned();
        self.state.other_raw = raw;
        if let Elsewhere::Held { by, status: Some(Word { known: Some(Progress::Claimed), .. }) } = elsewhere {
            self.end_window(&self.state.current.clone(), "claimed_elsewhere", Some(by));
        }
        if let Elsewhere::Unknown { refused: Some(code), .. } = elsewhere
            && before != "refused"
        {
            self.attention("holders_denied", Said { raw: Some(code.clone()), ..Said::default() });
        }
    }

    /// Whether it is to be asked first who else holds the number, before anything is said of its loss. An answer of a
    /// minute ago still counts: that is how long before a mark it is asked.
    fn inquiry_wanted(&self) -> bool {
        let (now, state) = (self.now, &self.state);
        if !self.terms.connect || (state.current.is_empty() && self.terms.declared_number.is_none()) {
            return false;
        }
        let asked = self.looks.elsewhere_at.filter(|at| *at <= now && state.other != "not_asked");
        let status = state.numbers.get(&state.current).map_or("", |number| number.status);
        let doubted = state.absence == "doubted" && ["IN_PROGRESS", "CLAIMED", "FAILED"].contains(&status);
        let open = state.numbers.values().filter_map(|number| number.window.as_ref());
        let alert = open.filter(|window| window.outcome.is_empty()).map(|window| {
            let told = window.acknowledged_at.is_some();
            let left =
                self.terms.marks.iter().filter(|mark| !told && window.warned.is_none_or(|w| **mark < w));
            let next = left.map(|mark| window.earliest - mark).min().unwrap_or(window.latest);
            next.min(window.latest)
        });
        // The answer has to be fresh when the alert goes out: at its time, or now if that is past.
        let old = |alert: i64| asked.is_none_or(|at| alert.max(now) - at > MINUTE);
        let alert = alert.min().filter(|alert| *alert <= now + MINUTE);
        (doubted && asked < state.absence_at) || alert.is_some_and(old)
    }

    /// Says what the time brings: the windows first, unless they wait for an answer, then the stall.
    fn told_of_the_clock(&mut self, windows: bool) {
        let keys: Vec<String> = self.state.numbers.keys().cloned().collect();
        for key in keys.iter().filter(|_| windows) {
            self.warn_of_window(key);
            self.end_window_that_is_over(key);
        }
        let Some(stalled_after) = self.terms.stalled_after else { return };
        let due_at = self.state.changed_at + stalled_after;
        if self.pending() && !self.state.stalled && self.now >= due_at {
            self.state.stalled = true;
            let duration = Some(self.now - self.state.changed_at);
            self.say(Said { name: "order.stalled", duration, due_at, ..Said::default() });
        }
    }

    fn pending(&self) -> bool {
        let state = &self.state;
        let ended = ["Successful", "Failed", "Partial", "Cancelled"].contains(&state.own.unwrap_or(""));
        let status = state.numbers.get(&state.current).map_or("", |number| number.status);
        let waits = if self.terms.connect { status.is_empty() } else { !ended };
        let moving = state.numbers.values().any(|number| number.status == "IN_PROGRESS");
        state.presence != "gone" && (waits || moving)
    }

    fn open_window_of(&mut self, key: &str) -> Option<&mut Window> {
        self.state.numbers.get_mut(key)?.window.as_mut().filter(|window| window.outcome.is_empty())
    }

    /// One warning at the smallest mark that is due and smaller than those before.
    fn warn_of_window(&mut self, key: &str) {
        let (now, marks) = (self.now, self.terms.marks.clone());
        let Some(window) = self.open_window_of(key) else { return };
        if window.acknowledged_at.is_some() {
            return;
        }
        let (earliest, warned) = (window.earliest, window.warned);
        let due = marks.iter().copied().filter(|mark| earliest - mark <= now);
        let Some(mark) = due.filter(|mark| warned.is_none_or(|warned| *mark < warned)).min() else { return };
        window.warned = Some(mark);
        let last = marks.iter().min() == Some(&mark);
        let said = Said { mark, last, due_at: earliest - mark, ..Said::default() };
        self.say_of_window("window.closing", key, said);
    }

    fn acknowledged(&mut self) {
        let now = self.now;
        let keys: Vec<String> = self.state.numbers.keys().cloned().collect();
        for key in keys {
            let open = self.open_window_of(&key).filter(|window| window.acknowledged_at.is_none());
            let Some(window) = open else { continue };
            window.acknowledged_at = Some(now);
            self.say_of_window("window.acknowledged", &key, Said::default());
        }
    }

    fn end_window_that_is_over(&mut self, key: &str) {
        let now = self.now;
        if self.open_window_of(key).is_some_and(|window| window.latest <= now) {
            self.warn_of_window(key);
            self.end_window(key, "unconfirmed", None);
        }
    }

    fn end_window(&mut self, key: &str, outcome: &'static str, other_id: Option<&String>) {
        let now = self.now;
        let Some(window) = self.open_window_of(key) else { return };
        window.outcome = outcome;
        window.other_id = other_id.cloned();
        window.closed_at = Some(now);
        let due_at = if outcome == "unconfirmed" { window.latest } else { 0 };
        let rescued = ["claimed", "claimed_elsewhere"].contains(&outcome);
        let name = if rescued { "window.resolved" } else { "window.closed" };
        let said = Said { outcome, due_at, other_id: other_id.cloned(), ..Said::default() };
        self.say_of_window(name, key, said);
    }

    fn say_of_window(&mut self, name: &'static str, key: &str, said: Said) {
        let Some(window) = &self.number(key).window else { return };
        let (window_id, window_basis) = (window.id.clone(), window.basis);
        let (earliest, latest) = (window.earliest, window.latest);
        let number = key.to_owned();
        self.say(Said { name, number, window_id, window_basis, earliest, latest, ..said });
    }

    fn number(&mut self, key: &str) -> &mut Number {
        self.state.numbers.entry(key.to_owned()).or_default()
    }
}

pub(super) fn progress(word: Progress) -> &'static str {
    match word {
        Progress::InProgress => "IN_PROGRESS",
        Progress::Claimed => "CLAIMED",
        Progress::Failed => "FAILED",
    }
}
