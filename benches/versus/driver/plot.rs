//! The picture: for each row a bar for each server, plain on the left, TLS on the right; the first part of a bar is user space.
//! Rows have their own scales, as they differ by a hundred times; the figure stands behind each bar.
//!
//! It is written by hand, with a panel of its own, so that it can be read on any page; in the dark it is dark.
//!
//! Not here: the same as text (`told.rs`).

use std::fmt::Write as _;

use super::results::{Cell, Results};
use super::rows::{Measure, Row, Work};
use super::told::number;

const WIDTH: f64 = 940.0;
const MARGIN: f64 = 20.0;
const PANEL: f64 = (WIDTH - 3.0 * MARGIN) / 2.0;
/// Where a bar begins, and the most of its length.
const NAME: f64 = 116.0;
const FIGURE: f64 = 84.0;
const LONGEST: f64 = PANEL - NAME - FIGURE;
const BAR: f64 = 9.0;
const LINE: f64 = 14.0;
const TITLE: f64 = 22.0;
const GAP: f64 = 14.0;
const HEAD: f64 = 62.0;

const STYLE: &str = "
text { font: 11px system-ui, sans-serif; fill: #3b434b }
.head { font-size: 15px; font-weight: 600 }
.title { font-weight: 600 }
.panel { fill: #ffffff; stroke: #d5dae0 }
.name { text-anchor: end }
.ours { font-weight: 600 }
.kernel { fill: #c3cbd4 } .user { fill: #7d8894 }
.ours-kernel { fill: #9ec5f5 } .ours-user { fill: #1f6fd0 }
@media (prefers-color-scheme: dark) {
text { fill: #c8d0d8 }
.panel { fill: #12171d; stroke: #333c46 }
.kernel { fill: #47525e } .user { fill: #8e9aa6 }
.ours-kernel { fill: #27558c } .ours-user { fill: #5aa2f5 }
}
";

/// The whole file.
pub fn draw(results: &Results) -> String {
    let mut body = String::new();
    let mut y = HEAD;
    for work in works(results) {
        let mut tallest: f64 = 0.0;
        for (row, cells) in results.rows.iter().filter(|(row, cells)| row.work == work && !cells.is_empty()) {
            let x = if row.is_secure { MARGIN + PANEL + MARGIN } else { MARGIN };
            tallest = tallest.max(group(&mut body, row, cells, (x, y)));
        }
        y += tallest + GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" \
         role=\"img\" aria-label=\"Processor time and memory of barewire and of other servers\">\n<style>{STYLE}</style>\n\
         <rect class=\"panel\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         <text class=\"head\" x=\"{MARGIN}\" y=\"28\">What one unit of work costs the server: less is better</text>\n\
         <text x=\"{MARGIN}\" y=\"46\">Processor time in us, the first part of it in user space; of idle connections resident \
         bytes. Each group has a scale of its own.</text>\n{body}</svg>\n",
        WIDTH - 1.0,
        y - 1.0
    )
}

/// Each kind of work once, in the order of the rows.
fn works(results: &Results) -> Vec<Work> {
    let mut works = Vec::new();
    for (row, cells) in &results.rows {
        if !works.contains(&row.work) && !cells.is_empty() {
            works.push(row.work);
        }
    }
    works
}

/// One row's bars; says how high they stand.
fn group(body: &mut String, row: &Row, cells: &[Cell], (x, top): (f64, f64)) -> f64 {
    let measure = row.measure();
    let cells: Vec<_> = cells.iter().filter(|cell| !cell.peer.is_variant()).collect();
    let most = cells.iter().map(|cell| cell.of(measure)).fold(0.0, f64::max);
    let title = match row.work {
        Work::Echo { .. } | Work::EchoDeflated => format!("echo of {}", row.title()),
        Work::FanOut { .. } => format!("broadcast of {}", row.title()),
        Work::Connect | Work::Idle => row.title(),
    };
    let unit = if measure == Measure::Bytes { "bytes" } else { "us" };
    let _ = writeln!(body, "<text class=\"title\" x=\"{x}\" y=\"{}\">{title}: {unit}</text>", top + 12.0);
    for (index, cell) in cells.iter().enumerate() {
        let y = top + TITLE + index as f64 * LINE;
        let (ours, kernel, user) = if index == 0 && cell.peer.name() == "barewire" {
            (" ours", "ours-kernel", "ours-user")
        } else {
            ("", "kernel", "user")
        };
        let whole = cell.of(measure);
        let length = |value: f64| (value / most * LONGEST * 10.0).round() / 10.0;
        let part = if measure == Measure::Cpu { cell.of(Measure::User).min(whole) } else { whole };
        let left = x + NAME;
        let base = y + BAR;
        let _ = writeln!(
            body,
            "<text class=\"name{ours}\" x=\"{}\" y=\"{base}\">{}</text><rect class=\"{kernel}\" x=\"{left}\" y=\"{y}\" \
             width=\"{}\" height=\"{BAR}\"/><rect class=\"{user}\" x=\"{left}\" y=\"{y}\" width=\"{}\" height=\"{BAR}\"/>\
             <text class=\"figure{ours}\" x=\"{}\" y=\"{base}\">{}</text>",
            left - 6.0,
            cell.peer.name(),
            length(whole),
            length(part),
            left + length(whole) + 5.0,
            number(whole),
        );
    }
    TITLE + cells.len() as f64 * LINE
}
