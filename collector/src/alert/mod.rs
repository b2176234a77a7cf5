//! Who wants to be told when something begins, changes or ends? Webhooks of the operator's: the
//! only hosts that the collector talks to by itself, over https (plain http to this machine
//! only), never where an answer points to.
//!
//! A message is signed so that its receiver knows it for ours and for fresh:
//!
//! ```text
//!   POST /path HTTP/1.1
//!   x-faultline-timestamp: 1800000000
//!   x-faultline-signature: v1=hex(HMAC-SHA256(secret, timestamp "." body))
//!   x-faultline-delivery: 17                      the same again when it is sent again
//! ```

mod deliver;
mod post;

pub use deliver::deliver;

use crate::detect::event::State;
use crate::{config::Webhook, score::vintage::hex, store::events::Parcel};
use faultline_core::time::UnixTime;
use ring::hmac;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use url::{Host, Url};

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("{0:?} is no URL with a host")]
    Url(String),
    #[error(
        "{0} is not https: only webhooks on this machine (127.0.0.1, [::1], localhost) may be http"
    )]
    Plain(String),
    #[error("{0} holds a user or password: the signature says who sends")]
    Credentials(String),
    #[error("the secret of {0} is too short: at least 16 characters")]
    Secret(String),
}

/// Where messages go, and what they are signed with.
#[derive(Clone)]
pub struct Hook {
    url: Url,
    key: hmac::Key,
    name: String,
}

impl Hook {
    pub fn new(setting: &Webhook) -> Result<Self, HookError> {
        let text = &setting.url;
        let url = Url::parse(text).map_err(|_| HookError::Url(text.clone()))?;
        let local = match url.host() {
            None => return Err(HookError::Url(text.clone())),
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
        };
        let here = url.host_str().unwrap_or_default().to_owned();
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            _ => return Err(HookError::Plain(here)),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HookError::Credentials(here));
        }
        if setting.secret.len() < 16 {
            return Err(HookError::Secret(here));
        }
        Ok(Self {
            // Paths often hold secrets: what is kept of progress is under a digest.
            name: hex(&Sha256::digest(url.as_str())[..16]),
            key: hmac::Key::new(hmac::HMAC_SHA256, setting.secret.as_bytes()),
            url,
        })
    }

    /// Under which its progress is kept.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its host, for the log.
    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Its address, where it says one and not a name.
    fn literal(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        }
    }

    /// What proves that a body is ours, and of that second.
    pub fn sign(&self, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(timestamp.to_string().as_bytes());
        context.update(b".");
        context.update(body);
        format!("v1={}", hex(context.sign().as_ref()))
    }
}

/// The body for a revision, as everybody may see it.
fn message(parcel: &Parcel, event: &Value, simulated: bool, sent: UnixTime) -> Value {
    json!({
        "kind": kind(parcel),
        "delivery": parcel.number,
        "sent": sent.to_string(),
        "simulated": simulated,
        "event": event,
    })
}

/// `new`, `revised` or `ended`.
fn kind(parcel: &Parcel) -> &'static str {
    let over = |state| {
        matches!(
            state,
            State::Ended | State::Final | State::Lapsed | State::Retracted | State::Merged
        )
    };
    match parcel.before {
        None | Some(State::Candidate) => "new",
        Some(before) if over(parcel.revision.state) && !over(before) => "ended",
        Some(_) => "revised",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(url: &str, secret: &str) -> Result<Hook, HookError> {
        Hook::new(&Webhook {
            url: url.into(),
            secret: secret.into(),
        })
    }

    #[test]
    fn only_https_or_this_machine_is_told() {
        let secret = "0123456789abcdef";
        for url in [
            "https://hooks.example/a?b=c",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost:1/",
        ] {
            assert!(hook(url, secret).is_ok(), "{url}");
        }
        for url in [
            "http://hooks.example/",
            "http://127.0.0.1.hooks.example/",
            "http://localhost.example/",
            "http://10.0.0.1/",
            "http://[::2]/",
            "https://user@hooks.example/",
            "https://user:word@hooks.example/",
            "file:///etc/passwd",
            "hooks.example",
            "",
        ] {
            assert!(hook(url, secret).is_err(), "{url}");
        }
        assert!(hook("https://hooks.example/", "short").is_err());
    }

    #[test]
    fn a_signature_is_of_the_second_and_of_every_octet() {
        let hook = hook("https://hooks.example/", "0123456789abcdef").unwrap();
        // printf '1800000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let signed = hook.sign(1_800_000_000, b"{}");
        assert_eq!(
            signed,
            "v1=1313ae9c874eb1a0868ad0b65f841c4243c23fdcfad69a3ada227726fad9960e"
        );
        assert_ne!(hook.sign(1_800_000_001, b"{}"), signed);
        assert_ne!(hook.sign(1_800_000_000, b"{ }"), signed);
    }
}
