'use strict';

// Rooms by path. What one says all others of the room hear; the server tells of who comes and goes.

const uws = require('uWebSockets.js');

const app = uws
  .App()
  .ws('/rooms/:room', {
    compression: uws.SHARED_COMPRESSOR,
    maxPayloadLength: 1024,
    idleTimeout: 60,
    upgrade: (res, req, context) => {
      const name = req.getQuery('name');
      if (!name) {
        res.writeStatus('400 Bad Request').end('Who are you?');
        return;
      }
      res.upgrade(
        { name, room: req.getParameter(0) },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    open: (ws) => {
      ws.subscribe(ws.room);
      app.publish(ws.room, `${ws.name} came`);
    },
    message: (ws, message, isBinary) => {
      if (isBinary) {
        ws.publish(ws.room, message, true, true);
        return;
      }
      ws.publish(ws.room, `${ws.name}: ${Buffer.from(message)}`, false, true);
    },
    close: (ws, code) => {
      app.publish(ws.room, `${ws.name} left with ${code}`);
    },
  })
  .get('/rooms/:room', (res, req) => {
    res.end(String(app.numSubscribers(req.getParameter(0))));
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
