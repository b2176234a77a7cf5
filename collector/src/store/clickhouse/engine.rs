//! How does a synchronous trait use an asynchronous client? The client lives on a thread of
//! its own; whoever asks waits for an answer over a channel, and may be inside another
//! runtime or outside of any. A long answer comes chunk by chunk, and only as fast as it is
//! asked for.

use super::{super::StoreError, Address};
use clickhouse::{Client, RowOwned, RowRead, error::Error, query::Query};
use std::{
    future::Future,
    sync::mpsc::{Sender, channel, sync_channel},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How long an engine may say nothing before it counts as away.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// Likewise, for a question that costs nothing.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// Likewise, while it rewrites what it has.
pub(super) const LONG: Duration = Duration::from_hours(6);

/// Rows that are handed over together.
const CHUNK: usize = 256;

/// A client and its thread.
pub(super) struct Engine {
    pub(super) client: Client,
    address: Address,
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Some rows, and whether there may be more.
type Chunk<T> = Result<(Vec<T>, bool), Error>;

impl Engine {
    pub(super) fn start(address: &Address) -> Result<Self, StoreError> {
        let mut client = Client::default()
            .with_url(&address.url)
            .with_database(&address.database)
            .with_user(&address.user)
            .with_product_info("faultline-collector", env!("CARGO_PKG_VERSION"))
            // Rows are durable when the insert ends, and stand where it says: late data and
            // imports reach over more months than the engine thinks wise.
            .with_setting("async_insert", "0")
            .with_setting("max_partitions_per_insert_block", "0");
        if let Some(password) = &address.password {
            client = client.with_password(password);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("clickhouse".into())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self {
            client,
            address: address.clone(),
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// To be shown.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for `work` to be done.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = sync_channel(1);
        self.runtime.spawn(async move {
            let done = tokio::time::timeout(patience, work).await;
            let _ = tell.send(done.unwrap_or(Err(Error::TimedOut)));
        });
        let done = told.recv().map_err(|_| StoreError::Stopped)?;
        done.map_err(|error| self.explain(error))
    }

    /// Runs a statement that gives nothing.
    pub(super) fn execute(&self, patience: Duration, sql: &str) -> Result<(), StoreError> {
        let query = self.client.query_raw(sql);
        self.wait(patience, async move { query.execute().await })
    }

    /// All rows of a short answer.
    pub(super) fn all<T>(&self, query: Query) -> Result<Vec<T>, StoreError>
    where
        T: RowOwned + RowRead + Send + 'static,
    {
        self.wait(PATIENCE, async move { query.fetch_all::<T>().await })
    }

    /// Rows of an answer of any length. `chunk` says whether to go on.
    pub(super) fn each<T>(
        &self,
        query: Query,
        chunk: &mut dyn FnMut(Vec<T>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>
    where
        T: RowOwned + RowRead + Send + 'static,
    {
        let (ask, asked) = mpsc::unbounded_channel();
        let (tell, told) = channel();
        self.runtime.spawn(read::<T>(query, asked, tell));
        loop {
            // When this returns, `ask` goes, and with it the query.
            ask.send(()).map_err(|_| StoreError::Stopped)?;
            let next: Chunk<T> = told.recv().map_err(|_| StoreError::Stopped)?;
            let (rows, more) = next.map_err(|error| self.explain(error))?;
            if !chunk(rows)? || !more {
                return Ok(());
            }
        }
    }

    /// What the client's error means for whoever asked the store.
    fn explain(&self, error: Error) -> StoreError {
        let away = |why: &dyn std::fmt::Display| {
            StoreError::Unreachable(format!("{}: {why}", self.address))
        };
        match &error {
            Error::TimedOut => away(&"no answer in time"),
            Error::Network(_) => {
                // The first says "client error", the last what the system said.
                let mut cause: &dyn std::error::Error = &error;
                while let Some(next) = cause.source() {
                    cause = next;
                }
                away(&cause)
            }
            Error::BadResponse(said) => match code(said) {
                // Full; no room reserved.
                Some(243) => StoreError::Full,
                // User, password, rights, quota, addresses; a database that may only be read.
                Some(164 | 192..=195 | 201 | 291 | 497 | 516) => {
                    StoreError::Refused(format!("{}: {}", self.address, first_line(said)))
                }
                // Over time, memory or load; stopping; a replica, or its keeper, is away.
                Some(159 | 202 | 203 | 209 | 210 | 236 | 241 | 242 | 252 | 319 | 394 | 999)
                // A proxy's word, or a reply that broke off.
                | None => away(&first_line(said)),
                Some(_) => StoreError::Facts(Box::new(error)),
            },
            _ => StoreError::Facts(Box::new(error)),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn read<T: RowOwned + RowRead>(
    query: Query,
    mut asked: mpsc::UnboundedReceiver<()>,
    tell: Sender<Chunk<T>>,
) {
    let mut cursor = match query.fetch::<T>() {
        Ok(cursor) => cursor,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    while asked.recv().await.is_some() {
        let mut rows = Vec::new();
        let done = loop {
            match tokio::time::timeout(PATIENCE, cursor.next()).await {
                Ok(Ok(Some(row))) => rows.push(row),
                Ok(Ok(None)) => break Ok((rows, false)),
                Ok(Err(error)) => break Err(error),
                Err(_) => break Err(Error::TimedOut),
            }
            if rows.len() == CHUNK {
                break Ok((rows, true));
            }
        };
        if tell.send(done).is_err() {
            return;
        }
    }
}

/// The engine's number of an error: "Code: 243. DB::Exception: ...".
pub(super) fn code(said: &str) -> Option<u32> {
    let (_, after) = said.split_once("Code: ")?;
    let digits = after.find(|c: char| !c.is_ascii_digit());
    after.get(..digits.unwrap_or(after.len()))?.parse().ok()
}

fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let address = Address::parse("clickhouse://h:p@127.0.0.1:9")
            .unwrap()
            .unwrap();
        Engine::start(&address).unwrap()
    }

    #[test]
    fn errors_say_what_to_do() {
        let engine = engine();
        let told = |said: &str| engine.explain(Error::BadResponse(said.into()));
        let full = "Code: 243. DB::Exception: Cannot reserve 1.00 MiB. (NOT_ENOUGH_SPACE)";
        assert!(matches!(told(full), StoreError::Full));
        let wrong = told("Code: 516. DB::Exception: default: Authentication failed. (A)\nmore");
        assert!(
            wrong.to_string().contains("check user, password"),
            "{wrong}"
        );
        let parts = told("Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)");
        assert!(matches!(parts, StoreError::Unreachable(_)));
        assert!(matches!(
            told("502 Bad Gateway"),
            StoreError::Unreachable(_)
        ));
        assert!(matches!(
            told("Code: 62. DB::Exception: Syntax"),
            StoreError::Facts(_)
        ));
        let silent = engine.explain(Error::TimedOut).to_string();
        assert!(
            silent.contains("127.0.0.1:9") && silent.contains("no answer"),
            "{silent}"
        );
        assert!(!silent.contains(":p@"), "{silent}");
    }

    #[test]
    fn nobody_there_is_said_wherever_one_asks_from() {
        let asked = || engine().execute(SOON, "SELECT 1").unwrap_err().to_string();
        let told = asked();
        assert!(
            told.contains("cannot be reached") && told.contains("refused"),
            "{told}"
        );
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(runtime.block_on(async { asked() }), told);
    }
}
