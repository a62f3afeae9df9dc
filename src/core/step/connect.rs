//! A Connect number is seen: which E.164 the id stands for, then the number's row. And who else holds it.

use super::super::event::{Attention, OrderEvent};
use super::super::observation::{ConnectNumber, Elsewhere, Progress};
use super::super::state::{Connect, Number, Other, Status, Subject};
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
    // While it was not known, the declared number was the one that was asked about.
    let asked_about = draft.order.watch.declared.number.as_ref().filter(|_| before.is_empty());
    let asks_anew = key != before && asked_about != Some(&key);
    if let Subject::Connect(connect) = &mut draft.state().subject {
        if asks_anew {
            connect.other = Other::NotAsked;
        }
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

/// It was asked who else holds the number.
pub(super) fn elsewhere(draft: &mut Draft, found: &Elsewhere) {
    let other = match found {
        Elsewhere::Searching => return,
        Elsewhere::Nobody => Other::Nobody,
        Elsewhere::Held { by, status } => {
            Other::Held { by: by.clone(), raw: status.as_ref().map(|word| word.raw.clone()) }
        }
        Elsewhere::Unknown { why, refused } => {
            Other::Unknown { why: why.clone(), refused: refused.is_some() }
        }
    };
    let Subject::Connect(connect) = &mut draft.state().subject else { return };
    let before = std::mem::replace(&mut connect.other, other);
    let key = connect.current.clone();
    match found {
        Elsewhere::Held { by, status: Some(word) } if word.known == Some(Progress::Claimed) => {
            number::claimed_elsewhere(draft, &key, by);
        }
        Elsewhere::Unknown { refused: Some(code), .. }
            if !matches!(before, Other::Unknown { refused: true, .. }) =>
        {
            draft.events.push(OrderEvent::Attention(Attention::HoldersDenied { code: code.clone() }));
        }
        Elsewhere::Searching | Elsewhere::Nobody | Elsewhere::Held { .. } | Elsewhere::Unknown { .. } => {}
    }
}
