//! The orders and numbers of the list `emea`, and what becomes of them: one story for each thing that an order can say.

use std::time::Duration;

use claimwatch::core::look;
use claimwatch::core::observation::{ChimeStatus, Elsewhere, Observation};
use claimwatch::core::order::{Declared, Operation, OrderKey, Provider, Watch};
use claimwatch::core::policy::Poll;
use claimwatch::core::watchlist;

use super::story::{Account, Story, at, terms};

pub(super) const ACCOUNT: Account = Account { name: "prod-eu", id: "123456789012", region: "eu-west-2" };
/// When the daemon starts.
pub(super) const START: &str = "2026-11-22T23:12:07.656Z";
/// When its list is read again, and lacks two of them.
pub(super) const RELOADED: &str = "2026-11-23T00:30:00.131Z";
/// What its list says was asked for last, where it does.
const CLAIM: Option<Operation> = Some(Operation::Claim);
const UPDATE: Option<Operation> = Some(Operation::Update);
/// Why claims fail.
const FULL: &str = "Target instance has reached its limit of claimed numbers";
/// How far apart the first looks are, at 1.6 a second.
const TURN: Duration = Duration::from_millis(625);

/// All of them.
pub(super) fn emea() -> Vec<Story> {
    vec![
        returns(),
        support(),
        sales(),
        night(),
        front_desk(),
        fax(),
        typo(),
        senseless(),
        unasked(),
        bulk(),
        porting(),
        slow(),
    ]
}

/// Its claim fails and nobody claims it again: the story of the README.
fn returns() -> Story {
    number(0, ("0c1f3b6e-7d2a-4b8e-9a41-5f6d2c3b1a03", "+442079460103"), "Returns line", CLAIM)
        .is("IN_PROGRESS", "")
        .until("2026-11-22T23:12:08Z")
        .is("FAILED", FULL)
        .until("2026-11-24T06:00:00Z")
        .goes_missing()
        .until("2026-11-24T09:00:00Z")
}

/// It is claimed again inside its window.
fn support() -> Story {
    number(1, ("1d2e4c7f-8e3b-4c9f-8b52-6a7e3d4c2b04", "+442079460104"), "Support line", None)
        .is("IN_PROGRESS", "")
        .until("2026-11-22T23:20:00Z")
        .is("FAILED", FULL)
        .until("2026-11-23T08:40:00Z")
        .is("IN_PROGRESS", "")
        .until("2026-11-23T08:42:00Z")
        .is("CLAIMED", "")
        .until("2026-11-23T09:00:00Z")
}

/// It was claimed again under another id before it was watched.
fn sales() -> Story {
    number(4, ("2e3f5d80-9f4c-4da0-9c63-7b8f4e5d3c05", "+442079460105"), "Sales line", None)
        .is("FAILED", FULL)
        .held_by("77c8a2d9-e80f-43e3-8fa6-be12819a6f48", "CLAIMED")
        .until("2026-11-23T00:00:00Z")
}

/// It goes while the window is open.
fn night() -> Story {
    number(3, ("3f406e91-a05d-4eb1-8d74-8c905f6e4d06", "+442079460106"), "Night line", None)
        .is("IN_PROGRESS", "")
        .until("2026-11-22T23:30:00Z")
        .is("FAILED", FULL)
        .until("2026-11-23T00:40:00Z")
        .undergoes("2026-11-23T00:40:00Z", |order| {
            look::apply(order, &Observation::Acknowledged, None, at("2026-11-23T00:40:00Z"))
        })
        .until("2026-11-23T02:00:00Z")
        .goes_missing()
        .until("2026-11-23T04:00:00Z")
}

/// It is moved to another instance, in vain: it stays where it was, until another id has it.
fn front_desk() -> Story {
    number(2, ("405170a2-b16e-4fc2-9e85-9da1607f5e07", "+442079460107"), "Front desk", UPDATE)
        .is("IN_PROGRESS", "")
        .until("2026-11-22T23:14:00Z")
        .is("FAILED", "Phone number cannot be moved between these instances")
        .until("2026-11-23T02:30:00Z")
        .goes_missing()
        .held_by("88d9b3ea-f910-44f4-90b7-cf23920b7059", "CLAIMED")
        .until("2026-11-23T04:00:00Z")
}

