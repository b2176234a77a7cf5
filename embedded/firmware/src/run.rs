//! One life of a board: from the first address to the last upload.

use crate::{Board, Secure, Settings, Witness, clock};
use embassy_futures::select::select;
use embassy_net::Stack;
use faultline_core::time::Duration;

/// Sockets that the application and DHCP use at the same time: for
/// [`StackResources`](embassy_net::StackResources).
pub const SOCKETS: usize = 4;

/// The way to the network: the stack, whose runner the board runs as a task of its own, and
/// the witness between stack and device.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The stack, set up for DHCP.
    pub stack: Stack<'a>,
    /// Sees what the stack does not tell.
    pub witness: &'a Witness,
}

/// Lives.
pub async fn run<B: Board, S: Secure>(
    mut board: B,
    line: Line<'_>,
    _secure: S,
    settings: Settings,
) {
    if settings.consent.is_none() {
        idle(&mut board).await;
    }
    loop {
        fed(&mut board, line.stack.wait_config_up()).await;
        fed(&mut board, line.stack.wait_config_down()).await;
    }
}

/// Nothing to do, forever.
async fn idle<B: Board>(board: &mut B) {
    fed(board, core::future::pending::<()>()).await;
}

/// Waits for `future` and feeds the watchdog meanwhile.
async fn fed<B: Board, F: Future>(board: &mut B, future: F) -> F::Output {
    let mut future = core::pin::pin!(future);
    loop {
        board.feed();
        let time = clock::until(clock::now() + Duration::from_secs(B::FED / 2));
        if let embassy_futures::select::Either::First(output) =
            select(future.as_mut(), time).await
        {
            return output;
        }
    }
}
