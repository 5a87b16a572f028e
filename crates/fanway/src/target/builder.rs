//! What a target is made of, under the names that `fanway.yaml` has for it.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use fanway_policy::concurrency::Concurrency;
use fanway_policy::{breaker, exchange, rate, retry};
use fanway_target::http::{
    BaseUrl, BaseUrlError, ConnectionBudget, Credentials, HmacSigning, HttpTargetError, Params,
    Proxy, Roots, Signing, Timeouts, Tls, Version, WebhookKey,
};
use fanway_target::{Capture, Target as Wire};
use fanway_types::{Egress, NameError, TargetName};
use tokio::sync::{Mutex as Queue, Notify};

use super::gate::{Gate, Policies};
use super::wire::Http;
use super::{Shared, Target};

/// Builds a [`Target`].
///
/// Defaults: an attempt may take 10 s, of which connecting 5 s; 4 attempts, waits from 200 ms
/// doubling up to 10 s, each drawn evenly from zero up to that; 64 attempts in flight, no rate; the
/// breaker of [`breaker::Params::default`]; 2xx is a success.
pub struct TargetBuilder {
    name: String,
    url: String,
    credentials: Credentials,
    webhooks: Vec<WebhookKey>,
    hmac: Option<HmacSigning>,
    timeouts: Timeouts,
    version: Version,
    idle: Duration,
    roots: Roots,
    tls: Tls,
    proxy: Option<Proxy>,
    egress: Egress,
    capture: Capture,
    policies: Policies,
}

/// Why a target can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Its name.
    #[error("the target's name can't be one")]
    Name(#[source] NameError),
    /// Its URL.
    #[error("the target's URL can't be called")]
    Url(#[source] BaseUrlError),
    /// What HTTP needs of the rest.
    #[error("the target can't be called")]
    Http(#[source] HttpTargetError),
}

impl TargetBuilder {
    pub(super) fn new(name: &str, url: &str) -> Self {
        let whole = Duration::from_secs(10);
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            credentials: Credentials::None,
            webhooks: Vec::new(),
            hmac: None,
            timeouts: within(whole),
            version: Version::Auto,
            idle: Params::DEFAULT_IDLE,
            roots: Roots::system(),
            tls: Tls::default(),
            proxy: None,
            egress: Egress::default(),
            capture: Capture::Whole,
            policies: Policies {
                answers: exchange::Params::default(),
                retry: retry::Params {
                    first: Duration::from_millis(200),
                    max: whole,
                    attempts: NonZeroU32::new(4).expect("4 is not 0"),
                    ..retry::Params::default()
                },
                breaker: breaker::Params::default(),
                concurrency: Concurrency::Fixed(NonZeroUsize::new(64).expect("64 is not 0")),
                rate: None,
            },
        }
    }

    /// What is shown to the target.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Signs each attempt by Standard Webhooks 1.0 with each of these keys.
    #[must_use]
    pub fn sign(mut self, keys: impl IntoIterator<Item = WebhookKey>) -> Self {
        self.webhooks = keys.into_iter().collect();
        self
    }

    /// Signs each attempt by an HMAC in the target's own style.
    #[must_use]
    pub fn sign_by_hmac(mut self, hmac: HmacSigning) -> Self {
        self.hmac = Some(hmac);
        self
    }

    /// How long an attempt may take, the answer's body included; connecting at most 5 s of it.
    #[must_use]
    pub fn timeout(mut self, whole: Duration) -> Self {
        self.timeouts = within(whole);
        self
    }

    /// How long an attempt may take, by its phases.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// When a failed attempt is made again, and when its delivery is given up.
    #[must_use]
    pub fn retry(mut self, retry: retry::Params) -> Self {
        self.policies.retry = retry;
        self
    }

    /// What answers mean: which are a success, which are worth another attempt.
    #[must_use]
    pub fn answers(mut self, answers: exchange::Params) -> Self {
        self.policies.answers = answers;
        self
    }

    /// When the breaker opens, and how it closes again.
    #[must_use]
    pub fn breaker(mut self, breaker: breaker::Params) -> Self {
        self.policies.breaker = breaker;
        self
    }

    /// How many attempts may be in flight at once: a number, or as many as the target bears.
    #[must_use]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.policies.concurrency = concurrency;
        self
    }

    /// How many attempts may start in a while.
    #[must_use]
    pub fn rate(mut self, rate: rate::Params) -> Self {
        self.policies.rate = Some(rate);
        self
    }

    /// The version of HTTP that is spoken.
    #[must_use]
    pub fn http(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// How long an unused connection is kept open; 60 s by default.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Whose certificates are accepted; give several targets clones of one, and they are read once.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// What else there is to TLS: a certificate of ours, another server name, the least version.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// The proxy on the way.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Which addresses may be connected to; any by default. Where the URL comes from somebody else
    /// it is better not any: what it must not reach is refused after its name was resolved.
    #[must_use]
    pub fn egress(mut self, egress: Egress) -> Self {
        self.egress = egress;
        self
    }

    /// What of an answer's body the outcome has; all of it by default, where it is no more than
    /// [`Capture::WHOLE_LIMIT`].
    #[must_use]
    pub fn capture(mut self, capture: Capture) -> Self {
        self.capture = capture;
        self
    }

    /// Builds it. For https this may read the system's certificate authorities, which blocks.
    ///
    /// # Errors
    /// Where name, URL, credentials or authorities don't fit.
    pub fn build(self) -> Result<Target, TargetError> {
        let clock = Arc::new(|| SystemTime::now().into());
        // With nothing to sign by, nothing is signed.
        let sign = Signing::try_new(self.webhooks.clone(), self.hmac.clone(), clock).ok();
        let http = Http::try_new(Params {
            url: BaseUrl::from_str(&self.url).map_err(TargetError::Url)?,
            credentials: self.credentials.clone(),
            sign,
            timeouts: self.timeouts,
            version: self.version,
            connections: self.policies.concurrency.most(),
            budget: ConnectionBudget::unlimited(),
            idle: self.idle,
            roots: self.roots.clone(),
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
            egress: self.egress.clone(),
        });
        let http = http.map_err(TargetError::Http)?;
        self.build_over(Arc::new(http))
    }

    /// Builds it over something else that makes its attempts. Of what was set, URL, credentials,
    /// signature, time-outs, version, idle time and roots play no part then.
    ///
    /// # Errors
    /// Where the name is none.
    pub fn build_over(self, wire: Arc<dyn Wire>) -> Result<Target, TargetError> {
        let name: TargetName = self.name.parse().map_err(TargetError::Name)?;
        Ok(Target(Arc::new(Shared {
            name,
            wire,
            capture: self.capture,
            gate: Mutex::new(Gate::new(self.policies)),
            turn: Queue::new(()),
            changed: Notify::new(),
        })))
    }
}

impl fmt::Debug for TargetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetBuilder")
            .field("name", &self.name)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn within(whole: Duration) -> Timeouts {
    const CONNECT: Duration = Duration::from_secs(5);
    Timeouts {
        connect: CONNECT.min(whole),
        first_byte: whole,
        whole,
    }
}
