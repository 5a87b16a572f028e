//! What there is to begin with: a config, completions, manual pages.

use std::fs::{read_dir, read_to_string, write};
use std::path::Path;

use crate::program::{Done, Folder, finish, program, run};

fn run_in(folder: &Path, arguments: &[&str]) -> Done {
    let mut command = program(arguments);
    command.current_dir(folder);
    finish(command)
}

/// Takes away each `#` that hides an option: one with no space behind it.
fn uncommented(config: &str) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(option) if option.starts_with(|first: char| first.is_ascii_lowercase()) => {
            line.replacen('#', "", 1) + "\n"
        }
        _ => format!("{line}\n"),
    };
    config.lines().map(line).collect()
}

#[test]
fn a_config_to_begin_with_passes_the_check() {
    let folder = Folder::with_config("");
    let folder = folder.path().join("new");
    std::fs::create_dir(&folder).expect("made");
    let made = run_in(&folder, &["init"]);
    assert_eq!(made.out(0), "");
    assert!(made.err.contains("fanway check\n"), "{}", made.err);
    let checked = run_in(&folder, &["check"]);
    assert_eq!(checked.out(0), "ok: 2 targets, 1 route");
    assert_eq!(checked.err, "");
}

#[test]
fn each_option_of_it_passes_the_check_too() {
    let folder = Folder::with_config("");
    let config = run(&["init", "-"]);
    let all = uncommented(config.out(0));
    assert!(all.contains("\n        critical: false"), "{all}");
    write(folder.config(), &all).expect("written");
    let mut check = program(&["check", "-c", &folder.config()]);
    check.envs([("INVENTORY_TOKEN", "a"), ("SHIPPING_KEY", "b")]);
    let checked = finish(check);
    assert_eq!(checked.out(0), "ok: 2 targets, 1 route");
    assert_eq!(checked.err, "");
}

#[test]
fn a_config_that_is_there_is_written_over_only_when_asked() {
    let mine = "mine".repeat(5000);
    let folder = Folder::with_config(&mine);
    let file = folder.config();
    let refused = run(&["init", &file]);
    let expected = format!("fanway: {file} is there already; --force writes over it");
    assert_eq!(refused.err(1), expected);
    assert_eq!(read_to_string(&file).expect("it is there"), mine);

    let forced = run(&["init", "--force", &file]);
    let next = forced.err(0);
    assert!(
        next.contains(&format!("fanway serve -c {file}\n")),
        "{next}"
    );
    let printed = run(&["init", "-"]);
    assert_eq!(read_to_string(&file).expect("it is there"), printed.out);
    assert_eq!(printed.err, "");

    let nowhere = folder.path().join("none/fanway.yaml").display().to_string();
    assert!(run(&["init", &nowhere]).err(1).contains(&nowhere));
}

#[test]
fn each_shell_has_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&["completions", shell]);
        let script = done.out(0);
        for word in ["serve", "redrive", "completions", "--config", "--json"] {
            // Some write an option without its dashes.
            let word = word.trim_start_matches('-');
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = Folder::with_config("");
    let pages = folder.path().join("share/man1");
    let done = run(&["man", "--dir", &pages.display().to_string()]);
    assert_eq!(done.out(0), "");
    let names = read_dir(&pages).expect("made").map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("text")
    });
    let names: Vec<String> = names.collect();
    for page in ["fanway.1", "fanway-serve.1", "fanway-dead-redrive.1"] {
        assert!(names.contains(&page.to_owned()), "{page} in {names:?}");
    }
    assert!(names.iter().all(|name| !name.contains("help")), "{names:?}");
    let serve = read_to_string(pages.join("fanway-serve.1")).expect("text");
    assert!(serve.contains("Run the gateway"), "{serve}");
    assert!(serve.contains(env!("CARGO_PKG_VERSION")), "{serve}");

    let main = run(&["man"]);
    let written = read_to_string(pages.join("fanway.1")).expect("text");
    assert_eq!(main.out(0), written.trim_end());
    let file = folder.config();
    assert!(run(&["man", "--dir", &file]).err(1).contains(&file));
}
