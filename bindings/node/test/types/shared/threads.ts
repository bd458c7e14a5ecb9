// A program for uWebSockets.js: one listener, and apps in several threads.

import { Worker, isMainThread, parentPort, threadId } from 'node:worker_threads';
import uWS = require('uWebSockets.js');

const app = uWS.App().get('/*', (res) => {
  res.end(`thread ${threadId}`);
});

if (isMainThread) {
  app.listen(4000, (token) => {
    console.log(token ? 'listening' : 'taken');
  });
  for (let count = 0; count < 2; count++) {
    const worker = new Worker(__filename);
    let descriptor: uWS.AppDescriptor;
    worker.on('message', (value: uWS.AppDescriptor) => {
      descriptor = value;
      app.addChildAppDescriptor(descriptor);
    });
    worker.on('exit', () => app.removeChildAppDescriptor(descriptor));
  }
} else {
  parentPort?.postMessage(app.getDescriptor());
}
