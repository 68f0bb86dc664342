//! `[limits]`: defaults and bounds. A bound stands where more would be a fault, not a choice.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::limits::Limits;
use super::reader::Section;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Expiry days in a token have 14 bits, so a life must stay far below 44 years.
const TOKEN_LIFE: RangeInclusive<Duration> = DAY..=Duration::from_secs(3_650 * 86_400);
/// Signs of life are written six times as often, and clocks of one database are one.
const NODE_SILENCE: RangeInclusive<Duration> = Duration::from_secs(3)..=HOUR;
/// Nobody is unreachable for longer than a few years, and zero would be a storm.
const SUPPRESSION: RangeInclusive<Duration> = HOUR..=Duration::from_secs(3_650 * 86_400);
const TIMEOUT: RangeInclusive<Duration> = SECOND..=Duration::from_secs(86_400);
const COUNT: RangeInclusive<u64> = 1..=1_000_000;

impl Default for Limits {
    fn default() -> Self {
        let message_size = 50 * MIB;
        Self {
            message_size,
            recipients: 100,
            messages_per_connection: 1_000,
            connections: 1_024,
            connections_per_ip: 20,
            connections_per_network: 60,
            connections_per_minute: 100,
            session_size: 250 * MIB,
            soft_errors: 10,
            hard_errors: 20,
            junk_commands: 100,
            unknown_recipients: 5,
            unknown_recipients_per_hour: 100,
            logins_per_connection: 3,
            logins_per_minute: 10,
            logins_per_day: 50,
            command_timeout: MINUTE,
            stress_timeout: 10 * SECOND,
            session_time: 10 * MINUTE,
            data_timeout: 10 * MINUTE,
            data_rate: 500,
            data_grace: 30 * SECOND,
            command_line: 2_048,
            line: 65_536,
            header_size: 256 << 10,
            header_fields: 1_000,
            received: 50,
            mime_depth: 20,
            mime_parts: 500,
            html_size: 512 << 10,
            html_depth: 256,
            text_size: 1 << 20,
            quote_lines: 60,
            burst: 5 * SECOND,
            attempts: 3,
            acks_per_10min: 3,
            acks_per_day: 20,
            acks_per_domain_hour: 1_000,
            tickets_per_sender_hour: 20,
            notifications_per_agent_hour: 120,
            answers_per_agent_hour: 300,
            agent_token_life: 30 * DAY,
            customer_token_life: 180 * DAY,
            confirm_token_life: 14 * DAY,
            bounce_token_life: 14 * DAY,
            give_up_after: 5 * DAY,
            suppress_first: 7 * DAY,
            suppress_most: 90 * DAY,
            soft_refusals: 5,
            soft_refusals_within: 7 * DAY,
            free_space: free_space(message_size),
            node_silence: MINUTE,
        }
    }
}

/// Room for the largest mail twice (its blob and the database's log), and some to work in.
fn free_space(message_size: u64) -> u64 {
    2 * message_size + 64 * MIB
}

