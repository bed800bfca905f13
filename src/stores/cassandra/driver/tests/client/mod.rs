//! The C interface as the tests use it.
#![allow(dead_code)] // each test program uses a part

use finpipe_cql::*;
use std::ffi::{CStr, CString, c_char};
use std::ptr::null_mut;

pub type Outcome<T> = Result<T, (Status, String)>;

/// The server to test with.
pub fn address() -> Option<String> {
    std::env::var("FINPIPE_CASSANDRA").ok()
}

pub fn cell(value: &[u8]) -> Vec<u8> {
    [&(value.len() as u32).to_be_bytes(), value].concat()
}

pub fn int(value: i32) -> Vec<u8> {
    cell(&value.to_be_bytes())
}

pub fn big(value: i64) -> Vec<u8> {
    cell(&value.to_be_bytes())
}

pub fn null() -> Vec<u8> {
    (-1_i32).to_be_bytes().to_vec()
}

pub fn unset() -> Vec<u8> {
    (-2_i32).to_be_bytes().to_vec()
}

/// The values of cells; nulls are empty.
pub fn cells_of(mut cells: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    while let Some((length, rest)) = cells.split_first_chunk::<4>() {
        let (value, rest) = rest.split_at(i32::from_be_bytes(*length).max(0) as usize);
        values.push(value.to_vec());
        cells = rest;
    }
    values
}

#[derive(Debug, Eq, PartialEq)]
pub struct Page {
    pub columns: u32,
    pub rows: u32,
    pub cells: Vec<u8>,
    pub paging_state: Option<Vec<u8>>,
}

unsafe fn page(result: *const fp_cql_result) -> Page {
    unsafe {
        let mut rows = std::mem::zeroed::<fp_cql_rows>();
        fp_cql_rows_of(result, &mut rows);
        let bytes = |at: *const u8, size| std::slice::from_raw_parts(at, size).to_vec();
        Page {
            columns: rows.columns,
            rows: rows.rows,
            cells: bytes(rows.cells, rows.size),
            paging_state: (!rows.paging_state.is_null()).then(|| bytes(rows.paging_state, rows.paging_state_size)),
        }
    }
}

fn outcome<T>(status: Status, value: T, message: *mut c_char) -> Outcome<T> {
    if status == Status::Ok {
        assert!(message.is_null());
        return Ok(value);
    }
    let text = unsafe { CStr::from_ptr(message) }.to_str().expect("UTF-8").to_string();
    unsafe { fp_cql_free_text(message) };
    Err((status, text))
}

/// What to connect with; `None` is null.
#[derive(Clone, Default)]
pub struct Options {
    pub contact_points: String,
    pub keyspace: Option<String>,
    pub keyspace_is_new: bool,
    pub user: Option<String>,
    pub password: Option<String>,
    pub tls: bool,
    pub ca_file: Option<String>,
    pub certificate_file: Option<String>,
    pub key_file: Option<String>,
    pub datacenter: Option<String>,
    pub connect_timeout_ms: u32,
}

#[derive(Debug)]
pub struct Client(*mut fp_cql_session);

impl Client {
    pub fn connect(address: &str, keyspace: Option<&str>) -> Outcome<Client> {
        Client::connect_with(&Options {
            contact_points: address.to_string(),
            keyspace: keyspace.map(str::to_string),
            connect_timeout_ms: 20_000,
            ..Options::default()
        })
    }

    pub fn connect_with(options: &Options) -> Outcome<Client> {
        let text = |text: &str| CString::new(text).expect("no zero byte");
        let optional = |value: &Option<String>| value.as_deref().map(text);
        let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        let contact_points = text(&options.contact_points);
        let texts = [
            &options.keyspace,
            &options.user,
            &options.password,
            &options.ca_file,
            &options.certificate_file,
            &options.key_file,
            &options.datacenter,
        ]
        .map(optional);
        let raw = fp_cql_options {
            contact_points: contact_points.as_ptr(),
            keyspace: pointer(&texts[0]),
            keyspace_is_new: options.keyspace_is_new.into(),
            user: pointer(&texts[1]),
            password: pointer(&texts[2]),
            tls: options.tls.into(),
            ca_file: pointer(&texts[3]),
            certificate_file: pointer(&texts[4]),
            key_file: pointer(&texts[5]),
            datacenter: pointer(&texts[6]),
            connections: 1,
            threads: 1,
            connect_timeout_ms: options.connect_timeout_ms,
        };
        let (mut session, mut message) = (null_mut(), null_mut());
        let status = unsafe { fp_cql_connect(&raw, &mut session, &mut message) };
        assert_eq!(session.is_null(), status != Status::Ok);
        outcome(status, session, message).map(Client)
    }

