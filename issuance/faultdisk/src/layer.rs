//! The recorder's place between SQLite and its files.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use libsqlite3_sys as ffi;

use crate::Operation;
use crate::replay::{Files, Recording};

/// The recorder; there is one in a process, for the files of one folder at a time.
#[derive(Debug)]
pub struct Disk {
    _one: MutexGuard<'static, ()>,
}

static ONE: Mutex<()> = Mutex::new(());
static STATE: Mutex<Option<State>> = Mutex::new(None);

#[derive(Default)]
struct State {
    folder: PathBuf,
    recording: bool,
    before: Files,
    operations: Vec<Operation>,
    /// How often something was read from a file.
    reads: u64,
    /// Bytes a file may grow to.
    quota: Option<u64>,
    /// Whether syncs fail.
    no_sync: bool,
    /// Files that are open, by address: name and the methods that SQLite gave them.
    open: HashMap<usize, (String, &'static ffi::sqlite3_io_methods)>,
    /// Connections, each with the address of its file.
    connections: Vec<(usize, usize)>,
}

impl Disk {
    /// Puts the recorder under the databases in `folder` that are opened from now on.
    #[must_use]
    pub fn under(folder: &Path) -> Self {
        static INSTALLED: Once = Once::new();
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        INSTALLED.call_once(install);
        let folder = folder.canonicalize().expect("the folder is there");
        *state() = Some(State { folder, ..State::default() });
        Self { _one: one }
    }

    /// Begins to record; the files as they are now are safe.
    pub fn record(&self) {
        with(|state| {
            state.before = files_in(&state.folder);
            state.operations.clear();
            state.recording = true;
        });
    }

    /// Notes that the program was told that everything up to `number` is durable.
    pub fn acknowledged(&self, number: u64) {
        with(|state| state.operations.push(Operation::Acknowledged(number)));
    }

    /// How many operations were recorded so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        with(|state| state.operations.len())
    }

    /// Ends the recording.
    #[must_use]
    pub fn recorded(&self) -> Recording {
        with(|state| {
            state.recording = false;
            Recording::new(std::mem::take(&mut state.before), std::mem::take(&mut state.operations))
        })
    }

    /// How often something was read from a file in the folder since the last call.
    #[must_use]
    pub fn take_reads(&self) -> u64 {
        with(|state| std::mem::take(&mut state.reads))
    }

    /// Lets no file grow beyond so many bytes: SQLite is told that the disk is full.
    pub fn set_quota(&self, quota: Option<u64>) {
        with(|state| state.quota = quota);
    }

    /// Lets every sync fail: whether what was written before is safe cannot be told.
    pub fn fail_syncs(&self, fail: bool) {
        with(|state| state.no_sync = fail);
    }

    /// Changes a setting of every connection that is open and may write, behind the program's back. Nothing may be under way.
    pub fn pragma(&self, sql: &str) -> usize {
        let connections = with(|state| state.connections.clone());
        let sql = CString::new(sql).expect("no NUL in a pragma");
        let mut changed = 0;
        for (connection, _) in connections {
            let connection = connection as *mut ffi::sqlite3;
            // SAFETY: a connection is taken off the list before its file is closed; the caller keeps it idle.
            unsafe {
                if ffi::sqlite3_db_readonly(connection, c"main".as_ptr()) == 0 {
                    let done = ffi::sqlite3_exec(connection, sql.as_ptr(), None, ptr::null_mut(), ptr::null_mut());
                    assert_eq!(done, ffi::SQLITE_OK, "{sql:?}");
                    changed += 1;
                }
            }
        }
        changed
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Files that are still open keep being led through here.
        with(|state| {
            state.recording = false;
            (state.quota, state.no_sync) = (None, false);
        });
    }
}

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(change: impl FnOnce(&mut State) -> T) -> T {
    change(state().get_or_insert_default())
}

fn files_in(folder: &Path) -> Files {
    let found = fs::read_dir(folder).expect("the folder is there").map(|found| found.expect("an entry").path());
    found
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with("-shm"))
        .map(|path| (name_of(&path), fs::read(&path).expect("a file")))
        .collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file system layer that was the default.
struct Below(*mut ffi::sqlite3_vfs);
// SAFETY: SQLite's own layer may be called from any thread; the pointer is written once.
unsafe impl Send for Below {}
static BELOW: Mutex<Below> = Mutex::new(Below(ptr::null_mut()));

fn below() -> *mut ffi::sqlite3_vfs {
    BELOW.lock().unwrap_or_else(PoisonError::into_inner).0
}

fn install() {
    // SAFETY: the default layer lives as long as the process; its copy, with another name and two other functions, is leaked.
    // SQLite keeps the entry point of the extension for ever; it is a function.
    unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
        let default = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!default.is_null());
        BELOW.lock().unwrap_or_else(PoisonError::into_inner).0 = default;
        let mut layer = ptr::read(default);
        layer.zName = c"faultdisk".as_ptr();
        layer.pNext = ptr::null_mut();
        layer.xOpen = Some(open);
        layer.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(layer)), 1), ffi::SQLITE_OK);
        assert_eq!(ffi::sqlite3_auto_extension(Some(connected)), ffi::SQLITE_OK);
    }
}

