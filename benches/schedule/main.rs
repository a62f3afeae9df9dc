//! How well claimwatch uses a quota and chooses its times, beside what else is in use. Prints markdown; `docs/benchmarks.md`
//! holds a run of it.
//!
//! ```text
//! cargo bench --bench schedule                        all of it
//! cargo bench --bench schedule -- quota cadence       only these parts
//! ```
//!
//! # Guarantees
//! Never a test: it ends with 0 whatever the figures are. A bar that is missed is marked in its table.

mod boto3;
mod cadence;
mod claimwatch;
mod policies;
mod quota;
mod table;
mod world;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Compares schedulers, clients and cadences.
#[derive(Debug, Parser)]
struct Args {
    /// What to run; all of it by default
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How long the part in real time lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    seconds: u64,
    /// Over how many seeds the cadence's medians are taken
    #[arg(long, value_name = "COUNT", default_value_t = 25)]
    seeds: u64,
    /// A Python that has boto3; by default one is made below target/
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Schedulers on one quota, in virtual time
    Quota,
    /// boto3 and claimwatch against the simulated AWS, in real time
    Boto3,
    /// When to look, in virtual time
    Cadence,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let wanted = |part| args.parts.is_empty() || args.parts.contains(&part);
    let mut out = io::stdout().lock();
    if wanted(Part::Quota) {
        write!(out, "## Quota, in virtual time\n\n{}", quota::tables())?;
    }
    if wanted(Part::Boto3) {
        let tables = boto3::tables(Duration::from_secs(args.seconds), args.python);
        write!(out, "## boto3, in real time\n\n{tables}")?;
    }
    if wanted(Part::Cadence) {
        write!(out, "## Cadence, in virtual time\n\n{}", cadence::tables(args.seeds))?;
    }
    Ok(())
}
