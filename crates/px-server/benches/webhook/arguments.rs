//! What is to be measured, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// The program's arguments.
#[derive(Debug, Serialize)]
pub(crate) struct Arguments {
    /// How long one measurement takes, seconds.
    pub(crate) seconds: u64,
    /// Of how many the median is taken.
    pub(crate) rounds: usize,
    pub(crate) only: Vec<String>,
    /// Over how many connections webhooks come.
    pub(crate) connections: Vec<u64>,
    /// With how many parked runs the store is looked at.
    pub(crate) parked: Vec<u64>,
    #[serde(skip)]
    pub(crate) json: Option<PathBuf>,
    #[serde(skip)]
    pub(crate) svg: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn read() -> Self {
        let mut read = Self {
            seconds: 10,
            rounds: 3,
            only: Vec::new(),
            connections: vec![1, 16, 64, 256],
            parked: vec![10_000, 100_000],
            json: None,
            svg: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| usage(&word));
            match word.as_str() {
                "--seconds" => read.seconds = number(&value()),
                "--rounds" => read.rounds = usize::try_from(number(&value())).expect("a small number"),
                "--only" => read.only = value().split(',').map(str::to_owned).collect(),
                "--connections" => read.connections = value().split(',').map(number).collect(),
                "--parked" => read.parked = value().split(',').map(number).collect(),
                "--json" => read.json = Some(value().into()),
                "--svg" => read.svg = Some(value().into()),
                "--bench" => {} // what cargo passes
                other => usage(other),
            }
        }
        read
    }

    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == scenario)
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn number(text: &str) -> u64 {
    let text = text.to_lowercase();
    let (digits, unit) = match text.strip_suffix('k') {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix('m').map_or((&*text, 1), |digits| (digits, 1_000_000)),
    };
    digits.parse::<u64>().map_or_else(|_| usage(&text), |number| number * unit)
}

fn usage(word: &str) -> ! {
    eprintln!(
        "'{word}' is not understood\n\
         usage: cargo bench -p px-server --bench webhook -- [--seconds N] [--rounds N] \
         [--only acks,starts,cycles,done,parked] [--connections 1,16,64,256] [--parked 10k,100k,1m] [--json FILE] [--svg FILE]"
    );
    std::process::exit(2)
}
