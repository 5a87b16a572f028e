//! Keeps the arrows between the crates as `ARCHITECTURE.md` draws them.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Each crate with those of ours that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("fanway-types", &[]),
    ("fanway-policy", &["types"]),
    ("fanway-transform", &["types"]),
    ("fanway-journal", &[]),
    ("fanway-store", &["types"]),
    ("fanway-store-local", &["store", "journal", "types"]),
    ("fanway-http1", &[]),
    ("fanway-target", &["http1", "types"]),
    (
        "fanway-dispatch",
        &["policy", "transform", "target", "store", "types"],
    ),
    (
        "fanway-ingress",
        &["policy", "transform", "store", "http1", "types"],
    ),
    ("fanway-config", &["policy", "transform", "types"]),
    ("fanway-secrets", &["config", "target", "types"]),
    ("fanway-admin", &["store", "dispatch", "types"]),
];

/// Crates that put others together, and may use any.
const FREE: &[&str] = &[
    "fanway-server",
    "fanway-demo",
    "fanway-cli",
    "fanway-testkit",
    "xtask",
];

/// Crates of others, each with those of ours that may use it directly.
const KEPT_IN: &[(&str, &[&str])] = &[
    ("saphyr-parser", &["config"]),
    ("rusqlite", &["store-local"]),
    ("axum", &["admin"]),
    ("httparse", &["http1", "ingress", "target"]),
    ("hyper", &["ingress", "cli", "demo", "server"]),
    ("jaq-core", &["transform"]),
    (
        "tokio",
        &[
            "http1",
            "store-local",
            "transform",
            "target",
            "secrets",
            "dispatch",
            "ingress",
            "admin",
            "server",
            "demo",
            "cli",
        ],
    ),
];

fn short(name: &str) -> &str {
    name.strip_prefix("fanway-").unwrap_or(name)
}

/// Each member of the workspace with what it depends on, tests aside.
fn members() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .output()
        .expect("cargo runs, since it runs this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let dependencies = |package: &Value| {
        let all = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter();
        all.filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| text(&dependency["name"]))
            .collect()
    };
    packages
        .iter()
        .map(|package| (text(&package["name"]), dependencies(package)))
        .collect()
}

#[test]
fn crates_use_only_what_their_room_may_use() {
    let mut broken = Vec::new();
    for (name, uses) in members() {
        if FREE.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            broken.push(format!("{name} is in no row of the table"));
            continue;
        };
        let ours = uses.iter().filter(|used| used.starts_with("fanway-"));
        broken.extend(
            ours.filter(|used| !allowed.contains(&short(used)))
                .map(|used| format!("{name} -> {used}")),
        );
    }
    assert!(broken.is_empty(), "arrows that must not be: {broken:#?}");
}

#[test]
fn heavy_crates_stay_in_their_rooms() {
    let members = members();
    let mut broken = Vec::new();
    for (name, uses) in &members {
        for (kept, rooms) in KEPT_IN {
            let is_outside =
                !rooms.contains(&short(name)) && !["testkit", "xtask"].contains(&short(name));
            if is_outside && uses.iter().any(|used| used == kept) {
                broken.push(format!("{name} -> {kept}"));
            }
        }
    }
    assert!(broken.is_empty(), "arrows that must not be: {broken:#?}");
    for (kept, _) in KEPT_IN {
        assert!(
            members.values().flatten().any(|used| used == kept),
            "{kept} is used nowhere: mend the table"
        );
    }
}
