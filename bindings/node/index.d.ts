/**
 * HTTP/1.1 and WebSocket server with the interface of uWebSockets.js. Written by hand; every name
 * that `require('keirin')` gives, and every method of what it makes, is here.
 */

/**
 * Text or bytes. A string is sent as UTF-8. Of a view only the bytes that it shows are taken, and
 * they are copied at the call: whatever happens to them afterwards changes nothing.
 */
export type RecognizedString = string | ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/** What a listener is named by. It is opaque, and good for the functions that take one. */
export interface us_listen_socket {}

/** A socket that has a local port. */
export interface us_socket {}

/** What an `upgrade` handler is given, to be handed to `HttpResponse.upgrade` as it is. */
export interface us_socket_context_t {}

/** Names an app to another thread. It can be sent with `postMessage`. */
export interface AppDescriptor {}

/** Which listeners may share a port. */
export enum ListenOptions {
  /** Other processes and threads may listen on the same port; the kernel spreads connections. */
  LIBUS_LISTEN_DEFAULT = 0,
  /** Nobody else may listen on this port. */
  LIBUS_LISTEN_EXCLUSIVE_PORT = 1,
}

/** `ListenOptions.LIBUS_LISTEN_EXCLUSIVE_PORT`, under the name that programs import. */
export const LIBUS_LISTEN_EXCLUSIVE_PORT: ListenOptions;

// --- Requests ---

/**
 * The head of a request.
 *
 * It can be read until its handler returns. When the handler returns a promise, as an `async`
 * function does, it can be read for ever, also after an `await`. Otherwise each method throws once
 * the handler has returned.
 */
export interface HttpRequest {
  /** The first value of the header with that name in lower case, as Latin-1; `''` without one. */
  getHeader(lowerCaseKey: RecognizedString): string;
  /**
   * What stood in the place of the route's parameter with that index, counted from 0, or with that
   * name, without its colon. It is as it was sent, with percent signs.
   */
  getParameter(index: number | RecognizedString): string | undefined;
  /** The path, as it was sent, without `?` and what follows. */
  getUrl(): string;
  /** The method in lower case. */
  getMethod(): string;
  /** The method as it was sent. */
  getCaseSensitiveMethod(): string;
  /** What follows the `?`, as it was sent; nothing without one. */
  getQuery(): string;
  /** The decoded value of that key in the query: `''` for `key=`, undefined without the key. */
  getQuery(key: string): string | undefined;
  /** Calls `callback` for each header, in their order, repeated ones too, names in lower case. */
  forEach(callback: (key: string, value: string) => void): void;
  /** With true the request is left to the next route that matches: the handler must not answer. */
  setYield(isYielded: boolean): this;
}

// --- Responses ---

/**
 * The answer that a request is owed. Programs may put properties of their own on it.
 *
 * It ends once: by `end`, `endWithoutBody`, a `tryEnd` that completes it, `close`, `upgrade`, or
 * because the client has left. Calls afterwards do nothing and are counted; what they return is
 * said at each. With `strict` in the app's options they throw instead.
 *
 * What is written within one turn of the loop leaves together, inside of `cork` or not.
 */
export interface HttpResponse {
  /** Whether it was answered, closed or upgraded. What a program writes here has no effect. */
  get ended(): boolean;
  set ended(value: any);
  /** Whether the client has left before the answer. What a program writes has no effect. */
  get aborted(): boolean;
  set aborted(value: any);

  /** Sets code and reason, such as `'404 Not Found'`. Counts before headers and content only. */
  writeStatus(status: RecognizedString): this;
  /** Adds a header. `Content-Length`, `Transfer-Encoding` and `Date` are written by themselves. */
  writeHeader(key: RecognizedString, value: RecognizedString): this;
  /** Begins a chunked answer: the head can be sent, and content follows by `write`. */
  beginWrite(): this;
  /**
   * Sends a piece of content whose length is not known before, which makes the answer a chunked
   * one. An empty piece does nothing.
   *
   * @returns Whether all has left; with false, more may wait for `onWritable`. False after the end.
   */
  write(chunk: RecognizedString): boolean;
  /**
   * Ends the answer, with a last or only piece of content. What the client does not take at once is
   * copied, however much that is. The connection is kept by default.
   */
  end(body?: RecognizedString, closeConnection?: boolean): this;
  /**
   * Ends an answer that has no content. A length is what `Content-Length` is to say, as the answer
   * to HEAD does.
   */
  endWithoutBody(reportedContentLength?: number, closeConnection?: boolean): this;
  /**
   * Sends as much as the client takes of an answer of `totalSize` bytes. Begun so, an answer goes
   * on with `onWritable` and `getWriteOffset`: what was not taken has to be given again.
   *
   * @returns Whether all of the piece was taken, and whether the answer is complete. Both are true
   * after the end.
   */
  tryEnd(fullBodyOrChunk: RecognizedString, totalSize: number): [ok: boolean, done: boolean];
  /** Closes the connection at once. What was written may not arrive. Abort handlers are called. */
  close(): this;

