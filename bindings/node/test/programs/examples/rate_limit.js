'use strict';

// So many messages per window and socket, and so many requests per window and address.

const uws = require('uWebSockets.js');

const PER_WINDOW = 5;
let window = 0;

function limiter() {
  const windows = new WeakMap();
  return (key) => {
    const entry = windows.get(key) ?? { window: -1, count: 0 };
    windows.set(key, entry);
    if (entry.window !== window) {
      entry.window = window;
      entry.count = 0;
    }
    entry.count += 1;
    return entry.count > PER_WINDOW;
  };
}

const addresses = new Map();
function addressKey(res) {
  const text = Buffer.from(res.getRemoteAddressAsText()).toString();
  if (!addresses.has(text)) {
    addresses.set(text, { text });
  }
  return addresses.get(text);
}

const isSocketLimited = limiter();
const isAddressLimited = limiter();

uws
  .App()
  .get('/limited', (res) => {
    const key = addressKey(res);
    if (isAddressLimited(key)) {
      res.writeStatus('429 Too Many Requests').writeHeader('Retry-After', '1').end(key.text);
      return;
    }
    res.end(key.text);
  })
  .post('/window', (res) => {
    window += 1;
    res.end(String(window));
  })
  .ws('/*', {
    message: (ws, message, isBinary) => {
      if (isSocketLimited(ws)) {
        ws.end(1008, 'Too many messages');
        return;
      }
      ws.send(message, isBinary);
    },
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
