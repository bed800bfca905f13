//! What the driver's errors mean to the caller.

use crate::tls::{self, Rejections};
use scylla::errors::{
    BrokenConnectionError, BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError,
    ConnectionSetupRequestErrorKind, DbError, ExecutionError, FrameHeaderParseError, MetadataError, NewSessionError,
    PrepareError, RequestAttemptError, SchemaAgreementError, UseKeyspaceError,
};
use std::fmt::Display;
use std::io;
use std::time::Duration;

/// The numbers of `fp_cql_status`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub enum Status {
    Ok = 0,
    Unreachable = 1,
    Timeout = 2,
    Unavailable = 3,
    Overloaded = 4,
    BadCredentials = 5,
    Unauthorized = 6,
    TlsUntrusted = 7,
    TlsWrongHost = 8,
    TlsExpired = 9,
    TlsFailed = 10,
    BadFile = 11,
    NoKeyspace = 12,
    NoTable = 13,
    Invalid = 14,
    Failed = 15,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl Failure {
    pub fn new(status: Status, message: impl Display) -> Failure {
        Failure { status, message: message.to_string() }
    }

    pub fn no_answer(limit: Duration) -> Failure {
        Failure::new(Status::Timeout, format_args!("no answer within {} ms", limit.as_millis()))
    }
}

/// Turns errors into failures. With TLS, the driver's errors do not say why a certificate was refused: `rejections` do.
#[derive(Clone, Copy)]
pub struct Errors<'a> {
    pub rejections: Option<&'a Rejections>,
}

impl Errors<'_> {
    pub fn of_connect(self, error: NewSessionError) -> Failure {
        match error {
            NewSessionError::FailedToResolveAnyHostname(hosts) => {
                Failure::new(Status::Unreachable, format_args!("cannot resolve {}", hosts.join(", ")))
            }
            NewSessionError::EmptyKnownNodesList => Failure::new(Status::Invalid, error),
            NewSessionError::MetadataError(error) => self.of_metadata(error),
            NewSessionError::UseKeyspaceError(error) => self.of_use_keyspace(error),
            error => Failure::new(Status::Failed, error),
        }
    }

    pub fn of_execution(self, error: ExecutionError) -> Failure {
        match error {
            ExecutionError::EmptyPlan => Failure::new(Status::Unreachable, "no node is connected"),
            ExecutionError::ConnectionPoolError(error) => self.of_pool(error),
            ExecutionError::LastAttemptError(error) => self.of_attempt(error),
            ExecutionError::RequestTimeout(limit) => Failure::no_answer(limit),
            ExecutionError::PrepareError(error) => self.of_prepare(error),
            ExecutionError::UseKeyspaceError(error) => self.of_use_keyspace(error),
            ExecutionError::SchemaAgreementError(error) => self.of_agreement(error),
            ExecutionError::MetadataError(error) => self.of_metadata(error),
            ExecutionError::BadQuery(error) => Failure::new(Status::Invalid, error),
            error => Failure::new(Status::Failed, error),
        }
    }

    pub fn of_prepare(self, error: PrepareError) -> Failure {
        match error {
            PrepareError::ConnectionPoolError(error) => self.of_pool(error),
            PrepareError::AllAttemptsFailed { first_attempt } => self.of_attempt(first_attempt),
            error => Failure::new(Status::Failed, error),
        }
    }

    fn of_agreement(self, error: SchemaAgreementError) -> Failure {
        match error {
            SchemaAgreementError::ConnectionPoolError(error) => self.of_pool(error),
            SchemaAgreementError::PrepareError(error) => self.of_prepare(error),
            SchemaAgreementError::RequestError(error) => self.of_attempt(error),
            SchemaAgreementError::Timeout(_) => Failure::new(Status::Timeout, error),
            SchemaAgreementError::RequiredHostAbsent(_) => Failure::new(Status::Unreachable, error),
            error => Failure::new(Status::Failed, error),
        }
    }

    fn of_metadata(self, error: MetadataError) -> Failure {
        match error {
            MetadataError::ConnectionPoolError(error) => self.of_pool(error),
            // A node that starts or ends says all kinds of things about itself.
            error => Failure::new(Status::Unreachable, error),
        }
    }

    fn of_use_keyspace(self, error: UseKeyspaceError) -> Failure {
        match error {
            UseKeyspaceError::RequestError(error) => self.of_attempt(error),
            UseKeyspaceError::RequestTimeout(limit) => Failure::no_answer(limit),
            UseKeyspaceError::BadKeyspaceName(error) => Failure::new(Status::NoKeyspace, error),
            error => Failure::new(Status::Failed, error),
        }
    }

    fn of_pool(self, error: ConnectionPoolError) -> Failure {
        match error {
            ConnectionPoolError::Broken { last_connection_error } => self.of_connection(last_connection_error),
            error => Failure::new(Status::Unreachable, error),
        }
    }

    fn of_connection(self, error: ConnectionError) -> Failure {
        match error {
            ConnectionError::ConnectTimeout => Failure::new(Status::Unreachable, "no connection in time"),
            ConnectionError::IoError(error) => self.of_io(&error),
            ConnectionError::BrokenConnection(error) => self.of_broken(&error),
            ConnectionError::ConnectionSetupRequestError(error) => self.of_setup(error.error),
            ConnectionError::UseKeyspaceError(error) => self.of_use_keyspace(error),
            error => Failure::new(Status::Unreachable, error),
        }
    }

    fn of_setup(self, error: ConnectionSetupRequestErrorKind) -> Failure {
        use ConnectionSetupRequestErrorKind as Kind;
        match error {
            Kind::DbError(error, reason) => of_server(&error, &reason),
            Kind::BrokenConnection(error) => self.of_broken(&error),
            Kind::MissingAuthentication => {
                Failure::new(Status::BadCredentials, "the server asks for a user and a password, and none are given")
            }
            error @ (Kind::StartAuthSessionError(_)
            | Kind::AuthChallengeEvaluationError(_)
            | Kind::AuthFinishError(_)) => Failure::new(Status::BadCredentials, error),
            error => Failure::new(Status::Failed, error),
        }
    }

    fn of_attempt(self, error: RequestAttemptError) -> Failure {
        match error {
            RequestAttemptError::DbError(error, reason) => of_server(&error, &reason),
            RequestAttemptError::BrokenConnectionError(error) => self.of_broken(&error),
            // Each connection has 32,768; the driver has tried the others.
            RequestAttemptError::UnableToAllocStreamId => {
                Failure::new(Status::Overloaded, "too many requests are under way")
            }
            error @ (RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_)) => {
                Failure::new(Status::Invalid, error)
            }
            error => Failure::new(Status::Failed, error),
        }
    }

    fn of_broken(self, error: &BrokenConnectionError) -> Failure {
        let cause = match error.downcast_ref::<BrokenConnectionErrorKind>() {
            Some(BrokenConnectionErrorKind::WriteError(cause)) => Some(cause),
            Some(BrokenConnectionErrorKind::FrameHeaderParseError(
                FrameHeaderParseError::HeaderIoError(cause) | FrameHeaderParseError::BodyChunkIoError(_, cause),
            )) => Some(cause),
            _ => None,
        };
        cause.map_or_else(|| Failure::new(Status::Unreachable, error), |cause| self.of_io(cause))
    }

    fn of_io(self, error: &io::Error) -> Failure {
        tls::failure_of(error, self.rejections).unwrap_or_else(|| Failure::new(Status::Unreachable, error))
    }
}