/// The service uses a word that is new.
fn fax() -> Story {
    number(5, ("516281b3-c27f-40d3-8f96-aeb27180f608", "+442079460108"), "Fax", None)
        .is("QUARANTINED", "")
        .until("2026-11-22T23:30:00Z")
        .is("CLAIMED", "")
        .until("2026-11-23T00:00:00Z")
}

/// There is no such id.
fn typo() -> Story {
    number(6, ("627392c4-d380-41e4-90a7-bfc38291a709", "+442079460109"), "Lobby", None)
        .goes_missing()
        .until("2026-11-23T00:00:00Z")
}

/// The service makes nothing of the request.
fn senseless() -> Story {
    let detail = "HTTP 400: InvalidParameterException: PhoneNumberId is not valid".to_owned();
    number(7, ("7384a3d5-e491-42f5-81b8-c0d493a2b80a", "+442079460110"), "Warehouse", None)
        .says(Observation::Malformed { detail })
        .until("2026-11-23T06:00:00Z")
}

/// Its claim failed, and who else holds it cannot be asked; then its list forgets it.
fn unasked() -> Story {
    let code = "AccessDeniedException".to_owned();
    let why = format!("{code}: not authorized to perform: connect:ListPhoneNumbersV2");
    number(8, ("8495b4e6-f5a2-4306-92c9-d1e5a4b3c90b", "+442079460111"), "Clinic", None)
        .is("FAILED", FULL)
        .holders(Elsewhere::Unknown { why, refused: Some(code) })
        .until("2026-11-23T00:30:00Z")
        .undergoes(RELOADED, watchlist::untrack)
}

/// A Chime order of which one number cannot be had.
fn bulk() -> Story {
    let [first, second] = ["+442079460120", "+442079460121"];
    order(0, "6f1c0d4e-3f0b-4c1e-9a57-0d0c8e0a1b2c", "Leeds")
        .stands(ChimeStatus::Processing, &[(first, "Processing"), (second, "Processing")])
        .until("2026-11-22T23:16:00Z")
        .stands(ChimeStatus::Partial, &[(first, "Acquired"), (second, "Failed")])
        .until("2026-11-23T00:30:00Z")
        .undergoes(RELOADED, watchlist::untrack)
}

/// A number from another carrier, for which papers are missing.
fn porting() -> Story {
    order(1, "702d1e5f-401c-4d2f-8b68-1e1d9f1b2c3d", "Manchester")
        .stands(ChimeStatus::PendingDocuments, &[("+442079460130", "Processing")])
        .until("2026-11-23T00:00:00Z")
}

/// A Chime order that takes an hour.
fn slow() -> Story {
    let number = "+442079460140";
    order(2, "813e2f60-512d-4e30-9c79-2f2ea02c3d4e", "Bristol")
        .stands(ChimeStatus::Processing, &[(number, "Processing")])
        .until("2026-11-23T00:12:00Z")
        .stands(ChimeStatus::Successful, &[(number, "Acquired")])
        .until("2026-11-23T00:30:00Z")
}

/// A Connect number whose first look is the `turn`-th.
fn number(turn: u32, (id, number): (&str, &str), label: &str, operation: Option<Operation>) -> Story {
    let Account { id: account, region, .. } = ACCOUNT;
    let ask = format!("arn:aws:connect:{region}:{account}:phone-number/{id}");
    let number = Some(number.to_owned());
    let label = Some(label.to_owned());
    watched(Provider::Connect, turn, id, Declared { ask, number, operation, requested_at: None, label })
}

/// A Chime order, the same.
fn order(turn: u32, id: &str, label: &str) -> Story {
    let label = Some(label.to_owned());
    let declared = Declared { ask: id.to_owned(), number: None, operation: None, requested_at: None, label };
    watched(Provider::Chime, turn, id, declared)
}

fn watched(provider: Provider, turn: u32, id: &str, declared: Declared) -> Story {
    let poll = Poll { floor: Duration::from_secs(2), ..Poll::default() };
    let Account { name, region, .. } = ACCOUNT;
    let key = OrderKey { provider, account: name.to_owned(), region: region.to_owned(), id: id.to_owned() };
    let start = at(START);
    let watch = Watch { key, declared, terms: terms("emea", ACCOUNT, poll) };
    Story::begin(ACCOUNT, watch, start, start.plus(turn * TURN))
}