  /** How many bytes of content were taken so far. 0 after the end. */
  getWriteOffset(): number;
  /**
   * Calls `handler` when there is room again for what `write` or `tryEnd` could not send, with the
   * offset of content that goes on there. It returns whether it has sent all that it could.
   */
  onWritable(handler: (offset: number) => boolean): this;
  /**
   * Calls `handler` if the client leaves before the answer is complete. Each call adds a handler;
   * they run in that order, once. One that is added after the client has left runs soon.
   */
  onAborted(handler: () => unknown): this;

  /**
   * Calls `handler` with each piece of the body as it arrives; the last may be empty. The piece is
   * detached after the call: copy what is to be kept. Nothing of a body is lost if it is asked for
   * late, such as after an `await`. A later call replaces the handler.
   */
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => unknown): this;
  /**
   * Like `onData`, with how many bytes may still come: `0n` with the last piece, 2^64 - 1 as long
   * as nobody knows, since the body is chunked.
   */
  onDataV2(handler: (chunk: ArrayBuffer, maxRemainingBodyLength: bigint) => unknown): this;
  /**
   * Calls `handler` once with the whole body, or with null as soon as it is known to be longer than
   * `maxSize` bytes. The body is detached after the call: copy what is to be kept.
   */
  collectBody(maxSize: number, handler: (fullBody: ArrayBuffer | null) => unknown): this;
  /** Takes no more of the body from the kernel, so that the client slows down. */
  pause(): this;
  /** Goes on after `pause`. */
  resume(): this;

  /** Calls `callback` at once. It is there for programs that use it: nothing needs it. */
  cork(callback: () => void): this;
  /** @deprecated Another name of `cork`. */
  collect(callback: () => void): this;

  /**
   * Answers with a WebSocket. The three headers are those of the request, copied before the first
   * `await`; protocol and extensions may be empty. The properties of `userData` are copied onto the
   * WebSocket.
   */
  upgrade<UserData>(
    userData: UserData,
    secWebSocketKey: RecognizedString,
    secWebSocketProtocol: RecognizedString | undefined,
    secWebSocketExtensions: RecognizedString | undefined,
    context: us_socket_context_t,
  ): void;

  /** The client's address: 4 or 16 bytes; none after the end. */
  getRemoteAddress(): ArrayBuffer;
  /** The client's address as ASCII text; none after the end. */
  getRemoteAddressAsText(): ArrayBuffer;
  /** The client's port; 0 after the end. */
  getRemotePort(): number;
  /** The address that a PROXY protocol head names, 4 or 16 bytes; none without such a head. */
  getProxiedRemoteAddress(): ArrayBuffer;
  /** The same as ASCII text. */
  getProxiedRemoteAddressAsText(): ArrayBuffer;
  /** The port that a PROXY protocol head names, or 0. */
  getProxiedRemotePort(): number;

  /** Programs keep what they like on their responses. */
  [key: string]: any;
}

// --- WebSockets ---

/**
 * A WebSocket. It is the user data itself: the properties that were given to
 * `HttpResponse.upgrade` are on it, and programs may add others.
 *
 * Once it is closed, and so within its `close` handler, calls do nothing: `send` and the like give
 * 2, `subscribe` and the like false, addresses are empty. With `strict` in the app's options they
 * throw.
 */
