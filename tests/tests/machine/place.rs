//! Where does a board stand in these trials? In a network of a scenario, at the place of its
//! probe, with a collector elsewhere that speaks TLS.

use crate::chain;
use faultline_core::{protocol::Risk, time::Duration};
use faultline_firmware::{CollectorAt, Consent, Settings, Timeouts, provision::Provision};
use faultline_internet::live::{Emulator, HostSpec, Internet, Machine};
use faultline_internet::{
    scenario::Scenario,
    world::{NEUTRAL, VANTAGE, World},
};
use libtest_mimic::Failed;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

/// The collector's address.
pub(crate) const COLLECTOR: Ipv4Addr = Ipv4Addr::new(24, 255, 0, 55);
/// Its port.
pub(crate) const PORT: u16 = 8443;
/// What it is called in its certificate.
pub(crate) const NAME: &str = "collector.example";
/// The collector's host.
pub(crate) const HOST: &str = "collector";
/// The board's host.
pub(crate) const BOARD: &str = "board";

/// A scenario's Internet with a board's place in it.
pub(crate) struct Place {
    pub(crate) internet: Internet,
    pub(crate) world: Arc<World>,
    pub(crate) scenario: Scenario,
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(scenario: &str) -> Result<Self, Failed> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let scenario = Scenario::read(&path.join(scenario))?;
        let world = Arc::new(World::new(&scenario)?);
        let probe = &scenario.probe;
        let attached = |name, number| -> Result<HostSpec, Failed> {
            Ok(HostSpec {
                delay_ms: probe.delay_ms,
                loss_percent: probe.loss_percent,
                segment: probe.segment,
                captive_portal: probe.captive_portal,
                ..HostSpec::within(&world, name, probe.asn, number)?
            })
        };
        let clean = HostSpec {
            delay_ms: 10,
            ..HostSpec::within(&world, "vantage", VANTAGE, 7)?
        };
        let board = HostSpec {
            board: true,
            ..attached(BOARD, 8)?
        };
        let collector = HostSpec {
            delay_ms: 10,
            ..HostSpec::new(HOST, VANTAGE, COLLECTOR)
        };
        let hosts = vec![clean, attached("probe", 7)?, board, collector];
        let internet = Internet::start(&world, hosts).map_err(|error| chain(&error))?;
        Ok(Self {
            internet,
            world,
            folder: tempfile::tempdir()?,
            scenario,
        })
    }

    fn targets(&self) -> Vec<String> {
        let wanted = self.scenario.measure.iter();
        wanted.map(|measure| measure.target.clone()).collect()
    }

    /// The board's machine, switched off.
    pub(crate) fn machine<'a>(
        &'a self,
        emulator: &'a Emulator,
        settings: &[u8],
    ) -> Result<Machine<'a>, Failed> {
        let flash = self.folder.path().join("flash");
        let machine = emulator.machine(&self.internet, BOARD, &flash, settings);
        machine.map_err(|error| chain(&error).into())
    }

    /// What the board's owner set, who believes this authority.
    pub(crate) fn provision(&self, authority: Vec<u8>) -> Provision {
        Provision {
            settings: Settings {
                consent: Some(Consent {
                    version: faultline_probe::consent::VERSION,
                    names: true,
                    sites: true,
                    risk: Risk::Low,
                    beat: true,
                }),
                collector: CollectorAt {
                    host: NAME.to_owned(),
                    port: PORT,
                    tls: true,
                    address: Some(COLLECTOR),
                },
                targets: self.targets(),
                public_resolvers: Vec::new(),
                non_resolver: None,
                neutral_name: NEUTRAL.to_owned(),
                captive: None,
                every: Duration::from_hours(1),
                contact_special: false,
                timeouts: Timeouts::default(),
            },
            authority,
        }
    }
}
