//! Does the collector, as an operator runs it, serve with its facts in ClickHouse?

use crate::{batches, front::Front};
use batches::{IMPORT, identity, seal};
use faultline_core::{
    codec::{Purpose, from_cbor},
    protocol::{Enrolment, Receipt, Refusal},
    value::Blob,
};
use faultline_probe::identity as keys;
use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

struct Collector {
    child: Child,
    address: String,
}

fn collector(folder: &Path, facts: &str) -> Command {
    let settings = folder.join("collector.toml");
    let text = format!(
        "listen = '127.0.0.1:0'\nstate = '{}'\npublic_evidence = true\n",
        folder.display()
    );
    std::fs::write(&settings, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_collector-process"));
    command
        .arg("--config")
        .arg(settings)
        .args(["--facts", facts]);
    command
}

impl Collector {
    fn start(folder: &Path, facts: &str) -> Self {
        // Tokens of the batches are signed by this key.
        keys::load_or_create(&folder.join("collector.key"), &mut |bytes| bytes.fill(9))
            .unwrap();
        let mut child = collector(folder, facts)
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        let address = said.trim().strip_prefix("listening on http://").unwrap();
        Self {
            address: address.into(),
            child,
        }
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut to = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: collector\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        to.write_all(head.as_bytes()).unwrap();
        to.write_all(body).unwrap();
        let mut reply = Vec::new();
        to.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let body = reply.split_off(end + 4);
        let head = String::from_utf8(reply).unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, body)
    }

    fn upload(&self, n: u32) -> Receipt {
        let (status, body) = self.ask("POST", "/v1/batches", &seal(&batches::batch(n)));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        from_cbor(&body).unwrap()
    }

    fn measurements(&self) -> usize {
        let (status, body) = self.ask("GET", "/v1/measurements?limit=100", &[]);
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{text}");
        let page: serde_json::Value = serde_json::from_str(&text).unwrap();
        page["measurements"].as_array().unwrap().len()
    }

    fn stop(mut self) {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(told.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_collector_serves_from_clickhouse_and_survives_its_absence() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut front) = Front::process(&folder.path().join("tables"), &[]) else {
        return;
    };
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let facts = front.url("served").replace("http://", "clickhouse://");
    let serving = Collector::start(&state, &facts);
    for who in 1..IMPORT {
        let enrolment = Enrolment {
            public_key: Blob(identity(who).public().to_sec1()),
            consent: 1,
            software: "test".into(),
        };
        let body = identity(who).seal(Purpose::Request, &enrolment);
        assert_eq!(serving.ask("POST", "/v1/probes", &body).0, 200);
    }
    assert!(!serving.upload(0).duplicate);
    assert!(serving.upload(0).duplicate);
    assert_eq!(serving.measurements(), 4);

    front.kill();
    let body = seal(&batches::batch(1));
    let (status, reply) = serving.ask("POST", "/v1/batches", &body);
    assert_eq!(status, 503);
    let refusal: Refusal = from_cbor(&reply).unwrap();
    assert!(
        refusal.retry && refusal.code == "unavailable",
        "{refusal:?}"
    );
    assert!(!refusal.message.contains("127.0.0.1"), "{refusal:?}");
    assert_eq!(serving.ask("GET", "/v1/measurements", &[]).0, 503);
    front.restart();
    assert!(!serving.upload(1).duplicate);
    assert_eq!(serving.measurements(), 8);
    serving.stop();

    // Nothing was only in memory; every command finds it.
    let run =
        |facts: &str, action: &str| collector(&state, facts).arg(action).output().unwrap();
    let rebuilt = run(&facts, "rebuild");
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(rebuilt.stdout.len(), 65);
    let again = Collector::start(&state, &facts);
    assert!(again.upload(1).duplicate);
    assert_eq!(again.measurements(), 8);
    again.stop();
    let elsewhere = run("sqlite", "rebuild");
    assert_eq!(elsewhere.status.code(), Some(2));
    let told = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(
        told.contains("are in ClickHouse") && told.contains("--facts"),
        "{told}"
    );
    front.kill();
    let away = run(&facts, "serve");
    assert_eq!(away.status.code(), Some(2));
    let told = String::from_utf8(away.stderr).unwrap();
    assert!(
        told.contains("cannot be reached") && told.contains("see that it runs"),
        "{told}"
    );
    let unknown = run("mysql://host/db", "serve");
    let told = String::from_utf8(unknown.stderr).unwrap();
    assert!(told.contains("mysql:// is not known"), "{told}");
}
