//! Slow hashes, off the loop: [`Hashing`] has a few threads that measure passwords, and remembers for a while which
//! credentials were right, so that a crowd that comes back does not have to be hashed again.
//!
//! ```text
//!   loop:     ask -- remembered? --> Known
//!              |---- being hashed? --> Later: this attempt waits for the same hash
//!              |---- too many wait? --> Busy
//!              '---- queue --> Later
//!   thread:   take --> hash --> remember, if right --> deliver(ticket, verdict) for each that waits
//! ```
//!
//! Not here: what a hash is (`password.rs`), which one a name is measured against (`users.rs`), what is answered
//! (`methods.rs`).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::password::Workspace;
use super::users::{Digest, Question};
use super::{Identity, Ticket, Verdict, unavailable};
use crate::limits::{
    CREDENTIAL_REMEMBERED, CREDENTIALS_REMEMBERED, HASH_ATTEMPTS_WAITING, HASH_WORKERS_MAX, HASHES_WAITING_PER_ADDRESS,
    HASHES_WAITING_PER_WORKER,
};
use crate::time::{Now, micros};
use crate::wire::http::Refusal;

/// Threads that hash, and what they found out. Dropping it ends them, each after the hash that it is at; what still
/// waits is not answered then.
pub struct Hashing {
    jobs: SyncSender<Job>,
    /// How many credentials of one address may wait.
    share: usize,
    shared: Arc<Shared>,
}

/// What became of a question.
#[derive(Debug)]
pub(super) enum Asked {
    /// It is right, as it was lately.
    Known(Identity),
    /// Too much waits already.
    Busy,
    /// The verdict will be delivered.
    Later,
}

struct Job {
    question: Question,
    asked_us: u64,
    /// Who asked first, where that is counted.
    address: Option<IpAddr>,
}

/// What the loop and the threads share. The lock is held for look-ups only, never while something is hashed or delivered.
struct Shared {
    state: Mutex<State>,
    deliver: Box<dyn Fn(Ticket, Verdict) + Send + Sync>,
    is_stopped: AtomicBool,
    hashed: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Who waits for each credential that is queued or being hashed.
    waiting: BTreeMap<Digest, Waiting>,
    /// How many wait in all.
    attempts: usize,
    /// How many credentials wait that each address asked about first.
    by_address: BTreeMap<IpAddr, usize>,
    remembered: Remembered,
}

impl State {
    /// A credential that this address asked about first waits no more.
    fn leave(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

struct Waiting {
    tickets: Vec<Ticket>,
    /// What a wrong password is answered with.
    denial: Refusal,
}

impl Hashing {
    /// Starts so many threads, from 1 to [`HASH_WORKERS_MAX`]; a number beyond is brought there. `deliver` is called on
    /// them, for each attempt that was left open once, and should end in `Engine::resolve` (`Handle::resolve` does).
    /// While it waits, so does its thread. A handle exists only after the server has its authenticator: `deliver` may find
    /// it in a `OnceLock` that is filled then, since nobody is asked before.
    pub fn start(workers: usize, deliver: impl Fn(Ticket, Verdict) + Send + Sync + 'static) -> io::Result<Hashing> {
        let workers = workers.clamp(1, HASH_WORKERS_MAX);
        let (jobs, queue) = sync_channel(workers * HASHES_WAITING_PER_WORKER);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            deliver: Box::new(deliver),
            is_stopped: AtomicBool::new(false),
            hashed: AtomicU64::new(0),
        });
        let share = workers * HASHES_WAITING_PER_ADDRESS;
        let hashing = Hashing { jobs, share, shared: Arc::clone(&shared) };
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..workers {
            let (queue, shared) = (Arc::clone(&queue), Arc::clone(&shared));
            thread::Builder::new().name(format!("hashing {number}")).spawn(move || work(&queue, &shared))?;
        }
        Ok(hashing)
    }

