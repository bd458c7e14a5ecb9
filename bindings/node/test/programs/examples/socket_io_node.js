'use strict';

// What each node of the two clusters does for its clients.

exports.serve = (io, name) => {
  io.on('ping node', (done) => done(name));
  io.on('connection', (socket) => {
    socket.data.node = name;
    socket.emit('welcome', name);
    socket.on('join', (room, done) => {
      socket.join(room);
      done();
    });
    socket.on('say', (room, ...values) => socket.to(room).emit('said', ...values));
    socket.on('say to all', (...values) => io.emit('said', ...values));
    socket.on('ask', async (room, value, done) => {
      done(await io.in(room).timeout(5000).emitWithAck('ask', value));
    });
    socket.on('who', async (room, done) => {
      const sockets = await io.in(room).fetchSockets();
      done(sockets.map(({ id, data }) => [id, data.node]));
    });
    socket.on('nodes', async (done) => done(await io.of('/').adapter.serverCount()));
    socket.on('ping others', async (done) => done(await io.serverSideEmitWithAck('ping node')));
    socket.on('send away', (room) => io.in(room).disconnectSockets());
  });
};
