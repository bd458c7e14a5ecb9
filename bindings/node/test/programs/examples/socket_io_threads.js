'use strict';

// Socket.IO in two worker threads that form one cluster, with nothing but a BroadcastChannel
// between them.

const { BroadcastChannel, Worker, isMainThread, parentPort, threadId } =
  require('node:worker_threads');
const { ClusterAdapterWithHeartbeat } = require('socket.io-adapter');
const { Server } = require('socket.io');
const uws = require('uWebSockets.js');
const { serve } = require('./socket_io_node');

class ThreadAdapter extends ClusterAdapterWithHeartbeat {
  constructor(namespace) {
    super(namespace, { heartbeatInterval: 100, heartbeatTimeout: 10_000 });
    this.channel = new BroadcastChannel(`socket.io ${namespace.name}`);
    this.channel.onmessage = ({ data }) => this.onMessage(data);
    this.init();
  }

  doPublish(message) {
    this.channel.postMessage(message);
    return Promise.resolve('');
  }

  doPublishResponse(requester, response) {
    this.channel.postMessage({ ...response, requesterUid: requester });
    return Promise.resolve();
  }

  close() {
    super.close();
    this.channel.close();
  }
}

if (isMainThread) {
  for (let index = 0; index < 2; index += 1) {
    const worker = new Worker(__filename);
    worker.on('message', (port) => console.log(`listening on ${port}`));
  }
} else {
  const app = uws.App();
  const io = new Server({ adapter: ThreadAdapter });
  io.attachApp(app);
  serve(io, `node ${threadId}`);
  app.listen('127.0.0.1', 0, (token) => {
    parentPort.postMessage(uws.us_socket_local_port(token));
  });
}
