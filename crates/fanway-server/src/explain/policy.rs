//! What holds for attempts to a target, in the config's own words.

use std::time::Duration;

use fanway_config::{self as config, Reach, Target};
use fanway_policy::concurrency;
use fanway_policy::rate::Params;

use super::{
    Bounds, Breaker, Concurrency, Endpoints, Health, Policy, Proxy, Rate, Retry, Success, Timeouts,
    Tls,
};

const UNITS: [(&str, u128); 4] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

/// What holds for attempts to this target.
pub(super) fn of(target: &Target) -> Policy {
    let answers = &target.counts.answers;
    let (timeouts, retry, breaker) = (&target.timeouts, &target.retry, &target.breaker);
    Policy {
        timeouts: Timeouts {
            connect: written(timeouts.connect),
            first_byte: written(timeouts.first_byte),
            whole: written(timeouts.whole),
        },
        retry: Retry {
            first: written(retry.first),
            factor: retry.factor,
            max: written(retry.max),
            attempts: retry.attempts.get(),
            give_up_after: written(retry.give_up_after),
            on: words(&answers.on),
            never: words(&answers.never),
        },
        success: Success {
            status: words(&answers.success),
            body: target.counts.body.clone(),
            otherwise: answers.otherwise.as_str(),
        },
        concurrency: concurrency(target.concurrency),
        rate: target.rate.as_ref().map(rate),
        breaker: Breaker {
            consecutive: breaker.consecutive.get(),
            failure_ratio: breaker.failure_ratio,
            slow: breaker.slow.map(written),
            slow_ratio: breaker.slow_ratio,
            minimum: breaker.minimum,
            window: written(breaker.window),
            open_for: written(breaker.open_for),
            probes: breaker.probes.get(),
        },
        fallback: target.fallback.clone(),
        endpoints: target.reach.as_ref().and_then(endpoints),
        hedge_after: target
            .reach
            .as_ref()
            .and_then(|reach| reach.hedge_after.map(written)),
        tls: target.tls.as_ref().map(tls),
        proxy: target.proxy.as_ref().map(|proxy| Proxy {
            url: proxy.url.to_string(),
            logs_in: proxy.login.is_some(),
        }),
    }
}

fn tls(tls: &config::Tls) -> Tls {
    Tls {
        authorities: tls.ca.as_ref().map(Vec::len),
        shows_certificate: tls.identity.is_some(),
        server_name: tls.server_name.clone(),
        min_version: tls.min_version.as_str(),
    }
}

/// Each as it stands in a config.
fn words(named: &[impl ToString]) -> Vec<String> {
    named.iter().map(ToString::to_string).collect()
}

fn concurrency(concurrency: concurrency::Concurrency) -> Concurrency {
    match concurrency {
        concurrency::Concurrency::Fixed(count) => Concurrency::Fixed(count.get()),
        concurrency::Concurrency::Auto(bounds) => Concurrency::Auto {
            auto: Bounds {
                least: bounds.least,
                most: bounds.most,
            },
        },
    }
}

fn rate(rate: &Params) -> Rate {
    let unit = match rate.per.as_secs() {
        3600 => "h",
        60 => "m",
        _ => "s",
    };
    Rate {
        limit: format!("{}/{unit}", rate.limit),
        burst: rate.burst.get(),
    }
}

/// The addresses, where there are more than one.
fn endpoints(reach: &Reach) -> Option<Endpoints> {
    if reach.endpoints.len() < 2 {
        return None;
    }
    let urls = reach.endpoints.iter();
    let urls = urls.map(|endpoint| (endpoint.url.as_str().to_owned(), endpoint.weight.get()));
    Some(Endpoints {
        urls: urls.collect(),
        balance: reach.balance.as_str(),
        eject_after: reach.eject.consecutive.get(),
        eject_for: written(reach.eject.duration),
        health: reach.health.as_ref().map(|health| Health {
            path: health.path.clone(),
            interval: written(health.interval),
            unhealthy: health.params.unhealthy.get(),
            healthy: health.params.healthy.get(),
        }),
    })
}

/// A duration as people write it: a whole number of the largest unit that it is a multiple of.
pub(super) fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let mut units = UNITS.into_iter();
    let unit = units.find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
    let (unit, size) = unit.unwrap_or(("ms", 1));
    format!("{}{unit}", millis / size)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::written;

    #[track_caller]
    fn check(millis: u64, expected: &str) {
        assert_eq!(written(Duration::from_millis(millis)), expected);
    }

    #[test]
    fn durations_are_written_as_in_a_config() {
        check(259_200_000, "3d");
        check(5_400_000, "90m");
        check(10_000, "10s");
        check(1_500, "1500ms");
        check(0, "0ms");
    }
}
