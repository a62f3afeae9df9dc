//! `simulate`: the simulated AWS alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{complain, say};
use crate::clock::{Clock as _, SystemClock};
use crate::exit;
use crate::sim;
use crate::sim::scenario::Scenario;
use crate::sim::world::World;

/// Where to listen and what to play.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// A scenario file; without it, a world with every story worth seeing
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

pub(super) async fn run(args: Args, clock: SystemClock) -> u8 {
    let scenario = match args.scenario {
        None => Scenario::parse(sim::DEFAULT_SCENARIO).map_err(|error| error.to_string()),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Scenario::parse(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(cause) => Err(format!("{}: {cause}", path.display())),
        },
    };
    let scenario = match scenario {
        Ok(scenario) => scenario,
        Err(error) => {
            complain(&format!("claimwatch: {error}"));
            return exit::CONFIG;
        }
    };
    let bound = async {
        let listener = TcpListener::bind(args.listen).await?;
        listener.local_addr().map(|at| (listener, at))
    };
    let (listener, at) = match bound.await {
        Ok(bound) => bound,
        Err(cause) => {
            complain(&format!("claimwatch: cannot listen on {}: {cause}", args.listen));
            return exit::UNAVAILABLE;
        }
    };
    say(&format!("listening on http://{at}"));
    let world = World::new(scenario, clock.now().wall);
    let stop = CancellationToken::new();
    let served = sim::http::serve(listener, world, Arc::new(clock), stop.clone());
    tokio::select! {
        ended = served => match ended {
            Ok(()) => exit::OK,
            Err(cause) => {
                complain(&format!("claimwatch: the simulated AWS ended: {cause}"));
                exit::FAILURE
            }
        },
        () = super::interrupted() => exit::OK,
    }
}
