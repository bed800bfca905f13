//! The driver by itself, without the C interface and without finpipe: what benchmarks/cassandra compares with.
//!
//!   bare HOST:PORT KEYSPACE ROWS
//!
//! Inserts the trades of cassandra_bench into the table `ticks`, in batches of 50 of one partition with at most 1,600 rows
//! under way, and prints rows a second and processor time a row.

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session_builder::SessionBuilder;
use scylla::frame::types::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use scylla::value::{CqlDecimal, CqlTimestamp, CqlVarint};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

const UNDER_WAY: usize = 1600; // rows
const BATCH: usize = 50;
const SYMBOLS: u64 = 50;
const START_MS: i64 = 1_764_167_400_000;
const BUCKET_MS: i64 = 300_000;
const INSERT: &str = "INSERT INTO ticks (symbol, bucket, event_time, seq, price, volume, conditions, received_at, session, \
                      writer, suspect, log_offset, log_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) USING TIMESTAMP ?";

type Row<'a> = (
    &'a str,
    CqlTimestamp,
    CqlTimestamp,
    i64,
    CqlDecimal,
    CqlDecimal,
    &'a str,
    i64,
    CqlVarint,
    i8,
    i8,
    CqlVarint,
    &'a [u8],
    i64,
);

fn varint(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let redundant = |pair: &[u8]| (pair[0] == 0 && pair[1] < 128) || (pair[0] == 255 && pair[1] >= 128);
    let skipped = bytes.windows(2).take_while(|pair| redundant(pair)).count();
    bytes[skipped..].to_vec()
}

fn row(symbol: &str, number: u64) -> Row<'_> {
    let n = number as i64;
    let time_ms = START_MS + n / 5;
    let received_ns = time_ms * 1_000_000;
    let decimal = |value: i64, digits: i32| CqlDecimal::from_signed_be_bytes_and_exponent(varint(value), digits);
    let (price, volume) = (decimal(6_123_456 + n % 1_000, 2), decimal(1 + n % 100_000_000, 8));
    let integer = |value: i64| CqlVarint::from_signed_bytes_be(varint(value));
    (
        symbol,
        CqlTimestamp(time_ms / BUCKET_MS * BUCKET_MS),
        CqlTimestamp(time_ms),
        received_ns + n,
        price,
        volume,
        "-",
        received_ns,
        integer(1),
        0,
        0,
        integer(n),
        &[7; 16],
        received_ns / 1_000,
    )
}

/// Processor time of the process, read in ticks of 10 ms.
fn processor_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("stat").1.split_whitespace().collect();
    (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) * 10_000.0
}

async fn run(address: &str, keyspace: &str, rows: u64) {
    let profile = ExecutionProfile::builder().consistency(Consistency::LocalQuorum).build().into_handle();
    let session = SessionBuilder::new().known_node(address).default_execution_profile_handle(profile).build().await;
    let session = Arc::new(session.expect("a connection"));
    session.use_keyspace(keyspace, true).await.expect("the keyspace");
    let mut insert = session.prepare(INSERT).await.expect("the statement");
    insert.set_is_idempotent(true);
    let mut batch = Batch::new(BatchType::Unlogged);
    batch.set_is_idempotent(true);
    (0..BATCH).for_each(|_| batch.append_statement(insert.clone()));
    let batch = Arc::new(batch);
    let permits = Arc::new(Semaphore::new(UNDER_WAY / BATCH));
    let (started, processor) = (Instant::now(), processor_us());
    for request in 0..rows / BATCH as u64 {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("a permit");
        let (session, batch) = (Arc::clone(&session), Arc::clone(&batch));
        tokio::spawn(async move {
            let symbol = format!("BENCH:{}", request % SYMBOLS);
            // The trades of one symbol among those of all.
            let first = request / SYMBOLS * SYMBOLS * BATCH as u64 + request % SYMBOLS;
            let values: Vec<Row> = (0..BATCH as u64).map(|index| row(&symbol, first + index * SYMBOLS)).collect();
            session.batch(&batch, values).await.expect("a batch");
            drop(permit);
        });
    }
    let _ = permits.acquire_many((UNDER_WAY / BATCH) as u32).await.expect("permits");
    println!("rows_per_s {:.0}", rows as f64 / started.elapsed().as_secs_f64());
    println!("processor_us_per_row {:.2}", (processor_us() - processor) / rows as f64);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, keyspace, rows] = arguments.as_slice() else {
        eprintln!("usage: bare HOST:PORT KEYSPACE ROWS");
        std::process::exit(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(run(address, keyspace, rows.parse().expect("rows")));
}
