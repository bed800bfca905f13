//! A session with a cluster, and the requests on it.

use crate::cells::{RawRow, Rows};
use crate::fp_cql_statistics;
use crate::latency::Latencies;
use crate::queue::{Completion, Queue};
use crate::status::{Errors, Failure, Status};
use crate::tls::{self, Files, Rejections};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session as Driver;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{PoolSize, session::TlsContext};
use scylla::cluster::Node;
use scylla::errors::ExecutionError;
use scylla::frame::types::Consistency;
use scylla::policies::load_balancing::{DefaultPolicy, LoadBalancingPolicy};
use scylla::policies::reconnect::ExponentialReconnectPolicy;
use scylla::policies::retry::DefaultRetryPolicy;
use scylla::policies::speculative_execution::{SimpleSpeculativeExecutionPolicy, SpeculativeExecutionPolicy};
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement as Text;
use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// A node that says nothing for twice this long is given up, and its requests go to others.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Between attempts to connect to a node that was lost.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Between questions for a new keyspace.
const NEW_KEYSPACE_PAUSE: Duration = Duration::from_millis(200);
/// How long closing waits for requests that are under way.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

pub struct Options {
    pub contact_points: Vec<String>, // "host:port"
    pub keyspace: Option<String>,
    pub keyspace_is_new: bool, // a node that has not heard of it yet is asked again
    pub credentials: Option<(String, String)>,
    pub tls: Option<Files>,
    pub datacenter: Option<String>,
    pub connections: NonZeroUsize, // to each node
    pub threads: usize,
    pub connect_timeout: Duration,
}

pub struct Session {
    runtime: Runtime,
    shared: Arc<Shared>,
}

/// What requests that are under way need.
struct Shared {
    driver: Driver,
    balancing: Arc<dyn LoadBalancingPolicy>,
    rejections: Option<Arc<Rejections>>,
    latencies: Latencies,
    datacenter: Option<String>,
}

/// Prepared, with all that its requests have in common.
pub struct Statement {
    prepared: PreparedStatement,
    batch: Batch, // without statements
}

pub struct Answer {
    pub columns: u32,
    pub rows: u32,
    pub cells: Vec<u8>,
    pub paging_state: Option<Arc<[u8]>>,
}