/// What the server answered. The message is the server's own.
fn of_server(error: &DbError, reason: &str) -> Failure {
    let status = match error {
        DbError::Invalid | DbError::ConfigError => status_of_invalid(reason),
        DbError::SyntaxError | DbError::AlreadyExists { .. } | DbError::FunctionFailure { .. } => Status::Invalid,
        // So it says when it cannot read what it knows of its users.
        DbError::AuthenticationError if reason.starts_with("Unable to perform authentication") => Status::Unavailable,
        DbError::AuthenticationError => Status::BadCredentials,
        DbError::Unauthorized if reason.starts_with("Unable to perform authorization") => Status::Unavailable,
        DbError::Unauthorized => Status::Unauthorized,
        DbError::ReadTimeout { .. } | DbError::WriteTimeout { .. } => Status::Timeout,
        DbError::Overloaded | DbError::RateLimitReached { .. } => Status::Overloaded,
        // A server that shuts down answers with ServerError.
        DbError::Unavailable { .. }
        | DbError::IsBootstrapping
        | DbError::ReadFailure { .. }
        | DbError::WriteFailure { .. }
        | DbError::ServerError => Status::Unavailable,
        _ => Status::Failed,
    };
    if reason.is_empty() { Failure::new(status, error) } else { Failure::new(status, reason) }
}

