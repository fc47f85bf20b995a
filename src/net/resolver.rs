//! Names into addresses, off the loop: the system's resolver blocks, for as long as it likes, so it is asked on threads of
//! their own. These live only while there is something to ask; one that is stuck holds up nobody but who waits for it, and
//! is waited for by nobody when the server goes.
//!
//! Not here: who asks, and what becomes of an address (`net/dialing.rs`).

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::limits::{ADDRESSES_TRIED, RESOLUTIONS_WAITING, RESOLVER_THREADS};

/// What looks a name up: host and port in, addresses out, in the order in which they are to be tried. It may block.
pub(super) type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Of a ticket, and what came of it.
pub(super) type Answer = (u64, io::Result<Vec<SocketAddr>>);

/// See the module.
pub(super) struct Resolver {
    shared: Arc<Shared>,
    /// Questions whose answer has not been polled. While there are none, there is nothing to lock.
    outstanding: usize,
}

struct Shared {
    lookup: Box<Lookup>,
    /// Tells the loop that there is an answer.
    wake: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Question>,
    /// Those that a thread is at, each name once: whoever comes again and again for one that is stuck takes no other thread.
    asked: Vec<Question>,
    answers: VecDeque<Answer>,
    threads: usize,
}

/// One name, for all who wait for it: a crowd that comes back to one server asks for it once.
struct Question {
    tickets: Vec<u64>,
    host: String,
    port: u16,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("outstanding", &self.outstanding).finish_non_exhaustive()
    }
}

/// The operating system's.
pub(super) fn system_lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

impl Resolver {
    /// `wake` is called on any thread, whenever there is an answer that was not there at once.
    pub fn new(lookup: Box<Lookup>, wake: Box<dyn Fn() + Send + Sync>) -> Resolver {
        Resolver { shared: Arc::new(Shared { lookup, wake, state: Mutex::default() }), outstanding: 0 }
    }

    /// Asks. The answer to an address is there at once, any other after a call of `wake`. It is an error when
    /// [`RESOLUTIONS_WAITING`] other names wait already, or no thread can be had.
    pub fn ask(&mut self, ticket: u64, host: &str, port: u16) -> io::Result<()> {
        let mut state = self.shared.lock();
        if let Ok(ip) = host.parse::<IpAddr>() {
            state.answers.push_back((ticket, Ok(vec![SocketAddr::new(ip, port)])));
        } else if let Some(same) = state.question(host, port) {
            same.tickets.push(ticket);
        } else {
            if state.waiting.len() >= RESOLUTIONS_WAITING {
                return Err(io::Error::other("too many names wait to be looked up"));
            }
            if state.threads < RESOLVER_THREADS {
                match spawn(&self.shared) {
                    Ok(()) => state.threads += 1,
                    // Those that there are will come to it.
                    Err(_) if state.threads > 0 => {}
                    Err(error) => return Err(error),
                }
            }
            state.waiting.push_back(Question { tickets: vec![ticket], host: host.to_owned(), port });
        }
        self.outstanding += 1;
        Ok(())
    }

    /// Whoever asked has gone, and is not answered, unless the answer is there already.
    pub fn cancel(&mut self, ticket: u64) {
        if self.outstanding > 0 {
            let State { waiting, asked, .. } = &mut *self.shared.lock();
            for question in waiting.iter_mut().chain(asked) {
                let before = question.tickets.len();
                question.tickets.retain(|other| *other != ticket);
                self.outstanding -= before - question.tickets.len();
            }
            waiting.retain(|question| !question.tickets.is_empty());
        }
    }

    /// The next answer, of at most [`ADDRESSES_TRIED`] addresses.
    pub fn poll(&mut self) -> Option<Answer> {
        if self.outstanding == 0 {
            return None;
        }
        let answer = self.shared.lock().answers.pop_front()?;
        self.outstanding -= 1;
        Some(answer)
    }
}

/// What waits is asked no more; a thread that is stuck ends when it will.
impl Drop for Resolver {
    fn drop(&mut self) {
        self.shared.lock().waiting.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life: it ends when nothing waits.
    fn answer_all(&self) {
        loop {
            let (host, port) = {
                let mut state = self.lock();
                let Some(question) = state.waiting.pop_front() else {
                    state.threads -= 1;
                    return;
                };
                let name = (question.host.clone(), question.port);
                state.asked.push(question);
                name
            };
            let mut answer = (self.lookup)(&host, port);
            if let Ok(addrs) = &mut answer {
                addrs.truncate(ADDRESSES_TRIED);
            }
            if self.lock().settle((&host, port), &answer) {
                (self.wake)();
            }
        }
    }
}

impl State {
    /// The question for this name, if there is one.
    fn question(&mut self, host: &str, port: u16) -> Option<&mut Question> {
        self.asked.iter_mut().chain(&mut self.waiting).find(|other| other.host == host && other.port == port)
    }

