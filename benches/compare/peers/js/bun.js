'use strict';

// Bun's own server, which is native code throughout.

const { BACKPRESSURE_BYTES_MAX, HELLO, MESSAGE_BYTES_MAX, body16k, parseArguments, race,
  summary } = require('./scenarios');

const { port, mode } = parseArguments(['http', 'off', 'shared', 'pubsub']);
const body = body16k();

const routes = {
  '/': () => new Response(HELLO),
  '/16k': () => new Response(body),
  '/json': () => Response.json(race()),
  '/post': { POST: async (request) => Response.json(summary(await request.json())) },
  '/upload': {
    POST: async (request) => {
      let received = 0;
      for await (const chunk of request.body) received += chunk.length;
      return new Response(String(received));
    },
  },
};

const limits = {
  maxPayloadLength: MESSAGE_BYTES_MAX,
  backpressureLimit: BACKPRESSURE_BYTES_MAX,
  perMessageDeflate: mode === 'shared' ? { compress: 'shared', decompress: 'shared' } : false,
};
const echo = {
  ...limits,
  message: (socket, message) => {
    socket.send(message, mode === 'shared');
  },
};
const publish = {
  ...limits,
  open: (socket) => {
    socket.subscribe('t');
  },
  message: (socket, message) => {
    socket.publish('t', message);
  },
};

Bun.serve({
  hostname: '127.0.0.1',
  port,
  ...(mode === 'http' ? { routes } : {}),
  fetch: (request, server) => {
    if (mode !== 'http' && server.upgrade(request)) return undefined;
    return new Response(null, { status: 404 });
  },
  websocket: mode === 'pubsub' ? publish : echo,
});
