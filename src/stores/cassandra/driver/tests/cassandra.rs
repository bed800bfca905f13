//! Against a server; FINPIPE_CASSANDRA=host:port says where. Without it these tests do nothing.

mod client;

use client::{Client, Options, Outcome, Queue, address, big, cell, cells_of, int, null, unset};
use finpipe_cql::Status;

const LOCAL_QUORUM: i32 = 6;

/// A client in a keyspace of its own, with a table `t`.
fn client(keyspace: &str) -> Option<Client> {
    let address = address()?;
    let setup = Client::connect(&address, None).expect("a connection");
    for text in [
        format!("DROP KEYSPACE IF EXISTS {keyspace}"),
        format!("CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"),
        format!("CREATE TABLE {keyspace}.t (p int, c bigint, v text, w blob, PRIMARY KEY (p, c))"),
    ] {
        setup.run(&text).expect("DDL");
    }
    Some(Client::connect(&address, Some(keyspace)).expect("a connection"))
}

fn status<T>(outcome: Outcome<T>) -> Status {
    outcome.err().map_or(Status::Ok, |(status, message)| {
        assert!(!message.is_empty());
        status
    })
}

#[test]
fn rows_come_back_as_they_went_in() {
    let Some(client) = client("shim_rows") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c, v, w) VALUES (?, ?, ?, ?)", LOCAL_QUORUM).expect("insert");
    let select = client.prepare("SELECT c, v, w FROM t WHERE p = ?", LOCAL_QUORUM).expect("select");

    client.execute(&queue, &insert, 1, &[int(1), big(10), cell(b"ten"), null()].concat(), 1);
    assert_eq!(queue.one(1).expect("insert"), None);
    let two = [int(1), big(11), cell(b""), cell(&[7; 70_000]), int(1), big(12), null(), cell(b"w")].concat();
    client.execute(&queue, &insert, 2, &two, 2);
    assert_eq!(queue.one(2).expect("batch"), None);

    client.query(&queue, &select, &int(1), 100, None, 3);
    let page = queue.one(3).expect("select").expect("rows");
    assert_eq!((page.columns, page.rows, page.paging_state), (3, 3, None));
    let expected = [big(10), cell(b"ten"), null(), big(11), cell(b""), cell(&[7; 70_000]), big(12), null(), cell(b"w")];
    assert_eq!(page.cells, expected.concat());
}

#[test]
fn unset_leaves_what_null_deletes() {
    let Some(client) = client("shim_unset") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c, v, w) VALUES (?, ?, ?, ?)", LOCAL_QUORUM).expect("insert");
    let select = client.prepare("SELECT v, w FROM t WHERE p = ?", LOCAL_QUORUM).expect("select");
    client.execute(&queue, &insert, 1, &[int(1), big(1), cell(b"v"), cell(b"w")].concat(), 1);
    queue.one(1).expect("insert");
    client.execute(&queue, &insert, 1, &[int(1), big(1), unset(), null()].concat(), 2);
    queue.one(2).expect("insert");
    client.query(&queue, &select, &int(1), 10, None, 3);
    assert_eq!(queue.one(3).expect("select").expect("rows").cells, [cell(b"v"), null()].concat());
}

#[test]
fn pages_follow_each_other() {
    let Some(client) = client("shim_pages") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c) VALUES (?, ?)", LOCAL_QUORUM).expect("insert");
    let select = client.prepare("SELECT c FROM t WHERE p = ?", LOCAL_QUORUM).expect("select");
    let rows: Vec<u8> = (0..250).flat_map(|c| [int(1), big(c)].concat()).collect();
    client.execute(&queue, &insert, 250, &rows, 1);
    queue.one(1).expect("batch");

    let mut state = None;
    let mut pages = Vec::new();
    let mut cells = Vec::new();
    loop {
        client.query(&queue, &select, &int(1), 100, state.as_deref(), 2);
        let page = queue.one(2).expect("select").expect("rows");
        pages.push(page.rows);
        cells.extend(page.cells);
        state = page.paging_state;
        if state.is_none() {
            break;
        }
    }
    assert_eq!(pages, [100, 100, 50]);
    assert_eq!(cells, (0..250).flat_map(big).collect::<Vec<u8>>());
}

#[test]
fn a_new_keyspace_is_waited_for() {
    let Some(client) = client("shim_other") else { return };
    client.run("DROP KEYSPACE IF EXISTS shim_new").expect("DROP");
    let options = |timeout_ms| Options {
        contact_points: address().expect("an address"),
        keyspace: Some("shim_new".to_string()),
        keyspace_is_new: true,
        connect_timeout_ms: timeout_ms,
        ..Options::default()
    };
    assert_eq!(status(Client::connect_with(&options(1_000))), Status::NoKeyspace);
    let waiting = std::thread::spawn(move || status(Client::connect_with(&options(20_000))));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!waiting.is_finished());
    client
        .run("CREATE KEYSPACE shim_new WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        .expect("CREATE");
    assert_eq!(waiting.join().expect("an end"), Status::Ok);
}

