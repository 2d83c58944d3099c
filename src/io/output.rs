//! Output files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};

/// An output file, written beside its target and moved to it by [`OutputFile::finish`]. Dropping it earlier leaves
/// nothing behind. `-` is the standard output; an existing pipe or device is written directly.
pub struct OutputFile {
    path: PathBuf,
    writer: Option<Writer>,
    /// Temporary file and its target.
    replace: Option<(PathBuf, PathBuf)>,
}

enum Writer {
    File(BufWriter<File>),
    Stdout(BufWriter<Stdout>),
}

impl OutputFile {
    /// Opens the output, so that an unwritable path fails before the work.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] naming the path: no such directory, a directory, no permission, read-only.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path == Path::new("-") {
            let writer = Writer::Stdout(BufWriter::new(std::io::stdout()));
            return Ok(Self { path: path.to_owned(), writer: Some(writer), replace: None });
        }
        let existing = match std::fs::metadata(path) {
            Ok(meta) => Some(meta),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io(path, e, "Check the path and its permissions")),
        };
        if existing.as_ref().is_some_and(std::fs::Metadata::is_dir) || path.file_name().is_none() {
            return Err(Error::file(path, "a directory", "a file", "Name a file inside it"));
        }
        if let Some(meta) = &existing {
            if meta.permissions().readonly() {
                return Err(Error::file(path, "a read-only file", "a writable one", "Remove it or name another file"));
            }
            if !meta.is_file() {
                // Renaming over a device or a pipe would replace it.
                let file = OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(|e| Error::io(path, e, "Check its permissions, or name a regular file"))?;
                let writer = Writer::File(BufWriter::new(file));
                return Ok(Self { path: path.to_owned(), writer: Some(writer), replace: None });
            }
        }
        // The target of a symbolic link is replaced, not the link.
        let target = existing.as_ref().and_then(|_| path.canonicalize().ok()).unwrap_or_else(|| path.to_owned());
        let (temporary, file) = create_beside(&target).map_err(|e| {
            let fix = match e.kind() {
                ErrorKind::NotFound => "Create the directory first, or name one that exists",
                ErrorKind::NotADirectory => "Part of the path is a file: name a file in a directory",
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "The directory is not writable: change its permissions or name another directory"
                }
                _ => "Name a file that can be written",
            };
            Error::io(path, e, fix)
        })?;
        if let Some(meta) = existing {
            // Best effort: a file keeps its mode; otherwise the new file has the default mode.
            let _ = file.set_permissions(meta.permissions());
        }
        let writer = Some(Writer::File(BufWriter::new(file)));
        Ok(Self { path: path.to_owned(), writer, replace: Some((temporary, target)) })
    }

    /// Path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the file name to an error of a write.
    ///
    /// # Errors
    /// [`Error::Io`] where `result` is an error.
    pub fn check<T>(&self, result: std::io::Result<T>) -> Result<T> {
        result.map_err(|e| Error::io(&self.path, e, "Check the space on the disk, or name another file"))
    }

    /// Flushes the file, waits for the disk, and moves the file to its target.
    ///
    /// # Errors
    /// [`Error::Io`]; the target is then unchanged.
    pub fn finish(mut self) -> Result<()> {
        let done = self.put_in_place();
        self.check(done)
    }

    fn put_in_place(&mut self) -> std::io::Result<()> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.flush()?;
        let Some((temporary, target)) = &self.replace else { return Ok(()) };
        if let Writer::File(file) = &writer {
            file.get_ref().sync_all()?;
        }
        // Windows cannot rename an open file.
        drop(writer);
        std::fs::rename(temporary, target)?;
        #[cfg(unix)]
        if let Ok(directory) = File::open(parent(target)) {
            // The rename reaches the disk with the directory; some file systems refuse this sync, without harm.
            let _ = directory.sync_all();
        }
        self.replace = None;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match &mut self.writer {
            Some(writer) => writer.write(buffer),
            None => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Write for Writer {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.write(buffer),
            Self::Stdout(stdout) => stdout.write(buffer),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        self.writer = None;
        if let Some((temporary, _)) = &self.replace {
            // A failure here loses nothing and cannot be repaired.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

pub(super) fn create_beside(target: &Path) -> std::io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let temporary = parent(target).join(name);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            // A killed process with the same id left this file.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Age of an abandoned file, longer than any writer pauses. A writer on another machine or in another container cannot
/// be checked.
const ABANDONED: Duration = Duration::from_secs(60);

/// Removes files that killed processes left while writing `target`: names of [`create_beside`] whose process is gone
/// and which were untouched for [`ABANDONED`]. Does nothing where the system does not list its processes.
pub(crate) fn remove_abandoned(target: &Path) {
    let processes = Path::new("/proc");
    if !processes.join(std::process::id().to_string()).exists() {
        return;
    }
    let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
    let (Ok(entries), Some(name)) = (std::fs::read_dir(parent(&target)), target.file_name().and_then(|n| n.to_str()))
    else {
        return;
    };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let Some(process) = file_name.to_str().and_then(|text| writer_of(name, text)) else { continue };
        let untouched = |meta: std::fs::Metadata| {
            meta.is_file() && meta.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= ABANDONED))
        };
        // The metadata are those of the entry itself: no link is followed.
        if !processes.join(process).exists() && entry.metadata().is_ok_and(untouched) {
            // A failure here loses nothing.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Process in the name of a temporary file for `target`.
fn writer_of<'t>(target: &str, name: &'t str) -> Option<&'t str> {
    let numbers = name.strip_prefix('.')?.strip_prefix(target)?.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (process, count) = numbers.split_once('-')?;
    let whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (whole(process) && whole(count)).then_some(process)
}

/// Refuses an output that is also an input, under any spelling: `./`, symbolic and hard links are resolved.
///
/// # Errors
/// [`Error::File`] naming both paths.
pub fn ensure_not_input<P: AsRef<Path>>(output: impl AsRef<Path>, inputs: &[P]) -> Result<()> {
    let output = output.as_ref();
    if output == Path::new("-") {
        return Ok(());
    }
    for input in inputs {
        let input = input.as_ref();
        if same_file(output, input) {
            return Err(Error::file(
                output,
                format!("an output that is also the input {}", input.display()),
                "another file",
                "Name another output: lowrank never overwrites an input",
            ));
        }
    }
    Ok(())
}

/// Whether two paths name the same file, under any spelling, even if it does not exist yet.
pub fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (std::fs::metadata(a), std::fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        return a.is_file() && b.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    let resolve = |path: &Path| path.canonicalize().or_else(|_| Ok(parent(path).canonicalize()?.join(name(path))));
    match (resolve(a), resolve(b)) {
        (Ok::<_, std::io::Error>(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or_default()
}
