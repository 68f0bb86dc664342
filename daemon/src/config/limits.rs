//! How much and how long: `[limits]`.

use std::time::Duration;

/// `[limits]`: every number that people feel. Defaults stand in `config/ombud.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Largest message, in octets (50 MiB).
    pub message_size: u64,
    /// Most recipients of one mail (100).
    pub recipients: usize,
    /// Most messages of one connection from outside (1,000).
    pub messages_per_connection: usize,
    /// Most connections in all (1,024).
    pub connections: usize,
    /// Most connections of one address (20) from outside.
    pub connections_per_ip: usize,
    /// Most connections of one IPv4 /24 or IPv6 /48 (60) from outside.
    pub connections_per_network: usize,
    /// Most new connections of one address in a minute (100) from outside.
    pub connections_per_minute: usize,
    /// Most octets of mail on one connection from outside (250 MiB).
    pub session_size: u64,
    /// From this many errors on, each reply to a client from outside comes a second later than the last (10).
    pub soft_errors: u32,
    /// Errors that end a connection from outside (20).
    pub hard_errors: u32,
    /// Commands that move nothing on one connection, since its last mail, from outside (100).
    pub junk_commands: u32,
    /// Unknown recipients on one connection, since its last mail, from outside (5).
    pub unknown_recipients: u32,
    /// Unknown recipients from one address in an hour, from outside (100); beyond it the first one ends a connection.
    pub unknown_recipients_per_hour: u32,
    /// Wrong passwords on one connection (3).
    pub logins_per_connection: u32,
    /// Wrong passwords from one address in a minute (10) from outside.
    pub logins_per_minute: u32,
    /// Wrong passwords from one address in a day (50) from outside.
    pub logins_per_day: u32,
    /// A command must be complete after this (60 s).
    pub command_timeout: Duration,
    /// The same while more than three quarters of all connections are in use (10 s).
    pub stress_timeout: Duration,
    /// A session ends after this (10 min; a trusted relay's after 30 min).
    pub session_time: Duration,
    /// DATA must be complete after this (10 min).
    pub data_timeout: Duration,
    /// After `data_grace` DATA must come at this rate or faster, in octets a second (500).
    pub data_rate: u64,
    /// How long DATA may be slower (30 s).
    pub data_grace: Duration,
    /// Longest command line with its CRLF, in octets (2,048).
    pub command_line: usize,
    /// Longest line of a mail, in octets (65,536).
    pub line: usize,
    /// Largest header block, in octets (256 KiB).
    pub header_size: usize,
    /// Most header fields (1,000).
    pub header_fields: usize,
    /// Most Received fields (50).
    pub received: usize,
    /// Deepest nesting of MIME parts (20).
    pub mime_depth: usize,
    /// Most MIME parts (500).
    pub mime_parts: usize,
    /// Largest HTML that is sanitized, in octets (512 KiB).
    pub html_size: usize,
    /// Deepest nesting of HTML elements (256).
    pub html_depth: usize,
    /// Largest text that is shown, in octets (1 MiB).
    pub text_size: usize,
    /// Most lines of the customer's words that are quoted below an answer (60).
    pub quote_lines: usize,
    /// While mail rushes in (200 a second), it is only accepted for so long before it is understood, too (5 s).
    pub burst: Duration,
    /// A mail that could not be understood in this many attempts is held as `poison` (3).
    pub attempts: u32,
    /// Acknowledgements to one address in 10 minutes (3).
    pub acks_per_10min: u32,
    /// Acknowledgements to one address in a day (20).
    pub acks_per_day: u32,
    /// Acknowledgements to one domain in an hour (1,000).
    pub acks_per_domain_hour: u32,
    /// Tickets of one sender in an hour before agents get one digest (20).
    pub tickets_per_sender_hour: u32,
    /// Notifications to one agent in an hour before the rest waits for the next full one (120).
    pub notifications_per_agent_hour: u32,
    /// Published answers of one agent in an hour before the rest is held (300).
    pub answers_per_agent_hour: u32,
    /// Life of an agent's address (30 days).
    pub agent_token_life: Duration,
    /// Life of a customer's address (180 days).
    pub customer_token_life: Duration,
    /// Life of a release or drop address (14 days).
    pub confirm_token_life: Duration,
    /// Life of a bounce address (14 days).
    pub bounce_token_life: Duration,
    /// A mail that could not be sent is given up after this (5 days).
    pub give_up_after: Duration,
    /// For how long nothing is sent to an address that does not exist (7 days), each time twice as long.
    pub suppress_first: Duration,
    /// And at most for so long (90 days).
    pub suppress_most: Duration,
    /// So many other refusals of an address within `soft_refusals_within` (5), and nothing is sent there for a day.
    pub soft_refusals: u32,
    /// Within this they are counted (7 days).
    pub soft_refusals_within: Duration,
    /// Free space on the data folder's disk below which no mail is taken, in octets (2 × message_size + 64 MiB).
    pub free_space: u64,
    /// A process without a sign of life for so long is dead to others on the same database (60 s).
    pub node_silence: Duration,
}
