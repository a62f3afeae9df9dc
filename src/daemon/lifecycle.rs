//! Signals, and what the service manager is told.

use std::io;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM or SIGINT; ends at the second. SIGHUP, which logrotate sends, ends nothing: the event
/// file is looked for under its name with each batch, so that there is nothing to open anew.
pub(super) async fn second_signal(stop: &CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hang_up.recv() => {
                tracing::info!("SIGHUP: a rotated event file is noticed without it; configuration and lists are read at the start");
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

/// Tells the service manager, if there is one.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::debug!(%cause, "the service manager was not told");
    }
}