/// Called by SQLite for every new connection.
unsafe extern "C" fn connected(
    connection: *mut ffi::sqlite3,
    _: *mut *mut c_char,
    _: *const ffi::sqlite3_api_routines,
) -> c_int {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: SQLite hands over a connection that is open; this operation writes one pointer.
    let found = unsafe {
        let out = ptr::from_mut(&mut file).cast::<c_void>();
        ffi::sqlite3_file_control(connection, c"main".as_ptr(), ffi::SQLITE_FCNTL_FILE_POINTER, out)
    };
    if found == ffi::SQLITE_OK {
        with(|state| {
            if state.open.contains_key(&(file as usize)) {
                state.connections.push((connection as usize, file as usize));
            }
        });
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let below = below();
    // SAFETY: the arguments are SQLite's own, and `file` has the room that the layer below asks for, since the copy has its size.
    let opened = unsafe { ((*below).xOpen.expect("a layer opens files"))(below, name, file, flags, out_flags) };
    if opened != ffi::SQLITE_OK || name.is_null() {
        return opened;
    }
    // SAFETY: SQLite's names end with NUL.
    let path = PathBuf::from(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned());
    with(|state| {
        if path.parent() != Some(&state.folder) {
            return;
        }
        // SAFETY: a file that was opened has methods, which live as long as the process.
        let methods: &'static ffi::sqlite3_io_methods = unsafe { &*(*file).pMethods };
        let mut led = ffi::sqlite3_io_methods { ..*methods };
        led.xRead = Some(read);
        led.xWrite = Some(write);
        led.xTruncate = Some(truncate);
        led.xSync = Some(sync);
        led.xClose = Some(close);
        state.open.insert(file as usize, (name_of(&path), methods));
        // SAFETY: the file is SQLite's, and nobody uses it yet; the table is leaked.
        unsafe { (*file).pMethods = Box::leak(Box::new(led)) };
    });
    opened
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite's names end with NUL.
    let path = PathBuf::from(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned());
    with(|state| {
        if state.recording && path.parent() == Some(&state.folder) {
            state.operations.push(Operation::Delete { file: name_of(&path) });
        }
    });
    let below = below();
    // SAFETY: the arguments are SQLite's own.
    unsafe { ((*below).xDelete.expect("a layer deletes files"))(below, name, sync_folder) }
}

/// Name and own methods of a file that is led through here.
fn file_of(file: *mut ffi::sqlite3_file) -> (String, &'static ffi::sqlite3_io_methods) {
    with(|state| state.open.get(&(file as usize)).cloned().expect("a file that was opened here"))
}

fn record(operation: Operation) {
    with(|state| {
        if state.recording {
            state.operations.push(operation);
        }
    });
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, offset: i64) -> c_int {
    let (_, methods) = file_of(file);
    with(|state| state.reads += 1);
    // SAFETY: the arguments are SQLite's own.
    unsafe { (methods.xRead.expect("a file is read"))(file, to, length, offset) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, offset: i64) -> c_int {
    let (name, methods) = file_of(file);
    let (length_in_bytes, at) = (usize::try_from(length).unwrap_or(0), u64::try_from(offset).unwrap_or(0));
    if with(|state| state.quota.is_some_and(|quota| at + length_in_bytes as u64 > quota)) {
        return ffi::SQLITE_FULL;
    }
    // SAFETY: SQLite writes `length` bytes from `from`.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length_in_bytes) }.to_vec();
    // SAFETY: the arguments are SQLite's own.
    let written = unsafe { (methods.xWrite.expect("a file is written"))(file, from, length, offset) };
    if written == ffi::SQLITE_OK {
        record(Operation::Write { file: name, offset: at, bytes });
    }
    written
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let (name, methods) = file_of(file);
    record(Operation::Truncate { file: name, length: u64::try_from(length).unwrap_or(0) });
    // SAFETY: the arguments are SQLite's own.
    unsafe { (methods.xTruncate.expect("a file is truncated"))(file, length) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let (name, methods) = file_of(file);
    if with(|state| state.no_sync) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    // SAFETY: the arguments are SQLite's own.
    let synced = unsafe { (methods.xSync.expect("a file is synced"))(file, flags) };
    if synced == ffi::SQLITE_OK {
        record(Operation::Sync { file: name });
    }
    synced
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let (_, methods) = file_of(file);
    with(|state| {
        state.open.remove(&(file as usize));
        state.connections.retain(|(_, of)| *of != file as usize);
    });
    // SAFETY: the arguments are SQLite's own.
    unsafe { (methods.xClose.expect("a file is closed"))(file) }
}