    pub fn prepare(&self, text: &str, consistency: i32) -> Outcome<Statement> {
        let text = CString::new(text).expect("no zero byte");
        let (mut statement, mut message) = (null_mut(), null_mut());
        let status =
            unsafe { fp_cql_prepare(self.0, text.as_ptr(), consistency, 10_000, 0, &mut statement, &mut message) };
        outcome(status, statement, message).map(Statement)
    }

    pub fn run(&self, text: &str) -> Outcome<Page> {
        let text = CString::new(text).expect("no zero byte");
        let (mut result, mut message) = (null_mut(), null_mut());
        let status = unsafe { fp_cql_run(self.0, text.as_ptr(), 20_000, &mut result, &mut message) };
        let result = outcome(status, result, message)?;
        let page = unsafe { page(result) };
        unsafe { fp_cql_free_result(result) };
        Ok(page)
    }

    pub fn execute(&self, queue: &Queue, statement: &Statement, rows: u32, cells: &[u8], tag: u64) {
        unsafe { fp_cql_execute(self.0, queue.0, statement.0, rows, cells.as_ptr(), cells.len(), tag) }
    }

    pub fn query(
        &self,
        queue: &Queue,
        statement: &Statement,
        cells: &[u8],
        page_rows: i32,
        paging_state: Option<&[u8]>,
        tag: u64,
    ) {
        let (state, size) = paging_state.map_or((std::ptr::null(), 0), |state| (state.as_ptr(), state.len()));
        unsafe { fp_cql_query(self.0, queue.0, statement.0, cells.as_ptr(), cells.len(), page_rows, state, size, tag) }
    }

    pub fn statistics(&self) -> fp_cql_statistics {
        unsafe {
            let mut statistics = std::mem::zeroed();
            fp_cql_statistics_of(self.0, &mut statistics);
            statistics
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        unsafe { fp_cql_close(self.0) }
    }
}

#[derive(Debug)]
pub struct Statement(*mut fp_cql_statement);

impl Drop for Statement {
    fn drop(&mut self) {
        unsafe { fp_cql_free_statement(self.0) }
    }
}

pub struct Queue(*mut fp_cql_queue);

impl Queue {
    pub fn new() -> Queue {
        Queue(fp_cql_new_queue())
    }

    /// The next completion, waited for.
    pub fn next(&self) -> Option<(u64, Outcome<Option<Page>>)> {
        self.poll(60_000)
    }

    pub fn at_once(&self) -> Option<(u64, Outcome<Option<Page>>)> {
        self.poll(0)
    }

    /// The outcome of the only request that is under way.
    pub fn one(&self, tag: u64) -> Outcome<Option<Page>> {
        let (got, outcome) = self.next().expect("a completion");
        assert_eq!(got, tag);
        outcome
    }

    fn poll(&self, timeout_ms: u32) -> Option<(u64, Outcome<Option<Page>>)> {
        unsafe {
            let mut completion = std::mem::zeroed::<fp_cql_completion>();
            if fp_cql_poll(self.0, &mut completion, 1, timeout_ms) == 0 {
                return None;
            }
            let page = (!completion.result.is_null()).then(|| page(completion.result));
            let message = std::mem::replace(&mut completion.message, null_mut());
            let outcome = outcome(completion.status, page, message);
            fp_cql_free_completion(&mut completion);
            Some((completion.tag, outcome))
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        unsafe { fp_cql_free_queue(self.0) }
    }
}
