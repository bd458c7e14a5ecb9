/**
 * @file keirin.h
 * @brief An HTTP/1.1 and WebSocket engine: one event loop per core, and a response that cannot be
 * misused.
 *
 * @code
 * static void hello(void *user, keirin_loop_t *loop, keirin_response_t response,
 *                   const keirin_request_t *request) {
 *     (void)user, (void)request;
 *     keirin_response_end(loop, response, KEIRIN_LITERAL("Hello world!"));
 * }
 *
 * int main(void) {
 *     keirin_app_t *app = keirin_app_new();
 *     keirin_server_t *server = NULL;
 *     keirin_app_route(app, "GET", "/", hello, NULL, NULL);
 *     if (keirin_server_new(app, NULL, &server) != KEIRIN_OK ||
 *         keirin_server_listen(server, "127.0.0.1:3000", NULL) != KEIRIN_OK) {
 *         fprintf(stderr, "%s\n", keirin_last_error());
 *         return 1;
 *     }
 *     keirin_app_free(app);
 *     return keirin_server_run(server) != KEIRIN_OK;
 * }
 * @endcode
 *
 * @section conventions Conventions
 *
 * - Calls that can be refused return a keirin_status_t: 0 or more is done, negative refused. A
 *   refused call changes nothing, but where its documentation says otherwise. Results go to the last
 *   parameters, and are written only when the call is done.
 * - What is set up takes strings that end with a NUL; what happens for each request or message takes
 *   a pointer and a length. The pointer is not looked at when the length is 0.
 * - What keirin_..._new() and keirin_..._clone() make belongs to the caller, and goes back with
 *   keirin_..._free(). Everything else is a value (keirin_response_t, keirin_ws_t, keirin_timer_t),
 *   with nothing to free, or was lent: a pointer that a callback is given dies when it returns.
 * - A callback is registered with a pointer `user`, which it is given first, and with a destructor
 *   for that, which may be NULL. The destructor is called exactly once, also when the registration
 *   is refused.
 * - A pointer that is not NULL has to be valid, and one to something of this library must have come
 *   from it, and not have been freed. NULL is always found out: KEIRIN_ERR_NULL. So is a name that
 *   is not good any more, in whatever way: KEIRIN_ERR_STALE.
 * - Callbacks must not leave by an exception or longjmp(): the process is ended then. The C++ header
 *   keirin.hpp sees to that.
 *
 * @section threads Threads
 *
 * A loop, with its connections, belongs to the thread that made it, or to the worker's thread of its
 * server. Calls for it from another thread are KEIRIN_ERR_WRONG_THREAD. Other threads use
 * keirin_remote_...(), which is made for that, keirin_server_...(), keirin_message_...(), and what
 * has no state: texts and versions. Configurations, behaviours and apps may be used on one thread at
 * a time, and freed as soon as something was made of them.
 *
 * With several workers, handlers and destructors run on several threads at once. What their `user`
 * points to has to allow that; what a handler keeps for a loop or socket (keirin_loop_user(),
 * keirin_ws_user()) is only ever used on that loop's thread.
 *
 * After fork(), the child must not use what the parent has made.
 *
 * @section callbacks Calls from within callbacks
 *
 * A callback may make every call for its loop but those that turn or free it (KEIRIN_ERR_REENTRANT).
 * None of them calls another callback before it returns: that a socket has closed, that an answer
 * was aborted, that output has drained is told when the present callback has returned. Bytes are
 * immediate: they go out in the order of the calls, and everything that is written in one callback
 * leaves in one system call. Destructors and the log callback may not call for the loop
 * (KEIRIN_ERR_REENTRANT), but for destructors that are called by a function which says that it
 * destroys.
 *
 * A call outside any callback, on the loop's thread, is an entry of its own: what it has caused is
 * seen to before it returns, which may run callbacks.
 *
 * @section errors When something goes wrong
 *
 * Every misuse is a refusal. A second answer, an answer after the peer has left, and what else
 * reaches an engine is counted (KEIRIN_COUNT_MISUSE_STALE, KEIRIN_COUNT_MISUSE_OTHER); NULL, the
 * wrong thread, text that is not UTF-8 do not get so far. A handler that forgets its answer is
 * answered for with 500, counted, and logged. No input from the network can do more than end its own
 * connection.
 */


#ifndef KEIRIN_H
#define KEIRIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A string literal as the pointer and the length that functions take:
 * keirin_response_end(loop, response, KEIRIN_LITERAL("Hello world!")).
 */
#define KEIRIN_LITERAL(text) ("" text ""), (sizeof(text) - 1)

/**
 * The message is dropped: KEIRIN_DROPPED, and the dropped handler is told.
 */
#define KEIRIN_BACKPRESSURE_DROP 0

/**
 * The socket is closed with 1013.
 */
#define KEIRIN_BACKPRESSURE_CLOSE 1

/**
 * The message is queued all the same; the program looks at keirin_ws_queued().
 */
#define KEIRIN_BACKPRESSURE_QUEUE 2

/**
 * The version of this header's interface. It changes with every incompatible change.
 */
#define KEIRIN_VERSION_MAJOR 0

/**
 * It changes when something is added.
 */
#define KEIRIN_VERSION_MINOR 1

/**
 * It changes with every other release.
 */
#define KEIRIN_VERSION_PATCH 0

/**
 * The three in one number, which grows: to be compared with keirin_version_number(). A library of
 * the same major number, and the same or a greater minor one, fits this header.
 */
#define KEIRIN_VERSION_NUMBER 100

/**
 * Routes, kinds of WebSocket, and hooks. Loops and servers are made of it; each keeps what it
 * needs, so that the app can be freed then. It may be used on one thread at a time.
 */
typedef struct keirin_app_t keirin_app_t;

/**
 * A kind of WebSocket: its limits and its handlers. It may be used on one thread at a time. What
 * has no handler is taken care of silently.
 */
typedef struct keirin_behaviour_t keirin_behaviour_t;

/**
 * Limits and timeouts of a server or loop. It may be used on one thread at a time, and for any
 * number of them.
 */
typedef struct keirin_config_t keirin_config_t;

/**
 * A valid request for a WebSocket. It is a value of its own, so that the answer can wait: for a
 * look at a session store, say. It may be used on one thread at a time.
 */
typedef struct keirin_handshake_t keirin_handshake_t;

/**
 * One event loop, with its connections, on one thread.
 */
typedef struct keirin_loop_t keirin_loop_t;

/**
 * A message for any number of sockets, on any worker: framed and compressed once, when the first
 * of them is sent it. It may be used on any thread.
 */
typedef struct keirin_message_t keirin_message_t;

/**
 * A way into a loop, or into all loops of a server, from any thread. It stays valid when what it
 * leads to is gone: calls are KEIRIN_ERR_STOPPED then, but that a publication reaches nobody and a
 * stop has nothing to do is no error. Functions that take it are the ones to call
 * from other threads, and they may be called from the loop's own.
 */
typedef struct keirin_remote_t keirin_remote_t;

/**
 * A request's head. The one that a handler is given is gone when the handler returns;
 * keirin_request_clone() makes one that stays. It may be read on any thread.
 */
typedef struct keirin_request_t keirin_request_t;

/**
 * A server: one loop for each core, each on a thread of its own. Its functions may be called from
 * any thread, but for keirin_server_free().
 */
typedef struct keirin_server_t keirin_server_t;

/**
 * How a call has ended: 0 or more when it was carried out, negative when it was refused. A call
 * that is refused changes nothing, but where its documentation says otherwise. The numbers do not
 * change their meaning, and none is used again.
 */
typedef int32_t keirin_status_t;

/**
 * Names one answer, of a worker, for as long as it is owed. It is a value: copy it, keep it, hand
 * it to other threads; once the answer is complete, or the peer has left, it names nothing, and
 * never another answer. All zeros names nothing either.
 *
 * Calls that name it are KEIRIN_ERR_STALE or KEIRIN_ERR_ALREADY_ENDED then; that changes nothing
 * and is counted.
 */
typedef struct {
    /**
     * The connection.
     */
    uint64_t conn;
    /**
     * The number of the request on it.
     */
    uint32_t request;
    /**
     * 0.
     */
    uint32_t reserved;
} keirin_response_t;

/**
 * Answers a request. The request is gone when it returns; the answer is named `response`. A
 * handler that returns with the answer neither completed nor kept for later is answered 500,
 * counted and logged.
 */
typedef void (*keirin_request_fn)(void *user,
                                  keirin_loop_t *loop,
                                  keirin_response_t response,
                                  const keirin_request_t *request);

/**
 * Destroys what a `user` pointer points to. It is called exactly once for each registration, on
 * whatever thread lets go of it last, also when the registration is refused; NULL is no need for
 * it. Calls to this library from within it for a loop may be refused with KEIRIN_ERR_REENTRANT.
 */
typedef void (*keirin_drop_fn)(void *user);

/**
 * Names a kind of WebSocket of an app. From keirin_app_behaviour().
 */
typedef struct {
    /**
     * Its number.
     */
    uint16_t index;
} keirin_sockets_t;

/**
 * Is called on a loop's thread, with the loop.
 */
typedef void (*keirin_task_fn)(void *user, keirin_loop_t *loop);

