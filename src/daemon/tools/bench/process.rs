//! What processes of this machine spend and hold, as `/proc` of Linux tells it: those of the server, and this one.
//!
//! Not here: what it means for a unit or a connection (`report.rs`), when it is read (`course.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use crate::daemon::failure::Failure;

/// Some processes, taken together.
#[derive(Debug)]
pub struct Processes(Vec<Process>);

#[derive(Debug)]
struct Process {
    pid: u32,
    /// When it began, as its system counts: another that gets its number began later.
    began: u64,
    /// What each of its threads had spent when it was seen last, in nanoseconds: one that ends takes its own along.
    threads: BTreeMap<u32, u64>,
    /// What was spent by threads that were not seen at their end.
    unseen: Duration,
}

/// What they have spent so far, and hold at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// CPU time of all their threads, those that have ended among them, in user space and in the kernel.
    pub cpu: Duration,
    /// The same by the system's coarse count, in hundredths of a second, apart.
    user_ticks: u64,
    kernel_ticks: u64,
    /// Memory that is resident.
    pub resident_bytes: u64,
}

/// A tick of `/proc/PID/stat`, to which every Linux of today counts.
const TICK: Duration = Duration::from_millis(10);

impl Processes {
    /// These, each once. An error is one line that names the flag and the process: it is not there, it cannot be read, or this
    /// is not Linux.
    pub fn open(pids: &[u32]) -> Result<Processes, Failure> {
        if !cfg!(target_os = "linux") {
            return Err(Failure::usage("--pid reads /proc, which Linux alone has; allowed: without it"));
        }
        let mut pids = pids.to_vec();
        pids.sort_unstable();
        pids.dedup();
        let opened = pids.into_iter().map(|pid| {
            let mut process = Process { pid, began: 0, threads: BTreeMap::new(), unseen: Duration::ZERO };
            let stat = process.stat().and_then(|stat| process.sample(&stat).map(|_| stat));
            process.began = stat.map_err(|error| Failure::usage(format!("--pid = {pid}: {}", reason(&error))))?.began;
            Ok(process)
        });
        opened.collect::<Result<_, Failure>>().map(Processes)
    }

    /// What they have spent and hold now. An error is that one of them has ended, or can be read no more.
    pub fn sample(&mut self) -> Result<Sample, Failure> {
        let mut all = Sample::default();
        for process in &mut self.0 {
            let sample = process.stat().and_then(|stat| match stat.began == process.began {
                true => process.sample(&stat),
                false => Err(ErrorKind::NotFound.into()),
            });
            let one = sample.map_err(|error| Failure::runtime(process.trouble(&error)))?;
            all.cpu += one.cpu;
            all.user_ticks += one.user_ticks;
            all.kernel_ticks += one.kernel_ticks;
            all.resident_bytes += one.resident_bytes;
        }
        Ok(all)
    }

    fn pids(&self) -> Vec<u32> {
        self.0.iter().map(|process| process.pid).collect()
    }
}

impl Sample {
    /// Which part of what was spent since then was spent in user space, 0 to 1.
    fn user_share(&self, before: &Sample) -> Option<f64> {
        let user = self.user_ticks.saturating_sub(before.user_ticks);
        let all = user + self.kernel_ticks.saturating_sub(before.kernel_ticks);
        if all == 0 { None } else { Some(user as f64 / all as f64) }
    }
}

impl Process {
    fn stat(&self) -> io::Result<Stat> {
        Stat::parse(&self.text("stat")?).ok_or_else(|| ErrorKind::InvalidData.into())
    }

