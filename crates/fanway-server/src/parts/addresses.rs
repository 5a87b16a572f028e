//! Where a target is, as its lane is told: at one address, or at endpoints that are called alike.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use fanway_config as config;
use fanway_dispatch::{Addresses, endpoints};
use fanway_policy::endpoints as policy;
use fanway_target::http;
use fanway_types::TargetName;

use super::{called, http_target, uncallable, url};
use crate::outward::Outward;
use crate::start::StartError;

/// The addresses of a target.
pub(super) fn of(
    name: &TargetName,
    target: &config::Target,
    outward: &Outward,
) -> Result<Addresses, StartError> {
    let called = called(name, target, outward).map_err(|source| uncallable(name, source))?;
    let Some(reach) = &target.reach else {
        return Ok(Addresses::One(http_target(name, called)?));
    };
    let shown = names(reach);
    let endpoint = |(endpoint, shown): (&config::Endpoint, Arc<str>)| {
        let params = http::Params {
            url: url(endpoint.url.as_str()),
            ..called.clone()
        };
        let check = reach.health.as_ref().map(|health| check(&params, health));
        Ok(endpoints::Endpoint {
            name: shown,
            weight: endpoint.weight,
            target: http_target(name, params.clone())?,
            check: match check {
                Some((params, path)) => Some(endpoints::Check {
                    target: http_target(name, params)?,
                    path,
                }),
                None => None,
            },
        })
    };
    let endpoints = reach.endpoints.iter().zip(shown).map(endpoint);
    Ok(Addresses::Many(endpoints::Params {
        endpoints: endpoints.collect::<Result<_, StartError>>()?,
        policy: policy::Params {
            balance: reach.balance,
            eject: reach.eject.clone(),
            health: reach.health.as_ref().map(|health| health.params.clone()),
        },
        check_every: reach
            .health
            .as_ref()
            .map_or_else(Default::default, |health| health.interval),
        hedge_after: reach.hedge_after,
    }))
}

/// How an endpoint is checked, and with what path: with the credentials of attempts, but unsigned,
/// since there is no delivery that a signature could name, and over a connection of its own.
fn check(attempts: &http::Params, health: &config::Health) -> (http::Params, Arc<str>) {
    let timeouts = http::Timeouts {
        connect: health.timeout,
        first_byte: health.timeout,
        whole: health.timeout,
    };
    let params = http::Params {
        sign: None,
        timeouts,
        connections: NonZeroUsize::MIN,
        ..attempts.clone()
    };
    (params, health.path.as_str().into())
}

/// What endpoints are called in logs and metrics: scheme, host and port, since a path may be a
/// secret; with a number where another has the same.
fn names(reach: &config::Reach) -> Vec<Arc<str>> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let name = |endpoint: &config::Endpoint| {
        let uri = endpoint.url.uri();
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = format!("{scheme}://{authority}");
        let count = seen.entry(origin.clone()).or_default();
        *count += 1;
        match *count {
            1 => origin.into(),
            number => format!("{origin}#{number}").into(),
        }
    };
    reach.endpoints.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use fanway_config::{Config, ProcessEnvironment};

    use super::names;

    #[test]
    fn endpoints_are_called_by_what_is_no_secret() {
        let text = "targets: { mail: { endpoints: ['https://a.example/T0/hunter2', 'https://a.example/T1', 'http://b:81'] } }\n\
                    routes: { mails: { match: POST /, send: [mail] } }";
        let config = Config::parse(text, "test.yaml", &ProcessEnvironment).expect("it is right");
        let target = config.targets.values().next().expect("there is one");
        let names = names(target.reach.as_ref().expect("there are several"));
        let expected = ["https://a.example", "https://a.example#2", "http://b:81"];
        assert_eq!(
            names.iter().map(|name| &**name).collect::<Vec<_>>(),
            expected
        );
    }
}
