//! How does a process get frames? Through a packet socket (`packet(7)`) on one interface; a
//! thread waits for them, so that the firmware can sleep.

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom,
        sendto, socket,
    },
};
use std::{
    collections::VecDeque,
    io::{PipeReader, PipeWriter, pipe},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    string::String,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    thread, vec,
    vec::Vec,
};

/// `PACKET_OUTGOING`: what this host sends itself.
const OUTGOING: u8 = 4;
/// Octets of a frame.
const FRAME: usize = 1514;
/// Frames that may wait; more are lost, as with a small board.
const WAITING: usize = 16;

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The interface is not there.
    #[error("there is no interface {0} with an Ethernet address here")]
    NoInterface(String),
    /// The system refuses.
    #[error("cannot open a packet socket on {interface}: {source} (it takes CAP_NET_RAW)")]
    Socket {
        /// Where.
        interface: String,
        /// Why.
        source: Errno,
    },
    /// There is no thread or pipe.
    #[error("cannot start the device's thread")]
    Thread(#[source] std::io::Error),
}

/// A network device.
pub struct Socket {
    shared: Arc<Shared>,
    address: LinkAddr,
    hardware: [u8; 6],
    /// Closed with this, the thread ends.
    _stop: PipeWriter,
}

struct Shared {
    socket: OwnedFd,
    came: Mutex<Came>,
}

#[derive(Default)]
struct Came {
    frames: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

impl Socket {
    /// Opens one on `interface`.
    pub fn open(interface: &str) -> Result<Self, DeviceError> {
        let failed = |source| DeviceError::Socket {
            interface: interface.into(),
            source,
        };
        let address = getifaddrs()
            .map_err(failed)?
            .filter(|known| known.interface_name == interface)
            .find_map(|known| known.address?.as_link_addr().copied());
        let missing = || DeviceError::NoInterface(interface.into());
        let address = address.ok_or_else(missing)?;
        let hardware = address.addr().ok_or_else(missing)?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )
        .map_err(failed)?;
        bind(socket.as_raw_fd(), &address).map_err(failed)?;
        let shared = Arc::new(Shared {
            socket,
            came: Mutex::default(),
        });
        let (stopped, stop) = pipe().map_err(DeviceError::Thread)?;
        let hearer = Arc::clone(&shared);
        thread::Builder::new()
            .spawn(move || hear(&hearer, &stopped))
            .map_err(DeviceError::Thread)?;
        Ok(Self {
            shared,
            address,
            hardware,
            _stop: stop,
        })
    }
}

impl Shared {
    fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the other end of the stop pipe is closed.
fn hear(shared: &Shared, stopped: &PipeReader) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let mut sources = [
            PollFd::new(shared.socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut sources, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
        if sources[1]
            .revents()
            .is_some_and(|events| !events.is_empty())
        {
            return;
        }
        while let Ok((length, from)) =
            recvfrom::<LinkAddr>(shared.socket.as_raw_fd(), &mut buffer)
        {
            let ours = from.is_some_and(|from| from.pkttype() == OUTGOING);
            let frame = buffer.get(..length).unwrap_or_default();
            if ours || frame.len() > FRAME {
                continue;
            }
            let mut came = shared.came();
            if came.frames.len() < WAITING {
                came.frames.push_back(frame.to_vec());
            }
            if let Some(waker) = came.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Driver for Socket {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Frame, Out<'_>)> {
        let mut came = self.shared.came();
        let Some(frame) = came.frames.pop_front() else {
            came.waker = Some(context.waker().clone());
            return None;
        };
        drop(came);
        Some((Frame(frame), Out(self)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Out<'_>> {
        Some(Out(self))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.hardware)
    }
}

/// A frame that came.
pub struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        read(&mut self.0)
    }
}

/// Room for a frame to be sent.
pub struct Out<'a>(&'a Socket);

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        let Socket {
            shared, address, ..
        } = self.0;
        // A full link loses frames, as real ones do.
        let _ = sendto(
            shared.socket.as_raw_fd(),
            &frame,
            address,
            MsgFlags::empty(),
        );
        result
    }
}
