//! What the driver does by itself: the bound of what the C interface can do. Or the C interface, for comparison.
//!
//!   bare HOST:PORT single|batch bare|interface [seconds]
//!
//! Inserts rows of 12 columns, one by one or in batches of 50 of one partition, with at most 1,600 rows under way, and
//! prints rows per second and the client's CPU time a row.

use finpipe_cql::*;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::types::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const UNDER_WAY: usize = 1600; // rows
const BATCH: usize = 50;
const KEYSPACE: &str = "CREATE KEYSPACE IF NOT EXISTS bare WITH replication = \
                        {'class': 'SimpleStrategy', 'replication_factor': 1}";
const TABLE: &str = "CREATE TABLE IF NOT EXISTS bare.t (p text, c bigint, a bigint, b bigint, d bigint, e bigint, \
                     f bigint, g int, h int, i text, j blob, k bigint, PRIMARY KEY (p, c))";
const INSERT: &str = "INSERT INTO bare.t (p, c, a, b, d, e, f, g, h, i, j, k) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)";

type Row<'a> = (&'a str, i64, i64, i64, i64, i64, i64, i32, i32, &'a str, &'a [u8], i64);

fn partition(request: u64) -> String {
    format!("BINANCE:SYMBOL{}", request % 100)
}

fn row(partition: &str, number: u64) -> Row<'_> {
    let n = number as i64;
    (partition, n, n, n, n, n, n, 7, 8, "a condition", &[1; 32], n)
}

/// Process CPU time in clock ticks of 10 ms, turned into microseconds.
fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("stat").1.split_whitespace().collect();
    (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) * 10_000.0
}

fn report(name: &str, rows: u64, started: Instant, cpu: f64) {
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_us() - cpu);
    println!("{name}: {:.0} rows/s, {:.2} us of CPU a row", rows as f64 / seconds, cpu / rows as f64);
}

async fn bare(address: &str, batch: usize, limit: Duration) {
    let profile = ExecutionProfile::builder().consistency(Consistency::LocalQuorum).build().into_handle();
    let session = SessionBuilder::new().known_node(address).default_execution_profile_handle(profile).build().await;
    let session = Arc::new(session.expect("a connection"));
    session.query_unpaged(KEYSPACE, ()).await.expect("DDL");
    session.query_unpaged(TABLE, ()).await.expect("DDL");
    let mut insert = session.prepare(INSERT).await.expect("insert");
    insert.set_is_idempotent(true);
    let insert = Arc::new(insert);
    let permits = Arc::new(Semaphore::new(UNDER_WAY / batch));
    let rows = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), cpu_us());
    let mut request = 0;
    while started.elapsed() < limit {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("a permit");
        let (session, insert, rows) = (Arc::clone(&session), Arc::clone(&insert), Arc::clone(&rows));
        request += 1;
        tokio::spawn(async move {
            let partition = partition(request);
            if batch == 1 {
                session.execute_unpaged(&insert, row(&partition, request)).await.expect("insert");
            } else {
                let mut statements = Batch::new(BatchType::Unlogged);
                statements.set_is_idempotent(true);
                (0..batch).for_each(|_| statements.append_statement((*insert).clone()));
                let number = request * batch as u64;
                let values: Vec<Row> = (0..batch as u64).map(|index| row(&partition, number + index)).collect();
                session.batch(&statements, values).await.expect("batch");
            }
            rows.fetch_add(batch as u64, Relaxed);
            drop(permit);
        });
    }
    let _ = permits.acquire_many((UNDER_WAY / batch) as u32).await.expect("permits");
    report("bare", rows.load(Relaxed), started, cpu);
}

fn append(cells: &mut Vec<u8>, (p, c, a, b, d, e, f, g, h, i, j, k): Row) {
    let mut cell = |value: &[u8]| {
        cells.extend_from_slice(&(value.len() as u32).to_be_bytes());
        cells.extend_from_slice(value);
    };
    cell(p.as_bytes());
    [c, a, b, d, e, f].iter().for_each(|value| cell(&value.to_be_bytes()));
    [g, h].iter().for_each(|value| cell(&value.to_be_bytes()));
    cell(i.as_bytes());
    cell(j);
    cell(&k.to_be_bytes());
}

unsafe fn interface(address: &str, batch: usize, limit: Duration) {
    let (address, insert) = (CString::new(address).expect("text"), CString::new(INSERT).expect("text"));
    let options = fp_cql_options {
        contact_points: address.as_ptr(),
        keyspace: null(),
        user: null(),
        password: null(),
        tls: 0,
        ca_file: null(),
        certificate_file: null(),
        key_file: null(),
        datacenter: null(),
        connections: 1,
        threads: 2,
        connect_timeout_ms: 10_000,
    };
    unsafe {
        let mut session = null_mut();
        assert!(fp_cql_connect(&options, &mut session, null_mut()) == Status::Ok);
        for text in [KEYSPACE, TABLE] {
            let text = CString::new(text).expect("text");
            assert!(fp_cql_run(session, text.as_ptr(), 30_000, null_mut(), null_mut()) == Status::Ok);
        }
        let mut statement = null_mut();
        assert!(fp_cql_prepare(session, insert.as_ptr(), 6, 30_000, 0, &mut statement, null_mut()) == Status::Ok);
        let queue = fp_cql_new_queue();
        let mut completions: [fp_cql_completion; 256] = std::mem::zeroed();
        let mut cells = Vec::new();
        let (mut request, mut rows, mut under_way) = (0, 0, 0);
        let (started, cpu) = (Instant::now(), cpu_us());
        loop {
            let go_on = started.elapsed() < limit;
            while go_on && under_way < UNDER_WAY / batch {
                request += 1;
                cells.clear();
                let partition = partition(request);
                let number = request * batch as u64;
                (0..batch as u64).for_each(|index| append(&mut cells, row(&partition, number + index)));
                fp_cql_execute(session, queue, statement, batch as u32, cells.as_ptr(), cells.len(), request);
                under_way += 1;
            }
            if under_way == 0 {
                break;
            }
            let polled = fp_cql_poll(queue, completions.as_mut_ptr(), completions.len(), 1000);
            for completion in &mut completions[..polled] {
                assert!(completion.status == Status::Ok);
                fp_cql_free_completion(completion);
                under_way -= 1;
                rows += batch as u64;
            }
        }
        report("interface", rows, started, cpu);
        fp_cql_free_statement(statement);
        fp_cql_free_queue(queue);
        fp_cql_close(session);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, shape, way, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: bare HOST:PORT single|batch bare|interface [seconds]");
        std::process::exit(2);
    };
    let batch = if shape == "batch" { BATCH } else { 1 };
    let limit = Duration::from_secs(rest.first().map_or(10, |seconds| seconds.parse().expect("seconds")));
    if way == "bare" {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("threads").block_on(bare(address, batch, limit));
    } else {
        unsafe { interface(address, batch, limit) }
    }
}
