//! Signals, and what the service manager is told.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM or SIGINT; ends at the second. SIGHUP is told to `hang_ups`: it asks for a reload. That
/// of logrotate does no harm, and is not needed: the event file is looked for under its name with each batch.
pub(super) async fn second_signal(stop: &CancellationToken, hang_ups: &Notify) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hang_up.recv() => {
                hang_ups.notify_one();
                continue;
            }
        };
        if stop.is_cancelled() {
            tracing::warn!(signal = name, "stopping at once");
            return Ok(());
        }
        tracing::info!(signal = name, "stopping");
        tell(&[NotifyState::Stopping]);
        stop.cancel();
    }
}

/// Within what time the service manager wants a sign of life, if it does.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// A text as a status: what follows a line's end would be taken for something else that is told, and a file's name may hold one.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Gives the service manager a sign of life, and a line for people.
pub(super) fn tell_alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(&one_line(status))]);
}

/// The service manager is asked to wait so much longer for whatever it waits for.
const PATIENCE_USEC: u32 = 90_000_000;

/// Tells the service manager that a long piece of work goes on: the store has just taken or given a part of it.
pub(super) fn tell_progress() {
    tell(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(PATIENCE_USEC)]);
}

/// Tells the service manager that the configuration is read again, in one message with the time, as it wants it.
pub(super) fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(cause) => tracing::debug!(%cause, "the service manager was not told"),
    }
}

/// Tells the service manager, if there is one.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::debug!(%cause, "the service manager was not told");
    }
}
