/* Starts a loop, sends it a request from within the same thread, and looks at the answer. */

#include <arpa/inet.h>
#include <keirin.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
static const char BODY[] = "Hello from C";

static void hello(void *user, keirin_loop_t *loop, keirin_response_t response,
                  const keirin_request_t *request) {
    (void)user;
    (void)request;
    keirin_response_end(loop, response, (const uint8_t *)BODY, strlen(BODY));
}

/* A connection to the loop: the kernel takes it before the loop does. -1 for none. */
static int connect_to(uint16_t port) {
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (client >= 0 && connect(client, (struct sockaddr *)&address, sizeof address) != 0) {
        close(client);
        return -1;
    }
    return client;
}

/* Sends the request, and turns the loop until it has closed the connection: a turn waits 10 ms. */
static keirin_status_t exchange(keirin_loop_t *loop, int client, char *answer, size_t size) {
    size_t length = 0;
    if (send(client, REQUEST, strlen(REQUEST), 0) != (ssize_t)strlen(REQUEST)) {
        return KEIRIN_ERR_IO;
    }
    for (int turn = 0; turn < 1000; turn++) {
        keirin_status_t status = keirin_loop_turn(loop, 10);
        if (status < 0) {
            return status;
        }
        ssize_t count = recv(client, answer + length, size - 1 - length, MSG_DONTWAIT);
        if (count == 0) {
            answer[length] = '\0';
            return KEIRIN_OK;
        }
        length += count > 0 ? (size_t)count : 0;
    }
    return KEIRIN_ERR_IO;
}

static keirin_status_t serve_once(keirin_app_t *app, char *answer, size_t size) {
    keirin_loop_t *loop = NULL;
    uint16_t port = 0;
    keirin_status_t status = keirin_app_route(app, "GET", "/", hello, NULL, NULL);
    if (status >= 0) {
        status = keirin_loop_new(app, NULL, &loop);
    }
    if (status >= 0) {
        status = keirin_loop_listen(loop, "127.0.0.1:0", &port);
    }
    if (status >= 0) {
        int client = connect_to(port);
        status = KEIRIN_ERR_IO;
        if (client >= 0) {
            status = exchange(loop, client, answer, size);
            close(client);
        }
    }
    keirin_loop_free(loop);
    return status;
}

int main(void) {
    char answer[1024] = "";
    if (keirin_version_number() != KEIRIN_VERSION_NUMBER) {
        fprintf(stderr, "the header is of another version than %s\n", keirin_version());
        return 1;
    }
    keirin_app_t *app = keirin_app_new();
    keirin_status_t status = serve_once(app, answer, sizeof answer);
    keirin_app_free(app);
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", keirin_status_text(status), keirin_last_error());
        return 1;
    }
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || strstr(answer, BODY) == NULL) {
        fprintf(stderr, "an unexpected answer: %s\n", answer);
        return 1;
    }
    printf("%s, keirin %s\n", BODY, keirin_version());
    return 0;
}