export interface WebSocket<UserData> {
  /**
   * Sends a message, as text unless `isBinary`. `compress` asks for compression where it was agreed
   * on.
   *
   * @returns 1 if it was sent, 0 if it waits for a slow reader, 2 if it was dropped because of
   * `maxBackpressure`.
   */
  send(message: RecognizedString, isBinary?: boolean, compress?: boolean): number;
  /** Sends the first of several fragments of a message. Returns what `send` does. */
  sendFirstFragment(message: RecognizedString, isBinary?: boolean, compress?: boolean): number;
  /** Sends a fragment in the middle. Returns what `send` does. */
  sendFragment(message: RecognizedString, compress?: boolean): number;
  /** Sends the last fragment. Returns what `send` does. */
  sendLastFragment(message: RecognizedString, compress?: boolean): number;
  /** Sends a ping of at most 125 bytes. Returns what `send` does. */
  ping(message?: RecognizedString): number;
  /** How many bytes wait in memory for a slow reader. */
  getBufferedAmount(): number;

  /**
   * Closes with a code, by default 1000, and a text of at most 123 bytes, of which more is cut off.
   * What was sent before arrives. The `close` handler runs after the current callback.
   */
  end(code?: number, shortMessage?: RecognizedString): void;
  /** Cuts the connection. The `close` handler is given 1006. */
  close(): void;

  /** Subscribes to a topic. */
  subscribe(topic: RecognizedString): boolean;
  /** Ends a subscription. Returns whether there was one. */
  unsubscribe(topic: RecognizedString): boolean;
  /** Whether it is subscribed to the topic. */
  isSubscribed(topic: RecognizedString): boolean;
  /** All topics it is subscribed to. */
  getTopics(): string[];
  /**
   * Sends a message to all subscribers of a topic but itself.
   *
   * @returns Whether the message was published.
   */
  publish(
    topic: RecognizedString,
    message: RecognizedString,
    isBinary?: boolean,
    compress?: boolean,
  ): boolean;

  /** Takes no more messages from the kernel, so that the client slows down. */
  pause(): this;
  /** Goes on after `pause`. */
  resume(): this;
  /** Calls `callback` at once. It is there for programs that use it: nothing needs it. */
  cork(callback: () => void): this;
  /** The WebSocket itself, as what it carries. */
  getUserData(): UserData;
  /** The client's address: 4 or 16 bytes. */
  getRemoteAddress(): ArrayBuffer;
  /** The client's address as ASCII text. */
  getRemoteAddressAsText(): ArrayBuffer;
  /** The client's port. */
  getRemotePort(): number;
}

/** How a WebSocket compresses: the sum (`|`) of a compressor and a decompressor below. */
export type CompressOptions = number;

/**
 * Options and handlers of the WebSockets of a route. A value out of its range throws when the route
 * is set up; keys that are not named here are ignored.
 *
 * Data that handlers are given is detached after the call, but that of `subscription`: copy what is
 * to be kept. A handler that throws, or whose promise rejects, closes its socket with 1011.
 */
export interface WebSocketBehavior<UserData> {
  /** Bytes of a message, over which the socket is closed. Default 16 KiB. */
  maxPayloadLength?: number;
  /** Whether a message for a reader that is too slow closes the socket. Default false: it drops. */
  closeOnBackpressureLimit?: boolean;
  /** Minutes that a socket may live. Default 0, which is off. */
  maxLifetime?: number;
  /** Seconds without a byte from the client, after which it is closed. Default 120; 0 is off. */
  idleTimeout?: number;
  /** What is compressed, and how. Default `DISABLED`. */
  compression?: CompressOptions;
  /**
   * Bytes that may wait for one slow reader, over which messages are dropped. Default 64 KiB; 0 is
   * no limit, and less than 16 KiB is 16 KiB.
   */
  maxBackpressure?: number;
  /** Whether pings are sent by themselves, within `idleTimeout`. Default true. */
  sendPingsAutomatically?: boolean;
  /**
   * Decides about a handshake: `res.upgrade(...)` accepts it, any other answer refuses it. It may
   * be `async`. Without it each valid handshake is accepted.
   */
  upgrade?: (res: HttpResponse, req: HttpRequest, context: us_socket_context_t) => unknown;
  /** A socket is open. */
  open?: (ws: WebSocket<UserData>) => unknown;
  /** A message has arrived. */
  message?: (ws: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean) => unknown;
  /** A message for this socket was dropped because of `maxBackpressure`. */
  dropped?: (ws: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean) => unknown;
  /** What waited for a slow reader has left, at least in part: see `getBufferedAmount`. */
  drain?: (ws: WebSocket<UserData>) => unknown;
  /** A socket has ended, for whatever cause. Called once for each that was opened, as the last. */
  close?: (ws: WebSocket<UserData>, code: number, message: ArrayBuffer) => unknown;
  /** A ping has arrived. It is answered by itself. */
  ping?: (ws: WebSocket<UserData>, message: ArrayBuffer) => unknown;
  /** A pong has arrived. */
  pong?: (ws: WebSocket<UserData>, message: ArrayBuffer) => unknown;
  /** The number of a topic's subscribers has changed by this socket. */
  subscription?: (
    ws: WebSocket<UserData>,
    topic: ArrayBuffer,
    newCount: number,
    oldCount: number,
  ) => unknown;
}