/**
 * How much a log record matters.
 */
typedef uint32_t keirin_level_t;

/**
 * An IP address and port.
 */
typedef struct {
    /**
     * The address in network order: the first four for IPv4, all for IPv6.
     */
    uint8_t bytes[16];
    /**
     * How many of them it has: 4 or 16; 0 for a peer on a Unix socket.
     */
    uint8_t length;
    /**
     * The port.
     */
    uint16_t port;
} keirin_address_t;

/**
 * Is given a log record: a sentence, not ended by a NUL, and the peer it is about, or NULL. All
 * are gone when it returns. It is called on the loop's thread between callbacks; calls to this
 * library from within it for the loop are KEIRIN_ERR_REENTRANT.
 */
typedef void (*keirin_log_fn)(void *user,
                              keirin_level_t level,
                              const uint8_t *message,
                              size_t length,
                              const keirin_address_t *peer);

/**
 * Names an option of a kind of WebSocket for keirin_behaviour_set(). Sizes are in bytes, times in
 * milliseconds.
 */
typedef uint32_t keirin_ws_option_t;

/**
 * Names one WebSocket, of a worker, for as long as it is open. It is a value: copy it, keep it,
 * hand it to other threads; afterwards it names nothing, and never another socket. All zeros names
 * nothing either.
 *
 * Calls that name it are KEIRIN_ERR_STALE then; that changes nothing and is counted. Within its
 * close handler keirin_ws_user(), keirin_ws_set_user(), keirin_ws_peer() and keirin_ws_publish()
 * still take it.
 */
typedef struct {
    /**
     * Its number.
     */
    uint64_t id;
} keirin_ws_t;

/**
 * A handler that is told of a socket.
 */
typedef void (*keirin_ws_fn)(void *user, keirin_loop_t *loop, keirin_ws_t ws);

/**
 * What a message is: KEIRIN_TEXT or KEIRIN_BINARY, for what is sent also with KEIRIN_UNCOMPRESSED
 * (KEIRIN_TEXT | KEIRIN_UNCOMPRESSED).
 */
typedef uint32_t keirin_message_kind_t;

/**
 * A handler that is given a message: KEIRIN_TEXT, which is valid UTF-8, or KEIRIN_BINARY. The
 * bytes are gone when it returns.
 */
typedef void (*keirin_ws_message_fn)(void *user,
                                     keirin_loop_t *loop,
                                     keirin_ws_t ws,
                                     keirin_message_kind_t kind,
                                     const uint8_t *data,
                                     size_t length);

/**
 * A handler that is given the payload of a Ping or Pong. The bytes are gone when it returns.
 */
typedef void (*keirin_ws_control_fn)(void *user,
                                     keirin_loop_t *loop,
                                     keirin_ws_t ws,
                                     const uint8_t *data,
                                     size_t length);

/**
 * Bytes that belong to somebody else. `data` is NULL for what is absent, and not for what is
 * empty.
 */
typedef struct {
    /**
     * The first byte.
     */
    const uint8_t *data;
    /**
     * How many there are. They are not followed by a NUL.
     */
    size_t length;
} keirin_bytes_t;

/**
 * A subscription that was made or ended.
 */
typedef struct {
    /**
     * The topic, or the pattern. It is gone when the handler returns.
     */
    keirin_bytes_t topic;
    /**
     * Whether it is a pattern.
     */
    bool is_pattern;
    /**
     * How many sockets of this worker have this subscription now,
     */
    size_t count;
    /**
     * and how many had it before.
     */
    size_t count_before;
} keirin_subscription_t;

/**
 * A handler that is told of a subscription that was made or ended.
 */
typedef void (*keirin_ws_subscription_fn)(void *user,
                                          keirin_loop_t *loop,
                                          keirin_ws_t ws,
                                          const keirin_subscription_t *change);

/**
 * Why a WebSocket is not open any more.
 */
typedef uint32_t keirin_close_cause_t;

/**
 * A handler that is told how a socket has ended: why, and the status code and reason of the Close
 * frame, received or sent. The code is 1005 where the peer's had none, 1006 without such a frame.
 */
typedef void (*keirin_ws_close_fn)(void *user,
                                   keirin_loop_t *loop,
                                   keirin_ws_t ws,
                                   keirin_close_cause_t cause,
                                   uint16_t code,
                                   const uint8_t *reason,
                                   size_t length);

/**
 * Is given the whole body of a request. It has to complete the answer, or to keep it. The bytes
 * are gone when it returns.
 */
typedef void (*keirin_body_fn)(void *user,
                               keirin_loop_t *loop,
                               keirin_response_t response,
                               const uint8_t *data,
                               size_t length);

/**
 * Is given a piece of a request's body; the last one, which may be empty, is marked. After the
 * last one it has to complete the answer, or to keep it. The bytes are gone when it returns.
 */
typedef void (*keirin_piece_fn)(void *user,
                                keirin_loop_t *loop,
                                keirin_response_t response,
                                const uint8_t *data,
                                size_t length,
                                bool last);

/**
 * Names a limit or timeout for keirin_config_set(). Sizes are in bytes, times in milliseconds.
 */
typedef uint32_t keirin_option_t;

/**
 * Names a counter for keirin_loop_count() and keirin_server_count().
 */
typedef uint32_t keirin_counter_t;

/**
 * How many sockets a message was published to.
 */
typedef struct {
    /**
     * Subscribers that it was meant for, on all workers. On the publisher's own worker each counts
     * once; on others, once for each of its subscriptions that match.
     */
    size_t matched;
    /**
     * Those of them that do not get it, because too much waits for them, or for their worker.
     */
    size_t dropped;
} keirin_published_t;

/**
 * Is given a topic, or pattern, that a socket is subscribed to.
 */
typedef void (*keirin_topic_fn)(void *user, const uint8_t *topic, size_t length, bool is_pattern);

/**
 * Is told that an answer cannot be completed: the peer has left, was too slow, or has sent a
 * malformed body. The response is named to be told from others; it is stale.
 */
typedef void (*keirin_aborted_fn)(void *user, keirin_loop_t *loop, keirin_response_t response);

/**
 * Goes on with an answer whose peer has taken what was written: `written` bytes of content so far.
 * It has to complete the answer, or to keep it again.
 */
typedef void (*keirin_writable_fn)(void *user,
                                   keirin_loop_t *loop,
                                   keirin_response_t response,
                                   uint64_t written);

/**
 * Names a timer. All zeros names none.
 */
typedef struct {
    /**
     * Its number.
     */
    uint64_t id;
} keirin_timer_t;

/**
 * A request was answered, or the like: see KEIRIN_ACCESS_LOG.
 */
#define KEIRIN_ACCESS 0

/**
 * A peer did something wrong; the server is well.
 */
#define KEIRIN_INFO 1

/**
 * Something that its operator should look at: a limit was hit, a handler is at fault.
 */
#define KEIRIN_WARN 2

/**
 * Something does not work.
 */
#define KEIRIN_ERROR 3

/**
 * Bytes of a message from the peer, at least 1; a longer one closes the socket with 1009. The
 * default is 1 MiB.
 */
#define KEIRIN_WS_MESSAGE_BYTES_MAX 1

/**
 * What happens to a message for a peer that does not read: KEIRIN_BACKPRESSURE_DROP, the default,
 * KEIRIN_BACKPRESSURE_CLOSE or KEIRIN_BACKPRESSURE_QUEUE.
 */
#define KEIRIN_WS_BACKPRESSURE 2

/**
 * Bytes that may wait for a peer before that happens, at least 16384. The default is 1 MiB.
 */
#define KEIRIN_WS_BACKPRESSURE_BYTES_MAX 3

/**
 * How long nothing may be heard of a peer; 0 is off. The default is 120000.
 */
#define KEIRIN_WS_IDLE_TIMEOUT_MS 4

/**
 * How long nothing is heard of a peer before it is sent a Ping; 0 is off. The default is 25000.
 */
#define KEIRIN_WS_PING_INTERVAL_MS 5

/**
 * How long a socket lives at most; 0, the default, is without end.
 */
#define KEIRIN_WS_LIFETIME_MS 6

/**
 * By how much lifetimes differ, so that not all end at once. The default is 0.
 */
#define KEIRIN_WS_LIFETIME_JITTER_MS 7

/**
 * 1: permessage-deflate (RFC 7692) is agreed to. The default is 0. Each of the options below
 * that begin with KEIRIN_WS_DEFLATE turns it on too.
 */
#define KEIRIN_WS_DEFLATE 8

/**
 * 0, the default: messages are compressed one by one, without memory per socket. 9 to 15: each
 * socket keeps a window of this many bits.
 */
#define KEIRIN_WS_DEFLATE_COMPRESSOR_WINDOW_BITS 9

/**
 * The same for what the peer sends.
 */
#define KEIRIN_WS_DEFLATE_DECOMPRESSOR_WINDOW_BITS 10

/**
 * Effort, 0 to 9. The default is 6.
 */
#define KEIRIN_WS_DEFLATE_LEVEL 11

/**
 * Shorter messages are sent as they are. The default is 64.
 */
#define KEIRIN_WS_DEFLATE_THRESHOLD_BYTES 12

