//! How is the engine called? libchdb is ClickHouse as a library with a C interface: its
//! parser, planner, functions and storage, without the server around them. The interface is
//! that of `chdb.h` of chdb-io/chdb: opaque connections and results, both freed by whoever
//! got them.

// A C interface cannot be called otherwise: names are looked up in a library that is found
// at run time. Each call's reason to be sound is where the call is.
#![allow(unsafe_code)]

use libloading::Library;
use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    path::Path,
    ptr,
};

type Handle = *mut c_void;

/// The functions in use; they live as long as the library, which is never unloaded.
pub(crate) struct Engine {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    close: unsafe extern "C" fn(*mut Handle),
    query: Ask,
    stream: Ask,
    fetch: unsafe extern "C" fn(Handle, Handle) -> Handle,
    cancel: unsafe extern "C" fn(Handle, Handle),
    destroy: unsafe extern "C" fn(Handle),
    buffer: unsafe extern "C" fn(Handle) -> *const u8,
    length: unsafe extern "C" fn(Handle) -> usize,
    error: unsafe extern "C" fn(Handle) -> *const c_char,
    /// Where the tables are.
    path: CString,
}

type Ask = unsafe extern "C" fn(Handle, *const u8, usize, *const u8, usize) -> Handle;

impl Engine {
    /// Loads the library; tables are kept in `folder`.
    pub(crate) fn load(library: &Path, folder: &Path) -> anyhow::Result<Self> {
        // SAFETY: the library's initialisers are those of the file that the person who runs
        // the tests installed; it stays loaded for ever, so no function pointer outlives it.
        let library: &'static Library = Box::leak(Box::new(unsafe { Library::new(library) }?));
        // SAFETY: names and signatures are those of chdb.h.
        unsafe {
            let handlers = library
                .get::<unsafe extern "C" fn(bool)>("chdb_set_signal_handlers_enabled")?;
            handlers(false); // SIGTERM ends this process as any other
            Ok(Self {
                connect: *library.get("chdb_connect")?,
                close: *library.get("chdb_close_conn")?,
                query: *library.get("chdb_query_n")?,
                stream: *library.get("chdb_stream_query_n")?,
                fetch: *library.get("chdb_stream_fetch_result")?,
                cancel: *library.get("chdb_stream_cancel_query")?,
                destroy: *library.get("chdb_destroy_query_result")?,
                buffer: *library.get("chdb_result_buffer")?,
                length: *library.get("chdb_result_length")?,
                error: *library.get("chdb_result_error")?,
                path: CString::new(format!("--path={}", folder.display()))?,
            })
        }
    }

    /// A connection with settings of its own; cheap.
    pub(crate) fn connect(&'static self) -> Result<Connection, String> {
        let name = c"clickhouse";
        let mut words = [name.as_ptr().cast_mut(), self.path.as_ptr().cast_mut()];
        // SAFETY: two C strings that live through the call; the engine copies them.
        let handle = unsafe { (self.connect)(2, words.as_mut_ptr()) };
        if handle.is_null() {
            return Err("the engine gives no connection".into());
        }
        Ok(Connection {
            engine: self,
            handle,
        })
    }
}

/// One connection, used by one thread at a time.
pub(crate) struct Connection {
    engine: &'static Engine,
    handle: *mut Handle,
}

// SAFETY: a connection is bound to no thread; being owned, it is in one at a time.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: ours, and closed once.
        unsafe { (self.engine.close)(self.handle) }
    }
}

/// What one call gave.
struct Outcome {
    engine: &'static Engine,
    handle: Handle,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // SAFETY: ours, and freed once.
        unsafe { (self.engine.destroy)(self.handle) }
    }
}

impl Outcome {
    fn bytes(&self) -> Result<Vec<u8>, String> {
        if self.handle.is_null() {
            return Err("the engine gave no result".into());
        }
        // SAFETY: the result lives until it is dropped; its error is a C string or null, its
        // buffer holds as many bytes as it says.
        unsafe {
            let error = (self.engine.error)(self.handle);
            if !error.is_null() {
                return Err(CStr::from_ptr(error).to_string_lossy().into_owned());
            }
            let (buffer, length) = (
                (self.engine.buffer)(self.handle),
                (self.engine.length)(self.handle),
            );
            if buffer.is_null() || length == 0 {
                return Ok(Vec::new());
            }
            Ok(std::slice::from_raw_parts(buffer, length).to_vec())
        }
    }
}

impl Connection {
    /// Runs a statement, and gives all of its answer.
    pub(crate) fn query(&self, sql: &[u8], format: &str) -> Result<Vec<u8>, String> {
        self.call(self.engine.query, sql, format).bytes()
    }

    /// Runs a query, giving its answer in pieces; each is in the format on its own. `piece`
    /// says whether to go on.
    pub(crate) fn stream(
        &self,
        sql: &[u8],
        format: &str,
        piece: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<(), String> {
        let stream = self.call(self.engine.stream, sql, format);
        stream.bytes()?; // its error, where it has one
        loop {
            // SAFETY: the connection lives, and the stream is one of its results.
            let next = Outcome {
                engine: self.engine,
                handle: unsafe { (self.engine.fetch)(*self.handle, stream.handle) },
            };
            let bytes = match next.bytes() {
                // So it says after the only piece of an answer without rows.
                Err(error) if error == "No active streaming query" => return Ok(()),
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(());
            }
            if !piece(bytes) {
                // SAFETY: as above.
                unsafe { (self.engine.cancel)(*self.handle, stream.handle) };
                return Ok(());
            }
        }
    }

    fn call(&self, ask: Ask, sql: &[u8], format: &str) -> Outcome {
        // SAFETY: the connection lives, and both texts through the call, with their lengths.
        let handle = unsafe {
            if (*self.handle).is_null() {
                ptr::null_mut()
            } else {
                ask(
                    *self.handle,
                    sql.as_ptr(),
                    sql.len(),
                    format.as_ptr(),
                    format.len(),
                )
            }
        };
        Outcome {
            engine: self.engine,
            handle,
        }
    }
}
