//! Waiting for a redrive's end: a bar on a terminal, and how it ended.

use std::process::ExitCode;
use std::time::Duration;

use fanway_types::JobId;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::time::sleep;

use super::{get, progress, show};
use crate::admin::Admin;
use crate::output::Style;
use crate::table::cell;

/// How often it is asked how far a redrive has come.
const EVERY: Duration = Duration::from_millis(250);

/// Waits until a redrive has ended, and shows it. Succeeds where it is done.
pub(super) async fn wait(admin: &Admin, id: JobId, style: Style) -> anyhow::Result<ExitCode> {
    let bar = Bar::new();
    let redrive = loop {
        let redrive = get(admin, id).await?;
        if matches!(redrive["state"].as_str(), Some("done" | "cancelled")) {
            break redrive;
        }
        bar.show(&redrive);
        sleep(EVERY).await;
    };
    drop(bar);
    show(&redrive, style)?;
    let is_done = redrive["state"] == "done";
    Ok(ExitCode::from(u8::from(!is_done)))
}

/// A bar, on a terminal; elsewhere it shows nothing.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {msg}");
        let style = style.expect("the template is well-formed");
        Self(ProgressBar::no_length().with_style(style))
    }

    fn show(&self, redrive: &Value) {
        let count = |name: &str| redrive[name].as_u64().unwrap_or_default();
        self.0.set_length(count("found"));
        self.0
            .set_position(count("redriven").saturating_add(count("passed_over")));
        let state = match redrive["state"].as_str() {
            Some("running") => String::new(),
            _ => format!(", {}", cell(&redrive["state"])),
        };
        self.0.set_message(format!("{}{state}", progress(redrive)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