/// The protocol has one code for these; what is missing stands in the text only.
fn status_of_invalid(reason: &str) -> Status {
    let text = reason.to_lowercase();
    let missing = text.contains("does not exist") || text.contains("doesn't exist");
    if text.starts_with("no keyspace has been specified") || missing && text.starts_with("keyspace ") {
        Status::NoKeyspace
    } else if text.starts_with("unconfigured table")
        || text.starts_with("undefined column")
        || missing && text.starts_with("table ")
    {
        Status::NoTable
    } else {
        Status::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::frame::types::Consistency;
    use std::sync::Arc;

    const ERRORS: Errors<'static> = Errors { rejections: None };

    fn of_server_error(error: DbError, reason: &str) -> Status {
        let attempt = RequestAttemptError::DbError(error, reason.to_string());
        let failure = ERRORS.of_execution(ExecutionError::LastAttemptError(attempt));
        assert!(!failure.message.is_empty());
        failure.status
    }

    #[test]
    fn what_is_missing_is_read_from_the_text() {
        let cases = [
            ("Keyspace 'nope' does not exist", Status::NoKeyspace),
            ("keyspace nope does not exist", Status::NoKeyspace),
            ("Keyspace 'nope' doesn't exist", Status::NoKeyspace),
            ("No keyspace has been specified. USE a keyspace, or explicitly specify", Status::NoKeyspace),
            ("unconfigured table nope", Status::NoTable),
            ("table nope does not exist", Status::NoTable),
            ("Table 'a.nope' doesn't exist", Status::NoTable),
            ("Undefined column name nope in table a.b", Status::NoTable),
            ("Cannot execute this query as it might involve data filtering", Status::Invalid),
        ];
        for (text, status) in cases {
            assert_eq!(of_server_error(DbError::Invalid, text), status, "{text}");
        }
    }

    #[test]
    fn server_errors_have_their_status() {
        let consistency = Consistency::LocalQuorum;
        let unavailable = DbError::Unavailable { consistency, required: 2, alive: 1 };
        let timeout = DbError::ReadTimeout { consistency, received: 1, required: 2, data_present: false };
        assert_eq!(of_server_error(unavailable, ""), Status::Unavailable);
        assert_eq!(of_server_error(timeout, "Operation timed out"), Status::Timeout);
        assert_eq!(of_server_error(DbError::Overloaded, ""), Status::Overloaded);
        assert_eq!(of_server_error(DbError::IsBootstrapping, ""), Status::Unavailable);
        assert_eq!(of_server_error(DbError::ServerError, ""), Status::Unavailable);
        assert_eq!(of_server_error(DbError::Unauthorized, "no"), Status::Unauthorized);
        let unknown = "Unable to perform authorization of permissions: no replica answers";
        assert_eq!(of_server_error(DbError::Unauthorized, unknown), Status::Unavailable);
        assert_eq!(of_server_error(DbError::AuthenticationError, "wrong"), Status::BadCredentials);
        let reason = "Unable to perform authentication: Operation timed out";
        assert_eq!(of_server_error(DbError::AuthenticationError, reason), Status::Unavailable);
        assert_eq!(of_server_error(DbError::SyntaxError, "line 1"), Status::Invalid);
        assert_eq!(of_server_error(DbError::ProtocolError, ""), Status::Failed);
    }

    #[test]
    fn the_servers_message_is_kept() {
        let attempt = RequestAttemptError::DbError(DbError::SyntaxError, "line 1:0 no viable".to_string());
        let failure = ERRORS.of_prepare(PrepareError::AllAttemptsFailed { first_attempt: attempt });
        assert_eq!(failure, Failure::new(Status::Invalid, "line 1:0 no viable"));
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let last_connection_error = ConnectionError::IoError(Arc::new(refused));
        let broken = ConnectionPoolError::Broken { last_connection_error };
        let connect = NewSessionError::MetadataError(MetadataError::ConnectionPoolError(broken.clone()));
        assert_eq!(ERRORS.of_connect(connect), Failure::new(Status::Unreachable, "connection refused"));
        assert_eq!(ERRORS.of_execution(ExecutionError::ConnectionPoolError(broken)).status, Status::Unreachable);
        assert_eq!(ERRORS.of_execution(ExecutionError::EmptyPlan).status, Status::Unreachable);
    }

    #[test]
    fn a_limit_in_time_is_named() {
        let failure = ERRORS.of_execution(ExecutionError::RequestTimeout(Duration::from_millis(250)));
        assert_eq!(failure, Failure::new(Status::Timeout, "no answer within 250 ms"));
    }

    #[test]
    fn statuses_have_the_numbers_of_the_header() {
        let header = include_str!("../include/finpipe_cql.h");
        let numbers: Vec<i32> = header
            .lines()
            .filter_map(|line| line.trim().strip_prefix("FP_CQL_")?.split_once(" = ")?.1.split([',', ' ']).next())
            .filter_map(|number| number.parse().ok())
            .take(16)
            .collect();
        assert_eq!(numbers, (0..16).collect::<Vec<i32>>());
        assert_eq!(Status::TlsFailed as i32, 10);
        assert_eq!(Status::Failed as i32, 15);
    }
}
