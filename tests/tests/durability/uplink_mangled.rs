//! Does every batch arrive once, whatever happens to the connections that carry it?

use crate::{
    load::{enrolment, link, probe, sealed},
    process::seed,
    world::{batches, here, rows},
};
use faultline_internet::entropy::Seeded;
use faultline_probe::{
    net::{OsNetwork, SystemClock},
    spool::Spool,
    uplink::drain,
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Nothing.
    Pass,
    /// Only so many octets of the request pass; then both ends are closed.
    CutRequest(usize),
    /// Only so many octets of the request pass, and the collector's word on them comes back.
    EndRequest(usize),
    /// The request passes, and only so many octets of the reply.
    CutReply(usize),
    /// The request comes twice.
    Twice,
    /// The request comes later, after others, when the probe has long given up on it.
    Late,
    /// Somebody else answers.
    Portal,
}

impl Fate {
    fn draw(chance: &mut Seeded, length: usize) -> Self {
        let kind = chance.draw() % 8;
        let at = chance.draw() as usize;
        match kind {
            0 => Self::CutRequest(at % length),
            1 => Self::EndRequest(at % length),
            2 => Self::CutReply(at % 200),
            3 => Self::Twice,
            4 => Self::Late,
            5 => Self::Portal,
            _ => Self::Pass,
        }
    }
}

/// A box between probe and collector.
struct Relay {
    to: SocketAddr,
    chance: Mutex<Seeded>,
    late: Mutex<Vec<Vec<u8>>>,
}

impl Relay {
    async fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let request = message(&mut client).await?;
        let fate = {
            let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
            Fate::draw(&mut chance, request.len())
        };
        let reply = match fate {
            Fate::Pass => self.ask(&request).await?,
            Fate::CutRequest(at) => {
                let mut server = TcpStream::connect(self.to).await?;
                return server.write_all(&request[..at]).await;
            }
            Fate::EndRequest(at) => self.end(&request[..at]).await?,
            Fate::CutReply(at) => {
                let mut reply = self.ask(&request).await?;
                reply.truncate(at);
                reply
            }
            Fate::Twice => {
                self.ask(&request).await?;
                self.ask(&request).await?
            }
            Fate::Late => {
                let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
                late.push(request);
                return Ok(());
            }
            Fate::Portal => b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlog in".to_vec(),
        };
        client.write_all(&reply).await?;
        client.shutdown().await
    }

    /// Carries a whole request, and gives the whole reply.
    async fn ask(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.to).await?;
        server.write_all(request).await?;
        message(&mut server).await
    }

    /// Carries a part of a request as if it were all, and gives whatever is said to that.
    async fn end(&self, part: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.to).await?;
        server.write_all(part).await?;
        server.shutdown().await?;
        let mut reply = Vec::new();
        server.read_to_end(&mut reply).await?;
        Ok(reply)
    }

    /// Delivers what was held back, the newest first.
    async fn release(&self) {
        let late =
            std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner));
        for request in late.iter().rev() {
            self.ask(request).await.unwrap();
        }
    }
}

/// A whole message of HTTP: its head, and as many octets as the head says.
async fn message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut seen = Vec::new();
    loop {
        seen.push(from.read_u8().await?);
        if seen.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|l| l.trim().parse().ok()).unwrap_or(0)];
    from.read_exact(&mut body).await?;
    seen.extend(body);
    Ok(seen)
}

async fn between(to: SocketAddr, seed: u64) -> (String, Arc<Relay>) {
    let relay = Arc::new(Relay {
        to,
        chance: Mutex::new(Seeded::new(seed, 0x55)),
        late: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let carrier = Arc::clone(&relay);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let relay = Arc::clone(&carrier);
            tokio::spawn(async move { relay.carry(client).await });
        }
    });
    (at, relay)
}

/// Lines that are tried.
const SEEDS: u64 = 20;
/// Batches of one probe.
const BATCHES: u8 = 6;

#[test]
fn server_batches_arrive_once_whatever_the_line_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut attempts = 0;
    for seed in seed() * 100..seed() * 100 + SEEDS {
        attempts += runtime.block_on(deliver(seed));
    }
    let all = SEEDS * u64::from(BATCHES);
    println!("{attempts} attempts for {all} batches");
}

/// Uploads all through one relay; gives how often that was tried.
async fn deliver(seed: u64) -> u32 {
    let here = here().await;
    let (net, clock) = (OsNetwork::new(), SystemClock::new());
    let direct = link(&format!("http://{}", here.at));
    let known = direct
        .post(&net, &clock, "/v1/probes", enrolment(&probe(0)))
        .await;
    assert_eq!(known.unwrap().status, 200);
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 20, 1 << 20).unwrap();
    for n in 0..BATCHES {
        spool.push(&sealed(0, n).1).unwrap();
    }
    let (at, relay) = between(here.at, seed).await;
    let collector = link(&at);
    let mut attempts = 0;
    let (mut acknowledged, mut set_aside) = (0, 0);
    while !spool.waiting().unwrap().is_empty() {
        attempts += 1;
        assert!(attempts < 500, "seed {seed}: it does not end");
        let done = drain(&net, &clock, &collector, &spool, &probe(0).public()).await;
        let (Ok(done) | Err((done, _))) = done;
        acknowledged += done.acknowledged;
        set_aside += done.set_aside;
        if attempts % 3 == 0 {
            relay.release().await;
        }
    }
    relay.release().await;
    assert_eq!(
        (acknowledged, set_aside),
        (BATCHES.into(), 0),
        "seed {seed}"
    );
    let mut stored: Vec<u64> = batches(&here.store)
        .iter()
        .map(|b| b.receipt.sequence)
        .collect();
    stored.sort_unstable();
    let all: Vec<u64> = (0..BATCHES.into()).collect();
    assert_eq!(stored, all, "seed {seed}");
    assert_eq!(
        rows(&here.store).len(),
        usize::from(BATCHES) * 3,
        "seed {seed}"
    );
    attempts
}
