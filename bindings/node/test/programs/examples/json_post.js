'use strict';

// Reads a JSON body, in one piece or many, and answers with another.

const uws = require('uWebSockets.js');

const BODY_BYTES_MAX = 1024 * 1024;

function readJson(res, onValue, onError) {
  let body = null;
  res.onData((chunk, isLast) => {
    const data = Buffer.from(chunk);
    if (!isLast) {
      // The chunk is gone after this call, so it is copied.
      body = Buffer.concat(body === null ? [data] : [body, data]);
      return;
    }
    body = body === null ? data : Buffer.concat([body, data]);
    let value;
    try {
      value = JSON.parse(body.toString());
    } catch (error) {
      onError(error);
      return;
    }
    onValue(value);
  });
}

function refuse(res, status, error) {
  res.writeStatus(status).writeHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ error }));
}

uws
  .App()
  .post('/sum', (res) => {
    res.onAborted(() => {});
    const onValue = ({ numbers }) => {
      const sum = numbers.reduce((total, number) => total + number, 0);
      res.writeHeader('Content-Type', 'application/json').end(JSON.stringify({ sum }));
    };
    readJson(res, onValue, () => refuse(res, '400 Bad Request', 'Not JSON'));
  })
  .post('/collected', (res) => {
    res.onAborted(() => {});
    res.collectBody(BODY_BYTES_MAX, (body) => {
      if (body === null) {
        refuse(res, '413 Content Too Large', `At most ${BODY_BYTES_MAX} bytes`);
        return;
      }
      const { length } = JSON.parse(Buffer.from(body).toString());
      res.writeHeader('Content-Type', 'application/json').end(JSON.stringify({ length }));
    });
  })
  .listen('127.0.0.1', Number(process.argv[2]), (token) => {
    console.log(`listening on ${uws.us_socket_local_port(token)}`);
  });
