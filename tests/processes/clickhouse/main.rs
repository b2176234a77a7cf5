//! What of ClickHouse's HTTP interface does the collector's client use? That much, in front
//! of the real engine as a library, for tests and benches: statements in the body or in
//! `?query=`, settings in the address, rows in `RowBinaryWithNamesAndTypes`, codes of errors
//! in a header. It is the engine, not the server: no users but one, no cluster, no queue.
//! It ends with its standard input, so that it does not outlive the test that started it.
//!
//!     clickhouse-process LIBRARY FOLDER PORT [USER PASSWORD]

mod library;

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use library::{Connection, Engine};
use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc;

struct Front {
    engine: &'static Engine,
    /// Connections that wait, by their database and settings, which take time to set.
    idle: Mutex<BTreeMap<String, Vec<Connection>>>,
    /// The only user, where not everybody may come.
    user: Option<(String, String)>,
}

/// The format whose pieces begin with a description of the columns.
const ROWS: &str = "RowBinaryWithNamesAndTypes";

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let mut word = |what| words.next().map(PathBuf::from).context(what);
    let library = word("which library? LIBRARY FOLDER PORT [USER PASSWORD]")?;
    let folder = word("which folder? LIBRARY FOLDER PORT [USER PASSWORD]")?;
    let port = std::env::args().nth(3).map_or(Ok(0), |port| port.parse())?;
    let user = std::env::args().nth(4).zip(std::env::args().nth(5));
    let engine = Engine::load(&library, &folder)
        .with_context(|| format!("cannot use {}", library.display()))?;
    // The first connection opens the folder, and the last one to go closes it.
    let engine: &'static Engine = Box::leak(Box::new(engine));
    let keeper = engine.connect().map_err(anyhow::Error::msg)?;
    let front = Arc::new(Front {
        engine,
        idle: Mutex::default(),
        user,
    });
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
            println!("listening on http://{}", listener.local_addr()?);
            let app = Router::new()
                .route("/ping", get(|| async { "Ok.\n" }))
                .route("/", post(answer))
                .layer(DefaultBodyLimit::disable())
                .with_state(front);
            axum::serve(listener, app).await
        });
    drop(keeper);
    Ok(served?)
}

/// A body that ends too soon never gets here: an insert is whole or does not happen.
async fn answer(
    State(front): State<Arc<Front>>,
    Query(asked): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let said = |name| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
    };
    if let Some((user, password)) = &front.user
        && (said("x-clickhouse-user") != user || said("x-clickhouse-key") != password)
    {
        return refused(
            "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)",
        );
    }
    let (pieces, mut said) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let send = |piece| pieces.blocking_send(piece).is_ok();
        if let Err(error) = run(&front, &asked, &body, &send) {
            send(Err(error));
        }
    });
    match said.recv().await {
        None => StatusCode::OK.into_response(),
        Some(Err(error)) => refused(&error),
        Some(Ok(first)) => {
            let rest = stream::unfold(said, |mut said| async {
                let next = said.recv().await?;
                Some((next.map_err(std::io::Error::other), said))
            });
            let all = futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest);
            Body::from_stream(all).into_response()
        }
    }
}

