//! Who wrote this: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989) of a mail's From.
//!
//! One author is verified: the one under whom the mail is filed. A signature counts when it covers From and the whole
//! body; ARC and DKIM2 raise nothing. Only a mail that an outside client hands to our own SMTP can fail; of any other the
//! verdict is what its signatures or a trusted relay prove, or nothing.

mod align;
mod budget;
#[cfg(any(test, fuzzing))]
pub(crate) mod outside;
mod results;
mod signatures;
mod subject;
mod trusted;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{DkimOutput, DkimResult, DmarcOutput, DmarcResult, MessageAuthenticator, Parameters, SpfOutput, SpfResult};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::{Config, Require};
use crate::model::{By, Envelope, Reply, Verdict};
use crate::net::resolver;

use align::{ascii, domain_of, vouches};
use budget::Budget;
use results::Results;
use signatures::Chosen;
use trusted::Trust;

pub use subject::Subject;

/// All checks of one mail end after this.
const TIME: Duration = Duration::from_secs(20);
/// Look-ups for DKIM keys and DMARC records.
const LOOK_UPS: u32 = 10;
/// Look-ups for SPF: its ten terms, with ten addresses for each MX (RFC 7208 §4.6.4).
const SPF_LOOK_UPS: u32 = 111;
/// Look-ups for SPF that may find nothing.
const VOID: u32 = 2;
/// Senders who wait on the line for their mail to be verified.
const ON_THE_LINE: usize = 128;

const REFUSED: Reply = Reply::new(
    550,
    "5.7.1",
    "Neither SPF nor DKIM proves the author of this mail, and their domain asks to refuse such mail (DMARC, RFC 9989)",
);

/// Verifies authors. One for the whole daemon: what the DNS has answered is kept.
#[derive(Debug)]
pub struct Verifier {
    clock: Clock,
    dns: Mutex<Option<Dns>>,
    on_the_line: Semaphore,
}

/// The resolver and the setting that it was made from.
struct Dns {
    server: Option<SocketAddr>,
    ask: MessageAuthenticator,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Whether the policy of the author's domain refuses a mail. Only a verdict about an outside client's mail can fail.
/// A mail to an agent's address acts, so there it is enough that the domain asks for quarantine.
pub fn refusal(verdict: &Verdict, to_agent: bool) -> Option<Reply> {
    let fails = verdict.dmarc.as_deref() == Some("fail");
    let refused = match verdict.policy.as_deref() {
        Some("reject") => true,
        Some("quarantine") => to_agent,
        _ => false,
    };
    (fails && refused).then_some(REFUSED)
}

/// What is known without asking anybody.
pub fn at_once(config: &Config) -> Option<Verdict> {
    let believed = config.authentication.require == Require::None;
    believed.then(|| Verdict { aligned: true, by: Some(By::Nobody), ..Verdict::default() })
}

impl Verifier {
    /// One that goes by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, dns: Mutex::default(), on_the_line: Semaphore::new(ON_THE_LINE) }
    }

    /// Room for one more sender who waits on the line; none while too many wait. Their mail is verified later.
    pub fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.on_the_line.try_acquire().ok()
    }

    /// Verifies the author of a mail; takes at most 20 s.
    pub async fn verdict(&self, config: &Config, envelope: &Envelope, mail: &Subject) -> Verdict {
        // An agent who has logged in to us writes under an address of theirs alone: the gate sees to that.
        if let Some(user) = &envelope.auth_user {
            return Verdict { aligned: true, by: Some(By::Submission), identity: Some(user.clone()), ..Verdict::default() };
        }
        if let Some(known) = at_once(config) {
            return known;
        }
        let Some(author) = mail.origin.from.as_ref().and_then(|from| domain_of(&from.address)) else {
            return Verdict::default();
        };
        let temporary = || Verdict {
            spf: envelope.outside.then(|| "temperror".to_owned()),
            dkim: Some("temperror".to_owned()),
            dmarc: Some("temperror".to_owned()),
            domain: Some(author.clone()),
            ..Verdict::default()
        };
        let dns = match self.dns(config.authentication.resolver) {
            Ok(dns) => dns,
            Err(error) => {
                tracing::error!("{error}");
                return temporary();
            }
        };
        let check = Check { dns, config, envelope, mail, author: author.clone(), now: self.clock.now() };
        timeout(TIME, check.run()).await.unwrap_or_else(|_| temporary())
    }

    /// Whether the resolver answers at all.
    ///
    /// # Errors
    /// In words.
    pub async fn probe(&self, config: &Config) -> Result<(), String> {
        let dns = self.dns(config.authentication.resolver)?;
        let domain = format!("{}.", config.desk.hostname);
        match timeout(TIME, dns.txt_raw_lookup(domain.as_str())).await {
            Ok(Ok(_) | Err(mail_auth::Error::Dns(mail_auth::DnsError::RecordNotFound(_)))) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }

    fn dns(&self, server: Option<SocketAddr>) -> Result<MessageAuthenticator, String> {
        let mut known = self.dns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dns) = known.as_ref().filter(|dns| dns.server == server) {
            return Ok(dns.ask.clone());
        }
        let ask = resolver(server)?;
        *known = Some(Dns { server, ask: ask.clone() });
        Ok(ask)
    }
}

