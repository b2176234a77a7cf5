//! The collector, as an operator runs it, in a process of its own.

use crate::load::{COLLECTOR, Load};
use faultline_core::{
    codec::{Purpose, from_cbor},
    protocol::{Enrolment, Receipt},
    value::Blob,
};
use faultline_probe::identity;
use mmdb_writer::{Value, Writer};
use std::{
    fs,
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{IpAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

pub(crate) struct Collector {
    child: Child,
    address: String,
}

/// Names another build of the program, for profiling.
const OTHER: &str = "FAULTLINE_COLLECTOR";

/// Builds the program as this bench was built.
pub(crate) fn build() {
    if std::env::var_os(OTHER).is_some() {
        return;
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "faultline-collector"])
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the collector builds");
}

fn program() -> PathBuf {
    if let Some(other) = std::env::var_os(OTHER) {
        return other.into();
    }
    let this = std::env::current_exe().expect("a path");
    let release = this.parent().and_then(Path::parent).expect("a folder");
    release.join("faultline-collector")
}

impl Collector {
    pub(crate) fn start(folder: &Path) -> Self {
        let key = folder.join("collector.key");
        identity::load_or_create(&key, &mut |bytes| bytes.copy_from_slice(&COLLECTOR))
            .expect("a key");
        let (country, asn) = (folder.join("country.mmdb"), folder.join("asn.mmdb"));
        let iso = Value::map([("iso_code", Value::String("XA".into()))]);
        database(&country, &Value::map([("country", iso)]));
        let number = Value::from(64_501_u32);
        database(&asn, &Value::map([("autonomous_system_number", number)]));
        let settings = folder.join("collector.toml");
        let text = format!(
            "listen = '127.0.0.1:0'\nstate = '{}'\ncountry_db = '{}'\nasn_db = '{}'\n",
            folder.display(),
            country.display(),
            asn.display()
        );
        fs::write(&settings, text).expect("settings");
        let mut child = Command::new(program())
            .arg("--config")
            .arg(&settings)
            .arg("serve")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the collector starts");
        let mut said = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut said).expect("a line");
        let address = said
            .trim()
            .strip_prefix("listening on http://")
            .expect("where it listens")
            .to_owned();
        Self { child, address }
    }

    pub(crate) fn enrol(&self, load: &Load) {
        let mut to = TcpStream::connect(&self.address).expect("the collector");
        for probe in &load.probes {
            let enrolment = Enrolment {
                public_key: Blob(probe.public().to_sec1()),
                consent: 1,
                software: "bench".into(),
            };
            post(
                &mut to,
                "/v1/probes",
                &probe.seal(Purpose::Request, &enrolment),
            );
        }
    }

    /// Sends all batches, over as many connections as there are clients.
    pub(crate) fn upload(&self, load: &Load, clients: usize) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    let mut to = TcpStream::connect(&self.address).expect("the collector");
                    to.set_nodelay(true).expect("an option");
                    while let Some(batch) =
                        load.batches.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let reply = post(&mut to, "/v1/batches", batch);
                        let receipt: Receipt = from_cbor(&reply).expect("a receipt");
                        assert!(!receipt.duplicate);
                    }
                });
            }
        });
    }

    /// CPU seconds so far, of user and system (proc_pid_stat(5), fields 14 and 15).
    pub(crate) fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("stat");
        let after_name = stat.rsplit(')').next().expect("fields");
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u64>().expect("a number"))
            .sum();
        ticks as f64 / 100.0 // USER_HZ is 100 on every Linux that this runs on
    }

    pub(crate) fn peak_rss_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("status");
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number") / 1024
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("kill runs").success());
        assert!(self.child.wait().expect("an end").success());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill(); // where the bench itself failed
        let _ = self.child.wait();
    }
}

/// A database in which every address of the load is in one network.
fn database(path: &Path, value: &Value) {
    let mut writer = Writer::new("Test");
    for net in [[93, 184], [9, 9]] {
        let [a, b] = net;
        let range = (IpAddr::from([a, b, 0, 0]), IpAddr::from([a, b, 255, 255]));
        writer
            .insert_range(range.0, range.1, value)
            .expect("a range");
    }
    fs::write(path, writer.to_bytes().expect("a database")).expect("a file");
}

/// One request over a connection that stays; gives the reply's body.
fn post(to: &mut TcpStream, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: collector\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    to.write_all(&request).expect("to be heard");
    let mut reply = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let n = to.read(&mut chunk).expect("an answer");
        assert!(n > 0, "the connection was closed");
        reply.extend_from_slice(&chunk[..n]);
        let Some(end) = reply.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&reply[..end]).to_lowercase();
        let length: usize = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok())
            .expect("a length");
        if reply.len() >= end + 4 + length {
            let body = reply.split_off(end + 4);
            assert!(
                head.starts_with("http/1.1 200"),
                "{head}\n{}",
                String::from_utf8_lossy(&body)
            );
            return body;
        }
    }
}
