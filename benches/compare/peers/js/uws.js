'use strict';

// uWebSockets.js, and keirin, which has the same interface: the third argument names the module.
// `--version MODULE` prints which one that is.

const { BACKPRESSURE_BYTES_MAX, HELLO, MESSAGE_BYTES_MAX, body16k, parseArguments, race,
  summary } = require('./scenarios');

/** Binaries of today need a C library of 2023; there is an older one for older systems. */
const CANDIDATES = { 'uWebSockets.js': ['uWebSockets.js', 'uWebSockets.js-older'] };

function load(name) {
  let failure;
  for (const candidate of CANDIDATES[name] ?? [name]) {
    try {
      return [candidate, require(candidate)];
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

if (process.argv[2] === '--version') {
  const [name] = load(process.argv[3]);
  const file = require('node:path').join(__dirname, 'node_modules', name, 'package.json');
  console.log(JSON.parse(require('node:fs').readFileSync(file, 'utf8')).version);
  process.exit(0);
}

const { port, mode, rest } = parseArguments(['http', 'off', 'shared', 'pubsub']);
const [, uWS] = load(rest[0] ?? 'uWebSockets.js');

function addRoutes(app) {
  const body = body16k();
  const answerJson = (res, object) => {
    res.writeHeader('Content-Type', 'application/json').end(JSON.stringify(object));
  };
  app.get('/', (res) => {
    res.end(HELLO);
  });
  app.get('/16k', (res) => {
    res.end(body);
  });
  app.get('/json', (res) => {
    answerJson(res, race());
  });
  app.post('/post', (res) => {
    let before;
    res.onAborted(() => {});
    res.onData((chunk, isLast) => {
      // A chunk is gone when this function returns.
      const bytes = before ? Buffer.concat([before, Buffer.from(chunk)]) : Buffer.from(chunk);
      if (isLast) res.cork(() => answerJson(res, summary(JSON.parse(bytes))));
      else before = before ? bytes : Buffer.from(bytes);
    });
  });
  app.post('/upload', (res) => {
    let received = 0;
    res.onAborted(() => {});
    res.onData((chunk, isLast) => {
      received += chunk.byteLength;
      if (isLast) res.cork(() => res.end(String(received)));
    });
  });
}

function addSockets(app) {
  const compress = mode === 'shared';
  const limits = {
    compression: compress ? uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR : uWS.DISABLED,
    maxPayloadLength: MESSAGE_BYTES_MAX,
    maxBackpressure: BACKPRESSURE_BYTES_MAX,
  };
  if (mode === 'pubsub') {
    app.ws('/*', {
      ...limits,
      open: (ws) => {
        ws.subscribe('t');
      },
      message: (ws, message, isBinary) => {
        ws.publish('t', message, isBinary);
      },
    });
  } else {
    app.ws('/*', {
      ...limits,
      message: (ws, message, isBinary) => {
        ws.send(message, isBinary, compress);
      },
    });
  }
}

const app = uWS.App();
if (mode === 'http') addRoutes(app);
else addSockets(app);
app.listen('127.0.0.1', port, (token) => {
  if (!token) process.exit(1);
});
