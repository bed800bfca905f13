/* A Cassandra client for C: a session, prepared statements, rows in as encoded cells, completions out through a queue
 * that the caller polls. Nothing of the implementation (Rust, the scylla driver) can be seen through it.
 *
 * Everything may be called from any thread; a queue is polled by one thread at a time. Text is UTF-8 and ends with a
 * zero byte. No call panics or throws: what goes wrong is a status with a message.
 *
 * Cells are as the CQL binary protocol has them, version 4, section 6 ([value]): a length of 4 bytes, big endian, and
 * so many bytes; length -1 is null, and -2 leaves the column as it is. */
#ifndef FINPIPE_CQL_H
#define FINPIPE_CQL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fp_cql_session fp_cql_session;
typedef struct fp_cql_statement fp_cql_statement;
typedef struct fp_cql_queue fp_cql_queue;
typedef struct fp_cql_result fp_cql_result;

typedef enum {
  FP_CQL_OK = 0,
  /* Nobody answers at any contact point, or no node that has the data is connected. May pass. */
  FP_CQL_UNREACHABLE = 1,
  /* No answer in time, or the server gave up waiting for its replicas: a write may have been applied. May pass. */
  FP_CQL_TIMEOUT = 2,
  /* The server says that too few replicas are alive, that they or itself failed, or that it is starting; or that it is
   * overloaded. May pass. */
  FP_CQL_UNAVAILABLE = 3,
  FP_CQL_OVERLOADED = 4,
  /* Will not pass by itself. */
  FP_CQL_BAD_CREDENTIALS = 5, /* user or password are wrong, or the server wants some and got none */
  FP_CQL_UNAUTHORIZED = 6,    /* the user may not do that */
  FP_CQL_TLS_UNTRUSTED = 7,   /* the server's certificate is not signed by the CA that was given */
  FP_CQL_TLS_WRONG_HOST = 8,  /* it is for another host or address */
  FP_CQL_TLS_EXPIRED = 9,     /* it is expired, or not valid yet */
  FP_CQL_TLS_FAILED = 10,     /* any other failure of TLS: no TLS there, our certificate refused or missing */
  FP_CQL_BAD_FILE = 11,       /* a file of certificates or keys cannot be read or used */
  FP_CQL_NO_KEYSPACE = 12,
  FP_CQL_NO_TABLE = 13, /* a table or column is not there */
  FP_CQL_INVALID = 14,  /* the server refuses the request, or cells are malformed: the message says why */
  FP_CQL_FAILED = 15    /* anything else; the message says what */
} fp_cql_status;

typedef struct {
  const char* contact_points; /* "host:port,host:port" */
  const char* keyspace;       /* written as it was when quoted; NULL: none is used */
  int keyspace_is_new;        /* 1: waits for a node that has not heard of it yet */
  const char* user;           /* NULL: no authentication */
  const char* password;
  /* 1: TLS. A server's certificate must be for the address that we connect to, or for a host name that stands in
   * contact_points: of the nodes that a server tells of we know addresses only. */
  int tls;
  const char* ca_file;          /* PEM; NULL: the system's */
  const char* certificate_file; /* PEM, the client's own; NULL: none */
  const char* key_file;         /* PEM, not encrypted; NULL: the key is in certificate_file */
  const char* datacenter;       /* only its nodes are asked; NULL: all nodes alike */
  uint32_t connections;         /* to each node; at least 1 */
  uint32_t threads;             /* of the client; at least 1 */
  uint32_t connect_timeout_ms;  /* of the whole of fp_cql_connect too */
} fp_cql_options;

/* Connects, waits at most connect_timeout_ms, and learns of all nodes. On failure *session is NULL and *message, when
 * not NULL, a text that fp_cql_free_text frees. Later the session reconnects by itself. */
fp_cql_status fp_cql_connect(const fp_cql_options* options, fp_cql_session** session, char** message);
/* Ends the session; what is under way completes first, as FP_CQL_UNREACHABLE what takes longer than 2 s. */
void fp_cql_close(fp_cql_session* session);
void fp_cql_free_text(char* text);

