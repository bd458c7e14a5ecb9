'use strict';

// Receives no faster than it can work: the body is paused while a piece of it is being dealt with.

const uws = require('uWebSockets.js');

let pieces = 0;

uws
  .App()
  .post('/work', (res) => {
    let bytes = 0;
    let checksum = 0;
    let isWorking = false;
    let isOver = false;
    res.onAborted(() => {
      isOver = true;
    });
    res.onDataV2((chunk, remaining) => {
      const data = Buffer.from(chunk);
      for (const byte of data) {
        checksum = (checksum * 31 + byte) >>> 0;
      }
      bytes += data.byteLength;
      pieces += 1;
      if (remaining === 0n) {
        isOver = true;
        res.cork(() => res.end(`${bytes} ${checksum}`));
        return;
      }
      if (isWorking) {
        return;
      }
      isWorking = true;
      res.pause();
      setTimeout(() => {
        isWorking = false;
        if (!isOver) {
          res.resume();
        }
      }, 5);
    });
  })
  .get('/pieces', (res) => {
    res.end(String(pieces));
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