// --- Apps ---

/** Files and options of TLS, which is not there yet. `App` ignores them, `SSLApp` throws. */
export interface TlsOptions {
  key_file_name?: RecognizedString;
  cert_file_name?: RecognizedString;
  ca_file_name?: RecognizedString;
  passphrase?: RecognizedString;
  dh_params_file_name?: RecognizedString;
  ssl_ciphers?: RecognizedString;
  ssl_prefer_low_memory_usage?: boolean;
}

/**
 * Limits and timeouts of an app. A value that is out of its range throws a RangeError, and one of
 * another type a TypeError, which name the option. Other keys are ignored.
 */
export interface AppOptions extends TlsOptions {
  /** Whether calls on what has ended throw, with the stack of the call that ended it. */
  strict?: boolean;

  /** Bytes of a request's head; more is answered 431. Default 16 KiB, 256 to 64 Ki. */
  headBytesMax?: number;
  /** Headers of a request; more are answered 431. Default 100, 1 to 256. */
  headerCountMax?: number;
  /** Bytes of path and query; more is answered 414. Default 8 KiB, 1 to `headBytesMax`. */
  targetBytesMax?: number;
  /** Bytes of a request's body; more is answered 413. Default 1 GiB. */
  bodyBytesMax?: number;
  /** Bytes of chunk extensions in a body; more is answered 400. Default 4 KiB. */
  chunkExtensionBytesMax?: number;
  /** Bytes of trailers; more is answered 400. Default 8 KiB. */
  trailerBytesMax?: number;
  /** Bytes of further requests read while one is being answered. Default 64 KiB, 1 to 512 KiB. */
  pipelinedBytesMax?: number;
  /** Requests of a connection that run before others have their turn. Default 256, at least 1. */
  requestsPerTurnMax?: number;
  /** Connections; more are closed when they come. Default 2^24, at least 1. */
  connectionsMax?: number;
  /**
   * Bytes from `write` that may wait for a slow reader, over which it is cut off. The body of `end`
   * waits whole. Default 64 MiB, at least 16 KiB.
   */
  writeBufferBytesMax?: number;
  /** Bytes of an unread body that are read and dropped to keep a connection. Default 64 KiB. */
  discardBytesMax?: number;
  /** Milliseconds for a request's head; then 408. Default 10,000, at least 1. */
  headTimeoutMs?: number;
  /** Milliseconds that a connection may be idle between requests. Default 75,000, at least 1. */
  keepAliveTimeoutMs?: number;
  /** Bytes a second that a body has to arrive with; else 408. Default 1024; 0 is off. */
  bodyThroughputMin?: number;
  /** Milliseconds over which `bodyThroughputMin` is measured. Default 10,000, at least 1. */
  bodyWindowMs?: number;
  /** Milliseconds from a request to the begin of its answer; then 503. Default 0, which is off. */
  answerTimeoutMs?: number;
  /** Milliseconds without progress after which a slow reader is cut off. Default 30,000. */
  writeStallTimeoutMs?: number;
  /** Milliseconds that a closing connection waits for the client to notice. Default 2,000. */
  lingerTimeoutMs?: number;
  /** Whether a client that has closed its sending side still gets its answer. Default false. */
  halfClose?: boolean;
  /** Whether POST, PUT and PATCH without a length are answered 411. Default false. */
  lengthRequired?: boolean;
  /** Commands of other threads that may wait for this one. Default 65,536, at least 1. */
  inboxCapacity?: number;
  /** Whether `onLog` is told of each answer. Default false. */
  accessLog?: boolean;
  /** Whether io_uring sends several answers at once, where the system has it. Default true. */
  ioUring?: boolean;
  /** The code that `stop` closes WebSockets with: 1001 or 1012. Default 1001. */
  stopCloseCode?: number;
  /** Milliseconds over which `stop` spreads the closing of WebSockets. Default 0. */
  stopSpreadMs?: number;
}

