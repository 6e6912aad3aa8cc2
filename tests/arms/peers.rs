//! Honest servers on kernel sockets, which play the simulator's scripts.

use super::packets::wait;
use super::place::enter;
use starling::sim::host::script::Script;
use starling::sim::host::tcp::Cuts;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server waits for its client.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a connection, so that the end is heard.
const NAP: Duration = Duration::from_millis(20);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16_384;
/// Stack of a connection's thread.
const STACK: usize = 256 * 1024;

/// What is said at an address and port, and how it is cut; nothing is said if there is none.
type Scripts = dyn Fn(u32, u16) -> Option<(Script, Cuts)> + Send + Sync;

/// Servers at work.
pub(crate) struct Servers {
    end: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Servers {
    /// Listens at these addresses and ports in a namespace.
    pub(crate) fn start(
        space: &str,
        places: Vec<(Ipv4Addr, u16)>,
        scripts: impl Fn(u32, u16) -> Option<(Script, Cuts)> + Send + Sync + 'static,
    ) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let scripts: Arc<Scripts> = Arc::new(scripts);
        let (space, ended) = (space.to_owned(), end.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            enter(&space);
            let listeners: Vec<_> = places.into_iter().map(listen).collect();
            ready.send(()).unwrap();
            accept(&listeners, &scripts, &ended);
        });
        is_ready.recv().unwrap();
        Self { end, thread }
    }

    /// No more connections.
    pub(crate) fn stop(self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn listen(place: (Ipv4Addr, u16)) -> TcpListener {
    let listener = TcpListener::bind(place).unwrap();
    listener.set_nonblocking(true).unwrap();
    // SAFETY: a listening socket. A full queue would cost a target its only probe.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) }, 0);
    listener
}

fn accept(listeners: &[TcpListener], scripts: &Arc<Scripts>, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        wait(listeners, NAP);
        for (stream, _) in listeners.iter().filter_map(|listener| listener.accept().ok()) {
            let scripts = scripts.clone();
            let serve = move || {
                // The client may go at any time: what that looks like is the scan's to find out.
                let Ok(SocketAddr::V4(place)) = stream.local_addr() else { return };
                if let Some((script, cuts)) = scripts(u32::from(*place.ip()), place.port()) {
                    let _ = converse(stream, script, cuts);
                }
            };
            std::thread::Builder::new().stack_size(STACK).spawn(serve).unwrap();
        }
    }
}

fn converse(mut stream: TcpStream, mut script: Script, cuts: Cuts) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut out = Vec::new();
    script.greet(&mut out);
    say(&mut stream, &out, cuts)?;
    let mut heard = [0; 4_096];
    while !script.closing() {
        let count = stream.read(&mut heard)?;
        if count == 0 {
            break;
        }
        out.clear();
        script.receive(&heard[..count], &mut out);
        say(&mut stream, &out, cuts)?;
    }
    // What still comes is read: the kernel would answer it by RST.
    stream.shutdown(Shutdown::Write)?;
    while stream.read(&mut heard)? > 0 {}
    Ok(())
}

fn say(stream: &mut TcpStream, bytes: &[u8], cuts: Cuts) -> io::Result<()> {
    let size = match cuts {
        Cuts::Whole => usize::MAX,
        Cuts::Random => 40,
        Cuts::Bytes => 1,
    };
    bytes.chunks(size).try_for_each(|chunk| stream.write_all(chunk))
}
