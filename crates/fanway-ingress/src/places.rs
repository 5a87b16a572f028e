//! Places of which there are only so many: for connections, and for those who follow messages.
//!
//! What is taken is counted in the gauge that shows it, so that a limit can change while places
//! are taken: it then holds for those that come.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::gauge::Gauge;

/// A place, counted while it is held.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Gauge,
}

impl Place {
    /// Takes one of `limit` places; `None` where all are taken.
    pub(crate) fn take(taken: &Gauge, limit: usize) -> Option<Self> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let one_more = |taken: i64| (taken < limit).then_some(taken + 1);
        taken
            .inner()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Self {
            taken: taken.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.dec();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::gauge::Gauge;

    use super::Place;

    #[test]
    fn places_are_taken_up_to_the_limit_that_holds_now() {
        let gauge = Gauge::default();
        let first = Place::take(&gauge, 1);
        assert!(first.is_some() && Place::take(&gauge, 1).is_none());
        let second = Place::take(&gauge, 2);
        assert!(second.is_some() && Place::take(&gauge, 1).is_none());
        drop((first, second));
        assert_eq!(gauge.get(), 0);
        assert!(Place::take(&gauge, 0).is_none());
    }
}
