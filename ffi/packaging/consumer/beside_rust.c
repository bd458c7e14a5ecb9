/* libkeirin.a in one program with another static library in Rust: no symbol is there twice, both
 * unwind, and each has its own values of a thread. */

#define _GNU_SOURCE
#include <keirin.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

uint32_t neighbour_call(void);
int main(void);

struct seen {
    uint32_t calls;
    bool main_is_below;
};

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *user) {
    void *function = _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context));
    if (function == (void *)(uintptr_t)main) {
        ((struct seen *)user)->main_is_below = true;
    }
    return _URC_NO_REASON;
}

static void task(void *user, keirin_loop_t *loop) {
    struct seen *seen = user;
    _Unwind_Backtrace(look, seen);
    seen->calls = neighbour_call();
    keirin_loop_stop(loop, 0);
}

int main(void) {
    struct seen seen = {0, false};
    keirin_app_t *app = keirin_app_new();
    keirin_loop_t *loop = NULL;
    if (keirin_loop_new(app, NULL, &loop) < 0) {
        return 1;
    }
    keirin_app_free(app);
    bool is_refused = keirin_loop_listen(loop, "nowhere", NULL) == KEIRIN_ERR_ADDRESS;
    keirin_loop_after(loop, 1, task, &seen, NULL, NULL);
    keirin_loop_run(loop);
    keirin_loop_free(loop);
    bool has_reason = strstr(keirin_last_error(), "nowhere") != NULL;
    printf("refused %d with a reason %d, calls of the neighbour %u, unwound to main %d\n",
           is_refused, has_reason, (unsigned)seen.calls, seen.main_is_below);
    return is_refused && has_reason && seen.calls == 1 && seen.main_is_below ? 0 : 1;
}