impl Session {
    pub fn connect(options: &Options) -> Result<Session, Failure> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("cassandra")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| Failure::new(Status::Failed, format_args!("cannot start threads: {error}")))?;

        // Elsewhere, a local quorum would be one of other replicas.
        let mut balancing = DefaultPolicy::builder().token_aware(true).permit_dc_failover(options.datacenter.is_none());
        if let Some(datacenter) = &options.datacenter {
            balancing = balancing.prefer_datacenter(datacenter.clone());
        }
        let balancing = balancing.build();
        let profile = ExecutionProfile::builder().load_balancing_policy(Arc::clone(&balancing)).build();

        // So that a silent contact point, and then a silent node, leave time for the others.
        let steps = u32::try_from(options.contact_points.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut builder = SessionBuilder::new()
            .known_nodes(&options.contact_points)
            .default_execution_profile_handle(profile.into_handle())
            .connection_timeout(options.connect_timeout / steps)
            .pool_size(PoolSize::PerHost(options.connections))
            .keepalive_interval(KEEPALIVE)
            .keepalive_timeout(KEEPALIVE);
        builder.config.reconnect_policy =
            Arc::new(ExponentialReconnectPolicy::new().with_backoff_limits(RECONNECT_MIN, RECONNECT_MAX));
        if let Some(keyspace) = &options.keyspace {
            builder = builder.use_keyspace(keyspace, true);
        }
        if let Some((user, password)) = &options.credentials {
            builder = builder.user(user, password);
        }
        let rejections = options.tls.as_ref().map(|_| Arc::<Rejections>::default());
        let context = || {
            let (files, rejections) = (options.tls.as_ref()?, Arc::clone(rejections.as_ref()?));
            Some(tls::context(files, host_names(&options.contact_points), rejections))
        };
        if let Some(context) = context().transpose()? {
            builder = builder.tls_context(Some(TlsContext::from(context)));
        }

        let end = Instant::now() + options.connect_timeout;
        let errors = Errors { rejections: rejections.as_deref() };
        let attempts = async {
            loop {
                let built = builder.build().await.map_err(|error| errors.of_connect(error));
                let unknown = matches!(&built, Err(failure) if failure.status == Status::NoKeyspace);
                if !(unknown && options.keyspace_is_new && Instant::now() + NEW_KEYSPACE_PAUSE < end) {
                    return built;
                }
                tokio::time::sleep(NEW_KEYSPACE_PAUSE).await;
            }
        };
        let connected = runtime.block_on(async { tokio::time::timeout_at(end.into(), attempts).await });
        let failure = match connected {
            Ok(Ok(driver)) => {
                missing_datacenter(&driver, options.datacenter.as_deref())?;
                let shared = Arc::new(Shared {
                    driver,
                    balancing,
                    rejections,
                    latencies: Latencies::default(),
                    datacenter: options.datacenter.clone(),
                });
                return Ok(Session { runtime, shared });
            }
            Ok(Err(failure)) => failure,
            Err(_) => {
                let limit = options.connect_timeout.as_millis();
                Failure::new(Status::Unreachable, format_args!("no answer within {limit} ms"))
            }
        };
        // A look-up of names cannot be stopped.
        runtime.shutdown_background();
        if failure.status == Status::Unreachable
            && let Some(Ok(context)) = context()
            && let Some(cause) = tls::diagnose(context, &options.contact_points, end)
        {
            return Err(cause);
        }
        Err(failure)
    }

    /// Ends the session once nothing is under way, or after a while: then what is left fails.
    pub fn close(self) {
        let end = Instant::now() + CLOSE_GRACE;
        while Arc::strong_count(&self.shared) > 1 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.runtime.shutdown_timeout(CLOSE_GRACE);
    }

    pub fn statistics(&self) -> fp_cql_statistics {
        let metrics = self.shared.driver.get_metrics();
        let state = self.shared.driver.get_cluster_state();
        // Of the data center that is asked: others may be out of reach.
        let ours = |node: &&Arc<Node>| self.shared.datacenter.is_none() || node.datacenter == self.shared.datacenter;
        let nodes: Vec<_> = state.get_nodes_info().iter().filter(ours).collect();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let [p50, p99] = self.shared.latencies.quantiles([0.50, 0.99]);
        fp_cql_statistics {
            nodes: count(nodes.len()),
            nodes_up: count(nodes.iter().filter(|node| node.is_connected()).count()),
            connections: u32::try_from(metrics.get_total_connections()).unwrap_or(u32::MAX),
            requests: metrics.get_requests_unpaged_num() + metrics.get_requests_manually_paged_num(),
            errors: metrics.get_errors_unpaged_num() + metrics.get_errors_manually_paged_num(),
            retries: metrics.get_retries_num(),
            latency_us_p50: p50,
            latency_us_p99: p99,
        }
    }

    pub fn prepare(
        &self,
        text: &str,
        consistency: Consistency,
        timeout: Duration,
        speculative: Option<Duration>,
    ) -> Result<Statement, Failure> {
        let speculation = speculative.map(|retry_interval| -> Arc<dyn SpeculativeExecutionPolicy> {
            Arc::new(SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval })
        });
        let profile = ExecutionProfile::builder()
            .load_balancing_policy(Arc::clone(&self.shared.balancing))
            .retry_policy(Arc::new(DefaultRetryPolicy::new()))
            .speculative_execution_policy(speculation)
            .consistency(consistency)
            .request_timeout(Some(timeout))
            .build()
            .into_handle();
        let prepare =
            async { self.shared.driver.prepare(text).await.map_err(|error| self.shared.errors().of_prepare(error)) };
        let mut prepared = self.wait(timeout, prepare)?;
        prepared.set_is_idempotent(true);
        prepared.set_execution_profile_handle(Some(profile.clone()));
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        batch.set_execution_profile_handle(Some(profile));
        Ok(Statement { prepared, batch })
    }

    pub fn run(&self, text: &str, timeout: Duration) -> Result<Answer, Failure> {
        let mut statement = Text::new(text);
        statement.set_request_timeout(Some(timeout));
        let answer = self.wait(timeout, async {
            let answer = self.shared.driver.query_unpaged(statement, ()).await;
            answer.map_err(|error| self.shared.errors().of_execution(error))
        })?;
        Answer::new(answer, None)
    }

    fn wait<T>(&self, limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let limited = async { tokio::time::timeout(limit, work).await };
        self.runtime.block_on(limited).unwrap_or_else(|_| Err(Failure::no_answer(limit)))
    }

    pub fn execute(&self, queue: &Arc<Queue>, statement: &Arc<Statement>, rows: u32, cells: &[u8], tag: u64) {
        let pending = Pending::new(&self.shared, queue, tag);
        let rows = match Rows::new(cells, rows as usize, statement.columns()) {
            Ok(rows) => rows,
            Err(failure) => return pending.complete(Err(failure)),
        };
        let statement = Arc::clone(statement);
        self.runtime.spawn(async move {
            let outcome = if rows.count() == 1 {
                pending.shared.driver.execute_unpaged(&statement.prepared, &rows).await
            } else {
                pending.shared.driver.batch(&statement.batch_of(rows.count()), &rows).await
            };
            pending.answer(outcome.map(|_| None));
        });
    }

    pub fn query(
        &self,
        queue: &Arc<Queue>,
        statement: &Statement,
        cells: &[u8],
        page_rows: i32,
        paging_state: Option<&[u8]>,
        tag: u64,
    ) {
        let pending = Pending::new(&self.shared, queue, tag);
        let rows = match Rows::new(cells, 1, statement.columns()) {
            Ok(rows) => rows,
            Err(failure) => return pending.complete(Err(failure)),
        };
        let paging_state = paging_state.map_or_else(PagingState::start, PagingState::new_from_raw_bytes);
        let mut prepared = statement.prepared.clone();
        prepared.set_page_size(page_rows.max(1));
        self.runtime.spawn(async move {
            let outcome = pending.shared.driver.execute_single_page(&prepared, &rows, paging_state).await;
            pending.answer(outcome.map(Some));
        });
    }
}