    fn sample(&mut self, stat: &Stat) -> io::Result<Sample> {
        for entry in fs::read_dir(self.file("task"))? {
            let name = entry?.file_name();
            let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // It may end between the list and this.
            let Ok(text) = self.text(&format!("task/{thread}/schedstat")) else { continue };
            if let Some(nanos) = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()) {
                // One that has spent less than it had is another, which has got its number.
                let before = self.threads.insert(thread, nanos).unwrap_or(0);
                self.unseen += Duration::from_nanos(if nanos < before { before } else { 0 });
            }
        }
        let seen = self.unseen + Duration::from_nanos(self.threads.values().sum());
        // What a thread spent between its last sight and its end is in the coarse count alone. That is cut down to whole ticks
        // twice, in user space and in the kernel, so that it says nothing until it is more by as much.
        let by_ticks = TICK.saturating_mul(u32::try_from(stat.user_ticks + stat.kernel_ticks).unwrap_or(u32::MAX));
        let missing = by_ticks.saturating_sub(seen);
        let missing = if missing > 2 * TICK { missing } else { Duration::ZERO };
        self.unseen += missing;
        let resident_bytes = resident_bytes(&self.text("status")?).ok_or(ErrorKind::NotFound)?;
        let Stat { user_ticks, kernel_ticks, .. } = *stat;
        Ok(Sample { cpu: seen + missing, user_ticks, kernel_ticks, resident_bytes })
    }

    fn text(&self, name: &str) -> io::Result<String> {
        fs::read(self.file(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn file(&self, name: &str) -> PathBuf {
        ["/proc", &self.pid.to_string(), name].iter().collect()
    }

    fn trouble(&self, error: &io::Error) -> String {
        match error.kind() {
            ErrorKind::NotFound => format!("the process {} of the server has ended", self.pid),
            _ => format!("the process {} of the server cannot be read: {error}", self.pid),
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such process; allowed: that of a program on this machine".to_owned(),
        ErrorKind::InvalidData => "its /proc/PID/stat is not as Linux writes it".to_owned(),
        _ => error.to_string(),
    }
}

/// What `/proc/PID/stat` tells (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    user_ticks: u64,
    kernel_ticks: u64,
    began: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Stat> {
        // The second field is the program's name in parentheses, with whatever is in it.
        let (_, behind) = text.rsplit_once(") ")?;
        // The next is the third.
        let field = |number: usize| behind.split(' ').nth(number - 3)?.trim().parse().ok();
        Some(Stat { user_ticks: field(14)?, kernel_ticks: field(15)?, began: field(22)? })
    }
}

/// Of `/proc/PID/status`; a process that has ended, but is not yet waited for, has none.
fn resident_bytes(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The server's processes and this one, read at the moments that count. All is measured once: a second call of the same
/// replaces what the first has read.
#[derive(Debug)]
pub struct Meter {
    server: Option<Processes>,
    /// This process; `None` where the system does not tell.
    own: Option<Processes>,
    few: Option<Held>,
    all: Option<Held>,
    begun: Spent,
    ended: Spent,
}

/// The server's memory with so many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    connections: usize,
    bytes: u64,
}

/// What was spent up to a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    server: Sample,
    own: Sample,
}

/// What the server has spent and held.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerFigures {
    pub pids: Vec<u32>,
    /// CPU time from [`Meter::begin`] to [`Meter::end`].
    pub cpu: Duration,
    /// The part of it in user space, by the system's coarse count; `None` where that has counted nothing.
    pub user: Option<Duration>,
    /// Memory at [`Meter::see_few`].
    pub resident_start: u64,
    /// Memory at [`Meter::see_all`], or at the end without it.
    pub resident_end: u64,
    /// How much the one is more than the other, for each connection that was more.
    pub bytes_per_connection: Option<f64>,
}

impl Meter {
    /// Checks that the server's processes can be read; without any only this process is.
    pub fn open(pids: &[u32]) -> Result<Meter, Failure> {
        let server = if pids.is_empty() { None } else { Some(Processes::open(pids)?) };
        let own = Processes::open(&[std::process::id()]).ok();
        let (begun, ended) = (Spent::default(), Spent::default());
        Ok(Meter { server, own, few: None, all: None, begun, ended })
    }

