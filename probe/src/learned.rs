//! What did the collector tell this probe that must outlive a restart?
//!
//! Its key, the newest network-epoch token with what tells its network from others, and the
//! addresses that the probe was seen under, so that they are scrubbed offline too. One file
//! that only its owner reads, replaced as a whole; one that cannot be read is none, since a
//! check-in brings everything anew.
//!
//! A token is used only in the network in which it was taken, and until it ends: a
//! measurement is rather attributed to no network than to a wrong one.

use crate::durable;
use faultline_core::{
    codec::{Envelope, PublicKey, Purpose},
    measurement::NetworkEpoch,
    protocol::BeatTerms,
    time::UnixTime,
    value::Blob,
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// What tells one network from others; `None` where the driver cannot.
pub type Fingerprint = Option<[u8; 32]>;

/// Addresses remembered: those of a line that changes its address daily, for two months.
const ADDRESSES: usize = 64;

/// What was learned.
#[derive(Debug)]
pub struct Learned {
    path: PathBuf,
    kept: Kept,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    collector_key: Option<Blob>,
    epoch: Option<Epoch>,
    addresses: Vec<IpAddr>,
    beat: Option<Beating>,
}

/// How to beat, and where to: a probe that starts in the dark must know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beating {
    /// Where the collector hears beats.
    pub to: SocketAddr,
    /// The rest of what it said.
    pub terms: BeatTerms,
}

/// A token and where it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Epoch {
    token: Blob,
    network: Option<Blob>,
    until: UnixTime,
}

impl Learned {
    /// What the file at `path` holds. A token of a network that cannot be told from others
    /// is not believed after a restart.
    pub fn open(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut kept: Kept = serde_json::from_str(&text).unwrap_or_default();
        kept.epoch = kept.epoch.filter(|epoch| epoch.network.is_some());
        Self { path, kept }
    }

    /// The collector's key, once enrolled.
    pub fn collector_key(&self) -> Option<PublicKey> {
        PublicKey::from_sec1(&self.kept.collector_key.as_ref()?.0).ok()
    }