/**
 * 1: Brotli is agreed to with clients that offer a subprotocol with "+br" behind it. The default
 * is 0. Each of the options below turns it on too.
 */
#define KEIRIN_WS_BROTLI 13

/**
 * Effort, 0 to 11. The default is 5.
 */
#define KEIRIN_WS_BROTLI_QUALITY 14

/**
 * How far back a message may refer: 10 to 24 bits. The default is 18.
 */
#define KEIRIN_WS_BROTLI_WINDOW_BITS 15

/**
 * Shorter messages are sent as they are. The default is 1400.
 */
#define KEIRIN_WS_BROTLI_THRESHOLD_BYTES 16

/**
 * Bytes of a request's head, 256 to 65536. The default is 16384; more is answered 431.
 */
#define KEIRIN_HEAD_BYTES_MAX 1

/**
 * Headers of a request, 1 to 256. The default is 100; more are answered 431.
 */
#define KEIRIN_HEADER_COUNT_MAX 2

/**
 * Bytes of a request's target, up to KEIRIN_HEAD_BYTES_MAX. The default is 8192; more is answered
 * 414.
 */
#define KEIRIN_TARGET_BYTES_MAX 3

/**
 * Bytes of a request's body. The default is 1 GiB; more is answered 413.
 */
#define KEIRIN_BODY_BYTES_MAX 4

/**
 * Bytes of a chunked body's extensions. The default is 4096.
 */
#define KEIRIN_CHUNK_EXTENSION_BYTES_MAX 5

/**
 * Bytes of a chunked body's trailers. The default is 8192.
 */
#define KEIRIN_TRAILER_BYTES_MAX 6

/**
 * Bytes of requests that wait behind one that is answered later, 1024 to 524288. The default is
 * 65536; what is more stays in the kernel.
 */
#define KEIRIN_PIPELINED_BYTES_MAX 7

/**
 * Requests of one connection that are handled before others have their turn, at least 1. The
 * default is 256.
 */
#define KEIRIN_REQUESTS_PER_TURN_MAX 8

/**
 * Open connections of a worker, at least 1; more are closed at once. The default is 16777216.
 */
#define KEIRIN_CONNECTIONS_MAX 9

/**
 * Bytes of an answer that wait in memory for a peer, at least 16384; for more the connection is
 * dropped. The default is 16 MiB.
 */
#define KEIRIN_WRITE_BUFFER_BYTES_MAX 10

/**
 * Bytes of a body nobody reads that are read and dropped to keep the connection open. The default
 * is 65536.
 */
#define KEIRIN_DISCARD_BYTES_MAX 11

/**
 * Within which a request's head has to be complete, at least 1. The default is 10000; later is
 * answered 408.
 */
#define KEIRIN_HEAD_TIMEOUT_MS 12

/**
 * How long a connection may be idle between requests, at least 1. The default is 75000.
 */
#define KEIRIN_KEEP_ALIVE_TIMEOUT_MS 13

/**
 * Bytes of a body that have to arrive in KEIRIN_BODY_WINDOW_MS; 0 is off. The default is 1024.
 */
#define KEIRIN_BODY_THROUGHPUT_MIN 14

/**
 * See KEIRIN_BODY_THROUGHPUT_MIN; at least 1. The default is 10000.
 */
#define KEIRIN_BODY_WINDOW_MS 15

/**
 * Within which an answer that was kept for later has to come, else it is 503; 0, the default, is
 * off.
 */
#define KEIRIN_ANSWER_TIMEOUT_MS 16

/**
 * How long a peer may read nothing of what waits for it, at least 1. The default is 30000.
 */
#define KEIRIN_WRITE_STALL_TIMEOUT_MS 17

/**
 * How long a connection that the server ends waits for the peer's end, at least 1. The default is
 * 2000.
 */
#define KEIRIN_LINGER_TIMEOUT_MS 18

/**
 * 1: a peer that has shut its sending side still gets its answer. 0, the default: it has left.
 */
#define KEIRIN_HALF_CLOSE 19

/**
 * 1: a body without Content-Length is answered 411. The default is 0.
 */
#define KEIRIN_LENGTH_REQUIRED 20

/**
 * Calls from other threads that may wait for a worker, at least 1. The default is 65536.
 */
#define KEIRIN_INBOX_CAPACITY 21

/**
 * The code that a graceful stop closes WebSockets with: 1001, the default, or 1012.
 */
#define KEIRIN_STOP_CLOSE_CODE 22

/**
 * The time over which a graceful stop spreads the closing of WebSockets. The default is 0.
 */
#define KEIRIN_STOP_SPREAD_MS 23

/**
 * 1: each request is logged. The default is 0.
 */
#define KEIRIN_ACCESS_LOG 24

/**
 * 1, the default: output of several connections is handed to the kernel in one call, where it has
 * io_uring and allows it. A short answer then leaves together with those of up to 63 other
 * connections that were ready at the same time, when their handlers have returned. 0: each
 * connection is sent to by itself, at once, which is better where handlers take long.
 */
#define KEIRIN_IO_URING 25

/**
 * Connections that are open now.
 */
#define KEIRIN_COUNT_CONNECTIONS_OPEN 1

/**
 * Connections accepted.
 */
#define KEIRIN_COUNT_CONNECTIONS_ACCEPTED 2

/**
 * Connections closed at once because KEIRIN_CONNECTIONS_MAX was reached.
 */
#define KEIRIN_COUNT_CONNECTIONS_REFUSED 3

/**
 * Times that accepting was paused because no file descriptor was left.
 */
#define KEIRIN_COUNT_ACCEPT_PAUSED 4

/**
 * Requests whose head was valid.
 */
#define KEIRIN_COUNT_REQUESTS 5

/**
 * Answers completed by a handler or by the router.
 */
#define KEIRIN_COUNT_ANSWERS 6

/**
 * Requests refused by the protocol: malformed, over a limit, too slow.
 */
#define KEIRIN_COUNT_PROTOCOL_ERRORS 7

/**
 * Answers whose peer left, or was dropped, before they were complete.
 */
#define KEIRIN_COUNT_ABORTED 8

/**
 * Connections closed because they were idle for too long.
 */
#define KEIRIN_COUNT_IDLE_TIMEOUTS 9

/**
 * Connections dropped because the peer did not read its answer.
 */
#define KEIRIN_COUNT_WRITE_STALLS 10

/**
 * Connections dropped because their output went over KEIRIN_WRITE_BUFFER_BYTES_MAX.
 */
#define KEIRIN_COUNT_WRITE_OVERFLOWS 11

/**
 * WebSockets that are open now.
 */
#define KEIRIN_COUNT_SOCKETS_OPEN 12

/**
 * WebSockets that were opened.
 */
#define KEIRIN_COUNT_SOCKETS_OPENED 13

/**
 * WebSocket messages received.
 */
#define KEIRIN_COUNT_MESSAGES_RECEIVED 14

/**
 * WebSocket messages sent, publishes not counted.
 */
#define KEIRIN_COUNT_MESSAGES_SENT 15

/**
 * Messages published on this worker.
 */
#define KEIRIN_COUNT_PUBLISHED 16

/**
 * WebSocket messages that were not sent because the peer reads slowly.
 */
#define KEIRIN_COUNT_MESSAGES_DROPPED 17

/**
 * Calls with an id that named nothing any more.
 */
#define KEIRIN_COUNT_MISUSE_STALE 18

/**
 * Calls that came too late, with refused values, or with lengths that do not agree.
 */
#define KEIRIN_COUNT_MISUSE_OTHER 19

/**
 * Handlers that returned without answering or keeping the answer for later.
 */
#define KEIRIN_COUNT_MISUSE_UNANSWERED 20

/**
 * Panics in user code.
 */
#define KEIRIN_COUNT_PANICS 21

/**
 * Kernel events for connections that were gone already.
 */
#define KEIRIN_COUNT_EVENTS_STALE 22

/**
 * Log records lost because more came in one turn than are kept.
 */
#define KEIRIN_COUNT_LOG_RECORDS_LOST 23

/**
 * Times that output was handed to the kernel along with that of other connections.
 */
#define KEIRIN_COUNT_SENDS_BATCHED 24

/**
 * Connections given to other loops.
 */
#define KEIRIN_COUNT_CONNECTIONS_HANDED 25

/**
 * Connections dropped because of a malformed, absent or slow PROXY head.
 */
#define KEIRIN_COUNT_PROXY_ERRORS 26

/**
 * Done. For what was sent: the kernel has it, or will have when the callback returns.
 */
#define KEIRIN_OK 0

/**
 * Done; part of it waits in memory, because the peer does not read as fast.
 */
#define KEIRIN_QUEUED 1

/**
 * The message was dropped, because too much waits for a peer that does not read.
 */
#define KEIRIN_DROPPED 2

/**
 * keirin_response_try_end has given the kernel all that it was given; the rest of the answer is
 * still to come.
 */
#define KEIRIN_MORE 3

/**
 * keirin_response_try_end has given the kernel a part of what it was given.
 */
#define KEIRIN_BLOCKED 4

/**
 * A pointer that must not be NULL is.
 */
#define KEIRIN_ERR_NULL -1

/**
 * The call was made on another thread than the loop's.
 */
#define KEIRIN_ERR_WRONG_THREAD -2