/** Answers a request. If it returns a promise, the answer may come until that is settled. */
export type RouteHandler = (res: HttpResponse, req: HttpRequest) => unknown;

/**
 * What a route has: a handler, a program of `DeclarativeResponse`, or null to remove what it had.
 */
export type Route = RouteHandler | ArrayBuffer | null;

/** Something worth to be written down. */
export interface LogRecord {
  level: 'access' | 'info' | 'warn' | 'error';
  message: string;
  /** The other end's address, where there is one. */
  peer?: string;
}

/** What `TemplatedApp.counters` gives. Names with `Open` say how many there are now. */
export interface Counters {
  connectionsOpen: number;
  connectionsAccepted: number;
  /** Connections given to child apps. */
  connectionsHanded: number;
  /** Closed when they came, because of `connectionsMax`. */
  connectionsRefused: number;
  /** How often accepting paused, because the process had no descriptors left. */
  acceptPaused: number;
  requests: number;
  answers: number;
  /** Requests that were malformed, over a limit, or too slow. */
  protocolErrors: number;
  /** Connections dropped because of a malformed, absent or slow PROXY head. */
  proxyErrors: number;
  /** Answers whose client left before. */
  aborted: number;
  idleTimeouts: number;
  /** Connections cut because of `writeStallTimeoutMs`. */
  writeStalls: number;
  /** Connections cut because of `writeBufferBytesMax`. */
  writeOverflows: number;
  socketsOpen: number;
  socketsOpened: number;
  messagesReceived: number;
  /** WebSocket messages that were sent, publishing not counted. */
  messagesSent: number;
  /** Messages that were published, each once. */
  published: number;
  /** WebSocket messages that were not sent, because the client reads slowly. */
  messagesDropped: number;
  /** Calls on what had ended. */
  misuseStale: number;
  /** Calls that were refused for another reason. */
  misuseOther: number;
  /** Handlers that left a request without an answer. */
  misuseUnanswered: number;
  /** Errors within keirin itself that cost one connection. */
  panics: number;
  /** News of the kernel for connections that were gone already. */
  eventsStale: number;
  /** Records that `onLog` was not given, because too many came at once. */
  logRecordsLost: number;
  /** Sends that left together with those of other connections. */
  sendsBatched: number;
}

/** An app: routes, and where it listens. Methods that set something up return the app. */
export interface TemplatedApp {
  /**
   * Listens on a port, of all addresses or of those that `host` names. Port 0 is any that is free:
   * see `us_socket_local_port`. `callback` is called before `listen` returns, with what
   * `us_listen_socket_close` takes, or with false if it cannot listen there.
   */
  listen(
    host: RecognizedString,
    port: number,
    callback: (token: us_listen_socket | false) => unknown,
  ): this;
  listen(
    host: RecognizedString,
    port: number,
    options: ListenOptions,
    callback: (token: us_listen_socket | false) => unknown,
  ): this;
  listen(port: number, callback: (token: us_listen_socket | false) => unknown): this;
  listen(
    port: number,
    options: ListenOptions,
    callback: (token: us_listen_socket | false) => unknown,
  ): this;
  /** Listens on a Unix socket; `callback` as with `listen`. */
  listen_unix(
    callback: (token: us_listen_socket | false) => unknown,
    path: RecognizedString,
  ): this;

