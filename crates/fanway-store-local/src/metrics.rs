//! What the store counts.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fanway_journal::{Histogram as Buckets, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::inner::Inner;
use crate::store::LocalStore;

const POSTED: &str = "fanway_ledger_posted_records";
const POSTING: &str = "fanway_ledger_posting";
const LAG: &str = "fanway_ledger_lag";
const TAIL: &str = "fanway_ledger_tail";
const KEYS: &str = "fanway_store_keys";
const LOOKED_UP: &str = "fanway_store_keys_looked_up";
const REDRIVEN: &str = "fanway_store_redriven";
const BACKLOG: &str = "fanway_store_backlog";
const REFUSED: &str = "fanway_journal_refused";
const WRITTEN: &str = "fanway_journal_written";
const SEGMENTS: &str = "fanway_journal_segments";
const SIZE: &str = "fanway_journal_size";
const SYNC: &str = "fanway_journal_sync";
const BATCH: &str = "fanway_journal_batch_records";

/// What posting counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    records: Counter,
    posting: Histogram,
    looked_up: Counter,
    redriven: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        // From 1 ms to 8 s.
        Self {
            records: Counter::default(),
            posting: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            looked_up: Counter::default(),
            redriven: Counter::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn posted(&self, records: usize, took: Duration) {
        self.records.inc_by(records as u64);
        self.posting.observe(took.as_secs_f64());
    }

    pub(crate) fn redriven(&self, count: u64) {
        self.redriven.inc_by(count);
    }

    pub(crate) fn looked_up(&self, keys: usize) {
        self.looked_up.inc_by(keys as u64);
    }
}

impl LocalStore {
    /// Registers the store's metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let metrics = &self.inner.commons.metrics;
        registry.register(
            POSTED,
            "Records brought from the journal into the ledger",
            metrics.records.clone(),
        );
        registry.register(
            REDRIVEN,
            "Deliveries that were made anew",
            metrics.redriven.clone(),
        );
        registry.register_with_unit(
            POSTING,
            "Time of a posting",
            Unit::Seconds,
            metrics.posting.clone(),
        );
        registry.register(
            LOOKED_UP,
            "Idempotency keys that were looked up in the ledger",
            metrics.looked_up.clone(),
        );
        registry.register_collector(Box::new(Gauges(Arc::downgrade(&self.inner))));
    }
}

/// What is read off the store when somebody asks.
#[derive(Debug)]
struct Gauges(Weak<Inner>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(store) = self.0.upgrade() else {
            return Ok(());
        };
        let (tail, oldest) = {
            let tail = store.commons.tail();
            (tail.bytes(), tail.oldest())
        };
        let lag = oldest.map_or(Duration::ZERO, |oldest| {
            Instant::now().duration_since(oldest)
        });
        let backlog = store.commons.backlog.load(Ordering::Relaxed);
        gauge(
            &mut encoder,
            LAG,
            "Age of the oldest record that isn't posted",
            Some(&Unit::Seconds),
            lag.as_secs_f64(),
        )?;
        gauge(
            &mut encoder,
            TAIL,
            "Memory of records that aren't posted",
            Some(&Unit::Bytes),
            tail,
        )?;
        gauge(
            &mut encoder,
            BACKLOG,
            "Bodies of messages in the ledger that haven't ended",
            Some(&Unit::Bytes),
            backlog,
        )?;
        gauge(
            &mut encoder,
            KEYS,
            "Idempotency keys in memory",
            None,
            count(store.commons.keys.len()),
        )?;
        store
            .journal_stats()
            .map_or(Ok(()), |stats| journal(&mut encoder, &stats))
    }
}

fn journal(encoder: &mut DescriptorEncoder<'_>, stats: &Stats) -> Result<(), std::fmt::Error> {
    put(
        encoder,
        REFUSED,
        "Appends refused for want of room",
        None,
        &ConstCounter::new(stats.refused),
    )?;
    put(
        encoder,
        WRITTEN,
        "Bytes written",
        Some(&Unit::Bytes),
        &ConstCounter::new(stats.written),
    )?;
    put(
        encoder,
        SEGMENTS,
        "Segments in use",
        None,
        &ConstGauge::new(count(stats.segments)),
    )?;
    put(
        encoder,
        SIZE,
        "Bytes of all segments",
        Some(&Unit::Bytes),
        &ConstGauge::new(stats.total),
    )?;
    put(
        encoder,
        SYNC,
        "Time of an fsync",
        Some(&Unit::Seconds),
        &PowersOfTwo(&stats.sync_micros, 1e-6),
    )?;
    put(
        encoder,
        BATCH,
        "Records in a batch",
        None,
        &PowersOfTwo(&stats.batch_records, 1.0),
    )
}

fn count(number: usize) -> u64 {
    number as u64
}

fn gauge<T>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: T,
) -> Result<(), std::fmt::Error>
where
    ConstGauge<T>: EncodeMetric,
{
    put(encoder, name, help, unit, &ConstGauge::new(value))
}

fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    let described = encoder.encode_descriptor(name, help, unit, metric.metric_type())?;
    metric.encode(described)
}

/// A histogram whose bucket `n` counts values below 2 to the `n`, times a scale.
#[derive(Debug)]
struct PowersOfTwo<'a>(&'a Buckets, f64);

impl EncodeMetric for PowersOfTwo<'_> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of that size needs no last digit"
    )]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(histogram, scale) = self;
        let count = histogram.buckets.iter().sum();
        let last = histogram.buckets.len() - 1;
        let bound = |n: usize| {
            if n == last {
                f64::INFINITY
            } else {
                scale * (1u64 << n) as f64
            }
        };
        // Where the last value is, the bounds may end, but for the one that counts all.
        let used = histogram
            .buckets
            .iter()
            .rposition(|bucket| *bucket > 0)
            .map_or(0, |n| n + 1);
        let shown = histogram
            .buckets
            .iter()
            .enumerate()
            .filter(|(n, _)| *n < used || *n == last);
        let buckets: Vec<_> = shown.map(|(n, bucket)| (bound(n), *bucket)).collect();
        encoder.encode_histogram::<NoLabelSet>(scale * histogram.sum as f64, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
