'use strict';

// A WebSocket client whose messages are awaited one by one.

const { once } = require('node:events');
const WebSocket = require('ws');

class Client {
  #messages = [];
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      this.#messages.push(isBinary ? data : data.toString());
      this.#wake();
    });
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  /** How many messages have come that nobody took. */
  get pending() {
    return this.#messages.length;
  }

  /** Takes the next message: a string, or a Buffer if it is binary. */
  async next() {
    while (this.#messages.length === 0) {
      if (this.socket.readyState === WebSocket.CLOSED) {
        throw new Error('the socket closed');
      }
      await new Promise((resolve) => this.#waiting.push(resolve));
    }
    return this.#messages.shift();
  }

  /** Takes the next message and parses it. */
  async nextJson() {
    return JSON.parse(await this.next());
  }

  send(data) {
    this.socket.send(data);
  }

  sendJson(value) {
    this.socket.send(JSON.stringify(value));
  }

  close(code, reason) {
    this.socket.close(code, reason);
    return this.closed;
  }
}

/** Makes a client that is not open yet. Cut after the test. */
function create(t, port, target = '/', { protocols = [], ...options } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${target}`, protocols, options);
  t.after(() => socket.terminate());
  return new Client(socket);
}

/** Connects. Rejects if the server refuses. */
async function open(t, port, target, options) {
  const client = create(t, port, target, options);
  await once(client.socket, 'open');
  return client;
}

/** Tries to connect, and gives the status with which the server refuses. */
async function refusal(t, port, target, options) {
  const client = create(t, port, target, options);
  const [, response] = await once(client.socket, 'unexpected-response');
  response.resume();
  return response.statusCode;
}

module.exports = { create, open, refusal };