    /// Before the connections are opened, but for a first few that have warmed the server up.
    pub fn see_few(&mut self, connections: usize) -> Result<(), Failure> {
        self.few = self.resident_bytes()?.map(|bytes| Held { connections, bytes });
        Ok(())
    }

    /// All are open.
    pub fn see_all(&mut self, connections: usize) -> Result<(), Failure> {
        self.all = self.resident_bytes()?.map(|bytes| Held { connections, bytes });
        Ok(())
    }

    /// The measure begins.
    pub fn begin(&mut self) -> Result<(), Failure> {
        self.begun.own = sample(self.own.as_mut())?;
        self.begun.server = sample(self.server.as_mut())?;
        Ok(())
    }

    /// The measure ends. What this process has spent is known too where the server's has ended.
    pub fn end(&mut self) -> Result<(), Failure> {
        self.ended.own = sample(self.own.as_mut())?;
        self.ended.server = sample(self.server.as_mut())?;
        Ok(())
    }

    /// Memory of the server at the moment, for a mode that has more such moments.
    pub fn resident_bytes(&mut self) -> Result<Option<u64>, Failure> {
        Ok(self.server.as_mut().map(Processes::sample).transpose()?.map(|sample| sample.resident_bytes))
    }

    /// What the server has spent and held; `None` without one.
    pub fn server(&self) -> Option<ServerFigures> {
        let server = self.server.as_ref()?;
        let end = self.all.map_or(self.ended.server.resident_bytes, |held| held.bytes);
        let start = self.few.map_or(self.begun.server.resident_bytes, |held| held.bytes);
        let per_connection = self.few.zip(self.all).and_then(|(few, all)| {
            let more = all.connections.checked_sub(few.connections).filter(|more| *more > 0)?;
            Some((all.bytes as f64 - few.bytes as f64) / more as f64)
        });
        let (begun, ended) = (&self.begun.server, &self.ended.server);
        let cpu = ended.cpu.saturating_sub(begun.cpu);
        Some(ServerFigures {
            pids: server.pids(),
            cpu,
            user: ended.user_share(begun).map(|share| cpu.mul_f64(share)),
            resident_start: start,
            resident_end: end,
            bytes_per_connection: per_connection,
        })
    }

    /// What this process has spent from [`Meter::begin`] to [`Meter::end`]; `None` where the system does not tell.
    pub fn own_cpu(&self) -> Option<Duration> {
        self.own.as_ref().map(|_| self.ended.own.cpu.saturating_sub(self.begun.own.cpu))
    }
}

