//! A Connect number is seen: which E.164 the id stands for, then the number's row.

use super::super::observation::ConnectNumber;
use super::super::state::{Connect, Number, Status, Subject};
use super::{Draft, number};

pub(super) fn seen(draft: &mut Draft, sighting: &ConnectNumber) {
    let Subject::Connect(Connect { current, .. }) = &draft.order.state.subject else { return };
    let before = current.clone();
    let told = sighting.number.clone().filter(|number| !number.is_empty());
    let key = told.unwrap_or_else(|| before.clone());
    if key != before {
        if before.is_empty() {
            // The id's number was not known; what is known of it was about this one.
            if let Some(known) = draft.state().numbers.remove(&before) {
                draft.state().numbers.insert(key.clone(), known);
            }
        } else {
            replace(draft, &before, &key);
        }
    }
    if let Subject::Connect(connect) = &mut draft.state().subject {
        connect.current.clone_from(&key);
        if sighting.target.is_some() {
            connect.target.clone_from(&sighting.target);
        }
    }
    number::seen(draft, &key, sighting.status.as_ref(), sighting.message.as_deref());
    draft.present();
}

/// The id stands for another number. What its list declares was about the one before, if that was ever seen.
fn replace(draft: &mut Draft, before: &str, key: &str) {
    let numbers = &mut draft.state().numbers;
    if numbers.get(before).is_some_and(|number| number.status != Status::NeverSeen) {
        let anew = || Number { declared_holds: false, ..Number::default() };
        numbers.entry(key.to_owned()).or_insert_with(anew);
    }
    number::release(draft, before);
}
