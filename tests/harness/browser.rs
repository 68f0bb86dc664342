//! A browser without a window: Debian's Chromium, which takes pictures of a page and says what it made of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::site::Site;
use crate::wait::found;

/// How long one start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which colours the reader prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A page as the browser has read it.
#[derive(Debug)]
pub struct Dom {
    /// The document, written down again.
    pub html: String,
    /// What it said on its console: errors of scripts, what the policy has kept out.
    pub console: Vec<String>,
}

/// A picture.
#[derive(Debug)]
pub struct Picture {
    /// Where it lies.
    pub path: PathBuf,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// How many colours it has.
    pub colours: usize,
    /// The mean of its pixels, 0 (black) to 255 (white).
    pub brightness: u64,
}

/// Reads a page.
///
/// # Panics
/// When there is no Chromium, or it does not end.
pub fn dom(url: &str) -> Dom {
    let (html, said) = chromium(&["--enable-logging=stderr", "--dump-dom", url]);
    let console = said.lines().filter(|line| line.contains(":CONSOLE:")).map(str::to_owned).collect();
    Dom { html, console }
}

/// Stays on the page of a site of the test until that has told something. Of the hosts that anybody names there those
/// below `test` are the site as well, and no other is found.
///
/// # Panics
/// When there is no Chromium, or nothing is told in time.
pub fn told(site: &Site) -> String {
    let rules = format!("--host-resolver-rules=MAP *.test {}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", site.address);
    let url = format!("http://{}/", site.address);
    // With a port for its debugger it stays until it is told to go.
    let mut run = Run::start(&["--remote-debugging-port=0", &rules, &url]);
    let told = found(PATIENCE, || site.told());
    let _ = run.child.kill();
    let _ = run.child.wait();
    told.unwrap_or_else(|| panic!("the page has told nothing: {}", run.said()))
}

/// Takes a picture of the upper part of a page into `target/…/pictures/NAME.png`.
///
/// # Panics
/// When there is no Chromium, or it takes none.
pub fn picture(url: &str, name: &str, (width, height): (u32, u32), scheme: Scheme) -> Picture {
    let here = std::env::current_exe().expect("the path of this test");
    let folder = here.parent().and_then(Path::parent).expect("target/PROFILE/deps").join("pictures");
    fs::create_dir_all(&folder).expect("a folder for pictures");
    let path = folder.join(format!("{name}.png"));
    let _ = fs::remove_file(&path);
    let scheme = match scheme {
        Scheme::Dark => "--blink-settings=preferredColorScheme=0",
        Scheme::Light => "--blink-settings=preferredColorScheme=1",
    };
    let (size, shot) = (format!("--window-size={width},{height}"), format!("--screenshot={}", path.display()));
    let (_, said) = chromium(&["--hide-scrollbars", scheme, &size, &shot, url]);
    assert!(path.is_file(), "no picture of {url}: {said}");
    println!("{}", path.display());
    read(path)
}

/// A browser that runs, with a folder of its own.
struct Run {
    child: Child,
    folder: TempDir,
}

impl Run {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the browser");
        let file = |name| File::create(folder.path().join(name)).expect("a file");
        let mut command = Command::new("chromium");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ]);
        command.args(["--disable-component-update", "--disable-sync"]);
        command.arg(format!("--user-data-dir={}", folder.path().join("data").display()));
        command.args(arguments).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        Self { child: command.spawn().expect("chromium starts (tests/run installs it)"), folder }
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap_or_default()).into_owned()
    }

    /// What it complained of.
    fn said(&self) -> String {
        self.read("err")
    }
}

/// Runs it to its end; its output and what it complained of.
fn chromium(arguments: &[&str]) -> (String, String) {
    let mut run = Run::start(arguments);
    let ended = found(PATIENCE, || run.child.try_wait().expect("its status"));
    if ended.is_none() {
        let _ = run.child.kill();
        let _ = run.child.wait();
    }
    assert!(ended.is_some_and(|status| status.success()), "chromium ended as {ended:?}: {}", run.said());
    (run.read("out"), run.said())
}

fn read(path: PathBuf) -> Picture {
    let file = std::io::BufReader::new(File::open(&path).expect("the picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut octets = vec![0; reader.output_buffer_size().expect("its size")];
    let info = reader.next_frame(&mut octets).expect("its pixels");
    let pixels: Vec<&[u8]> = octets[..info.buffer_size()].chunks_exact(info.color_type.samples()).collect();
    let colours = pixels.iter().collect::<std::collections::HashSet<_>>().len();
    let sum: u64 = pixels.iter().flat_map(|pixel| &pixel[..3]).map(|octet| u64::from(*octet)).sum();
    Picture { path, width: info.width, height: info.height, colours, brightness: sum / (3 * pixels.len() as u64) }
}