/**
 * The call cannot be made from within a callback, or from within a destructor.
 */
#define KEIRIN_ERR_REENTRANT -3

/**
 * The library is at fault. The loop that it was called for cannot be used any more, but to be
 * freed.
 */
#define KEIRIN_ERR_PANIC -4

/**
 * The id names nothing any more: the peer has left, or the connection is at another request.
 */
#define KEIRIN_ERR_STALE -5

/**
 * The answer is complete already.
 */
#define KEIRIN_ERR_ALREADY_ENDED -6

/**
 * Part of the answer is on its way, so this can no longer be changed.
 */
#define KEIRIN_ERR_ALREADY_BEGUN -7

/**
 * A header name or value that must not be sent.
 */
#define KEIRIN_ERR_HEADER -8

/**
 * A status code outside 200 to 599.
 */
#define KEIRIN_ERR_STATUS -9

/**
 * The bytes given do not agree with the length announced, or are too many.
 */
#define KEIRIN_ERR_LENGTH -10

/**
 * The answer was left to somebody who is not there.
 */
#define KEIRIN_ERR_LEFT_ALONE -11

/**
 * Another message, or a piece of another kind, within a message that is sent in fragments.
 */
#define KEIRIN_ERR_FRAGMENT -12

/**
 * A topic that is empty or too long, or a malformed pattern.
 */
#define KEIRIN_ERR_TOPIC -13

/**
 * A close code that must not be sent (RFC 6455 section 7.4).
 */
#define KEIRIN_ERR_CLOSE_CODE -14

/**
 * Text that is not UTF-8.
 */
#define KEIRIN_ERR_UTF8 -15

/**
 * A number that names no option, counter, kind or the like.
 */
#define KEIRIN_ERR_ARGUMENT -16

/**
 * A setting is out of its range: keirin_last_error() names it.
 */
#define KEIRIN_ERR_CONFIG -17

/**
 * A malformed method or pattern of a route.
 */
#define KEIRIN_ERR_ROUTE -18

/**
 * The address does not parse.
 */
#define KEIRIN_ERR_ADDRESS -19

/**
 * The address cannot be listened on; another program may hold it.
 */
#define KEIRIN_ERR_LISTEN -20

/**
 * The operating system has refused something: keirin_last_error() says what.
 */
#define KEIRIN_ERR_IO -21

/**
 * As many calls as may wait for the worker do: try again later.
 */
#define KEIRIN_ERR_FULL -22

/**
 * The worker has stopped, or there is none of this number.
 */
#define KEIRIN_ERR_STOPPED -23

/**
 * The request is no valid handshake of a WebSocket: keirin_response_refuse_upgrade() answers it.
 */
#define KEIRIN_ERR_HANDSHAKE -24

/**
 * The page that opens the WebSocket comes from an origin that is not allowed.
 */
#define KEIRIN_ERR_ORIGIN -25

/**
 * What was asked for is not there.
 */
#define KEIRIN_ERR_NOT_FOUND -26

/**
 * What is in the way of the call has not ended: a server that runs, or a loop that has not
 * stopped.
 */
#define KEIRIN_ERR_BUSY -27

/**
 * UTF-8 text. What is sent is checked: anything else is KEIRIN_ERR_UTF8.
 */
#define KEIRIN_TEXT 1

/**
 * Any bytes.
 */
#define KEIRIN_BINARY 2

/**
 * It is sent as it is, whatever compression was agreed to: for what is compressed already, and for
 * secrets beside what others can influence.
 */
#define KEIRIN_UNCOMPRESSED 4

/**
 * The peer has sent a Close frame.
 */
#define KEIRIN_CLOSED_BY_PEER 1

/**
 * The connection has ended without one.
 */
#define KEIRIN_CLOSED_PEER_LEFT 2

/**
 * The peer has broken the protocol or gone over a limit; the code says how.
 */
#define KEIRIN_CLOSED_PROTOCOL 3

/**
 * The program has ended it with a Close frame.
 */
#define KEIRIN_CLOSED_LOCAL 4

/**
 * The program has dropped the connection.
 */
#define KEIRIN_CLOSED_DROPPED 5

/**
 * Nothing was heard of the peer for KEIRIN_WS_IDLE_TIMEOUT_MS.
 */
#define KEIRIN_CLOSED_IDLE_TIMEOUT 6

/**
 * The socket was open for KEIRIN_WS_LIFETIME_MS.
 */
#define KEIRIN_CLOSED_LIFETIME 7

/**
 * More was waiting for a slow reader than KEIRIN_WS_BACKPRESSURE_BYTES_MAX, with
 * KEIRIN_BACKPRESSURE_CLOSE.
 */
#define KEIRIN_CLOSED_BACKPRESSURE 8

/**
 * The peer has read nothing for KEIRIN_WRITE_STALL_TIMEOUT_MS.
 */
#define KEIRIN_CLOSED_WRITE_STALL 9

/**
 * The server is stopping.
 */
#define KEIRIN_CLOSED_STOP 10

/**
 * Another cause, of a later version of the library.
 */
#define KEIRIN_CLOSED_OTHER 11

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * An app without routes. It is freed with keirin_app_free().
 */
keirin_app_t *keirin_app_new(void);

/**
 * Frees an app; what was made of it is not concerned. NULL is ignored.
 */
void keirin_app_free(keirin_app_t *app);

/**
 * Adds a route for a method ("GET"), or for every method if that is NULL. GET routes answer HEAD
 * too.
 *
 * Patterns are made of segments: text, ":name" for any segment that is not empty, "*" at the end
 * for everything from there on. Per segment text is tried before ":name" before "*", whatever the
 * order of the routes. A method's own routes are tried before those for every method; the same
 * method and pattern again replaces the route.
 *
 * With several workers the handler is called on several threads: `user` has to allow that.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ROUTE for a malformed method or pattern.
 */
keirin_status_t keirin_app_route(keirin_app_t *app,
                                 const char *method,
                                 const char *pattern,
                                 keirin_request_fn handler,
                                 void *user,
                                 keirin_drop_fn drop_user);

/**
 * Adds a kind of WebSocket, to which the handler of any route can upgrade its request with
 * keirin_response_upgrade(): it is named in `*sockets`.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_CONFIG for options out of range, KEIRIN_ERR_ROUTE for more
 * than 65536 kinds.
 */
keirin_status_t keirin_app_behaviour(keirin_app_t *app,
                                     const keirin_behaviour_t *behaviour,
                                     keirin_sockets_t *sockets);

/**
 * Adds a kind of WebSocket, and a route for GET that upgrades every valid handshake from the same
 * host to it and refuses others: 403 for another origin, else 400 or 426. `*sockets`, which may be
 * NULL, names the kind. What is kept for such a socket is NULL until keirin_ws_set_user().
 *
 * Errors: as keirin_app_route() and keirin_app_behaviour().
 */
keirin_status_t keirin_app_websocket(keirin_app_t *app,
                                     const char *pattern,
                                     const keirin_behaviour_t *behaviour,
                                     keirin_sockets_t *sockets);

/**
 * Has every loop that is made of the app call `start` on its thread, before it accepts
 * connections: to arm timers, or to keep something for the loop with keirin_loop_set_user(). Any
 * number may be added.
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_app_on_start(keirin_app_t *app,
                                    keirin_task_fn start,
                                    void *user,
                                    keirin_drop_fn drop_user);

/**
 * Has log records go to `log`. Without it, warnings and errors go to standard error.
 *
 * With several workers it is called on several threads.
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_app_on_log(keirin_app_t *app,
                                  keirin_log_fn log,
                                  void *user,
                                  keirin_drop_fn drop_user);

/**
 * A kind of WebSocket with default options and no handlers. It is freed with
 * keirin_behaviour_free().
 */
keirin_behaviour_t *keirin_behaviour_new(void);

/**
 * Frees a kind of WebSocket; apps that it was added to are not concerned. NULL is ignored.
 */
void keirin_behaviour_free(keirin_behaviour_t *behaviour);

/**
 * Sets an option. What is out of range is found when the behaviour is added to an app.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_ARGUMENT for an unknown option or a number it cannot hold.
 */
keirin_status_t keirin_behaviour_set(keirin_behaviour_t *behaviour,
                                     keirin_ws_option_t option,
                                     uint64_t number);

/**
 * Sets what all handlers are given as `user`. With several workers they are called on several
 * threads.
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_behaviour_set_user(keirin_behaviour_t *behaviour,
                                          void *user,
                                          keirin_drop_fn drop_user);

/**
 * Sets the handler that is called first, when the upgrade has been answered.
 *
 * Errors: KEIRIN_ERR_NULL for the behaviour; the handler may be NULL.
 */
keirin_status_t keirin_behaviour_on_open(keirin_behaviour_t *behaviour, keirin_ws_fn handler);

