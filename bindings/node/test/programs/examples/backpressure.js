'use strict';

// Sends more than a slow reader takes, and no faster than it takes it: `send` says when the socket
// is full, `drain` when there is room again.

const uws = require('uWebSockets.js');

const BUFFERED_BYTES_MAX = 256 * 1024;
const MESSAGE_BYTES = 16 * 1024;

function pump(ws) {
  while (ws.sent < ws.wanted) {
    if (ws.getBufferedAmount() >= BUFFERED_BYTES_MAX) {
      ws.stalls += 1;
      return;
    }
    const message = Buffer.alloc(MESSAGE_BYTES, ws.sent % 251);
    message.writeUInt32BE(ws.sent);
    ws.send(message, true);
    ws.sent += 1;
    ws.peak = Math.max(ws.peak, ws.getBufferedAmount());
  }
  if (!ws.isDone) {
    ws.isDone = true;
    ws.send(JSON.stringify({ stalls: ws.stalls, peak: ws.peak }));
  }
}

uws
  .App()
  .ws('/*', {
    maxBackpressure: 4 * BUFFERED_BYTES_MAX,
    upgrade: (res, req, context) => {
      res.upgrade(
        { wanted: 0, sent: 0, stalls: 0, peak: 0, isDone: true },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    message: (ws, message) => {
      ws.wanted += Number(Buffer.from(message).toString());
      ws.isDone = false;
      pump(ws);
    },
    drain: pump,
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
