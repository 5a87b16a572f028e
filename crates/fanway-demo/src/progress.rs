//! What is shown while orders are on their way: a bar on a terminal, and what happens to shipping.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::client::Client;

/// How often the admin API is asked.
const EVERY: Duration = Duration::from_millis(50);

/// A bar that counts messages that have ended.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    admin: SocketAddr,
}

impl Progress {
    pub(crate) fn start(admin: SocketAddr, messages: usize) -> Self {
        let style = ProgressStyle::with_template(
            "  {bar:40.cyan/blue} {pos}/{len} orders have ended  {msg}",
        );
        let bar = ProgressBar::new(messages as u64)
            .with_style(style.expect("the template is well-formed"));
        Self { bar, admin }
    }

    /// Counts a message that has ended.
    pub(crate) fn ended(&self) {
        self.bar.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Says what becomes of shipping, until it is dropped.
    pub(crate) async fn watch(self, is_down: impl Fn() -> bool) -> anyhow::Result<()> {
        let mut client = Client::new(self.admin);
        let mut ticks = tokio::time::interval(EVERY);
        let (mut was_down, mut breaker) = (false, "closed".to_owned());
        loop {
            ticks.tick().await;
            if is_down() != was_down {
                was_down = !was_down;
                self.say(if was_down {
                    "shipping goes down"
                } else {
                    "shipping is back"
                });
            }
            let targets = client.get("/api/v1/targets").await?;
            let shipping = targets["targets"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|target| target["target"] == "shipping");
            let now = shipping
                .and_then(|target| target["breaker"].as_str())
                .unwrap_or("closed");
            if now != breaker {
                now.clone_into(&mut breaker);
                self.say(match now {
                    "open" => "shipping's breaker opens: it is left alone, and its deliveries wait",
                    "closed" => "shipping's breaker closes: its deliveries flow again",
                    _ => "shipping's breaker is half open: a delivery probes it",
                });
            }
            self.bar
                .set_message(format!("breaker of shipping: {breaker}"));
        }
    }

    fn say(&self, what: &str) {
        let at = self.bar.elapsed().as_secs_f64();
        self.bar.suspend(|| {
            // A terminal that has gone away stops nothing.
            let _gone = writeln!(std::io::stdout(), "  {at:4.1} s  {what}");
        });
    }
}
