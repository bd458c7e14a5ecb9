'use strict';

// An HTTP client that sees bytes: requests are what the test writes, and responses come back with
// what was on the wire.

const net = require('node:net');

class Response {
  constructor(statusLine, fields) {
    this.statusLine = statusLine;
    this.status = Number(statusLine.slice(9, 12));
    this.fields = fields;
    this.body = Buffer.alloc(0);
    this.chunks = [];
  }

  /** All values of a header. */
  all(name) {
    return this.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  }

  /** The value of a header that is there at most once. */
  header(name) {
    const values = this.all(name);
    if (values.length > 1) {
      throw new Error(`${name} is there ${values.length} times`);
    }
    return values[0];
  }

  get text() {
    return this.body.toString();
  }
}

function parseHead(head) {
  const [statusLine, ...lines] = head.split('\r\n');
  if (!/^HTTP\/1\.1 [1-5]\d\d [\x20-\x7e]*$/.test(statusLine)) {
    throw new Error(`malformed status line ${JSON.stringify(statusLine)}`);
  }
  const fields = lines.map((line) => {
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([^\x00\r\n]*)$/.exec(line);
    if (!match) {
      throw new Error(`malformed header ${JSON.stringify(line)}`);
    }
    return [match[1], match[2]];
  });
  return new Response(statusLine, fields);
}

class Raw {
  constructor(socket) {
    this.socket = socket;
    this.pieces = [];
    this.length = 0;
    this.isEnded = false;
    this.error = null;
    this.waiting = [];
    socket.on('data', (data) => {
      this.pieces.push(data);
      this.length += data.length;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    const end = () => {
      this.isEnded = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('close', end);
  }

  /** What has come and was not taken. Joined when somebody looks, as large bodies come in many. */
  get received() {
    if (this.pieces.length !== 1) {
      this.pieces = [Buffer.concat(this.pieces)];
    }
    return this.pieces[0];
  }

  set received(bytes) {
    this.pieces = [bytes];
    this.length = bytes.length;
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) {
      wake();
    }
  }

  /** Resolves with what `look` gives as soon as that is not undefined. */
  async #when(look, what) {
    for (;;) {
      const value = look();
      if (value !== undefined) {
        return value;
      }
      if (this.isEnded) {
        const rest = JSON.stringify(this.received.toString('latin1').slice(0, 300));
        throw Object.assign(
          new Error(`connection ended before ${what}; left: ${rest} (${this.error})`),
          { code: 'ENDED' },
        );
      }
      await new Promise((resolve) => this.waiting.push(resolve));
    }
  }

  write(data) {
    this.socket.write(data);
    return this;
  }

  /** Takes `count` bytes. */
  take(count) {
    return this.#when(() => {
      if (this.length < count) {
        return undefined;
      }
      const taken = this.received.subarray(0, count);
      this.received = this.received.subarray(count);
      return taken;
    }, `${count} bytes`);
  }

  /** Takes up to and without `marker`, and drops the marker. */
  until(marker) {
    return this.#when(() => {
      const at = this.received.indexOf(marker);
      if (at < 0) {
        return undefined;
      }
      const taken = this.received.subarray(0, at);
      this.received = this.received.subarray(at + marker.length);
      return taken;
    }, JSON.stringify(marker));
  }

  /** Takes the head of a response. */
  async head() {
    return parseHead((await this.until('\r\n\r\n')).toString('latin1'));
  }

  /** Takes a chunk of a chunked body; the last one is empty. */
  async chunk() {
    const size = (await this.until('\r\n')).toString();
    if (!/^[0-9a-fA-F]+$/.test(size)) {
      throw new Error(`malformed chunk size ${JSON.stringify(size)}`);
    }
    const data = Buffer.from(await this.take(parseInt(size, 16)));
    const end = (await this.take(2)).toString('latin1');
    if (end !== '\r\n') {
      throw new Error(`chunk of ${size} is followed by ${JSON.stringify(end)}`);
    }
    return data;
  }

  /** Takes a whole response; `bodiless` if it answers HEAD. */
  async response({ bodiless = false } = {}) {
    const response = await this.head();
    const length = response.header('content-length');
    const coding = response.header('transfer-encoding');
    if (length !== undefined && coding !== undefined) {
      throw new Error('both a length and a transfer coding');
    }
    if (bodiless || response.status === 204 || response.status === 304) {
      return response;
    }
    if (coding !== undefined) {
      for (;;) {
        const data = await this.chunk();
        if (data.length === 0) {
          break;
        }
        response.chunks.push(data);
      }
      response.body = Buffer.concat(response.chunks);
    } else if (length !== undefined) {
      response.body = Buffer.from(await this.take(Number(length)));
    }
    return response;
  }

  /** Resolves with what was left when the server has closed the connection. */
  async ended() {
    while (!this.isEnded) {
      await new Promise((resolve) => this.waiting.push(resolve));
    }
    return this.received;
  }

  end() {
    this.socket.end();
  }

  destroy() {
    this.socket.destroy();
  }

  reset() {
    this.socket.resetAndDestroy();
  }
}

/** Connects; `target` is a port, or what `net.connect` takes. Destroyed after the test. */
function connect(t, target) {
  const options = typeof target === 'number' ? { port: target, host: '127.0.0.1' } : target;
  return new Promise((resolve, reject) => {
    const socket = net.connect({ noDelay: true, ...options });
    t.after(() => socket.destroy());
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new Raw(socket));
    });
  });
}

/** Bytes of a request; a body adds its length. */
function request(method, target, fields = {}, body) {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: test'];
  for (const [key, value] of Object.entries(fields)) {
    lines.push(`${key}: ${value}`);
  }
  if (body === undefined) {
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  }
  lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return Buffer.concat([head, Buffer.from(body)]);
}

/** One request on a connection of its own. */
async function fetch(t, port, target, { method = 'GET', fields, body } = {}) {
  const client = await connect(t, port);
  client.write(request(method, target, fields, body));
  const response = await client.response({ bodiless: method === 'HEAD' });
  client.destroy();
  return response;
}

module.exports = { connect, request, fetch, Raw };