/// The server's status for what the client's statement caused, with the code in a header.
fn refused(error: &str) -> Response {
    let code: String = error
        .strip_prefix("Code: ")
        .unwrap_or("1002")
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let status = match &*code {
        "516" => StatusCode::FORBIDDEN,
        "60" | "81" => StatusCode::NOT_FOUND,
        "62" | "36" | "53" => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let headers = [
        ("x-clickhouse-exception-code", code.as_str()),
        (header::CONTENT_TYPE.as_str(), "text/plain; charset=UTF-8"),
    ];
    (status, headers, format!("{error}\n")).into_response()
}

fn run(
    front: &Front,
    asked: &BTreeMap<String, String>,
    body: &[u8],
    send: &dyn Fn(Result<Bytes, String>) -> bool,
) -> Result<(), String> {
    let (mut sql, mut format, mut wanted) = (None, "TabSeparated", String::new());
    for (name, value) in asked {
        match name.as_str() {
            "query" => sql = Some(value.as_str()),
            "default_format" => format = value,
            name => wanted = wanted + name + "=" + value + "\n",
        }
    }
    let kept = front
        .idle
        .lock()
        .ok()
        .and_then(|mut idle| idle.get_mut(&wanted)?.pop());
    let on = match kept {
        Some(kept) => kept,
        None => connect(front.engine, asked)?,
    };
    match sql {
        Some(sql) => insert(&on, sql, body)?,
        None if format == ROWS => select(&on, body, send)?,
        None => {
            let all = on.query(body, format)?;
            if !all.is_empty() {
                send(Ok(all.into()));
            }
        }
    }
    // One on which something failed is not used again.
    if let Ok(mut idle) = front.idle.lock() {
        idle.entry(wanted).or_default().push(on);
    }
    Ok(())
}

fn connect(
    engine: &'static Engine,
    asked: &BTreeMap<String, String>,
) -> Result<Connection, String> {
    let on = engine.connect()?;
    for (name, value) in asked {
        match name.as_str() {
            "query" | "default_format" => {}
            "database" => {
                let name = value.replace('\\', "\\\\").replace('`', "\\`");
                on.query(format!("USE `{name}`").as_bytes(), "")?;
            }
            name => {
                let known = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if !known {
                    return Err(format!("Code: 115. DB::Exception: Unknown setting {name}"));
                }
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                on.query(format!("SET {name} = '{value}'").as_bytes(), "")?;
            }
        }
    }
    Ok(on)
}

/// The engine reads rows from a file: text after a statement ends for it at an empty line,
/// which rows may contain.
fn insert(on: &Connection, sql: &str, rows: &[u8]) -> Result<(), String> {
    let Some(into) = sql.trim_end().strip_suffix(&format!("FORMAT {ROWS}")) else {
        return Err(format!(
            "Code: 73. DB::Exception: only {ROWS} is taken here"
        ));
    };
    let io = |e: std::io::Error| format!("Code: 243. DB::Exception: {e}");
    let mut file = tempfile::NamedTempFile::new().map_err(io)?;
    file.write_all(rows).map_err(io)?;
    let sql = format!(
        "{into} SELECT * FROM file('{}', '{ROWS}')",
        file.path().display()
    );
    on.query(sql.as_bytes(), "")?;
    Ok(())
}

/// Pieces after the first come without the description of the columns.
fn select(
    on: &Connection,
    sql: &[u8],
    send: &dyn Fn(Result<Bytes, String>) -> bool,
) -> Result<(), String> {
    // Only what reads tables can be streamed.
    let streams = sql.trim_ascii_start().get(..6) == Some(b"SELECT");
    let mut first = true;
    if streams {
        on.stream(sql, ROWS, &mut |piece| {
            let skip = if first {
                0
            } else {
                described(&piece).unwrap_or(0)
            };
            first = false;
            send(Ok(Bytes::from(piece).slice(skip..)))
        })?;
    }
    if first {
        // Nothing at all comes for no rows; asked whole, the description does.
        send(Ok(on.query(sql, ROWS)?.into()));
    }
    Ok(())
}

/// How long the description is: the number of columns, their names, their types; each text
/// has its length before it, numbers are LEB128.
fn described(piece: &[u8]) -> Option<usize> {
    let mut at = 0;
    let columns = number(piece, &mut at)?;
    for _ in 0..2 * columns {
        let length = number(piece, &mut at)?;
        at += length;
    }
    (at <= piece.len()).then_some(at)
}

fn number(piece: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *piece.get(*at)?;
        *at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_end_where_rows_begin() {
        let mut piece = b"\x02\x01a\x01b\x06UInt64\x06String".to_vec();
        let length = piece.len();
        assert_eq!(described(&piece), Some(length));
        piece.extend(b"\x02\x01a");
        assert_eq!(described(&piece), Some(length));
        assert_eq!(described(&piece[..length - 1]), None);
        assert_eq!(described(b""), None);
    }
}
