'use strict';

// A Socket.IO server attached to an App, and clients of it.

const { once } = require('node:events');
const { Server } = require('socket.io');
const { io: connectTo } = require('socket.io-client');
const uws = require('uWebSockets.js');

// How a client may talk: WebSocket at once, never, or after it began with requests.
const TRANSPORTS = {
  websocket: ['websocket'],
  polling: ['polling'],
  'polling and then websocket': ['polling', 'websocket'],
};

function listen(app) {
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (token) => {
      if (token) {
        resolve(uws.us_socket_local_port(token));
      } else {
        reject(new Error('the port is taken'));
      }
    });
  });
}

/** Serves until the end of the test. Socket.IO keeps one App at a time. */
async function serve(t, options = {}, attachOptions = {}) {
  const app = uws.App();
  const io = new Server(options);
  io.attachApp(app, attachOptions);
  // A session that is closed is kept for a last poll, 30 seconds by default, and the process too.
  io.engine.on('connection', ({ transport }) => {
    transport.closeTimeout = 500;
  });
  const port = await listen(app);
  const clients = [];
  t.after(async () => {
    for (const client of clients) {
      client.disconnect();
    }
    await io.close();
    app.close();
  });

  /** A client that is connecting. */
  const create = (namespace = '/', clientOptions = {}) => {
    const client = connectTo(`http://127.0.0.1:${port}${namespace}`, {
      forceNew: true,
      reconnection: false,
      ...clientOptions,
    });
    clients.push(client);
    return client;
  };

  /** A client that has connected, with the server's socket for it. */
  const connect = async (namespace = '/', clientOptions = {}) => {
    const parent = io.of(namespace);
    const client = create(namespace, clientOptions);
    const failed = once(client, 'connect_error').then(([error]) => {
      throw error;
    });
    await Promise.race([once(client, 'connect'), failed]);
    return { client, socket: parent.sockets.get(client.id) };
  };
  return { app, io, port, create, connect };
}

/** Resolves with the arguments of the next `event`. */
async function next(emitter, event) {
  const values = await once(emitter, event);
  return values.length === 1 ? values[0] : values;
}

/** Resolves when the client talks over WebSocket. */
async function upgraded(client) {
  const { engine } = client.io;
  if (engine.transport.name !== 'websocket') {
    await once(engine, 'upgrade');
  }
}

module.exports = { TRANSPORTS, listen, next, serve, upgraded };