    /// How many passwords have been hashed so far.
    pub fn hashed(&self) -> u64 {
        self.shared.hashed.load(Ordering::Relaxed)
    }

    /// Answers at once, or takes `ticket` for later. The same credential asked while it is being hashed is hashed once,
    /// and answered to everyone who asked. One address finds no more than its share of the places: it cannot keep all
    /// others waiting, nor try many more passwords at once than it may try wrong ones.
    pub(super) fn ask(&self, question: Question, denial: &Refusal, ticket: Ticket, now: Now) -> Asked {
        let digest = question.digest;
        let mut state = lock(&self.shared.state);
        if let Some(identity) = state.remembered.find(&digest, now.mono_us) {
            return Asked::Known(identity);
        }
        if state.attempts >= HASH_ATTEMPTS_WAITING {
            return Asked::Busy;
        }
        if let Some(waiting) = state.waiting.get_mut(&digest) {
            waiting.tickets.push(ticket);
        } else {
            let address = ticket.counted;
            let has_its_share = |address| state.by_address.get(&address).is_some_and(|count| *count >= self.share);
            let job = Job { question, asked_us: now.mono_us, address };
            if address.is_some_and(has_its_share) || self.jobs.try_send(job).is_err() {
                return Asked::Busy;
            }
            if let Some(address) = address {
                *state.by_address.entry(address).or_default() += 1;
            }
            state.waiting.insert(digest, Waiting { tickets: vec![ticket], denial: denial.clone() });
        }
        state.attempts += 1;
        Asked::Later
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashing").field("hashed", &self.hashed()).finish_non_exhaustive()
    }
}

/// The life of a thread: it ends when the queue has no sender any more.
fn work(queue: &Mutex<Receiver<Job>>, shared: &Shared) {
    let mut workspace = Workspace::default();
    loop {
        // The others wait for the lock, not for the queue, and take what comes next.
        let Ok(job) = lock(queue).recv() else { return };
        if shared.is_stopped.load(Ordering::Relaxed) {
            return;
        }
        let (tickets, verdict) = shared.judge(&job, &mut workspace);
        for ticket in tickets {
            // One that cannot be told must not keep the rest from being told.
            let _ = catch_unwind(AssertUnwindSafe(|| (shared.deliver)(ticket, verdict.clone())));
        }
    }
}

impl Shared {
    /// Hashes, and ends the waiting. A hash that panics is no answer: those who wait may try again.
    fn judge(&self, job: &Job, workspace: &mut Workspace) -> (Vec<Ticket>, Verdict) {
        let Job { question, asked_us, address } = job;
        let Question { hash, password, is_own, .. } = question;
        let is_right = catch_unwind(AssertUnwindSafe(|| hash.verify_in(workspace, password) & is_own));
        self.hashed.fetch_add(1, Ordering::Relaxed);
        let mut state = lock(&self.state);
        let waiting = state.waiting.remove(&question.digest);
        let (tickets, denial) = waiting.map_or((Vec::new(), None), |w| (w.tickets, Some(w.denial)));
        state.attempts = state.attempts.saturating_sub(tickets.len());
        state.leave(*address);
        let verdict = match (is_right, denial) {
            (Ok(true), _) => {
                let identity = Identity::new(question.name.clone());
                state.remembered.insert(question.digest, &identity, *asked_us);
                Verdict::Accept(identity)
            }
            (Ok(false), Some(denial)) => Verdict::Deny(denial),
            (Ok(false), None) | (Err(_), _) => Verdict::Refuse(unavailable()),
        };
        (tickets, verdict)
    }
}

/// The state is whole whenever the lock is free, so a panic elsewhere is no reason to give it up.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The credentials that were right lately, the oldest first.
#[derive(Default)]
struct Remembered {
    identities: BTreeMap<Digest, (u64, Identity)>,
    order: VecDeque<(u64, Digest)>,
}

