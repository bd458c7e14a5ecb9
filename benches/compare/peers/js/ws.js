'use strict';

// ws, with bufferutil beside it, as its README advises.

const { WebSocket, WebSocketServer } = require('ws');
const { MESSAGE_BYTES_MAX, parseArguments } = require('./scenarios');

const { port, mode } = parseArguments(['off', 'shared', 'pubsub']);
const compressed = { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true };
const server = new WebSocketServer({
  host: '127.0.0.1',
  port,
  backlog: 4096,
  maxPayload: MESSAGE_BYTES_MAX,
  perMessageDeflate: mode === 'shared' ? compressed : false,
});

function publish(from, data, binary) {
  for (const client of server.clients) {
    if (client !== from && client.readyState === WebSocket.OPEN) client.send(data, { binary });
  }
}

server.on('connection', (socket) => {
  // What ends a connection shows at the generator.
  socket.on('error', () => {});
  if (mode === 'pubsub') {
    socket.on('message', (data, isBinary) => publish(socket, data, isBinary));
  } else {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  }
});
