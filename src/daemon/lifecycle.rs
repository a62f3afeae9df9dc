//! Signals, and what the service manager is told.

use std::io;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first SIGTERM or SIGINT, `abort` at the second. Ends when either `stop` was cancelled by somebody
/// else and `done` is, or the second signal came.
pub(super) async fn watch_signals(
    stop: CancellationToken,
    abort: CancellationToken,
    done: CancellationToken,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = done.cancelled() => return Ok(()),
        };
        if stop.is_cancelled() {
            tracing::warn!(signal = name, "stopping at once");
            abort.cancel();
            return Ok(());
        }
        tracing::info!(signal = name, "stopping");
        stop.cancel();
    }
}

/// Tells the service manager, if there is one.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::debug!(%cause, "the service manager was not told");
    }
}
