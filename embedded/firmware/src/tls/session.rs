//! How do octets travel within a session? Through rustls's unbuffered connection and two
//! buffers that grow only as far as one record needs (RFC 8446 section 5.2).

use super::{AROUND, FRAGMENT, TlsError};
use alloc::sync::Arc;
use alloc::vec::Vec;
use embedded_io_async::{Error as _, ErrorType, Read, Write};
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// At first room for so much of what comes: a collector of ours sends short records.
const ROOM: usize = 4096;
/// At most: the longest record, and as much of the next as came with it.
const MOST: usize = 16_384 + 256 + 5 + 1024;

/// A stream that both sides know to be theirs.
pub struct Session<S> {
    stream: S,
    connection: UnbufferedClientConnection,
    incoming: Vec<u8>,
    /// Octets of `incoming` that came and are not yet understood.
    filled: usize,
    outgoing: Vec<u8>,
    /// What came in, and how much of it was read.
    plain: Vec<u8>,
    read: usize,
}

/// What has to happen before anything else can.
enum Next {
    /// There is more to do with what is here.
    Again,
    /// What is in `outgoing` has to leave.
    Send,
    /// More has to come.
    Receive,
    /// Nothing: data may be written, and would be read if more came.
    Ready,
    /// The other side ended the session.
    Closed,
}

impl<S: Read + Write> Session<S> {
    pub(super) async fn shake(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        stream: S,
    ) -> Result<Self, TlsError> {
        let mut session = Self {
            stream,
            connection: UnbufferedClientConnection::new(config, name)?,
            incoming: alloc::vec![0; ROOM],
            filled: 0,
            outgoing: Vec::new(),
            plain: Vec::new(),
            read: 0,
        };
        loop {
            match session.next().await? {
                Next::Again => {}
                Next::Send => session.send().await?,
                Next::Receive => session.receive().await?,
                Next::Ready => return Ok(session),
                Next::Closed => return Err(TlsError::CutOff),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Ends the session: the other side learns that nothing was cut off.
    pub async fn close(mut self) -> Result<S, TlsError> {
        let mut room = [0; 64];
        let status = self
            .connection
            .process_tls_records(&mut self.incoming[..self.filled]);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state
            && let Ok(length) = traffic.queue_close_notify(&mut room)
        {
            self.outgoing.extend_from_slice(&room[..length]);
        }
        self.send().await?;
        Ok(self.stream)
    }

    /// One step of the protocol. Where it fails, the other side is told why, if it still
    /// listens.
    async fn next(&mut self) -> Result<Next, TlsError> {
        match self.step() {
            Ok(next) => Ok(next),
            Err(error) => {
                // The alert comes out of the same function that failed, by one more call. A
                // further one would read on in what made it fail.
                let _ = self.step();
                let _ = self.send().await;
                Err(error)
            }
        }
    }

    fn step(&mut self) -> Result<Next, TlsError> {
        let UnbufferedStatus { discard, state, .. } = self
            .connection
            .process_tls_records(&mut self.incoming[..self.filled]);
        let next = match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let start = self.outgoing.len();
                let mut encoded = data.encode(&mut []);
                if let Err(EncodeError::InsufficientSize(short)) = &encoded {
                    self.outgoing.resize(start + short.required_size, 0);
                    encoded = data.encode(&mut self.outgoing[start..]);
                }
                match encoded {
                    Ok(_) => Ok(Next::Again),
                    Err(_) => Err(TlsError::TooLong),
                }
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Ok(Next::Send)
            }
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut taken = Ok(Next::Again);
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => self.plain.extend_from_slice(record.payload),
                        Err(error) => taken = Err(error.into()),
                    }
                }
                taken
            }
            Ok(ConnectionState::BlockedHandshake) => Ok(Next::Receive),
            Ok(ConnectionState::WriteTraffic(_)) => Ok(Next::Ready),
            Ok(_) => Ok(Next::Closed),
            Err(error) => Err(error.into()),
        };
        self.incoming.copy_within(discard..self.filled, 0);
        self.filled -= discard;
        next
    }

    async fn send(&mut self) -> Result<(), TlsError> {
        let stream = |error: S::Error| TlsError::Stream(error.kind());
        if !self.outgoing.is_empty() {
            self.stream
                .write_all(&self.outgoing)
                .await
                .map_err(stream)?;
            self.stream.flush().await.map_err(stream)?;
            self.outgoing.clear();
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), TlsError> {
        if self.filled == self.incoming.len() {
            if self.filled >= MOST {
                return Err(TlsError::TooLong);
            }
            self.incoming.reserve_exact(MOST - self.filled);
            self.incoming.resize(MOST, 0);
        }
        let room = &mut self.incoming[self.filled..];
        let came = self.stream.read(room).await;
        match came.map_err(|error| TlsError::Stream(error.kind()))? {
            0 => Err(TlsError::CutOff),
            length => {
                self.filled += length;
                Ok(())
            }
        }
    }
}

impl<S: Read + Write> ErrorType for Session<S> {
    type Error = TlsError;
}

impl<S: Read + Write> Read for Session<S> {
    /// Zero once the other side has ended the session; [`TlsError::CutOff`] where only the
    /// stream ended, so that nobody can shorten what was said.
    async fn read(&mut self, octets: &mut [u8]) -> Result<usize, TlsError> {
        while self.read == self.plain.len() && !octets.is_empty() {
            self.plain.clear();
            self.read = 0;
            match self.next().await? {
                Next::Again => {}
                Next::Send => self.send().await?,
                Next::Receive | Next::Ready => self.receive().await?,
                Next::Closed => return Ok(0),
            }
        }
        let waiting = &self.plain[self.read..];
        let length = waiting.len().min(octets.len());
        octets[..length].copy_from_slice(&waiting[..length]);
        self.read += length;
        Ok(length)
    }
}

impl<S: Read + Write> Write for Session<S> {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, TlsError> {
        let octets = &octets[..octets.len().min(FRAGMENT)];
        if octets.is_empty() {
            return Ok(0);
        }
        loop {
            match self.next().await? {
                Next::Again => {}
                Next::Send => self.send().await?,
                Next::Receive => self.receive().await?,
                Next::Closed => return Err(TlsError::CutOff),
                Next::Ready => break,
            }
        }
        let start = self.outgoing.len();
        self.outgoing.resize(start + octets.len() + AROUND, 0);
        let status = self
            .connection
            .process_tls_records(&mut self.incoming[..self.filled]);
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
            return Err(TlsError::CutOff);
        };
        let room = &mut self.outgoing[start..];
        let length = traffic.encrypt(octets, room).map_err(|error| match error {
            EncryptError::InsufficientSize(_) => TlsError::TooLong,
            EncryptError::EncryptExhausted => TlsError::Protocol(rustls::Error::EncryptError),
        })?;
        self.outgoing.truncate(start + length);
        self.send().await?;
        Ok(octets.len())
    }

    async fn flush(&mut self) -> Result<(), TlsError> {
        self.send().await
    }
}
