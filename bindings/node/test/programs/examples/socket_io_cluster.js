'use strict';

// Socket.IO in two processes of node:cluster, joined by Socket.IO's own adapter for it.

const cluster = require('node:cluster');
const { createAdapter, setupPrimary } = require('@socket.io/cluster-adapter');
const { Server } = require('socket.io');
const uws = require('uWebSockets.js');
const { serve } = require('./socket_io_node');

if (cluster.isPrimary) {
  setupPrimary();
  cluster.setupPrimary({ serialization: 'advanced' });
  for (let index = 0; index < 2; index += 1) {
    cluster.fork().on('message', (message) => {
      if (message.port) {
        console.log(`listening on ${message.port}`);
      }
    });
  }
} else {
  const app = uws.App();
  const io = new Server({ adapter: createAdapter({ heartbeatInterval: 100 }) });
  io.attachApp(app);
  serve(io, `node ${cluster.worker.id}`);
  app.listen('127.0.0.1', 0, (token) => {
    process.send({ port: uws.us_socket_local_port(token) });
  });
  process.once('disconnect', () => process.exit());
}
