//! How are namespaces wired? Through `ip` of iproute2, fed one batch per namespace.
//!
//! Each host has one link, `up0`, a veth pair whose other end is the router's. Links know
//! no neighbours (`arp off`): the default route is on the link, so nothing is ever asked by
//! ARP (RFC 826) or neighbour discovery (RFC 4861).

use super::LiveError;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::{Command, Stdio};

/// The number of a host's link. It must differ from its peer's: the kernel takes its time,
/// a second, over pairs of equal numbers, which it does not know for links of two parts.
const OWN: usize = 100_000;
/// `RTMGRP_LINK`: news of links (`rtnetlink(7)`).
const LINKS: u32 = 1;
/// Octets before a segment's: IPv4, TCP and its timestamps (RFC 7323), which kernels send.
const HEADERS: usize = 20 + 20 + 12;
/// Longest wait for such news, milliseconds: a loaded machine needs a fraction of it.
const PATIENCE: u16 = 10_000;

/// The router's end of a host's link.
pub(super) fn port_name(index: usize) -> String {
    format!("h{index}")
}

/// The hardware address of a host's end; its router ignores its own.
pub(super) fn mac(index: usize) -> [u8; 6] {
    let [a, b] = (index as u16).to_be_bytes();
    [2, 0, 0, 0, a, b]
}

/// Gives the calling thread's network a link to the router, whose thread is `router`.
pub(super) fn host(
    index: usize,
    router: nix::unistd::Pid,
    on_link: &[IpAddr],
    on_loopback: &[IpAddr],
    segment: Option<usize>,
) -> Result<(), LiveError> {
    let hex = mac(index).map(|octet| format!("{octet:02x}")).join(":");
    let port = port_name(index);
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!(
            "link add up0 index {OWN} address {hex} type veth peer name {port} netns {router}"
        ),
        // Without segmentation offload every frame is a packet as it travels.
        "link set up0 mtu 1500 arp off gso_max_segs 1".to_owned(),
    ];
    let six = has_ipv6();
    if six {
        lines.push("link set up0 addrgenmode none".to_owned());
    }
    lines.push("link set up0 up".to_owned());
    for (addresses, device) in [(on_link, "up0"), (on_loopback, "lo")] {
        lines.extend(addresses.iter().filter_map(|address| match address {
            IpAddr::V4(ip) => Some(format!("addr add {ip}/32 dev {device}")),
            IpAddr::V6(ip) if six => Some(format!("addr add {ip}/128 dev {device} nodad")),
            IpAddr::V6(_) => None,
        }));
    }
    lines.push(format!("route add default dev up0{}", narrow(segment)));
    if six && on_link.iter().chain(on_loopback).any(IpAddr::is_ipv6) {
        lines.push("route add ::/0 dev up0".to_owned());
    }
    batch(&lines)
}

/// What of a route makes TCP send so many octets a segment, and take what is usual. Routes
/// of IPv6 cannot: 1280 octets pass everywhere (RFC 8200 section 5).
fn narrow(segment: Option<usize>) -> String {
    segment.map_or_else(String::new, |octets| {
        format!(" mtu {} advmss 1460", octets + HEADERS)
    })
}

/// Brings the router's ends of `count` links up, from its own thread.
pub(super) fn router(count: usize) -> Result<(), LiveError> {
    let mut lines = Vec::new();
    for index in 0..count {
        let port = port_name(index);
        if has_ipv6() {
            lines.push(format!("link set {port} addrgenmode none"));
        }
        lines.push(format!("link set {port} mtu 1500 arp off up"));
    }
    batch(&lines)
}

/// Waits until the calling thread's link carries packets. The kernel opens an end whose
/// other end came up later from a queue of its own, and drops what is sent before.
pub(super) fn settle() -> Result<(), LiveError> {
    let failed = |errno: Errno| LiveError::Socket(errno.into());
    let news = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .map_err(failed)?;
    bind(news.as_raw_fd(), &NetlinkAddr::new(0, LINKS)).map_err(failed)?;
    loop {
        let mut known = getifaddrs().map_err(failed)?;
        if known
            .any(|i| i.interface_name == "up0" && i.flags.contains(InterfaceFlags::IFF_RUNNING))
        {
            return Ok(());
        }
        let mut source = [PollFd::new(news.as_fd(), PollFlags::POLLIN)];
        match poll(&mut source, PATIENCE) {
            Ok(0) => return Err(LiveError::NoCarrier),
            Ok(_) => drop(recv(news.as_raw_fd(), &mut [0; 4096], MsgFlags::empty())),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
}

/// Whether this kernel speaks IPv6.
pub fn has_ipv6() -> bool {
    std::path::Path::new("/proc/net/if_inet6").exists()
}

/// Where a program is that is not for everybody's daily use; `None` where it is not.
pub fn program(name: &str) -> Option<std::path::PathBuf> {
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Ordinary users' search path often leaves out where `ip` is.
pub(super) fn search_path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

fn batch(lines: &[String]) -> Result<(), LiveError> {
    let missing = |source| LiveError::NoIp { source };
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .env("PATH", search_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        let text = lines.join("\n") + "\n";
        // A command that ends early closes its input; what it said is reported below.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(missing)?;
    if output.status.success() {
        return Ok(());
    }
    Err(LiveError::Ip {
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        asked: lines.join("; "),
    })
}