/**
 * Sets the handler that is given every message, whole.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_message(keirin_behaviour_t *behaviour,
                                            keirin_ws_message_fn handler);

/**
 * Sets the handler that is told of every Ping. It has been answered.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_ping(keirin_behaviour_t *behaviour,
                                         keirin_ws_control_fn handler);

/**
 * Sets the handler that is told of every Pong, asked for or not.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_pong(keirin_behaviour_t *behaviour,
                                         keirin_ws_control_fn handler);

/**
 * Sets the handler that is called when something was queued and the peer has taken all of it.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_drain(keirin_behaviour_t *behaviour, keirin_ws_fn handler);

/**
 * Sets the handler that is given messages that were dropped, because too much was waiting. Where
 * very much is dropped in one turn only the counters know of the rest.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_dropped(keirin_behaviour_t *behaviour,
                                            keirin_ws_message_fn handler);

/**
 * Sets the handler that is told of every subscription that was made or ended, at the socket's end
 * too.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_subscription(keirin_behaviour_t *behaviour,
                                                 keirin_ws_subscription_fn handler);

/**
 * Sets the handler that is called last, exactly once for every socket that was opened, whatever
 * ended it. Nothing can be sent to the socket any more; its user data is destroyed afterwards.
 *
 * Errors: as keirin_behaviour_on_open().
 */
keirin_status_t keirin_behaviour_on_close(keirin_behaviour_t *behaviour,
                                          keirin_ws_close_fn handler);

/**
 * Keeps the answer, reads the whole body, and then calls `collected`. A body of more than
 * `bytes_max` bytes is answered 413: unread, where its length was announced.
 *
 * Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
 */
keirin_status_t keirin_response_collect_body(keirin_loop_t *loop,
                                             keirin_response_t response,
                                             size_t bytes_max,
                                             keirin_body_fn collected,
                                             void *user,
                                             keirin_drop_fn drop_user);

/**
 * Keeps the answer, and calls `each` for every piece of the body as it arrives. The next piece
 * comes by itself, unless the answer was completed, or keirin_response_pause() was called.
 *
 * Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
 */
keirin_status_t keirin_response_stream_body(keirin_loop_t *loop,
                                            keirin_response_t response,
                                            keirin_piece_fn each,
                                            void *user,
                                            keirin_drop_fn drop_user);

/**
 * Leaves the rest of the body in the kernel, so that the peer has to wait.
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_pause(keirin_loop_t *loop, keirin_response_t response);

/**
 * Goes on reading the body.
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_resume(keirin_loop_t *loop, keirin_response_t response);

/**
 * A configuration with the default of every option. It is freed with keirin_config_free().
 */
keirin_config_t *keirin_config_new(void);

/**
 * Frees a configuration; what was made with it is not concerned. NULL is ignored.
 */
void keirin_config_free(keirin_config_t *config);

/**
 * Sets an option. What is out of range is found when a loop or server is made with it.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_ARGUMENT for an unknown option or a number it cannot hold.
 */
keirin_status_t keirin_config_set(keirin_config_t *config, keirin_option_t option, uint64_t number);

/**
 * Sets the value of a Server header, which is sent with every answer then. A value that must not
 * be sent is found when a loop or server is made with it.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8.
 */
keirin_status_t keirin_config_set_server_header(keirin_config_t *config, const char *value);

/**
 * Reads a counter of the loop, or of the server's worker whose loop it is.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_ARGUMENT.
 */
keirin_status_t keirin_loop_count(keirin_loop_t *loop, keirin_counter_t counter, uint64_t *count);

/**
 * Makes a loop of an app, on this thread, which it belongs to from now on. `config` may be NULL
 * for the defaults. It is freed with keirin_loop_free(). The process's limit on open files is left
 * as it is.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_CONFIG, KEIRIN_ERR_IO; keirin_last_error() says more.
 */
keirin_status_t keirin_loop_new(const keirin_app_t *app,
                                const keirin_config_t *config,
                                keirin_loop_t **loop);

/**
 * Frees a loop on its thread. What is open is cut, and nobody is told; keirin_loop_stop() and
 * keirin_loop_run() end it in good order before. NULL is ignored.
 *
 * Errors: KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT: it is not freed then.
 */
keirin_status_t keirin_loop_free(keirin_loop_t *loop);

/**
 * Listens on an address: "127.0.0.1:3000", "[::]:3000", "localhost:3000", "unix:PATH",
 * "unix:@NAME". `*port`, which may be NULL, is the port: with 0 the kernel chooses one. May be
 * called several times.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ADDRESS, KEIRIN_ERR_LISTEN, also when
 * another program holds the port; KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT.
 */
keirin_status_t keirin_loop_listen(keirin_loop_t *loop, const char *address, uint16_t *port);

/**
 * The loop's file descriptor, which a foreign loop watches for reading; it must not be read from,
 * nor closed. -1 for NULL, on another thread, and within a callback.
 */
int keirin_loop_fd(keirin_loop_t *loop);

/**
 * How many milliseconds a foreign loop may wait for the descriptor before it calls
 * keirin_loop_turn(): -1 is for ever. It may change with every call to this library. 0 for NULL,
 * on another thread, and within a callback.
 */
int64_t keirin_loop_next_timeout_ms(keirin_loop_t *loop);

/**
 * Waits at most `timeout_ms`, and not beyond keirin_loop_next_timeout_ms(); then does what there
 * is to do, calling handlers. -1 waits for as long as there is nothing; a foreign loop passes 0.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT within a callback,
 * KEIRIN_ERR_IO.
 */
keirin_status_t keirin_loop_turn(keirin_loop_t *loop, int64_t timeout_ms);

/**
 * Runs the loop until a stop is asked for, from a callback or another thread, and everything has
 * ended.
 *
 * Errors: as keirin_loop_turn().
 */
keirin_status_t keirin_loop_run(keirin_loop_t *loop);

/**
 * Begins a graceful stop: nothing new is accepted, answers that have begun are completed,
 * WebSockets are closed with KEIRIN_STOP_CLOSE_CODE, and what is not done after `grace_ms` is cut.
 * A server's worker takes the others with it only through keirin_server_stop().
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD.
 */
keirin_status_t keirin_loop_stop(keirin_loop_t *loop, uint64_t grace_ms);

/**
 * Whether a stop was asked for and everything has ended. False for NULL, on another thread, and
 * within a callback.
 */
bool keirin_loop_is_stopped(keirin_loop_t *loop);

/**
 * The number of the server's worker whose loop it is, from 0; 0 for a loop that stands alone, and
 * where it cannot be told.
 */
uint32_t keirin_loop_worker(keirin_loop_t *loop);

/**
 * What the program keeps for a loop. NULL when it keeps nothing, and on another thread.
 */
void *keirin_loop_user(keirin_loop_t *loop);

/**
 * Replaces what the program keeps for a loop; what was kept is destroyed before this returns, and
 * the last with the loop.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_REENTRANT.
 */
keirin_status_t keirin_loop_set_user(keirin_loop_t *loop, void *user, keirin_drop_fn drop_user);

/**
 * Checks whether a request is one for a WebSocket that can be agreed to. The result is freed with
 * keirin_handshake_free(), unless keirin_response_upgrade() takes it.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_HANDSHAKE, KEIRIN_ERR_NOT_FOUND for a clone, which cannot
 * tell.
 */
keirin_status_t keirin_request_handshake(const keirin_request_t *request,
                                         keirin_handshake_t **handshake);

/**
 * Frees a handshake that was not used. NULL is ignored.
 */
void keirin_handshake_free(keirin_handshake_t *handshake);

/**
 * The subprotocol at an index, from 0, that the client offers, its favourite first. Absent behind
 * the last, and for NULL. Valid until the handshake is freed or used.
 */
keirin_bytes_t keirin_handshake_protocol_at(const keirin_handshake_t *handshake, size_t index);

/**
 * Chooses one of the subprotocols on offer. Without a choice the socket has none.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_NOT_FOUND when it is not on offer.
 */
keirin_status_t keirin_handshake_choose(keirin_handshake_t *handshake,
                                        const void *protocol,
                                        size_t length);

/**
 * The origin of the page that opens the socket. Browsers always say it, and do not let the page
 * choose; absent for clients that do not, and for NULL. Valid until the handshake is freed or
 * used.
 */
keirin_bytes_t keirin_handshake_origin(const keirin_handshake_t *handshake);

/**
 * Whether the origin may open a socket: one from the same host may, those in `origins` may, each
 * written as in "https://example.com:8443", and clients that have none. `origins` may be NULL if
 * there are none. Browsers have no rule of their own against foreign pages that open sockets.
 *
 * Errors: KEIRIN_ERR_ORIGIN when it may not, KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8.
 */
keirin_status_t keirin_handshake_check_origin(const keirin_handshake_t *handshake,
                                              const char *const *origins,
                                              size_t count);

/**
 * Answers 101, with the headers that were added so far, and makes the connection a WebSocket of
 * the kind `sockets`. Its open handler is called after the present callback. The handshake is
 * freed, whatever the outcome. `socket_user` is what keirin_ws_user() gives for the socket; it is
 * destroyed after the close handler. The socket is named in `*ws`, which may be NULL.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_NOT_FOUND for an unknown kind, those of every call for an
 * answer; KEIRIN_ERR_ALREADY_BEGUN, which closes the connection; and with another answer in place
 * of the 101, KEIRIN_ERR_ALREADY_ENDED: 400 for a malformed offer of extensions, 503 when the
 * server is stopping, 500 for a body that was not read.
 */