  /**
   * Routes GET requests. A pattern is text, with `:name` for anything up to the next `/`, and `*`
   * at its end for the rest. Text goes before parameters, and these before `*`.
   */
  get(pattern: RecognizedString, handler: Route): this;
  /** Routes POST requests. */
  post(pattern: RecognizedString, handler: Route): this;
  /** Routes OPTIONS requests. */
  options(pattern: RecognizedString, handler: Route): this;
  /** Routes DELETE requests. */
  del(pattern: RecognizedString, handler: Route): this;
  /** Routes PATCH requests. */
  patch(pattern: RecognizedString, handler: Route): this;
  /** Routes PUT requests. */
  put(pattern: RecognizedString, handler: Route): this;
  /** Routes HEAD requests. */
  head(pattern: RecognizedString, handler: Route): this;
  /** Routes CONNECT requests. */
  connect(pattern: RecognizedString, handler: Route): this;
  /** Routes TRACE requests. */
  trace(pattern: RecognizedString, handler: Route): this;
  /** Routes requests of any method for which nothing else is there. */
  any(pattern: RecognizedString, handler: Route): this;
  /** Routes WebSocket handshakes. */
  ws<UserData>(pattern: RecognizedString, behavior: WebSocketBehavior<UserData>): this;

  /**
   * Sends a message to all subscribers of a topic.
   *
   * @returns Whether there are any.
   */
  publish(
    topic: RecognizedString,
    message: RecognizedString,
    isBinary?: boolean,
    compress?: boolean,
  ): boolean;
  /** How many are subscribed to a topic. */
  numSubscribers(topic: RecognizedString): number;

  /** Calls `handler` with 1 for each connection that is opened, and -1 when it has ended. */
  filter(handler: (res: HttpResponse, count: 1 | -1) => unknown): this;
  /** Closes all listeners and connections at once. See `stop` for the gentle way. */
  close(): this;

  /** What `addChildAppDescriptor` of an app in another thread takes. */
  getDescriptor(): AppDescriptor;
  /** Hands connections, in turn, to an app in another thread. */
  addChildAppDescriptor(descriptor: AppDescriptor): this;
  /** Hands no more connections to that app. */
  removeChildAppDescriptor(descriptor: AppDescriptor): this;
  /** Takes over an accepted connection by its file descriptor. */
  adoptSocket(fd: number, ip?: RecognizedString): this;

  /** Host names of TLS. Without TLS it does nothing. */
  addServerName(hostname: RecognizedString, options: AppOptions): this;
  /** Host names of TLS. Without TLS it does nothing. */
  removeServerName(hostname: RecognizedString): this;
  /** Host names of TLS. Without TLS it does nothing. */
  missingServerName(handler: (hostname: string) => unknown): this;
  /** Host names of TLS. Without TLS it does nothing. */
  domain(hostname: RecognizedString): this;

  /**
   * Calls `handler` when a handler throws or its promise rejects: with the response and request, or
   * with the WebSocket and no request. A response that it leaves unanswered is answered 500: when it
   * returns, or when the promise that it has returned is settled.
   */
  onError(
    handler: (
      error: unknown,
      source: HttpResponse | WebSocket<any>,
      req: HttpRequest | undefined,
    ) => unknown,
  ): this;
  /** Calls `handler` for each record. Without it warnings and errors go to standard error. */
  onLog(handler: (record: LogRecord) => unknown): this;
  /**
   * Stops in good order: listens no more, completes answers that have begun, closes WebSockets.
   * What is left after `grace` milliseconds, by default 10,000, is cut off.
   *
   * @returns Resolves when everything has ended.
   */
  stop(options?: { grace?: number }): Promise<void>;
  /** What there is now, and what was counted since the app was made. */
  counters(): Counters;
}

/** Makes an app. */
export function App(options?: AppOptions | null): TemplatedApp;

/** Throws an error with the code `ERR_KEIRIN_TLS`: TLS is not there yet. */
export function SSLApp(options?: AppOptions): TemplatedApp;

/** Throws an error: HTTP/3 is not there. */
export function H3App(options?: AppOptions): TemplatedApp;

/** Stops listening. Connections go on. A second time does nothing. */
export function us_listen_socket_close(token: us_listen_socket): void;

/** The port of a listener, or -1. */
export function us_socket_local_port(socket: us_socket | us_listen_socket): number;

/** A part of a multipart body. */
export interface MultipartField {
  /** A copy of its content. */
  data: ArrayBuffer;
  /** The name of the form's field. */
  name: string;
  /** Its `Content-Type`. */
  type?: string;
  /** The name of the file, where it is one. */
  filename?: string;
}

/**
 * The parts of a whole multipart body, as far as it is well-formed; undefined if `contentType`
 * names no multipart type with a boundary.
 */
export function getParts(
  body: RecognizedString,
  contentType: RecognizedString,
): MultipartField[] | undefined;

