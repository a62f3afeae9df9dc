//! A Chime order is seen: its numbers' rows, then its own status.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::event::{Attention, OrderEvent};
use super::super::observation::{ChimeOrder, ChimeStatus, Progress, Source};
use super::super::state::{Chime, Order, Place, Status, Subject};
use super::{Draft, number};

/// A date of the service that is further ahead than any clock is off says nothing: believed, it would make every later
/// answer an old one.
const AHEAD_MOST: Duration = Duration::from_hours(24);

/// Numbers that are watched in one order, those that vanished from it included; the service allows far fewer. More are
/// not looked at.
const NUMBERS_MAX: usize = 1000;

pub(super) fn seen(draft: &mut Draft, sighting: &ChimeOrder) {
    let Subject::Chime(known) = &draft.order.state.subject else { return };
    let believed = draft.now.plus(AHEAD_MOST);
    let updated_at = sighting.updated_at.filter(|at| *at <= believed);
    if let (Some(known), Some(told)) = (known.updated_at, updated_at)
        && told < known
    {
        return; // An answer from before the one that was applied: some replica is behind.
    }
    let mut listed = BTreeSet::new();
    for seen in &sighting.numbers {
        // Told twice, a number counts once: else two words for it would be two changes at each look.
        let numbers = &draft.order.state.numbers;
        let room = numbers.len() < NUMBERS_MAX || numbers.contains_key(&seen.number);
        if room && listed.insert(seen.number.as_str()) {
            number::seen(draft, &seen.number, seen.status.as_ref(), None);
        }
    }
    note_absent(draft, &listed);
    own_status(draft, sighting);
    let Subject::Chime(chime) = &mut draft.state().subject else { return };
    chime.porting |= sighting.porting || chime.status.is_some_and(ChimeStatus::is_porting);
    chime.updated_at = updated_at.or(chime.updated_at);
    chime.foc_date = sighting.foc_date.or(chime.foc_date);
    draft.present();
}

/// Whether a list tells a step back from an end: lists may be behind, so that is believed of an own look only.
pub fn steps_back_in_list(order: &Order, sighting: &ChimeOrder) -> bool {
    let Subject::Chime(known) = &order.state.subject else { return false };
    let told = sighting.status.as_ref().and_then(|word| word.known);
    let order_back = known.status.is_some_and(ChimeStatus::is_terminal)
        && told.is_some_and(|status| !status.is_terminal());
    let number_back = sighting.numbers.iter().any(|seen| {
        let told = seen.status.as_ref().and_then(|word| word.known);
        told == Some(Progress::InProgress)
            && order.state.numbers.get(&seen.number).is_some_and(|number| match number.status {
                Status::Claimed { .. } | Status::Failed { .. } => true,
                Status::NeverSeen | Status::InProgress { .. } | Status::Released { .. } => false,
            })
    });
    sighting.source == Source::List && (order_back || number_back)
}

/// Numbers that were in the order and are not: one look may be a hiccup, two in a row are said. An answer without any
/// number says nothing about them.
fn note_absent(draft: &mut Draft, listed: &BTreeSet<&str>) {
    if listed.is_empty() {
        return;
    }
    let mut vanished = Vec::new();
    for (key, number) in &mut draft.state().numbers {
        number.place = match (listed.contains(key.as_str()), number.place) {
            (true, _) => Place::Listed,
            (false, Place::Listed) => Place::LackedOnce,
            (false, Place::LackedOnce) => {
                vanished.push(key.clone());
                Place::Vanished
            }
            (false, Place::Vanished) => Place::Vanished,
        };
    }
    draft.events.extend(
        vanished.into_iter().map(|number| OrderEvent::Attention(Attention::NumberVanished { number })),
    );
}

fn own_status(draft: &mut Draft, sighting: &ChimeOrder) {
    let Some(word) = &sighting.status else { return };
    let Some(status) = word.known else { return draft.unrecognized(None, &word.raw) };
    let not_found = std::mem::take(&mut draft.state().not_found_told);
    let Subject::Chime(Chime { status: known, .. }) = &mut draft.order.state.subject else { return };
    let before = known.replace(status);
    if before == Some(status) && !not_found {
        return;
    }
    let from = if not_found { Some("NOT_FOUND") } else { before.map(ChimeStatus::as_str) };
    draft.status_changed(!status.is_terminal());
    draft.events.push(OrderEvent::StatusChanged { from, to: status });
    if status.is_terminal() {
        let duration = draft.now.since(draft.order.state.first_watched);
        draft.events.push(OrderEvent::Completed { outcome: status, duration });
    }
    match status {
        ChimeStatus::PendingDocuments => {
            draft.events.push(OrderEvent::Attention(Attention::PendingDocuments));
        }
        ChimeStatus::Exception => draft.events.push(OrderEvent::Attention(Attention::Exception)),
        ChimeStatus::Processing
        | ChimeStatus::Successful
        | ChimeStatus::Failed
        | ChimeStatus::Partial
        | ChimeStatus::Submitted
        | ChimeStatus::Foc
        | ChimeStatus::ChangeRequested
        | ChimeStatus::CancelRequested
        | ChimeStatus::Cancelled => {}
    }
}
