//! How Fanway is set up for a measurement: the defaults, and what a measurement has to change.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rig::Rig;
use crate::gateway::{Addresses, Gateway};

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// A config with the defaults, but for what stands here.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Of the data folder, the config and the log.
    pub(crate) name: String,
    pub(crate) sync: &'static str,
    /// For how long everything is kept; without it the defaults hold.
    pub(crate) keep: Option<&'static str>,
    /// The targets' URLs.
    pub(crate) targets: Vec<String>,
    /// What targets have beside their URL, as it stands in a config, by their index.
    pub(crate) settings: BTreeMap<usize, String>,
    pub(crate) routes: Vec<Route>,
    /// A header that is passed on to the targets.
    pub(crate) forward: Option<&'static str>,
    /// The steps' `order_by`.
    pub(crate) order_by: Option<&'static str>,
}

/// A route.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) path: String,
    /// Its targets, by their index.
    pub(crate) send: Vec<usize>,
}

impl Route {
    pub(crate) fn new(path: &str, send: impl IntoIterator<Item = usize>) -> Self {
        Self {
            path: path.to_owned(),
            send: send.into_iter().collect(),
        }
    }
}

impl Setup {
    /// One route to two targets.
    pub(crate) fn standard(name: &str, targets: [String; 2]) -> Self {
        Self {
            name: name.to_owned(),
            sync: "always",
            keep: None,
            targets: targets.into(),
            settings: BTreeMap::new(),
            routes: vec![Route::new("/orders", [0, 1])],
            forward: None,
            order_by: None,
        }
    }

    /// Where the data is.
    pub(crate) fn data(&self, rig: &Rig) -> PathBuf {
        rig.folder.join(&self.name)
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start(&self, rig: &Rig) -> anyhow::Result<(Gateway, Addresses)> {
        let path = rig.folder.join(format!("{}.yaml", self.name));
        fs::write(&path, self.config(&self.data(rig)))?;
        let log = rig.folder.join(format!("{}.log", self.name));
        let gateway = Gateway::start(&rig.fanway, &path, &log)?;
        let addresses = gateway.wait_ready(START)?;
        Ok((gateway, addresses))
    }

    fn config(&self, data: &Path) -> String {
        let data = serde_json::json!(data);
        let keep = self.keep.map_or(String::new(), |keep| {
            format!(", keep: {{ messages: {keep}, history: {keep}, dead: {keep} }}")
        });
        let mut config = format!(
            "server: {{ listen: 127.0.0.1:0, admin: 127.0.0.1:0 }}\n\
             store: {{ path: {data}, sync: {}{keep} }}\ntargets:\n",
            self.sync
        );
        // Writing into a string can't fail.
        for (index, url) in self.targets.iter().enumerate() {
            let settings = self.settings.get(&index);
            let settings = settings.map_or(String::new(), |settings| format!(", {settings}"));
            let _ = writeln!(config, "  target_{index}: {{ url: {url}{settings} }}");
        }
        config += "routes:\n";
        for (index, route) in self.routes.iter().enumerate() {
            let send: Vec<String> = route.send.iter().map(|target| self.step(*target)).collect();
            let (path, send) = (&route.path, send.join(", "));
            let _ = writeln!(
                config,
                "  route_{index}: {{ match: POST {path}, send: [{send}] }}"
            );
        }
        config
    }

    fn step(&self, target: usize) -> String {
        let forward = self.forward.map(|header| format!(", forward: [{header}]"));
        let order_by = self.order_by.map(|key| format!(", order_by: '{key}'"));
        if forward.is_none() && order_by.is_none() {
            return format!("target_{target}");
        }
        let [forward, order_by] = [forward, order_by].map(Option::unwrap_or_default);
        format!("{{ to: target_{target}{forward}{order_by} }}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fanway_config::{Config, ProcessEnvironment};

    use super::{Route, Setup};

    #[track_caller]
    fn check(setup: &Setup) {
        let text = setup.config(Path::new("/data/a \"b\""));
        let config = Config::parse(&text, "fanway.yaml", &ProcessEnvironment);
        if let Err(errors) = config {
            panic!("{errors}\n{text}");
        }
    }

    #[test]
    fn every_setup_is_a_config_without_errors() {
        let urls = || ["http://127.0.0.1:1/", "http://127.0.0.1:2/"].map(str::to_owned);
        let standard = Setup::standard("standard", urls());
        check(&standard);
        let mut changed = standard;
        changed.sync = "never";
        changed.keep = Some("1m");
        changed.forward = Some("x-sent");
        changed.order_by = Some(".customer_id");
        changed.targets.push("http://127.0.0.1:3/".to_owned());
        changed.settings.insert(2, "timeout: 1s".to_owned());
        changed.routes.push(Route::new("/orders/7", [2, 0]));
        check(&changed);
    }
}