/**
 * Builds an answer that is given without running any JavaScript. Strings have at most 255 bytes,
 * those of `write` and `end` 65,535; longer ones throw a RangeError.
 */
export class DeclarativeResponse {
  /** Sets code and reason. */
  writeStatus(status: RecognizedString): this;
  /** Adds a header. */
  writeHeader(key: RecognizedString, value: RecognizedString): this;
  /** Writes the decoded value of a key in the request's query. */
  writeQueryValue(key: RecognizedString): this;
  /** Writes the value of a request's header. */
  writeHeaderValue(key: RecognizedString): this;
  /** Writes the value of a route's parameter, by name. */
  writeParameterValue(key: RecognizedString): this;
  /** Writes this content. */
  write(value: RecognizedString): this;
  /** Does nothing. */
  writeBody(): this;
  /** The program, to be given to a route. */
  end(value?: RecognizedString): ArrayBuffer;
}

// --- Compression: compressors, and decompressors with the memory of each socket ---

/** No compression. */
export const DISABLED: CompressOptions;
/** Each message is compressed for itself; no memory per socket. */
export const SHARED_COMPRESSOR: CompressOptions;
/** Messages are decompressed each for itself; no memory per socket. */
export const SHARED_DECOMPRESSOR: CompressOptions;
/** A window of each socket's own, by default the largest. */
export const DEDICATED_COMPRESSOR: CompressOptions;
export const DEDICATED_COMPRESSOR_3KB: CompressOptions;
export const DEDICATED_COMPRESSOR_4KB: CompressOptions;
export const DEDICATED_COMPRESSOR_8KB: CompressOptions;
export const DEDICATED_COMPRESSOR_16KB: CompressOptions;
export const DEDICATED_COMPRESSOR_32KB: CompressOptions;
export const DEDICATED_COMPRESSOR_64KB: CompressOptions;
export const DEDICATED_COMPRESSOR_128KB: CompressOptions;
export const DEDICATED_COMPRESSOR_256KB: CompressOptions;
/** A window of each socket's own, by default the largest. */
export const DEDICATED_DECOMPRESSOR: CompressOptions;
export const DEDICATED_DECOMPRESSOR_512B: CompressOptions;
export const DEDICATED_DECOMPRESSOR_1KB: CompressOptions;
export const DEDICATED_DECOMPRESSOR_2KB: CompressOptions;
export const DEDICATED_DECOMPRESSOR_4KB: CompressOptions;
export const DEDICATED_DECOMPRESSOR_8KB: CompressOptions;
export const DEDICATED_DECOMPRESSOR_16KB: CompressOptions;
export const DEDICATED_DECOMPRESSOR_32KB: CompressOptions;

// --- A store that all threads of the process share, by collection and key ---

/** The text of a key, `''` if there was none. */
export function getString(key: RecognizedString, collection: RecognizedString): string;
export function setString(
  key: RecognizedString,
  value: RecognizedString,
  collection: RecognizedString,
): void;
/** The number of a key, 0 if there was none. Numbers have 32 bits and no sign. */
export function getInteger(key: RecognizedString, collection: RecognizedString): number;
export function setInteger(
  key: RecognizedString,
  value: number,
  collection: RecognizedString,
): void;
/** Adds to a number, and returns the sum. */
export function incInteger(
  key: RecognizedString,
  change: number,
  collection: RecognizedString,
): number;
export function getStringKeys(collection: RecognizedString): string[];
export function getIntegerKeys(collection: RecognizedString): string[];
export function deleteString(key: RecognizedString, collection: RecognizedString): void;
export function deleteInteger(key: RecognizedString, collection: RecognizedString): void;
export function deleteStringCollection(collection: RecognizedString): void;
export function deleteIntegerCollection(collection: RecognizedString): void;
/** Waits for, and takes, the lock that threads share. */
export function lock(): void;
/** Gives the lock back. */
export function unlock(): void;

/** Does nothing. It is there for programs that call it. */
export function setTimeout(...values: unknown[]): void;
/** Does nothing. It is there for programs that call it. */
export function clearTimeout(...values: unknown[]): void;
/** Does nothing. It is there for programs that call it. */
export function arm(...values: unknown[]): void;
/** Does nothing. It is there for programs that call it. */
export function _cfg(key: RecognizedString): void;
