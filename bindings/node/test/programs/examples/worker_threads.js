'use strict';

// One thread accepts, others serve: each worker makes an app of its own and gives its descriptor to
// the acceptor, which deals the connections out.

const { Worker, isMainThread, parentPort, threadId } = require('node:worker_threads');
const uws = require('uWebSockets.js');

const WORKERS = 3;

function serve() {
  const app = uws
    .App()
    .get('/thread', (res) => {
      res.end(`thread ${threadId}`);
    })
    .post('/double', (res) => {
      res.onAborted(() => {});
      res.collectBody(1024 * 1024, (body) => {
        const data = Buffer.from(body);
        res.end(Buffer.concat([data, data]));
      });
    })
    .ws('/*', {
      open: (ws) => {
        ws.subscribe('news');
        ws.send(`thread ${threadId}`);
      },
      message: (ws, message) => app.publish('news', message),
    })
    // A thread that listens stays; nobody is told of this port.
    .listen('127.0.0.1', 0, () => {});
  parentPort.postMessage(app.getDescriptor());
}

function accept() {
  const acceptor = uws.App();
  let ready = 0;
  for (let index = 0; index < WORKERS; index += 1) {
    const worker = new Worker(__filename);
    worker.on('error', (error) => {
      throw error;
    });
    worker.on('message', (descriptor) => {
      acceptor.addChildAppDescriptor(descriptor);
      ready += 1;
      if (ready === WORKERS) {
        acceptor.listen('127.0.0.1', Number(process.argv[2]), (token) => {
          console.log(`listening on ${uws.us_socket_local_port(token)}`);
        });
      }
    });
  }
}

if (isMainThread) {
  accept();
} else {
  serve();
}
