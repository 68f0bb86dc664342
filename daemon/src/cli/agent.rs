//! `ombud agent`: the people who work here.

mod password;
mod settings;

use std::path::Path;

use clap::Subcommand;

use super::failure::Failure;
use super::input::{address, words};
use super::json::{AgentView, List};
use super::out::{Answer, Done};
use super::table::{Table, time};
use crate::app::Opened;
use crate::model::address::fold;
use crate::model::people::{Person, Settings};
use crate::model::text::one_line;
use crate::model::ticket::Role;
use crate::store::{AgentChange, Cmd, NewAgent};

/// What somebody who works here can be.
const ROLES: &[Role] = &[Role::Agent, Role::Admin, Role::Viewer];
/// Longest name, in characters.
const NAME: usize = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add somebody; an address that an admin adds counts as verified
    Add(Add),
    /// List everybody who works here or did
    List,
    /// Show one person
    Show {
        /// One of their addresses
        email: String,
    },
    /// End their work here; every address they were given stops working
    Disable {
        /// One of their addresses
        email: String,
    },
    /// Let them work here again
    Enable {
        /// One of their addresses
        email: String,
    },
    /// Make every address they were given so far stop working
    RevokeAddresses {
        /// One of their addresses
        email: String,
    },
    /// Change how they work
    Set(settings::Set),
    /// Make a password with which their mail client sends through the desk; it is shown once
    AppPassword(password::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Their address
    email: String,
    /// Their name, as customers see it
    #[arg(long)]
    name: String,
    /// What they may do
    #[arg(long, default_value = "agent", value_parser = words(ROLES, Role::word))]
    role: Role,
    /// A further address they write from; may be given several times
    #[arg(long, value_name = "EMAIL")]
    alias: Vec<String>,
    /// Let SPF alone prove that a mail is theirs
    #[arg(long)]
    allow_spf: bool,
    /// A team; may be given several times
    #[arg(long, value_name = "NAME")]
    team: Vec<String>,
}

pub(super) async fn run(command: Command, opened: &Opened, cwd: &Path, json: bool) -> Done {
    let change = |email, change, done| changed(opened, json, email, change, done);
    match command {
        Command::Add(args) => add(args, opened, json).await,
        Command::List => list(opened, json).await,
        Command::Show { email } => {
            let agent = find(opened, &email).await?;
            Answer::of(json, &AgentView::from(&agent), || facts(&agent, opened.clock.now()))
        }
        Command::Disable { email } => change(email, AgentChange::Disable, "works here no more").await,
        Command::Enable { email } => change(email, AgentChange::Enable, "works here").await,
        Command::RevokeAddresses { email } => {
            change(email, AgentChange::RevokeAddresses, "has new addresses from the next mail on; the old ones do not work any more").await
        }
        Command::Set(args) => {
            let agent = find(opened, &args.email).await?;
            let (settings, notes) = args.applied(agent.settings, cwd)?;
            let done = changed(opened, json, agent.address, AgentChange::Set(Box::new(settings)), "is set").await?;
            Ok(notes.into_iter().fold(done, Answer::noting))
        }
        Command::AppPassword(args) => password::run(args, opened, json).await,
    }
}

async fn add(args: Add, opened: &Opened, json: bool) -> Done {
    let email = address(&args.email)?;
    let name = one_line(&args.name, NAME);
    if name.is_empty() {
        return Err(Failure::data("--name must be the name that customers see"));
    }
    let mut aliases: Vec<String> = Vec::new();
    for alias in &args.alias {
        let alias = fold(&address(alias)?);
        if alias != fold(&email) && !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    let staff = opened.store.staff().await?;
    for address in std::iter::once(&email).chain(&aliases) {
        if opened.desk.book.is_own(address) {
            return Err(Failure::data(format!("{address} is an address of the desk itself; an agent needs one of their own")));
        }
        if let Some(other) = staff.at(&fold(address)) {
            return Err(Failure::data(format!("{address} is an address of {} already: see `ombud agent show`", other.address)));
        }
    }
    let settings = Settings { teams: settings::teams(&args.team)?, allow_spf: args.allow_spf, ..Settings::default() };
    let new = NewAgent { address: email.clone(), name, role: args.role, aliases, settings, now: opened.clock.now() };
    opened.store.run(Cmd::AddAgent(Box::new(new))).await?;
    let agent = find(opened, &email).await?;
    Answer::of(json, &AgentView::from(&agent), || format!("{} works here as {}", agent.address, agent.role))
}

async fn changed(opened: &Opened, json: bool, email: String, change: AgentChange, done: &str) -> Done {
    opened.store.run(Cmd::ChangeAgent { address: address(&email)?, change }).await?;
    let agent = find(opened, &email).await?;
    Answer::of(json, &AgentView::from(&agent), || format!("{} {done}", agent.address))
}

/// Who has this address.
async fn find(opened: &Opened, email: &str) -> Result<Person, Failure> {
    let key = fold(&address(email)?);
    let found = opened.store.staff().await?.at(&key).cloned();
    found.ok_or_else(|| Failure::missing(format!("nobody with the address {key} works here: see `ombud agent list`")))
}

async fn list(opened: &Opened, json: bool) -> Done {
    let staff = opened.store.staff().await?;
    Answer::of(json, &List::all(staff.iter().map(AgentView::from).collect()), || {
        if staff.is_empty() {
            return "Nobody works here yet: see `ombud agent add --help`".to_owned();
        }
        let mut table = Table::headed(["ADDRESS", "STATE", "ROLE", "NOTIFY", "TEAMS", "NAME"]);
        for agent in staff.iter() {
            let (settings, name) = (&agent.settings, agent.name.as_deref().unwrap_or_default());
            table.row([&agent.address, state(agent), agent.role.word(), settings.notify.word(), &settings.teams.join(", "), name]);
        }
        table.text()
    })
}

fn state(agent: &Person) -> &'static str {
    if agent.disabled { "disabled" } else { "active" }
}

fn facts(agent: &Person, now: i64) -> String {
    let settings = &agent.settings;
    let word = |yes, one: &'static str, other: &'static str| if yes { one } else { other };
    let mut table = Table::default();
    table.row(["Address", &agent.address]);
    table.row(["Name", agent.name.as_deref().unwrap_or_default()]);
    table.row(["Role", agent.role.word()]);
    table.row(["State", state(agent)]);
    if let Some(refusal) = agent.suppressed(&agent.address, now) {
        let (refused, until) = (time(refusal.refused_at), time(refusal.until));
        table.row(["Mail", &format!("undeliverable: refused {refused}, nothing is sent before {until}: {}", refusal.reply)]);
    }
    table.row(["Aliases", &agent.aliases.join(", ")]);
    table.row(["Teams", &settings.teams.join(", ")]);
    table.row(["Notify", settings.notify.word()]);
    table.row(["Receipts", word(settings.receipts_all, "all", "default")]);
    table.row(["Proven by", word(settings.allow_spf, "DKIM or SPF", "DKIM")]);
    table.row(["Time zone", settings.timezone.as_deref().unwrap_or_default()]);
    table.row(["Signature", &settings.signature.as_deref().unwrap_or_default().replace('\n', " / ")]);
    table.row(["Quiet", settings.quiet.as_deref().unwrap_or_default()]);
    table.text()
}
