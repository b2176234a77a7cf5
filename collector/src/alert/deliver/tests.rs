use super::*;
use crate::{
    config::Webhook,
    store::{
        events::{Moment, Step},
        sqlite::SqliteEvents,
    },
    watch::sample::revision,
};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const START: i64 = 1_800_000_000;
static SECONDS: AtomicI64 = AtomicI64::new(START);

fn now() -> UnixTime {
    UnixTime::from_secs(SECONDS.load(Ordering::Relaxed))
}

/// Takes one request and answers it with a status; gives head and body.
async fn take(listener: &TcpListener, status: &str) -> (String, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let long: usize = field(head, "content-length").parse().unwrap();
        if body.len() == long {
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:1/\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            return (head.to_owned(), body.to_owned());
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| *key == name).unwrap().1
}

fn say(store: &SqliteEvents, number: u32, state: &str) {
    let start = UnixTime::from_secs(START);
    let mut revisions = [revision("country/XA", number, start, now(), state)];
    if state == "candidate" {
        revisions[0].eligible_sites = 2;
    }
    let step = Step {
        at: Moment {
            tick: now(),
            pass: number,
        },
        revisions: &revisions,
        ..Step::default()
    };
    store.keep(&step).unwrap();
}

#[tokio::test]
async fn messages_come_in_order_signed_and_again_until_they_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let store = Arc::new(SqliteEvents::open(&path).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let hook = Hook::new(&Webhook {
        url: format!("http://{at}/hook?to=x"),
        secret: "0123456789abcdef".into(),
    });
    let hook = Arc::new(hook.unwrap());
    let (tls, hold) = (post::trust(), Hold::default());
    let send = || attempt(&hook, &store, &tls, &hold, true, now);
    say(&store, 1, "suspected");
    assert!(!send().await.unwrap(), "what was said before it was there");
    say(&store, 2, "confirmed");
    say(&store, 3, "ended");

    let mut deliveries = Vec::new();
    for (status, pause) in [("302 Found", 10), ("500 No", 20), ("404 No", 40)] {
        let (sent, (head, body)) = tokio::join!(send(), take(&listener, status));
        assert!(!sent.unwrap(), "{status}");
        deliveries.push(field(&head, "x-faultline-delivery").to_owned());
        assert!(head.starts_with("POST /hook?to=x HTTP/1.1"), "{head}");
        let stamp: i64 = field(&head, "x-faultline-timestamp").parse().unwrap();
        assert_eq!(stamp, now().secs());
        let signature = field(&head, "x-faultline-signature");
        assert_eq!(signature, hook.sign(stamp, body.as_bytes()));
        // Nothing is sent until the pause is over: nobody takes this one.
        SECONDS.fetch_add(pause - 1, Ordering::Relaxed);
        assert!(!send().await.unwrap());
        SECONDS.fetch_add(1, Ordering::Relaxed);
    }
    // A restart goes on where it was.
    drop(store);
    let store = Arc::new(SqliteEvents::open(&path).unwrap());
    let send = || attempt(&hook, &store, &tls, &hold, true, now);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (sent, (head, body)) = tokio::join!(send(), take(&listener, "204 No Content"));
        assert!(sent.unwrap());
        deliveries.push(field(&head, "x-faultline-delivery").to_owned());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["simulated"], true);
        assert_eq!(body["event"]["location"], "country/XA");
        kinds.push(format!("{} {}", body["kind"], body["event"]["state"]));
    }
    assert_eq!(kinds, ["\"revised\" \"confirmed\"", "\"ended\" \"ended\""]);
    assert_eq!(deliveries, ["2", "2", "2", "2", "3"]);
    assert!(!send().await.unwrap(), "nothing more");
    // Of a group that is too small nothing is sent, and what follows is.
    say(&store, 4, "candidate");
    say(&store, 5, "retracted");
    let (sent, (_, body)) = tokio::join!(send(), take(&listener, "200 OK"));
    assert!(sent.unwrap());
    assert!(body.contains("\"revision\":5"), "{body}");
}

#[test]
fn pauses_double_up_to_an_hour_and_end_after_three_days() {
    let parcel = |number| {
        let start = UnixTime::from_secs(START);
        Parcel {
            number,
            revision: revision("country/XA", 1, start, start, "suspected"),
            before: None,
        }
    };
    let (mut progress, mut now) = (Progress::default(), UnixTime::from_secs(START));
    let mut attempts = 0;
    while progress.taken == 0 {
        progress = after(progress, &parcel(7), false, now);
        attempts += 1;
        if progress.taken == 0 {
            assert!(progress.next > now && progress.next <= now + LONGEST);
            now = progress.next;
        }
    }
    assert_eq!(
        (attempts, progress.taken, progress.failures),
        (ATTEMPTS, 7, 0)
    );
    let hours = (now.secs() - START) / 3600;
    assert!((70..75).contains(&hours), "{hours}");
}