/// Else every request would find nobody to ask.
fn missing_datacenter(driver: &Driver, wanted: Option<&str>) -> Result<(), Failure> {
    let state = driver.get_cluster_state();
    let mut there: Vec<&str> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    there.sort_unstable();
    there.dedup();
    match wanted {
        Some(name) if !there.contains(&name) => {
            let there = there.join(", ");
            Err(Failure::new(Status::Invalid, format_args!("no node is in data center {name}; there are: {there}")))
        }
        _ => Ok(()),
    }
}

/// Those of `points` that are not addresses, without their ports.
fn host_names(points: &[String]) -> Vec<String> {
    let hosts = points.iter().map(|point| point.rsplit_once(':').map_or(point.as_str(), |(host, _)| host));
    hosts.filter(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err()).map(str::to_string).collect()
}

impl Shared {
    fn errors(&self) -> Errors<'_> {
        Errors { rejections: self.rejections.as_deref() }
    }
}

impl Statement {
    fn columns(&self) -> usize {
        self.prepared.get_variable_col_specs().len()
    }

    fn batch_of(&self, rows: usize) -> Batch {
        let mut batch = self.batch.clone();
        for _ in 0..rows {
            batch.append_statement(BatchStatement::PreparedStatement(self.prepared.clone()));
        }
        batch
    }
}

impl Answer {
    fn new(result: QueryResult, paging_state: Option<Arc<[u8]>>) -> Result<Answer, Failure> {
        let Ok(result) = result.into_rows_result() else {
            return Ok(Answer { columns: 0, rows: 0, cells: Vec::new(), paging_state });
        };
        let unreadable = |error: &dyn std::error::Error| Failure::new(Status::Failed, error);
        let mut cells = Vec::with_capacity(result.rows_bytes_size());
        for row in result.rows::<RawRow>().map_err(|error| unreadable(&error))? {
            row.and_then(|row| row.append_to(&mut cells)).map_err(|error| unreadable(&error))?;
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Answer { columns: count(result.column_specs().len()), rows: count(result.rows_num()), cells, paging_state })
    }
}

/// A request under way. Its completion comes in any case: when the session ends or the task panics, as a failure.
struct Pending {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    tag: u64,
    started: Instant,
    completed: bool,
}

impl Pending {
    fn new(shared: &Arc<Shared>, queue: &Arc<Queue>, tag: u64) -> Pending {
        let (shared, queue) = (Arc::clone(shared), Arc::clone(queue));
        Pending { shared, queue, tag, started: Instant::now(), completed: false }
    }

    fn answer(self, outcome: Result<Option<(QueryResult, PagingStateResponse)>, ExecutionError>) {
        let answer = match outcome {
            Ok(answer) => {
                self.shared.latencies.record(self.started.elapsed());
                answer.map(|(result, paging)| {
                    let more = match paging.into_paging_control_flow() {
                        ControlFlow::Continue(state) => state.as_bytes_slice().cloned(),
                        ControlFlow::Break(()) => None,
                    };
                    Answer::new(result, more)
                })
            }
            Err(error) => Some(Err(self.shared.errors().of_execution(error))),
        };
        self.complete(answer.transpose());
    }

    fn complete(mut self, outcome: Result<Option<Answer>, Failure>) {
        self.completed = true;
        self.queue.push(Completion { tag: self.tag, outcome });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.completed {
            let failure = if std::thread::panicking() {
                Failure::new(Status::Failed, "the client failed")
            } else {
                Failure::new(Status::Unreachable, "the session was closed")
            };
            self.queue.push(Completion { tag: self.tag, outcome: Err(failure) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::host_names;

    #[test]
    fn host_names_are_those_of_points_without_an_address() {
        let points = ["127.0.0.1:9042", "one.example:9042", "[::1]:9042", "two.example:1"].map(str::to_string);
        assert_eq!(host_names(&points), ["one.example", "two.example"]);
    }
}
