//! Supplementary security domains, DAP Blocks, tokens and receipts: the host's side against the software card, which was written from
//! the standard apart from it.

mod support;

#[path = "security_domains/setup.rs"]
mod setup;

#[path = "security_domains/channels.rs"]
mod channels;
#[path = "security_domains/content.rs"]
mod content;
#[path = "security_domains/dap.rs"]
mod dap;
#[path = "security_domains/delegated.rs"]
mod delegated;
#[path = "security_domains/keys.rs"]
mod keys;