impl Remembered {
    fn find(&self, digest: &Digest, now_us: u64) -> Option<Identity> {
        let (until_us, identity) = self.identities.get(digest)?;
        (now_us < *until_us).then(|| identity.clone())
    }

    fn insert(&mut self, digest: Digest, identity: &Identity, now_us: u64) {
        let is_over = |until_us: u64, count: usize| until_us <= now_us || count >= CREDENTIALS_REMEMBERED;
        while let Some((until_us, oldest)) = self.order.front().copied() {
            if !is_over(until_us, self.order.len()) {
                break;
            }
            self.order.pop_front();
            // It may have been found right again since.
            if self.identities.get(&oldest).is_some_and(|(current, _)| *current == until_us) {
                self.identities.remove(&oldest);
            }
        }
        let until_us = now_us.saturating_add(micros(CREDENTIAL_REMEMBERED));
        self.identities.insert(digest, (until_us, identity.clone()));
        self.order.push_back((until_us, digest));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::auth::password::PasswordHash;

    const MINUTE_US: u64 = 60_000_000;

    /// Of the password `p`, as cheap as it can be.
    fn hash() -> Arc<PasswordHash> {
        let text = bcrypt::hash_with_salt("p", 4, [1; 16]).unwrap().to_string();
        Arc::new(PasswordHash::parse(&text).unwrap())
    }

    fn question(name: &str, password: &str, hash: &Arc<PasswordHash>) -> Question {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(format!("{name}:{password}").bytes()) {
            *to = from;
        }
        let (name, password) = (name.into(), password.as_bytes().into());
        Question { digest, name, password, hash: Arc::clone(hash), is_own: true }
    }

    fn ticket(session: u64) -> Ticket {
        Ticket { session, serial: 1, ip: std::net::Ipv4Addr::LOCALHOST.into(), counted: None }
    }

    fn ticket_of(ip: &str) -> Ticket {
        Ticket { counted: Some(ip.parse().unwrap()), ..ticket(0) }
    }

    fn at(mono_us: u64) -> Now {
        Now { mono_us, unix_ms: 0 }
    }

    fn denial() -> Refusal {
        Refusal::new(403, "Forbidden")
    }

    /// One worker that is held up inside its first delivery until the returned sender is dropped.
    fn held_up() -> (Hashing, Receiver<(Ticket, Verdict)>, std::sync::mpsc::Sender<()>) {
        let (verdicts, delivered) = channel();
        let (release, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let hashing = Hashing::start(1, move |ticket, verdict| {
            verdicts.send((ticket, verdict)).unwrap();
            let _ = lock(&gate).recv();
        });
        let hashing = hashing.unwrap();
        (hashing, delivered, release)
    }

    fn user(verdict: Verdict) -> String {
        match verdict {
            Verdict::Accept(identity) => identity.user().to_owned(),
            Verdict::AskInBand => "in-band".into(),
            Verdict::Refuse(refusal) => format!("refuse {}", refusal.status()),
            Verdict::Deny(refusal) => format!("deny {}", refusal.status()),
        }
    }

    #[test]
    fn the_same_credential_asked_meanwhile_is_hashed_once_and_everyone_is_answered() {
        let (hashing, delivered, release) = held_up();
        let hash = hash();
        assert!(matches!(hashing.ask(question("a", "x", &hash), &denial(), ticket(1), at(0)), Asked::Later));
        assert_eq!(user(delivered.recv().unwrap().1), "deny 403");
        for session in 2..10 {
            let password = if session % 2 == 0 { "p" } else { "x" };
            let asked = hashing.ask(question("b", password, &hash), &denial(), ticket(session), at(0));
            assert!(matches!(asked, Asked::Later));
        }
        drop(release);
        let told: Vec<String> = delivered.iter().take(8).map(|(t, v)| format!("{} {}", t.session, user(v))).collect();
        assert_eq!(told[..4], ["2 b", "4 b", "6 b", "8 b"]);
        assert_eq!(told[4..], ["3 deny 403", "5 deny 403", "7 deny 403", "9 deny 403"]);
        assert_eq!(hashing.hashed(), 3);
    }

    #[test]
    fn a_full_queue_is_busy_and_an_attempt_that_needs_no_place_in_it_is_not() {
        let (hashing, delivered, release) = held_up();
        let hash = hash();
        let ask = |name: &str, session| hashing.ask(question(name, "x", &hash), &denial(), ticket(session), at(0));
        assert!(matches!(ask("first", 0), Asked::Later));
        delivered.recv().unwrap();
        for i in 0..HASHES_WAITING_PER_WORKER as u64 {
            assert!(matches!(ask(&format!("n{i}"), i), Asked::Later), "{i}");
        }
        assert!(matches!(ask("one more", 1000), Asked::Busy));
        assert!(matches!(ask("n0", 1001), Asked::Later), "it waits for a hash that is in the queue");
        drop(release);
        assert_eq!(delivered.iter().take(HASHES_WAITING_PER_WORKER + 1).count(), HASHES_WAITING_PER_WORKER + 1);
        assert!(matches!(ask("one more", 1000), Asked::Later), "there is room again");
    }

    #[test]
    fn one_address_finds_its_share_of_the_places_and_leaves_the_rest_to_others() {
        let (hashing, delivered, release) = held_up();
        let hash = hash();
        let ask = |ip: &str, name: &str| hashing.ask(question(name, "x", &hash), &denial(), ticket_of(ip), at(0));
        assert!(matches!(ask("192.0.2.1", "first"), Asked::Later));
        delivered.recv().unwrap();
        for i in 0..HASHES_WAITING_PER_ADDRESS {
            assert!(matches!(ask("192.0.2.1", &format!("n{i}")), Asked::Later), "{i}: what is hashed waits no more");
        }
        assert!(matches!(ask("192.0.2.1", "one more"), Asked::Busy));
        assert!(matches!(ask("192.0.2.1", "n0"), Asked::Later), "it takes no further place");
        assert!(matches!(ask("192.0.2.2", "one more"), Asked::Later), "another has its own");
        drop(release);
        assert_eq!(delivered.iter().take(HASHES_WAITING_PER_ADDRESS + 2).count(), HASHES_WAITING_PER_ADDRESS + 2);
        assert!(lock(&hashing.shared.state).by_address.is_empty(), "nobody is remembered who does not wait");
        assert!(matches!(ask("192.0.2.1", "one more"), Asked::Later));
    }

    #[test]
    fn attempts_that_wait_have_a_bound_in_all() {
        let (hashing, delivered, release) = held_up();
        let hash = hash();
        let ask = |session| hashing.ask(question("a", "x", &hash), &denial(), ticket(session), at(0));
        hashing.ask(question("first", "x", &hash), &denial(), ticket(0), at(0));
        delivered.recv().unwrap();
        for session in 0..HASH_ATTEMPTS_WAITING as u64 {
            assert!(matches!(ask(session), Asked::Later), "{session}");
        }
        assert!(matches!(ask(0), Asked::Busy));
        drop(release);
        assert_eq!(delivered.iter().take(HASH_ATTEMPTS_WAITING).count(), HASH_ATTEMPTS_WAITING);
        assert!(matches!(ask(0), Asked::Later));
    }

    #[test]
    fn a_right_credential_is_remembered_for_an_hour_and_a_wrong_one_never() {
        let (verdicts, delivered) = channel();
        let hashing = Hashing::start(2, move |ticket, verdict| verdicts.send((ticket, verdict)).unwrap()).unwrap();
        let hash = hash();
        let start = 7 * MINUTE_US;
        let ask = |password: &str, now_us| match hashing.ask(
            question("a", password, &hash),
            &denial(),
            ticket(1),
            at(now_us),
        ) {
            Asked::Known(identity) => format!("known {}", identity.user()),
            Asked::Busy => "busy".into(),
            Asked::Later => user(delivered.recv().unwrap().1),
        };
        for (password, now_us, answer) in [
            ("p", start, "a"),
            ("p", start, "known a"),
            ("x", start, "deny 403"),
            ("x", start, "deny 403"),
            ("p", start + 60 * MINUTE_US - 1, "known a"),
            ("p", start + 60 * MINUTE_US, "a"),
            ("p", start + 90 * MINUTE_US, "known a"),
            ("p", 0, "known a"),
        ] {
            assert_eq!(ask(password, now_us), answer, "{password} at {now_us}");
        }
        assert_eq!(hashing.hashed(), 4);
    }

    #[test]
    fn the_right_password_of_another_is_wrong() {
        let (verdicts, delivered) = channel();
        let hashing = Hashing::start(1, move |_, verdict| verdicts.send(verdict).unwrap()).unwrap();
        let borrowed = Question { is_own: false, ..question("nobody", "p", &hash()) };
        hashing.ask(borrowed, &denial(), ticket(1), at(0));
        assert_eq!(user(delivered.recv().unwrap()), "deny 403");
        assert_eq!(hashing.hashed(), 1, "and it took the same work");
    }

    #[test]
    fn a_panic_leaves_neither_the_thread_dead_nor_anyone_without_an_answer() {
        let (verdicts, delivered) = channel();
        let hashing = Hashing::start(1, move |ticket, verdict| {
            verdicts.send((ticket, verdict)).unwrap();
            assert!(ticket.session != 1, "a panic for this test, while it delivers");
        });
        let hashing = hashing.unwrap();
        let (hash, broken) = (hash(), Arc::new(PasswordHash::broken()));
        hashing.ask(question("a", "p", &hash), &denial(), ticket(1), at(0));
        hashing.ask(question("b", "p", &broken), &denial(), ticket(2), at(0));
        hashing.ask(question("c", "p", &hash), &denial(), ticket(3), at(0));
        let told: Vec<String> = delivered.iter().take(3).map(|(_, verdict)| user(verdict)).collect();
        assert_eq!(told, ["a", "refuse 503", "c"]);
    }

    #[test]
    fn dropping_it_ends_its_threads_and_what_waits_is_not_hashed() {
        let (hashing, delivered, release) = held_up();
        let hash = hash();
        for session in 0..5 {
            hashing.ask(question(&format!("n{session}"), "p", &hash), &denial(), ticket(session), at(0));
        }
        delivered.recv().unwrap();
        drop(hashing);
        drop(release);
        assert_eq!(delivered.iter().count(), 0, "this ends when the thread does");
    }

    #[test]
    fn the_oldest_is_forgotten_first_and_nothing_is_kept_twice() {
        let mut remembered = Remembered::default();
        let digest = |i: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&i.to_be_bytes());
            digest
        };
        let anyone = Identity::new("a");
        for i in 0..=CREDENTIALS_REMEMBERED {
            remembered.insert(digest(i), &anyone, 1);
        }
        assert_eq!(
            (remembered.identities.len(), remembered.order.len()),
            (CREDENTIALS_REMEMBERED, CREDENTIALS_REMEMBERED)
        );
        assert!(remembered.find(&digest(0), 1).is_none() && remembered.find(&digest(1), 1).is_some());
        // The same one again and again costs the others their places, but no more room.
        for _ in 0..2 * CREDENTIALS_REMEMBERED {
            remembered.insert(digest(1), &anyone, 2);
        }
        assert_eq!((remembered.identities.len(), remembered.order.len()), (1, CREDENTIALS_REMEMBERED));
        assert!(remembered.find(&digest(1), 2).is_some());
        remembered.insert(digest(2), &anyone, micros(CREDENTIAL_REMEMBERED) + 2);
        assert_eq!(remembered.order.len(), 1, "what is over is forgotten");
    }
}