    /// A name has been looked up. Says whether anybody still waited for it.
    fn settle(&mut self, (host, port): (&str, u16), answer: &io::Result<Vec<SocketAddr>>) -> bool {
        let Some(place) = self.asked.iter().position(|other| other.host == host && other.port == port) else {
            return false;
        };
        let Question { tickets, .. } = self.asked.swap_remove(place);
        let is_awaited = !tickets.is_empty();
        self.answers.extend(tickets.into_iter().map(|ticket| (ticket, same(answer))));
        is_awaited
    }
}

/// The answer once more.
fn same(answer: &io::Result<Vec<SocketAddr>>) -> io::Result<Vec<SocketAddr>> {
    match answer {
        Ok(addrs) => Ok(addrs.clone()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = shared.clone();
    thread::Builder::new().name("barewire-resolver".into()).spawn(move || shared.answer_all()).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// A resolver, and what is told at each waking.
    fn resolver(lookup: Box<Lookup>) -> (Resolver, Receiver<()>) {
        let (sender, woken) = channel();
        // Nobody may listen any more.
        (Resolver::new(lookup, Box::new(move || sender.send(()).unwrap_or_default())), woken)
    }

    fn next(resolver: &mut Resolver, woken: &Receiver<()>) -> Answer {
        woken.recv_timeout(DEADLINE).expect("a waking with the answer");
        resolver.poll().expect("an answer")
    }

    /// A lookup in which a name waits until it is let go: its thread tells that it has begun.
    fn stuck() -> (Box<Lookup>, Receiver<String>, Sender<()>) {
        let ((begun, begins), (release, released)) = (channel(), channel::<()>());
        let released = Mutex::new(released);
        let lookup = move |host: &str, port: u16| {
            // Nobody may listen any more.
            let _ = begun.send(host.to_owned());
            if host.starts_with("stuck") {
                // One is let go by each message, and all by the end of the channel.
                let _ = released.lock().unwrap().recv();
            }
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        };
        (Box::new(lookup), begins, release)
    }

    #[test]
    fn an_address_is_answered_at_once_and_asks_nobody() {
        let (mut resolver, woken) = resolver(Box::new(|host, _| panic!("{host} is an address")));
        for (ticket, host) in [(7, "127.0.0.1"), (8, "::1"), (9, "fe80::1")] {
            resolver.ask(ticket, host, 443).unwrap();
            let (answered, addrs) = resolver.poll().unwrap();
            assert_eq!((answered, addrs.unwrap()), (ticket, vec![SocketAddr::new(host.parse().unwrap(), 443)]));
        }
        assert!(resolver.poll().is_none() && woken.try_recv().is_err());
    }

    #[test]
    fn the_system_knows_localhost_and_no_name_under_invalid() {
        let (mut resolver, woken) = resolver(Box::new(system_lookup));
        resolver.ask(1, "localhost", 80).unwrap();
        let (ticket, addrs) = next(&mut resolver, &woken);
        let addrs = addrs.unwrap();
        assert!(ticket == 1 && !addrs.is_empty() && addrs.iter().all(|addr| addr.ip().is_loopback()), "{addrs:?}");
        // RFC 2606, section 2. A string that can be no name at all is an error too, and no panic.
        for (ticket, host) in [(2, "nobody.invalid"), (3, ""), (4, "a\0b"), (5, "[::1]")] {
            resolver.ask(ticket, host, 80).unwrap();
            let (answered, addrs) = next(&mut resolver, &woken);
            assert!(answered == ticket && addrs.as_ref().map_or(true, Vec::is_empty), "{host:?}: {addrs:?}");
        }
    }

    #[test]
    fn a_stuck_name_holds_up_nobody_else_as_long_as_there_is_a_thread() {
        let (lookup, begins, release) = stuck();
        let (mut resolver, woken) = resolver(lookup);
        for i in 1..RESOLVER_THREADS {
            resolver.ask(i as u64, &format!("stuck{i}"), 1).unwrap();
            begins.recv_timeout(DEADLINE).unwrap();
        }
        resolver.ask(100, "well", 5).unwrap();
        let (ticket, addrs) = next(&mut resolver, &woken);
        assert_eq!((ticket, addrs.unwrap()), (100, vec![([127, 0, 0, 1], 5).into()]));
        assert!(resolver.poll().is_none());
        drop(release);
        let mut tickets: Vec<u64> = (1..RESOLVER_THREADS).map(|_| next(&mut resolver, &woken).0).collect();
        tickets.sort_unstable();
        assert!(tickets.into_iter().eq(1..RESOLVER_THREADS as u64));
    }

    #[test]
    fn threads_and_waiting_names_are_bounded_and_a_name_that_nobody_waits_for_leaves_its_place() {
        let (lookup, begins, release) = stuck();
        let (mut resolver, woken) = resolver(lookup);
        for i in 0..RESOLVER_THREADS {
            resolver.ask(i as u64, &format!("stuck{i}"), 1).unwrap();
            begins.recv_timeout(DEADLINE).unwrap();
        }
        for i in 0..RESOLUTIONS_WAITING {
            resolver.ask(1000 + i as u64, &format!("waits{i}"), 1).unwrap();
        }
        assert!(resolver.ask(1, "one too many", 1).is_err());
        assert!(resolver.ask(1, "waits0", 2).is_err(), "another port is another name");
        assert_eq!(resolver.shared.lock().threads, RESOLVER_THREADS);
        resolver.cancel(1000);
        resolver.cancel(1000);
        resolver.ask(2, "in its place", 1).unwrap();
        // Nor is one answered that has left while its name is being looked up.
        resolver.cancel(0);
        drop(release);
        for _ in 1..RESOLVER_THREADS + RESOLUTIONS_WAITING {
            assert!(![0, 1000].contains(&next(&mut resolver, &woken).0));
        }
        assert_eq!((resolver.outstanding, resolver.poll().is_none()), (0, true));
    }

    #[test]
    fn a_crowd_that_waits_for_one_name_asks_for_it_once() {
        let (lookup, begins, release) = stuck();
        let (mut resolver, woken) = resolver(lookup);
        for i in 0..RESOLVER_THREADS {
            resolver.ask(i as u64, &format!("stuck{i}"), 1).unwrap();
            begins.recv_timeout(DEADLINE).unwrap();
        }
        const CROWD: u64 = 2 * RESOLUTIONS_WAITING as u64;
        for ticket in 1000..1000 + CROWD {
            resolver.ask(ticket, "home", 443).unwrap();
        }
        resolver.cancel(1000);
        drop(release);
        assert_eq!(begins.recv_timeout(DEADLINE).unwrap(), "home");
        let mut answered = Vec::new();
        while resolver.outstanding > 0 {
            match resolver.poll() {
                Some((ticket, addrs)) => answered.push((ticket, addrs.unwrap())),
                None => woken.recv_timeout(DEADLINE).unwrap(),
            }
        }
        answered.retain(|(ticket, _)| *ticket >= 1000);
        let home = vec![SocketAddr::from(([127, 0, 0, 1], 443))];
        assert!(answered.into_iter().eq((1001..1000 + CROWD).map(|ticket| (ticket, home.clone()))));
        assert!(begins.try_recv().is_err(), "it was looked up once");
    }

    #[test]
    fn one_that_asks_again_and_again_for_a_stuck_name_takes_one_thread_and_is_answered_with_the_others() {
        let (lookup, begins, release) = stuck();
        let (mut resolver, woken) = resolver(lookup);
        resolver.ask(1, "stuck", 1).unwrap();
        begins.recv_timeout(DEADLINE).unwrap();
        for ticket in 2..20 {
            resolver.cancel(ticket - 1);
            resolver.ask(ticket, "stuck", 1).unwrap();
        }
        resolver.ask(100, "well", 5).unwrap();
        assert_eq!(next(&mut resolver, &woken).0, 100);
        resolver.ask(20, "stuck", 1).unwrap();
        assert!(begins.try_recv().is_ok_and(|name| name == "well") && begins.try_recv().is_err());
        drop(release);
        assert_eq!(next(&mut resolver, &woken).0, 19);
        assert_eq!((resolver.poll().unwrap().0, resolver.outstanding), (20, 0));
    }

    #[test]
    fn threads_end_when_nothing_waits_and_a_stuck_one_is_waited_for_by_nobody() {
        let (lookup, begins, release) = stuck();
        let (mut resolver, woken) = resolver(lookup);
        resolver.ask(1, "stuck", 1).unwrap();
        begins.recv_timeout(DEADLINE).unwrap();
        for i in 0..RESOLVER_THREADS {
            resolver.ask(2 + i as u64, &format!("well{i}"), 1).unwrap();
        }
        for _ in 0..RESOLVER_THREADS {
            next(&mut resolver, &woken).1.unwrap();
        }
        let shared = resolver.shared.clone();
        // That this returns is the test.
        drop(resolver);
        assert!(shared.lock().waiting.is_empty());
        drop(release);
        while shared.lock().threads > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn of_an_answer_only_so_many_addresses_are_taken() {
        let many = |_: &str, _: u16| Ok((0..100).map(|port| ([127, 0, 0, 1], port).into()).collect());
        let (mut resolver, woken) = resolver(Box::new(many));
        resolver.ask(1, "many", 1).unwrap();
        let addrs = next(&mut resolver, &woken).1.unwrap();
        assert!(addrs.iter().map(SocketAddr::port).eq(0..ADDRESSES_TRIED as u16));
    }
}
