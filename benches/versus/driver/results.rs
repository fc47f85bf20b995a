//! All figures of a run: medians, spread, ratios, and whether a bar is met.
//!
//! Not here: how they are told (`told.rs`, `plot.rs`).

use super::measure::Figure;
use super::peers::Peer;
use super::rows::{Against, Bar, Measure, Most, Row};

/// What one server needs for one row.
#[derive(Debug, Clone)]
pub struct Cell {
    pub peer: Peer,
    /// One for each round.
    pub figures: Vec<Figure>,
}

impl Cell {
    pub fn new(peer: Peer) -> Cell {
        Cell { peer, figures: Vec::new() }
    }

    /// The median of the rounds.
    pub fn median(&self, of: impl Fn(&Figure) -> f64) -> f64 {
        let sorted = self.sorted(of);
        sorted[sorted.len() / 2]
    }

    /// The median of the rounds; of user space, which the kernel only samples, their mean.
    pub fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Cpu | Measure::Bytes => self.median(|figure| figure.of(measure)),
            Measure::User => self.figures.iter().map(|figure| figure.user).sum::<f64>() / self.figures.len() as f64,
        }
    }

    /// The least and the most of the rounds.
    pub fn spread(&self, measure: Measure) -> (f64, f64) {
        let sorted = self.sorted(|figure| figure.of(measure));
        (sorted[0], sorted[sorted.len() - 1])
    }

    fn sorted(&self, of: impl Fn(&Figure) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.figures.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

#[derive(Debug, Default)]
pub struct Results {
    pub rows: Vec<(Row, Vec<Cell>)>,
}

impl Results {
    /// The median of all cells, and the largest, of what lies between the least and the most, as a share of the median.
    pub fn spread(&self) -> (f64, f64) {
        let share = |row: &Row, cell: &Cell| {
            let (least, most) = cell.spread(row.measure());
            (most - least) / cell.of(row.measure())
        };
        let of_row = |(row, cells): &(Row, Vec<Cell>)| cells.iter().map(|cell| share(row, cell)).collect::<Vec<_>>();
        let mut shares: Vec<f64> = self.rows.iter().flat_map(of_row).collect();
        shares.sort_by(f64::total_cmp);
        (shares.get(shares.len() / 2).copied().unwrap_or(0.0), shares.last().copied().unwrap_or(0.0))
    }
}

pub fn of_peer(cells: &[Cell], peer: Peer) -> Option<&Cell> {
    cells.iter().find(|cell| cell.peer == peer)
}

/// How barewire stands to a bar.
pub struct Verdict {
    pub is_met: bool,
    /// What was measured.
    pub figure: f64,
    /// What is allowed.
    pub allowed: f64,
    /// By whom.
    pub other: Option<Peer>,
}

/// None where one of the two was not measured.
pub fn judge(bar: &Bar, cells: &[Cell]) -> Option<Verdict> {
    let figure = of_peer(cells, Peer::Barewire)?.of(bar.measure);
    let (allowed, other) = match bar.most {
        Most::Figure(most) => (most, None),
        Most::Share { share, against } => {
            let is_meant = |peer: Peer| match against {
                Against::One(one) => peer == one,
                Against::Async => peer.is_async(),
                Against::Every => peer != Peer::Barewire,
            };
            let others = cells.iter().filter(|cell| is_meant(cell.peer));
            let best = others.min_by(|a, b| a.of(bar.measure).total_cmp(&b.of(bar.measure)))?;
            (best.of(bar.measure) * share, Some(best.peer))
        }
    };
    Some(Verdict { is_met: figure <= allowed, figure, allowed, other })
}
