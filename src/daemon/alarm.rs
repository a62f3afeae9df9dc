//! The alarm clock: `tokio-cron-scheduler` runs the cron lines of `[schedules]` in UTC, and each only wakes the loop. What
//! is to be done is decided and done there; a wish that finds the queue full finds the loop awake already.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::poller::Wish;

/// Starts the alarms of a configuration. They end when what is returned is shut down; there is nothing to shut down where
/// none is set.
pub(super) async fn set(
    heartbeat: Option<&str>,
    wishes: mpsc::Sender<Wish>,
) -> Result<Option<JobScheduler>, JobSchedulerError> {
    let Some(line) = heartbeat else { return Ok(None) };
    let clock = JobScheduler::new().await?;
    clock
        .add(Job::new(line, move |_, _| {
            // Full or closed: the loop is awake, or gone.
            let _awake = wishes.try_send(Wish::Heartbeat);
        })?)
        .await?;
    clock.start().await?;
    Ok(Some(clock))
}
