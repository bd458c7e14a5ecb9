'use strict';

// Takes a form in whichever way it comes: JSON, urlencoded, or multipart with files.

const { createHash } = require('node:crypto');
const uws = require('uWebSockets.js');

function describe({ name, type, filename, data }) {
  const sha256 = createHash('sha256').update(Buffer.from(data)).digest('hex');
  return { name, type, filename, bytes: data.byteLength, sha256 };
}

function parse(type, body) {
  if (type.startsWith('application/json')) {
    return JSON.parse(body.toString());
  }
  if (type === 'application/x-www-form-urlencoded') {
    return Object.fromEntries(new URLSearchParams(body.toString()));
  }
  return uws.getParts(body, type)?.map(describe);
}

uws
  .App()
  .post('/form', (res, req) => {
    const type = req.getHeader('content-type');
    const chunks = [];
    res.onAborted(() => {});
    res.onData((chunk, isLast) => {
      // A copy: the chunk is gone after this call.
      chunks.push(Buffer.from(chunk.slice(0)));
      if (!isLast) {
        return;
      }
      const form = parse(type, Buffer.concat(chunks));
      if (form === undefined) {
        res.writeStatus('415 Unsupported Media Type').end(type);
        return;
      }
      res.writeHeader('Content-Type', 'application/json').end(JSON.stringify(form));
    });
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