keirin_status_t keirin_response_upgrade(keirin_loop_t *loop,
                                        keirin_response_t response,
                                        keirin_sockets_t sockets,
                                        keirin_handshake_t *handshake,
                                        void *socket_user,
                                        keirin_drop_fn drop_socket_user,
                                        keirin_ws_t *ws);

/**
 * Publishes to all subscribers of a topic, on all workers of the server. Each gets it once, in the
 * order of publication on this worker. `*published` may be NULL.
 *
 * Errors: KEIRIN_ERR_TOPIC for a topic that is empty or has more than 65535 bytes,
 * KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, KEIRIN_ERR_NULL,
 * KEIRIN_ERR_WRONG_THREAD.
 */
keirin_status_t keirin_loop_publish(keirin_loop_t *loop,
                                    const void *topic,
                                    size_t topic_length,
                                    keirin_message_kind_t kind,
                                    const void *data,
                                    size_t length,
                                    keirin_published_t *published);

/**
 * Publishes to all subscribers of a topic but this socket, also within its close handler.
 *
 * Errors: KEIRIN_ERR_STALE, and those of keirin_loop_publish().
 */
keirin_status_t keirin_ws_publish(keirin_loop_t *loop,
                                  keirin_ws_t ws,
                                  const void *topic,
                                  size_t topic_length,
                                  keirin_message_kind_t kind,
                                  const void *data,
                                  size_t length,
                                  keirin_published_t *published);

/**
 * Reads how many sockets of all workers are subscribed to exactly this topic, patterns aside.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_WRONG_THREAD.
 */
keirin_status_t keirin_loop_subscribers(keirin_loop_t *loop,
                                        const void *topic,
                                        size_t length,
                                        size_t *count);

/**
 * Subscribes a socket to a topic: text of 1 to 65535 bytes in which no character is special. To be
 * subscribed already is no error. It sees what is published from now on.
 *
 * Errors: KEIRIN_ERR_TOPIC, KEIRIN_ERR_UTF8, and those of every call for a socket.
 */
keirin_status_t keirin_ws_subscribe(keirin_loop_t *loop,
                                    keirin_ws_t ws,
                                    const void *topic,
                                    size_t length);

/**
 * Subscribes a socket to all topics that a pattern matches. Levels of a topic are parted by "/";
 * in a pattern "+" stands for any one level, and "#" at its end for any number of them, as in
 * MQTT.
 *
 * Errors: KEIRIN_ERR_TOPIC for a malformed pattern, KEIRIN_ERR_UTF8, and those of every call for a
 * socket.
 */
keirin_status_t keirin_ws_subscribe_pattern(keirin_loop_t *loop,
                                            keirin_ws_t ws,
                                            const void *pattern,
                                            size_t length);

/**
 * Ends a subscription; that there was none is no error. What was published before still arrives.
 *
 * Errors: as keirin_ws_subscribe().
 */
keirin_status_t keirin_ws_unsubscribe(keirin_loop_t *loop,
                                      keirin_ws_t ws,
                                      const void *topic,
                                      size_t length);

/**
 * Ends the subscription to a pattern; that there was none is no error.
 *
 * Errors: as keirin_ws_subscribe_pattern().
 */
keirin_status_t keirin_ws_unsubscribe_pattern(keirin_loop_t *loop,
                                              keirin_ws_t ws,
                                              const void *pattern,
                                              size_t length);

/**
 * Reads whether a socket is subscribed to exactly this topic, patterns aside.
 *
 * Errors: KEIRIN_ERR_UTF8, and those of every call for a socket.
 */
keirin_status_t keirin_ws_is_subscribed(keirin_loop_t *loop,
                                        keirin_ws_t ws,
                                        const void *topic,
                                        size_t length,
                                        bool *subscribed);

/**
 * Calls `each` for every topic and pattern that a socket is subscribed to, in no particular order,
 * before this returns. It may call this library.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_topics(keirin_loop_t *loop,
                                 keirin_ws_t ws,
                                 keirin_topic_fn each,
                                 void *user);

/**
 * Makes a way into a loop, and to none of its server's others: keirin_server_remote() makes one to
 * all. It is freed with keirin_remote_free().
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD.
 */
keirin_status_t keirin_loop_remote(keirin_loop_t *loop, keirin_remote_t **remote);

/**
 * Makes another one. It is freed with keirin_remote_free().
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_remote_clone(const keirin_remote_t *remote, keirin_remote_t **clone);

/**
 * Frees a way in. NULL is ignored.
 */
void keirin_remote_free(keirin_remote_t *remote);

/**
 * The number of the worker that owes an answer: for keirin_remote_defer().
 */
uint32_t keirin_response_worker(keirin_response_t response);

/**
 * The number of the worker that has a socket: for keirin_remote_defer().
 */
uint32_t keirin_ws_worker(keirin_ws_t ws);

/**
 * Has a worker call `deferred` in its next turn, on its thread. The worker of an answer or
 * socket is what keirin_response_worker() or keirin_ws_worker() says; that of a loop,
 * keirin_loop_worker(). Calls of one thread run in their order. `drop_user` is called on the
 * worker's thread after the call, or on this one if it is refused.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_FULL when KEIRIN_INBOX_CAPACITY calls are waiting,
 * KEIRIN_ERR_STOPPED, also for a worker that does not run yet.
 */
keirin_status_t keirin_remote_defer(const keirin_remote_t *remote,
                                    uint32_t worker,
                                    keirin_task_fn deferred,
                                    void *user,
                                    keirin_drop_fn drop_user);

/**
 * Publishes to all subscribers of a topic on all workers. `*published` may be NULL; what is
 * dropped for slow readers is not in it.
 *
 * Errors: KEIRIN_ERR_TOPIC, KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind,
 * KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_remote_publish(const keirin_remote_t *remote,
                                      const void *topic,
                                      size_t topic_length,
                                      keirin_message_kind_t kind,
                                      const void *data,
                                      size_t length,
                                      keirin_published_t *published);

/**
 * Reads how many sockets of all workers are subscribed to exactly this topic, patterns aside.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8.
 */
keirin_status_t keirin_remote_subscribers(const keirin_remote_t *remote,
                                          const void *topic,
                                          size_t length,
                                          size_t *count);

/**
 * Sends a message to a socket of any worker. The message is copied.
 *
 * Errors: KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, KEIRIN_ERR_NULL,
 * KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED. What becomes of the message on the socket's worker (it may
 * be gone by then) is only counted there.
 */
keirin_status_t keirin_remote_ws_send(const keirin_remote_t *remote,
                                      keirin_ws_t ws,
                                      keirin_message_kind_t kind,
                                      const void *data,
                                      size_t length);

/**
 * Ends a socket of any worker with a Close frame; see keirin_ws_end().
 *
 * Errors: KEIRIN_ERR_UTF8, KEIRIN_ERR_NULL, KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED. A code that must
 * not be sent is only counted, on the socket's worker.
 */
keirin_status_t keirin_remote_ws_end(const keirin_remote_t *remote,
                                     keirin_ws_t ws,
                                     uint16_t code,
                                     const void *reason,
                                     size_t length);

/**
 * Drops the connection of a socket of any worker.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED.
 */
keirin_status_t keirin_remote_ws_close(const keirin_remote_t *remote, keirin_ws_t ws);

/**
 * Completes an answer of any worker, with a body that is copied; its status and headers are those
 * that were set before. keirin_remote_defer() is for everything else.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_FULL, KEIRIN_ERR_STOPPED. That the answer is not owed any
 * more is only counted, on its worker.
 */
keirin_status_t keirin_remote_response_end(const keirin_remote_t *remote,
                                           keirin_response_t response,
                                           const void *body,
                                           size_t length);

/**
 * Begins a graceful stop; see keirin_loop_stop().
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_remote_stop(const keirin_remote_t *remote, uint64_t grace_ms);

/**
 * The method as sent: "GET". Case matters (RFC 9110 section 9.1). Absent for NULL.
 */
keirin_bytes_t keirin_request_method(const keirin_request_t *request);

/**
 * The target as sent: path and query, an absolute URI, or "*" (RFC 9112 section 3.2). Absent for
 * NULL.
 */
keirin_bytes_t keirin_request_target(const keirin_request_t *request);

/**
 * The path, neither decoded nor normalised. Absent for NULL.
 */
keirin_bytes_t keirin_request_path(const keirin_request_t *request);

/**
 * What follows the first "?", not decoded. Absent without one, and for NULL.
 */
keirin_bytes_t keirin_request_query(const keirin_request_t *request);

/**
 * The value of the first header of this name, in any case, without the white space around it
 * (RFC 9110 section 5.5). Absent where there is none, and for NULL.
 */
keirin_bytes_t keirin_request_header(const keirin_request_t *request,
                                     const void *name,
                                     size_t length);

/**
 * The header at an index, from 0, in the order of arrival; names as sent.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_NOT_FOUND behind the last.
 */
keirin_status_t keirin_request_header_at(const keirin_request_t *request,
                                         size_t index,
                                         keirin_bytes_t *name,
                                         keirin_bytes_t *value);

/**
 * The segment of the path that the route's ":name" matched, not decoded. Absent where the route
 * has no such name, and for NULL.
 */
keirin_bytes_t keirin_request_parameter(const keirin_request_t *request,
                                        const void *name,
                                        size_t length);

