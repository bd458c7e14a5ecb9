/*
 * Answers from another thread: `GET /after/MS` is handed to a thread that takes that long for it,
 * `GET /pending` answers how many such jobs there are. When the peer leaves meanwhile, the work is
 * told to stop, and its late answer is a status that hurts nobody.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <stdatomic.h>
#include <time.h>

#define JOBS_MAX 256

/*
 * It has three owners: the answer, for its abort handler; the thread; and the call that the thread
 * sends back to the loop. The last one frees it, in whatever order they end.
 */
typedef struct {
    atomic_int owners;
    atomic_bool unwanted;
    keirin_response_t response;
    uint64_t ms;
} job_t;

/* How often a thread looks whether anybody still wants what it does. */
static const uint64_t step_ms = 10;
static const struct timespec step = {.tv_nsec = 10 * 1000 * 1000};

static keirin_remote_t *workers; /* The way back into the loops; any thread may use it. */
static atomic_int pending;

static void let_go(void *user)
{
    job_t *job = user;
    if (atomic_fetch_sub(&job->owners, 1) == 1) {
        free(job);
        atomic_fetch_sub(&pending, 1);
    }
}

static void give_up(void *user, keirin_loop_t *loop, keirin_response_t response)
{
    (void)loop, (void)response;
    atomic_store(&((job_t *)user)->unwanted, true);
}

/* On the loop's thread again, the only one on which answers are given. */
static void answer(void *user, keirin_loop_t *loop)
{
    const job_t *job = user;
    keirin_response_end(loop, job->response, KEIRIN_LITERAL("answered from another thread\n"));
}

static void *work(void *user)
{
    job_t *job = user;
    for (uint64_t ms = 0; ms < job->ms && !atomic_load(&job->unwanted); ms += step_ms)
        nanosleep(&step, NULL);
    /* `let_go` is called for this share also when the loop is gone, and the call is refused. */
    keirin_remote_defer(workers, keirin_response_worker(job->response), answer, job, let_go);
    let_go(job);
    return NULL;
}

static void get_after(void *user, keirin_loop_t *loop, keirin_response_t response,
                      const keirin_request_t *request)
{
    (void)user;
    pthread_t thread;
    job_t *job = calloc(1, sizeof *job);
    if (job == NULL)
        return; /* A handler that returns without an answer has it answered 500. */
    number_of(keirin_request_parameter(request, KEIRIN_LITERAL("ms")), &job->ms);
    job->response = response;
    atomic_init(&job->owners, 3);
    if (atomic_fetch_add(&pending, 1) < JOBS_MAX &&
        pthread_create(&thread, NULL, work, job) == 0) {
        pthread_detach(thread);
        keirin_response_detach(loop, response); /* What is kept for later is no 500. */
    } else {
        ANSWER(loop, response, 503, "too much to do\n");
        let_go(job);
        let_go(job);
    }
    /* Refused for an answer that was given already, it lets go at once. */
    keirin_response_on_aborted(loop, response, give_up, job, let_go);
}

static void get_pending(void *user, keirin_loop_t *loop, keirin_response_t response,
                        const keirin_request_t *request)
{
    (void)user, (void)request;
    char text[16];
    int length = snprintf(text, sizeof text, "%d\n", atomic_load(&pending));
    keirin_response_end(loop, response, text, (size_t)length);
}

int main(int argc, char **argv)
{
    keirin_app_t *app = keirin_app_new();
    must(keirin_app_route(app, "GET", "/after/:ms", get_after, NULL, NULL));
    must(keirin_app_route(app, "GET", "/pending", get_pending, NULL, NULL));
    keirin_server_t *server = listen_with(app, NULL, argc, argv);
    must(keirin_server_remote(server, &workers));
    run_until_signal(server);
    while (atomic_load(&pending) > 0) /* Threads that were late for the stop use `workers`. */
        nanosleep(&step, NULL);
    keirin_remote_free(workers); /* It outlives its server: calls are refused by then. */
    return 0;
}