#[test]
fn what_is_missing_or_wrong_has_its_status() {
    let Some(client) = client("shim_errors") else { return };
    let prepare = |text: &str| status(client.prepare(text, LOCAL_QUORUM));
    assert_eq!(prepare("SELECT c FROM nope WHERE p = ?"), Status::NoTable);
    assert_eq!(prepare("SELECT nope FROM t WHERE p = ?"), Status::NoTable);
    assert_eq!(prepare("SELECT c FROM shim_nope.t WHERE p = ?"), Status::NoKeyspace);
    assert_eq!(prepare("SELEKT"), Status::Invalid);
    assert_eq!(prepare("SELECT c FROM t WHERE v = ?"), Status::Invalid);
    assert_eq!(status(client.prepare("SELECT c FROM t", 99)), Status::Invalid);

    let run = |text: &str| status(client.run(text));
    assert_eq!(run("CREATE TABLE shim_nope.t (p int PRIMARY KEY)"), Status::NoKeyspace);
    assert_eq!(run("DROP TABLE nope"), Status::NoTable);
    assert_eq!(run("ALTER TABLE nope ADD x int"), Status::NoTable);
    assert_eq!(run("DROP KEYSPACE shim_nope"), Status::NoKeyspace);
    assert_eq!(run("SELECT * FROM nope"), Status::NoTable);
    assert_eq!(run("CREATE TABLE t (p int PRIMARY KEY)"), Status::Invalid);
    assert_eq!(status(Client::connect(&address().expect("an address"), Some("shim_nope"))), Status::NoKeyspace);

    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c) VALUES (?, ?)", LOCAL_QUORUM).expect("insert");
    client.execute(&queue, &insert, 1, &int(1), 1);
    assert_eq!(status(queue.one(1)), Status::Invalid);
    client.execute(&queue, &insert, 1, &[cell(b"7 bytes"), big(1)].concat(), 2);
    assert_eq!(status(queue.one(2)), Status::Invalid);
    client.execute(&queue, &insert, 1, &[null(), big(1)].concat(), 3);
    assert_eq!(status(queue.one(3)), Status::Invalid);

    client.run("DROP TABLE t").expect("DROP");
    client.execute(&queue, &insert, 1, &[int(1), big(1)].concat(), 4);
    assert_eq!(status(queue.one(4)), Status::NoTable);
}

#[test]
fn too_few_replicas_are_unavailable() {
    let Some(client) = client("shim_unavailable") else { return };
    client.run("CREATE KEYSPACE IF NOT EXISTS shim_two WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}").expect("DDL");
    client.run("CREATE TABLE IF NOT EXISTS shim_two.t (p int PRIMARY KEY)").expect("DDL");
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO shim_two.t (p) VALUES (?)", 5).expect("insert");
    client.execute(&queue, &insert, 1, &int(1), 1);
    assert_eq!(status(queue.one(1)), Status::Unavailable);
    client.run("DROP KEYSPACE shim_two").expect("DROP");
}

#[test]
fn one_statement_can_be_run_at_once() {
    let Some(client) = client("shim_run") else { return };
    let page = client.run("SELECT release_version FROM system.local").expect("rows");
    assert_eq!((page.columns, page.rows), (1, 1));
    assert_eq!(cells_of(&page.cells).len(), 1);
    let page = client.run("INSERT INTO t (p, c) VALUES (1, 2)").expect("no rows");
    assert_eq!((page.columns, page.rows, page.cells.len()), (0, 0, 0));
}

#[test]
fn a_statement_is_prepared_again_when_the_server_forgot_it() {
    let Some(client) = client("shim_reprepare") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c) VALUES (?, ?)", LOCAL_QUORUM).expect("insert");
    // What uses a table is forgotten when the table changes.
    client.run("ALTER TABLE t ADD x int").expect("ALTER");
    client.execute(&queue, &insert, 1, &[int(1), big(1)].concat(), 1);
    queue.one(1).expect("insert");
    client.run("ALTER TABLE t ADD y int").expect("ALTER");
    client.execute(&queue, &insert, 2, &[int(1), big(1), int(1), big(2)].concat(), 2);
    queue.one(2).expect("batch");
}

#[test]
fn many_requests_all_complete() {
    let Some(client) = client("shim_many") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c) VALUES (?, ?)", LOCAL_QUORUM).expect("insert");
    for tag in 0..2000_u32 {
        client.execute(&queue, &insert, 1, &[int(tag as i32 % 7), big(tag.into())].concat(), tag.into());
    }
    let mut tags: Vec<u64> = (0..2000)
        .map(|_| queue.next().expect("a completion"))
        .map(|(tag, outcome)| {
            outcome.expect("insert");
            tag
        })
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, (0..2000).collect::<Vec<u64>>());

    let statistics = client.statistics();
    assert_eq!((statistics.nodes, statistics.nodes_up), (1, 1));
    assert!(statistics.connections >= 1);
    assert!(statistics.requests >= 2000);
    assert!(0 < statistics.latency_us_p50 && statistics.latency_us_p50 <= statistics.latency_us_p99);
}

#[test]
fn a_queue_may_be_freed_while_requests_run() {
    let Some(client) = client("shim_freed") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c) VALUES (?, ?)", LOCAL_QUORUM).expect("insert");
    for tag in 0..500 {
        client.execute(&queue, &insert, 1, &[int(1), big(tag)].concat(), 1);
    }
    drop(queue);
    let queue = Queue::new();
    client.execute(&queue, &insert, 1, &[int(1), big(1)].concat(), 9);
    queue.one(9).expect("insert");
}

#[test]
fn closing_completes_what_is_under_way() {
    let Some(client) = client("shim_close") else { return };
    let queue = Queue::new();
    let insert = client.prepare("INSERT INTO t (p, c) VALUES (?, ?)", LOCAL_QUORUM).expect("insert");
    for tag in 0..500 {
        client.execute(&queue, &insert, 1, &[int(1), big(tag)].concat(), 1);
    }
    drop(insert);
    drop(client);
    let mut completions = 0;
    while let Some((_, outcome)) = queue.at_once() {
        assert!(matches!(status(outcome), Status::Ok | Status::Unreachable));
        completions += 1;
    }
    assert_eq!(completions, 500);
}
