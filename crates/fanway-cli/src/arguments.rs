//! What can be asked of the binary.

use clap::{Parser, Subcommand};

use crate::commands::{
    audit, bench, cancel, check, completions, config, dead, demo, explain, init, journal, ledger,
    man, redrive, send, serve, status, tail, target,
};

const LONG: &str = "\
Data goes to standard output, everything else to standard error. The exit status is 0, 1 where what
was asked failed, 2 where it was asked wrongly. `fanway COMMAND --help` has examples.

To begin with:
  fanway demo
  fanway init && fanway check && fanway serve";

/// One request in, two or more APIs out; nobody waits, nothing is lost, everybody can see.
#[derive(Debug, Parser)]
#[command(name = "fanway", version, arg_required_else_help = true, after_long_help = LONG)]
pub(crate) struct Arguments {
    /// Print JSON instead of text for people; what comes line by line is a JSON value a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, one file each under `commands`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The order example, end to end, with two lifelike target APIs: nothing else needed
    Demo(demo::Options),
    /// Write a config to begin with, with comments
    Init(init::Options),
    /// Run the gateway
    Serve(serve::Options),
    /// Check a config: all errors, each with line and column
    Check(check::Options),
    /// Show what a request would cause: route, checks, each outgoing request. Nothing is sent
    Explain(explain::Options),
    /// Print the JSON Schema of the config
    Schema,
    /// Send a request to the gateway, as a sender
    Send(send::Options),
    /// Ask the gateway for a message, as a sender
    Status(status::Options),
    /// Call a message off, as its sender
    Cancel(cancel::Options),
    /// Print what happens, as it happens, as an operator
    Tail(tail::Options),
    /// Dead letters, as an operator: list, show, redrive, discard
    Dead(dead::Options),
    /// Send many deliveries again, as an operator: start, list, show, pause, resume, cancel
    Redrive(redrive::Options),
    /// Targets, as an operator: list, show, pause, resume, force their breakers
    Target(target::Options),
    /// The config of a running server, as an operator: show, reload, rollback
    Config(config::Options),
    /// Who changed what, as an operator
    Audit(audit::Options),
    /// The journal in the data folder of a server that isn't running
    Journal(journal::Options),
    /// The ledger in the data folder of a server that isn't running
    Ledger(ledger::Options),
    /// Load on a running gateway, with a latency histogram
    Bench(bench::Options),
    /// Print a script that completes what is typed after `fanway`
    Completions(completions::Options),
    /// Print the manual page, or write a page for each command
    Man(man::Options),
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Arguments;

    /// A command and all below it, each with its whole name.
    fn walk(command: &Command, above: &str, visit: &mut impl FnMut(&str, &Command)) {
        let name = format!("{above} {}", command.get_name());
        let name = name.trim_start();
        visit(name, command);
        for inner in command.get_subcommands() {
            walk(inner, name, visit);
        }
    }

    fn built() -> Command {
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        command
    }

    #[test]
    fn every_command_and_every_argument_says_what_it_is() {
        walk(&built(), "", &mut |name, command| {
            let about = command.get_about().expect(name).to_string();
            assert!(
                !about.is_empty() && !about.ends_with('.'),
                "{name}: {about}"
            );
            for argument in command.get_arguments() {
                let id = argument.get_id();
                let help = argument.get_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                assert!(!help.is_empty(), "{name}: {id} has no help");
                assert!(!help.ends_with('.'), "{name}: {id}: {help}");
            }
        });
    }

    #[test]
    fn every_command_has_examples_in_its_help_or_its_groups() {
        let command = built();
        for inner in command.get_subcommands() {
            let name = inner.get_name();
            let has_examples = inner
                .get_after_long_help()
                .is_some_and(|help| help.to_string().contains(&format!("\n  fanway {name}")));
            // What they take and print is said by themselves.
            let speaks_for_itself = matches!(name, "schema" | "init" | "completions" | "man");
            assert!(has_examples || speaks_for_itself, "{name}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }
}
