//! The real collector as a process of its own, with a certificate of an authority that boards
//! are told of, or one that they must not believe.

use crate::place::{COLLECTOR, HOST, NAME, PORT, Place};
use faultline_collector::store::{Facts as _, StoredBatch, sqlite::Sqlite};
use faultline_internet::world::VANTAGE_RESOLVER;
use libtest_mimic::Failed;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A certificate and its key.
pub(crate) struct Party {
    params: CertificateParams,
    certificate: Certificate,
    key: KeyPair,
}

impl Party {
    /// One that may sign others.
    pub(crate) fn authority(name: &str) -> Result<Self, Failed> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            params,
            certificate,
            key,
        })
    }

    /// One for a server's name, signed by this one, whether it may or not.
    pub(crate) fn sign(&self, name: &str) -> Result<Self, Failed> {
        let params = CertificateParams::new([name.to_owned()])?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self {
            params,
            certificate,
            key,
        })
    }

    /// The certificate, DER.
    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

/// What a collector shows, and what its boards were told.
pub(crate) struct Papers {
    /// Of whom boards are told.
    pub(crate) authority: Party,
    /// The collector's own, then those that should lead to the authority.
    pub(crate) chain: Vec<Party>,
}

impl Papers {
    /// Honest ones.
    pub(crate) fn honest() -> Result<Self, Failed> {
        let authority = Party::authority("ours")?;
        let chain = vec![authority.sign(NAME)?];
        Ok(Self { authority, chain })
    }
}

/// The collector's process; it ends when this is dropped.
pub(crate) struct Collector {
    child: Child,
    state: PathBuf,
}

impl Collector {
    /// Starts it at its place, with its state below the place's folder.
    pub(crate) fn start(place: &Place, papers: &Papers) -> Result<Self, Failed> {
        let state = place.folder.path().join("collector");
        std::fs::create_dir_all(&state)?;
        let (cert, key) = (state.join("chain.pem"), state.join("key.pem"));
        let chain: String = papers.chain.iter().map(|p| p.certificate.pem()).collect();
        std::fs::write(&cert, chain)?;
        let own = papers
            .chain
            .first()
            .ok_or("a collector has a certificate")?;
        std::fs::write(&key, own.key.serialize_pem())?;
        let targets = state.join("targets.csv");
        std::fs::write(&targets, "url,category_code\n")?;
        let roots = state.join("roots.pem");
        std::fs::write(&roots, place.world.authority.root_pem())?;
        let settings = state.join("collector.toml");
        std::fs::write(
            &settings,
            format!(
                "listen = '{COLLECTOR}:{PORT}'\nstate = '{}'\ntargets = '{}'\n[control]\n\
                 enabled = true\nany_target = true\nresolvers = ['{VANTAGE_RESOLVER}:53']\n\
                 vantage = 'XZ'\nextra_roots = '{}'\n",
                state.display(),
                targets.display(),
                roots.display()
            ),
        )?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_collector-process"));
        command.arg("--config").arg(settings).arg("serve");
        command.arg("--tls-cert").arg(cert);
        command.arg("--tls-key").arg(key);
        command.env("RUST_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = place.internet.spawn(HOST, command)?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if !line.starts_with("listening on https://") {
            return Err(format!("the collector does not listen: {line}").into());
        }
        Ok(Self { child, state })
    }

    /// Ends it, and opens what it keeps.
    pub(crate) fn end(mut self) -> Result<Kept, Failed> {
        self.child.kill()?;
        self.child.wait()?;
        let file = self.state.join("collector.db");
        let store = Sqlite::open(&file)?;
        Ok(Kept { store, file })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a collector kept.
pub(crate) struct Kept {
    store: Sqlite,
    file: PathBuf,
}

impl Kept {
    /// All batches, in the order in which they came.
    pub(crate) fn batches(&self) -> Result<Vec<StoredBatch>, Failed> {
        let mut all = Vec::new();
        self.store.batches(&mut |batch| {
            all.push(batch);
            true
        })?;
        Ok(all)
    }

    /// How many probes it knows.
    pub(crate) fn probes(&self) -> Result<u64, Failed> {
        let file = rusqlite::Connection::open(&self.file)?;
        Ok(file.query_row("SELECT count(*) FROM probe", [], |row| row.get(0))?)
    }
}