typedef struct {
  uint32_t nodes;                          /* that the cluster has */
  uint32_t nodes_up;                       /* that we have at least one connection to */
  uint32_t connections;                    /* open now */
  uint64_t requests;                       /* sent since the session began */
  uint64_t errors;                         /* answers that were errors, retried ones included */
  uint64_t retries;                        /* by the driver itself, on another node or the same */
  uint64_t latency_us_p50, latency_us_p99; /* of requests that succeeded */
} fp_cql_statistics;
void fp_cql_statistics_of(const fp_cql_session* session, fp_cql_statistics* statistics);

/* Consistency levels as the protocol numbers them. */
typedef enum {
  FP_CQL_ONE = 1,
  FP_CQL_TWO = 2,
  FP_CQL_THREE = 3,
  FP_CQL_QUORUM = 4,
  FP_CQL_ALL = 5,
  FP_CQL_LOCAL_QUORUM = 6,
  FP_CQL_EACH_QUORUM = 7,
  FP_CQL_LOCAL_ONE = 10
} fp_cql_consistency;

/* Waits. Every statement must be idempotent: the driver may send it twice, and to another node when the first one is
 * slow (after speculative_ms; 0: never). The text must use markers for all values. Statements are re-prepared by
 * themselves where a node does not know them. Free it before its session is closed. */
fp_cql_status fp_cql_prepare(fp_cql_session* session, const char* cql, fp_cql_consistency consistency,
                             uint32_t timeout_ms, uint32_t speculative_ms, fp_cql_statement** statement,
                             char** message);
void fp_cql_free_statement(fp_cql_statement* statement);

/* Waits. One statement without markers, not prepared: DDL (until the nodes agree on the schema) and questions about
 * the schema. *result may be NULL when it is not wanted. */
fp_cql_status fp_cql_run(fp_cql_session* session, const char* cql, uint32_t timeout_ms, fp_cql_result** result,
                         char** message);

fp_cql_queue* fp_cql_new_queue(void);
/* What has not been polled is dropped, also what completes later. */
void fp_cql_free_queue(fp_cql_queue* queue);

/* Sends, and never waits; a completion with `tag` will be in the queue. `cells` are those of one row after the other,
 * in the order of the statement's markers; they are copied. Several rows become one unlogged batch, and must be of one
 * partition; at most 65,535. */
void fp_cql_execute(fp_cql_session* session, fp_cql_queue* queue, const fp_cql_statement* statement, uint32_t rows,
                    const uint8_t* cells, size_t size, uint64_t tag);
/* Likewise one page of a SELECT; what is none has an answer without columns. `paging_state` is NULL for the first page.
 */
void fp_cql_query(fp_cql_session* session, fp_cql_queue* queue, const fp_cql_statement* statement, const uint8_t* cells,
                  size_t size, int32_t page_rows, const uint8_t* paging_state, size_t paging_state_size, uint64_t tag);

typedef struct {
  uint64_t tag;
  fp_cql_status status;
  char* message;         /* NULL when FP_CQL_OK */
  fp_cql_result* result; /* of fp_cql_query when it succeeded; else NULL */
} fp_cql_completion;

/* Takes what is there, at most `capacity`; waits at most timeout_ms for the first. Returns how many. Each is to be
 * freed by fp_cql_free_completion. */
size_t fp_cql_poll(fp_cql_queue* queue, fp_cql_completion* completions, size_t capacity, uint32_t timeout_ms);
void fp_cql_free_completion(fp_cql_completion* completion);

typedef struct {
  uint32_t columns;
  uint32_t rows;
  const uint8_t* cells; /* of one row after the other; they live as long as the result */
  size_t size;
  const uint8_t* paging_state; /* NULL: this was the last page */
  size_t paging_state_size;
} fp_cql_rows;
void fp_cql_rows_of(const fp_cql_result* result, fp_cql_rows* rows);
void fp_cql_free_result(fp_cql_result* result);

#ifdef __cplusplus
}
#endif

#endif /* FINPIPE_CQL_H */
