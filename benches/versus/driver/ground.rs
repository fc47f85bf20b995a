//! What a run stands on: the programs, built, and the machine.
//!
//! Not here: how a server is started (`peers.rs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure;
use super::options::Options;
use super::peers::Peer;
use super::rows::Row;

/// Of the package, where this was compiled.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub struct Ground {
    target: PathBuf,
    has_npm: bool,
    pub has_taskset: bool,
    /// Descriptors that a process may have.
    pub descriptors: u64,
    /// The machine's load before anything was measured.
    pub load_average: String,
}

impl Ground {
    /// Builds what the options want of the others.
    pub fn prepare(options: &Options) -> Result<Ground, String> {
        let load_average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load_average = load_average.split(' ').take(3).collect::<Vec<_>>().join(" ");
        // Every connection is a descriptor, there and here; what is started inherits it.
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).map_err(|error| format!("descriptors: {error}"))?;
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
        let has_taskset = can("taskset", &["-c", "0,1", "true"]);
        let mut ground = Ground { target, has_npm: false, has_taskset, descriptors, load_average };
        if Peer::ALL.into_iter().any(|peer| peer.is_async() && options.wants(peer)) {
            ground.build_crates()?;
        }
        if Peer::ALL.into_iter().any(|peer| peer.is_of_npm() && options.wants(peer)) {
            ground.has_npm = can("npm", &["--version"]) && ground.install()?;
        }
        fs::write(ground.json(), measure::json()).map_err(|error| format!("{}: {error}", ground.json().display()))?;
        Ok(ground)
    }

    fn build_crates(&self) -> Result<(), String> {
        let manifest = Path::new(ROOT).join("benches/versus/Cargo.toml");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(["build", "--release", "--locked", "--bins", "--manifest-path"]).arg(manifest);
        command.arg("--target-dir").arg(self.target.join("versus"));
        run(command, "the servers of benches/versus cannot be built")
    }

    /// `ws` and Bun, in a folder of their own.
    fn install(&self) -> Result<bool, String> {
        let folder = self.npm_file("");
        let here = Path::new(ROOT).join("benches/versus/js");
        let copy = || -> std::io::Result<()> {
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(here)? {
                let entry = entry?;
                fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
            Ok(())
        };
        copy().map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut command = Command::new("npm");
        command.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&folder);
        run(command, "ws and Bun cannot be installed")?;
        Ok(true)
    }

    /// Who takes part in a row.
    pub fn peers(&self, row: &Row, options: &Options) -> impl Iterator<Item = Peer> {
        let is_here = |peer: &Peer| self.has_npm || !peer.is_of_npm();
        let wanted: Vec<_> =
            Peer::ALL.into_iter().filter(is_here).filter(|&peer| options.wants(peer) && peer.takes_part(row)).collect();
        wanted.into_iter()
    }

    /// A program on that core.
    pub fn pinned(&self, core: usize, program: &Path) -> Command {
        if !self.has_taskset {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program);
        command
    }

    pub fn built(&self, name: &str) -> PathBuf {
        self.target.join("versus/release").join(name)
    }

    pub fn npm_file(&self, path: &str) -> PathBuf {
        self.target.join("versus-npm").join(path)
    }

    /// The folder of the development certificate.
    pub fn certificates(&self) -> PathBuf {
        Path::new(ROOT).join("certs")
    }

    /// The message of the deflated row.
    pub fn json(&self) -> PathBuf {
        self.target.join("versus-message.json")
    }

    pub fn file_of_package(&self, path: &str) -> PathBuf {
        Path::new(ROOT).join(path)
    }

    pub fn version_of_crate(&self, name: &str) -> String {
        let lock = fs::read_to_string(self.file_of_package("benches/versus/Cargo.lock")).unwrap_or_default();
        // The last one is the newest: others have older ones below them.
        let entry = lock.split("[[package]]").filter(|entry| entry.contains(&format!("name = \"{name}\"\n"))).last();
        let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
        version.unwrap_or("of no known version").to_owned()
    }

    pub fn version_of_npm(&self, name: &str) -> Option<String> {
        if !self.has_npm {
            return None;
        }
        let manifest = fs::read(self.npm_file(&format!("node_modules/{name}/package.json"))).ok()?;
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
        manifest["version"].as_str().map(str::to_owned)
    }

    pub fn has_npm(&self) -> bool {
        self.has_npm
    }
}

/// The first line that a program says on standard output.
pub fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

fn can(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn run(mut command: Command, sentence: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{sentence}: {status}")),
        Err(error) => Err(format!("{sentence}: {error}")),
    }
}
