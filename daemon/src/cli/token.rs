//! `ombud token`: API tokens. Their text is shown once; the desk keeps a hash.

use clap::Subcommand;

use super::failure::Failure;
use super::input::{address, span, words};
use super::json::{List, TokenView};
use super::out::{Answer, Done};
use super::table::{Table, time};
use crate::app::Opened;
use crate::http::views;
use crate::model::text::one_line;
use crate::store::{ApiToken, Cmd, NewToken, Outcome, Scope};

/// Longest name, in characters.
const NAME: usize = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token; it is the last word that is printed, and shown only now
    Create {
        /// What it may do
        #[arg(long, value_parser = words(Scope::ALL, Scope::word))]
        scope: Scope,
        /// What it is for
        #[arg(long)]
        name: String,
        /// The agent who speaks through it
        #[arg(long, value_name = "EMAIL")]
        agent: Option<String>,
        /// How long it is valid, like 90d [default: until it is revoked]
        #[arg(long, value_name = "SPAN", value_parser = span)]
        expires: Option<i64>,
    },
    /// List all tokens, without their text
    List,
    /// Make a token invalid
    Revoke {
        /// Its number in the list
        id: i64,
    },
}

pub(super) async fn run(command: Command, opened: &Opened, json: bool) -> Done {
    match command {
        Command::Create { scope, name, agent, expires } => create(opened, json, scope, &name, agent.as_deref(), expires).await,
        Command::List => list(opened, json).await,
        Command::Revoke { id } => {
            opened.store.run(Cmd::RevokeToken { id, now: opened.clock.now() }).await?;
            let tokens = opened.store.tokens().await?;
            let staff = opened.store.staff().await?;
            let token = tokens.iter().find(|token| token.id == id).map(|token| TokenView::listed(token, &staff));
            Answer::of(json, &token, || format!("token {id} is revoked"))
        }
    }
}

async fn create(opened: &Opened, json: bool, scope: Scope, name: &str, agent: Option<&str>, expires: Option<i64>) -> Done {
    let name = one_line(name, NAME);
    if name.is_empty() {
        return Err(Failure::data("--name must say what the token is for"));
    }
    let agent = agent.map(address).transpose()?;
    let now = opened.clock.now();
    let expires_at = match expires {
        Some(span) if span <= 0 => return Err(Failure::usage("--expires must be longer than nothing, like 90d")),
        Some(span) => Some(now.checked_add(span).ok_or_else(|| Failure::usage("--expires is too far away"))?),
        None => None,
    };
    let (token, hash) = NewToken::secret()?;
    let new = NewToken { hash, name: name.clone(), scope, agent: agent.clone(), now, expires_at };
    let Outcome::Id(id) = opened.store.run(Cmd::CreateToken(Box::new(new))).await? else {
        return Err(Failure::bug("the new token has no number"));
    };
    let view = TokenView {
        id,
        name: &name,
        scope,
        agent: agent.as_deref(),
        created_at: views::time(now),
        expires_at: expires_at.map(views::time),
        revoked_at: None,
        token: Some(&token),
    };
    Answer::of(json, &view, || {
        let until = expires_at.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {}", time(at)));
        format!("Token {id} \"{name}\" may {scope} and is valid {until}. It is shown only now:\n{token}")
    })
}

async fn list(opened: &Opened, json: bool) -> Done {
    let tokens = opened.store.tokens().await?;
    let staff = opened.store.staff().await?;
    let views: Vec<TokenView<'_>> = tokens.iter().map(|token| TokenView::listed(token, &staff)).collect();
    let now = opened.clock.now();
    let text = || {
        if tokens.is_empty() {
            return "There are no tokens: see `ombud token create --help`".to_owned();
        }
        let mut table = Table::headed(["ID", "STATE", "SCOPE", "CREATED", "EXPIRES", "AGENT", "NAME"]);
        for token in &tokens {
            let agent = token.agent.and_then(|id| staff.person(id)).map_or("", |p| p.address.as_str());
            let expires = token.expires_at.map_or_else(String::new, time);
            table.row([
                &token.id.to_string(),
                state(token, now),
                token.scope.word(),
                &time(token.created_at),
                &expires,
                agent,
                &token.name,
            ]);
        }
        table.text()
    };
    let text = text();
    Answer::of(json, &List::all(views), || text)
}

fn state(token: &ApiToken, now: i64) -> &'static str {
    match (token.revoked_at, token.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now => "expired",
        _ => "valid",
    }
}
