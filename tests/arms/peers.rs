//! Honest servers on kernel sockets, which play the simulator's scripts.

use super::place::enter;
use starling::sim::host::script::Script;
use starling::sim::host::tcp::Cuts;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server waits for its client.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the listeners look for connections and for the end.
const NAP: Duration = Duration::from_millis(1);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16_384;
/// Stack of a connection's thread.
const STACK: usize = 256 * 1024;

/// What is said at an address and port, and how it is cut; nothing is said if there is none.
type Scripts = dyn Fn(u32, u16) -> Option<(Script, Cuts)> + Send + Sync;

/// Servers at work.
pub(crate) struct Servers {
    end: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<()>>,
}

impl Servers {
    /// Listens on these ports of all addresses of a namespace.
    pub(crate) fn start(
        space: &str,
        ports: &[u16],
        scripts: impl Fn(u32, u16) -> Option<(Script, Cuts)> + Send + Sync + 'static,
    ) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let scripts: Arc<Scripts> = Arc::new(scripts);
        let listen = |port: &u16| {
            let (space, port, end, scripts) = (space.to_owned(), *port, end.clone(), scripts.clone());
            let (ready, is_ready) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                enter(&space);
                let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
                listener.set_nonblocking(true).unwrap();
                // SAFETY: a listening socket. A full queue would cost a target its only probe.
                assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) }, 0);
                ready.send(()).unwrap();
                accept(&listener, &scripts, &end);
            });
            is_ready.recv().unwrap();
            thread
        };
        let listeners = ports.iter().map(listen).collect();
        Self { end, listeners }
    }

    /// No more connections.
    pub(crate) fn stop(self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.listeners {
            thread.join().unwrap();
        }
    }
}

fn accept(listener: &TcpListener, scripts: &Arc<Scripts>, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(NAP);
            continue;
        };
        let scripts = scripts.clone();
        let serve = move || {
            let Ok(IpAddr::V4(address)) = stream.local_addr().map(|local| local.ip()) else { return };
            let Ok(port) = stream.local_addr().map(|local| local.port()) else { return };
            if let Some((script, cuts)) = scripts(u32::from(address), port) {
                // The client may go at any time: what that looks like is the scan's to find out.
                let _ = converse(stream, script, cuts);
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(serve).unwrap();
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
