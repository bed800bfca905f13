//! The functions of include/finpipe_cql.h, whose comments are their contract.

mod cells;
mod latency;
mod queue;
mod session;
mod status;
mod tls;

use queue::Queue;
use scylla::frame::types::Consistency;
use session::{Answer, Options, Session, Statement};
use status::Failure;
pub use status::Status;
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

// The types keep their C names.
#[allow(non_camel_case_types)]
pub struct fp_cql_session(Session);
#[allow(non_camel_case_types)]
pub struct fp_cql_statement(Arc<Statement>);
#[allow(non_camel_case_types)]
pub struct fp_cql_queue(Arc<Queue>);
#[allow(non_camel_case_types)]
pub struct fp_cql_result(Answer);

#[allow(non_camel_case_types)]
#[repr(C)]
pub struct fp_cql_options {
    pub contact_points: *const c_char,
    pub keyspace: *const c_char,
    pub keyspace_is_new: c_int,
    pub user: *const c_char,
    pub password: *const c_char,
    pub tls: c_int,
    pub ca_file: *const c_char,
    pub certificate_file: *const c_char,
    pub key_file: *const c_char,
    pub datacenter: *const c_char,
    pub connections: u32,
    pub threads: u32,
    pub connect_timeout_ms: u32,
}

#[allow(non_camel_case_types)]
#[repr(C)]
pub struct fp_cql_statistics {
    pub nodes: u32,
    pub nodes_up: u32,
    pub connections: u32,
    pub requests: u64,
    pub errors: u64,
    pub retries: u64,
    pub latency_us_p50: u64,
    pub latency_us_p99: u64,
}

#[allow(non_camel_case_types)]
#[repr(C)]
pub struct fp_cql_completion {
    pub tag: u64,
    pub status: Status,
    pub message: *mut c_char,
    pub result: *mut fp_cql_result,
}

#[allow(non_camel_case_types)]
#[repr(C)]
pub struct fp_cql_rows {
    pub columns: u32,
    pub rows: u32,
    pub cells: *const u8,
    pub size: usize,
    pub paging_state: *const u8,
    pub paging_state_size: usize,
}

/// What `work` returns; when it panics, a failure.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let panicked = |_| Err(Failure::new(Status::Failed, "the client failed"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

/// Likewise where there is no way to say so.
fn quietly(work: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(work));
}

fn text_of(message: &str) -> *mut c_char {
    CString::new(message.replace('\0', " ")).map_or(null_mut(), CString::into_raw)
}

/// # Safety
/// `result` is valid for writes; `message` is null or is.
unsafe fn hand_out<T>(outcome: Result<T, Failure>, result: *mut *mut T, message: *mut *mut c_char) -> Status {
    let (value, text, status) = match outcome {
        Ok(value) => (Box::into_raw(Box::new(value)), null_mut(), Status::Ok),
        Err(failure) if message.is_null() => (null_mut(), null_mut(), failure.status),
        Err(failure) => (null_mut(), text_of(&failure.message), failure.status),
    };
    // SAFETY: as the caller promises.
    unsafe {
        if !result.is_null() {
            *result = value;
        } else if !value.is_null() {
            drop(Box::from_raw(value));
        }
        if !message.is_null() {
            *message = text;
        }
    }
    status
}

/// # Safety
/// `text` is null or ends with a zero byte and lives for `'a`.
unsafe fn optional<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

fn utf8(text: &CStr) -> Result<String, Failure> {
    text.to_str().map(str::to_string).map_err(|_| Failure::new(Status::Invalid, "a text is not UTF-8"))
}

/// # Safety
/// As of `optional`.
unsafe fn optional_utf8(text: *const c_char) -> Result<Option<String>, Failure> {
    // SAFETY: as the caller promises.
    unsafe { optional(text) }.map(utf8).transpose()
}