    /// Addresses that the probe was seen under.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.kept.addresses
    }

    /// The token that holds in `network` at `now`.
    pub fn token(&self, network: Fingerprint, now: UnixTime) -> Option<&Blob> {
        let network = network.map(|digest| Blob(digest.to_vec()));
        self.kept
            .epoch
            .as_ref()
            .filter(|epoch| epoch.network == network && now <= epoch.until)
            .map(|epoch| &epoch.token)
    }

    /// How the collector wants to hear of this probe.
    pub fn beating(&self) -> Option<&Beating> {
        self.kept.beat.as_ref()
    }

    /// Notes how to beat; `None` where the collector does not listen.
    pub fn learn_beating(&mut self, beat: Option<Beating>) -> io::Result<()> {
        self.change(|kept| kept.beat = beat)
    }

    /// Notes the collector's key.
    pub fn learn_key(&mut self, key: Blob) -> io::Result<()> {
        self.change(|kept| kept.collector_key = Some(key))
    }

    /// Notes a token taken in `network`. One that the collector did not sign is none.
    pub fn learn_token(&mut self, token: Option<Blob>, network: Fingerprint) -> io::Result<()> {
        let key = self.collector_key();
        let epoch = token.and_then(|token| {
            let opened: NetworkEpoch = Envelope::parse(&token.0)
                .ok()?
                .open(Purpose::NetworkEpoch, &key?)
                .ok()?;
            Some(Epoch {
                token,
                network: network.map(|digest| Blob(digest.to_vec())),
                until: opened.not_after,
            })
        });
        self.change(|kept| kept.epoch = epoch)
    }

    /// Notes an address that the probe was seen under; the one unseen for longest is
    /// forgotten.
    pub fn learn_address(&mut self, address: IpAddr) -> io::Result<()> {
        self.change(|kept| {
            kept.addresses.retain(|known| *known != address);
            kept.addresses.insert(0, address);
            kept.addresses.truncate(ADDRESSES);
        })
    }

    fn change(&mut self, with: impl FnOnce(&mut Kept)) -> io::Result<()> {
        let mut kept = self.kept.clone();
        with(&mut kept);
        if kept == self.kept {
            return Ok(());
        }
        // Known at once, whatever becomes of the file.
        self.kept = kept;
        let text = serde_json::to_vec_pretty(&self.kept)?;
        durable::write(&self.path, &text, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{
        codec::Identity,
        id::{Asn, Country, ProbeId},
        measurement::NetworkKind,
    };

    const HOME: Fingerprint = Some([1; 32]);
    const CAFE: Fingerprint = Some([2; 32]);

    fn token(by: &Identity, until: i64) -> Blob {
        let epoch = NetworkEpoch {
            probe: ProbeId([1; 16]),
            asn: Asn(64_500),
            country: Country::UNKNOWN,
            kind: NetworkKind::Unknown,
            not_before: UnixTime(0),
            not_after: UnixTime(until),
            geo: Blob(Vec::new()),
        };
        Blob(by.seal(Purpose::NetworkEpoch, &epoch))
    }

    fn learned(path: &std::path::Path, network: Fingerprint) -> Learned {
        let collector = Identity::from_bytes(&[9; 32]).unwrap();
        let mut learned = Learned::open(path.into());
        let key = Blob(collector.public().to_sec1());
        learned.learn_key(key).unwrap();
        learned
            .learn_token(Some(token(&collector, 100)), network)
            .unwrap();
        learned
    }

    #[test]
    fn a_token_holds_in_its_network_and_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let learned = learned(&folder.path().join("network.json"), HOME);
        assert!(learned.token(HOME, UnixTime(100)).is_some());
        assert!(learned.token(HOME, UnixTime(101)).is_none(), "over");
        assert!(learned.token(CAFE, UnixTime(50)).is_none(), "elsewhere");
        assert!(
            learned.token(None, UnixTime(50)).is_none(),
            "who knows where"
        );
    }

    #[test]
    fn a_restart_keeps_what_was_learned_and_a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.json");
        let mut first = learned(&path, HOME);
        first.learn_address("192.0.2.7".parse().unwrap()).unwrap();
        let again = Learned::open(path.clone());
        assert_eq!(
            again.token(HOME, UnixTime(5)),
            first.token(HOME, UnixTime(5))
        );
        assert!(again.token(CAFE, UnixTime(5)).is_none());
        assert_eq!(again.addresses(), first.addresses());
        assert_eq!(again.collector_key(), first.collector_key());
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o077, 0, "it holds addresses");
        // A network without a fingerprint could be any after a restart.
        let nowhere = learned(&path, None);
        assert!(nowhere.token(None, UnixTime(5)).is_some());
        assert!(
            Learned::open(path.clone())
                .token(None, UnixTime(5))
                .is_none()
        );
        fs::write(&path, "{\"epoch\": 5}").unwrap();
        assert!(Learned::open(path).collector_key().is_none());
    }

    #[test]
    fn a_strangers_token_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut learned = learned(&folder.path().join("network.json"), HOME);
        let stranger = Identity::from_bytes(&[8; 32]).unwrap();
        learned
            .learn_token(Some(token(&stranger, 100)), HOME)
            .unwrap();
        assert!(learned.token(HOME, UnixTime(5)).is_none());
    }

    #[test]
    fn old_addresses_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut learned = learned(&folder.path().join("network.json"), HOME);
        for n in 0..=255 {
            learned.learn_address([192, 0, 2, n].into()).unwrap();
        }
        assert_eq!(learned.addresses().len(), ADDRESSES);
        assert_eq!(learned.addresses()[0], IpAddr::from([192, 0, 2, 255]));
    }
}