/// Reads `[limits]`.
pub(super) fn limits(s: &mut Section<'_>) -> Limits {
    let d = Limits::default();
    let message_size = s.size("message_size", KIB..=100 * MIB).unwrap_or(d.message_size);
    Limits {
        message_size,
        recipients: count(s, "recipients", COUNT, d.recipients),
        messages_per_connection: count(s, "messages_per_connection", COUNT, d.messages_per_connection),
        connections: count(s, "connections", COUNT, d.connections),
        connections_per_ip: count(s, "connections_per_ip", COUNT, d.connections_per_ip),
        connections_per_network: count(s, "connections_per_network", COUNT, d.connections_per_network),
        session_size: s.size("session_size", MIB..=1_024 * GIB).unwrap_or(d.session_size),
        soft_errors: few(s, "soft_errors", d.soft_errors),
        hard_errors: few(s, "hard_errors", d.hard_errors),
        junk_commands: few(s, "junk_commands", d.junk_commands),
        unknown_recipients: few(s, "unknown_recipients", d.unknown_recipients),
        unknown_recipients_per_hour: few(s, "unknown_recipients_per_hour", d.unknown_recipients_per_hour),
        connections_per_minute: count(s, "connections_per_minute", COUNT, d.connections_per_minute),
        logins_per_connection: few(s, "logins_per_connection", d.logins_per_connection),
        logins_per_minute: few(s, "logins_per_minute", d.logins_per_minute),
        logins_per_day: few(s, "logins_per_day", d.logins_per_day),
        command_timeout: s.duration("command_timeout", TIMEOUT).unwrap_or(d.command_timeout),
        stress_timeout: s.duration("stress_timeout", TIMEOUT).unwrap_or(d.stress_timeout),
        session_time: s.duration("session_time", TIMEOUT).unwrap_or(d.session_time),
        data_timeout: s.duration("data_timeout", TIMEOUT).unwrap_or(d.data_timeout),
        data_rate: s.size("data_rate", 0..=GIB).unwrap_or(d.data_rate),
        data_grace: s.duration("data_grace", TIMEOUT).unwrap_or(d.data_grace),
        // RFC 5321 §4.5.3.1.4: a command line of 512 octets must be taken; a signed address fills one.
        command_line: octets(s, "command_line", KIB..=16 * KIB, d.command_line),
        // RFC 5321 §4.5.3.1.6: a text line of 1,000 octets must be taken.
        line: octets(s, "line", 1_000..=MIB, d.line),
        header_size: octets(s, "header_size", 4 * KIB..=MIB, d.header_size),
        header_fields: count(s, "header_fields", 50..=10_000, d.header_fields),
        received: count(s, "received", 5..=1_000, d.received),
        mime_depth: count(s, "mime_depth", 2..=100, d.mime_depth),
        mime_parts: count(s, "mime_parts", 10..=10_000, d.mime_parts),
        html_size: octets(s, "html_size", KIB..=4 * MIB, d.html_size),
        html_depth: count(s, "html_depth", 16..=512, d.html_depth),
        text_size: octets(s, "text_size", KIB..=16 * MIB, d.text_size),
        quote_lines: count(s, "quote_lines", 1..=10_000, d.quote_lines),
        burst: s.duration("burst", Duration::ZERO..=HOUR).unwrap_or(d.burst),
        attempts: few(s, "attempts", d.attempts),
        acks_per_10min: few(s, "acks_per_10min", d.acks_per_10min),
        acks_per_day: few(s, "acks_per_day", d.acks_per_day),
        acks_per_domain_hour: few(s, "acks_per_domain_hour", d.acks_per_domain_hour),
        tickets_per_sender_hour: few(s, "tickets_per_sender_hour", d.tickets_per_sender_hour),
        notifications_per_agent_hour: few(s, "notifications_per_agent_hour", d.notifications_per_agent_hour),
        answers_per_agent_hour: few(s, "answers_per_agent_hour", d.answers_per_agent_hour),
        agent_token_life: s.duration("agent_token_life", TOKEN_LIFE).unwrap_or(d.agent_token_life),
        customer_token_life: s.duration("customer_token_life", TOKEN_LIFE).unwrap_or(d.customer_token_life),
        confirm_token_life: s.duration("confirm_token_life", TOKEN_LIFE).unwrap_or(d.confirm_token_life),
        bounce_token_life: s.duration("bounce_token_life", TOKEN_LIFE).unwrap_or(d.bounce_token_life),
        give_up_after: s.duration("give_up_after", HOUR..=30 * DAY).unwrap_or(d.give_up_after),
        suppress_first: s.duration("suppress_first", SUPPRESSION).unwrap_or(d.suppress_first),
        suppress_most: s.duration("suppress_most", SUPPRESSION).unwrap_or(d.suppress_most),
        soft_refusals: few(s, "soft_refusals", d.soft_refusals),
        soft_refusals_within: s.duration("soft_refusals_within", HOUR..=365 * DAY).unwrap_or(d.soft_refusals_within),
        free_space: s.size("free_space", 0..=1_024 * GIB).unwrap_or(free_space(message_size)),
        node_silence: s.duration("node_silence", NODE_SILENCE).unwrap_or(d.node_silence),
    }
}

fn count(s: &mut Section<'_>, key: &'static str, range: RangeInclusive<u64>, default: usize) -> usize {
    s.number(key, range).and_then(|n| n.try_into().ok()).unwrap_or(default)
}

fn few(s: &mut Section<'_>, key: &'static str, default: u32) -> u32 {
    s.number(key, COUNT).and_then(|n| n.try_into().ok()).unwrap_or(default)
}

fn octets(s: &mut Section<'_>, key: &'static str, range: RangeInclusive<u64>, default: usize) -> usize {
    s.size(key, range).and_then(|n| n.try_into().ok()).unwrap_or(default)
}
