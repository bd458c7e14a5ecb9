'use strict';

// Random interleavings of everything that handlers and peers do: at most one response per request,
// each well-formed and of that request, a process that lives, and nothing left behind.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const path = require('node:path');
const { ownInBothModes } = require('../api/support/implementation');
const { connect, request } = require('../api/support/raw');
const { HANDSHAKE, frame, takeFrame } = require('../api/support/websocket');
const { sleep, until } = require('../api/support/wait');
const { Random } = require('./random');

const SEED = Number(process.env.KEIRIN_TEST_SEED || 1);
const CONNECTIONS = Number(process.env.KEIRIN_TEST_CONNECTIONS || 400);
const AT_ONCE = 20;
const ROUNDS = 4;
const PATIENCE_MS = 400;
const GROWTH_BYTES_MAX = 16 * 1024 * 1024;

/** A misbehaving server, and what it answers to `measure`. */
class Server {
  constructor(t, strict) {
    const file = path.join(__dirname, 'misbehaving-server.js');
    this.child = fork(file, strict ? ['strict'] : [], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.errors = '';
    this.child.stderr.on('data', (data) => {
      this.errors += data;
    });
    this.died = new Promise((resolve, reject) => {
      this.child.on('close', (code, signal) => {
        reject(new Error(`the server ended with ${signal ?? code}: ${this.errors}`));
      });
    });
    this.died.catch(() => {});
    t.after(() => this.child.kill('SIGKILL'));
  }

  message() {
    const message = new Promise((resolve) => this.child.once('message', resolve));
    return Promise.race([message, this.died]);
  }

  measure() {
    const answer = this.message();
    this.child.send('measure');
    return answer;
  }
}

/** Checks that a response can only be that of the request with a number. */
function checkResponse(response, number) {
  assert.ok([101, 200, 201, 404, 408, 500, 503].includes(response.status),
    response.statusLine);
  const label = `[${number}]`;
  if (response.status === 200 || response.status === 201) {
    assert.equal(response.text.replaceAll(label, ''), '', 'a body of another request');
  }
  for (const value of response.all('x-a')) {
    assert.equal(value, label, 'a header of another request');
  }
}

/** The request with a number, as bytes. */
function randomRequest(random, number) {
  const seed = random.below(2 ** 31);
  const fields = { 'X-Number': number };
  const target = random.oneIn(4) ? `/${seed}/again` : `/${seed}`;
  if (random.oneIn(3)) {
    return request('POST', target, fields, 'b'.repeat(random.below(200)));
  }
  return request(random.oneIn(10) ? 'HEAD' : 'GET', target, fields);
}

const isHead = (bytes) => bytes.subarray(0, 4).toString() === 'HEAD';

/** What a peer may do instead of waiting: it gives up its connection. */
async function giveUp(random, client) {
  await sleep(random.below(30));
  random.pick([() => client.reset(), () => client.destroy(), () => client.end()])();
}

// Every connection is destroyed where it is used, and not kept until the test's end.
const nothing = { after: () => {} };

/** A connection with some requests; resolves with the number of responses. */
async function exchange(port, random) {
  const client = await connect(nothing, port);
  const requests = Array.from({ length: 1 + random.below(5) }, (_, number) => {
    return randomRequest(random, number);
  });
  if (random.oneIn(8)) {
    // Its body never comes.
    const fields = { 'X-Number': requests.length, 'Content-Length': 50 };
    requests.push(request('POST', `/${random.below(2 ** 31)}`, fields));
  }
  const leaving = random.oneIn(4) ? giveUp(random, client) : null;
  // An answer that was begun may never end.
  const patience = setTimeout(() => client.reset(), PATIENCE_MS);
  const isPipelined = random.oneIn(2);
  if (isPipelined) {
    client.write(Buffer.concat(requests));
  }
  let count = 0;
  try {
    for (const [number, bytes] of requests.entries()) {
      if (!isPipelined) {
        client.write(bytes);
      }
      const response = await client.response({ bodiless: isHead(bytes) });
      checkResponse(response, number);
      if (response.status === 101) {
        break;
      }
      count += 1;
    }
    client.end();
    const left = await client.ended();
    const late = left.toString('latin1');
    assert.ok(late === '' || late.startsWith('HTTP/1.1 408 '), `more than was asked for: ${late}`);
  } catch (error) {
    if (error.code !== 'ENDED') {
      throw error;
    }
  }
  clearTimeout(patience);
  await leaving;
  client.destroy();
  return count;
}

const FRAMES = [
  frame(1, 'text'), frame(2, Buffer.alloc(1000)), frame(9, 'ping'), frame(10, 'pong'),
  frame(1, 'one', { fin: false }), frame(0, 'two', { fin: false }), frame(0, 'three'),
  frame(8, Buffer.from([3, 232])), frame(8), frame(3, 'x'), frame(1, Buffer.from([0xff])),
  frame(2, Buffer.alloc(20_000)), frame(1, 'x', { masked: false }), Buffer.from([0x81]),
];

/** Takes frames until the connection ends, and checks them. */
async function readFrames(client) {
  let isClosed = false;
  let isWithin = false;
  for (;;) {
    let taken;
    try {
      taken = await takeFrame(client);
    } catch (error) {
      if (error.code === 'ENDED') {
        return;
      }
      throw error;
    }
    const { fin, opcode, masked, data } = taken;
    assert.equal(isClosed, false, 'a frame after the close frame');
    assert.equal(masked, false);
    assert.ok([0, 1, 2, 8, 9, 10].includes(opcode), `opcode ${opcode}`);
    if (opcode >= 8) {
      assert.ok(fin && data.length <= 125);
      isClosed = opcode === 8;
    } else {
      assert.equal(opcode === 0, isWithin, 'a message within a message');
      isWithin = !fin;
    }
  }
}

/** A WebSocket with some frames, right ones and wrong ones. */
async function socketExchange(port, random) {
  const client = await connect(nothing, port);
  client.write(request('GET', `/ws/${random.below(2 ** 31)}`, HANDSHAKE));
  try {
    const head = await client.head();
    if (head.status !== 101) {
      assert.ok([408, 500, 503].includes(head.status), head.statusLine);
      client.destroy();
      return;
    }
  } catch (error) {
    if (error.code !== 'ENDED') {
      throw error;
    }
    return;
  }
  const reading = readFrames(client);
  for (let count = random.below(8); count > 0; count--) {
    client.write(random.pick(FRAMES));
    if (random.oneIn(2)) {
      await sleep(random.below(5));
    }
  }
  await giveUp(random, client);
  const patience = setTimeout(() => client.reset(), PATIENCE_MS);
  await reading;
  clearTimeout(patience);
  client.destroy();
}

async function round(port, seed) {
  let next = 0;
  let responses = 0;
  const work = async () => {
    while (next < CONNECTIONS) {
      const random = new Random(seed * 1_000_003 + next);
      next += 1;
      if (random.oneIn(3)) {
        await socketExchange(port, random);
      } else {
        const count = await exchange(port, random);
        responses += count;
      }
    }
  };
  const works = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  const failed = works.find(({ status }) => status === 'rejected');
  if (failed) {
    // If the server has died, that is what to tell.
    await sleep(500);
    throw failed.reason;
  }
  return responses;
}

ownInBothModes(`random interleavings, seed ${SEED}`, async (t, strict) => {
  const server = new Server(t, strict);
  const { port } = await server.message();
  const before = await server.measure();
  const measured = [];
  for (let number = 0; number < ROUNDS; number++) {
    const responses = await Promise.race([round(port, SEED + number), server.died]);
    assert.ok(responses > CONNECTIONS / 4, `only ${responses} responses`);
    await until(async () => (await server.measure()).counters.connectionsOpen === 0);
    measured.push(await server.measure());
  }
  const last = measured.at(-1);
  assert.equal(last.counters.socketsOpen, 0);
  assert.deepEqual(last.resources, before.resources, 'handles are left');
  const growth = (name) => last[name] - measured[1][name];
  assert.ok(growth('heapUsed') + growth('external') < GROWTH_BYTES_MAX / 4,
    `heap grew by ${growth('heapUsed')}, external by ${growth('external')}`);
  assert.ok(growth('rss') < GROWTH_BYTES_MAX, `memory grew by ${growth('rss')}`);
  const exited = new Promise((resolve) => server.child.once('exit', resolve));
  server.child.send('close');
  assert.equal(await exited, 0, server.errors);
  assert.doesNotMatch(server.errors, /uncaught|unhandled|panicked/i);
}, { timeout: 280_000 });
