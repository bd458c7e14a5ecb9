'use strict';

// An event stream: the answer is begun and never ended, and events are written to all who listen.

const uws = require('uWebSockets.js');

const listeners = new Set();
let id = 0;

function event(name, data) {
  id += 1;
  return `id: ${id}\nevent: ${name}\n${data.replace(/^/gm, 'data: ')}\n\n`;
}

uws
  .App()
  .get('/events', (res, req) => {
    const since = req.getHeader('last-event-id');
    res.onAborted(() => {
      listeners.delete(res);
      console.log(`left, ${listeners.size} listen`);
    });
    res.writeHeader('Content-Type', 'text/event-stream');
    res.writeHeader('Cache-Control', 'no-store');
    res.write(`retry: 1000\n: since ${since || 'ever'}\n\n`);
    listeners.add(res);
  })
  .post('/events/:name', (res, req) => {
    const name = req.getParameter(0);
    res.onAborted(() => {});
    res.collectBody(1024 * 1024, (body) => {
      const text = event(name, Buffer.from(body).toString());
      for (const listener of listeners) {
        listener.cork(() => listener.write(text));
      }
      res.cork(() => res.end(String(listeners.size)));
    });
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
