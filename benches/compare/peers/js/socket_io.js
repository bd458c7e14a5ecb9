'use strict';

// Socket.IO over its WebSocket transport: every event comes back, or goes to all others.

const { Server } = require('socket.io');
const { MESSAGE_BYTES_MAX, parseArguments } = require('./scenarios');

const { port, mode } = parseArguments(['off', 'pubsub']);
const io = new Server({
  transports: ['websocket'],
  maxHttpBufferSize: MESSAGE_BYTES_MAX,
  perMessageDeflate: false,
  serveClient: false,
});

io.on('connection', (socket) => {
  // What the guide to performance says: the request of the handshake is not kept.
  socket.conn.request = null;
  if (mode === 'pubsub') socket.on('m', (text) => socket.broadcast.emit('m', text));
  else socket.on('m', (text) => socket.emit('m', text));
});
// Its own server would listen on every address.
const http = require('node:http').createServer();
io.attach(http);
http.listen(port, '127.0.0.1', 4096);
