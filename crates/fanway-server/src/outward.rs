//! What all targets share on their way out: whose certificates are trusted, how many connections
//! there may be, and the tokens that outlive a config.

use std::fs;
use std::num::NonZeroUsize;

use fanway_config::Config;
use fanway_target::http::{ConnectionBudget, Figures, Roots};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::tokens::TokenBook;

const CONNECTIONS: &str = "fanway_target_connections";
const LIMIT: &str = "fanway_target_connections_limit";
const WAITED: &str = "fanway_target_connections_waited";
const CLOSED: &str = "fanway_target_connections_closed";

/// The most connections unless the config or the system says otherwise.
const MOST: usize = 8192;

/// What is left where a system allows hardly any open files.
const LEAST: usize = 64;

/// What all targets share. Clones share it too.
#[derive(Clone, Debug)]
pub(crate) struct Outward {
    pub(crate) roots: Roots,
    pub(crate) budget: ConnectionBudget,
    pub(crate) tokens: TokenBook,
}

impl Outward {
    /// As the config says.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            roots: Roots::system(),
            budget: ConnectionBudget::new(connections(config)),
            tokens: TokenBook::default(),
        }
    }

    /// Takes over another config.
    pub(crate) fn take_over(&self, config: &Config) {
        self.budget.set(connections(config));
        self.tokens.take_over(config);
    }

    /// Registers the metrics of it.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Shown(self.budget.clone())));
    }
}

/// What the config says; without that half of the files that the process may open, so that senders,
/// the journal and the ledger have the others.
fn connections(config: &Config) -> usize {
    let set = config.server.target_connections.map(NonZeroUsize::get);
    set.unwrap_or_else(|| {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        open_files(&limits).map_or(MOST, by_default)
    })
}

fn by_default(open_files: usize) -> usize {
    (open_files / 2).clamp(LEAST, MOST)
}

/// How many files a process may open, of what Linux says of its limits (proc(5)).
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines();
    let line = line
        .filter_map(|line| line.strip_prefix("Max open files"))
        .next()?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is read off the budget when somebody asks.
#[derive(Debug)]
struct Shown(ConnectionBudget);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Figures {
            most,
            open,
            waited,
            closed,
        } = self.0.figures();
        let gauges = [
            (CONNECTIONS, "Connections to targets", open),
            (LIMIT, "The most connections to targets", most),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let counters = [
            (
                WAITED,
                "How often a connection had to be waited for",
                waited,
            ),
            (
                CLOSED,
                "Idle connections that were closed for another target",
                closed,
            ),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{by_default, open_files};

    #[test]
    fn the_default_is_half_of_the_open_files_that_the_process_may_have() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max processes             15000                15000                processes\n\
            Max open files            1024                 524288               files\n";
        assert_eq!(open_files(limits).map(by_default), Some(512));
        assert_eq!(open_files("Max open files unlimited unlimited files"), None);
        assert_eq!(open_files(""), None);
        assert_eq!((by_default(1_000_000), by_default(20)), (8192, 64));
    }
}
