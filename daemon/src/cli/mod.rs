//! The command line: one file for each subcommand.
//!
//! A command takes its arguments and answers with what there is to print; only [`main`] prints. What works on the desk
//! opens its database, does one thing and closes it; the daemon may run meanwhile.

mod agent;
mod backup;
mod check;
mod deliver;
mod demo;
mod explain;
mod failure;
mod import;
mod inbox;
mod input;
mod json;
mod kb;
mod keys;
mod log;
mod out;
mod queue;
mod reindex;
mod restore;
mod search;
mod serve;
mod table;
#[cfg(test)]
mod tests;
mod ticket;
mod token;
mod unbuilt;
mod usage;
mod webhook;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::Opened;
use crate::clock::Clock;
use crate::config::{self, Config, Database, Problems};
use crate::store::StoreError;

use failure::{BUG, CONFIG, Failure, TEMPORARY};
use out::{Done, Finished};

/// Taking apart a deep mail needs more than a thread's usual 2 MiB.
const STACK: usize = 8 << 20;

/// An email-first help desk: agents answer from their own mail client
#[derive(Debug, Parser)]
#[command(name = "ombud", version, max_term_width = 120)]
struct Cli {
    /// Configuration [default: $OMBUD_CONFIG, ./ombud.toml, /etc/ombud/ombud.toml, the built-in local desk]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document instead of text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::Args),
    /// Play one support conversation through a fresh local desk, then leave it running
    Demo,
    /// Say what is wrong with the configuration and its surroundings
    Check(check::Args),
    /// Print how one message is understood
    Explain(explain::Args),
    /// Hand one message to the desk from a pipe
    Deliver(deliver::Args),
    /// Bring a backup back into an empty desk
    Restore(restore::Args),
    /// The keys that sign what leaves, and their DNS records
    #[command(subcommand)]
    Keys(keys::Command),
    #[command(flatten)]
    Desk(DeskCommand),
    #[command(flatten)]
    Unbuilt(unbuilt::Command),
}

/// What works on the database of a desk.
#[derive(Debug, Subcommand)]
enum DeskCommand {
    /// The people who work here
    #[command(subcommand)]
    Agent(agent::Command),
    /// API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Tickets
    #[command(subcommand)]
    Ticket(ticket::Command),
    /// Every mail that was ever accepted, and what became of it
    #[command(subcommand)]
    Inbox(inbox::Command),
    /// Mail that leaves
    #[command(subcommand)]
    Queue(queue::Command),
    /// The knowledge base: articles as Markdown files
    #[command(subcommand)]
    Kb(kb::Command),
    /// Webhooks: who is told of events over HTTPS
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Take history from an mbox file or a Maildir; the same command goes on where it was stopped
    Import(import::Args),
    /// Search tickets and articles
    Search(search::Args),
    /// Build the search index anew
    Reindex,
    /// Copy the desk into an empty folder while it works
    Backup(backup::Args),
}

/// What a command finds around it.
#[derive(Clone, Debug)]
struct Env {
    /// Environment variables.
    vars: Vec<(OsString, OsString)>,
    /// Where relative paths begin.
    cwd: PathBuf,
}

/// Where a command finds its configuration.
#[derive(Clone, Debug)]
struct Place {
    /// `--config`.
    file: Option<PathBuf>,
    env: Env,
}

impl Place {
    /// Reads the configuration; each call reads it anew.
    fn load(&self) -> Result<Config, Problems> {
        config::load(self.file.as_deref(), self.env.vars.iter().map(|(name, value)| (name, value)), &self.env.cwd)
    }
}

/// The program: reads its arguments, does what they say, answers the exit code.
pub fn main() -> ExitCode {
    // Customers' mail is nobody's business: what we write is for our user alone. Sockets set a mode of their own.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // The message of a panic may hold mail text, and a backtrace helps nobody who runs a desk.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        out::say(&format!("this is a bug{place}: please report it"));
    }));
    let finished = std::panic::catch_unwind(|| run(std::env::args_os().collect()));
    ExitCode::from(finished.map_or(BUG, Finished::print))
}

fn run(args: Vec<OsString>) -> Finished {
    let env = match std::env::current_dir() {
        Ok(cwd) => Env { vars: std::env::vars_os().collect(), cwd },
        Err(error) => return Err(Failure::missing(format!("the working directory cannot be used: {error}"))).into(),
    };
    execute(args, env)
}

/// One run of the program with these arguments, its name first.
fn execute(args: Vec<OsString>, env: Env) -> Finished {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage::finished(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build() {
        Ok(runtime) => runtime,
        Err(error) => return Err(Failure::new(TEMPORARY, format!("no threads can be started: {error}; try again"))).into(),
    };
    let done = runtime.block_on(Box::pin(dispatch(cli, env)));
    // A read of stdin that nobody waits for any more would keep the process.
    runtime.shutdown_background();
    done.into()
}

async fn dispatch(cli: Cli, env: Env) -> Done {
    let Cli { config, json, command } = cli;
    let place = Place { file: config, env };
    match command {
        Command::Serve(args) => serve::run(args, place).await,
        Command::Demo => demo::run().await,
        Command::Check(args) => Box::pin(check::run(args, &place, json)).await,
        Command::Explain(args) => explain::run(args, &place).await,
        Command::Deliver(args) => deliver::run(args, &place, json).await,
        Command::Restore(args) => restore::run(args, &place, json).await,
        Command::Keys(command) => Box::pin(keys::run(command, &place, json)).await,
        Command::Desk(command) => on_desk(command, &place, json).await,
        Command::Unbuilt(command) => Err(command.failure()),
    }
}

async fn on_desk(command: DeskCommand, place: &Place, json: bool) -> Done {
    let opened = open(place.load()?).await?;
    let done = match command {
        DeskCommand::Agent(command) => agent::run(command, &opened, &place.env.cwd, json).await,
        DeskCommand::Token(command) => token::run(command, &opened, json).await,
        DeskCommand::Ticket(command) => ticket::run(command, &opened, json).await,
        DeskCommand::Inbox(command) => inbox::run(command, &opened, json).await,
        DeskCommand::Queue(command) => queue::run(command, &opened, json).await,
        DeskCommand::Webhook(command) => webhook::run(command, &opened, json).await,
        DeskCommand::Kb(command) => kb::run(command, &opened, &place.env.cwd, json).await,
        DeskCommand::Import(args) => Box::pin(import::run(args, &opened, &place.env.cwd, json)).await,
        DeskCommand::Search(args) => search::run(args, &opened, json).await,
        DeskCommand::Reindex => reindex::run(&opened, json).await,
        DeskCommand::Backup(args) => backup::run(args, &opened, &place.env.cwd, json).await,
    };
    opened.store.close().await;
    done
}

/// Opens the desk of a configuration.
async fn open(config: Config) -> Result<Opened, Failure> {
    let place = match &config.database {
        Database::Sqlite(path) => format!("{} with the data folder {}", path.display(), config.desk.data.display()),
        Database::Postgres(_) => "[database] url".to_owned(),
    };
    Opened::open(Arc::new(config), Clock::default()).await.map_err(|error| {
        // Whatever refuses to open was named by the configuration.
        let code = if matches!(error, StoreError::Refused(_)) { CONFIG } else { Failure::from(error.clone()).code };
        Failure::new(code, format!("the desk cannot be opened: {error} ({place})"))
    })
}
