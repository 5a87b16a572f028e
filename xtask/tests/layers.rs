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
    ("fanway", &["policy", "target", "types"]),
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
            "fanway",
        ],
    ),
];

/// Crates that only the server needs: whoever builds the library builds none of them.
const SERVER_ONLY: &[&str] = &[
    "axum",
    "clap",
    "fanway-config",
    "fanway-dispatch",
    "fanway-ingress",
    "fanway-journal",
    "fanway-server",
    "fanway-store",
    "fanway-store-local",
    "fanway-transform",
    "hyper",
    "jaq-core",
    "libsqlite3-sys",
    "mimalloc",
    "prometheus-client",
    "rusqlite",
    "saphyr-parser",
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

/// All that building a crate builds, tests aside.
fn built_for(name: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--package", name])
        .output()
        .expect("cargo runs, since it runs this test");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "cargo shows no tree of {name}");
    let lines = text.lines().filter_map(|line| line.split(' ').next());
    lines.map(str::to_owned).collect()
}

#[test]
fn the_library_builds_nothing_that_only_the_server_needs() {
    let library = built_for("fanway");
    let is_in = |built: &[String], name: &str| built.iter().any(|other| other == name);
    assert!(is_in(&library, "fanway-policy"), "the tree is read wrongly");
    let server = built_for("fanway-cli");
    for name in SERVER_ONLY {
        assert!(!is_in(&library, name), "the library builds {name}");
        assert!(
            is_in(&server, name),
            "{name} is used nowhere: mend the table"
        );
    }
}
