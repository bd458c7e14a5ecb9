'use strict';

const WebSocket = require('ws');

/** A client of `ws` whose events are taken one after the other. */
class Client {
  constructor(socket) {
    this.socket = socket;
    this.events = [];
    this.waiting = [];
    this.isPaused = false;
    socket.on('open', () => this.#push({ type: 'open' }));
    socket.on('message', (data, isBinary) => this.#push({ type: 'message', data, isBinary }));
    socket.on('ping', (data) => this.#push({ type: 'ping', data }));
    socket.on('pong', (data) => this.#push({ type: 'pong', data }));
    socket.on('close', (code, reason) => {
      this.#push({ type: 'close', code, reason: reason.toString() });
    });
    socket.on('unexpected-response', (_, response) => {
      response.resume();
      this.#push({ type: 'refused', status: response.statusCode, headers: response.headers });
    });
    socket.on('error', () => {});
  }

  #push(event) {
    const waiting = this.waiting.shift();
    if (waiting) {
      waiting(event);
    } else {
      this.events.push(event);
    }
  }

  /** The next event. */
  event() {
    if (this.events.length > 0) {
      return Promise.resolve(this.events.shift());
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** The next event, which has to be of a type. */
  async take(type) {
    const event = await this.event();
    if (event.type !== type) {
      throw new Error(`${JSON.stringify(event)} instead of ${type}`);
    }
    return event;
  }

  /** The text of the next event, which has to be a message of text. */
  async text() {
    const { data, isBinary } = await this.take('message');
    if (isBinary) {
      throw new Error('binary instead of text');
    }
    return data.toString();
  }

  /** The bytes of the next event, which has to be a binary message. */
  async binary() {
    const { data, isBinary } = await this.take('message');
    if (!isBinary) {
      throw new Error('text instead of binary');
    }
    return data;
  }

  send(...parameters) {
    this.socket.send(...parameters);
    return this;
  }
}

/** Starts to connect; closed after the test. */
function dial(t, port, path = '/', protocols = [], options = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
    perMessageDeflate: false,
    ...options,
  });
  t.after(() => socket.terminate());
  return new Client(socket);
}

/** Connects. */
async function open(t, port, path, protocols, options) {
  const client = dial(t, port, path, protocols, options);
  await client.take('open');
  return client;
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** The headers of a handshake, for raw clients. */
const HANDSHAKE = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': KEY,
  'Sec-WebSocket-Version': '13',
};

/** A client's frame with the mask 0. */
function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true } = {}) {
  const data = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  let head;
  if (data.length < 126) {
    head = Buffer.from([first, mask | data.length]);
  } else if (data.length < 65536) {
    head = Buffer.from([first, mask | 126, data.length >> 8, data.length & 255]);
  } else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), data]);
}

/** Takes a server's frame from a raw client. */
async function takeFrame(client) {
  const [first, second] = await client.take(2);
  let length = second & 127;
  if (length === 126) {
    length = (await client.take(2)).readUInt16BE();
  } else if (length === 127) {
    length = Number((await client.take(8)).readBigUInt64BE());
  }
  const data = Buffer.from(await client.take(length));
  return {
    fin: first >= 128, rsv: (first >> 4) & 7, opcode: first & 15, masked: second >= 128, data,
  };
}

module.exports = { Client, dial, open, KEY, ACCEPT, HANDSHAKE, frame, takeFrame };