fn sample(processes: Option<&mut Processes>) -> Result<Sample, Failure> {
    processes.map_or_else(|| Ok(Sample::default()), Processes::sample)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;
    use std::process::{Command, id};
    use std::thread;

    use super::*;

    /// Works until this process has spent so much more than at the beginning.
    fn spend(processes: &mut Processes, much: Duration) {
        let mut spent = || processes.sample().map_or(Duration::MAX, |sample| sample.cpu);
        let begun = spent();
        while spent() < begun + much {
            (0..100_000_u64).for_each(|n| assert_eq!(black_box(n), n));
        }
    }

    #[test]
    fn a_stat_is_read_whatever_the_program_is_called() {
        let rest = "R 28236 28236 9930 0 -1 4194304 122 0 0 0 12 34 0 0 20 0 1 0 88132 3133440 407";
        let expected = Some(Stat { user_ticks: 12, kernel_ticks: 34, began: 88_132 });
        for name in ["cat", "a b", "a) R 1 (", ""] {
            assert_eq!(Stat::parse(&format!("28248 ({name}) {rest}\n")), expected, "{name}");
        }
        for wrong in ["", "1 (cat", "1 (cat) R 1 2", "1 (cat) R 1 1 1 1 1 1 1 1 1 1 1 x 34 0 0 20 0 1 0 88132"] {
            assert_eq!(Stat::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident_bytes("VmHWM:\t   2000 kB\nVmRSS:\t    1740 kB\n"), Some(1740 * 1024));
        assert_eq!(resident_bytes("Name:\tzombie\n"), None);
    }

    #[test]
    fn what_a_thread_has_spent_stays_when_it_has_ended() {
        let much = Duration::from_millis(100);
        let mut own = Processes::open(&[id()]).unwrap();
        let begun = own.sample().unwrap();
        thread::spawn(move || spend(&mut Processes::open(&[id()]).unwrap(), much)).join().unwrap();
        let ended = own.sample().unwrap();
        // Either of the two may have missed two ticks.
        assert!(ended.cpu + 4 * TICK >= begun.cpu + much, "{begun:?} {ended:?}");
        assert!(ended.resident_bytes > 100_000);
    }

    #[test]
    fn a_process_is_named_twice_and_counted_once() {
        assert_eq!(Processes::open(&[id(), id()]).unwrap().pids(), [id()]);
    }

    #[test]
    fn what_this_process_has_spent_is_known_though_the_server_has_ended() {
        let mut child = Command::new("sleep").arg("3600").spawn().unwrap();
        let mut meter = Meter::open(&[child.id()]).unwrap();
        meter.begin().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        spend(&mut Processes::open(&[id()]).unwrap(), Duration::from_millis(50));
        assert!(meter.end().is_err());
        assert!(meter.own_cpu() > Some(Duration::from_millis(25)), "{:?}", meter.own_cpu());
    }

    #[test]
    fn a_process_that_is_not_there_is_misuse_and_one_that_has_ended_is_told() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut processes = Processes::open(&[child.id()]).unwrap();
        assert!(processes.sample().unwrap().resident_bytes > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        let failure = processes.sample().unwrap_err();
        let ended = format!("the process {} of the server has ended", child.id());
        assert_eq!((failure.sentence, failure.exit_code), (ended, 1));
        let failure = Processes::open(&[child.id()]).unwrap_err();
        assert!(failure.sentence.starts_with(&format!("--pid = {}: no such process", child.id())), "{failure:?}");
        assert_eq!(failure.exit_code, 2);
    }

    #[test]
    fn a_number_that_another_process_has_got_is_not_its() {
        let mut own = Processes::open(&[id()]).unwrap();
        own.0.iter_mut().for_each(|process| process.began += 1);
        assert!(own.sample().unwrap_err().sentence.ends_with("has ended"));
    }

    #[test]
    fn a_meter_tells_what_was_spent_between_begin_and_end_and_what_each_connection_holds() {
        let much = Duration::from_millis(100);
        let mut spender = Processes::open(&[id()]).unwrap();
        let mut meter = Meter::open(&[id()]).unwrap();
        meter.see_few(2).unwrap();
        let hoard = vec![1_u8; 64 << 20];
        meter.see_all(1026).unwrap();
        drop(black_box(hoard));
        meter.begin().unwrap();
        spend(&mut spender, much);
        meter.end().unwrap();
        let figures = meter.server().unwrap();
        // Either of the two may have missed two ticks of threads that other tests have ended.
        let least = much - 4 * TICK;
        assert!(figures.cpu >= least && figures.user.is_some_and(|user| user <= figures.cpu), "{figures:?}");
        assert!(meter.own_cpu().unwrap() >= least);
        let each = figures.bytes_per_connection.unwrap();
        // Other tests of this process hold and give back too.
        assert!((16_000.0..200_000.0).contains(&each), "{each}");
    }

    #[test]
    fn without_a_server_this_process_is_measured_alone() {
        let mut meter = Meter::open(&[]).unwrap();
        meter.begin().unwrap();
        meter.end().unwrap();
        assert_eq!((meter.server(), meter.resident_bytes().unwrap()), (None, None));
        assert!(meter.own_cpu().is_some());
    }

    #[test]
    fn no_connection_more_has_no_bytes() {
        let mut meter = Meter::open(&[id()]).unwrap();
        meter.see_few(5).unwrap();
        meter.see_all(5).unwrap();
        assert_eq!(meter.server().unwrap().bytes_per_connection, None);
    }
}
