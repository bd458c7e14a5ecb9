'use strict';

// Takes bodies of any size as they come, and answers with what came.

const { createHash } = require('node:crypto');
const uws = require('uWebSockets.js');

const BYTES_MAX = 64 * 1024 * 1024;

uws
  .App()
  .post('/upload', (res, req) => {
    const name = req.getHeader('x-name');
    const hash = createHash('sha256');
    let bytes = 0;
    let isOver = false;
    res.onAborted(() => {
      isOver = true;
      console.log(`${name} aborted`);
    });
    res.onData((chunk, isLast) => {
      if (isOver) {
        return;
      }
      bytes += chunk.byteLength;
      if (bytes > BYTES_MAX) {
        isOver = true;
        res.close();
        return;
      }
      hash.update(Buffer.from(chunk));
      if (isLast) {
        isOver = true;
        res.writeHeader('Content-Type', 'application/json');
        res.end(JSON.stringify({ name, bytes, sha256: hash.digest('hex') }));
      }
    });
  })
  .any('/*', (res) => {
    res.writeStatus('404 Not Found').end('Nothing here');
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