/// The checks of one mail.
struct Check<'a> {
    dns: MessageAuthenticator,
    config: &'a Config,
    envelope: &'a Envelope,
    mail: &'a Subject,
    author: String,
    /// In ms.
    now: i64,
}

/// What one way of proving has found.
type Proof = Option<(By, String)>;

impl Check<'_> {
    async fn run(self) -> Verdict {
        let trust = Trust::of(self.config, self.envelope);
        let origin = &self.mail.origin;
        let mut verdict = self.own().await;
        let told = trust.results(origin);
        if let Some(told) = &told {
            self.believe(told, trust.whom, &mut verdict);
        }
        let denied = verdict.dmarc.as_deref() == Some("fail");
        if trust.is_internal(origin) && !verdict.aligned && !denied {
            verdict = Verdict { aligned: true, by: Some(By::Results), identity: Some("microsoft".into()), ..verdict };
        }
        if let Some(user) = trust.submitted(origin) {
            verdict = Verdict { aligned: true, by: Some(By::Submission), identity: Some(user), ..verdict };
        }
        verdict
    }

    /// Our own checks.
    async fn own(&self) -> Verdict {
        let mut verdict = Verdict { domain: Some(self.author.clone()), ..Verdict::default() };
        let Some(mut message) = self.mail.message() else { return verdict };
        let now = u64::try_from(self.now / 1_000).unwrap_or(0);
        let chosen = signatures::choose(&mut message, &self.author, now);
        let budget = Budget::new(LOOK_UPS, LOOK_UPS);
        let (spf, sender) = self.spf().await;
        let dkim = self.dns.verify_dkim(Parameters::new(&message).with_txt_cache(&budget)).await;
        let no_spf = SpfOutput::new(String::new());
        let asked = DmarcParameters {
            message: &message,
            dkim_output: &dkim,
            dkim2_output: None,
            rfc5321_mail_from_domain: &sender,
            spf_output: spf.as_ref().unwrap_or(&no_spf),
        };
        let dmarc = self.dns.verify_dmarc(Parameters::new(asked).with_txt_cache(&budget).with_ipv4_cache(&budget)).await;
        verdict.spf = spf.as_ref().map(|output| spf_word(output.result()).to_owned());
        verdict.dkim = Some(dkim_word(chosen, &dkim).to_owned());
        // Without the client's address nobody can tell a forgery from a mail that was passed on.
        (verdict.dmarc, verdict.policy) = dmarc_words(&dmarc, self.envelope.outside);
        prove(&mut verdict, self.by_dkim(&dkim, &dmarc).or_else(|| self.by_spf(spf.as_ref(), &sender, &dmarc)));
        verdict
    }

    /// SPF of the envelope sender, and its domain. Only an outside client is the one whose address counts.
    async fn spf(&self) -> (Option<SpfOutput>, String) {
        let helo = ascii(self.envelope.helo.as_deref().unwrap_or_default());
        let Some(ip) = self.envelope.peer.filter(|_| self.envelope.outside).map(|ip: IpAddr| ip.to_canonical()) else {
            return (None, String::new());
        };
        let sender = self.envelope.mail_from.as_str();
        let domain = sender.rsplit_once('@').map_or_else(|| helo.clone(), |(_, domain)| ascii(domain));
        let address = sender.rsplit_once('@').map_or_else(String::new, |(local, _)| format!("{local}@{domain}"));
        let budget = Budget::new(SPF_LOOK_UPS, VOID);
        let asked = SpfParameters::verify_mail_from(ip, &helo, &self.config.desk.hostname, &address);
        let caches = Parameters::new(asked).with_txt_cache(&budget).with_mx_cache(&budget);
        let caches = caches.with_ipv4_cache(&budget).with_ipv6_cache(&budget).with_ptr_cache(&budget);
        let found = self.dns.check_host(caches).await;
        let spent = budget.is_void() && !matches!(found.result(), SpfResult::TempError | SpfResult::None);
        let found = if spent { found.with_result(SpfResult::PermError) } else { found };
        (Some(found), domain)
    }

    fn by_dkim(&self, outputs: &[DkimOutput<'_>], dmarc: &DmarcOutput) -> Proof {
        let passed = || outputs.iter().filter(|o| *o.result() == DkimResult::Pass).filter_map(|o| Some(ascii(&o.signature()?.d)));
        let by_record = *dmarc.dkim_result() == DmarcResult::Pass;
        passed()
            .find(|d| *d == self.author)
            .or_else(|| passed().find(|d| self.speaks(d, dmarc)))
            .or_else(|| passed().next().filter(|_| by_record))
            .map(|d| (By::Dkim, d))
    }

    fn by_spf(&self, spf: Option<&SpfOutput>, sender: &str, dmarc: &DmarcOutput) -> Proof {
        spf.filter(|spf| spf.result() == SpfResult::Pass)?;
        let aligned = sender == self.author || self.speaks(sender, dmarc) || *dmarc.spf_result() == DmarcResult::Pass;
        aligned.then(|| (By::Spf, sender.to_owned()))
    }

    /// Whether a domain speaks for the author's where no record says so.
    fn speaks(&self, domain: &str, dmarc: &DmarcOutput) -> bool {
        dmarc.result() == DmarcResult::None && vouches(domain, &self.author)
    }

    /// Takes the word of a relay that is trusted.
    fn believe(&self, told: &Results, whom: Option<&str>, verdict: &mut Verdict) {
        let whom = whom.unwrap_or_default().to_owned();
        let about_author = |s: &results::Statement| s.get("header.from").is_none_or(|d| ascii(d) == self.author);
        let dmarc = told.only("dmarc").filter(|_| told.of("dmarc").all(about_author));
        if dmarc == Some("fail") {
            *verdict = Verdict { dmarc: Some("fail".into()), aligned: false, by: None, identity: Some(whom), ..verdict.clone() };
            return;
        }
        if verdict.aligned {
            return;
        }
        let passed = |method: &str, name: fn(&results::Statement) -> Option<String>| {
            let named: Vec<String> = told.of(method).filter(|s| s.result == "pass").filter_map(name).collect();
            named.into_iter().any(|domain| vouches(&domain, &self.author) || (dmarc == Some("pass") && self.is_relative(&domain)))
        };
        let (dkim, spf) = (passed("dkim", trusted::signer), passed("spf", trusted::sender));
        verdict.spf = told.only("spf").map(str::to_owned).or_else(|| verdict.spf.take());
        verdict.dkim = if dkim { Some("pass".into()) } else { verdict.dkim.take() };
        verdict.dmarc = dmarc.map(str::to_owned).or_else(|| verdict.dmarc.take());
        let by = match (dkim, spf, dmarc) {
            (false, true, _) => Some(By::Spf),
            (true, ..) | (_, _, Some("pass")) => Some(By::Results),
            _ => None,
        };
        prove(verdict, by.map(|by| (by, whom)));
    }

    fn is_relative(&self, domain: &str) -> bool {
        align::may_be_aligned(domain, &self.author)
    }
}

