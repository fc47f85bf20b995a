//! The comparison, from the flags to the table.
//!
//! `options` what was asked, `ground` what is built and where, `peers` the servers, `rows` the work and the bars, `measure` one
//! figure, `results` all of them, `told` as text, `plot` as a picture, `readme` what `--write` replaces.
//!
//! Not here: the servers themselves (`../src/`, `../js/`).

mod ground;
mod measure;
mod options;
mod peers;
mod plot;
mod readme;
mod results;
mod rows;
mod told;

pub use peers::SERVE;

use ground::Ground;
use options::Options;
use results::{Cell, Results};

/// Measures what was asked for. An error is one sentence.
pub fn run() -> Result<(), String> {
    let Some(options) = Options::of_process()? else {
        print!("{}", options::USAGE);
        return Ok(());
    };
    let rows = options.rows();
    if rows.is_empty() {
        return Err(format!("--rows {}: no such row; {}", options.rows_asked(), options::ROWS));
    }
    let ground = Ground::prepare(&options)?;
    print!("{}", told::circumstances(&ground, &options));
    let mut results = Results::default();
    for row in &rows {
        let mut cells: Vec<Cell> = ground.peers(row, &options).map(Cell::new).collect();
        for _ in 0..options.rounds {
            for cell in &mut cells {
                match measure::measure(&ground, cell.peer, row, &options) {
                    Ok(figure) => cell.figures.push(figure),
                    Err(error) => println!("{}, {}: {error}", row.key, cell.peer.name()),
                }
            }
        }
        cells.retain(|cell| !cell.figures.is_empty());
        print!("{}", told::row(row, &cells));
        results.rows.push((row.clone(), cells));
    }
    print!("{}", told::tables(&results));
    if options.write {
        readme::write(&results, &ground, &options)?;
    }
    Ok(())
}