/// # Safety
/// As of `optional`.
unsafe fn required_utf8(text: *const c_char) -> Result<String, Failure> {
    // SAFETY: as the caller promises.
    let text = unsafe { optional_utf8(text) }?;
    text.ok_or_else(|| Failure::new(Status::Invalid, "a text is missing"))
}

/// # Safety
/// As of `optional`.
unsafe fn optional_path(text: *const c_char) -> Option<PathBuf> {
    // SAFETY: as the caller promises.
    unsafe { optional(text) }.map(|path| PathBuf::from(OsStr::from_bytes(path.to_bytes())))
}

/// # Safety
/// `bytes` is null with `size` 0, or `size` bytes that live for `'a`.
unsafe fn bytes_of<'a>(bytes: *const u8, size: usize) -> &'a [u8] {
    // SAFETY: as the caller promises.
    if bytes.is_null() { &[] } else { unsafe { slice::from_raw_parts(bytes, size) } }
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// # Safety
/// The texts are null or end with zero bytes.
unsafe fn options_of(options: &fp_cql_options) -> Result<Options, Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        let points = required_utf8(options.contact_points)?;
        let points = points.split(',').map(str::trim).filter(|point| !point.is_empty());
        let user = optional_utf8(options.user)?;
        let password = optional_utf8(options.password)?.unwrap_or_default();
        let files = tls::Files {
            ca: optional_path(options.ca_file),
            certificate: optional_path(options.certificate_file),
            key: optional_path(options.key_file),
        };
        Ok(Options {
            contact_points: points.map(str::to_string).collect(),
            keyspace: optional_utf8(options.keyspace)?,
            keyspace_is_new: options.keyspace_is_new != 0,
            credentials: user.map(|user| (user, password)),
            tls: (options.tls != 0).then_some(files),
            datacenter: optional_utf8(options.datacenter)?,
            connections: NonZeroUsize::new(options.connections as usize).unwrap_or(NonZeroUsize::MIN),
            threads: options.threads as usize,
            connect_timeout: milliseconds(options.connect_timeout_ms),
        })
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_connect(
    options: *const fp_cql_options,
    session: *mut *mut fp_cql_session,
    message: *mut *mut c_char,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        let connect = || Session::connect(&options_of(&*options)?).map(fp_cql_session);
        hand_out(guarded(connect), session, message)
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_close(session: *mut fp_cql_session) {
    if !session.is_null() {
        // SAFETY: as the caller promises.
        quietly(|| unsafe { Box::from_raw(session) }.0.close());
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_free_text(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: as the caller promises.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_statistics_of(session: *const fp_cql_session, statistics: *mut fp_cql_statistics) {
    // SAFETY: as the caller promises.
    quietly(|| unsafe { *statistics = (*session).0.statistics() });
}

fn consistency_of(level: c_int) -> Result<Consistency, Failure> {
    Ok(match level {
        1 => Consistency::One,
        2 => Consistency::Two,
        3 => Consistency::Three,
        4 => Consistency::Quorum,
        5 => Consistency::All,
        6 => Consistency::LocalQuorum,
        7 => Consistency::EachQuorum,
        10 => Consistency::LocalOne,
        _ => return Err(Failure::new(Status::Invalid, format_args!("{level} is no consistency level"))),
    })
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_prepare(
    session: *mut fp_cql_session,
    cql: *const c_char,
    consistency: c_int,
    timeout_ms: u32,
    speculative_ms: u32,
    statement: *mut *mut fp_cql_statement,
    message: *mut *mut c_char,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        let prepare = || {
            let speculative = (speculative_ms > 0).then(|| milliseconds(speculative_ms));
            let (text, consistency) = (required_utf8(cql)?, consistency_of(consistency)?);
            let statement = (*session).0.prepare(&text, consistency, milliseconds(timeout_ms), speculative)?;
            Ok(fp_cql_statement(Arc::new(statement)))
        };
        hand_out(guarded(prepare), statement, message)
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_free_statement(statement: *mut fp_cql_statement) {
    if !statement.is_null() {
        // SAFETY: as the caller promises.
        quietly(|| drop(unsafe { Box::from_raw(statement) }));
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_run(
    session: *mut fp_cql_session,
    cql: *const c_char,
    timeout_ms: u32,
    result: *mut *mut fp_cql_result,
    message: *mut *mut c_char,
) -> Status {
    // SAFETY: as the caller promises.
    unsafe {
        let run = || (*session).0.run(&required_utf8(cql)?, milliseconds(timeout_ms)).map(fp_cql_result);
        hand_out(guarded(run), result, message)
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn fp_cql_new_queue() -> *mut fp_cql_queue {
    Box::into_raw(Box::new(fp_cql_queue(Arc::default())))
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_free_queue(queue: *mut fp_cql_queue) {
    if !queue.is_null() {
        // SAFETY: as the caller promises. Requests that are under way share what is inside.
        quietly(|| drop(unsafe { Box::from_raw(queue) }));
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_execute(
    session: *mut fp_cql_session,
    queue: *mut fp_cql_queue,
    statement: *const fp_cql_statement,
    rows: u32,
    cells: *const u8,
    size: usize,
    tag: u64,
) {
    // SAFETY: as the caller promises.
    quietly(|| unsafe { (*session).0.execute(&(*queue).0, &(*statement).0, rows, bytes_of(cells, size), tag) });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_query(
    session: *mut fp_cql_session,
    queue: *mut fp_cql_queue,
    statement: *const fp_cql_statement,
    cells: *const u8,
    size: usize,
    page_rows: i32,
    paging_state: *const u8,
    paging_state_size: usize,
    tag: u64,
) {
    // SAFETY: as the caller promises.
    quietly(|| unsafe {
        let state = (!paging_state.is_null()).then(|| bytes_of(paging_state, paging_state_size));
        (*session).0.query(&(*queue).0, &(*statement).0, bytes_of(cells, size), page_rows, state, tag);
    });
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_poll(
    queue: *mut fp_cql_queue,
    completions: *mut fp_cql_completion,
    capacity: usize,
    timeout_ms: u32,
) -> usize {
    // SAFETY: as the caller promises.
    let poll = || unsafe {
        let polled = (*queue).0.poll(capacity, milliseconds(timeout_ms));
        let count = polled.len();
        for (index, completion) in polled.into_iter().enumerate() {
            let (status, message, result) = match completion.outcome {
                Ok(answer) => {
                    let result = answer.map_or(null_mut(), |answer| Box::into_raw(Box::new(fp_cql_result(answer))));
                    (Status::Ok, null_mut(), result)
                }
                Err(failure) => (failure.status, text_of(&failure.message), null_mut()),
            };
            completions.add(index).write(fp_cql_completion { tag: completion.tag, status, message, result });
        }
        count
    };
    catch_unwind(AssertUnwindSafe(poll)).unwrap_or(0)
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_free_completion(completion: *mut fp_cql_completion) {
    // SAFETY: as the caller promises.
    unsafe {
        fp_cql_free_text(std::mem::replace(&mut (*completion).message, null_mut()));
        fp_cql_free_result(std::mem::replace(&mut (*completion).result, null_mut()));
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_rows_of(result: *const fp_cql_result, rows: *mut fp_cql_rows) {
    // SAFETY: as the caller promises.
    unsafe {
        let Answer { columns, rows: count, cells, paging_state } = &(*result).0;
        *rows = fp_cql_rows {
            columns: *columns,
            rows: *count,
            cells: cells.as_ptr(),
            size: cells.len(),
            paging_state: paging_state.as_ref().map_or(null(), |state| state.as_ptr()),
            paging_state_size: paging_state.as_ref().map_or(0, |state| state.len()),
        };
    }
}

/// # Safety
/// As the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fp_cql_free_result(result: *mut fp_cql_result) {
    if !result.is_null() {
        // SAFETY: as the caller promises.
        quietly(|| drop(unsafe { Box::from_raw(result) }));
    }
}