/**
 * Decodes what the route's ":name" matched into `buffer`: percent-decoded, which has to give
 * UTF-8. `*value_length` is set to its length, also when it does not fit; it may be NULL.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_NOT_FOUND where there is none or it is
 * malformed, KEIRIN_ERR_LENGTH when it is longer than `capacity`.
 */
keirin_status_t keirin_request_parameter_decoded(const keirin_request_t *request,
                                                 const void *name,
                                                 size_t length,
                                                 void *buffer,
                                                 size_t capacity,
                                                 size_t *value_length);

/**
 * Decodes the value of the first query parameter of this name into `buffer`. One without "=" is
 * empty. `*value_length` is set to its length, also when it does not fit; it may be NULL.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_NOT_FOUND where there is none or it is
 * malformed, KEIRIN_ERR_LENGTH when it is longer than `capacity`.
 */
keirin_status_t keirin_request_query_parameter(const keirin_request_t *request,
                                               const void *name,
                                               size_t length,
                                               void *buffer,
                                               size_t capacity,
                                               size_t *value_length);

/**
 * 0 for HTTP/1.0, 1 for HTTP/1.1; -1 for NULL and for a clone, which does not keep it.
 */
int32_t keirin_request_version_minor(const keirin_request_t *request);

/**
 * The peer's address.
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_request_peer(const keirin_request_t *request, keirin_address_t *address);

/**
 * Writes an address as text, "127.0.0.1:80", with a NUL behind it; 64 bytes are room enough for
 * any. It is empty for a peer on a Unix socket.
 *
 * May be called from any thread.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_LENGTH when it is longer than `capacity`.
 */
keirin_status_t keirin_address_text(const keirin_address_t *address, char *buffer, size_t capacity);

/**
 * Copies a request for later. The copy is freed with keirin_request_free().
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_request_clone(const keirin_request_t *request, keirin_request_t **clone);

/**
 * Frees a copy. NULL is ignored, and so is what a handler was given.
 */
void keirin_request_free(keirin_request_t *clone);

/**
 * Sets the status code, 200 to 599. The last call before the head leaves counts; without one it is
 * 200.
 *
 * Errors: KEIRIN_ERR_STATUS, KEIRIN_ERR_ALREADY_BEGUN, and those of every call for an answer:
 * KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_STALE, KEIRIN_ERR_ALREADY_ENDED.
 */
keirin_status_t keirin_response_status(keirin_loop_t *loop,
                                       keirin_response_t response,
                                       uint16_t status);

/**
 * Adds a header. A refused one leaves the answer as it was.
 *
 * The engine frames messages itself: Content-Length announces a length for
 * keirin_response_write() and for HEAD, "Connection: close" ends the connection after this answer,
 * Transfer-Encoding is refused. Date replaces the engine's own.
 *
 * Errors: KEIRIN_ERR_HEADER for a name that is no token, and a value with CR, LF, NUL or another
 * control byte; KEIRIN_ERR_ALREADY_BEGUN, and those of every call for an answer.
 */
keirin_status_t keirin_response_header(keirin_loop_t *loop,
                                       keirin_response_t response,
                                       const void *name,
                                       size_t name_length,
                                       const void *value,
                                       size_t value_length);

/**
 * Sends content and keeps the answer open: in chunks, or as much as a Content-Length header has
 * announced. Never blocks: what the peer does not take waits in memory (KEIRIN_QUEUED). Over
 * KEIRIN_WRITE_BUFFER_BYTES_MAX the connection is dropped (KEIRIN_ERR_STALE).
 *
 * Errors: KEIRIN_ERR_LENGTH for more than was announced, and those of every call for an answer.
 */
keirin_status_t keirin_response_write(keirin_loop_t *loop,
                                      keirin_response_t response,
                                      const void *data,
                                      size_t length);

/**
 * Completes the answer with a body. What the kernel does not take at once is copied; if that is
 * more than KEIRIN_WRITE_BUFFER_BYTES_MAX the connection is dropped, so larger answers are for
 * keirin_response_try_end().
 *
 * Errors: KEIRIN_ERR_LENGTH for more or less than was announced: the connection is cut; and those
 * of every call for an answer.
 */
keirin_status_t keirin_response_end(keirin_loop_t *loop,
                                    keirin_response_t response,
                                    const void *body,
                                    size_t length);

/**
 * Completes the answer without content. Without a Content-Length header its length is 0; an answer
 * to HEAD may announce another.
 *
 * Errors: as keirin_response_end().
 */
keirin_status_t keirin_response_end_without_body(keirin_loop_t *loop, keirin_response_t response);

/**
 * Sends as much of an answer of `total` bytes as the peer takes, without buffering the rest.
 * `rest` is the content from keirin_response_written() on, or the beginning of that. KEIRIN_OK:
 * the answer is complete. KEIRIN_MORE: all of `rest` is on its way, and it was not the whole
 * answer. KEIRIN_BLOCKED: the peer reads slowly, and took only a part: wait with
 * keirin_response_on_writable().
 *
 * Errors: KEIRIN_ERR_LENGTH for more than `total` leaves, KEIRIN_ERR_ALREADY_BEGUN for an answer
 * that was begun in chunks: the connection is closed; and those of every call for an answer.
 */
keirin_status_t keirin_response_try_end(keirin_loop_t *loop,
                                        keirin_response_t response,
                                        const void *rest,
                                        size_t length,
                                        uint64_t total);

/**
 * Reads how many bytes of content the answer has so far.
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_written(keirin_loop_t *loop,
                                        keirin_response_t response,
                                        uint64_t *written);

/**
 * Reads how many bytes of output wait in memory for the peer.
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_queued(keirin_loop_t *loop,
                                       keirin_response_t response,
                                       size_t *queued);

/**
 * Keeps the answer for later: the handler may return without having given it. It is given by its
 * name, from a timer, a deferred call, or another thread's keirin_remote_defer(). Until somebody
 * reads the body, it stays in the kernel.
 *
 * Whoever keeps an answer wants to hear that its peer has left: see keirin_response_on_aborted().
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_detach(keirin_loop_t *loop, keirin_response_t response);

/**
 * Calls `aborted` if the answer cannot be completed. Any number may be added; they are called in
 * order, after the present callback.
 *
 * `user` is destroyed once the answer is complete, or `aborted` was called: it is the place for
 * what belongs to the answer, and may be given to its other callbacks too, without a destructor.
 *
 * Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
 */
keirin_status_t keirin_response_on_aborted(keirin_loop_t *loop,
                                           keirin_response_t response,
                                           keirin_aborted_fn aborted,
                                           void *user,
                                           keirin_drop_fn drop_user);

/**
 * Keeps the answer, and calls `writable` once the peer has taken what was written so far. It is
 * called once; the next time has to be asked for. `user` is destroyed after the call: for one that
 * lives longer see keirin_response_on_aborted().
 *
 * Errors: KEIRIN_ERR_NULL, and those of every call for an answer.
 */
keirin_status_t keirin_response_on_writable(keirin_loop_t *loop,
                                            keirin_response_t response,
                                            keirin_writable_fn writable,
                                            void *user,
                                            keirin_drop_fn drop_user);

/**
 * Tells a peer that waits for it to send the body (RFC 9110 section 15.2.1). Reading the body does
 * so by itself.
 *
 * Errors: KEIRIN_ERR_ALREADY_BEGUN, and those of every call for an answer.
 */
keirin_status_t keirin_response_write_continue(keirin_loop_t *loop, keirin_response_t response);

/**
 * Drops the connection without an answer.
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_close(keirin_loop_t *loop, keirin_response_t response);

/**
 * Answers 500 in place of what was prepared, headers included; an answer that has begun is cut.
 * For handlers that fail midway: by an exception in another language, say.
 *
 * Errors: those of every call for an answer.
 */
keirin_status_t keirin_response_fail(keirin_loop_t *loop, keirin_response_t response);

/**
 * Leaves the request to the next route that matches, once the handler has returned. Headers added
 * so far stay; if no further route matches, the answer is 404.
 *
 * Errors: KEIRIN_ERR_LEFT_ALONE for an answer that was kept for later already, which is answered
 * 500 then; and those of every call for an answer.
 */
keirin_status_t keirin_response_next(keirin_loop_t *loop, keirin_response_t response);

/**
 * Answers a request that is no valid handshake of a WebSocket with the status that fits: 400, 405
 * or 426, and 403 for one that is (its origin was not allowed).
 *
 * Errors: KEIRIN_ERR_ARGUMENT for a clone, and those of every call for an answer.
 */
keirin_status_t keirin_response_refuse_upgrade(keirin_loop_t *loop,
                                               keirin_response_t response,
                                               const keirin_request_t *request);

/**
 * Makes a server of an app, with a worker for each core. `config` may be NULL for the defaults. It
 * is freed with keirin_server_free().
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_CONFIG; keirin_last_error() says more.
 */
keirin_status_t keirin_server_new(const keirin_app_t *app,
                                  const keirin_config_t *config,
                                  keirin_server_t **server);

/**
 * Frees a server that does not run, or has ended. NULL is ignored.
 *
 * Errors: KEIRIN_ERR_BUSY while keirin_server_run() has not returned: it is not freed then.
 */
