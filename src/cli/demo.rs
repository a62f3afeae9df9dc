//! `demo`: a simulated AWS on a loopback port and the real daemon against it over HTTP, with a retry window of seconds.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::story::{Story, StorySink};
use super::{ConfigArg, complain, run::failed, say, sources};
use crate::clock::{Clock as _, SystemClock};
use crate::config;
use crate::daemon::{self, DaemonError, Keys, Parts, Setup};
use crate::exit;
use crate::sim;
use crate::sim::scenario::Scenario;
use crate::sim::world::World;
use crate::sink::file::FileSink;
use crate::sink::webhook::Webhook;

const MAIN: &str = include_str!("../../config/demo/claimwatch.toml");
const LIST: &str = include_str!("../../config/demo/watch.d/demo.toml");

/// The story takes 22 s; what is not told by then will not be.
const AT_MOST: Duration = Duration::from_secs(30);

pub(super) async fn run(clock: SystemClock, colour: bool) -> u8 {
    let folder = match unpack() {
        Ok(folder) => folder,
        Err(cause) => {
            complain(&format!("claimwatch: no temporary folder: {cause}"));
            return exit::FAILURE;
        }
    };
    let story = Story::default();
    let ended = play(folder.path(), clock, story.clone(), colour).await;
    say("");
    story.table().iter().for_each(|line| say(line));
    match ended {
        Err(error) => failed(&error),
        Ok(()) if story.is_whole() => {
            say(
                "\nThe whole story. Next: `claimwatch check`, then `claimwatch run` with your own account (README).",
            );
            exit::OK
        }
        Ok(()) => exit::FAILURE,
    }
}

/// The demo's configuration, in a folder that goes away with what is returned.
fn unpack() -> io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("claimwatch-demo-").tempdir()?;
    std::fs::create_dir(folder.path().join("watch.d"))?;
    std::fs::write(folder.path().join("claimwatch.toml"), MAIN)?;
    std::fs::write(folder.path().join("watch.d/demo.toml"), LIST)?;
    Ok(folder)
}

async fn play(folder: &Path, clock: SystemClock, story: Story, colour: bool) -> Result<(), DaemonError> {
    let unavailable = |cause: io::Error| DaemonError::Unavailable(format!("the simulated AWS: {cause}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(unavailable)?;
    let endpoint = format!("http://{}", listener.local_addr().map_err(unavailable)?);
    let scenario =
        Scenario::parse(sim::DEMO_SCENARIO).map_err(|error| DaemonError::Config(error.to_string()))?;
    say(&format!(
        "A simulated AWS answers on {endpoint}; claimwatch watches three claims and two orders there.\n"
    ));

    let environment = BTreeMap::from([
        ("CLAIMWATCH__ACCOUNT__DEMO__CONNECT__ENDPOINT".to_owned(), endpoint.clone()),
        ("CLAIMWATCH__ACCOUNT__DEMO__CHIME__ENDPOINT".to_owned(), endpoint),
    ]);
    let sources = sources(&ConfigArg { config: folder.join("claimwatch.toml") }, environment, clock);
    let loaded = config::load(&sources);
    let Some(config) = &loaded.config else {
        return Err(DaemonError::Config(loaded.problems.render(false)));
    };
    let keys = Credentials::new("simulated", "simulated", None, None, "demo");
    let look = daemon::aws(config, Arc::new(clock), &Keys::Fixed(SharedCredentialsProvider::new(keys)))?;

    let stop = CancellationToken::new();
    let log = StorySink { story, colour, stop: stop.clone() };
    let setup =
        Setup { loaded, once: false, deadline: Some(AT_MOST), accept_removal: false, control: None, sources };
    let world_stop = CancellationToken::new();
    let world = sim::http::serve(
        listener,
        World::new(scenario, clock.now().wall),
        Arc::new(clock),
        world_stop.clone(),
    );
    let told = async {
        let file: Option<FileSink> = None;
        let parts = Parts { look, log, file, webhooks: Vec::<Webhook>::new(), clock };
        let ended = daemon::run(setup, parts, stop).await;
        world_stop.cancel();
        ended
    };
    let (served, ended) = tokio::join!(world, told);
    ended?;
    served.map_err(unavailable)
}
