//! How does an emulated board get on the live Internet without root? By a cable: frames of its
//! host's link `up0` travel as datagrams between two Unix sockets (`-netdev dgram` of QEMU).
//!
//! Like a cable it carries what fits and loses what nobody takes: there is no board yet, or it
//! is off.

use super::{Internet, LiveError};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto,
    socket,
};
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// `PACKET_OUTGOING`: what was sent on the link, not what came.
const OUTGOING: u8 = 4;

/// A cable; it is cut when this is dropped.
#[derive(Debug)]
pub struct Cable {
    folder: tempfile::TempDir,
    _stop: PipeWriter,
}

impl Cable {
    /// The socket at which the board's end is read and written: frames go there.
    pub fn router_end(&self) -> PathBuf {
        self.folder.path().join("router")
    }

    /// The socket that the board has to bind.
    pub fn board_end(&self) -> PathBuf {
        self.folder.path().join("board")
    }
}

impl Internet {
    /// Lays a cable to a host that is a board ([`super::HostSpec::board`]).
    pub fn cable(&self, host: &str) -> Result<Cable, LiveError> {
        let folder = tempfile::tempdir().map_err(LiveError::Settings)?;
        let (stopped, stop) = std::io::pipe().map_err(LiveError::Thread)?;
        let cable = Cable {
            folder,
            _stop: stop,
        };
        let (router, board) = (cable.router_end(), cable.board_end());
        let (ready, opened) = mpsc::channel();
        self.begin(host, move || match Ends::open(&router) {
            Ok(ends) => {
                let _ = ready.send(Ok(()));
                ends.carry(&board, &stopped);
            }
            Err(error) => {
                let _ = ready.send(Err(LiveError::Socket(error)));
            }
        })?;
        opened.recv().map_err(|_| LiveError::Gone)??;
        Ok(cable)
    }
}

struct Ends {
    link: OwnedFd,
    /// Where frames leave: the link of this namespace.
    way: LinkAddr,
    program: UnixDatagram,
}

impl Ends {
    /// On a thread of the host.
    fn open(router: &Path) -> std::io::Result<Self> {
        let link = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )?;
        let index = if_nametoindex("up0")?;
        let known = nix::ifaddrs::getifaddrs()?
            .filter_map(|interface| interface.address?.as_link_addr().copied())
            .find(|address| address.ifindex() == index as usize);
        let program = UnixDatagram::bind(router)?;
        program.set_nonblocking(true)?;
        Ok(Self {
            link,
            way: known.ok_or(Errno::ENODEV)?,
            program,
        })
    }

    fn carry(&self, board: &Path, stop: &PipeReader) {
        let mut frame = vec![0; 1 << 16];
        loop {
            let mut sources = [
                PollFd::new(self.link.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.program.as_fd(), PollFlags::POLLIN),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut sources, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
            if sources[2]
                .revents()
                .is_some_and(|events| !events.is_empty())
            {
                return;
            }
            while let Ok((length, from)) =
                recvfrom::<LinkAddr>(self.link.as_raw_fd(), &mut frame)
            {
                if from.is_some_and(|from| {
                    from.ifindex() == self.way.ifindex() && from.pkttype() != OUTGOING
                }) {
                    // Nobody there: the frame is lost.
                    let _ = self.program.send_to(&frame[..length], board);
                }
            }
            while let Ok(length) = self.program.recv(&mut frame) {
                let flags = MsgFlags::empty();
                let _ = sendto(self.link.as_raw_fd(), &frame[..length], &self.way, flags);
            }
        }
    }
}