fn prove(verdict: &mut Verdict, proof: Proof) {
    if let Some((by, identity)) = proof {
        (verdict.aligned, verdict.by, verdict.identity) = (true, Some(by), Some(identity));
    }
}

fn spf_word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

fn dkim_word(chosen: Chosen, outputs: &[DkimOutput<'_>]) -> &'static str {
    let any = |wanted: fn(&DkimResult) -> bool| outputs.iter().any(|output| wanted(output.result()));
    match chosen {
        Chosen::None => "none",
        Chosen::Unfit => "policy",
        Chosen::Strangers => "neutral",
        Chosen::Some if any(|r| *r == DkimResult::Pass) => "pass",
        Chosen::Some if any(|r| matches!(r, DkimResult::TempError(_))) => "temperror",
        Chosen::Some if any(|r| matches!(r, DkimResult::PermError(_))) => "permerror",
        Chosen::Some => "fail",
    }
}

/// The result and the policy that is published.
fn dmarc_words(dmarc: &DmarcOutput, may_fail: bool) -> (Option<String>, Option<String>) {
    let result = match dmarc.result() {
        DmarcResult::Pass => "pass",
        DmarcResult::Fail(_) if may_fail => "fail",
        DmarcResult::TempError(_) => "temperror",
        DmarcResult::PermError(_) => "permerror",
        DmarcResult::Fail(_) | DmarcResult::None => "none",
    };
    let policy = match dmarc.policy() {
        Policy::Reject => "reject",
        Policy::Quarantine => "quarantine",
        Policy::None | Policy::Unspecified => "none",
    };
    (Some(result.to_owned()), dmarc.dmarc_record().map(|_| policy.to_owned()))
}

#[cfg(test)]
mod tests;
