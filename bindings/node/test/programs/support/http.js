'use strict';

// HTTP as node:http speaks it, and as bytes.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');

// What one implementation sends and another need not.
const OWN_FIELDS = new Set(['uwebsockets', 'date', 'connection', 'keep-alive', 'server']);

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** All header fields but an implementation's own, as [name, value] in order. */
function fields(rawHeaders) {
  const pairs = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index].toLowerCase();
    if (!OWN_FIELDS.has(name)) {
      pairs.push([name, rawHeaders[index + 1]]);
    }
  }
  return pairs;
}

/** Sends a request and gives the response's head; its body is still to be read. */
function open(port, target, { method = 'GET', headers = {}, body, agent = false } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: target, method, headers, agent };
    const request = http.request(options, resolve);
    request.once('error', reject);
    if (body && typeof body.pipe === 'function') {
      body.pipe(request);
    } else {
      request.end(body);
    }
  });
}

/** Sends a request and gives the whole response. */
async function fetchAll(port, target, options) {
  const response = await open(port, target, options);
  const body = await collect(response);
  return {
    status: response.statusCode,
    reason: response.statusMessage,
    headers: response.headers,
    fields: fields(response.rawHeaders),
    body,
    text: body.toString(),
  };
}

/** Asserts all of a response: status line, every field that is not the server's own, and body. */
function assertResponse(response, statusLine, expectedFields, body) {
  assert.equal(`${response.status} ${response.reason}`, statusLine);
  assert.deepEqual(response.fields, expectedFields);
  assert.deepEqual(response.body, Buffer.from(body));
}

/** A TCP connection whose bytes are taken in pieces. */
class Connection {
  #received = Buffer.alloc(0);
  #isEnded = false;
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = () => {
      this.#isEnded = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('close', end);
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  #more() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  write(data) {
    this.socket.write(data);
  }

  end() {
    this.socket.end();
  }

  destroy() {
    this.socket.destroy();
  }

  /** Takes as many bytes as `count` says as soon as it says more than 0. */
  async #takeWhen(count) {
    for (;;) {
      const bytes = count(this.#received);
      if (bytes > 0) {
        const taken = this.#received.subarray(0, bytes);
        this.#received = this.#received.subarray(bytes);
        return taken.toString();
      }
      if (this.#isEnded) {
        throw new Error(`the connection ended after ${JSON.stringify(String(this.#received))}`);
      }
      await this.#more();
    }
  }

  /** Takes everything up to and with `marker`. */
  until(marker) {
    return this.#takeWhen((received) => {
      const at = received.indexOf(marker);
      return at < 0 ? 0 : at + Buffer.byteLength(marker);
    });
  }

  /** Takes so many bytes. */
  take(bytes) {
    return this.#takeWhen((received) => (received.length < bytes ? 0 : bytes));
  }

  /** Takes all that comes until the server closes. */
  async rest() {
    while (!this.#isEnded) {
      await this.#more();
    }
    return this.#received.toString();
  }
}

/** Connects; destroyed after the test. */
async function connect(t, port) {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return new Connection(socket);
}

/** Sends bytes and gives all that comes until the server closes. */
async function exchange(t, port, bytes) {
  const connection = await connect(t, port);
  connection.write(bytes);
  return connection.rest();
}

module.exports = { assertResponse, collect, connect, exchange, fetchAll, fields, open };
