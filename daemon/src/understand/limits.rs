//! The numbers that bound what one mail may cost.

/// Bounds for reading one mail. `Default` is what `[limits]` has by default; what is not a key there is fixed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest header block, of the mail or of one part, in octets.
    pub header_size: usize,
    /// Longest header field, unfolded, in octets.
    pub header_field: usize,
    /// Most fields in one header block.
    pub header_fields: usize,
    /// Most Received fields (RFC 5321 §6.3).
    pub received: usize,
    /// Deepest nesting of parts, attached mails included.
    pub mime_depth: usize,
    /// Most parts.
    pub mime_parts: usize,
    /// Largest HTML that is sanitized, in octets.
    pub html_size: usize,
    /// Deepest nesting of HTML elements that is sanitized.
    pub html_depth: usize,
    /// Largest sanitized HTML, in octets.
    pub html_output: usize,
    /// Largest text that is shown, in octets.
    pub text_size: usize,
    /// Most addresses that are read of one field.
    pub addresses: usize,
    /// Most References that are kept, counted from the newest.
    pub references: usize,
    /// Longest Message-ID that is kept, in octets.
    pub message_id: usize,
    /// Longest name of an attachment, in characters.
    pub file_name: usize,
    /// Longest subject that is kept, in characters.
    pub subject: usize,
    /// Whether the language is guessed, which takes a tenth of the time.
    pub language: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_size: 256 << 10,
            header_field: 64 << 10,
            header_fields: 1_000,
            received: 50,
            mime_depth: 20,
            mime_parts: 500,
            html_size: 512 << 10,
            html_depth: 256,
            html_output: 2 << 20,
            text_size: 1 << 20,
            addresses: 200,
            references: 20,
            message_id: 512,
            file_name: 128,
            subject: 998,
            language: true,
        }
    }
}

impl From<&crate::config::Limits> for Limits {
    fn from(c: &crate::config::Limits) -> Self {
        Self {
            header_size: c.header_size,
            header_fields: c.header_fields,
            received: c.received,
            mime_depth: c.mime_depth,
            mime_parts: c.mime_parts,
            html_size: c.html_size,
            html_depth: c.html_depth,
            text_size: c.text_size,
            ..Self::default()
        }
    }
}

impl Limits {
    /// The nesting that is followed, whatever the configuration says: a tree deeper than this is not walked.
    pub(super) fn depth(&self) -> usize {
        self.mime_depth.min(100)
    }
}
