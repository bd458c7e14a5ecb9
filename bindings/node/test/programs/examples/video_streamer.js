'use strict';

// Streams a file of any size: as much as the socket takes, then no more is read from the disk until
// there is room. `/fixed` names the size first, `/chunked` does not know it.

const fs = require('node:fs');
const uws = require('uWebSockets.js');

const file = process.argv[3];
const { size } = fs.statSync(file);

function view(chunk) {
  return chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.byteLength);
}

function streamFixed(res) {
  const stream = fs.createReadStream(file);
  let pending = null;
  let pendingAt = 0;

  const send = (chunk) => {
    const at = res.getWriteOffset();
    const [isTaken, isDone] = res.tryEnd(chunk, size);
    if (isDone) {
      stream.destroy();
    } else if (!isTaken) {
      stream.pause();
      pending = chunk;
      pendingAt = at;
    }
    return isTaken || isDone;
  };
  res.onAborted(() => {
    stream.destroy();
    console.log('aborted');
  });
  res.onWritable((offset) => {
    const chunk = pending.slice(offset - pendingAt);
    pending = null;
    const isTaken = send(chunk);
    if (isTaken) {
      stream.resume();
    }
    return isTaken;
  });
  res.cork(() => res.writeHeader('Content-Type', 'video/mp4'));
  stream.on('data', (chunk) => res.cork(() => send(view(chunk))));
}

function streamChunked(res) {
  const stream = fs.createReadStream(file);
  res.onAborted(() => {
    stream.destroy();
    console.log('aborted');
  });
  res.onWritable(() => {
    stream.resume();
    return true;
  });
  stream.on('data', (chunk) => {
    res.cork(() => {
      if (!res.write(view(chunk))) {
        stream.pause();
      }
    });
  });
  stream.on('end', () => res.cork(() => res.end()));
}

uws
  .App()
  .get('/fixed', streamFixed)
  .get('/chunked', streamChunked)
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