keirin_status_t keirin_server_free(keirin_server_t *server);

/**
 * Sets the number of workers, 1 to 254. What is out of range is found when the server runs.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_BUSY once it runs.
 */
keirin_status_t keirin_server_set_workers(keirin_server_t *server, uint32_t count);

/**
 * Listens on an address; see keirin_loop_listen().
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ADDRESS, KEIRIN_ERR_LISTEN, KEIRIN_ERR_BUSY
 * once it runs.
 */
keirin_status_t keirin_server_listen(keirin_server_t *server, const char *address, uint16_t *port);

/**
 * Runs the workers, one of them on this thread, until the server is stopped and everything has
 * ended. Raises the process's soft limit on open files to the hard one. A server runs once.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_BUSY for one that runs or has run, KEIRIN_ERR_CONFIG for a
 * number of workers out of range or no address to listen on, KEIRIN_ERR_LISTEN and KEIRIN_ERR_IO
 * when the kernel refuses what a worker needs; KEIRIN_ERR_PANIC.
 */
keirin_status_t keirin_server_run(keirin_server_t *server);

/**
 * Begins a graceful stop of all workers; see keirin_loop_stop(). A second call can shorten the
 * time. It is not for signal handlers: a program blocks the signal, and waits for it on a thread
 * with sigwait().
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_server_stop(keirin_server_t *server, uint64_t grace_ms);

/**
 * Makes a way into all loops of the server. It is freed with keirin_remote_free().
 *
 * Errors: KEIRIN_ERR_NULL.
 */
keirin_status_t keirin_server_remote(keirin_server_t *server, keirin_remote_t **remote);

/**
 * Reads a counter, summed over all workers.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_ARGUMENT for an unknown counter.
 */
keirin_status_t keirin_server_count(keirin_server_t *server,
                                    keirin_counter_t counter,
                                    uint64_t *count);

/**
 * A sentence for a status, for a log. Never NULL, and valid for ever.
 *
 * May be called from any thread.
 */
const char *keirin_status_text(keirin_status_t status);

/**
 * What keirin_loop_new(), keirin_loop_listen(), keirin_app_route() and others that set something
 * up had to say of the last refusal on this thread: the address, the setting and its range, the
 * operating system's own text. Empty before the first. Never NULL; the next refusal on this thread
 * writes over it, and the thread's end ends it.
 *
 * May be called from any thread.
 */
const char *keirin_last_error(void);

/**
 * Calls `deferred` after the present callback, before the loop waits. Between turns it is called
 * before this returns.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD.
 */
keirin_status_t keirin_loop_defer(keirin_loop_t *loop,
                                  keirin_task_fn deferred,
                                  void *user,
                                  keirin_drop_fn drop_user);

/**
 * Calls `expired` once `delay_ms` have passed, counted from when the loop's present turn began.
 * The timer is named in `*timer`, which may be NULL.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_FULL when 2^24 timers are armed.
 */
keirin_status_t keirin_loop_after(keirin_loop_t *loop,
                                  uint64_t delay_ms,
                                  keirin_task_fn expired,
                                  void *user,
                                  keirin_drop_fn drop_user,
                                  keirin_timer_t *timer);

/**
 * Disarms a timer. What it was given is destroyed after the present callback.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_NOT_FOUND when it has come up
 * already.
 */
keirin_status_t keirin_loop_cancel(keirin_loop_t *loop, keirin_timer_t timer);

/**
 * The version of the library that is loaded, as KEIRIN_VERSION_NUMBER of its header.
 *
 * May be called from any thread.
 */
uint32_t keirin_version_number(void);

/**
 * The version of the library that is loaded, as text: "0.1.0". Never NULL, and valid for ever.
 *
 * May be called from any thread.
 */
const char *keirin_version(void);

/**
 * Sends a message. Never blocks: what the peer does not take waits in memory (KEIRIN_QUEUED), up
 * to KEIRIN_WS_BACKPRESSURE_BYTES_MAX (KEIRIN_DROPPED).
 *
 * Errors: KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, KEIRIN_ERR_FRAGMENT within a
 * message that is sent in fragments, and those of every call for a socket: KEIRIN_ERR_NULL,
 * KEIRIN_ERR_WRONG_THREAD, KEIRIN_ERR_STALE.
 */
keirin_status_t keirin_ws_send(keirin_loop_t *loop,
                               keirin_ws_t ws,
                               keirin_message_kind_t kind,
                               const void *data,
                               size_t length);

/**
 * Sends a piece of a message. The first one begins it, and its kind is that of all; the one that
 * is `last` completes it. Other messages wait for that. Only the first piece can be dropped for
 * want of room. Pieces of text are cut between characters. They are not compressed.
 *
 * Errors: KEIRIN_ERR_FRAGMENT for a piece of another kind, and those of keirin_ws_send().
 */
keirin_status_t keirin_ws_send_fragment(keirin_loop_t *loop,
                                        keirin_ws_t ws,
                                        keirin_message_kind_t kind,
                                        const void *data,
                                        size_t length,
                                        bool last);

/**
 * Makes a message that is framed and compressed once for any number of sockets. It is freed with
 * keirin_message_free().
 *
 * May be called from any thread.
 *
 * Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_ARGUMENT for an unknown kind, and for
 * KEIRIN_UNCOMPRESSED.
 */
keirin_status_t keirin_message_new(keirin_message_kind_t kind,
                                   const void *data,
                                   size_t length,
                                   keirin_message_t **out);

/**
 * Frees a message. NULL is ignored.
 *
 * May be called from any thread.
 */
void keirin_message_free(keirin_message_t *message);

/**
 * Sends a message that was made before: KEIRIN_OK, KEIRIN_QUEUED or KEIRIN_DROPPED, as with
 * keirin_ws_send().
 *
 * Errors: KEIRIN_ERR_FRAGMENT, and those of every call for a socket.
 */
keirin_status_t keirin_ws_send_message(keirin_loop_t *loop,
                                       keirin_ws_t ws,
                                       const keirin_message_t *message);

/**
 * Sends a Ping with at most 125 bytes of payload (RFC 6455 section 5.5.2): KEIRIN_OK, or
 * KEIRIN_QUEUED or KEIRIN_DROPPED where the peer does not read as fast.
 *
 * Errors: KEIRIN_ERR_LENGTH for a longer one, and those of every call for a socket.
 */
keirin_status_t keirin_ws_ping(keirin_loop_t *loop,
                               keirin_ws_t ws,
                               const void *data,
                               size_t length);

/**
 * Sends a Close frame and ends the connection once the peer has answered it, or has not for
 * KEIRIN_LINGER_TIMEOUT_MS. What was sent before then has KEIRIN_WRITE_STALL_TIMEOUT_MS to leave.
 * The reason is cut to 123 bytes. From here on nothing can be sent.
 *
 * Errors: KEIRIN_ERR_CLOSE_CODE for a code that must not be sent (what may be is 1000 to 1003,
 * 1007 to 1014, 3000 to 4999), KEIRIN_ERR_UTF8 for the reason, and those of every call for a
 * socket.
 */
keirin_status_t keirin_ws_end(keirin_loop_t *loop,
                              keirin_ws_t ws,
                              uint16_t code,
                              const void *reason,
                              size_t length);

/**
 * Drops the connection without a Close frame. The close handler is called after the present
 * callback.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_close(keirin_loop_t *loop, keirin_ws_t ws);

/**
 * Leaves what the peer sends in the kernel, but for what was read already, so that the peer has to
 * wait. Meanwhile the socket is not closed for being idle.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_pause(keirin_loop_t *loop, keirin_ws_t ws);

/**
 * Goes on reading.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_resume(keirin_loop_t *loop, keirin_ws_t ws);

/**
 * Sets this socket's own idle timeout in milliseconds; 0 is off.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_set_idle_timeout(keirin_loop_t *loop,
                                           keirin_ws_t ws,
                                           uint32_t timeout_ms);

/**
 * Sets after how many milliseconds without a byte from the peer it is sent a Ping; 0 is never.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_set_ping_interval(keirin_loop_t *loop,
                                            keirin_ws_t ws,
                                            uint32_t interval_ms);

/**
 * Sets for how many milliseconds from now on the socket lives; 0 is without end.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_set_lifetime(keirin_loop_t *loop, keirin_ws_t ws, uint32_t lifetime_ms);

/**
 * Reads how many bytes of output wait in memory for the peer.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_queued(keirin_loop_t *loop, keirin_ws_t ws, size_t *queued);

/**
 * Reads the peer's address, also within the close handler.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_peer(keirin_loop_t *loop, keirin_ws_t ws, keirin_address_t *address);

/**
 * What the program keeps for a socket, from its upgrade to the end of its close handler. NULL when
 * there is no such socket, or nothing is kept for it, or the call is made on another thread.
 */
void *keirin_ws_user(keirin_loop_t *loop, keirin_ws_t ws);

/**
 * Replaces what the program keeps for a socket; what was kept is destroyed before this returns.
 *
 * Errors: those of every call for a socket.
 */
keirin_status_t keirin_ws_set_user(keirin_loop_t *loop,
                                   keirin_ws_t ws,
                                   void *user,
                                   keirin_drop_fn drop_user);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KEIRIN_H */
